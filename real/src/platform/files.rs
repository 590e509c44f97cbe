//! Files, as far as systems differ: opening so that no call waits for anybody, places in a file, and what can be watched.

#[cfg(unix)]
mod system {
    use std::fs::{File, FileType, OpenOptions};
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
    use std::path::Path;

    use mio::Interest;
    use mio::unix::SourceFd;
    use twinloop::driver::Fd;

    use crate::poller::Poller;

    /// Opens without waiting for the other end of a FIFO, and without taking a terminal as the process's own.
    pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
    }

    pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }

    pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    /// Has the names in a folder reach the disk.
    pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
        let folder = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path)?;
        folder.sync_all()
    }

    /// Whether a read may find nothing yet, and goes on where the last one ended.
    pub(crate) fn is_stream(kind: FileType) -> bool {
        kind.is_fifo() || kind.is_char_device() || kind.is_socket()
    }

    /// Has edges told of a file that is a stream. One that can not be watched, such as `/dev/zero`, never has a read wait.
    pub(crate) fn watch(file: &File, poller: &Poller, fd: Fd) -> io::Result<()> {
        match poller.watch(&mut SourceFd(&file.as_raw_fd()), Interest::READABLE, fd) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            watched => watched,
        }
    }
}

#[cfg(windows)]
mod system {
    use std::fs::{File, FileType, OpenOptions};
    use std::io;
    use std::os::windows::fs::FileExt;
    use std::path::Path;

    use twinloop::driver::Fd;

    use crate::poller::Poller;

    pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
        options.open(path)
    }

    /// The position of the file moves as well, which nobody looks at.
    pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.seek_read(buffer, offset)
    }

    pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.seek_write(bytes, offset)
    }

    /// NTFS keeps a journal of names, and a folder can not be flushed by itself.
    pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
        let kind = std::fs::metadata(path)?;
        if kind.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// Named pipes are not in the file system here.
    pub(crate) fn is_stream(_: FileType) -> bool {
        false
    }

    /// There is nothing to watch: a file is always ready.
    pub(crate) fn watch(_: &File, _: &Poller, _: Fd) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) use system::{is_stream, open, read_at, sync_directory, watch, write_at};
