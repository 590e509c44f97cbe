//! What may go wrong, how often, and the verdict on each packet and each poll. It carries nothing and keeps no time.

mod buggify;
mod disk;
mod distribution;
mod host;
mod link;
mod zone;

use std::ops::Range;
use std::time::Duration;

use crate::choice::{Chooser, Site};

pub(crate) use buggify::{BuggifyFaults, BuggifyRule};
pub use disk::DiskFaults;
pub(crate) use disk::DiskRule;
pub use distribution::Distribution;
pub use host::HostFaults;
pub(crate) use host::{Call, HostRule, ProcessFault};
pub use link::LinkFaults;
pub(crate) use link::{Admission, CutWays, LinkRule, PacketVerdict};
pub use zone::ZoneFaults;
pub(crate) use zone::ZoneRule;

/// How often cuts and crashes are drawn: the grain of their beginnings.
pub(crate) const FAULT_PERIOD: Duration = Duration::from_millis(50);
/// Into how many steps a drawn length of time is divided: few enough to shrink well.
const STEPS: usize = 16;

fn checked(probability: f64) -> f64 {
    assert!((0.0..=1.0).contains(&probability), "a probability is between 0 and 1, not {probability}");
    probability
}

/// A length of time within `range`: the least when nothing unusual happens.
fn draw_duration(chooser: &mut Chooser, site: Site, range: &Range<Duration>) -> Duration {
    let step = chooser.pick(site, STEPS) as u32;
    range.start + (range.end.saturating_sub(range.start)) * step / (STEPS as u32 - 1)
}
