//! What only the real kernel can show: stale paths, descriptors that are shared or passed, and datagrams through the seam.

use std::fs;
use std::io::{ErrorKind, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::Interest;
use rustix::fs::OFlags;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use twinloop::Address;
use twinloop::driver::{ConnectOptions, DatagramOptions, Driver, Fd, ListenOptions, OsError, Standard};
use twinloop::table::Key;

use super::standard::StandardStream;
use crate::RealDriver;
use crate::poller::Poller;

/// A folder of its own, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("twinloop-{name}-{}", std::process::id()));
        fs::create_dir(&path).expect("nobody else has a folder of this name");
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn at(&self, name: &str) -> Address {
        Address::unix(self.path(name)).expect("the path is short")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the folder is ours");
    }
}

fn driver() -> RealDriver {
    RealDriver::new().expect("a selector")
}

fn code<T: std::fmt::Debug>(answer: Result<T, OsError>) -> Option<i32> {
    answer.expect_err("it is refused").code()
}

/// R147: a path that nobody has open is an error too, and is replaced on request. What it leads to goes at close.
#[test]
fn a_stale_path_is_replaced_on_request_only() {
    let folder = Folder::new("stale");
    let (mut driver, address) = (driver(), folder.at("socket"));
    drop(UnixListener::bind(folder.path("socket")).expect("the path is free"));
    assert_eq!(code(driver.listen(&address, &ListenOptions::default())), Some(libc::EADDRINUSE));

    let replace = ListenOptions::default().replace_stale(true);
    let listener = driver.listen(&address, &replace).expect("nobody listens there");
    assert_eq!(code(driver.listen(&address, &replace)), Some(libc::EADDRINUSE), "now it is live");
    assert!(driver.accept(listener).is_err_and(OsError::is_would_block), "the probe was not heard");
    driver.close(listener);
    assert!(!folder.path("socket").exists());
}

/// R147: a regular file, and a link to a stale socket, are not what is replaced.
#[test]
fn what_is_no_socket_is_never_replaced() {
    let folder = Folder::new("no-socket");
    fs::write(folder.path("file"), "text").expect("the folder is ours");
    drop(UnixListener::bind(folder.path("stale")).expect("the path is free"));
    std::os::unix::fs::symlink(folder.path("stale"), folder.path("link")).expect("the folder is ours");
    for name in ["file", "link"] {
        let refused = driver().listen(&folder.at(name), &ListenOptions::default().replace_stale(true));
        assert_eq!(code(refused), Some(libc::EADDRINUSE));
        assert!(folder.path(name).exists());
    }
}

/// R147: datagram sockets and clients that have a path take it along too.
#[test]
fn every_path_that_was_made_is_removed() {
    let folder = Folder::new("made");
    let mut driver = driver();
    let server = driver.listen(&folder.at("server"), &ListenOptions::default()).expect("the path is free");
    let options = ConnectOptions::default().local(folder.at("client"));
    let client = driver.connect(&folder.at("server"), &options).expect("it listens");
    let mailbox = driver.bind_datagram(&folder.at("mailbox"), &DatagramOptions::default());
    assert_eq!(fs::read_dir(&folder.0).expect("it is a folder").count(), 3);
    for fd in [server, client, mailbox.expect("the path is free")] {
        driver.close(fd);
    }
    assert_eq!(fs::read_dir(&folder.0).expect("it is a folder").count(), 0);
}

/// Descriptors that a peer sends along cut a read short. The driver reads on, since a short count says that there is no more.
#[test]
fn descriptors_sent_along_do_not_cut_a_read_short() {
    let folder = Folder::new("rights");
    let mut driver = driver();
    let listener = driver.listen(&folder.at("socket"), &ListenOptions::default()).expect("the path is free");
    let peer = UnixStream::connect(folder.path("socket")).expect("it listens");
    let (stream, _) = driver.accept(listener).expect("a connection waits");
    for _ in 0..3 {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let passed = [peer.as_fd()];
        assert!(rights.push(SendAncillaryMessage::ScmRights(&passed)));
        let bytes = [IoSlice::new(b"with rights ")];
        rustix::net::sendmsg(&peer, &bytes, &mut rights, SendFlags::empty()).expect("there is room");
        (&peer).write_all(b"without ").expect("there is room");
    }
    let mut buffer = [0; 100];
    let count = driver.recv(stream, &mut buffer).expect("bytes came");
    assert_eq!(&buffer[..count], b"with rights without ".repeat(3));
    assert!(driver.recv(stream, &mut buffer).is_err_and(OsError::is_would_block));
}

/// R153: datagrams have boundaries and sources, and say when they were cut.
#[test]
fn datagrams_have_boundaries_and_sources() {
    let folder = Folder::new("datagrams");
    let (mut driver, options) = (driver(), DatagramOptions::default());
    let server = driver.bind_datagram(&folder.at("server"), &options).expect("the path is free");
    let name = Address::abstract_name(format!("twinloop-datagrams-{}", std::process::id()));
    let name = name.expect("the name is short");
    let client = driver.bind_datagram(&name, &options).expect("the name is free");
    let nobody = driver.bind_datagram(&Address::UNNAMED, &options).expect("it needs no name");
    for (sender, bytes) in [(client, &b"one"[..]), (client, b""), (nobody, b"three")] {
        driver.send_to(sender, bytes, Some(&folder.at("server"))).expect("there is room");
    }
    let mut recv = |most| {
        let mut buffer = [0; 10];
        let received = driver.recv_from(server, &mut buffer[..most])?;
        Ok((buffer[..received.length].to_vec(), received.source, received.truncated))
    };
    assert_eq!(recv(2), Ok((b"on".to_vec(), name, true)));
    assert_eq!(recv(10), Ok((Vec::new(), name, false)));
    assert_eq!(recv(5), Ok((b"three".to_vec(), Address::UNNAMED, false)));
    assert_eq!(recv(5).err().map(OsError::is_would_block), Some(true));
}

/// What the simulated kernel answers, this one was asked for.
#[test]
#[cfg(target_os = "linux")]
fn datagrams_to_nobody_are_refused() {
    let folder = Folder::new("nobody");
    let (mut driver, options) = (driver(), DatagramOptions::default());
    let sender = driver.bind_datagram(&Address::UNNAMED, &options).expect("it needs no name");
    let gone = driver.bind_datagram(&folder.at("gone"), &options).expect("the path is free");
    let connected = driver.bind_datagram(&Address::UNNAMED, &options.clone().remote(folder.at("gone")));
    let connected = connected.expect("it is there");
    driver.listen(&folder.at("stream"), &ListenOptions::default()).expect("the path is free");
    assert_eq!(code(driver.send_to(sender, b"x", Some(&folder.at("stream")))), Some(libc::EPROTOTYPE));
    assert_eq!(code(driver.send_to(sender, b"x", None)), Some(libc::ENOTCONN));
    driver.close(gone);
    assert_eq!(code(driver.send_to(sender, b"x", Some(&folder.at("gone")))), Some(libc::ENOENT));
    assert_eq!(code(driver.send_to(connected, b"x", None)), Some(libc::ECONNREFUSED));
    assert_eq!(code(driver.send_to(connected, b"x", None)), Some(libc::ENOTCONN));
}

/// A sender that found the queue full hears of room, once it is connected.
#[test]
#[cfg(target_os = "linux")]
fn a_full_queue_tells_its_connected_senders_of_room() {
    use twinloop::driver::{Event, Readiness};

    let folder = Folder::new("full");
    let (mut driver, options) = (driver(), DatagramOptions::default());
    let server = driver.bind_datagram(&folder.at("server"), &options).expect("the path is free");
    let sender = driver.bind_datagram(&Address::UNNAMED, &options.clone().remote(folder.at("server")));
    let sender = sender.expect("it is there");
    while driver.send_to(sender, b"x", None).is_ok() {}
    assert!(driver.send_to(sender, b"x", None).is_err_and(OsError::is_would_block));
    let mut events = Vec::new();
    driver.poll(Some(Duration::ZERO), &mut events).expect("a poll");
    driver.recv_from(server, &mut [0]).expect("it is full");
    let told = |event: &Event| event.fd == sender && event.readiness.intersects(Readiness::WRITABLE);
    events.clear();
    driver.poll(Some(Duration::from_secs(20)), &mut events).expect("a poll");
    assert!(events.iter().any(told), "{events:?}");
    assert_eq!(driver.send_to(sender, b"x", None), Ok(()));
}

/// Both ends of a pipe as a shell makes it: they block.
fn blocking_pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe().expect("two descriptors are free")
}

fn is_blocking(descriptor: impl AsFd) -> bool {
    !rustix::fs::fcntl_getfl(descriptor).expect("it is open").contains(OFlags::NONBLOCK)
}

/// What other processes share is left as it is, and no call on it blocks all the same.
#[test]
fn a_shared_pipe_stays_blocking_and_never_blocks() {
    let (reader, writer) = blocking_pipe();
    let shared = [reader.try_clone(), writer.try_clone()].map(|copy| copy.expect("a descriptor is free"));
    let input = StandardStream::on(reader, Interest::READABLE).expect("a pipe is a stream");
    let mut output = StandardStream::on(writer, Interest::WRITABLE).expect("a pipe is a stream");
    let (poller, fd) = (Poller::new().expect("a selector"), Fd::from_key(Key::new(0, 0)));
    assert!(output.watch(&poller, fd).expect("a pipe can be watched"));

    let mut buffer = [0; 100_000];
    assert_eq!(input.read(&mut buffer).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    let mut sent = 0;
    let full = loop {
        match output.write(&[7; 100_000]) {
            Ok(count) => sent += count,
            Err(error) => break error,
        }
    };
    assert_eq!((full.kind(), sent > 0), (ErrorKind::WouldBlock, true));
    assert_eq!(input.read(&mut buffer).expect("it is full"), sent);
    assert!(shared.iter().all(is_blocking));
    output.unwatch(&poller, fd);
}

/// Files and `/dev/null` are always ready, and no selector has them.
#[test]
fn a_file_is_always_ready() {
    let file = |path: &str| OwnedFd::from(fs::File::open(Path::new(path)).expect("every system has it"));
    let mut input = StandardStream::on(file("/dev/null"), Interest::READABLE).expect("a file is a stream");
    let (poller, fd) = (Poller::new().expect("a selector"), Fd::from_key(Key::new(0, 0)));
    let is_watched = input.watch(&poller, fd).expect("it is refused, which is no error");
    assert_eq!(is_watched, !cfg!(target_os = "linux"));
    assert_eq!(input.read(&mut [0; 8]).expect("there is nothing, at once"), 0);
    assert_eq!(input.write(b"x").map_err(|error| error.raw_os_error()), Err(Some(libc::EBADF)));
    input.unwatch(&poller, fd);
}

/// A program that is given a listening socket to accept from has no stream there. It is told so, and does not wait.
#[test]
fn a_socket_that_listens_is_no_standard_stream() {
    let folder = Folder::new("listens");
    let unix = std::os::unix::net::UnixListener::bind(folder.0.join("server")).expect("the path is free");
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    for listener in [OwnedFd::from(unix), OwnedFd::from(tcp)] {
        let refused = StandardStream::on(listener, Interest::READABLE).expect_err("nothing comes from it");
        assert_eq!(refused.raw_os_error(), Some(libc::ENOTCONN));
    }
    let (stream, _peer) = std::os::unix::net::UnixStream::pair().expect("two descriptors are free");
    assert!(StandardStream::on(stream.into(), Interest::READABLE).is_ok());
}

/// A standard stream may be opened several times, and a closed one is watched no longer.
#[test]
fn standard_streams_leave_the_selector_when_they_close() {
    let mut driver = driver();
    for _ in 0..2 {
        let first = driver.standard(Standard::Output).expect("the process has one");
        let second = driver.standard(Standard::Output).expect("the process has one");
        driver.close(first);
        let mut events = Vec::new();
        driver.poll(Some(Duration::ZERO), &mut events).expect("a poll");
        assert!(events.iter().all(|event| event.fd == second), "{events:?}");
        driver.close(second);
    }
    let mut events = Vec::new();
    driver.poll(Some(Duration::ZERO), &mut events).expect("a poll");
    assert!(events.is_empty(), "{events:?}");
}
