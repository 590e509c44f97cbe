//! Lookups of names that go wrong.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use twinloop::{ErrorKind, resolve};
use twinloop_sim::{HostFaults, NameFailure};

use super::*;

const NO_ANSWER: ErrorKind = ErrorKind::Os(io::ErrorKind::TimedOut);
const NOT_FOUND: ErrorKind = ErrorKind::Os(io::ErrorKind::NotFound);

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 9, 9, last).into()
}

type Answers = Vec<Result<Vec<IpAddr>, ErrorKind>>;

/// Looks `db` up every 100 ms for two seconds, after one of which it moves, on a host that behaves as `set` says.
fn answers(seed: u64, set: impl Fn(&mut HostFaults)) -> (Report, Answers) {
    let answers = Rc::new(RefCell::new(Answers::new()));
    let told = Rc::clone(&answers);
    let report = run(seed, |sim| {
        set(sim.faults());
        sim.name("db", [ip(1), ip(2), ip(3)]);
        let _ = sim.at(ms(999)).name("db", [ip(7)]);
        sim.client("client", move || {
            let told = Rc::clone(&told);
            async move {
                for step in 1..=20 {
                    let answer = resolve("db").await.map_err(|error| error.kind());
                    told.borrow_mut().push(answer);
                    twinloop::sleep_until(Moment::ORIGIN + ms(100 * step)).await;
                }
                Ok(())
            }
        });
    });
    (report, answers.take())
}

fn holds_to_its_seed(on: impl Fn(&mut HostFaults), off: impl Fn(&mut HostFaults)) {
    assert_eq!(answers(5, &on).0.hash, answers(5, &on).0.hash);
    let off = answers(5, off).0;
    assert_eq!((off.hash, off.unusual), (answers(5, |_| ()).0.hash, Vec::new()));
}

#[test]
fn an_answer_is_stale_for_its_time_to_live() {
    let set = |faults: &mut HostFaults| _ = faults.lookup_stale(0.5).lookup_stale_for(ms(500));
    let (report, answers) = answers(1, set);
    let old = Ok(vec![ip(1), ip(2), ip(3)]);
    assert!(answers[..10].iter().all(|answer| *answer == old), "nothing is stale before the change");
    let stale = answers[10..15].iter().filter(|answer| **answer == old).count();
    assert!((1..5).contains(&stale), "{:?}", &answers[10..]);
    assert!(answers[15..].iter().all(|answer| *answer == Ok(vec![ip(7)])));
    assert_eq!(count_faults(&report, "(stale)"), stale);
    holds_to_its_seed(set, |faults| _ = faults.lookup_stale(0.0).lookup_stale_for(ms(500)));
}

/// Caches keep that there was nothing, too.
#[test]
fn a_new_name_may_not_be_known_yet() {
    run(1, |sim| {
        sim.faults().lookup_stale(1.0).lookup_stale_for(ms(500));
        let _ = sim.at(ms(100)).name("new", [ip(1)]);
        sim.client("client", || async {
            sleep(ms(200)).await;
            assert_eq!(resolve("new").await.expect_err("not known yet").kind(), NOT_FOUND);
            sleep(ms(500)).await;
            assert_eq!(resolve("new").await?, [ip(1)]);
            Ok(())
        });
    });
}

#[test]
fn an_answer_may_be_a_part_or_in_another_order() {
    let partial = |faults: &mut HostFaults| _ = faults.lookup_partial(0.5);
    let (report, seen) = answers(1, partial);
    let all = [ip(1), ip(2), ip(3)];
    let lengths: Vec<usize> = seen[..10]
        .iter()
        .map(|answer| {
            let ips = answer.as_ref().expect("it is answered");
            assert!(!ips.is_empty() && all.starts_with(ips), "{ips:?}");
            ips.len()
        })
        .collect();
    assert!([1, 2, 3].iter().all(|length| lengths.contains(length)), "{lengths:?}");
    assert!(count_faults(&report, "(in part)") > 0);
    holds_to_its_seed(partial, |faults| _ = faults.lookup_partial(0.0));

    let rotated = |faults: &mut HostFaults| _ = faults.lookup_rotated(0.5);
    let (report, seen) = answers(1, rotated);
    let mut firsts: Vec<IpAddr> =
        seen[..10].iter().map(|answer| answer.as_ref().expect("it is answered")[0]).collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts, all);
    assert!(count_faults(&report, "(in another order)") > 0);
    holds_to_its_seed(rotated, |faults| _ = faults.lookup_rotated(0.0));
}

#[test]
fn a_server_fails_at_once_and_silence_takes_patience() {
    let failing = |faults: &mut HostFaults| _ = faults.lookup_failure(0.5);
    let (report, seen) = answers(1, failing);
    let failed = seen.iter().filter(|answer| **answer == Err(NO_ANSWER)).count();
    assert!((3..17).contains(&failed));
    assert_eq!(count_faults(&report, "server failure (failed)"), failed);
    holds_to_its_seed(failing, |faults| _ = faults.lookup_failure(0.0));

    run(1, |sim| {
        sim.faults().lookup_loss(1.0).lookup_patience(ms(10_000));
        sim.name_fails("broken", NameFailure::ServerFailure);
        sim.client("client", || async {
            assert_eq!(resolve("broken").await.expect_err("nobody answers").kind(), NO_ANSWER);
            assert_eq!(now(), Moment::ORIGIN + ms(10_001));
            Ok(())
        });
    });
    run(1, |sim| {
        sim.name_fails("broken", NameFailure::ServerFailure);
        sim.client("client", || async {
            assert_eq!(resolve("broken").await.expect_err("its server fails").kind(), NO_ANSWER);
            assert_eq!(now(), Moment::ORIGIN + ms(1));
            Ok(())
        });
    });
}
