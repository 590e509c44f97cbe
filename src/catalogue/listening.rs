//! Who hears assertions where no dispatcher runs: in what a simulation does around its runs, such as checks of what a
//! run left.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::Assertion;

/// What is told of each assertion.
type Listener = Rc<dyn Fn(&Assertion<'_>)>;

thread_local! {
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Has `listener` hear the assertions of this thread that are met outside of any dispatcher, until the answer is
/// dropped. Whoever listened before hears none meanwhile. Those that it hears are its affair: they do not panic.
///
/// For whoever writes a driver that answers, as [`watch`](super::watch) is.
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use twinloop::catalogue;
///
/// catalogue::watch();
/// let broken = Rc::new(Cell::new(0));
/// let heard = Rc::clone(&broken);
/// let listening = catalogue::listen(move |assertion| heard.set(heard.get() + u32::from(!assertion.holds)));
/// twinloop::always!(1 > 2, "one is more than two");
/// drop(listening);
/// assert_eq!(broken.get(), 1);
/// ```
pub fn listen(listener: impl Fn(&Assertion<'_>) + 'static) -> Listening {
    Listening { outer: LISTENER.replace(Some(Rc::new(listener))) }
}

/// While it lives, a listener hears assertions: see [`listen`].
#[must_use = "nobody listens any more when it is dropped"]
pub struct Listening {
    outer: Option<Listener>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // What the listener owns is dropped after the borrow has ended.
        let _listener = LISTENER.try_with(|listener| listener.replace(self.outer.take()));
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").finish_non_exhaustive()
    }
}

/// Tells who listens, if anybody does.
pub(super) fn tell(assertion: &Assertion<'_>) -> bool {
    let listener = LISTENER.try_with(|listener| listener.borrow().clone()).ok().flatten();
    if let Some(listener) = &listener {
        listener(assertion);
    }
    listener.is_some()
}
