//! Files: what is written is read, from where it was asked for; errors say which file and why; and an operation that is given
//! up leaves nothing behind.

use std::io;
use std::path::{Path, PathBuf};

use super::run;
use super::support::{pattern, poll_once, turns};
use twinloop::driver::FileOptions;
use twinloop::fs::{self, FileKind};
use twinloop::{ErrorKind, File, Handle, Operation, TransportError, join_all, spawn};

/// A path at which nothing is, in a folder that every driver has. What a case leaves there goes with it.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new() -> Result<Place, io::Error> {
        let mut name = [0; 8];
        Handle::current().entropy(&mut name)?;
        Ok(Place(std::env::temp_dir().join(format!("twinloop-{:016x}", u64::from_le_bytes(name)))))
    }

    /// A place with a file that has `contents`.
    pub(super) async fn with(contents: &[u8]) -> Result<Place, Box<dyn std::error::Error>> {
        let place = Place::new()?;
        fs::write(&place, contents).await?;
        Ok(place)
    }

    /// A place with an empty folder.
    pub(super) async fn folder() -> Result<Place, Box<dyn std::error::Error>> {
        let place = Place::new()?;
        fs::create_dir(&place).await?;
        Ok(place)
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A destructor can not wait, so it asks the system itself. It finds nothing if the case ran in a simulation, or has
        // tidied up.
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file that is open to be read, and has no name any more.
pub(super) async fn file_with(contents: &[u8]) -> Result<File, Box<dyn std::error::Error>> {
    let place = Place::with(contents).await?;
    Ok(File::open(&place).await?)
}

async fn read_all(file: &File) -> Result<Vec<u8>, TransportError> {
    file.read_range(0, u64::MAX).await
}

#[track_caller]
pub(super) fn assert_fails<T>(
    result: Result<T, TransportError>,
    operation: Operation,
    kind: io::ErrorKind,
    path: &Path,
) {
    let error = result.err().expect("it has to fail");
    assert_eq!((error.operation(), error.kind()), (operation, ErrorKind::Os(kind)), "{error}");
    assert_eq!(error.name(), path.to_str());
    assert!(error.code().is_some(), "{error}");
}

/// Bytes are where they were written, and zeros where nothing was.
#[test]
fn what_is_written_is_read() {
    run(|| async {
        let place = Place::new()?;
        let file = File::create(&place).await?;
        assert_eq!(file.length().await?, 0);
        file.write_at(3, b"defg").await?;
        assert_eq!(read_all(&file).await?, b"\0\0\0defg");
        file.write_owned_at(0, b"abc").await?;
        file.write_at(7, b"").await?;
        assert_eq!(read_all(&File::open(&place).await?).await?, b"abcdefg");

        let mut part = [0; 3];
        assert_eq!(file.read_at(2, &mut part).await?, 3);
        assert_eq!(&part, b"cde");
        assert_eq!(file.read_at(5, &mut part).await?, 2, "up to the end");
        assert_eq!(file.read_at(7, &mut part).await?, 0);
        assert_eq!(file.read_at(1000, &mut part).await?, 0);
        assert_eq!(file.read_at(0, &mut []).await?, 0);
        assert_eq!(file.read_range(2, 3).await?, b"cde");
        assert_eq!(file.read_range(2, 0).await?, b"");
        assert_eq!(file.metadata().await?.kind, FileKind::File);
        Ok(())
    });
}

/// A file of several megabytes is read and written in one call.
#[test]
fn much_is_read_and_written_at_once() {
    const LENGTH: usize = 3_500_000;
    run(|| async {
        let file = file_with(pattern(LENGTH)).await?;
        assert!(read_all(&file).await? == pattern(LENGTH));
        assert!(file.read_range(1_000_000, 2_000_000).await? == pattern(LENGTH)[1_000_000..3_000_000]);
        Ok(())
    });
}

/// A file is cut off and extended; who has it open sees that.
#[test]
fn a_length_is_set() {
    run(|| async {
        let place = Place::with(b"abcdef").await?;
        let file = File::open_with(&place, &FileOptions::default().write(true)).await?;
        let reader = File::open(&place).await?;
        file.set_length(2).await?;
        assert_eq!((reader.length().await?, read_all(&reader).await?), (2, b"ab".to_vec()));
        file.set_length(4).await?;
        assert_eq!((reader.length().await?, read_all(&reader).await?), (4, b"ab\0\0".to_vec()));
        File::create(&place).await?;
        assert_eq!(reader.length().await?, 0, "created anew, it is emptied");
        Ok(())
    });
}

/// A sync changes nothing that programs see, of files and of folders.
#[test]
fn what_is_synced_is_as_it_was() {
    run(|| async {
        let folder = Place::folder().await?;
        let file = File::create(folder.join("file")).await?;
        file.write_at(0, b"abc").await?;
        file.sync_data().await?;
        file.write_at(3, b"def").await?;
        file.sync_all().await?;
        fs::sync_dir(&folder).await?;
        assert_eq!(fs::read(folder.join("file")).await?, b"abcdef");
        let nowhere = folder.join("nowhere");
        assert_fails(fs::sync_dir(&nowhere).await, Operation::File, io::ErrorKind::NotFound, &nowhere);
        Ok(())
    });
}

/// What can not be opened says why, with the path and the system's number.
#[test]
fn a_file_that_can_not_be_opened_says_why() {
    run(|| async {
        let place = Place::new()?;
        let path = place.as_ref();
        assert_fails(File::open(&place).await, Operation::Open, io::ErrorKind::NotFound, path);
        assert_fails(fs::read(&place).await, Operation::Open, io::ErrorKind::NotFound, path);
        File::create(&place).await?;
        let new = FileOptions::create().create_new(true);
        assert_fails(
            File::open_with(&place, &new).await,
            Operation::Open,
            io::ErrorKind::AlreadyExists,
            path,
        );
        let nothing = FileOptions::default().read(false);
        let refused = File::open_with(&place, &nothing).await.expect_err("neither read nor written");
        assert_eq!(refused.kind(), ErrorKind::Os(io::ErrorKind::InvalidInput));
        Ok(())
    });
}

/// A file is used as it was opened.
#[test]
fn a_file_that_was_not_opened_for_it_refuses() {
    run(|| async {
        let place = Place::with(b"abc").await?;
        let writer = File::open_with(&place, &FileOptions::default().read(false).write(true)).await?;
        let refused = writer.read_at(0, &mut [0; 3]).await.expect_err("it was not opened for reading");
        assert_eq!((refused.operation(), refused.name()), (Operation::File, place.as_ref().to_str()));
        assert!(refused.code().is_some());
        assert!(writer.read_range(0, 3).await.is_err());
        let reader = File::open(&place).await?;
        assert!(reader.write_at(0, b"x").await.is_err());
        assert!(reader.set_length(0).await.is_err());
        assert_eq!(read_all(&reader).await?, b"abc");
        Ok(())
    });
}

/// A name that is removed takes nothing away from those who have the file open, and is free once they have closed it.
#[test]
fn a_removed_file_lives_on_for_those_who_have_it_open() {
    run(|| async {
        let place = Place::with(b"old").await?;
        let old = File::open(&place).await?;
        fs::remove_file(&place).await?;
        assert_eq!(read_all(&old).await?, b"old");
        drop(old);
        let path = place.as_ref();
        assert_fails(File::open(&place).await, Operation::Open, io::ErrorKind::NotFound, path);
        fs::write(&place, b"new").await?;
        assert_eq!(fs::read(&place).await?, b"new");
        Ok(())
    });
}

/// Operations of many tasks are under way at once, on one file and on several, and each gets its own answer.
#[test]
fn many_operations_are_under_way_at_once() {
    const TASKS: usize = 20;
    run(|| async {
        let folder = Place::folder().await?;
        let shared = std::rc::Rc::new(File::create(folder.join("shared")).await?);
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (shared, own) = (std::rc::Rc::clone(&shared), folder.join(&task.to_string()));
                spawn(async move {
                    let bytes = vec![task as u8; 100];
                    fs::write(&own, bytes.clone()).await?;
                    shared.write_at(task as u64 * 100, &bytes).await?;
                    let both = (fs::read(&own).await?, shared.read_range(task as u64 * 100, 100).await?);
                    assert_eq!(both, (bytes.clone(), bytes));
                    Ok::<(), TransportError>(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        assert_eq!(shared.length().await?, TASKS as u64 * 100);
        assert_eq!(fs::read_dir(&folder).await?.len(), TASKS + 1);
        Ok(())
    });
}

/// An operation begins with its call, and those of one file may be awaited in any order.
#[test]
fn an_operation_begins_with_its_call() {
    run(|| async {
        let place = Place::new()?;
        let file = File::create(&place).await?;
        let writes: Vec<_> = (0..8_u64).map(|at| file.write_at(at, &[at as u8])).collect();
        for written in join_all(writes).await {
            written?;
        }
        assert_eq!(read_all(&file).await?, [0, 1, 2, 3, 4, 5, 6, 7]);
        Ok(())
    });
}

/// An operation that is given up, at once or once it was polled, leaves no descriptor, and the file goes on.
#[test]
fn an_operation_that_is_given_up_leaves_nothing() {
    run(|| async {
        let place = Place::with(b"abc").await?;
        let file = File::open_with(&place, &FileOptions::default().write(true)).await?;
        drop(file.write_at(3, b"d"));
        drop(File::open(&place));
        drop(fs::metadata(&place));
        let mut buffer = [0; 3];
        let mut reading = file.read_at(0, &mut buffer);
        let _answer = poll_once(&mut reading).await;
        drop(reading);
        let mut opening = File::open(&place);
        let _answer = poll_once(&mut opening).await;
        drop(opening);
        turns(3).await;
        assert_eq!(file.read_range(0, 3).await?, b"abc");
        Ok(())
    });
}

/// A file that is dropped while operations on it are under way is closed when they have ended.
#[test]
fn a_file_stays_open_for_what_is_under_way() {
    run(|| async {
        let place = Place::with(b"abc").await?;
        let file = File::open_with(&place, &FileOptions::default().write(true)).await?;
        let (write, length) = (file.write_at(0, b"A"), file.length());
        drop(file);
        write.await?;
        assert_eq!(length.await?, 3);
        assert_eq!(fs::read(&place).await?, b"Abc");
        Ok(())
    });
}

/// What a file is printed as says which one it is.
#[test]
fn a_file_names_its_path_when_it_is_printed() {
    run(|| async {
        let place = Place::with(b"abc").await?;
        let file = File::open(&place).await?;
        let printed = format!("{file:?}");
        assert!(
            printed.contains(&format!("{:?}", place.as_ref().to_str().expect("it is ASCII"))),
            "{printed}"
        );
        Ok(())
    });
}
