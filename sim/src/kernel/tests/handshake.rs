//! How connections begin, and how they fail to.

use std::time::Duration;

use twinloop::driver::{ConnectOptions, Half, ListenOptions, OsError, Readiness};

use super::super::errno::{ECONNREFUSED, ECONNRESET, EINVAL, ENOTCONN, EPIPE, ETIMEDOUT};
use super::super::packet::{Content, Segment};
use super::assert_edge;
use super::pair::{A, B, Fate, Pair, at};

#[test]
fn a_connection_is_established_told_and_accepted() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, 80);
    assert_eq!(pair.accept(B, listener), Err(OsError::WOULD_BLOCK));
    let a = pair.connect(A, &at(B, 80));
    assert_eq!(pair.kernels[A].remote_address(a), Err(ENOTCONN));
    pair.settle();
    assert_edge!(pair, A, a, Readiness::WRITABLE);
    assert_edge!(pair, B, listener, Readiness::READABLE);
    assert_eq!(pair.take_error(A, a), None);
    assert_eq!(pair.kernels[A].remote_address(a), Ok(at(B, 80)));
    let (b, peer) = pair.kernels[B].accept(listener).expect("the handshake is done");
    assert_eq!(pair.kernels[A].local_address(a), Ok(peer));
    assert_eq!(pair.kernels[B].remote_address(b), Ok(peer));
    assert_eq!(pair.kernels[B].local_address(b), Ok(at(B, 80)));
    assert_eq!(pair.accept(B, listener), Err(OsError::WOULD_BLOCK));
}

#[test]
fn a_connecting_stream_would_block_in_both_directions() {
    let mut pair = Pair::new();
    let _listener = pair.listen(B, 80);
    let a = pair.connect(A, &at(B, 80));
    assert_eq!(pair.recv(A, a, 1), Err(OsError::WOULD_BLOCK));
    assert_eq!(pair.send(A, a, b"x"), Err(OsError::WOULD_BLOCK));
    pair.settle();
    assert_eq!(pair.send(A, a, b"x"), Ok(1));
}

#[test]
fn a_refused_connection_says_so_once() {
    let mut pair = Pair::new();
    let a = pair.connect(A, &at(B, 80));
    pair.settle();
    assert_edge!(pair, A, a, Readiness::ERROR);
    assert_eq!(pair.take_error(A, a), Some(ECONNREFUSED));
    assert_eq!(pair.take_error(A, a), None);
    assert_eq!(pair.recv(A, a, 1), Ok(vec![]));
    assert_eq!(pair.send(A, a, b"x"), Err(EPIPE));
    assert_eq!(pair.shutdown(A, a, Half::Write), Err(ENOTCONN));
    assert_eq!(pair.kernels[A].remote_address(a), Err(ENOTCONN));
}

#[test]
fn a_refusal_is_told_by_whichever_call_comes_first() {
    let mut pair = Pair::new();
    let [reader, writer] = [81, 82].map(|port| pair.connect(A, &at(B, port)));
    pair.settle();
    assert_eq!(pair.recv(A, reader, 1), Err(ECONNREFUSED));
    assert_eq!(pair.recv(A, reader, 1), Ok(vec![]));
    assert_eq!(pair.send(A, writer, b"x"), Err(ECONNREFUSED));
    assert_eq!(pair.send(A, writer, b"x"), Err(EPIPE));
}

#[test]
fn each_packet_of_a_handshake_may_be_lost() {
    for lost in 0..3 {
        let mut pair = Pair::new();
        let listener = pair.listen(B, 80);
        let mut count = 0;
        pair.on_wire(move |_, _| {
            count += 1;
            if count == lost + 1 { Fate::Drop } else { Fate::Pass }
        });
        let a = pair.connect(A, &at(B, 80));
        pair.run(Duration::from_secs(2));
        let b = pair.accept(B, listener).expect("a retry succeeded");
        assert_eq!(pair.send(A, a, b"hello"), Ok(5));
        pair.settle();
        assert_eq!(pair.recv(B, b, 10), Ok(b"hello".to_vec()));
    }
}

#[test]
fn duplicates_of_a_handshake_make_one_connection() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, 80);
    pair.on_wire(|_, _| Fate::Twice);
    let _a = pair.connect(A, &at(B, 80));
    pair.settle();
    assert!(pair.accept(B, listener).is_ok());
    assert_eq!(pair.accept(B, listener), Err(OsError::WOULD_BLOCK));
}

#[test]
fn a_connection_nobody_answers_times_out_after_the_retries() {
    let mut pair = Pair::new();
    pair.on_wire(|_, _| Fate::Drop);
    let a = pair.connect(A, &at(B, 80));
    pair.run(Duration::from_secs(126));
    assert_eq!(pair.take_error(A, a), None);
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.packets[A], 7, "a SYN and six retries");
    assert_edge!(pair, A, a, Readiness::ERROR);
    assert_eq!(pair.take_error(A, a), Some(ETIMEDOUT));
}

#[test]
fn a_full_backlog_lets_a_connection_wait_for_a_retry() {
    let mut pair = Pair::new();
    let options = ListenOptions::default().backlog(0);
    let listener = pair.kernels[B].listen(&at(B, 80), &options).expect("the port is free");
    let _first = pair.connect(A, &at(B, 80));
    pair.settle();
    let second = pair.connect(A, &at(B, 80));
    pair.run(Duration::from_millis(500));
    assert_eq!(pair.kernels[A].remote_address(second), Err(ENOTCONN));
    let _ = pair.take_edges(B, listener);
    assert!(pair.accept(B, listener).is_ok(), "a backlog of 0 holds one, as on Linux");
    assert_eq!(pair.accept(B, listener), Err(OsError::WOULD_BLOCK));
    pair.run(Duration::from_secs(3));
    assert_edge!(pair, B, listener, Readiness::READABLE);
    assert!(pair.accept(B, listener).is_ok());
    assert_eq!(pair.kernels[A].remote_address(second), Ok(at(B, 80)));
}

#[test]
fn data_for_a_full_backlog_is_not_lost() {
    let mut pair = Pair::new();
    let options = ListenOptions::default().backlog(0);
    let listener = pair.kernels[B].listen(&at(B, 80), &options).expect("the port is free");
    let streams = [(); 3].map(|()| pair.connect(A, &at(B, 80)));
    for _ in 0..5 {
        pair.run(Duration::from_secs(10));
        if let Ok(b) = pair.accept(B, listener) {
            assert_eq!(pair.send(B, b, b"welcome"), Ok(7));
        }
    }
    for a in streams {
        assert_eq!(pair.recv(A, a, 10), Ok(b"welcome".to_vec()));
    }
}

#[test]
fn a_listener_that_closes_resets_what_waits_there() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, 80);
    let queued = pair.connect(A, &at(B, 80));
    pair.settle();
    // The last packet of this one's handshake does not come.
    pair.on_wire(|_, packet| match packet.content {
        Content::Tcp { segment: Segment::Data { .. }, .. } => Fate::Drop,
        _ => Fate::Pass,
    });
    let embryo = pair.connect(A, &at(B, 80));
    pair.settle();
    pair.heal();
    pair.close(B, listener);
    pair.settle();
    for a in [queued, embryo] {
        assert_eq!(pair.recv(A, a, 1), Err(ECONNRESET));
        assert_eq!(pair.recv(A, a, 1), Ok(vec![]));
    }
}

#[test]
fn a_connection_reset_while_it_waits_is_accepted_and_tells_then() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, 80);
    let a = pair.connect(A, &at(B, 80));
    pair.settle();
    assert_eq!(pair.send(A, a, b"last words"), Ok(10));
    pair.settle();
    pair.kernels[A].reset_all();
    pair.settle();
    pair.run(Duration::from_millis(1));
    let b = pair.accept(B, listener).expect("it waited");
    assert_edge!(pair, B, b, Readiness::ERROR);
    assert_eq!(pair.recv(B, b, 20), Ok(b"last words".to_vec()));
}

#[test]
fn a_connecting_stream_that_closes_leaves_nothing() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, 80);
    let a = pair.connect(A, &at(B, 80));
    pair.close(A, a);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.kernels[B].connections.len(), 0, "the answer to the SYN was refused");
    assert_eq!(pair.accept(B, listener), Err(OsError::WOULD_BLOCK));
}

#[test]
fn a_connecting_stream_that_is_shut_down_is_reset() {
    let mut pair = Pair::new();
    let a = pair.connect(A, &at(B, 80));
    assert_eq!(pair.recv(A, a, 1), Err(OsError::WOULD_BLOCK));
    assert_eq!(pair.shutdown(A, a, Half::Write), Ok(()));
    pair.settle();
    assert_edge!(pair, A, a, Readiness::READABLE);
    assert_eq!(pair.take_error(A, a), Some(ECONNRESET));
    assert_eq!(pair.shutdown(A, a, Half::Write), Err(ENOTCONN));
    assert_eq!(pair.send(A, a, b"x"), Err(EPIPE));
}

#[test]
fn calls_of_the_wrong_kind_answer_as_on_linux() {
    let (mut pair, listener, a, _) = Pair::connected();
    assert_eq!(pair.accept(A, a), Err(EINVAL));
    assert_eq!(pair.recv(B, listener, 1), Err(ENOTCONN));
    assert_eq!(pair.send(B, listener, b"x"), Err(ENOTCONN));
    assert_eq!(pair.kernels[B].remote_address(listener), Err(ENOTCONN));
    assert_eq!(pair.take_error(B, listener), None);
    assert_eq!(pair.kernels[B].local_address(listener), Ok(at(B, 80)));
}

/// A half-open connection (RFC 9293, section 3.5.1; RFC 5961, section 4). `closes`: the peer that remembers has closed it.
fn begins_again_from_the_same_port(closes: bool) {
    let mut pair = Pair::new();
    let listener = pair.listen(B, 80);
    let options = ConnectOptions::default().local(at(A, 4000));
    let forgotten = pair.connect_with(A, &at(B, 80), &options);
    pair.settle();
    let old = pair.accept(B, listener).expect("the handshake is done");
    if closes {
        pair.close(B, old);
        pair.settle();
    }
    pair.crash(A);
    let new = pair.connect_with(A, &at(B, 80), &options);
    assert_ne!(new, forgotten);
    pair.settle();
    if !closes {
        assert_eq!(pair.recv(B, old, 1), Err(ECONNRESET));
    }
    assert_eq!(
        pair.accept(B, listener),
        Err(OsError::WOULD_BLOCK),
        "the first SYN is answered by a question"
    );
    pair.run(Duration::from_millis(4));
    let accepted = pair.accept(B, listener).expect("the second one begins a connection");
    assert_eq!(pair.send(A, new, b"again"), Ok(5));
    pair.settle();
    assert_eq!(pair.recv(B, accepted, 9), Ok(b"again".to_vec()));
}

#[test]
fn who_has_forgotten_a_connection_resets_it_and_begins_again() {
    begins_again_from_the_same_port(false);
}

#[test]
fn who_has_forgotten_a_connection_that_waits_for_its_end_begins_again() {
    begins_again_from_the_same_port(true);
}

/// Two programs connect to each other from the ports that the other one connects to; nobody listens. The first packets of
/// both fare as `fates` says.
fn meet(begun_before: usize, fates: [Fate; 2]) {
    let mut pair = Pair::new();
    for _ in 0..begun_before {
        // Each host numbers its connections.
        let earlier = pair.connect(A, &at(B, 81));
        pair.settle();
        pair.close(A, earlier);
    }
    let mut first = [true; 2];
    pair.on_wire(move |from, _| if std::mem::take(&mut first[from]) { fates[from] } else { Fate::Pass });
    let from_here = |host: usize| ConnectOptions::default().local(at(host, 4000 + host as u16));
    let a = pair.connect_with(A, &at(B, 4001), &from_here(A));
    let b = pair.connect_with(B, &at(A, 4000), &from_here(B));
    pair.run(Duration::from_secs(10));
    assert_edge!(pair, A, a, Readiness::WRITABLE);
    assert_edge!(pair, B, b, Readiness::WRITABLE);
    assert_eq!(pair.take_error(A, a), None);
    assert_eq!(pair.kernels[B].remote_address(b), Ok(at(A, 4000)));
    assert_eq!(pair.send(A, a, b"to B"), Ok(4));
    assert_eq!(pair.send(B, b, b"to A"), Ok(4));
    pair.settle();
    assert_eq!(pair.recv(A, a, 9), Ok(b"to A".to_vec()));
    assert_eq!(pair.recv(B, b, 9), Ok(b"to B".to_vec()));
    pair.close(A, a);
    pair.close(B, b);
    pair.run(Duration::from_secs(100));
    assert!(pair.kernels.iter().all(|kernel| kernel.connections.is_empty()));
}

#[test]
fn two_that_connect_to_each_other_at_the_same_time_meet() {
    let late = Duration::from_millis(1500);
    let fates = [Fate::Pass, Fate::Drop, Fate::Twice, Fate::Late(late), Fate::TwiceLate(late)];
    for begun_before in [0, 1] {
        for of_a in fates {
            for of_b in fates {
                meet(begun_before, [of_a, of_b]);
            }
        }
    }
}

#[test]
fn what_is_shut_down_before_it_meets_its_peer_ends_once_it_has() {
    let mut pair = Pair::new();
    pair.on_wire(|from, packet| {
        let is_answer = matches!(packet.content, Content::Tcp { segment: Segment::SynAck { .. }, .. });
        if is_answer && from == A { Fate::Drop } else { Fate::Pass }
    });
    let from_here = |host: usize| ConnectOptions::default().local(at(host, 4000 + host as u16));
    let a = pair.connect_with(A, &at(B, 4001), &from_here(A));
    let b = pair.connect_with(B, &at(A, 4000), &from_here(B));
    pair.run(Duration::from_millis(1));
    assert_eq!(pair.shutdown(B, b, Half::Write), Ok(()));
    pair.heal();
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.recv(A, a, 1), Ok(vec![]));
    assert_eq!(pair.send(A, a, b"late"), Ok(4));
    pair.settle();
    assert_eq!(pair.recv(B, b, 9), Ok(b"late".to_vec()));
}
