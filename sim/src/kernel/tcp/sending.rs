//! The direction from us to the peer: what was written, what of it was sent, and what has arrived. It knows no time.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::{DUPLICATES, MSS};

/// ```text
///   acked ≤ next ≤ sent ≤ limit (the FIN alone may be sent beyond it);  the buffer begins at acked
/// ```
pub(super) struct Sending {
    /// Bytes from `acked` on, sent or not.
    buffer: VecDeque<u8>,
    /// How many bytes it may hold.
    capacity: usize,
    /// Everything before is acknowledged.
    acked: u64,
    /// What is sent next; after a time-out that goes back to `acked`.
    next: u64,
    /// Everything before was sent at least once.
    sent: u64,
    /// The peer takes bytes before this one.
    limit: u64,
    /// A FIN follows the buffer.
    ended: bool,
    fin_acked: bool,
    duplicates: u32,
    /// A write was refused or cut short: tell when there is room.
    starved: bool,
}

/// A part of the direction, to be sent. The FIN, if any, stands behind the payload.
pub(super) struct Chunk {
    pub(super) seq: u64,
    pub(super) payload: Vec<u8>,
    pub(super) fin: bool,
    /// It was not sent before.
    pub(super) is_new: bool,
}

/// What an acknowledgement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ack {
    Nothing,
    /// Something new has arrived.
    Progress,
    /// Everything sent had arrived, and now there is room for more.
    Opened,
    /// The first segment on its way seems to be lost (RFC 5681, section 3.2).
    Loss,
}

impl Sending {
    /// Bytes that the peer has not acknowledged, sent or not.
    pub(super) fn queued(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn new(capacity: usize) -> Sending {
        Sending {
            buffer: VecDeque::new(),
            capacity,
            acked: 0,
            next: 0,
            sent: 0,
            limit: 0,
            ended: false,
            fin_acked: false,
            duplicates: 0,
            starved: false,
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn is_fin_acked(&self) -> bool {
        self.fin_acked
    }

    /// Room for what the program may write.
    pub(super) fn space(&self) -> usize {
        self.capacity.saturating_sub(self.buffer.len())
    }

    /// The sequence number behind everything that was ever sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether something waits for the peer: for its acknowledgement or for its window.
    pub(super) fn is_waiting(&self) -> bool {
        self.in_flight() > 0 || !self.buffer.is_empty()
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.next - self.acked
    }

    // ---- from the program ----

    /// Takes as much of `buffers` as there is room for.
    pub(super) fn write(&mut self, buffers: &[IoSlice<'_>]) -> usize {
        assert!(!self.ended, "nothing is written behind the FIN");
        let offered: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let taken = offered.min(self.space());
        let mut left = taken;
        for buffer in buffers {
            let part = &buffer[..buffer.len().min(left)];
            self.buffer.extend(part);
            left -= part.len();
        }
        if taken < offered {
            self.starve();
        }
        taken
    }

    /// The program could not write all it wanted to.
    pub(super) fn starve(&mut self) {
        self.starved = true;
    }

    /// Whether the program is to be told that there is room again: once a third of the buffer is free
    /// (`sk_stream_write_space`). Says so once.
    pub(super) fn take_writable(&mut self) -> bool {
        self.space() >= self.capacity / 3 && std::mem::take(&mut self.starved)
    }

    /// What was written before stays, also if it is more.
    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// No byte follows those that were written.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Nobody will take it any more.
    pub(super) fn discard(&mut self) {
        self.buffer = VecDeque::new();
        self.next = self.acked;
    }

    // ---- to and from the peer ----

    /// The peer's first word: it takes `window` bytes.
    pub(super) fn open(&mut self, window: usize) {
        self.limit = window as u64;
    }

    /// The next part that the window lets pass.
    pub(super) fn next_chunk(&mut self) -> Option<Chunk> {
        let from = self.in_flight() as usize;
        let unsent = self.buffer.len().saturating_sub(from);
        let window = self.limit.saturating_sub(self.next) as usize;
        let length = unsent.min(window).min(MSS);
        let fin = length == unsent && self.next < self.end_of_all() && self.ended;
        if length == 0 && !fin {
            return None;
        }
        let (seq, is_new) = (self.next, self.next >= self.sent);
        self.next += length as u64 + u64::from(fin);
        self.sent = self.sent.max(self.next);
        Some(Chunk { seq, payload: range(&self.buffer, from, length), fin, is_new })
    }

    /// The first part that is on its way, to be sent again.
    pub(super) fn first_chunk(&self) -> Chunk {
        assert!(self.in_flight() > 0, "something is on its way when it seems to be lost");
        let length = self.buffer.len().min(MSS).min(self.in_flight() as usize);
        let fin = self.ended && length == self.buffer.len();
        Chunk { seq: self.acked, payload: range(&self.buffer, 0, length), fin, is_new: false }
    }

    /// Takes everything on its way for lost: `next_chunk` begins again (go-back-N).
    pub(super) fn go_back(&mut self) {
        self.next = self.acked;
        self.duplicates = 0;
    }

    /// A sequence number that the peer has seen, so that it answers with its window.
    pub(super) fn probe(&self) -> u64 {
        assert!(self.acked > 0, "a window that nothing was sent into is open");
        self.acked - 1
    }

    /// The peer has everything before `ack` and takes `window` bytes more. `is_bare`: it said nothing else.
    pub(super) fn take_ack(&mut self, ack: u64, window: usize, is_bare: bool) -> Ack {
        assert!(ack <= self.sent, "the peer acknowledged what was never sent");
        let limit = ack + window as u64;
        let is_wider = limit > self.limit;
        self.limit = self.limit.max(limit);
        if ack > self.acked {
            self.advance(ack);
            return Ack::Progress;
        }
        if self.in_flight() == 0 {
            return if is_wider { Ack::Opened } else { Ack::Nothing };
        }
        if is_bare && !is_wider && ack == self.acked {
            self.duplicates += 1;
            if self.duplicates == DUPLICATES {
                return Ack::Loss;
            }
        }
        Ack::Nothing
    }

    fn advance(&mut self, ack: u64) {
        let bytes = (ack - self.acked).min(self.buffer.len() as u64);
        self.buffer.drain(..bytes as usize);
        let is_fin_covered = self.acked + bytes < ack;
        assert!(
            !is_fin_covered || self.ended,
            "an acknowledgement covers bytes, and the FIN if there is one"
        );
        self.fin_acked |= is_fin_covered;
        self.acked = ack;
        self.next = self.next.max(ack);
        self.duplicates = 0;
    }

    /// Behind the last byte that was written, and the FIN if there is one.
    fn end_of_all(&self) -> u64 {
        let is_fin_outstanding = self.ended && !self.fin_acked;
        self.acked + self.buffer.len() as u64 + u64::from(is_fin_outstanding)
    }
}

/// `length` bytes of `buffer`, from `from` on.
fn range(buffer: &VecDeque<u8>, from: usize, length: usize) -> Vec<u8> {
    if length == 0 {
        return Vec::new();
    }
    let (head, tail) = buffer.as_slices();
    let in_head = from.min(head.len())..(from + length).min(head.len());
    let in_tail = from.saturating_sub(head.len())..(from + length).saturating_sub(head.len());
    [&head[in_head], &tail[in_tail]].concat()
}
