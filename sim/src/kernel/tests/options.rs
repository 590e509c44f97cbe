//! Options: what is answered, what is inherited, and what acts.

use std::time::Duration;

use twinloop::Address;
use twinloop::driver::{
    ConnectOptions, Fd, KeepAlive, ListenOptions, OptionName, OsError, Readiness, SocketOption,
};

use super::super::errno::{
    EADDRINUSE, ECONNREFUSED, ECONNRESET, EINVAL, ENETUNREACH, ENODEV, ENOPROTOOPT, EOPNOTSUPP, ETIMEDOUT,
    UNSUPPORTED,
};
use super::super::packet::{Content, Segment};
use super::pair::{A, B, Fate, Pair, at};

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn option(pair: &mut Pair, host: usize, fd: Fd, name: OptionName) -> Result<SocketOption, OsError> {
    pair.kernels[host].option(fd, name)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// What Linux 6.18 answered to the same calls on a TCP socket of IPv4.
#[test]
fn values_are_taken_as_linux_takes_them() {
    let (mut pair, _, a, _) = Pair::connected();
    let probes = |idle, interval, count| {
        let probes = KeepAlive::default().idle(seconds(idle)).interval(seconds(interval)).count(count);
        SocketOption::KeepAlive(Some(probes))
    };
    use SocketOption::{ReceiveBuffer, SendBuffer, TimeToLive, TypeOfService, UserTimeout};
    let answers = [
        (OptionName::ReceiveBuffer, ReceiveBuffer(0), Ok(ReceiveBuffer(2304))),
        (OptionName::ReceiveBuffer, ReceiveBuffer(3000), Ok(ReceiveBuffer(6000))),
        (OptionName::ReceiveBuffer, ReceiveBuffer(u32::MAX), Ok(ReceiveBuffer(425_984))),
        (OptionName::SendBuffer, SendBuffer(0), Ok(SendBuffer(4608))),
        (OptionName::SendBuffer, SendBuffer(3000), Ok(SendBuffer(6000))),
        (OptionName::TimeToLive, TimeToLive(0), Err(EINVAL)),
        (OptionName::TimeToLive, TimeToLive(255), Ok(TimeToLive(255))),
        (OptionName::TypeOfService, TypeOfService(0xff), Ok(TypeOfService(0xfc))),
        (OptionName::KeepAlive, probes(1, 1, 1), Ok(probes(1, 1, 1))),
        (OptionName::KeepAlive, probes(32_767, 32_767, 127), Ok(probes(32_767, 32_767, 127))),
        (OptionName::KeepAlive, probes(0, 1, 1), Err(EINVAL)),
        (OptionName::KeepAlive, probes(1, 32_768, 1), Err(EINVAL)),
        (OptionName::KeepAlive, probes(1, 1, 128), Err(EINVAL)),
        (
            OptionName::UserTimeout,
            UserTimeout(Some(seconds(2_147_483))),
            Ok(UserTimeout(Some(seconds(2_147_483)))),
        ),
        (OptionName::UserTimeout, UserTimeout(Some(seconds(2_147_484))), Err(EINVAL)),
        (OptionName::OnlyV6, SocketOption::OnlyV6(true), Err(ENOPROTOOPT)),
        (OptionName::Broadcast, SocketOption::Broadcast(true), Ok(SocketOption::Broadcast(true))),
    ];
    for (name, set, answer) in answers {
        let told = pair.set_option(A, a, set).and_then(|()| option(&mut pair, A, a, name));
        assert_eq!(told, answer, "{set:?}");
    }
    assert_eq!(option(&mut pair, A, a, OptionName::OnlyV6), Err(EOPNOTSUPP));
}

#[test]
fn a_new_socket_has_the_values_of_linux() {
    let (mut pair, _, a, _) = Pair::connected();
    for value in [
        (OptionName::ReceiveBuffer, SocketOption::ReceiveBuffer(131_072)),
        (OptionName::TimeToLive, SocketOption::TimeToLive(64)),
        (OptionName::TypeOfService, SocketOption::TypeOfService(0)),
        (OptionName::KeepAlive, SocketOption::KeepAlive(None)),
        (OptionName::Linger, SocketOption::Linger(None)),
        (OptionName::UserTimeout, SocketOption::UserTimeout(None)),
        (OptionName::ReusePort, SocketOption::ReusePort(false)),
        (OptionName::NoDelay, SocketOption::NoDelay(true)),
    ] {
        assert_eq!(option(&mut pair, A, a, value.0), Ok(value.1));
    }
    assert_eq!(pair.set_option(A, a, SocketOption::KeepAlive(Some(KeepAlive::default()))), Ok(()));
    let probes = KeepAlive::default().idle(seconds(7200)).interval(seconds(75)).count(9);
    assert_eq!(option(&mut pair, A, a, OptionName::KeepAlive), Ok(SocketOption::KeepAlive(Some(probes))));
}

#[test]
fn accepted_streams_inherit_from_their_listener() {
    let mut pair = Pair::new();
    let options = ListenOptions::default().no_delay(false).receive_buffer(3000).reuse_port(true);
    let listener = pair.kernels[B].listen(&at(B, 80), &options).expect("the port is free");
    assert_eq!(pair.set_option(B, listener, SocketOption::TimeToLive(9)), Ok(()));
    pair.connect(A, &at(B, 80));
    pair.settle();
    let b = pair.accept(B, listener).expect("the handshake is done");
    for value in [
        (OptionName::NoDelay, SocketOption::NoDelay(false)),
        (OptionName::ReceiveBuffer, SocketOption::ReceiveBuffer(6000)),
        (OptionName::ReusePort, SocketOption::ReusePort(true)),
        (OptionName::TimeToLive, SocketOption::TimeToLive(9)),
    ] {
        assert_eq!(option(&mut pair, B, b, value.0), Ok(value.1));
    }
    let lookup = pair.kernels[B].begin_lookup();
    assert_eq!(option(&mut pair, B, lookup, OptionName::TimeToLive), Err(UNSUPPORTED));
}

/// The sizes are told with the handshake, so that not one byte too many is sent.
#[test]
fn buffers_bound_what_is_taken() {
    let mut pair = Pair::new();
    let options = ListenOptions::default().receive_buffer(4000);
    let listener = pair.kernels[B].listen(&at(B, 80), &options).expect("the port is free");
    let a = pair.connect_with(A, &at(B, 80), &ConnectOptions::default().send_buffer(6000));
    pair.settle();
    let b = pair.accept(B, listener).expect("the handshake is done");
    assert_eq!(pair.send(A, a, &[1; 100_000]), Ok(6000));
    pair.settle();
    assert_eq!(pair.send(A, a, &[1; 100_000]), Ok(4000), "so many have arrived");
    pair.settle();
    assert_eq!(pair.recv(B, b, 100_000).map(|bytes| bytes.len()), Ok(4000));
    pair.settle();
    assert_eq!(pair.recv(B, b, 100_000).map(|bytes| bytes.len()), Ok(4000), "the window has opened");
}

/// What the peer was told may be sent is taken, and a larger buffer is told of at once.
#[test]
fn a_buffer_may_be_set_at_any_time() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.set_option(B, b, SocketOption::ReceiveBuffer(1)), Ok(()));
    assert_eq!(pair.send(A, a, &[1; 65_536]), Ok(65_536));
    pair.settle();
    assert_eq!(pair.recv(B, b, 100_000).map(|bytes| bytes.len()), Ok(65_536));
    assert_eq!(pair.send(A, a, &[1; 10_000]), Ok(10_000));
    pair.settle();
    assert_eq!(pair.recv(B, b, 100_000).map(|bytes| bytes.len()), Ok(1152), "half of the least buffer");

    assert_eq!(pair.set_option(A, a, SocketOption::SendBuffer(5000)), Ok(()));
    assert!(pair.send(A, a, &[1]).is_err_and(OsError::is_would_block), "there is more in it than fits now");
    pair.take_edges(A, a);
    assert_eq!(pair.set_option(A, a, SocketOption::SendBuffer(100_000)), Ok(()));
    super::assert_edge!(pair, A, a, Readiness::WRITABLE);
    assert_eq!(pair.send(A, a, &[1]), Ok(1));
}

#[test]
fn a_linger_of_zero_resets_the_peer() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.set_option(A, a, SocketOption::Linger(Some(Duration::ZERO))), Ok(()));
    pair.on_wire(|_, packet| if packet.payload().is_empty() { Fate::Pass } else { Fate::Drop });
    assert_eq!(pair.send(A, a, b"lost"), Ok(4));
    pair.close(A, a);
    pair.settle();
    assert_eq!(pair.recv(B, b, 10), Err(ECONNRESET));
}

/// Who may listen beside whom at one port: what Linux 6.18 answered.
#[test]
fn sockets_share_a_port_as_linux_lets_them() {
    let plain = ListenOptions::default();
    let shared = plain.clone().reuse_port(true);
    let only_v6 = plain.clone().only_v6(true);
    let (lo, eth0) = (plain.clone().device("lo"), plain.clone().device("eth0"));
    for ((first, first_options), (second, second_options), is_allowed) in [
        (("0.0.0.0", &plain), ("[::1]", &plain), true),
        (("0.0.0.0", &plain), ("[::]", &plain), false),
        (("0.0.0.0", &plain), ("[::]", &only_v6), true),
        (("[::]", &only_v6), ("0.0.0.0", &plain), true),
        (("[::]", &only_v6), ("[::1]", &plain), false),
        (("127.0.0.1", &plain), ("[::]", &plain), false),
        (("[::]", &plain), ("127.0.0.1", &plain), false),
        (("[::1]", &plain), ("127.0.0.1", &plain), true),
        (("0.0.0.0", &shared), ("0.0.0.0", &shared), true),
        (("0.0.0.0", &shared), ("127.0.0.1", &shared), true),
        (("0.0.0.0", &shared), ("0.0.0.0", &plain), false),
        (("0.0.0.0", &plain), ("0.0.0.0", &shared), false),
        (("0.0.0.0", &lo), ("0.0.0.0", &eth0), true),
        (("0.0.0.0", &lo), ("0.0.0.0", &lo), false),
        (("0.0.0.0", &lo), ("0.0.0.0", &plain), false),
    ] {
        let mut pair = Pair::new();
        assert!(pair.kernels[A].listen(&address(&format!("{first}:80")), first_options).is_ok());
        let answer = pair.kernels[A].listen(&address(&format!("{second}:80")), second_options);
        let expected = if is_allowed { answer } else { Err(EADDRINUSE) };
        assert_eq!(answer, expected, "{second} beside {first}");
        assert_eq!(answer.is_ok(), is_allowed, "{second} beside {first}");
    }
}

/// R149: which of them gets a connection depends on its ends alone.
#[test]
fn listeners_at_one_port_have_shares_of_the_connections() {
    let spread = || {
        let mut pair = Pair::new();
        let options = ListenOptions::default().reuse_port(true);
        let listeners = [(); 3].map(|()| pair.kernels[B].listen(&at(B, 80), &options).expect("it is shared"));
        for _ in 0..60 {
            pair.connect(A, &at(B, 80));
        }
        pair.settle();
        listeners.map(|listener| std::iter::from_fn(|| pair.accept(B, listener).ok()).count())
    };
    let shares = spread();
    assert_eq!(shares.iter().sum::<usize>(), 60);
    assert!(shares.iter().all(|share| *share > 5), "{shares:?}");
    assert_eq!(spread(), shares);
}

#[test]
fn ipv4_does_not_reach_a_listener_of_ipv6_alone() {
    let mut pair = Pair::new();
    let options = ListenOptions::default().only_v6(true);
    let listener = pair.kernels[B].listen(&address("[::]:80"), &options).expect("the port is free");
    let over_v4 = pair.connect(A, &at(B, 80));
    let over_v6 = pair.connect(B, &address("[::1]:80"));
    pair.settle();
    assert_eq!(pair.take_error(A, over_v4), Some(ECONNREFUSED));
    assert_eq!(pair.take_error(B, over_v6), None);
    assert!(pair.accept(B, listener).is_ok());
    assert_eq!(pair.kernels[B].listen(&at(B, 81), &options), Err(ENOPROTOOPT));
}

#[test]
fn a_device_is_the_only_way() {
    let mut pair = Pair::new();
    let (lo, eth0) = (ListenOptions::default().device("lo"), ListenOptions::default().device("eth0"));
    let inside = pair.kernels[B].listen(&address("0.0.0.0:80"), &lo).expect("the port is free");
    let outside = pair.kernels[B].listen(&address("0.0.0.0:80"), &eth0).expect("it is another device");
    pair.connect(A, &at(B, 80));
    pair.settle();
    assert!(pair.accept(B, inside).is_err_and(OsError::is_would_block));
    assert!(pair.accept(B, outside).is_ok());
    pair.connect(B, &address("127.0.0.1:80"));
    pair.settle();
    assert!(pair.accept(B, inside).is_ok());

    let over = |name: &str| ConnectOptions::default().device(name);
    let now = pair.now;
    let mut connect = |to: &Address, name: &str| pair.kernels[A].connect(now, to, &over(name)).map(|_| ());
    assert_eq!(connect(&at(B, 80), "eth0"), Ok(()));
    assert_eq!(connect(&at(B, 80), "lo"), Err(ENETUNREACH));
    assert_eq!(connect(&at(B, 80), "wlan0"), Err(ENODEV));
}

/// The two ends of a connection of which everything was told.
fn quiet() -> (Pair, Fd, Fd) {
    let (mut pair, _, a, b) = Pair::connected();
    pair.take_edges(A, a);
    pair.take_edges(B, b);
    (pair, a, b)
}

fn keep_alive(idle: u64, interval: u64, count: u32) -> SocketOption {
    let probes = KeepAlive::default().idle(seconds(idle)).interval(seconds(interval)).count(count);
    SocketOption::KeepAlive(Some(probes))
}

#[test]
fn a_peer_that_answers_no_probe_is_dead() {
    let (mut pair, a, _) = quiet();
    let start = pair.now;
    assert_eq!(pair.set_option(A, a, keep_alive(10, 2, 3)), Ok(()));
    pair.on_wire(|_, _| Fate::Drop);
    let before = pair.packets[A];
    pair.run(start + seconds(15) - pair.now);
    assert!(pair.take_edges(A, a).is_empty());
    assert_eq!(pair.packets[A] - before, 3, "probes after 10, 12 and 14 seconds of silence");
    pair.run(seconds(1));
    super::assert_edge!(pair, A, a, Readiness::ERROR);
    assert_eq!(pair.recv(A, a, 10), Err(ETIMEDOUT));
}

#[test]
fn a_peer_that_answers_probes_is_asked_for_ever() {
    let (mut pair, a, b) = quiet();
    assert_eq!(pair.set_option(A, a, keep_alive(10, 2, 3)), Ok(()));
    let before = pair.packets;
    pair.run(seconds(105));
    assert_eq!([pair.packets[A] - before[A], pair.packets[B] - before[B]], [10, 10]);
    assert!(pair.take_edges(B, b).is_empty(), "the program at the other end sees nothing of it");
    assert!(pair.recv(A, a, 10).is_err_and(OsError::is_would_block));
    assert_eq!(pair.set_option(A, a, SocketOption::KeepAlive(None)), Ok(()));
    let before = pair.packets;
    pair.run(seconds(105));
    assert_eq!(pair.packets, before, "nobody asks any more");
}

#[test]
fn a_peer_that_knows_nothing_any_more_says_so_when_it_is_asked() {
    let (mut pair, a, _) = quiet();
    assert_eq!(pair.set_option(A, a, keep_alive(10, 2, 3)), Ok(()));
    pair.crash(B);
    pair.run(seconds(11));
    assert_eq!(pair.recv(A, a, 10), Err(ECONNRESET));
}

/// While bytes wait for their acknowledgement, those are what asks.
#[test]
fn nothing_is_probed_while_bytes_are_on_their_way() {
    let (mut pair, a, _) = quiet();
    assert_eq!(pair.set_option(A, a, keep_alive(1, 1, 2)), Ok(()));
    pair.on_wire(|_, packet| {
        assert!(!matches!(packet.content, Content::Tcp { segment: Segment::Probe, .. }));
        Fate::Drop
    });
    assert_eq!(pair.send(A, a, b"x"), Ok(1));
    pair.run(seconds(60));
    assert!(pair.take_edges(A, a).is_empty());
    pair.heal();
    pair.run(seconds(200));
}

#[test]
fn bytes_that_nobody_acknowledges_in_time_end_the_connection() {
    let (mut pair, a, _) = quiet();
    assert_eq!(pair.set_option(A, a, SocketOption::UserTimeout(Some(seconds(3)))), Ok(()));
    pair.run(seconds(60));
    assert_eq!(pair.send(A, a, b"x"), Ok(1));
    pair.settle();
    pair.on_wire(|_, _| Fate::Drop);
    pair.run(seconds(60));
    assert!(pair.take_edges(A, a).is_empty(), "what was acknowledged does not count");
    assert_eq!(pair.send(A, a, b"x"), Ok(1));
    pair.run(Duration::from_millis(2_999));
    assert!(pair.take_edges(A, a).is_empty());
    pair.run(Duration::from_millis(1));
    super::assert_edge!(pair, A, a, Readiness::ERROR);
    assert_eq!(pair.recv(A, a, 10), Err(ETIMEDOUT));
}

/// RFC 5482: how long the peer may be silent bounds the probes too, whatever their number.
#[test]
fn a_user_timeout_bounds_the_probes() {
    let (mut pair, a, _) = quiet();
    let start = pair.now;
    assert_eq!(pair.set_option(A, a, keep_alive(2, 1, 100)), Ok(()));
    assert_eq!(pair.set_option(A, a, SocketOption::UserTimeout(Some(seconds(5)))), Ok(()));
    pair.on_wire(|_, _| Fate::Drop);
    pair.run(start + seconds(5) - pair.now);
    assert_eq!(pair.recv(A, a, 10), Err(ETIMEDOUT));
}
