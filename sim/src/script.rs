//! Faults at chosen times: the scenario's script, as one writes it. What a step does is the world's business.

mod hosts;
mod links;

use std::net::IpAddr;
use std::time::Duration;

use crate::Sim;
use crate::fabric::HostIndex;
use crate::fault::{CutWays, DiskFaults, HostFaults, LinkFaults};
use crate::liveness::Core;
use crate::names::{Answer, NameFailure};

pub(crate) use hosts::{HostFault, nanos};
pub(crate) use links::LinkAct;

/// One step of the script.
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) act: Act,
}

#[derive(Clone)]
pub(crate) enum Act {
    Crash {
        host: HostIndex,
    },
    Restart {
        host: HostIndex,
    },
    Cut {
        from: HostIndex,
        to: HostIndex,
        ways: CutWays,
    },
    Heal {
        a: HostIndex,
        b: HostIndex,
    },
    HealOneWay {
        from: HostIndex,
        to: HostIndex,
    },
    MakeWhole(Core),
    Judge(Core),
    Reset {
        host: HostIndex,
    },
    Name {
        name: String,
        answer: Answer,
    },
    Links(LinkAct),
    Link {
        from: HostIndex,
        to: HostIndex,
        both_ways: bool,
        faults: Box<LinkFaults>,
    },
    Host {
        host: HostIndex,
        faults: Box<HostFaults>,
    },
    Befall {
        host: HostIndex,
        fault: HostFault,
    },
    JumpWall {
        host: HostIndex,
        by_ns: i64,
    },
    /// Faults that are drawn by period are on from now on.
    DrawByPeriod,
    Disk {
        host: HostIndex,
        faults: Box<DiskFaults>,
    },
}

/// What is to happen at a time, from [`Sim::at`]. Steps at one time happen in the order in which they were written.
///
/// # Panics
///
/// Each method that takes a host panics if a host of that name was not added before.
pub struct At<'a> {
    pub(crate) sim: &'a mut Sim,
    pub(crate) at: Duration,
}

impl Act {
    /// Whether it begins, halts or ends programs, or looks at them: a world does so between two turns. What else there is its
    /// state does at any time.
    pub(crate) fn concerns_programs(&self) -> bool {
        use Act::{Befall, Crash, DrawByPeriod, Judge, MakeWhole, Restart};
        matches!(self, Crash { .. } | Restart { .. } | MakeWhole(_) | Judge(_) | Befall { .. } | DrawByPeriod)
    }

    /// Whether from then on something is drawn in each period.
    pub(crate) fn draws_faults(&self) -> bool {
        match self {
            Act::Link { faults, .. } => faults.draws_by_period(),
            Act::Host { faults, .. } => faults.draws_by_period(),
            _ => false,
        }
    }
}

impl<'a> At<'a> {
    /// The host is gone without a word, until it is restarted.
    pub fn crash(self, host: &str) -> Self {
        let host = self.sim.index(host);
        self.step(Act::Crash { host })
    }

    /// A host that has crashed, was killed or has stopped starts again, with its program from the beginning.
    pub fn restart(self, host: &str) -> Self {
        let host = self.sim.index(host);
        self.step(Act::Restart { host })
    }

    /// Nothing passes between the two any more, until healed.
    pub fn partition(self, a: &str, b: &str) -> Self {
        self.cut(a, b, CutWays::Both)
    }

    /// Nothing passes in this one direction any more, until healed.
    pub fn partition_one_way(self, from: &str, to: &str) -> Self {
        self.cut(from, to, CutWays::This)
    }

    /// Both directions carry again.
    pub fn heal(self, a: &str, b: &str) -> Self {
        let (a, b) = (self.sim.index(a), self.sim.index(b));
        self.step(Act::Heal { a, b })
    }

    /// Every connection of the host is reset.
    pub fn reset_connections(self, host: &str) -> Self {
        let host = self.sim.index(host);
        self.step(Act::Reset { host })
    }

    /// The link between `a` and `b` behaves so from then on, in both directions: as from the beginning, and what is changed
    /// here.
    pub fn link(self, a: &str, b: &str) -> &'a mut LinkFaults {
        self.change_link(a, b, true)
    }

    /// As [`At::link`], for one direction.
    pub fn one_way(self, from: &str, to: &str) -> &'a mut LinkFaults {
        self.change_link(from, to, false)
    }

    /// The host behaves so from then on: as from the beginning, and what is changed here.
    pub fn host_faults(self, host: &str) -> &'a mut HostFaults {
        let host = self.sim.index(host);
        let faults = Box::new(self.sim.faults_of(host).clone());
        match self.push(Act::Host { host, faults }) {
            Act::Host { faults, .. } => faults,
            _ => unreachable!("it was pushed above"),
        }
    }

    /// Lookups of `name` are answered by `addresses`, as [`Sim::name`] says it from the beginning.
    pub fn name(self, name: &str, addresses: impl IntoIterator<Item: Into<IpAddr>>) -> Self {
        let answer = Ok(addresses.into_iter().map(Into::into).collect());
        self.step(Act::Name { name: name.to_owned(), answer })
    }

    /// Lookups of `name` fail, as [`Sim::name_fails`] says it from the beginning.
    pub fn name_fails(self, name: &str, failure: NameFailure) -> Self {
        self.step(Act::Name { name: name.to_owned(), answer: Err(failure) })
    }

    fn cut(self, from: &str, to: &str, ways: CutWays) -> Self {
        let (from, to) = (self.sim.index(from), self.sim.index(to));
        self.step(Act::Cut { from, to, ways })
    }

    /// The host's disk behaves so from then on: as from the beginning, and what is changed here.
    pub fn disk(self, host: &str) -> &'a mut DiskFaults {
        let host = self.sim.index(host);
        let faults = Box::new(self.sim.disk_faults_of(host).clone());
        match self.push(Act::Disk { host, faults }) {
            Act::Disk { faults, .. } => faults,
            _ => unreachable!("it was pushed above"),
        }
    }

    fn change_link(self, from: &str, to: &str, both_ways: bool) -> &'a mut LinkFaults {
        let (from, to) = (self.sim.index(from), self.sim.index(to));
        let faults = Box::new(self.sim.faults_between(from, to).clone());
        match self.push(Act::Link { from, to, both_ways, faults }) {
            Act::Link { faults, .. } => faults,
            _ => unreachable!("it was pushed above"),
        }
    }

    pub(crate) fn step(self, act: Act) -> Self {
        self.sim.script.push(Step { at: self.at, act });
        self
    }

    fn push(self, act: Act) -> &'a mut Act {
        let script = &mut self.sim.script;
        script.push(Step { at: self.at, act });
        &mut script.last_mut().expect("it was pushed above").act
    }
}
