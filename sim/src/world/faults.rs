//! What befalls hosts and links at chosen and at drawn times.

use twinloop::Moment;

use super::{World, contain};
use crate::fabric::HostIndex;
use crate::fault::{DiskFaults, FAULT_PERIOD, HostFaults, LinkFaults, ProcessFault};
use crate::liveness::Core;
use crate::script::{Act, HostFault};
use crate::state::State;
use crate::verdict::Verdict;

impl World {
    /// Draws whether cuts and crashes begin now.
    pub(super) fn draw_faults(&mut self, now: Moment) -> Result<(), Verdict> {
        self.next_faults_at = Some(now + FAULT_PERIOD);
        let mut state = self.state.borrow_mut();
        let count = state.machines.len();
        state.draw_link_faults();
        drop(state);
        for host in 0..count {
            // A client that has finished has nothing left to lose.
            if self.hosts[host].exit.borrow().is_none() {
                self.draw_host_faults(host)?;
            }
        }
        self.draw_zone_faults()
    }

    fn draw_zone_faults(&mut self) -> Result<(), Verdict> {
        let count = self.state.borrow().zones.len();
        for zone in 0..count {
            let mut state = self.state.borrow_mut();
            state.begin_by_itself();
            let State { zones, chooser, .. } = &mut *state;
            let (crash, isolation) = (zones[zone].draw_crash(chooser), zones[zone].draw_isolation(chooser));
            if let Some(length) = isolation {
                state.isolate_zone(zone, length);
            }
            let hosts = state.zones[zone].hosts.clone();
            drop(state);
            let Some(down_for) = crash else { continue };
            for host in hosts {
                if self.hosts[host].exit.borrow().is_none() {
                    self.crash(host, Some(down_for))?;
                }
            }
        }
        Ok(())
    }

    fn draw_host_faults(&mut self, host: HostIndex) -> Result<(), Verdict> {
        let mut state = self.state.borrow_mut();
        state.begin_by_itself();
        let State { machines, chooser, .. } = &mut *state;
        if let Some(down_for) = machines[host].rule.draw_crash(chooser) {
            drop(state);
            return self.crash(host, Some(down_for));
        }
        if !machines[host].up {
            return Ok(());
        }
        if let Some(by_ns) = machines[host].rule.draw_wall_jump(chooser) {
            state.jump_wall(host, by_ns);
        }
        state.draw_foreign_descriptors(host);
        let State { machines, chooser, .. } = &mut *state;
        let drawn = machines[host].rule.draw_process_fault(chooser);
        drop(state);
        match drawn {
            None => Ok(()),
            Some(ProcessFault::Kill { down_for }) => self.kill(host, Some(down_for), "killed"),
            Some(ProcessFault::Stop { down_for }) => self.ask_to_stop(host, Some(down_for)),
            Some(ProcessFault::Halt { length, suspended }) => {
                self.state.borrow_mut().halt(host, Some(length), suspended);
                Ok(())
            }
        }
    }

    /// Does what programs have asked for in the turn that is over, in the order of asking.
    pub(super) fn perform_asked(&mut self) -> Result<(), Verdict> {
        if self.state.borrow().asked.is_empty() {
            return Ok(());
        }
        self.stale.all = true;
        let asked = std::mem::take(&mut self.state.borrow_mut().asked);
        asked.into_iter().try_for_each(|act| self.perform(act))
    }

    /// From now on nothing befalls the core, and what had befallen it is over.
    fn make_whole(&mut self, core: &Core) -> Result<(), Verdict> {
        for &host in &core.hosts {
            let mut state = self.state.borrow_mut();
            for &other in core.hosts.iter().filter(|other| **other != host) {
                state.heal_entirely(host, other);
                let latency = state.links[host][other].rule.least_latency();
                let mut kind = LinkFaults::default();
                kind.latency(latency);
                state.change_link(host, other, kind);
            }
            state.change_host(host, HostFaults::default());
            state.machines[host].disk.change(DiskFaults::default());
            drop(state);
            self.befall(host, HostFault::Resume)?;
            // A client that has finished has nothing left to do.
            if self.hosts[host].exit.borrow().is_none() {
                self.start(host)?;
            }
        }
        Ok(())
    }

    /// The core has had its time.
    fn judge(&self, core: &Core) -> Result<(), Verdict> {
        let waits = |host: &HostIndex| {
            let host = &self.hosts[*host];
            host.program.is_client() && host.exit.borrow().is_none()
        };
        let goal = contain(|| (core.goal)()).and_then(|met| met);
        let message = match goal {
            Err(missed) => format!("{missed}; {}", self.unfinished()),
            Ok(()) if core.hosts.iter().any(waits) => self.unfinished(),
            Ok(()) => return Ok(()),
        };
        let message = message.trim_end_matches("; ").to_owned();
        Err(Verdict::NotLive { within: core.within, message })
    }

    /// Does what a scenario asks for.
    pub(super) fn perform(&mut self, act: Act) -> Result<(), Verdict> {
        match act {
            Act::Crash { host } => self.crash(host, None),
            Act::Restart { host } => self.start(host),
            Act::Befall { host, fault } => self.befall(host, fault),
            Act::MakeWhole(core) => self.make_whole(&core),
            Act::Judge(core) => self.judge(&core),
            Act::DrawByPeriod => {
                let next = self.state.borrow().now + FAULT_PERIOD;
                self.next_faults_at.get_or_insert(next);
                Ok(())
            }
            act => {
                self.state.borrow_mut().perform(act);
                Ok(())
            }
        }
    }
}
