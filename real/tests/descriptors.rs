//! What the driver opens it closes, also where it fails half-way. The one test of its process: it counts all descriptors.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use twinloop::Address;
use twinloop::driver::{
    ConnectOptions, DatagramOptions, Driver, Fd, FileOperation, FileOptions, FileOutcome, Half,
    ListenOptions, OsError, Standard,
};
use twinloop_real::RealDriver;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux tells").count()
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("twinloop-descriptors-{}-{name}", std::process::id()))
}

fn at(name: &str) -> Address {
    Address::unix(path(name)).expect("the path is short")
}

fn outcome(driver: &mut RealDriver, operation: Fd) -> Result<FileOutcome, OsError> {
    loop {
        match driver.file_outcome(operation) {
            Err(error) if error.is_would_block() => {
                driver.poll(Some(Duration::from_secs(20)), &mut Vec::new())?
            }
            outcome => return outcome,
        }
    }
}

/// Opens one of each kind, has one of each call fail, and closes all but a few, which go with the driver.
fn open_all() -> Result<(), OsError> {
    let mut driver = RealDriver::new()?;
    let listen = ListenOptions::default();
    let listener = driver.listen(&at("socket"), &listen)?;
    let stream = driver.connect(&at("socket"), &ConnectOptions::default())?;
    let (accepted, _) = driver.accept(listener)?;
    let mailbox = driver.bind_datagram(&at("mailbox"), &DatagramOptions::default())?;
    let (first, second) = driver.stream_pair()?;
    let (reader, writer) = driver.pipe()?;
    let fifo = driver.open_fifo(&path("fifo"), Half::Both, true)?;
    let input = driver.standard(Standard::Input)?;

    assert!(driver.listen(&at("socket"), &listen).is_err());
    assert!(driver.listen(&at("socket"), &listen.clone().replace_stale(true)).is_err());
    assert!(driver.listen(&at("fifo"), &listen.replace_stale(true)).is_err());
    assert!(driver.connect(&at("nobody"), &ConnectOptions::default()).is_err());
    assert!(driver.connect(&at("nobody"), &ConnectOptions::default().local(at("client"))).is_err());
    assert!(driver.bind_datagram(&at("mailbox"), &DatagramOptions::default()).is_err());
    assert!(driver.open_fifo(&path("socket"), Half::Read, true).is_err());
    assert!(driver.open_fifo(&std::env::temp_dir(), Half::Read, true).is_err());

    driver.shutdown(writer, Half::Write)?;
    for fd in [listener, accepted, mailbox, first, reader, fifo, input] {
        driver.close(fd);
    }
    let left = [stream, second, writer];
    assert!(left.iter().all(|fd| driver.local_address(*fd).is_ok()));
    let removed = driver.begin_file(FileOperation::RemoveFile { path: path("fifo") })?;
    let opened =
        driver.begin_file(FileOperation::Open { path: path("file"), options: FileOptions::create() })?;
    assert_eq!(outcome(&mut driver, removed)?, FileOutcome::Done);
    let FileOutcome::Opened(file) = outcome(&mut driver, opened)? else { panic!("a file can be made there") };
    driver.close(file);
    let removed = driver.begin_file(FileOperation::RemoveFile { path: path("file") })?;
    assert_eq!(outcome(&mut driver, removed)?, FileOutcome::Done);
    Ok(())
}

#[test]
fn nothing_stays_open_and_no_path_is_left() {
    let before = descriptors();
    for _ in 0..3 {
        open_all().expect("each of these is allowed");
        assert_eq!(descriptors(), before);
    }
    for name in ["socket", "mailbox", "fifo", "client"] {
        assert!(!path(name).exists(), "{name} is left");
    }
}
