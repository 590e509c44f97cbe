//! Files of this machine. Their calls answer when the disk does, but for what has no places, such as a FIFO: that answers at
//! once, and is watched.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use twinloop::driver::{Fd, FileOptions};

use crate::platform::files;
use crate::poller::Poller;

/// An open file. It is closed on exec, as std opens all files.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    /// It has no places: it is read and written where it stands.
    is_stream: bool,
    is_readable: bool,
}

impl OpenFile {
    pub(crate) fn open(path: &Path, options: &FileOptions) -> io::Result<OpenFile> {
        let mut wanted = OpenOptions::new();
        wanted.read(options.read).write(options.write);
        wanted.create(options.create).create_new(options.create_new).truncate(options.truncate);
        let file = files::open(path, &mut wanted)?;
        let is_stream = files::is_stream(file.metadata()?.file_type());
        Ok(OpenFile { file, is_stream, is_readable: options.read })
    }

    /// Has edges told of it, if there can be any.
    pub(crate) fn watch(&self, poller: &Poller, fd: Fd) -> io::Result<()> {
        if self.is_stream { files::watch(&self.file, poller, fd) } else { Ok(()) }
    }

    /// 0 for what is no regular file.
    pub(crate) fn length(&self) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        Ok(if metadata.is_file() { metadata.len() } else { 0 })
    }

    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.is_stream { (&self.file).read(buffer) } else { files::read_at(&self.file, buffer, offset) }
    }

    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.is_stream { (&self.file).write(bytes) } else { files::write_at(&self.file, bytes, offset) }
    }

    pub(crate) fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    /// The file, if there are places in it from which the system could send.
    pub(crate) fn with_places(&self) -> Option<&File> {
        (self.is_readable && !self.is_stream).then_some(&self.file)
    }
}
