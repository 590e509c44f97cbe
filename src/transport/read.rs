//! The reading side of a stream: one read at a time, from the buffer first, then straight from the kernel.
//!
//! The reader callback only wakes; the woken read itself receives, into the caller's slice where it can. So a byte that
//! is read as it comes is copied once, and what a read has taken it can put back when it is cancelled.

mod buffered;
mod claim;
mod in_place;
mod poll;
mod slices;
mod to_end;
mod until;

use super::budget::Budget;
use super::buffer::Buffer;
use super::stream::StreamTransport;
use crate::dispatcher::{Core, Interest, Waiter};
use crate::driver::{Fd, OsError};

pub use buffered::Buffered;
use claim::Claim;
pub use in_place::{Fill, ReadWith};
pub use slices::{Read, ReadExactly};
pub use to_end::{ReadToEnd, Skip};
use until::Search;
pub use until::{ReadLine, ReadLineInto, ReadUntil, ReadUntilInto};

#[derive(Default)]
pub(super) struct ReadSide {
    buffer: Buffer,
    /// A read is under way; a second one is refused before it changes anything (R91).
    busy: bool,
    waiter: Waiter,
    /// The reader callback is installed.
    watching: bool,
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

    /// Nobody waits any more: gives who did, to be told or dropped when no borrow is alive.
    fn leave(&mut self, core: &Core, fd: Fd) -> Waiter {
        if std::mem::take(&mut self.watching) {
            core.unwatch(fd, Interest::Read);
        }
        std::mem::take(&mut self.waiter)
    }

    /// Nothing can ever be read: every read is told so.
    pub(super) fn refuse(&mut self, error: OsError) {
        self.end = Some(End::Failed(error));
    }

    /// Whether nothing will come behind what is in the buffer.
    fn is_finished(&self) -> bool {
        matches!(self.end, Some(End::Finished))
    }

    /// An empty buffer lends its storage to the next stream that receives: an idle stream has none.
    fn spare_storage(&mut self, core: &Core) {
        if let Some(storage) = self.buffer.take_storage() {
            core.keep_spare_buffer(storage);
        }
    }
}

/// # Reading
///
/// All of these end with [`ErrorKind::Busy`](crate::ErrorKind) if another read is pending, with
/// [`ErrorKind::Closed`](crate::ErrorKind) once the transport is closed, and with the system's error once the stream has
/// failed and all that came before is read. Dropping the future loses no byte: the next read begins where this one began.
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
    /// [`ErrorKind::Incomplete`](crate::ErrorKind) if the stream ends first; what came stays readable.
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
    /// [`ErrorKind::Limit`](crate::ErrorKind) if `limit` bytes came without it,
    /// [`ErrorKind::Incomplete`](crate::ErrorKind) if the stream ends first; what came stays readable in both cases.
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
        ReadUntil { claim: Claim::new(self), separator, search: Search::within(limit) }
    }

    /// As [`read_until`](Self::read_until), onto the end of `target`: who clears it and reads again allocates nothing. Says
    /// how many bytes came. `target` is left alone unless the read succeeds.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// peer.write(b"one;two;").await?;
    /// let mut words = Vec::new();
    /// assert_eq!(stream.read_until_into(b";", 80, &mut words).await?, 4);
    /// stream.read_until_into(b";", 80, &mut words).await?;
    /// assert_eq!(words, b"one;two;");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn read_until_into<'a>(
        &'a self,
        separator: &'a [u8],
        limit: usize,
        target: &'a mut Vec<u8>,
    ) -> ReadUntilInto<'a> {
        assert!(!separator.is_empty(), "a separator has at least one byte");
        ReadUntilInto { claim: Claim::new(self), separator, search: Search::within(limit), target }
    }

    /// Reads a line that ends with CR LF or LF, without its ending. `None` is the end of the stream; a last line without
    /// an ending is a line (R97).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Limit`](crate::ErrorKind) if `limit` bytes, the ending included, came without an ending; they stay
    /// readable.
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
        ReadLine { claim: Claim::new(self), search: Search::within(limit) }
    }

    /// As [`read_line`](Self::read_line), onto the end of `target`; says whether there was a line. `target` is left alone
    /// unless there was one.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// peer.write(b"first\r\nsecond").await?;
    /// peer.close().await;
    /// let (mut line, mut lengths) = (Vec::new(), Vec::new());
    /// while stream.read_line_into(80, &mut line).await? {
    ///     lengths.push(line.len());
    ///     line.clear();
    /// }
    /// assert_eq!(lengths, [5, 6]);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn read_line_into<'a>(&'a self, limit: usize, target: &'a mut Vec<u8>) -> ReadLineInto<'a> {
        ReadLineInto { claim: Claim::new(self), search: Search::within(limit), target }
    }

    /// Reads all there is until the end of the stream (R99).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Limit`](crate::ErrorKind) if more than `limit` bytes came; they stay readable.
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

    /// Discards the next `count` bytes, or all until the end of the stream if there are fewer, and says how many there were
    /// (R99). It holds no more of them than one receive gives. `u64::MAX` discards all there is.
    ///
    /// What is discarded is gone. Who gives a skip up asks [`Skip::skipped`] how far it got.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// peer.write(b"padding and content, then a tail").await?;
    /// peer.close().await;
    /// assert_eq!(stream.skip(12).await?, 12);
    /// stream.read_exactly(&mut [0; 7]).await?;
    /// assert_eq!(stream.skip(u64::MAX).await?, 13);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn skip(&self, count: u64) -> Skip<'_> {
        Skip { claim: Claim::new(self), count, skipped: 0 }
    }

    /// Whether the end of the stream was seen and every byte before it read (R101).
    pub fn at_eof(&self) -> bool {
        let (_, stream) = self.resolve();
        let side = stream.read.borrow();
        side.buffer.is_empty() && side.is_finished()
    }
}
