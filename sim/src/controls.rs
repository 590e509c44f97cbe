//! What a scenario does to its world while it runs: faults with guards that end them, and a look at a host's sockets. What is asked
//! for is an act of a script (`script.rs`), and the world performs it once the turn under way is over.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::Sim;
use crate::fabric::HostIndex;
use crate::fault::{CutWays, HostFaults, LinkFaults};
use crate::netstat::Netstat;
use crate::reach::Reach;
use crate::script::{Act, HostFault, LinkAct};

/// A handle to the world that runs, for programs and checks of a scenario: from [`Sim::controls`]. Clones are handles to the same
/// world. Before the world runs, and after its end, nothing happens.
///
/// What is asked for happens at the same moment, once the turn under way is over. It is in the run's hash and in its story.
///
/// ```
/// use twinloop::{DatagramTransport, sleep, timeout};
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{Units, run_world};
///
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     let address = sim.host("echo", 7, |address| async move {
///         let socket = DatagramTransport::bind(address)?;
///         loop {
///             let received = socket.recv_from(&mut [0]).await?;
///             socket.send_to(b"!", received.source).await?;
///         }
///     });
///     let controls = sim.controls();
///     sim.client("client", move || {
///         let controls = controls.clone();
///         async move {
///             let socket = DatagramTransport::connect(address)?;
///             let cut = controls.partition("client", "echo");
///             sleep(1.ms()).await;
///             socket.send(b"?").await?;
///             assert!(timeout(1.s(), socket.recv(&mut [0])).await.is_err());
///             drop(cut);
///             sleep(1.ms()).await;
///             socket.send(b"?").await?;
///             assert!(timeout(1.s(), socket.recv(&mut [0])).await.is_ok());
///             Ok(())
///         }
///     });
/// });
/// assert!(report.verdict.is_passed(), "{}", report.verdict);
/// ```
#[derive(Clone)]
pub struct Controls(Rc<Desk>);

struct Desk {
    reach: Reach,
    hosts: RefCell<Vec<String>>,
    /// How many guards keep up each fault.
    kept_up: RefCell<BTreeMap<Kept, usize>>,
}

/// A fault that guards keep up; several may do so at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kept {
    Cut(HostIndex, HostIndex),
    Clog(HostIndex, HostIndex),
    Halt(HostIndex),
    Down(HostIndex),
}

/// Keeps up a fault. Once it is dropped the fault is over, unless another guard keeps it up too.
#[must_use = "the fault is over once this is dropped"]
pub struct Guard {
    desk: Rc<Desk>,
    ends: Vec<End>,
}

enum End {
    Kept(Kept),
    /// What held before is put back.
    Restore(Act),
}

impl Controls {
    pub(crate) fn new(reach: Reach) -> Controls {
        let (hosts, kept_up) = (RefCell::default(), RefCell::default());
        Controls(Rc::new(Desk { reach, hosts, kept_up }))
    }

    /// The world is about to run, with these hosts.
    pub(crate) fn know(&self, hosts: Vec<String>) {
        *self.0.hosts.borrow_mut() = hosts;
    }

    // ---- faults with guards ----

    /// Nothing passes between two hosts.
    ///
    /// # Panics
    ///
    /// This and all calls that name hosts panic if the world has no host of that name.
    pub fn partition(&self, a: &str, b: &str) -> Guard {
        let (a, b) = (self.0.index(a), self.0.index(b));
        self.0.keep([Kept::Cut(a, b), Kept::Cut(b, a)])
    }

    /// Nothing passes from one host to another; the other way is as before.
    pub fn partition_one_way(&self, from: &str, to: &str) -> Guard {
        self.0.keep([Kept::Cut(self.0.index(from), self.0.index(to))])
    }

    /// Nothing passes between the host and any other one.
    pub fn isolate(&self, host: &str) -> Guard {
        let host = self.0.index(host);
        let others = (0..self.0.hosts.borrow().len()).filter(move |other| *other != host);
        self.0.keep(others.flat_map(|other| [Kept::Cut(host, other), Kept::Cut(other, host)]))
    }

    /// The link between two hosts delivers nothing; once it is over, all of it at once.
    pub fn clog(&self, a: &str, b: &str) -> Guard {
        let (a, b) = (self.0.index(a), self.0.index(b));
        self.0.keep([Kept::Clog(a, b), Kept::Clog(b, a)])
    }

    /// The host's programs stand still; its kernel goes on.
    pub fn pause(&self, host: &str) -> Guard {
        self.0.keep([Kept::Halt(self.0.index(host))])
    }

    /// The host crashes, and starts again once the guard is dropped.
    pub fn down(&self, host: &str) -> Guard {
        self.0.keep([Kept::Down(self.0.index(host))])
    }

    /// The link between two hosts behaves otherwise: `change` is given how it behaves now, from `a` to `b`. Then each direction
    /// behaves as before.
    pub fn with_link(&self, a: &str, b: &str, change: impl FnOnce(&mut LinkFaults)) -> Guard {
        let (a, b) = (self.0.index(a), self.0.index(b));
        let mut change = Some(change);
        let directions = self.0.reach.with(|state| {
            let mut faults = state.links[a][b].rule.faults().clone();
            if let Some(change) = change.take() {
                change(&mut faults);
            }
            let before = |from: HostIndex, to: HostIndex| state.links[from][to].rule.faults().clone();
            (faults, [(a, b, before(a, b)), (b, a, before(b, a))])
        });
        let Some((faults, before)) = directions else { return self.0.keep([]) };
        let link = |from, to, faults| Act::Link { from, to, both_ways: false, faults: Box::new(faults) };
        self.0.ask(link(a, b, faults.clone()));
        self.0.ask(link(b, a, faults));
        let ends = before.map(|(from, to, faults)| End::Restore(link(from, to, faults)));
        Guard { desk: Rc::clone(&self.0), ends: ends.into() }
    }

    /// The host behaves otherwise: `change` is given how it behaves now.
    pub fn with_host(&self, host: &str, change: impl FnOnce(&mut HostFaults)) -> Guard {
        let host = self.0.index(host);
        let before = self.0.reach.with(|state| state.machines[host].rule.faults().clone());
        let Some(before) = before else { return self.0.keep([]) };
        let mut faults = before.clone();
        change(&mut faults);
        self.0.ask(Act::Host { host, faults: Box::new(faults) });
        let restore = Act::Host { host, faults: Box::new(before) };
        Guard { desk: Rc::clone(&self.0), ends: vec![End::Restore(restore)] }
    }

    // ---- what happens once ----

    /// The host is gone without a word, until it is [restarted](Controls::restart).
    pub fn crash(&self, host: &str) {
        self.0.ask(Act::Crash { host: self.0.index(host) });
    }

    /// The host starts, if it is down.
    pub fn restart(&self, host: &str) {
        self.0.ask(Act::Restart { host: self.0.index(host) });
    }

    /// The host's process is killed, as by [`At::kill`](crate::At::kill).
    pub fn kill(&self, host: &str) {
        self.0.ask(Act::Befall { host: self.0.index(host), fault: HostFault::Kill });
    }

    /// The host's program is asked to end, as by [`At::stop`](crate::At::stop).
    pub fn stop(&self, host: &str) {
        self.0.ask(Act::Befall { host: self.0.index(host), fault: HostFault::Stop });
    }

    /// All connections of the host are reset.
    pub fn reset_connections(&self, host: &str) {
        self.0.ask(Act::Reset { host: self.0.index(host) });
    }

    /// All links carry again, as by [`At::heal_all`](crate::At::heal_all): also those that guards have cut.
    pub fn heal_all(&self) {
        self.0.ask(Act::Links(LinkAct::HealAll));
    }

    // ---- looking ----

    /// The host's sockets now. Without a world that runs, none.
    pub fn netstat(&self, host: &str) -> Netstat {
        let index = self.0.index(host);
        let looked = self.0.reach.with(|state| (state.now, state.machines[index].kernel.netstat()));
        let (at, sockets) = looked.unwrap_or((twinloop::Moment::ORIGIN, Vec::new()));
        Netstat { host: host.to_owned(), at, sockets }
    }
}

impl Desk {
    fn index(&self, name: &str) -> HostIndex {
        let found = self.hosts.borrow().iter().position(|host| host == name);
        found.unwrap_or_else(|| {
            panic!("the world that runs has no host {name:?}: controls are for while it runs")
        })
    }

    fn ask(&self, act: Act) {
        self.reach.with(|state| state.asked.push(act));
    }

    fn keep(self: &Rc<Self>, faults: impl IntoIterator<Item = Kept>) -> Guard {
        let faults: Vec<Kept> = faults.into_iter().collect();
        for fault in &faults {
            let count = *self.kept_up.borrow_mut().entry(*fault).and_modify(|count| *count += 1).or_insert(1);
            if count == 1 {
                self.ask(fault.begin());
            }
        }
        Guard { desk: Rc::clone(self), ends: faults.into_iter().map(End::Kept).collect() }
    }
}

impl Kept {
    fn begin(self) -> Act {
        match self {
            Kept::Cut(from, to) => Act::Cut { from, to, ways: CutWays::This },
            Kept::Clog(from, to) => Act::Links(LinkAct::Clog { from, to }),
            Kept::Halt(host) => {
                Act::Befall { host, fault: HostFault::Halt { length: None, suspended: false } }
            }
            Kept::Down(host) => Act::Crash { host },
        }
    }

    fn end(self) -> Act {
        match self {
            Kept::Cut(from, to) => Act::HealOneWay { from, to },
            Kept::Clog(from, to) => Act::Links(LinkAct::Unclog { from, to }),
            Kept::Halt(host) => Act::Befall { host, fault: HostFault::Resume },
            Kept::Down(host) => Act::Restart { host },
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        for end in self.ends.drain(..) {
            match end {
                End::Restore(act) => self.desk.ask(act),
                End::Kept(fault) => {
                    let mut kept_up = self.desk.kept_up.borrow_mut();
                    let count = kept_up.get_mut(&fault).expect("this guard keeps it up");
                    *count -= 1;
                    if *count == 0 {
                        kept_up.remove(&fault);
                        self.desk.ask(fault.end());
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controls").field("hosts", &self.0.hosts.borrow()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("faults", &self.ends.len()).finish_non_exhaustive()
    }
}

impl Sim {
    /// A handle to the world while it runs: for programs and checks that do something to it, or look at it.
    pub fn controls(&mut self) -> Controls {
        self.controls.clone()
    }
}
