//! Unix sockets: streams at paths and abstract names, pairs, and what becomes of a path.

use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::run;
use super::support::{clog, drain, kind, pattern, poll_once, refusal, settle, turns};
use twinloop::driver::{ConnectOptions, Half, ListenOptions};
use twinloop::fs::remove_file;
use twinloop::transport::{connect_with, create_fifo};
use twinloop::{
    Address, DatagramTransport, ErrorKind, Operation, StreamServer, StreamTransport, TransportError, connect,
    spawn,
};

/// A path that no other case has, nor another run of the tests.
pub(super) fn fresh_path(name: &str) -> String {
    static CASES: AtomicUsize = AtomicUsize::new(0);
    let case = CASES.fetch_add(1, Ordering::Relaxed);
    // In a simulation the number is not part of the run: nothing that is recorded has the path in it.
    format!("/tmp/twinloop-{}-{case}-{name}", std::process::id())
}

fn at(path: &str) -> Address {
    Address::unix(path).expect("the path is short")
}

/// The two ends of a connection at a path: the one that connected, the one that was accepted.
async fn connected(server: &StreamServer) -> Result<(StreamTransport, StreamTransport), TransportError> {
    let stream = connect(server.local_address()).await?;
    Ok((stream, server.accept().await?))
}

async fn echo(server: &StreamServer) -> Result<(), TransportError> {
    let (stream, peer) = connected(server).await?;
    stream.write(b"ping").await?;
    let mut four = [0; 4];
    peer.read_exactly(&mut four).await?;
    peer.write(&four).await?;
    peer.shutdown().await?;
    assert_eq!(drain(&stream).await?, b"ping");
    Ok(())
}

/// A server at a path is one like every other, and its address is text that is parsed.
#[test]
fn a_server_at_a_path_serves() {
    run(|| async {
        let path = fresh_path("serves");
        let server = StreamServer::listen(path.parse::<Address>()?)?;
        assert_eq!(server.local_address(), at(&path));
        let (stream, peer) = connected(&server).await?;
        assert_eq!((stream.remote_address(), stream.local_address()?), (at(&path), Address::UNNAMED));
        assert_eq!((peer.remote_address(), peer.local_address()?), (Address::UNNAMED, at(&path)));
        echo(&server).await?;
        Ok(())
    });
}

/// Who connects may have a path too, which the server sees, and which is gone with the stream.
#[test]
fn a_client_may_have_a_path() {
    run(|| async {
        let server = StreamServer::listen(at(&fresh_path("server")))?;
        let own = at(&fresh_path("client"));
        for _ in 0..2 {
            let stream = connect_with(server.local_address(), &ConnectOptions::default().local(own)).await?;
            assert_eq!((server.accept().await?.remote_address(), stream.local_address()?), (own, own));
        }
        Ok(())
    });
}

/// R147: a path in use is an error, whoever asks for it: nothing is stolen.
#[test]
fn a_path_in_use_is_an_error_and_its_server_goes_on() {
    run(|| async {
        let path = at(&fresh_path("in use"));
        let server = StreamServer::listen(path)?;
        for options in [ListenOptions::default(), ListenOptions::default().replace_stale(true)] {
            let error = StreamServer::listen_with(path, &options).expect_err("it is in use");
            assert_eq!(error.kind(), ErrorKind::Os(io::ErrorKind::AddrInUse));
            assert_eq!((error.operation(), error.address()), (Operation::Listen, Some(path)));
        }
        // Whether someone is there was found out without a connection that the server would see.
        settle().await;
        assert!(poll_once(&mut server.accept()).await.is_pending());
        echo(&server).await?;
        Ok(())
    });
}

/// R147: a path is removed when its server closes, so that the next one needs not replace it.
#[test]
fn a_path_is_removed_when_its_server_closes() {
    run(|| async {
        let path = at(&fresh_path("removed"));
        for _ in 0..3 {
            let server = StreamServer::listen(path)?;
            echo(&server).await?;
            server.close().await;
            let nobody = connect(path).await;
            assert_eq!(kind(nobody), ErrorKind::Os(io::ErrorKind::NotFound));
        }
        Ok(())
    });
}

/// R147: a path that someone else has taken meanwhile is not removed.
#[test]
fn a_path_that_is_another_ones_by_now_stays() {
    run(|| async {
        let path = fresh_path("taken");
        let first = StreamServer::listen(at(&path))?;
        remove_file(&path).await?;
        let second = StreamServer::listen(at(&path))?;
        first.close().await;
        echo(&second).await?;
        Ok(())
    });
}

/// R147: what is no socket is never removed, also where a stale one is to be replaced.
#[test]
fn a_path_of_something_else_is_never_replaced() {
    run(|| async {
        let path = fresh_path("a fifo");
        let fifo = create_fifo(&path, Half::Both)?;
        let refused = StreamServer::listen_with(at(&path), &ListenOptions::default().replace_stale(true));
        assert_eq!(kind(refused), ErrorKind::Os(io::ErrorKind::AddrInUse));
        assert_eq!(kind(connect(at(&path)).await), ErrorKind::Os(io::ErrorKind::ConnectionRefused));
        drop(fifo);
        remove_file(&path).await?;
        Ok(())
    });
}

/// An abstract name is in no file system: it is free as soon as its server is gone, and nobody else's before.
#[test]
fn an_abstract_name_goes_with_its_server() {
    run(|| async {
        let name = Address::abstract_name(fresh_path("abstract"))?;
        for _ in 0..2 {
            let server = StreamServer::listen(name)?;
            assert_eq!(server.local_address(), name);
            assert_eq!(kind(StreamServer::listen(name)), ErrorKind::Os(io::ErrorKind::AddrInUse));
            echo(&server).await?;
            drop(server);
            assert_eq!(kind(connect(name).await), ErrorKind::Os(io::ErrorKind::ConnectionRefused));
        }
        Ok(())
    });
}

/// R132: a full backlog is an error at once, with the system's number, and room is there again after an accept.
#[test]
fn a_full_backlog_refuses_at_once() {
    run(|| async {
        let path = at(&fresh_path("backlog"));
        let server = StreamServer::listen_with(path, &ListenOptions::default().backlog(1))?;
        let mut waiting = Vec::new();
        let error = loop {
            match connect(path).await {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!((waiting.len(), error.operation()), (2, Operation::Connect));
        assert_eq!((error.kind(), error.code()), (ErrorKind::Os(io::ErrorKind::WouldBlock), Some(11)));
        let _accepted = server.accept().await?;
        waiting.push(connect(path).await?);
        Ok(())
    });
}

/// Options of IP are refused where they are asked for, and what every stream is made with is not asked of this one.
#[test]
fn options_of_ip_are_refused() {
    run(|| async {
        let path = at(&fresh_path("options"));
        let unsupported = ErrorKind::Os(io::ErrorKind::Unsupported);
        for options in [
            ListenOptions::default().reuse_port(true),
            ListenOptions::default().only_v6(true),
            ListenOptions::default().device("lo"),
            ListenOptions::default().fast_open(1),
        ] {
            assert_eq!(kind(StreamServer::listen_with(path, &options)), unsupported);
        }
        let (stream, _peer) = StreamTransport::pair()?;
        assert_eq!(kind(stream.set_no_delay(true)), unsupported);
        Ok(())
    });
}

/// A pair is connected from its beginning, both ways, and has no names.
#[test]
fn a_pair_is_connected_both_ways() {
    run(|| async {
        let (first, second) = StreamTransport::pair()?;
        for (stream, peer) in [(&first, &second), (&second, &first)] {
            assert_eq!(
                (stream.remote_address(), stream.local_address()?),
                (Address::UNNAMED, Address::UNNAMED)
            );
            stream.write(b"hello\n").await?;
            assert_eq!(peer.read_line(100).await?.as_deref(), Some(&b"hello"[..]));
        }
        Ok(())
    });
}

/// Half-close: the direction that was shut down ends behind all that was queued, the other one goes on.
#[test]
fn a_half_closed_pair_goes_on_the_other_way() {
    run(|| async {
        let (first, second) = StreamTransport::pair()?;
        let first = Rc::new(first);
        let all = clog(&first).await;
        let ending = first.shutdown();
        let reading = spawn(async move {
            let all = drain(&second).await?;
            second.write(b"got it").await?;
            Ok::<_, TransportError>(all)
        });
        ending.await?;
        assert!(reading.await?? == pattern(all));
        assert_eq!(drain(&first).await?, b"got it");
        Ok(())
    });
}

/// More than either kernel buffer holds, each way at once.
#[test]
fn much_goes_both_ways_at_once() {
    run(|| async {
        const LENGTH: usize = 2 << 20;
        let (first, second) = StreamTransport::pair()?;
        let work = |stream: StreamTransport| async move {
            stream.write(pattern(LENGTH)).detach();
            let ending = stream.shutdown();
            let all = drain(&stream).await?;
            ending.await?;
            Ok::<_, TransportError>(all == pattern(LENGTH))
        };
        let other = spawn(work(second));
        assert!(work(first).await?);
        assert!(other.await??);
        Ok(())
    });
}

/// unix(7): a peer that closes with unread bytes resets the stream. What it had sent is read first.
#[test]
fn a_peer_that_closes_without_reading_resets_the_stream() {
    run(|| async {
        let server = StreamServer::listen(at(&fresh_path("reset")))?;
        let (stream, peer) = connected(&server).await?;
        stream.write(b"unread").await?;
        peer.write(b"farewell").await?;
        peer.close().await;
        assert_eq!(stream.read_exactly(&mut [0; 8]).await, Ok(()));
        for _ in 0..2 {
            let error = stream.read(&mut [0; 8]).await.expect_err("it is reset");
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Os(io::ErrorKind::ConnectionReset), Some(104))
            );
        }
        let error = stream.write(b"too late").await.expect_err("nobody is there");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Os(io::ErrorKind::BrokenPipe), Some(32)));
        Ok(())
    });
}

/// A peer that closes with nothing unread ends the stream; writing to it is an error and no signal.
#[test]
fn a_peer_that_closes_ends_the_stream() {
    run(|| async {
        let (stream, peer) = StreamTransport::pair()?;
        peer.write(b"farewell").await?;
        peer.close().await;
        assert_eq!(drain(&stream).await?, b"farewell");
        assert_eq!(kind(stream.write(b"too late").await), ErrorKind::Os(io::ErrorKind::BrokenPipe));
        Ok(())
    });
}

/// A writer that waits for room learns that the peer is gone.
#[test]
fn a_waiting_write_learns_that_the_peer_is_gone() {
    run(|| async {
        let (stream, peer) = StreamTransport::pair()?;
        clog(&stream).await;
        let waiting = stream.write(b"more");
        drop(peer);
        assert_eq!(kind(waiting.await), ErrorKind::Os(io::ErrorKind::BrokenPipe));
        Ok(())
    });
}

/// Who connected and was never accepted is reset when the server closes.
#[test]
fn a_server_that_closes_resets_who_was_not_accepted() {
    run(|| async {
        let server = StreamServer::listen(at(&fresh_path("unaccepted")))?;
        let stream = connect(server.local_address()).await?;
        turns(2).await;
        server.close().await;
        assert_eq!(kind(stream.read(&mut [0]).await), ErrorKind::Os(io::ErrorKind::ConnectionReset));
        Ok(())
    });
}

/// Nobody at a path, and a path too long: errors, and nothing is left.
#[test]
fn a_connection_to_nobody_is_refused() {
    run(|| async {
        let path = fresh_path("nobody");
        let error = refusal(connect(at(&path)).await)?;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Os(io::ErrorKind::NotFound), Some(2)));
        assert_eq!(error.address(), Some(at(&path)));
        assert!(Address::unix("/".repeat(108)).is_err());
        Ok(())
    });
}

/// Datagrams go by path too: with boundaries, sources and batches, and the path goes with its transport.
#[test]
fn datagrams_go_by_path() {
    run(|| async {
        let (path, own) = (at(&fresh_path("mailbox")), at(&fresh_path("sender")));
        for _ in 0..2 {
            let server = DatagramTransport::bind(path)?;
            let client = DatagramTransport::bind(own)?;
            assert_eq!(kind(DatagramTransport::bind(path)), ErrorKind::Os(io::ErrorKind::AddrInUse));
            for text in ["one", "", "three"] {
                client.send_to(text.as_bytes(), path).await?;
            }
            for text in ["one", "", "three"] {
                let mut buffer = [0; 16];
                let received = server.recv_from(&mut buffer).await?;
                assert_eq!((&buffer[..received.length], received.source), (text.as_bytes(), own));
            }
            server.send_to(b"answer", own).await?;
            assert_eq!(client.recv_from(&mut [0; 16]).await?.length, 6);
        }
        let nobody = DatagramTransport::bind(Address::UNNAMED)?;
        assert_eq!(kind(nobody.send_to(b"x", path).await), ErrorKind::Os(io::ErrorKind::NotFound));
        Ok(())
    });
}

/// Nothing of what is sent by path is lost: a sender waits while the receiver's queue is full.
#[test]
fn a_datagram_to_a_full_queue_waits_for_room() {
    run(|| async {
        const COUNT: u32 = 2000;
        let server = DatagramTransport::bind(at(&fresh_path("mailbox")))?;
        let client = DatagramTransport::connect(server.local_address())?;
        assert_eq!(
            (client.local_address(), client.remote_address()),
            (Address::UNNAMED, Some(server.local_address()))
        );
        let sending = spawn(async move {
            for number in 0..COUNT {
                client.send(&number.to_le_bytes()).await?;
            }
            Ok::<_, TransportError>(())
        });
        settle().await;
        for number in 0..COUNT {
            let mut buffer = [0; 4];
            assert_eq!(server.recv_from(&mut buffer).await?.source, Address::UNNAMED);
            assert_eq!(u32::from_le_bytes(buffer), number);
        }
        sending.await??;
        Ok(())
    });
}

/// The two of a pair hear each other alone, and a datagram can be looked at.
#[test]
fn a_pair_of_datagram_sockets_needs_no_name() {
    run(|| async {
        let (near, far) = DatagramTransport::pair()?;
        assert_eq!((near.local_address(), near.remote_address()), (Address::UNNAMED, Some(Address::UNNAMED)));
        near.send(b"one").await?;
        near.send(b"three").await?;
        let mut buffer = [0; 16];
        assert_eq!(far.peek_from(&mut buffer).await?.length, 3);
        assert_eq!(far.recv(&mut buffer).await?.length, 3);
        assert_eq!(far.recv(&mut buffer).await?.length, 5);
        far.send(b"back").await?;
        assert_eq!(near.recv(&mut buffer).await?.length, 4);
        far.close().await;
        assert_eq!(kind(near.send(b"x").await), ErrorKind::Os(io::ErrorKind::ConnectionRefused));
        Ok(())
    });
}

/// Both ends of a pair are of one process. Only a Unix stream knows its peer, and only where the system tells.
#[test]
fn a_unix_stream_knows_who_is_at_its_other_end() {
    run(|| async {
        let (near, far) = StreamTransport::pair()?;
        assert_eq!(near.peer_credentials().ok(), far.peer_credentials().ok());
        let server = StreamServer::listen(Address::loopback(0))?;
        let stream = connect(server.local_address()).await?;
        let refused = stream.peer_credentials();
        assert_eq!(kind(refused), ErrorKind::Os(io::ErrorKind::Unsupported), "it is no Unix stream");
        near.close().await;
        assert_eq!(kind(near.peer_credentials()), ErrorKind::Closed);
        Ok(())
    });
}
