//! Changed faults, of which several guards may have changed some: whichever ends first, what the others have changed stays.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How faults are changed.
pub(super) type Change<F> = Rc<dyn Fn(&mut F)>;

/// The faults that guards have changed, by what they are of.
pub(super) struct Overlays<K, F>(RefCell<BTreeMap<K, Overlay<F>>>);

struct Overlay<F> {
    /// Without any guard.
    before: F,
    /// With all of them, as it was asked for last. If other faults are in force, something else has changed them since.
    with_all: F,
    changes: Vec<(u64, Change<F>)>,
}

impl<K, F> Default for Overlays<K, F> {
    fn default() -> Self {
        Overlays(RefCell::new(BTreeMap::new()))
    }
}

impl<K: Ord + Copy, F: Clone + PartialEq> Overlays<K, F> {
    /// A guard's change is put on the faults in force; gives what is to be in force.
    pub(super) fn add(&self, key: K, in_force: F, guard: u64, change: Change<F>) -> F {
        let mut overlay = self.take(key, &in_force).unwrap_or_else(|| Overlay::new(in_force));
        overlay.changes.push((guard, change));
        self.settle(key, overlay)
    }

    /// A guard's change is taken off; gives what is to be in force, unless something else has changed the faults since.
    pub(super) fn remove(&self, key: K, in_force: F, guard: u64) -> Option<F> {
        let mut overlay = self.take(key, &in_force)?;
        overlay.changes.retain(|(other, _)| *other != guard);
        if overlay.changes.is_empty() {
            return Some(overlay.before);
        }
        Some(self.settle(key, overlay))
    }

    /// The overlay, if it is what is in force. It is out of the cell while changes are made: they are anyone's code.
    fn take(&self, key: K, in_force: &F) -> Option<Overlay<F>> {
        let overlay = self.0.borrow_mut().remove(&key);
        overlay.filter(|overlay| overlay.with_all == *in_force)
    }

    fn settle(&self, key: K, mut overlay: Overlay<F>) -> F {
        overlay.with_all = overlay.before.clone();
        for (_, change) in &overlay.changes {
            change(&mut overlay.with_all);
        }
        let with_all = overlay.with_all.clone();
        self.0.borrow_mut().insert(key, overlay);
        with_all
    }
}

impl<F: Clone> Overlay<F> {
    fn new(before: F) -> Overlay<F> {
        Overlay { with_all: before.clone(), before, changes: Vec::new() }
    }
}
