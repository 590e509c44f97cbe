//! Whose turn it may be: when each host has something to do, and which threads are due now. It chooses none.

use twinloop::Moment;

use super::agenda::Agenda;
use super::threads::Host;
use crate::fabric::HostIndex;
use crate::kernel::ThreadIndex;

pub(super) struct Turns {
    next: Agenda,
    /// The threads that are due at `due_at`, by host and index. Many may be, and a step changes those of one host.
    due: Vec<(HostIndex, ThreadIndex)>,
    due_at: Moment,
}

impl Turns {
    pub(super) fn new(hosts: usize) -> Turns {
        Turns { next: Agenda::new(hosts), due: Vec::new(), due_at: Moment::FAR_FUTURE }
    }

    pub(super) fn earliest(&self) -> Option<Moment> {
        self.next.earliest()
    }

    /// The turns of a host were planned anew: the earliest one is at `next`.
    pub(super) fn replan(&mut self, index: HostIndex, next: Option<Moment>, host: &Host, now: Moment) {
        self.next.set(index, next);
        if self.due_at != now {
            return;
        }
        let begin = self.due.partition_point(|(other, _)| *other < index);
        let count = self.due[begin..].iter().take_while(|(other, _)| *other == index).count();
        self.due.drain(begin..begin + count);
        for (place, thread) in (begin..).zip(host.due_threads(now)) {
            self.due.insert(place, (index, thread));
        }
    }

    /// The threads that are due, by host and index.
    pub(super) fn due(&mut self, hosts: &[Host], now: Moment) -> &[(HostIndex, ThreadIndex)] {
        if self.due_at != now {
            self.due_at = now;
            self.due.clear();
            for index in self.next.due(now) {
                self.due.extend(hosts[index].due_threads(now).map(|thread| (index, thread)));
            }
        }
        &self.due
    }
}
