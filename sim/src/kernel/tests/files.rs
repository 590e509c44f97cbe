//! Files of a host, as Linux 6.18 answers for them on ext4.

use std::io::ErrorKind;
use std::path::Path;

use twinloop::driver::{Fd, FileOptions, OsError};

use super::super::Kernel;
use super::super::errno::{EACCES, EEXIST, EFBIG, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTSOCK, EPERM};
use super::pair::{A, Pair, ip};

fn host() -> Kernel {
    let mut kernel = Kernel::new(ip(A));
    kernel.put_file(Path::new("/www/index.html"), b"hello world".to_vec());
    kernel
}

fn options(change: impl FnOnce(&mut FileOptions)) -> FileOptions {
    let mut options = FileOptions::default();
    change(&mut options);
    options
}

fn open(kernel: &mut Kernel, path: &str) -> Result<Fd, OsError> {
    kernel.open_file(Path::new(path), &FileOptions::default())
}

fn create(kernel: &mut Kernel, path: &str) -> Result<Fd, OsError> {
    kernel.open_file(Path::new(path), &FileOptions::create())
}

fn read(kernel: &mut Kernel, file: Fd) -> Vec<u8> {
    let mut buffer = [0; 100];
    let count = kernel.read_file_at(file, 0, &mut buffer).expect("it is open to be read");
    buffer[..count].to_vec()
}

#[test]
fn a_path_is_what_it_leads_to() {
    let mut kernel = host();
    for path in ["/www/index.html", "www/index.html", "/www/./index.html", "/www/../../www/x/../index.html"] {
        let file = open(&mut kernel, path).expect(path);
        assert_eq!(read(&mut kernel, file), b"hello world", "{path}");
    }
}

#[test]
fn what_can_not_be_opened_has_the_number_of_linux() {
    let mut kernel = host();
    assert_eq!(open(&mut kernel, "/www/other"), Err(ENOENT));
    assert_eq!(open(&mut kernel, "/www/index.html/x"), Err(ENOTDIR));
    assert_eq!(create(&mut kernel, "/www/index.html/x"), Err(ENOTDIR));
    assert_eq!(create(&mut kernel, "/www"), Err(EISDIR));
    assert_eq!(create(&mut kernel, "/proc/new"), Err(ENOENT));
    assert_eq!(create(&mut kernel, "/proc/self/cmdline"), Err(EACCES));

    let mut open_with = |path: &str, change: fn(&mut FileOptions)| {
        kernel.open_file(Path::new(path), &options(change)).expect_err("it is refused")
    };
    let new = |options: &mut FileOptions| (options.write, options.create_new) = (true, true);
    assert_eq!(open_with("/www/index.html", new), EEXIST);
    assert_eq!(open_with("/www", new), EEXIST);
    assert_eq!(open_with("/www", |options| options.write = true), EISDIR);
    assert_eq!(open_with("/new", |options| options.create = true), EINVAL);
    assert_eq!(open_with("/www/index.html", |options| options.truncate = true), EINVAL);
    assert_eq!(open_with("/www/index.html", |options| options.read = false), EINVAL);
}

#[test]
fn a_file_that_was_not_opened_for_it_has_the_number_of_linux() {
    let mut kernel = host();
    let reader = open(&mut kernel, "/www/index.html").expect("it is there");
    assert_eq!(kernel.write_file_at(reader, 0, b"x"), Err(OsError::BAD_DESCRIPTOR));
    assert_eq!(kernel.set_file_length(reader, 0), Err(EINVAL));
    let writer = kernel.open_file(
        Path::new("/www/index.html"),
        &options(|options| (options.read, options.write) = (false, true)),
    );
    let writer = writer.expect("it is there");
    assert_eq!(kernel.read_file_at(writer, 0, &mut [0]), Err(OsError::BAD_DESCRIPTOR));
    assert_eq!(kernel.write_file_at(writer, u64::MAX, b"x"), Err(EFBIG));
    assert_eq!(kernel.set_file_length(writer, u64::MAX), Err(EFBIG));
    let folder = open(&mut kernel, "/www").expect("a folder can be opened");
    assert_eq!(kernel.read_file_at(folder, 0, &mut [0]), Err(EISDIR));
    assert_eq!(kernel.file_length(folder), Ok(0));
}

#[test]
fn what_can_not_be_removed_has_the_number_of_linux() {
    let mut kernel = host();
    let mut remove = |path: &str| kernel.remove_file(Path::new(path));
    assert_eq!(remove("/www/other"), Err(ENOENT));
    assert_eq!(remove("/www/index.html/x"), Err(ENOTDIR));
    assert_eq!(remove("/www"), Err(EISDIR));
    assert_eq!(remove("/proc/self/cmdline"), Err(EPERM));
    assert_eq!(remove("/www/index.html"), Ok(()));
    assert_eq!(remove("/www/index.html"), Err(ENOENT));
    assert_eq!(remove("/www"), Err(ENOENT), "a folder goes with its last file");
}

#[test]
fn files_survive_a_crash_and_descriptors_do_not() {
    let mut kernel = host();
    let file = create(&mut kernel, "/var/state").expect("it is new");
    assert_eq!(kernel.write_file_at(file, 0, b"kept"), Ok(4));
    kernel.crash();
    assert_eq!(kernel.read_file_at(file, 0, &mut [0]), Err(OsError::BAD_DESCRIPTOR));
    let file = open(&mut kernel, "/var/state").expect("it was kept");
    assert_eq!(read(&mut kernel, file), b"kept");
}

#[test]
fn a_file_is_no_socket() {
    let mut pair = Pair::new();
    let file = open(&mut pair.kernels[A], "/proc/self/cmdline").expect("every host has it");
    assert_eq!(pair.recv(A, file, 1), Err(ENOTSOCK));
    assert_eq!(pair.send(A, file, b"x"), Err(ENOTSOCK));
    assert_eq!(pair.accept(A, file), Err(ENOTSOCK));
    assert_eq!(pair.kernels[A].take_error(file), Err(ENOTSOCK));
    assert_eq!(pair.kernels[A].local_address(file), Err(ENOTSOCK));
    let listener = pair.listen(A, 80);
    assert_eq!(pair.kernels[A].read_file_at(listener, 0, &mut [0]), Err(EINVAL));
    for fd in [file, listener] {
        pair.close(A, fd);
    }
}

#[test]
fn sendfile_refuses_what_linux_refuses_and_leaves_the_reason_to_a_read() {
    let mut kernel = host();
    let file = open(&mut kernel, "/www/index.html").expect("it is there");
    assert_eq!(kernel.part_to_send(file, 6, 3), Ok(b"wor".to_vec()));
    assert_eq!(kernel.part_to_send(file, 6, 1 << 30), Ok(b"world".to_vec()));
    assert_eq!(kernel.part_to_send(file, 11, 1), Ok(Vec::new()));
    let made_up = open(&mut kernel, "/proc/self/cmdline").expect("every host has it");
    let folder = open(&mut kernel, "/www").expect("a folder can be opened");
    for refused in [made_up, folder] {
        let answer = kernel.part_to_send(refused, 0, 1).expect_err("it is refused");
        assert_eq!(answer.kind(), ErrorKind::Unsupported);
    }
}
