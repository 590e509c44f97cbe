//! Files: what is written is read, from where it was asked for, and errors say which file and why.

use std::io;
use std::path::{Path, PathBuf};

use super::run;
use twinloop::driver::FileOptions;
use twinloop::transport::remove_file;
use twinloop::{ErrorKind, File, Handle, Operation, TransportError};

/// A path at which nothing is, in a folder that every driver has. What a case leaves there goes with it.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new() -> Result<Place, io::Error> {
        let mut name = [0; 8];
        Handle::current().entropy(&mut name)?;
        Ok(Place(std::env::temp_dir().join(format!("twinloop-{:016x}", u64::from_le_bytes(name)))))
    }

    /// A place with a file that has `contents`.
    pub(super) fn with(contents: &[u8]) -> Result<Place, Box<dyn std::error::Error>> {
        let place = Place::new()?;
        File::create(&place)?.write_at(0, contents)?;
        Ok(place)
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nothing may have been put there, or it was removed.
        let _ = remove_file(&self.0);
    }
}

/// A file that is open to be read, and has no name any more.
pub(super) fn file_with(contents: &[u8]) -> Result<File, Box<dyn std::error::Error>> {
    Ok(File::open(Place::with(contents)?)?)
}

fn read_all(file: &File) -> Result<Vec<u8>, TransportError> {
    let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
    loop {
        match file.read_at(all.len() as u64, &mut buffer)? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

#[track_caller]
fn assert_fails<T>(
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
        let file = File::create(&place)?;
        assert_eq!(file.length()?, 0);
        file.write_at(3, b"defg")?;
        assert_eq!(read_all(&file)?, b"\0\0\0defg");
        file.write_at(0, b"abc")?;
        file.write_at(7, b"")?;
        assert_eq!(read_all(&File::open(&place)?)?, b"abcdefg");

        let mut part = [0; 3];
        assert_eq!(file.read_at(2, &mut part)?, 3);
        assert_eq!(&part, b"cde");
        assert_eq!(file.read_at(5, &mut part)?, 2, "up to the end");
        assert_eq!(file.read_at(7, &mut part)?, 0);
        assert_eq!(file.read_at(1000, &mut part)?, 0);
        Ok(())
    });
}

/// A file is cut off and extended; who has it open sees that.
#[test]
fn a_length_is_set() {
    run(|| async {
        let place = Place::with(b"abcdef")?;
        let mut options = FileOptions::default();
        options.write = true;
        let file = File::open_with(&place, &options)?;
        let reader = File::open(&place)?;
        file.set_length(2)?;
        assert_eq!((reader.length()?, read_all(&reader)?), (2, b"ab".to_vec()));
        file.set_length(4)?;
        assert_eq!((reader.length()?, read_all(&reader)?), (4, b"ab\0\0".to_vec()));
        File::create(&place)?;
        assert_eq!(reader.length()?, 0, "created anew, it is emptied");
        Ok(())
    });
}

/// What can not be opened says why, with the path and the system's number.
#[test]
fn a_file_that_can_not_be_opened_says_why() {
    run(|| async {
        let place = Place::new()?;
        let path = place.as_ref();
        assert_fails(File::open(&place), Operation::Open, io::ErrorKind::NotFound, path);
        assert_fails(remove_file(&place), Operation::File, io::ErrorKind::NotFound, path);
        File::create(&place)?;
        let mut new = FileOptions::create();
        new.create_new = true;
        assert_fails(File::open_with(&place, &new), Operation::Open, io::ErrorKind::AlreadyExists, path);
        let mut nothing = FileOptions::default();
        nothing.read = false;
        let refused = File::open_with(&place, &nothing).expect_err("it is to be neither read nor written");
        assert_eq!(refused.kind(), ErrorKind::Os(io::ErrorKind::InvalidInput));
        Ok(())
    });
}

/// A file is used as it was opened.
#[test]
fn a_file_that_was_not_opened_for_it_refuses() {
    run(|| async {
        let place = Place::with(b"abc")?;
        let mut options = FileOptions::default();
        (options.read, options.write) = (false, true);
        let writer = File::open_with(&place, &options)?;
        let refused = writer.read_at(0, &mut [0; 3]).expect_err("it was not opened for reading");
        assert_eq!((refused.operation(), refused.name()), (Operation::File, place.as_ref().to_str()));
        assert!(refused.code().is_some());
        let reader = File::open(&place)?;
        assert!(reader.write_at(0, b"x").is_err());
        assert!(reader.set_length(0).is_err());
        assert_eq!(read_all(&reader)?, b"abc");
        Ok(())
    });
}

/// A name that is removed takes nothing away from those who have the file open, and is free once they have closed it.
#[test]
fn a_removed_file_lives_on_for_those_who_have_it_open() {
    run(|| async {
        let place = Place::with(b"old")?;
        let old = File::open(&place)?;
        remove_file(&place)?;
        assert_eq!(read_all(&old)?, b"old");
        drop(old);
        let path = place.as_ref();
        assert_fails(File::open(&place), Operation::Open, io::ErrorKind::NotFound, path);
        File::create(&place)?.write_at(0, b"new")?;
        assert_eq!(read_all(&File::open(&place)?)?, b"new");
        Ok(())
    });
}

/// What a file is printed as says which one it is.
#[test]
fn a_file_names_its_path_when_it_is_printed() {
    run(|| async {
        let place = Place::with(b"abc")?;
        let file = File::open(&place)?;
        let printed = format!("{file:?}");
        assert!(
            printed.contains(&format!("{:?}", place.as_ref().to_str().expect("it is ASCII"))),
            "{printed}"
        );
        Ok(())
    });
}
