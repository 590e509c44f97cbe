//! A table whose keys carry a generation, so that a key outlives its entry without ever meeting the next one.
//!
//! Everything that is reached from outside a borrow (timers, sources, tasks, transports, a driver's descriptors) lives
//! in such a table. It does not know what it holds, and it never moves an index: keys are stable.

use std::fmt;

const HALF: u32 = usize::BITS / 2;
const HALF_MASK: usize = (1 << HALF) - 1;

/// An index and the generation of its entry. It fits in one word, so that a callback's `udata` can carry it.
///
/// Index and generation have half a word each. A stale key could meet a newer entry only after its slot was re-used
/// 2³² times (2¹⁶ on 32-bit systems) while the key was kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(usize);

impl Key {
    /// The key of generation `generation` at `index`; both are cut to half a word.
    pub const fn new(index: usize, generation: usize) -> Key {
        Key((generation & HALF_MASK) << HALF | (index & HALF_MASK))
    }

    /// The key that [`Key::into_word`] gave.
    pub const fn from_word(word: usize) -> Key {
        Key(word)
    }

    /// The key as one word: the generation in the high half, the index in the low half.
    pub const fn into_word(self) -> usize {
        self.0
    }

    /// Where the entry stands. Indexes are dense and re-used, last freed first.
    pub const fn index(self) -> usize {
        self.0 & HALF_MASK
    }

    /// Which of the entries that stood at this index is meant.
    pub const fn generation(self) -> usize {
        self.0 >> HALF
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.generation())
    }
}

/// Entries of one kind, reached by [`Key`].
///
/// ```
/// use twinloop::table::Table;
///
/// let mut table = Table::new();
/// let old = table.insert("first");
/// table.remove(old);
/// let new = table.insert("second");
/// assert_eq!(old.index(), new.index());
/// assert_eq!(table.get(old), None);
/// assert_eq!(table.get(new), Some(&"second"));
/// ```
pub struct Table<T> {
    slots: Vec<Slot<T>>,
    /// Head of the list of vacant slots, last freed first: the order of re-use is part of a run's determinism.
    vacant: Option<usize>,
    len: usize,
}

struct Slot<T> {
    generation: usize,
    content: Content<T>,
}

enum Content<T> {
    Occupied(T),
    Vacant { next: Option<usize> },
}

impl<T> Table<T> {
    /// An empty table. Allocates nothing.
    pub const fn new() -> Table<T> {
        Table { slots: Vec::new(), vacant: None, len: 0 }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds `value`. Allocates only when there was never room for so many entries.
    ///
    /// # Panics
    ///
    /// If the table already has as many entries as half a word can count.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Adds what `make` builds from its own key. Panics as [`Table::insert`] does.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        let index = self.vacant.unwrap_or(self.slots.len());
        if index == self.slots.len() {
            assert!(index < HALF_MASK, "the table is full: half a word can not count more entries");
            self.slots.push(Slot { generation: 0, content: Content::Vacant { next: None } });
        }
        let slot = &mut self.slots[index];
        let Content::Vacant { next } = slot.content else {
            unreachable!("an occupied slot was in the vacant list")
        };
        let key = Key::new(index, slot.generation);
        slot.content = Content::Occupied(make(key));
        self.vacant = next;
        self.len += 1;
        key
    }

    /// Takes the entry out. `None` if `key` is stale.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.generation != key.generation() || matches!(slot.content, Content::Vacant { .. }) {
            return None;
        }
        slot.generation = (slot.generation + 1) & HALF_MASK;
        let freed = std::mem::replace(&mut slot.content, Content::Vacant { next: self.vacant });
        self.vacant = Some(key.index());
        self.len -= 1;
        match freed {
            Content::Occupied(value) => Some(value),
            Content::Vacant { .. } => unreachable!("the slot was seen occupied above"),
        }
    }

    /// The entry, or `None` if `key` is stale.
    pub fn get(&self, key: Key) -> Option<&T> {
        match self.slots.get(key.index()) {
            Some(Slot { generation, content: Content::Occupied(value) })
                if *generation == key.generation() =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// The entry, or `None` if `key` is stale.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slots.get_mut(key.index()) {
            Some(Slot { generation, content: Content::Occupied(value) })
                if *generation == key.generation() =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// The entries with their keys, in the order of their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| match &slot.content {
            Content::Occupied(value) => Some((Key::new(index, slot.generation), value)),
            Content::Vacant { .. } => None,
        })
    }

    /// The entries, to be changed, in the order of their indexes.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| match &mut slot.content {
            Content::Occupied(value) => Some(value),
            Content::Vacant { .. } => None,
        })
    }

    /// The keys of all entries, in the order of their indexes.
    pub fn keys(&self) -> Vec<Key> {
        self.iter().map(|(key, _)| key).collect()
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut table = Table::new();
        let key = table.insert(1);
        assert_eq!(table.remove(key), Some(1));
        assert_eq!(table.remove(key), None);
        let next = table.insert(2);
        assert_ne!(key, next);
        assert_eq!(table.get_mut(key), None);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_key_survives_the_way_through_a_word() {
        let key = Key::new(7, 9);
        let again = Key::from_word(key.into_word());
        assert_eq!((again.index(), again.generation()), (7, 9));
    }

    #[test]
    fn slots_are_reused_last_freed_first() {
        let mut table = Table::new();
        let keys: Vec<_> = (0..4).map(|n| table.insert(n)).collect();
        table.remove(keys[1]);
        table.remove(keys[3]);
        assert_eq!(table.insert(8).index(), 3);
        assert_eq!(table.insert(9).index(), 1);
        assert_eq!(table.insert(10).index(), 4);
    }
}
