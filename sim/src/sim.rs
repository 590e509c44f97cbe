//! `Sim`: how a scenario says what its world is made of. It builds; the world runs.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use twinloop::{Address, Moment, catalogue};

use crate::choice::{Chooser, INPUT};
use crate::condition::Condition;
use crate::console::Output;
use crate::controls::Controls;
use crate::determinism::trail;
use crate::disk::{Copies, Disk};
use crate::fabric::{HostIndex, host_ip};
use crate::fault::{
    BuggifyFaults, BuggifyRule, DiskFaults, DiskRule, HostFaults, HostRule, LinkFaults, LinkRule,
};
use crate::isolation::Isolation;
use crate::kernel::Kernel;
use crate::names::{Answer, NameFailure, Names};
use crate::program::{Program, ProgramResult};
use crate::reach::Reach;
use crate::record::Record;
use crate::script::{At, Step};
use crate::state::{FilterKey, FilterKind, Link, Machine, Predicate, State};
use crate::story::{Blame, Telling};
use crate::swarm::Swarm;
use crate::verdict::{Probe, Report, Verdict};
use crate::world::{Budget, World, contain};
use crate::zones::Zones;

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

    /// How every link behaves that is not told otherwise, to be changed in place.
    ///
    /// ```
    /// use twinloop_sim::Units;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("a", || async { Ok(()) });
    ///     sim.client("b", || async { Ok(()) });
    ///     sim.client("c", || async { Ok(()) });
    ///     sim.links().latency(2.ms()).jitter(5.ms());
    ///     sim.link("a", "b").loss(0.02);
    ///     sim.one_way("c", "a").loss(0.5);
    ///     sim.at(3.s()).link("a", "b").loss(0.0);
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn links(&mut self) -> &mut LinkFaults {
        &mut self.link_faults
    }

    /// How the link between `a` and `b` behaves, in both directions: at first as [`Sim::links`] has it by then.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn link(&mut self, a: &str, b: &str) -> &mut LinkFaults {
        let (a, b) = (self.index(a), self.index(b));
        self.link_of((a, b))
    }

    pub(crate) fn link_of(&mut self, ends: (HostIndex, HostIndex)) -> &mut LinkFaults {
        self.own_link(ends, true)
    }

    /// How one direction of a link behaves: at first as [`Sim::link`] or [`Sim::links`] has it by then.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn one_way(&mut self, from: &str, to: &str) -> &mut LinkFaults {
        let (from, to) = (self.index(from), self.index(to));
        self.own_link((from, to), false)
    }

    /// How every host behaves that is not told otherwise, to be changed in place.
    pub fn faults(&mut self) -> &mut HostFaults {
        &mut self.host_faults
    }

    /// How `host` behaves: at first as [`Sim::faults`] has it by then.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn host_faults(&mut self, host: &str) -> &mut HostFaults {
        let host = self.index(host);
        let own = &mut self.own_host_faults;
        let at = own.iter().position(|(index, _)| *index == host).unwrap_or_else(|| {
            own.push((host, self.host_faults.clone()));
            own.len() - 1
        });
        &mut own[at].1
    }

    /// How every disk behaves that is not told otherwise, to be changed in place.
    ///
    /// ```
    /// use twinloop_sim::Units;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("a", || async { Ok(()) });
    ///     sim.client("b", || async { Ok(()) });
    ///     sim.disks().jitter(2.ms()).slow_sync(0.01);
    ///     sim.disk("a").sync_error(0.01);
    ///     sim.at(10.s()).disk("b").capacity(0);
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn disks(&mut self) -> &mut DiskFaults {
        &mut self.disk_faults
    }

    /// How the disk of `host` behaves: at first as [`Sim::disks`] has it by then.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn disk(&mut self, host: &str) -> &mut DiskFaults {
        let host = self.index(host);
        let own = &mut self.own_disk_faults;
        let at = own.iter().position(|(index, _)| *index == host).unwrap_or_else(|| {
            own.push((host, self.disk_faults.clone()));
            own.len() - 1
        });
        &mut own[at].1
    }

    /// Promises that, whatever the disks of `hosts` do, each 4 KiB of what they keep stays whole on `survive` of them: latent
    /// errors, rot, lost and misdirected writes and misdirected reads strike no others there. So a program that repairs what is
    /// broken from other copies must lose nothing.
    ///
    /// The same offset in a file is taken for the same copy, whatever the file is called. Of what a crash takes nothing is
    /// promised: who has synced has it.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before, and if more copies are to survive than there are.
    ///
    /// ```
    /// use twinloop::File;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     for host in ["a", "b", "c"] {
    ///         sim.client(host, || async {
    ///             let record = File::open("/record").await?.read_range(0, 100).await;
    ///             twinloop::fs::write("/found", vec![u8::from(record.is_ok())]).await?;
    ///             Ok(())
    ///         });
    ///         sim.file(host, "/record", b"the only one");
    ///     }
    ///     sim.disks().latent_error(1.0);
    ///     sim.copies(["a", "b", "c"], 2);
    ///     let disks = ["a", "b", "c"].map(|host| sim.disk_of(host));
    ///     sim.check("two copies are left", move || {
    ///         let whole = disks.iter().filter(|disk| disk.read("/found") == Some(vec![1])).count();
    ///         if whole == 2 { Ok(()) } else { Err(format!("{whole} are left")) }
    ///     });
    /// });
    /// assert!(report.verdict.is_passed(), "{}", report.verdict);
    /// ```
    pub fn copies<'h>(&mut self, hosts: impl IntoIterator<Item = &'h str>, survive: usize) {
        let hosts: Vec<HostIndex> = hosts.into_iter().map(|host| self.index(host)).collect();
        assert!(survive <= hosts.len(), "of {} copies, {survive} can not survive", hosts.len());
        self.copies.push(Copies { hosts, survive });
    }

    /// How probable it is, for each [`buggify!`](twinloop::buggify) site of the program, that it is on in this run; 0 if nothing is
    /// said. Each is drawn once, when a program first comes there. A site that is on fires with its own probability.
    ///
    /// ```
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::run_world;
    /// use twinloop_sim::story::Telling;
    ///
    /// let times = |seed| {
    ///     let report = run_world(&Choices::Seeded(seed), Telling::Silent, |sim| {
    ///         sim.buggify(0.25);
    ///         sim.client("host", || async {
    ///             for _ in 0..100 {
    ///                 let _is_unlucky = twinloop::buggify!("rarely unlucky", 0.05);
    ///             }
    ///             Ok(())
    ///         });
    ///     });
    ///     report.reached.count("rarely unlucky")
    /// };
    /// assert!((0..100).any(|seed| times(seed) == 0) && (0..100).any(|seed| times(seed) > 1));
    /// ```
    pub fn buggify(&mut self, activation: f64) {
        self.buggify.set(activation);
    }

    /// As [`Sim::buggify`] for the site called `name`, whatever is said of the others: 0 for one that this scenario is not to
    /// meet, 1 for one that it is about.
    ///
    /// # Panics
    ///
    /// If no site of the program is called so.
    ///
    /// ```
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::run_world;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.buggify_site("the disk is slow", 1.0);
    ///     sim.client("host", || async {
    ///         assert!(twinloop::buggify!("the disk is slow", 1.0));
    ///         assert!(!twinloop::buggify!("the cache is cold", 1.0));
    ///         Ok(())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn buggify_site(&mut self, name: &str, activation: f64) {
        self.buggify.set_site(name, activation);
    }

    /// What the disk of `host` has in the end, for a check.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    ///
    /// ```
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("host", || async {
    ///         twinloop::fs::write("/tmp/answer", b"42").await?;
    ///         Ok(())
    ///     });
    ///     let disk = sim.disk_of("host");
    ///     sim.check("the answer is kept", move || {
    ///         disk.read("/tmp/answer").filter(|answer| answer == b"42").map(drop).ok_or("it is not".to_owned())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn disk_of(&mut self, host: &str) -> Disk {
        let host = self.index(host);
        if let Some((_, disk)) = self.disks.iter().find(|(other, _)| *other == host) {
            return disk.clone();
        }
        let disk = Disk::default();
        self.disks.push((host, disk.clone()));
        disk
    }

    /// Has `host` begin with a file at `path`, synced, and with the folders above it. What its programs make of it is in doubt
    /// when it crashes, as [`DiskFaults::unsynced_lost`] says.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    ///
    /// ```
    /// use twinloop::File;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("host", || async {
    ///         assert_eq!(File::open("/www/index.html").await?.read_range(0, 100).await?, b"hello");
    ///         Ok(())
    ///     });
    ///     sim.file("host", "/www/index.html", b"hello");
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn file(&mut self, host: &str, path: impl AsRef<Path>, contents: impl Into<Vec<u8>>) {
        let host = self.index(host);
        self.files.push((host, path.as_ref().to_owned(), contents.into()));
    }

    /// What the programs of `host` read from their standard input, and then its end. Without this, they find the end at once.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    ///
    /// ```
    /// use twinloop::standard_input;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::run_world;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("host", || async {
    ///         assert_eq!(standard_input()?.read_to_end(100).await?, b"yes\n");
    ///         Ok(())
    ///     });
    ///     sim.input("host", b"yes\n");
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn input(&mut self, host: &str, bytes: impl Into<Vec<u8>>) {
        let host = self.index(host);
        self.inputs.push((host, bytes.into()));
    }

    /// What the programs of `host` write to their standard output and error, for a check at the end. Whole lines are told in
    /// the story too.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn output(&mut self, host: &str) -> Output {
        let host = self.index(host);
        if let Some((_, output)) = self.outputs.iter().find(|(other, _)| *other == host) {
            return output.clone();
        }
        let output = Output::default();
        self.outputs.push((host, output.clone()));
        output
    }

    /// Lookups of `name` are answered by `addresses`, in this order, on every host. The name of a host leads to that host
    /// unless it is told otherwise, `localhost` to the host that asks, over IPv4 and IPv6; no other name has an address.
    ///
    /// How long an answer takes is a matter of [`HostFaults::lookup_latency`].
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use twinloop::{StreamServer, connect_host};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::run_world;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     let address = sim.host("replica", 5432, |address| async move {
    ///         StreamServer::listen(address)?.accept().await?;
    ///         Ok(())
    ///     });
    ///     let replica = address.as_ip().expect("a host has an IP address").ip();
    ///     // Nobody has the first address: the second one is tried beside it.
    ///     sim.name("db", [Ipv4Addr::new(10, 9, 9, 9).into(), replica]);
    ///     sim.client("client", move || async move {
    ///         assert_eq!(connect_host("db", 5432).await?.remote_address(), address);
    ///         Ok(())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn name(&mut self, name: &str, addresses: impl IntoIterator<Item: Into<IpAddr>>) {
        self.names.push((name.to_owned(), Ok(addresses.into_iter().map(Into::into).collect())));
    }

    /// Lookups of `name` fail, on every host.
    ///
    /// ```
    /// use twinloop::{ErrorKind, resolve};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{NameFailure, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.name_fails("db", NameFailure::NoAnswer);
    ///     sim.client("client", || async {
    ///         let error = resolve("db").await.expect_err("nobody answers");
    ///         assert_eq!(error.kind(), ErrorKind::Os(std::io::ErrorKind::TimedOut));
    ///         Ok(())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn name_fails(&mut self, name: &str, failure: NameFailure) {
        self.names.push((name.to_owned(), Err(failure)));
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

    /// What was said of a link last; of all of them, if nothing was said of this one.
    pub(crate) fn faults_between(&self, from: HostIndex, to: HostIndex) -> &LinkFaults {
        let own = self.own_link_faults.iter().rev().find(|own| own.concerns(from, to));
        own.map_or(&self.link_faults, |own| &own.faults)
    }

    pub(crate) fn disk_faults_of(&self, host: HostIndex) -> &DiskFaults {
        let own = self.own_disk_faults.iter().find(|(index, _)| *index == host);
        own.map_or(&self.disk_faults, |(_, faults)| faults)
    }

    pub(crate) fn faults_of(&self, host: HostIndex) -> &HostFaults {
        let own = self.own_host_faults.iter().find(|(index, _)| *index == host);
        own.map_or(&self.host_faults, |(_, faults)| faults)
    }

    /// Messages of a direction are singled out from the beginning.
    pub(crate) fn filter(
        &mut self,
        from: &str,
        to: &str,
        kind: FilterKind,
        predicate: Predicate,
    ) -> FilterKey {
        let (from, to) = (self.index(from), self.index(to));
        let key = FilterKey { from, to, number: self.filters.len() as u64 };
        self.filters.push((key, kind, predicate));
        key
    }

    fn own_link(&mut self, ends: (HostIndex, HostIndex), both_ways: bool) -> &mut LinkFaults {
        let faults = self.faults_between(ends.0, ends.1).clone();
        self.own_link_faults.push(OwnLinkFaults { ends, both_ways, faults });
        &mut self.own_link_faults.last_mut().expect("it was pushed above").faults
    }

    /// Runs the world to its end, and looks at what it leaves.
    pub(crate) fn run(mut self) -> Report {
        let (script, checks) = (std::mem::take(&mut self.script), std::mem::take(&mut self.checks));
        let swarm = self.draw_swarm();
        swarm.on_sites(&mut self.buggify);
        let link_faults_between = |from, to| {
            let mut faults = self.faults_between(from, to).clone();
            swarm.on_link(from, to, &mut faults);
            faults
        };
        let link_faults: Vec<Vec<LinkFaults>> = (0..self.hosts.len())
            .map(|from| (0..self.hosts.len()).map(|to| link_faults_between(from, to)).collect())
            .collect();
        let mut host_faults: Vec<HostFaults> =
            (0..self.hosts.len()).map(|host| self.faults_of(host).clone()).collect();
        let mut disk_faults: Vec<DiskFaults> =
            (0..self.hosts.len()).map(|host| self.disk_faults_of(host).clone()).collect();
        for host in 0..self.hosts.len() {
            swarm.on_host(host, &mut host_faults[host]);
            swarm.on_disk(host, &mut disk_faults[host]);
        }
        let Sim { mut chooser, hosts, budget, copies, disks, .. } = self;
        let names: Vec<String> = hosts.iter().map(|(name, _)| name.clone()).collect();
        trail::see(|trail| trail.begin(&names));
        let mut outputs = vec![Output::default(); names.len()];
        for (host, output) in self.outputs {
            outputs[host] = output;
        }
        let mut machines = Vec::new();
        let mut links = Vec::new();
        for (host, name) in names.iter().enumerate() {
            machines.push(Machine {
                name: name.clone(),
                kernel: Kernel::new(host_ip(host)),
                rule: HostRule::new(&mut chooser, name, host_faults[host].clone()),
                disk: DiskRule::new(name, disk_faults[host].clone()),
                entropy: chooser.site(&format!("{name}: entropy")),
                overdue: Vec::new(),
                up: false,
                condition: Condition::new(),
                output: outputs[host].clone(),
                life: 0,
            });
            machines[host].supply_ports();
            let rule = |(to, other): (HostIndex, &String)| {
                Link::new(LinkRule::new(&mut chooser, name, other, link_faults[host][to].clone()))
            };
            links.push(names.iter().enumerate().map(rule).collect());
        }
        for (host, bytes) in self.inputs {
            machines[host].kernel.set_input(bytes);
        }
        for (host, path, contents) in self.files {
            machines[host].kernel.put_file(&path, contents);
        }
        let ips = names.iter().enumerate().map(|(host, name)| (name.clone(), host_ip(host)));
        let mut table = Names::of_hosts(ips);
        for (name, answer) in self.names {
            table.set(&name, answer);
        }
        let zones = self.zones.into_rules(&mut chooser, &swarm);
        let mut record = Record::new(self.telling);
        swarm.note(&mut record);
        let mut state = State::new(chooser, record, machines, links, table);
        state.zones = zones;
        state.copies = copies;
        state.buggify = BuggifyRule::new(self.buggify);
        for (key, kind, predicate) in self.filters {
            state.add_filter(key, kind, predicate);
        }
        let mut world = World::new(state, hosts, script, budget);
        world.be_reached_by(&self.reach);
        self.controls.know(names.clone());
        let mut verdict = world.run();
        if let (true, Err(panicked)) = (verdict.is_passed(), world.close()) {
            verdict = panicked;
        }
        let turns = world.turns;
        world.tell_failure(&verdict);
        let mut state = world.into_state();
        for (host, disk) in disks {
            disk.fill(state.machines[host].kernel.all_files());
        }
        if verdict.is_passed() {
            (state, verdict) = run_checks(state, checks);
            state.record.tell_failure(state.now, &verdict, Blame::Everything);
        }
        report(state, verdict, turns)
    }
}

/// What was said of one link.
struct OwnLinkFaults {
    ends: (HostIndex, HostIndex),
    both_ways: bool,
    faults: LinkFaults,
}

impl OwnLinkFaults {
    fn concerns(&self, from: HostIndex, to: HostIndex) -> bool {
        self.ends == (from, to) || (self.both_ways && self.ends == (to, from))
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.hosts.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Sim").field("chooser", &self.chooser).field("hosts", &names).finish_non_exhaustive()
    }
}

/// What the checks say of the run, and its state with what they have asserted by the macros.
fn run_checks(state: State, checks: Vec<(&'static str, Check)>) -> (State, Verdict) {
    let state = Rc::new(RefCell::new(state));
    let failed = checks.into_iter().find_map(|(name, check)| run_check(&state, name, check));
    let state = Rc::into_inner(state).expect("nobody listens any more once a check is done");
    (state.into_inner(), failed.unwrap_or(Verdict::Passed))
}

/// How a check fails, if it does.
fn run_check(state: &Rc<RefCell<State>>, name: &'static str, check: Check) -> Option<Verdict> {
    let hearing = Rc::clone(state);
    let listening =
        catalogue::listen(move |assertion| hearing.borrow_mut().assertion_in_check(name, assertion));
    // A check may well be an assertion.
    let checked = contain(check).and_then(|checked| checked);
    drop(listening);
    let failed = checked.err().map(|message| Verdict::Failed { subject: name.to_owned(), message });
    state.borrow().violated.clone().or(failed)
}

fn report(state: State, verdict: Verdict, turns: u64) -> Report {
    let State { now, mut chooser, record, reached, .. } = state;
    let callbacks = record.callbacks;
    let probed = || Box::new(Probe { draws: chooser.take_draws(), features: record.features() });
    let probe = record.is_probed().then(probed);
    let unusual = chooser.unusual();
    let (hash, story) = record.finish(&unusual);
    Report {
        verdict,
        hash,
        virtual_time: now - Moment::ORIGIN,
        turns,
        callbacks,
        unusual,
        reached,
        stale: chooser.stale(),
        story,
        probe,
        isolation: Isolation::SameThread,
        system_calls: Vec::new(),
    }
}
