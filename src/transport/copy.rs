//! Carrying bytes from one stream to another. It uses what every program can use, and knows nothing of descriptors.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::stream::StreamTransport;
use super::write::Write;
use crate::TransportError;

/// Carries bytes until the end of `from`, and the end too, and says how many there were. What was received is handed over
/// before more is received, so that a receiver that does not read stops the sender.
///
/// Dropping the future ends it between two parts, and loses no byte: what was taken off `from` is written in the background,
/// while `to` lives.
///
/// # Errors
///
/// The first that either stream tells. Neither is closed by that.
///
/// ```
/// # twinloop_sim::run_pair(|stream, peer| async move {
/// use twinloop::StreamTransport;
/// use twinloop::transport::copy;
///
/// let (near, far) = StreamTransport::pair()?;
/// peer.write(b"hello").await?;
/// peer.shutdown().await?;
/// assert_eq!(copy(&stream, &near).await?, 5);
/// assert_eq!(far.read_to_end(100).await?, b"hello");
/// # Ok(()) });
/// ```
pub async fn copy(from: &StreamTransport, to: &StreamTransport) -> Result<u64, TransportError> {
    let mut copied = 0;
    loop {
        let unread = from.peek(<[u8]>::len);
        if unread > 0 {
            let write = Kept(Some(from.peek(|bytes| to.write(bytes))));
            // They are the write's from now on.
            from.consume(unread);
            copied += write.await? as u64;
        } else if from.fill().await? == 0 {
            to.shutdown().await?;
            return Ok(copied);
        }
    }
}

/// [Carries](copy) bytes between two streams, both ways at a time, until both have ended. Says how many went from `first` to
/// `second`, and how many back. The end of one direction is passed on, and the other one goes on.
///
/// # Errors
///
/// The first that either stream tells, at once, whatever the other direction does. Neither stream is closed by that.
///
/// ```
/// # twinloop_sim::run_pair(|stream, peer| async move {
/// use twinloop::transport::copy_bidirectional;
/// use twinloop::{StreamTransport, join};
///
/// let (near, far) = StreamTransport::pair()?;
/// let client = async {
///     peer.write(b"ping").await?;
///     peer.shutdown().await?;
///     peer.read_to_end(100).await
/// };
/// let server = async {
///     far.write(b"welcome").await?;
///     far.shutdown().await?;
///     far.read_to_end(100).await
/// };
/// let (copied, (heard, asked)) = join(copy_bidirectional(&stream, &near), join(client, server)).await;
/// assert_eq!((copied?, heard?, asked?), ((4, 7), b"welcome".to_vec(), b"ping".to_vec()));
/// # Ok(()) });
/// ```
pub async fn copy_bidirectional(
    first: &StreamTransport,
    second: &StreamTransport,
) -> Result<(u64, u64), TransportError> {
    let (mut there, mut back) = (pin!(copy(first, second)), pin!(copy(second, first)));
    let mut ends = (None, None);
    poll_fn(|context| {
        advance(there.as_mut(), &mut ends.0, context)?;
        advance(back.as_mut(), &mut ends.1, context)?;
        match ends {
            (Some(there), Some(back)) => Poll::Ready(Ok((there, back))),
            _ => Poll::Pending,
        }
    })
    .await
}

/// Polls a direction that has not ended, and notes its end.
fn advance(
    direction: Pin<&mut impl Future<Output = Result<u64, TransportError>>>,
    end: &mut Option<u64>,
    context: &mut Context<'_>,
) -> Result<(), TransportError> {
    if end.is_none() {
        if let Poll::Ready(copied) = direction.poll(context) {
            *end = Some(copied?);
        }
    }
    Ok(())
}

/// A write that goes on in the background when nobody awaits it any more.
struct Kept(Option<Write>);

impl Future for Kept {
    type Output = Result<usize, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let write = self.0.as_mut().expect("it is there until it is dropped");
        Pin::new(write).poll(context)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(write) = self.0.take() {
            write.detach();
        }
    }
}
