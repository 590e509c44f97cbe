//! The verdict on each packet of one direction: what most links do. It carries nothing and tells no story.

use std::time::Duration;

use super::super::draw_duration;
use super::LinkFaults;
use super::rare::RareRule;
use crate::choice::{Chooser, Site};

/// One direction of a link, with the sites that draw for it.
pub(crate) struct LinkRule {
    faults: LinkFaults,
    jitter: Site,
    loss: Site,
    reset: Site,
    cut: Site,
    cut_for: Site,
    rare: Option<Box<RareRule>>,
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
        let rare = RareRule::of(chooser, from, to, &faults);
        let mut site = |what: &str| chooser.site(&format!("{from} > {to}: {what}"));
        LinkRule {
            faults,
            jitter: site("jitter"),
            loss: site("loss"),
            reset: site("reset"),
            cut: site("cut"),
            cut_for: site("cut for"),
            rare,
        }
    }

    pub(crate) fn faults(&self) -> &LinkFaults {
        &self.faults
    }

    /// From now on the link behaves so.
    pub(crate) fn set(&mut self, chooser: &mut Chooser, from: &str, to: &str, faults: LinkFaults) {
        let rare = RareRule::of(chooser, from, to, &faults);
        self.rare = match (self.rare.take(), rare) {
            (Some(before), Some(now)) => Some(Box::new(now.going_on_from(&before))),
            (_, rare) => rare,
        };
        self.faults = faults;
    }

    /// What few links do.
    pub(crate) fn rare(&mut self) -> Option<&mut RareRule> {
        self.rare.as_deref_mut()
    }

    /// Whether there is anything of that.
    pub(crate) fn has_rare(&self) -> bool {
        self.rare.is_some()
    }

    pub(crate) fn judge(&self, chooser: &mut Chooser, can_be_reset: bool) -> PacketVerdict {
        if chooser.chance(self.loss, self.faults.loss) {
            return PacketVerdict::Lose;
        }
        if can_be_reset && chooser.chance(self.reset, self.faults.reset) {
            return PacketVerdict::Reset;
        }
        PacketVerdict::Deliver(self.draw_latency(chooser))
    }

    /// How long a packet takes.
    pub(crate) fn draw_latency(&self, chooser: &mut Chooser) -> Duration {
        if let Some(drawn) = self.rare.as_ref().and_then(|rare| rare.draw_latency(chooser)) {
            return drawn;
        }
        if self.faults.jitter.is_zero() {
            return self.faults.latency;
        }
        let range = self.faults.latency..self.faults.latency + self.faults.jitter;
        draw_duration(chooser, self.jitter, &range)
    }

    pub(crate) fn least_latency(&self) -> Duration {
        let of_rare = self.rare.as_ref().and_then(|rare| rare.least_latency());
        of_rare.unwrap_or(self.faults.latency)
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
