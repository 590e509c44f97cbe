//! One TCP connection, seen from one end (RFC 9293). It knows no descriptor and no address; time is an argument.
//!
//! ```text
//!   connect ─▶ SynSent ── SYN+ACK ──┐
//!                 │ SYN             ├──▶ Open ── our FIN acknowledged, the peer's received ──▶ Ended
//!   SYN ─▶ SynReceived ── ACK ──────┘      │
//!        └─────── RST, time-out ───────────┴──▶ Dead: nothing is sent or taken any more
//! ```
//!
//! The classic names follow from the two directions: FIN-WAIT is Open with our FIN sent, CLOSE-WAIT is Open with the peer's
//! FIN received, LAST-ACK and CLOSING are Open with both, TIME-WAIT is Ended while the timer runs.
//!
//! Known differences from Linux; PARITY.md has their reasons:
//! - PARITY: No congestion control
//! - PARITY: No Nagle, no delayed acknowledgement
//! - PARITY: Acknowledgements are of all before
//! - PARITY: A stream that is closed while both ends begin it
//! - PARITY: Buffers that are tuned
//! - PARITY: Sequence numbers
//! - PARITY: When a SYN is sent again

mod probing;
mod receiving;
mod sending;
mod timer;

use std::io::IoSlice;
use std::time::Duration;

use twinloop::Moment;
use twinloop::driver::{Half, OsError, Readiness};

use super::errno::{ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENOTCONN, EPIPE, ETIMEDOUT};
use super::packet::Segment;
use crate::netstat::SocketState;
use probing::{Due, Probing};
use receiving::Receiving;
use sending::{Ack, Chunk, Sending};
use timer::Timer;

/// Payload of one segment at most: an Ethernet frame less the headers.
const MSS: usize = 1460;
/// Bytes that one end holds for its program, and bytes that it holds until they are acknowledged, unless a program sets them.
pub(super) const RECEIVE_BUFFER: usize = 64 * 1024;
pub(super) const SEND_BUFFER: usize = 64 * 1024;
/// How often a SYN and its answer are sent again (`tcp_syn_retries`, `tcp_synack_retries`).
const SYN_RETRIES: u32 = 6;
const SYN_ACK_RETRIES: u32 = 5;
/// How often data is sent again (`tcp_retries2`), and if its program has closed the connection (`tcp_orphan_retries`).
const RETRIES: u32 = 15;
const ORPHAN_RETRIES: u32 = 8;
/// Duplicate acknowledgements that mean a loss (RFC 5681, section 3.2).
const DUPLICATES: u32 = 3;

/// What a program has set at its end.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    /// How many bytes the buffers hold.
    pub(super) receive_buffer: usize,
    pub(super) send_buffer: usize,
    /// How long the peer may leave bytes unacknowledged (`TCP_USER_TIMEOUT`).
    pub(super) user_timeout: Option<Duration>,
    pub(super) probes: Option<Probes>,
}

/// When a silent peer is asked whether it is there, and how often before it counts as dead.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Probes {
    pub(super) idle: Duration,
    pub(super) interval: Duration,
    pub(super) count: u32,
}

/// Segments to be sent, in order.
pub(super) type Out = Vec<Segment>;

pub(super) struct Connection {
    state: State,
    send: Sending,
    receive: Receiving,
    timer: Timer,
    probing: Probing,
    user_timeout: Option<Duration>,
    /// Our FIN was sent before the peer's came: the last acknowledgement is ours, and may have to be repeated.
    ended_first: bool,
    /// Its program has shut it before the peer answered, which takes it back to what it was before the connect.
    given_up: bool,
    /// The program's pending error, told once (`SO_ERROR`).
    error: Option<OsError>,
    /// Routers said so since the peer was last heard: what a time-out is told as (`sk_err_soft`).
    unreachable: bool,
    /// Bytes have come in their turn that the peer was not told of: the next segment tells it.
    owes_ack: bool,
    /// No descriptor refers to it any more, nor ever will.
    orphan: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    SynSent,
    SynReceived,
    Open,
    Ended,
    Dead,
}

impl Connection {
    pub(super) fn connecting(now: Moment, settings: Settings, out: &mut Out) -> Connection {
        let connection = Connection::new(State::SynSent, now, settings);
        out.push(Segment::Syn { window: connection.receive.window() });
        connection
    }

    /// `window`: what the peer takes.
    pub(super) fn answering(now: Moment, settings: Settings, window: usize, out: &mut Out) -> Connection {
        let mut connection = Connection::new(State::SynReceived, now, settings);
        connection.send.open(window);
        connection.show(out);
        connection
    }

    fn new(state: State, now: Moment, settings: Settings) -> Connection {
        Connection {
            state,
            send: Sending::new(settings.send_buffer),
            receive: Receiving::new(settings.receive_buffer),
            timer: Timer::new(now),
            probing: Probing::new(settings.probes, now),
            user_timeout: settings.user_timeout,
            ended_first: false,
            given_up: false,
            error: None,
            unreachable: false,
            owes_ack: false,
            orphan: false,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// By the names of RFC 9293, section 3.3.2.
    pub(super) fn named_state(&self) -> SocketState {
        match self.state {
            State::SynSent => return SocketState::SynSent,
            State::SynReceived => return SocketState::SynReceived,
            State::Dead => return SocketState::Closed,
            State::Ended if self.is_closed() => return SocketState::Closed,
            State::Ended if self.ended_first => return SocketState::TimeWait,
            State::Open | State::Ended => {}
        }
        match (self.send.is_ended(), self.send.is_fin_acked(), self.receive.is_ended()) {
            (false, _, false) => SocketState::Established,
            (false, _, true) => SocketState::CloseWait,
            (true, false, false) => SocketState::FinWait1,
            (true, false, true) if self.ended_first => SocketState::Closing,
            (true, false, true) => SocketState::LastAck,
            (true, true, false) => SocketState::FinWait2,
            (true, true, true) if self.ended_first => SocketState::TimeWait,
            (true, true, true) => SocketState::Closed,
        }
    }

    /// Bytes that the program has written and the peer has not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        self.send.queued()
    }

    pub(super) fn receivable(&self) -> usize {
        self.receive.readable()
    }

    pub(super) fn next_timer(&self) -> Option<Moment> {
        let probes = if self.state == State::Open && !self.orphan { self.probing.at() } else { None };
        self.timer.at().into_iter().chain(probes).min()
    }

    /// Whether nothing is left of it but what a descriptor may still ask (CLOSED).
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Ended | State::Dead) && !self.timer.is_running()
    }

    /// Whether it is no connection any more, and never was one.
    pub(super) fn has_given_up(&self) -> bool {
        self.given_up
    }

    /// Whether it stays for the peer's FIN alone: to acknowledge it again (TIME-WAIT), or to wait for it although no descriptor
    /// refers to it (FIN-WAIT-2). To Linux both are the same (`tcp_time_wait`).
    pub(super) fn lingers(&self) -> bool {
        match self.state {
            State::Ended => self.timer.is_running(),
            State::Open => self.orphan && self.send.is_fin_acked(),
            State::SynSent | State::SynReceived | State::Dead => false,
        }
    }

    /// A new connection of the same ends takes its place.
    pub(super) fn linger_no_more(&mut self) {
        assert!(self.lingers(), "only what lingers makes way");
        match self.state {
            State::Open => _ = self.die(None),
            _ => self.timer.stop(),
        }
    }

    /// Whether it takes data, or will once its handshake is done ("synchronized", RFC 9293).
    pub(super) fn is_synchronized(&self) -> bool {
        matches!(self.state, State::SynReceived | State::Open)
    }

    /// Whether the kernel can forget it.
    pub(super) fn is_over(&self) -> bool {
        self.orphan && self.is_closed()
    }

    /// What epoll reports of it when it is registered (`tcp_poll`).
    pub(super) fn readiness(&self) -> Readiness {
        if self.state == State::Dead {
            return dead();
        }
        let mut readiness = Readiness::EMPTY;
        if self.receive.readable() > 0 {
            readiness |= Readiness::READABLE;
        }
        let takes_no_more = self.receive.is_ended() || self.receive.is_shut();
        if takes_no_more {
            readiness |= Readiness::READABLE | Readiness::READ_CLOSED;
        }
        if self.send.is_ended() || (self.state == State::Open && self.send.space() > 0) {
            readiness |= Readiness::WRITABLE;
        }
        if self.send.is_ended() && takes_no_more {
            readiness |= Readiness::WRITE_CLOSED;
        }
        readiness
    }

    // ---- what the program does ----

    pub(super) fn take_error(&mut self) -> Option<OsError> {
        self.error.take()
    }

    /// The program has set something; says what its descriptor is to be told.
    pub(super) fn configure(&mut self, settings: Settings) -> Readiness {
        self.receive.resize(settings.receive_buffer);
        self.send.resize(settings.send_buffer);
        self.user_timeout = settings.user_timeout;
        self.probing.configure(settings.probes);
        let is_writable = self.state == State::Open && self.send.take_writable();
        if is_writable { Readiness::WRITABLE } else { Readiness::EMPTY }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8], out: &mut Out) -> Result<usize, OsError> {
        if self.receive.readable() == 0 {
            return self.read_nothing();
        }
        let count = self.receive.read(buffer);
        if self.state == State::Open && self.receive.is_update_due() {
            self.acknowledge(out);
        }
        Ok(count)
    }

    /// The answer to a read when there is no byte. The peer's FIN comes before an error, an error before our own end
    /// (`tcp_recvmsg`).
    fn read_nothing(&mut self) -> Result<usize, OsError> {
        if self.receive.is_ended() {
            return Ok(0);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match self.state {
            _ if self.receive.is_shut() => Ok(0),
            State::Dead if self.given_up => Err(ENOTCONN),
            State::Dead => Ok(0),
            _ => Err(OsError::WOULD_BLOCK),
        }
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
        match self.state {
            State::SynSent | State::SynReceived => {
                self.send.starve();
                return Err(OsError::WOULD_BLOCK);
            }
            State::Open if !self.send.is_ended() => {}
            State::Open | State::Ended | State::Dead => return Err(EPIPE),
        }
        let taken = self.send.write(buffers);
        if taken == 0 && buffers.iter().any(|buffer| !buffer.is_empty()) {
            return Err(OsError::WOULD_BLOCK);
        }
        self.transmit(now, out);
        Ok(taken)
    }

    /// Says what the program's own descriptor is to be told of it: Linux wakes pollers here too.
    pub(super) fn shutdown(&mut self, now: Moment, half: Half, out: &mut Out) -> Result<Readiness, OsError> {
        match self.state {
            State::SynSent => {
                self.given_up = true;
                Ok(self.die(Some(ECONNRESET)))
            }
            State::Ended | State::Dead => {
                if half != Half::Write {
                    self.receive.shut();
                }
                Err(ENOTCONN)
            }
            State::SynReceived | State::Open => {
                if half != Half::Write {
                    self.receive.shut();
                }
                if half != Half::Read {
                    self.end_writing(now, out);
                }
                Ok(self.readiness())
            }
        }
    }

    fn end_writing(&mut self, now: Moment, out: &mut Out) {
        if !self.send.is_ended() {
            self.send.end();
            self.ended_first = !self.receive.is_ended();
            if self.state == State::Open {
                self.transmit(now, out);
            }
        }
    }

    /// The program has closed its descriptor. Unread bytes mean that it did not see all the peer said: the peer is told
    /// by a reset (RFC 2525, section 2.17). `resets`: the program wants just that (`SO_LINGER` of zero).
    pub(super) fn close(&mut self, now: Moment, resets: bool, out: &mut Out) {
        assert!(!self.orphan, "a connection is closed once");
        self.orphan = true;
        match self.state {
            State::Ended | State::Dead => {}
            State::SynSent => {
                self.die(None);
            }
            State::Open if self.receive.readable() == 0 && !resets => {
                self.receive.shut();
                self.end_writing(now, out);
                self.settle(now);
            }
            State::SynReceived | State::Open => {
                self.reset(out);
            }
        }
    }

    /// Nobody will ever accept it.
    pub(super) fn abandon(&mut self, out: &mut Out) {
        self.orphan = true;
        self.reset(out);
    }

    /// Ends the connection from here, and tells the peer.
    pub(super) fn reset(&mut self, out: &mut Out) -> Readiness {
        match self.state {
            State::Ended | State::Dead => Readiness::EMPTY,
            State::SynSent | State::SynReceived | State::Open => {
                out.push(Segment::Rst);
                self.die(Some(ECONNRESET))
            }
        }
    }

    // ---- what comes from the peer ----

    /// Takes a segment; says what the program's descriptor is to be told.
    pub(super) fn arrive(&mut self, now: Moment, segment: Segment, out: &mut Out) -> Readiness {
        if self.state == State::Open {
            self.probing.heard(now);
        }
        match (self.state, segment) {
            (State::Ended | State::Dead, segment) => {
                self.arrive_late(now, &segment, out);
                Readiness::EMPTY
            }
            (_, Segment::Rst) => self.reset_by_peer(),
            (State::SynSent, Segment::SynAck { window }) => {
                self.send.open(window);
                self.open(now);
                self.acknowledge(out);
                Readiness::WRITABLE
            }
            // The peer connects to us just now, or it is our own: the program has bound it to the address that it connects to
            // (RFC 9293, section 3.5).
            (State::SynSent, Segment::Syn { window }) => {
                self.send.open(window);
                self.state = State::SynReceived;
                self.show(out);
                Readiness::EMPTY
            }
            (State::SynReceived, Segment::SynAck { .. }) => {
                self.open(now);
                self.acknowledge(out);
                self.transmit(now, out);
                Readiness::WRITABLE
            }
            // Our answer was lost, or the peer asks whether we are there.
            (State::Open, Segment::SynAck { .. } | Segment::Probe) => {
                self.acknowledge(out);
                Readiness::EMPTY
            }
            // A SYN that comes again needs no other answer than the one that our timer repeats.
            (State::SynSent, _) | (_, Segment::Syn { .. } | Segment::Probe) => Readiness::EMPTY,
            (State::SynReceived | State::Open, Segment::Data { seq, ack, window, fin, payload }) => {
                let mut told = Readiness::EMPTY;
                if self.state == State::SynReceived {
                    self.open(now);
                    told |= Readiness::WRITABLE;
                }
                let acknowledged = self.take_ack(now, ack, window, payload.is_empty() && !fin, out);
                let received = self.take_segment(seq, payload, fin, out);
                self.settle(now);
                told | acknowledged | received
            }
        }
    }

    /// The peer has answered the SYN for a connection that is not known here, and is told so. Nothing is in the way of a second
    /// SYN then (`tcp_rcv_synsent_state_process`).
    pub(super) fn hurry(&mut self, now: Moment) {
        assert_eq!(self.state, State::SynSent, "who has heard of the peer waits for nothing");
        self.timer.hurry(now);
    }

    /// A router knows no way to the peer. A connection that is open waits for better times (RFC 1122, section 4.2.3.9).
    pub(super) fn take_unreachable(&mut self) -> Readiness {
        match self.state {
            State::SynSent => self.die(Some(EHOSTUNREACH)),
            State::SynReceived | State::Ended | State::Dead => Readiness::EMPTY,
            State::Open => {
                self.unreachable = true;
                Readiness::EMPTY
            }
        }
    }

    /// A segment after the end. In TIME-WAIT the peer may ask again whether its FIN has arrived; otherwise the connection
    /// is unknown here, whether or not a descriptor still refers to it.
    fn arrive_late(&mut self, now: Moment, segment: &Segment, out: &mut Out) {
        let is_time_wait = self.timer.is_running();
        match segment {
            Segment::Rst => self.timer.stop(),
            Segment::Data { fin, payload, .. } if is_time_wait => {
                if *fin {
                    self.timer.linger(now);
                }
                if *fin || !payload.is_empty() {
                    self.acknowledge(out);
                }
            }
            _ if is_time_wait => {}
            _ => out.push(Segment::Rst),
        }
    }

    fn open(&mut self, now: Moment) {
        self.state = State::Open;
        self.timer.stop();
        self.timer.forgive();
        self.timer.recover();
        self.timer.acknowledged(now, 0);
        self.probing.heard(now);
    }

    fn reset_by_peer(&mut self) -> Readiness {
        let error = match self.state {
            State::SynSent => ECONNREFUSED,
            // CLOSE-WAIT: the peer had ended its direction before, so what is broken is ours (`tcp_reset`).
            _ if self.receive.is_ended() && !self.send.is_ended() => EPIPE,
            _ => ECONNRESET,
        };
        self.die(Some(error))
    }

    /// What was received stays to be read.
    fn die(&mut self, error: Option<OsError>) -> Readiness {
        self.state = State::Dead;
        self.error = self.error.or(error);
        self.timer.stop();
        self.send.discard();
        self.receive.discard_early();
        dead()
    }

    fn take_ack(&mut self, now: Moment, ack: u64, window: usize, is_bare: bool, out: &mut Out) -> Readiness {
        let meaning = self.send.take_ack(ack, window, is_bare);
        match meaning {
            Ack::Nothing => {}
            Ack::Progress => {
                self.unreachable = false;
                self.timer.acknowledged(now, ack);
                self.timer.recover();
                self.timer.stop();
            }
            // The timer was that of the probes, whose waits have doubled.
            Ack::Opened if self.send.is_waiting() => {
                self.timer.recover();
                self.timer.stop();
            }
            Ack::Opened => {}
            Ack::Loss => {
                let chunk = self.send.first_chunk();
                self.timer.distrust();
                out.push(self.segment(chunk));
            }
        }
        // Progress alone ends the count of retries: a peer that is heard may still hear nothing. One that answers the probes
        // of its closed window is waited for as long as a program holds the connection (`tcp_probe_timer`).
        let answers_probes = self.send.in_flight() == 0 && !self.orphan;
        if meaning == Ack::Progress || answers_probes {
            self.timer.forgive();
        }
        self.transmit(now, out);
        if self.send.take_writable() { Readiness::WRITABLE } else { Readiness::EMPTY }
    }

    fn take_segment(&mut self, seq: u64, payload: Vec<u8>, fin: bool, out: &mut Out) -> Readiness {
        let (expected, was_ended) = (self.receive.expected(), self.receive.is_ended());
        if payload.is_empty() && !fin {
            // An old sequence number asks for our state: it probes a closed window.
            if seq < expected {
                self.acknowledge(out);
            }
            return Readiness::EMPTY;
        }
        let is_new = seq + payload.len() as u64 > expected;
        if is_new && self.receive.is_shut() && self.send.is_ended() {
            // Nobody will ever read it: the peer is told (RFC 1122, section 4.2.2.13).
            return self.reset(out);
        }
        self.receive.take(seq, payload, fin);
        // What comes in its turn may wait for what the program answers; every second one, a gap and an end may not (RFC 5681,
        // section 4.2).
        let is_in_turn = seq == expected && is_new && !fin;
        if is_in_turn && !self.owes_ack && !self.receive.has_early() {
            self.owes_ack = true;
        } else {
            self.acknowledge(out);
        }
        let mut told = Readiness::EMPTY;
        if self.receive.expected() != expected {
            told |= Readiness::READABLE;
        }
        if self.receive.is_ended() && !was_ended {
            told |= self.readiness();
        }
        told
    }

    /// Both directions may have ended now; or one, and the program waits for nothing more.
    fn settle(&mut self, now: Moment) {
        let is_stuck = self.send.is_waiting() && !self.timer.is_running();
        assert!(!is_stuck, "whatever waits for the peer has a timer");
        if self.state != State::Open || !self.send.is_fin_acked() {
            return;
        }
        assert!(!self.send.is_waiting(), "nothing is behind the FIN");
        if self.receive.is_ended() {
            self.state = State::Ended;
            if self.ended_first { self.timer.linger(now) } else { self.timer.stop() }
        } else if self.orphan && !self.timer.is_running() {
            // FIN-WAIT-2: the peer's FIN is not waited for for ever.
            self.timer.linger(now);
        }
    }

    // ---- the timers ----

    /// One of them is due.
    pub(super) fn expire(&mut self, now: Moment, out: &mut Out) -> Readiness {
        if self.timer.at().is_none_or(|at| at > now) {
            return self.probe(now, out);
        }
        match self.state {
            State::Dead => unreachable!("a dead connection has no timer"),
            State::Ended => {
                self.timer.stop();
                Readiness::EMPTY
            }
            // FIN-WAIT-2 for long enough.
            State::Open if self.send.is_fin_acked() => self.die(None),
            State::SynSent | State::SynReceived | State::Open => self.retry(now, out),
        }
    }

    fn retry(&mut self, now: Moment, out: &mut Out) -> Readiness {
        let retries_max = match self.state {
            State::SynSent => SYN_RETRIES,
            State::SynReceived => SYN_ACK_RETRIES,
            _ if self.orphan => ORPHAN_RETRIES,
            _ => RETRIES,
        };
        let retries = self.timer.back_off(now, self.user_timeout);
        let is_over = match self.user_timeout {
            Some(limit) => self.timer.has_run_for(limit, now),
            None => retries > retries_max,
        };
        if is_over {
            return self.time_out();
        }
        match self.state {
            State::SynSent => out.push(Segment::Syn { window: self.receive.first_window() }),
            State::SynReceived => self.show(out),
            _ => self.retransmit(now, out),
        }
        Readiness::EMPTY
    }

    fn probe(&mut self, now: Moment, out: &mut Out) -> Readiness {
        match self.probing.expire(now, self.send.is_waiting(), self.user_timeout) {
            Due::Nothing => Readiness::EMPTY,
            Due::Probe => {
                out.push(Segment::Probe);
                Readiness::EMPTY
            }
            Due::End => {
                out.push(Segment::Rst);
                self.time_out()
            }
        }
    }

    /// The peer was silent for too long (`tcp_write_err`).
    fn time_out(&mut self) -> Readiness {
        self.die(Some(if self.unreachable { EHOSTUNREACH } else { ETIMEDOUT }))
    }

    fn retransmit(&mut self, now: Moment, out: &mut Out) {
        self.send.go_back();
        let sent_before = out.len();
        self.transmit(now, out);
        if out.len() == sent_before {
            // The window is closed: an old sequence number makes the peer tell it again.
            let seq = self.send.probe();
            out.push(self.segment(Chunk { seq, payload: Vec::new(), fin: false, is_new: false }));
        }
        self.timer.distrust();
    }

    // ---- sending ----

    /// Sends what the window allows of what was not sent.
    fn transmit(&mut self, now: Moment, out: &mut Out) {
        assert_eq!(self.state, State::Open, "bytes are sent over an open connection");
        while let Some(chunk) = self.send.next_chunk() {
            if chunk.is_new {
                self.timer.time(now, self.send.sent());
            }
            out.push(self.segment(chunk));
        }
        if self.send.is_waiting() && !self.timer.is_running() {
            self.timer.start(now);
        }
    }

    pub(super) fn owes_ack(&self) -> bool {
        self.owes_ack
    }

    /// Tells the peer what is here: it has forgotten it, or asks for it anew.
    pub(super) fn show(&mut self, out: &mut Out) {
        match self.state {
            State::SynReceived => out.push(Segment::SynAck { window: self.receive.first_window() }),
            _ => self.acknowledge(out),
        }
    }

    pub(super) fn acknowledge(&mut self, out: &mut Out) {
        // Never an old sequence number: the peer would take it for a question and answer it.
        let seq = self.send.sent();
        out.push(self.segment(Chunk { seq, payload: Vec::new(), fin: false, is_new: false }));
    }

    fn segment(&mut self, chunk: Chunk) -> Segment {
        let Chunk { seq, payload, fin, .. } = chunk;
        self.receive.note_told_window();
        self.owes_ack = false;
        Segment::Data { seq, ack: self.receive.expected(), window: self.receive.window(), fin, payload }
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
