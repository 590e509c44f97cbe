//! The bytes that a stream has received and nobody has read yet. It knows no socket.

use std::ops::Range;

/// Room that is made for one receive.
const RESERVE: usize = 16 * 1024;
/// A drained buffer larger than this goes back to the allocator: one large message must not cost memory for ever.
const KEPT: usize = 64 * 1024;

/// A growing buffer that is filled at its end and consumed at its front.
///
/// Its storage is always initialised; `unread` marks what counts.
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
            self.storage.resize(self.unread.end + bytes.len(), 0);
        }
        self.storage[self.unread.end..][..bytes.len()].copy_from_slice(bytes);
        self.unread.end += bytes.len();
    }

    /// Puts bytes that were taken back at the front: a cancelled read loses nothing (R105).
    pub(super) fn unread_again(&mut self, bytes: &[u8]) {
        if bytes.len() <= self.unread.start {
            self.unread.start -= bytes.len();
            self.storage[self.unread.start..][..bytes.len()].copy_from_slice(bytes);
            return;
        }
        let mut storage = Vec::with_capacity(bytes.len() + self.unread.len());
        storage.extend_from_slice(bytes);
        storage.extend_from_slice(self.unread());
        self.unread = 0..storage.len();
        self.storage = storage;
    }

    /// The storage, if the buffer is empty and has one that is worth keeping for another stream.
    pub(super) fn take_storage(&mut self) -> Option<Vec<u8>> {
        if !self.is_empty() || self.storage.is_empty() {
            return None;
        }
        self.unread = 0..0;
        Some(std::mem::take(&mut self.storage)).filter(|storage| storage.len() <= KEPT)
    }

    fn make_room(&mut self) {
        let unread = self.unread.len();
        if self.unread.start > 0 {
            self.storage.copy_within(self.unread.clone(), 0);
            self.unread = 0..unread;
        }
        if self.storage.len() - unread < RESERVE {
            // Doubling keeps the copying of a long message linear in its length.
            self.storage.resize((unread + RESERVE).max(self.storage.len() * 2), 0);
        }
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_drained_buffer_gives_its_storage_back_unless_it_grew() {
        let mut buffer = Buffer::default();
        receive(&mut buffer, b"x");
        assert!(buffer.take_storage().is_none());
        buffer.consume(1);
        assert_eq!(buffer.take_storage().map(|storage| storage.len()), Some(RESERVE));
        receive(&mut buffer, &[0; RESERVE]);
        for _ in 0..8 {
            receive(&mut buffer, &[0; RESERVE]);
        }
        buffer.consume(9 * RESERVE);
        assert!(buffer.take_storage().is_none(), "a large storage is not kept");
    }
}
