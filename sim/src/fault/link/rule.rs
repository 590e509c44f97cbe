//! The verdict on each packet of one direction: what most links do. It carries nothing and tells no story.

use std::time::Duration;

use super::super::draw_duration;
use super::LinkFaults;
use super::rare::RareRule;
use crate::choice::{Chooser, Site};

/// One direction of a link, with the sites that draw for it.
pub(crate) struct LinkRule {
    faults: LinkFaults,
    sites: Option<Sites>,
    rare: Option<Box<RareRule>>,
}

struct Sites {
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

impl Sites {
    /// `None` where nothing is drawn: there are many links, and most of a large world's never carry anything.
    fn of(chooser: &mut Chooser, from: &str, to: &str, faults: &LinkFaults) -> Option<Sites> {
        let mut site = |what: &str| chooser.site(&format!("{from} > {to}: {what}"));
        faults.draws().then(|| Sites {
            jitter: site("jitter"),
            loss: site("loss"),
            reset: site("reset"),
            cut: site("cut"),
            cut_for: site("cut for"),
        })
    }
}

impl LinkRule {
    pub(crate) fn new(chooser: &mut Chooser, from: &str, to: &str, faults: LinkFaults) -> LinkRule {
        let rare = RareRule::of(chooser, from, to, &faults);
        LinkRule { sites: Sites::of(chooser, from, to, &faults), faults, rare }
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
        self.sites = Sites::of(chooser, from, to, &faults);
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
        if let Some(sites) = &self.sites {
            if chooser.chance(sites.loss, self.faults.loss) {
                return PacketVerdict::Lose;
            }
            if can_be_reset && chooser.chance(sites.reset, self.faults.reset) {
                return PacketVerdict::Reset;
            }
        }
        PacketVerdict::Deliver(self.draw_latency(chooser))
    }

    /// How long a packet takes.
    pub(crate) fn draw_latency(&self, chooser: &mut Chooser) -> Duration {
        if let Some(drawn) = self.rare.as_ref().and_then(|rare| rare.draw_latency(chooser)) {
            return drawn;
        }
        let LinkFaults { latency, jitter, .. } = self.faults;
        match &self.sites {
            Some(sites) if !jitter.is_zero() => {
                draw_duration(chooser, sites.jitter, &(latency..latency + jitter))
            }
            _ => latency,
        }
    }

    pub(crate) fn least_latency(&self) -> Duration {
        let of_rare = self.rare.as_ref().and_then(|rare| rare.least_latency());
        of_rare.unwrap_or(self.faults.latency)
    }

    /// Whether a cut begins now, which ways, and for how long.
    pub(crate) fn draw_cut(&self, chooser: &mut Chooser) -> Option<(CutWays, Duration)> {
        let sites = self.sites.as_ref()?;
        if !chooser.chance(sites.cut, self.faults.cut) {
            return None;
        }
        let ways = [CutWays::Both, CutWays::This, CutWays::Other][chooser.pick(sites.cut_for, 3)];
        Some((ways, draw_duration(chooser, sites.cut_for, &self.faults.cut_for)))
    }
}
