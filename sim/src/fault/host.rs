//! How hosts misbehave: what a kernel and its clock may do to programs, how often, and the verdict on each call and poll.

mod clocks;
mod errors;
mod lookup;
mod process;

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use twinloop::Moment;
use twinloop::driver::Event;

use super::{STEPS, checked, draw_duration};
use crate::choice::{Chooser, Site};
use crate::names::{Answer, NameFailure};
use clocks::{ClockFaults, ClockSites};
pub(crate) use errors::Call;
use errors::{ErrorFaults, ErrorSites};
use lookup::{LookupFaults, LookupSites};
pub(crate) use process::ProcessFault;
use process::{ProcessFaults, ProcessSites};

/// How long an event or a timer may be late, if nothing is said.
const LATE_MAX: Duration = Duration::from_millis(20);

/// How a host's kernel and clock treat its programs. [`HostFaults::default`] is a kind host: nothing unusual.
///
/// A scenario changes those of its world in place: [`Sim::faults`](crate::Sim::faults),
/// [`Sim::host_faults`](crate::Sim::host_faults).
#[derive(Clone, Debug, PartialEq)]
pub struct HostFaults {
    short_read: f64,
    short_write: f64,
    spurious: f64,
    late_event: f64,
    event_order: f64,
    late_timer: f64,
    late_wake: f64,
    late_by: Range<Duration>,
    lookups: LookupFaults,
    descriptors: Option<usize>,
    ephemeral_ports: Option<RangeInclusive<u16>>,
    errors: ErrorFaults,
    crash: f64,
    down_for: Range<Duration>,
    clocks: ClockFaults,
    process: ProcessFaults,
}

impl Default for HostFaults {
    fn default() -> Self {
        HostFaults {
            short_read: 0.0,
            short_write: 0.0,
            spurious: 0.0,
            late_event: 0.0,
            event_order: 0.0,
            late_timer: 0.0,
            late_wake: 0.0,
            late_by: LATE_MAX / STEPS as u32..LATE_MAX,
            lookups: LookupFaults::default(),
            descriptors: None,
            ephemeral_ports: None,
            errors: ErrorFaults::default(),
            crash: 0.0,
            down_for: Duration::from_millis(100)..Duration::from_secs(3),
            clocks: ClockFaults::default(),
            process: ProcessFaults::default(),
        }
    }
}

impl HostFaults {
    /// The probability that a receive gives fewer bytes than there are.
    pub fn short_read(&mut self, probability: f64) -> &mut Self {
        self.short_read = checked(probability);
        self
    }

    /// The probability that a send takes fewer bytes than there is room for, or has a datagram wait.
    pub fn short_write(&mut self, probability: f64) -> &mut Self {
        self.short_write = checked(probability);
        self
    }

    /// The probability that a poll tells an event with nothing behind it.
    pub fn spurious(&mut self, probability: f64) -> &mut Self {
        self.spurious = checked(probability);
        self
    }

    /// How many descriptors the host's programs may have open together: what would open one more is refused with `EMFILE`,
    /// as under `ulimit -n`. Default: no limit.
    ///
    /// ```
    /// use twinloop::{Address, ErrorKind, StreamServer};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.faults().descriptors(1);
    ///     sim.client("host", || async {
    ///         let _first = StreamServer::listen(Address::loopback(0))?;
    ///         let second = StreamServer::listen(Address::loopback(0));
    ///         assert_eq!(second.unwrap_err().kind(), ErrorKind::TooManyOpen);
    ///         Ok(())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn descriptors(&mut self, limit: usize) -> &mut Self {
        self.descriptors = Some(limit);
        self
    }

    /// The probability that an event is told only after some time.
    pub fn late_event(&mut self, probability: f64) -> &mut Self {
        self.late_event = checked(probability);
        self
    }

    /// The probability that a poll with several events tells them in another order, or keeps some for the next poll.
    pub fn event_order(&mut self, probability: f64) -> &mut Self {
        self.event_order = checked(probability);
        self
    }

    /// The probability that a deadline is noticed late.
    pub fn late_timer(&mut self, probability: f64) -> &mut Self {
        self.late_timer = checked(probability);
        self
    }

    /// The probability that a thread goes on late after another one has woken it.
    pub fn late_wake(&mut self, probability: f64) -> &mut Self {
        self.late_wake = checked(probability);
        self
    }

    /// How late an event, a deadline or a wake is that is late; up to 20 ms if nothing is said.
    pub fn late_by(&mut self, range: Range<Duration>) -> &mut Self {
        self.late_by = range;
        self
    }

    /// The probability, in each 50 ms, that the host crashes: its programs and connections are gone without a word, and
    /// after a time it starts again.
    pub fn crash(&mut self, probability: f64) -> &mut Self {
        self.crash = checked(probability);
        self
    }

    /// How long a host stays down after a drawn crash, kill or stop; from 100 ms to 3 s if nothing is said.
    pub fn down_for(&mut self, range: Range<Duration>) -> &mut Self {
        self.down_for = range;
        self
    }

    /// Whether anything is drawn, apart from what has a file of its own.
    fn draws(&self) -> bool {
        let HostFaults { short_read, short_write, spurious, late_event, event_order, .. } = self;
        let HostFaults { late_timer, late_wake, crash, .. } = self;
        let chances =
            [short_read, short_write, spurious, late_event, event_order, late_timer, late_wake, crash];
        chances.iter().any(|chance| **chance > 0.0)
    }

    /// Whether something is drawn in each period.
    pub(crate) fn draws_by_period(&self) -> bool {
        self.crash > 0.0 || self.clocks.draws_by_period() || self.process.draws_by_period()
    }
}

/// One host's faults, with the sites that draw for them.
pub(crate) struct HostRule {
    faults: HostFaults,
    sites: Option<Sites>,
    lookup_sites: Option<LookupSites>,
    error_sites: Option<ErrorSites>,
    clock_sites: Option<ClockSites>,
    process_sites: Option<ProcessSites>,
}

struct Sites {
    short_read: Site,
    short_write: Site,
    spurious: Site,
    late_event: Site,
    event_order: Site,
    late_timer: Site,
    late_wake: Site,
    crash: Site,
    down_for: Site,
}

impl Sites {
    /// `None`, without a site, where nothing of this is on.
    fn new(chooser: &mut Chooser, host: &str, faults: &HostFaults) -> Option<Sites> {
        let mut site = |what: &str| chooser.site(&format!("{host}: {what}"));
        faults.draws().then(|| Sites {
            short_read: site("short read"),
            short_write: site("short write"),
            spurious: site("spurious event"),
            late_event: site("late event"),
            event_order: site("event order"),
            late_timer: site("late timer"),
            late_wake: site("late wake"),
            crash: site("crash"),
            down_for: site("down for"),
        })
    }
}

impl HostRule {
    pub(crate) fn new(chooser: &mut Chooser, host: &str, faults: HostFaults) -> HostRule {
        HostRule {
            clock_sites: ClockSites::new(chooser, host, &faults.clocks),
            process_sites: ProcessSites::new(chooser, host, &faults.process),
            lookup_sites: LookupSites::new(chooser, host, &faults.lookups),
            error_sites: ErrorSites::new(chooser, host, &faults.errors),
            sites: Sites::new(chooser, host, &faults),
            faults,
        }
    }

    pub(crate) fn faults(&self) -> &HostFaults {
        &self.faults
    }

    /// From now on the host behaves so. Says whether its clocks go wrong in another way.
    pub(crate) fn set(&mut self, chooser: &mut Chooser, host: &str, faults: HostFaults) -> bool {
        self.clock_sites = ClockSites::new(chooser, host, &faults.clocks);
        self.process_sites = ProcessSites::new(chooser, host, &faults.process);
        self.lookup_sites = LookupSites::new(chooser, host, &faults.lookups);
        self.error_sites = ErrorSites::new(chooser, host, &faults.errors);
        self.sites = Sites::new(chooser, host, &faults);
        let before = std::mem::replace(&mut self.faults, faults);
        before.clocks != self.faults.clocks
    }

    /// How many of `wanted` bytes a receive may give; `wanted` when nothing unusual happens.
    pub(crate) fn read_length(&self, chooser: &mut Chooser, wanted: usize) -> usize {
        let Some(sites) = &self.sites else { return wanted };
        shorten(chooser, sites.short_read, self.faults.short_read, wanted)
    }

    /// As [`HostRule::read_length`] for a send.
    pub(crate) fn write_length(&self, chooser: &mut Chooser, wanted: usize) -> usize {
        let Some(sites) = &self.sites else { return wanted };
        shorten(chooser, sites.short_write, self.faults.short_write, wanted)
    }

    /// The ports that its kernel picks from, if they are not the usual ones.
    pub(crate) fn ephemeral_ports(&self) -> Option<RangeInclusive<u16>> {
        self.faults.ephemeral_ports.clone()
    }

    /// Whether a host that has `open` descriptors may have `more`.
    pub(crate) fn may_open(&self, open: usize, more: usize) -> bool {
        self.faults.descriptors.is_none_or(|limit| open + more <= limit)
    }

    /// Whether a datagram has to wait although there is room.
    pub(crate) fn draw_wait(&self, chooser: &mut Chooser) -> bool {
        self.sites.as_ref().is_some_and(|sites| chooser.chance(sites.short_write, self.faults.short_write))
    }

    /// Which of `live` descriptors is told of although nothing happened.
    pub(crate) fn draw_spurious(&self, chooser: &mut Chooser, live: usize) -> Option<usize> {
        let sites = self.sites.as_ref()?;
        if live == 0 || !chooser.chance(sites.spurious, self.faults.spurious) {
            return None;
        }
        Some(chooser.pick(sites.spurious, live))
    }

    /// How late an event is told; not at all late when nothing unusual happens.
    pub(crate) fn draw_late_event(&self, chooser: &mut Chooser) -> Option<Duration> {
        self.draw_late(chooser, self.sites.as_ref()?.late_event, self.faults.late_event)
    }

    /// How late a deadline is noticed.
    pub(crate) fn draw_late_timer(&self, chooser: &mut Chooser) -> Option<Duration> {
        self.draw_late(chooser, self.sites.as_ref()?.late_timer, self.faults.late_timer)
    }

    /// How late a thread notices that another one has woken it.
    pub(crate) fn draw_late_wake(&self, chooser: &mut Chooser) -> Option<Duration> {
        self.draw_late(chooser, self.sites.as_ref()?.late_wake, self.faults.late_wake)
    }

    fn draw_late(&self, chooser: &mut Chooser, site: Site, probability: f64) -> Option<Duration> {
        let is_late = chooser.chance(site, probability);
        is_late.then(|| draw_duration(chooser, site, &self.faults.late_by))
    }

    /// Perhaps puts the events of a poll in another order; says how many of them, from the front, are told now.
    pub(crate) fn order_events(&self, chooser: &mut Chooser, events: &mut [Event]) -> usize {
        let count = events.len();
        let Some(Sites { event_order: site, .. }) = self.sites else { return count };
        if count < 2 || !chooser.chance(site, self.faults.event_order) {
            return count;
        }
        for at in 0..count - 1 {
            let other = at + chooser.pick(site, count - at);
            events.swap(at, other);
        }
        count - chooser.pick(site, count)
    }

    /// How long a lookup takes, and whether it fails whatever is true of the name.
    pub(crate) fn judge_lookup(&self, chooser: &mut Chooser) -> (Duration, Option<NameFailure>) {
        match &self.lookup_sites {
            Some(sites) => sites.judge(chooser, &self.faults.lookups),
            None => (self.faults.lookups.latency, None),
        }
    }

    /// What a lookup is answered instead of `answer`, and what is wrong with it; `None` if nothing is. `before`: what
    /// was true before the last change, and when that was.
    pub(crate) fn bend_answer(
        &self,
        chooser: &mut Chooser,
        now: Moment,
        answer: &Answer,
        before: Option<&(Answer, Moment)>,
    ) -> Option<(Answer, &'static str)> {
        self.lookup_sites.as_ref()?.bend(chooser, &self.faults.lookups, now, answer, before)
    }

    /// Whether the host crashes now, and how long it stays down.
    pub(crate) fn draw_crash(&self, chooser: &mut Chooser) -> Option<Duration> {
        let sites = self.sites.as_ref()?;
        if !chooser.chance(sites.crash, self.faults.crash) {
            return None;
        }
        Some(draw_duration(chooser, sites.down_for, &self.faults.down_for))
    }
}

fn shorten(chooser: &mut Chooser, site: Site, probability: f64, wanted: usize) -> usize {
    if wanted < 2 || !chooser.chance(site, probability) {
        return wanted;
    }
    // The log keeps what is cut off, so that the smallest unusual pick is the smallest cut.
    wanted - 1 - chooser.pick(site, wanted - 1)
}
