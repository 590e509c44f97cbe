//! A stream whose unread bytes are at hand as a slice. Nothing of a stream can be lent out of the dispatcher, so they are
//! taken out of it, without a copy, and given back in the end.

use std::borrow::Borrow;
use std::fmt;
use std::task::{Context, Poll, ready};

use super::claim::{Claim, receive_into_buffer};
use crate::dispatcher::Core;
use crate::transport::buffer::Buffer;
use crate::transport::stream::{Stream, StreamTransport};
use crate::{Handle, TransportError};

/// A stream, or a reference to one, together with the bytes that were received and not consumed.
///
/// It is what reads by slices of the stream's own buffer: `AsyncBufRead` of other libraries, where their features are
/// on. While it lives, reads past it find none of its bytes. They stand in the stream again once it is
/// [taken apart](Self::into_inner) or dropped.
///
/// Without unread bytes it holds no memory.
pub struct Buffered<S: Borrow<StreamTransport>> {
    /// Empty only while it is taken apart.
    stream: Option<S>,
    unread: Buffer,
}

impl StreamTransport {
    /// The stream with its unread bytes as a slice, for as long as it is borrowed. [`Buffered::new`] makes one that owns its
    /// stream, or shares it by an [`Rc`](std::rc::Rc).
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use std::future::poll_fn;
    ///
    /// peer.write(b"hello").await?;
    /// let mut buffered = stream.buffered();
    /// assert_eq!(poll_fn(|context| buffered.poll_fill(context).map_ok(<[u8]>::to_vec)).await?, b"hello");
    /// buffered.consume(4);
    /// drop(buffered);
    /// assert_eq!(stream.peek(<[u8]>::to_vec), b"o");
    /// # Ok(()) });
    /// ```
    pub fn buffered(&self) -> Buffered<&StreamTransport> {
        Buffered::new(self)
    }
}

impl<S: Borrow<StreamTransport>> Buffered<S> {
    /// Takes the unread bytes out of `stream`.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use std::future::poll_fn;
    /// use twinloop::transport::Buffered;
    ///
    /// peer.write(b"hello world").await?;
    /// let mut buffered = Buffered::new(stream);
    /// poll_fn(|context| buffered.poll_fill(context).map_ok(<[u8]>::len)).await?;
    /// buffered.consume(6);
    /// assert_eq!(buffered.unread(), b"world");
    /// let stream = buffered.into_inner();
    /// stream.read_exactly(&mut [0; 5]).await?;
    /// # Ok(()) });
    /// ```
    pub fn new(stream: S) -> Buffered<S> {
        let (_, state) = stream.borrow().resolve();
        let unread = std::mem::take(&mut state.read.borrow_mut().buffer);
        Buffered { stream: Some(stream), unread }
    }

    /// The stream. Reading from it passes the unread bytes over.
    pub fn get_ref(&self) -> &S {
        self.stream.as_ref().expect("it is not being taken apart")
    }

    /// The bytes that were received and not consumed.
    pub fn unread(&self) -> &[u8] {
        self.unread.unread()
    }

    /// The unread bytes, once there is at least one; none is the end of the stream. Errors and wakers are those of
    /// [`StreamTransport::poll_fill`].
    #[track_caller]
    pub fn poll_fill(&mut self, context: &Context<'_>) -> Poll<Result<&[u8], TransportError>> {
        if self.unread.is_empty() {
            let received = self.poll_receive(context);
            self.spare_storage();
            ready!(received)?;
        }
        Poll::Ready(Ok(self.unread.unread()))
    }

    /// As [`StreamTransport::poll_read`], from the unread bytes first.
    #[track_caller]
    pub fn poll_read(
        &mut self,
        context: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        match self.unread.move_into(buffer) {
            0 => self.stream().poll_read(context, buffer),
            taken => {
                self.spare_storage();
                Poll::Ready(Ok(taken))
            }
        }
    }

    /// Takes `count` bytes off the unread ones.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.unread.consume(count);
        self.spare_storage();
    }

    /// The stream, with the unread bytes back in it.
    pub fn into_inner(mut self) -> S {
        self.give_back();
        self.stream.take().expect("it is taken apart once")
    }

    pub(in crate::transport) fn stream(&self) -> &StreamTransport {
        self.get_ref().borrow()
    }

    #[track_caller]
    fn poll_receive(&mut self, context: &Context<'_>) -> Poll<Result<usize, TransportError>> {
        let stream = self.stream.as_ref().expect("it is not being taken apart").borrow();
        let claim = Claim::new(stream);
        let (core, state) = claim.look()?;
        let mut side = state.read.borrow_mut();
        if !side.buffer.is_empty() {
            // Someone has filled the stream's own meanwhile.
            std::mem::swap(&mut side.buffer, &mut self.unread);
            return Poll::Ready(Ok(self.unread.unread().len()));
        }
        drop(side);
        let unread = &mut self.unread;
        let receive = |core: &Core, state: &Stream, _: &mut Buffer| receive_into_buffer(core, state, unread);
        claim.poll_recv(&core, &state, context, receive)?.map(Ok)
    }

    /// With nothing unread, the storage is for the next stream that receives.
    fn spare_storage(&mut self) {
        if let (Some(storage), Some(core)) = (self.unread.take_storage(), self.stream().handle().try_core()) {
            core.keep_spare_buffer(storage);
        }
    }

    fn give_back(&mut self) {
        let Some(stream) = &self.stream else { return };
        let (handle, key): (Handle, _) = (stream.borrow().handle(), stream.borrow().key());
        // A closing dispatcher has dropped its objects.
        let Some(core) = handle.try_core() else { return };
        let state = core.object::<Stream>(key);
        if let Some(state) = state.filter(|_| !self.unread.is_empty()) {
            state.put_in_front(&mut self.unread);
            state.tell_of_unread(&core);
        }
    }
}

impl<S: Borrow<StreamTransport>> Drop for Buffered<S> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl<S: Borrow<StreamTransport>> fmt::Debug for Buffered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unread = self.unread().len();
        f.debug_struct("Buffered").field("stream", self.stream()).field("unread", &unread).finish()
    }
}
