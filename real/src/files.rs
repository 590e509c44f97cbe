//! Files of this machine: open ones, and operations on them as jobs for helper threads. What has no places, such as a FIFO,
//! answers at once and is watched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use twinloop::driver::{DirectoryEntry, Fd, FileKind, FileOptions, FileOutcome, Metadata};

use crate::helpers::Job;
use crate::platform::{files, os_error};
use crate::poller::Poller;

/// An open file. It is closed on exec, as std opens all files.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    /// It has no places: it is read and written where it stands.
    is_stream: bool,
    is_readable: bool,
}

/// An operation with the files that it is done with.
pub(crate) enum FileJob {
    Open { path: PathBuf, options: FileOptions },
    Read { file: Arc<OpenFile>, offset: u64, buffer: Vec<u8> },
    Write { file: Arc<OpenFile>, offset: u64, bytes: Vec<u8> },
    Sync { file: Arc<OpenFile>, data_only: bool },
    SetLength { file: Arc<OpenFile>, length: u64 },
    FileMetadata { file: Arc<OpenFile> },
    Metadata { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    HardLink { from: PathBuf, to: PathBuf },
    RemoveFile { path: PathBuf },
    CreateDirectory { path: PathBuf },
    RemoveDirectory { path: PathBuf },
    ReadDirectory { path: PathBuf },
    SyncDirectory { path: PathBuf },
}

/// What comes of one.
#[derive(Debug)]
pub(crate) enum Done {
    /// It gets its descriptor when it is asked for, so that nothing is left open if nobody asks.
    Opened(OpenFile),
    Otherwise(FileOutcome),
}

impl Job for FileJob {
    type Answer = Done;

    const NAME: &'static str = "files";
    /// A disk does more at a time, and a page cache needs no more.
    const THREADS_MAX: usize = 4;
    /// Programs with files use them again and again; to start a thread costs as much as what it then does.
    const LINGER: Duration = Duration::from_secs(10);

    fn run(self) -> Done {
        self.done().unwrap_or_else(|error| Done::Otherwise(FileOutcome::Failed(os_error(error))))
    }
}

impl FileJob {
    fn done(self) -> io::Result<Done> {
        let outcome = match self {
            FileJob::Open { path, options } => return open(&path, options).map(Done::Opened),
            FileJob::Read { file, offset, mut buffer } => {
                let count = uninterrupted(|| file.read_at(&mut buffer, offset))?;
                buffer.truncate(count);
                FileOutcome::Read(buffer)
            }
            FileJob::FileMetadata { file } => FileOutcome::Metadata(told(&file.file.metadata()?)),
            FileJob::Metadata { path } => FileOutcome::Metadata(told(&fs::metadata(path)?)),
            FileJob::ReadDirectory { path } => FileOutcome::Entries(entries(&path)?),
            FileJob::Write { file, offset, bytes } => unit(file.write_all_at(&bytes, offset))?,
            FileJob::Sync { file, data_only } => unit(file.sync(data_only))?,
            FileJob::SetLength { file, length } => unit(uninterrupted(|| file.file.set_len(length)))?,
            FileJob::Rename { from, to } => unit(fs::rename(from, to))?,
            FileJob::HardLink { from, to } => unit(fs::hard_link(from, to))?,
            FileJob::RemoveFile { path } => unit(fs::remove_file(path))?,
            FileJob::CreateDirectory { path } => unit(fs::create_dir(path))?,
            FileJob::RemoveDirectory { path } => unit(fs::remove_dir(path))?,
            FileJob::SyncDirectory { path } => unit(files::sync_directory(&path))?,
        };
        Ok(Done::Otherwise(outcome))
    }
}

impl OpenFile {
    /// Has edges told of it, if there can be any.
    pub(crate) fn watch(&self, poller: &Poller, fd: Fd) -> io::Result<()> {
        if self.is_stream { files::watch(&self.file, poller, fd) } else { Ok(()) }
    }

    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.is_stream { (&self.file).read(buffer) } else { files::read_at(&self.file, buffer, offset) }
    }

    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = uninterrupted(|| {
                if self.is_stream {
                    (&self.file).write(bytes)
                } else {
                    files::write_at(&self.file, bytes, offset)
                }
            })?;
            if count == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            bytes = &bytes[count..];
            offset = offset.saturating_add(count as u64);
        }
        Ok(())
    }

    fn sync(&self, data_only: bool) -> io::Result<()> {
        uninterrupted(|| if data_only { self.file.sync_data() } else { self.file.sync_all() })
    }

    /// The file, if there are places in it from which the system could send.
    pub(crate) fn with_places(&self) -> Option<&File> {
        (self.is_readable && !self.is_stream).then_some(&self.file)
    }
}

fn open(path: &Path, options: FileOptions) -> io::Result<OpenFile> {
    let mut wanted = OpenOptions::new();
    wanted.read(options.read).write(options.write);
    wanted.create(options.create).create_new(options.create_new).truncate(options.truncate);
    let file = uninterrupted(|| files::open(path, &mut wanted))?;
    let is_stream = files::is_stream(file.metadata()?.file_type());
    Ok(OpenFile { file, is_stream, is_readable: options.read })
}

fn entries(path: &Path) -> io::Result<Vec<DirectoryEntry>> {
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok(DirectoryEntry::new(entry.file_name(), kind(entry.file_type()?)))
    };
    fs::read_dir(path)?.map(entry).collect()
}

fn told(metadata: &fs::Metadata) -> Metadata {
    let length = if metadata.is_file() { metadata.len() } else { 0 };
    Metadata::new(kind(metadata.file_type()), length)
}

fn kind(kind: fs::FileType) -> FileKind {
    if kind.is_file() {
        FileKind::File
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_symlink() {
        FileKind::Link
    } else {
        FileKind::Other
    }
}

fn unit(done: io::Result<()>) -> io::Result<FileOutcome> {
    done.map(|()| FileOutcome::Done)
}

/// What `call` answers once no signal cuts it short.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
