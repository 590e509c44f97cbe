//! Reading in place: a protocol looks at the bytes where they were received, and takes off what it has understood.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::claim::{Claim, receive_into_buffer};
use crate::dispatcher::Core;
use crate::transport::buffer::Buffer;
use crate::transport::stream::{Stream, StreamTransport};
use crate::{ErrorKind, Operation, TransportError};

/// # Reading in place
///
/// A message that one function can tell is read by [`read_with`](Self::read_with). Who wants more freedom asks for bytes
/// by [`fill`](Self::fill), looks at them by [`peek`](Self::peek) and takes off what is understood by
/// [`consume`](Self::consume), in a loop:
///
/// ```
/// # twinloop_sim::run_pair(|stream, peer| async move {
/// peer.write(b"3:abc5:hello").await?;
/// peer.shutdown().await?;
/// let mut words = Vec::new();
/// loop {
///     // A word in place, and how many bytes it takes, or that more has to come.
///     let taken = stream.peek(|bytes| {
///         let length = usize::from(*bytes.first()? - b'0');
///         words.push(String::from_utf8_lossy(bytes.get(2..2 + length)?).into_owned());
///         Some(2 + length)
///     });
///     match taken {
///         Some(count) => stream.consume(count),
///         None if stream.fill().await? == 0 => break,
///         None => {}
///     }
/// }
/// assert_eq!(words, ["abc", "hello"]);
/// # Ok(()) });
/// ```
impl StreamTransport {
    /// Reads what `parse` finds (R100). It is shown the bytes that have come, at most `limit` of them, and whether the stream
    /// has ended behind them. It answers `Some` with how many of them its value takes, or `None` if more has to come: then
    /// it is called again when more has come, or when the stream has ended, and not before.
    ///
    /// Behind the last byte that `limit` allows no end is looked for: what only the end completes has to be shorter than
    /// `limit`, as with [`read_line`](Self::read_line).
    ///
    /// What it does not take stays for the next read. A message that is wrong is a value too: make it a `Result`.
    ///
    /// Dropping the future loses no byte, since `parse` takes none before it is done. While it runs, no other read of this
    /// stream can begin.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Limit`] if `limit` bytes were not enough for it, [`ErrorKind::Incomplete`] if the end of the stream is
    /// not; what came stays readable in both cases.
    ///
    /// # Panics
    ///
    /// If `parse` takes more bytes than it was shown.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// /// A length of two bytes, then as many bytes as it says.
    /// fn message(bytes: &[u8], _ended: bool) -> Option<(usize, Vec<u8>)> {
    ///     let (length, rest) = bytes.split_first_chunk()?;
    ///     let length = usize::from(u16::from_be_bytes(*length));
    ///     Some((2 + length, rest.get(..length)?.to_vec()))
    /// }
    /// peer.write(b"\0\x05hello\0\x05world").await?;
    /// assert_eq!(stream.read_with(1024, message).await?, b"hello");
    /// assert_eq!(stream.read_with(1024, message).await?, b"world");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn read_with<T, P>(&self, limit: usize, parse: P) -> ReadWith<'_, P>
    where
        P: FnMut(&[u8], bool) -> Option<(usize, T)>,
    {
        ReadWith { claim: Claim::new(self), limit, parse, shown: 0 }
    }

    /// Waits until more bytes are in the buffer than now, and says how many came; 0 is the end of the stream.
    ///
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

    /// Shows the bytes that have been received and not consumed. It receives none itself.
    ///
    /// A read of this stream from inside `look` finds none of them.
    pub fn peek<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        let (core, stream) = self.resolve();
        let lent = Lent::from(&core, &stream);
        look(lent.buffer.unread())
    }

    /// Takes `count` received bytes off the buffer.
    ///
    /// # Panics
    ///
    /// If fewer than `count` bytes are there, as [`peek`](Self::peek) shows, or if a read is pending.
    pub fn consume(&self, count: usize) {
        let (core, stream) = self.resolve();
        let mut side = stream.read.borrow_mut();
        assert!(!side.busy, "consume() would take bytes from under a read that is pending");
        side.buffer.consume(count);
        side.spare_storage(&core);
    }
}

/// The future of [`StreamTransport::read_with`].
#[must_use = "futures do nothing unless awaited"]
pub struct ReadWith<'a, P> {
    claim: Claim<'a>,
    limit: usize,
    parse: P,
    /// How many bytes the parser has seen and found too few.
    shown: usize,
}

/// The parser is called where it stands and never pinned.
impl<P> Unpin for ReadWith<'_, P> {}

impl<T, P> Future for ReadWith<'_, P>
where
    P: FnMut(&[u8], bool) -> Option<(usize, T)>,
{
    type Output = Result<T, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = this.attempt(context);
        this.claim.settle(outcome)
    }
}

impl<T, P> ReadWith<'_, P>
where
    P: FnMut(&[u8], bool) -> Option<(usize, T)>,
{
    fn attempt(&mut self, context: &Context<'_>) -> Poll<Result<T, TransportError>> {
        let (core, stream) = self.claim.take()?;
        loop {
            if let Some(outcome) = self.parse_received(&core, &stream) {
                return Poll::Ready(outcome.map_err(|kind| stream.error(Operation::Read, kind)));
            }
            if self.claim.poll_recv(&core, &stream, context, receive_into_buffer)?.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Shows the parser what has come, unless it has seen that before. `None`: more has to come.
    fn parse_received(&mut self, core: &Core, stream: &Stream) -> Option<Result<T, ErrorKind>> {
        let finished = stream.read.borrow().is_finished();
        let mut lent = Lent::from(core, stream);
        let unread = lent.buffer.unread();
        let within = &unread[..unread.len().min(self.limit)];
        // Whether the end has been seen yet is no matter of the stream's content: at the limit it must decide nothing.
        let ended = finished && unread.len() < self.limit;
        if within.len() > self.shown || ended {
            self.shown = within.len();
            if let Some((count, value)) = (self.parse)(within, ended) {
                let shown = self.shown;
                assert!(count <= shown, "a parser took {count} bytes of the {shown} that it was shown");
                lent.buffer.consume(count);
                return Some(Ok(value));
            }
        }
        match () {
            () if unread.len() >= self.limit => Some(Err(ErrorKind::Limit)),
            () if finished => Some(Err(ErrorKind::Incomplete)),
            () => None,
        }
    }
}

impl<P> fmt::Debug for ReadWith<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadWith").field("claim", &self.claim).finish_non_exhaustive()
    }
}

/// The future of [`StreamTransport::fill`].
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

/// A buffer out of its cell, for the program's code to look at: no borrow may be alive in that. It goes back also when that
/// code panics.
struct Lent<'a> {
    core: &'a Core,
    stream: &'a Stream,
    buffer: Buffer,
    /// A read waited for more before.
    was_waiting: bool,
}

impl<'a> Lent<'a> {
    fn from(core: &'a Core, stream: &'a Stream) -> Lent<'a> {
        let mut side = stream.read.borrow_mut();
        let buffer = std::mem::take(&mut side.buffer);
        Lent { core, stream, buffer, was_waiting: side.watching }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.stream.put_in_front(&mut self.buffer);
        if !self.was_waiting {
            self.stream.tell_of_unread(self.core);
        }
    }
}

impl Stream {
    /// Puts a buffer that was taken out back, in front of what was received meanwhile.
    pub(super) fn put_in_front(&self, taken: &mut Buffer) {
        if self.closed.get() {
            return;
        }
        let mut side = self.read.borrow_mut();
        let received_meanwhile = std::mem::replace(&mut side.buffer, std::mem::take(taken));
        side.buffer.append(received_meanwhile.unread());
    }

    /// Bytes were put back. A read that found none of them, and waits, is to look again.
    pub(super) fn tell_of_unread(&self, core: &Core) {
        let mut side = self.read.borrow_mut();
        if side.watching && !side.buffer.is_empty() {
            let mut waiter = side.leave(core, self.fd);
            drop(side);
            waiter.wake(core);
        }
    }
}
