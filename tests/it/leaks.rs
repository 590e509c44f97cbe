//! What a case has left behind when it has ended: looked for after every case, on both drivers. It knows no driver.

use std::error::Error;

use twinloop::{Handle, Pending, yield_now};

/// What was cancelled or woken last may need some turns to end. Turns, and no time: a timer that is left does not fire.
const TURNS_MAX: usize = 10;

/// An error unless nothing is pending but the one task that asks.
pub(crate) async fn nothing_is_left() -> Result<(), Box<dyn Error>> {
    for _ in 0..TURNS_MAX {
        if left() == Pending::default() {
            return Ok(());
        }
        yield_now().await;
    }
    Err(format!("something is left at its end: {:?}\n{}", left(), Handle::current().dump()).into())
}

/// What is pending beside the task that asks.
fn left() -> Pending {
    let mut pending = Handle::current().pending();
    pending.tasks -= 1;
    pending
}

/// The check itself: what is planted is told, on both drivers (against R185: there is nothing to count by class).
mod planted {
    use std::future::{Future, pending};
    use std::panic::catch_unwind;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use twinloop::driver::{Fd, ListenOptions};
    use twinloop::{Address, AsyncCallback, Handle, Moment, StreamServer, idle, panic_text, spawn};

    use crate::{on_real, on_sim};

    /// Runs a case that only plants a leak; the failure must have all of `words`.
    #[track_caller]
    fn is_told(plant: fn(), words: &[&str]) {
        let case = move || async move {
            plant();
            Ok(())
        };
        for run in [|case| on_real::run(case), |case| on_sim::run(case)] {
            let told = catch_unwind(|| run(case)).expect_err("the case leaves something");
            let text = panic_text(&*told);
            assert!(words.iter().all(|word| text.contains(word)), "{words:?} in:\n{text}");
        }
    }

    fn nothing(_: &Handle, _: usize) {}

    fn again(handle: &Handle, _: usize) {
        handle.call_soon(AsyncCallback::new(again, 0));
    }

    fn listener() -> Fd {
        let listener = Handle::current().listen(&Address::loopback(0), &ListenOptions::default());
        listener.expect("loopback has a free port")
    }

    #[test]
    fn a_callback_is_told() {
        is_told(|| again(&Handle::current(), 0), &["callbacks: 1", "soon it/leaks.rs:"]);
    }

    /// R185 as twinloop has it.
    #[test]
    fn a_task_is_told() {
        is_told(|| spawn(pending::<()>()).detach(), &["tasks: 1", "task it/leaks.rs:"]);
    }

    #[test]
    fn the_outcome_of_a_task_is_told() {
        is_told(|| std::mem::forget(spawn(async {})), &["tasks: 1"]);
    }

    /// R185 as twinloop has it.
    #[test]
    fn a_timer_is_told() {
        fn plant() {
            let _timer = Handle::current().add_timer(Moment::FAR_FUTURE, AsyncCallback::new(nothing, 0));
        }
        is_told(plant, &["timers: 1", "timer it/leaks.rs:"]);
    }

    #[test]
    fn watchers_are_told() {
        fn plant() {
            let (handle, listener) = (Handle::current(), listener());
            handle.add_reader(listener, AsyncCallback::new(nothing, 0)).expect("it has none");
            handle.add_writer(listener, AsyncCallback::new(nothing, 0)).expect("it has none");
        }
        is_told(plant, &["watchers: 2", "reader it/leaks.rs:", "writer it/leaks.rs:"]);
    }

    /// R185 as twinloop has it.
    #[test]
    fn a_descriptor_is_told() {
        is_told(|| _ = listener(), &["descriptors: 1", "watchers: 0"]);
    }

    #[test]
    fn a_wait_is_told() {
        fn plant() {
            let mut waits = idle();
            assert!(pin!(&mut waits).poll(&mut Context::from_waker(Waker::noop())).is_pending());
            std::mem::forget(waits);
        }
        is_told(plant, &["waits: 1", "idle it/leaks.rs:"]);
    }

    /// R185 as twinloop has it.
    #[test]
    fn an_object_is_told() {
        fn plant() {
            let server = StreamServer::listen(Address::loopback(0)).expect("loopback has a free port");
            std::mem::forget(server);
        }
        is_told(plant, &["objects: 1"]);
    }
}
