//! Connecting to several addresses: the first that is there wins, and nothing of the others is left.

use std::io;
use std::task::Poll;
use std::time::Duration;

use super::run;
use super::support::{drain, kind, poll_once, turns};
use twinloop::driver::ConnectOptions;
use twinloop::transport::{FallbackOptions, connect_any_with};
use twinloop::{Address, ErrorKind, Handle, Operation, StreamServer, connect_any, timeout};

/// Two places where nobody listens: below those ports that are picked, and no services of our days.
const NOBODY: Address = Address::loopback(1);
const NOBODY_ELSE: Address = Address::loopback(2);

const REFUSED: ErrorKind = ErrorKind::Os(io::ErrorKind::ConnectionRefused);

fn nobody_v6() -> Address {
    "[::1]:1".parse().expect("an address")
}

/// One that answers is found behind any number of those that do not.
#[test]
fn an_address_that_answers_is_found_behind_others_that_do_not() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let there = server.local_address();
        for addresses in [
            &[there][..],
            &[NOBODY, there],
            &[nobody_v6(), NOBODY, there],
            &[there, NOBODY],
            &[NOBODY, nobody_v6(), there],
        ] {
            let stream = connect_any(addresses).await?;
            assert_eq!(stream.remote_address(), there);
            assert_eq!(server.accept().await?.remote_address(), stream.local_address()?);
            assert_eq!(Handle::current().pending().descriptors, 2, "the server and the stream");
        }
        Ok(())
    });
}

/// Of two that answer, the one that stands first is taken.
#[test]
fn the_first_address_is_preferred() {
    run(|| async {
        let (first, second) =
            (StreamServer::listen(Address::loopback(0))?, StreamServer::listen(Address::loopback(0))?);
        let stream = connect_any(&[first.local_address(), second.local_address()]).await?;
        assert_eq!(stream.remote_address(), first.local_address());
        Ok(())
    });
}

/// R128, R187: if all fail, the error is that of the address that was tried first.
#[test]
fn the_error_is_that_of_the_first_address() {
    run(|| async {
        for addresses in [&[NOBODY][..], &[NOBODY, NOBODY_ELSE], &[NOBODY_ELSE, nobody_v6(), NOBODY]] {
            let error = connect_any(addresses).await.expect_err("nobody listens there");
            assert_eq!((error.kind(), error.operation()), (REFUSED, Operation::Connect));
            assert_eq!(error.address(), Some(addresses[0]));
        }
        Ok(())
    });
}

/// No address at all is an error like any other, and no panic.
#[test]
fn no_address_is_an_error() {
    run(|| async {
        assert_eq!(kind(connect_any(&[]).await), ErrorKind::Os(io::ErrorKind::InvalidInput));
        Ok(())
    });
}

/// R129: each attempt is made with the options.
#[test]
fn each_attempt_has_the_options() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let connect = ConnectOptions::default().local(Address::loopback(0)).no_delay(false);
        let options = FallbackOptions::default().connect(connect).attempt_delay(Duration::ZERO);
        let stream = connect_any_with(&[NOBODY, server.local_address()], &options).await?;
        assert!(!stream.no_delay()?);
        Ok(())
    });
}

/// R130: given up after any number of polls, it leaves no descriptor, and the peer of a connection that was made sees an
/// end.
#[test]
fn given_up_at_any_step_it_leaks_nothing() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let addresses = [NOBODY, nobody_v6(), server.local_address()];
        let mut completed = 0;
        for steps in 0..40 {
            let mut connecting = connect_any(&addresses);
            for _ in 0..steps {
                if let Poll::Ready(stream) = poll_once(&mut connecting).await {
                    drop(stream?);
                    completed += 1;
                    break;
                }
                turns(1).await;
            }
            drop(connecting);
            assert_eq!(Handle::current().pending().descriptors, 1, "the server's own");
        }
        assert!(completed < 40, "some were given up");
        while let Ok(peer) = timeout(Duration::from_millis(100), server.accept()).await {
            // One whose connect was given up may have been reset.
            let _ended = drain(&peer?).await;
        }
        Ok(())
    });
}
