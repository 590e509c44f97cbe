//! A value that one side will give and others wait for, with tasks or with callbacks: the ancestor's `Future[T]`. It does
//! not know who computes the value, nor why.
//!
//! Its producer holds the [`Completer`], which is used up by completing: so a second completion (R37) does not compile.
//! The consumers hold [`Completion`]s. A failure is a value like any other: let `T` be a `Result`. So the ancestor's four
//! states (R36) are pending, completed with `Ok`, completed with `Err`, and [`Cancelled`]; a failure that nobody reads is
//! dropped in silence (R45).
//!
//! ```text
//!            complete(value)
//!  Pending ──────────────────▶ Completed
//!     └──── cancel, or one side is dropped ────▶ Cancelled
//! ```
//!
//! Callbacks and waiting tasks stand in one queue, first come, first told. None of them ever runs inside of the call that
//! ends the completion: they run in the next turn (R39).

mod errors;
mod state;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::AsyncCallback;
use crate::shared::Shared;
use crate::table::Key;

pub use errors::{Cancelled, ReadError};
use state::{Phase, State};

/// A completion that is pending, of the current dispatcher: the side that gives a value, and the side that waits for it.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// let (completer, completion) = twinloop::completion();
/// twinloop::spawn(async move { completer.complete("hello") }).detach();
/// assert_eq!(completion.await, Ok("hello"));
/// # Ok(()) });
/// ```
#[track_caller]
pub fn completion<T: 'static>() -> (Completer<T>, Completion<T>) {
    let shared = Shared::new(State::default());
    let place = Location::caller();
    let completer = Completer { shared: shared.clone(), place };
    (completer, Completion { shared, wait: None, spent: false, place })
}

/// The side of a completion that gives the value.
///
/// Dropping it without completing ends the completion as cancelled.
#[must_use = "dropping a Completer cancels its completion"]
pub struct Completer<T: 'static> {
    shared: Shared<State<T>>,
    place: &'static Location<'static>,
}

impl<T: 'static> Completer<T> {
    /// Gives the value, and schedules every callback and every waiting task, in the order in which they came (R39).
    ///
    /// # Errors
    ///
    /// The value itself, if the completion was cancelled: nobody wants it. Where nothing is to be done about that, ignore
    /// it, as the ancestor does (R38).
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let (completer, completion) = twinloop::completion();
    /// completion.cancel();
    /// assert_eq!(completer.complete(7), Err(7));
    /// # Ok(()) });
    /// ```
    pub fn complete(self, value: T) -> Result<(), T> {
        let (core, state) = self.shared.resolve();
        if state.phase() == Phase::Cancelled {
            return Err(value);
        }
        state.complete(&core, value);
        Ok(())
    }

    /// Whether nobody wants the value any more: the completion was cancelled, or its last [`Completion`] was dropped.
    pub fn is_cancelled(&self) -> bool {
        let (_, state) = self.shared.resolve();
        state.phase() == Phase::Cancelled
    }

    /// Waits until nobody wants the value any more: for a producer that can stop its work. If that never happens, this is
    /// never ready; dropping it changes nothing.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let (completer, completion) = twinloop::completion::<u32>();
    /// let producer = twinloop::spawn(async move { completer.cancelled().await });
    /// drop(completion);
    /// producer.await?;
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn cancelled(&self) -> WhenCancelled<'_, T> {
        WhenCancelled { end: Joined::new(&self.shared, Location::caller()), completer: PhantomData }
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        if let Some((core, state)) = self.shared.try_resolve() {
            state.cancel(&core);
        }
    }
}

impl<T> fmt::Debug for Completer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Completer({})", self.place)
    }
}

/// The side of a completion that waits for the value. Awaiting it gives the value, or [`Cancelled`].
///
/// Where the value can be cloned, so can this: each clone gives the value once, to its own task; the last one gives the
/// value itself, and the others a copy. Dropping the last one while the completion is pending cancels it, also where
/// [`join`](Completion::join) still waits for its end.
///
/// ```
/// # twinloop_sim::run(async {
/// let (completer, completion) = twinloop::completion();
/// let other = completion.clone();
/// completer.complete(7).expect("it was not cancelled");
/// assert_eq!((completion.await, other.await), (Ok(7), Ok(7)));
/// # Ok(()) });
/// ```
#[must_use = "dropping the last Completion cancels it"]
pub struct Completion<T: 'static> {
    shared: Shared<State<T>>,
    /// Its place among those who wait, from its first poll on.
    wait: Option<Key>,
    /// It has given its outcome and wants nothing more.
    spent: bool,
    place: &'static Location<'static>,
}

impl<T: 'static> Completion<T> {
    /// Whether it has ended, completed or cancelled.
    pub fn is_finished(&self) -> bool {
        let (_, state) = self.shared.resolve();
        state.phase() != Phase::Pending
    }

    /// Ends it as cancelled, for all its clones too: callbacks and waiting tasks are scheduled, the producer is told. Says
    /// whether it was pending; what has ended stays as it is (R49).
    pub fn cancel(&self) -> bool {
        let (core, state) = self.shared.resolve();
        state.cancel(&core)
    }

    /// The outcome, if it has ended and this `Completion` did not give it before. As awaiting it, without the wait.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let (completer, mut completion) = twinloop::completion();
    /// assert_eq!(completion.take(), None);
    /// completer.complete(7).expect("it was not cancelled");
    /// assert_eq!(completion.take(), Some(Ok(7)));
    /// # Ok(()) });
    /// ```
    pub fn take(&mut self) -> Option<Result<T, Cancelled>> {
        let (core, state) = self.shared.resolve();
        if self.spent || state.phase() == Phase::Pending {
            return None;
        }
        state.leave(&core, &mut self.wait);
        self.spent = true;
        Some(state.give())
    }

    /// A copy of the value, which stays (R44).
    ///
    /// # Errors
    ///
    /// [`ReadError`] says why there is no value to be read.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::completion::ReadError;
    ///
    /// let (completer, completion) = twinloop::completion();
    /// assert_eq!(completion.read(), Err(ReadError::Pending));
    /// completer.complete(7).expect("it was not cancelled");
    /// assert_eq!((completion.read(), completion.read()), (Ok(7), Ok(7)));
    /// # Ok(()) });
    /// ```
    pub fn read(&self) -> Result<T, ReadError>
    where
        T: Clone,
    {
        let (_, state) = self.shared.resolve();
        match state.phase() {
            Phase::Pending => Err(ReadError::Pending),
            Phase::Cancelled => Err(ReadError::Cancelled),
            Phase::Completed if self.spent => Err(ReadError::Taken),
            Phase::Completed => Ok(state.copy(T::clone)),
        }
    }

    /// Waits for the end, completed or cancelled, and takes nothing (R55). Dropping the future changes nothing; it may
    /// outlive the `Completion`.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let (completer, completion) = twinloop::completion::<u32>();
    /// drop(completer);
    /// completion.join().await;
    /// assert!(completion.is_finished());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn join(&self) -> Joined<T> {
        Joined::new(&self.shared, Location::caller())
    }

    /// Has `callback` run once it has ended, behind all callbacks and tasks that wait already (R39, R46). If it has ended,
    /// `callback` is scheduled at once, as [`call_soon`](crate::Handle::call_soon) does (R40). Allocates nothing.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{AsyncCallback, Handle};
    ///
    /// fn tell(handle: &Handle, udata: usize) {
    ///     handle.note(|| format!("completion {udata} has ended"));
    /// }
    /// let (completer, completion) = twinloop::completion();
    /// completion.add_callback(AsyncCallback::new(tell, 1));
    /// completer.complete("done").expect("it was not cancelled");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn add_callback(&self, callback: AsyncCallback) {
        let (core, state) = self.shared.resolve();
        state.add_callback(&core, callback, Location::caller());
    }

    /// Removes `callback` as often as it was added (R41), and says how often that was. The others keep their order. What
    /// was scheduled already, by the end of the completion, runs all the same (R42).
    pub fn remove_callback(&self, callback: AsyncCallback) -> usize {
        let (core, state) = self.shared.resolve();
        state.remove_callback(&core, callback)
    }
}

impl<T: 'static> Future for Completion<T> {
    type Output = Result<T, Cancelled>;

    /// # Panics
    ///
    /// If it gave its outcome before.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.spent, "a Completion was polled again after it gave its outcome: await a clone of it");
        let this = &mut *self;
        let (core, state) = this.shared.resolve();
        if !state.poll_end(&core, &mut this.wait, this.place, context) {
            return Poll::Pending;
        }
        this.spent = true;
        Poll::Ready(state.give())
    }
}

impl<T: Clone> Clone for Completion<T> {
    fn clone(&self) -> Self {
        let (_, state) = self.shared.resolve();
        if !self.spent {
            state.add_taker(T::clone);
        }
        Completion { shared: self.shared.clone(), wait: None, spent: self.spent, place: self.place }
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        let Some((core, state)) = self.shared.try_resolve() else { return };
        state.leave(&core, &mut self.wait);
        if !self.spent {
            state.remove_taker(&core);
        }
    }
}

impl<T> fmt::Debug for Completion<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Completion({})", self.place)
    }
}

/// The future of [`Completion::join`].
#[must_use = "futures do nothing unless awaited"]
pub struct Joined<T: 'static> {
    shared: Shared<State<T>>,
    wait: Option<Key>,
    place: &'static Location<'static>,
}

impl<T> Joined<T> {
    fn new(shared: &Shared<State<T>>, place: &'static Location<'static>) -> Joined<T> {
        Joined { shared: shared.clone(), wait: None, place }
    }
}

impl<T> Future for Joined<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let (core, state) = this.shared.resolve();
        if state.poll_end(&core, &mut this.wait, this.place, context) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl<T> Drop for Joined<T> {
    fn drop(&mut self) {
        if let Some((core, state)) = self.shared.try_resolve() {
            state.leave(&core, &mut self.wait);
        }
    }
}

impl<T> fmt::Debug for Joined<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Joined({})", self.place)
    }
}

/// The future of [`Completer::cancelled`].
///
/// It holds on to the completer, which can not complete meanwhile: the end that it waits for is always a cancelled one.
#[must_use = "futures do nothing unless awaited"]
pub struct WhenCancelled<'a, T: 'static> {
    end: Joined<T>,
    completer: PhantomData<&'a Shared<State<T>>>,
}

impl<T> Future for WhenCancelled<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.end).poll(context)
    }
}

impl<T> fmt::Debug for WhenCancelled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WhenCancelled({})", self.end.place)
    }
}
