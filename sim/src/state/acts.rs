//! What a scenario asks for while the world runs, as far as it concerns no programs: links, disks, clocks, names.

use super::State;
use crate::script::Act;

impl State {
    /// Does what a scenario asks for.
    ///
    /// # Panics
    ///
    /// If it [concerns programs](Act::concerns_programs): the world does that.
    pub(crate) fn perform(&mut self, act: Act) {
        assert!(!act.concerns_programs(), "only the world begins and ends programs");
        match act {
            Act::Cut { from, to, ways } => self.cut(from, to, ways, None),
            Act::Heal { a, b } => {
                self.heal(a, b);
                self.heal(b, a);
            }
            Act::HealOneWay { from, to } => self.heal(from, to),
            Act::Reset { host } => self.reset_connections(host),
            Act::Name { name, answer } => self.rename(&name, answer),
            Act::Links(act) => self.act_on_links(act),
            Act::Link { from, to, both_ways, faults } => {
                if both_ways {
                    self.change_link(to, from, (*faults).clone());
                }
                self.change_link(from, to, *faults);
            }
            Act::Disk { host, faults } => self.change_disk(host, *faults),
            Act::Host { host, faults } => self.change_host(host, *faults),
            Act::JumpWall { host, by_ns } if self.machines[host].up => self.jump_wall(host, by_ns),
            // Nobody reads the clock of a machine that is down.
            Act::JumpWall { .. } => {}
            Act::Crash { .. }
            | Act::Restart { .. }
            | Act::Befall { .. }
            | Act::MakeWhole(_)
            | Act::Judge(_)
            | Act::DrawByPeriod => unreachable!("it was asserted above"),
        }
    }
}
