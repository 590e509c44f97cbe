//! Reading to the end of the stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::claim::Claim;
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
