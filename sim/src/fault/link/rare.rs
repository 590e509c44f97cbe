//! What few links do: the settings, and the verdicts of a direction that has any of them.

use std::ops::Range;
use std::time::Duration;

use twinloop::Moment;

use super::super::{Distribution, STEPS, checked, draw_duration};
use super::LinkFaults;
use super::line::{Line, Speed};
use crate::choice::{Chooser, Site};
use crate::kernel::Packet;
use crate::message::MessageKind;

/// What may wait for a slow line if nothing is said.
const QUEUE_BYTES: u64 = 256 * 1024;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct RareFaults {
    pub(super) latency: Option<Distribution>,
    burst: f64,
    burst_packets: Range<u32>,
    reorder: f64,
    reorder_by: Duration,
    duplicate: f64,
    corrupt: f64,
    corrupt_unseen: f64,
    bytes_a_second: Option<u64>,
    queue_bytes: u64,
    mtu: Option<usize>,
    clog: f64,
    clog_for: Range<Duration>,
    refuse: f64,
    unreachable: f64,
}

impl Default for RareFaults {
    fn default() -> Self {
        RareFaults {
            latency: None,
            burst: 0.0,
            burst_packets: 1..2,
            reorder: 0.0,
            reorder_by: Duration::ZERO,
            duplicate: 0.0,
            corrupt: 0.0,
            corrupt_unseen: 0.0,
            bytes_a_second: None,
            queue_bytes: QUEUE_BYTES,
            mtu: None,
            clog: 0.0,
            clog_for: Duration::from_millis(50)..Duration::from_secs(2),
            refuse: 0.0,
            unreachable: 0.0,
        }
    }
}

impl LinkFaults {
    /// The probability that with a packet a burst of losses begins, and how many packets it takes (a Gilbert-Elliott channel
    /// that loses everything while it is bad). Besides those of [`loss`](LinkFaults::loss).
    ///
    /// # Panics
    ///
    /// If a burst could be of no packet.
    pub fn loss_bursts(&mut self, probability: f64, packets: Range<u32>) -> &mut Self {
        assert!(
            packets.start > 0 && !packets.is_empty(),
            "a burst loses at least one packet, not {packets:?}"
        );
        let rare = self.rare_mut();
        rare.burst = checked(probability);
        rare.burst_packets = packets;
        self
    }

    /// The probability that a packet is held back, up to `most`, while those behind it go on: they may overtake it.
    pub fn reorder(&mut self, probability: f64, most: Duration) -> &mut Self {
        let rare = self.rare_mut();
        rare.reorder = checked(probability);
        rare.reorder_by = most;
        self
    }

    /// The probability that a packet arrives twice. The second one takes its own time, and may be
    /// [overtaken](LinkFaults::reorder) too.
    pub fn duplicate(&mut self, probability: f64) -> &mut Self {
        self.rare_mut().duplicate = checked(probability);
        self
    }

    /// The probability that a packet is damaged and its checksum tells: it is lost.
    pub fn corrupt(&mut self, probability: f64) -> &mut Self {
        self.rare_mut().corrupt = checked(probability);
        self
    }

    /// The probability that a packet with bytes of programs arrives with one bit of them turned, and its checksum does not
    /// tell. The checksums of TCP and UDP are weak: that happens, and programs that care have checksums of their own.
    pub fn corrupt_unseen(&mut self, probability: f64) -> &mut Self {
        self.rare_mut().corrupt_unseen = checked(probability);
        self
    }

    /// How many bytes pass in a second, headers included. What comes faster waits in a queue, first come, first served.
    ///
    /// # Panics
    ///
    /// If it is 0: [`At::partition`](crate::At::partition) and [`At::clog`](crate::At::clog) are for lines that carry
    /// nothing.
    pub fn bandwidth(&mut self, bytes_a_second: u64) -> &mut Self {
        assert!(bytes_a_second > 0, "a line has a bandwidth: one that carries nothing is cut or clogged");
        self.rare_mut().bytes_a_second = Some(bytes_a_second);
        self
    }

    /// How many bytes may wait where the [bandwidth](LinkFaults::bandwidth) is limited; 256 KiB if nothing is said.
    /// What finds no room is lost. With a queue that takes seconds to empty, no packet is lost and everything is late
    /// (bufferbloat).
    pub fn queue(&mut self, bytes: u64) -> &mut Self {
        self.rare_mut().queue_bytes = bytes;
        self
    }

    /// Packets larger than this are lost, and nobody says so: a tunnel on the path that tells no one of its MTU (a
    /// black hole, RFC 2923, section 2.1). Hosts send up to 1500 bytes, of which a stream's headers take 40 and a
    /// datagram's 28. A datagram that is larger than 1500 bytes travels in parts, and is lost here too.
    pub fn mtu(&mut self, bytes: usize) -> &mut Self {
        self.rare_mut().mtu = Some(bytes);
        self
    }

    /// The probability, in each 50 ms, that this direction delivers nothing for a time, and then everything at once, in
    /// order: nothing is lost.
    pub fn clog(&mut self, probability: f64) -> &mut Self {
        self.rare_mut().clog = checked(probability);
        self
    }

    /// How long a drawn clog lasts; from 50 ms to 2 s if nothing is said.
    pub fn clog_for(&mut self, range: Range<Duration>) -> &mut Self {
        self.rare_mut().clog_for = range;
        self
    }

    /// The probability that an attempt to connect is refused on the way, as by a firewall: it fails with `ECONNREFUSED`
    /// although somebody listens.
    pub fn refuse(&mut self, probability: f64) -> &mut Self {
        self.rare_mut().refuse = checked(probability);
        self
    }

    /// The probability that a packet is lost because a router knows no way to the host, and says so (ICMP). An attempt to
    /// connect fails with `EHOSTUNREACH`. A connection that is open goes on, and if it ends in a time-out it dies of this
    /// instead. Datagrams are lost without a word, as on Linux.
    pub fn unreachable(&mut self, probability: f64) -> &mut Self {
        self.rare_mut().unreachable = checked(probability);
        self
    }
}

impl RareFaults {
    pub(super) fn draws_by_period(&self) -> bool {
        self.clog > 0.0
    }

    fn speed(&self) -> Option<Speed> {
        self.bytes_a_second.map(|bytes| Speed { bytes, queue_bytes: self.queue_bytes })
    }
}

/// One direction that does any of this, with the sites that draw for it.
pub(crate) struct RareRule {
    faults: RareFaults,
    sites: Sites,
    /// How many packets the burst under way will lose yet.
    burst_left: u32,
    line: Line,
}

struct Sites {
    latency: Site,
    burst: Site,
    reorder: Site,
    duplicate: Site,
    corrupt: Site,
    corrupt_unseen: Site,
    clog: Site,
    refuse: Site,
    unreachable: Site,
}

/// Whether a packet comes onto the wire.
pub(crate) enum Admission {
    /// After so long.
    Sent(Duration),
    /// It does not, and this is why.
    Lost(&'static str),
    /// Its sender is told that nobody listens.
    Refused,
    /// Its sender is told that there is no way.
    Unreachable,
}

impl RareRule {
    /// The rule of a direction with these faults, if it has any of this.
    pub(super) fn of(
        chooser: &mut Chooser,
        from: &str,
        to: &str,
        faults: &LinkFaults,
    ) -> Option<Box<RareRule>> {
        let faults = (**faults.rare.as_ref()?).clone();
        let mut site = |what: &str| chooser.site(&format!("{from} > {to}: {what}"));
        let sites = Sites {
            latency: site("latency"),
            burst: site("loss burst"),
            reorder: site("reorder"),
            duplicate: site("duplicate"),
            corrupt: site("corrupt"),
            corrupt_unseen: site("corrupt unseen"),
            clog: site("clog"),
            refuse: site("refuse"),
            unreachable: site("unreachable"),
        };
        Some(Box::new(RareRule { faults, sites, burst_left: 0, line: Line::new() }))
    }

    /// This rule, with what is under way on the wire.
    pub(super) fn going_on_from(self, before: &RareRule) -> RareRule {
        RareRule { burst_left: before.burst_left, line: before.line, ..self }
    }

    pub(super) fn least_latency(&self) -> Option<Duration> {
        self.faults.latency.as_ref().map(Distribution::least)
    }

    pub(super) fn draw_latency(&self, chooser: &mut Chooser) -> Option<Duration> {
        let latency = self.faults.latency.as_ref()?;
        Some(latency.draw(chooser, self.sites.latency))
    }

    /// Decides whether a packet that is sent now comes onto the wire.
    pub(crate) fn admit(&mut self, chooser: &mut Chooser, now: Moment, packet: &Packet) -> Admission {
        let RareFaults { refuse, unreachable, corrupt, mtu, .. } = self.faults;
        let size = packet.size();
        if mtu.is_some_and(|mtu| size > mtu) {
            return Admission::Lost("larger than the path's MTU");
        }
        if chooser.chance(self.sites.unreachable, unreachable) {
            return Admission::Unreachable;
        }
        if packet.kind() == MessageKind::Syn && chooser.chance(self.sites.refuse, refuse) {
            return Admission::Refused;
        }
        let sent_in = match self.faults.speed() {
            None => Some(Duration::ZERO),
            Some(speed) => self.line.take(now, size as u64, speed),
        };
        let Some(sent_in) = sent_in else { return Admission::Lost("the queue is full") };
        if self.draw_burst(chooser) {
            return Admission::Lost("lost in a burst");
        }
        if chooser.chance(self.sites.corrupt, corrupt) {
            return Admission::Lost("corrupted, its checksum tells");
        }
        Admission::Sent(sent_in)
    }

    /// Whether a burst takes the packet.
    fn draw_burst(&mut self, chooser: &mut Chooser) -> bool {
        if self.burst_left == 0 {
            if !chooser.chance(self.sites.burst, self.faults.burst) {
                return false;
            }
            let Range { start, end } = self.faults.burst_packets;
            self.burst_left = start + chooser.pick(self.sites.burst, (end - start) as usize) as u32;
        }
        self.burst_left -= 1;
        true
    }

    /// Which bit of a payload is turned on the way, counted from its first.
    pub(crate) fn draw_turned_bit(&self, chooser: &mut Chooser, payload: &[u8]) -> Option<usize> {
        let site = self.sites.corrupt_unseen;
        if payload.is_empty() || !chooser.chance(site, self.faults.corrupt_unseen) {
            return None;
        }
        Some(chooser.pick(site, payload.len() * 8))
    }

    /// Whether a packet arrives twice.
    pub(crate) fn draw_twin(&self, chooser: &mut Chooser) -> bool {
        chooser.chance(self.sites.duplicate, self.faults.duplicate)
    }

    /// For how long a packet is held back while others overtake it.
    pub(crate) fn draw_delay(&self, chooser: &mut Chooser) -> Option<Duration> {
        let (site, most) = (self.sites.reorder, self.faults.reorder_by);
        let is_delayed = chooser.chance(site, self.faults.reorder);
        is_delayed.then(|| draw_duration(chooser, site, &(most / STEPS as u32..most)))
    }

    /// Whether the direction clogs now, and for how long.
    pub(crate) fn draw_clog(&self, chooser: &mut Chooser) -> Option<Duration> {
        let clogs = chooser.chance(self.sites.clog, self.faults.clog);
        clogs.then(|| draw_duration(chooser, self.sites.clog, &self.faults.clog_for))
    }
}
