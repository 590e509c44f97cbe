//! Bytes on their way inside one kernel: what pipes and Unix streams are made of. It knows no descriptor.

use std::collections::VecDeque;
use std::io::IoSlice;

use twinloop::driver::OsError;

/// What a pipe holds (pipe(7)).
const PIPE_CAPACITY: usize = 65_536;
/// So many bytes are written to a pipe at once or not at all (`PIPE_BUF`).
pub(super) const PIPE_WHOLE: usize = 4096;
/// What a Unix stream holds (`wmem_default`).
const STREAM_CAPACITY: usize = 212_992;

/// A queue of bytes with a bound.
pub(super) struct Channel {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// Up to so many bytes are taken together or not at all.
    whole: usize,
    /// Whoever writes is told once no more than this is left. Who was refused, or cut short, has left more than this.
    low: usize,
}

impl Channel {
    pub(super) fn of_pipe() -> Channel {
        Channel {
            bytes: VecDeque::new(),
            capacity: PIPE_CAPACITY,
            whole: PIPE_WHOLE,
            low: PIPE_CAPACITY - PIPE_WHOLE,
        }
    }

    /// One direction of a stream. Who writes is told late, as `unix_writable` has it: when three quarters are free.
    pub(super) fn of_stream() -> Channel {
        Channel { bytes: VecDeque::new(), capacity: STREAM_CAPACITY, whole: 0, low: STREAM_CAPACITY / 4 }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether a poll would say so (`POLLOUT`).
    pub(super) fn is_writable(&self) -> bool {
        self.bytes.len() <= self.low
    }

    /// Puts in what there is room for, at least one byte.
    pub(super) fn put(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, OsError> {
        let offered: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let room = self.capacity - self.bytes.len();
        if room < offered.min(self.whole.max(1)) {
            return Err(OsError::WOULD_BLOCK);
        }
        let count = offered.min(room);
        let mut rest = count;
        for buffer in buffers {
            let part = &buffer[..buffer.len().min(rest)];
            self.bytes.extend(part);
            rest -= part.len();
        }
        Ok(count)
    }

    /// Takes out what there is, as much as `buffer` has room for; says how many bytes, and whether they made room that
    /// whoever writes is to be told of.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> (usize, bool) {
        let was_writable = self.is_writable();
        let count = buffer.len().min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let split = count.min(front.len());
        buffer[..split].copy_from_slice(&front[..split]);
        buffer[split..count].copy_from_slice(&back[..count - split]);
        self.bytes.drain(..count);
        (count, !was_writable && self.is_writable())
    }
}
