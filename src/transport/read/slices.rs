//! Reading into the caller's slice: some bytes, or exactly as many as it holds.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::claim::Claim;
use crate::dispatcher::Core;
use crate::transport::budget::BYTES_A_TURN;
use crate::transport::buffer::Buffer;
use crate::transport::stream::Stream;
use crate::{ErrorKind, Operation, TransportError};

/// The future of [`StreamTransport::read`](crate::StreamTransport::read).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) buffer: &'a mut [u8],
}

impl Future for Read<'_> {
    type Output = Result<usize, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = this.attempt(context);
        this.claim.settle(outcome)
    }
}

impl Read<'_> {
    fn attempt(&mut self, context: &Context<'_>) -> Poll<Result<usize, TransportError>> {
        let (core, stream) = self.claim.take()?;
        let taken = stream.read.borrow_mut().buffer.move_into(self.buffer);
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        let target = within_a_turn(self.buffer);
        let receive = |core: &Core, stream: &Stream, _: &mut Buffer| core.recv(stream.fd, target);
        self.claim.poll_recv(&core, &stream, context, receive)?.map(Ok)
    }
}

/// The future of [`StreamTransport::read_exactly`](crate::StreamTransport::read_exactly).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadExactly<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) buffer: &'a mut [u8],
    pub(super) filled: usize,
}

impl Future for ReadExactly<'_> {
    type Output = Result<(), TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = this.attempt(context);
        match outcome {
            // What the caller has is not put back; what is not enough is.
            Poll::Ready(Ok(())) => this.filled = 0,
            Poll::Ready(Err(_)) => this.put_back(),
            Poll::Pending => {}
        }
        this.claim.settle(outcome)
    }
}

impl ReadExactly<'_> {
    fn attempt(&mut self, context: &Context<'_>) -> Poll<Result<(), TransportError>> {
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let (core, stream) = self.claim.take()?;
        self.filled += stream.read.borrow_mut().buffer.move_into(&mut self.buffer[self.filled..]);
        while self.filled < self.buffer.len() {
            let rest = within_a_turn(&mut self.buffer[self.filled..]);
            let receive = |core: &Core, stream: &Stream, _: &mut Buffer| core.recv(stream.fd, rest);
            match self.claim.poll_recv(&core, &stream, context, receive)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) => {
                    return Poll::Ready(Err(stream.error(Operation::Read, ErrorKind::Incomplete)));
                }
                Poll::Ready(count) => self.filled += count,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn put_back(&mut self) {
        let filled = std::mem::take(&mut self.filled);
        if filled > 0 && self.claim.transport.handle().is_here() {
            let (_, stream) = self.claim.transport.resolve();
            stream.read.borrow_mut().buffer.unread_again(&self.buffer[..filled]);
        }
    }
}

/// What a cancelled or incomplete read has taken goes back to where the next read finds it.
impl Drop for ReadExactly<'_> {
    fn drop(&mut self) {
        self.put_back();
    }
}

/// As much of `buffer` as one receive may fill.
pub(super) fn within_a_turn(buffer: &mut [u8]) -> &mut [u8] {
    let length = buffer.len().min(BYTES_A_TURN);
    &mut buffer[..length]
}
