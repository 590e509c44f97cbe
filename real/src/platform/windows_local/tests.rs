//! Pipes and pairs of Windows, through the driver's calls.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use twinloop::driver::{Driver, Event, OsError};

use super::*;
use crate::RealDriver;

const PATIENCE: Duration = Duration::from_secs(20);

fn driver() -> RealDriver {
    RealDriver::new().expect("a selector")
}

fn fresh_pipe(name: &str) -> String {
    format!(r"\\.\pipe\twinloop-test-{}-{name}", std::process::id())
}

/// Calls until the answer is no longer "not yet". An edge has to come in between.
fn eventually<T>(
    driver: &mut RealDriver,
    mut call: impl FnMut(&mut RealDriver) -> Result<T, OsError>,
) -> Result<T, OsError> {
    loop {
        match call(driver) {
            Err(error) if error.is_would_block() => {
                let mut events: Vec<Event> = Vec::new();
                driver.poll(Some(PATIENCE), &mut events).expect("a poll");
                assert!(!events.is_empty(), "no edge in {PATIENCE:?}");
            }
            answer => return answer,
        }
    }
}

fn receive(driver: &mut RealDriver, fd: Fd) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let count = eventually(driver, |driver| driver.recv(fd, &mut buffer)).expect("the stream is whole");
    buffer[..count].to_vec()
}

fn send(driver: &mut RealDriver, fd: Fd, bytes: &[u8]) {
    assert_eq!(eventually(driver, |driver| driver.send(fd, bytes)), Ok(bytes.len()));
}

/// R170: whoever creates it waits for the other end, which may be any program.
#[test]
fn a_named_pipe_connects_whoever_knows_its_name() {
    let mut driver = driver();
    let name = fresh_pipe("connects");
    let missing = driver.open_fifo(Path::new(&name), Half::Both, false);
    assert_eq!(missing.map_err(OsError::kind), Err(ErrorKind::NotFound));
    let server = driver.open_fifo(Path::new(&name), Half::Both, true).expect("a new pipe");
    assert!(driver.recv(server, &mut [0]).is_err_and(OsError::is_would_block));

    let mut foreign = OpenOptions::new().read(true).write(true).open(&name).expect("it waits for one");
    foreign.write_all(b"question").expect("it is read");
    assert_eq!(receive(&mut driver, server), b"question");
    send(&mut driver, server, b"answer");
    let mut answer = [0; 6];
    foreign.read_exact(&mut answer).expect("it was sent");
    assert_eq!(&answer, b"answer");
    drop(foreign);
    assert_eq!(receive(&mut driver, server), b"");
}

/// With `create`, who comes second opens what the first one has made; both may be of this driver.
#[test]
fn both_ends_may_create_a_pipe() {
    let mut driver = driver();
    let name = fresh_pipe("both");
    let reader = driver.open_fifo(Path::new(&name), Half::Read, true).expect("a new pipe");
    let writer = driver.open_fifo(Path::new(&name), Half::Write, true).expect("it is there");
    send(&mut driver, writer, b"one");
    driver.shutdown(writer, Half::Write).expect("it is for writing");
    assert_eq!(driver.send(writer, b"late").map_err(OsError::kind), Err(ErrorKind::BrokenPipe));
    assert_eq!(receive(&mut driver, reader), b"one");
    assert_eq!(receive(&mut driver, reader), b"");
    assert_eq!(driver.send(reader, b"x"), Err(OsError::BAD_DESCRIPTOR));
    assert_eq!(driver.recv(writer, &mut [0]), Err(OsError::BAD_DESCRIPTOR));
}

#[test]
fn a_path_that_is_no_pipe_is_refused() {
    let mut driver = driver();
    for path in [r"C:\pipe\x", "x", r"\\.\pipe\", ""] {
        let refused = driver.open_fifo(Path::new(path), Half::Read, true);
        assert_eq!(refused.map_err(OsError::kind), Err(ErrorKind::Unsupported), "{path}");
    }
}

/// A pair has a direction each way, and each ends by itself, as those of one pipe do not.
#[test]
fn a_pair_ends_one_direction_at_a_time() {
    let mut driver = driver();
    let (first, second) = driver.stream_pair().expect("two pipes");
    send(&mut driver, first, b"there");
    driver.shutdown(first, Half::Write).expect("it is connected");
    assert_eq!(receive(&mut driver, second), b"there");
    assert_eq!(receive(&mut driver, second), b"");
    send(&mut driver, second, b"and back");
    assert_eq!(receive(&mut driver, first), b"and back");
    assert_eq!(driver.remote_address(first), Ok(twinloop::Address::UNNAMED));
}

/// What the child of the next test does: it copies its standard input to its standard error.
#[test]
fn a_copy_for_the_test_below() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut driver = driver();
    let input = driver.standard(Standard::Input).expect("every process has one");
    let output = driver.standard(Standard::Error).expect("every process has one");
    assert_eq!(driver.send(input, b"x"), Err(OsError::BAD_DESCRIPTOR));
    assert_eq!(driver.recv(output, &mut [0]), Err(OsError::BAD_DESCRIPTOR));
    loop {
        let received = receive(&mut driver, input);
        if received.is_empty() {
            break;
        }
        let mut sent = 0;
        while sent < received.len() {
            let count = eventually(&mut driver, |driver| driver.send(output, &received[sent..]));
            sent += count.expect("the parent reads");
        }
    }
    driver.shutdown(output, Half::Write).expect("it is for writing");
    assert_eq!(driver.send(output, b"late").map_err(OsError::kind), Err(ErrorKind::BrokenPipe));
    driver.close(output);
}

const CHILD: &str = "TWINLOOP_TEST_CHILD";

/// Every byte of the input is received, in order, up to its end, and what was taken for the output is written although the
/// process ends at once.
#[test]
fn standard_streams_carry_everything() {
    let mut child = Command::new(std::env::current_exe().expect("this one"))
        .args(["--exact", "platform::windows_local::tests::a_copy_for_the_test_below"])
        .env(CHILD, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a second process");
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut input, expected) = (child.stdin.take().expect("a pipe"), bytes.clone());
    let write = move || {
        for part in bytes.chunks(777) {
            input.write_all(part).expect("the child reads");
        }
    };
    let writing = thread::Builder::new().spawn(write).expect("a thread");
    let mut copied = Vec::new();
    child.stderr.take().expect("a pipe").read_to_end(&mut copied).expect("the child writes");
    writing.join().expect("all is written");
    assert!(child.wait().expect("it ends").success());
    assert!(copied == expected, "{} bytes", copied.len());
}
