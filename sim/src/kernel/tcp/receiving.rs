//! The direction from the peer to us: what came in its turn, what came too early, and the window. It knows no time.

use std::collections::{BTreeMap, VecDeque};

use super::MSS;

pub(super) struct Receiving {
    /// What the program may read.
    buffer: VecDeque<u8>,
    /// How many bytes it may hold.
    capacity: usize,
    /// Everything before was told to the peer as welcome, and is taken, also if the buffer was made smaller since.
    edge: u64,
    /// The next sequence number that is missing.
    expected: u64,
    /// Segments that came before their turn: payload, and whether a FIN follows it.
    early: BTreeMap<u64, (Vec<u8>, bool)>,
    /// The FIN came in its turn.
    ended: bool,
    /// The program has shut this direction. What comes is kept all the same, as Linux does.
    shut: bool,
    /// The window that the peer was told last.
    told_window: usize,
}

impl Receiving {
    pub(super) fn new(capacity: usize) -> Receiving {
        Receiving {
            buffer: VecDeque::new(),
            capacity,
            edge: capacity as u64,
            expected: 0,
            early: BTreeMap::new(),
            ended: false,
            shut: false,
            told_window: capacity,
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn is_shut(&self) -> bool {
        self.shut
    }

    pub(super) fn expected(&self) -> u64 {
        self.expected
    }

    pub(super) fn readable(&self) -> usize {
        self.buffer.len()
    }

    /// Room for what the peer may send.
    pub(super) fn window(&self) -> usize {
        let room = self.capacity.saturating_sub(self.buffer.len());
        room.max(self.edge.saturating_sub(self.expected) as usize)
    }

    /// What the peer was told with the handshake, and is told again if that was lost.
    pub(super) fn first_window(&self) -> usize {
        self.edge as usize
    }

    pub(super) fn note_told_window(&mut self) {
        self.told_window = self.window();
        self.edge = self.edge.max(self.expected + self.told_window as u64);
    }

    /// What was received before stays, also if it is more.
    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Whether the peer may wait to hear of a window worth a segment (RFC 9293, section 3.8.6.2.2).
    pub(super) fn is_update_due(&self) -> bool {
        let worth = MSS.min(self.capacity / 2);
        !self.ended && self.told_window < worth && self.window().saturating_sub(self.told_window) >= worth
    }

    /// Moves the front of what was received into `buffer`.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.buffer.len());
        let (head, tail) = self.buffer.as_slices();
        let (first, second) = buffer[..count].split_at_mut(head.len().min(count));
        first.copy_from_slice(&head[..first.len()]);
        second.copy_from_slice(&tail[..second.len()]);
        self.buffer.drain(..count);
        count
    }

    pub(super) fn shut(&mut self) {
        self.shut = true;
    }

    /// Whether something came before its turn.
    pub(super) fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// Nothing early will be completed any more. What came in its turn stays to be read.
    pub(super) fn discard_early(&mut self) {
        self.early.clear();
    }

    /// Takes a segment, unless all of it is old.
    pub(super) fn take(&mut self, seq: u64, payload: Vec<u8>, fin: bool) {
        let end = end_of(seq, &payload, fin);
        // A FIN needs no room.
        let beyond = self.expected + self.window() as u64 + u64::from(fin);
        assert!(end <= beyond, "the peer sends what it was told that there is room for");
        if end <= self.expected {
            return;
        }
        if seq == self.expected && self.early.is_empty() {
            return self.append(seq, &payload, fin);
        }
        // Resent bytes may be cut into segments anew: of two that begin alike, the longer one counts.
        let early = self.early.entry(seq).or_default();
        if end > end_of(seq, &early.0, early.1) {
            *early = (payload, fin);
        }
        while let Some(first) = self.early.first_entry() {
            if *first.key() > self.expected {
                break;
            }
            let (seq, (payload, fin)) = first.remove_entry();
            self.append(seq, &payload, fin);
        }
    }

    /// Adds what is new of a segment whose turn it is.
    fn append(&mut self, seq: u64, payload: &[u8], fin: bool) {
        assert!(seq <= self.expected, "segments are appended in their turn");
        let end = seq + payload.len() as u64;
        if end > self.expected {
            assert!(!self.ended, "no byte follows the FIN");
            self.buffer.extend(&payload[(self.expected - seq) as usize..]);
            self.expected = end;
        }
        if fin && !self.ended {
            assert_eq!(end, self.expected, "the FIN stands behind the last byte");
            self.expected += 1;
            self.ended = true;
        }
        let fin = u64::from(self.ended);
        assert!(self.expected <= self.edge + fin, "more was taken than the window allowed");
    }
}

/// The sequence number behind a segment.
fn end_of(seq: u64, payload: &[u8], fin: bool) -> u64 {
    seq + payload.len() as u64 + u64::from(fin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(receiving: &mut Receiving) -> Vec<u8> {
        let mut buffer = [0; 16];
        let count = receiving.read(&mut buffer);
        buffer[..count].to_vec()
    }

    #[test]
    fn resent_bytes_may_be_cut_anew() {
        let mut receiving = Receiving::new(16);
        receiving.take(2, b"cd".to_vec(), false);
        receiving.take(2, b"cdef".to_vec(), true);
        receiving.take(2, b"c".to_vec(), false);
        assert_eq!(read_all(&mut receiving), b"");
        receiving.take(0, b"abc".to_vec(), false);
        assert_eq!(read_all(&mut receiving), b"abcdef");
        assert!(receiving.is_ended());
        assert_eq!(receiving.expected(), 7);
    }

    #[test]
    fn bytes_that_come_twice_are_received_once() {
        let mut receiving = Receiving::new(16);
        for _ in 0..2 {
            receiving.take(0, b"ab".to_vec(), false);
            receiving.take(1, b"bc".to_vec(), false);
        }
        assert_eq!(read_all(&mut receiving), b"abc");
    }
}
