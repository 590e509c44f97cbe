//! The queue of writes: what waits for the kernel, in the order of the calls, and how far it has come. It makes no system
//! call and wakes nobody.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::panic::Location;

use super::file::{FileEnd, FileSend};
use super::marks::WaterMarks;
use crate::dispatcher::Waiter;
use crate::driver::OsError;
use crate::transport::budget::{BYTES_A_TURN, Budget};
use crate::transport::stream::Stream;
use crate::{ErrorKind, Operation, TransportError};

/// Buffers that go to the kernel in one call.
const VECTOR_MAX: usize = 16;

/// The writing side of a stream. One that never had to wait keeps little: most streams are of that kind for most of the time.
#[derive(Default)]
pub(in crate::transport) struct WriteSide {
    /// Made by the first write that has to wait, and kept.
    backlog: Option<Box<Backlog>>,
    pub(super) end: End,
    pub(super) budget: Budget,
    /// The writer callback is installed.
    pub(super) watching: bool,
}

/// What waits, and who waits for it.
#[derive(Default)]
pub(super) struct Backlog {
    queue: VecDeque<Queued>,
    next_ticket: u64,
    /// Every write with a ticket below this one is done: tickets are given in order, and the queue leaves in order.
    done_below: u64,
    /// Bytes that the queue owns and the kernel does not have yet.
    queued_bytes: usize,
    /// How files that were sent, or not, have ended, until the one who awaits it has asked.
    file_ends: BTreeMap<u64, FileEnd>,
    pub(super) marks: WaterMarks,
    /// Who polls for the queue to be empty and the stream writable, and the call by which the writer callback is known then.
    pub(super) poller: Waiter,
    pub(super) poller_place: Option<&'static Location<'static>>,
}

/// ```text
///   Open ── shutdown() ──▶ Ending ── queue empty ──▶ ShutDown
///     └───────────┴────────── system error ────────▶ Failed
/// ```
#[derive(Clone, Copy, Default)]
pub(super) enum End {
    #[default]
    Open,
    /// The queue is sent first, then the direction is shut down. No new write is taken.
    Ending,
    ShutDown,
    Failed(OsError),
}

/// A write, or what is left of it.
pub(in crate::transport) struct Queued {
    pub(super) ticket: u64,
    pub(super) content: Content,
    /// Some of the write's bytes have left: it can no longer be withdrawn, only finished.
    pub(super) begun: bool,
    pub(super) waiter: Waiter,
    /// The call that writes, by which the writer callback is known.
    pub(super) place: &'static Location<'static>,
}

pub(super) enum Content {
    /// The queue owns the bytes (R116); the kernel has the first `sent` of them.
    Bytes {
        bytes: Vec<u8>,
        sent: usize,
    },
    File(Box<FileSend>),
}

impl Content {
    fn queued_bytes(&self) -> usize {
        match self {
            Content::Bytes { bytes, sent } => bytes.len() - sent,
            Content::File(_) => 0,
        }
    }
}

impl WriteSide {
    /// What waits. It is made if there is nothing yet.
    pub(super) fn backlog(&mut self) -> &mut Backlog {
        self.backlog.get_or_insert_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.backlog.as_ref().is_none_or(|backlog| backlog.is_empty())
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.queued_bytes)
    }

    /// Whether a write is done that was queued, and was not withdrawn.
    pub(super) fn is_done(&self, ticket: u64) -> bool {
        self.backlog.as_ref().is_some_and(|backlog| backlog.is_done(ticket))
    }

    /// Whether the queue has reached its high mark, and not fallen to the low one since.
    pub(super) fn is_full(&self) -> bool {
        self.backlog.as_ref().is_some_and(|backlog| backlog.marks.is_full())
    }

    /// Why no write can be taken now.
    pub(super) fn refusal(&self, stream: &Stream, operation: Operation) -> Result<(), TransportError> {
        stream.refuse_closed(operation)?;
        match self.end {
            End::Open => Ok(()),
            End::Ending | End::ShutDown => Err(stream.error(operation, ErrorKind::ShutDown)),
            End::Failed(error) => Err(stream.os_error(operation, error)),
        }
    }

    /// Nothing can ever be written: every write is told so.
    pub(in crate::transport) fn refuse(&mut self, error: OsError) {
        self.end = End::Failed(error);
    }

    /// The stream is closed, or has failed: everyone who writes is to be told, in their order.
    pub(in crate::transport) fn abandon(&mut self, stream: &Stream) -> Vec<Queued> {
        let refusal = self.refusal(stream, Operation::SendFile);
        self.backlog.as_mut().map_or_else(Vec::new, |backlog| backlog.abandon(&refusal))
    }

    /// Who polls, if the queue is empty: it is to ask again.
    pub(in crate::transport) fn take_poller(&mut self) -> Waiter {
        self.backlog.as_mut().map_or(Waiter::Nobody, |backlog| backlog.take_poller())
    }
}

impl Backlog {
    fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Files a write behind all others, and gives its ticket.
    pub(super) fn push(&mut self, content: Content, begun: bool, place: &'static Location<'static>) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.queued_bytes += content.queued_bytes();
        self.marks.rise(self.queued_bytes);
        self.queue.push_back(Queued { ticket, content, begun, waiter: Waiter::Nobody, place });
        ticket
    }

    /// The write with `ticket`, if it is still queued.
    pub(super) fn find(&mut self, ticket: u64) -> Option<&mut Queued> {
        let at = self.position(ticket)?;
        Some(&mut self.queue[at])
    }

    /// Takes a write out of the queue, unless it has begun.
    pub(super) fn withdraw(&mut self, ticket: u64) -> Option<Queued> {
        let at = self.position(ticket)?;
        if self.queue[at].begun {
            return None;
        }
        let withdrawn = self.queue.remove(at)?;
        self.queued_bytes -= withdrawn.content.queued_bytes();
        Some(withdrawn)
    }

    fn is_done(&self, ticket: u64) -> bool {
        ticket < self.done_below
    }

    /// The file that is to be sent now, and the call that asked for it.
    pub(super) fn first_file(&mut self) -> Option<(&mut FileSend, &'static Location<'static>)> {
        let first = self.queue.front_mut()?;
        match &mut first.content {
            Content::File(file) => Some((file, first.place)),
            Content::Bytes { .. } => None,
        }
    }

    /// `count` bytes of the first write have left.
    pub(super) fn begin_first(&mut self, count: usize) {
        let first = self.queue.front_mut().expect("what has left came from the front of the queue");
        first.begun |= count > 0;
    }

    /// Bytes of the first write may have left, nobody knows how many.
    pub(super) fn begin_first_unseen(&mut self) {
        self.queue.front_mut().expect("what has begun stands at the front of the queue").begun = true;
    }

    /// The call that waits for the stream to be writable, if one does: that of the first write, or else of who polls.
    pub(super) fn waits_for_stream(&self) -> Option<&'static Location<'static>> {
        let Some(first) = self.queue.front() else { return self.poller_place };
        match &first.content {
            Content::File(file) if file.is_waiting() => None,
            Content::File(_) | Content::Bytes { .. } => Some(first.place),
        }
    }

    /// Whether the queue was full, and no longer is. Says so once.
    pub(super) fn has_fallen(&mut self) -> bool {
        self.marks.fall(self.queued_bytes)
    }

    /// The bytes at the front of the queue, as many as go to the kernel in one call.
    pub(super) fn first_bytes(&self) -> Batch<'_> {
        Batch::of(self.queue.iter().map_while(|queued| match &queued.content {
            Content::Bytes { bytes, sent } => Some(&bytes[*sent..]),
            Content::File(_) => None,
        }))
    }

    /// Takes off the queue what the kernel took of its first bytes, and gives those who are to be told.
    pub(super) fn advance(&mut self, mut count: usize) -> Vec<Queued> {
        assert!(count <= self.queued_bytes, "the kernel took more than was offered");
        self.queued_bytes -= count;
        let mut done = Vec::new();
        while let Some(first) = self.queue.front_mut() {
            let Content::Bytes { bytes, sent } = &mut first.content else { break };
            let taken = count.min(bytes.len() - *sent);
            count -= taken;
            *sent += taken;
            let is_done = *sent == bytes.len();
            first.begun |= taken > 0;
            if !is_done {
                break;
            }
            done.extend(self.pop());
        }
        assert_eq!(count, 0, "the kernel took more than was offered");
        done
    }

    /// The first write is a file, and has ended.
    pub(super) fn finish_file(&mut self, result: Result<(), TransportError>) -> Option<Queued> {
        let finished = self.pop()?;
        self.note_file_end(&finished, result);
        Some(finished)
    }

    fn take_poller(&mut self) -> Waiter {
        if !self.is_empty() {
            return Waiter::Nobody;
        }
        self.poller_place = None;
        std::mem::take(&mut self.poller)
    }

    fn abandon(&mut self, refusal: &Result<(), TransportError>) -> Vec<Queued> {
        let abandoned: Vec<Queued> = self.queue.drain(..).collect();
        self.queued_bytes = 0;
        for queued in &abandoned {
            self.note_file_end(queued, refusal.clone());
        }
        abandoned
    }

    /// How the file with `ticket` has ended. It is told once.
    pub(super) fn take_file_end(&mut self, ticket: u64) -> Option<FileEnd> {
        self.file_ends.remove(&ticket)
    }

    pub(super) fn file_end(&self, ticket: u64) -> Option<&FileEnd> {
        self.file_ends.get(&ticket)
    }

    fn note_file_end(&mut self, queued: &Queued, result: Result<(), TransportError>) {
        match &queued.content {
            Content::File(file) if file.is_awaited() => {
                self.file_ends.insert(queued.ticket, FileEnd { sent: file.sent(), result });
            }
            Content::File(_) | Content::Bytes { .. } => {}
        }
    }

    fn pop(&mut self) -> Option<Queued> {
        let first = self.queue.pop_front()?;
        self.done_below = first.ticket + 1;
        Some(first)
    }

    fn position(&self, ticket: u64) -> Option<usize> {
        self.queue.binary_search_by_key(&ticket, |queued| queued.ticket).ok()
    }
}

/// Buffers that go to the kernel in one call, without an allocation.
pub(super) struct Batch<'a> {
    slices: [IoSlice<'a>; VECTOR_MAX],
    count: usize,
}

impl<'a> Batch<'a> {
    /// As many of `parts`, from the front, as one call takes, and no more bytes than a turn may move.
    pub(super) fn of(parts: impl Iterator<Item = &'a [u8]>) -> Batch<'a> {
        let mut batch = Batch { slices: [IoSlice::new(&[]); VECTOR_MAX], count: 0 };
        let mut room = BYTES_A_TURN;
        for part in parts.filter(|part| !part.is_empty()) {
            if room == 0 || batch.count == VECTOR_MAX {
                break;
            }
            let part = &part[..part.len().min(room)];
            room -= part.len();
            batch.slices[batch.count] = IoSlice::new(part);
            batch.count += 1;
        }
        batch
    }

    pub(super) fn as_slice(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.count]
    }
}
