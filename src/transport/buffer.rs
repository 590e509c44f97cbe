//! The bytes that a stream has received and nobody has read yet. It knows no socket.

use std::ops::Range;

/// Room that is made for one receive.
const RESERVE: usize = 16 * 1024;
/// The storage is at most so many times what is unread and the room for one receive: one large message must not cost memory
/// for ever.
const SLACK: usize = 4;

/// A buffer that is filled at its end and consumed at its front.
///
/// Its storage is always initialised; `unread` marks what counts. It grows by doubling and shrinks by half, so that the
/// copying of a long message stays linear in its length; [`SLACK`] is what it may waste.
#[derive(Default)]
pub(super) struct Buffer {
    storage: Vec<u8>,
    unread: Range<usize>,
}

impl Buffer {
    /// A buffer on `storage`, whose contents do not matter.
    pub(super) fn on(storage: Vec<u8>) -> Buffer {
        Buffer { storage, unread: 0..0 }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.storage[self.unread.clone()]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    pub(super) fn has_storage(&self) -> bool {
        !self.storage.is_empty()
    }

    /// Where the next receive may write. [`Buffer::commit`] says how much of it came.
    pub(super) fn reserve(&mut self) -> &mut [u8] {
        if self.storage.len() - self.unread.end < RESERVE {
            self.make_room();
        }
        &mut self.storage[self.unread.end..]
    }

    pub(super) fn commit(&mut self, count: usize) {
        assert!(count <= self.storage.len() - self.unread.end, "more was received than there was room for");
        self.unread.end += count;
    }

    /// Takes `count` bytes off the front.
    pub(super) fn consume(&mut self, count: usize) {
        assert!(count <= self.unread.len(), "{count} bytes consumed of {}", self.unread.len());
        self.unread.start += count;
        if self.unread.is_empty() {
            self.unread = 0..0;
        }
        if self.storage.capacity() > self.capacity_max() {
            self.move_to(Vec::new(), SLACK / 2 * (self.unread.len() + RESERVE));
        }
    }

    /// Takes up to `count` bytes off the front; says how many.
    pub(super) fn discard(&mut self, count: u64) -> u64 {
        let unread = self.unread.len() as u64;
        // What is no more than is there fits.
        self.consume(count.min(unread) as usize);
        count.min(unread)
    }

    /// Takes `count` bytes off the front, as a vector.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.unread()[..count].to_vec();
        self.consume(count);
        taken
    }

    /// Moves as many bytes as both have from the front into `target`; says how many.
    pub(super) fn move_into(&mut self, target: &mut [u8]) -> usize {
        let count = target.len().min(self.unread.len());
        target[..count].copy_from_slice(&self.unread()[..count]);
        self.consume(count);
        count
    }

    /// Adds bytes at the end.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.storage.len() - self.unread.end < bytes.len() {
            self.move_to(Vec::new(), self.unread.len() + bytes.len());
        }
        self.storage[self.unread.end..][..bytes.len()].copy_from_slice(bytes);
        self.unread.end += bytes.len();
    }

    /// Puts bytes that were taken back at the front: a cancelled read loses nothing (R105).
    pub(super) fn unread_again(&mut self, bytes: &[u8]) {
        if bytes.len() > self.unread.start {
            self.move_to(bytes.to_vec(), bytes.len() + self.unread.len());
            self.unread.start = 0;
            return;
        }
        self.unread.start -= bytes.len();
        self.storage[self.unread.start..][..bytes.len()].copy_from_slice(bytes);
    }

    /// The storage, if the buffer is empty and has one that suits another stream.
    pub(super) fn take_storage(&mut self) -> Option<Vec<u8>> {
        if !self.is_empty() || self.storage.is_empty() {
            return None;
        }
        self.unread = 0..0;
        Some(std::mem::take(&mut self.storage)).filter(|storage| storage.len() >= RESERVE)
    }

    fn make_room(&mut self) {
        let unread = self.unread.len();
        if self.storage.len() < unread + RESERVE {
            self.move_to(Vec::new(), (unread + RESERVE).max(self.storage.len() * 2));
        } else {
            self.storage.copy_within(self.unread.clone(), 0);
            self.unread = 0..unread;
        }
    }

    /// Moves what is unread behind the bytes of `storage`, which becomes the storage, of `length` bytes in all.
    fn move_to(&mut self, mut storage: Vec<u8>, length: usize) {
        let start = storage.len();
        storage.reserve_exact(length - start);
        storage.extend_from_slice(self.unread());
        self.unread = start..storage.len();
        storage.resize(length, 0);
        self.storage = storage;
    }

    fn capacity_max(&self) -> usize {
        SLACK * (self.unread.len() + RESERVE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn receive(buffer: &mut Buffer, bytes: &[u8]) {
        buffer.reserve()[..bytes.len()].copy_from_slice(bytes);
        buffer.commit(bytes.len());
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut buffer = Buffer::default();
        let bytes: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let mut out = Vec::new();
        for chunk in bytes.chunks(7_000) {
            receive(&mut buffer, chunk);
            let half = buffer.unread().len() / 2;
            out.extend_from_slice(&buffer.unread()[..half]);
            buffer.consume(half);
        }
        out.extend_from_slice(buffer.unread());
        assert!(out == bytes);
    }

    #[test]
    fn unread_bytes_stand_in_front_again() {
        let mut buffer = Buffer::default();
        receive(&mut buffer, b"hello world");
        buffer.consume(6);
        buffer.unread_again(b"lo ");
        assert_eq!(buffer.unread(), b"lo world");
        buffer.unread_again(b"and a much longer text, hel");
        assert_eq!(buffer.unread(), b"and a much longer text, hello world");
    }

    /// R92: with nothing unread there is no buffer.
    #[test]
    fn a_drained_buffer_gives_its_storage_back() {
        let mut buffer = Buffer::default();
        receive(&mut buffer, b"x");
        assert!(buffer.take_storage().is_none());
        buffer.consume(1);
        assert_eq!(buffer.take_storage().map(|storage| storage.len()), Some(RESERVE));
        buffer.unread_again(b"what is put back makes no storage that suits others");
        buffer.consume(51);
        assert!(buffer.take_storage().is_none());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Receive(Vec<u8>),
        Consume(usize),
        Take(usize),
        MoveInto(usize),
        Discard(u64),
        Append(Vec<u8>),
        UnreadAgain(Vec<u8>),
        TakeStorage,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let count = || prop_oneof![4 => 0..300_usize, 2 => 0..100_000_usize, 1 => Just(usize::MAX)];
        let bytes = |most| (any::<u8>(), 0..most).prop_map(|(first, length)| counting(first, length));
        let step = prop_oneof![
            6 => bytes(RESERVE).prop_map(Step::Receive),
            1 => Just(Step::Receive(counting(7, RESERVE))),
            3 => count().prop_map(Step::Consume),
            1 => count().prop_map(Step::Take),
            1 => count().prop_map(Step::MoveInto),
            1 => count().prop_map(|count| Step::Discard(count as u64)),
            1 => bytes(300).prop_map(Step::Append),
            1 => bytes(3_000).prop_map(Step::UnreadAgain),
            1 => Just(Step::TakeStorage),
        ];
        proptest::collection::vec(step, 0..60)
    }

    /// Bytes that count on from `first`: what is lost or moved shows.
    fn counting(first: u8, length: usize) -> Vec<u8> {
        (0..length).map(|n| (n as u8).wrapping_add(first)).collect()
    }

    /// Does `step` to the buffer and to the plain vector; both must give the same.
    fn apply(step: Step, buffer: &mut Buffer, model: &mut Vec<u8>) -> Result<(), TestCaseError> {
        let within = |count: usize| count.min(model.len());
        match step {
            Step::Receive(bytes) => {
                receive(buffer, &bytes);
                model.extend_from_slice(&bytes);
            }
            Step::Consume(count) => {
                let count = within(count);
                buffer.consume(count);
                model.drain(..count);
            }
            Step::Take(count) => {
                let count = within(count);
                prop_assert_eq!(buffer.take(count), model.drain(..count).collect::<Vec<_>>());
            }
            Step::MoveInto(length) => {
                let mut target = vec![0; length.min(100_000)];
                let count = buffer.move_into(&mut target);
                prop_assert_eq!(&target[..count], &model.drain(..count).collect::<Vec<_>>());
                prop_assert!(count == target.len() || model.is_empty());
            }
            Step::Discard(count) => {
                let discarded = buffer.discard(count) as usize;
                prop_assert_eq!(discarded as u64, count.min(model.len() as u64));
                model.drain(..discarded);
            }
            Step::Append(bytes) => {
                buffer.append(&bytes);
                model.extend_from_slice(&bytes);
            }
            Step::UnreadAgain(bytes) => {
                buffer.unread_again(&bytes);
                model.splice(..0, bytes);
            }
            Step::TakeStorage => {
                let had_storage = buffer.take_storage().is_some();
                prop_assert!(!had_storage || model.is_empty());
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// R92: a vector that is drained at its front, and no more memory than is promised, whatever is done to it.
        #[test]
        fn it_is_a_vector_within_its_bounds(steps in steps()) {
            let (mut buffer, mut model) = (Buffer::default(), Vec::new());
            for step in steps {
                apply(step, &mut buffer, &mut model)?;
                prop_assert!(buffer.unread() == model);
                prop_assert!(buffer.storage.capacity() <= buffer.capacity_max());
            }
        }
    }
}
