//! `File`: an open file, read and written at any place of it. It knows no stream that it is sent over, and no name but the
//! one that it was opened by.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::call::{Call, Caller, FileCall, Finished, Subject};
use crate::dispatcher::{Core, Interest, WaitQueue};
use crate::driver::{Fd, FileOperation, FileOptions, FileOutcome, Metadata, OsError};
use crate::shared::Shared;
use crate::table::Key;
use crate::{AsyncCallback, Handle, Operation, TransportError};

/// What [`File::read_range`] asks for at a time.
const CHUNK: u64 = 1 << 20;

/// An open file.
///
/// No call waits for the disk: each begins an operation, and gives the future of its end. The real driver has a few threads
/// for them, a simulated host has a disk that can fail. [`FileCall`] says what dropping such a
/// future means.
///
/// Each call says where in the file it works; there is no position that calls would share. Of two operations that are under
/// way at once either may come first, so await the one that the other builds on. What has no places, such as a FIFO, is read
/// and written where it stands, and where that would have to wait, it fails with the kind
/// [`WouldBlock`](std::io::ErrorKind::WouldBlock).
///
/// What was written survives a loss of power once [`sync_data`](File::sync_data) or [`sync_all`](File::sync_all) has
/// succeeded after it, and the file is found again once [`sync_dir`](super::sync_dir) has, on the folder in which it was
/// made or renamed.
///
/// Dropping it closes the file, once no operation and no [`write_file`](crate::StreamTransport::write_file) needs it any
/// more. Nothing is waited for, and no error is told: to learn of those, sync.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::File;
///
/// let file = File::create("/tmp/greeting").await?;
/// file.write_at(0, b"hello world").await?;
/// let mut word = [0; 5];
/// assert_eq!(file.read_at(6, &mut word).await?, 5);
/// assert_eq!(&word, b"world");
/// # Ok(()) });
/// ```
pub struct File {
    open: Shared<OpenFile>,
    handle: Handle,
}

/// What the dispatcher keeps of a file until its last owner goes: the [`File`], an operation on it, or what is queued to be
/// sent of it.
pub(crate) struct OpenFile {
    handle: Handle,
    pub(crate) fd: Fd,
    path: Box<str>,
    /// Streams whose queues wait until there is something to read.
    readable: WaitQueue,
    /// The buffer of the last read, for the next one.
    spare: RefCell<Vec<u8>>,
}

/// # Opening
///
/// All of these begin when they are called, and panic outside of a dispatcher's scope.
impl File {
    /// Opens a file to read it. A folder can be opened as well on most systems, to be synced.
    ///
    /// # Errors
    ///
    /// The system's, with [`Operation::Open`]: there is none, or it may not be read.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::File;
    ///
    /// let error = File::open("/no/such/file").await.expect_err("a new host has nothing in /no");
    /// assert_eq!((error.name(), error.code()), (Some("/no/such/file"), Some(2)));
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> FileCall<File> {
        Caller::here().open(path.as_ref(), FileOptions::default())
    }

    /// Opens a file to write it: one that is new, or that is emptied. It may be read as well.
    ///
    /// # Errors
    ///
    /// The system's, with [`Operation::Open`]: the folder is not there, or may not be written.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::File;
    ///
    /// File::create("/tmp/log").await?.write_at(0, b"a long first line\n").await?;
    /// assert_eq!(File::create("/tmp/log").await?.length().await?, 0);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> FileCall<File> {
        Caller::here().open(path.as_ref(), FileOptions::create())
    }

    /// Opens a file as `options` say. Programs that this one starts do not get it.
    ///
    /// # Errors
    ///
    /// The system's, with [`Operation::Open`].
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::File;
    /// use twinloop::driver::FileOptions;
    ///
    /// let new = FileOptions::create().create_new(true);
    /// File::open_with("/tmp/lock", &new).await?;
    /// assert!(File::open_with("/tmp/lock", &new).await.is_err(), "it is there already");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn open_with(path: impl AsRef<Path>, options: &FileOptions) -> FileCall<File> {
        Caller::here().open(path.as_ref(), *options)
    }
}

/// # Reading and writing
///
/// # Errors
///
/// The system's, with [`Operation::File`] and the path by which the file was opened.
///
/// # Panics
///
/// On another thread than that of the dispatcher on which the file was opened, and once that is closed.
impl File {
    /// Reads from `offset` on; says how many bytes there were, up to the length of `buffer`. 0 for a `buffer` that is not
    /// empty is the end; any other count may be short.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/three").await?;
    /// file.write_at(0, b"abc").await?;
    /// let mut buffer = [0; 8];
    /// assert_eq!(file.read_at(1, &mut buffer).await?, 2);
    /// assert_eq!(file.read_at(3, &mut buffer).await?, 0);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn read_at<'b>(&self, offset: u64, buffer: &'b mut [u8]) -> ReadAt<'b> {
        let open = self.open.resolve().1;
        let mut own = open.spare.take();
        own.resize(buffer.len(), 0);
        let operation = FileOperation::Read { file: open.fd, offset, buffer: own };
        ReadAt { call: Call::begin(self.caller(), operation), file: self.open.clone(), buffer }
    }

    /// Reads from `offset` on, up to `length` bytes: fewer only if the file ends before.
    ///
    /// It is the one for much at a time: up to a mebibyte, nothing is copied.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/three").await?;
    /// file.write_at(0, b"abc").await?;
    /// assert_eq!(file.read_range(1, 2).await?, b"bc");
    /// assert_eq!(file.read_range(1, u64::MAX).await?, b"bc");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn read_range(&self, offset: u64, length: u64) -> ReadRange {
        let mut range = ReadRange {
            caller: self.caller(),
            file: self.open.clone(),
            offset,
            left: length,
            read: Vec::new(),
            call: None,
        };
        range.begin();
        range
    }

    /// Writes all of `bytes`, from `offset` on. What lies between the end of the file and `offset` becomes zeros.
    ///
    /// If it fails, some of the bytes may be written, and after a loss of power any of them that were not synced.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/spread").await?;
    /// file.write_at(2, b"abc").await?;
    /// assert_eq!(file.read_range(0, 9).await?, b"\0\0abc");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> FileCall<()> {
        self.write_owned_at(offset, bytes.to_vec())
    }

    /// As [`write_at`](File::write_at), for bytes that need not be copied.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/large").await?;
    /// file.write_owned_at(0, vec![7; 1_000_000]).await?;
    /// assert_eq!(file.length().await?, 1_000_000);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn write_owned_at(&self, offset: u64, bytes: impl Into<Vec<u8>>) -> FileCall<()> {
        let bytes = bytes.into();
        self.call(|file| FileOperation::Write { file, offset, bytes }, |_| ())
    }

    /// Cuts the file off at `length`, or extends it with zeros.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/three").await?;
    /// file.write_at(0, b"abc").await?;
    /// file.set_length(1).await?;
    /// assert_eq!(file.length().await?, 1);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn set_length(&self, length: u64) -> FileCall<()> {
        self.call(|file| FileOperation::SetLength { file, length }, |_| ())
    }

    /// How many bytes the file has now; 0 for what is no regular file.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/three").await?;
    /// file.write_at(0, b"abc").await?;
    /// assert_eq!(file.length().await?, 3);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn length(&self) -> FileCall<u64> {
        self.call(|file| FileOperation::FileMetadata { file }, |finished| metadata_of(finished).length)
    }

    /// What is known of the file.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// assert!(twinloop::File::create("/tmp/new").await?.metadata().await?.is_file());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn metadata(&self) -> FileCall<Metadata> {
        self.call(|file| FileOperation::FileMetadata { file }, metadata_of)
    }

    /// Ends once all that was written before it, and the length of the file, survives a loss of power.
    ///
    /// After an error nobody knows what of it does, and asking again is no help: on many systems the next sync succeeds
    /// although nothing was made up for. Write again what must be kept, elsewhere if need be, or stop.
    ///
    /// It says nothing of the file's name: that is [`sync_dir`](super::sync_dir)'s.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/ledger").await?;
    /// file.write_at(0, b"Alice owes Bob 5\n").await?;
    /// file.sync_all().await?;
    /// twinloop::fs::sync_dir("/tmp").await?;
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn sync_all(&self) -> FileCall<()> {
        self.call(|file| FileOperation::Sync { file, data_only: false }, |_| ())
    }

    /// As [`sync_all`](File::sync_all), but for what nobody needs to read the file again, such as its times: less for
    /// the disk to do.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let log = twinloop::File::create("/tmp/log").await?;
    /// for (number, record) in ["one", "two"].into_iter().enumerate() {
    ///     log.write_at(number as u64 * 3, record.as_bytes()).await?;
    ///     log.sync_data().await?;
    /// }
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn sync_data(&self) -> FileCall<()> {
        self.call(|file| FileOperation::Sync { file, data_only: true }, |_| ())
    }

    /// The dispatcher that the file lives on.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    #[track_caller]
    fn call<T>(
        &self,
        operation: impl FnOnce(Fd) -> FileOperation,
        finish: fn(Finished<'_>) -> T,
    ) -> FileCall<T> {
        let fd = self.open.resolve().1.fd;
        self.caller().call(operation(fd), Subject::File(self.open.clone()), finish)
    }

    #[track_caller]
    fn caller(&self) -> Caller {
        Caller { handle: self.handle, place: Location::caller() }
    }

    /// A further owner, for a queue.
    pub(crate) fn share(&self) -> Shared<OpenFile> {
        self.open.clone()
    }
}

impl Caller {
    pub(super) fn open(self, path: &Path, options: FileOptions) -> FileCall<File> {
        let operation = FileOperation::Open { path: path.to_owned(), options };
        self.call(operation, Subject::opened(path), opened)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("File");
        if let Some((_, open)) = self.open.try_resolve() {
            debug.field("path", &open.path).field("fd", &open.fd);
        }
        debug.finish_non_exhaustive()
    }
}

fn opened(Finished { handle, outcome, subject }: Finished<'_>) -> File {
    let (FileOutcome::Opened(fd), Subject::Opened(path)) = (outcome, subject) else {
        unreachable!("opening gives a descriptor")
    };
    let open = OpenFile {
        handle,
        fd,
        path: path.clone(),
        readable: WaitQueue::default(),
        spare: RefCell::default(),
    };
    File { open: Shared::on(handle, open), handle }
}

pub(super) fn metadata_of(finished: Finished<'_>) -> Metadata {
    match finished.outcome {
        FileOutcome::Metadata(metadata) => metadata,
        _ => unreachable!("asked for what is known, a driver tells that"),
    }
}

fn read_by(outcome: FileOutcome) -> Vec<u8> {
    match outcome {
        FileOutcome::Read(buffer) => buffer,
        _ => unreachable!("a read gives its buffer back"),
    }
}

/// The future of [`File::read_at`]. Dropping it loses nothing: who asks again reads the same.
#[must_use = "futures do nothing unless awaited"]
pub struct ReadAt<'b> {
    call: Call,
    file: Shared<OpenFile>,
    buffer: &'b mut [u8],
}

impl Future for ReadAt<'_> {
    type Output = Result<usize, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let outcome = ready!(this.call.poll(context));
        let open = this.file.resolve().1;
        let read = read_by(outcome.map_err(|error| open.error(error))?);
        this.buffer[..read.len()].copy_from_slice(&read);
        let count = read.len();
        open.spare.replace(read);
        Poll::Ready(Ok(count))
    }
}

impl fmt::Debug for ReadAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadAt").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The future of [`File::read_range`]. Dropping it loses nothing: who asks again reads the same.
#[must_use = "futures do nothing unless awaited"]
pub struct ReadRange {
    caller: Caller,
    file: Shared<OpenFile>,
    offset: u64,
    left: u64,
    read: Vec<u8>,
    /// `None` once all is read.
    call: Option<Call>,
}

impl ReadRange {
    fn begin(&mut self) {
        let length = self.left.min(CHUNK) as usize;
        let buffer = vec![0; length];
        let operation = FileOperation::Read { file: self.file.resolve().1.fd, offset: self.offset, buffer };
        self.call = (length > 0).then(|| Call::begin(self.caller, operation));
    }

    fn take(&mut self, read: Vec<u8>) {
        self.offset += read.len() as u64;
        self.left -= read.len() as u64;
        if self.read.is_empty() {
            self.read = read;
        } else {
            self.read.extend_from_slice(&read);
        }
    }
}

impl Future for ReadRange {
    type Output = Result<Vec<u8>, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while let Some(call) = &mut this.call {
            let outcome = ready!(call.poll(context));
            this.call = None;
            let read = read_by(outcome.map_err(|error| this.file.resolve().1.error(error))?);
            if read.is_empty() {
                break;
            }
            this.take(read);
            this.begin();
        }
        Poll::Ready(Ok(mem::take(&mut this.read)))
    }
}

impl fmt::Debug for ReadRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadRange").field("file", &self.file).finish_non_exhaustive()
    }
}

impl OpenFile {
    pub(crate) fn error(&self, error: OsError) -> TransportError {
        TransportError::of_name(Operation::File, &self.path, error)
    }

    /// Has `callback` queued once there may be something to read. `key` is the file's own.
    pub(crate) fn call_when_readable(
        &self,
        core: &Core,
        key: Key,
        callback: AsyncCallback,
        place: &'static Location<'static>,
    ) {
        let is_watched = !self.readable.is_empty();
        self.readable.begin_callback(core, callback, "file to be readable", place);
        if !is_watched {
            let watched =
                core.watch(self.fd, Interest::Read, AsyncCallback::new(file_ready, key.into_word()), place);
            watched.expect("a file's descriptor is watched through the file alone");
        }
    }

    /// The caller of [`OpenFile::call_when_readable`] waits no longer.
    pub(crate) fn do_not_call(&self, core: &Core, callback: AsyncCallback) {
        self.readable.remove_callback(core, callback);
        if self.readable.is_empty() {
            core.unwatch(self.fd, Interest::Read);
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.handle.close(self.fd);
    }
}

/// There may be something to read: each queue that waits looks for itself.
fn file_ready(handle: &Handle, word: usize) {
    let core = handle.core();
    let Some(open) = core.object::<crate::shared::Owned<OpenFile>>(Key::from_word(word)) else { return };
    core.unwatch(open.fd, Interest::Read);
    open.readable.grant_all(&core);
}
