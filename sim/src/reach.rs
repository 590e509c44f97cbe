//! How handles that scenarios give to their programs and tests reach the running world.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::state::State;

/// Leads to a world's state while the world runs; before and afterwards it leads nowhere.
#[derive(Clone, Default)]
pub(crate) struct Reach(Rc<RefCell<Weak<RefCell<State>>>>);

impl Reach {
    /// The world is about to run.
    pub(crate) fn lead_to(&self, state: &Rc<RefCell<State>>) {
        *self.0.borrow_mut() = Rc::downgrade(state);
    }

    /// Makes a call into the state of the world. `None` while no world runs.
    ///
    /// # Panics
    ///
    /// Inside of a predicate of messages, which the state calls itself.
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut State) -> R) -> Option<R> {
        let state = self.0.borrow().upgrade()?;
        let mut state = state
            .try_borrow_mut()
            .expect("a predicate looks at its message and at what it owns; it calls nothing of the world");
        state.reached_into = true;
        Some(call(&mut state))
    }
}
