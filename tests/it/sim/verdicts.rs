//! Every way in which a run can end, by name.

use std::future::pending;
use std::time::Duration;

use twinloop::{Address, AsyncLock, StreamServer, connect, sleep, spawn, yield_now};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{Report, Sim, Verdict, run_world};

fn run(build: impl FnOnce(&mut Sim)) -> Report {
    run_world(&Choices::Seeded(1), Telling::Events, build)
}

#[test]
fn a_client_that_fails_fails_the_run() {
    let report = run(|sim| sim.client("client", || async { Err("no luck".into()) }));
    assert_eq!(report.verdict.to_string(), "failed: client: no luck");
}

#[test]
fn a_check_that_does_not_hold_fails_the_run() {
    let report = run(|sim| {
        sim.client("client", || async { Ok(()) });
        sim.check("first", || Ok(()));
        sim.check("second", || Err("2 is not 3".to_owned()));
    });
    assert_eq!(report.verdict.to_string(), "failed: second: 2 is not 3");
}

#[test]
fn a_panic_is_a_verdict_with_its_place_and_prints_nothing() {
    let report = run(|sim| {
        sim.client("client", || async {
            spawn(async { panic!("out of {}", "luck") }).detach();
            sleep(Duration::from_secs(1)).await;
            Ok(())
        });
    });
    let Verdict::Panicked { host, message } = &report.verdict else { panic!("{}", report.verdict) };
    assert_eq!(host, "client");
    assert!(message.starts_with("out of luck (at ") && message.contains("verdicts.rs:"), "{message}");
}

/// A panic inside a check does not leave the run: it is one way to say that the check does not hold.
#[test]
fn a_check_that_panics_does_not_hold() {
    let report = run(|sim| {
        sim.client("client", || async { Ok(()) });
        sim.check("sums", || panic!("2 is not 3"));
    });
    let verdict = report.verdict.to_string();
    assert!(verdict.starts_with("failed: sums: 2 is not 3 (at "), "{verdict}");
}

/// Panics that someone handled come and go before the one that ends the run.
#[test]
fn a_panic_verdict_has_the_text_of_its_own_panic() {
    let report = run(|sim| {
        sim.client("client", || async {
            let handled = spawn(async { panic!("expected") });
            spawn(async { panic!("the fault") }).detach();
            assert!(handled.await.is_err());
            Ok(())
        });
    });
    let Verdict::Panicked { message, .. } = &report.verdict else { panic!("{}", report.verdict) };
    assert!(message.starts_with("the fault"), "{message}");
}

#[test]
fn a_panic_that_is_joined_is_the_joiners() {
    let report = run(|sim| {
        sim.client("client", || async {
            let ended = spawn(async { panic!("caught") }).await;
            assert_eq!(ended.unwrap_err().to_string(), "the task panicked: caught");
            Ok(())
        });
    });
    assert_eq!(report.verdict, Verdict::Passed);
}

#[test]
fn what_can_never_happen_is_a_deadlock_that_names_who_waits() {
    let report = run(|sim| {
        sim.client("client", || async {
            pending::<()>().await;
            Ok(())
        });
    });
    let Verdict::Deadlock { message } = &report.verdict else { panic!("{}", report.verdict) };
    assert!(message.starts_with("client waits: task "), "{message}");
}

/// Two tasks that take two locks in different orders: the verdict says who has which lock, and who waits for it.
#[test]
fn a_deadlock_of_locks_tells_the_circle() {
    let report = run(|sim| {
        sim.client("client", || async {
            let (left, right) = (AsyncLock::new(()), AsyncLock::new(()));
            let (left_too, right_too) = (left.clone(), right.clone());
            let one = spawn(async move {
                let _left = left.acquire().await;
                yield_now().await;
                let _right = right.acquire().await;
            });
            let _right = right_too.acquire().await;
            yield_now().await;
            let _left = left_too.acquire().await;
            one.await?;
            Ok(())
        });
    });
    let Verdict::Deadlock { message } = &report.verdict else { panic!("{}", report.verdict) };
    assert!(message.starts_with("client waits: circle task "), "{message}");
    assert_eq!(message.matches(" for the lock taken at ").count(), 2, "{message}");
    assert_eq!(message.matches(", held by task ").count(), 2, "{message}");
}

/// Who is waited for may be a server: what it waits for is told behind those for whom the run waits.
#[test]
fn a_deadlock_tells_what_servers_wait_for() {
    let report = run(|sim| {
        let address = sim.host("server", 7, |address| async move {
            let stream = StreamServer::listen(address)?.accept().await?;
            stream.read_line(100).await?;
            Ok(())
        });
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            stream.write(b"no end of line").await?;
            stream.read(&mut [0]).await?;
            Ok(())
        });
    });
    let Verdict::Deadlock { message } = &report.verdict else { panic!("{}", report.verdict) };
    let (clients, others) = message.split_once("; beside them: ").expect("the server waits too");
    assert!(
        clients.starts_with("client waits: ") && clients.contains("reader sim/verdicts.rs:"),
        "{message}"
    );
    assert!(others.starts_with("server waits: ") && others.contains("reader sim/verdicts.rs:"), "{message}");
}

/// Bytes that nobody reads are no work: what waits beside them waits in vain.
#[test]
fn unread_bytes_do_not_hide_a_deadlock() {
    let report = run(|sim| {
        let address = sim.host("server", 7, |address| async move {
            let stream = StreamServer::listen(address)?.accept().await?;
            stream.write(b"x").await?;
            pending().await
        });
        sim.client("client", move || async move {
            let _unread = connect(address).await?;
            spawn(pending::<()>()).await?;
            Ok(())
        });
    });
    assert_eq!(report.verdict.kind(), "deadlock", "{}", report.verdict);
}

/// An edge that nobody waits for is taken from the driver once, and does not come again with each turn.
#[test]
fn a_connection_that_nobody_accepts_costs_no_turns() {
    let report = run(|sim| {
        let address = sim.host("server", 7, |address| async move {
            let _unasked = StreamServer::listen(address)?;
            pending().await
        });
        sim.client("client", move || async move {
            let _unaccepted = connect(address).await?;
            sleep(Duration::from_secs(10)).await;
            Ok(())
        });
    });
    assert_eq!(report.verdict, Verdict::Passed);
    assert!(report.turns < 100, "{} turns", report.turns);
}

#[test]
fn bytes_that_nobody_reads_cost_no_turns() {
    let report = run(|sim| {
        let address = sim.host("server", 7, |address| async move {
            let _unread = StreamServer::listen(address)?.accept().await?;
            pending().await
        });
        sim.client("client", move || async move {
            connect(address).await?.write(b"x").await?;
            sleep(Duration::from_secs(10)).await;
            Ok(())
        });
    });
    assert_eq!(report.verdict, Verdict::Passed);
    assert!(report.turns < 100, "{} turns", report.turns);
}

#[test]
fn what_spins_ends_with_the_turn_budget_and_names_who() {
    let report = run(|sim| {
        sim.turn_budget(5_000);
        sim.client("idler", || async {
            sleep(Duration::from_secs(7200)).await;
            Ok(())
        });
        sim.client("spinner", || async {
            loop {
                yield_now().await;
            }
        });
    });
    let Verdict::TurnBudget { turns: 5_000, message } = &report.verdict else { panic!("{}", report.verdict) };
    assert!(message.starts_with("spinner made "), "{message}");
    // With what: its tasks, and what they wait for between two turns.
    assert!(message.contains(" of them: spinner waits: ") && message.contains("verdicts.rs:"), "{message}");
}

/// With no turn allowed nobody has made the most of them.
#[test]
fn a_turn_budget_of_nothing_is_spent_at_once() {
    let report = run(|sim| sim.turn_budget(0));
    assert_eq!(report.verdict.kind(), "turn-budget", "{}", report.verdict);
}

#[test]
fn what_takes_too_long_ends_with_the_time_budget() {
    let report = run(|sim| {
        sim.time_budget(Duration::from_secs(60));
        sim.client("sleeper", || async {
            loop {
                sleep(Duration::from_secs(1)).await;
            }
        });
    });
    assert_eq!(report.verdict.kind(), "time-budget");
    assert!(report.virtual_time >= Duration::from_secs(60) && report.virtual_time < Duration::from_secs(62));
}

/// Time jumps over what nobody waits for: a year costs a handful of turns.
#[test]
fn idle_time_costs_nothing() {
    let year = Duration::from_secs(365 * 24 * 3600);
    let report = run(|sim| {
        sim.time_budget(2 * year);
        sim.client("sleeper", move || async move {
            sleep(year).await;
            Ok(())
        });
    });
    assert_eq!(report.verdict, Verdict::Passed);
    assert!(report.virtual_time >= year && report.turns < 10, "{} turns", report.turns);
}

#[test]
fn a_server_that_fails_fails_the_run() {
    let report = run(|sim| {
        let address = sim.host("server", 7, |address| async move {
            let server = StreamServer::listen(address)?;
            server.accept().await?;
            Err("one was enough".into())
        });
        sim.client("client", move || async move {
            connect(address).await?;
            sleep(Duration::from_secs(1)).await;
            Ok(())
        });
    });
    assert_eq!(report.verdict.to_string(), "failed: server: one was enough");
}

/// A world of servers alone runs its time and passes.
#[test]
fn servers_alone_run_their_time() {
    let report = run(|sim| {
        sim.time_budget(Duration::from_secs(5));
        sim.host("server", 7, |_: Address| async {
            loop {
                sleep(Duration::from_secs(1)).await;
            }
        });
    });
    assert_eq!(report.verdict, Verdict::Passed);
}
