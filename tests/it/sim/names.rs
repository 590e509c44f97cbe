//! The host table as programs see it, and the times of RFC 8305, to the millisecond.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use twinloop::transport::{FallbackOptions, connect_any_with};
use twinloop::{
    Address, ErrorKind, Handle, StreamServer, connect_any, connect_host, now, resolve, sleep, timeout,
};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{NameFailure, ProgramResult, Report, Sim, run_world};

const NOT_FOUND: ErrorKind = ErrorKind::Os(io::ErrorKind::NotFound);
const NO_ANSWER: ErrorKind = ErrorKind::Os(io::ErrorKind::TimedOut);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What the fabric carries nowhere: an address that no host has.
fn black_hole(last: u8) -> Address {
    (Ipv4Addr::new(10, 9, 9, last), 7).into()
}

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 9, 9, last).into()
}

fn run(build: impl FnOnce(&mut Sim)) -> Report {
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    let report = run_world(&kind, Telling::Events, build);
    let story = report.story.as_ref().expect("a story was asked for");
    assert!(report.verdict.is_passed(), "{}\n{}", report.verdict, story.tail(40));
    report
}

/// Hosts that accept everything, by the latency of their links to the client.
fn servers(sim: &mut Sim, latencies: &[u64]) -> Vec<Address> {
    let mut addresses = Vec::new();
    for number in 0..latencies.len() {
        addresses.push(sim.host(&format!("server{number}"), 7, |address| async move {
            let server = StreamServer::listen(address)?;
            let mut streams = Vec::new();
            loop {
                streams.push(server.accept().await?);
            }
        }));
    }
    addresses
}

/// The latencies, once the client is there too.
fn set_latencies(sim: &mut Sim, latencies: &[u64]) {
    for (number, latency) in latencies.iter().enumerate() {
        sim.link("client", &format!("server{number}")).latency(ms(*latency));
    }
}

// ---- the table ----

#[test]
fn a_host_is_known_by_its_name() {
    run(|sim| {
        let server = servers(sim, &[1])[0];
        sim.client("client", move || async move {
            let own = resolve("client").await?;
            assert_ne!(own, resolve("server0").await?);
            for name in ["server0", "SERVER0", "server0."] {
                assert_eq!(connect_host(name, 7).await?.remote_address(), server);
            }
            assert_eq!(resolve("client.example").await.expect_err("nobody has it").kind(), NOT_FOUND);
            Ok(())
        });
    });
}

#[test]
fn a_name_has_the_addresses_that_the_scenario_gives_it() {
    run(|sim| {
        sim.name("db", [ip(2), ip(1), ip(2)]);
        sim.name_fails("gone", NameFailure::NotFound);
        sim.name_fails("away", NameFailure::NoAnswer);
        sim.client("client", || async {
            assert_eq!(resolve("db").await?, [ip(2), ip(1)]);
            let kind = async |name| resolve(name).await.expect_err("it fails").kind();
            assert_eq!((kind("gone").await, kind("away").await), (NOT_FOUND, NO_ANSWER));
            Ok(())
        });
    });
}

/// What a script changes is seen by the lookups that are answered from then on.
#[test]
fn a_script_changes_names() {
    run(|sim| {
        sim.client("client", || async {
            assert_eq!(resolve("db").await.expect_err("nobody has it yet").kind(), NOT_FOUND);
            sleep(ms(100)).await;
            assert_eq!(resolve("db").await?, [ip(1)]);
            sleep(ms(100)).await;
            assert_eq!(resolve("db").await.expect_err("it fails").kind(), NO_ANSWER);
            Ok(())
        });
        let _ = sim.at(ms(50)).name("db", [ip(1)]);
        let _ = sim.at(ms(150)).name_fails("db", NameFailure::NoAnswer);
    });
}

#[test]
fn a_lookup_takes_its_time() {
    let report = run(|sim| {
        sim.client("client", || async {
            let start = now();
            resolve("client").await?;
            assert_eq!(now() - start, ms(40));
            // Many at once take no longer.
            let (one, other) = twinloop::join(resolve("client"), resolve("localhost")).await;
            assert_eq!(now() - start, ms(80));
            assert_eq!((one?.len(), other?.len()), (1, 2));
            assert!(timeout(ms(39), resolve("client")).await.is_err());
            Ok(())
        });
        sim.faults().lookup_latency(ms(40));
    });
    assert_eq!(report.virtual_time, ms(119));
}

/// Some answers get lost and some come late; which ones, the seed decides, and nothing else.
#[test]
fn answers_are_lost_and_late_by_the_seed() {
    let outcomes = |seed| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&seen);
        let report = run_world(&Choices::Seeded(seed), Telling::Silent, move |sim| {
            sim.faults().lookup_jitter(ms(30)).lookup_loss(0.5);
            sim.client("client", move || {
                let log = Rc::clone(&log);
                async move {
                    for _ in 0..20 {
                        let start = now();
                        let answer = resolve("localhost").await.map(|ips| ips.len());
                        log.borrow_mut().push((answer.map_err(|error| error.kind()), now() - start));
                    }
                    Ok(())
                }
            });
        });
        assert!(report.verdict.is_passed(), "{}", report.verdict);
        (report.hash, seen.take())
    };
    let (hash, seen) = outcomes(3);
    assert!(
        seen.iter().any(|(answer, _)| *answer == Ok(2))
            && seen.iter().any(|(answer, _)| *answer == Err(NO_ANSWER))
    );
    assert!(
        seen.iter().any(|(_, took)| *took > ms(20))
            && seen.iter().all(|(_, took)| (ms(1)..=ms(31)).contains(took))
    );
    assert_eq!((hash, seen), outcomes(3));
}

/// Answers for an earlier life of a host reach nobody.
#[test]
fn a_crash_forgets_what_was_looked_up() {
    run(|sim| {
        sim.faults().lookup_latency(ms(40));
        let mut lives = 0;
        sim.client("client", move || {
            lives += 1;
            let life = lives;
            async move {
                let start = now();
                assert_eq!(resolve("localhost").await?.len(), 2);
                assert_eq!((now() - start, life), (ms(40), 2));
                assert_eq!(Handle::current().pending().descriptors, 0);
                Ok(())
            }
        });
        let _ = sim.at(ms(20)).crash("client");
        let _ = sim.at(ms(30)).restart("client");
    });
}

// ---- RFC 8305 ----

/// Runs a client that connects to what `addresses` makes of the servers' addresses, and says when that was done. Links to
/// the servers have `latencies`; a handshake takes two of them.
fn connect_in(
    latencies: &'static [u64],
    addresses: impl Fn(&[Address]) -> Vec<Address> + Copy + 'static,
    check: impl AsyncFn(Vec<Address>) -> ProgramResult + Copy + 'static,
) {
    run(move |sim| {
        let servers = servers(sim, latencies);
        sim.client("client", move || {
            let addresses = addresses(&servers);
            async move { check(addresses).await }
        });
        set_latencies(sim, latencies);
    });
}

/// RFC 8305, section 5: the next attempt begins 250 ms after the one before, which goes on.
#[test]
fn the_next_attempt_begins_a_quarter_of_a_second_later() {
    connect_in(
        &[1],
        |servers| vec![black_hole(1), black_hole(2), servers[0]],
        async |addresses| {
            let start = now();
            let stream = connect_any(&addresses).await?;
            assert_eq!((stream.remote_address(), now() - start), (addresses[2], ms(2 * 250 + 2)));
            assert_eq!(Handle::current().pending().descriptors, 1, "the others are closed");
            assert_eq!(Handle::current().pending().timers, 0);
            Ok(())
        },
    );
}

#[test]
fn the_delay_is_the_callers_within_bounds() {
    connect_in(
        &[1],
        |servers| vec![black_hole(1), servers[0]],
        async |addresses| {
            for (asked, given) in [(100, 100), (10, 10), (0, 10)] {
                let start = now();
                let options = FallbackOptions::default().attempt_delay(ms(asked));
                connect_any_with(&addresses, &options).await?;
                assert_eq!(now() - start, ms(given + 2));
            }
            Ok(())
        },
    );
}

/// One that fails gives its turn up; the wait for the one after the next begins anew then.
#[test]
fn a_failure_begins_the_next_attempt_at_once() {
    connect_in(
        &[30, 1],
        |servers| {
            let nobody_listens = (servers[0].as_ip().expect("an IP address").ip(), 8).into();
            vec![nobody_listens, black_hole(1), servers[1]]
        },
        async |addresses| {
            let start = now();
            let stream = connect_any(&addresses).await?;
            // Refused after a round trip of 60 ms; the second one is given its 250 ms from there.
            assert_eq!((stream.remote_address(), now() - start), (addresses[2], ms(60 + 250 + 2)));
            Ok(())
        },
    );
}

/// A first address that is slow still wins if the next ones are slower, for it goes on beside them.
#[test]
fn a_slow_first_attempt_goes_on_and_may_win() {
    connect_in(
        &[200, 200],
        |servers| servers.to_vec(),
        async |addresses| {
            let start = now();
            let stream = connect_any(&addresses).await?;
            assert_eq!((stream.remote_address(), now() - start), (addresses[0], ms(400)));
            Ok(())
        },
    );
}

#[test]
fn a_second_attempt_overtakes_a_slow_first_one() {
    connect_in(
        &[400, 1],
        |servers| servers.to_vec(),
        async |addresses| {
            let start = now();
            let stream = connect_any(&addresses).await?;
            assert_eq!((stream.remote_address(), now() - start), (addresses[1], ms(250 + 2)));
            Ok(())
        },
    );
}

/// RFC 8305, section 4: the other family comes second, however many there are of the first. No host of the simulator has an
/// address of IPv6, so that a connect there fails at once.
#[test]
fn the_families_take_turns() {
    connect_in(
        &[1],
        |servers| {
            let v6 = |last: u16| format!("[2001:db8::{last}]:7").parse().expect("an address");
            vec![black_hole(1), servers[0], v6(1), v6(2)]
        },
        async |addresses| {
            let start = now();
            let stream = connect_any(&addresses).await?;
            // After the black hole's 250 ms comes an IPv6 address, which fails at once, then the server.
            assert_eq!((stream.remote_address(), now() - start), (addresses[1], ms(250 + 2)));
            Ok(())
        },
    );
}

/// The error is that of the first address, and comes when the last attempt has failed.
#[test]
fn all_attempts_have_failed_when_an_error_is_told() {
    connect_in(
        &[100, 1],
        |servers| {
            let nobody = |server: &Address| (server.as_ip().expect("an IP address").ip(), 8).into();
            servers.iter().map(nobody).collect()
        },
        async |addresses| {
            let start = now();
            let error = connect_any(&addresses).await.expect_err("nobody listens there");
            assert_eq!((error.address(), now() - start), (Some(addresses[0]), ms(200 + 2)));
            Ok(())
        },
    );
}

/// One timeout bounds the lookup and all attempts together, and leaves nothing.
#[test]
fn a_timeout_bounds_lookup_and_attempts_together() {
    let report = run(|sim| {
        sim.name("db", [ip(1), ip(2), ip(3)]);
        sim.faults().lookup_latency(ms(100));
        sim.client("client", || async {
            for limit in [50, 150, 400, 900] {
                assert!(timeout(ms(limit), connect_host("db", 7)).await.is_err());
                assert_eq!(Handle::current().pending().descriptors, 0);
            }
            Ok(())
        });
    });
    assert_eq!(report.virtual_time, ms(1500));
}
