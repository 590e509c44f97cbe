//! When each host has something to do. It knows not what.

use twinloop::Moment;

use crate::fabric::HostIndex;

/// A time for each host, or none. The earliest is asked for with each step of the world, and a step changes few: each knot of
/// a binary tree over the hosts holds the earlier one of the two below it.
pub(super) struct Agenda {
    /// The root is at 1, those below the one at `n` at `2 n` and `2 n + 1`, the hosts in the second half.
    knots: Vec<Entry>,
}

/// In the order of its fields: no time at all is later than the end of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Moment,
    is_none: bool,
}

const NEVER: Entry = Entry { at: Moment::FAR_FUTURE, is_none: true };

impl Agenda {
    pub(super) fn new(hosts: usize) -> Agenda {
        Agenda { knots: vec![NEVER; 2 * hosts.next_power_of_two()] }
    }

    pub(super) fn set(&mut self, host: HostIndex, at: Option<Moment>) {
        let mut knot = self.of_host(host);
        let mut entry = Entry::new(at);
        while self.knots[knot] != entry {
            self.knots[knot] = entry;
            if knot == 1 {
                return;
            }
            entry = entry.min(self.knots[knot ^ 1]);
            knot /= 2;
        }
    }

    pub(super) fn get(&self, host: HostIndex) -> Option<Moment> {
        self.knots[self.of_host(host)].time()
    }

    pub(super) fn earliest(&self) -> Option<Moment> {
        self.knots[1].time()
    }

    /// The hosts whose time is `now` or before, by their index.
    pub(super) fn due(&self, now: Moment) -> impl Iterator<Item = HostIndex> {
        let mut next = Some(self.of_host(0));
        std::iter::from_fn(move || {
            let found = self.first_due(next?, now);
            next = found.and_then(|knot| self.right_of(knot));
            found.map(|knot| knot - self.of_host(0))
        })
    }

    /// The knot of the first host that is due, among those below `from` and all to the right of it.
    fn first_due(&self, from: usize, now: Moment) -> Option<usize> {
        let is_due = |knot: usize| self.knots[knot].time().is_some_and(|at| at <= now);
        let mut knot = from;
        while !is_due(knot) {
            knot = self.right_of(knot)?;
        }
        while knot < self.of_host(0) {
            knot = if is_due(2 * knot) { 2 * knot } else { 2 * knot + 1 };
        }
        Some(knot)
    }

    /// The largest knot that begins where this one ends.
    fn right_of(&self, knot: usize) -> Option<usize> {
        let is_left = |knot: &usize| knot % 2 == 0;
        let mut way_up =
            std::iter::successors(Some(knot), |knot| Some(knot / 2)).take_while(|knot| *knot > 0);
        way_up.find(is_left).map(|knot| knot + 1)
    }

    fn of_host(&self, host: HostIndex) -> usize {
        self.knots.len() / 2 + host
    }
}

impl Entry {
    fn new(at: Option<Moment>) -> Entry {
        at.map_or(NEVER, |at| Entry { at, is_none: false })
    }

    fn time(self) -> Option<Moment> {
        (!self.is_none).then_some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_time_is_a_time() {
        let mut agenda = Agenda::new(2);
        assert_eq!(agenda.earliest(), None);
        agenda.set(1, Some(Moment::FAR_FUTURE));
        assert_eq!(agenda.earliest(), Some(Moment::FAR_FUTURE));
        assert_eq!(agenda.due(Moment::FAR_FUTURE).collect::<Vec<_>>(), [1]);
        agenda.set(1, None);
        assert_eq!((agenda.earliest(), agenda.get(1)), (None, None));
    }

    #[test]
    fn every_number_of_hosts_has_a_tree() {
        for hosts in 1..20 {
            let mut agenda = Agenda::new(hosts);
            for host in 0..hosts {
                assert_eq!(agenda.due(Moment::FAR_FUTURE).collect::<Vec<_>>(), Vec::from_iter(0..host));
                agenda.set(host, Some(Moment::from_nanos(100 - host as u64)));
                assert_eq!(agenda.earliest(), agenda.get(host));
            }
            for host in 0..hosts {
                let others = (0..hosts).filter_map(|other| agenda.get(other)).min();
                assert_eq!(agenda.earliest(), others);
                agenda.set(host, None);
            }
            assert_eq!(agenda.earliest(), None);
        }
    }

    #[test]
    fn whoever_is_due_is_told_by_index() {
        let mut agenda = Agenda::new(4);
        for (host, at) in [(3, 5), (1, 5), (0, 6)] {
            agenda.set(host, Some(Moment::from_nanos(at)));
        }
        assert_eq!(agenda.earliest(), Some(Moment::from_nanos(5)));
        assert_eq!(agenda.due(Moment::from_nanos(5)).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(agenda.due(Moment::from_nanos(4)).count(), 0);
    }
}
