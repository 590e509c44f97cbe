//! Zones: names for hosts that share a place, and what a scenario says of them. What a zone means is the scenario's to say: a
//! rack, a data centre, a version of the program. A host may be in several.

use std::collections::BTreeMap;

use crate::choice::Chooser;
use crate::fabric::HostIndex;
use crate::fault::{CutWays, LinkFaults, ZoneFaults, ZoneRule};
use crate::script::Act;
use crate::swarm::Drawn;
use crate::{At, Sim};

/// The zones of a world that is being put together.
#[derive(Default)]
pub(crate) struct Zones {
    named: Vec<(String, Vec<HostIndex>)>,
    faults: ZoneFaults,
}

impl Zones {
    /// What draws for them; nothing, without a site, where zones do not fail.
    pub(crate) fn into_rules(self, chooser: &mut Chooser, swarm: &Drawn) -> Vec<ZoneRule> {
        let rule = |(name, hosts): (String, Vec<HostIndex>)| {
            let mut faults = self.faults.clone();
            swarm.on_zone(&hosts, &mut faults);
            faults.draws_by_period().then(|| ZoneRule::new(chooser, &name, hosts, faults))
        };
        self.named.into_iter().filter_map(rule).collect()
    }

    /// The hosts of each zone.
    pub(crate) fn by_name(&self) -> BTreeMap<String, Vec<HostIndex>> {
        self.named.iter().cloned().collect()
    }

    /// Whether no zone was named.
    pub(crate) fn are_unnamed(&self) -> bool {
        self.named.is_empty()
    }

    fn hosts(&self, name: &str) -> &[HostIndex] {
        let found = self.named.iter().find(|(zone, _)| zone == name);
        let found =
            found.unwrap_or_else(|| panic!("no zone is called {name:?}: name it by Sim::zone() before"));
        &found.1
    }
}

/// Each pair of a host of one group and one of the other. Hosts in both belong to either side.
pub(crate) fn apart(one: &[HostIndex], other: &[HostIndex]) -> Vec<(HostIndex, HostIndex)> {
    let only = |group: &[HostIndex], not: &[HostIndex]| -> Vec<HostIndex> {
        group.iter().filter(|host| !not.contains(host)).copied().collect()
    };
    let (one, other) = (only(one, other), only(other, one));
    one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))).collect()
}

/// Every method that takes a zone panics if none of that name was [named](Sim::zone) before.
impl Sim {
    /// Names a zone of `hosts`, or adds them to the one of that name.
    ///
    /// # Panics
    ///
    /// If a host of such a name was not added before.
    ///
    /// ```
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{Units, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     for host in ["a", "b", "c"] {
    ///         sim.client(host, || async {
    ///             twinloop::sleep(1.s()).await;
    ///             Ok(())
    ///         });
    ///     }
    ///     sim.zone("eu", &["a", "b"]);
    ///     sim.zone("us", &["c"]);
    ///     sim.between_zones("eu", "us", |link| _ = link.latency(40.ms()));
    ///     sim.zones().crash(0.01).isolate(0.01);
    ///     sim.at(2.s()).crash_zone("eu").restart_zone("eu");
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn zone(&mut self, name: &str, hosts: &[&str]) {
        let indexes: Vec<HostIndex> = hosts.iter().map(|host| self.index(host)).collect();
        let named = &mut self.zones.named;
        match named.iter_mut().find(|(zone, _)| zone == name) {
            Some((_, of_zone)) => of_zone.extend(indexes),
            None => named.push((name.to_owned(), indexes)),
        }
    }

    /// How every zone fails, to be changed in place.
    pub fn zones(&mut self) -> &mut ZoneFaults {
        &mut self.zones.faults
    }

    /// Has `change` say how each link between a host of one zone and one of the other behaves, in both directions, as
    /// [`Sim::link`] does. With the same zone twice: the links inside of it.
    pub fn between_zones(&mut self, one: &str, other: &str, mut change: impl FnMut(&mut LinkFaults)) {
        for (a, b) in self.pairs(one, other) {
            change(self.link_of((a, b)));
        }
    }

    fn pairs_apart(&self, one: &str, other: &str) -> Vec<(HostIndex, HostIndex)> {
        apart(self.zones.hosts(one), self.zones.hosts(other))
    }

    /// Each pair of different hosts, one of each zone, once.
    fn pairs(&self, one: &str, other: &str) -> Vec<(HostIndex, HostIndex)> {
        let (one, other) = (self.zones.hosts(one), self.zones.hosts(other));
        self.crossing(one, other)
    }

    fn crossing(&self, one: &[HostIndex], other: &[HostIndex]) -> Vec<(HostIndex, HostIndex)> {
        let mut pairs: Vec<(HostIndex, HostIndex)> = Vec::new();
        for &a in one {
            for &b in other {
                let pair = (a.min(b), a.max(b));
                if a != b && !pairs.contains(&pair) {
                    pairs.push(pair);
                }
            }
        }
        pairs
    }

    /// Each pair of a host of the zone and one outside.
    fn pairs_around(&self, name: &str) -> Vec<(HostIndex, HostIndex)> {
        let inside = self.zones.hosts(name);
        let outside: Vec<HostIndex> = (0..self.host_count()).filter(|host| !inside.contains(host)).collect();
        self.crossing(inside, &outside)
    }
}

/// Every method that takes a zone panics if none of that name was [named](Sim::zone) before.
impl At<'_> {
    /// All hosts of the zone are gone without a word, until they are restarted.
    pub fn crash_zone(self, name: &str) -> Self {
        self.for_each_of(name, |host| Act::Crash { host })
    }

    /// All hosts of the zone that are down start again.
    pub fn restart_zone(self, name: &str) -> Self {
        self.for_each_of(name, |host| Act::Restart { host })
    }

    /// Nothing passes between the two zones any more, until healed. A host that is in both is still reached.
    pub fn partition_zones(self, one: &str, other: &str) -> Self {
        let pairs = self.sim.pairs_apart(one, other);
        self.cut_each(pairs)
    }

    /// Every link between the two zones carries again.
    pub fn heal_zones(self, one: &str, other: &str) -> Self {
        let pairs = self.sim.pairs_apart(one, other);
        self.heal_each(pairs)
    }

    /// Nothing passes between the zone and any host outside any more, until healed.
    pub fn isolate_zone(self, name: &str) -> Self {
        let pairs = self.sim.pairs_around(name);
        self.cut_each(pairs)
    }

    /// Every link between the zone and a host outside carries again.
    pub fn rejoin_zone(self, name: &str) -> Self {
        let pairs = self.sim.pairs_around(name);
        self.heal_each(pairs)
    }

    fn for_each_of(self, name: &str, act: impl Fn(HostIndex) -> Act) -> Self {
        let hosts = self.sim.zones.hosts(name).to_vec();
        hosts.into_iter().fold(self, |at, host| at.step(act(host)))
    }

    fn cut_each(self, pairs: Vec<(HostIndex, HostIndex)>) -> Self {
        let cut = |(from, to)| Act::Cut { from, to, ways: CutWays::Both };
        pairs.into_iter().fold(self, |at, pair| at.step(cut(pair)))
    }

    fn heal_each(self, pairs: Vec<(HostIndex, HostIndex)>) -> Self {
        pairs.into_iter().fold(self, |at, (a, b)| at.step(Act::Heal { a, b }))
    }
}
