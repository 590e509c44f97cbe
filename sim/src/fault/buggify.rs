//! Which `buggify!` sites of the program misbehave in this run, and when.

use twinloop::catalogue::{Item, Kind, items};

use super::checked;
use crate::choice::{Chooser, Site};
use crate::fabric::HostIndex;

/// How probable it is that a site is on.
#[derive(Clone, Debug, Default)]
pub(crate) struct BuggifyFaults {
    /// Of sites that are not named below.
    activation: f64,
    own: Vec<(&'static Item, f64)>,
    by_swarm: Option<BySwarm>,
}

/// What a swarm has drawn for the sites that are not named.
#[derive(Clone, Debug)]
struct BySwarm {
    activation: f64,
    /// Hosts that have it as the scenario says.
    safe: Vec<HostIndex>,
}

impl BuggifyFaults {
    pub(crate) fn set(&mut self, activation: f64) {
        self.activation = checked(activation);
    }

    /// # Panics
    ///
    /// If no site of the program is called so.
    pub(crate) fn set_site(&mut self, name: &str, activation: f64) {
        let is_site = |item: &&Item| item.kind() == Kind::Buggify && item.name() == name;
        let Some(site) = items().iter().find(is_site) else {
            let sites = items().iter().filter(|item| item.kind() == Kind::Buggify);
            let names: Vec<&str> = sites.map(Item::name).collect();
            panic!("no buggify! of this program is called {name:?}; there are {names:?}");
        };
        self.own.push((site, checked(activation)));
    }

    /// A swarm has turned sites on, but for these hosts.
    pub(crate) fn set_by_swarm(&mut self, activation: f64, safe: Vec<HostIndex>) {
        self.by_swarm = Some(BySwarm { activation, safe });
    }

    /// Whether the site may be on where this host comes by: one that is kept safe has no site that the scenario left off.
    fn may_fire(&self, host: HostIndex, site: &Item) -> bool {
        let is_safe = self.by_swarm.as_ref().is_some_and(|swarm| swarm.safe.contains(&host));
        !is_safe || self.own_of(site).unwrap_or(self.activation) > 0.0
    }

    /// A site is on or off for all hosts at once, so that there is one answer.
    fn activation_of(&self, site: &Item) -> f64 {
        let of_others = self.by_swarm.as_ref().map_or(self.activation, |swarm| swarm.activation);
        self.own_of(site).unwrap_or(of_others)
    }

    fn own_of(&self, site: &Item) -> Option<f64> {
        let own = self.own.iter().rev().find(|(own, _)| own.number() == site.number());
        own.map(|(_, activation)| *activation)
    }
}

/// The sites of one run, each drawn when the program first comes there.
#[derive(Default)]
pub(crate) struct BuggifyRule {
    faults: BuggifyFaults,
    /// By the number of the item; empty until a program comes by a site.
    sites: Vec<Switch>,
}

#[derive(Clone, Copy)]
enum Switch {
    Undrawn,
    Off,
    On(Site),
}

/// What a site does.
pub(crate) struct Fired {
    pub(crate) fires: bool,
    /// It was found to be on just now.
    pub(crate) is_new: bool,
}

impl BuggifyRule {
    pub(crate) fn new(faults: BuggifyFaults) -> BuggifyRule {
        BuggifyRule { faults, sites: Vec::new() }
    }

    pub(crate) fn draw(
        &mut self,
        chooser: &mut Chooser,
        host: HostIndex,
        site: &Item,
        probability: f64,
    ) -> Fired {
        if !self.faults.may_fire(host, site) {
            return Fired { fires: false, is_new: false };
        }
        if self.sites.is_empty() {
            self.sites.resize(items().len(), Switch::Undrawn);
        }
        let mut is_new = false;
        if let Switch::Undrawn = self.sites[site.number()] {
            self.sites[site.number()] = self.draw_switch(chooser, site);
            is_new = matches!(self.sites[site.number()], Switch::On(_));
        }
        let fires = match self.sites[site.number()] {
            Switch::On(draws) => chooser.chance(draws, probability),
            Switch::Off | Switch::Undrawn => false,
        };
        Fired { fires, is_new }
    }

    fn draw_switch(&self, chooser: &mut Chooser, site: &Item) -> Switch {
        let activation = self.faults.activation_of(site);
        if activation <= 0.0 {
            return Switch::Off;
        }
        let name = format!("buggify: {}", site.name());
        let switch = chooser.site(&format!("{name}: on"));
        if chooser.chance(switch, activation) { Switch::On(chooser.site(&name)) } else { Switch::Off }
    }
}
