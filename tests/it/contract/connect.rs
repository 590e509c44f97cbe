//! Connecting: success, refusal, giving up.

use std::io;
use std::task::Poll;
use std::time::Duration;

use super::run;
use super::support::{Turns, drain, poll_once, settle, turns};
use twinloop::driver::{ConnectOptions, ListenOptions};
use twinloop::transport::{connect, connect_with};
use twinloop::{Address, ErrorKind, Handle, JoinError, Operation, StreamServer, spawn, timeout};

/// A port on which nobody listens: below those that are picked, and no service of our days.
const NOBODY: Address = Address::loopback(1);

/// R128, R187: a refused connect says what was done, to which address, and why, with the system's number.
#[test]
fn a_refused_connect_tells_operation_address_and_number() {
    run(|| async {
        for _ in 0..3 {
            let error = connect(NOBODY).await.expect_err("nobody listens there");
            assert_eq!(error.kind(), ErrorKind::Os(io::ErrorKind::ConnectionRefused));
            assert_eq!((error.operation(), error.address()), (Operation::Connect, Some(NOBODY)));
            assert!(error.code().is_some());
        }
        Ok(())
    });
}

/// R128, R135: both ends of a connection know each other's addresses.
#[test]
fn both_ends_know_each_others_addresses() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let stream = connect(server.local_address()).await?;
        let peer = server.accept().await?;
        assert_eq!(stream.remote_address(), server.local_address());
        assert_eq!(stream.local_address()?, peer.remote_address());
        assert_eq!(peer.local_address()?, server.local_address());
        assert_ne!(stream.local_address()?.port(), Some(0));
        Ok(())
    });
}

/// The attempt begins with the call, awaited or not.
#[test]
fn a_connect_begins_with_its_call() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let connecting = connect(server.local_address());
        let peer = server.accept().await?;
        settle().await;
        let stream = connecting.await?;
        assert_eq!(peer.remote_address(), stream.local_address()?);
        Ok(())
    });
}

/// A connect that ends while nobody looks is told when somebody does.
#[test]
fn a_refusal_that_came_early_is_told_late() {
    run(|| async {
        let connecting = connect(NOBODY);
        settle().await;
        let error = connecting.await.expect_err("nobody listens there");
        assert_eq!(error.kind(), ErrorKind::Os(io::ErrorKind::ConnectionRefused));
        Ok(())
    });
}

/// R129: the local address is bound first; port 0 of it picks one.
#[test]
fn a_local_address_is_bound_first() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let options = ConnectOptions::default().local(Address::loopback(0));
        let stream = connect_with(server.local_address(), &options).await?;
        let peer = server.accept().await?;
        assert_eq!(stream.local_address()?, peer.remote_address());
        Ok(())
    });
}

/// A local address of the other family is refused before anything is sent.
#[test]
fn a_local_address_of_the_other_family_is_refused() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let options = ConnectOptions::default().local("[::1]:0".parse()?);
        assert!(connect_with(server.local_address(), &options).await.is_err());
        Ok(())
    });
}

/// R129: a local port that listens already is an error, and not a panic.
#[test]
fn a_local_port_in_use_is_an_error() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let options = ConnectOptions::default().local(server.local_address());
        let error = connect_with(server.local_address(), &options).await.expect_err("the port is taken");
        assert_eq!(error.operation(), Operation::Connect);
        assert_eq!(error.kind(), ErrorKind::Os(io::ErrorKind::AddrInUse));
        Ok(())
    });
}

/// R130: given up after any number of polls, a connect leaves no descriptor, and its listener goes on.
#[test]
fn a_connect_given_up_at_any_step_leaks_nothing() {
    run(|| async {
        let handle = Handle::current();
        let server = StreamServer::listen(Address::loopback(0))?;
        let lowest_free = || {
            let fd = handle.listen(&Address::loopback(0), &ListenOptions::default())?;
            handle.close(fd);
            Ok::<_, twinloop::driver::OsError>(fd.key().index())
        };
        let before = lowest_free()?;
        let mut completed = 0;
        for steps in 0..60 {
            let mut connecting = connect(server.local_address());
            for _ in 0..steps {
                if let Poll::Ready(stream) = poll_once(&mut connecting).await {
                    drop(stream?);
                    completed += 1;
                    break;
                }
                turns(1).await;
            }
            // What was given up is refused later on; nobody sees that.
            drop(connect(NOBODY));
        }
        assert!(completed < 60, "some were given up");
        settle().await;
        assert_eq!(lowest_free()?, before, "each abandoned connect gave its descriptor back");

        let address = server.local_address();
        let greeting = spawn(async move {
            loop {
                let stream = server.accept().await?;
                if stream.read_line(16).await.is_ok_and(|line| line.is_some()) {
                    return stream.write(b"welcome").await;
                }
            }
        });
        let stream = connect(address).await?;
        stream.write(b"the last one\n").await?;
        assert_eq!(stream.read_to_end(16).await?, b"welcome");
        greeting.await??;
        Ok(())
    });
}

/// R130: a task that is cancelled while it connects is gone at once, and the peer sees an end.
#[test]
fn cancelling_a_task_that_connects_closes_its_connection() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let connecting = spawn(connect(server.local_address()));
        let peer = server.accept().await?;
        match connecting.cancel().await {
            Ok(stream) => drop(stream?),
            Err(error) => assert!(matches!(error, JoinError::Cancelled)),
        }
        assert_eq!(drain(&peer).await?, b"");
        Ok(())
    });
}

/// R131, R134: a server that does not accept leaves those beyond its backlog connecting; a timeout around a connect, or
/// dropping it, ends that, and those who were let in are served.
#[test]
fn connects_beyond_the_backlog_wait_and_may_be_given_up() {
    run(|| async {
        let options = ListenOptions::default().backlog(1);
        let server = StreamServer::listen_with(Address::loopback(0), &options)?;
        let mut streams = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(100), connect(server.local_address())).await {
            streams.push(stream?);
            assert!(streams.len() < 100, "a backlog of one has an end");
        }
        for stream in &streams {
            assert_eq!(server.accept().await?.remote_address(), stream.local_address()?);
        }
        Ok(())
    });
}

/// R131: no address in particular, as a target, means this machine.
#[test]
fn nowhere_in_particular_is_this_machine() {
    run(|| async {
        let server = StreamServer::listen("[::]:0".parse::<Address>()?)?;
        let port = server.local_address().port().expect("it has one");
        for nowhere in [Address::any(port), format!("[::]:{port}").parse()?] {
            let stream = connect(nowhere).await?;
            assert_eq!(server.accept().await?.remote_address(), stream.local_address()?);
            let local = stream.local_address()?.as_ip().expect("it is of IP");
            assert!(local.ip().is_loopback(), "{local}");
        }
        Ok(())
    });
}

/// A descriptor is free once a refused connect was told.
#[test]
fn a_refused_connect_leaves_no_descriptor() {
    run(|| async {
        let handle = Handle::current();
        let mut indexes = Vec::new();
        for _ in 0..20 {
            connect(NOBODY).await.expect_err("nobody listens there");
            let fd = handle.listen(&Address::loopback(0), &ListenOptions::default())?;
            handle.close(fd);
            indexes.push(fd.key().index());
        }
        assert!(indexes.iter().all(|index| *index == indexes[0]), "{indexes:?}");
        Ok(())
    });
}

/// The seam: events may be spurious. A connect is over when it is, not when some event comes.
#[test]
fn a_connect_in_a_busy_loop_is_not_fooled_by_spurious_events() {
    run(|| async {
        let _busy = Turns::counted();
        let handle = Handle::current();
        let server = StreamServer::listen(Address::loopback(0))?;
        for _ in 0..5 {
            let stream = connect(server.local_address()).await?;
            assert!(handle.remote_address(stream.fd()).is_ok(), "a connected stream is connected");
            let error = connect(NOBODY).await.expect_err("nobody listens there");
            assert_eq!(error.kind(), ErrorKind::Os(io::ErrorKind::ConnectionRefused));
        }
        Ok(())
    });
}
