//! The one type of callback: a plain function and a word.
//!
//! It knows no closure and no pointer. Closures and futures live in tables and are reached through a trampoline
//! function whose word is their key, so the ready queue stays uniform, `Copy` and free of allocation.

use crate::Handle;

/// A function and the word that it is called with (R39, seed point 1: one callback type for every purpose).
///
/// `udata` is passed through as it is. Where it names something that may be gone by the time the callback runs, let it
/// be a [`Key`](crate::table::Key) as a word: a stale key finds nothing.
///
/// ```
/// use twinloop::{AsyncCallback, Handle};
///
/// fn answer(_: &Handle, udata: usize) {
///     assert_eq!(udata, 42);
/// }
/// let callback = AsyncCallback::new(answer, 42);
/// assert_eq!(callback.udata, 42);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AsyncCallback {
    /// What runs. It gets the handle of the dispatcher that runs it.
    pub function: fn(&Handle, usize),
    /// The word that `function` gets.
    pub udata: usize,
}

impl AsyncCallback {
    /// The callback that runs `function` with `udata`.
    pub const fn new(function: fn(&Handle, usize), udata: usize) -> AsyncCallback {
        AsyncCallback { function, udata }
    }

    /// Whether `other` runs the same function with the same word.
    ///
    /// Functions are told apart by their addresses. Two that compile to the same code may share one, and then do the same;
    /// a generic one may have several, so name a plain function where this matters.
    pub fn is_same(&self, other: &AsyncCallback) -> bool {
        self.udata == other.udata && std::ptr::fn_addr_eq(self.function, other.function)
    }
}

/// Why a callback runs: what the observer, the record of a run and its hash tell callbacks apart by.
///
/// A function's address would not do, since it moves between builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum CallbackKind {
    /// Queued by `call_soon`.
    Soon = 1,
    /// A timer that came due.
    Timer = 2,
    /// A source that became readable.
    Reader = 3,
    /// A source that became writable.
    Writer = 4,
    /// A task that was woken.
    Task = 5,
    /// Queued by `call_idle`, in a turn without events.
    Idle = 6,
}

impl CallbackKind {
    /// A short lower-case name, the same in every version.
    pub const fn name(self) -> &'static str {
        match self {
            CallbackKind::Soon => "soon",
            CallbackKind::Timer => "timer",
            CallbackKind::Reader => "reader",
            CallbackKind::Writer => "writer",
            CallbackKind::Task => "task",
            CallbackKind::Idle => "idle",
        }
    }
}
