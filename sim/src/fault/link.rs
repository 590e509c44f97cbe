//! How links misbehave: what may go wrong on a direction, how often, and the verdict on each packet.

use std::ops::Range;
use std::time::Duration;

use super::{checked, draw_duration};
use crate::choice::{Chooser, Site};

/// How one direction of a link treats what it carries. [`LinkFaults::default`] is a kind link: 1 ms, nothing else.
///
/// A scenario changes those of its world in place: [`Sim::links`](crate::Sim::links), [`Sim::link`](crate::Sim::link).
#[derive(Clone, Debug, PartialEq)]
pub struct LinkFaults {
    latency: Duration,
    jitter: Duration,
    loss: f64,
    reset: f64,
    cut: f64,
    cut_for: Range<Duration>,
}

impl Default for LinkFaults {
    fn default() -> Self {
        LinkFaults {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: 0.0,
            reset: 0.0,
            cut: 0.0,
            cut_for: Duration::from_millis(50)..Duration::from_secs(2),
        }
    }
}

impl LinkFaults {
    /// Each packet takes at least this long.
    pub fn latency(&mut self, least: Duration) -> &mut Self {
        self.latency = least;
        self
    }

    /// Each packet may take up to this much longer. The order on the link is kept.
    pub fn jitter(&mut self, most: Duration) -> &mut Self {
        self.jitter = most;
        self
    }

    /// The probability that a packet is lost. A stream sends it again, later; a datagram is gone.
    pub fn loss(&mut self, probability: f64) -> &mut Self {
        self.loss = checked(probability);
        self
    }

    /// The probability that, instead of a packet with data, both ends get a reset of its connection.
    pub fn reset(&mut self, probability: f64) -> &mut Self {
        self.reset = checked(probability);
        self
    }

    /// The probability, in each 50 ms, that a link begins to lose everything for a time: in this direction, in the other,
    /// or in both.
    pub fn cut(&mut self, probability: f64) -> &mut Self {
        self.cut = checked(probability);
        self
    }

    /// How long a drawn cut lasts.
    pub fn cut_for(&mut self, range: Range<Duration>) -> &mut Self {
        self.cut_for = range;
        self
    }

    /// Whether something is drawn in each period.
    pub(crate) fn draws_cuts(&self) -> bool {
        self.cut > 0.0
    }
}

/// One direction of a link, with the sites that draw for it.
pub(crate) struct LinkRule {
    faults: LinkFaults,
    jitter: Site,
    loss: Site,
    reset: Site,
    cut: Site,
    cut_for: Site,
}

/// What becomes of a packet.
pub(crate) enum PacketVerdict {
    Deliver(Duration),
    Lose,
    Reset,
}

/// Which directions a cut takes, seen from the link that drew it.
#[derive(Clone, Copy)]
pub(crate) enum CutWays {
    Both,
    This,
    Other,
}

impl LinkRule {
    pub(crate) fn new(chooser: &mut Chooser, from: &str, to: &str, faults: LinkFaults) -> LinkRule {
        let mut site = |what: &str| chooser.site(&format!("{from} > {to}: {what}"));
        LinkRule {
            faults,
            jitter: site("jitter"),
            loss: site("loss"),
            reset: site("reset"),
            cut: site("cut"),
            cut_for: site("cut for"),
        }
    }

    pub(crate) fn faults(&self) -> &LinkFaults {
        &self.faults
    }

    /// From now on the link behaves so.
    pub(crate) fn set(&mut self, faults: LinkFaults) {
        self.faults = faults;
    }

    pub(crate) fn judge(&self, chooser: &mut Chooser, can_be_reset: bool) -> PacketVerdict {
        if chooser.chance(self.loss, self.faults.loss) {
            return PacketVerdict::Lose;
        }
        if can_be_reset && chooser.chance(self.reset, self.faults.reset) {
            return PacketVerdict::Reset;
        }
        if self.faults.jitter.is_zero() {
            return PacketVerdict::Deliver(self.faults.latency);
        }
        let range = self.faults.latency..self.faults.latency + self.faults.jitter;
        PacketVerdict::Deliver(draw_duration(chooser, self.jitter, &range))
    }

    pub(crate) fn least_latency(&self) -> Duration {
        self.faults.latency
    }

    /// Whether a cut begins now, which ways, and for how long.
    pub(crate) fn draw_cut(&self, chooser: &mut Chooser) -> Option<(CutWays, Duration)> {
        if !chooser.chance(self.cut, self.faults.cut) {
            return None;
        }
        let ways = [CutWays::Both, CutWays::This, CutWays::Other][chooser.pick(self.cut_for, 3)];
        Some((ways, draw_duration(chooser, self.cut_for, &self.faults.cut_for)))
    }
}
