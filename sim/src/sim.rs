//! `Sim`: how a scenario says what its world is made of: hosts, clients, checks, budgets. What they meet is said in
//! `faults`, what they find in `surroundings`; `running` makes the world of it.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::path::PathBuf;
use std::time::Duration;

use twinloop::Address;

use self::faults::OwnLinkFaults;
use crate::choice::{Chooser, INPUT};
use crate::console::Output;
use crate::controls::Controls;
use crate::disk::{Copies, Disk};
use crate::fabric::{HostIndex, host_ip};
use crate::fault::{BuggifyFaults, DiskFaults, HostFaults, LinkFaults};
use crate::names::Answer;
use crate::program::{Program, ProgramResult};
use crate::reach::Reach;
use crate::script::{At, Step};
use crate::state::{FilterKey, FilterKind, Predicate};
use crate::story::Telling;
use crate::swarm::Swarm;
use crate::world::Budget;
use crate::zones::Zones;

mod faults;
mod running;
mod surroundings;

/// Turns of all dispatchers together after which a run is taken to spin.
const TURN_BUDGET: u64 = 1_000_000;
/// Virtual time after which a run is taken to be stuck.
const TIME_BUDGET: Duration = Duration::from_secs(3600);

type Check = Box<dyn FnOnce() -> Result<(), String>>;

/// A world being put together: hosts with their programs, faults, a script, and checks for the end.
///
/// A [`Scenario`](crate::Scenario) is given one to fill; it is run for it afterwards.
///
/// ```
/// use std::time::Duration;
/// use twinloop::{StreamServer, connect};
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{Scenario, Units};
///
/// let scenario = Scenario::new("greeting", "a greeting over a slow link", |sim| {
///     sim.links().latency(30.ms());
///     let address = sim.host("server", 7, |address| async move {
///         let server = StreamServer::listen(address)?;
///         loop {
///             server.accept().await?.write(b"hello").await?;
///         }
///     });
///     sim.client("client", move || async move {
///         let greeting = connect(address).await?.read_to_end(100).await?;
///         assert_eq!(greeting, b"hello");
///         Ok(())
///     });
/// });
/// let report = scenario.run(&Choices::Seeded(1), Telling::Silent);
/// assert!(report.verdict.is_passed());
/// assert!(report.virtual_time >= 90.ms());
/// ```
pub struct Sim {
    pub(crate) chooser: Chooser,
    telling: Telling,
    hosts: Vec<(String, Program)>,
    host_faults: HostFaults,
    own_host_faults: Vec<(HostIndex, HostFaults)>,
    disk_faults: DiskFaults,
    own_disk_faults: Vec<(HostIndex, DiskFaults)>,
    copies: Vec<Copies>,
    link_faults: LinkFaults,
    own_link_faults: Vec<OwnLinkFaults>,
    buggify: BuggifyFaults,
    pub(crate) swarm: Option<Swarm>,
    filters: Vec<(FilterKey, FilterKind, Predicate)>,
    pub(crate) reach: Reach,
    pub(crate) controls: Controls,
    files: Vec<(HostIndex, PathBuf, Vec<u8>)>,
    disks: Vec<(HostIndex, Disk)>,
    inputs: Vec<(HostIndex, Vec<u8>)>,
    outputs: Vec<(HostIndex, Output)>,
    names: Vec<(String, Answer)>,
    pub(crate) script: Vec<Step>,
    pub(crate) zones: Zones,
    checks: Vec<(&'static str, Check)>,
    budget: Budget,
}

impl Sim {
    /// A world with nothing in it.
    pub(crate) fn new(chooser: Chooser, telling: Telling) -> Sim {
        let reach = Reach::default();
        Sim {
            chooser,
            telling,
            hosts: Vec::new(),
            host_faults: HostFaults::default(),
            own_host_faults: Vec::new(),
            disk_faults: DiskFaults::default(),
            own_disk_faults: Vec::new(),
            copies: Vec::new(),
            link_faults: LinkFaults::default(),
            own_link_faults: Vec::new(),
            buggify: BuggifyFaults::default(),
            swarm: None,
            filters: Vec::new(),
            controls: Controls::new(reach.clone()),
            reach,
            files: Vec::new(),
            disks: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            names: Vec::new(),
            script: Vec::new(),
            zones: Zones::default(),
            checks: Vec::new(),
            budget: Budget { turns: TURN_BUDGET, time: TIME_BUDGET },
        }
    }

    /// The seed of this run.
    pub fn seed(&self) -> u64 {
        self.chooser.seed()
    }

    /// A choice of the scenario's own, such as how many clients there are: an index below `n`, where 0 is the plainest
    /// world. It is drawn, logged, replayed and shrunk like every other.
    pub fn pick(&mut self, what: &str, n: usize) -> usize {
        let site = self.chooser.site(&format!("{INPUT}{what}"));
        self.chooser.pick(site, n)
    }

    /// Adds a host that serves at `port`; answers its address. `program` makes the main future from that address, at the
    /// beginning and after each crash. The run does not wait for it to end, and fails if it ends with an error.
    ///
    /// # Panics
    ///
    /// If there is a host of that name already.
    #[track_caller]
    pub fn host<F>(
        &mut self,
        name: &str,
        port: u16,
        mut program: impl FnMut(Address) -> F + 'static,
    ) -> Address
    where
        F: Future<Output = ProgramResult> + 'static,
    {
        let address = Address::Ip((host_ip(self.hosts.len()), port).into());
        self.add(name, Program::new(false, Location::caller(), move || program(address)));
        address
    }

    /// Adds a host whose program the run waits for: it is over once every client has finished. An error fails the run.
    ///
    /// # Panics
    ///
    /// If there is a host of that name already.
    #[track_caller]
    pub fn client<F>(&mut self, name: &str, program: impl FnMut() -> F + 'static)
    where
        F: Future<Output = ProgramResult> + 'static,
    {
        self.client_at(name, Location::caller(), program);
    }

    /// Says what is to happen once `time` has passed.
    #[must_use = "say what is to happen then"]
    pub fn at(&mut self, time: Duration) -> At<'_> {
        At { sim: self, at: time }
    }

    /// Something that must hold at the end of a run in which every client has finished. Checks are made in the order in
    /// which they were added; the first that fails is the verdict.
    pub fn check(&mut self, name: &'static str, check: impl FnOnce() -> Result<(), String> + 'static) {
        self.checks.push((name, Box::new(check)));
    }

    /// Ends a run after so many turns of all dispatchers together; a million if nothing is said.
    pub fn turn_budget(&mut self, turns: u64) {
        self.budget.turns = turns;
    }

    /// Ends a run after so much virtual time; an hour if nothing is said.
    pub fn time_budget(&mut self, time: Duration) {
        self.budget.time = time;
    }

    /// As [`Sim::client`], for a program that stands at `place`.
    pub(crate) fn client_at<F>(
        &mut self,
        name: &str,
        place: &'static Location<'static>,
        program: impl FnMut() -> F + 'static,
    ) where
        F: Future<Output = ProgramResult> + 'static,
    {
        self.add(name, Program::new(true, place, program));
    }

    fn add(&mut self, name: &str, program: Program) {
        assert!(self.hosts.iter().all(|(taken, _)| taken != name), "there are two hosts called {name:?}");
        self.hosts.push((name.to_owned(), program));
    }

    pub(crate) fn host_count(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn index(&self, name: &str) -> HostIndex {
        let found = self.hosts.iter().position(|(host, _)| host == name);
        found.unwrap_or_else(|| panic!("no host is called {name:?}: add hosts before what concerns them"))
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.hosts.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Sim").field("chooser", &self.chooser).field("hosts", &names).finish_non_exhaustive()
    }
}
