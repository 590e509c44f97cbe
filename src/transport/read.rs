//! The reading side of a stream: one read at a time, from the buffer first, then straight from the kernel.
//!
//! The reader callback only wakes; the woken read itself receives, into the caller's slice where it can. So a byte that
//! is read as it comes is copied once, and what a read has taken it can put back when it is cancelled.

mod claim;
mod in_place;
mod slices;
mod to_end;
mod until;

use super::budget::Budget;
use super::buffer::Buffer;
use super::stream::StreamTransport;
use crate::dispatcher::Waiter;
use crate::driver::OsError;

use claim::Claim;
pub use in_place::Fill;
pub use slices::{Read, ReadExactly};
pub use to_end::ReadToEnd;
pub use until::{ReadLine, ReadUntil};

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
        ReadUntil { claim: Claim::new(self), separator, limit, searched: 0 }
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
        ReadLine { claim: Claim::new(self), limit, searched: 0 }
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

    /// Whether the end of the stream was seen and every byte before it read (R101).
    pub fn at_eof(&self) -> bool {
        let (_, stream) = self.resolve();
        let side = stream.read.borrow();
        side.buffer.is_empty() && matches!(side.end, Some(End::Finished))
    }
}
