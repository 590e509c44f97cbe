//! One TCP connection, seen from one end (RFC 9293). It knows no descriptor and no address; time is an argument.
//!
//! ```text
//!   connect ─▶ SynSent ── SYN+ACK ──┐
//!                                   ├──▶ Open ──▶ each direction ends by its own FIN ──▶ both ended: over
//!   SYN ─▶ SynReceived ── ACK ──────┘      │
//!        └─────── RST, time-out ───────────┴──▶ Dead: nothing is sent or taken any more
//! ```
//!
//! The classic names follow from the two directions: FIN-WAIT is Open with our FIN sent, CLOSE-WAIT is Open with the peer's
//! FIN received, TIME-WAIT is both, where we were first.
//!
//! Known differences from Linux: no congestion control, no Nagle, no delayed acknowledgement, no keep-alive, fixed buffers
//! instead of tuned ones, sequence numbers of 64 bits that begin at 0. A program sees them in timings alone.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::time::Duration;

use twinloop::Moment;
use twinloop::driver::{OsError, Readiness};

use super::errno::{ECONNREFUSED, ECONNRESET, EPIPE, ETIMEDOUT};
use super::packet::Segment;

/// Payload of one segment at most: an Ethernet frame less the headers.
const MSS: usize = 1460;
/// Bytes that one end holds for its program, and bytes that it holds until they are acknowledged.
pub(super) const RECEIVE_BUFFER: usize = 64 * 1024;
pub(super) const SEND_BUFFER: usize = 64 * 1024;
/// The first wait for an answer to a SYN (RFC 6298, section 2), doubled for each of the retries (`tcp_syn_retries`).
const SYN_TIMEOUT: Duration = Duration::from_secs(1);
const SYN_RETRIES: u32 = 6;
/// Bounds of the wait for an acknowledgement (`TCP_RTO_MIN`, `TCP_RTO_MAX`), and its retries (`tcp_retries2`).
const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(120);
const RETRIES: u32 = 15;
/// Retries for a connection that its program has closed (`tcp_orphan_retries`).
const ORPHAN_RETRIES: u32 = 8;
/// How long a closed connection is kept: for the peer's FIN, or to acknowledge it again (`TCP_TIMEWAIT_LEN`).
const LINGER: Duration = Duration::from_secs(60);
/// Duplicate acknowledgements that mean a loss (RFC 5681, section 3.2).
const DUPLICATES: u32 = 3;
/// A sender is told that it is writable again once a third of its buffer is free (`sk_stream_write_space`).
const WRITABLE_SPACE: usize = SEND_BUFFER / 3;

/// Segments to be sent, in order.
pub(super) type Out = Vec<Segment>;

pub(super) struct Connection {
    pub(super) state: State,
    send: Sending,
    receive: Receiving,
    timer: Timer,
    /// The program's pending error, told once (`SO_ERROR`).
    pub(super) error: Option<OsError>,
    /// No descriptor refers to it any more.
    pub(super) orphan: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    SynSent,
    SynReceived,
    Open,
    Dead,
}

/// The direction from us to the peer.
struct Sending {
    /// Bytes from `acked` on, sent or not.
    buffer: VecDeque<u8>,
    /// Everything before is acknowledged.
    acked: u64,
    /// What is sent next; after a time-out that goes back to `acked`.
    next: u64,
    /// Everything before was sent at least once.
    sent: u64,
    /// The peer takes bytes before this one.
    limit: u64,
    /// A FIN follows the buffer.
    ended: bool,
    fin_acked: bool,
    /// The peer's FIN had not come when ours was first sent: we keep the connection for a while afterwards.
    first_to_end: bool,
    duplicates: u32,
    /// A send was refused or cut short: tell when there is room.
    starved: bool,
}

/// The direction from the peer to us.
struct Receiving {
    buffer: VecDeque<u8>,
    /// The next sequence number that is missing.
    expected: u64,
    /// Segments that came before their turn.
    early: BTreeMap<u64, (Vec<u8>, bool)>,
    /// The FIN came in its turn.
    ended: bool,
    /// The program wants no more.
    shut: bool,
    /// The window that the peer knows of.
    told_window: usize,
}

/// One timer serves all waits: for an answer to a SYN, for an acknowledgement, for a window, for the end.
struct Timer {
    at: Option<Moment>,
    rto: Duration,
    retries: u32,
    smoothed: Option<(Duration, Duration)>,
    /// The segment being timed: what acknowledges it, and when it was sent.
    timed: Option<(u64, Moment)>,
}

impl Connection {
    pub(super) fn connecting(now: Moment, out: &mut Out) -> Connection {
        out.push(Segment::Syn);
        Connection::new(State::SynSent, now)
    }

    pub(super) fn answering(now: Moment, out: &mut Out) -> Connection {
        out.push(Segment::SynAck);
        Connection::new(State::SynReceived, now)
    }

    fn new(state: State, now: Moment) -> Connection {
        Connection {
            state,
            send: Sending {
                buffer: VecDeque::new(),
                acked: 0,
                next: 0,
                sent: 0,
                limit: RECEIVE_BUFFER as u64,
                ended: false,
                fin_acked: false,
                first_to_end: false,
                duplicates: 0,
                starved: false,
            },
            receive: Receiving {
                buffer: VecDeque::new(),
                expected: 0,
                early: BTreeMap::new(),
                ended: false,
                shut: false,
                told_window: RECEIVE_BUFFER,
            },
            timer: Timer {
                at: Some(now + SYN_TIMEOUT),
                rto: SYN_TIMEOUT,
                retries: 0,
                smoothed: None,
                timed: None,
            },
            error: None,
            orphan: false,
        }
    }

    pub(super) fn receivable(&self) -> usize {
        self.receive.buffer.len()
    }

    pub(super) fn next_timer(&self) -> Option<Moment> {
        self.timer.at
    }

    /// Whether the kernel can forget it.
    pub(super) fn is_over(&self) -> bool {
        let both_ended = self.receive.ended && self.send.fin_acked;
        self.orphan && (self.state == State::Dead || (both_ended && !self.send.first_to_end))
    }

    /// What epoll reports of it when it is registered.
    pub(super) fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::EMPTY;
        if self.state == State::Dead {
            return dead();
        }
        if !self.receive.buffer.is_empty() {
            readiness |= Readiness::READABLE;
        }
        if self.receive.ended {
            readiness |= Readiness::READABLE | Readiness::READ_CLOSED;
        }
        if self.state == State::Open && self.space() > 0 {
            readiness |= Readiness::WRITABLE;
        }
        readiness
    }

    // ---- what the program does ----

    pub(super) fn read(&mut self, buffer: &mut [u8], out: &mut Out) -> Result<usize, OsError> {
        let receive = &mut self.receive;
        if receive.buffer.is_empty() {
            // The end of the stream goes before an error that came later (SOCK_DONE of Linux).
            if receive.ended {
                return Ok(0);
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            let at_end = receive.shut || self.state == State::Dead;
            return if at_end { Ok(0) } else { Err(OsError::WOULD_BLOCK) };
        }
        let count = buffer.len().min(receive.buffer.len());
        copy_front(&receive.buffer, &mut buffer[..count]);
        receive.buffer.drain(..count);
        let window = self.window();
        // Told once it is worth a segment, or half the buffer: RFC 9293, section 3.8.6.2.2.
        let known = self.receive.told_window;
        if self.state == State::Open && known < MSS && window - known >= MSS.min(RECEIVE_BUFFER / 2) {
            self.acknowledge(out);
        }
        Ok(count)
    }

    pub(super) fn write(
        &mut self,
        now: Moment,
        buffers: &[IoSlice<'_>],
        out: &mut Out,
    ) -> Result<usize, OsError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.state == State::Dead || self.send.ended {
            return Err(EPIPE);
        }
        let offered: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let taken = if self.state == State::Open { offered.min(self.space()) } else { 0 };
        self.send.starved |= taken < offered;
        if taken == 0 && (offered > 0 || self.state != State::Open) {
            return Err(OsError::WOULD_BLOCK);
        }
        let mut left = taken;
        for buffer in buffers {
            let part = &buffer[..buffer.len().min(left)];
            self.send.buffer.extend(part);
            left -= part.len();
        }
        self.transmit(now, out);
        Ok(taken)
    }

    /// No byte follows those that were written.
    pub(super) fn end_writing(&mut self, now: Moment, out: &mut Out) {
        if !self.send.ended && self.state != State::Dead {
            self.send.ended = true;
            self.send.first_to_end = !self.receive.ended;
            self.transmit(now, out);
        }
    }

    /// The program reads no more; what comes is taken and dropped.
    pub(super) fn end_reading(&mut self) {
        self.receive.shut = true;
    }

    /// The program has closed its descriptor. Unread bytes mean that it did not see all the peer said: the peer is told
    /// by a reset (RFC 2525, section 2.17).
    pub(super) fn close(&mut self, now: Moment, out: &mut Out) {
        self.orphan = true;
        match self.state {
            State::Dead => {}
            State::SynSent => {
                self.die(None);
            }
            State::SynReceived => {
                self.reset(out);
            }
            State::Open if !self.receive.buffer.is_empty() => {
                self.reset(out);
            }
            State::Open => {
                self.end_writing(now, out);
                if self.timer.at.is_none() {
                    self.linger(now);
                }
            }
        }
    }

    /// Ends the connection from here, and tells the peer.
    pub(super) fn reset(&mut self, out: &mut Out) -> Readiness {
        if self.state == State::Dead {
            return Readiness::EMPTY;
        }
        out.push(Segment::Rst);
        self.die(Some(ECONNRESET))
    }

    // ---- what comes from the peer ----

    /// Takes a segment; says what the program's descriptor is to be told.
    pub(super) fn arrive(&mut self, now: Moment, segment: Segment, out: &mut Out) -> Readiness {
        match (self.state, segment) {
            (State::Dead, _) => Readiness::EMPTY,
            (_, Segment::Rst) => self.reset_by_peer(),
            (State::SynSent, Segment::SynAck) => {
                self.open();
                self.acknowledge(out);
                Readiness::WRITABLE
            }
            // Our answer was lost, or crossed a retry.
            (State::SynReceived, Segment::Syn) => {
                out.push(Segment::SynAck);
                Readiness::EMPTY
            }
            (State::Open, Segment::SynAck) => {
                self.acknowledge(out);
                Readiness::EMPTY
            }
            (State::SynSent, _) | (_, Segment::Syn | Segment::SynAck) => Readiness::EMPTY,
            (State::SynReceived | State::Open, Segment::Data { seq, ack, window, fin, payload }) => {
                if self.state == State::SynReceived {
                    self.open();
                }
                let acknowledged = self.take_ack(now, ack, window, payload.is_empty() && !fin, out);
                let received = self.take_data(now, seq, payload, fin, out);
                acknowledged | received
            }
        }
    }

    fn open(&mut self) {
        self.state = State::Open;
        self.timer = Timer { at: None, rto: RTO_MIN, retries: 0, smoothed: self.timer.smoothed, timed: None };
    }

    fn reset_by_peer(&mut self) -> Readiness {
        let error = match self.state {
            State::SynSent => ECONNREFUSED,
            // Both directions have ended: nothing is broken that anyone could still use.
            _ if self.receive.ended && self.send.fin_acked => return self.die(None),
            // The peer had ended its direction before: what is broken is ours (tcp_reset of Linux).
            _ if self.receive.ended => EPIPE,
            _ => ECONNRESET,
        };
        self.die(Some(error))
    }

    fn die(&mut self, error: Option<OsError>) -> Readiness {
        self.state = State::Dead;
        self.error = self.error.or(error);
        self.timer.at = None;
        self.send.buffer.clear();
        self.receive.early.clear();
        dead()
    }

    fn take_ack(&mut self, now: Moment, ack: u64, window: usize, is_bare: bool, out: &mut Out) -> Readiness {
        if ack > self.send.sent {
            return Readiness::EMPTY;
        }
        let limit = ack + window as u64;
        let opened = limit > self.send.limit;
        self.send.limit = self.send.limit.max(limit);
        if ack <= self.send.acked {
            if is_bare && !opened && ack == self.send.acked && self.in_flight() > 0 {
                self.send.duplicates += 1;
                if self.send.duplicates == DUPLICATES {
                    self.retransmit_first(out);
                }
            }
        } else {
            let bytes = (ack - self.send.acked).min(self.send.buffer.len() as u64);
            self.send.buffer.drain(..bytes as usize);
            self.send.fin_acked |= self.send.acked + bytes < ack;
            self.send.acked = ack;
            self.send.next = self.send.next.max(ack);
            self.send.duplicates = 0;
            self.timer.acknowledged(now, ack);
            self.timer.at = (self.in_flight() > 0).then(|| now + self.timer.rto);
        }
        // Whatever the peer says shows that it lives.
        self.timer.retries = 0;
        self.transmit(now, out);
        if self.orphan && self.timer.at.is_none() {
            self.linger(now);
        }
        if self.send.starved && self.space() >= WRITABLE_SPACE {
            self.send.starved = false;
            return Readiness::WRITABLE;
        }
        Readiness::EMPTY
    }

    fn take_data(&mut self, now: Moment, seq: u64, payload: Vec<u8>, fin: bool, out: &mut Out) -> Readiness {
        let end = seq + payload.len() as u64 + u64::from(fin);
        if payload.is_empty() && !fin {
            // An old sequence number asks for our state: a probe of a closed window, or a keep-alive.
            if seq < self.receive.expected {
                self.acknowledge(out);
            }
            return Readiness::EMPTY;
        }
        if self.orphan && end > self.receive.expected && !payload.is_empty() {
            // Nobody will ever read it: the peer is told (RFC 1122, section 4.2.2.13).
            self.reset(out);
            return Readiness::EMPTY;
        }
        let beyond = self.receive.expected + self.window() as u64 + u64::from(fin);
        if end <= self.receive.expected || end > beyond {
            self.acknowledge(out);
            return Readiness::EMPTY;
        }
        self.receive.early.entry(seq).or_insert((payload, fin));
        let before = (self.receive.expected, self.receive.ended);
        self.take_in_turn();
        self.acknowledge(out);
        if self.receive.ended && self.orphan {
            self.linger(now);
        }
        let mut told = Readiness::EMPTY;
        if self.receive.expected != before.0 {
            told |= Readiness::READABLE;
        }
        if self.receive.ended && !before.1 {
            told |= Readiness::READABLE | Readiness::READ_CLOSED;
        }
        told
    }

    /// Moves what is next in order to the program's buffer.
    fn take_in_turn(&mut self) {
        let receive = &mut self.receive;
        while let Some((&seq, _)) = receive.early.first_key_value() {
            if seq > receive.expected {
                break;
            }
            let (seq, (payload, fin)) = receive.early.pop_first().expect("there is a first one");
            let end = seq + payload.len() as u64;
            if end > receive.expected {
                let new = &payload[(receive.expected - seq) as usize..];
                if !receive.shut {
                    receive.buffer.extend(new);
                }
                receive.expected = end;
            }
            if fin && !receive.ended && end == receive.expected {
                receive.expected += 1;
                receive.ended = true;
            }
        }
        assert!(receive.buffer.len() <= RECEIVE_BUFFER, "more was taken than the window allowed");
    }

    // ---- the timer ----

    /// The timer is due.
    pub(super) fn expire(&mut self, now: Moment, out: &mut Out) -> Readiness {
        self.timer.at = None;
        self.timer.retries += 1;
        self.timer.timed = None;
        match self.state {
            State::Dead => return Readiness::EMPTY,
            State::SynSent | State::SynReceived => {
                if self.timer.retries > SYN_RETRIES {
                    return self.die(Some(ETIMEDOUT));
                }
                out.push(if self.state == State::SynSent { Segment::Syn } else { Segment::SynAck });
            }
            State::Open if self.send.fin_acked || (self.in_flight() == 0 && self.send.buffer.is_empty()) => {
                // A closed connection was kept for long enough.
                return self.die(None);
            }
            State::Open => {
                let retries = if self.orphan { ORPHAN_RETRIES } else { RETRIES };
                if self.timer.retries > retries {
                    return self.die(Some(ETIMEDOUT));
                }
                self.retransmit(now, out);
            }
        }
        self.timer.rto = (self.timer.rto * 2).min(RTO_MAX);
        self.timer.at = Some(now + self.timer.rto);
        Readiness::EMPTY
    }

    fn retransmit(&mut self, now: Moment, out: &mut Out) {
        self.send.next = self.send.acked;
        self.send.duplicates = 0;
        let sent_before = out.len();
        self.transmit(now, out);
        if out.len() == sent_before {
            // The window is closed: an old sequence number makes the peer tell it again.
            let seq = self.send.acked.saturating_sub(1);
            out.push(self.segment(seq, Vec::new(), false));
        }
        self.timer.timed = None;
    }

    fn retransmit_first(&mut self, out: &mut Out) {
        let length = self.send.buffer.len().min(MSS).min((self.send.next - self.send.acked) as usize);
        let payload = range(&self.send.buffer, 0, length);
        let fin = self.send.ended && length == self.send.buffer.len();
        self.timer.timed = None;
        out.push(self.segment(self.send.acked, payload, fin));
    }

    /// Keeps a closed connection for the peer's FIN, or for a FIN of the peer's whose acknowledgement was lost.
    fn linger(&mut self, now: Moment) {
        if self.state == State::Open && self.in_flight() == 0 {
            self.timer.at = Some(now + LINGER);
        }
    }

    // ---- sending ----

    /// Sends what the window allows of what was not sent.
    fn transmit(&mut self, now: Moment, out: &mut Out) {
        if self.state != State::Open {
            return;
        }
        loop {
            let from = (self.send.next - self.send.acked) as usize;
            let unsent = self.send.buffer.len().saturating_sub(from);
            let window = self.send.limit.saturating_sub(self.send.next) as usize;
            let length = unsent.min(window).min(MSS);
            let is_last = length == unsent;
            let fin = self.send.ended && is_last && self.send.next < self.end_of_all();
            if length == 0 && !fin {
                break;
            }
            let payload = range(&self.send.buffer, from, length);
            out.push(self.segment(self.send.next, payload, fin));
            self.send.next += length as u64 + u64::from(fin);
            self.send.sent = self.send.sent.max(self.send.next);
            self.timer.timed.get_or_insert((self.send.next, now));
        }
        let waits = self.in_flight() > 0 || !self.send.buffer.is_empty();
        if waits && self.timer.at.is_none() {
            self.timer.at = Some(now + self.timer.rto);
        }
    }

    fn acknowledge(&mut self, out: &mut Out) {
        // Never an old sequence number: the peer would take it for a question and answer it.
        out.push(self.segment(self.send.sent, Vec::new(), false));
        self.receive.told_window = self.window();
    }

    fn segment(&self, seq: u64, payload: Vec<u8>, fin: bool) -> Segment {
        Segment::Data { seq, ack: self.receive.expected, window: self.window(), fin, payload }
    }

    /// Room for what the peer may send.
    fn window(&self) -> usize {
        RECEIVE_BUFFER - self.receive.buffer.len()
    }

    /// Room for what the program may write.
    fn space(&self) -> usize {
        SEND_BUFFER - self.send.buffer.len()
    }

    fn in_flight(&self) -> u64 {
        self.send.next - self.send.acked
    }

    /// Behind the last byte that was written, and the FIN if there is one.
    fn end_of_all(&self) -> u64 {
        let fin_outstanding = self.send.ended && !self.send.fin_acked;
        self.send.acked + self.send.buffer.len() as u64 + u64::from(fin_outstanding)
    }
}

impl Timer {
    /// Measures the round trip, if `ack` covers the segment being timed (RFC 6298, section 2).
    fn acknowledged(&mut self, now: Moment, ack: u64) {
        let Some((_, sent_at)) = self.timed.filter(|(seq, _)| *seq <= ack) else { return };
        self.timed = None;
        let sample = now - sent_at;
        let (smoothed, variation) = match self.smoothed {
            None => (sample, sample / 2),
            Some((smoothed, variation)) => {
                ((smoothed * 7 + sample) / 8, (variation * 3 + smoothed.abs_diff(sample)) / 4)
            }
        };
        self.smoothed = Some((smoothed, variation));
        self.rto = (smoothed + variation * 4).clamp(RTO_MIN, RTO_MAX);
    }
}

/// What a program is told when its connection dies.
fn dead() -> Readiness {
    Readiness::READABLE
        | Readiness::WRITABLE
        | Readiness::READ_CLOSED
        | Readiness::WRITE_CLOSED
        | Readiness::ERROR
}

/// Copies the front of `buffer`, which is at least as long as `target`.
fn copy_front(buffer: &VecDeque<u8>, target: &mut [u8]) {
    let (head, tail) = buffer.as_slices();
    let split = head.len().min(target.len());
    let (first, second) = target.split_at_mut(split);
    first.copy_from_slice(&head[..split]);
    second.copy_from_slice(&tail[..second.len()]);
}

/// `length` bytes of `buffer`, from `from` on.
fn range(buffer: &VecDeque<u8>, from: usize, length: usize) -> Vec<u8> {
    let (head, tail) = buffer.as_slices();
    let in_head = from.min(head.len())..(from + length).min(head.len());
    let in_tail = from.saturating_sub(head.len())..(from + length).saturating_sub(head.len());
    [&head[in_head], &tail[in_tail]].concat()
}
