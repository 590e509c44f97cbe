//! Unix sockets and pipes of one kernel, told call by call. The answers are those which Linux 6.18 gave.

use std::io::IoSlice;
use std::path::Path;

use twinloop::driver::{
    ConnectOptions, DatagramOptions, Fd, Half, ListenOptions, OsError, Readiness, UnixAddress,
};
use twinloop::{Address, Moment};

use super::super::{Kernel, Poller};
use super::pair::{A, ip};

/// One host. At its end nothing may be left.
struct Host(Kernel);

fn at(path: &str) -> Address {
    Address::unix(path).expect("the path is short")
}

fn code<T: std::fmt::Debug>(answer: Result<T, OsError>) -> Option<i32> {
    answer.expect_err("it is refused").code()
}

impl Host {
    fn new() -> Host {
        Host(Kernel::new(ip(A)))
    }

    fn listen(&mut self, path: &str, backlog: u32) -> Fd {
        let options = ListenOptions::default().backlog(backlog);
        self.0.listen(&at(path), &options).expect("the path is free")
    }

    fn connect(&mut self, path: &str) -> Result<Fd, OsError> {
        self.0.connect(Moment::ORIGIN, &at(path), &ConnectOptions::default())
    }

    fn mailbox(&mut self, path: &str) -> Fd {
        self.0.bind_datagram(&at(path), &DatagramOptions::default()).expect("the path is free")
    }

    fn mailbox_to(&mut self, remote: &str) -> Result<Fd, OsError> {
        self.0.bind_datagram(&Address::UNNAMED, &DatagramOptions::default().remote(at(remote)))
    }

    fn send(&mut self, fd: Fd, bytes: &[u8]) -> Result<usize, OsError> {
        self.0.send_vectored(Moment::ORIGIN, fd, &[IoSlice::new(bytes)])
    }

    fn send_to(&mut self, fd: Fd, bytes: &[u8], path: &str) -> Result<(), OsError> {
        self.0.send_to(fd, bytes, Some(&at(path)))
    }

    fn recv(&mut self, fd: Fd, most: usize) -> Result<Vec<u8>, OsError> {
        let mut buffer = vec![0; most];
        self.0.recv(fd, &mut buffer).map(|count| buffer[..count].to_vec())
    }

    fn recv_from(&mut self, fd: Fd, most: usize) -> Result<(Vec<u8>, Address, bool), OsError> {
        let mut buffer = vec![0; most];
        let received = self.0.recv_from(fd, &mut buffer)?;
        Ok((buffer[..received.length].to_vec(), received.source, received.truncated))
    }

    fn shutdown(&mut self, fd: Fd, half: Half) -> Result<(), OsError> {
        self.0.shutdown(Moment::ORIGIN, fd, half)
    }

    fn close(&mut self, fd: Fd) {
        self.0.close(Moment::ORIGIN, fd);
    }

    /// What was raised for `fd` since any descriptor was asked for.
    fn edges(&mut self, fd: Fd) -> Readiness {
        let raised: Vec<_> = self.0.edges_mut(0).drain(..).collect();
        raised.iter().find(|event| event.fd == fd).map_or(Readiness::EMPTY, |event| event.readiness)
    }

    /// Sends until no more is taken; says how much that was.
    fn fill(&mut self, fd: Fd, part: usize) -> usize {
        let part = vec![7; part];
        let mut sent = 0;
        while let Ok(count) = self.send(fd, &part) {
            sent += count;
        }
        sent
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for key in self.0.sockets.keys() {
            self.close(Fd::from_key(key));
        }
        assert!(self.0.locals.is_empty(), "ends of streams, or pipes, are left");
        let is_idle = |poller: &Poller| poller.edges.is_empty() && poller.watched == 0;
        assert!(self.0.pollers.iter().all(is_idle), "edges of closed descriptors are left");
    }
}

#[test]
fn what_is_not_listened_at_refuses_as_linux_does() {
    let mut host = Host::new();
    assert_eq!(code(host.connect("/run/none")), Some(2));
    host.0.put_file(Path::new("/run/file"), Vec::new());
    assert_eq!(code(host.connect("/run/file")), Some(111));
    assert_eq!(code(host.connect("/run")), Some(111));
    host.mailbox("/run/mailbox");
    assert_eq!(code(host.connect("/run/mailbox")), Some(91));
    for taken in ["/run/file", "/run/mailbox", "/run"] {
        assert_eq!(code(host.0.listen(&at(taken), &ListenOptions::default())), Some(98));
    }
    assert_eq!(code(host.0.listen(&Address::UNNAMED, &ListenOptions::default())), Some(22));
}

#[test]
fn calls_that_do_not_fit_are_refused_as_linux_refuses_them() {
    let mut host = Host::new();
    let listener = host.listen("/run/x", 1);
    assert_eq!(code(host.recv(listener, 1)), Some(22));
    assert_eq!(code(host.send(listener, b"x")), Some(107));
    assert_eq!(code(host.0.remote_address(listener)), Some(107));
    let (stream, _) = host.0.stream_pair();
    assert_eq!(code(host.0.accept(stream)), Some(22));
    let (reader, writer) = host.0.pipe();
    assert_eq!(code(host.recv(writer, 1)), Some(9));
    assert_eq!(code(host.send(reader, b"x")), Some(9));
    assert_eq!(code(host.0.take_error(reader)), Some(88));
}

/// R132.
#[test]
fn a_backlog_holds_one_more_than_was_asked_for() {
    let mut host = Host::new();
    let listener = host.listen("/run/x", 1);
    host.connect("/run/x").expect("there is room");
    host.connect("/run/x").expect("there is room");
    assert_eq!(code(host.connect("/run/x")), Some(11));
    assert_eq!(host.edges(listener), Readiness::READABLE);
    host.0.accept(listener).expect("two wait");
    host.connect("/run/x").expect("there is room again");
}

/// R147: a crash leaves the path, which is then stale. An abstract name is gone.
#[test]
fn a_crash_leaves_a_stale_path() {
    let mut host = Host::new();
    let name = Address::abstract_name("x").expect("the name is short");
    host.listen("/run/x", 1);
    host.0.listen(&name, &ListenOptions::default()).expect("the name is free");
    host.0.crash();
    assert_eq!(code(host.connect("/run/x")), Some(111));
    assert_eq!(code(host.0.listen(&at("/run/x"), &ListenOptions::default())), Some(98));
    host.0.listen(&name, &ListenOptions::default()).expect("the name is free again");
    let replace = ListenOptions::default().replace_stale(true);
    let listener = host.0.listen(&at("/run/x"), &replace).expect("nobody listens there");
    assert_eq!(code(host.0.listen(&at("/run/x"), &replace)), Some(98), "now it is live");
    host.close(listener);
    assert_eq!(code(host.connect("/run/x")), Some(2));
}

#[test]
fn a_close_with_unread_bytes_resets_the_peer_once() {
    let mut host = Host::new();
    let (stream, peer) = host.0.stream_pair();
    host.send(stream, b"unread").expect("there is room");
    host.send(peer, b"hello").expect("there is room");
    host.close(peer);
    let told = host.edges(stream);
    for bit in [Readiness::READABLE, Readiness::READ_CLOSED, Readiness::WRITE_CLOSED, Readiness::ERROR] {
        assert!(told.intersects(bit), "{told:?}");
    }
    assert_eq!(code(host.send(stream, b"x")), Some(32));
    assert_eq!(host.recv(stream, 10), Ok(b"hello".to_vec()));
    assert_eq!(code(host.recv(stream, 10)), Some(104));
    assert_eq!(host.recv(stream, 10), Ok(Vec::new()));
    assert_eq!(host.shutdown(stream, Half::Write), Ok(()));
    assert_eq!(host.0.remote_address(stream), Ok(Address::UNNAMED));
}

#[test]
fn halves_of_a_stream_end_apart() {
    let mut host = Host::new();
    let (stream, peer) = host.0.stream_pair();
    host.send(peer, b"abc").expect("there is room");
    host.shutdown(stream, Half::Read).expect("it is connected");
    assert_eq!(host.recv(stream, 10), Ok(b"abc".to_vec()));
    assert_eq!(host.recv(stream, 10), Ok(Vec::new()));
    assert_eq!(code(host.send(peer, b"x")), Some(32));
    assert_eq!(host.send(stream, b"still"), Ok(5));
    assert_eq!(host.recv(peer, 10), Ok(b"still".to_vec()));
    host.shutdown(stream, Half::Write).expect("it is connected");
    assert_eq!(host.recv(peer, 10), Ok(Vec::new()));
    assert!(host.edges(peer).intersects(Readiness::WRITE_CLOSED));
}

/// `unix_writable`: who found the buffer full hears nothing until three quarters are free.
#[test]
fn a_full_stream_is_writable_late() {
    let mut host = Host::new();
    let (stream, peer) = host.0.stream_pair();
    let held = host.fill(stream, 65_536);
    assert_eq!(held, 212_992);
    host.edges(stream);
    host.recv(peer, held * 3 / 4 - 1).expect("it is full");
    assert_eq!(host.edges(stream), Readiness::EMPTY);
    host.recv(peer, 1).expect("a quarter is left");
    assert_eq!(host.edges(stream), Readiness::WRITABLE);
}

#[test]
fn a_pipe_takes_a_small_write_whole_or_not_at_all() {
    let mut host = Host::new();
    let (reader, writer) = host.0.pipe();
    assert_eq!(host.fill(writer, 100_000), 65_536);
    host.edges(writer);
    host.recv(reader, 4095).expect("it is full");
    assert_eq!(host.edges(writer), Readiness::EMPTY);
    assert_eq!(host.send(writer, &[0; 4096]), Err(OsError::WOULD_BLOCK));
    host.recv(reader, 1).expect("it has more");
    assert_eq!(host.edges(writer), Readiness::WRITABLE);
    assert_eq!(host.send(writer, &[0; 5000]), Ok(4096));
}

#[test]
fn the_ends_of_a_pipe_hear_of_each_other() {
    let mut host = Host::new();
    let (reader, writer) = host.0.pipe();
    host.send(writer, b"abc").expect("there is room");
    host.close(writer);
    assert!(host.edges(reader).intersects(Readiness::READ_CLOSED));
    assert_eq!(host.recv(reader, 10), Ok(b"abc".to_vec()));
    assert_eq!(host.recv(reader, 10), Ok(Vec::new()));

    let (reader, writer) = host.0.pipe();
    host.close(reader);
    assert!(host.edges(writer).intersects(Readiness::ERROR));
    assert_eq!(code(host.send(writer, b"x")), Some(32));
    assert_eq!(code(host.shutdown(writer, Half::Both)), Some(88));
}

#[test]
fn a_fifo_needs_a_reader_first() {
    let mut host = Host::new();
    let path = Path::new("/run/fifo");
    assert_eq!(code(host.0.open_fifo(path, Half::Read, false)), Some(2));
    assert_eq!(code(host.0.open_fifo(path, Half::Write, true)), Some(6));
    let reader = host.0.open_fifo(path, Half::Read, false).expect("it was made");
    assert_eq!(host.recv(reader, 1), Ok(Vec::new()), "no writer came yet");
    let writer = host.0.open_fifo(path, Half::Write, false).expect("someone reads");
    assert_eq!(host.recv(reader, 1), Err(OsError::WOULD_BLOCK));
    host.send(writer, b"kept by the writer").expect("there is room");
    host.close(reader);
    host.close(writer);
    let again = host.0.open_fifo(path, Half::Both, false).expect("the path stays");
    assert_eq!(host.recv(again, 1), Err(OsError::WOULD_BLOCK), "what nobody had open is lost");
    host.listen("/run/socket", 1);
    assert_eq!(code(host.0.open_fifo(Path::new("/run/socket"), Half::Read, true)), Some(6));
}

#[test]
fn datagrams_have_boundaries_and_sources() {
    let mut host = Host::new();
    let (server, client) = (host.mailbox("/run/server"), host.mailbox("/run/client"));
    let nobody =
        host.0.bind_datagram(&Address::UNNAMED, &DatagramOptions::default()).expect("it has no name");
    host.send_to(client, b"one", "/run/server").expect("there is room");
    host.send_to(client, b"", "/run/server").expect("there is room");
    host.send_to(nobody, b"three", "/run/server").expect("there is room");
    assert_eq!(host.edges(server), Readiness::READABLE | Readiness::WRITABLE);
    assert_eq!(host.recv_from(server, 2), Ok((b"on".to_vec(), at("/run/client"), true)));
    assert_eq!(host.recv_from(server, 10), Ok((Vec::new(), at("/run/client"), false)));
    assert_eq!(host.recv_from(server, 5), Ok((b"three".to_vec(), Address::UNNAMED, false)));
    assert_eq!(host.recv_from(server, 5), Err(OsError::WOULD_BLOCK));
}

#[test]
fn datagrams_to_nobody_are_refused_as_linux_refuses_them() {
    let mut host = Host::new();
    let sender = host.mailbox("/run/sender");
    assert_eq!(code(host.send_to(sender, b"x", "/run/none")), Some(2));
    assert_eq!(code(host.0.send_to(sender, b"x", None)), Some(107));
    assert_eq!(code(host.send_to(sender, &[0; 212_961], "/run/sender")), Some(90));
    host.listen("/run/stream", 1);
    assert_eq!(code(host.send_to(sender, b"x", "/run/stream")), Some(91));
    let gone = host.mailbox("/run/gone");
    let connected = host.mailbox_to("/run/gone").expect("it is there");
    assert_eq!(host.0.remote_address(connected), Ok(at("/run/gone")));
    host.close(gone);
    assert_eq!(code(host.send_to(sender, b"x", "/run/gone")), Some(2), "its path went along");
    assert_eq!(code(host.0.send_to(connected, b"x", None)), Some(111));
    assert_eq!(code(host.0.send_to(connected, b"x", None)), Some(107), "told once");
    let other = host.mailbox("/run/other");
    let choosy =
        host.0.bind_datagram(&at("/run/choosy"), &DatagramOptions::default().remote(at("/run/other")));
    choosy.expect("the other one is there");
    assert_eq!(code(host.send_to(sender, b"x", "/run/choosy")), Some(1));
    assert_eq!(host.send_to(other, b"x", "/run/choosy"), Ok(()));
}

#[test]
fn a_full_mailbox_tells_its_connected_senders_of_room() {
    let mut host = Host::new();
    let server = host.mailbox("/run/server");
    let sender = host.mailbox("/run/sender");
    let connected = host.mailbox_to("/run/server").expect("it is there");
    for _ in 0..11 {
        host.send_to(sender, b"x", "/run/server").expect("there is room");
    }
    assert_eq!(host.send_to(sender, b"x", "/run/server"), Err(OsError::WOULD_BLOCK));
    assert_eq!(host.0.send_to(connected, b"x", None), Err(OsError::WOULD_BLOCK));
    host.edges(server);
    host.recv_from(server, 1).expect("it is full");
    assert_eq!(host.edges(connected), Readiness::WRITABLE);
    assert_eq!(host.0.send_to(connected, b"x", None), Ok(()));
}

#[test]
fn a_descriptor_of_another_thread_is_none() {
    let mut host = Host::new();
    let (reader, _writer) = host.0.pipe();
    host.0.enter(1);
    assert_eq!(host.recv(reader, 1), Err(OsError::BAD_DESCRIPTOR));
    host.0.enter(0);
}

/// What has a name is found by any spelling of its path, as far as the simulation knows folders.
#[test]
fn a_path_is_what_it_leads_to() {
    let mut host = Host::new();
    host.listen("/run/./a/../x", 1);
    host.connect("/run/x").expect("it is the same path");
    let address = UnixAddress::from_path(Path::new("run/x")).expect("the path is short");
    host.0
        .connect(Moment::ORIGIN, &address.into(), &ConnectOptions::default())
        .expect("a program begins at the root");
}
