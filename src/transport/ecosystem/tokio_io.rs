//! The traits of `tokio::io`: reading, writing and buffered reading. They need nothing of tokio's runtime.

use std::borrow::Borrow;
use std::io::{Error, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::Buffered;
use crate::{StreamTransport, TransportError};

/// With the feature `tokio-io`.
impl AsyncRead for &StreamTransport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        fill(target, |buffer| StreamTransport::poll_read(&self, context, buffer))
    }
}

/// With the feature `tokio-io`.
impl AsyncRead for StreamTransport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        fill(target, |buffer| StreamTransport::poll_read(&self, context, buffer))
    }
}

/// With the feature `tokio-io`. From the unread bytes first.
impl<S: Borrow<StreamTransport> + Unpin> AsyncRead for Buffered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        fill(target, |buffer| Buffered::poll_read(self.get_mut(), context, buffer))
    }
}

/// With the feature `tokio-io`.
impl<S: Borrow<StreamTransport> + Unpin> AsyncBufRead for Buffered<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        Buffered::poll_fill(self.get_mut(), context).map_err(Error::from)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        Buffered::consume(self.get_mut(), count);
    }
}

/// With the feature `tokio-io`.
impl AsyncWrite for &StreamTransport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        StreamTransport::poll_write(&self, context, bytes).map_err(Error::from)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        StreamTransport::poll_write_vectored(&self, context, buffers).map_err(Error::from)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        StreamTransport::poll_flush(&self, context).map_err(Error::from)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        StreamTransport::poll_shutdown(&self, context).map_err(Error::from)
    }
}

/// With the feature `tokio-io`. As for a reference.
impl AsyncWrite for StreamTransport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        AsyncWrite::poll_write(Pin::new(&mut &*self), context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        AsyncWrite::poll_write_vectored(Pin::new(&mut &*self), context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        AsyncWrite::poll_flush(Pin::new(&mut &*self), context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut &*self), context)
    }
}

/// With the feature `tokio-io`. Past the unread bytes, which are received ones.
impl<S: Borrow<StreamTransport> + Unpin> AsyncWrite for Buffered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        AsyncWrite::poll_write(Pin::new(&mut self.stream()), context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        AsyncWrite::poll_write_vectored(Pin::new(&mut self.stream()), context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.stream()), context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.stream()), context)
    }
}

/// Reads behind what `target` has.
fn fill(
    target: &mut ReadBuf<'_>,
    read: impl FnOnce(&mut [u8]) -> Poll<Result<usize, TransportError>>,
) -> Poll<Result<(), Error>> {
    let count = ready!(read(target.initialize_unfilled()))?;
    target.advance(count);
    Poll::Ready(Ok(()))
}
