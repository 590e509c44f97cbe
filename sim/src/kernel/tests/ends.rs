//! How connections end, in order and otherwise.

use std::time::Duration;

use twinloop::driver::{Fd, Half, OsError, Readiness};

use super::super::Packet;
use super::super::errno::{ECONNRESET, ENOTCONN, EPIPE, ETIMEDOUT};
use super::super::packet::{Content, Segment};
use super::super::tcp::SEND_BUFFER;
use super::assert_edge;
use super::pair::{A, B, Fate, Pair, at};

fn has_fin(packet: &Packet) -> bool {
    matches!(packet.content, Content::Tcp { segment: Segment::Data { fin: true, .. }, .. })
}

/// What every call answers once nothing can happen any more.
fn assert_over(pair: &mut Pair, host: usize, fd: Fd) {
    assert_eq!(pair.recv(host, fd, 10), Ok(vec![]));
    assert_eq!(pair.send(host, fd, b"x"), Err(EPIPE));
    assert_eq!(pair.take_error(host, fd), None);
    assert_eq!(pair.shutdown(host, fd, Half::Both), Err(ENOTCONN));
    assert_eq!(pair.kernels[host].remote_address(fd), Err(ENOTCONN));
}

/// The program says "reset" (closing with `SO_LINGER` 0, or with unread bytes).
fn reset_by(pair: &mut Pair, host: usize) {
    pair.kernels[host].reset_all();
    pair.run(Duration::from_millis(5));
}

#[test]
fn a_full_send_buffer_would_block_until_a_third_is_free() {
    let (mut pair, _, a, b) = Pair::connected();
    let bytes = vec![7; 300_000];
    let mut sent = 0;
    while let Ok(count) = pair.send(A, a, &bytes) {
        sent += count;
        pair.settle();
    }
    assert_eq!(sent, 2 * SEND_BUFFER, "one buffer at each end");
    let _ = pair.take_edges(A, a);
    let third = SEND_BUFFER / 3;
    assert_eq!(pair.recv(B, b, third - 1460).map(|bytes| bytes.len()), Ok(third - 1460));
    pair.run(Duration::from_secs(1));
    assert!(pair.take_edges(A, a).is_empty());
    assert_eq!(pair.recv(B, b, 1461).map(|bytes| bytes.len()), Ok(1461));
    pair.run(Duration::from_secs(1));
    assert_edge!(pair, A, a, Readiness::WRITABLE);
    assert_eq!(pair.recv(B, b, 3000).map(|bytes| bytes.len()), Ok(3000));
    pair.settle();
    assert!(pair.take_edges(A, a).is_empty(), "it is told once");
    assert!(pair.send(A, a, &bytes).is_ok_and(|count| count >= third));
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.recv(B, b, 9), Err(OsError::WOULD_BLOCK));
    assert_eq!(pair.send(A, a, b"last"), Ok(4));
    assert_eq!(pair.shutdown(A, a, Half::Write), Ok(()));
    pair.settle();
    assert_edge!(pair, B, b, Readiness::READ_CLOSED);
    assert_eq!(pair.recv(B, b, 9), Ok(b"last".to_vec()));
    assert_eq!(pair.recv(B, b, 9), Ok(vec![]));
    assert_eq!(pair.send(A, a, b"more"), Err(EPIPE));
    assert_eq!(pair.send(B, b, b"answer"), Ok(6));
    pair.settle();
    assert_eq!(pair.recv(A, a, 9), Ok(b"answer".to_vec()));
    assert_eq!(pair.recv(A, a, 9), Err(OsError::WOULD_BLOCK));
    assert_eq!(pair.shutdown(B, b, Half::Write), Ok(()));
    pair.settle();
    assert_over(&mut pair, A, a);
    assert_over(&mut pair, B, b);
}

#[test]
fn both_may_end_at_once() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.shutdown(A, a, Half::Write), Ok(()));
    assert_eq!(pair.shutdown(B, b, Half::Write), Ok(()));
    pair.settle();
    assert_over(&mut pair, A, a);
    assert_over(&mut pair, B, b);
}

#[test]
fn any_one_packet_of_a_close_may_be_lost() {
    for (first, second) in [(A, B), (B, A)] {
        for lost in 1..=4 {
            let (mut pair, _, a, b) = Pair::connected();
            let fds = [a, b];
            let mut count = 0;
            pair.on_wire(move |_, _| {
                count += 1;
                if count == lost { Fate::Drop } else { Fate::Pass }
            });
            pair.close(first, fds[first]);
            pair.run(Duration::from_secs(1));
            assert_eq!(pair.recv(second, fds[second], 1), Ok(vec![]));
            pair.close(second, fds[second]);
            pair.run(Duration::from_secs(1));
            assert_eq!(pair.kernels[second].connections.len(), 0, "the last acknowledgement came in the end");
            assert_eq!(pair.kernels[first].connections.len(), 1, "TIME-WAIT");
            pair.run(Duration::from_secs(60));
            assert_eq!(pair.kernels[first].connections.len(), 0);
        }
    }
}

#[test]
fn a_fin_does_not_overtake_bytes_that_wait_for_a_window() {
    let (mut pair, _, a, b) = Pair::connected();
    let bytes = vec![1; SEND_BUFFER];
    for _ in 0..2 {
        assert_eq!(pair.send(A, a, &bytes), Ok(SEND_BUFFER));
        pair.settle();
    }
    pair.close(A, a);
    let mut received = 0;
    for _ in 0..100 {
        pair.run(Duration::from_secs(1));
        match pair.recv(B, b, 10_000) {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => received += bytes.len(),
            Err(error) => assert!(error.is_would_block()),
        }
    }
    assert_eq!(received, 2 * SEND_BUFFER);
}

#[test]
fn closing_with_unread_bytes_resets_the_peer() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.send(A, a, b"unread"), Ok(6));
    assert_eq!(pair.send(B, b, b"queued"), Ok(6));
    pair.settle();
    pair.close(B, b);
    pair.settle();
    assert_edge!(pair, A, a, Readiness::ERROR);
    assert_eq!(pair.recv(A, a, 10), Ok(b"queued".to_vec()));
    assert_eq!(pair.recv(A, a, 10), Err(ECONNRESET));
    assert_over(&mut pair, A, a);
}

#[test]
fn a_reset_is_told_once_by_a_send_too() {
    let (mut pair, _, a, _) = Pair::connected();
    reset_by(&mut pair, B);
    assert_eq!(pair.send(A, a, b"x"), Err(ECONNRESET));
    assert_over(&mut pair, A, a);
}

#[test]
fn a_reset_after_the_peers_end_breaks_the_pipe() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.send(A, a, b"abc"), Ok(3));
    assert_eq!(pair.shutdown(A, a, Half::Write), Ok(()));
    pair.settle();
    reset_by(&mut pair, A);
    assert_eq!(pair.recv(B, b, 10), Ok(b"abc".to_vec()));
    assert_eq!(pair.recv(B, b, 10), Ok(vec![]), "the end of stream comes before the error");
    assert_eq!(pair.take_error(B, b), Some(EPIPE));
    assert_over(&mut pair, B, b);
}

#[test]
fn a_reset_after_our_own_end_is_a_reset() {
    let (mut pair, _, _, b) = Pair::connected();
    assert_eq!(pair.shutdown(B, b, Half::Write), Ok(()));
    pair.settle();
    reset_by(&mut pair, A);
    assert_eq!(pair.recv(B, b, 10), Err(ECONNRESET));
    assert_over(&mut pair, B, b);
}

#[test]
fn a_reset_before_our_end_has_arrived_is_a_reset() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.shutdown(A, a, Half::Write), Ok(()));
    pair.settle();
    pair.on_wire(|from, _| if from == B { Fate::Drop } else { Fate::Pass });
    assert_eq!(pair.shutdown(B, b, Half::Write), Ok(()));
    reset_by(&mut pair, A);
    assert_eq!(pair.recv(B, b, 10), Ok(vec![]));
    assert_eq!(pair.take_error(B, b), Some(ECONNRESET));
    assert_over(&mut pair, B, b);
}

#[test]
fn nothing_disturbs_a_stream_whose_directions_have_both_ended() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.send(B, b, b"unread"), Ok(6));
    pair.settle();
    assert_eq!(pair.shutdown(A, a, Half::Write), Ok(()));
    pair.settle();
    assert_eq!(pair.shutdown(B, b, Half::Write), Ok(()));
    pair.settle();
    pair.close(A, a);
    pair.settle();
    reset_by(&mut pair, A);
    assert_over(&mut pair, B, b);
}

#[test]
fn bytes_for_a_closed_stream_are_answered_by_a_reset() {
    let (mut pair, _, a, b) = Pair::connected();
    pair.close(B, b);
    pair.settle();
    assert_eq!(pair.send(A, a, b"x"), Ok(1));
    pair.settle();
    assert_edge!(pair, A, a, Readiness::ERROR);
    assert_eq!(pair.recv(A, a, 1), Ok(vec![]));
    assert_eq!(pair.send(A, a, b"x"), Err(EPIPE));
    assert_over(&mut pair, A, a);
}

#[test]
fn bytes_that_come_after_shutdown_of_reading_are_received_all_the_same() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.recv(A, a, 1), Err(OsError::WOULD_BLOCK));
    assert_eq!(pair.shutdown(A, a, Half::Read), Ok(()));
    pair.settle();
    assert_edge!(pair, A, a, Readiness::READ_CLOSED);
    assert_eq!(pair.recv(A, a, 1), Ok(vec![]));
    assert_eq!(pair.send(B, b, b"late"), Ok(4));
    pair.settle();
    assert_eq!(pair.recv(A, a, 10), Ok(b"late".to_vec()));
    assert_eq!(pair.recv(A, a, 10), Ok(vec![]));
}

#[test]
fn bytes_that_come_after_shutdown_of_both_directions_reset_both_ends() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.shutdown(A, a, Half::Both), Ok(()));
    pair.settle();
    assert_eq!(pair.send(B, b, b"late"), Ok(4));
    pair.settle();
    assert_eq!(pair.recv(A, a, 1), Err(ECONNRESET));
    assert_over(&mut pair, A, a);
    assert_eq!(pair.recv(B, b, 1), Ok(vec![]));
    assert_eq!(pair.take_error(B, b), Some(EPIPE));
    assert_over(&mut pair, B, b);
}

#[test]
fn a_writer_that_waits_is_told_of_its_own_shutdown() {
    let (mut pair, _, a, _) = Pair::connected();
    let bytes = vec![1; 300_000];
    while pair.send(A, a, &bytes).is_ok() {
        pair.settle();
    }
    let _ = pair.take_edges(A, a);
    assert_eq!(pair.shutdown(A, a, Half::Write), Ok(()));
    pair.settle();
    assert_edge!(pair, A, a, Readiness::WRITABLE);
    assert_eq!(pair.send(A, a, b"x"), Err(EPIPE));
}

#[test]
fn descriptors_of_a_crashed_life_are_stale_and_the_peer_is_reset() {
    let (mut pair, listener, a, b) = Pair::connected();
    pair.crash(B);
    let again = pair.listen(B, 80);
    for fd in [listener, b] {
        assert_ne!(fd, again);
        assert_eq!(pair.recv(B, fd, 1), Err(OsError::BAD_DESCRIPTOR));
        assert_eq!(pair.send(B, fd, b"x"), Err(OsError::BAD_DESCRIPTOR));
        assert_eq!(pair.accept(B, fd), Err(OsError::BAD_DESCRIPTOR));
        assert_eq!(pair.kernels[B].take_error(fd), Err(OsError::BAD_DESCRIPTOR));
        assert_eq!(pair.shutdown(B, fd, Half::Both), Err(OsError::BAD_DESCRIPTOR));
        pair.close(B, fd);
    }
    assert_eq!(pair.send(A, a, b"are you there?"), Ok(14));
    pair.settle();
    assert_eq!(pair.recv(A, a, 1), Err(ECONNRESET));
    assert_eq!(pair.accept(B, again), Err(OsError::WOULD_BLOCK), "the new life's listener is not concerned");
}

/// Only one way is cut: the peer talks, and hears nothing. That it is heard is no answer.
#[test]
fn a_peer_that_talks_and_hears_nothing_is_given_up() {
    let (mut pair, _, a, b) = Pair::connected();
    pair.on_wire(|from, _| if from == A { Fate::Drop } else { Fate::Pass });
    assert_eq!(pair.send(A, a, b"x"), Ok(1));
    // Each of these is sent again and again, since no acknowledgement comes back.
    assert_eq!(pair.send(B, b, b"y"), Ok(1));
    pair.run(Duration::from_secs(930));
    assert_eq!(pair.take_error(A, a), Some(ETIMEDOUT));
    assert_eq!(pair.take_error(B, b), Some(ETIMEDOUT));
}

#[test]
fn an_answer_that_never_comes_times_out_after_fifteen_retries() {
    let (mut pair, _, a, _) = Pair::connected();
    pair.on_wire(|_, _| Fate::Drop);
    let before = pair.packets[A];
    assert_eq!(pair.send(A, a, b"x"), Ok(1));
    pair.run(Duration::from_secs(924));
    assert_eq!(pair.take_error(A, a), None);
    pair.run(Duration::from_secs(1));
    assert_edge!(pair, A, a, Readiness::ERROR);
    assert_eq!(pair.packets[A] - before, 16);
    assert_eq!(pair.recv(A, a, 1), Err(ETIMEDOUT));
    assert_over(&mut pair, A, a);
}

#[test]
fn a_timed_out_end_resets_the_other_one_when_the_link_heals() {
    let (mut pair, _, a, b) = Pair::connected();
    pair.on_wire(|_, _| Fate::Drop);
    assert_eq!(pair.send(A, a, b"x"), Ok(1));
    pair.run(Duration::from_secs(1000));
    pair.heal();
    assert_eq!(pair.send(B, b, b"y"), Ok(1));
    pair.settle();
    assert_eq!(pair.recv(B, b, 1), Err(ECONNRESET), "although A's descriptor is still open");
}

#[test]
fn a_closed_end_gives_up_on_a_peer_that_is_gone() {
    let (mut pair, _, a, _) = Pair::connected();
    pair.on_wire(|_, _| Fate::Drop);
    assert_eq!(pair.send(A, a, b"x"), Ok(1));
    pair.close(A, a);
    pair.run(Duration::from_secs(103));
    assert_eq!(pair.kernels[A].connections.len(), 0);
}

#[test]
fn a_closed_end_gives_up_on_a_peer_that_does_not_read() {
    let (mut pair, _, a, b) = Pair::connected();
    let bytes = vec![1; SEND_BUFFER];
    for _ in 0..2 {
        assert_eq!(pair.send(A, a, &bytes), Ok(SEND_BUFFER));
        pair.settle();
    }
    pair.close(A, a);
    pair.run(Duration::from_secs(300));
    assert_eq!(pair.kernels[A].connections.len(), 0);
    assert_eq!(pair.kernels[B].receivable(b), SEND_BUFFER);
}

#[test]
fn a_closed_end_does_not_wait_for_the_peers_end_for_ever() {
    let (mut pair, _, a, b) = Pair::connected();
    pair.close(A, a);
    pair.run(Duration::from_secs(61));
    assert_eq!(pair.kernels[A].connections.len(), 0);
    assert_eq!(pair.recv(B, b, 1), Ok(vec![]));
}

#[test]
fn a_window_that_opens_is_told_although_the_telling_is_lost() {
    let (mut pair, _, a, b) = Pair::connected();
    let bytes = vec![1; SEND_BUFFER];
    for _ in 0..2 {
        assert_eq!(pair.send(A, a, &bytes), Ok(SEND_BUFFER));
        pair.settle();
    }
    pair.run(Duration::from_secs(500));
    pair.on_wire(|_, _| Fate::Drop);
    assert_eq!(pair.recv(B, b, SEND_BUFFER).map(|bytes| bytes.len()), Ok(SEND_BUFFER));
    pair.settle();
    pair.heal();
    pair.run(Duration::from_secs(121));
    assert_eq!(pair.kernels[B].receivable(b), SEND_BUFFER);
}

#[test]
fn a_peer_that_does_not_read_for_an_hour_is_waited_for() {
    let (mut pair, _, a, b) = Pair::connected();
    let bytes = vec![1; SEND_BUFFER];
    for _ in 0..2 {
        assert_eq!(pair.send(A, a, &bytes), Ok(SEND_BUFFER));
        pair.settle();
    }
    pair.run(Duration::from_secs(3600));
    assert_eq!(pair.take_error(A, a), None);
    assert_eq!(pair.recv(B, b, SEND_BUFFER).map(|bytes| bytes.len()), Ok(SEND_BUFFER));
    pair.settle();
    assert_eq!(pair.kernels[B].receivable(b), SEND_BUFFER);
}

#[test]
fn a_single_loss_is_mended_before_a_time_out() {
    let (mut pair, _, a, b) = Pair::connected();
    let mut count = 0;
    pair.on_wire(move |_, _| {
        count += 1;
        if count == 1 { Fate::Drop } else { Fate::Pass }
    });
    assert_eq!(pair.send(A, a, &[1; 10_000]), Ok(10_000));
    pair.settle();
    assert_eq!(pair.kernels[B].receivable(b), 10_000);
}

/// The waits of a probed window have doubled; they say nothing of the link.
#[test]
fn a_loss_after_a_long_closed_window_is_mended_soon() {
    let (mut pair, _, a, b) = Pair::connected();
    let bytes = vec![1; SEND_BUFFER];
    for _ in 0..2 {
        assert_eq!(pair.send(A, a, &bytes), Ok(SEND_BUFFER));
        pair.settle();
    }
    pair.run(Duration::from_secs(500));
    pair.on_wire(|from, _| if from == A { Fate::Drop } else { Fate::Pass });
    assert_eq!(pair.recv(B, b, SEND_BUFFER).map(|bytes| bytes.len()), Ok(SEND_BUFFER));
    pair.settle();
    pair.heal();
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.kernels[B].receivable(b), SEND_BUFFER);
}

#[test]
fn a_duplicated_fin_is_one_end() {
    let (mut pair, _, a, b) = Pair::connected();
    pair.on_wire(|_, packet| if has_fin(packet) { Fate::Twice } else { Fate::Pass });
    pair.close(A, a);
    pair.settle();
    assert_eq!(pair.recv(B, b, 1), Ok(vec![]));
    pair.close(B, b);
    pair.run(Duration::from_secs(10));
    assert_eq!(pair.kernels[B].connections.len(), 0);
}

#[test]
fn idle_ends_are_silent() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.send(A, a, b"ping"), Ok(4));
    assert_eq!(pair.send(B, b, b"pong"), Ok(4));
    pair.on_wire(|_, _| Fate::Twice);
    pair.run(Duration::from_secs(10));
    let before = pair.packets;
    pair.run(Duration::from_secs(3600));
    assert_eq!(pair.packets, before);
    assert!(before[A] < 10 && before[B] < 10, "{before:?}");
}

#[test]
fn resets_from_outside_are_seen_by_both_ends() {
    let (mut pair, _, a, b) = Pair::connected();
    pair.on_wire(|_, _| Fate::Hold);
    assert_eq!(pair.send(A, a, b"x"), Ok(1));
    pair.heal();
    let (_, packet) = pair.held.remove(0);
    let [onward, back] = packet.resets();
    pair.kernels[B].deliver(pair.now, onward);
    pair.kernels[A].deliver(pair.now, back);
    for (host, fd) in [(A, a), (B, b)] {
        assert_eq!(pair.recv(host, fd, 1), Err(ECONNRESET));
        assert_over(&mut pair, host, fd);
    }
}

#[test]
fn no_edge_of_a_closed_descriptor_is_told() {
    let (mut pair, _, a, b) = Pair::connected();
    assert_eq!(pair.kernels[A].remote_address(a), Ok(at(B, 80)));
    pair.close(A, a);
    pair.settle();
    assert!(pair.take_edges(A, a).is_empty());
    pair.kernels[B].raise(b, Readiness::READABLE);
    pair.kernels[B].close(pair.now, b);
    assert!(pair.kernels[B].edges_mut(0).is_empty());
}
