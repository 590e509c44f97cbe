//! Transfers on the loopback of this machine: what becomes of them when nobody waits for their end.

use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Weak;
use std::thread;
use std::time::Duration;

use twinloop::table::Key;

use super::*;
use crate::unparker::Unparker;

/// More than both kernels hold for a peer that does not read.
const MUCH: usize = 50_000_000;

/// A stream, its peer, and where its edges are told.
struct Sender {
    sending: Sending,
    stream: TcpStream,
    edges: Arc<Edges>,
    _poll: mio::Poll,
}

impl Sender {
    fn new() -> (Sender, std::net::TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stream = std::net::TcpStream::connect(address).expect("the listener is there");
        stream.set_nonblocking(true).expect("every socket can be");
        let (peer, _) = listener.accept().expect("a connection waits");
        let poll = mio::Poll::new().expect("a selector");
        let unparker = Unparker::new(poll.registry(), mio::Token(0)).expect("a waker");
        let edges = Arc::new(Edges::new(Arc::new(unparker)));
        let stream = TcpStream::from_std(stream);
        (Sender { sending: Sending::default(), stream, edges, _poll: poll }, peer)
    }

    fn send(&self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        self.sending.send(&self.stream, (fd(), &self.edges), file, offset, count)
    }

    /// What a transfer ends with. Its edge has to come.
    fn finish(&self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        loop {
            match self.send(file, offset, count) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for_the_edge(),
                sent => return sent,
            }
        }
    }

    fn wait_for_the_edge(&self) {
        patiently(|| self.edges.take().iter().any(|event| event.fd == fd()));
    }

    fn transfer(&self) -> Weak<Transfer> {
        Arc::downgrade(self.sending.transfer.borrow().as_ref().expect("it is under way"))
    }
}

fn fd() -> Fd {
    Fd::from_key(Key::new(7, 1))
}

fn patiently(mut is_done: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if is_done() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("it did not happen in 20 s");
}

fn file_of(length: u64) -> File {
    let mut name = [0; 8];
    getrandom::fill(&mut name).expect("the system has a generator");
    let path = std::env::temp_dir().join(format!("twinloop-transfer-{:016x}", u64::from_le_bytes(name)));
    let file = File::options().read(true).write(true).create_new(true).open(&path).expect("a new file");
    std::fs::remove_file(&path).expect("it was made above");
    file.set_len(length).expect("there is room");
    file
}

fn drain(mut peer: std::net::TcpStream) -> thread::JoinHandle<io::Result<usize>> {
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        let mut received = 0;
        loop {
            match peer.read(&mut buffer)? {
                0 => return Ok(received),
                count => received += count,
            }
        }
    })
}

/// R127: closing ends a transfer that a peer who does not read would hold up for good, and nothing of it stays behind.
#[test]
fn a_transfer_does_not_outlive_its_stream_for_long() {
    let (sender, peer) = Sender::new();
    let file = file_of(MUCH as u64);
    let begun = sender.send(&file, 0, MUCH);
    assert_eq!(begun.map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
    let transfer = sender.transfer();
    drop(sender);
    patiently(|| transfer.strong_count() == 0);
    let received = drain(peer).join().expect("it does not panic");
    assert!(received.is_err() || received.is_ok_and(|count| count < MUCH));
}

/// The file's own handle does not matter to the transfer.
#[test]
fn a_file_that_is_closed_is_sent_to_its_end() {
    let (sender, peer) = Sender::new();
    let file = file_of(MUCH as u64);
    let begun = sender.send(&file, 0, MUCH);
    assert_eq!(begun.map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
    drop(file);
    let received = drain(peer);
    let other = file_of(0);
    assert_eq!(sender.finish(&other, 0, MUCH).expect("the peer reads"), MUCH);
    let empty = sender.send(&other, 0, 1);
    assert_eq!(empty.map_err(|error| error.kind()), Err(io::ErrorKind::Unsupported), "it has to be read");
    drop(sender);
    assert_eq!(received.join().expect("it does not panic").expect("the stream is whole"), MUCH);
}

/// R119, and what a system may do about a file that is cut off on the way: whatever is counted was sent.
#[test]
fn a_file_that_shrinks_ends_earlier_or_fails() {
    let (sender, peer) = Sender::new();
    let file = file_of(MUCH as u64);
    let begun = sender.send(&file, 0, MUCH);
    assert_eq!(begun.map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
    file.set_len(MUCH as u64 / 2).expect("it is open to be written");
    let received = drain(peer);
    let sent = sender.finish(&file, 0, MUCH);
    drop(sender);
    let received = received.join().expect("it does not panic").expect("the stream is whole");
    assert!(sent.map_or(true, |sent| sent == received) && received < MUCH);
}

/// R118: offsets are no 32-bit numbers, and what stands behind them is the file's end.
#[test]
fn a_far_offset_is_found() {
    const FAR: u64 = (5 << 30) + 7;
    let (sender, mut peer) = Sender::new();
    let mut file = file_of(FAR);
    file.seek(SeekFrom::Start(FAR)).expect("a file has places");
    file.write_all(b"far away").expect("there is room");
    assert_eq!(sender.finish(&file, FAR + 4, 4).expect("the stream has room"), 4);
    let mut received = [0; 4];
    peer.read_exact(&mut received).expect("it was sent");
    assert_eq!(&received, b"away");
    for behind in [FAR + 8, FAR + 9] {
        assert_eq!(sender.send(&file, behind, 1).expect("there is nothing to send"), 0);
    }
}

/// R109: what is written after the count stands behind the file.
#[test]
fn files_and_bytes_arrive_in_order() {
    let (sender, mut peer) = Sender::new();
    let mut file = file_of(0);
    file.write_all(b"0123456789").expect("there is room");
    for round in 0..50 {
        assert_eq!(sender.finish(&file, round % 10, 1).expect("the stream has room"), 1);
        (&sender.stream).write_all(b"-").expect("the stream has room");
    }
    drop(sender);
    let mut received = String::new();
    peer.read_to_string(&mut received).expect("the stream is whole");
    assert_eq!(received, "0-1-2-3-4-5-6-7-8-9-".repeat(5));
}

/// A peer that is gone ends the transfer, and the error is the stream's.
#[test]
fn a_reset_ends_a_transfer() {
    let (sender, peer) = Sender::new();
    let file = file_of(MUCH as u64);
    let begun = sender.send(&file, 0, MUCH);
    assert_eq!(begun.map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a socket option");
    drop(peer);
    let error = sender.finish(&file, 0, MUCH).expect_err("the peer is gone");
    assert!(!speaks_of_the_file(&error), "{error}");
}

/// What was never begun leaves nothing behind either.
#[test]
fn a_refused_transfer_gives_its_shares_up() {
    let unconnected =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let stream = TcpStream::from_std(unconnected.into());
    let (sender, _peer) = Sender::new();
    let edges = Arc::clone(&sender.edges);
    let file = file_of(10);
    let before = Arc::strong_count(&edges);
    let error = Transfer::begin(&stream, (fd(), &edges), &file, 0, 10)
        .and_then(|transfer| {
            patiently(|| {
                transfer.result().is_ok()
                    || transfer.result().is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock)
            });
            transfer.result()
        })
        .expect_err("it is not connected");
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    patiently(|| Arc::strong_count(&edges) == before);
}
