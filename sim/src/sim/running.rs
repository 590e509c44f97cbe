//! From what was said of a world to its verdict: the world is built, run, and looked at in the end. What happens in
//! between is the world's own matter.

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;

use twinloop::{Moment, catalogue};

use super::{Check, Sim};
use crate::condition::Condition;
use crate::console::Output;
use crate::determinism::trail;
use crate::fabric::{HostIndex, host_ip};
use crate::fault::{BuggifyRule, DiskFaults, DiskRule, HostFaults, HostRule, LinkFaults, LinkRule};
use crate::isolation::Isolation;
use crate::kernel::Kernel;
use crate::names::Names;
use crate::record::Record;
use crate::state::{Link, Machine, State};
use crate::story::Blame;
use crate::swarm::Drawn;
use crate::verdict::{Probe, Report, Verdict};
use crate::world::{World, contain};

/// How each host, each disk and each direction of a link behaves in this run, swarm and all.
struct Behaviour {
    hosts: Vec<HostFaults>,
    disks: Vec<DiskFaults>,
    /// By the host that sends, then by the one that receives.
    links: Vec<Vec<LinkFaults>>,
}

impl Sim {
    /// Runs the world to its end, and looks at what it leaves.
    pub(crate) fn run(mut self) -> Report {
        let (checks, disks) = (mem::take(&mut self.checks), mem::take(&mut self.disks));
        let mut world = self.into_world();
        let mut verdict = world.run();
        if let (true, Err(panicked)) = (verdict.is_passed(), world.close()) {
            verdict = panicked;
        }
        let turns = world.turns;
        world.tell_failure(&verdict);
        let state = world.into_state();
        for (host, disk) in disks {
            disk.fill(state.borrow().machines[host].kernel.all_files());
        }
        if verdict.is_passed() && !checks.is_empty() {
            verdict = run_checks(&state, checks);
            let State { record, now, .. } = &mut *state.borrow_mut();
            record.tell_failure(*now, &verdict, Blame::Everything);
        }
        let state = Rc::into_inner(state).expect("nobody listens any more once a check is done");
        report(state.into_inner(), verdict, turns)
    }

    fn into_world(mut self) -> World {
        let swarm = self.draw_swarm();
        swarm.on_sites(&mut self.buggify);
        let names: Vec<String> = self.hosts.iter().map(|(name, _)| name.clone()).collect();
        trail::see(|trail| trail.begin(&names));
        let behaviour = self.behaviour(&swarm);
        let (machines, links) = self.machines(&names, &behaviour);
        let named_zones = self.zones.by_name();
        let zones = self.zones.into_rules(&mut self.chooser, &swarm);
        let mut record = Record::new(self.telling);
        swarm.note(&mut record);

        let mut lookups = Names::of_hosts(names.iter().cloned().zip((0..names.len()).map(host_ip)));
        for (name, answer) in self.names {
            lookups.set(&name, answer);
        }
        let mut state = State::new(self.chooser, record, machines, links, lookups);
        state.zones = zones;
        state.copies = self.copies;
        state.buggify = BuggifyRule::new(self.buggify);
        for (key, kind, predicate) in self.filters {
            state.add_filter(key, kind, predicate);
        }
        let world = World::new(state, self.hosts, self.script, self.budget);
        world.be_reached_by(&self.reach);
        self.controls.know(names, named_zones);
        world
    }

    /// What was said, with what the swarm adds to it.
    fn behaviour(&self, swarm: &Drawn) -> Behaviour {
        let count = self.hosts.len();
        let host = |host| {
            let mut faults = self.faults_of(host).clone();
            swarm.on_host(host, &mut faults);
            faults
        };
        let disk = |host| {
            let mut faults = self.disk_faults_of(host).clone();
            swarm.on_disk(host, &mut faults);
            faults
        };
        let link = |from, to| {
            let mut faults = self.faults_between(from, to).clone();
            swarm.on_link(from, to, &mut faults);
            faults
        };
        Behaviour {
            hosts: (0..count).map(host).collect(),
            disks: (0..count).map(disk).collect(),
            links: (0..count).map(|from| (0..count).map(|to| link(from, to)).collect()).collect(),
        }
    }

    /// A machine for each host, with what was put there, and the links from it.
    fn machines(&mut self, names: &[String], behaviour: &Behaviour) -> (Vec<Machine>, Vec<Vec<Link>>) {
        let chooser = &mut self.chooser;
        let mut machines = Vec::with_capacity(names.len());
        let mut links = Vec::with_capacity(names.len());
        for (host, name) in names.iter().enumerate() {
            machines.push(Machine {
                name: name.clone(),
                kernel: Kernel::new(host_ip(host)),
                rule: HostRule::new(chooser, name, behaviour.hosts[host].clone()),
                disk: DiskRule::new(name, behaviour.disks[host].clone()),
                entropy: None,
                overdue: Vec::new(),
                up: false,
                condition: Condition::new(),
                output: Output::default(),
                life: 0,
            });
            machines[host].supply_ports();
            let rule = |(to, other): (HostIndex, &String)| {
                Link::new(LinkRule::new(chooser, name, other, behaviour.links[host][to].clone()))
            };
            links.push(names.iter().enumerate().map(rule).collect());
        }
        for (host, output) in mem::take(&mut self.outputs) {
            machines[host].output = output;
        }
        for (host, bytes) in mem::take(&mut self.inputs) {
            machines[host].kernel.set_input(bytes);
        }
        for (host, path, contents) in mem::take(&mut self.files) {
            machines[host].kernel.put_file(&path, contents);
        }
        (machines, links)
    }
}

/// What the checks say of the run.
fn run_checks(state: &Rc<RefCell<State>>, checks: Vec<(&'static str, Check)>) -> Verdict {
    let failed = checks.into_iter().find_map(|(name, check)| run_check(state, name, check));
    failed.unwrap_or(Verdict::Passed)
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
