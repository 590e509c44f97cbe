//! Files and folders, without blocking the loop: open files, and what is done with names.
//!
//! No call here waits for a disk. Each begins an operation and gives a future of its end; [`FileCall`] says what dropping it
//! means. On the real driver the operations are done by a few threads, with std's own calls. A simulated host has a file
//! system of its own, whose disk may be slow, full or broken, and which after a crash has what was synced, and of the rest
//! what chance has left of it.
//!
//! # What survives a loss of power
//!
//! Only what was synced, and nothing in between is promised, not even that what was written first survives first:
//! - the bytes and the length of a file: [`File::sync_data`] or [`File::sync_all`];
//! - a name, be it made, renamed or removed: [`sync_dir`] on the folder that has it. Syncing a file does not sync its name.
//!
//! To replace a file so that either the old or the new contents are found, write the new ones beside it, sync, rename, and
//! sync the folder. [`replace`] does that.
//!
//! ```
//! # twinloop_sim::run(async {
//! use twinloop::fs;
//!
//! fs::create_dir_all("/var/lib/ledger").await?;
//! fs::replace("/var/lib/ledger/total", b"5").await?;
//! assert_eq!(fs::read("/var/lib/ledger/total").await?, b"5");
//!
//! let names = fs::read_dir("/var/lib/ledger").await?;
//! assert_eq!(names.len(), 1, "what was written beside it has its name now");
//! # Ok(()) });
//! ```
//!
//! # Errors
//!
//! The system's, with [`Operation::File`](crate::Operation::File) and the path; of two paths, the first.
//!
//! # Panics
//!
//! Every function here panics outside of a dispatcher's scope.

mod call;
mod file;
mod steps;

use std::path::Path;

pub use crate::driver::{DirectoryEntry, FileKind, FileOptions, Metadata};
use crate::driver::{FileOperation, FileOutcome};
pub use call::FileCall;
use call::{Caller, Finished, Subject};
pub(crate) use file::OpenFile;
use file::metadata_of;
pub use file::{File, ReadAt, ReadRange};
pub use steps::{FileSteps, create_dir_all, read, read_to_string, remove_dir_all, replace, write};

/// What is known of the file or folder at `path`.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::write("/tmp/three", b"abc").await?;
/// let metadata = fs::metadata("/tmp/three").await?;
/// assert!(metadata.is_file() && metadata.length == 3);
/// assert!(fs::metadata("/tmp").await?.is_dir());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn metadata(path: impl AsRef<Path>) -> FileCall<Metadata> {
    Caller::here().metadata(path.as_ref())
}

/// Gives what is called `from` the name `to`, in one step for everyone who looks. A file that is called `to` already is
/// replaced; who has it open keeps it.
///
/// Without [`sync_dir`] on the folders of both names, a loss of power may undo it.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::write("/tmp/new", b"new").await?;
/// fs::write("/tmp/old", b"old").await?;
/// fs::rename("/tmp/new", "/tmp/old").await?;
/// assert_eq!(fs::read("/tmp/old").await?, b"new");
/// assert!(fs::metadata("/tmp/new").await.is_err());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> FileCall<()> {
    Caller::here().rename(from.as_ref(), to.as_ref())
}

/// Gives the file `from` the further name `to`, which must not be taken: of several who do this, one succeeds.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::write("/tmp/mine", b"I have the lock").await?;
/// fs::hard_link("/tmp/mine", "/tmp/lock").await?;
/// assert!(fs::hard_link("/tmp/mine", "/tmp/lock").await.is_err());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn hard_link(from: impl AsRef<Path>, to: impl AsRef<Path>) -> FileCall<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let operation = FileOperation::HardLink { from: from.to_owned(), to: to.to_owned() };
    Caller::here().call(operation, Subject::named(from), done)
}

/// Removes a name of a file. Who has the file open keeps it, and what is queued of it is still sent.
///
/// # Errors
///
/// On Windows, also that it is open.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{File, fs};
///
/// fs::write("/tmp/short-lived", b"").await?;
/// fs::remove_file("/tmp/short-lived").await?;
/// assert!(File::open("/tmp/short-lived").await.is_err());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn remove_file(path: impl AsRef<Path>) -> FileCall<()> {
    Caller::here().remove_file(path.as_ref())
}

/// Makes an empty folder. The one that it is in must be there: [`create_dir_all`] makes that too.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::create_dir("/tmp/folder").await?;
/// assert!(fs::create_dir("/tmp/folder").await.is_err(), "it is there already");
/// assert!(fs::create_dir("/tmp/other/folder").await.is_err(), "/tmp/other is not");
/// # Ok(()) });
/// ```
#[track_caller]
pub fn create_dir(path: impl AsRef<Path>) -> FileCall<()> {
    Caller::here().create_dir(path.as_ref())
}

/// Removes an empty folder.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::create_dir("/tmp/folder").await?;
/// fs::write("/tmp/folder/file", b"").await?;
/// assert!(fs::remove_dir("/tmp/folder").await.is_err(), "it is not empty");
/// fs::remove_file("/tmp/folder/file").await?;
/// fs::remove_dir("/tmp/folder").await?;
/// # Ok(()) });
/// ```
#[track_caller]
pub fn remove_dir(path: impl AsRef<Path>) -> FileCall<()> {
    Caller::here().remove_dir(path.as_ref())
}

/// The names in a folder, sorted, on every system the same way.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs::{self, FileKind};
///
/// fs::create_dir_all("/tmp/a/b").await?;
/// fs::write("/tmp/a/a", b"").await?;
/// let entries = fs::read_dir("/tmp/a").await?;
/// assert_eq!((entries[0].name.to_str(), entries[0].kind), (Some("a"), FileKind::File));
/// assert_eq!((entries[1].name.to_str(), entries[1].kind), (Some("b"), FileKind::Directory));
/// # Ok(()) });
/// ```
#[track_caller]
pub fn read_dir(path: impl AsRef<Path>) -> FileCall<Vec<DirectoryEntry>> {
    Caller::here().read_dir(path.as_ref())
}

/// Ends once the names in a folder survive a loss of power: what was made, renamed and removed there before.
///
/// A folder's own name is in the folder above it. Systems which take care of names by themselves, as Windows does, are asked
/// for nothing.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::create_dir("/tmp/spool").await?;
/// fs::sync_dir("/tmp").await?;
/// # Ok(()) });
/// ```
#[track_caller]
pub fn sync_dir(path: impl AsRef<Path>) -> FileCall<()> {
    Caller::here().sync_dir(path.as_ref())
}

impl Caller {
    fn metadata(self, path: &Path) -> FileCall<Metadata> {
        let operation = FileOperation::Metadata { path: path.to_owned() };
        self.call(operation, Subject::named(path), metadata_of)
    }

    fn rename(self, from: &Path, to: &Path) -> FileCall<()> {
        let operation = FileOperation::Rename { from: from.to_owned(), to: to.to_owned() };
        self.call(operation, Subject::named(from), done)
    }

    fn remove_file(self, path: &Path) -> FileCall<()> {
        let operation = FileOperation::RemoveFile { path: path.to_owned() };
        self.call(operation, Subject::named(path), done)
    }

    fn create_dir(self, path: &Path) -> FileCall<()> {
        let operation = FileOperation::CreateDirectory { path: path.to_owned() };
        self.call(operation, Subject::named(path), done)
    }

    fn remove_dir(self, path: &Path) -> FileCall<()> {
        let operation = FileOperation::RemoveDirectory { path: path.to_owned() };
        self.call(operation, Subject::named(path), done)
    }

    fn read_dir(self, path: &Path) -> FileCall<Vec<DirectoryEntry>> {
        let operation = FileOperation::ReadDirectory { path: path.to_owned() };
        self.call(operation, Subject::named(path), sorted_entries)
    }

    fn sync_dir(self, path: &Path) -> FileCall<()> {
        let operation = FileOperation::SyncDirectory { path: path.to_owned() };
        self.call(operation, Subject::named(path), done)
    }
}

fn done(_: Finished<'_>) {}

/// No two systems list a folder in the same order, and some change it from one call to the next.
fn sorted_entries(finished: Finished<'_>) -> Vec<DirectoryEntry> {
    let FileOutcome::Entries(mut entries) = finished.outcome else {
        unreachable!("asked for what is in a folder, a driver tells that")
    };
    entries.sort_unstable();
    entries
}
