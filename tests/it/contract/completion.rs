//! Completions: who is told of the end and in which order, who gets the value, and what either side learns of the other.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::task::Poll;

use super::run;
use super::support::{Log, LogsDrop, poll_once, turns};
use twinloop::completion::ReadError;
use twinloop::{AsyncCallback, Cancelled, Completion, Handle, completion, spawn, yield_now};

/// Five callbacks that log their numbers, added in order.
fn five_callbacks<T>(log: &Log, completion: &Completion<T>) -> Vec<AsyncCallback> {
    let callbacks: Vec<_> = (1..=5).map(|number| log.adding(number)).collect();
    callbacks.iter().for_each(|callback| completion.add_callback(*callback));
    callbacks
}

// Callbacks

/// R39, section 5 `callback_forward_order`: callbacks run in the order of adding, and never inside of the completing call.
#[test]
fn callbacks_run_in_forward_order_and_not_inline() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion());
        five_callbacks(&log, &completion);
        completer.complete(()).expect("it was not cancelled");
        assert_eq!(log.text(), "", "nothing runs inside of complete()");
        yield_now().await;
        assert_eq!(log.text(), "1 2 3 4 5");
        Ok(())
    });
}

/// R39: a callback that waits for a completion runs behind what was scheduled before the end, like any other.
#[test]
fn callbacks_run_behind_what_was_scheduled_before_the_end() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion());
        completion.add_callback(log.adding("callback"));
        Handle::current().call_soon(log.adding("soon"));
        completer.complete(()).expect("it was not cancelled");
        yield_now().await;
        assert_eq!(log.text(), "soon callback");
        Ok(())
    });
}

/// R41, section 5 `callback_removal_keeps_order`: removing one leaves the order of the others.
#[test]
fn removing_a_callback_keeps_the_order_of_the_others() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion());
        let callbacks = five_callbacks(&log, &completion);
        assert_eq!(completion.remove_callback(callbacks[2]), 1);
        assert_eq!(completion.remove_callback(callbacks[2]), 0);
        completer.complete(()).expect("it was not cancelled");
        yield_now().await;
        assert_eq!(log.text(), "1 2 4 5");
        Ok(())
    });
}

/// R41: a callback that was added several times is removed every time that it was, and no other one is.
#[test]
fn removing_a_callback_removes_every_registration_of_it() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion());
        let (removed, kept) = (log.adding("removed"), log.adding("kept"));
        for callback in [removed, kept, removed, removed] {
            completion.add_callback(callback);
        }
        assert_eq!(completion.remove_callback(removed), 3);
        completer.complete(()).expect("it was not cancelled");
        yield_now().await;
        assert_eq!(log.text(), "kept");
        Ok(())
    });
}

/// Against R46: after the first one was removed, adding still is appending.
#[test]
fn a_callback_added_after_a_removal_goes_to_the_end() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion());
        let [a, b, c] = ["a", "b", "c"].map(|name| log.adding(name));
        completion.add_callback(a);
        completion.add_callback(b);
        completion.remove_callback(a);
        completion.add_callback(c);
        completer.complete(()).expect("it was not cancelled");
        yield_now().await;
        assert_eq!(log.text(), "b c");
        Ok(())
    });
}

/// R40, section 5 `callback_after_done`: what is added after the end runs in the next turn, behind what was added before,
/// and not inside of the call.
#[test]
fn a_callback_added_after_the_end_runs_in_the_next_turn() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion());
        completion.add_callback(log.adding("before"));
        completer.complete(()).expect("it was not cancelled");
        completion.add_callback(log.adding("after"));
        assert_eq!(log.text(), "");
        yield_now().await;
        assert_eq!(log.text(), "before after");
        Ok(())
    });
}

/// R42: what the end has scheduled is not recalled by a removal.
#[test]
fn a_callback_removed_after_the_end_still_runs() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion());
        let callback = log.adding("callback");
        completion.add_callback(callback);
        completer.complete(()).expect("it was not cancelled");
        assert_eq!(completion.remove_callback(callback), 0);
        yield_now().await;
        assert_eq!(log.text(), "callback");
        Ok(())
    });
}

/// R36, R38: cancelling is an end too: callbacks run for it, in order.
#[test]
fn callbacks_run_for_a_cancelled_completion() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion::<()>());
        five_callbacks(&log, &completion);
        assert!(completion.cancel());
        drop(completer);
        yield_now().await;
        assert_eq!(log.text(), "1 2 3 4 5");
        Ok(())
    });
}

/// Callbacks and tasks stand in one queue.
#[test]
fn callbacks_and_tasks_are_told_in_the_order_in_which_they_came() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion::<()>());
        let task = |name: &'static str| {
            let (log, end) = (log.clone(), completion.join());
            spawn(async move {
                end.await;
                log.add(name);
            })
            .detach();
        };
        completion.add_callback(log.adding("first"));
        task("second");
        turns(1).await;
        completion.add_callback(log.adding("third"));
        task("fourth");
        turns(1).await;
        completer.complete(()).expect("it was not cancelled");
        turns(1).await;
        assert_eq!(log.text(), "first second third fourth");
        Ok(())
    });
}

// Awaiting

/// Section 5 `multi_await`: three tasks await one completion; each gets the value, in the order of awaiting.
#[test]
fn tasks_that_await_one_completion_go_on_in_their_order() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion());
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let (log, own) = (log.clone(), completion.clone());
                spawn(async move {
                    let value = own.await;
                    log.add(format!("{number}:{value:?}"));
                })
            })
            .collect();
        drop(completion);
        turns(2).await;
        completer.complete('v').expect("the tasks want it");
        for task in tasks {
            task.await?;
        }
        assert_eq!(log.text(), "0:Ok('v') 1:Ok('v') 2:Ok('v')");
        Ok(())
    });
}

/// R19, section 5 `completed_await_no_poll`: awaiting what has ended takes no turn.
#[test]
fn awaiting_what_has_ended_takes_no_turn() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion());
        completer.complete(7).expect("it was not cancelled");
        Handle::current().call_soon(log.adding("a turn went by"));
        assert_eq!(completion.await, Ok(7));
        assert_eq!(log.text(), "");
        Ok(())
    });
}

/// The value itself goes to the last one who asks, so it need not be one that can be cloned; the others get copies.
#[test]
fn the_value_is_copied_for_all_but_the_last() {
    struct Counted(Rc<Cell<usize>>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.set(self.0.get() + 1);
            Counted(Rc::clone(&self.0))
        }
    }
    run(|| async {
        let copies: Rc<Cell<usize>> = Rc::default();
        let (completer, completion) = completion();
        let others: Vec<_> = (0..3).map(|_| completion.clone()).collect();
        assert!(completer.complete(Counted(Rc::clone(&copies))).is_ok());
        for other in others {
            assert!(other.await.is_ok());
        }
        assert_eq!(copies.get(), 3);
        assert!(completion.await.is_ok());
        assert_eq!(copies.get(), 3);
        Ok(())
    });
}

/// R45: a value that nobody asks for, a failure too, is dropped in silence, once nobody can ask for it any more.
#[test]
fn a_value_that_nobody_asks_for_goes_with_the_last_who_could() {
    run(|| async {
        let log = Log::default();
        let (completer, completion) = completion::<Result<(), Rc<LogsDrop>>>();
        let other = completion.clone();
        assert!(completer.complete(Err(Rc::new(LogsDrop(log.clone(), "dropped")))).is_ok());
        drop(completion);
        assert_eq!(log.text(), "");
        drop(other);
        assert_eq!(log.text(), "dropped");
        Ok(())
    });
}

/// A task that gives up waiting leaves the queue, and the others keep their order.
#[test]
fn a_task_that_gives_up_is_passed_over() {
    run(|| async {
        let (log, (completer, completion)) = (Log::default(), completion());
        let mut tasks: Vec<_> = (0..4)
            .map(|number| {
                let (log, own) = (log.clone(), completion.clone());
                spawn(async move {
                    own.await.expect("it is completed");
                    log.add(number);
                })
            })
            .collect();
        turns(2).await;
        tasks.remove(1).cancel().await.expect_err("it never ends by itself");
        completer.complete(()).expect("others want it");
        for task in tasks {
            task.await?;
        }
        assert_eq!(log.text(), "0 2 3");
        Ok(())
    });
}

/// A completion may move to another task between polls; the one that polled last is woken.
#[test]
fn a_pending_completion_may_move_to_another_task() {
    run(|| async {
        let (completer, mut completion) = completion();
        assert!(poll_once(&mut completion).await.is_pending());
        let task = spawn(completion);
        turns(2).await;
        completer.complete(7).expect("it was not cancelled");
        assert_eq!(task.await?, Ok(7));
        Ok(())
    });
}

/// R55: `join` waits for the end, takes nothing, and leaves the completion alone when it is dropped.
#[test]
fn joining_takes_nothing() {
    run(|| async {
        let (completer, completion) = completion();
        let mut given_up = completion.join();
        assert!(poll_once(&mut given_up).await.is_pending());
        drop(given_up);
        assert!(!completion.is_finished());
        let join = spawn(completion.join());
        turns(2).await;
        completer.complete(7).expect("it was not cancelled");
        join.await?;
        completion.join().await;
        assert_eq!(completion.await, Ok(7));
        Ok(())
    });
}

// Reading without waiting

/// R44: reading tells what is there, as often as it is asked.
#[test]
fn reading_tells_pending_cancelled_and_taken_apart() {
    run(|| async {
        let (completer, mut completion) = completion();
        let other = completion.clone();
        assert_eq!(completion.read(), Err(ReadError::Pending));
        completer.complete(7).expect("it was not cancelled");
        assert_eq!((completion.read(), completion.read()), (Ok(7), Ok(7)));
        assert_eq!((&mut completion).await, Ok(7));
        assert_eq!(completion.read(), Err(ReadError::Taken));
        assert_eq!(other.read(), Ok(7));

        let (completer, completion) = twinloop::completion::<u32>();
        drop(completer);
        assert_eq!(completion.read(), Err(ReadError::Cancelled));
        Ok(())
    });
}

/// Each of several gives its outcome once, to `take` or to who awaits it.
#[test]
fn each_gives_its_outcome_once() {
    run(|| async {
        let (completer, mut first) = completion();
        let mut second = first.clone();
        assert_eq!(first.take(), None);
        completer.complete(7).expect("it was not cancelled");
        assert_eq!((first.take(), first.take()), (Some(Ok(7)), None));
        assert_eq!((second.take(), second.take()), (Some(Ok(7)), None));
        assert!(
            first.is_finished() && first.clone().take().is_none(),
            "there is nothing more in a copy of it"
        );
        Ok(())
    });
}

/// A value whose `clone` panics stays where it is.
#[test]
fn a_clone_that_panics_leaves_the_value() {
    struct PanicsOnce(Cell<bool>);
    impl Clone for PanicsOnce {
        fn clone(&self) -> Self {
            assert!(self.0.replace(true), "the case's own panic");
            PanicsOnce(Cell::new(true))
        }
    }
    run(|| async {
        let (completer, completion) = completion();
        assert!(completer.complete(PanicsOnce(Cell::new(false))).is_ok());
        let completion = Rc::new(completion);
        let reads = Rc::clone(&completion);
        let read = spawn(async move { reads.read().is_ok() });
        assert!(read.await.is_err());
        assert!(completion.read().is_ok());
        Ok(())
    });
}

// Cancelling

/// R38, section 5 `double_complete`: completing what was cancelled is no fault; the value comes back. (Completing twice,
/// R37, does not compile.)
#[test]
fn completing_what_was_cancelled_gives_the_value_back() {
    run(|| async {
        let (completer, completion) = completion();
        assert!(completion.cancel());
        assert!(completer.is_cancelled());
        assert_eq!(completer.complete(7), Err(7));
        assert_eq!(completion.await, Err(Cancelled));
        Ok(())
    });
}

/// R49, section 5 `cancel_finished_noop`: what has ended stays as it is.
#[test]
fn cancelling_what_has_ended_changes_nothing() {
    run(|| async {
        let (completer, completion) = completion();
        completer.complete(7).expect("it was not cancelled");
        assert!(!completion.cancel());
        assert_eq!(completion.await, Ok(7));

        let (_completer, completion) = twinloop::completion::<u32>();
        assert!(completion.cancel());
        assert!(!completion.cancel());
        assert_eq!(completion.await, Err(Cancelled));
        Ok(())
    });
}

/// A producer that ends without a value cancels the completion: nobody waits for ever.
#[test]
fn dropping_the_completer_cancels() {
    run(|| async {
        let (completer, completion) = completion::<u32>();
        let producer = spawn(async move {
            let _completer = completer;
            pending::<()>().await;
        });
        turns(2).await;
        assert!(!completion.is_finished());
        producer.cancel().await.expect_err("it never ends by itself");
        assert_eq!(completion.await, Err(Cancelled));
        Ok(())
    });
}

/// The producer learns that nobody wants the value, once the last who could take it is gone, and not before.
#[test]
fn a_producer_learns_that_nobody_wants_the_value() {
    run(|| async {
        let (completer, completion) = completion::<u32>();
        let other = completion.clone();
        let log = Log::default();
        let told = log.clone();
        let producer = spawn(async move {
            completer.cancelled().await;
            told.add("told");
            completer.complete(7)
        });
        turns(2).await;
        drop(completion);
        turns(2).await;
        assert_eq!(log.text(), "");
        drop(other);
        assert_eq!(producer.await?, Err(7));
        assert_eq!(log.text(), "told");
        Ok(())
    });
}

/// Who only joins does not want the value: it does not keep a completion from being cancelled, and is told.
#[test]
fn a_joiner_is_told_when_the_last_taker_goes() {
    run(|| async {
        let (completer, completion) = completion::<u32>();
        let join = spawn(completion.join());
        turns(2).await;
        drop(completion);
        assert!(completer.is_cancelled());
        join.await?;
        Ok(())
    });
}

/// A producer that is not told goes on: `cancelled` can be given up, and the value arrives.
#[test]
fn a_producer_that_gives_up_asking_can_complete() {
    run(|| async {
        let (completer, completion) = completion();
        let mut cancelled = completer.cancelled();
        assert_eq!(poll_once(&mut cancelled).await, Poll::Pending);
        drop(cancelled);
        completer.complete(7).expect("it was not cancelled");
        assert_eq!(completion.await, Ok(7));
        Ok(())
    });
}

/// Whatever way a completion goes, nothing of it stays with the dispatcher.
#[test]
fn nothing_is_left_of_completions() {
    run(|| async {
        let before = Handle::current().pending();
        let (completer, mut completed) = completion();
        let mut cancelled = completed.clone();
        let mut join = completed.join();
        assert!(poll_once(&mut completed).await.is_pending());
        assert!(poll_once(&mut cancelled).await.is_pending());
        assert!(poll_once(&mut join).await.is_pending());
        drop(cancelled);
        completer.complete(7).expect("one wants it");
        drop((completed, join));

        let (completer, completion) = twinloop::completion::<u32>();
        completion.add_callback(Log::default().adding("callback"));
        drop(completion);
        drop(completer);
        turns(2).await;
        let after = Handle::current().pending();
        assert_eq!((after.waits, after.objects), (before.waits, before.objects));
        Ok(())
    });
}
