//! Reading by polling, for who writes futures by hand, and for the traits of other libraries.

use std::task::{Context, Poll};

use super::claim::{Claim, receive_into_buffer};
use super::slices::within_a_turn;
use crate::TransportError;
use crate::transport::stream::StreamTransport;

/// # Reading by polling
///
/// These answer at once, or note the context's waker and have it woken when asking again is worth it. They hold the right
/// to read for the call alone: one waker is kept, the last, so they are for one task at a time. While a read of the other
/// forms is pending they end with [`ErrorKind::Busy`](crate::ErrorKind), and one that begins has whoever polls told so.
///
/// All methods take `&self`, so a stream need not be split to be read by one task and written by another: share it by
/// reference or in an [`Rc`](std::rc::Rc).
impl StreamTransport {
    /// As [`read`](Self::read): some bytes as soon as there are any, 0 at the end of the stream, or if `buffer` is empty.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use std::future::poll_fn;
    ///
    /// peer.write(b"hello").await?;
    /// let mut buffer = [0; 16];
    /// assert_eq!(poll_fn(|context| stream.poll_read(context, &mut buffer)).await?, 5);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn poll_read(&self, context: &Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, TransportError>> {
        let claim = Claim::new(self);
        let (core, stream) = claim.look()?;
        let mut side = stream.read.borrow_mut();
        let taken = side.buffer.move_into(buffer);
        if taken > 0 || buffer.is_empty() {
            side.spare_storage(&core);
            return Poll::Ready(Ok(taken));
        }
        drop(side);
        let target = within_a_turn(buffer);
        claim.poll_recv(&core, &stream, context, |core, stream, _| core.recv(stream.fd, target))?.map(Ok)
    }

    /// As [`fill`](Self::fill): says how many more bytes are there to be looked at, 0 at the end of the stream.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use std::future::poll_fn;
    ///
    /// peer.write(b"hello").await?;
    /// poll_fn(|context| stream.poll_fill(context)).await?;
    /// assert_eq!(stream.peek(|bytes| bytes[0]), b'h');
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn poll_fill(&self, context: &Context<'_>) -> Poll<Result<usize, TransportError>> {
        let claim = Claim::new(self);
        let (core, stream) = claim.look()?;
        claim.poll_recv(&core, &stream, context, receive_into_buffer)?.map(Ok)
    }
}
