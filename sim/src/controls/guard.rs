//! What keeps a fault up, and ends it: guards, and the desk that knows which of them keep up what.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::overlays::{Change, Overlays};
use crate::fabric::HostIndex;
use crate::fault::{CutWays, DiskFaults, HostFaults, LinkFaults};
use crate::reach::Reach;
use crate::script::{Act, HostFault, LinkAct};
use crate::state::{FilterKey, FilterKind, Predicate, State};

/// Keeps up a fault. Once it is dropped the fault is over, unless another guard keeps it up too.
///
/// ```
/// use twinloop::{StreamServer, connect, sleep, timeout};
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{Units, run_world};
///
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     let address = sim.host("server", 7, |address| async move {
///         let server = StreamServer::listen(address)?;
///         loop {
///             server.accept().await?;
///         }
///     });
///     let controls = sim.controls();
///     sim.client("client", move || {
///         let controls = controls.clone();
///         async move {
///             let (cut, isolated) = (controls.partition("client", "server"), controls.isolate("server"));
///             cut.heal();
///             assert!(timeout(1.s(), connect(address)).await.is_err(), "the other one keeps it up");
///             isolated.heal();
///             connect(address).await?;
///             // From here on it is cut off, whatever becomes of guards.
///             controls.isolate("server").leave();
///             assert!(timeout(1.s(), connect(address)).await.is_err());
///             Ok(())
///         }
///     });
/// });
/// assert!(report.verdict.is_passed(), "{}", report.verdict);
/// ```
#[must_use = "the fault is over once this is dropped: `leave` it to have it stay"]
pub struct Guard {
    desk: Rc<Desk>,
    number: u64,
    ends: Vec<End>,
}

/// What a guard ends.
enum End {
    Kept(Kept),
    Link(HostIndex, HostIndex),
    Host(HostIndex),
    Disk(HostIndex),
    Filter(FilterKey),
}

/// A fault that guards keep up; several may do so at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kept {
    Cut(HostIndex, HostIndex),
    Clog(HostIndex, HostIndex),
    Halt { host: HostIndex, suspended: bool },
    Down(HostIndex),
}

pub(super) struct Desk {
    pub(super) reach: Reach,
    pub(super) hosts: RefCell<Vec<String>>,
    pub(super) zones: RefCell<BTreeMap<String, Vec<HostIndex>>>,
    guards: Cell<u64>,
    /// The guards that keep up each fault, by number.
    kept_up: RefCell<BTreeMap<Kept, Vec<u64>>>,
    links: Overlays<(HostIndex, HostIndex), LinkFaults>,
    machines: Overlays<HostIndex, HostFaults>,
    disks: Overlays<HostIndex, DiskFaults>,
}

impl Guard {
    /// Ends the fault now: dropping it, with a name.
    pub fn heal(self) {
        drop(self);
    }

    /// The fault stays without a guard, until something else ends it:
    /// [`Controls::heal_all`](super::Controls::heal_all), the script, or a later guard of the same fault.
    pub fn leave(mut self) {
        for end in self.ends.drain(..) {
            if let End::Kept(fault) = end {
                self.desk.let_go(fault, self.number);
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        for end in self.ends.drain(..) {
            match end {
                End::Kept(fault) => {
                    if self.desk.let_go(fault, self.number) {
                        self.desk.ask(fault.end());
                    }
                }
                End::Link(from, to) => self.desk.unchange_link(from, to, self.number),
                End::Host(host) => self.desk.unchange_host(host, self.number),
                End::Disk(host) => self.desk.unchange_disk(host, self.number),
                End::Filter(key) => _ = self.desk.reach.with(|state| state.end_filter(key)),
            }
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("number", &self.number).field("faults", &self.ends.len()).finish()
    }
}

impl Desk {
    pub(super) fn new(reach: Reach) -> Desk {
        Desk {
            reach,
            hosts: RefCell::default(),
            zones: RefCell::default(),
            guards: Cell::new(0),
            kept_up: RefCell::default(),
            links: Overlays::default(),
            machines: Overlays::default(),
            disks: Overlays::default(),
        }
    }

    pub(super) fn index(&self, name: &str) -> HostIndex {
        let found = self.hosts.borrow().iter().position(|host| host == name);
        found.unwrap_or_else(|| {
            panic!("the world that runs has no host {name:?}: controls are for while it runs")
        })
    }

    pub(super) fn zone(&self, name: &str) -> Vec<HostIndex> {
        let zones = self.zones.borrow();
        let found = zones.get(name);
        found.cloned().unwrap_or_else(|| {
            panic!("the world that runs has no zone {name:?}: name it by Sim::zone() before")
        })
    }

    /// Does something to the world: at once, or between two turns what concerns programs, which may be those that ask.
    pub(super) fn ask(&self, act: Act) {
        self.reach.with(|state| {
            if act.draws_faults() {
                state.asked.push(Act::DrawByPeriod);
            }
            if act.concerns_programs() { state.asked.push(act) } else { state.perform(act) }
        });
    }

    pub(super) fn keep(self: &Rc<Self>, faults: impl IntoIterator<Item = Kept>) -> Guard {
        let number = self.next_guard();
        let faults: Vec<Kept> = faults.into_iter().collect();
        for fault in &faults {
            self.kept_up.borrow_mut().entry(*fault).or_default().push(number);
            self.ask(fault.begin());
        }
        self.guard(number, faults.into_iter().map(End::Kept).collect())
    }

    /// A guard keeps a fault up no longer. True if none does.
    fn let_go(&self, fault: Kept, guard: u64) -> bool {
        let mut kept_up = self.kept_up.borrow_mut();
        let guards = kept_up.get_mut(&fault).expect("a fault is known while a guard keeps it up");
        guards.retain(|other| *other != guard);
        let is_over = guards.is_empty();
        if is_over {
            kept_up.remove(&fault);
        }
        is_over
    }

    /// Each of the directions behaves otherwise.
    pub(super) fn change_links(
        self: &Rc<Self>,
        directions: &[(HostIndex, HostIndex)],
        change: Change<LinkFaults>,
    ) -> Guard {
        let number = self.next_guard();
        for &(from, to) in directions {
            let Some(now) = self.reach.with(|state| faults_of_link(state, from, to)) else { continue };
            let faults = self.links.add((from, to), now, number, Rc::clone(&change));
            self.ask(link_act(from, to, faults));
        }
        self.guard(number, directions.iter().map(|&(from, to)| End::Link(from, to)).collect())
    }

    fn unchange_link(&self, from: HostIndex, to: HostIndex, guard: u64) {
        let Some(now) = self.reach.with(|state| faults_of_link(state, from, to)) else { return };
        if let Some(faults) = self.links.remove((from, to), now, guard) {
            self.ask(link_act(from, to, faults));
        }
    }

    pub(super) fn change_host(self: &Rc<Self>, host: HostIndex, change: Change<HostFaults>) -> Guard {
        let number = self.next_guard();
        if let Some(now) = self.reach.with(|state| state.machines[host].rule.faults().clone()) {
            let faults = Box::new(self.machines.add(host, now, number, change));
            self.ask(Act::Host { host, faults });
        }
        self.guard(number, vec![End::Host(host)])
    }

    fn unchange_host(&self, host: HostIndex, guard: u64) {
        let Some(now) = self.reach.with(|state| state.machines[host].rule.faults().clone()) else { return };
        if let Some(faults) = self.machines.remove(host, now, guard) {
            self.ask(Act::Host { host, faults: Box::new(faults) });
        }
    }

    pub(super) fn change_disk(self: &Rc<Self>, host: HostIndex, change: Change<DiskFaults>) -> Guard {
        let number = self.next_guard();
        if let Some(now) = self.reach.with(|state| state.machines[host].disk.faults().clone()) {
            let faults = Box::new(self.disks.add(host, now, number, change));
            self.ask(Act::Disk { host, faults });
        }
        self.guard(number, vec![End::Disk(host)])
    }

    fn unchange_disk(&self, host: HostIndex, guard: u64) {
        let Some(now) = self.reach.with(|state| state.machines[host].disk.faults().clone()) else { return };
        if let Some(faults) = self.disks.remove(host, now, guard) {
            self.ask(Act::Disk { host, faults: Box::new(faults) });
        }
    }

    /// Messages that `predicate` picks are lost.
    pub(super) fn drop_messages(
        self: &Rc<Self>,
        (from, to): (HostIndex, HostIndex),
        predicate: Predicate,
    ) -> Guard {
        let drop = FilterKind::Drop;
        let key = self.reach.with(|state| state.filter_messages(from, to, drop, predicate));
        self.guard(self.next_guard(), key.map(End::Filter).into_iter().collect())
    }

    fn guard(self: &Rc<Self>, number: u64, ends: Vec<End>) -> Guard {
        Guard { desk: Rc::clone(self), number, ends }
    }

    fn next_guard(&self) -> u64 {
        self.guards.replace(self.guards.get() + 1)
    }
}

fn faults_of_link(state: &mut State, from: HostIndex, to: HostIndex) -> LinkFaults {
    state.links[from][to].rule.faults().clone()
}

fn link_act(from: HostIndex, to: HostIndex, faults: LinkFaults) -> Act {
    Act::Link { from, to, both_ways: false, faults: Box::new(faults) }
}

impl Kept {
    fn begin(self) -> Act {
        match self {
            Kept::Cut(from, to) => Act::Cut { from, to, ways: CutWays::This },
            Kept::Clog(from, to) => Act::Links(LinkAct::Clog { from, to }),
            Kept::Halt { host, suspended } => {
                Act::Befall { host, fault: HostFault::Halt { length: None, suspended } }
            }
            Kept::Down(host) => Act::Crash { host },
        }
    }

    fn end(self) -> Act {
        match self {
            Kept::Cut(from, to) => Act::HealOneWay { from, to },
            Kept::Clog(from, to) => Act::Links(LinkAct::Unclog { from, to }),
            Kept::Halt { host, .. } => Act::Befall { host, fault: HostFault::Resume },
            Kept::Down(host) => Act::Restart { host },
        }
    }
}
