//! Datagrams between two hosts: who hears them, what is refused, and what is lost.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use twinloop::Address;
use twinloop::driver::{DatagramOptions, Fd, Half, Interface, Membership, OsError, Readiness, SocketOption};

use super::super::errno::{
    EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, ECONNREFUSED, EDESTADDRREQ, EINVAL, EMSGSIZE,
    ENETUNREACH, ENODEV, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP,
};
use super::super::packet::Content;
use super::assert_edge;
use super::pair::{A, B, Fate, Pair, at};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

fn address(ip: impl Into<IpAddr>, port: u16) -> Address {
    Address::from((ip.into(), port))
}

fn any(port: u16) -> Address {
    Address::any(port)
}

/// What two sockets at one port have to say.
fn shared() -> DatagramOptions {
    DatagramOptions::default().reuse_address(true)
}

/// The calls on datagram sockets.
impl Pair {
    fn try_bind(&mut self, host: usize, local: &Address, options: &DatagramOptions) -> Result<Fd, OsError> {
        self.kernels[host].bind_datagram(local, options)
    }

    fn bind(&mut self, host: usize, local: &Address) -> Fd {
        self.try_bind(host, local, &DatagramOptions::default()).expect("the port is free")
    }

    /// A socket of `host` that is connected to `remote`.
    fn bind_to(&mut self, host: usize, remote: Address) -> Fd {
        let options = DatagramOptions::default().remote(remote);
        self.try_bind(host, &any(0), &options).expect("there is a way")
    }

    fn send_to(&mut self, host: usize, fd: Fd, bytes: &[u8], remote: &Address) -> Result<(), OsError> {
        self.kernels[host].send_to(fd, bytes, Some(remote))
    }

    fn say(&mut self, host: usize, fd: Fd, bytes: &[u8]) -> Result<(), OsError> {
        self.kernels[host].send_to(fd, bytes, None)
    }

    /// The bytes of the next datagram, once all that is on its way has arrived.
    fn hear(&mut self, host: usize, fd: Fd) -> Result<Vec<u8>, OsError> {
        self.settle();
        let mut buffer = [0; 100];
        let received = self.kernels[host].recv_from(fd, &mut buffer)?;
        Ok(buffer[..received.length].to_vec())
    }

    fn join(&mut self, host: usize, fd: Fd, interface: Interface) -> Result<(), OsError> {
        self.kernels[host].join_multicast(fd, &Membership { group: GROUP.into(), interface })
    }
}

#[test]
fn a_datagram_arrives_whole_with_its_source_and_an_edge() {
    let mut pair = Pair::new();
    let (a, b) = (pair.bind(A, &any(1)), pair.bind(B, &any(2)));
    assert_eq!(pair.hear(B, b), Err(OsError::WOULD_BLOCK));
    assert_edge!(pair, B, b, Readiness::WRITABLE);
    assert_eq!(pair.send_to(A, a, b"hello", &at(B, 2)), Ok(()));
    pair.settle();
    assert_edge!(pair, B, b, Readiness::READABLE);
    let mut buffer = [0; 3];
    let received = pair.kernels[B].recv_from(b, &mut buffer).expect("it has arrived");
    assert_eq!((received.source, received.length, received.truncated), (at(A, 1), 3, true));
    assert_eq!(&buffer, b"hel");
    assert_eq!(pair.hear(B, b), Err(OsError::WOULD_BLOCK));
}

#[test]
fn ports_of_datagrams_are_not_those_of_streams() {
    let mut pair = Pair::new();
    pair.listen(A, 80);
    pair.bind(A, &at(A, 80));
}

#[test]
fn a_port_is_shared_by_those_who_agree_to_it() {
    let mut pair = Pair::new();
    let alone = DatagramOptions::default();
    let many = DatagramOptions::default().reuse_port(true);
    pair.bind(A, &at(A, 1));
    for (local, options, expected) in [
        (at(A, 1), &alone, Some(EADDRINUSE)),
        (at(A, 1), &shared(), Some(EADDRINUSE)),
        (any(1), &alone, Some(EADDRINUSE)),
        (Address::loopback(1), &alone, None),
        (at(A, 2), &shared(), None),
        (any(2), &shared(), None),
        (any(2), &many, Some(EADDRINUSE)),
        (any(3), &many, None),
        (any(3), &many, None),
        (at(B, 4), &alone, Some(EADDRNOTAVAIL)),
        (address(GROUP, 4), &alone, None),
    ] {
        let bound = pair.try_bind(A, &local, options);
        assert_eq!(bound.err(), expected, "{local}");
    }
    let [first, second] = [(); 2].map(|()| pair.bind(A, &any(0)));
    let [first, second] = [first, second].map(|fd| pair.kernels[A].local_address(fd).expect("it is open"));
    assert_ne!(first, second);
}

#[test]
fn the_socket_that_is_bound_most_closely_hears() {
    let mut pair = Pair::new();
    let speaker = pair.bind(A, &any(1));
    let wide = pair.try_bind(B, &any(2), &shared()).expect("the port is free");
    assert_eq!(pair.send_to(A, speaker, b"wide", &at(B, 2)), Ok(()));
    assert_eq!(pair.hear(B, wide), Ok(b"wide".to_vec()));

    let narrow = pair.try_bind(B, &at(B, 2), &shared()).expect("both agree");
    assert_eq!(pair.send_to(A, speaker, b"narrow", &at(B, 2)), Ok(()));
    assert_eq!(pair.hear(B, narrow), Ok(b"narrow".to_vec()));

    let own = pair.try_bind(B, &at(B, 2), &shared().remote(at(A, 1))).expect("all agree");
    assert_eq!(pair.send_to(A, speaker, b"own", &at(B, 2)), Ok(()));
    assert_eq!(pair.hear(B, own), Ok(b"own".to_vec()));

    // Of those that are equal, the last one.
    let last = pair.try_bind(B, &at(B, 2), &shared().remote(at(A, 1))).expect("all agree");
    assert_eq!(pair.send_to(A, speaker, b"last", &at(B, 2)), Ok(()));
    assert_eq!(pair.hear(B, last), Ok(b"last".to_vec()));
    for fd in [wide, narrow, own, last] {
        assert_eq!(pair.hear(B, fd), Err(OsError::WOULD_BLOCK));
    }
}

#[test]
fn sockets_that_share_a_port_have_shares_of_the_peers() {
    let mut pair = Pair::new();
    let options = DatagramOptions::default().reuse_port(true);
    let sharing = [(); 3].map(|()| pair.try_bind(B, &any(2), &options).expect("all agree"));
    for _ in 0..2 {
        for port in 1000..1040 {
            let speaker = pair.bind(A, &any(port));
            assert_eq!(pair.send_to(A, speaker, &port.to_be_bytes(), &at(B, 2)), Ok(()));
            pair.close(A, speaker);
        }
    }
    let heard = sharing.map(|fd| std::iter::from_fn(|| pair.hear(B, fd).ok()).collect::<Vec<_>>());
    assert_eq!(heard.iter().map(Vec::len).sum::<usize>(), 80);
    for of_one in &heard {
        assert!(of_one.len() >= 10, "{} datagrams", of_one.len());
        let (first, second) = of_one.split_at(of_one.len() / 2);
        assert_eq!(first, second, "a peer is always heard by the same one");
    }
}

#[test]
fn what_does_not_fit_the_receive_buffer_is_lost() {
    let mut pair = Pair::new();
    let small = DatagramOptions::default().receive_buffer(5000);
    let (a, b) = (pair.bind(A, &any(1)), pair.try_bind(B, &any(2), &small).expect("the port is free"));
    for number in 0..100 {
        assert_eq!(pair.send_to(A, a, &[number], &at(B, 2)), Ok(()));
    }
    let heard: Vec<u8> = std::iter::from_fn(|| pair.hear(B, b).ok()).flatten().collect();
    assert!((10..30).contains(&heard.len()), "{} datagrams", heard.len());
    assert!(heard.iter().copied().eq(0..heard.len() as u8), "the first ones are kept");
    // There is room again.
    assert_eq!(pair.send_to(A, a, b"more", &at(B, 2)), Ok(()));
    assert_eq!(pair.hear(B, b), Ok(b"more".to_vec()));
}

#[test]
fn a_connected_socket_is_told_that_nobody_hears_it() {
    let mut pair = Pair::new();
    let (connected, other) = (pair.bind_to(A, at(B, 9)), pair.bind(A, &any(1)));
    for _ in 0..2 {
        assert_eq!(pair.say(A, connected, b"hello?"), Ok(()));
        assert_eq!(pair.send_to(A, other, b"hello?", &at(B, 9)), Ok(()));
        pair.settle();
        assert_edge!(pair, A, connected, Readiness::ERROR);
        assert_eq!(pair.hear(A, connected), Err(ECONNREFUSED));
        assert_eq!(pair.hear(A, connected), Err(OsError::WOULD_BLOCK));
        assert_eq!(pair.hear(A, other), Err(OsError::WOULD_BLOCK));
    }
    assert_eq!(pair.say(A, connected, b"hello?"), Ok(()));
    pair.settle();
    let sent_before = pair.packets[A];
    assert_eq!(pair.say(A, connected, b"not sent"), Err(ECONNREFUSED));
    pair.settle();
    assert_eq!(pair.packets[A], sent_before);
    assert_eq!(pair.say(A, connected, b"hello?"), Ok(()));
    pair.settle();
    assert_eq!(pair.take_error(A, connected), Some(ECONNREFUSED));
    assert_eq!(pair.take_error(A, connected), None);
}

/// The word that nobody hears travels like any other packet.
#[test]
fn the_word_that_nobody_hears_may_be_lost() {
    let mut pair = Pair::new();
    pair.on_wire(|_, packet| match packet.content {
        Content::Unreachable => Fate::Drop,
        _ => Fate::Pass,
    });
    let connected = pair.bind_to(A, at(B, 9));
    assert_eq!(pair.say(A, connected, b"hello?"), Ok(()));
    assert_eq!(pair.hear(A, connected), Err(OsError::WOULD_BLOCK));
}

/// An error that comes behind datagrams is told before them by one call, and is left by a call for many.
#[test]
fn many_are_received_up_to_an_error() {
    let mut pair = Pair::new();
    let a = pair.bind(A, &any(1));
    let b = pair.bind_to(B, at(A, 1));
    let to = pair.kernels[B].local_address(b).expect("it is open");
    for word in [b"one", b"two", b"six"] {
        assert_eq!(pair.send_to(A, a, word, &to), Ok(()));
    }
    pair.settle();
    let (mut buffer, mut received) = ([0; 12], Vec::new());
    assert_eq!(pair.kernels[B].recv_many(b, &mut buffer[..8], 4, &mut received), Ok(()));
    assert_eq!((&buffer[..8], received.len()), (&b"one\0two\0"[..], 2));
    pair.close(A, a);
    assert_eq!(pair.say(B, b, b"hello?"), Ok(()));
    pair.settle();
    received.clear();
    assert_eq!(pair.kernels[B].recv_many(b, &mut buffer, 4, &mut received), Err(ECONNREFUSED));
    assert_eq!(pair.kernels[B].recv_many(b, &mut buffer, 4, &mut received), Ok(()));
    assert_eq!(received.len(), 1);
}

#[test]
fn what_can_not_be_sent_is_refused() {
    let mut pair = Pair::new();
    let any_v6 = address(Ipv6Addr::UNSPECIFIED, 0);
    let only_v6 = DatagramOptions::default().only_v6(true);
    let v4 = pair.bind(A, &any(0));
    let loopback = pair.bind(A, &Address::loopback(0));
    let v6 = pair.try_bind(A, &any_v6, &only_v6).expect("a port is free");
    let both = pair.bind(A, &any_v6);
    for (fd, remote, expected) in [
        (v4, at(B, 0), Err(EINVAL)),
        (v4, address(Ipv6Addr::LOCALHOST, 1), Err(EAFNOSUPPORT)),
        (v6, at(B, 1), Err(ENETUNREACH)),
        (both, at(B, 1), Ok(())),
        (both, address(Ipv6Addr::LOCALHOST, 1), Ok(())),
        (both, address([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 1), Err(ENETUNREACH)),
        (loopback, at(B, 1), Err(EINVAL)),
        (v4, address(Ipv4Addr::BROADCAST, 1), Err(EACCES)),
        (v4, address([10, 255, 255, 255], 1), Err(EACCES)),
        (v4, address([127, 255, 255, 255], 1), Err(EACCES)),
        (v4, any(1), Ok(())),
    ] {
        assert_eq!(pair.send_to(A, fd, b"x", &remote), expected, "{remote}");
    }
    assert_eq!(pair.say(A, v4, b"x"), Err(EDESTADDRREQ));
    for (remote, length_max) in [(at(B, 1), 65_507), (address(Ipv6Addr::LOCALHOST, 1), 65_527)] {
        assert_eq!(pair.send_to(A, both, &vec![0; length_max], &remote), Ok(()));
        assert_eq!(pair.send_to(A, both, &vec![0; length_max + 1], &remote), Err(EMSGSIZE));
    }
    let to_nowhere = DatagramOptions::default().remote(address(Ipv6Addr::LOCALHOST, 1));
    assert_eq!(pair.try_bind(A, &any(0), &to_nowhere).err(), Some(EAFNOSUPPORT));
    assert_eq!(pair.try_bind(A, &any(0), &only_v6).err(), Some(ENOPROTOOPT));
}

#[test]
fn a_group_is_heard_on_both_hosts_by_its_members() {
    let mut pair = Pair::new();
    let speaker = pair.bind(A, &any(1));
    let [here, there, stranger] = [A, B, B].map(|host| pair.try_bind(host, &any(2), &shared()));
    let [here, there, stranger] = [here, there, stranger].map(|fd| fd.expect("all agree"));
    assert_eq!(pair.join(A, here, Interface::Any), Ok(()));
    assert_eq!(pair.join(B, there, Interface::Any), Ok(()));
    let group = address(GROUP, 2);

    assert_eq!(pair.send_to(A, speaker, b"to all", &group), Ok(()));
    assert_eq!(pair.hear(A, here), Ok(b"to all".to_vec()));
    assert_eq!(pair.hear(B, there), Ok(b"to all".to_vec()));
    assert_eq!(pair.hear(B, stranger), Err(OsError::WOULD_BLOCK));

    assert_eq!(pair.set_option(A, speaker, SocketOption::MulticastTimeToLive(0)), Ok(()));
    assert_eq!(pair.send_to(A, speaker, b"to us", &group), Ok(()));
    assert_eq!(pair.hear(A, here), Ok(b"to us".to_vec()));
    assert_eq!(pair.hear(B, there), Err(OsError::WOULD_BLOCK));

    assert_eq!(pair.set_option(A, speaker, SocketOption::MulticastTimeToLive(1)), Ok(()));
    assert_eq!(pair.set_option(A, speaker, SocketOption::MulticastLoopback(false)), Ok(()));
    assert_eq!(pair.send_to(A, speaker, b"to them", &group), Ok(()));
    assert_eq!(pair.hear(A, here), Err(OsError::WOULD_BLOCK));
    assert_eq!(pair.hear(B, there), Ok(b"to them".to_vec()));
}

#[test]
fn a_group_is_heard_at_the_device_where_it_was_joined() {
    let mut pair = Pair::new();
    let speaker = pair.bind(A, &any(1));
    let [outside, inside] = [(); 2].map(|()| pair.try_bind(A, &any(2), &shared()).expect("both agree"));
    assert_eq!(pair.join(A, outside, Interface::Index(2)), Ok(()));
    assert_eq!(pair.join(A, inside, Interface::Address(Ipv4Addr::LOCALHOST)), Ok(()));
    let over = |interface| SocketOption::MulticastInterface(interface);
    for (interface, hears, hears_not) in
        [(Interface::Index(1), inside, outside), (Interface::Address([10, 0, 0, 1].into()), outside, inside)]
    {
        assert_eq!(pair.set_option(A, speaker, over(interface)), Ok(()));
        assert_eq!(pair.send_to(A, speaker, b"x", &address(GROUP, 2)), Ok(()));
        assert_eq!(pair.hear(A, hears), Ok(b"x".to_vec()));
        assert_eq!(pair.hear(A, hears_not), Err(OsError::WOULD_BLOCK));
    }
    assert_eq!(pair.set_option(A, speaker, over(Interface::Index(3))), Err(EADDRNOTAVAIL));
}

#[test]
fn what_can_not_be_joined_is_refused() {
    let mut pair = Pair::new();
    let fd = pair.bind(A, &any(1));
    let membership = |group: IpAddr, interface| Membership { group, interface };
    let elsewhere = Interface::Address([192, 0, 2, 1].into());
    for (membership, expected) in [
        (membership(GROUP.into(), Interface::Any), Ok(())),
        (membership(GROUP.into(), Interface::Any), Err(EADDRINUSE)),
        (membership(GROUP.into(), elsewhere), Err(ENODEV)),
        (membership(Ipv4Addr::LOCALHOST.into(), Interface::Any), Err(EINVAL)),
        (membership([0xff02, 0, 0, 0, 0, 0, 0, 1].into(), Interface::Any), Err(ENOPROTOOPT)),
    ] {
        assert_eq!(pair.kernels[A].join_multicast(fd, &membership), expected, "{membership:?}");
    }
    let left = membership(GROUP.into(), Interface::Any);
    assert_eq!(pair.kernels[A].leave_multicast(fd, &left), Ok(()));
    assert_eq!(pair.kernels[A].leave_multicast(fd, &left), Err(EADDRNOTAVAIL));
}

#[test]
fn a_broadcast_is_heard_on_both_hosts_and_nobody_complains() {
    let mut pair = Pair::new();
    let speaker = pair.try_bind(A, &any(1), &DatagramOptions::default().broadcast(true));
    let speaker = speaker.expect("the port is free");
    let (here, there, narrow) = (pair.bind(A, &any(2)), pair.bind(B, &any(2)), pair.bind(B, &at(B, 3)));
    assert_eq!(pair.send_to(A, speaker, b"hear, hear", &address(Ipv4Addr::BROADCAST, 2)), Ok(()));
    assert_eq!(pair.hear(A, here), Ok(b"hear, hear".to_vec()));
    assert_eq!(pair.hear(B, there), Ok(b"hear, hear".to_vec()));
    assert_eq!(pair.send_to(A, speaker, b"nobody", &address([10, 255, 255, 255], 3)), Ok(()));
    assert_eq!(pair.hear(B, narrow), Err(OsError::WOULD_BLOCK), "it is bound to one address");
    assert_eq!(pair.packets[B], 0);
}

#[test]
fn calls_of_streams_are_not_for_datagrams() {
    let mut pair = Pair::new();
    let fd = pair.bind(A, &any(1));
    assert_eq!(pair.recv(A, fd, 1), Err(EOPNOTSUPP));
    assert_eq!(pair.send(A, fd, b"x"), Err(EOPNOTSUPP));
    assert_eq!(pair.accept(A, fd), Err(EOPNOTSUPP));
    assert_eq!(pair.shutdown(A, fd, Half::Both), Err(EOPNOTSUPP));
    assert_eq!(pair.kernels[A].remote_address(fd), Err(ENOTCONN));
    assert_eq!(pair.set_option(A, fd, SocketOption::NoDelay(true)), Err(ENOPROTOOPT));
    let listener = pair.listen(A, 80);
    assert_eq!(pair.hear(A, listener), Err(EOPNOTSUPP));
    assert_eq!(pair.join(A, listener, Interface::Any), Err(EOPNOTSUPP));
}
