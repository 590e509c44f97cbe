//! The writing side of a stream: straight to the kernel while nothing waits, else a queue in the order of the calls.

mod file;
mod flush;
mod marks;
mod poll;
mod queue;
mod shutdown;

use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::budget::BYTES_A_TURN;
use super::stream::{Stream, StreamTransport};
use crate::dispatcher::Core;
use crate::driver::OsError;
use crate::table::Key;
use crate::{ErrorKind, Handle, Operation, TransportError};
use queue::{Batch, Content, End};

pub use file::WriteFile;
pub(super) use flush::tell;
pub use marks::UntilWritable;
pub(super) use queue::WriteSide;
pub use shutdown::Shutdown;

/// # Writing
impl StreamTransport {
    /// Writes all of `bytes`, behind every write that was called before (R109). The result is their number, once the
    /// kernel has them all (R110).
    ///
    /// While nothing is queued the bytes go to the kernel in the call itself; what it does not take is copied and queued,
    /// and the rest of the program runs on. Awaiting the future is what makes back-pressure: a peer that does not read
    /// stops the writer.
    ///
    /// Dropping the future withdraws the write if none of its bytes has left yet; otherwise it is finished in the
    /// background, while the transport lives (R115). [`Write::detach`] leaves it queued in any case. Closing or dropping the
    /// transport ends both where they are: [`shutdown`](Self::shutdown) first has everything sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`], [`ErrorKind::ShutDown`], or the system's error, with its number, for this and every later
    /// write (against R112).
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// let first = stream.write(b"one ");
    /// let second = stream.write(b"two");
    /// assert_eq!((second.await?, first.await?), (3, 4));
    /// stream.shutdown().await?;
    /// assert_eq!(peer.read_to_end(100).await?, b"one two");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn write(&self, bytes: &[u8]) -> Write {
        let (core, stream) = self.resolve();
        match stream.send_slice_now(&core, bytes) {
            Err(error) => self.over(Err(error)),
            Ok(sent) if sent == bytes.len() => self.over(Ok(sent)),
            Ok(sent) => {
                let (rest, total) = (bytes[sent..].to_vec(), bytes.len());
                self.enqueue(&core, &stream, rest, 0, sent > 0, total)
            }
        }
    }

    /// As [`write`](Self::write), for bytes that the queue can own: what the kernel does not take at once is not copied.
    #[track_caller]
    pub fn write_owned(&self, bytes: Vec<u8>) -> Write {
        let (core, stream) = self.resolve();
        let total = bytes.len();
        match stream.send_slice_now(&core, &bytes) {
            Err(error) => self.over(Err(error)),
            Ok(sent) if sent == total => self.over(Ok(sent)),
            Ok(sent) => self.enqueue(&core, &stream, bytes, sent, sent > 0, total),
        }
    }

    /// As [`write`](Self::write), for bytes that lie in several places: they go to the kernel in one system call, in order,
    /// and what it does not take at once is copied and queued as one write (R110).
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use std::io::IoSlice;
    ///
    /// let parts = [IoSlice::new(b"header: "), IoSlice::new(b"body")];
    /// assert_eq!(stream.write_vectored(&parts).await?, 12);
    /// stream.shutdown().await?;
    /// assert_eq!(peer.read_to_end(100).await?, b"header: body");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn write_vectored(&self, parts: &[IoSlice<'_>]) -> Write {
        let (core, stream) = self.resolve();
        let total = parts.iter().map(|part| part.len()).sum();
        let send = |sent| core.send_vectored(stream.fd, Batch::of(rest_of(parts, sent)).as_slice());
        match stream.send_now(&core, total, send) {
            Err(error) => self.over(Err(error)),
            Ok(sent) if sent == total => self.over(Ok(sent)),
            Ok(sent) => {
                let bytes: Vec<u8> = rest_of(parts, sent).flatten().copied().collect();
                self.enqueue(&core, &stream, bytes, 0, sent > 0, total)
            }
        }
    }

    fn over(&self, result: Result<usize, TransportError>) -> Write {
        Write { handle: self.handle(), stream: self.key(), state: State::Over(result) }
    }

    /// Queues what is left of a write of `total` bytes: those of `bytes` behind `sent`.
    #[track_caller]
    fn enqueue(
        &self,
        core: &Core,
        stream: &Stream,
        bytes: Vec<u8>,
        sent: usize,
        begun: bool,
        total: usize,
    ) -> Write {
        assert!(sent < bytes.len(), "a write that is done is not queued");
        let ticket = stream.enqueue(core, self.key(), Content::Bytes { bytes, sent }, begun);
        stream.hold();
        let state = State::Queued { ticket, total };
        Write { handle: self.handle(), stream: self.key(), state }
    }
}

/// What stands behind the first `sent` bytes of `parts`.
fn rest_of<'a>(parts: &'a [IoSlice<'_>], mut sent: usize) -> impl Iterator<Item = &'a [u8]> {
    parts.iter().map(move |part| {
        let skipped = sent.min(part.len());
        sent -= skipped;
        &part[skipped..]
    })
}

impl Stream {
    /// Has `send` hand over what the kernel takes now of `total` bytes, if no earlier write waits and the budget
    /// allows. It is told how many of them the kernel has.
    fn send_now(
        &self,
        core: &Core,
        total: usize,
        send: impl Fn(usize) -> Result<usize, OsError>,
    ) -> Result<usize, TransportError> {
        let mut side = self.write.borrow_mut();
        side.refusal(self, Operation::Write)?;
        let mut sent = 0;
        while sent < total && side.is_empty() && side.budget.allows(core, BYTES_A_TURN) {
            match send(sent) {
                Ok(count) => {
                    sent += count;
                    side.budget.spend_bytes(count);
                }
                Err(error) if error.is_would_block() => break,
                Err(error) => {
                    side.end = End::Failed(error);
                    return Err(self.os_error(Operation::Write, error));
                }
            }
        }
        Ok(sent)
    }

    /// As [`Stream::send_now`], for bytes in one place.
    fn send_slice_now(&self, core: &Core, bytes: &[u8]) -> Result<usize, TransportError> {
        self.send_now(core, bytes.len(), |sent| {
            let rest = &bytes[sent..];
            core.send(self.fd, &rest[..rest.len().min(BYTES_A_TURN)])
        })
    }

    fn poll_ticket(
        &self,
        core: &Core,
        ticket: u64,
        context: &Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        if self.note_waiter(core, ticket, context) {
            return Poll::Pending;
        }
        let side = self.write.borrow();
        if side.is_done(ticket) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(side.refusal(self, Operation::Write))
    }
}

/// The future of [`StreamTransport::write`].
#[derive(Debug)]
#[must_use = "dropping a Write withdraws it if none of its bytes has left; await it, or detach() it"]
pub struct Write {
    handle: Handle,
    stream: Key,
    state: State,
}

#[derive(Debug)]
enum State {
    Queued { ticket: u64, total: usize },
    Over(Result<usize, TransportError>),
}

impl Write {
    /// Leaves the write queued, with nobody to be told of its end. A failure shows at the next write.
    pub fn detach(mut self) {
        self.settle(Ok(0));
    }

    /// The outcome is known: the stream's state is needed no more.
    fn settle(&mut self, result: Result<usize, TransportError>) {
        let before = std::mem::replace(&mut self.state, State::Over(result));
        if let (State::Queued { .. }, Some(core)) = (before, self.handle.try_core()) {
            Stream::release(&core, self.stream);
        }
    }
}

impl Future for Write {
    type Output = Result<usize, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (ticket, total) = match &self.state {
            State::Over(result) => return Poll::Ready(result.clone()),
            State::Queued { ticket, total } => (*ticket, *total),
        };
        let core = self.handle.core();
        let closed = || TransportError::new(Operation::Write, None, ErrorKind::Closed);
        let result = match core.object::<Stream>(self.stream) {
            None => Err(closed()),
            Some(stream) => match stream.poll_ticket(&core, ticket, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => result.map(|()| total),
            },
        };
        self.settle(result.clone());
        Poll::Ready(result)
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        let State::Queued { ticket, .. } = self.state else { return };
        let Some(core) = self.handle.try_core() else { return };
        if let Some(stream) = core.object::<Stream>(self.stream) {
            stream.withdraw(&core, self.stream, ticket);
        }
        Stream::release(&core, self.stream);
    }
}
