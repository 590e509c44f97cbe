//! Waiting on the clock: `sleep` and `sleep_until`, `timeout` and `deadline`. Every wait is one entry among the
//! dispatcher's timers.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use crate::dispatcher::Waiter;
use crate::table::Key;
use crate::{Handle, Moment};

/// The loop's time of the current dispatcher.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
pub fn now() -> Moment {
    Handle::current().now()
}

/// The date and the time of day, as this machine has them at the moment of the call.
///
/// For logs, certificates and what else is meant for other machines and people. Another machine has another one, and it may
/// be set at any time, also back: how long something took, and when it is due, is a matter of [`now`].
///
/// It is a plain value, which every crate for dates takes. In the simulator the time passes with the virtual clock, from the
/// beginning of the year 2025 on, and goes wrong where the world's faults say so.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
///
/// let began = twinloop::wall_time();
/// twinloop::sleep(Duration::from_secs(86_400)).await;
/// assert_eq!(twinloop::wall_time().duration_since(began)?, Duration::from_secs(86_400));
/// # Ok(()) });
/// ```
pub fn wall_time() -> SystemTime {
    Handle::current().wall_time()
}

/// Waits for `duration`, counted from the call. Never ends early (R23); zero still lets everything else run (R25).
///
/// The timer runs from the call on, awaited or not. Dropping the future removes it.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
///
/// let start = twinloop::now();
/// twinloop::sleep(Duration::from_secs(86_400)).await;
/// assert_eq!(twinloop::now() - start, Duration::from_secs(86_400));
/// # Ok(()) });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    // Not the batch's time: code that ran long before this call must not shorten the wait (R23).
    sleep_until(Handle::current().core().clock() + duration)
}

/// Waits until `deadline`. As [`sleep`] in everything else.
#[track_caller]
pub fn sleep_until(deadline: Moment) -> Sleep {
    Sleep::new(Handle::current(), deadline, Location::caller())
}

/// The future of [`sleep`] and [`sleep_until`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    handle: Handle,
    deadline: Moment,
    timer: Key,
}

impl Sleep {
    pub(crate) fn new(handle: Handle, deadline: Moment, place: &'static Location<'static>) -> Sleep {
        let timer = handle.core().timers.borrow_mut().add(deadline, Waiter::Nobody, place);
        Sleep { handle, deadline, timer }
    }

    /// When it ends.
    pub fn deadline(&self) -> Moment {
        self.deadline
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let core = self.handle.core();
        // The waiter comes out while a waker is cloned or dropped, which may be anyone's code.
        let mut waiter = match core.timers.borrow_mut().waiter_mut(self.timer) {
            None => return Poll::Ready(()),
            Some(waiter) => std::mem::take(waiter),
        };
        waiter.note(&core, context);
        if let Some(place) = core.timers.borrow_mut().waiter_mut(self.timer) {
            *place = waiter;
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(core) = self.handle.try_core() else { return };
        // The waker in it is dropped after the borrow has ended.
        let _waiter = core.timers.borrow_mut().remove(self.timer);
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Awaits `future` for at most `duration`, counted from the call: [`deadline`] with a moment that far away.
///
/// What is ready at once is given even for no duration at all; what is not is then given up in the next turn (R59).
///
/// # Errors
///
/// [`Elapsed`] if the time was up first.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::{sleep, timeout};
///
/// assert!(timeout(Duration::from_secs(1), sleep(Duration::from_secs(2))).await.is_err());
/// assert!(timeout(Duration::from_secs(2), sleep(Duration::from_secs(1))).await.is_ok());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Elapsed>> {
    // As in `sleep`: the batch's time would be too old to count from.
    deadline(Handle::current().core().clock() + duration, future)
}

/// Awaits `future` until `moment`. Then `future` is dropped, which cancels it, before the deadline is told (R62). If it is
/// ready in that very turn, its own result wins (R60), also when `moment` had passed before (R59, R61).
///
/// A future that must not be dropped is given as `&mut future`, or is run to its end in any case:
/// `deadline(moment, shield(future))` gives up waiting and lets the work go on (R63). Any number of deadlines may share one
/// moment; each is a timer that goes with its future, and leaves nothing behind (R65). Dropping it drops `future` (R64).
///
/// # Errors
///
/// [`Elapsed`] if `moment` came first.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::{deadline, now, sleep};
///
/// let closing_time = now() + Duration::from_secs(3);
/// assert!(deadline(closing_time, sleep(Duration::from_secs(2))).await.is_ok());
/// assert!(deadline(closing_time, sleep(Duration::from_secs(2))).await.is_err());
/// assert_eq!(now(), closing_time);
/// # Ok(()) });
/// ```
#[track_caller]
pub fn deadline<F: Future>(moment: Moment, future: F) -> impl Future<Output = Result<F::Output, Elapsed>> {
    let mut limit = sleep_until(moment);
    async move {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            Pin::new(&mut limit).poll(context).map(|()| Err(Elapsed))
        })
        .await
    }
}

/// A deadline passed before what was awaited came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl Error for Elapsed {}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline passed first")
    }
}
