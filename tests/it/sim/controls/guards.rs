//! Guards of every kind of fault: what is in force while they are kept, and what is there once they are gone.

use std::future::pending;
use std::rc::Rc;
use std::time::SystemTime;

use twinloop::driver::Signal;
use twinloop::transport::resolve;
use twinloop::{Signals, fs, now, spawn, wall_time};
use twinloop_sim::NameFailure;

use super::*;

/// Asks once, and gives no turn away before: what does not concern programs is in force when a call returns.
async fn is_answered_at_once(address: Address) -> Result<bool, twinloop::TransportError> {
    let socket = DatagramTransport::connect(address)?;
    socket.send(b"?").await?;
    Ok(matches!(timeout(100.ms(), socket.recv(&mut [0])).await, Ok(Ok(_))))
}

/// The echo and the first client are in zones of their own; the second client is in both.
fn zoned(sim: &mut Sim) {
    sim.zone("servers", &["echo", "second"]);
    sim.zone("clients", &["first", "second"]);
}

#[test]
fn faults_of_links_are_in_force_when_the_call_returns() {
    let report = world(zoned, |controls, address| async move {
        // The echo begins in the turn of this moment.
        sleep(1.ms()).await;
        for guard in [
            controls.partition("first", "echo"),
            controls.partition_groups(&[&["first"], &["echo", "second"]]),
            controls.isolate("first"),
            controls.isolate_zone("servers"),
            controls.partition_zones("servers", "clients"),
            controls.clog_one_way("echo", "first"),
            controls.with_links(|faults| _ = faults.loss(1.0)),
            controls.with_one_way("echo", "first", |faults| _ = faults.loss(1.0)),
            controls.drop_where("first", "echo", |message| message.payload() == b"?"),
        ] {
            // Those before it are over; this one and those behind it are in force.
            assert!(!is_answered_at_once(address).await?, "{guard:?}");
            guard.heal();
        }
        assert!(is_answered_at_once(address).await?);
        Ok(())
    });
    pass(&report);
}

#[test]
fn a_fault_that_is_left_stays_until_it_is_healed() {
    let report = world(
        |_| {},
        |controls, address| async move {
            sleep(1.ms()).await;
            controls.partition("first", "echo").leave();
            assert!(!is_answered_at_once(address).await?);
            controls.heal_all();
            assert!(is_answered_at_once(address).await?);
            // What was left is known of no more: the next guard begins it, and ends it.
            let again = controls.partition("first", "echo");
            assert!(!is_answered_at_once(address).await?);
            drop(again);
            assert!(is_answered_at_once(address).await?);
            Ok(())
        },
    );
    pass(&report);
}

/// Two guards change the same link. Whichever ends first takes its own change along, and nothing else.
#[test]
fn guards_of_one_link_compose() {
    let report = world(
        |_| {},
        |controls, address| async move {
            sleep(1.ms()).await;
            let slow = controls.with_link("first", "echo", |faults| _ = faults.latency(20.ms()));
            let lossy = controls.with_one_way("first", "echo", |faults| _ = faults.loss(1.0));
            drop(slow);
            assert!(!is_answered_at_once(address).await?, "it is still lossy");
            let slow = controls.with_link("first", "echo", |faults| _ = faults.latency(20.ms()));
            drop(lossy);
            let began = now();
            assert!(is_answered_at_once(address).await?);
            assert_eq!(now() - began, 40.ms(), "it is still slow");
            drop(slow);
            // What was sent before is not overtaken.
            sleep(100.ms()).await;
            let began = now();
            assert!(is_answered_at_once(address).await?);
            assert_eq!(now() - began, 2.ms());
            Ok(())
        },
    );
    pass(&report);
}

/// What a script says of a link while a guard has changed it holds, also when the guard is gone.
#[test]
fn a_script_has_the_last_word_on_a_link() {
    let report = world(
        |sim| _ = sim.at(1.s()).link("first", "echo").loss(1.0),
        |controls, address| async move {
            let slow = controls.with_link("first", "echo", |faults| _ = faults.latency(20.ms()));
            sleep(2.s()).await;
            assert!(!is_answered_at_once(address).await?);
            drop(slow);
            assert!(!is_answered_at_once(address).await?);
            Ok(())
        },
    );
    pass(&report);
}

/// A world without faults that are drawn by period begins to draw them when a program asks for some.
#[test]
fn faults_by_period_can_be_turned_on() {
    let report = world(
        |_| {},
        |controls, address| async move {
            let flapping = controls.with_link("first", "echo", |faults| {
                faults.cut(0.5).cut_for(10.s()..10.s());
            });
            sleep(20.s()).await;
            let mut answers = 0;
            for _ in 0..20 {
                answers += usize::from(is_answered_at_once(address).await?);
                sleep(1.s()).await;
            }
            assert!(answers < 20, "it is cut half of the time");
            drop(flapping);
            sleep(11.s()).await;
            assert!(is_answered_at_once(address).await?);
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn messages_are_held_by_a_program() {
    let report = world(
        |_| {},
        |controls, address| async move {
            sleep(1.ms()).await;
            let held = controls.hold_where("first", "echo", |message| message.payload() == b"?");
            assert!(!is_answered_at_once(address).await?);
            assert_eq!(held.messages().len(), 1);
            let socket = DatagramTransport::connect(address)?;
            socket.send(b"?").await?;
            assert!(held.release(1));
            socket.recv(&mut [0]).await?;
            drop(held);
            assert!(is_answered_at_once(address).await?);
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn whole_zones_go_down_and_come_back() {
    let report = world(
        |sim| {
            sim.host("spare", 7, echo);
            sim.zone("servers", &["echo", "spare"]);
        },
        |controls, address| async move {
            let down = controls.down_zone("servers");
            assert!(!is_answered(address).await?);
            assert!(!controls.is_up("echo") && !controls.is_up("spare") && controls.is_up("second"));
            drop(down);
            assert!(is_answered(address).await?);
            controls.crash_zone("servers");
            assert!(!is_answered(address).await?);
            controls.restart_zone("servers");
            assert!(is_answered(address).await?);
            assert_eq!(controls.hosts(), ["echo", "first", "second", "spare"]);
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn disks_fail_while_a_guard_is_kept() {
    let report = world(
        |_| {},
        |controls, _| async move {
            fs::write("/log", b"before").await?;
            for guard in [
                controls.with_disk("first", |disk| _ = disk.capacity(0)),
                controls.with_disk("first", |disk| _ = disk.write_error(1.0)),
                // Last: once it is read-only it stays so until its host starts again.
                controls.with_disk("first", |disk| _ = disk.read_only(1.0)),
            ] {
                assert!(fs::write("/new", b"entry").await.is_err(), "{guard:?}");
                drop(guard);
            }
            assert_eq!(fs::read("/log").await?, b"before");
            Ok(())
        },
    );
    pass(&report);
    let told = report.story.expect("it is told").to_string();
    assert_eq!(told.matches("disk behaves otherwise").count(), 6, "{told}");
}

#[test]
fn guards_of_one_disk_compose() {
    let report = world(
        |_| {},
        |controls, _| async move {
            let (full, slow) = (
                controls.with_disk("first", |disk| _ = disk.capacity(0)),
                controls.with_disk("first", |disk| _ = disk.latency(1.s())),
            );
            drop(full);
            let began = now();
            fs::write("/new", b"entry").await?;
            assert!(now() - began >= 1.s(), "it is still slow");
            drop(slow);
            let began = now();
            fs::write("/new", b"entry").await?;
            assert!(now() - began < 1.ms());
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn a_program_sets_clocks() {
    let report = world(
        |_| {},
        |controls, _| async move {
            let (wall, monotonic) = (wall_time(), now());
            controls.wall_clock_forward("first", 3600.s());
            assert_eq!(wall_time(), wall + 3600.s());
            controls.wall_clock_back("first", 7200.s());
            assert_eq!(wall_time(), wall - 3600.s());
            assert_eq!(now(), monotonic);
            controls.wall_clock_forward("second", 7200.s());
            assert!(wall_time() < SystemTime::UNIX_EPOCH + 365 * 24 * 3600.s() * 100);
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn a_program_sends_signals_and_suspends_machines() {
    let report = world(
        |_| {},
        |controls, address| async move {
            let mut signals = Signals::new(&[Signal::Hangup])?;
            controls.signal("first", Signal::Hangup);
            signals.recv().await;
            let suspended = controls.suspend("echo");
            assert!(!is_answered(address).await?);
            // The kernel of a machine that is suspended does not even refuse.
            assert!(timeout(1.s(), connect(address)).await.is_err());
            drop(suspended);
            assert!(is_answered(address).await?);
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn a_program_renames() {
    let report = world(
        |_| {},
        |controls, address| async move {
            let ip = address.as_ip().ok_or("it has an IP address")?.ip();
            controls.name("db", [ip]);
            assert_eq!(resolve("db").await?, [ip]);
            controls.name_fails("db", NameFailure::NotFound);
            assert!(resolve("db").await.is_err());
            Ok(())
        },
    );
    pass(&report);
}

/// What a program picks is the seed's, and 0 in a kind world.
#[test]
fn a_program_picks() {
    let picked = |choices: &Choices| {
        let picks = Rc::new(std::cell::RefCell::new(Vec::new()));
        let seen = Rc::clone(&picks);
        let report = run_world(choices, Telling::Silent, |sim| {
            let controls = sim.controls();
            sim.client("nemesis", move || {
                let (controls, picks) = (controls.clone(), Rc::clone(&seen));
                async move {
                    picks.borrow_mut().extend((0..20).map(|_| controls.pick("victim", 3)));
                    Ok(())
                }
            });
        });
        pass(&report);
        (picks.take(), report.hash)
    };
    let kind = Choices::Replayed { seed: 1, picks: Vec::new() };
    assert_eq!(picked(&kind).0, [0; 20]);
    assert_eq!(picked(&Choices::Seeded(1)), picked(&Choices::Seeded(1)));
    assert_ne!(picked(&Choices::Seeded(1)).0, picked(&Choices::Seeded(2)).0);
}

/// Faults end with the program that keeps them up: its guards go with it.
#[test]
fn a_crash_of_who_keeps_a_fault_up_ends_it() {
    let report = world(
        |sim| {
            let controls = sim.controls();
            sim.host("nemesis", 1, move |_| {
                let controls = controls.clone();
                async move {
                    let _cut = controls.isolate("echo");
                    pending().await
                }
            });
        },
        |controls, address| async move {
            assert!(!is_answered(address).await?);
            controls.crash("nemesis");
            assert!(is_answered(address).await?);
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn what_can_not_be_is_a_panic_with_the_cure() {
    let told = |misuse: fn(&Controls)| {
        let report = world(
            |_| {},
            move |controls, _| async move {
                spawn(async move { misuse(&controls) }).await?;
                Ok(())
            },
        );
        report.verdict.to_string()
    };
    assert!(told(|controls| drop(controls.clog("first", "first"))).contains("has no link with itself"));
    assert!(told(|controls| controls.crash("nobody")).contains("has no host \"nobody\""));
    assert!(told(|controls| controls.crash_zone("nowhere")).contains("has no zone \"nowhere\""));
    let twice = told(|controls| drop(controls.partition_groups(&[&["first"], &["first"]])));
    assert!(twice.contains("a host is in two groups"), "{twice}");
}
