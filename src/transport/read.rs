//! The reading side of a stream: one read at a time, from the buffer first, then straight from the kernel.
//!
//! The reader callback only wakes; the woken read itself receives, into the caller's slice where it can. So a byte that
//! is read as it comes is copied once, and what a read has taken it can put back when it is cancelled.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::budget::{BYTES_A_TURN, Budget};
use super::buffer::Buffer;
use super::stream::{Stream, StreamTransport};
use crate::dispatcher::{Core, Interest, Waiter};
use crate::driver::OsError;
use crate::table::Key;
use crate::task::yield_once;
use crate::{AsyncCallback, ErrorKind, Handle, Operation, TransportError};

#[derive(Default)]
pub(super) struct ReadSide {
    buffer: Buffer,
    /// A read is under way; a second one is refused before it changes anything (R91).
    busy: bool,
    waiter: Waiter,
    /// How the stream ended, told again to whoever asks again.
    end: Option<End>,
    budget: Budget,
}

#[derive(Clone, Copy)]
enum End {
    /// The peer has sent all it had.
    Finished,
    Failed(OsError),
}

impl ReadSide {
    /// The stream is closed: who waits is to be told.
    pub(super) fn abandon(&mut self) -> Waiter {
        self.buffer = Buffer::default();
        std::mem::take(&mut self.waiter)
    }
}

/// # Reading
///
/// All of these end with [`ErrorKind::Busy`] if another read is pending, with [`ErrorKind::Closed`] once the transport is
/// closed, and with the system's error once the stream has failed and all that came before is read. Dropping the future
/// loses no byte: the next read begins where this one began.
impl StreamTransport {
    /// Reads some bytes, at least one, as soon as there are any; 0 is the end of the stream, again and again (R93).
    ///
    /// # Panics
    ///
    /// If `buffer` is empty.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// peer.write(b"hello").await?;
    /// peer.close().await;
    /// let mut buffer = [0; 16];
    /// assert_eq!(stream.read(&mut buffer).await?, 5);
    /// assert_eq!(stream.read(&mut buffer).await?, 0);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn read<'a>(&'a self, buffer: &'a mut [u8]) -> Read<'a> {
        assert!(!buffer.is_empty(), "a read into an empty buffer could not tell the end of the stream");
        Read { claim: Claim::new(self), buffer }
    }

    /// Reads exactly as many bytes as `buffer` has; at once if it has none (R94).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`] if the stream ends first; what came stays readable.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// peer.write(b"hello world").await?;
    /// let mut buffer = [0; 5];
    /// stream.read_exactly(&mut buffer).await?;
    /// assert_eq!(&buffer, b"hello");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn read_exactly<'a>(&'a self, buffer: &'a mut [u8]) -> ReadExactly<'a> {
        ReadExactly { claim: Claim::new(self), buffer, filled: 0 }
    }

    /// Reads up to and with `separator`, which is part of the result (R95).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Limit`] if `limit` bytes came without it, [`ErrorKind::Incomplete`] if the stream ends first; what came
    /// stays readable in both cases.
    ///
    /// # Panics
    ///
    /// If `separator` is empty.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// peer.write(b"key: value\r\n\r\nbody").await?;
    /// assert_eq!(stream.read_until(b"\r\n\r\n", 8192).await?, b"key: value\r\n\r\n");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn read_until<'a>(&'a self, separator: &'a [u8], limit: usize) -> ReadUntil<'a> {
        assert!(!separator.is_empty(), "a separator has at least one byte");
        ReadUntil { claim: Claim::new(self), separator, limit, searched: 0 }
    }

    /// Reads a line that ends with CR LF or LF, without its ending. `None` is the end of the stream; a last line without
    /// an ending is a line (R97).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Limit`] if `limit` bytes, the ending included, came without an ending; they stay readable.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// peer.write(b"first\r\nsecond").await?;
    /// peer.close().await;
    /// assert_eq!(stream.read_line(80).await?, Some(b"first".to_vec()));
    /// assert_eq!(stream.read_line(80).await?, Some(b"second".to_vec()));
    /// assert_eq!(stream.read_line(80).await?, None);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn read_line(&self, limit: usize) -> ReadLine<'_> {
        ReadLine { claim: Claim::new(self), limit, searched: 0 }
    }

    /// Reads all there is until the end of the stream (R99).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Limit`] if more than `limit` bytes came; they stay readable.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// peer.write(b"all there is").await?;
    /// peer.close().await;
    /// assert_eq!(stream.read_to_end(1 << 20).await?, b"all there is");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn read_to_end(&self, limit: usize) -> ReadToEnd<'_> {
        ReadToEnd { claim: Claim::new(self), limit }
    }

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

    /// Whether the end of the stream was seen and every byte before it read (R101).
    pub fn at_eof(&self) -> bool {
        let (_, stream) = self.resolve();
        let side = stream.read.borrow();
        side.buffer.is_empty() && matches!(side.end, Some(End::Finished))
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

/// The right to read, taken at the first poll and given back with the future.
struct Claim<'a> {
    transport: &'a StreamTransport,
    held: bool,
    /// The call that reads, by which the reader callback is known.
    place: &'static Location<'static>,
}

impl<'a> Claim<'a> {
    #[track_caller]
    fn new(transport: &'a StreamTransport) -> Claim<'a> {
        Claim { transport, held: false, place: Location::caller() }
    }

    /// Runs `attempt` until it has an outcome, receiving more before each further one.
    ///
    /// `attempt` is given the bytes in the buffer and whether the stream has ended behind them; `None` means that it
    /// needs more, which it can not once the stream has ended.
    fn poll_buffered<T>(
        &mut self,
        context: &Context<'_>,
        attempt: impl FnMut(&mut Buffer, bool) -> Option<Result<T, ErrorKind>>,
    ) -> Poll<Result<T, TransportError>> {
        let outcome = self.poll_attempts(context, attempt);
        self.settle(outcome)
    }

    fn poll_attempts<T>(
        &mut self,
        context: &Context<'_>,
        mut attempt: impl FnMut(&mut Buffer, bool) -> Option<Result<T, ErrorKind>>,
    ) -> Poll<Result<T, TransportError>> {
        let (core, stream) = self.take()?;
        loop {
            let mut side = stream.read.borrow_mut();
            let finished = matches!(side.end, Some(End::Finished));
            if let Some(outcome) = attempt(&mut side.buffer, finished) {
                return Poll::Ready(outcome.map_err(|kind| stream.error(Operation::Read, kind)));
            }
            assert!(!finished, "a read at the end of the stream has an outcome");
            drop(side);
            if self.poll_recv(&core, &stream, context, receive_into_buffer)?.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// One receive by `receive`, as far as the budget goes. `Ok(0)`: the stream has ended.
    fn poll_recv(
        &self,
        core: &Core,
        stream: &Stream,
        context: &Context<'_>,
        receive: impl FnOnce(&Core, &Stream, &mut Buffer) -> Result<usize, OsError>,
    ) -> Result<Poll<usize>, TransportError> {
        let mut side = stream.read.borrow_mut();
        match side.end {
            Some(End::Finished) => return Ok(Poll::Ready(0)),
            Some(End::Failed(error)) => return Err(stream.os_error(Operation::Read, error)),
            None => {}
        }
        if !side.budget.allows(core, BYTES_A_TURN) {
            drop(side);
            yield_once(core, context);
            return Ok(Poll::Pending);
        }
        match receive(core, stream, &mut side.buffer) {
            Ok(0) => {
                side.end = Some(End::Finished);
                Ok(Poll::Ready(0))
            }
            Ok(count) => {
                side.budget.spend_bytes(count);
                Ok(Poll::Ready(count))
            }
            Err(error) if error.is_would_block() => {
                drop(side);
                self.wait_readable(core, stream, context);
                Ok(Poll::Pending)
            }
            Err(error) => {
                side.end = Some(End::Failed(error));
                Err(stream.os_error(Operation::Read, error))
            }
        }
    }

    /// Notes who waits and has the reader callback wake it. An idle stream keeps no buffer.
    fn wait_readable(&self, core: &Core, stream: &Stream, context: &Context<'_>) {
        let mut waiter = std::mem::take(&mut stream.read.borrow_mut().waiter);
        let is_new = matches!(waiter, Waiter::Nobody);
        waiter.note(core, context);
        let mut side = stream.read.borrow_mut();
        side.waiter = waiter;
        if let Some(storage) = side.buffer.take_storage() {
            core.keep_spare_buffer(storage);
        }
        if is_new {
            let callback = AsyncCallback::new(read_ready, self.transport.key().into_word());
            let watched = core.watch(stream.fd, Interest::Read, callback, self.place);
            watched.expect("a transport's descriptor is read through the transport alone");
        }
    }

    /// Takes the right to read, unless the stream is closed or another read has it.
    fn take(&mut self) -> Result<(Rc<Core>, Rc<Stream>), TransportError> {
        let (core, stream) = self.transport.resolve();
        stream.refuse_closed(Operation::Read)?;
        if !self.held {
            let busy = std::mem::replace(&mut stream.read.borrow_mut().busy, true);
            if busy {
                return Err(stream.error(Operation::Read, ErrorKind::Busy));
            }
            self.held = true;
        }
        Ok((core, stream))
    }

    /// A read that has its outcome is no longer pending, although its future may live on.
    fn settle<T>(&mut self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_ready() {
            self.give_back();
        }
        outcome
    }

    fn give_back(&mut self) {
        let held = std::mem::replace(&mut self.held, false);
        if !held || !self.transport.handle().is_here() {
            return;
        }
        let (core, stream) = self.transport.resolve();
        let mut side = stream.read.borrow_mut();
        side.busy = false;
        // The waker in it is dropped after the borrow has ended.
        let _waiter = std::mem::take(&mut side.waiter);
        drop(side);
        core.handle.remove_reader(stream.fd);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// As much of `buffer` as one receive may fill.
fn within_a_turn(buffer: &mut [u8]) -> &mut [u8] {
    let length = buffer.len().min(BYTES_A_TURN);
    &mut buffer[..length]
}

fn receive_into_buffer(core: &Core, stream: &Stream, buffer: &mut Buffer) -> Result<usize, OsError> {
    if !buffer.has_storage() {
        *buffer = Buffer::on(core.spare_buffers.borrow_mut().pop().unwrap_or_default());
    }
    let received = core.recv(stream.fd, buffer.reserve());
    if let Ok(count) = received {
        buffer.commit(count);
    }
    received
}

/// The stream may be readable: wakes the read that waits. It watches again when it finds nothing.
fn read_ready(handle: &Handle, word: usize) {
    let core = handle.core();
    let Some(stream) = core.object::<Stream>(Key::from_word(word)) else { return };
    handle.remove_reader(stream.fd);
    let mut waiter = std::mem::take(&mut stream.read.borrow_mut().waiter);
    waiter.wake(&core);
}

/// The future of [`StreamTransport::read`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a> {
    claim: Claim<'a>,
    buffer: &'a mut [u8],
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

/// The future of [`StreamTransport::read_exactly`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadExactly<'a> {
    claim: Claim<'a>,
    buffer: &'a mut [u8],
    filled: usize,
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

/// The future of [`StreamTransport::read_until`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadUntil<'a> {
    claim: Claim<'a>,
    separator: &'a [u8],
    limit: usize,
    /// No separator begins before here.
    searched: usize,
}

impl Future for ReadUntil<'_> {
    type Output = Result<Vec<u8>, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (separator, limit, searched) = (this.separator, this.limit, &mut this.searched);
        this.claim.poll_buffered(context, |buffer, finished| {
            let unread = buffer.unread();
            let within = &unread[..unread.len().min(limit)];
            if let Some(at) = find(&within[*searched..], separator) {
                return Some(Ok(buffer.take(*searched + at + separator.len())));
            }
            *searched = (within.len() + 1).saturating_sub(separator.len()).max(*searched);
            match () {
                () if unread.len() >= limit => Some(Err(ErrorKind::Limit)),
                () if finished => Some(Err(ErrorKind::Incomplete)),
                () => None,
            }
        })
    }
}

/// The future of [`StreamTransport::read_line`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadLine<'a> {
    claim: Claim<'a>,
    limit: usize,
    /// No line feed stands before here.
    searched: usize,
}

impl Future for ReadLine<'_> {
    type Output = Result<Option<Vec<u8>>, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (limit, searched) = (this.limit, &mut this.searched);
        this.claim.poll_buffered(context, |buffer, finished| {
            let unread = buffer.unread();
            let within = &unread[..unread.len().min(limit)];
            if let Some(at) = find(&within[*searched..], b"\n") {
                let mut line = buffer.take(*searched + at + 1);
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Some(Ok(Some(line)));
            }
            *searched = within.len();
            match () {
                () if unread.len() >= limit => Some(Err(ErrorKind::Limit)),
                () if finished && unread.is_empty() => Some(Ok(None)),
                () if finished => Some(Ok(Some(buffer.take(unread.len())))),
                () => None,
            }
        })
    }
}

/// The future of [`StreamTransport::read_to_end`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadToEnd<'a> {
    claim: Claim<'a>,
    limit: usize,
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

/// Where `needle` first stands in `haystack`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle[0];
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|&byte| byte == first) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.transport, f)
    }
}
