//! How whole zones fail: hosts that share a power line, a rack, a switch, and with it their fate.

use std::ops::Range;
use std::time::Duration;

use super::{checked, draw_duration};
use crate::choice::{Chooser, Site};
use crate::fabric::HostIndex;

/// How zones of hosts fail together. [`ZoneFaults::default`] is the kind world: they do not.
///
/// A scenario changes those of its world in place: [`Sim::zones`](crate::Sim::zones).
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneFaults {
    crash: f64,
    down_for: Range<Duration>,
    isolate: f64,
    isolate_for: Range<Duration>,
}

impl Default for ZoneFaults {
    fn default() -> Self {
        let while_ = Duration::from_millis(100)..Duration::from_secs(3);
        ZoneFaults { crash: 0.0, down_for: while_.clone(), isolate: 0.0, isolate_for: while_ }
    }
}

impl ZoneFaults {
    /// The probability, in each 50 ms and for each zone, that the power fails there: all its hosts crash at once, and start
    /// again together after a time.
    pub fn crash(&mut self, probability: f64) -> &mut Self {
        self.crash = checked(probability);
        self
    }

    /// How long the hosts of a zone stay down together; from 100 ms to 3 s if nothing is said.
    pub fn down_for(&mut self, range: Range<Duration>) -> &mut Self {
        self.down_for = range;
        self
    }

    /// The probability, in each 50 ms and for each zone, that it is cut off from every host outside for a time. Inside, links
    /// carry as before.
    pub fn isolate(&mut self, probability: f64) -> &mut Self {
        self.isolate = checked(probability);
        self
    }

    /// How long a zone stays cut off; from 100 ms to 3 s if nothing is said.
    pub fn isolate_for(&mut self, range: Range<Duration>) -> &mut Self {
        self.isolate_for = range;
        self
    }

    /// Whether something is drawn in each period.
    pub(crate) fn draws_by_period(&self) -> bool {
        self.crash > 0.0 || self.isolate > 0.0
    }
}

/// One zone's faults, with the sites that draw for it.
pub(crate) struct ZoneRule {
    pub(crate) hosts: Vec<HostIndex>,
    faults: ZoneFaults,
    crash: Site,
    isolate: Site,
}

impl ZoneRule {
    pub(crate) fn new(
        chooser: &mut Chooser,
        name: &str,
        hosts: Vec<HostIndex>,
        faults: ZoneFaults,
    ) -> ZoneRule {
        let mut site = |what: &str| chooser.site(&format!("zone {name}: {what}"));
        ZoneRule { hosts, faults, crash: site("crash"), isolate: site("isolate") }
    }

    /// Whether its power fails now, and for how long.
    pub(crate) fn draw_crash(&self, chooser: &mut Chooser) -> Option<Duration> {
        let crashes = chooser.chance(self.crash, self.faults.crash);
        crashes.then(|| draw_duration(chooser, self.crash, &self.faults.down_for))
    }

    /// Whether it is cut off now, and for how long.
    pub(crate) fn draw_isolation(&self, chooser: &mut Chooser) -> Option<Duration> {
        let is_cut = chooser.chance(self.isolate, self.faults.isolate);
        is_cut.then(|| draw_duration(chooser, self.isolate, &self.faults.isolate_for))
    }
}
