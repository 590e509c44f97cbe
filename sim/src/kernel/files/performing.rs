//! Doing what was begun: each operation as the call of Linux that stands behind it, and with the fault that befalls it, if
//! one does.

use std::cell::RefCell;
use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use twinloop::driver::{
    DirectoryEntry, Fd, FileKind, FileOperation, FileOptions, FileOutcome, Half, Metadata, OsError,
};
use twinloop::table::Key;

use super::contents::{Contents, SECTOR};
use super::{Files, On, OpenFile, Operation, Work, absolute};
use crate::kernel::Kernel;
use crate::kernel::errno::{EEXIST, EINVAL, EIO, EISDIR, EMFILE, ENFILE, ENOTDIR, ENOTEMPTY, EPERM, EROFS};

/// What an operation does with the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It takes a descriptor.
    Open,
    /// It reads these bytes of a file of this length.
    Read {
        range: Range<usize>,
        of: usize,
    },
    /// It writes these, of a file that has had this length.
    Write {
        range: Range<usize>,
        of: usize,
    },
    Sync,
    /// It changes something else.
    Change,
    /// It looks at something else.
    Look,
}

/// What may befall an operation. Sectors are those of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskFault {
    /// There is no descriptor left.
    NoDescriptor,
    /// The machine has none left for any program.
    TableFull,
    /// The disk refuses. What a sync was to write is lost, and no later one knows of it.
    Refused,
    /// From now on, nothing can be written any more.
    ReadOnly,
    /// Fewer bytes are read than there are.
    Short(usize),
    /// A sector can not be read from now on.
    Unreadable(u64),
    /// A bit of a sector has flipped.
    Rotten { sector: u64, bit: usize },
    /// What is read stands at this place.
    ReadElsewhere(u64),
    /// What is written goes nowhere, and the disk says that it was.
    WriteLost,
    /// What is written goes to this place.
    WrittenElsewhere(u64),
}

/// What has become of an operation, for the record.
pub(crate) struct Performed {
    pub(crate) fd: Fd,
    /// The error's number, or 0.
    pub(crate) code: u64,
    /// How much was moved.
    pub(crate) count: u64,
}

impl DiskFault {
    /// For the record.
    pub(crate) fn numbers(self) -> [u64; 2] {
        match self {
            DiskFault::NoDescriptor => [1, 0],
            DiskFault::TableFull => [1, 1],
            DiskFault::Refused => [2, 0],
            DiskFault::ReadOnly => [3, 0],
            DiskFault::Short(length) => [4, length as u64],
            DiskFault::Unreadable(sector) => [5, sector],
            DiskFault::Rotten { sector, bit } => [6, sector * SECTOR as u64 * 8 + bit as u64],
            DiskFault::ReadElsewhere(sector) => [7, sector],
            DiskFault::WriteLost => [8, 0],
            DiskFault::WrittenElsewhere(sector) => [9, sector],
        }
    }
}

impl fmt::Display for DiskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskFault::NoDescriptor => f.write_str("no descriptor is left"),
            DiskFault::TableFull => f.write_str("no descriptor is left for any program"),
            DiskFault::Refused => f.write_str("fails"),
            DiskFault::ReadOnly => f.write_str("the disk is read-only from now on"),
            DiskFault::Short(length) => write!(f, "gives {length} bytes"),
            DiskFault::Unreadable(sector) => write!(f, "sector {sector} has gone bad"),
            DiskFault::Rotten { sector, bit } => write!(f, "bit {bit} of sector {sector} has flipped"),
            DiskFault::ReadElsewhere(sector) => write!(f, "gives what is in sector {sector}"),
            DiskFault::WriteLost => f.write_str("goes nowhere"),
            DiskFault::WrittenElsewhere(sector) => write!(f, "goes to sector {sector}"),
        }
    }
}

impl Kernel {
    /// What an operation is about to do.
    pub(crate) fn access(&self, work: Key) -> Access {
        let Work { asked, on, .. } = self.work(work);
        let range = |offset: u64, length: usize, file: &OpenFile| {
            let of = file.node.contents().map_or(0, |contents| contents.borrow().len());
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            (start..start.saturating_add(length), of)
        };
        match (asked, on) {
            (FileOperation::Open { .. }, _) => Access::Open,
            (FileOperation::Read { offset, buffer, .. }, On::File(file)) => {
                let (range, of) = range(*offset, buffer.len(), file);
                Access::Read { range: range.start.min(of)..range.end.min(of), of }
            }
            (FileOperation::Write { offset, bytes, .. }, On::File(file)) => {
                let (range, of) = range(*offset, bytes.len(), file);
                Access::Write { range, of }
            }
            (FileOperation::Sync { .. } | FileOperation::SyncDirectory { .. }, _) => Access::Sync,
            (
                FileOperation::Read { .. }
                | FileOperation::FileMetadata { .. }
                | FileOperation::Metadata { .. }
                | FileOperation::ReadDirectory { .. },
                _,
            ) => Access::Look,
            _ => Access::Change,
        }
    }

    /// What an operation is, for a story.
    pub(crate) fn told(&self, work: Key) -> String {
        let Work { asked, on, .. } = self.work(work);
        let file = match on {
            On::File(file) => file.path.display().to_string(),
            On::Pipe(_) | On::Nothing => String::new(),
        };
        match asked {
            FileOperation::Open { path, .. } => format!("open {}", path.display()),
            FileOperation::Read { offset, buffer, .. } => {
                format!("read of {} bytes of {file} at {offset}", buffer.len())
            }
            FileOperation::Write { offset, bytes, .. } => {
                format!("write of {} bytes of {file} at {offset}", bytes.len())
            }
            FileOperation::Sync { .. } => format!("sync of {file}"),
            FileOperation::SyncDirectory { path } => format!("sync of {}", path.display()),
            FileOperation::Rename { from, to } => format!("rename of {} to {}", from.display(), to.display()),
            _ => format!("operation on {file}"),
        }
    }

    /// Does what was begun, and tells who has asked.
    pub(crate) fn perform(&mut self, work: Key, fault: Option<DiskFault>) -> Performed {
        let Work { fd, asked, on } = self.files.under_way.remove(work).expect("it is performed once");
        let ended = self.done(asked, &on, fault).unwrap_or_else(failed);
        let (code, count) = match &ended {
            Operation::Ended(FileOutcome::Failed(error)) => (error.code().unwrap_or(-1) as u64, 0),
            Operation::Ended(FileOutcome::Read(bytes)) => (0, bytes.len() as u64),
            _ => (0, 0),
        };
        self.end_operation(fd, ended);
        Performed { fd, code, count }
    }

    fn done(
        &mut self,
        asked: FileOperation,
        on: &On,
        fault: Option<DiskFault>,
    ) -> Result<Operation, OsError> {
        check_paths(&asked)?;
        match fault {
            Some(DiskFault::NoDescriptor) => return Err(EMFILE),
            Some(DiskFault::TableFull) => return Err(ENFILE),
            _ => {}
        }
        let done = |()| Operation::Ended(FileOutcome::Done);
        match (asked, on) {
            (FileOperation::Open { path, options }, _) => self.open_file(&path, &options),
            (FileOperation::Metadata { path }, _) => self.metadata(&path),
            (FileOperation::ReadDirectory { path }, _) => self.list(&path),
            (FileOperation::SyncDirectory { path }, _) => {
                let folder = self.files.tree().find_folder(&path)?;
                self.files.sync(&folder, fault).map(done)
            }
            (FileOperation::Rename { from, to }, _) => self.rename(&from, &to).map(done),
            (FileOperation::RemoveFile { path }, _) => self.remove_file(&path).map(done),
            (FileOperation::HardLink { from, to }, _) => self.hard_link(&from, &to).map(done),
            (FileOperation::CreateDirectory { path }, _) => self.create_folder(&path).map(done),
            (FileOperation::RemoveDirectory { path }, _) => self.remove_folder(&path).map(done),
            (asked, On::File(file)) => self.files.with_file(asked, file, fault).map(Operation::Ended),
            (asked, On::Pipe(pipe)) => self.with_pipe(asked, *pipe).map(Operation::Ended),
            (_, On::Nothing) => Err(EINVAL),
        }
    }

    fn open_file(&mut self, path: &Path, options: &FileOptions) -> Result<Operation, OsError> {
        let FileOptions { read, write, create, create_new, truncate, .. } = *options;
        if !write && (create || create_new || truncate || !read) {
            return Err(EINVAL);
        }
        if !path.as_os_str().is_empty() && self.has_node(&absolute(path)) {
            // A FIFO is opened, and a socket is not.
            let end = match (read, write) {
                (true, true) => Half::Both,
                (false, true) => Half::Write,
                (_, false) => Half::Read,
            };
            return Ok(Operation::OpenedFifo(path.to_owned(), end));
        }
        if self.files.read_only && write {
            return Err(EROFS);
        }
        Ok(Operation::Opened(Rc::new(self.files.open(path, options)?)))
    }

    fn metadata(&self, path: &Path) -> Result<Operation, OsError> {
        let metadata = if self.has_node(&absolute(path)) {
            Metadata::new(FileKind::Other, 0)
        } else {
            known_of(&*self.files.tree().find(path)?)
        };
        Ok(Operation::Ended(FileOutcome::Metadata(metadata)))
    }

    fn list(&self, path: &Path) -> Result<Operation, OsError> {
        let folder = self.files.tree().find_folder(path)?;
        let kind = |is_folder| if is_folder { FileKind::Directory } else { FileKind::File };
        let names = folder.listed().into_iter();
        let nodes = self.nodes_in(&absolute(path)).into_iter();
        let entries = names
            .map(|(name, is_folder)| DirectoryEntry::new(name, kind(is_folder)))
            .chain(nodes.map(|name| DirectoryEntry::new(name, FileKind::Other)));
        Ok(Operation::Ended(FileOutcome::Entries(entries.collect())))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), OsError> {
        self.files.may_change()?;
        let (node, target) = (absolute(from), absolute(to));
        if self.has_node(&node) {
            return match self.files.tree().find(to) {
                Ok(folder) if folder.is_folder() => Err(EISDIR),
                _ => {
                    let _replaced = self.files.tree_mut().remove_file(to);
                    self.rename_node(&node, target);
                    Ok(())
                }
            };
        }
        if self.has_node(&target) && self.files.tree().find(from)?.is_folder() {
            return Err(ENOTDIR);
        }
        self.files.tree_mut().rename(from, to)?;
        self.remove_node(&target);
        Ok(())
    }

    fn remove_file(&mut self, path: &Path) -> Result<(), OsError> {
        self.files.may_change()?;
        if self.remove_node(&absolute(path)) {
            return Ok(());
        }
        self.files.tree_mut().remove_file(path)
    }

    fn hard_link(&mut self, from: &Path, to: &Path) -> Result<(), OsError> {
        self.files.may_change()?;
        match (self.has_node(&absolute(from)), self.has_node(&absolute(to))) {
            (_, true) => Err(EEXIST),
            (true, _) => Err(EPERM),
            (false, false) => self.files.tree_mut().hard_link(from, to),
        }
    }

    fn create_folder(&mut self, path: &Path) -> Result<(), OsError> {
        self.files.may_change()?;
        if self.has_node(&absolute(path)) {
            return Err(EEXIST);
        }
        self.files.tree_mut().create_folder(path)
    }

    fn remove_folder(&mut self, path: &Path) -> Result<(), OsError> {
        self.files.may_change()?;
        if self.has_node(&absolute(path)) {
            return Err(ENOTDIR);
        }
        if !self.nodes_in(&absolute(path)).is_empty() {
            return Err(ENOTEMPTY);
        }
        self.files.tree_mut().remove_folder(path)
    }

    fn with_pipe(&mut self, asked: FileOperation, pipe: Fd) -> Result<FileOutcome, OsError> {
        self.enter_as_owner(pipe);
        match asked {
            FileOperation::Read { mut buffer, .. } => {
                let count = self.recv(pipe, &mut buffer)?;
                buffer.truncate(count);
                Ok(FileOutcome::Read(buffer))
            }
            FileOperation::Write { bytes, .. } => {
                let mut left = bytes.as_slice();
                while !left.is_empty() {
                    let count = self.send_local(pipe, &[std::io::IoSlice::new(left)])?;
                    left = &left[count..];
                }
                Ok(FileOutcome::Done)
            }
            FileOperation::FileMetadata { .. } => {
                Ok(FileOutcome::Metadata(Metadata::new(FileKind::Other, 0)))
            }
            _ => Err(EINVAL),
        }
    }

    fn work(&self, work: Key) -> &Work {
        self.files.under_way.get(work).expect("an operation is asked about while it is under way")
    }
}

impl Files {
    fn with_file(
        &mut self,
        asked: FileOperation,
        file: &OpenFile,
        fault: Option<DiskFault>,
    ) -> Result<FileOutcome, OsError> {
        match asked {
            FileOperation::Read { offset, mut buffer, .. } => {
                let count = read(file, offset, &mut buffer, fault)?;
                buffer.truncate(count);
                return Ok(FileOutcome::Read(buffer));
            }
            FileOperation::FileMetadata { .. } => return Ok(FileOutcome::Metadata(known_of(&file.node))),
            FileOperation::Write { offset, bytes, .. } if !bytes.is_empty() => {
                self.write(file, offset, &bytes, fault)?;
            }
            FileOperation::SetLength { length, .. } => {
                // No call is made with what is no offset.
                to_offset(length).map_err(|_| OsError::without_code(ErrorKind::InvalidInput))?;
                let contents = file.to_write(EINVAL)?;
                self.may_change()?;
                self.make_room(contents, length);
                contents.borrow_mut().set_length(length)?;
            }
            FileOperation::Sync { .. } => self.sync(&file.node, fault)?,
            _ => {}
        }
        Ok(FileOutcome::Done)
    }

    fn write(
        &mut self,
        file: &OpenFile,
        offset: u64,
        bytes: &[u8],
        fault: Option<DiskFault>,
    ) -> Result<(), OsError> {
        let offset = to_offset(offset)?;
        let contents = file.to_write(OsError::BAD_DESCRIPTOR)?;
        check_area(offset, bytes.len())?;
        if fault == Some(DiskFault::ReadOnly) {
            self.read_only = true;
        }
        self.may_change()?;
        self.make_room(contents, offset.saturating_add(bytes.len() as u64));
        let mut contents = contents.borrow_mut();
        match fault {
            Some(DiskFault::Refused) => Err(EIO),
            Some(DiskFault::WriteLost) => contents.write_nothing(offset, bytes.len()),
            Some(DiskFault::WrittenElsewhere(sector)) => {
                contents.write_nothing(offset, bytes.len())?;
                let start = sector as usize * SECTOR;
                let fits = bytes.len().min(contents.len().saturating_sub(start));
                contents.write(start as u64, &bytes[..fits])
            }
            _ => contents.write(offset, bytes),
        }
    }

    fn sync(&mut self, node: &super::Node, fault: Option<DiskFault>) -> Result<(), OsError> {
        match (node.contents(), fault) {
            (Ok(contents), Some(DiskFault::Refused)) => {
                contents.borrow_mut().fail_to_sync();
                Err(EIO)
            }
            (Err(_), Some(DiskFault::Refused)) => Err(EIO),
            (Ok(contents), _) => {
                contents.borrow_mut().sync();
                Ok(())
            }
            (Err(_), _) => {
                self.tree_mut().sync(node);
                Ok(())
            }
        }
    }

    /// What was removed takes room for as long as a loss of power could bring it back. Where it is needed, the names are
    /// written, as ext4 does.
    fn make_room(&mut self, contents: &RefCell<Contents>, end: u64) {
        if !contents.borrow().has_room(end) {
            self.tree_mut().sync_all();
        }
    }

    fn may_change(&self) -> Result<(), OsError> {
        if self.read_only { Err(EROFS) } else { Ok(()) }
    }
}

fn read(file: &OpenFile, offset: u64, buffer: &mut [u8], fault: Option<DiskFault>) -> Result<usize, OsError> {
    let (mut offset, mut most) = (to_offset(offset)?, buffer.len());
    let mut contents = file.to_read()?.borrow_mut();
    check_area(offset, most)?;
    match fault {
        Some(DiskFault::Refused) => return Err(EIO),
        Some(DiskFault::Short(length)) => most = length,
        Some(DiskFault::Unreadable(sector)) => contents.spoil(sector),
        Some(DiskFault::Rotten { sector, bit }) => contents.rot(sector, bit),
        // The end of the file is where it was: only what is read stands elsewhere.
        Some(DiskFault::ReadElsewhere(sector)) => {
            most = contents.read(offset, most)?.len();
            offset = sector * SECTOR as u64;
        }
        _ => {}
    }
    let part = contents.read(offset, most)?;
    buffer[..part.len()].copy_from_slice(part);
    Ok(part.len())
}

/// Offsets have a sign.
fn to_offset(offset: u64) -> Result<u64, OsError> {
    if i64::try_from(offset).is_ok() { Ok(offset) } else { Err(EINVAL) }
}

/// What is read or written ends at an offset too (`rw_verify_area`).
pub(super) fn check_area(offset: u64, length: usize) -> Result<(), OsError> {
    offset.checked_add(length as u64).map_or(Err(EINVAL), to_offset).map(drop)
}

/// No call is made with a path that has a NUL byte: it would end there.
fn check_paths(asked: &FileOperation) -> Result<(), OsError> {
    let paths = match asked {
        FileOperation::Open { path, .. }
        | FileOperation::Metadata { path }
        | FileOperation::ReadDirectory { path }
        | FileOperation::SyncDirectory { path }
        | FileOperation::RemoveFile { path }
        | FileOperation::CreateDirectory { path }
        | FileOperation::RemoveDirectory { path } => [Some(path), None],
        FileOperation::Rename { from, to } | FileOperation::HardLink { from, to } => [Some(from), Some(to)],
        _ => [None, None],
    };
    paths.into_iter().flatten().try_for_each(|path| check_path(path))
}

pub(in crate::kernel) fn check_path(path: &Path) -> Result<(), OsError> {
    let has_nul = path.as_os_str().as_encoded_bytes().contains(&0);
    if has_nul { Err(OsError::without_code(ErrorKind::InvalidInput)) } else { Ok(()) }
}

fn known_of(node: &super::tree::Inode) -> Metadata {
    match node.contents() {
        Ok(contents) => Metadata::new(FileKind::File, contents.borrow().len() as u64),
        Err(_) => Metadata::new(FileKind::Directory, 0),
    }
}

fn failed(error: OsError) -> Operation {
    Operation::Ended(FileOutcome::Failed(error))
}
