//! Reading to the end of the stream, and past what nobody wants.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::claim::{Claim, receive_into_buffer};
use crate::{ErrorKind, TransportError};

/// The future of [`StreamTransport::read_to_end`](crate::StreamTransport::read_to_end).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadToEnd<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) limit: usize,
}

impl Future for ReadToEnd<'_> {
    type Output = Result<Vec<u8>, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let limit = this.limit;
        this.claim.poll_buffered(context, |buffer, finished| {
            let length = buffer.unread().len();
            match () {
                () if length > limit => Some(Err(ErrorKind::Limit)),
                () if finished => Some(Ok(buffer.take(length))),
                () => None,
            }
        })
    }
}

/// The future of [`StreamTransport::skip`](crate::StreamTransport::skip).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Skip<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) count: u64,
    pub(super) skipped: u64,
}

impl Skip<'_> {
    /// How many bytes it has discarded so far.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use std::time::Duration;
    ///
    /// peer.write(b"only these").await?;
    /// let mut skip = stream.skip(100);
    /// twinloop::timeout(Duration::from_secs(1), &mut skip).await.expect_err("no more bytes come");
    /// assert_eq!(skip.skipped(), 10);
    /// # Ok(()) });
    /// ```
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn attempt(&mut self, context: &Context<'_>) -> Poll<Result<u64, TransportError>> {
        let (core, stream) = self.claim.take()?;
        loop {
            self.skipped += stream.read.borrow_mut().buffer.discard(self.count - self.skipped);
            if self.skipped == self.count {
                return Poll::Ready(Ok(self.skipped));
            }
            match self.claim.poll_recv(&core, &stream, context, receive_into_buffer)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) => return Poll::Ready(Ok(self.skipped)),
                Poll::Ready(_) => {}
            }
        }
    }
}

impl Future for Skip<'_> {
    type Output = Result<u64, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = this.attempt(context);
        this.claim.settle(outcome)
    }
}
