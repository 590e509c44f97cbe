//! Files of a host, as Linux 6.18 answers for them on ext4. That it does so for every mixture of calls is shown by
//! `tests/it/parity_files.rs`; here is what that one does not try.

use std::io::ErrorKind;
use std::path::Path;

use twinloop::Moment;
use twinloop::driver::{DirectoryEntry, Fd, FileKind, FileOperation, FileOptions, FileOutcome, OsError};

use super::super::errno::{
    EACCES, EEXIST, EFBIG, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EPERM, EXDEV, UNSUPPORTED,
};
use super::super::{DiskFault, Kernel};
use super::pair::{A, Pair, ip};

fn host() -> Kernel {
    let mut kernel = Kernel::new(ip(A));
    kernel.put_file(Path::new("/www/index.html"), b"hello world".to_vec());
    kernel
}

/// What comes of an operation that is done at once.
fn done(kernel: &mut Kernel, operation: FileOperation) -> Result<FileOutcome, OsError> {
    done_with(kernel, operation, None)
}

fn done_with(
    kernel: &mut Kernel,
    operation: FileOperation,
    fault: Option<DiskFault>,
) -> Result<FileOutcome, OsError> {
    let (fd, work) = kernel.begin_file(operation)?;
    assert_eq!(kernel.file_outcome(fd), Err(OsError::WOULD_BLOCK), "it is under way");
    kernel.perform(work, fault);
    let outcome = kernel.file_outcome(fd);
    assert_eq!(kernel.file_outcome(fd), Err(EINVAL), "an outcome is told once");
    kernel.close(Moment::ORIGIN, fd);
    match outcome? {
        FileOutcome::Failed(error) => Err(error),
        outcome => Ok(outcome),
    }
}

fn open_with(kernel: &mut Kernel, path: &str, options: FileOptions) -> Result<Fd, OsError> {
    match done(kernel, FileOperation::Open { path: path.into(), options })? {
        FileOutcome::Opened(file) => Ok(file),
        other => panic!("opening gives a descriptor, not {other:?}"),
    }
}

fn open(kernel: &mut Kernel, path: &str) -> Result<Fd, OsError> {
    open_with(kernel, path, FileOptions::default())
}

fn create(kernel: &mut Kernel, path: &str) -> Result<Fd, OsError> {
    open_with(kernel, path, FileOptions::create())
}

fn read(kernel: &mut Kernel, file: Fd) -> Result<Vec<u8>, OsError> {
    match done(kernel, FileOperation::Read { file, offset: 0, buffer: vec![0; 100] })? {
        FileOutcome::Read(bytes) => Ok(bytes),
        other => panic!("a read gives bytes, not {other:?}"),
    }
}

fn write(kernel: &mut Kernel, file: Fd, offset: u64, bytes: &[u8]) -> Result<(), OsError> {
    done(kernel, FileOperation::Write { file, offset, bytes: bytes.to_vec() }).map(drop)
}

fn set_length(kernel: &mut Kernel, file: Fd, length: u64) -> Result<(), OsError> {
    done(kernel, FileOperation::SetLength { file, length }).map(drop)
}

fn remove(kernel: &mut Kernel, path: &str) -> Result<(), OsError> {
    done(kernel, FileOperation::RemoveFile { path: path.into() }).map(drop)
}

#[test]
fn a_path_is_what_it_leads_to() {
    let mut kernel = host();
    for path in
        ["/www/index.html", "www/index.html", "/www/./index.html", "/www/../../www/../tmp/../www/index.html"]
    {
        let file = open(&mut kernel, path).expect(path);
        assert_eq!(read(&mut kernel, file), Ok(b"hello world".to_vec()), "{path}");
    }
    assert_eq!(open(&mut kernel, "/www/none/../index.html"), Err(ENOENT), "what is gone through is there");
}

#[test]
fn what_can_not_be_opened_has_the_number_of_linux() {
    let mut kernel = host();
    assert_eq!(open(&mut kernel, ""), Err(ENOENT));
    assert_eq!(open(&mut kernel, "/www/other"), Err(ENOENT));
    assert_eq!(open(&mut kernel, "/www/index.html/x"), Err(ENOTDIR));
    assert_eq!(open(&mut kernel, "/www/index.html/"), Err(ENOTDIR));
    assert_eq!(create(&mut kernel, "/www/index.html/x"), Err(ENOTDIR));
    assert_eq!(create(&mut kernel, "/www"), Err(EISDIR));
    assert_eq!(create(&mut kernel, "/none/new"), Err(ENOENT));
    assert_eq!(create(&mut kernel, "/proc/new"), Err(ENOENT));
    assert_eq!(create(&mut kernel, "/proc/self/cmdline"), Err(EACCES));
    assert_eq!(create(&mut kernel, &format!("/www/{}", "x".repeat(256))), Err(ENAMETOOLONG));
    assert_eq!(create(&mut kernel, &"/www".repeat(1024)), Err(ENAMETOOLONG));

    let new = FileOptions::create().create_new(true);
    let mut refused = |path, options| open_with(&mut kernel, path, options).expect_err("it is refused");
    assert_eq!(refused("/www/index.html", new), EEXIST);
    assert_eq!(refused("/www", new), EEXIST);
    assert_eq!(refused("/www", FileOptions::default().write(true)), EISDIR);
    assert_eq!(refused("/new", FileOptions::create().write(false)), EINVAL);
    assert_eq!(refused("/www/index.html", FileOptions::default().truncate(true)), EINVAL);
    assert_eq!(refused("/www/index.html", FileOptions::default().read(false)), EINVAL);
}

#[test]
fn a_file_that_was_not_opened_for_it_has_the_number_of_linux() {
    let mut kernel = host();
    let reader = open(&mut kernel, "/www/index.html").expect("it is there");
    assert_eq!(write(&mut kernel, reader, 0, b"x"), Err(OsError::BAD_DESCRIPTOR));
    assert_eq!(write(&mut kernel, reader, 0, b""), Ok(()), "nothing is asked of the system");
    assert_eq!(set_length(&mut kernel, reader, 0), Err(EINVAL));
    let only_write = FileOptions::default().read(false).write(true);
    let writer = open_with(&mut kernel, "/www/index.html", only_write).expect("it is there");
    assert_eq!(read(&mut kernel, writer), Err(OsError::BAD_DESCRIPTOR));
    assert_eq!(write(&mut kernel, writer, u64::MAX, b"x"), Err(EINVAL));
    assert_eq!(write(&mut kernel, writer, i64::MAX as u64, b"x"), Err(EINVAL));
    assert_eq!(write(&mut kernel, writer, i64::MAX as u64 - 1, b"x"), Err(EFBIG));
    assert_eq!(set_length(&mut kernel, writer, i64::MAX as u64), Err(EFBIG));
    let folder = open(&mut kernel, "/www").expect("a folder can be opened");
    assert_eq!(read(&mut kernel, folder), Err(EISDIR));
    assert_eq!(set_length(&mut kernel, folder, 0), Err(EINVAL));
}

#[test]
fn what_the_kernel_makes_up_stays_as_it_is() {
    let mut kernel = host();
    assert_eq!(remove(&mut kernel, "/proc/self/cmdline"), Err(EPERM));
    assert_eq!(remove(&mut kernel, "/proc/self/none"), Err(ENOENT));
    let mut refused = |operation| done(&mut kernel, operation).expect_err("it is refused");
    let (own, file) = (Path::new("/proc/self/cmdline").to_owned(), Path::new("/www/index.html").to_owned());
    assert_eq!(refused(FileOperation::Rename { from: own.clone(), to: file.clone() }), EXDEV);
    assert_eq!(refused(FileOperation::Rename { from: file, to: own.clone() }), EXDEV);
    assert_eq!(refused(FileOperation::HardLink { from: own, to: "/tmp/link".into() }), EXDEV);
    assert_eq!(refused(FileOperation::CreateDirectory { path: "/proc/new".into() }), ENOENT);
    assert_eq!(refused(FileOperation::RemoveDirectory { path: "/proc/self".into() }), EPERM);
}

#[test]
fn a_disk_has_room_for_so_much() {
    let mut kernel = host();
    kernel.limit_space(Some(1_000));
    let file = create(&mut kernel, "/tmp/full").expect("a name takes no room");
    let before = "hello world".len();
    assert_eq!(write(&mut kernel, file, 0, &[7; 2_000]), Err(ENOSPC));
    let length = done(&mut kernel, FileOperation::FileMetadata { file });
    let Ok(FileOutcome::Metadata(known)) = length else { panic!("it is open") };
    assert_eq!(known.length as usize, 1_000 - before, "it was written as far as there was room");
    assert_eq!(write(&mut kernel, file, 0, &[8; 500]), Ok(()), "what is there is written over");
    assert_eq!(set_length(&mut kernel, file, 1_000), Err(ENOSPC));
    remove(&mut kernel, "/tmp/full").expect("it is there");
    let other = create(&mut kernel, "/tmp/other").expect("a name takes no room");
    assert_eq!(write(&mut kernel, other, 0, b"x"), Err(ENOSPC), "who has it open keeps it");
    kernel.close(Moment::ORIGIN, file);
    assert_eq!(write(&mut kernel, other, 0, b"x"), Ok(()));
}

#[test]
fn sockets_and_fifos_are_names_in_folders() {
    let mut kernel = host();
    kernel.open_fifo(Path::new("/tmp/fifo"), twinloop::driver::Half::Read, true).expect("the name is free");
    let entry = DirectoryEntry::new("fifo", FileKind::Other);
    let listed = FileOperation::ReadDirectory { path: "/tmp".into() };
    assert_eq!(done(&mut kernel, listed), Ok(FileOutcome::Entries(vec![entry])));
    let rename = FileOperation::Rename { from: "/tmp/fifo".into(), to: "/www/index.html".into() };
    assert_eq!(done(&mut kernel, rename), Ok(FileOutcome::Done));
    let metadata = done(&mut kernel, FileOperation::Metadata { path: "/www/index.html".into() });
    let Ok(FileOutcome::Metadata(known)) = metadata else { panic!("it has the name now") };
    assert_eq!(known.kind, FileKind::Other);
    let removed = FileOperation::RemoveDirectory { path: "/www".into() };
    assert!(done(&mut kernel, removed).is_err(), "it is in there");
    assert_eq!(remove(&mut kernel, "/www/index.html"), Ok(()));
}

#[test]
fn files_survive_a_crash_and_descriptors_do_not() {
    let mut kernel = host();
    let file = create(&mut kernel, "/var/state").expect("it is new");
    assert_eq!(write(&mut kernel, file, 0, b"kept"), Ok(()));
    kernel.crash();
    assert_eq!(read(&mut kernel, file), Err(OsError::BAD_DESCRIPTOR));
    let file = open(&mut kernel, "/var/state").expect("it was kept");
    assert_eq!(read(&mut kernel, file), Ok(b"kept".to_vec()));
}

#[test]
fn an_operation_holds_no_descriptor_of_the_programs() {
    let mut kernel = host();
    let (fd, work) = kernel
        .begin_file(FileOperation::Open { path: "/www/index.html".into(), options: FileOptions::default() })
        .expect("it begins");
    assert_eq!(kernel.open_count(), 0);
    kernel.perform(work, None);
    assert_eq!(kernel.open_count(), 1, "what was opened is held, although nobody has it yet");
    kernel.close(Moment::ORIGIN, fd);
    assert_eq!(kernel.open_count(), 0, "and goes if nobody takes it");
}

#[test]
fn a_file_is_no_socket() {
    let mut pair = Pair::new();
    let file = open(&mut pair.kernels[A], "/proc/self/cmdline").expect("every host has it");
    assert_eq!(pair.recv(A, file, 1), Err(UNSUPPORTED));
    assert_eq!(pair.send(A, file, b"x"), Err(UNSUPPORTED));
    assert_eq!(pair.accept(A, file), Err(UNSUPPORTED));
    assert_eq!(pair.kernels[A].take_error(file), Err(UNSUPPORTED));
    assert_eq!(pair.kernels[A].local_address(file), Err(UNSUPPORTED));
    let listener = pair.listen(A, 80);
    assert_eq!(read(&mut pair.kernels[A], listener), Err(EINVAL));
    for fd in [file, listener] {
        pair.close(A, fd);
    }
}

#[test]
fn sendfile_refuses_what_linux_refuses_and_leaves_the_reason_to_a_read() {
    let (mut pair, _, stream, _) = Pair::connected();
    let kernel = &mut pair.kernels[A];
    kernel.put_file(Path::new("/www/index.html"), b"hello world".to_vec());
    let file = open(kernel, "/www/index.html").expect("it is there");
    assert_eq!(kernel.part_to_send(stream, file, 6, 3), Ok(b"wor".to_vec()));
    assert_eq!(kernel.part_to_send(stream, file, 6, 1 << 30), Ok(b"world".to_vec()));
    assert_eq!(kernel.part_to_send(stream, file, 11, 1), Ok(Vec::new()));
    let made_up = open(kernel, "/proc/self/cmdline").expect("every host has it");
    let folder = open(kernel, "/www").expect("a folder can be opened");
    for refused in [made_up, folder] {
        let answer = kernel.part_to_send(stream, refused, 0, 1).expect_err("it is refused");
        assert_eq!(answer.kind(), ErrorKind::Unsupported);
    }
    let read = FileOperation::Read { file, offset: 0, buffer: vec![0; 1] };
    assert!(done_with(kernel, read, Some(DiskFault::Unreadable(0))).is_err());
    assert_eq!(kernel.part_to_send(stream, file, 0, 1).map_err(OsError::kind), Err(ErrorKind::Unsupported));
    assert!(kernel.read_file_at(file, 0, &mut [0]).is_err(), "the sector is bad");
}
