//! A host's files: the system calls on them, and the tree of names. No disk stands behind it: every call is done at once, and
//! what was written survives a crash. It has no time and draws no chance.
//!
//! Known differences from Linux: a folder is there for as long as a file is below it, and needs not be made; there are no
//! links, no owners and no permissions, but nothing can be written below `/proc`. As on Linux, [`UNSENDABLE`] is a file
//! that can be read and not sent.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{ErrorKind, IoSlice};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use twinloop::driver::{Fd, FileOptions, Half, OsError};

use super::errno::{EACCES, EEXIST, EFBIG, EINVAL, EISDIR, ENOENT, ENOTDIR, EPERM};
use super::local::Local;
use super::{Kernel, Socket};

/// What sendfile(2) carries at a time: the pipe inside of it holds no more.
const SENT_AT_A_TIME: usize = 64 * 1024;
/// No file is larger: a simulation keeps its files in memory.
const LENGTH_MAX: u64 = 1 << 30;
/// The program's own arguments. Linux makes such a text when it is read, and has sendfile(2) refuse it.
const UNSENDABLE: &str = "/proc/self/cmdline";

/// The files of a host by their paths.
pub(super) struct Files {
    by_path: BTreeMap<PathBuf, Contents>,
}

/// What a name and every descriptor of the file have a share in.
type Contents = Rc<RefCell<Vec<u8>>>;

/// What a descriptor of a file refers to.
pub(super) struct OpenFile {
    /// A folder has none.
    contents: Option<Contents>,
    read: bool,
    write: bool,
    sendable: bool,
}

impl Kernel {
    /// Puts a file there, or other contents in it, as if someone had done so before.
    pub(crate) fn put_file(&mut self, path: &Path, contents: Vec<u8>) {
        self.files.by_path.insert(absolute(path), Rc::new(RefCell::new(contents)));
    }

    pub(crate) fn open_file(&mut self, path: &Path, options: &FileOptions) -> Result<Fd, OsError> {
        if path.as_os_str().is_empty() {
            return Err(ENOENT);
        }
        if self.has_node(&absolute(path)) {
            // A FIFO is opened, and a socket is not.
            let end = match (options.read, options.write) {
                (true, true) => Half::Both,
                (false, true) => Half::Write,
                (_, false) => Half::Read,
            };
            return self.open_fifo(path, end, false);
        }
        let file = self.files.open(&absolute(path), options)?;
        Ok(self.open(Socket::File(file)))
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> Result<(), OsError> {
        if self.remove_node(&absolute(path)) {
            return Ok(());
        }
        self.files.remove(&absolute(path))
    }

    pub(crate) fn file_length(&self, fd: Fd) -> Result<u64, OsError> {
        if self.is_pipe(fd)? {
            return Ok(0);
        }
        let contents = self.file_of(fd)?.contents.as_ref();
        Ok(contents.map_or(0, |contents| contents.borrow().len() as u64))
    }

    pub(crate) fn read_file_at(&mut self, fd: Fd, offset: u64, buffer: &mut [u8]) -> Result<usize, OsError> {
        if self.is_pipe(fd)? {
            return self.recv(fd, buffer);
        }
        let contents = self.file_of(fd)?.to_read()?.borrow();
        let part = part(&contents, offset, buffer.len());
        buffer[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }

    pub(crate) fn write_file_at(&mut self, fd: Fd, offset: u64, bytes: &[u8]) -> Result<usize, OsError> {
        if self.is_pipe(fd)? {
            return self.send_local(fd, &[IoSlice::new(bytes)]);
        }
        let mut contents = self.file_of(fd)?.to_write(OsError::BAD_DESCRIPTOR)?.borrow_mut();
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= LENGTH_MAX).ok_or(EFBIG)?;
        let (start, end) = (offset as usize, end as usize);
        if contents.len() < end {
            contents.resize(end, 0);
        }
        contents[start..end].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    pub(crate) fn set_file_length(&mut self, fd: Fd, length: u64) -> Result<(), OsError> {
        let mut contents = self.file_of(fd)?.to_write(EINVAL)?.borrow_mut();
        if length > LENGTH_MAX {
            return Err(EFBIG);
        }
        contents.resize(length as usize, 0);
        Ok(())
    }

    /// What sendfile(2) would carry now. As Linux, it refuses what can not be read, and leaves it to a read to say why.
    pub(crate) fn part_to_send(&self, fd: Fd, offset: u64, count: usize) -> Result<Vec<u8>, OsError> {
        const REFUSED: OsError = OsError::without_code(ErrorKind::Unsupported);
        let file = self.file_of(fd).map_err(|_| REFUSED)?;
        let contents = file.to_read().ok().filter(|_| file.sendable).ok_or(REFUSED)?.borrow();
        Ok(part(&contents, offset, count.min(SENT_AT_A_TIME)).to_vec())
    }

    /// Whether a file is the end of a FIFO, which has no offsets.
    fn is_pipe(&self, fd: Fd) -> Result<bool, OsError> {
        Ok(matches!(self.socket(fd)?, Socket::Local(Local::Pipe(_))))
    }

    fn file_of(&self, fd: Fd) -> Result<&OpenFile, OsError> {
        match self.socket(fd)? {
            Socket::File(file) => Ok(file),
            _ => Err(EINVAL),
        }
    }
}

impl Files {
    pub(super) fn new() -> Files {
        let unsendable: Contents = Rc::new(RefCell::new(b"program\0".to_vec()));
        Files { by_path: BTreeMap::from([(PathBuf::from(UNSENDABLE), unsendable)]) }
    }

    fn open(&mut self, path: &Path, options: &FileOptions) -> Result<OpenFile, OsError> {
        let FileOptions { read, write, create, create_new, truncate, .. } = *options;
        let changes = create || create_new || truncate;
        if !write && (changes || !read) {
            return Err(EINVAL);
        }
        let contents = match self.by_path.get(path) {
            Some(_) if create_new => return Err(EEXIST),
            Some(_) if write && is_made_up(path) => return Err(EACCES),
            Some(contents) => Some(Rc::clone(contents)),
            None if self.is_folder(path) => {
                if write {
                    return Err(if create_new { EEXIST } else { EISDIR });
                }
                None
            }
            None if self.is_below_a_file(path) => return Err(ENOTDIR),
            None if (create || create_new) && !is_made_up(path) => {
                let contents = Contents::default();
                self.by_path.insert(path.to_owned(), Rc::clone(&contents));
                Some(contents)
            }
            None => return Err(ENOENT),
        };
        if let Some(contents) = contents.as_ref().filter(|_| truncate) {
            contents.borrow_mut().clear();
        }
        Ok(OpenFile { contents, read, write, sendable: path != Path::new(UNSENDABLE) })
    }

    fn remove(&mut self, path: &Path) -> Result<(), OsError> {
        if self.is_folder(path) {
            return Err(EISDIR);
        }
        if is_made_up(path) {
            return Err(if self.by_path.contains_key(path) { EPERM } else { ENOENT });
        }
        match self.by_path.remove(path) {
            Some(_) => Ok(()),
            None if self.is_below_a_file(path) => Err(ENOTDIR),
            None => Err(ENOENT),
        }
    }

    /// Whether the name is in use, by a file or a folder.
    pub(super) fn is_there(&self, path: &Path) -> bool {
        self.by_path.contains_key(path) || self.is_folder(path)
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.by_path.keys().any(|file| file != path && file.starts_with(path))
    }

    fn is_below_a_file(&self, path: &Path) -> bool {
        path.ancestors().skip(1).any(|above| self.by_path.contains_key(above))
    }
}

impl OpenFile {
    fn to_read(&self) -> Result<&RefCell<Vec<u8>>, OsError> {
        let contents = self.contents.as_deref().ok_or(EISDIR)?;
        if self.read { Ok(contents) } else { Err(OsError::BAD_DESCRIPTOR) }
    }

    /// `refusal` is what the call answers for a file that was not opened for writing.
    fn to_write(&self, refusal: OsError) -> Result<&RefCell<Vec<u8>>, OsError> {
        self.contents.as_deref().filter(|_| self.write).ok_or(refusal)
    }
}

/// Whether it is the kernel's own, which programs read and do not change.
fn is_made_up(path: &Path) -> bool {
    path.starts_with("/proc")
}

/// Up to `most` bytes from `offset` on.
fn part(contents: &[u8], offset: u64, most: usize) -> &[u8] {
    let start = usize::try_from(offset).map_or(contents.len(), |offset| offset.min(contents.len()));
    let rest = &contents[start..];
    &rest[..rest.len().min(most)]
}

/// `path` from the root on; a program begins there.
pub(super) fn absolute(path: &Path) -> PathBuf {
    let mut absolute = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => absolute.push(name),
            Component::ParentDir => _ = absolute.pop(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    absolute
}
