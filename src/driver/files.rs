//! What is asked of a file system and what it answers, as data: it crosses the seam, and threads behind it.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Fd, FileOptions, OsError};

/// One thing to be done with files: for [`Driver::begin_file`](super::Driver::begin_file).
///
/// Buffers are moved in, since the operation may outlive whoever has asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileOperation {
    /// Opens a file, or a folder to be read and synced: [`FileOutcome::Opened`].
    Open {
        /// What to open.
        path: PathBuf,
        /// How.
        options: FileOptions,
    },
    /// Reads from `offset` on, up to the length of `buffer`: [`FileOutcome::Read`]. What has no places, such as a FIFO, is
    /// read where it stands, and fails with [`OsError::WOULD_BLOCK`] if there is nothing.
    Read {
        /// The file.
        file: Fd,
        /// From where.
        offset: u64,
        /// Where to; what was in it does not matter.
        buffer: Vec<u8>,
    },
    /// Writes all of `bytes`, from `offset` on. If it fails, some of them may be written.
    Write {
        /// The file.
        file: Fd,
        /// Where to.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// Has what was written of the file survive a loss of power.
    Sync {
        /// The file.
        file: Fd,
        /// Of what is known about the file, only what is needed to read it again (fdatasync(2)).
        data_only: bool,
    },
    /// Cuts a file off at `length`, or extends it with zeros.
    SetLength {
        /// The file.
        file: Fd,
        /// Its length then.
        length: u64,
    },
    /// What is known of an open file: [`FileOutcome::Metadata`].
    FileMetadata {
        /// The file.
        file: Fd,
    },
    /// What is known of the file or folder that has a name: [`FileOutcome::Metadata`].
    Metadata {
        /// The name.
        path: PathBuf,
    },
    /// Gives what is called `from` the name `to`, in one step for everyone who looks. A file that had the name is
    /// replaced, and an empty folder by a folder.
    Rename {
        /// The old name.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
    },
    /// Gives a file a further name (link(2)).
    HardLink {
        /// A name that it has.
        from: PathBuf,
        /// The further one, which must not be taken.
        to: PathBuf,
    },
    /// Removes a name of a file; the file goes with its last name and its last descriptor.
    RemoveFile {
        /// The name.
        path: PathBuf,
    },
    /// Makes an empty folder.
    CreateDirectory {
        /// Its name, which must not be taken.
        path: PathBuf,
    },
    /// Removes an empty folder.
    RemoveDirectory {
        /// Its name.
        path: PathBuf,
    },
    /// What a folder has in it, without `.` and `..`, in any order: [`FileOutcome::Entries`].
    ReadDirectory {
        /// The folder.
        path: PathBuf,
    },
    /// Has the names in a folder survive a loss of power: those that were made, renamed and removed. It is done at once where
    /// the system takes care of that by itself.
    SyncDirectory {
        /// The folder.
        path: PathBuf,
    },
}

/// How an operation has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileOutcome {
    /// It is done, and there is nothing to tell.
    Done,
    /// The descriptor of what was opened; it is the asker's from now on.
    Opened(Fd),
    /// The buffer, cut off behind what was read. Nothing, if there was room, is the end of the file.
    Read(Vec<u8>),
    /// What is known.
    Metadata(Metadata),
    /// What is in the folder.
    Entries(Vec<DirectoryEntry>),
    /// The system's error.
    Failed(OsError),
}

/// What is known of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// How many bytes a file has; 0 for everything else.
    pub length: u64,
}

impl Metadata {
    /// What is known of something of that kind and length.
    pub const fn new(kind: FileKind, length: u64) -> Metadata {
        Metadata { kind, length }
    }

    /// Whether it is a file that can be read at any place.
    pub fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }

    /// Whether it is a folder.
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }
}

/// What has a name in a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FileKind {
    /// Bytes that can be read at any place.
    File,
    /// Names of further ones.
    Directory,
    /// A link to another name.
    Link,
    /// A FIFO, a socket, a device.
    Other,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct DirectoryEntry {
    /// The name, without the folder's.
    pub name: OsString,
    /// What has it.
    pub kind: FileKind,
}

impl DirectoryEntry {
    /// The name of something of that kind.
    pub fn new(name: impl Into<OsString>, kind: FileKind) -> DirectoryEntry {
        DirectoryEntry { name: name.into(), kind }
    }
}
