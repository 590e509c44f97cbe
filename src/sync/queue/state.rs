//! What a queue consists of: the line, what waits on both sides of it, and how values pass between them. It knows nothing
//! of futures.
//!
//! ```text
//!               room              somebody waits            polled
//!   offered ─────────────▶ line ─────────────────▶ handed ──────────▶ gone
//!      │                   │  ▲                      │
//!      └─ given up ─▶ gone │  └────── given up ──────┘
//!                          └─ try_pop, clear ─▶ gone
//! ```

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::Location;

use super::Full;
use crate::dispatcher::{Core, WaitQueue};
use crate::table::Key;

pub(super) struct State<T> {
    capacity: Option<usize>,
    items: RefCell<Items<T>>,
    pub(super) getters: WaitQueue,
    pub(super) putters: WaitQueue,
}

struct Items<T> {
    /// What nobody has claimed, sorted by rank.
    line: VecDeque<Item<T>>,
    /// What belongs to getters that were woken, until they pick it up; in the order of waking.
    handed: VecDeque<(Key, Item<T>)>,
    /// What putters wait to add, in the order of their waits.
    offered: VecDeque<(Key, End, T)>,
    front_rank: i64,
    back_rank: i64,
}

/// A value and its place in the line, which it keeps while it is handed to somebody. So several that are given back, in
/// whatever order, stand as if they had never left.
struct Item<T> {
    rank: i64,
    value: T,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Front,
    Back,
}

impl<T> State<T> {
    pub(super) fn new(capacity: Option<usize>) -> State<T> {
        State {
            capacity,
            items: RefCell::default(),
            getters: WaitQueue::default(),
            putters: WaitQueue::default(),
        }
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        self.capacity
    }

    pub(super) fn len(&self) -> usize {
        let items = self.items.borrow();
        items.line.len() + items.handed.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.capacity.is_none_or(|capacity| self.len() < capacity)
    }

    /// Adds `value` if there is room, and nobody who waits for it is overtaken.
    pub(super) fn try_push(&self, core: &Core, end: End, value: T) -> Result<(), Full<T>> {
        if !self.putters.is_empty() || !self.has_room() {
            return Err(Full(value));
        }
        self.items.borrow_mut().push(end, value);
        self.settle(core);
        Ok(())
    }

    /// Takes an item if there is one, and nobody who waits for it is overtaken.
    pub(super) fn try_pop(&self, core: &Core, end: End) -> Option<T> {
        if !self.getters.is_empty() {
            return None;
        }
        let value = self.items.borrow_mut().pop(end)?;
        self.settle(core);
        Some(value)
    }

    pub(super) fn clear(&self, core: &Core) -> VecDeque<T> {
        let line = std::mem::take(&mut self.items.borrow_mut().line);
        self.settle(core);
        line.into_iter().map(|item| item.value).collect()
    }

    /// Begins the wait of a putter, whose value whoever makes room takes in.
    pub(super) fn offer(&self, core: &Core, end: End, value: T, place: &'static Location<'static>) -> Key {
        let wait = self.putters.begin(core, "queue room", 1, place);
        self.items.borrow_mut().offered.push_back((wait, end, value));
        wait
    }

    /// The value of a putter that gives up, unless it was taken in. It is for the caller to drop, which may run anyone's
    /// code.
    pub(super) fn withdraw(&self, putter: Key) -> Option<T> {
        let mut items = self.items.borrow_mut();
        let offer = items.offered.iter().position(|(wait, ..)| *wait == putter)?;
        items.offered.remove(offer).map(|(_, _, value)| value)
    }

    /// The item of a getter that was woken.
    pub(super) fn pick_up(&self, core: &Core, getter: Key) -> T {
        let item = self.items.borrow_mut().take_handed(getter);
        self.settle(core);
        item.value
    }

    /// The getter does not want its item any more: it is for the next one, or back in the line.
    pub(super) fn give_back(&self, core: &Core, getter: Key) {
        let mut items = self.items.borrow_mut();
        let item = items.take_handed(getter);
        items.stand_in_line(item);
        drop(items);
        self.settle(core);
    }

    /// Passes on what can be: items to those who wait for them, then values into room.
    ///
    /// Each step leaves everything consistent before it wakes anybody, because a waker is anyone's code and may use this
    /// very queue.
    fn settle(&self, core: &Core) {
        while self.hand_over(core) || self.take_in(core) {}
    }

    fn hand_over(&self, core: &Core) -> bool {
        let Some(getter) = self.getters.first() else { return false };
        if !self.items.borrow_mut().hand_to(getter) {
            return false;
        }
        let woken = self.getters.grant_first(core);
        assert_eq!(woken, Some(getter), "the item was handed to the getter that is woken");
        true
    }

    fn take_in(&self, core: &Core) -> bool {
        let Some(putter) = self.putters.first() else { return false };
        if !self.has_room() {
            return false;
        }
        self.items.borrow_mut().take_in(putter);
        let woken = self.putters.grant_first(core);
        assert_eq!(woken, Some(putter), "the value was that of the putter that is woken");
        true
    }
}

impl<T> Items<T> {
    fn push(&mut self, end: End, value: T) {
        match end {
            End::Front => {
                self.front_rank -= 1;
                self.line.push_front(Item { rank: self.front_rank, value });
            }
            End::Back => {
                self.line.push_back(Item { rank: self.back_rank, value });
                self.back_rank += 1;
            }
        }
    }

    fn pop(&mut self, end: End) -> Option<T> {
        let item = match end {
            End::Front => self.line.pop_front(),
            End::Back => self.line.pop_back(),
        };
        item.map(|item| item.value)
    }

    /// Getters wait at an empty line, so the item that has come is the only one, and the end does not matter.
    fn hand_to(&mut self, getter: Key) -> bool {
        let Some(item) = self.line.pop_front() else { return false };
        self.handed.push_back((getter, item));
        true
    }

    /// Who is woken first asks first, so the search mostly ends where it begins.
    fn take_handed(&mut self, getter: Key) -> Item<T> {
        let handed = self.handed.iter().position(|(wait, _)| *wait == getter);
        let handed = handed.and_then(|handed| self.handed.remove(handed));
        handed.expect("a woken getter has its item").1
    }

    fn stand_in_line(&mut self, item: Item<T>) {
        let place = self.line.partition_point(|other| other.rank < item.rank);
        self.line.insert(place, item);
    }

    fn take_in(&mut self, putter: Key) {
        let (wait, end, value) = self.offered.pop_front().expect("who waits for room offers a value");
        assert_eq!(wait, putter, "offers stand in the order of their waits");
        self.push(end, value);
    }
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Items {
            line: VecDeque::new(),
            handed: VecDeque::new(),
            offered: VecDeque::new(),
            front_rank: 0,
            back_rank: 0,
        }
    }
}
