//! Swarm testing: each seed draws which kinds of faults are on, and how strong (Groce et al., "Swarm Testing", ISSTA
//! 2012). What each kind does is said in `fault/`; this only turns it on.

mod kinds;
mod strength;

use std::fmt;

use twinloop::Moment;

use crate::Sim;
use crate::choice::Chooser;
use crate::fabric::HostIndex;
use crate::fault::{BuggifyFaults, DiskFaults, HostFaults, LinkFaults, ZoneFaults};
use crate::record::{Record, item};
use crate::story::LineKind;
use kinds::{Effect, KINDS, Kind};
use strength::LEVELS;
pub use strength::Strength;

/// How probable it is that a kind is on: one of these for a whole run, so that there are runs with few kinds and with most.
const DENSITIES: [f64; 4] = [0.125, 0.25, 0.5, 0.75];

/// Which kinds of faults a seed may turn on, and how strong. Obtained from [`Sim::swarm`], to be changed in place.
///
/// With every fault on at once, runs look alike: connections that are reset all the time never get old enough for what
/// happens only to old ones. So a seed draws a density, then for each kind of fault whether it is on, and how strong:
/// its strongest, half of that, a quarter or an eighth. What is on is on for the whole run, on every link, host, disk
/// and zone that is not [safe](Swarm::safe).
///
/// Where a kind is on, it takes the place of what the scenario has said of that fault, and where it is off, the scenario's
/// word stands. What a script says of a link or host at a time is said of all of it, and ends what was drawn.
///
/// The draws have 0 for "off" and for "weakest", so that a shrinker switches whole kinds off first; the first lines of
/// the story say what is on.
///
/// ```
/// use std::time::Duration;
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{Units, run_world};
///
/// let report = run_world(&Choices::Seeded(2), Telling::Events, |sim| {
///     sim.client("client", || async { Ok(()) });
///     sim.client("judge", || async { Ok(()) });
///     sim.swarm()
///         .without(["disk", "link: mtu", "host: descriptors"])
///         .at_most("link: loss", 0.3)
///         .at_most("link: latency", 200.ms())
///         .safe(["judge"]);
/// });
/// let story = report.story.expect("a story was asked for");
/// assert!(story.lines[0].text.starts_with("swarm: "), "{story}");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Swarm {
    excluded: Vec<&'static str>,
    at_most: Vec<(&'static str, Strength)>,
    safe: Vec<String>,
}

impl Swarm {
    /// The names of all kinds, each with its family before it: `link: loss`.
    ///
    /// ```
    /// let disk = twinloop_sim::Swarm::kinds().filter(|kind| kind.starts_with("disk: "));
    /// assert!(disk.collect::<Vec<_>>().contains(&"disk: torn write"));
    /// ```
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|kind| kind.name)
    }

    /// Never turns these kinds on: those that the program does not claim to survive. A family stands for all of its kinds:
    /// `link`, `host`, `disk`, `zone`, `buggify`.
    ///
    /// # Panics
    ///
    /// If there is no such kind or family.
    pub fn without<'k>(&mut self, kinds: impl IntoIterator<Item = &'k str>) -> &mut Self {
        for name in kinds {
            self.excluded.extend(named(name).map(|kind| kind.name));
        }
        self
    }

    /// Turns on no kinds but these. Of what [`without`](Swarm::without) excludes, nothing comes back.
    ///
    /// # Panics
    ///
    /// If there is no such kind or family.
    pub fn only<'k>(&mut self, kinds: impl IntoIterator<Item = &'k str>) -> &mut Self {
        let kept: Vec<&'static str> = kinds.into_iter().flat_map(named).map(|kind| kind.name).collect();
        self.excluded.extend(Swarm::kinds().filter(|kind| !kept.contains(kind)));
        self
    }

    /// How strong a kind may be: a probability, a time, or a number. Of what is worse the less there is of it, such as
    /// descriptors or bytes in a second, it is the least.
    ///
    /// # Panics
    ///
    /// If there is no such kind, or its strength is of another sort.
    pub fn at_most(&mut self, kind: &str, strongest: impl Into<Strength>) -> &mut Self {
        let found = KINDS.iter().find(|known| known.name == kind);
        let known = found.unwrap_or_else(|| panic!("{}", unknown(kind)));
        let strongest = strongest.into();
        assert!(
            known.effect.strongest().is_of_the_sort_of(strongest),
            "the strength of {kind:?} is something like {}, not {strongest}",
            known.effect.strongest()
        );
        self.at_most.push((known.name, strongest));
        self
    }

    /// Keeps these hosts and their disks as the scenario has them, and the links between two of them, and zones that
    /// have any. Where such a host comes by a `buggify!`, it is false, unless the scenario itself has turned that site
    /// on. The run panics if no host is called so.
    pub fn safe<'h>(&mut self, hosts: impl IntoIterator<Item = &'h str>) -> &mut Self {
        self.safe.extend(hosts.into_iter().map(str::to_owned));
        self
    }

    fn strongest(&self, kind: &Kind) -> Strength {
        let own = self.at_most.iter().rev().find(|(name, _)| *name == kind.name);
        own.map_or_else(|| kind.effect.strongest(), |(_, strongest)| *strongest)
    }

    /// Draws what is on in this run.
    fn draw(&self, chooser: &mut Chooser, has_zones: bool) -> Vec<On> {
        let site = chooser.site("swarm: density");
        let density = DENSITIES[chooser.pick(site, DENSITIES.len())];
        let mut on = Vec::new();
        for kind in KINDS {
            let is_there = has_zones || !matches!(kind.effect, Effect::Zone(_));
            if !is_there || self.excluded.contains(&kind.name) {
                continue;
            }
            let site = chooser.site(&format!("swarm: {}", kind.name));
            if chooser.chance(site, density) {
                let site = chooser.site(&format!("swarm: {}: strength", kind.name));
                let level = chooser.pick(site, LEVELS);
                on.push(On { kind, level, strength: self.strongest(kind).at(level, kind.effect.is_limit()) });
            }
        }
        on
    }
}

/// The kinds that `name` means.
fn named(name: &str) -> impl Iterator<Item = &'static Kind> {
    let is_meant = move |kind: &&Kind| kind.name == name || kind.effect.family() == name;
    let found: Vec<&'static Kind> = KINDS.iter().filter(is_meant).collect();
    assert!(!found.is_empty(), "{}", unknown(name));
    found.into_iter()
}

fn unknown(name: &str) -> String {
    let kinds: Vec<&str> = Swarm::kinds().collect();
    format!("no kind of fault is called {name:?}; there are {}", kinds.join(", "))
}

/// A kind that is on.
struct On {
    kind: &'static Kind,
    level: usize,
    strength: Strength,
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "swarm: {}, {}", self.kind.name, self.strength)
    }
}

/// What a run has turned on, and for whom it does not count; nothing in a run without a swarm.
#[derive(Default)]
pub(crate) struct Drawn {
    on: Vec<On>,
    safe: Vec<HostIndex>,
    is_swarm: bool,
}

impl Drawn {
    /// Changes what the link from one host to another was told to do.
    pub(crate) fn on_link(&self, from: HostIndex, to: HostIndex, link: &mut LinkFaults) {
        let is_safe = self.safe.contains(&from) && self.safe.contains(&to);
        for (effect, strength) in self.effects(is_safe) {
            if let Effect::Link(setting) = effect {
                setting.set(link, strength);
            }
        }
    }

    pub(crate) fn on_host(&self, host: HostIndex, faults: &mut HostFaults) {
        for (effect, strength) in self.effects(self.safe.contains(&host)) {
            if let Effect::Host(setting) = effect {
                setting.set(faults, strength);
            }
        }
    }

    pub(crate) fn on_disk(&self, host: HostIndex, disk: &mut DiskFaults) {
        for (effect, strength) in self.effects(self.safe.contains(&host)) {
            if let Effect::Disk(setting) = effect {
                setting.set(disk, strength);
            }
        }
    }

    pub(crate) fn on_zone(&self, hosts: &[HostIndex], zone: &mut ZoneFaults) {
        let has_safe_one = hosts.iter().any(|host| self.safe.contains(host));
        for (effect, strength) in self.effects(has_safe_one) {
            if let Effect::Zone(setting) = effect {
                setting.set(zone, strength);
            }
        }
    }

    pub(crate) fn on_sites(&self, buggify: &mut BuggifyFaults) {
        for (effect, strength) in self.effects(false) {
            if let (Effect::Buggify(_), Strength::Probability(activation)) = (effect, strength) {
                buggify.set_by_swarm(activation, self.safe.clone());
            }
        }
    }

    fn effects(&self, is_safe: bool) -> impl Iterator<Item = (&'static Effect, Strength)> + '_ {
        let on: &[On] = if is_safe { &[] } else { &self.on };
        on.iter().map(|on| (&on.kind.effect, on.strength))
    }

    /// What is on stands at the beginning of the record.
    pub(crate) fn note(&self, record: &mut Record) {
        for on in &self.on {
            record.item(item::SWARM, Moment::ORIGIN, 0, &[on.level as u64]);
            record.bytes(on.kind.name.as_bytes());
            record.tell(Moment::ORIGIN, "", LineKind::Fault, || on.to_string());
        }
        if self.is_swarm && self.on.is_empty() {
            let nothing = || "swarm: no kind of fault is on".to_owned();
            record.tell(Moment::ORIGIN, "", LineKind::Fault, nothing);
        }
    }
}

impl Sim {
    /// Has each seed draw which kinds of faults are on, and how strong; what may be drawn is to be changed in place.
    /// Without this call nothing is drawn. See [`Swarm`].
    ///
    /// ```
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::run_world;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("client", || async { Ok(()) });
    ///     sim.swarm().only(["link"]).at_most("link: loss", 0.5);
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn swarm(&mut self) -> &mut Swarm {
        self.swarm.get_or_insert_default()
    }

    /// Draws what the swarm turns on.
    pub(crate) fn draw_swarm(&mut self) -> Drawn {
        let Some(swarm) = self.swarm.take() else { return Drawn::default() };
        let safe = swarm.safe.iter().map(|host| self.index(host)).collect();
        let has_zones = !self.zones.are_unnamed();
        Drawn { on: swarm.draw(&mut self.chooser, has_zones), safe, is_swarm: true }
    }
}
