//! The condition that a host is in: its clocks, whether its processor runs, who else uses it up. It decides nothing.

use std::collections::VecDeque;
use std::time::Duration;

use twinloop::Moment;

use crate::clock::HostClock;
use crate::fabric::HostIndex;
use crate::kernel::Packet;

/// How many packets wait at a suspended machine: the ring of a virtual network device. Further ones are lost.
const RING_MAX: usize = 256;

pub(crate) struct Condition {
    pub(crate) clock: HostClock,
    pub(crate) halt: Option<Halt>,
    /// What has come since the machine was suspended, in order, with its senders.
    ring: VecDeque<(HostIndex, Packet)>,
    /// Descriptors that something else in the process has open.
    pub(crate) foreign_descriptors: usize,
    pub(crate) stopping: Option<Stopping>,
}

/// None of the host's threads turns.
#[derive(Clone, Copy)]
pub(crate) struct Halt {
    /// [`Moment::FAR_FUTURE`] for one that lasts until somebody ends it.
    pub(crate) until: Moment,
    /// Its kernel stands still too.
    pub(crate) suspended: bool,
}

/// The host's program was asked to end.
#[derive(Clone, Copy)]
pub(crate) struct Stopping {
    /// How long after its end it is started again.
    pub(crate) back_after: Option<Duration>,
}

impl Halt {
    pub(crate) fn name(&self) -> &'static str {
        if self.suspended { "suspended" } else { "paused" }
    }
}

impl Condition {
    pub(crate) fn new() -> Condition {
        Condition {
            clock: HostClock::new(),
            halt: None,
            ring: VecDeque::new(),
            foreign_descriptors: 0,
            stopping: None,
        }
    }

    pub(crate) fn is_halted(&self) -> bool {
        self.halt.is_some()
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.halt.is_some_and(|halt| halt.suspended)
    }

    /// Begins a halt, or makes the one that is under way longer, or harder.
    pub(crate) fn halt(&mut self, now: Moment, halt: Halt) {
        let was_suspended = self.is_suspended();
        let before = self.halt.unwrap_or(halt);
        let suspended = was_suspended || halt.suspended;
        self.halt = Some(Halt { until: before.until.max(halt.until), suspended });
        if suspended && !was_suspended {
            self.clock.suspend(now);
        }
    }

    /// Ends whatever halt there is; gives what has come meanwhile.
    pub(crate) fn go_on(&mut self, now: Moment) -> VecDeque<(HostIndex, Packet)> {
        if self.is_suspended() {
            self.clock.resume(now);
        }
        self.halt = None;
        std::mem::take(&mut self.ring)
    }

    /// Whether one more packet may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.ring.len() < RING_MAX
    }

    /// A packet comes to the suspended machine.
    pub(crate) fn hold(&mut self, from: HostIndex, packet: Packet) {
        assert!(self.is_suspended() && self.has_room(), "packets wait at a machine that stands still");
        self.ring.push_back((from, packet));
    }

    /// The process is gone, and all that was the process's.
    pub(crate) fn forget_process(&mut self) {
        self.foreign_descriptors = 0;
        self.stopping = None;
    }
}
