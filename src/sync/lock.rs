//! A lock that owns a value. It knows nothing of that value: who acquires the lock is given it, and it comes back with
//! the release.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ticket::Ticket;
use crate::dispatcher::{Core, Ended, Holder, OneHolder, WaitQueue};
use crate::shared::{Owned, Shared};
use crate::table::Key;

/// A value that one task at a time may use, also across awaits.
///
/// Whoever waits is served in the order of waiting, and a release hands the lock over: it never looks free until the
/// next holder has run (R171), so nobody who comes later gets in between. The lock that a task holds already is not
/// given to it a second time: that task waits for ever, and [`Dispatcher::dump`](crate::Dispatcher::dump) shows where.
///
/// The value moves into the guard and back. Put a large one into a `Box`.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{AsyncLock, spawn, yield_now};
///
/// let account = AsyncLock::new(100);
/// let withdrawals = [80, 70].map(|amount| {
///     let account = account.clone();
///     spawn(async move {
///         let mut balance = account.acquire().await;
///         let enough = *balance >= amount;
///         yield_now().await;
///         if enough {
///             *balance -= amount;
///         }
///     })
/// });
/// for withdrawal in withdrawals {
///     withdrawal.await?;
/// }
/// assert_eq!(*account.acquire().await, 20);
/// # Ok(()) });
/// ```
pub struct AsyncLock<T: 'static> {
    lock: Shared<State<T>>,
}

struct State<T> {
    /// A guard has it, or it was granted to a wait whose turn has not come.
    locked: Cell<bool>,
    /// Here unless a guard has it.
    value: Cell<Option<T>>,
    /// Who took the value, for a dump.
    holder: Cell<Option<Holder>>,
    waits: WaitQueue,
}

impl<T> AsyncLock<T> {
    /// A lock that nobody holds, in the current dispatcher.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    #[track_caller]
    pub fn new(value: T) -> AsyncLock<T> {
        let (locked, value) = (Cell::new(false), Cell::new(Some(value)));
        let state = State { locked, value, holder: Cell::new(None), waits: WaitQueue::default() };
        AsyncLock { lock: Shared::new(state) }
    }

    /// Waits for the lock; ready at its first poll if it is free (R171).
    ///
    /// Dropping the future gives the place in the queue up; the others keep their order (R173). If the lock had been
    /// handed to it already, it goes on to the next who waits (R174, R179).
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let words = twinloop::AsyncLock::new(Vec::new());
    /// words.acquire().await.push("first");
    /// assert_eq!(*words.acquire().await, ["first"]);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Acquire<T> {
        Acquire { lock: Some(self.lock.clone()), ticket: Ticket::new("lock", 1, Location::caller()) }
    }

    /// The lock if it is free, and `None` also where it has been released and the next holder's turn is still to come.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let lock = twinloop::AsyncLock::new(());
    /// let guard = lock.try_acquire();
    /// assert!(guard.is_some() && lock.try_acquire().is_none());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn try_acquire(&self) -> Option<LockGuard<T>> {
        let (core, state) = self.lock.resolve();
        state
            .try_take(&core, Location::caller())
            .map(|value| LockGuard { lock: self.lock.clone(), value: Some(value) })
    }

    /// Whether someone holds the lock, or has been handed it and not had its turn yet.
    #[track_caller]
    pub fn is_locked(&self) -> bool {
        self.lock.resolve().1.locked.get()
    }
}

/// The same lock.
impl<T> Clone for AsyncLock<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        AsyncLock { lock: self.lock.clone() }
    }
}

impl<T> fmt::Debug for AsyncLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locked = self.lock.try_resolve().map(|(_, state)| state.locked.get());
        f.debug_struct("AsyncLock").field("locked", &locked).finish_non_exhaustive()
    }
}

impl<T> State<T> {
    /// The value, if the lock is free; it is not from now on.
    fn try_take(&self, core: &Core, place: &'static Location<'static>) -> Option<T> {
        let was_locked = self.locked.replace(true);
        (!was_locked).then(|| self.take_value(core, place))
    }

    /// For whoever the lock belongs to now.
    fn take_value(&self, core: &Core, place: &'static Location<'static>) -> T {
        self.holder.set(Some(Holder { task: core.polled(), place }));
        self.value.take().expect("the value is here unless a guard has it, and there is one at most")
    }

    /// Hands the lock to the first who waits. It stays locked until there is none: nobody gets in between (R171).
    fn pass_on(&self, core: &Core) {
        if self.waits.grant_first(core).is_none() {
            self.locked.set(false);
        }
    }
}

/// By which a dump finds out who has the lock.
fn held<T: 'static>(lock: &Shared<State<T>>) -> OneHolder {
    let ask = |core: &Core, object: Key| core.object::<Owned<State<T>>>(object)?.holder.get();
    OneHolder { object: lock.key(), ask }
}

/// The future of [`AsyncLock::acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<T: 'static> {
    /// Given to the guard at the end.
    lock: Option<Shared<State<T>>>,
    ticket: Ticket,
}

impl<T> Future for Acquire<T> {
    type Output = LockGuard<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<LockGuard<T>> {
        let Acquire { lock, ticket } = self.get_mut();
        let shared = lock.as_ref().expect("an Acquire was polled again after it gave its guard");
        let (core, state) = shared.resolve();
        // It is not free while anyone waits, so that this takes it from nobody.
        let value = match state.try_take(&core, ticket.place()) {
            Some(value) => value,
            None if ticket.poll_held(&state.waits, &core, context, held(shared)) => {
                state.take_value(&core, ticket.place())
            }
            None => return Poll::Pending,
        };
        let lock = lock.take().expect("it was seen above");
        Poll::Ready(LockGuard { lock, value: Some(value) })
    }
}

impl<T> Drop for Acquire<T> {
    fn drop(&mut self) {
        let Some((core, state)) = self.lock.as_ref().and_then(Shared::try_resolve) else { return };
        if self.ticket.give_up(&state.waits, &core) == Some(Ended::Granted) {
            state.pass_on(&core);
        }
    }
}

impl<T> fmt::Debug for Acquire<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

/// The value of a lock, and the right to use it. Dropping the guard releases the lock to the first who waits.
///
/// Only a guard can release, and it does so once: what R172 makes an error can not be written. It may move to another
/// task. A holder that panics releases too, and leaves the value as it was at that point; the lock is not poisoned.
///
/// Dropped after its dispatcher was closed, or on another thread, a guard drops the value and nothing else. On another
/// thread that means: the lock stays locked for ever, and so it does if the guard is leaked.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{AsyncLock, spawn};
///
/// let lock = AsyncLock::new(1);
/// let mut guard = lock.acquire().await;
/// let task = spawn(async move { *guard += 1 });
/// assert_eq!(*lock.acquire().await, 2);
/// task.await?;
/// # Ok(()) });
/// ```
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard<T: 'static> {
    lock: Shared<State<T>>,
    /// Taken by the destructor.
    value: Option<T>,
}

impl<T> Deref for LockGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard has the value until it is dropped")
    }
}

impl<T> DerefMut for LockGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard has the value until it is dropped")
    }
}

impl<T> Drop for LockGuard<T> {
    fn drop(&mut self) {
        let Some((core, state)) = self.lock.try_resolve() else { return };
        state.value.set(self.value.take());
        state.holder.set(None);
        state.pass_on(&core);
    }
}

impl<T: fmt::Debug> fmt::Debug for LockGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
