//! State that several owners share by key: kept in the dispatcher until the last owner goes. It does not know what it is.
//!
//! Owners hold a key and no pointer, so they are `Send + Sync + Unpin` as types, whatever the state is.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;

use crate::Handle;
use crate::dispatcher::Core;
use crate::table::Key;

/// One owner. Its clones are owners of the same state.
pub(crate) struct Shared<S: 'static> {
    handle: Handle,
    key: Key,
    state: PhantomData<fn() -> S>,
}

/// The state, with the number of its owners.
pub(crate) struct Owned<S> {
    owners: Cell<usize>,
    state: S,
}

impl<S> Deref for Owned<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

impl<S: 'static> Shared<S> {
    /// Files `state` with the current dispatcher. Panics outside of any scope.
    #[track_caller]
    pub(crate) fn new(state: S) -> Shared<S> {
        Shared::on(Handle::current(), state)
    }

    /// Files `state` with the dispatcher of `handle`.
    #[track_caller]
    pub(crate) fn on(handle: Handle, state: S) -> Shared<S> {
        let key = handle.core().insert_object(Rc::new(Owned { owners: Cell::new(1), state }));
        Shared { handle, key, state: PhantomData }
    }

    /// What the state is filed under, for a callback's `udata`: [`Core::object`] finds an `Owned<S>` there.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The dispatcher's state and this one.
    ///
    /// # Panics
    ///
    /// On another thread, or once the dispatcher is closed.
    #[track_caller]
    pub(crate) fn resolve(&self) -> (Rc<Core>, Rc<Owned<S>>) {
        let core = self.handle.core();
        let state = core.object(self.key).expect("the dispatcher of this object is closing");
        (core, state)
    }

    /// As [`Shared::resolve`], for destructors: `None` where that panics.
    pub(crate) fn try_resolve(&self) -> Option<(Rc<Core>, Rc<Owned<S>>)> {
        let core = self.handle.try_core()?;
        let state = core.object(self.key)?;
        Some((core, state))
    }
}

impl<S> Clone for Shared<S> {
    #[track_caller]
    fn clone(&self) -> Self {
        let (_, state) = self.resolve();
        state.owners.set(state.owners.get() + 1);
        Shared { handle: self.handle, key: self.key, state: PhantomData }
    }
}

impl<S> Drop for Shared<S> {
    fn drop(&mut self) {
        let Some((core, state)) = self.try_resolve() else { return };
        let owners = state.owners.get() - 1;
        state.owners.set(owners);
        if owners == 0 {
            core.remove_object(self.key);
        }
    }
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({:?})", self.key)
    }
}
