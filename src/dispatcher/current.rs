//! The thread's table of dispatchers, and the scope in which one of them is current. Does no work of its own.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::Core;

/// A copyable key that reaches one dispatcher from the thread on which it lives.
///
/// It is a key and not a pointer: a slot in the thread's table and an identity that no other dispatcher of the process
/// ever has. So a handle, and everything that holds one, is `Send + Sync + Unpin` as a type, while the state behind it
/// stays on its thread.
///
/// # Panics
///
/// Methods panic when the dispatcher is closed or lives on another thread, unless their text says otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    slot: u32,
    /// The thread on which the dispatcher lives, or the one that its driver plays.
    thread: u32,
    identity: u64,
}

/// A dispatcher with its identity, or nothing.
type Slot = Option<(u64, Rc<Core>)>;

thread_local! {
    static DISPATCHERS: RefCell<Vec<Slot>> = const { RefCell::new(Vec::new()) };
    static CURRENT: Cell<Option<Handle>> = const { Cell::new(None) };
    /// The dispatcher of `CURRENT` unless it is closed. Nearly every lookup ends here.
    static CURRENT_CORE: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
    /// The number of this thread, or of the one that the current dispatcher's driver plays; 0 until there is a dispatcher.
    static THREAD: Cell<u32> = const { Cell::new(0) };
}

/// Identities and threads' numbers are compared and never shown or ordered, so that they may differ between runs.
static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(1);
static NEXT_THREAD: AtomicU32 = AtomicU32::new(1);

impl Handle {
    /// The dispatcher in whose scope this code runs: inside a callback, a task, `run`, or while [`Scope`] lives.
    ///
    /// # Panics
    ///
    /// Outside of any scope.
    #[track_caller]
    pub fn current() -> Handle {
        match Handle::try_current() {
            Some(handle) => handle,
            None => panic!(
                "no dispatcher is current here: call this inside run(), a task or a callback, or enter() a dispatcher first"
            ),
        }
    }

    /// As [`Handle::current`], or `None` outside of any scope.
    pub fn try_current() -> Option<Handle> {
        CURRENT.try_with(Cell::get).ok().flatten()
    }

    /// Makes this dispatcher the current one until the scope is dropped. Scopes nest.
    ///
    /// # Panics
    ///
    /// When the dispatcher is closed or lives on another thread.
    #[track_caller]
    pub fn enter(&self) -> Scope {
        // A dispatcher whose driver plays a thread is found here from the outside, but not from another's scope.
        let is_elsewhere = CURRENT.get().is_some() && self.thread != THREAD.get();
        if is_elsewhere || self.find().is_none() {
            self.refuse();
        }
        Scope::begin(*self)
    }

    /// Whether the dispatcher is open and lives on this thread.
    pub fn is_here(&self) -> bool {
        self.try_core().is_some()
    }

    #[track_caller]
    pub(crate) fn core(&self) -> Rc<Core> {
        match self.try_core() {
            Some(core) => core,
            None => self.refuse(),
        }
    }

    #[track_caller]
    fn refuse(&self) -> ! {
        panic!(
            "the dispatcher of this object is closed or lives on another thread: \
             use the object where its dispatcher runs, before that is dropped"
        )
    }

    /// `None` once the dispatcher is closed, for what has an answer to that.
    ///
    /// # Panics
    ///
    /// On another thread.
    #[track_caller]
    pub(crate) fn core_unless_closed(&self) -> Option<Rc<Core>> {
        match self.try_core() {
            None if self.thread != THREAD.get() => panic!(
                "the dispatcher of this object lives on another thread: use the object where its dispatcher runs"
            ),
            core => core,
        }
    }

    /// `None` too while the thread itself is ending and its table is gone.
    #[inline]
    pub(crate) fn try_core(&self) -> Option<Rc<Core>> {
        let is_this = |core: &&Rc<Core>| core.handle.identity == self.identity;
        let current =
            |core: &RefCell<Option<Rc<Core>>>| core.borrow().as_ref().filter(is_this).map(Rc::clone);
        match CURRENT_CORE.try_with(current) {
            Ok(Some(core)) => Some(core),
            _ => self.try_core_of_another(),
        }
    }

    /// As [`Handle::try_core`] for a dispatcher that is not the current one.
    #[cold]
    fn try_core_of_another(&self) -> Option<Rc<Core>> {
        if self.thread == THREAD.get() { self.find() } else { None }
    }

    /// The dispatcher, if this thread of the system has it, whatever threads are played here.
    fn find(&self) -> Option<Rc<Core>> {
        let find = |dispatchers: &RefCell<Vec<Slot>>| match dispatchers.borrow().get(self.slot as usize) {
            Some(Some((identity, core))) if *identity == self.identity => Some(Rc::clone(core)),
            _ => None,
        };
        DISPATCHERS.try_with(find).ok().flatten()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_here() { "Handle(open)" } else { "Handle(closed or elsewhere)" })
    }
}

/// While it lives, its dispatcher is the current one of this thread. Drop scopes in the reverse order of entering, and keep
/// none across an await: what runs meanwhile would find itself in it.
#[must_use = "the scope ends when it is dropped"]
pub struct Scope {
    outer: Option<Handle>,
    outer_thread: u32,
    not_send: PhantomData<*const ()>,
}

impl Scope {
    /// For whoever has the dispatcher, and so is on its thread.
    pub(super) fn begin(handle: Handle) -> Scope {
        let scope = Scope {
            outer: CURRENT.replace(Some(handle)),
            outer_thread: THREAD.replace(handle.thread),
            not_send: PhantomData,
        };
        set_current_core(handle.find());
        scope
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
        THREAD.set(self.outer_thread);
        // Found anew: the outer one may have been closed meanwhile.
        set_current_core(self.outer.and_then(|outer| outer.find()));
    }
}

/// What was there before is dropped after the borrow has ended.
fn set_current_core(core: Option<Rc<Core>>) {
    let _before = CURRENT_CORE.try_with(|current| current.replace(core));
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// The number of this thread, given now if it has none.
fn this_thread() -> u32 {
    if THREAD.get() == 0 {
        THREAD.set(next_thread());
    }
    THREAD.get()
}

/// It may come round again after 2³²; the identity of a handle never does.
fn next_thread() -> u32 {
    NEXT_THREAD.fetch_add(1, Ordering::Relaxed)
}

/// Enters a new dispatcher into the thread's table.
pub(super) fn register(own_thread: bool, make: impl FnOnce(Handle) -> Rc<Core>) -> Rc<Core> {
    let identity = NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed);
    DISPATCHERS.with_borrow_mut(|dispatchers| {
        let slot = dispatchers.iter().position(Option::is_none).unwrap_or(dispatchers.len());
        if slot == dispatchers.len() {
            dispatchers.push(None);
        }
        let slot_index = u32::try_from(slot).expect("a thread has fewer than 2³² dispatchers");
        let thread = if own_thread { next_thread() } else { this_thread() };
        let core = make(Handle { slot: slot_index, thread, identity });
        dispatchers[slot] = Some((identity, Rc::clone(&core)));
        core
    })
}

/// Takes a dispatcher out of the table: from now on its handles are stale.
pub(super) fn unregister(handle: Handle) {
    let take = |dispatchers: &RefCell<Vec<Slot>>| {
        let slot = &mut dispatchers.borrow_mut()[handle.slot as usize];
        assert!(
            slot.as_ref().is_some_and(|(identity, _)| *identity == handle.identity),
            "unregistered twice"
        );
        slot.take()
    };
    // What comes out is dropped after the borrow has ended.
    let _core = DISPATCHERS.try_with(take);
    if CURRENT.get() == Some(handle) {
        set_current_core(None);
    }
}
