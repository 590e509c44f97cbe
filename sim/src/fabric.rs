//! What lies between the hosts: routes, and the queue of what is to happen by (time, sequence). It has no fault policy
//! and does not know what a packet means.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};

use twinloop::Moment;
use twinloop::driver::{Event, Fd};
use twinloop::table::Key;

use crate::kernel::Packet;
use crate::names::NameFailure;
use crate::story::Stamp;

/// A host's number: the order in which hosts were added.
pub(crate) type HostIndex = usize;

/// Something that will happen at a known time.
#[derive(Debug)]
pub(crate) enum Due {
    /// A packet arrives at a host.
    Arrival { from: HostIndex, to: HostIndex, packet: Packet },
    /// An event that was held back is told, if the host still lives its life of then.
    LateEvent { host: HostIndex, life: u64, event: Event },
    /// A cut link carries again, unless it was cut for longer meanwhile.
    Heal { from: HostIndex, to: HostIndex },
    /// A clogged direction delivers again, unless it was clogged for longer meanwhile.
    Unclog { from: HostIndex, to: HostIndex },
    /// A crashed host starts again, if it is still down from the crash that asked for it.
    Restart { host: HostIndex, life: u64 },
    /// A host that is paused or suspended goes on, unless it is for longer meanwhile.
    Resume { host: HostIndex },
    /// A program was asked to end, and has had its time for it, if it still is the same one.
    GraceOver { host: HostIndex, life: u64 },
    /// A lookup of a name is answered, if the host still lives its life of then. `failure`: whatever is true of the name.
    Answer { host: HostIndex, life: u64, fd: Fd, name: String, failure: Option<NameFailure> },
    /// An operation on files is done, unless the host has crashed meanwhile.
    File { host: HostIndex, work: Key },
    /// A step of the scenario's script.
    Script(usize),
}

#[derive(Default)]
pub(crate) struct Fabric {
    queue: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
    /// What is due, by the slots of the entries: a packet is large, and a heap moves what is in it again and again.
    due: Vec<Option<(Stamp, Due)>>,
    free: Vec<u32>,
}

/// By its time, then by its number: what was scheduled first happens first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Moment,
    sequence: u64,
    slot: u32,
}

impl Fabric {
    /// `stamp`: what had led to it, where a story is told.
    pub(crate) fn schedule(&mut self, at: Moment, stamp: Stamp, due: Due) {
        let due = Some((stamp, due));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.due[slot as usize] = due;
                slot
            }
            None => {
                self.due.push(due);
                u32::try_from(self.due.len() - 1).expect("fewer than 2³² things are due at once")
            }
        };
        self.queue.push(Reverse(Entry { at, sequence: self.sequence, slot }));
        self.sequence += 1;
    }

    pub(crate) fn next_at(&self) -> Option<Moment> {
        self.queue.peek().map(|Reverse(entry)| entry.at)
    }

    pub(crate) fn pop(&mut self) -> Option<(Stamp, Due)> {
        let Reverse(Entry { slot, .. }) = self.queue.pop()?;
        self.free.push(slot);
        let due = self.due[slot as usize].take();
        Some(due.expect("a slot is filled for as long as its entry is queued"))
    }
}

/// The address of a host: 10.x.y.z, where the last three are its number and one.
pub(crate) fn host_ip(host: HostIndex) -> IpAddr {
    let number = u32::try_from(host + 1).expect("a world has fewer than 2²⁴ hosts");
    assert!(number < 1 << 24, "a world has fewer than 2²⁴ hosts");
    let [_, b, c, d] = number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, b, c, d))
}

/// The host that has `ip`, of `count` hosts.
pub(crate) fn host_of(ip: IpAddr, count: usize) -> Option<HostIndex> {
    let IpAddr::V4(ip) = ip else { return None };
    let number = u32::from(ip) & 0x00ff_ffff;
    (ip.octets()[0] == 10 && number >= 1 && number as usize <= count).then(|| number as usize - 1)
}
