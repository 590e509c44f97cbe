//! The system's clocks: the monotonic one as [`Moment`]s, and the one on the wall. The only place that reads them.

use std::time::{Instant, SystemTime};

use twinloop::Moment;

/// A clock whose origin is its own creation.
///
/// It does not go back. Whether it counts while the machine sleeps is the system's choice (Linux and macOS: no).
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { origin: read() }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::ORIGIN + read().duration_since(self.origin)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "time enters the program here, and reaches all else as a Moment"
)]
fn read() -> Instant {
    Instant::now()
}

/// The date and the time of day.
#[expect(
    clippy::disallowed_methods,
    reason = "the date enters the program here, and reaches all else as a value"
)]
pub(crate) fn wall_now() -> SystemTime {
    SystemTime::now()
}
