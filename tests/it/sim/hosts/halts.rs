//! Hosts that stand still for a time, and hosts that are slow.

use std::time::Duration;

use twinloop::{
    Address, Moment, StreamServer, connect, interval, now, sleep, spawn, timeout, wall_time, yield_now,
};
use twinloop_sim::Sim;

use super::{Seen, faults_told, is_drawn, ms, pass, run, s};

/// A server that answers each byte, and notes when.
fn answering_server(sim: &mut Sim, seen: &Seen<Duration>) -> Address {
    let seen = seen.clone();
    sim.host("server", 7, move |address| {
        let seen = seen.clone();
        async move {
            let server = StreamServer::listen(address)?;
            loop {
                let (stream, seen) = (server.accept().await?, seen.clone());
                spawn(async move {
                    let mut byte = [0];
                    while stream.read(&mut byte).await? > 0 {
                        seen.add(now() - Moment::ORIGIN);
                        stream.write(&byte).await?;
                    }
                    stream.shutdown().await
                })
                .detach();
            }
        }
    })
}

/// The programs stand still, and their kernel takes what comes: the peer's write is acknowledged, its connect succeeds.
#[test]
fn a_paused_host_stands_still_and_its_kernel_goes_on() {
    let seen = Seen::nothing();
    let report = run(1, |sim| {
        let address = answering_server(sim, &seen);
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            sleep(s(2)).await;
            stream.write(b"x").await?;
            assert!(timeout(ms(500), connect(address)).await.is_ok(), "the kernel accepts for its program");
            assert!(timeout(s(2), stream.read(&mut [0])).await.is_err(), "nobody answers");
            stream.read(&mut [0]).await?;
            assert!(now() >= Moment::ORIGIN + s(6));
            Ok(())
        });
        sim.at(s(1)).pause("server");
        sim.at(s(6)).resume("server");
    });
    pass(&report);
    assert_eq!(seen.all(), [s(6)]);
    assert_eq!(faults_told(&report), ["1.000000000s server: paused", "6.000000000s server: goes on"]);
}

/// To the program the pause is a turn that took long: what was due meanwhile is due now, and the clocks have gone on.
#[test]
fn a_pause_makes_timers_late_and_stops_no_clock() {
    let report = run(1, |sim| {
        sim.client("host", || async {
            let date = wall_time();
            let mut ticks = interval(s(1));
            ticks.tick().await;
            ticks.tick().await;
            let late = now();
            assert_eq!(late, Moment::ORIGIN + ms(4500));
            assert_eq!(wall_time().duration_since(date)?, ms(4500));
            Ok(())
        });
        sim.at(ms(500)).pause_for("host", s(4));
    });
    pass(&report);
}

/// The kernel stands still too: nothing is acknowledged, and what the device had room for arrives afterwards.
#[test]
fn a_suspended_machine_answers_nothing() {
    let seen = Seen::nothing();
    let report = run(1, |sim| {
        let address = answering_server(sim, &seen);
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            sleep(s(2)).await;
            stream.write(b"x").await?;
            assert!(timeout(s(1), connect(address)).await.is_err(), "no kernel accepts");
            stream.read(&mut [0]).await?;
            assert!(now() >= Moment::ORIGIN + s(6));
            Ok(())
        });
        sim.at(s(1)).suspend("server");
        sim.at(s(6)).resume("server");
    });
    pass(&report);
    assert_eq!(seen.all(), [s(1)], "by its own clock, it was not away");
}

/// As CLOCK_MONOTONIC of Linux, which does not count while the machine is suspended; the wall clock does.
#[test]
fn the_clocks_of_a_suspended_machine_part() {
    let report = run(1, |sim| {
        sim.client("host", || async {
            let date = wall_time();
            sleep(s(2)).await;
            assert_eq!(now(), Moment::ORIGIN + s(2));
            assert_eq!(wall_time().duration_since(date)?, s(62));
            Ok(())
        });
        sim.at(s(1)).suspend_for("host", s(60));
    });
    pass(&report);
    assert_eq!(report.virtual_time, s(62));
}

/// A device has room for 256 packets.
#[test]
fn what_finds_no_room_at_a_suspended_machine_is_lost() {
    let received = Seen::nothing();
    let inner = received.clone();
    let report = run(1, move |sim| {
        let address = sim.host("server", 7, move |address| {
            let received = inner.clone();
            async move {
                let socket = twinloop::DatagramTransport::bind(address)?;
                loop {
                    socket.recv_from(&mut [0; 8]).await?;
                    received.add(());
                }
            }
        });
        sim.client("client", move || async move {
            let socket = twinloop::DatagramTransport::bind("0.0.0.0:0".parse::<Address>()?)?;
            sleep(s(1)).await;
            for _ in 0..300 {
                socket.send_to(b"x", address).await?;
            }
            sleep(s(3)).await;
            Ok(())
        });
        sim.at(ms(500)).suspend_for("server", s(2));
    });
    pass(&report);
    assert_eq!(received.all().len(), 256);
    let lost = faults_told(&report).iter().filter(|line| line.contains("no room at a machine")).count();
    assert_eq!(lost, 300 - 256);
}

/// Of halts that overlap, the longest counts.
#[test]
fn halts_overlap() {
    let report = run(1, |sim| {
        sim.client("host", || async {
            sleep(ms(150)).await;
            assert_eq!(now(), Moment::ORIGIN + s(3));
            Ok(())
        });
        sim.at(ms(100)).pause_for("host", ms(2900)).pause_for("host", ms(200));
        sim.at(ms(500)).pause_for("host", ms(200));
    });
    pass(&report);
}

#[test]
fn a_crash_ends_a_halt() {
    let report = run(1, |sim| {
        let mut starts = 0;
        sim.client("host", move || {
            starts += 1;
            sleep_unless(starts == 2)
        });
        sim.at(s(1)).pause("host").crash("host");
        sim.at(s(2)).restart("host");
    });
    pass(&report);
    assert_eq!(report.virtual_time, s(2), "it was paused in its life before");
}

async fn sleep_unless(done: bool) -> twinloop_sim::ProgramResult {
    if !done {
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// A host that nobody lets go on is told as what holds the run up.
#[test]
fn a_host_that_stays_paused_is_told() {
    let report = run(1, |sim| {
        sim.client("host", || async {
            sleep(s(2)).await;
            Ok(())
        });
        sim.at(s(1)).pause("host");
    });
    assert_eq!(report.verdict.kind(), "deadlock");
    assert!(report.verdict.to_string().contains("host is paused"), "{}", report.verdict);
}

#[test]
fn halts_are_drawn() {
    let build = |sim: &mut Sim| {
        let address = answering_server(sim, &Seen::nothing());
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            for _ in 0..100 {
                stream.write(b"x").await?;
                stream.read(&mut [0]).await?;
                sleep(ms(10)).await;
            }
            Ok(())
        });
        sim.faults().pause(0.05).suspend(0.05).pause_for(ms(100)..s(2));
    };
    is_drawn(build, "paused for");
    is_drawn(build, "suspended for");
}

/// Each callback keeps the thread busy: what is due meanwhile waits.
#[test]
fn a_slow_host_has_a_budget_of_time() {
    let took = |cost: u64| {
        let seen = Seen::nothing();
        let report = run(1, |sim| {
            let address = answering_server(sim, &seen);
            for client in ["a", "b", "c", "d"] {
                sim.client(client, move || async move {
                    let stream = connect(address).await?;
                    for _ in 0..10 {
                        stream.write(b"x").await?;
                        stream.read(&mut [0]).await?;
                    }
                    Ok(())
                });
            }
            sim.host_faults("server").callback_cost(ms(cost)..ms(cost));
        });
        pass(&report);
        report.virtual_time
    };
    // Forty answers, of at least one callback each, one after the other.
    assert!(took(0) < ms(100), "{:?}", took(0));
    assert!(took(10) >= ms(40 * 10), "{:?}", took(10));
}

#[test]
fn how_slow_a_host_is_is_drawn() {
    let mut took = Vec::new();
    for seed in 0..10 {
        let build = |sim: &mut Sim| {
            sim.client("host", || async {
                for _ in 0..10 {
                    yield_now().await;
                }
                Ok(())
            });
            sim.faults().callback_cost(ms(1)..ms(30));
        };
        let report = run(seed, build);
        pass(&report);
        assert_eq!(report.hash, run(seed, build).hash);
        took.push(report.virtual_time);
    }
    took.dedup();
    assert!(took.len() > 5 && took.iter().all(|took| *took >= ms(10) && *took <= ms(330)), "{took:?}");
}

/// The range of lateness is the scenario's to say.
#[test]
fn how_late_a_timer_is_can_be_said() {
    let report = run(1, |sim| {
        sim.client("host", || async {
            sleep(s(1)).await;
            assert!(now() >= Moment::ORIGIN + s(3) && now() <= Moment::ORIGIN + s(5), "{}", now());
            Ok(())
        });
        sim.faults().late_timer(1.0).late_by(s(2)..s(4));
    });
    pass(&report);
}
