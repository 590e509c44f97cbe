//! A host's files: what is asked of them, and descriptors of what is under way. It has no time and draws no chance: when an
//! operation is done, and what befalls it, is said from outside.
//!
//! Known differences from Linux; PARITY.md has their reasons:
//! - PARITY: Symbolic links
//! - PARITY: Permissions
//! - PARITY: The largest file
//! - PARITY: Folders of sockets
//! - PARITY: What a crash leaves
//!
//! As on Linux, [`UNSENDABLE`] is a file that can be read and not sent.

mod contents;
mod performing;
mod tree;

use std::cell::{OnceCell, RefCell};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use twinloop::driver::{Fd, FileOperation, FileOptions, FileOutcome, Half, OsError, Readiness};
use twinloop::table::{Key, Table};

use super::errno::{EINVAL, UNSUPPORTED};
use super::local::Local;
use super::{Kernel, Socket};
use contents::{Contents, Space};
pub(crate) use contents::{Doubtful, Left, SECTOR, sectors};
use performing::check_area;
pub(super) use performing::check_path;
pub(crate) use performing::{Access, DiskFault};
use tree::{Node, Tree};

/// What sendfile(2) carries at a time: the pipe inside of it holds no more.
const SENT_AT_A_TIME: usize = 64 * 1024;
/// The program's own arguments. Linux makes such a text when it is read, and has sendfile(2) refuse it.
const UNSENDABLE: &str = "/proc/self/cmdline";

/// The file system of a host.
pub(super) struct Files {
    /// Made when it is asked for first: most simulated hosts have no use for files.
    tree: OnceCell<Tree>,
    space: Rc<Space>,
    /// What was begun and is not done, also where nobody waits for it any more.
    under_way: Table<Work>,
    /// Something has gone so wrong that nothing may be written until the host starts again.
    read_only: bool,
}

/// What a descriptor of a file refers to.
pub(super) struct OpenFile {
    node: Node,
    read: bool,
    write: bool,
    sendable: bool,
    /// By which path it was opened, for stories.
    path: PathBuf,
}

/// An operation that was begun.
struct Work {
    /// The operation's own descriptor.
    fd: Fd,
    asked: FileOperation,
    on: On,
}

/// What an operation on an open file is done with.
enum On {
    Nothing,
    File(Rc<OpenFile>),
    /// The end of a FIFO, which has no places.
    Pipe(Fd),
}

/// What an operation's descriptor refers to.
pub(super) enum Operation {
    UnderWay,
    /// It gets its descriptor when it is asked for.
    Opened(Rc<OpenFile>),
    OpenedFifo(PathBuf, Half),
    Ended(FileOutcome),
    Taken,
}

/// # Operations
impl Kernel {
    /// Begins an operation, to be [performed](Kernel::perform) later.
    pub(crate) fn begin_file(&mut self, asked: FileOperation) -> Result<(Fd, Key), OsError> {
        let on = match asked {
            FileOperation::Read { file, .. }
            | FileOperation::Write { file, .. }
            | FileOperation::Sync { file, .. }
            | FileOperation::SetLength { file, .. }
            | FileOperation::FileMetadata { file } => match self.socket(file)? {
                Socket::File(file) => On::File(Rc::clone(file)),
                Socket::Local(Local::Pipe(_)) => On::Pipe(file),
                _ => return Err(EINVAL),
            },
            _ => On::Nothing,
        };
        let fd = self.open(Socket::Operation(Operation::UnderWay));
        self.hollow += 1;
        let work = self.files.under_way.insert(Work { fd, asked, on });
        Ok((fd, work))
    }

    /// Whether an operation is still to be done: a crash ends those that are not.
    pub(crate) fn is_under_way(&self, work: Key) -> bool {
        self.files.under_way.get(work).is_some()
    }

    /// Whether nobody waits for the end of an operation any more.
    pub(crate) fn is_given_up(&self, work: Key) -> bool {
        self.files.under_way.get(work).is_none_or(|work| self.sockets.get(work.fd.key()).is_none())
    }

    /// An operation that nobody waits for is not done at all.
    pub(crate) fn leave_undone(&mut self, work: Key) {
        self.files.under_way.remove(work);
    }

    /// An operation has ended: its owner is told, if there still is one.
    fn end_operation(&mut self, fd: Fd, ended: Operation) {
        let Some(Socket::Operation(operation)) = self.sockets.get_mut(fd.key()) else { return };
        if let Operation::Opened(_) | Operation::OpenedFifo(..) = ended {
            self.hollow -= 1;
        }
        *operation = ended;
        self.raise(fd, Readiness::READABLE);
    }

    pub(crate) fn file_outcome(&mut self, fd: Fd) -> Result<FileOutcome, OsError> {
        let Socket::Operation(operation) = self.socket_mut(fd)? else { return Err(EINVAL) };
        let opened = match std::mem::replace(operation, Operation::Taken) {
            Operation::Ended(outcome) => return Ok(outcome),
            Operation::UnderWay => {
                *operation = Operation::UnderWay;
                return Err(OsError::WOULD_BLOCK);
            }
            Operation::Taken => return Err(EINVAL),
            Operation::Opened(file) => Ok(self.open(Socket::File(file))),
            Operation::OpenedFifo(path, end) => self.open_fifo(&path, end, false),
        };
        self.hollow += 1;
        Ok(opened.map_or_else(FileOutcome::Failed, FileOutcome::Opened))
    }

    /// The descriptor of an operation closes.
    pub(super) fn close_operation(&mut self, operation: &Operation) {
        if !matches!(operation, Operation::Opened(_) | Operation::OpenedFifo(..)) {
            self.hollow -= 1;
        }
    }
}

/// # From outside
impl Kernel {
    /// Puts a file there, or other contents in it, as if someone had done so before.
    pub(crate) fn put_file(&mut self, path: &Path, contents: Vec<u8>) {
        self.files.tree_mut().put_file(&absolute(path), contents);
    }

    /// How many bytes all files together may have.
    pub(crate) fn limit_space(&mut self, capacity: Option<u64>) {
        self.files.space.limit(capacity);
    }

    /// The power is gone: `lost` says which of so many changes of names the disk has not got, the oldest first.
    pub(crate) fn lose_names(&mut self, lost: &mut dyn FnMut(usize) -> Vec<bool>) {
        if let Some(tree) = self.files.tree.get_mut() {
            tree.lose_power(lost);
        }
    }

    /// The power is gone: `left` says what the disk has of what was not synced, of each file that has a name left.
    pub(crate) fn lose_contents(&mut self, left: &mut dyn FnMut(&Path, Doubtful) -> Left) {
        if let Some(tree) = self.files.tree.get() {
            tree.each_file(&mut |path, contents| {
                contents.borrow_mut().lose_power(&mut |doubtful| left(path, doubtful));
            });
        }
    }

    /// What programs would find in every file.
    pub(crate) fn all_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        self.files.tree().each_file(&mut |path, contents| {
            files.push((path.to_owned(), contents.borrow().bytes().to_vec()));
        });
        files
    }
}

/// # Sending
impl Kernel {
    /// As a read that is done at once, by who sends what [`part_to_send`](Kernel::part_to_send) refuses.
    pub(crate) fn read_file_at(&mut self, fd: Fd, offset: u64, buffer: &mut [u8]) -> Result<usize, OsError> {
        if let Socket::Local(Local::Pipe(_)) = self.socket(fd)? {
            return self.recv(fd, buffer);
        }
        let contents = self.file_of(fd)?.to_read()?.borrow();
        check_area(offset, buffer.len())?;
        let part = contents.read(offset, buffer.len())?;
        buffer[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }

    /// What sendfile(2) would carry now over the stream `to`. As Linux, it refuses what can not be read, and leaves it to a
    /// read to say why.
    pub(crate) fn part_to_send(&self, to: Fd, fd: Fd, offset: u64, count: usize) -> Result<Vec<u8>, OsError> {
        self.stream(to)?;
        const REFUSED: OsError = OsError::without_code(ErrorKind::Unsupported);
        let file = self.file_of(fd).map_err(|_| REFUSED)?;
        let contents = file.to_read().ok().filter(|_| file.sendable).ok_or(REFUSED)?.borrow();
        check_area(offset, count).map_err(|_| REFUSED)?;
        let part = contents.read(offset, count.min(SENT_AT_A_TIME)).map_err(|_| REFUSED)?;
        Ok(part.to_vec())
    }

    fn file_of(&self, fd: Fd) -> Result<&OpenFile, OsError> {
        match self.socket(fd)? {
            Socket::File(file) => Ok(file),
            _ => Err(UNSUPPORTED),
        }
    }
}

impl Files {
    pub(super) fn new() -> Files {
        Files { tree: OnceCell::new(), space: Rc::default(), under_way: Table::new(), read_only: false }
    }

    fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| {
            let mut tree = Tree::new(&self.space);
            tree.put_file(Path::new(UNSENDABLE), b"program\0".to_vec());
            tree
        })
    }

    fn tree_mut(&mut self) -> &mut Tree {
        self.tree();
        self.tree.get_mut().expect("it was made above")
    }

    /// What the next life of the host finds.
    pub(super) fn after_crash(mut self) -> Files {
        for work in self.under_way.keys() {
            // The table stays, so that operations of this life are stale in the next one.
            self.under_way.remove(work);
        }
        Files { read_only: false, ..self }
    }

    /// Whether the name is in use, by a file or a folder.
    pub(super) fn is_there(&self, path: &Path) -> bool {
        self.tree().find(path).is_ok()
    }

    fn open(&mut self, path: &Path, options: &FileOptions) -> Result<OpenFile, OsError> {
        let FileOptions { read, write, create, create_new, truncate, .. } = *options;
        let changes = create || create_new || truncate;
        let node = if create || create_new {
            self.tree_mut().find_or_create(path, create_new)?
        } else {
            self.tree().find(path)?
        };
        if write {
            node.to_write()?;
        }
        if changes && truncate {
            node.contents()?.borrow_mut().set_length(0)?;
        }
        let sendable = !node.is_made_up();
        Ok(OpenFile { node, read, write, sendable, path: path.to_owned() })
    }
}

impl OpenFile {
    fn to_read(&self) -> Result<&RefCell<Contents>, OsError> {
        if !self.read {
            return Err(OsError::BAD_DESCRIPTOR);
        }
        self.node.contents()
    }

    /// `refusal` is what the call answers for a file that was not opened for writing.
    fn to_write(&self, refusal: OsError) -> Result<&RefCell<Contents>, OsError> {
        if !self.write {
            return Err(refusal);
        }
        self.node.contents()
    }
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
