//! Options of sockets: set and told back, refused where they make no sense, and acting where both ends see it.

use std::io;
use std::time::Duration;

use super::run;
use super::support::{clog, drain, kind, pair, settle};
use twinloop::driver::{ConnectOptions, KeepAlive, ListenOptions, OptionName, SocketOption};
use twinloop::transport::connect_with;
use twinloop::{Address, ErrorKind, Handle, Operation, StreamServer, TransportError, connect};

const UNSUPPORTED: ErrorKind = ErrorKind::Os(io::ErrorKind::Unsupported);
const INVALID: ErrorKind = ErrorKind::Os(io::ErrorKind::InvalidInput);

fn any_v6(port: u16) -> Address {
    format!("[::]:{port}").parse().expect("an address")
}

/// `None` where the system has no such option, and says so.
fn unless_unsupported<T>(result: Result<T, TransportError>) -> Result<Option<T>, TransportError> {
    match result {
        Err(error) if error.kind() == UNSUPPORTED => Ok(None),
        result => result.map(Some),
    }
}

/// What is set is told back.
#[test]
fn what_is_set_is_told_back() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        for on in [false, true] {
            stream.set_no_delay(on)?;
            assert_eq!(stream.no_delay()?, on);
        }
        for linger in [Some(Duration::ZERO), None] {
            stream.set_linger(linger)?;
            assert_eq!(stream.linger()?, linger);
        }
        stream.set_time_to_live(7)?;
        assert_eq!(stream.time_to_live()?, 7);
        stream.set_type_of_service(0x10)?;
        assert_eq!(stream.type_of_service()?, 0x10);
        for timeout in [Some(Duration::from_millis(1500)), None] {
            if unless_unsupported(stream.set_user_timeout(timeout))?.is_some() {
                assert_eq!(stream.user_timeout()?, timeout);
            }
        }
        Ok(())
    });
}

/// R146: streams of both ends send small segments at once, unless they are made otherwise.
#[test]
fn small_segments_go_out_at_once_unless_told_otherwise() {
    run(|| async {
        let (stream, peer) = pair().await?;
        assert!(stream.no_delay()? && peer.no_delay()?);
        let server =
            StreamServer::listen_with(Address::loopback(0), &ListenOptions::default().no_delay(false))?;
        let options = ConnectOptions::default().no_delay(false);
        let stream = connect_with(server.local_address(), &options).await?;
        assert!(!stream.no_delay()? && !server.accept().await?.no_delay()?);
        Ok(())
    });
}

/// Probes with times that the system refuses stay off altogether.
#[test]
fn probes_that_are_refused_stay_off() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        // Twelve days, where systems that have a bound have one of some hours.
        let too_long = KeepAlive::default().idle(Duration::from_secs(1 << 20));
        if stream.set_keep_alive(Some(too_long)).is_err() {
            assert_eq!(stream.keep_alive()?, None);
        }
        Ok(())
    });
}

/// Probes are off, and have the system's times where nothing else was said; times are rounded up to whole seconds.
#[test]
fn probes_have_the_times_that_were_asked_for() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        assert_eq!(stream.keep_alive()?, None);
        let asked = KeepAlive::default().idle(Duration::from_millis(29_001)).count(3);
        stream.set_keep_alive(Some(asked))?;
        let told = stream.keep_alive()?.expect("it is on");
        assert!(told.idle.is_none_or(|idle| idle == Duration::from_secs(30)), "{told:?}");
        assert!(told.count.is_none_or(|count| count == 3), "{told:?}");
        assert!(told.interval.is_none_or(|interval| !interval.is_zero()), "{told:?}");
        stream.set_keep_alive(None)?;
        assert_eq!(stream.keep_alive()?, None);
        Ok(())
    });
}

/// R187: what can not be is an error with operation and address, and changes nothing.
#[test]
fn what_makes_no_sense_is_refused() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        let refusals = [
            // The loop would wait in `close`.
            stream.set_linger(Some(Duration::from_secs(1))),
            // To the system it would mean "none".
            stream.set_user_timeout(Some(Duration::ZERO)),
            stream.set_keep_alive(Some(KeepAlive::default().idle(Duration::ZERO))),
            stream.set_time_to_live(0),
        ];
        for refusal in refusals {
            let error = refusal.expect_err("it makes no sense");
            assert_eq!((error.kind(), error.operation()), (INVALID, Operation::Option));
            assert_eq!(error.address(), Some(stream.remote_address()));
        }
        assert_eq!(stream.linger()?, None);
        assert_ne!(stream.time_to_live()?, 0);
        Ok(())
    });
}

/// R187: an option of another kind of socket is the system's error, with its number.
#[test]
fn an_option_of_another_kind_of_socket_is_an_error() {
    run(|| async {
        let handle = Handle::current();
        let (stream, _peer) = pair().await?;
        let error = handle.option(stream.fd(), OptionName::OnlyV6).expect_err("it is of IPv4");
        assert!(error.code().is_some(), "{error}");
        let error = handle.set_option(stream.fd(), SocketOption::OnlyV6(true)).expect_err("it is of IPv4");
        assert!(error.code().is_some(), "{error}");
        Ok(())
    });
}

/// Options of what is closed are refused as everything else is.
#[test]
fn a_closed_transport_has_no_options() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        stream.close().await;
        assert_eq!(kind(stream.set_no_delay(true)), ErrorKind::Closed);
        assert_eq!(kind(stream.time_to_live()), ErrorKind::Closed);
        let server = StreamServer::listen(Address::loopback(0))?;
        server.close().await;
        assert_eq!(kind(server.reuse_port()), ErrorKind::Closed);
        Ok(())
    });
}

/// A buffer is at least as large as it was asked to be, within bounds that are the system's; accepted streams inherit it.
#[test]
fn buffers_have_the_size_that_was_asked_for() {
    run(|| async {
        const SIZE: u32 = 32 * 1024;
        let options = ListenOptions::default().receive_buffer(SIZE).send_buffer(SIZE);
        let server = StreamServer::listen_with(Address::loopback(0), &options)?;
        let options = ConnectOptions::default().receive_buffer(SIZE).send_buffer(SIZE);
        let stream = connect_with(server.local_address(), &options).await?;
        let peer = server.accept().await?;
        for end in [&stream, &peer] {
            assert!((SIZE..=2 * SIZE).contains(&end.receive_buffer()?), "{}", end.receive_buffer()?);
            assert!((SIZE..=2 * SIZE).contains(&end.send_buffer()?), "{}", end.send_buffer()?);
        }
        stream.set_receive_buffer(2 * SIZE)?;
        stream.set_send_buffer(2 * SIZE)?;
        assert!(stream.receive_buffer()? >= 2 * SIZE && stream.send_buffer()? >= 2 * SIZE);
        stream.set_receive_buffer(0)?;
        stream.set_send_buffer(0)?;
        assert!(stream.receive_buffer()? > 0 && stream.send_buffer()? > 0, "no system has none");
        Ok(())
    });
}

/// What the kernel takes is bounded by the buffers, and all of it arrives.
#[test]
fn smaller_buffers_take_less() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let usual = clog(&stream).await - stream.queued_bytes();
        drop((stream, peer));
        let server =
            StreamServer::listen_with(Address::loopback(0), &ListenOptions::default().receive_buffer(8192))?;
        let options = ConnectOptions::default().send_buffer(8192);
        let stream = connect_with(server.local_address(), &options).await?;
        let peer = server.accept().await?;
        let written = clog(&stream).await;
        let taken = written - stream.queued_bytes();
        assert!(taken < usual, "{taken} and usually {usual}");
        let reading = drain(&peer);
        let (received, ended) = twinloop::join(reading, stream.shutdown()).await;
        ended?;
        assert!(received? == super::support::pattern(written), "other bytes came");
        Ok(())
    });
}

/// Against R127: a linger of zero throws away what was not sent, and the peer is told.
#[test]
fn a_linger_of_zero_resets_the_peer() {
    run(|| async {
        let (stream, peer) = pair().await?;
        stream.set_linger(Some(Duration::ZERO))?;
        clog(&stream).await;
        stream.close().await;
        let error = drain(&peer).await.expect_err("the stream has no end");
        assert_eq!(error.kind(), ErrorKind::Os(io::ErrorKind::ConnectionReset));
        Ok(())
    });
}

/// R149: servers that share a port each get a share of its connections, one that closes leaves it to the others, and
/// whoever does not agree to share is refused.
#[test]
fn servers_may_share_a_port() {
    run(|| async {
        let options = ListenOptions::default().reuse_port(true);
        let Some(first) = unless_unsupported(StreamServer::listen_with(Address::loopback(0), &options))?
        else {
            return Ok(());
        };
        let address = first.local_address();
        assert!(first.reuse_port()?);
        let second = StreamServer::listen_with(address, &options)?;
        assert_eq!(kind(StreamServer::listen(address)), ErrorKind::Os(io::ErrorKind::AddrInUse));

        let mut streams = Vec::new();
        for _ in 0..8 {
            streams.push(connect(address).await?);
        }
        settle().await;
        second.close().await;
        // Those that waited at the second one are gone with it.
        for _ in 0..8 {
            let stream = connect(address).await?;
            loop {
                if first.accept().await?.remote_address() == stream.local_address()? {
                    break;
                }
            }
        }
        Ok(())
    });
}

/// R146: a server at `[::]` takes IPv4 too, and shows such a peer, and its own end, as IPv4.
#[test]
fn a_dual_stack_server_shows_ipv4_as_ipv4() {
    run(|| async {
        let server = StreamServer::listen_with(any_v6(0), &ListenOptions::default().only_v6(false))?;
        assert!(!server.only_v6()?);
        let port = server.local_address().port().expect("it has one");
        for remote in [Address::loopback(port), format!("[::1]:{port}").parse()?] {
            let stream = connect(remote).await?;
            let peer = server.accept().await?;
            assert_eq!(peer.remote_address(), stream.local_address()?);
            assert_eq!(peer.local_address()?, remote);
            assert_eq!(Handle::current().remote_address(peer.fd())?, stream.local_address()?);
        }
        Ok(())
    });
}

/// R146: one that takes IPv6 alone leaves the port's IPv4 to others, and IPv4 does not reach it.
#[test]
fn a_server_of_ipv6_alone_is_not_reached_over_ipv4() {
    run(|| async {
        let server = StreamServer::listen_with(any_v6(0), &ListenOptions::default().only_v6(true))?;
        assert!(server.only_v6()?);
        let port = server.local_address().port().expect("it has one");
        assert_eq!(
            kind(connect(Address::loopback(port)).await),
            ErrorKind::Os(io::ErrorKind::ConnectionRefused)
        );
        let other = StreamServer::listen(Address::any(port))?;
        let stream = connect(Address::loopback(port)).await?;
        assert_eq!(other.accept().await?.remote_address(), stream.local_address()?);
        connect(format!("[::1]:{port}").parse::<Address>()?).await?;
        server.accept().await?;
        Ok(())
    });
}

/// A device that there is not is an error, with the system's number where the system binds to devices at all.
#[test]
fn an_unknown_device_is_an_error() {
    run(|| async {
        let listen = ListenOptions::default().device("no-such-device");
        let error =
            StreamServer::listen_with(Address::loopback(0), &listen).expect_err("there is no such device");
        assert_eq!(error.operation(), Operation::Listen);
        assert!(error.kind() == UNSUPPORTED || error.code().is_some(), "{error}");
        let options = ConnectOptions::default().device("no-such-device");
        let error = connect_with(Address::loopback(1), &options).await.expect_err("there is no such device");
        assert_eq!(error.operation(), Operation::Connect);
        assert!(error.kind() == UNSUPPORTED || error.code().is_some(), "{error}");
        Ok(())
    });
}

/// With fast open, which is a matter of speed, a connection carries what any other does.
#[test]
fn a_fast_open_connection_is_like_any_other() {
    run(|| async {
        let listen = ListenOptions::default().fast_open(16);
        let Some(server) = unless_unsupported(StreamServer::listen_with(Address::loopback(0), &listen))?
        else {
            return Ok(());
        };
        // The second connection may know from the first that the server takes it.
        for _ in 0..2 {
            let options = ConnectOptions::default().fast_open(true);
            let stream = connect_with(server.local_address(), &options).await?;
            stream.write(b"first").await?;
            stream.shutdown().await?;
            let peer = server.accept().await?;
            assert_eq!(drain(&peer).await?, b"first");
            peer.write(b"second").await?;
            peer.shutdown().await?;
            assert_eq!(drain(&stream).await?, b"second");
        }
        Ok(())
    });
}
