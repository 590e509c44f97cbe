//! When what has come is acknowledged: with the answer, if there is one at the same moment.

use twinloop::driver::Fd;

use super::super::packet::{Content, Segment};
use super::super::{Kernel, Packet};
use super::pair::{A, B, Fate, Pair};

/// A connection from A to B, and what A has sent over it, a packet for each text.
fn sent(texts: &[&[u8]]) -> (Pair, Fd, Vec<Packet>) {
    let (mut pair, _, a, b) = Pair::connected();
    pair.on_wire(|from, _| if from == A { Fate::Hold } else { Fate::Pass });
    for text in texts {
        assert_eq!(pair.send(A, a, text), Ok(text.len()));
    }
    let packets = pair.held.drain(..).map(|(_, packet)| packet).collect();
    (pair, b, packets)
}

/// What a kernel wants to send: of each segment how many bytes it has, and how many it acknowledges.
fn to_send(kernel: &mut Kernel) -> Vec<(usize, u64)> {
    let mut packets = Vec::new();
    kernel.take_packets(&mut packets);
    let told = |packet: Packet| match packet.into_parts().content {
        Content::Tcp { segment: Segment::Data { payload, ack, .. }, .. } => (payload.len(), ack),
        other => panic!("only data is sent here, and no {other:?}"),
    };
    packets.into_iter().map(told).collect()
}

/// RFC 5681, section 4.2: an acknowledgement may wait; here it does for as long as no time passes.
#[test]
fn an_answer_takes_the_acknowledgement_along() {
    let (mut pair, b, packets) = sent(&[b"ping?"]);
    let now = pair.now;
    let kernel = &mut pair.kernels[B];
    for packet in packets {
        kernel.deliver(now, packet);
    }
    let owing = kernel.take_owing().expect("nothing was acknowledged yet");
    assert_eq!(to_send(kernel), []);
    kernel.send_vectored(now, b, &[std::io::IoSlice::new(b"pong")]).expect("it is open");
    kernel.acknowledge(owing);
    assert_eq!(to_send(kernel), [(4, 5)]);
}

#[test]
fn without_an_answer_it_goes_alone() {
    let (mut pair, _, packets) = sent(&[b"ping?"]);
    let now = pair.now;
    let kernel = &mut pair.kernels[B];
    for packet in packets {
        kernel.deliver(now, packet);
    }
    let owing = kernel.take_owing().expect("nothing was acknowledged yet");
    for _ in 0..2 {
        kernel.acknowledge(owing);
    }
    assert_eq!(to_send(kernel), [(0, 5)], "once");
}

/// RFC 5681, section 4.2: at least every second segment, and one that leaves a gap, is acknowledged at once.
#[test]
fn a_second_segment_and_a_gap_do_not_wait() {
    let (mut pair, _, packets) = sent(&[b"one", b"two", b"lost", b"three"]);
    let now = pair.now;
    let kernel = &mut pair.kernels[B];
    let mut acknowledged = Vec::new();
    for (number, packet) in packets.into_iter().enumerate() {
        if number != 2 {
            kernel.deliver(now, packet);
            acknowledged.push((to_send(kernel), kernel.take_owing().is_some()));
        }
    }
    assert_eq!(acknowledged, [(vec![], true), (vec![(0, 6)], false), (vec![(0, 6)], false)]);
}
