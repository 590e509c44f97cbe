//! Faults at chosen times as a value: to be made by a strategy, printed, compared and shrunk. What a fault does is said
//! where a script asks for it (`script.rs`).

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::Sim;

/// What befalls hosts and links, and when. Every fault has an end: after [`FaultPlan::ends_at`] the world is whole
/// again, so that what has not recovered some time later never will. Where two of a kind overlap on the same hosts, the
/// first end ends both.
///
/// ```
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{FaultPlan, PlannedFault, Units, run_world};
///
/// let pause = PlannedFault::Pause { host: "client".into() };
/// let plan = FaultPlan { faults: vec![(2.s()..5.s(), pause)] };
/// assert_eq!(plan.to_string(), "from 2s to 5s: pause client\n");
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.client("client", || async {
///         twinloop::sleep(3.s()).await;
///         assert_eq!(twinloop::now() - twinloop::Moment::ORIGIN, 5.s());
///         Ok(())
///     });
///     plan.apply(sim);
/// });
/// assert!(report.verdict.is_passed(), "{}", report.verdict);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// From when to when, counted from the beginning of the run, and what.
    pub faults: Vec<(Range<Duration>, PlannedFault)>,
}

/// One fault of a plan. Names are those of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlannedFault {
    /// Nothing passes between two hosts: [`At::partition`](crate::At::partition).
    Partition {
        /// One of them.
        a: String,
        /// The other one.
        b: String,
    },
    /// Nothing passes from one host to another: [`At::partition_one_way`](crate::At::partition_one_way).
    PartitionOneWay {
        /// Whose messages are lost.
        from: String,
        /// Who does not get them.
        to: String,
    },
    /// The link delivers nothing, and all of it at the end: [`At::clog`](crate::At::clog).
    Clog {
        /// One end.
        a: String,
        /// The other one.
        b: String,
    },
    /// The host is gone without a word and starts again at the end: [`At::crash`](crate::At::crash).
    Crash {
        /// Who.
        host: String,
    },
    /// The process is killed and starts again at the end: [`At::kill`](crate::At::kill).
    Kill {
        /// Who.
        host: String,
    },
    /// The programs stand still: [`At::pause`](crate::At::pause).
    Pause {
        /// Who.
        host: String,
    },
    /// The whole machine stands still: [`At::suspend`](crate::At::suspend).
    Suspend {
        /// Who.
        host: String,
    },
    /// All connections of the host are reset, once at the beginning:
    /// [`At::reset_connections`](crate::At::reset_connections).
    ResetConnections {
        /// Who.
        host: String,
    },
}

impl FaultPlan {
    /// Adds the faults to a world.
    ///
    /// # Panics
    ///
    /// If the plan names a host that was not added before, or a fault ends before it begins.
    pub fn apply(&self, sim: &mut Sim) {
        for (when, fault) in &self.faults {
            assert!(when.start <= when.end, "a fault ends after it begins: {when:?}, {fault}");
            fault.begin(sim, when.start);
            fault.end(sim, when.end);
        }
    }

    /// When the last fault is over.
    pub fn ends_at(&self) -> Duration {
        self.faults.iter().map(|(when, _)| when.end).max().unwrap_or_default()
    }
}

impl PlannedFault {
    fn begin(&self, sim: &mut Sim, at: Duration) {
        let at = sim.at(at);
        match self {
            PlannedFault::Partition { a, b } => at.partition(a, b),
            PlannedFault::PartitionOneWay { from, to } => at.partition_one_way(from, to),
            PlannedFault::Clog { a, b } => at.clog(a, b),
            PlannedFault::Crash { host } => at.crash(host),
            PlannedFault::Kill { host } => at.kill(host),
            PlannedFault::Pause { host } => at.pause(host),
            PlannedFault::Suspend { host } => at.suspend(host),
            PlannedFault::ResetConnections { host } => at.reset_connections(host),
        };
    }

    fn end(&self, sim: &mut Sim, at: Duration) {
        let at = sim.at(at);
        match self {
            PlannedFault::Partition { a, b } => _ = at.heal(a, b),
            PlannedFault::PartitionOneWay { from, to } => _ = at.heal(from, to),
            PlannedFault::Clog { a, b } => _ = at.unclog(a, b),
            PlannedFault::Crash { host } | PlannedFault::Kill { host } => _ = at.restart(host),
            PlannedFault::Pause { host } | PlannedFault::Suspend { host } => _ = at.resume(host),
            PlannedFault::ResetConnections { .. } => {}
        }
    }
}

/// One line for each fault.
impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (when, fault) in &self.faults {
            match fault {
                PlannedFault::ResetConnections { .. } => writeln!(f, "at {:?}: {fault}", when.start)?,
                _ => writeln!(f, "from {:?} to {:?}: {fault}", when.start, when.end)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlannedFault::Partition { a, b } => write!(f, "partition {a} and {b}"),
            PlannedFault::PartitionOneWay { from, to } => write!(f, "partition {from} from {to}"),
            PlannedFault::Clog { a, b } => write!(f, "clog {a} and {b}"),
            PlannedFault::Crash { host } => write!(f, "crash {host}"),
            PlannedFault::Kill { host } => write!(f, "kill {host}"),
            PlannedFault::Pause { host } => write!(f, "pause {host}"),
            PlannedFault::Suspend { host } => write!(f, "suspend {host}"),
            PlannedFault::ResetConnections { host } => write!(f, "reset the connections of {host}"),
        }
    }
}
