//! How a host's clocks go wrong, and what is drawn for it.

use std::ops::Range;
use std::time::Duration;

use super::{HostFaults, HostRule};
use crate::choice::{Chooser, Site};
use crate::clock::ClockErrors;
use crate::fault::{STEPS, checked, draw_duration};

/// The most by which a clock may be fast or slow: half as fast as the world's.
const DRIFT_MAX_PPM: u32 = 500_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClockFaults {
    wall_skew: Duration,
    wall_drift: u32,
    clock_drift: u32,
    wall_jump: f64,
    wall_jump_by: Range<Duration>,
}

impl Default for ClockFaults {
    fn default() -> Self {
        ClockFaults {
            wall_skew: Duration::ZERO,
            wall_drift: 0,
            clock_drift: 0,
            wall_jump: 0.0,
            wall_jump_by: Duration::from_secs(1)..Duration::from_secs(3600),
        }
    }
}

/// The date and the time of day are what [`wall_time`](twinloop::wall_time()) gives; the monotonic clock is that of
/// [`now`](twinloop::now) and of everything that waits. A host draws how its clocks go wrong when its machine starts,
/// and when a scenario [changes](crate::At::host_faults) them at a time. The kernel's own timers, of retransmission and
/// the like, go by the world's time.
impl HostFaults {
    /// The host's wall clock is wrong by up to `most`, ahead or behind, from each start of its machine on.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{Units, run_world};
    ///
    /// let mut dates = Vec::new();
    /// for seed in 0..5 {
    ///     let report = run_world(&Choices::Seeded(seed), Telling::Events, |sim| {
    ///         sim.client("host", || async {
    ///             twinloop::Handle::current().note(|| format!("{:?}", twinloop::wall_time()));
    ///             Ok(())
    ///         });
    ///         sim.faults().wall_skew(60.s());
    ///     });
    ///     dates.extend(report.story.into_iter().map(|story| story.tail(10)));
    /// }
    /// dates.dedup();
    /// assert!(dates.len() > 1, "hosts do not agree on the date");
    /// ```
    pub fn wall_skew(&mut self, most: Duration) -> &mut Self {
        self.clocks.wall_skew = most;
        self
    }

    /// The host's wall clock is fast or slow by up to so many parts in a million.
    ///
    /// # Panics
    ///
    /// Above 500,000: half as fast again as it should be.
    pub fn wall_drift(&mut self, most_ppm: u32) -> &mut Self {
        self.clocks.wall_drift = checked_drift(most_ppm);
        self
    }

    /// The host's monotonic clock is fast or slow by up to so many parts in a million: its timers are due too early or too
    /// late, by the time of everybody else. It never goes back.
    ///
    /// # Panics
    ///
    /// As [`HostFaults::wall_drift`].
    pub fn clock_drift(&mut self, most_ppm: u32) -> &mut Self {
        self.clocks.clock_drift = checked_drift(most_ppm);
        self
    }

    /// The probability, in each 50 ms, that somebody sets the host's wall clock, forward or back.
    pub fn wall_jump(&mut self, probability: f64) -> &mut Self {
        self.clocks.wall_jump = checked(probability);
        self
    }

    /// How far a wall clock that is set jumps; between a second and an hour if nothing is said.
    pub fn wall_jump_by(&mut self, range: Range<Duration>) -> &mut Self {
        self.clocks.wall_jump_by = range;
        self
    }
}

impl ClockFaults {
    pub(super) fn draws_by_period(&self) -> bool {
        self.wall_jump > 0.0
    }
}

fn checked_drift(ppm: u32) -> u32 {
    assert!(ppm <= DRIFT_MAX_PPM, "a clock drifts by up to {DRIFT_MAX_PPM} ppm, not {ppm}");
    ppm
}

pub(super) struct ClockSites {
    wall_skew: Site,
    wall_drift: Site,
    clock_drift: Site,
    wall_jump: Site,
}

impl ClockSites {
    /// `None`, without a site, where the clocks are right.
    pub(super) fn new(chooser: &mut Chooser, host: &str, faults: &ClockFaults) -> Option<ClockSites> {
        let mut site = |what: &str| chooser.site(&format!("{host}: {what}"));
        (*faults != ClockFaults::default()).then(|| ClockSites {
            wall_skew: site("wall skew"),
            wall_drift: site("wall drift"),
            clock_drift: site("clock drift"),
            wall_jump: site("wall jump"),
        })
    }
}

impl HostRule {
    /// How the clocks go wrong from now on.
    pub(crate) fn draw_clock_errors(&self, chooser: &mut Chooser) -> ClockErrors {
        let Some(sites) = &self.clock_sites else { return ClockErrors::default() };
        let ClockFaults { wall_skew, wall_drift, clock_drift, .. } = self.faults.clocks;
        ClockErrors {
            wall_ahead_ns: draw_signed(chooser, sites.wall_skew, as_ns(wall_skew)),
            wall_gain_ppm: draw_signed(chooser, sites.wall_drift, wall_drift.into()),
            monotonic_gain_ppm: draw_signed(chooser, sites.clock_drift, clock_drift.into()),
        }
    }

    /// By how many nanoseconds the wall clock jumps now.
    pub(crate) fn draw_wall_jump(&self, chooser: &mut Chooser) -> Option<i64> {
        let ClockSites { wall_jump, .. } = self.clock_sites.as_ref()?;
        if !chooser.chance(*wall_jump, self.faults.clocks.wall_jump) {
            return None;
        }
        let by = as_ns(draw_duration(chooser, *wall_jump, &self.faults.clocks.wall_jump_by));
        Some(if chooser.pick(*wall_jump, 2) == 0 { by } else { -by })
    }
}

/// A number from `-most` to `most`: none first, then the small ones, so that they shrink well.
fn draw_signed(chooser: &mut Chooser, site: Site, most: i64) -> i64 {
    if most == 0 {
        return 0;
    }
    let drawn = chooser.pick(site, 2 * STEPS + 1);
    let steps = drawn.div_ceil(2) as i128;
    let size = (i128::from(most) * steps / STEPS as i128) as i64;
    if drawn % 2 == 0 { -size } else { size }
}

/// In nanoseconds, or as many as fit.
fn as_ns(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}
