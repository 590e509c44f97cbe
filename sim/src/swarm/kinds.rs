//! Every kind of fault, by name, with how strong it is if nobody says more, and the setting that turns it on.
//!
//! A setting that only says how long a fault lasts is no kind of its own: the scenario says it. A test compares this
//! list with the settings that there are.

use std::time::Duration;

use Setting::{Chance, Least, Most, On, Time};

use super::Strength;
use crate::fault::{DiskFaults, Distribution, HostFaults, LinkFaults, ZoneFaults};

pub(super) struct Kind {
    /// Its family, then what it is.
    pub(super) name: &'static str,
    pub(super) effect: Effect,
}

/// What it is set on.
pub(super) enum Effect {
    Link(Setting<LinkFaults>),
    Host(Setting<HostFaults>),
    Disk(Setting<DiskFaults>),
    Zone(Setting<ZoneFaults>),
    /// How probable it is for each site of the programs that it is on.
    Buggify(f64),
}

/// How strong it may be, and the method that says so.
pub(super) enum Setting<F: 'static> {
    /// A probability.
    Chance(f64, fn(&mut F, f64) -> &mut F),
    Time(Duration, fn(&mut F, Duration) -> &mut F),
    /// The more, the worse.
    Most(u64, fn(&mut F, u64) -> &mut F),
    /// The less, the worse.
    Least(u64, fn(&mut F, u64) -> &mut F),
    On(fn(&mut F) -> &mut F),
}

impl<F> Setting<F> {
    /// Says to `faults` how strong this one is.
    pub(super) fn set(&self, faults: &mut F, strength: Strength) {
        match (self, strength) {
            (Chance(_, set), Strength::Probability(probability)) => _ = set(faults, probability),
            (Time(_, set), Strength::Time(time)) => _ = set(faults, time),
            (Most(_, set) | Least(_, set), Strength::Number(number)) => _ = set(faults, number),
            (On(set), Strength::Whole) => _ = set(faults),
            (_, strength) => unreachable!("at_most() refuses a strength of another sort, such as {strength}"),
        }
    }

    const fn strongest(&self) -> Strength {
        match self {
            Chance(probability, _) => Strength::Probability(*probability),
            Time(time, _) => Strength::Time(*time),
            Most(number, _) | Least(number, _) => Strength::Number(*number),
            On(_) => Strength::Whole,
        }
    }

    const fn is_limit(&self) -> bool {
        matches!(self, Least(..))
    }
}

impl Effect {
    pub(super) fn family(&self) -> &'static str {
        match self {
            Effect::Link(_) => "link",
            Effect::Host(_) => "host",
            Effect::Disk(_) => "disk",
            Effect::Zone(_) => "zone",
            Effect::Buggify(_) => "buggify",
        }
    }

    pub(super) fn strongest(&self) -> Strength {
        match self {
            Effect::Link(setting) => setting.strongest(),
            Effect::Host(setting) => setting.strongest(),
            Effect::Disk(setting) => setting.strongest(),
            Effect::Zone(setting) => setting.strongest(),
            Effect::Buggify(activation) => Strength::Probability(*activation),
        }
    }

    /// Whether it is worse the less there is of it.
    pub(super) fn is_limit(&self) -> bool {
        match self {
            Effect::Link(setting) => setting.is_limit(),
            Effect::Host(setting) => setting.is_limit(),
            Effect::Disk(setting) => setting.is_limit(),
            Effect::Zone(setting) => setting.is_limit(),
            Effect::Buggify(_) => false,
        }
    }
}

const fn link(name: &'static str, setting: Setting<LinkFaults>) -> Kind {
    Kind { name, effect: Effect::Link(setting) }
}

const fn host(name: &'static str, setting: Setting<HostFaults>) -> Kind {
    Kind { name, effect: Effect::Host(setting) }
}

const fn disk(name: &'static str, setting: Setting<DiskFaults>) -> Kind {
    Kind { name, effect: Effect::Disk(setting) }
}

const fn zone(name: &'static str, setting: Setting<ZoneFaults>) -> Kind {
    Kind { name, effect: Effect::Zone(setting) }
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Each takes the place of those before it that say the same: of latencies, the tail stands last.
#[rustfmt::skip]
pub(super) static KINDS: &[Kind] = &[
    link("link: latency", Time(ms(50), LinkFaults::latency)),
    link("link: jitter", Time(ms(50), LinkFaults::jitter)),
    link("link: long tail", Time(ms(2000), |link, most| link.latency_from(Distribution::long_tail(ms(1), most)))),
    link("link: loss", Chance(0.05, LinkFaults::loss)),
    link("link: loss bursts", Chance(0.01, |link, chance| link.loss_bursts(chance, 2..8))),
    link("link: reset", Chance(0.01, LinkFaults::reset)),
    link("link: cut", Chance(0.01, LinkFaults::cut)),
    link("link: clog", Chance(0.01, LinkFaults::clog)),
    link("link: reorder", Chance(0.1, |link, chance| link.reorder(chance, ms(20)))),
    link("link: duplicate", Chance(0.05, LinkFaults::duplicate)),
    link("link: corrupt", Chance(0.02, LinkFaults::corrupt)),
    link("link: corrupt unseen", Chance(0.002, LinkFaults::corrupt_unseen)),
    link("link: bandwidth", Least(50_000, LinkFaults::bandwidth)),
    link("link: mtu", Least(1280, |link, bytes| link.mtu(bytes as usize))),
    link("link: refuse", Chance(0.1, LinkFaults::refuse)),
    link("link: unreachable", Chance(0.02, LinkFaults::unreachable)),
    host("host: short read", Chance(0.2, HostFaults::short_read)),
    host("host: short write", Chance(0.2, HostFaults::short_write)),
    host("host: spurious", Chance(0.1, HostFaults::spurious)),
    host("host: late event", Chance(0.1, HostFaults::late_event)),
    host("host: event order", Chance(0.5, HostFaults::event_order)),
    host("host: late timer", Chance(0.1, HostFaults::late_timer)),
    host("host: late wake", Chance(0.1, HostFaults::late_wake)),
    host("host: crash", Chance(0.005, HostFaults::crash)),
    host("host: kill", Chance(0.005, HostFaults::kill)),
    host("host: stop", Chance(0.005, HostFaults::stop)),
    host("host: pause", Chance(0.005, HostFaults::pause)),
    host("host: suspend", Chance(0.005, HostFaults::suspend)),
    host("host: slow", Time(ms(1), |host, most| host.callback_cost(Duration::ZERO..most))),
    host("host: descriptors", Least(64, |host, limit| host.descriptors(limit as usize))),
    host("host: foreign descriptors", Most(32, |host, most| host.foreign_descriptors(0..most as usize + 1))),
    host("host: ports", Least(64, few_ports)),
    host("host: interrupted", Chance(0.1, HostFaults::interrupted)),
    host("host: table full", Chance(0.02, HostFaults::table_full)),
    host("host: no buffers", Chance(0.02, HostFaults::no_buffers)),
    host("host: aborted accept", Chance(0.1, HostFaults::aborted_accept)),
    host("host: wall skew", Time(ms(3_600_000), HostFaults::wall_skew)),
    host("host: wall drift", Most(400, |host, ppm| host.wall_drift(ppm as u32))),
    host("host: clock drift", Most(400, |host, ppm| host.clock_drift(ppm as u32))),
    host("host: wall jump", Chance(0.01, HostFaults::wall_jump)),
    host("host: lookup latency", Time(ms(1000), HostFaults::lookup_latency)),
    host("host: lookup jitter", Time(ms(1000), HostFaults::lookup_jitter)),
    host("host: lookup loss", Chance(0.2, HostFaults::lookup_loss)),
    host("host: lookup failure", Chance(0.2, HostFaults::lookup_failure)),
    host("host: lookup stale", Chance(0.5, HostFaults::lookup_stale)),
    host("host: lookup partial", Chance(0.5, HostFaults::lookup_partial)),
    host("host: lookup rotated", Chance(0.5, HostFaults::lookup_rotated)),
    disk("disk: latency", Time(ms(20), DiskFaults::latency)),
    disk("disk: sync latency", Time(ms(50), DiskFaults::sync_latency)),
    disk("disk: jitter", Time(ms(20), DiskFaults::jitter)),
    disk("disk: slow sync", Chance(0.05, DiskFaults::slow_sync)),
    disk("disk: capacity", Least(1 << 20, DiskFaults::capacity)),
    disk("disk: short read", Chance(0.2, DiskFaults::short_read)),
    disk("disk: read error", Chance(0.02, DiskFaults::read_error)),
    disk("disk: write error", Chance(0.02, DiskFaults::write_error)),
    disk("disk: sync error", Chance(0.02, DiskFaults::sync_error)),
    disk("disk: read only", Chance(0.002, DiskFaults::read_only)),
    disk("disk: latent error", Chance(0.01, DiskFaults::latent_error)),
    disk("disk: rot", Chance(0.005, DiskFaults::rot)),
    disk("disk: misdirected read", Chance(0.005, DiskFaults::misdirected_read)),
    disk("disk: misdirected write", Chance(0.005, DiskFaults::misdirected_write)),
    disk("disk: lost write", Chance(0.005, DiskFaults::lost_write)),
    disk("disk: unsynced lost", Chance(1.0, DiskFaults::unsynced_lost)),
    disk("disk: torn write", Chance(1.0, DiskFaults::torn_write)),
    disk("disk: names lost", Chance(1.0, DiskFaults::names_lost)),
    disk("disk: names out of order", On(|disk| disk.names_out_of_order(true))),
    disk("disk: left undone", Chance(0.5, DiskFaults::left_undone)),
    zone("zone: crash", Chance(0.005, ZoneFaults::crash)),
    zone("zone: isolate", Chance(0.01, ZoneFaults::isolate)),
    Kind { name: "buggify", effect: Effect::Buggify(0.5) },
];

/// A kernel that has few ports to pick from: the first of those that it has.
fn few_ports(host: &mut HostFaults, count: u64) -> &mut HostFaults {
    const FIRST: u16 = 32_768;
    let further = u16::try_from(count.saturating_sub(1)).unwrap_or(u16::MAX).min(u16::MAX - FIRST);
    host.ephemeral_ports(FIRST..=FIRST + further)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes<F: Default + PartialEq>(setting: &Setting<F>) -> bool {
        let mut faults = F::default();
        setting.set(&mut faults, setting.strongest());
        faults != F::default()
    }

    #[test]
    fn every_kind_changes_what_is_usual() {
        for Kind { name, effect } in KINDS {
            assert!(name.starts_with(effect.family()), "{name:?} begins with its family");
            assert!(
                match effect {
                    Effect::Link(setting) => changes(setting),
                    Effect::Host(setting) => changes(setting),
                    Effect::Disk(setting) => changes(setting),
                    Effect::Zone(setting) => changes(setting),
                    Effect::Buggify(activation) => *activation > 0.0,
                },
                "{name} does something"
            );
        }
    }
}
