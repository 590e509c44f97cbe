//! `DatagramTransport`: boundaries, sources and sizes; what is refused, and how errors are told.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use twinloop::driver::DatagramOptions;
use twinloop::{Address, DatagramTransport, ErrorKind, JoinHandle, TransportError, spawn};

use super::run;
use super::support::{Log, Turns, kind, pattern, poll_once, settle, turns};

/// A socket at the loopback, and another one that is connected to it.
fn pair() -> Result<(DatagramTransport, DatagramTransport), TransportError> {
    let receiver = DatagramTransport::bind(Address::loopback(0))?;
    let sender = DatagramTransport::connect(receiver.local_address())?;
    Ok((receiver, sender))
}

/// The next datagram as text.
async fn hear(transport: &DatagramTransport) -> Result<String, TransportError> {
    let mut buffer = [0; 100];
    let received = transport.recv_from(&mut buffer).await?;
    assert!(!received.truncated);
    Ok(String::from_utf8_lossy(&buffer[..received.length]).into_owned())
}

/// R152: what was sent in one piece is received in one piece, with who sent it.
#[test]
fn each_datagram_keeps_its_boundaries_and_its_source() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let other = DatagramTransport::bind(Address::loopback(0))?;
        sender.send(b"one").await?;
        other.send_to(b"two two", receiver.local_address()).await?;
        sender.send(b"three").await?;

        let mut buffer = [0; 100];
        for (bytes, by) in [(&b"one"[..], &sender), (b"two two", &other), (b"three", &sender)] {
            let received = receiver.recv_from(&mut buffer).await?;
            assert_eq!(&buffer[..received.length], bytes);
            assert_eq!(received.source, by.local_address());
        }
        Ok(())
    });
}

/// R153: what does not fit is lost, which is told; the next datagram is not touched.
#[test]
fn what_does_not_fit_is_lost_and_that_is_told() {
    run(|| async {
        let (receiver, sender) = pair()?;
        for word in [&b"too long"[..], b"fits", b"lost"] {
            sender.send(word).await?;
        }
        let mut buffer = [0; 4];
        let cut = receiver.recv_from(&mut buffer).await?;
        assert_eq!((&buffer, cut.length, cut.truncated), (b"too ", 4, true));
        let whole = receiver.recv_from(&mut buffer).await?;
        assert_eq!((&buffer, whole.length, whole.truncated), (b"fits", 4, false));
        let none = receiver.recv_from(&mut []).await?;
        assert_eq!((none.length, none.truncated), (0, true));
        Ok(())
    });
}

/// R153: a datagram with nothing in it is delivered, and is no end of anything.
#[test]
fn an_empty_datagram_is_one_like_any_other() {
    run(|| async {
        let (receiver, sender) = pair()?;
        sender.send(b"").await?;
        sender.send(b"more").await?;
        assert_eq!(hear(&receiver).await?, "");
        assert_eq!(hear(&receiver).await?, "more");
        Ok(())
    });
}

/// R156: the largest datagram of IPv4 passes whole, and one byte more is refused.
#[test]
fn one_byte_too_many_is_refused() {
    run(|| async {
        const LENGTH_MAX: usize = 65_507;
        let (receiver, sender) = pair()?;
        let refused = kind(sender.send(pattern(LENGTH_MAX + 1)).await);
        assert!(matches!(refused, ErrorKind::Os(_)), "{refused:?}");
        sender.send(pattern(LENGTH_MAX)).await?;
        let mut buffer = vec![0; LENGTH_MAX];
        let received = receiver.recv_from(&mut buffer).await?;
        assert_eq!((received.length, received.truncated), (LENGTH_MAX, false));
        assert!(buffer == pattern(LENGTH_MAX));
        Ok(())
    });
}

/// R154: the answer of a host where nobody listens is told once for each datagram, and the transport stays of use.
#[test]
fn a_refusal_is_told_once_and_the_transport_goes_on() {
    run(|| async {
        let refused = ErrorKind::Os(io::ErrorKind::ConnectionRefused);
        let transport = DatagramTransport::connect(Address::loopback(9))?;
        for _ in 0..3 {
            transport.send(b"is anybody there?").await?;
            let mut buffer = [0; 8];
            assert_eq!(kind(transport.recv(&mut buffer).await), refused);
            assert!(poll_once(&mut transport.recv(&mut buffer)).await.is_pending(), "it was told");
        }
        // Who sends next is told as well, and is not sent; the one after it is.
        transport.send(b"is anybody there?").await?;
        settle().await;
        assert_eq!(kind(transport.send(b"and now?").await), refused);
        transport.send(b"and now?").await?;
        Ok(())
    });
}

/// R155: sending needs to know to whom; on a connected transport there is one answer.
#[test]
fn a_datagram_needs_a_target_and_a_connected_transport_has_one() {
    run(|| async {
        let (receiver, sender) = pair()?;
        assert_eq!(kind(receiver.send(b"to whom?").await), ErrorKind::Os(io::ErrorKind::NotConnected));
        assert_eq!(kind(receiver.recv(&mut [0; 8]).await), ErrorKind::Os(io::ErrorKind::NotConnected));

        let elsewhere = sender.send_to(b"no", Address::loopback(9)).await;
        assert_eq!(kind(elsewhere), ErrorKind::Os(io::ErrorKind::InvalidInput));
        sender.send_to(b"yes", receiver.local_address()).await?;
        assert_eq!(hear(&receiver).await?, "yes");
        Ok(())
    });
}

/// R159: a connected transport hears its peer, and nobody else.
#[test]
fn a_connected_transport_hears_its_peer_alone() {
    run(|| async {
        let (server, client) = pair()?;
        let stranger = DatagramTransport::bind(Address::loopback(0))?;
        assert_eq!(client.remote_address(), Some(server.local_address()));
        assert_eq!(server.remote_address(), None);
        stranger.send_to(b"psst", client.local_address()).await?;
        server.send_to(b"hello", client.local_address()).await?;
        assert_eq!(hear(&client).await?, "hello");
        settle().await;
        assert!(poll_once(&mut client.recv(&mut [0; 8])).await.is_pending());
        Ok(())
    });
}

/// R161: at `[::]` peers of both families are heard, those of IPv4 by their IPv4 addresses, and answered.
#[test]
fn a_socket_of_both_families_shows_ipv4_peers_as_such() {
    run(|| async {
        let both = DatagramTransport::bind((Ipv6Addr::UNSPECIFIED, 0))?;
        let port = both.local_address().port().expect("an IP address");
        for peer in [Address::loopback(port), (Ipv6Addr::LOCALHOST, port).into()] {
            let client = DatagramTransport::connect(peer)?;
            client.send(b"ping").await?;
            let mut buffer = [0; 8];
            let ping = both.recv_from(&mut buffer).await?;
            assert_eq!(ping.source, client.local_address());
            both.send_to(b"pong", ping.source).await?;
            assert_eq!(hear(&client).await?, "pong");
        }
        Ok(())
    });
}

/// R161: a socket that takes IPv6 alone leaves IPv4 alone, its port included.
#[test]
fn a_socket_of_ipv6_alone_shares_its_port_with_one_of_ipv4() {
    run(|| async {
        let options = DatagramOptions::default().only_v6(true);
        let v6 = DatagramTransport::bind_with((Ipv6Addr::UNSPECIFIED, 0), &options)?;
        assert!(v6.only_v6()?);
        let port = v6.local_address().port().expect("an IP address");
        let v4 = DatagramTransport::bind((Ipv4Addr::LOCALHOST, port))?;
        let refused = kind(v6.send_to(b"no", v4.local_address()).await);
        assert!(matches!(refused, ErrorKind::Os(_)), "{refused:?}");
        DatagramTransport::connect(v4.local_address())?.send(b"to IPv4").await?;
        assert_eq!(hear(&v4).await?, "to IPv4");
        Ok(())
    });
}

/// What is bound is not bound twice, unless both agree to it.
#[test]
fn two_sockets_share_a_port_only_if_both_agree() {
    run(|| async {
        let shared = DatagramOptions::default().reuse_address(true);
        let alone = DatagramTransport::bind(Address::loopback(0))?;
        // Windows has a word of its own for who wants to share what another one has for itself.
        let is_in_use = |refused: ErrorKind| {
            let kinds = [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied];
            kinds.map(ErrorKind::Os).contains(&refused)
        };
        assert!(is_in_use(kind(DatagramTransport::bind(alone.local_address()))));
        assert!(is_in_use(kind(DatagramTransport::bind_with(alone.local_address(), &shared))));
        let first = DatagramTransport::bind_with(Address::loopback(0), &shared)?;
        let second = DatagramTransport::bind_with(first.local_address(), &shared)?;
        assert_eq!(first.local_address(), second.local_address());
        Ok(())
    });
}

/// Those who receive are served in the order of their first polls.
#[test]
fn receivers_are_served_in_their_order() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let (receiver, log) = (Rc::new(receiver), Log::default());
        let receive = |name: &'static str| {
            let (receiver, log) = (Rc::clone(&receiver), log.clone());
            spawn(async move {
                let heard = hear(&receiver).await?;
                log.add(format!("{name}:{heard}"));
                Ok::<_, TransportError>(())
            })
        };
        let tasks = ["a", "b", "c"].map(receive);
        turns(2).await;
        for word in ["1", "2", "3"] {
            sender.send(word.as_bytes()).await?;
        }
        for task in tasks {
            task.await??;
        }
        assert_eq!(log.text(), "a:1 b:2 c:3");
        Ok(())
    });
}

/// R105 for datagrams: a receive that is given up at any moment takes no datagram along, and the next in the queue is served.
#[test]
fn a_receive_that_is_given_up_loses_no_datagram() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let receiver = Rc::new(receiver);
        let receive = || {
            let receiver = Rc::clone(&receiver);
            spawn(async move { hear(&receiver).await })
        };
        for delay in 0..8 {
            let (first, second) = (receive(), receive());
            turns(2).await;
            sender.send(b"one").await?;
            turns(delay).await;
            match first.cancel().await {
                Ok(heard) => {
                    assert_eq!(heard?, "one");
                    sender.send(b"two").await?;
                    assert_eq!(second.await??, "two");
                }
                Err(_) => assert_eq!(second.await??, "one"),
            }
        }
        Ok(())
    });
}

/// R158, R160: closing ends every receive that waits and every later call, each caller is told, and the address is free.
#[test]
fn closing_ends_every_receive_and_frees_the_address() {
    run(|| async {
        let transport = Rc::new(DatagramTransport::bind(Address::loopback(0))?);
        let address = transport.local_address();
        let waiting: Vec<JoinHandle<_>> = (0..3)
            .map(|_| {
                let transport = Rc::clone(&transport);
                spawn(async move { kind(hear(&transport).await) })
            })
            .collect();
        turns(2).await;
        transport.close().await;
        assert!(waiting.iter().all(JoinHandle::is_finished), "closed means that all were told");
        for waiting in waiting {
            assert_eq!(waiting.await?, ErrorKind::Closed);
        }
        assert!(transport.is_closed());
        assert_eq!(kind(hear(&transport).await), ErrorKind::Closed);
        assert_eq!(kind(transport.send_to(b"late", address).await), ErrorKind::Closed);
        assert_eq!(kind(transport.set_broadcast(true)), ErrorKind::Closed);
        transport.close().await;
        assert_eq!(DatagramTransport::bind(address)?.local_address(), address);
        Ok(())
    });
}

/// R107: who receives and who sends without ever waiting leave turns for everything else.
#[test]
fn datagrams_leave_turns_for_everything_else() {
    run(|| async {
        const ROUNDS: usize = 320;
        let (receiver, sender) = pair()?;
        let turns = Turns::counted();
        for _ in 0..ROUNDS {
            sender.send(b"x").await?;
            assert_eq!(hear(&receiver).await?, "x");
        }
        assert!(turns.so_far() >= ROUNDS / 32 - 1, "{} turns", turns.so_far());
        Ok(())
    });
}

/// An error says what was done, at which address.
#[test]
fn errors_name_the_operation_and_the_address() {
    run(|| async {
        let taken = DatagramTransport::bind(Address::loopback(0))?;
        let at = taken.local_address();
        let refused = DatagramTransport::bind(at).expect_err("it is in use").to_string();
        assert!(refused.starts_with(&format!("bind to {at}: ")), "{refused}");
        let refused = taken.send(b"to whom?").await.expect_err("nobody is named").to_string();
        assert!(refused.starts_with("send to "), "{refused}");
        taken.close().await;
        let refused = taken.recv_from(&mut []).await.expect_err("it is closed").to_string();
        assert_eq!(refused, format!("receive at {at}: the transport is closed"));
        Ok(())
    });
}

/// Who looks at a datagram leaves it where it is, for whoever looks or receives next, in their order.
#[test]
fn a_datagram_that_was_looked_at_is_still_received() {
    run(|| async {
        let receiver = DatagramTransport::bind(Address::loopback(0))?;
        let sender = DatagramTransport::connect(receiver.local_address())?;
        let mut buffer = [0; 3];
        let mut early = [0; 16];
        let mut looking = receiver.peek_from(&mut early);
        assert!(poll_once(&mut looking).await.is_pending(), "nothing was sent yet");
        sender.send(b"hello").await?;
        let seen = looking.await?;
        assert_eq!((seen.length, seen.source), (5, sender.local_address()));
        for _ in 0..2 {
            let seen = receiver.peek_from(&mut buffer).await?;
            assert_eq!((&buffer, seen.truncated), (b"hel", true));
        }
        assert_eq!(receiver.recv_from(&mut early).await?.length, 5);
        assert!(poll_once(&mut receiver.peek_from(&mut buffer)).await.is_pending(), "it was received");
        Ok(())
    });
}
