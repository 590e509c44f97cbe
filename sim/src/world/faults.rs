//! What befalls hosts and links at chosen and at drawn times.

use std::time::Duration;

use twinloop::Moment;

use super::World;
use crate::fabric::HostIndex;
use crate::fault::FAULT_PERIOD;
use crate::script::Act;
use crate::state::State;
use crate::verdict::Verdict;

impl World {
    /// Draws whether cuts and crashes begin now.
    pub(super) fn draw_faults(&mut self, now: Moment) -> Result<(), Verdict> {
        self.next_faults_at = Some(now + FAULT_PERIOD);
        let mut state = self.state.borrow_mut();
        let count = state.machines.len();
        for (from, to) in (0..count).flat_map(|from| (from + 1..count).map(move |to| (from, to))) {
            let State { links, chooser, .. } = &mut *state;
            if let Some((ways, length)) = links[from][to].rule.draw_cut(chooser) {
                state.cut(from, to, ways, Some(length));
            }
        }
        drop(state);
        for host in 0..count {
            // A client that has finished has nothing left to lose.
            if self.hosts[host].exit.borrow().is_some() {
                continue;
            }
            let mut state = self.state.borrow_mut();
            let State { machines, chooser, .. } = &mut *state;
            let drawn = machines[host].rule.draw_crash(chooser);
            drop(state);
            if let Some(down_for) = drawn {
                self.crash(host, Some(down_for))?;
            }
        }
        Ok(())
    }

    /// Does a step of the scenario's script.
    pub(super) fn act(&mut self, number: usize) -> Result<(), Verdict> {
        match self.script[number].act.clone() {
            Act::Crash { host } => self.crash(host, None)?,
            Act::Restart { host } => self.start(host)?,
            Act::Cut { from, to, ways } => self.state.borrow_mut().cut(from, to, ways, None),
            Act::Heal { a, b } => {
                let mut state = self.state.borrow_mut();
                state.heal(a, b);
                state.heal(b, a);
            }
            Act::Reset { host } => self.state.borrow_mut().reset_connections(host),
            Act::Name { name, answer } => self.state.borrow_mut().rename(&name, answer),
            Act::Link { from, to, both_ways, faults } => {
                let mut state = self.state.borrow_mut();
                if both_ways {
                    state.change_link(to, from, (*faults).clone());
                }
                state.change_link(from, to, *faults);
            }
            Act::Host { host, faults } => self.state.borrow_mut().change_host(host, *faults),
        }
        Ok(())
    }

    fn crash(&mut self, host: HostIndex, down_for: Option<Duration>) -> Result<(), Verdict> {
        if !self.state.borrow().machines[host].up {
            return Ok(());
        }
        // First the machine, then the programs: their destructors find nothing that they could still send with.
        self.state.borrow_mut().crash(host, down_for);
        self.stop(host)
    }
}
