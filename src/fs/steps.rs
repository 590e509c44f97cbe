//! What takes several operations, one after the other. It asks for nothing but the operations.

use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::call::{Caller, Subject};
use super::{FileKind, FileOptions};
use crate::driver::OsError;
use crate::{ErrorKind, TransportError};

/// The future of what takes several operations on files. Dropping it leaves done what was done so far: as [`FileCall`]
/// says of the operation that is under way.
///
/// It begins when it is first polled.
///
/// [`FileCall`]: super::FileCall
#[must_use = "futures do nothing unless awaited"]
pub struct FileSteps<T> {
    steps: Pin<Box<dyn Future<Output = Result<T, TransportError>> + Send + Sync>>,
}

impl<T> FileSteps<T> {
    fn new(steps: impl Future<Output = Result<T, TransportError>> + Send + Sync + 'static) -> FileSteps<T> {
        FileSteps { steps: Box::pin(steps) }
    }
}

impl<T> Future for FileSteps<T> {
    type Output = Result<T, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.steps.as_mut().poll(context)
    }
}

impl<T> fmt::Debug for FileSteps<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSteps").finish_non_exhaustive()
    }
}

/// All that is in a file.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::write("/tmp/greeting", b"hello").await?;
/// assert_eq!(fs::read("/tmp/greeting").await?, b"hello");
/// # Ok(()) });
/// ```
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> FileSteps<Vec<u8>> {
    let (caller, path) = (Caller::here(), path.as_ref().to_owned());
    FileSteps::new(async move { caller.read(&path).await })
}

/// All that is in a file, which must be UTF-8.
///
/// # Errors
///
/// [`InvalidData`](io::ErrorKind::InvalidData) too, if it is not.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::write("/tmp/greeting", "grüezi").await?;
/// assert_eq!(fs::read_to_string("/tmp/greeting").await?, "grüezi");
/// fs::write("/tmp/greeting", b"gr\xfcezi").await?;
/// assert!(fs::read_to_string("/tmp/greeting").await.is_err());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> FileSteps<String> {
    const NO_TEXT: OsError = OsError::without_code(io::ErrorKind::InvalidData);
    let (caller, path) = (Caller::here(), path.as_ref().to_owned());
    FileSteps::new(async move {
        let text = String::from_utf8(caller.read(&path).await?);
        text.map_err(|_| Subject::named(&path).error(NO_TEXT))
    })
}

/// Has a file have these contents: one that is new, or what was in it goes first. A loss of power may leave any part of
/// them, or nothing: [`replace`] is for what must not be lost.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::write("/tmp/greeting", b"hello world").await?;
/// fs::write("/tmp/greeting", b"hello").await?;
/// assert_eq!(fs::metadata("/tmp/greeting").await?.length, 5);
/// # Ok(()) });
/// ```
#[track_caller]
pub fn write(path: impl AsRef<Path>, contents: impl Into<Vec<u8>>) -> FileSteps<()> {
    let (caller, path, contents) = (Caller::here(), path.as_ref().to_owned(), contents.into());
    FileSteps::new(async move {
        let file = caller.open(&path, FileOptions::create()).await?;
        file.write_owned_at(0, contents).await
    })
}

/// Replaces the contents of a file, or makes it, so that at every moment, also after a loss of power, it has either the old
/// or the new ones in full; once this has succeeded, the new ones.
///
/// They are written beside it first, to a file with `.new` behind the name, which nobody else may use. What an earlier
/// attempt has left there goes. If it fails, the old contents are as they were, unless all that failed was the sync of the
/// folder at the end: then nobody knows which.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::replace("/tmp/state", b"one").await?;
/// fs::replace("/tmp/state", b"two").await?;
/// assert_eq!(fs::read("/tmp/state").await?, b"two");
/// assert!(fs::metadata("/tmp/state.new").await.is_err());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn replace(path: impl AsRef<Path>, contents: impl Into<Vec<u8>>) -> FileSteps<()> {
    let (caller, path, contents) = (Caller::here(), path.as_ref().to_owned(), contents.into());
    FileSteps::new(async move {
        let beside = beside(&path);
        let file = caller.open(&beside, FileOptions::create()).await?;
        file.write_owned_at(0, contents).await?;
        file.sync_all().await?;
        // Windows renames nothing that is open.
        drop(file);
        caller.rename(&beside, &path).await?;
        caller.sync_dir(folder_of(&path)).await
    })
}

/// Makes a folder, and those above it which are not there. A folder that is there already is no error.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::create_dir_all("/tmp/a/b/c").await?;
/// fs::create_dir_all("/tmp/a/b/c").await?;
/// assert!(fs::metadata("/tmp/a/b/c").await?.is_dir());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn create_dir_all(path: impl AsRef<Path>) -> FileSteps<()> {
    let (caller, path) = (Caller::here(), path.as_ref().to_owned());
    FileSteps::new(async move { caller.create_dir_all(&path).await })
}

/// Removes a folder with all that is in it. Links in it are removed, and not followed.
///
/// # Errors
///
/// The first one; what was removed before is gone. Others who make files in it meanwhile may have it fail.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::fs;
///
/// fs::create_dir_all("/tmp/a/b/c").await?;
/// fs::write("/tmp/a/b/file", b"").await?;
/// fs::remove_dir_all("/tmp/a").await?;
/// assert!(fs::metadata("/tmp/a").await.is_err());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn remove_dir_all(path: impl AsRef<Path>) -> FileSteps<()> {
    let (caller, path) = (Caller::here(), path.as_ref().to_owned());
    FileSteps::new(async move { caller.remove_dir_all(path).await })
}

impl Caller {
    async fn read(self, path: &Path) -> Result<Vec<u8>, TransportError> {
        self.open(path, FileOptions::default()).await?.read_range(0, u64::MAX).await
    }

    /// Tries the deepest first, since most of them are there; then makes those below it, each once.
    async fn create_dir_all(self, path: &Path) -> Result<(), TransportError> {
        let mut missing = Vec::new();
        for folder in path.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            match self.create_or_find_dir(folder).await {
                Err(error) if error.kind() == ErrorKind::Os(io::ErrorKind::NotFound) => missing.push(folder),
                made => {
                    made?;
                    break;
                }
            }
        }
        for folder in missing.into_iter().rev() {
            self.create_or_find_dir(folder).await?;
        }
        Ok(())
    }

    async fn create_or_find_dir(self, folder: &Path) -> Result<(), TransportError> {
        let Err(error) = self.create_dir(folder).await else { return Ok(()) };
        // It may have been there, or someone else has just made it; systems differ in what they say of that.
        match self.metadata(folder).await {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            _ => Err(error),
        }
    }

    async fn remove_dir_all(self, path: PathBuf) -> Result<(), TransportError> {
        let mut folders = vec![path];
        while let Some(folder) = folders.last() {
            let folder = folder.clone();
            let before = folders.len();
            for entry in self.read_dir(&folder).await? {
                let path = folder.join(entry.name);
                match entry.kind {
                    FileKind::Directory => folders.push(path),
                    FileKind::File | FileKind::Link | FileKind::Other => self.remove_file(&path).await?,
                }
            }
            if folders.len() == before {
                self.remove_dir(&folder).await?;
                folders.pop();
            }
        }
        Ok(())
    }
}

/// Where the new contents of a file are written.
fn beside(path: &Path) -> PathBuf {
    let mut beside = OsString::from(path);
    beside.push(".new");
    PathBuf::from(beside)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
