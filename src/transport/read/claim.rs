//! The right to read, and the waiting for bytes that comes with it: what every form of reading is built on.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::End;
use crate::dispatcher::{Core, Interest};
use crate::driver::OsError;
use crate::table::Key;
use crate::task::yield_once;
use crate::transport::budget::BYTES_A_TURN;
use crate::transport::buffer::Buffer;
use crate::transport::stream::{Stream, StreamTransport};
use crate::{AsyncCallback, ErrorKind, Handle, Operation, TransportError};

/// The right to read, taken at the first poll and given back with the future.
pub(super) struct Claim<'a> {
    pub(super) transport: &'a StreamTransport,
    held: bool,
    /// The call that reads, by which the reader callback is known.
    place: &'static Location<'static>,
}

impl<'a> Claim<'a> {
    #[track_caller]
    pub(super) fn new(transport: &'a StreamTransport) -> Claim<'a> {
        Claim { transport, held: false, place: Location::caller() }
    }

    /// Runs `attempt` until it has an outcome, receiving more before each further one.
    ///
    /// `attempt` is given the bytes in the buffer and whether the stream has ended behind them; `None` means that it
    /// needs more, which it can not once the stream has ended.
    pub(super) fn poll_buffered<T>(
        &mut self,
        context: &Context<'_>,
        attempt: impl FnMut(&mut Buffer, bool) -> Option<Result<T, ErrorKind>>,
    ) -> Poll<Result<T, TransportError>> {
        let outcome = self.poll_attempts(context, attempt);
        self.settle(outcome)
    }

    fn poll_attempts<T>(
        &mut self,
        context: &Context<'_>,
        mut attempt: impl FnMut(&mut Buffer, bool) -> Option<Result<T, ErrorKind>>,
    ) -> Poll<Result<T, TransportError>> {
        let (core, stream) = self.take()?;
        loop {
            let mut side = stream.read.borrow_mut();
            let finished = side.is_finished();
            if let Some(outcome) = attempt(&mut side.buffer, finished) {
                return Poll::Ready(outcome.map_err(|kind| stream.error(Operation::Read, kind)));
            }
            assert!(!finished, "a read at the end of the stream has an outcome");
            drop(side);
            if self.poll_recv(&core, &stream, context, receive_into_buffer)?.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// One receive by `receive`, as far as the budget goes. `Ok(0)`: the stream has ended.
    pub(super) fn poll_recv(
        &self,
        core: &Core,
        stream: &Stream,
        context: &Context<'_>,
        receive: impl FnOnce(&Core, &Stream, &mut Buffer) -> Result<usize, OsError>,
    ) -> Result<Poll<usize>, TransportError> {
        let mut side = stream.read.borrow_mut();
        match side.end {
            Some(End::Finished) => return Ok(Poll::Ready(0)),
            Some(End::Failed(error)) => return Err(stream.os_error(Operation::Read, error)),
            None => {}
        }
        if !side.budget.allows(core, BYTES_A_TURN) {
            drop(side);
            yield_once(core, context);
            return Ok(Poll::Pending);
        }
        match receive(core, stream, &mut side.buffer) {
            Ok(0) => {
                side.end = Some(End::Finished);
                Ok(Poll::Ready(0))
            }
            Ok(count) => {
                side.budget.spend_bytes(count);
                Ok(Poll::Ready(count))
            }
            Err(error) if error.is_would_block() => {
                drop(side);
                self.wait_readable(core, stream, context)?;
                Ok(Poll::Pending)
            }
            Err(error) => {
                side.end = Some(End::Failed(error));
                Err(stream.os_error(Operation::Read, error))
            }
        }
    }

    /// Notes who waits and has the reader callback wake it.
    ///
    /// The waker that is cloned is anyone's code: it may have closed the stream, read it or polled it by then.
    fn wait_readable(
        &self,
        core: &Core,
        stream: &Stream,
        context: &Context<'_>,
    ) -> Result<(), TransportError> {
        let mut waiter = std::mem::take(&mut stream.read.borrow_mut().waiter);
        waiter.note(core, context);
        self.look()?;
        let mut side = stream.read.borrow_mut();
        let other = std::mem::replace(&mut side.waiter, waiter);
        side.spare_storage(core);
        if !std::mem::replace(&mut side.watching, true) {
            let callback = AsyncCallback::new(read_ready, self.transport.key().into_word());
            let watched = core.watch(stream.fd, Interest::Read, callback, self.place);
            watched.expect("a transport's descriptor is read through the transport alone");
        }
        drop(side);
        // A waker's destructor is anyone's code too.
        drop(other);
        Ok(())
    }

    /// Takes the right to read, unless the stream is closed or another read has it.
    pub(super) fn take(&mut self) -> Result<(Rc<Core>, Rc<Stream>), TransportError> {
        let (core, stream) = self.look()?;
        if !self.held {
            self.held = true;
            let mut side = stream.read.borrow_mut();
            side.busy = true;
            // Who polls has no right to read. It is to ask again, and to be told that another read is pending.
            let mut poller = side.leave(&core, stream.fd);
            drop(side);
            poller.wake(&core);
        }
        Ok((core, stream))
    }

    /// The stream, unless it is closed or another read has the right to read: for who wants it during one call only.
    pub(super) fn look(&self) -> Result<(Rc<Core>, Rc<Stream>), TransportError> {
        let (core, stream) = self.transport.resolve();
        stream.refuse_closed(Operation::Read)?;
        if stream.read.borrow().busy && !self.held {
            return Err(stream.error(Operation::Read, ErrorKind::Busy));
        }
        Ok((core, stream))
    }

    /// A read that has its outcome is no longer pending, although its future may live on.
    pub(super) fn settle<T>(&mut self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_ready() {
            self.give_back();
        }
        outcome
    }

    fn give_back(&mut self) {
        if !std::mem::replace(&mut self.held, false) {
            return;
        }
        let Some(core) = self.transport.handle().try_core() else { return };
        let Some(stream) = core.object::<Stream>(self.transport.key()) else { return };
        let mut side = stream.read.borrow_mut();
        side.busy = false;
        side.spare_storage(&core);
        // The waker in it is dropped after the borrow has ended.
        let waiter = side.leave(&core, stream.fd);
        drop(side);
        drop(waiter);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

pub(super) fn receive_into_buffer(
    core: &Core,
    stream: &Stream,
    buffer: &mut Buffer,
) -> Result<usize, OsError> {
    if !buffer.has_storage() {
        *buffer = Buffer::on(core.spare_buffers.borrow_mut().pop().unwrap_or_default());
    }
    let received = core.recv(stream.fd, buffer.reserve());
    if let Ok(count) = received {
        buffer.commit(count);
    }
    received
}

/// The stream may be readable: wakes the read that waits. It watches again when it finds nothing.
fn read_ready(handle: &Handle, word: usize) {
    let core = handle.core();
    let Some(stream) = core.object::<Stream>(Key::from_word(word)) else { return };
    let mut waiter = stream.read.borrow_mut().leave(&core, stream.fd);
    waiter.wake(&core);
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.transport, f)
    }
}
