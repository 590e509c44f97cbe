//! Names: files are renamed, linked and removed, folders made, listed and removed, and what replaces a file does so whole.

use std::io;

use super::files::{Place, assert_fails};
use super::run;
use twinloop::driver::FileOptions;
use twinloop::fs::{self, FileKind};
use twinloop::{ErrorKind, File, Operation, TransportError};

async fn names(folder: &Place) -> Result<String, TransportError> {
    let entries = fs::read_dir(folder).await?;
    let named = |entry: fs::DirectoryEntry| match entry.kind {
        FileKind::Directory => format!("{}/", entry.name.to_string_lossy()),
        _ => entry.name.to_string_lossy().into_owned(),
    };
    Ok(entries.into_iter().map(named).collect::<Vec<_>>().join(" "))
}

/// A rename takes the name away from what had it, in one step; who has either open keeps it.
#[test]
fn a_renamed_file_replaces_what_had_the_name() {
    run(|| async {
        let folder = Place::folder().await?;
        let (new, old) = (folder.join("new"), folder.join("old"));
        fs::write(&new, b"new").await?;
        fs::write(&old, b"old").await?;
        let opened = File::open(&new).await?;
        fs::rename(&new, &old).await?;
        assert_eq!(opened.read_range(0, 10).await?, b"new");
        assert_eq!(fs::read(&old).await?, b"new");
        assert_eq!(names(&folder).await?, "old");
        fs::rename(&old, &old).await?;
        assert_eq!(fs::read(&old).await?, b"new");
        assert_fails(fs::rename(&new, &old).await, Operation::File, io::ErrorKind::NotFound, &new);
        Ok(())
    });
}

/// A folder is renamed with all that is in it.
#[test]
fn a_folder_is_renamed_with_what_is_in_it() {
    run(|| async {
        let folder = Place::folder().await?;
        fs::create_dir_all(folder.join("a/b")).await?;
        fs::write(folder.join("a/b/file"), b"abc").await?;
        fs::rename(folder.join("a"), folder.join("c")).await?;
        assert_eq!(fs::read(folder.join("c/b/file")).await?, b"abc");
        assert_eq!(names(&folder).await?, "c/");
        let inside = folder.join("c/b/d");
        let refused = fs::rename(folder.join("c"), &inside).await.expect_err("a folder is not in itself");
        assert!(refused.code().is_some());
        Ok(())
    });
}

/// A further name is one of the same file, and refused where something has it.
#[test]
fn a_file_has_further_names() {
    run(|| async {
        let folder = Place::folder().await?;
        let (first, second) = (folder.join("first"), folder.join("second"));
        fs::write(&first, b"abc").await?;
        fs::hard_link(&first, &second).await?;
        let file = File::open_with(&second, &FileOptions::default().write(true)).await?;
        file.write_at(0, b"A").await?;
        assert_eq!(fs::read(&first).await?, b"Abc");
        let again = fs::hard_link(&first, &second).await;
        assert_fails(again, Operation::File, io::ErrorKind::AlreadyExists, &first);
        fs::remove_file(&first).await?;
        assert_eq!(fs::read(&second).await?, b"Abc");
        Ok(())
    });
}

/// Folders are made one at a time, or all that is missing.
#[test]
fn folders_are_made() {
    run(|| async {
        let folder = Place::folder().await?;
        let deep = folder.join("a/b/c");
        assert_fails(fs::create_dir(&deep).await, Operation::File, io::ErrorKind::NotFound, &deep);
        fs::create_dir_all(&deep).await?;
        fs::create_dir_all(&deep).await?;
        assert!(fs::metadata(&deep).await?.is_dir());
        assert_fails(fs::create_dir(&deep).await, Operation::File, io::ErrorKind::AlreadyExists, &deep);

        let file = folder.join("a/file");
        fs::write(&file, b"").await?;
        assert!(fs::create_dir_all(&file).await.is_err(), "a file is no folder");
        assert!(fs::create_dir_all(file.join("below")).await.is_err());
        Ok(())
    });
}

/// A folder is listed in the order of names, the same on every system.
#[test]
fn a_folder_is_listed_in_order() {
    run(|| async {
        let folder = Place::folder().await?;
        for name in ["b", "a", "c", "B"] {
            fs::write(folder.join(name), b"").await?;
        }
        fs::create_dir(folder.join("aa")).await?;
        // Where names do not differ by case, there is one less.
        let listed = names(&folder).await?;
        assert!(["B a aa/ b c", "a aa/ b c"].contains(&listed.as_str()), "{listed}");
        let nowhere = folder.join("nowhere");
        assert_fails(fs::read_dir(&nowhere).await, Operation::File, io::ErrorKind::NotFound, &nowhere);
        assert!(fs::read_dir(folder.join("a")).await.is_err(), "a file has no names in it");
        Ok(())
    });
}

/// A folder is removed when it is empty, or with all that is in it.
#[test]
fn folders_are_removed() {
    run(|| async {
        let folder = Place::folder().await?;
        let full = folder.join("full");
        fs::create_dir_all(full.join("a/b")).await?;
        fs::write(full.join("a/file"), b"abc").await?;
        fs::write(full.join("file"), b"abc").await?;
        assert_fails(fs::remove_dir(&full).await, Operation::File, io::ErrorKind::DirectoryNotEmpty, &full);
        fs::remove_dir(full.join("a/b")).await?;
        fs::remove_dir_all(&full).await?;
        assert_eq!(names(&folder).await?, "");
        assert_fails(fs::remove_dir(&full).await, Operation::File, io::ErrorKind::NotFound, &full);
        assert_fails(fs::remove_dir_all(&full).await, Operation::File, io::ErrorKind::NotFound, &full);
        Ok(())
    });
}

/// A file and a folder are not taken for each other.
#[test]
fn a_file_is_no_folder_and_a_folder_no_file() {
    run(|| async {
        let folder = Place::folder().await?;
        let (file, inner) = (folder.join("file"), folder.join("inner"));
        fs::write(&file, b"abc").await?;
        fs::create_dir(&inner).await?;
        assert_eq!(fs::metadata(&file).await?.length, 3);
        assert!(fs::metadata(&file).await?.is_file() && fs::metadata(&inner).await?.is_dir());
        assert!(fs::remove_dir(&file).await.is_err());
        assert!(fs::remove_file(&inner).await.is_err());
        assert!(fs::write(&inner, b"").await.is_err());
        assert!(fs::hard_link(&inner, folder.join("link")).await.is_err());
        assert!(File::open(file.join("below")).await.is_err());
        assert_eq!(names(&folder).await?, "file inner/");
        Ok(())
    });
}

/// `replace` leaves the new contents and nothing beside them, also where an earlier attempt has left something.
#[test]
fn a_file_is_replaced_whole() {
    run(|| async {
        let folder = Place::folder().await?;
        let state = folder.join("state");
        fs::replace(&state, b"one").await?;
        fs::write(folder.join("state.new"), b"something longer that was left").await?;
        fs::replace(&state, b"two").await?;
        assert_eq!(fs::read(&state).await?, b"two");
        assert_eq!(names(&folder).await?, "state");
        let nowhere = folder.join("nowhere/state");
        assert_eq!(
            fs::replace(&nowhere, b"three").await.expect_err("there is no such folder").kind(),
            ErrorKind::Os(io::ErrorKind::NotFound)
        );
        Ok(())
    });
}

/// Text is read as text, and what is none is refused.
#[test]
fn text_is_read_as_text() {
    run(|| async {
        let place = Place::with("grüezi".as_bytes()).await?;
        assert_eq!(fs::read_to_string(&place).await?, "grüezi");
        fs::write(&place, b"\xff").await?;
        let error = fs::read_to_string(&place).await.expect_err("it is no UTF-8");
        assert_eq!(error.kind(), ErrorKind::Os(io::ErrorKind::InvalidData));
        assert_eq!(error.name(), place.as_ref().to_str());
        Ok(())
    });
}
