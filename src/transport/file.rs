//! `File`: a file of the machine, to be read, written, and sent over streams. It knows no stream.

use std::fmt;
use std::panic::Location;
use std::path::Path;

use crate::dispatcher::{Core, Interest, WaitQueue};
use crate::driver::{Driver, Fd, FileOptions, OsError};
use crate::shared::Shared;
use crate::table::Key;
use crate::{AsyncCallback, Handle, Operation, TransportError};

/// An open file.
///
/// [`StreamTransport::write_file`](crate::StreamTransport::write_file) sends it. Its own calls are for what is small: they
/// answer in the call, and last as long as the disk does, while everything else on the thread waits.
///
/// Each call says where in the file it works; there is no position that calls would share. What has no places, such as a
/// FIFO or a terminal, is read and written where it stands, and where that would have to wait, the call fails with the kind
/// [`WouldBlock`](std::io::ErrorKind::WouldBlock) until a later turn finds something.
///
/// Dropping it closes the file, once no [`write_file`](crate::StreamTransport::write_file) needs it any more.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::File;
///
/// let file = File::create("/tmp/greeting")?;
/// file.write_at(0, b"hello world")?;
/// let mut word = [0; 5];
/// assert_eq!(file.read_at(6, &mut word)?, 5);
/// assert_eq!(&word, b"world");
/// # Ok(()) });
/// ```
pub struct File {
    open: Shared<OpenFile>,
    handle: Handle,
}

/// What the dispatcher keeps of a file until its last owner goes: the [`File`], or what is queued to be sent of it.
pub(super) struct OpenFile {
    handle: Handle,
    pub(super) fd: Fd,
    path: Box<str>,
    /// Streams whose queues wait until there is something to read.
    readable: WaitQueue,
}

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    ///
    /// The system's: there is none, or it may not be read.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::File;
    ///
    /// let error = File::open("/no/such/file").expect_err("a new host has nothing in /no");
    /// assert_eq!((error.name(), error.code()), (Some("/no/such/file"), Some(2)));
    /// # Ok(()) });
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<File, TransportError> {
        File::open_with(path, &FileOptions::default())
    }

    /// Opens a file to write it: one that is new, or that is emptied. It may be read as well.
    ///
    /// # Errors
    ///
    /// The system's: the folder is not there, or may not be written.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::File;
    ///
    /// File::create("/tmp/log")?.write_at(0, b"a long first line\n")?;
    /// assert_eq!(File::create("/tmp/log")?.length()?, 0);
    /// # Ok(()) });
    /// ```
    pub fn create(path: impl AsRef<Path>) -> Result<File, TransportError> {
        File::open_with(path, &FileOptions::create())
    }

    /// Opens a file as `options` say. Programs that this one starts do not get it.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::File;
    /// use twinloop::driver::FileOptions;
    ///
    /// let mut new = FileOptions::create();
    /// new.create_new = true;
    /// File::open_with("/tmp/lock", &new)?;
    /// assert!(File::open_with("/tmp/lock", &new).is_err(), "it is there already");
    /// # Ok(()) });
    /// ```
    pub fn open_with(path: impl AsRef<Path>, options: &FileOptions) -> Result<File, TransportError> {
        let handle = Handle::current();
        let name = path.as_ref().to_string_lossy();
        let opened = handle.core().open_file(path.as_ref(), options);
        let fd = opened.map_err(|error| TransportError::of_name(Operation::Open, &name, error))?;
        let open = OpenFile { handle, fd, path: name.into(), readable: WaitQueue::default() };
        Ok(File { open: Shared::new(open), handle })
    }

    /// How many bytes the file has now; 0 for what is no regular file.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/three")?;
    /// file.write_at(0, b"abc")?;
    /// assert_eq!(file.length()?, 3);
    /// # Ok(()) });
    /// ```
    pub fn length(&self) -> Result<u64, TransportError> {
        self.call(|driver, fd| driver.file_length(fd))
    }

    /// Reads from `offset` on; says how many bytes there were, up to the length of `buffer`. 0 for a `buffer` that is not
    /// empty is the end.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/three")?;
    /// file.write_at(0, b"abc")?;
    /// let mut buffer = [0; 8];
    /// assert_eq!(file.read_at(1, &mut buffer)?, 2);
    /// assert_eq!(file.read_at(3, &mut buffer)?, 0);
    /// # Ok(()) });
    /// ```
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, TransportError> {
        let (core, open) = self.open.resolve();
        core.read_file_at(open.fd, offset, buffer).map_err(|error| open.error(error))
    }

    /// Writes all of `bytes`, from `offset` on. What lies between the end of the file and `offset` becomes zeros.
    ///
    /// # Errors
    ///
    /// The system's. Some of the bytes may have been written before.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/spread")?;
    /// file.write_at(2, b"abc")?;
    /// let mut buffer = [9; 5];
    /// file.read_at(0, &mut buffer)?;
    /// assert_eq!(&buffer, b"\0\0abc");
    /// # Ok(()) });
    /// ```
    pub fn write_at(&self, mut offset: u64, bytes: &[u8]) -> Result<(), TransportError> {
        let mut left = bytes;
        while !left.is_empty() {
            let count = self.call(|driver, fd| driver.write_file_at(fd, offset, left))?;
            offset += count as u64;
            left = &left[count..];
        }
        Ok(())
    }

    /// Cuts the file off at `length`, or extends it with zeros.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let file = twinloop::File::create("/tmp/three")?;
    /// file.write_at(0, b"abc")?;
    /// file.set_length(1)?;
    /// assert_eq!(file.length()?, 1);
    /// # Ok(()) });
    /// ```
    pub fn set_length(&self, length: u64) -> Result<(), TransportError> {
        self.call(|driver, fd| driver.set_file_length(fd, length))
    }

    /// The dispatcher that the file lives on.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// A further owner, for a queue.
    pub(super) fn share(&self) -> Shared<OpenFile> {
        self.open.clone()
    }

    fn call<T>(
        &self,
        call: impl FnOnce(&mut dyn Driver, Fd) -> Result<T, OsError>,
    ) -> Result<T, TransportError> {
        let (core, open) = self.open.resolve();
        let answer = call(&mut **core.driver.borrow_mut(), open.fd);
        answer.map_err(|error| open.error(error))
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

/// Removes the name of a file. Who has the file open keeps it, and what is queued of it is still sent.
///
/// # Errors
///
/// The system's: there is none, or its folder may not be written. On Windows, also that it is open.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::File;
/// use twinloop::transport::remove_file;
///
/// File::create("/tmp/short-lived")?;
/// remove_file("/tmp/short-lived")?;
/// assert!(File::open("/tmp/short-lived").is_err());
/// # Ok(()) });
/// ```
pub fn remove_file(path: impl AsRef<Path>) -> Result<(), TransportError> {
    let removed = Handle::current().core().driver.borrow_mut().remove_file(path.as_ref());
    removed.map_err(|error| TransportError::of_name(Operation::File, &path.as_ref().to_string_lossy(), error))
}

impl OpenFile {
    pub(super) fn error(&self, error: OsError) -> TransportError {
        TransportError::of_name(Operation::File, &self.path, error)
    }

    /// Has `callback` queued once there may be something to read. `key` is the file's own.
    pub(super) fn call_when_readable(
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
    pub(super) fn do_not_call(&self, core: &Core, callback: AsyncCallback) {
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
