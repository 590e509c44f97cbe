//! Sending a file over a stream: inside the kernel where it can, else by reading and sending. It takes its turn in the queue.

use std::future::Future;
use std::ops::Range;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::queue::Content;
use crate::dispatcher::Core;
use crate::driver::{Fd, OsError};
use crate::fs::{File, OpenFile};
use crate::shared::Shared;
use crate::table::Key;
use crate::transport::budget::FILE_BYTES_A_CALL;
use crate::transport::stream::{Stream, StreamTransport};
use crate::{AsyncCallback, ErrorKind, Handle, Operation, TransportError};

/// What is read of a file at a time where the kernel does not send it by itself: as much as Linux' `sendfile` carries at a
/// time, and no system call for each few kilobytes.
const CHUNK: usize = 64 * 1024;

/// # Sending files
impl StreamTransport {
    /// Sends the bytes of `file` from `offset` on: `length` of them, or with `None` all up to the end. They take their turn
    /// among the writes (R117). The result is how many were sent, once the kernel has them all.
    ///
    /// That is fewer than `length` if the file ends earlier, also when it is cut off while it is sent (R119). Who has told
    /// the peer a length compares, and closes the stream if it is not the same.
    ///
    /// Where the system can, the bytes go from the file to the stream inside the kernel, in parts of at most 1 MiB.
    /// Else they are read and sent in parts of 64 KiB. Either way a part is read when the stream can take it, and for
    /// as long as the disk takes to answer, everything else on the thread waits. A file that has nothing yet, such as a
    /// FIFO with a slow writer, holds up nothing but what is queued behind it. What has no places to be read from, such
    /// as a FIFO, is sent from where it stands, whatever `offset` says.
    ///
    /// The file stays open until it was sent, also when `file` is dropped.
    ///
    /// Dropping the future withdraws what has not begun: none of its bytes has left, and of a file that is read and sent
    /// none was read. Otherwise it is finished in the background (R115). [`WriteFile::detach`] leaves it queued in any case.
    ///
    /// # Errors
    ///
    /// Those of the stream as for [`write`](Self::write), with [`Operation::SendFile`].
    ///
    /// What goes wrong with the file is told with [`Operation::File`] and its path; [`WriteFile::sent`] says how far it
    /// came. The stream goes on, and so do the writes behind. So await the file before you write what the peer would take
    /// for the rest of it. If nobody awaits it, because it is detached or its future was dropped, the stream fails with
    /// that error: bytes that the peer misunderstands are worse than none.
    ///
    /// # Panics
    ///
    /// If `file` belongs to another dispatcher.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// use twinloop::File;
    ///
    /// let page = File::create("/tmp/page").await?;
    /// page.write_at(0, b"<p>hello world</p>").await?;
    /// let header = stream.write(b"Content-Length: 11\r\n\r\n");
    /// let body = stream.write_file(&page, 3, Some(11));
    /// assert_eq!((header.await?, body.await?), (22, 11));
    /// # stream.shutdown().await?;
    /// # assert!(peer.read_to_end(100).await?.ends_with(b"\r\n\r\nhello world"));
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn write_file(&self, file: &File, offset: u64, length: Option<u64>) -> WriteFile {
        let (core, stream) = self.resolve();
        assert_eq!(
            file.handle(),
            self.handle(),
            "a file is sent over the streams of the dispatcher that opened it"
        );
        let refusal = stream.write.borrow().refusal(&stream, Operation::SendFile);
        if refusal.is_err() || length == Some(0) {
            return self.file_is_over(refusal.map(|()| 0));
        }
        let sending = FileSend::new(file.share(), offset, length);
        let ticket = stream.enqueue(&core, self.key(), Content::File(Box::new(sending)), false);
        stream.hold();
        let state = State::Queued { ticket };
        WriteFile { handle: self.handle(), stream: self.key(), state }
    }

    fn file_is_over(&self, result: Result<u64, TransportError>) -> WriteFile {
        WriteFile { handle: self.handle(), stream: self.key(), state: State::Over { sent: 0, result } }
    }
}

/// What is still to be sent of a file.
pub(super) struct FileSend {
    file: Shared<OpenFile>,
    fd: Fd,
    /// What is taken from the file next.
    offset: u64,
    /// How much is still to be taken from it, unless it is all there is.
    left: Option<u64>,
    /// What the kernel has of it.
    sent: u64,
    way: Way,
    /// Someone is to be told of the end.
    awaited: bool,
    /// What the file calls once there is something to read.
    waiting: Option<AsyncCallback>,
}

enum Way {
    /// From the file to the stream, inside the kernel.
    Kernel,
    /// A part of the file is read into `buffer`; `unsent` of it the stream has not taken yet.
    Copied { buffer: Vec<u8>, unsent: Range<usize> },
}

/// How a file was sent, as far as it was.
pub(super) struct FileEnd {
    pub(super) sent: u64,
    pub(super) result: Result<(), TransportError>,
}

/// What came of one system call for a file.
pub(super) enum Step {
    /// Bytes were moved, from the file or to the stream or both. There may be more.
    Moved(usize),
    /// All that was asked for was sent, or all that there is.
    Ended,
    StreamIsFull,
    /// The kernel goes on by itself, and tells when it has ended.
    GoesOn,
    FileIsEmpty,
    StreamFailed(OsError),
    FileFailed(OsError),
}

impl FileSend {
    fn new(file: Shared<OpenFile>, offset: u64, left: Option<u64>) -> FileSend {
        let fd = file.resolve().1.fd;
        FileSend { file, fd, offset, left, sent: 0, way: Way::Kernel, awaited: true, waiting: None }
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// Whether there is something to be sent that the file does not have yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Nobody is to be told of the end any more.
    fn leave(&mut self) {
        self.awaited = false;
    }

    /// Moves some bytes towards the stream, in one system call.
    pub(super) fn step(&mut self, core: &Core, stream: Fd) -> Step {
        match &self.way {
            Way::Copied { unsent, .. } if !unsent.is_empty() => self.send(core, stream),
            _ if self.left == Some(0) => Step::Ended,
            Way::Kernel => self.send_inside(core, stream),
            Way::Copied { .. } => self.read(core),
        }
    }

    fn send_inside(&mut self, core: &Core, stream: Fd) -> Step {
        let wanted = self.wanted(FILE_BYTES_A_CALL);
        match core.send_file(stream, self.fd, self.offset, wanted) {
            Ok(0) => Step::Ended,
            Ok(count) => {
                self.took(count);
                self.sent += count as u64;
                Step::Moved(count)
            }
            Err(error) if error.is_would_block() && core.capabilities.file_sends_go_on => Step::GoesOn,
            Err(error) if error.is_would_block() => Step::StreamIsFull,
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                self.way = Way::Copied { buffer: Vec::new(), unsent: 0..0 };
                Step::Moved(0)
            }
            Err(error) => Step::StreamFailed(error),
        }
    }

    fn read(&mut self, core: &Core) -> Step {
        let wanted = self.wanted(CHUNK);
        let Way::Copied { buffer, unsent } = &mut self.way else {
            unreachable!("what the kernel sends by itself is not read")
        };
        buffer.resize(wanted, 0);
        match core.read_file_at(self.fd, self.offset, buffer) {
            Ok(0) => Step::Ended,
            Ok(count) => {
                *unsent = 0..count;
                self.took(count);
                self.wait_no_longer(core);
                Step::Moved(count)
            }
            Err(error) if error.is_would_block() => Step::FileIsEmpty,
            Err(error) => Step::FileFailed(error),
        }
    }

    fn send(&mut self, core: &Core, stream: Fd) -> Step {
        let Way::Copied { buffer, unsent } = &mut self.way else {
            unreachable!("what the kernel sends by itself is not kept")
        };
        match core.send(stream, &buffer[unsent.clone()]) {
            Ok(count) => {
                unsent.start += count;
                self.sent += count as u64;
                Step::Moved(count)
            }
            Err(error) if error.is_would_block() => Step::StreamIsFull,
            Err(error) => Step::StreamFailed(error),
        }
    }

    /// How much is to be taken from the file in one call that takes up to `most`.
    fn wanted(&self, most: usize) -> usize {
        self.left.map_or(most, |left| usize::try_from(left).map_or(most, |left| left.min(most)))
    }

    /// So much was taken from the file.
    fn took(&mut self, count: usize) {
        // Where there are no places in a file, this counts nothing.
        self.offset = self.offset.saturating_add(count as u64);
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(count as u64).expect("no more is taken from a file than is wanted");
        }
    }

    /// Has the queue of the stream `key` go on once the file has something.
    pub(super) fn wait(&mut self, core: &Core, callback: AsyncCallback, place: &'static Location<'static>) {
        if self.waiting.is_none() {
            self.waiting = Some(callback);
            self.file.resolve().1.call_when_readable(core, self.file.key(), callback, place);
        }
    }

    /// The file has called: it waits for nobody now.
    pub(super) fn was_called(&mut self) {
        self.waiting = None;
    }

    pub(super) fn wait_no_longer(&mut self, core: &Core) {
        if let Some(callback) = self.waiting.take() {
            self.file.resolve().1.do_not_call(core, callback);
        }
    }

    /// What an error of the file is called.
    pub(super) fn error(&self, error: OsError) -> TransportError {
        self.file.resolve().1.error(error)
    }
}

/// The future of [`StreamTransport::write_file`].
#[derive(Debug)]
#[must_use = "dropping a WriteFile withdraws it if it has not begun; await it, or detach() it"]
pub struct WriteFile {
    handle: Handle,
    stream: Key,
    state: State,
}

#[derive(Debug)]
enum State {
    Queued { ticket: u64 },
    Over { sent: u64, result: Result<u64, TransportError> },
}

impl WriteFile {
    /// How many bytes of the file the kernel has so far; after an error, how many it got. Where
    /// [`file_sends_go_on`](crate::driver::Capabilities::file_sends_go_on), which is on Windows, a part is counted once it
    /// was sent as a whole: of one that an error or a close has ended, the peer may have got some bytes more.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// let file = twinloop::File::create("/tmp/large").await?;
    /// file.set_length(1_000_000).await?;
    /// let mut sending = stream.write_file(&file, 0, None);
    /// let before = sending.sent();
    /// # let reader = twinloop::spawn(async move { peer.read_to_end(10_000_000).await });
    /// assert_eq!((&mut sending).await?, 1_000_000);
    /// assert!(before < sending.sent());
    /// # stream.shutdown().await?;
    /// # reader.await??;
    /// # Ok(()) });
    /// ```
    pub fn sent(&self) -> u64 {
        match &self.state {
            State::Over { sent, .. } => *sent,
            State::Queued { ticket, .. } => self.sent_of_queued(*ticket),
        }
    }

    /// Leaves the file queued, with nobody to be told of its end. If the file fails, so does the stream.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// let file = twinloop::File::create("/tmp/page").await?;
    /// file.write_at(0, b"hello").await?;
    /// stream.write_file(&file, 0, None).detach();
    /// drop(file);
    /// stream.shutdown().await?;
    /// assert_eq!(peer.read_to_end(100).await?, b"hello");
    /// # Ok(()) });
    /// ```
    pub fn detach(mut self) {
        let State::Queued { ticket, .. } = self.state else { return };
        let core = self.handle.core();
        if let Some(stream) = core.object::<Stream>(self.stream) {
            stream.leave_file(ticket);
        }
        self.settle(FileEnd { sent: 0, result: Ok(()) });
    }

    fn sent_of_queued(&self, ticket: u64) -> u64 {
        let Some(stream) = self.handle.core().object::<Stream>(self.stream) else { return 0 };
        let mut side = stream.write.borrow_mut();
        let ended = side.backlog().file_end(ticket).map(|end| end.sent);
        ended.unwrap_or_else(|| match side.backlog().find(ticket).map(|queued| &queued.content) {
            Some(Content::File(file)) => file.sent,
            Some(Content::Bytes { .. }) | None => unreachable!("a file is queued until its end is noted"),
        })
    }

    /// The end is known: the stream's state is needed no more.
    fn settle(&mut self, end: FileEnd) {
        let FileEnd { sent, result } = end;
        self.state = State::Over { sent, result: result.map(|()| sent) };
        if let Some(core) = self.handle.try_core() {
            Stream::release(&core, self.stream);
        }
    }
}

impl Future for WriteFile {
    type Output = Result<u64, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Queued { ticket } = self.state {
            let core = self.handle.core();
            let end = match core.object::<Stream>(self.stream) {
                Some(stream) => match stream.poll_file(&core, ticket, context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(end) => end,
                },
                None => {
                    let closed = TransportError::new(Operation::SendFile, None, ErrorKind::Closed);
                    FileEnd { sent: 0, result: Err(closed) }
                }
            };
            self.settle(end);
        }
        match &self.state {
            State::Over { result, .. } => Poll::Ready(result.clone()),
            State::Queued { .. } => unreachable!("it was settled above"),
        }
    }
}

impl Drop for WriteFile {
    fn drop(&mut self) {
        let State::Queued { ticket, .. } = self.state else { return };
        let Some(core) = self.handle.try_core() else { return };
        if let Some(stream) = core.object::<Stream>(self.stream) {
            stream.leave_file(ticket);
            stream.withdraw(&core, self.stream, ticket);
        }
        Stream::release(&core, self.stream);
    }
}

impl Stream {
    fn poll_file(&self, core: &Core, ticket: u64, context: &Context<'_>) -> Poll<FileEnd> {
        if self.note_waiter(core, ticket, context) {
            return Poll::Pending;
        }
        let end = self.write.borrow_mut().backlog().take_file_end(ticket);
        Poll::Ready(end.expect("a file is queued until its end is noted"))
    }

    /// Nobody is to be told of the end of a file.
    fn leave_file(&self, ticket: u64) {
        let mut side = self.write.borrow_mut();
        let _untold = side.backlog().take_file_end(ticket);
        if let Some(Content::File(file)) = side.backlog().find(ticket).map(|queued| &mut queued.content) {
            file.leave();
        }
    }
}
