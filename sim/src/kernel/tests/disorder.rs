//! Wires on which packets overtake each other, come twice, late, or never: connections keep every promise all the same. And
//! what routers say of hosts that they know no way to.

use std::time::Duration;

use proptest::prelude::*;
use twinloop::driver::{Half, Readiness};

use super::super::errno::{ECONNRESET, EHOSTUNREACH, ETIMEDOUT};
use super::bulk::{Lcg, exchange};
use super::pair::{A, B, Fate, Pair, at};

/// How often a wire does what, in a hundred packets.
#[derive(Clone, Copy, Debug)]
struct Disorder {
    loss: u64,
    late: u64,
    twice: u64,
    late_ms: u64,
    seed: u64,
}

fn disorders() -> impl Strategy<Value = Disorder> {
    let late_ms = prop_oneof![Just(2_u64), 1_u64..50, 100_u64..10_000];
    (0_u64..15, 0_u64..60, 0_u64..40, late_ms, any::<u64>())
        .prop_map(|(loss, late, twice, late_ms, seed)| Disorder { loss, late, twice, late_ms, seed })
}

impl Disorder {
    fn apply(self, pair: &mut Pair) {
        let mut chance = Lcg(self.seed);
        pair.on_wire(move |_, _| {
            let roll = chance.below(100);
            let late = Duration::from_micros(chance.below(self.late_ms * 1000));
            match roll {
                roll if roll < self.loss => Fate::Drop,
                roll if roll < self.loss + self.late => Fate::Late(late),
                roll if roll < self.loss + self.late + self.twice => Fate::TwiceLate(late),
                _ => Fate::Pass,
            }
        });
    }
}

/// Opens a connection over whatever wire there is, moves a few bytes each way, and closes it from one end or from both.
/// `crashes`: the accepting host is gone in the middle of it, and another one begins in its place.
fn one_connection(pair: &mut Pair, chance: &mut Lcg, crashes: bool) {
    let second = Duration::from_secs(1);
    let listener = pair.listen(B, 80);
    let a = pair.connect(A, &at(B, 80));
    let mut accepted = pair.accept(B, listener);
    for _ in 0..300 {
        if accepted.is_ok() {
            break;
        }
        pair.run(second);
        accepted = pair.accept(B, listener);
    }
    // Its SYN may have been lost time and again.
    let Ok(b) = accepted else {
        return [a, listener].into_iter().zip([A, B]).for_each(|(fd, host)| pair.close(host, fd));
    };
    pair.run(Duration::from_micros(chance.below(3_000)));
    for (host, fd) in [(A, a), (B, b)] {
        let length = chance.below(3000) as usize;
        // The other end may have been reset by what came before its time.
        let _ = pair.send(host, fd, &vec![7; length]);
    }
    pair.run(Duration::from_micros(chance.below(3_000_000)));
    if crashes {
        pair.crash(B);
        pair.run(Duration::from_micros(chance.below(3_000_000)));
        return pair.close(A, a);
    }
    if chance.below(2) == 0 {
        let _ = pair.shutdown(A, a, Half::Write);
        pair.run(Duration::from_micros(chance.below(3_000_000)));
    }
    let order = if chance.below(2) == 0 { [(A, a), (B, b)] } else { [(B, b), (A, a)] };
    for (host, fd) in order {
        pair.close(host, fd);
        pair.run(Duration::from_micros(chance.below(2_000_000)));
    }
    pair.close(B, listener);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Every byte arrives once and in order, whatever the wire does.
    #[test]
    fn bytes_survive_any_disorder(disorder in disorders()) {
        let (mut pair, _, a, b) = Pair::connected();
        disorder.apply(&mut pair);
        exchange(&mut pair, [a, b], 60_000, Lcg(disorder.seed));
    }

    /// Connections begin and end, and nothing old is taken for new. That nothing is left is what the pair checks at its end.
    #[test]
    fn connections_begin_and_end_in_any_disorder(disorder in disorders(), crashes in prop::collection::vec(any::<bool>(), 1..8)) {
        let mut pair = Pair::new();
        disorder.apply(&mut pair);
        let mut chance = Lcg(disorder.seed);
        for crashes in crashes {
            one_connection(&mut pair, &mut chance, crashes);
        }
    }
}

/// A SYN that comes again when the host that took it has crashed begins no connection there, although its peer goes on.
#[test]
fn an_old_syn_begins_nothing() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, 80);
    pair.on_wire(|from, _| if from == A { Fate::TwiceLate(Duration::from_secs(10)) } else { Fate::Pass });
    let a = pair.connect(A, &at(B, 80));
    pair.heal();
    pair.run(Duration::from_secs(1));
    let b = pair.accept(B, listener).expect("the handshake is done");
    assert_eq!(pair.send(B, b, b"from the first life"), Ok(19));
    pair.run(Duration::from_secs(1));
    pair.crash(B);
    let listener = pair.listen(B, 80);
    pair.run(Duration::from_secs(10));
    assert!(pair.accept(B, listener).is_err());
    assert_eq!(pair.send(A, a, b"hello"), Ok(5));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.take_error(A, a), Some(ECONNRESET));
}

/// RFC 1122, section 4.2.3.9: an attempt to connect ends with it.
#[test]
fn a_connect_that_is_turned_back_fails_at_once() {
    let mut pair = Pair::new();
    pair.on_wire(|_, _| Fate::TurnBack);
    let a = pair.connect(A, &at(B, 80));
    pair.run(Duration::from_millis(10));
    assert_eq!(pair.take_error(A, a), Some(EHOSTUNREACH));
}

/// An open connection goes on; only if it ends in a time-out, it has died of this.
#[test]
fn an_open_connection_outlives_routers_that_know_no_way() {
    let (mut pair, _, a, b) = Pair::connected();
    pair.on_wire(|from, _| if from == A { Fate::TurnBack } else { Fate::Pass });
    assert_eq!(pair.send(A, a, b"hello"), Ok(5));
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.take_error(A, a), None);
    pair.heal();
    pair.run(Duration::from_secs(10));
    assert_eq!(pair.recv(B, b, 10), Ok(b"hello".to_vec()));
}

#[test]
fn a_time_out_is_told_as_what_routers_said() {
    for (fate, error) in [(Fate::TurnBack, EHOSTUNREACH), (Fate::Drop, ETIMEDOUT)] {
        let (mut pair, _, a, _) = Pair::connected();
        pair.on_wire(move |_, _| fate);
        assert_eq!(pair.send(A, a, b"hello"), Ok(5));
        pair.run(Duration::from_secs(3600));
        super::assert_edge!(pair, A, a, Readiness::ERROR);
        assert_eq!(pair.take_error(A, a), Some(error));
    }
}
