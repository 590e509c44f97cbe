//! What befalls a host's process and its processor: its end, its pauses, its speed, and who else is in it.

use std::ops::Range;
use std::time::Duration;

use super::{HostFaults, HostRule};
use crate::choice::{Chooser, Site};
use crate::fault::{checked, draw_duration};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ProcessFaults {
    kill: f64,
    stop: f64,
    stop_within: Duration,
    pause: f64,
    suspend: f64,
    pause_for: Range<Duration>,
    callback_cost: Range<Duration>,
    foreign_descriptors: Range<usize>,
}

impl Default for ProcessFaults {
    fn default() -> Self {
        ProcessFaults {
            kill: 0.0,
            stop: 0.0,
            stop_within: Duration::from_secs(10),
            pause: 0.0,
            suspend: 0.0,
            pause_for: Duration::from_millis(100)..Duration::from_secs(3),
            callback_cost: Duration::ZERO..Duration::ZERO,
            foreign_descriptors: 0..0,
        }
    }
}

impl HostFaults {
    /// The probability, in each 50 ms, that the host's process is killed, as by the kernel that is out of memory (`SIGKILL`).
    ///
    /// The machine lives: its kernel closes what the process had open, so that peers see an end of stream or a reset,
    /// and what was written to files stays. That is what tells it from a [`crash`](HostFaults::crash). After a time
    /// ([`down_for`](HostFaults::down_for)) the program starts again.
    pub fn kill(&mut self, probability: f64) -> &mut Self {
        self.process.kill = checked(probability);
        self
    }

    /// The probability, in each 50 ms, that the host's program is [asked to end](crate::At::stop), as by an update.
    /// After a time ([`down_for`](HostFaults::down_for)) it starts again.
    pub fn stop(&mut self, probability: f64) -> &mut Self {
        self.process.stop = checked(probability);
        self
    }

    /// How long a program that was asked to end has for it, before it is killed; 10 s if nothing is said.
    pub fn stop_within(&mut self, grace: Duration) -> &mut Self {
        self.process.stop_within = grace;
        self
    }

    /// The probability, in each 50 ms, that the host's programs stand still for a time, and do not know it: another
    /// process has the processor, a debugger looks. The kernel goes on: it takes what comes, acknowledges it, and
    /// refuses what it has no room for.
    pub fn pause(&mut self, probability: f64) -> &mut Self {
        self.process.pause = checked(probability);
        self
    }

    /// The probability, in each 50 ms, that the whole machine stands still for a time, as a virtual one that is moved to
    /// another place, or a laptop that is closed. What comes meanwhile waits at the network device, as far as that has room
    /// (256 packets). As on Linux, the monotonic clock does not count meanwhile, and the wall clock is right afterwards:
    /// to the program it has jumped.
    pub fn suspend(&mut self, probability: f64) -> &mut Self {
        self.process.suspend = checked(probability);
        self
    }

    /// How long a drawn [`pause`](HostFaults::pause) or [`suspend`](HostFaults::suspend) lasts; from 100 ms to 3 s if nothing
    /// is said.
    pub fn pause_for(&mut self, range: Range<Duration>) -> &mut Self {
        self.process.pause_for = range;
        self
    }

    /// A slow host: how long each callback keeps its thread busy, drawn for each turn of a thread. What a callback does, it
    /// does at the beginning of that time. Default: no time at all.
    ///
    /// ```
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{Units, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("host", || async {
    ///         for _ in 0..10 {
    ///             twinloop::yield_now().await;
    ///         }
    ///         assert_eq!(twinloop::now(), twinloop::Moment::ORIGIN + 50.ms());
    ///         Ok(())
    ///     });
    ///     sim.faults().callback_cost(5.ms()..5.ms());
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn callback_cost(&mut self, range: Range<Duration>) -> &mut Self {
        self.process.callback_cost = range;
        self
    }

    /// Something else in the process has so many descriptors open, another number in each 50 ms: what is left of the
    /// [limit](HostFaults::descriptors) comes and goes. Without a limit it changes nothing.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    pub fn foreign_descriptors(&mut self, range: Range<usize>) -> &mut Self {
        assert!(!range.is_empty(), "a range of numbers has at least one: {range:?}");
        self.process.foreign_descriptors = range;
        self
    }
}

impl ProcessFaults {
    pub(super) fn draws_by_period(&self) -> bool {
        let ProcessFaults { kill, stop, pause, suspend, foreign_descriptors, .. } = self;
        [kill, stop, pause, suspend].iter().any(|chance| **chance > 0.0) || !foreign_descriptors.is_empty()
    }
}

pub(super) struct ProcessSites {
    kill: Site,
    stop: Site,
    pause: Site,
    suspend: Site,
    callback_cost: Site,
    foreign_descriptors: Site,
}

impl ProcessSites {
    /// `None`, without a site, where nothing of this is on.
    pub(super) fn new(chooser: &mut Chooser, host: &str, faults: &ProcessFaults) -> Option<ProcessSites> {
        let mut site = |what: &str| chooser.site(&format!("{host}: {what}"));
        (*faults != ProcessFaults::default()).then(|| ProcessSites {
            kill: site("kill"),
            stop: site("stop"),
            pause: site("pause"),
            suspend: site("suspend"),
            callback_cost: site("callback cost"),
            foreign_descriptors: site("foreign descriptors"),
        })
    }
}

/// What is drawn for a process in a period.
pub(crate) enum ProcessFault {
    Kill { down_for: Duration },
    Stop { down_for: Duration },
    Halt { length: Duration, suspended: bool },
}

impl HostRule {
    /// What befalls the process now; each at a site of its own, and the first that does.
    pub(crate) fn draw_process_fault(&self, chooser: &mut Chooser) -> Option<ProcessFault> {
        let sites = self.process_sites.as_ref()?;
        let faults = &self.faults.process;
        let mut drawn = |site: Site, probability, range: &Range<Duration>| {
            chooser.chance(site, probability).then(|| draw_duration(chooser, site, range))
        };
        let (down_for, pause_for) = (&self.faults.down_for, &faults.pause_for);
        if let Some(down_for) = drawn(sites.kill, faults.kill, down_for) {
            return Some(ProcessFault::Kill { down_for });
        }
        if let Some(down_for) = drawn(sites.stop, faults.stop, down_for) {
            return Some(ProcessFault::Stop { down_for });
        }
        if let Some(length) = drawn(sites.suspend, faults.suspend, pause_for) {
            return Some(ProcessFault::Halt { length, suspended: true });
        }
        let paused = drawn(sites.pause, faults.pause, pause_for);
        paused.map(|length| ProcessFault::Halt { length, suspended: false })
    }

    /// How many descriptors something else has open from now on, if anything else is there.
    pub(crate) fn draw_foreign_descriptors(&self, chooser: &mut Chooser) -> Option<usize> {
        let ProcessSites { foreign_descriptors: site, .. } = self.process_sites.as_ref()?;
        let range = &self.faults.process.foreign_descriptors;
        if range.is_empty() {
            return None;
        }
        Some(range.start + chooser.pick(*site, range.len()))
    }

    /// How long each callback of a turn takes, on a slow host.
    pub(crate) fn draw_callback_cost(&self, chooser: &mut Chooser) -> Option<Duration> {
        let ProcessSites { callback_cost: site, .. } = self.process_sites.as_ref()?;
        let range = &self.faults.process.callback_cost;
        if range.start >= range.end {
            return Some(range.start);
        }
        Some(draw_duration(chooser, *site, range))
    }

    /// How long a program that was asked to end has for it.
    pub(crate) fn grace(&self) -> Duration {
        self.faults.process.stop_within
    }
}
