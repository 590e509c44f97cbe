//! Writing by polling, for who writes futures by hand, and for the traits of other libraries.

use std::io::IoSlice;
use std::panic::Location;
use std::task::{Context, Poll};

use super::queue::{Batch, End};
use crate::dispatcher::Core;
use crate::driver::OsError;
use crate::transport::budget::BYTES_A_TURN;
use crate::transport::stream::{Stream, StreamTransport};
use crate::{Operation, TransportError};

/// # Writing by polling
///
/// These answer at once, or note the context's waker and have it woken when asking again is worth it. One waker is kept,
/// the last: they are for one task at a time. Other tasks send by [`write`](Self::write), and these wait for its queue.
impl StreamTransport {
    /// Hands some of `bytes` to the kernel and says how many it took. While writes of other tasks are queued it waits until
    /// they have left.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use std::future::poll_fn;
    ///
    /// assert_eq!(poll_fn(|context| stream.poll_write(context, b"hello")).await?, 5);
    /// stream.shutdown().await?;
    /// assert_eq!(peer.read_to_end(100).await?, b"hello");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn poll_write(&self, context: &Context<'_>, bytes: &[u8]) -> Poll<Result<usize, TransportError>> {
        let part = &bytes[..bytes.len().min(BYTES_A_TURN)];
        self.poll_send(context, part.len(), |core, stream| core.send(stream.fd, part))
    }

    /// As [`poll_write`](Self::poll_write), for several buffers in their order.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use std::future::poll_fn;
    /// use std::io::IoSlice;
    ///
    /// let parts = [IoSlice::new(b"one "), IoSlice::new(b"two")];
    /// assert_eq!(poll_fn(|context| stream.poll_write_vectored(context, &parts)).await?, 7);
    /// # drop(peer); Ok(()) });
    /// ```
    #[track_caller]
    pub fn poll_write_vectored(
        &self,
        context: &Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize, TransportError>> {
        let batch = Batch::of(buffers.iter().map(|buffer| &**buffer));
        let length = batch.as_slice().iter().map(|buffer| buffer.len()).sum();
        self.poll_send(context, length, |core, stream| core.send_vectored(stream.fd, batch.as_slice()))
    }

    /// Waits until no write is queued: the kernel has everything.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); a stream that was shut down is flushed.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use std::future::poll_fn;
    ///
    /// stream.write(b"queued or not").detach();
    /// poll_fn(|context| stream.poll_flush(context)).await?;
    /// assert_eq!(stream.queued_bytes(), 0);
    /// # drop(peer); Ok(()) });
    /// ```
    #[track_caller]
    pub fn poll_flush(&self, context: &Context<'_>) -> Poll<Result<(), TransportError>> {
        let (core, stream) = self.resolve();
        stream.refuse_closed(Operation::Write)?;
        let side = stream.write.borrow();
        if let End::Failed(error) = side.end {
            return Poll::Ready(Err(stream.os_error(Operation::Write, error)));
        }
        if side.is_empty() {
            return Poll::Ready(Ok(()));
        }
        drop(side);
        self.wait_writable(&core, &stream, context, Operation::Write)
    }

    /// As [`shutdown`](Self::shutdown): sends what is queued, then ends the direction of writing. Asked again after that, it
    /// says the same.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use std::future::poll_fn;
    ///
    /// poll_fn(|context| stream.poll_shutdown(context)).await?;
    /// assert_eq!(peer.read_to_end(100).await?, b"");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn poll_shutdown(&self, context: &Context<'_>) -> Poll<Result<(), TransportError>> {
        // The future holds nothing before its first poll: the call is what begins the shutdown.
        drop(self.shutdown());
        let (core, stream) = self.resolve();
        let end = stream.write.borrow().end;
        match end {
            End::ShutDown => Poll::Ready(Ok(())),
            End::Failed(error) => Poll::Ready(Err(stream.os_error(Operation::Shutdown, error))),
            End::Open | End::Ending => {
                stream.refuse_closed(Operation::Shutdown)?;
                self.wait_writable(&core, &stream, context, Operation::Shutdown)
            }
        }
    }

    /// One `send` of `length` bytes, unless writes are queued or the budget is spent.
    #[track_caller]
    fn poll_send(
        &self,
        context: &Context<'_>,
        length: usize,
        send: impl FnOnce(&Core, &Stream) -> Result<usize, OsError>,
    ) -> Poll<Result<usize, TransportError>> {
        let (core, stream) = self.resolve();
        stream.refuse_closed(Operation::Write)?;
        let mut side = stream.write.borrow_mut();
        side.refusal(&stream, Operation::Write)?;
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        if side.is_empty() && side.budget.allows(&core, BYTES_A_TURN) {
            match send(&core, &stream) {
                Ok(count) => {
                    side.budget.spend_bytes(count);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.is_would_block() => {}
                Err(error) => {
                    side.end = End::Failed(error);
                    return Poll::Ready(Err(stream.os_error(Operation::Write, error)));
                }
            }
        }
        drop(side);
        self.wait_writable(&core, &stream, context, Operation::Write)
    }

    /// Notes who polls, and has the writer callback tell it.
    ///
    /// The waker that is cloned is anyone's code: it may have closed the stream or polled it by then. If it has shut it down,
    /// the writer callback has whoever polls ask again.
    #[track_caller]
    fn wait_writable<T>(
        &self,
        core: &Core,
        stream: &Stream,
        context: &Context<'_>,
        operation: Operation,
    ) -> Poll<Result<T, TransportError>> {
        let mut poller = std::mem::take(&mut stream.write.borrow_mut().backlog().poller);
        poller.note(core, context);
        stream.refuse_closed(operation)?;
        let mut side = stream.write.borrow_mut();
        let other = std::mem::replace(&mut side.backlog().poller, poller);
        side.backlog().poller_place = Some(Location::caller());
        stream.arm(core, self.key(), &mut side);
        drop(side);
        // A waker's destructor is anyone's code too.
        drop(other);
        Poll::Pending
    }
}
