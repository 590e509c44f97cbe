//! The one oracle for all chance: a bounded pick at a named site. It knows no fault and no time.

mod bytes;
mod priorities;
mod random;
mod stale;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use bytes::RawPicks;
use priorities::Priorities;
use random::Stream;
use serde::{Deserialize, Serialize};
pub use stale::{Stale, StaleReason};

use crate::determinism::trail;

/// How the names of sites begin at which a scenario chooses for itself.
pub(crate) const INPUT: &str = "scenario: ";

/// What a site draws, without whose it is: the name of a site is `whose: what`.
pub(crate) fn kind_of(site: &str) -> &str {
    site.rsplit_once(": ").map_or(site, |(_, kind)| kind)
}

/// A place that draws, by its interned name. Obtained from [`Chooser::site`]; valid for that chooser only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site(u32);

/// One answer that was not 0: the `occurrence`-th draw at `site` (counted from 0) gave `value`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pick {
    /// The name of the site.
    pub site: String,
    /// Which draw at that site, from 0.
    pub occurrence: u32,
    /// What it answered; never 0.
    pub value: u32,
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} #{} = {}", self.site, self.occurrence, self.value)
    }
}

/// What decides a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Choices {
    /// Every pick is drawn from the seed.
    Seeded(u64),
    /// The listed picks are answered as listed and every other one with 0. The seed still gives what programs ask for
    /// as entropy.
    Replayed {
        /// The seed of the run that the picks come from.
        seed: u64,
        /// The picks that are not 0.
        picks: Vec<Pick>,
    },
    /// As the bytes say that [`Choices::from_bytes`] was given.
    Raw(RawPicks),
    /// As [`Seeded`](Choices::Seeded), but only where the scenario chooses for itself and at sites of these kinds:
    /// everything else is as usual.
    Only {
        /// The seed.
        seed: u64,
        /// What such sites draw: their names without whose they are, as `loss` is of `a > b: loss`.
        kinds: BTreeSet<String>,
    },
    /// As [`Seeded`](Choices::Seeded), but for the order in which threads that are due at one moment turn: each has a
    /// priority, and the one with the highest turns first, again and again; now and then one of them becomes the
    /// lowest. What needs one thread to be far ahead of another is found so, which drawing each turn anew all but never
    /// does (Burckhardt and others, "A randomized scheduler with probabilistic guarantees of finding bugs", 2010).
    Prioritised {
        /// The seed.
        seed: u64,
        /// How often a thread becomes the lowest: as many as the order of so many events, less one, takes to show the bug.
        changes: u32,
    },
    /// As [`Replayed`](Choices::Replayed) for the first draws of the run, and drawn from another seed from then on.
    Branched {
        /// The seed of the run that the picks come from, and of what programs ask for as entropy.
        seed: u64,
        /// The picks of that run that are not 0.
        picks: Vec<Pick>,
        /// How many draws, of all sites together, are those of that run.
        after: u32,
        /// What the others are drawn from.
        fresh: u64,
    },
}

impl Choices {
    /// Choices for whatever makes and mutates bytes: a coverage-guided fuzzer, or a strategy of proptest. Any bytes will do;
    /// none are the plainest run.
    ///
    /// The first eight are the seed, least byte first. Each four that follow are one pick: the number of its site, counted
    /// from 0 in the order in which a run names its sites, modulo 256; how many draws at that site to leave usual after the
    /// last pick there; and what is answered, as 16 bits with the least byte first, of which 0 leaves this draw usual too. An
    /// answer stands for one of the unusual alternatives, however many there are.
    ///
    /// A pick of its own for each four bytes, instead of bytes that are used up draw by draw: a change of one pick changes no
    /// other one, and the length of an input is that of what is unusual in it, not that of the run.
    ///
    /// What such a run comes to has the picks in its [`unusual`](crate::verdict::Report::unusual), as every run: with
    /// the seed they make the [`Choices::Replayed`] of a replay file.
    ///
    /// ```
    /// use twinloop_sim::choice::{Choices, Chooser};
    ///
    /// let site_1_third_draw = [1, 2, 5, 0];
    /// let mut chooser = Chooser::new(&Choices::from_bytes(&[&[0; 8][..], &site_1_third_draw].concat()));
    /// chooser.site("a > b: loss");
    /// let jitter = chooser.site("a > b: jitter");
    /// assert_eq!([0, 0, 5, 0], [(); 4].map(|()| chooser.pick(jitter, 100)));
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Choices {
        Choices::Raw(RawPicks::new(bytes))
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        match self {
            Choices::Seeded(seed)
            | Choices::Replayed { seed, .. }
            | Choices::Only { seed, .. }
            | Choices::Prioritised { seed, .. }
            | Choices::Branched { seed, .. } => *seed,
            Choices::Raw(picks) => picks.seed,
        }
    }
}

/// Answers every bounded choice of a run and keeps the answers that were not 0.
///
/// Each site draws from a stream of its own, keyed by the seed and the site's name, with a counter of its own: a draw
/// added at one site changes no other. In every choice 0 means that nothing unusual happens: no fault, the least delay,
/// the given order.
///
/// ```
/// use twinloop_sim::choice::{Choices, Chooser};
///
/// let mut first = Chooser::new(&Choices::Seeded(7));
/// let loss = first.site("a > b: loss");
/// let drawn: Vec<usize> = (0..20).map(|_| first.pick(loss, 10)).collect();
///
/// // The picks that were not 0 are the whole run: replayed, they give the same answers.
/// let mut again = Chooser::new(&Choices::Replayed { seed: 7, picks: first.unusual() });
/// let loss = again.site("a > b: loss");
/// assert_eq!(drawn, (0..20).map(|_| again.pick(loss, 10)).collect::<Vec<_>>());
/// ```
pub struct Chooser {
    seed: u64,
    source: Source,
    priorities: Option<Box<Priorities>>,
    /// Every draw, where a search goes by them.
    draws: Option<Vec<Draw>>,
    draw_count: u32,
    by_name: BTreeMap<String, Site>,
    sites: Vec<SiteState>,
    /// Replayed picks of sites that were not named yet.
    unclaimed: BTreeMap<String, BTreeMap<u32, u32>>,
    log: Vec<Logged>,
    stale: Vec<Stale>,
    is_watched: bool,
}

/// Where answers come from.
enum Source {
    /// From the site's stream.
    Drawn,
    /// What the run is told to pick, and 0 otherwise.
    Replayed,
    /// The same, and the answer is what the raw value stands for.
    Raw(RawPicks),
    /// From the site's stream at sites of these kinds, and 0 elsewhere.
    DrawnOnly(BTreeSet<String>),
    /// What the run is told to pick, for so many draws; then from streams of another seed.
    Branched { after: u32, fresh: u64 },
}

struct SiteState {
    name: String,
    stream: Stream,
    occurrence: u32,
    /// Whether its stream decides.
    draws: bool,
    /// What is answered instead of 0, if the stream does not decide.
    listed: BTreeMap<u32, u32>,
}

struct Logged {
    site: Site,
    occurrence: u32,
    value: u32,
}

/// Every draw of a run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draws {
    names: Vec<String>,
    pub(crate) list: Vec<Draw>,
}

/// One draw, usual or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draw {
    site: u32,
    occurrence: u32,
    pub(crate) value: u32,
    /// The value is below this.
    pub(crate) alternatives: u32,
}

impl Draws {
    /// The pick that answers a draw with `value`.
    pub(crate) fn pick(&self, draw: &Draw, value: u32) -> Pick {
        Pick { site: self.names[draw.site as usize].clone(), occurrence: draw.occurrence, value }
    }
}

impl Chooser {
    /// A chooser that answers as `choices` say.
    pub fn new(choices: &Choices) -> Chooser {
        let mut unclaimed: BTreeMap<String, BTreeMap<u32, u32>> = BTreeMap::new();
        if let Choices::Replayed { picks, .. } | Choices::Branched { picks, .. } = choices {
            for pick in picks {
                unclaimed.entry(pick.site.clone()).or_default().insert(pick.occurrence, pick.value);
            }
        }
        Chooser {
            seed: choices.seed(),
            source: match choices {
                Choices::Seeded(_) | Choices::Prioritised { .. } => Source::Drawn,
                Choices::Replayed { .. } => Source::Replayed,
                Choices::Raw(picks) => Source::Raw(picks.clone()),
                Choices::Only { kinds, .. } => Source::DrawnOnly(kinds.clone()),
                Choices::Branched { after, fresh, .. } => Source::Branched { after: *after, fresh: *fresh },
            },
            priorities: match choices {
                Choices::Prioritised { seed, changes } => Some(Box::new(Priorities::new(*seed, *changes))),
                _ => None,
            },
            draws: None,
            draw_count: 0,
            by_name: BTreeMap::new(),
            sites: Vec::new(),
            unclaimed,
            log: Vec::new(),
            stale: Vec::new(),
            is_watched: trail::is_watched(),
        }
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The site called `name`. Asking again gives the same one.
    pub fn site(&mut self, name: &str) -> Site {
        if let Some(&site) = self.by_name.get(name) {
            return site;
        }
        let site = Site(u32::try_from(self.sites.len()).expect("a run names fewer than 2³² sites"));
        let listed = match &self.source {
            Source::Drawn | Source::DrawnOnly(_) => BTreeMap::new(),
            Source::Replayed | Source::Branched { .. } => self.unclaimed.remove(name).unwrap_or_default(),
            Source::Raw(picks) => picks.of_site(site.0),
        };
        let draws = match &self.source {
            Source::Drawn => true,
            Source::DrawnOnly(kinds) => name.starts_with(INPUT) || kinds.contains(kind_of(name)),
            // A branched one begins to with a draw.
            Source::Replayed | Source::Raw(_) | Source::Branched { .. } => false,
        };
        let stream_seed = if let Source::Branched { fresh, .. } = self.source { fresh } else { self.seed };
        self.sites.push(SiteState {
            name: name.to_owned(),
            stream: Stream::new(stream_seed, name),
            occurrence: 0,
            draws,
            listed,
        });
        self.by_name.insert(name.to_owned(), site);
        site
    }

    /// One of `n` alternatives, all equally likely. 0 is the one in which nothing unusual happens.
    ///
    /// # Panics
    ///
    /// If `n` is 0: there is nothing to choose from.
    pub fn pick(&mut self, site: Site, n: usize) -> usize {
        assert!(n > 0, "a pick needs at least one alternative");
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.answer(site, n, |stream| stream.below(n)) as usize
    }

    /// Whether something unusual happens that has `probability` (from 0 to 1). A pick of two alternatives.
    pub fn chance(&mut self, site: Site, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        self.answer(site, 2, |stream| u32::from(stream.chance(probability))) == 1
    }

    /// Fills `buffer` from the seed: what programs get when they ask for entropy. Not a choice; it is not logged, and a
    /// replay gives the same bytes.
    pub fn entropy(&mut self, site: Site, buffer: &mut [u8]) {
        let state = &mut self.sites[site.0 as usize];
        if self.is_watched {
            let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
            trail::see(|trail| trail.draw(&state.name, 0, 0, length));
        }
        if let (Source::Branched { .. }, 0) = (&self.source, state.occurrence) {
            // What programs ask for is not branched.
            state.stream = Stream::new(self.seed, &state.name);
            state.occurrence = 1;
        }
        state.stream.fill(buffer);
    }

    fn answer(&mut self, site: Site, n: u32, draw: impl FnOnce(&mut Stream) -> u32) -> u32 {
        let state = &mut self.sites[site.0 as usize];
        let occurrence = state.occurrence;
        state.occurrence += 1;
        if let Source::Branched { after, .. } = self.source {
            state.draws = self.draw_count >= after;
        }
        self.draw_count += 1;
        let value = if state.draws {
            draw(&mut state.stream)
        } else if state.listed.is_empty() {
            0
        } else {
            match (state.listed.remove(&occurrence), &self.source) {
                (None, _) => 0,
                (Some(raw), Source::Raw(_)) => bytes::answer(raw, n),
                (Some(value), _) if value < n => value,
                (Some(value), _) => {
                    let pick = Pick { site: state.name.clone(), occurrence, value };
                    self.stale.push(Stale { pick, reason: StaleReason::OutOfRange { alternatives: n } });
                    0
                }
            }
        };
        self.log(site, occurrence, value, n)
    }

    /// Which of several threads that are due turns: the index of one of `ids`, of which there are `count`. As
    /// [`pick`](Chooser::pick), unless threads have priorities.
    pub(crate) fn pick_thread(&mut self, site: Site, count: usize, ids: impl Iterator<Item = u64>) -> usize {
        let Some(priorities) = &mut self.priorities else { return self.pick(site, count) };
        let n = u32::try_from(count).expect("a world has fewer than 2³² threads");
        let value = priorities.highest(ids);
        let occurrence = self.sites[site.0 as usize].occurrence;
        self.sites[site.0 as usize].occurrence += 1;
        self.log(site, occurrence, value as u32, n) as usize
    }

    fn log(&mut self, site: Site, occurrence: u32, value: u32, n: u32) -> u32 {
        if self.is_watched {
            let name = &self.sites[site.0 as usize].name;
            trail::see(|trail| trail.draw(name, occurrence, n, value));
        }
        if let Some(draws) = &mut self.draws {
            draws.push(Draw { site: site.0, occurrence, value, alternatives: n });
        }
        if value != 0 {
            self.log.push(Logged { site, occurrence, value });
        }
        value
    }

    /// From now on every draw is listed.
    pub(crate) fn list_draws(&mut self) {
        self.draws = Some(Vec::new());
    }

    /// The draws that were listed, and the names of their sites.
    pub(crate) fn take_draws(&mut self) -> Draws {
        let names = self.sites.iter().map(|state| state.name.clone()).collect();
        Draws { names, list: self.draws.take().unwrap_or_default() }
    }

    /// How many picks were not 0 so far.
    pub(crate) fn drawn(&self) -> usize {
        self.log.len()
    }

    /// The picks so far that were not 0, in the order in which they were drawn.
    pub fn unusual(&self) -> Vec<Pick> {
        let named = |logged: &Logged| Pick {
            site: self.sites[logged.site.0 as usize].name.clone(),
            occurrence: logged.occurrence,
            value: logged.value,
        };
        self.log.iter().map(named).collect()
    }

    /// The replayed picks that applied to no draw so far, or to one with too few alternatives, by site and occurrence.
    pub fn stale(&self) -> Vec<Stale> {
        // Bytes that find no draw are no promise that is broken: most that a fuzzer tries find none.
        if !matches!(self.source, Source::Replayed) {
            return Vec::new();
        }
        let waiting =
            self.sites.iter().map(|state| (&state.name, &state.listed)).chain(self.unclaimed.iter());
        let picks = waiting.flat_map(|(site, picks)| {
            picks.iter().map(|(&occurrence, &value)| Pick { site: site.clone(), occurrence, value })
        });
        let undrawn = picks.map(|pick| Stale::undrawn(pick, &self.sites));
        let mut stale: Vec<Stale> = self.stale.iter().cloned().chain(undrawn).collect();
        stale.sort();
        stale
    }
}

impl fmt::Debug for Chooser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chooser")
            .field("seed", &self.seed)
            .field("unusual", &self.log.len())
            .finish_non_exhaustive()
    }
}
