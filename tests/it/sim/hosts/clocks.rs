//! Clocks that go wrong: the wall clock and the monotonic one, apart.

use std::time::{Duration, SystemTime};

use twinloop::{Moment, StreamServer, connect, now, sleep, wall_time};
use twinloop_sim::Sim;

use super::{Seen, is_drawn, ms, pass, run, s};

/// The date at which every world begins.
fn beginning() -> SystemTime {
    SystemTime::UNIX_EPOCH + s(1_735_689_600)
}

/// How far the wall clock is ahead of the monotonic one, in whole seconds; both are right at first.
fn wall_ahead() -> i64 {
    let right = beginning() + (now() - Moment::ORIGIN);
    match wall_time().duration_since(right) {
        Ok(ahead) => ahead.as_secs() as i64,
        Err(behind) => -(behind.duration().as_secs() as i64),
    }
}

#[test]
fn a_right_wall_clock_goes_with_the_world() {
    let report = run(1, |sim| {
        sim.client("host", || async {
            assert_eq!(wall_time(), beginning());
            sleep(s(86_400)).await;
            assert_eq!(wall_time(), beginning() + s(86_400));
            Ok(())
        });
        sim.time_budget(s(100_000));
    });
    pass(&report);
}

#[test]
fn hosts_do_not_agree_on_the_date() {
    let seen = Seen::nothing();
    for seed in 0..10 {
        let report = run(seed, |sim| {
            for host in ["a", "b"] {
                let seen = seen.clone();
                sim.client(host, move || {
                    seen.add(wall_ahead());
                    async { Ok(()) }
                });
            }
            sim.faults().wall_skew(s(160));
        });
        pass(&report);
    }
    let seen = seen.all();
    assert!(seen.iter().any(|ahead| *ahead > 0) && seen.iter().any(|ahead| *ahead < 0), "{seen:?}");
    assert!(seen.iter().all(|ahead| ahead.abs() <= 160), "{seen:?}");
    assert!(seen.chunks(2).any(|hosts| hosts[0] != hosts[1]), "{seen:?}");
}

/// The date is wrong from each start of the machine on, and not in the same way.
#[test]
fn a_machine_that_starts_again_has_another_date() {
    let seen = Seen::nothing();
    let inner = seen.clone();
    let report = run(3, move |sim| {
        sim.host("server", 7, move |_| {
            inner.add(wall_ahead());
            std::future::pending()
        });
        sim.client("client", || async {
            sleep(s(10)).await;
            Ok(())
        });
        sim.host_faults("server").wall_skew(s(160));
        for start in 1..8 {
            sim.at(s(start)).crash("server").restart("server");
        }
    });
    pass(&report);
    let mut dates = seen.all();
    assert_eq!(dates.len(), 8);
    dates.sort_unstable();
    dates.dedup();
    assert!(dates.len() > 3, "{dates:?}");
}

#[test]
fn a_wall_clock_drifts_away_from_the_monotonic_one() {
    let seen = Seen::nothing();
    for seed in 0..10 {
        let seen = seen.clone();
        let report = run(seed, move |sim| {
            sim.client("host", move || {
                let seen = seen.clone();
                async move {
                    assert_eq!(wall_ahead(), 0);
                    sleep(s(1000)).await;
                    assert_eq!(now(), Moment::ORIGIN + s(1000));
                    seen.add(wall_ahead());
                    Ok(())
                }
            });
            sim.faults().wall_drift(16_000);
        });
        pass(&report);
    }
    let seen = seen.all();
    assert!(seen.iter().any(|ahead| *ahead > 0) && seen.iter().any(|ahead| *ahead < 0), "{seen:?}");
    assert!(seen.iter().all(|ahead| ahead.abs() <= 16), "{seen:?}");
}

/// By its own clock, nobody is late or early.
#[test]
fn a_drifting_monotonic_clock_makes_timers_early_or_late() {
    let seen = Seen::nothing();
    for seed in 0..10 {
        let seen = seen.clone();
        let report = run(seed, |sim| {
            sim.client("timed", || async {
                let start = now();
                sleep(s(10)).await;
                assert!(now() - start >= s(10), "a timer was due before its time");
                assert!(now() - start < s(10) + ms(1), "{:?}", now() - start);
                Ok(())
            });
            sim.faults().clock_drift(320_000);
        });
        pass(&report);
        seen.add(report.virtual_time);
    }
    let seen = seen.all();
    assert!(seen.iter().any(|took| *took > s(11)) && seen.iter().any(|took| *took < s(9)), "{seen:?}");
}

/// The very deadline, also where a rate leaves fractions of nanoseconds.
#[test]
fn a_timer_of_a_drifting_clock_needs_one_turn() {
    for seed in 0..30 {
        let report = run(seed, |sim| {
            sim.client("host", || async {
                for nanos in [1, 7, 333, 1_000_003, 999_999_937] {
                    let deadline = now() + Duration::from_nanos(nanos);
                    sleep(Duration::from_nanos(nanos)).await;
                    assert!(now() >= deadline);
                }
                Ok(())
            });
            sim.faults().clock_drift(499_999);
        });
        pass(&report);
        assert!(report.turns < 30, "{} turns", report.turns);
    }
}

#[test]
fn a_wall_clock_that_is_set_jumps_and_nothing_else_does() {
    let report = run(1, |sim| {
        sim.client("host", || async {
            sleep(s(2)).await;
            assert_eq!((wall_ahead(), now()), (60, Moment::ORIGIN + s(2)));
            sleep(s(2)).await;
            assert_eq!((wall_ahead(), now()), (-30, Moment::ORIGIN + s(4)));
            Ok(())
        });
        sim.at(s(1)).wall_clock_forward("host", s(60));
        sim.at(s(3)).wall_clock_back("host", s(90));
    });
    pass(&report);
}

#[test]
fn jumps_are_drawn() {
    let build = |sim: &mut Sim| {
        sim.client("host", || async {
            let mut before = wall_time();
            for _ in 0..100 {
                sleep(ms(10)).await;
                let jump = wall_time().duration_since(before);
                assert!(jump.as_ref().map_or_else(|back| back.duration(), |forth| *forth) < s(6));
                before = wall_time();
            }
            Ok(())
        });
        sim.faults().wall_jump(0.2).wall_jump_by(s(1)..s(5));
    };
    is_drawn(build, "wall clock jumps by +");
    is_drawn(build, "wall clock jumps by -");
}

#[test]
fn errors_of_clocks_are_drawn_and_told() {
    let build = |sim: &mut Sim| {
        sim.client("host", || sleep_for(s(1)));
        sim.faults().wall_skew(s(5)).wall_drift(100).clock_drift(100);
    };
    is_drawn(build, "monotonic clock drifts");
}

async fn sleep_for(length: Duration) -> twinloop_sim::ProgramResult {
    sleep(length).await;
    Ok(())
}

/// A scenario may let clocks go wrong later, and put them right again.
#[test]
fn clocks_change_at_a_time() {
    let report = run(4, |sim| {
        sim.client("host", || async {
            sleep(ms(500)).await;
            assert_eq!(wall_ahead(), 0);
            sleep(s(1)).await;
            let gained = wall_ahead();
            assert_ne!(gained, 0, "this seed draws an error");
            sleep(s(4)).await;
            assert_eq!(wall_ahead(), 0, "it is right again");
            Ok(())
        });
        sim.at(s(1)).host_faults("host").wall_skew(s(1600));
        sim.at(s(3)).host_faults("host").wall_skew(s(0));
    });
    pass(&report);
}

/// The kernel's timers go by the world's time: a slow clock of programs delays no retransmission.
#[test]
fn clocks_of_programs_do_not_move_the_kernel() {
    let connecting_takes = |seed, drift| {
        let report = run(seed, |sim| {
            let address = sim.host("server", 7, |address| async move {
                StreamServer::listen(address)?.accept().await?;
                Ok(())
            });
            sim.client("client", move || async move {
                connect(address).await?;
                Ok(())
            });
            sim.faults().clock_drift(drift);
            sim.at(ms(0)).partition("client", "server");
            sim.at(ms(500)).heal("client", "server");
        });
        pass(&report);
        report.virtual_time
    };
    for seed in 0..5 {
        assert_eq!(connecting_takes(seed, 400_000), connecting_takes(seed, 0));
        assert!(connecting_takes(seed, 0) >= s(1), "the first SYN was lost");
    }
}
