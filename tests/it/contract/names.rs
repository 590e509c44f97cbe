//! Looking up names: what answers itself, what is told, giving up. No name but `localhost` is known to every system.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::task::Poll;
use std::time::Duration;

use super::support::{Turns, kind, poll_once, settle, turns, with_foreign_wakers};
use super::{run, run_leaving};
use twinloop::transport::Resolve;
use twinloop::{
    Address, ErrorKind, Handle, Operation, StreamServer, connect_any, connect_host, connect_to, resolve,
    resolve_address, spawn, timeout,
};

const INVALID: ErrorKind = ErrorKind::Os(io::ErrorKind::InvalidInput);

fn text(addresses: &[Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// R186: the system's answer has each address once.
#[test]
fn localhost_is_this_machine() {
    run(|| async {
        let addresses = resolve("localhost").await?;
        assert!(addresses.contains(&Ipv4Addr::LOCALHOST.into()), "{addresses:?}");
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
        let mut each_once = addresses.clone();
        each_once.sort_unstable();
        each_once.dedup();
        assert_eq!(each_once.len(), addresses.len());
        Ok(())
    });
}

/// An address is its own answer, in the same turn.
#[test]
fn an_address_is_its_own_answer() {
    run(|| async {
        for ip in ["10.1.2.3", "::1", "2001:db8::7"] {
            let answer = poll_once(&mut resolve(ip)).await;
            assert!(matches!(answer, Poll::Ready(Ok(ips)) if ips == [ip.parse::<IpAddr>()?]), "{ip}");
        }
        for address in ["10.1.2.3:80", "[::1]:0", "/run/service.sock"] {
            assert_eq!(text(&resolve_address(address).await?), address);
        }
        Ok(())
    });
}

/// R186: a port follows the last colon, and each address of the name gets it.
#[test]
fn a_text_has_a_name_and_a_port() {
    run(|| async {
        let ips = resolve("localhost").await?;
        let addresses: Vec<Address> = ips.into_iter().map(|ip| (ip, 5432).into()).collect();
        assert_eq!(resolve_address("localhost:5432").await?, addresses);
        for refused in
            ["localhost", "localhost:", "localhost:65536", "localhost:http", ":80", "::1:80", "[::1]"]
        {
            let error = resolve_address(refused).await.expect_err("it is no name and port");
            assert_eq!((error.kind(), error.operation()), (INVALID, Operation::Resolve), "{refused}");
        }
        Ok(())
    });
}

/// R187: what is no name is an error with that name, and no panic; the system is not asked.
#[test]
fn what_is_no_name_is_told_at_once() {
    run(|| async {
        let too_long = "a.".repeat(127) + "a";
        for name in ["", "no name", "a..b", "a\0b", "127.1", "bücher.example", "a/b", &too_long] {
            let Poll::Ready(Err(error)) = poll_once(&mut resolve(name)).await else {
                panic!("{name:?} was looked up");
            };
            assert_eq!((error.kind(), error.name()), (INVALID, Some(name)));
            assert!(error.to_string().starts_with(&format!("look up {name}: ")), "{error}");
        }
        Ok(())
    });
}

/// R187: a name that nobody has. Where no name server can be reached, that is told instead.
#[test]
fn a_name_that_nobody_has_is_told() {
    run(|| async {
        let error = resolve("does-not-exist.invalid").await.expect_err("nobody may have it (RFC 2606)");
        let kinds = [ErrorKind::Os(io::ErrorKind::NotFound), ErrorKind::Os(io::ErrorKind::TimedOut)];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert_eq!((error.operation(), error.name()), (Operation::Resolve, Some("does-not-exist.invalid")));
        assert_eq!(kind(connect_host("does-not-exist.invalid", 80).await), error.kind());
        Ok(())
    });
}

/// Against R186: the loop goes on while names are looked up, and many may be at once.
#[test]
fn a_lookup_does_not_hold_the_loop() {
    run(|| async {
        let busy = Turns::counted();
        let mut first = resolve("localhost");
        assert!(poll_once(&mut first).await.is_pending(), "an answer takes time");
        let others: Vec<_> = (0..20).map(|_| spawn(resolve("localhost"))).collect();
        let addresses = first.await?;
        assert!(busy.so_far() > 0, "others had their turns meanwhile");
        for other in others {
            assert_eq!(other.await??, addresses);
        }
        Ok(())
    });
}

/// The lookup begins with the call, and its answer waits until somebody asks.
#[test]
fn an_answer_that_came_early_is_told_late() {
    run(|| async {
        let resolving = resolve("localhost");
        settle().await;
        assert!(!resolving.await?.is_empty());
        Ok(())
    });
}

/// The events of a lookup may be spurious: it is over when there is an answer.
#[test]
fn a_lookup_in_a_busy_loop_is_not_fooled_by_spurious_events() {
    run(|| async {
        let _busy = Turns::counted();
        for _ in 0..5 {
            assert!(!resolve("localhost").await?.is_empty());
        }
        Ok(())
    });
}

/// Given up after any number of polls, a lookup leaves nothing; what it would have been answered reaches nobody.
#[test]
fn a_lookup_given_up_at_any_step_leaks_nothing() {
    run(|| async {
        for steps in 0..20 {
            let mut resolving: Resolve = resolve("localhost");
            for _ in 0..steps {
                if poll_once(&mut resolving).await.is_ready() {
                    break;
                }
                turns(1).await;
            }
            drop(resolving);
            assert_eq!(Handle::current().pending().descriptors, 0);
        }
        let _no_time = timeout(Duration::ZERO, resolve("localhost")).await;
        settle().await;
        assert!(!resolve("localhost").await?.is_empty(), "old answers are not taken for new ones");
        Ok(())
    });
}

/// A name leads to whoever listens at one of its addresses.
#[test]
fn a_name_is_connected_to() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let local = server.local_address();
        let port = local.port().expect("it has one");
        for connecting in [
            connect_host("localhost", port),
            connect_to(&format!("localhost:{port}")),
            connect_to(&local.to_string()),
        ] {
            let stream = connecting.await?;
            assert_eq!(stream.remote_address(), local);
            assert_eq!(server.accept().await?.remote_address(), stream.local_address()?);
        }
        Ok(())
    });
}

/// Whoever polls it, with whatever wakers, is woken.
#[test]
fn a_name_is_connected_to_by_foreign_wakers() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let port = server.local_address().port().expect("it has one");
        let stream = with_foreign_wakers(connect_host("localhost", port)).await?;
        assert_eq!(stream.remote_address(), server.local_address());
        Ok(())
    });
}

/// What is pending when the dispatcher closes is given up, and nobody waits for a name server.
#[test]
fn a_closing_dispatcher_gives_lookups_and_attempts_up() {
    run_leaving(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let there = server.local_address();
        spawn(resolve("does-not-exist.invalid")).detach();
        spawn(connect_host("localhost", 1)).detach();
        spawn(connect_any(&[there, Address::loopback(1)])).detach();
        turns(1).await;
        Ok(())
    });
}

/// R187: once the name is known, errors are those of the connect, with the address.
#[test]
fn a_name_where_nobody_listens_is_refused() {
    run(|| async {
        let error = connect_host("localhost", 1).await.expect_err("nobody listens there");
        assert_eq!(error.operation(), Operation::Connect);
        assert_eq!(error.kind(), ErrorKind::Os(io::ErrorKind::ConnectionRefused));
        let address = error.address().and_then(|address| address.as_ip()).expect("it says where");
        assert!(address.ip().is_loopback() && address.port() == 1);
        Ok(())
    });
}

/// R130: given up after any number of polls, while the name is looked up or while it is connected to.
#[test]
fn connecting_by_name_may_be_given_up_at_any_step() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let port = server.local_address().port().expect("it has one");
        let mut completed = 0;
        for steps in 0..60 {
            let mut connecting = connect_host("localhost", port);
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
        assert!(completed < 60, "some were given up");
        Ok(())
    });
}
