//! The traits of `futures-io`: reading, writing and buffered reading.

use std::borrow::Borrow;
use std::io::{Error, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use crate::StreamTransport;
use crate::transport::Buffered;

/// With the feature `futures-io`.
impl AsyncRead for &StreamTransport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        StreamTransport::poll_read(&self, context, buffer).map_err(Error::from)
    }
}

/// With the feature `futures-io`.
impl AsyncRead for StreamTransport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        StreamTransport::poll_read(&self, context, buffer).map_err(Error::from)
    }
}

/// With the feature `futures-io`. From the unread bytes first.
impl<S: Borrow<StreamTransport> + Unpin> AsyncRead for Buffered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        Buffered::poll_read(self.get_mut(), context, buffer).map_err(Error::from)
    }
}

/// With the feature `futures-io`.
impl<S: Borrow<StreamTransport> + Unpin> AsyncBufRead for Buffered<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        Buffered::poll_fill(self.get_mut(), context).map_err(Error::from)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        Buffered::consume(self.get_mut(), count);
    }
}

/// With the feature `futures-io`. Closing is [`shutdown`](StreamTransport::shutdown): reading goes on until the stream is
/// dropped.
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

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        StreamTransport::poll_flush(&self, context).map_err(Error::from)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_shutdown(context).map_err(Error::from)
    }
}

/// With the feature `futures-io`. As for a reference.
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

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        AsyncWrite::poll_flush(Pin::new(&mut &*self), context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        AsyncWrite::poll_close(Pin::new(&mut &*self), context)
    }
}

/// With the feature `futures-io`. Past the unread bytes, which are received ones.
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

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.stream()), context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        AsyncWrite::poll_close(Pin::new(&mut self.stream()), context)
    }
}
