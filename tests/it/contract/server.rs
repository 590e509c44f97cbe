//! Servers: listening, accepting in order, closing.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::run;
use super::support::{Turns, drain, kind, poll_once, settle, turns};
use twinloop::driver::ListenOptions;
use twinloop::{
    Address, ErrorKind, JoinHandle, Operation, StreamServer, StreamTransport, TransportError, connect, spawn,
    timeout,
};

/// A client that says `word` and ends its direction.
async fn say(address: Address, word: &'static str) -> Result<StreamTransport, TransportError> {
    let stream = connect(address).await?;
    stream.write(word.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(stream)
}

/// What the next client of `server` says.
async fn hear(server: &StreamServer) -> Result<String, TransportError> {
    let stream = server.accept().await?;
    Ok(String::from_utf8_lossy(&drain(&stream).await?).into_owned())
}

/// R135: port 0 picks a free port and tells it; two servers get two.
#[test]
fn port_zero_picks_a_port_and_tells_it() {
    run(|| async {
        let (first, second) =
            (StreamServer::listen(Address::loopback(0))?, StreamServer::listen(Address::loopback(0))?);
        assert_ne!(first.local_address().port(), Some(0));
        assert_ne!(first.local_address(), second.local_address());
        let _client = say(second.local_address(), "second").await?;
        assert_eq!(hear(&second).await?, "second");
        Ok(())
    });
}

/// R135: an address in use is an error that names the address, and the first server goes on.
#[test]
fn listening_twice_at_one_address_is_an_error() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let error = StreamServer::listen(server.local_address()).expect_err("the address is taken");
        assert_eq!(error.kind(), ErrorKind::Os(io::ErrorKind::AddrInUse));
        assert_eq!((error.operation(), error.address()), (Operation::Listen, Some(server.local_address())));
        let _client = say(server.local_address(), "hello").await?;
        assert_eq!(hear(&server).await?, "hello");
        Ok(())
    });
}

/// R141: those who wait are served in the order of their calls.
#[test]
fn concurrent_accepts_are_served_in_their_order() {
    run(|| async {
        let server = Rc::new(StreamServer::listen(Address::loopback(0))?);
        let address = server.local_address();
        let accepting: Vec<JoinHandle<_>> = (0..4)
            .map(|_| {
                let server = Rc::clone(&server);
                spawn(async move { hear(&server).await })
            })
            .collect();
        turns(2).await;
        let words = ["first", "second", "third", "fourth"];
        let mut clients = Vec::new();
        for word in words {
            clients.push(say(address, word).await?);
        }
        for (accepting, word) in accepting.into_iter().zip(words) {
            assert_eq!(accepting.await??, word);
        }
        Ok(())
    });
}

/// R141: a newcomer does not overtake one who waits, also when a connection is there already.
#[test]
fn a_newcomer_does_not_overtake_who_waits() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let mut older = server.accept();
        assert!(poll_once(&mut older).await.is_pending());
        let _first = connect(server.local_address()).await?;
        let mut newer = server.accept();
        let stream = loop {
            assert!(poll_once(&mut newer).await.is_pending(), "the newer one overtook");
            if let Poll::Ready(stream) = poll_once(&mut older).await {
                break stream?;
            }
            turns(1).await;
        };
        assert_eq!(stream.remote_address(), _first.local_address()?);
        let second = connect(server.local_address()).await?;
        assert_eq!(newer.await?.remote_address(), second.local_address()?);
        Ok(())
    });
}

/// An accept that is given up loses no connection, before the connection comes or after, at any place in the queue.
#[test]
fn an_accept_given_up_loses_no_connection() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        for given_up in 0..3 {
            for comes_first in [false, true] {
                let mut waiting: Vec<_> = (0..3).map(|_| server.accept()).collect();
                for accept in &mut waiting {
                    assert!(poll_once(accept).await.is_pending());
                }
                let client = if comes_first { Some(connect(server.local_address()).await?) } else { None };
                if comes_first {
                    settle().await;
                }
                drop(waiting.remove(given_up));
                let client = match client {
                    Some(client) => client,
                    None => connect(server.local_address()).await?,
                };
                let next = waiting.remove(0);
                let stream = next.await?;
                assert_eq!(stream.remote_address(), client.local_address()?);
            }
        }
        Ok(())
    });
}

/// The same with tasks: the wake that a cancelled task has had passes on to the next one.
#[test]
fn a_cancelled_acceptor_passes_its_wake_on() {
    run(|| async {
        let server = Rc::new(StreamServer::listen(Address::loopback(0))?);
        let acceptor = || {
            let server = Rc::clone(&server);
            spawn(async move { hear(&server).await })
        };
        for delay in 0..12 {
            let (first, second) = (acceptor(), acceptor());
            turns(2).await;
            let address = server.local_address();
            let client = spawn(say(address, "hello"));
            turns(delay).await;
            match first.cancel().await {
                // It had the connection already.
                Ok(heard) => {
                    heard?;
                    drop(second.cancel());
                }
                Err(_) => {
                    // If it was cancelled while it listened to its client, that client is gone with it.
                    let again = spawn(say(address, "hello"));
                    assert_eq!(second.await??, "hello");
                    drop(again);
                }
            }
            drop(client);
            // Whoever is left over is heard, so that the next round begins with an empty queue.
            while let Ok(Ok(_)) = timeout(Duration::from_millis(45), hear(&server)).await {}
        }
        Ok(())
    });
}

/// The same within a task: one that was woken for a connection and gives its accept up wakes the next in the queue.
#[test]
fn an_acceptor_that_was_woken_and_gives_up_wakes_the_next() {
    run(|| async {
        let server = Rc::new(StreamServer::listen(Address::loopback(0))?);
        let inner = Rc::clone(&server);
        let gives_up = spawn(async move {
            let mut accept = inner.accept();
            assert!(poll_once(&mut accept).await.is_pending());
            next_wake().await;
        });
        turns(2).await;
        let inner = Rc::clone(&server);
        let next = spawn(async move { hear(&inner).await });
        turns(2).await;
        let _client = say(server.local_address(), "hello").await?;
        assert_eq!(next.await??, "hello");
        gives_up.await?;
        Ok(())
    });
}

/// Ends with the task's next wake, whatever wakes it.
async fn next_wake() {
    let mut polled = false;
    poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// The seam: a listener's events may be spurious, and late.
#[test]
fn accepting_in_a_busy_loop_is_not_fooled_by_spurious_events() {
    run(|| async {
        let _busy = Turns::counted();
        let server = StreamServer::listen(Address::loopback(0))?;
        for word in ["one", "two", "three", "four", "five"] {
            let client = spawn(say(server.local_address(), word));
            assert_eq!(hear(&server).await?, word);
            drop(client.await??);
        }
        Ok(())
    });
}

/// R136, R140: closing ends every accept that waits, and every later one.
#[test]
fn closing_ends_every_accept() {
    run(|| async {
        let server = Rc::new(StreamServer::listen(Address::loopback(0))?);
        let waiting: Vec<JoinHandle<_>> = (0..3)
            .map(|_| {
                let server = Rc::clone(&server);
                spawn(async move { kind(server.accept().await) })
            })
            .collect();
        turns(2).await;
        server.close().await;
        assert!(waiting.iter().all(JoinHandle::is_finished), "closed means that all were told");
        for waiting in waiting {
            assert_eq!(waiting.await?, ErrorKind::Closed);
        }
        assert_eq!(kind(server.accept().await), ErrorKind::Closed);
        server.close().await;
        Ok(())
    });
}

/// Section 5 `accept_close_race`: accepting, closing, giving up and connecting, in any order, all end.
#[test]
fn accept_close_and_cancel_end_in_any_order() {
    run(|| async {
        for order in 0..6 {
            let server = Rc::new(StreamServer::listen(Address::loopback(0))?);
            let inner = Rc::clone(&server);
            let accepting = spawn(async move { inner.accept().await.map(drop) });
            turns(order % 3).await;
            let client = connect(server.local_address());
            if order < 3 {
                turns(order).await;
                let closing = server.close();
                let accepted = accepting.await?;
                assert!(accepted.is_ok() || kind(accepted) == ErrorKind::Closed);
                closing.await;
            } else {
                let accepting = accepting.cancel();
                server.close().await;
                drop(accepting.await);
            }
            // Refused, reset or connected to one who is gone: it ends.
            drop(client.await);
        }
        Ok(())
    });
}

/// R144: after a close the same address can be listened at again, at once and again.
#[test]
fn an_address_can_be_listened_at_again_after_a_close() {
    run(|| async {
        let mut server = StreamServer::listen(Address::loopback(0))?;
        let address = server.local_address();
        for round in ["first", "second", "third"] {
            let client = say(address, round).await?;
            assert_eq!(hear(&server).await?, round);
            drop(client);
            if round == "first" {
                server.close().await;
            } else {
                drop(server);
            }
            server = StreamServer::listen(address)?;
            assert_eq!(server.local_address(), address);
        }
        Ok(())
    });
}

/// R142, R143: a close is a stop, and for good: a closed server refuses connections.
#[test]
fn nobody_connects_to_a_closed_server() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        server.close().await;
        assert_eq!(
            kind(connect(server.local_address()).await),
            ErrorKind::Os(io::ErrorKind::ConnectionRefused)
        );
        Ok(())
    });
}

/// R145: accepted transports live on when their server is closed, and when it is dropped.
#[test]
fn accepted_transports_outlive_their_server() {
    run(|| async {
        for drops in [false, true] {
            let server = StreamServer::listen(Address::loopback(0))?;
            let stream = connect(server.local_address()).await?;
            let peer = server.accept().await?;
            if drops {
                drop(server);
            } else {
                server.close().await;
            }
            settle().await;
            stream.write(b"ping").await?;
            let mut word = [0; 4];
            peer.read_exactly(&mut word).await?;
            peer.write(&word).await?;
            peer.close().await;
            assert_eq!(drain(&stream).await?, b"ping");
        }
        Ok(())
    });
}

/// R127: what a client sent and ended before it was accepted is not lost.
#[test]
fn a_client_that_came_and_went_is_still_heard() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        say(server.local_address(), "was here").await?.close().await;
        settle().await;
        assert_eq!(hear(&server).await?, "was here");
        Ok(())
    });
}

/// R141: connections that wait in the kernel come out in the order in which they came in, more than a turn's budget.
#[test]
fn a_burst_of_connections_is_accepted_in_order() {
    run(|| async {
        let server = StreamServer::listen_with(Address::loopback(0), &ListenOptions::default().backlog(256))?;
        let mut clients = Vec::new();
        for _ in 0..100 {
            clients.push(connect(server.local_address()).await?);
        }
        for client in &clients {
            assert_eq!(server.accept().await?.remote_address(), client.local_address()?);
        }
        Ok(())
    });
}
