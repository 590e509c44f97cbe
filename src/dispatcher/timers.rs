//! Deadlines in the order (deadline, sequence). It never reads a clock; "now" is an argument.
//!
//! A 4-ary heap whose entries carry their keys inline, so that a comparison follows no pointer, and a table with each
//! timer's place in the heap, so that removal is real: the entry and its memory are gone at once (R33).

use std::panic::Location;

use super::Waiter;
use crate::Moment;
use crate::table::{Key, Table};

/// Children of a node: four entries of 24 bytes touch two cache lines, and the heap is half as deep as a binary one.
const ARITY: usize = 4;

#[derive(Default)]
pub(crate) struct Timers {
    heap: Vec<Node>,
    timers: Table<Timer>,
    sequence: u64,
}

struct Timer {
    waiter: Waiter,
    state: State,
    place: &'static Location<'static>,
}

/// ```text
///           expire          fire
///   Armed ─────────▶ Due ─────────▶ gone
///     └──── remove ───┴── remove ────▶ gone
/// ```
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// In the heap, at this index.
    Armed(usize),
    /// Its callback is queued and not yet run. Removing it now recalls the callback (R30).
    Due,
}

/// A timer that is due.
pub(crate) struct Expired {
    pub(crate) key: Key,
    pub(crate) place: &'static Location<'static>,
    /// How many were added before it.
    pub(crate) number: u64,
}

#[derive(Clone, Copy)]
struct Node {
    deadline: Moment,
    /// Equal deadlines fire in the order of adding (R27).
    sequence: u64,
    key: Key,
}

impl Node {
    fn rank(&self) -> (Moment, u64) {
        (self.deadline, self.sequence)
    }
}

impl Timers {
    pub(crate) fn add(&mut self, deadline: Moment, waiter: Waiter, place: &'static Location<'static>) -> Key {
        let index = self.heap.len();
        let key = self.timers.insert(Timer { waiter, state: State::Armed(index), place });
        self.heap.push(Node { deadline, sequence: self.sequence, key });
        self.sequence += 1;
        self.sift_up(index);
        key
    }

    /// Who would have been told. `None` if it has fired or was removed before.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waiter> {
        let timer = self.timers.remove(key)?;
        if let State::Armed(index) = timer.state {
            self.take_from_heap(index);
        }
        Some(timer.waiter)
    }

    pub(crate) fn waiter_mut(&mut self, key: Key) -> Option<&mut Waiter> {
        self.timers.get_mut(key).map(|timer| &mut timer.waiter)
    }

    /// How many were ever added.
    pub(crate) fn added(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.heap.first().map(|node| node.deadline)
    }

    /// The next timer that is due at `now`, in (deadline, sequence) order. It leaves the heap and waits for its turn.
    pub(crate) fn expire(&mut self, now: Moment) -> Option<Expired> {
        let node = *self.heap.first().filter(|node| node.deadline <= now)?;
        self.take_from_heap(0);
        let timer = self.timers.get_mut(node.key).expect("each node of the heap has its timer");
        timer.state = State::Due;
        Some(Expired { key: node.key, place: timer.place, number: node.sequence })
    }

    /// The timer's turn has come: who is to be told. `None` if it was removed meanwhile.
    pub(crate) fn fire(&mut self, key: Key) -> Option<Waiter> {
        let timer = self.timers.remove(key)?;
        assert!(timer.state == State::Due, "a timer fires once it is due");
        Some(timer.waiter)
    }

    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = &'static Location<'static>> {
        self.timers.iter().map(|(_, timer)| timer.place)
    }

    fn take_from_heap(&mut self, index: usize) {
        self.heap.swap_remove(index);
        if index < self.heap.len() {
            // The last node came here; it may belong further up or further down.
            let index = self.sift_up(index);
            self.sift_down(index);
        }
    }

    fn sift_up(&mut self, mut index: usize) -> usize {
        let node = self.heap[index];
        while index > 0 {
            let parent = (index - 1) / ARITY;
            if self.heap[parent].rank() <= node.rank() {
                break;
            }
            self.place(index, self.heap[parent]);
            index = parent;
        }
        self.place(index, node);
        index
    }

    fn sift_down(&mut self, mut index: usize) {
        let node = self.heap[index];
        loop {
            let children = index * ARITY + 1..(index * ARITY + 1 + ARITY).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child].rank()) else { break };
            if node.rank() <= self.heap[least].rank() {
                break;
            }
            self.place(index, self.heap[least]);
            index = least;
        }
        self.place(index, node);
    }

    fn place(&mut self, index: usize, node: Node) {
        self.heap[index] = node;
        self.timers.get_mut(node.key).expect("each node of the heap has its timer").state =
            State::Armed(index);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::AsyncCallback;

    fn nothing(_: &crate::Handle, _: usize) {}

    fn add(timers: &mut Timers, nanos: u64) -> Key {
        let place = Location::caller();
        let waiter = Waiter::Call(AsyncCallback::new(nothing, 0), place);
        timers.add(Moment::from_nanos(nanos), waiter, place)
    }

    fn drain(timers: &mut Timers, now: u64) -> Vec<Key> {
        std::iter::from_fn(|| timers.expire(Moment::from_nanos(now)).map(|expired| expired.key)).collect()
    }

    /// R27: the heap's own shape decides nothing.
    #[test]
    fn equal_deadlines_leave_in_the_order_of_adding() {
        let mut timers = Timers::default();
        let keys: Vec<Key> = (0..26).map(|_| add(&mut timers, 5)).collect();
        assert_eq!(drain(&mut timers, 4), []);
        assert_eq!(drain(&mut timers, 5), keys);
    }

    /// Against R33: no entry stays until its deadline.
    #[test]
    fn a_removed_timer_is_gone_from_heap_and_table() {
        let mut timers = Timers::default();
        let keys: Vec<Key> = (0..1000).map(|n| add(&mut timers, n * 7919 % 1000)).collect();
        for key in &keys {
            assert!(timers.remove(*key).is_some());
            assert!(timers.remove(*key).is_none());
        }
        assert!(timers.heap.is_empty() && timers.timers.is_empty());
    }

    /// R30: a timer can be removed until the moment it fires.
    #[test]
    fn a_due_timer_can_still_be_recalled() {
        let mut timers = Timers::default();
        let key = add(&mut timers, 1);
        assert_eq!(drain(&mut timers, 1), [key]);
        assert!(timers.remove(key).is_some());
        assert!(timers.fire(key).is_none());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u64),
        /// Removes one of those that were ever added, perhaps one that is gone.
        Remove(usize),
        Expire(u64),
        FireOldestDue,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..50_u64).prop_map(Step::Add),
            3 => (0..100_usize).prop_map(Step::Remove),
            1 => (0..50_u64).prop_map(Step::Expire),
            1 => Just(Step::FireOldestDue),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// The store against a sorted map: the same timers, in the same order, and nothing left over.
        #[test]
        fn the_store_is_a_sorted_list(steps in steps()) {
            let mut timers = Timers::default();
            let mut model: BTreeMap<(u64, usize), Key> = BTreeMap::new();
            let mut due: Vec<Key> = Vec::new();
            let mut all: Vec<Key> = Vec::new();
            for step in steps {
                match step {
                    Step::Add(deadline) => {
                        let key = add(&mut timers, deadline);
                        model.insert((deadline, all.len()), key);
                        all.push(key);
                    }
                    Step::Remove(which) if which < all.len() => {
                        let key = all[which];
                        let known = model.len() + due.len();
                        model.retain(|_, armed| *armed != key);
                        due.retain(|waiting| *waiting != key);
                        prop_assert_eq!(timers.remove(key).is_some(), model.len() + due.len() < known);
                    }
                    Step::Remove(_) => {}
                    Step::Expire(now) => {
                        let later = model.split_off(&(now + 1, 0));
                        let expected: Vec<Key> = std::mem::replace(&mut model, later).into_values().collect();
                        prop_assert_eq!(drain(&mut timers, now), expected.clone());
                        due.extend(expected);
                    }
                    Step::FireOldestDue if !due.is_empty() => {
                        prop_assert!(timers.fire(due.remove(0)).is_some());
                    }
                    Step::FireOldestDue => {}
                }
                let earliest = model.keys().next().map(|(deadline, _)| Moment::from_nanos(*deadline));
                prop_assert_eq!(timers.next_deadline(), earliest);
                prop_assert_eq!(timers.heap.len(), model.len());
                prop_assert_eq!(timers.timers.len(), model.len() + due.len());
            }
        }
    }
}
