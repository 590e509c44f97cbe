//! `shield`: work that runs to its end, whoever gives up waiting for it.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;

use super::support::{Gate, Log, poll_once, turns};
use super::{run, run_leaving};
use twinloop::{Elapsed, JoinError, panic_text, shield, sleep, spawn, timeout, yield_now};

const MS: Duration = Duration::from_millis(1);

/// R54: the output comes to who awaits the shield.
#[test]
fn a_shield_gives_the_output_of_what_it_shields() {
    run(|| async {
        let shielded = shield(async {
            turns(3).await;
            7
        });
        assert_eq!(shielded.await, 7);
        Ok(())
    });
}

/// What is shielded runs from the call on, awaited or not.
#[test]
fn a_shielded_future_runs_without_being_awaited() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let shielded = shield(async move { inner.add("ran") });
        turns(2).await;
        assert_eq!(log.text(), "ran");
        shielded.await;
        Ok(())
    });
}

/// R54: cancelling who waits leaves the work alone.
#[test]
fn cancelling_who_awaits_a_shield_leaves_the_work_running() {
    run(|| async {
        let (log, gate) = (Log::default(), Gate::default());
        let (inner_log, inner_gate) = (log.clone(), gate.clone());
        let waiting = spawn(async move {
            shield(async move {
                inner_gate.wait().await;
                inner_log.add("done");
            })
            .await;
        });
        turns(2).await;
        assert!(matches!(waiting.cancel().await, Err(JoinError::Cancelled)));
        gate.open();
        turns(2).await;
        assert_eq!(log.text(), "done");
        Ok(())
    });
}

/// R63: a timeout around a shield gives up in time although the work does not, and the work goes on.
#[test]
fn a_timeout_around_a_shield_detaches() {
    run(|| async {
        let (log, gate) = (Log::default(), Gate::default());
        let (inner_log, inner_gate) = (log.clone(), gate.clone());
        let work = async move {
            inner_gate.wait().await;
            inner_log.add("done");
        };
        assert_eq!(timeout(2 * MS, shield(work)).await, Err(Elapsed));
        assert_eq!(log.text(), "");
        gate.open();
        turns(2).await;
        assert_eq!(log.text(), "done");
        Ok(())
    });
}

/// The shield itself may be awaited again after a timeout, and then gives the output.
#[test]
fn a_shield_can_be_awaited_again_after_a_timeout() {
    run(|| async {
        let gate = Gate::default();
        let inner = gate.clone();
        let mut shielded = shield(async move {
            inner.wait().await;
            7
        });
        assert_eq!(timeout(2 * MS, &mut shielded).await, Err(Elapsed));
        gate.open();
        assert_eq!(shielded.await, 7);
        Ok(())
    });
}

/// A panic under a shield goes on in who awaits it.
#[test]
fn a_panic_under_a_shield_goes_on_in_who_awaits_it() {
    run(|| async {
        let mut shielded = shield(async { panic!("the case's own panic") });
        assert!(poll_once(&mut shielded).await.is_pending());
        turns(2).await;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            std::pin::Pin::new(&mut shielded).poll(&mut context)
        }));
        let payload: Box<dyn std::any::Any + Send> = match polled {
            Err(payload) => payload,
            Ok(Poll::Ready(()) | Poll::Pending) => panic!("the panic was swallowed"),
        };
        assert_eq!(panic_text(&*payload), "the case's own panic");
        Ok(())
    });
}

/// A shield that has ended gives its output without a turn, also at a deadline that has passed.
#[test]
fn a_shield_that_has_ended_is_ready() {
    run(|| async {
        let shielded = shield(async { 7 });
        sleep(MS).await;
        assert_eq!(timeout(Duration::ZERO, shielded).await, Ok(7));
        Ok(())
    });
}

/// Dropping a shield over work that never ends leaves a task; the dispatcher ends it as it closes.
#[test]
fn a_dropped_shield_leaves_its_task() {
    run_leaving(|| async {
        let before = twinloop::Handle::current().pending().tasks;
        drop(shield(pending::<()>()));
        yield_now().await;
        assert_eq!(twinloop::Handle::current().pending().tasks, before + 1);
        Ok(())
    });
}
