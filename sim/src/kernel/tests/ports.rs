//! Who may have which port.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use twinloop::Address;
use twinloop::driver::{ConnectOptions, DatagramOptions, Half, ListenOptions};

use super::super::errno::{EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, ECONNRESET, EINVAL, ENETUNREACH};
use super::super::ports::EPHEMERAL;
use super::pair::{A, B, Pair, at, ip};

fn address(ip: &str, port: u16) -> Address {
    Address::Ip(SocketAddr::new(ip.parse::<IpAddr>().expect("an address"), port))
}

fn port_of(address: &Address) -> u16 {
    address.as_ip().expect("an IP address").port()
}

#[test]
fn two_listeners_share_no_address() {
    let mut pair = Pair::new();
    let kernel = &mut pair.kernels[A];
    let options = ListenOptions::default();
    assert!(kernel.listen(&at(A, 80), &options).is_ok());
    assert_eq!(kernel.listen(&at(A, 80), &options), Err(EADDRINUSE));
    assert_eq!(kernel.listen(&address("0.0.0.0", 80), &options), Err(EADDRINUSE));
    assert!(kernel.listen(&address("127.0.0.1", 80), &options).is_ok());
    assert!(kernel.listen(&at(A, 81), &options).is_ok());
}

#[test]
fn an_address_of_somebody_else_is_not_available() {
    let mut pair = Pair::new();
    assert_eq!(pair.kernels[A].listen(&at(B, 80), &ListenOptions::default()), Err(EADDRNOTAVAIL));
    let options = ConnectOptions::default().local(at(B, 0));
    assert_eq!(pair.kernels[A].connect(pair.now, &at(B, 80), &options), Err(EADDRNOTAVAIL));
}

#[test]
fn port_0_picks_a_free_port() {
    let mut pair = Pair::new();
    let kernel = &mut pair.kernels[A];
    let [first, second] = [(); 2].map(|()| {
        let fd = kernel.listen(&address("0.0.0.0", 0), &ListenOptions::default()).expect("a port is free");
        port_of(&kernel.local_address(fd).expect("the descriptor is open"))
    });
    assert!(EPHEMERAL.contains(&first) && EPHEMERAL.contains(&second));
    assert_ne!(first, second);
}

#[test]
fn a_listener_at_any_address_is_reached_at_each() {
    let mut pair = Pair::new();
    let listener = pair.kernels[A].listen(&address("0.0.0.0", 80), &ListenOptions::default());
    let listener = listener.expect("the port is free");
    for (host, to) in
        [(B, at(A, 80)), (A, at(A, 80)), (A, address("127.0.0.1", 80)), (A, address("0.0.0.0", 80))]
    {
        let fd = pair.connect(host, &to);
        pair.settle();
        assert!(pair.accept(A, listener).is_ok(), "{to:?}");
        assert!(pair.kernels[host].remote_address(fd).is_ok());
    }
}

#[test]
fn a_listener_at_loopback_is_hidden_from_others() {
    let mut pair = Pair::new();
    let listener = pair.kernels[A].listen(&address("127.0.0.1", 80), &ListenOptions::default());
    let listener = listener.expect("the port is free");
    let outside = pair.connect(B, &at(A, 80));
    let inside = pair.connect(A, &address("127.0.0.1", 80));
    pair.settle();
    assert!(pair.take_error(B, outside).is_some());
    assert_eq!(pair.take_error(A, inside), None);
    assert!(pair.accept(A, listener).is_ok());
}

#[test]
fn a_stream_does_not_connect_to_itself() {
    let mut pair = Pair::new();
    let fd = pair.connect(A, &address("127.0.0.1", *EPHEMERAL.start()));
    pair.settle();
    assert_eq!(pair.take_error(A, fd), Some(ECONNREFUSED));
}

#[test]
fn loopback_reaches_nobody_else() {
    let mut pair = Pair::new();
    let options = ConnectOptions::default().local(address("127.0.0.1", 0));
    assert_eq!(pair.kernels[A].connect(pair.now, &at(B, 80), &options), Err(EINVAL));
    assert_eq!(
        pair.kernels[A].connect(pair.now, &address("2001:db8::1", 80), &ConnectOptions::default()),
        Err(ENETUNREACH)
    );
}

#[test]
fn a_local_port_that_is_asked_for_is_used_by_one() {
    let mut pair = Pair::new();
    let _listener = pair.listen(B, 80);
    let options = ConnectOptions::default().local(at(A, 4000));
    let fd = pair.kernels[A].connect(pair.now, &at(B, 80), &options).expect("the port is free");
    assert_eq!(pair.kernels[A].local_address(fd), Ok(at(A, 4000)));
    assert_eq!(pair.kernels[A].connect(pair.now, &at(B, 81), &options), Err(EADDRINUSE));
    assert_eq!(pair.kernels[A].listen(&at(A, 4000), &ListenOptions::default()), Err(EADDRINUSE));
    pair.close(A, fd);
    assert!(pair.kernels[A].connect(pair.now, &at(B, 80), &options).is_ok());
}

#[test]
fn a_port_with_connections_is_listened_at_again_only_with_reuse() {
    let (mut pair, listener, a, b) = Pair::connected();
    pair.close(B, listener);
    let mut options = ListenOptions::default();
    options.reuse_address = false;
    assert_eq!(pair.kernels[B].listen(&at(B, 80), &options), Err(EADDRINUSE));
    // The connection lingers when both have ended (TIME-WAIT), and stands in the way still.
    pair.close(B, b);
    pair.close(A, a);
    pair.settle();
    assert_eq!(pair.kernels[B].listen(&at(B, 80), &options), Err(EADDRINUSE));
    options.reuse_address = true;
    let again = pair.kernels[B].listen(&at(B, 80), &options).expect("both agree to share");
    pair.close(B, again);
    // For a minute.
    options.reuse_address = false;
    pair.run(Duration::from_secs(59));
    assert_eq!(pair.kernels[B].listen(&at(B, 80), &options), Err(EADDRINUSE));
    pair.run(Duration::from_secs(2));
    assert!(pair.kernels[B].listen(&at(B, 80), &options).is_ok());
}

#[test]
fn ports_are_picked_from_those_that_a_host_is_given() {
    let mut pair = Pair::new();
    pair.kernels[A].pick_ports_from(50_000..=50_001);
    let port = |pair: &mut Pair, fd| pair.kernels[A].local_address(fd).expect("it is bound").port();
    let [first, second] = [80, 80].map(|remote| pair.connect(A, &at(B, remote)));
    assert_eq!([port(&mut pair, first), port(&mut pair, second)], [Some(50_000), Some(50_001)]);
    let options = ConnectOptions::default();
    assert_eq!(pair.kernels[A].connect(pair.now, &at(B, 80), &options), Err(EADDRNOTAVAIL));
    // They are those of both kinds of sockets, and each kind has its own.
    let datagrams = DatagramOptions::default();
    let bound = [0, 0, 0].map(|_| pair.kernels[A].bind_datagram(&at(A, 0), &datagrams));
    assert_eq!(bound.map(|bound| bound.err()), [None, None, Some(EADDRINUSE)]);
    pair.crash(A);
    let again = pair.connect(A, &at(B, 80));
    assert_eq!(port(&mut pair, again), Some(50_000), "a range outlives a crash");
}

#[test]
fn ephemeral_ports_run_out_for_one_remote_end_only() {
    let mut pair = Pair::new();
    let ends: Vec<_> = EPHEMERAL.map(|_| pair.connect(A, &at(B, 80))).collect();
    let options = ConnectOptions::default();
    assert_eq!(pair.kernels[A].connect(pair.now, &at(B, 80), &options), Err(EADDRNOTAVAIL));
    assert!(pair.kernels[A].connect(pair.now, &at(B, 81), &options).is_ok());
    pair.close(A, ends[5]);
    assert!(pair.kernels[A].connect(pair.now, &at(B, 80), &options).is_ok());
}

#[test]
fn a_new_connection_of_the_same_ports_is_not_disturbed_by_the_old_one() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, 80);
    let options = ConnectOptions::default().local(Address::Ip(SocketAddr::new(ip(A), 4000)));
    let old = pair.kernels[A].connect(pair.now, &at(B, 80), &options).expect("the port is free");
    pair.settle();
    let old_b = pair.accept(B, listener).expect("the handshake is done");
    pair.on_wire(|_, _| super::pair::Fate::Hold);
    assert_eq!(pair.send(A, old, b"old"), Ok(3));
    assert_eq!(pair.shutdown(A, old, Half::Write), Ok(()));
    pair.crash(A);
    pair.heal();
    let new = pair.kernels[A].connect(pair.now, &at(B, 80), &options).expect("the port is free");
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.recv(B, old_b, 10), Err(ECONNRESET));
    let new_b = pair.accept(B, listener).expect("the handshake is done");
    // What is left of the old one arrives now.
    pair.release();
    pair.settle();
    assert!(pair.recv(B, new_b, 10).is_err_and(|error| error.is_would_block()));
    assert_eq!(pair.send(A, new, b"new"), Ok(3));
    pair.settle();
    assert_eq!(pair.recv(B, new_b, 10), Ok(b"new".to_vec()));
}
