//! High- and low-water marks: when a writer that does not await each write is to pause, and when it may go on.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::dispatcher::Core;
use crate::table::Key;
use crate::transport::stream::{Stream, StreamTransport};
use crate::{ErrorKind, Handle, Operation, TransportError};

/// A queue that has fallen to so many bytes may be filled again.
const LOW: usize = 16 * 1024;
/// A queue of so many bytes is full.
const HIGH: usize = 64 * 1024;

pub(super) struct WaterMarks {
    low: usize,
    high: usize,
    /// The queue has reached the high mark, and not fallen to the low one since.
    full: bool,
}

impl Default for WaterMarks {
    fn default() -> Self {
        WaterMarks { low: LOW, high: HIGH, full: false }
    }
}

impl WaterMarks {
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Bytes were queued.
    pub(super) fn rise(&mut self, queued: usize) {
        self.full |= queued >= self.high;
    }

    /// Bytes have left; says whether that has made an end of a full queue.
    pub(super) fn fall(&mut self, queued: usize) -> bool {
        let has_fallen = self.full && queued <= self.low;
        self.full &= !has_fallen;
        has_fallen
    }
}

/// # Back-pressure without awaiting each write
impl StreamTransport {
    /// Says when the queue of writes counts as full: once it has `high` bytes or more, and until it has fallen to `low`. At
    /// first these are 64 KiB and 16 KiB.
    ///
    /// The marks refuse no write. They are for [`writable`](Self::writable), by which a program that does not await its
    /// writes learns when to pause. Files that are queued count for nothing: the queue does not hold their bytes.
    ///
    /// # Panics
    ///
    /// If `low` is above `high`, or `high` is 0.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// stream.set_water_marks(0, 1);
    /// stream.write(&[7; 1_000_000]).detach();
    /// assert!(!stream.is_writable(), "not even one byte may be queued");
    /// let reader = twinloop::spawn(async move { peer.read_exactly(&mut vec![0; 1_000_000]).await });
    /// stream.writable().await?;
    /// assert_eq!(stream.queued_bytes(), 0);
    /// # reader.await??;
    /// # Ok(()) });
    /// ```
    pub fn set_water_marks(&self, low: usize, high: usize) {
        assert!(
            low <= high && high > 0,
            "a low-water mark of {low} and a high one of {high}: low ≤ high, high > 0"
        );
        let (core, stream) = self.resolve();
        let mut side = stream.write.borrow_mut();
        let marks = &mut side.backlog().marks;
        (marks.low, marks.high) = (low, high);
        let queued = side.queued_bytes();
        side.backlog().marks.rise(queued);
        let has_fallen = side.backlog().has_fallen();
        drop(side);
        if has_fallen {
            stream.writables.grant_all(&core);
        }
    }

    /// How many bytes of writes wait for the kernel to take them. Files that are queued do not count.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// assert_eq!(stream.queued_bytes(), 0);
    /// let write = stream.write(&[7; 1_000_000]);
    /// assert!(stream.queued_bytes() > 500_000, "the kernel has small buffers");
    /// # drop((write, peer));
    /// # Ok(()) });
    /// ```
    pub fn queued_bytes(&self) -> usize {
        self.resolve().1.write.borrow().queued_bytes()
    }

    /// Whether the queue is below its [water marks](Self::set_water_marks): whether [`writable`](Self::writable) would be
    /// ready. Says nothing of a stream that is closed, was shut down or has failed.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// assert!(stream.is_writable());
    /// stream.write(&[7; 1_000_000]).detach();
    /// assert!(!stream.is_writable());
    /// # drop(peer);
    /// # Ok(()) });
    /// ```
    pub fn is_writable(&self) -> bool {
        !self.resolve().1.write.borrow().is_full()
    }

    /// Waits until the queue of writes may be filled: ready at once if it is not full, else once it has fallen to the low
    /// [water mark](Self::set_water_marks). All who wait are told together.
    ///
    /// Dropping the future ends the wait, and does nothing else.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write), when nothing more can be written.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// let reader = twinloop::spawn(async move { peer.read_to_end(10_000_000).await });
    /// for _ in 0..100 {
    ///     stream.writable().await?;
    ///     stream.write_owned(vec![7; 50_000]).detach();
    ///     assert!(stream.queued_bytes() < 64 * 1024 + 50_000);
    /// }
    /// stream.shutdown().await?;
    /// assert_eq!(reader.await??.len(), 5_000_000);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn writable(&self) -> UntilWritable {
        let place = Location::caller();
        UntilWritable { handle: self.handle(), stream: self.key(), wait: None, place }
    }
}

/// The future of [`StreamTransport::writable`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct UntilWritable {
    handle: Handle,
    stream: Key,
    wait: Option<Key>,
    place: &'static Location<'static>,
}

impl Future for UntilWritable {
    type Output = Result<(), TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let core = self.handle.core();
        let Some(stream) = core.object::<Stream>(self.stream) else {
            let closed = TransportError::new(Operation::Write, None, ErrorKind::Closed);
            return Poll::Ready(Err(closed));
        };
        let is_refused = stream.write.borrow().refusal(&stream, Operation::Write).is_err();
        if !is_refused && !self.is_over(&core, &stream, context) {
            return Poll::Pending;
        }
        self.leave(&core, &stream);
        let refusal = stream.write.borrow().refusal(&stream, Operation::Write);
        Poll::Ready(refusal)
    }
}

impl UntilWritable {
    /// Whether the queue is not full, or was granted to be filled since the wait began.
    fn is_over(&mut self, core: &Core, stream: &Stream, context: &Context<'_>) -> bool {
        let full = stream.write.borrow().is_full();
        if self.wait.is_none() && !full {
            return true;
        }
        let place = self.place;
        let wait = *self.wait.get_or_insert_with(|| {
            stream.hold();
            stream.writables.begin(core, "stream to be writable", 1, place)
        });
        core.poll_wait(wait, context)
    }

    fn leave(&mut self, core: &Core, stream: &Stream) {
        let Some(wait) = self.wait.take() else { return };
        let _ended = stream.writables.end(core, wait);
        Stream::release(core, self.stream);
    }
}

impl Drop for UntilWritable {
    fn drop(&mut self) {
        let Some(core) = self.handle.try_core() else { return };
        if let Some(stream) = core.object::<Stream>(self.stream) {
            self.leave(&core, &stream);
        }
    }
}
