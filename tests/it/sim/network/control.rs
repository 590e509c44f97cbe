//! What a scenario does to links by itself: partitions, clogs, messages that are held or dropped.

use std::cell::Cell;

use twinloop::{connect, timeout};
use twinloop_sim::MessageKind;

use super::*;

#[test]
fn a_clog_delays_everything_and_loses_nothing() {
    let heard = Heard::default();
    let report = run(1, |sim| {
        let server = datagram_server(sim, &heard);
        datagram_client(sim, server, 10, 4, ms(10));
        let _ = sim.at(ms(35)).clog("client", "server");
        let _ = sim.at(ms(500)).unclog("server", "client");
    });
    assert_eq!(numbers(&heard), (0..10).collect::<Vec<_>>());
    let together = heard.borrow().iter().filter(|(_, at)| *at == Moment::ORIGIN + ms(500)).count();
    assert_eq!(together, 6, "{:?}", heard.borrow());
    assert_eq!(count_faults(&report, "carries again, 6 packets at once"), 1, "{:?}", faults(&report));
}

/// What arrives later than the clog ends is not early for it.
#[test]
fn a_clog_that_is_over_before_a_packet_arrives_changes_nothing() {
    let heard = Heard::default();
    run(1, |sim| {
        let server = datagram_server(sim, &heard);
        datagram_client(sim, server, 1, 4, ms(10));
        sim.links().latency(ms(100));
        let _ = sim.at(ms(0)).clog_one_way("client", "server");
        let _ = sim.at(ms(50)).unclog("client", "server");
    });
    assert_eq!(heard.borrow()[0].1, Moment::ORIGIN + ms(101));
}

#[test]
fn groups_are_cut_off_from_each_other_and_from_nobody_else() {
    let reached = Rc::new(RefCell::new(Vec::new()));
    run(1, |sim| {
        let address = echo_server(sim);
        for name in ["near", "far", "neutral"] {
            let reached = Rc::clone(&reached);
            sim.client(name, move || {
                let reached = Rc::clone(&reached);
                async move {
                    for second in 0..4 {
                        if timeout(ms(500), connect(address)).await.is_ok() {
                            reached.borrow_mut().push((second, name));
                        }
                        twinloop::sleep_until(Moment::ORIGIN + ms(1000 * (second + 1))).await;
                    }
                    Ok(())
                }
            });
        }
        let _ = sim.at(ms(900)).partition_groups(&[&["server", "near"], &["far"]]);
        let _ = sim.at(ms(1900)).isolate("server");
        let _ = sim.at(ms(2900)).heal_all();
    });
    let reached = reached.borrow();
    let in_second = |second| -> Vec<&str> {
        let mut names: Vec<&str> =
            reached.iter().filter(|(at, _)| *at == second).map(|(_, name)| *name).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(in_second(0), ["far", "near", "neutral"]);
    assert_eq!(in_second(1), ["near", "neutral"]);
    assert!(in_second(2).is_empty());
    assert_eq!(in_second(3), ["far", "near", "neutral"]);
}

#[test]
#[should_panic(expected = "a host is in two groups")]
fn a_host_is_in_one_group() {
    run(1, |sim| {
        echo_server(sim);
        sim.client("client", || async { Ok(()) });
        let _ = sim.at(ms(1)).partition_groups(&[&["server", "client"], &["client"]]);
    });
}

/// The third request alone is lost; the stream sends it again.
#[test]
fn a_predicate_picks_the_message_that_is_lost() {
    let seen = Rc::new(Cell::new(0));
    let counter = Rc::clone(&seen);
    let report = run(1, move |sim| {
        let address = echo_server(sim);
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            for request in 0..5 {
                let start = now();
                stream.write(&[request]).await?;
                stream.read(&mut [0]).await?;
                assert_eq!((now() - start > ms(100), request), (request == 2, request));
            }
            Ok(())
        });
        sim.drop_where("client", "server", move |message| {
            let is_data = message.kind() == MessageKind::Data;
            counter.set(counter.get() + u32::from(is_data));
            is_data && counter.get() == 3
        });
    });
    assert_eq!(seen.get(), 6);
    assert_eq!(faults(&report).len(), 1);
    assert_eq!(count_faults(&report, "dropped"), 1, "{:?}", faults(&report));
}

/// Messages go on in the order that the test chooses.
#[test]
fn held_messages_are_released_one_by_one() {
    let heard = Heard::default();
    let report = run(1, |sim| {
        let server = datagram_server(sim, &heard);
        datagram_client(sim, server, 5, 4, ms(1));
        let held = sim.hold_where("client", "server", |message| message.payload()[3] != 1);
        sim.client("director", move || {
            let held = held.clone();
            async move {
                assert!(held.messages().is_empty() && !held.release(0));
                sleep(ms(100)).await;
                let said: Vec<String> = held.messages().iter().map(ToString::to_string).collect();
                assert_eq!(said.len(), 4, "{said:?}");
                assert_eq!((held.messages()[0].from(), held.messages()[0].to()), ("client", "server"));
                assert!(held.release(3));
                assert!(held.discard(1));
                assert!(!held.release(2), "two are left");
                sleep(ms(100)).await;
                held.release_all();
                Ok(())
            }
        });
    });
    assert_eq!(numbers(&heard), [1, 4, 0, 3]);
    let ends = [": held", ": released", ": dropped"].map(|end| count_faults(&report, end));
    assert_eq!(ends, [4, 3, 1], "{:?}", faults(&report));
}

#[test]
fn what_is_held_goes_on_when_the_last_handle_is_dropped() {
    let heard = Heard::default();
    run(1, |sim| {
        let server = datagram_server(sim, &heard);
        datagram_client(sim, server, 3, 4, ms(20));
        let mut held = Some(sim.hold_where("client", "server", |_| true));
        sim.client("director", move || {
            let held = held.take();
            async move {
                sleep(ms(30)).await;
                drop(held);
                Ok(())
            }
        });
    });
    let at = |millis| Moment::ORIGIN + ms(millis);
    assert_eq!(*heard.borrow(), [(0, at(31)), (1, at(31)), (2, at(42))]);
}

#[test]
fn a_script_holds_and_drops_and_lets_go() {
    let heard = Heard::default();
    run(1, |sim| {
        let server = datagram_server(sim, &heard);
        datagram_client(sim, server, 10, 4, ms(10));
        let _ = sim.at(ms(15)).hold_where("client", "server", |message| message.payload()[3] < 4);
        let _ = sim.at(ms(15)).drop_where("client", "server", |message| message.payload()[3] == 5);
        let _ = sim.at(ms(85)).release("client", "server").drop_nothing("client", "server");
    });
    assert_eq!(numbers(&heard), [0, 1, 4, 6, 7, 8, 2, 3, 9]);
}

#[test]
fn the_same_control_gives_the_same_run() {
    let run_once = || {
        let heard = Heard::default();
        let report = run(3, |sim| {
            let server = datagram_server(sim, &heard);
            datagram_client(sim, server, 20, 4, ms(10));
            sim.links().loss(0.2).jitter(ms(5));
            let _ = sim.at(ms(20)).clog("client", "server");
            let _ = sim.at(ms(50)).hold_where("client", "server", |message| message.payload()[3] % 2 == 0);
            let _ = sim.at(ms(150)).heal_all();
        });
        (report.hash, heard.take())
    };
    assert_eq!(run_once(), run_once());
}

/// What is asked for and never happens leaves no trace: predicates that are never true, and a healing of what is well.
#[test]
fn control_that_takes_nothing_changes_nothing() {
    let hash = |with_control: bool| {
        let heard = Heard::default();
        run(3, |sim| {
            let server = datagram_server(sim, &heard);
            datagram_client(sim, server, 20, 4, ms(10));
            sim.links().loss(0.2).jitter(ms(5));
            if with_control {
                sim.drop_where("client", "server", |_| false);
            }
        })
        .hash
    };
    assert_eq!(hash(false), hash(true));
}
