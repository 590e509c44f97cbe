//! Reading in place: a protocol looks at the bytes where they were received, and takes off what it has understood.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::claim::{Claim, receive_into_buffer};
use crate::TransportError;
use crate::transport::buffer::Buffer;
use crate::transport::stream::{Stream, StreamTransport};

/// # Reading in place
impl StreamTransport {
    /// Waits until more bytes are in the buffer than now, and says how many came; 0 is the end of the stream.
    ///
    /// With [`peek`](Self::peek) and [`consume`](Self::consume) this is how a protocol parses in place, without a copy.
    /// The buffer grows for as long as nothing is consumed: a parser must refuse what it does not want to hold.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// peer.write(b"PING").await?;
    /// stream.fill().await?;
    /// let word = stream.peek(|bytes| bytes[0]);
    /// stream.consume(1);
    /// assert_eq!((word, stream.peek(<[u8]>::len)), (b'P', 3));
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn fill(&self) -> Fill<'_> {
        Fill { claim: Claim::new(self) }
    }

    /// Shows the bytes that have been received and not consumed. A read of this stream from inside `look` finds none of
    /// them.
    pub fn peek<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        let (_, stream) = self.resolve();
        // The buffer comes out of its cell: `look` is the program's code, and no borrow may be alive in it.
        let buffer = std::mem::take(&mut stream.read.borrow_mut().buffer);
        let restore = Restore { stream: &stream, buffer };
        look(restore.buffer.unread())
    }

    /// Takes `count` received bytes off the buffer.
    ///
    /// # Panics
    ///
    /// If fewer than `count` bytes are there, as [`peek`](Self::peek) shows, or if a read is pending.
    pub fn consume(&self, count: usize) {
        let (_, stream) = self.resolve();
        let mut side = stream.read.borrow_mut();
        assert!(!side.busy, "consume() would take bytes from under a read that is pending");
        side.buffer.consume(count);
    }
}

/// The future of [`StreamTransport::fill`](crate::StreamTransport::fill).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Fill<'a> {
    claim: Claim<'a>,
}

impl Future for Fill<'_> {
    type Output = Result<usize, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = this.attempt(context);
        this.claim.settle(outcome)
    }
}

impl Fill<'_> {
    fn attempt(&mut self, context: &Context<'_>) -> Poll<Result<usize, TransportError>> {
        let (core, stream) = self.claim.take()?;
        self.claim.poll_recv(&core, &stream, context, receive_into_buffer)?.map(Ok)
    }
}

/// Puts a buffer back, also when the code that looked at it panics.
struct Restore<'a> {
    stream: &'a Stream,
    buffer: Buffer,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        if self.stream.closed.get() {
            return;
        }
        let mut side = self.stream.read.borrow_mut();
        let received_meanwhile = std::mem::replace(&mut side.buffer, std::mem::take(&mut self.buffer));
        side.buffer.append(received_meanwhile.unread());
    }
}
