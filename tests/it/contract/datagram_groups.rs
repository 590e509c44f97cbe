//! Datagrams to many: multicast groups and broadcast, over the loopback, which every machine has.

use std::io;
use std::net::Ipv4Addr;

use twinloop::driver::{DatagramOptions, Interface};
use twinloop::{Address, DatagramTransport, ErrorKind, TransportError};

use super::run;
use super::support::{kind, poll_once, settle};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 70, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 255, 70, 2);
const LOOPBACK: Interface = Interface::Address(Ipv4Addr::LOCALHOST);
/// To everyone on the loopback.
const EVERYONE: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

/// `count` sockets at one port, and the port.
fn at_one_port<const COUNT: usize>() -> Result<([DatagramTransport; COUNT], u16), TransportError> {
    let options = DatagramOptions::default().reuse_address(true);
    let mut sockets = vec![DatagramTransport::bind_with(Address::any(0), &options)?];
    let address = sockets[0].local_address();
    while sockets.len() < COUNT {
        sockets.push(DatagramTransport::bind_with(address, &options)?);
    }
    let sockets = sockets.try_into().expect("there are that many");
    Ok((sockets, address.port().expect("an IP address")))
}

/// A socket whose datagrams to groups stay on the loopback.
fn speaker() -> Result<DatagramTransport, TransportError> {
    let speaker = DatagramTransport::bind(Address::any(0))?;
    speaker.set_multicast_interface(LOOPBACK)?;
    Ok(speaker)
}

async fn hears(transport: &DatagramTransport, bytes: &[u8]) -> Result<(), TransportError> {
    let mut buffer = [0; 16];
    let received = transport.recv_from(&mut buffer).await?;
    assert_eq!(&buffer[..received.length], bytes);
    Ok(())
}

async fn hears_nothing(transport: &DatagramTransport) {
    settle().await;
    assert!(poll_once(&mut transport.recv_from(&mut [0; 16])).await.is_pending());
}

/// R159: everyone who has joined a group hears all that is sent to it, and nobody else does.
#[test]
fn every_member_of_a_group_hears_all_of_it() {
    run(|| async {
        let ([first, second, stranger, other], port) = at_one_port()?;
        first.join(GROUP, LOOPBACK)?;
        second.join(GROUP, LOOPBACK)?;
        other.join(OTHER, LOOPBACK)?;
        let speaker = speaker()?;
        for word in [&b"one"[..], b"two"] {
            speaker.send_to(word, (GROUP, port)).await?;
            hears(&first, word).await?;
            hears(&second, word).await?;
        }
        hears_nothing(&stranger).await;
        hears_nothing(&other).await;
        Ok(())
    });
}

/// R159: who has left a group hears no more of it; those who stay do.
#[test]
fn who_has_left_a_group_hears_no_more_of_it() {
    run(|| async {
        let ([stays, leaves], port) = at_one_port()?;
        stays.join(GROUP, LOOPBACK)?;
        leaves.join(GROUP, LOOPBACK)?;
        leaves.leave(GROUP, LOOPBACK)?;
        speaker()?.send_to(b"hello", (GROUP, port)).await?;
        hears(&stays, b"hello").await?;
        hears_nothing(&leaves).await;
        Ok(())
    });
}

/// A group is joined once, left once, and has an address of groups.
#[test]
fn what_can_not_be_joined_or_left_is_an_error() {
    run(|| async {
        let member = DatagramTransport::bind(Address::any(0))?;
        member.join(GROUP, LOOPBACK)?;
        let twice = member.join(GROUP, LOOPBACK).expect_err("it has joined");
        assert!(twice.to_string().starts_with("join or leave the group 239.255.70.1"), "{twice}");
        member.leave(GROUP, LOOPBACK)?;
        assert!(matches!(kind(member.leave(GROUP, LOOPBACK)), ErrorKind::Os(_)));
        let no_group = member.join(Ipv4Addr::new(10, 0, 0, 1), LOOPBACK);
        assert_eq!(kind(no_group), ErrorKind::Os(io::ErrorKind::InvalidInput));
        member.close().await;
        assert_eq!(kind(member.join(GROUP, LOOPBACK)), ErrorKind::Closed);
        assert_eq!(kind(member.leave(GROUP, LOOPBACK)), ErrorKind::Closed);
        Ok(())
    });
}

/// R159: a broadcast is refused unless it was allowed; then everyone at the port hears it.
#[test]
fn a_broadcast_has_to_be_allowed() {
    run(|| async {
        let ([first, second], port) = at_one_port()?;
        let speaker = DatagramTransport::bind(Address::any(0))?;
        assert!(!speaker.broadcast()?);
        let refused = speaker.send_to(b"no", (EVERYONE, port)).await;
        assert_eq!(kind(refused), ErrorKind::Os(io::ErrorKind::PermissionDenied));
        speaker.set_broadcast(true)?;
        assert!(speaker.broadcast()?);
        speaker.send_to(b"yes", (EVERYONE, port)).await?;
        hears(&first, b"yes").await?;
        hears(&second, b"yes").await?;
        let allowed = DatagramOptions::default().broadcast(true);
        assert!(DatagramTransport::bind_with(Address::any(0), &allowed)?.broadcast()?);
        Ok(())
    });
}

/// R159: how far datagrams go, for one receiver and for groups, and what else is set on a socket.
#[test]
fn what_is_set_on_a_socket_is_answered() {
    run(|| async {
        let transport = DatagramTransport::bind(Address::any(0))?;
        assert_eq!((transport.multicast_time_to_live()?, transport.multicast_loopback()?), (1, true));
        transport.set_time_to_live(7)?;
        transport.set_multicast_time_to_live(0)?;
        transport.set_multicast_loopback(false)?;
        assert_eq!((transport.time_to_live()?, transport.multicast_time_to_live()?), (7, 0));
        assert!(!transport.multicast_loopback()?);
        assert_eq!(transport.multicast_interface()?, Interface::Any);
        transport.set_multicast_interface(LOOPBACK)?;
        assert_eq!(transport.multicast_interface()?, LOOPBACK);
        transport.set_multicast_interface(Interface::Any)?;
        assert_eq!(transport.multicast_interface()?, Interface::Any);
        transport.set_type_of_service(0x10)?;
        assert_eq!(transport.type_of_service()?, 0x10);
        transport.set_receive_buffer(20_000)?;
        transport.set_send_buffer(20_000)?;
        assert!(transport.receive_buffer()? >= 20_000 && transport.send_buffer()? >= 20_000);
        Ok(())
    });
}
