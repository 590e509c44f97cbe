//! From the queue to the kernel: what is sent, when, and who is told of it.

use std::cell::RefMut;
use std::panic::Location;
use std::task::Context;

use super::file::Step;
use super::queue::{Content, End, Queued, WriteSide};
use crate::dispatcher::{Core, Interest};
use crate::driver::OsError;
use crate::table::Key;
use crate::transport::budget::BYTES_A_TURN;
use crate::transport::stream::Stream;
use crate::{AsyncCallback, Handle};

/// Whether the queue can be sent on at this moment.
#[derive(PartialEq)]
enum Flow {
    On,
    Stopped,
}

impl Stream {
    /// Files a write, or what is left of it, behind all others. A file that nothing stands before is begun at once.
    #[track_caller]
    pub(super) fn enqueue(&self, core: &Core, key: Key, content: Content, begun: bool) -> u64 {
        let mut side = self.write.borrow_mut();
        let begins = side.is_empty() && matches!(content, Content::File(_));
        let ticket = side.backlog().push(content, begun, Location::caller());
        if begins {
            drop(side);
            self.flush(core, key);
        } else {
            self.arm(core, key, &mut side);
        }
        ticket
    }

    /// Sends from the queue until it is empty, the kernel is full, or the budget is spent; tells everyone whom it concerns.
    fn flush(&self, core: &Core, key: Key) {
        let mut side = self.write.borrow_mut();
        let mut ended = Vec::new();
        while !side.is_empty() && side.budget.allows(core, BYTES_A_TURN) {
            let flow = match side.backlog().first_file() {
                Some(_) => self.send_file(core, key, &mut side, &mut ended),
                None => self.send_bytes(core, &mut side, &mut ended),
            };
            if flow == Flow::Stopped {
                break;
            }
        }
        self.changed(core, key, side, ended);
    }

    fn send_bytes(&self, core: &Core, side: &mut WriteSide, ended: &mut Vec<Queued>) -> Flow {
        let sent = core.send_vectored(self.fd, side.backlog().first_bytes().as_slice());
        match sent {
            Ok(count) => {
                side.budget.spend_bytes(count);
                ended.extend(side.backlog().advance(count));
                Flow::On
            }
            Err(error) if error.is_would_block() => Flow::Stopped,
            Err(error) => self.fail(side, error, ended),
        }
    }

    fn send_file(&self, core: &Core, key: Key, side: &mut WriteSide, ended: &mut Vec<Queued>) -> Flow {
        let (file, place) = side.backlog().first_file().expect("the caller has seen a file at the front");
        match file.step(core, self.fd) {
            Step::Moved(count) => {
                side.budget.spend_bytes(count);
                side.backlog().begin_first(count);
                Flow::On
            }
            Step::Ended => {
                side.budget.spend_bytes(0);
                ended.extend(side.backlog().finish_file(Ok(())));
                Flow::On
            }
            Step::StreamIsFull => Flow::Stopped,
            Step::GoesOn => {
                side.backlog().begin_first_unseen();
                Flow::Stopped
            }
            Step::FileIsEmpty => {
                file.wait(core, AsyncCallback::new(file_ready, key.into_word()), place);
                Flow::Stopped
            }
            Step::FileFailed(error) if file.is_awaited() => {
                let error = file.error(error);
                ended.extend(side.backlog().finish_file(Err(error)));
                Flow::On
            }
            // Nobody would know that what stands behind it is not what the peer expects there.
            Step::FileFailed(error) | Step::StreamFailed(error) => self.fail(side, error, ended),
        }
    }

    /// Nothing can be written any more.
    fn fail(&self, side: &mut WriteSide, error: OsError, ended: &mut Vec<Queued>) -> Flow {
        side.end = End::Failed(error);
        ended.extend(side.abandon(self));
        Flow::Stopped
    }

    /// The queue is another one than before, and those in `ended` are no longer in it.
    pub(super) fn changed(&self, core: &Core, key: Key, mut side: RefMut<'_, WriteSide>, ended: Vec<Queued>) {
        let mut poller = side.take_poller();
        self.arm(core, key, &mut side);
        let may_be_filled = side.backlog().has_fallen();
        let has_failed = matches!(side.end, End::Failed(_));
        drop(side);
        tell(core, ended);
        poller.wake(core);
        if may_be_filled {
            self.writables.grant_all(core);
        }
        if has_failed {
            self.shutdowns.grant_all(core);
        }
        self.end_if_flushed(core);
    }

    /// Has the writer callback run while something waits for the stream to be writable, and only then: a stream that is
    /// writable would call it turn after turn while the front of the queue waits for its file.
    pub(super) fn arm(&self, core: &Core, key: Key, side: &mut WriteSide) {
        let place = side.backlog().waits_for_stream().filter(|_| !self.closed.get());
        match (place, side.watching) {
            (Some(place), false) => {
                let callback = AsyncCallback::new(write_ready, key.into_word());
                let watched = core.watch(self.fd, Interest::Write, callback, place);
                watched.expect("a transport's descriptor is written through the transport alone");
                // Where the budget ended the direct attempt, no edge is to come: the socket never said that it was full.
                core.assume_writable(self.fd);
            }
            (None, true) => {
                core.unwatch(self.fd, Interest::Write);
            }
            (Some(_), true) | (None, false) => {}
        }
        side.watching = place.is_some();
    }

    /// Has whoever polls with `context` woken when the write with `ticket` has ended. Says whether it is queued still.
    pub(super) fn note_waiter(&self, core: &Core, ticket: u64, context: &Context<'_>) -> bool {
        let mut side = self.write.borrow_mut();
        let Some(queued) = side.backlog().find(ticket) else { return false };
        let mut waiter = std::mem::take(&mut queued.waiter);
        drop(side);
        // Cloning and dropping wakers is anyone's code: no borrow is alive, and the write may end meanwhile.
        waiter.note(core, context);
        let mut side = self.write.borrow_mut();
        let Some(queued) = side.backlog().find(ticket) else { return false };
        queued.waiter = waiter;
        true
    }

    /// The future of a write is gone: takes the write back, or leaves it to be finished.
    pub(super) fn withdraw(&self, core: &Core, key: Key, ticket: u64) {
        let mut side = self.write.borrow_mut();
        let Some(queued) = side.backlog().find(ticket) else { return };
        // What is dropped here may hold a waker, which is anyone's code: it goes after the borrow has ended.
        let _waiter = std::mem::take(&mut queued.waiter);
        let withdrawn = side.backlog().withdraw(ticket);
        self.changed(core, key, side, withdrawn.into_iter().collect());
    }
}

/// Wakes those whose writes have left the queue, in their order. No borrow of the caller's may be alive.
pub(in crate::transport) fn tell(core: &Core, ended: Vec<Queued>) {
    for mut queued in ended {
        if let Content::File(file) = &mut queued.content {
            file.wait_no_longer(core);
        }
        queued.waiter.wake(core);
    }
}

/// The stream may be writable.
fn write_ready(handle: &Handle, word: usize) {
    let (core, key) = (handle.core(), Key::from_word(word));
    if let Some(stream) = core.object::<Stream>(key) {
        stream.flush(&core, key);
    }
}

/// The file that is to be sent now may have something.
fn file_ready(handle: &Handle, word: usize) {
    let (core, key) = (handle.core(), Key::from_word(word));
    let Some(stream) = core.object::<Stream>(key) else { return };
    if let Some((file, _)) = stream.write.borrow_mut().backlog().first_file() {
        file.was_called();
    }
    stream.flush(&core, key);
}
