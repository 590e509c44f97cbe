//! What happens to single packets on the wire: each fault by its effect, by its words in the story, and by its absence.

use std::cell::RefCell;

use proptest::prelude::*;
use twinloop::{ErrorKind, connect, timeout};
use twinloop_sim::{Distribution, LinkFaults};

use super::*;

/// What a world looks like in which datagrams and a stream go over links that behave as `set` says.
struct Outcome {
    report: Report,
    heard: Vec<(u32, Moment)>,
    /// What came back over the stream, and when.
    echoed: (Vec<u8>, Moment),
}

const DATAGRAMS: u32 = 200;
const BYTES: usize = 30_000;

/// Sends numbered datagrams to one host and a stream to another and back.
fn outcome(seed: u64, set: impl Fn(&mut LinkFaults)) -> Outcome {
    let heard = Heard::default();
    let echoed = Rc::new(RefCell::new((Vec::new(), Moment::ORIGIN)));
    let report = run(seed, |sim| {
        set(sim.links());
        let server = datagram_server(sim, &heard);
        datagram_client(sim, server, DATAGRAMS, 500, ms(2));
        let echo = sim.host("echo", PORT, |address| async move {
            let server = StreamServer::listen(address)?;
            loop {
                spawn(echo(server.accept().await?)).detach();
            }
        });
        let told = Rc::clone(&echoed);
        sim.client("caller", move || {
            let told = Rc::clone(&told);
            async move {
                let bytes = round_trip(connect(echo).await?, BYTES).await?;
                *told.borrow_mut() = (bytes, now());
                Ok(())
            }
        });
    });
    Outcome { report, heard: heard.take(), echoed: echoed.take() }
}

impl Outcome {
    fn numbers(&self) -> Vec<u32> {
        self.heard.iter().map(|(number, _)| *number).collect()
    }

    fn told(&self, end: &str) -> usize {
        count_faults(&self.report, end)
    }

    #[track_caller]
    fn stream_is_whole(&self) {
        assert!(self.echoed.0 == pattern(BYTES), "other bytes came back");
    }
}

/// The same seed gives the same run; and with its strength at none, a fault draws nothing and changes nothing.
fn holds_to_its_seed(on: impl Fn(&mut LinkFaults), off: impl Fn(&mut LinkFaults)) {
    assert_eq!(outcome(11, &on).report.hash, outcome(11, &on).report.hash);
    let off = outcome(11, off).report;
    assert!(off.unusual.iter().all(|pick| pick.site == "world: host order"), "{:?}", off.unusual);
    assert_eq!(off.hash, outcome(11, |_| ()).report.hash);
}

#[test]
fn bursts_lose_neighbours() {
    let set = |links: &mut LinkFaults| _ = links.loss_bursts(0.02, 3..6);
    let seen = outcome(1, set);
    let gaps: Vec<u32> =
        seen.numbers().windows(2).map(|pair| pair[1] - pair[0] - 1).filter(|gap| *gap > 0).collect();
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| *gap >= 3), "{gaps:?}");
    assert!(seen.told("lost in a burst") >= 3);
    seen.stream_is_whole();
    holds_to_its_seed(set, |links| _ = links.loss_bursts(0.0, 3..6));
}

#[test]
fn a_packet_that_is_held_back_is_overtaken() {
    let set = |links: &mut LinkFaults| _ = links.reorder(0.2, ms(20));
    let seen = outcome(1, set);
    let mut numbers = seen.numbers();
    assert!(!numbers.is_sorted(), "nothing was overtaken");
    numbers.sort_unstable();
    assert_eq!(numbers, (0..DATAGRAMS).collect::<Vec<_>>(), "each came once");
    assert!(seen.told("others may overtake it") > 20);
    seen.stream_is_whole();
    holds_to_its_seed(set, |links| _ = links.reorder(0.0, ms(20)));
}

#[test]
fn a_duplicate_is_heard_twice_and_read_once() {
    let set = |links: &mut LinkFaults| _ = links.duplicate(0.2);
    let seen = outcome(1, set);
    let twice = seen.numbers().windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(twice > 20 && seen.numbers().len() == DATAGRAMS as usize + twice);
    assert!(seen.told(": duplicated") > twice, "those of the stream too");
    seen.stream_is_whole();
    holds_to_its_seed(set, |links| _ = links.duplicate(0.0));
}

#[test]
fn what_a_checksum_catches_is_lost() {
    let set = |links: &mut LinkFaults| _ = links.corrupt(0.1);
    let seen = outcome(1, set);
    let lost = seen.told("corrupted, its checksum tells");
    assert!(seen.numbers().len() < DATAGRAMS as usize && lost > DATAGRAMS as usize - seen.numbers().len());
    seen.stream_is_whole();
    holds_to_its_seed(set, |links| _ = links.corrupt(0.0));
}

#[test]
fn what_no_checksum_catches_is_read() {
    let set = |links: &mut LinkFaults| _ = links.corrupt_unseen(0.2);
    let seen = outcome(1, set);
    assert_eq!(seen.numbers().len(), DATAGRAMS as usize, "none is lost");
    let sent = pattern(BYTES);
    assert_eq!(seen.echoed.0.len(), sent.len());
    let turned: u32 =
        seen.echoed.0.iter().zip(&sent).map(|(read, written)| (read ^ written).count_ones()).sum();
    assert!(turned > 0, "not one bit was turned");
    assert!(seen.told("of its payload turned") > turned as usize, "those of datagrams too");
    holds_to_its_seed(set, |links| _ = links.corrupt_unseen(0.0));
}

/// 540,000 bytes a second are one datagram of 528 bytes in less than a millisecond; a tenth of that is too little for the
/// client, so that a queue grows.
#[test]
fn a_slow_line_makes_a_queue() {
    let set = |links: &mut LinkFaults| _ = links.bandwidth(54_000).queue(1 << 30);
    let seen = outcome(1, set);
    assert_eq!(seen.numbers(), (0..DATAGRAMS).collect::<Vec<_>>(), "bufferbloat loses nothing");
    let gaps = seen.heard.windows(2).map(|pair| pair[1].1 - pair[0].1);
    assert!(gaps.into_iter().all(|gap| gap.as_micros() == 528 * 1_000_000 / 54_000));
    let last = seen.heard.last().expect("something was heard").1 - Moment::ORIGIN;
    assert!(last > ms(1900), "the queue delays the last one to {last:?}");
    seen.stream_is_whole();
    // 30,000 bytes at 54,000 a second.
    assert!(seen.echoed.1 > Moment::ORIGIN + ms(555));
    holds_to_its_seed(set, |links| _ = links.queue(1 << 30));
}

#[test]
fn a_full_queue_loses_what_comes_last() {
    let seen = outcome(1, |links| _ = links.bandwidth(54_000).queue(6_000));
    assert!(seen.told("the queue is full") > 100);
    let numbers = seen.numbers();
    assert!(numbers.is_sorted() && (40..120).contains(&numbers.len()), "{} heard", numbers.len());
    assert_eq!(numbers[..5], [0, 1, 2, 3, 4], "the first ones find room");
    seen.stream_is_whole();
}

#[test]
fn nothing_large_passes_a_small_mtu() {
    let set = |links: &mut LinkFaults| _ = links.mtu(527);
    let report = run(1, |sim| {
        set(sim.links());
        let address = echo_server(sim);
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            // Small ones pass, for 40 bytes are headers.
            stream.write(&[1; 487]).await?;
            let mut buffer = [0; 1000];
            while stream.read(&mut buffer).await? == 0 {}
            stream.write(&[1; 488]).await?;
            assert!(timeout(ms(60_000), stream.read(&mut buffer)).await.is_err(), "a black hole");
            Ok(())
        });
    });
    assert!(count_faults(&report, "larger than the path's MTU") > 5, "{:?}", faults(&report));
    assert_eq!(outcome(11, |links| _ = links.mtu(1500)).report.hash, outcome(11, |_| ()).report.hash);
}

#[test]
fn a_datagram_that_is_too_large_is_gone() {
    let run_once = |mtu| {
        let heard = Heard::default();
        let report = run(1, |sim| {
            sim.links().mtu(mtu);
            let server = datagram_server(sim, &heard);
            datagram_client(sim, server, 3, 500, ms(1));
        });
        (numbers(&heard).len(), count_faults(&report, "larger than the path's MTU"), report.hash)
    };
    assert_eq!(run_once(528).0, 3, "28 bytes are headers");
    assert_eq!((run_once(527).0, run_once(527).1), (0, 3));
    assert_eq!(run_once(527), run_once(527));
}

/// A middlebox refuses what the server would take.
#[test]
fn a_refusal_comes_from_the_way() {
    let report = run(1, |sim| {
        let address = echo_server(sim);
        sim.client("client", move || async move {
            let error = connect(address).await.expect_err("it is refused");
            assert_eq!(error.kind(), ErrorKind::Os(std::io::ErrorKind::ConnectionRefused));
            sleep(ms(1000)).await;
            connect(address).await?;
            Ok(())
        });
        sim.one_way("client", "server").refuse(1.0);
        sim.at(ms(500)).one_way("client", "server").refuse(0.0);
    });
    assert_eq!(count_faults(&report, "connection refused on the way"), 1, "{:?}", faults(&report));
    let some = |links: &mut LinkFaults| _ = links.unreachable(0.05).refuse(0.0);
    holds_to_its_seed(some, |links| _ = links.refuse(0.0).unreachable(0.0));
}

#[test]
fn a_host_that_no_way_leads_to() {
    let report = run(1, |sim| {
        let address = echo_server(sim);
        sim.client("client", move || async move {
            let error = connect(address).await.expect_err("there is no way");
            let unreachable = ErrorKind::Os(std::io::ErrorKind::HostUnreachable);
            assert_eq!((error.kind(), error.code()), (unreachable, Some(113)));
            Ok(())
        });
        sim.one_way("client", "server").unreachable(1.0);
    });
    assert_eq!(count_faults(&report, "host unreachable"), 1, "{:?}", faults(&report));
    let seen = outcome(1, |links| _ = links.unreachable(0.0).loss(0.0));
    seen.stream_is_whole();
}

/// Half of the packets take the least time, as the distribution says, and some take much longer.
#[test]
fn latencies_follow_their_distribution() {
    let set = |links: &mut LinkFaults| _ = links.latency_from(Distribution::bimodal(ms(10), ms(300), 0.1));
    let seen = outcome(1, set);
    // Datagram n is sent at 1 + 2n ms, so that each has its own latency, unless a slow one before holds it up.
    let latencies: Vec<Duration> =
        seen.heard.iter().map(|(n, at)| *at - Moment::ORIGIN - ms(1 + 2 * u64::from(*n))).collect();
    assert!(seen.numbers().is_sorted(), "the order is kept");
    assert!(latencies.iter().all(|latency| (ms(10)..=ms(300)).contains(latency)));
    assert!([ms(10), ms(300)].iter().all(|latency| latencies.contains(latency)), "{latencies:?}");
    seen.stream_is_whole();
    assert_eq!(outcome(11, set).report.hash, outcome(11, set).report.hash);
    let certain = outcome(11, |links| _ = links.latency_from(Distribution::of([ms(1)])));
    assert_eq!(certain.report.hash, outcome(11, |_| ()).report.hash, "1 ms is what a kind link takes");
    let last_counts = outcome(11, |links| _ = links.latency_from(Distribution::of([ms(9)])).latency(ms(1)));
    assert_eq!(last_counts.report.hash, certain.report.hash);
}

/// Drawn clogs: nothing is lost, and the order stays.
#[test]
fn drawn_clogs_delay_and_lose_nothing() {
    let set = |links: &mut LinkFaults| _ = links.clog(0.3).clog_for(ms(100)..ms(400));
    let seen = outcome(1, set);
    assert_eq!(seen.numbers(), (0..DATAGRAMS).collect::<Vec<_>>());
    let slowest = seen.heard.iter().map(|(n, at)| *at - Moment::ORIGIN - ms(1 + 2 * u64::from(*n))).max();
    assert!(slowest > Some(ms(80)), "{slowest:?}");
    assert!(faults(&seen.report).iter().any(|line| line.contains("clogged for")));
    assert!(seen.told("packets at once") > 0);
    seen.stream_is_whole();
    holds_to_its_seed(set, |links| _ = links.clog(0.0).clog_for(ms(100)..ms(400)));
}

/// A direction of its own may have cuts although the other has none.
#[test]
fn cuts_of_one_direction_are_drawn() {
    for (from, to) in [("server", "client"), ("client", "server")] {
        let report = run(1, |sim| {
            let heard = Heard::default();
            let server = datagram_server(sim, &heard);
            datagram_client(sim, server, 50, 4, ms(20));
            sim.one_way(from, to).cut(0.5).cut_for(ms(10)..ms(20));
        });
        assert!(faults(&report).iter().any(|line| line.contains("cut for")), "{from} to {to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever links do but for resets and turned bits, a stream brings every byte once and in order.
    #[test]
    fn a_stream_survives_every_mixture(
        seed in any::<u64>(),
        loss in 0.0..0.1,
        burst in 0.0..0.02,
        late in (0.0..0.3, 1_u64..500),
        duplicate in 0.0..0.3,
        corrupt in 0.0..0.05,
        bandwidth in 50_000_u64..10_000_000,
        clog in 0.0..0.1,
        latency in 0_usize..3,
    ) {
        let latencies = [
            Distribution::exponential(ms(1), ms(30)),
            Distribution::long_tail(ms(2), ms(2000)),
            Distribution::uniform(ms(1)..ms(80)),
        ];
        let seen = outcome(seed, |links| {
            links
                .latency_from(latencies[latency].clone())
                .loss(loss)
                .loss_bursts(burst, 1..6)
                .reorder(late.0, ms(late.1))
                .duplicate(duplicate)
                .corrupt(corrupt)
                .bandwidth(bandwidth)
                .clog(clog);
        });
        seen.stream_is_whole();
    }
}
