//! The outer loop of a simulation: which host turns, when time jumps, when it is over. It knows no TCP.
//!
//! Every host has the production dispatcher, turned only when it has something to do. Time stands still while anything
//! is due and jumps to the next thing that is. A turn takes no time, so that a program's times come out exact; but a host
//! that turns and turns at one moment pays a microsecond for each further turn, so that even one that spins lets time go on.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use twinloop::observe::{ObservedCallback, Observer};
use twinloop::{Dispatcher, Moment, NextWork, panic_text};

use crate::choice::Site;
use crate::driver::SimDriver;
use crate::fabric::{Due, HostIndex};
use crate::fault::FAULT_PERIOD;
use crate::panics;
use crate::program::{Exit, Program};
use crate::script::Step;
use crate::state::State;
use crate::story::LineKind;
use crate::verdict::Verdict;

/// How many turns a host may make at one moment, and what each further one takes it.
const FREE_TURNS: u32 = 100;
const TURN_COST: Duration = Duration::from_micros(1);

/// When a run is ended although clients have not finished.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    pub(crate) turns: u64,
    pub(crate) time: Duration,
}

pub(crate) struct World {
    state: Rc<RefCell<State>>,
    hosts: Vec<Host>,
    script: Vec<Step>,
    budget: Budget,
    /// Draws which of several hosts that are due at one time turns first; 0 is the one that was added first.
    host_order: Site,
    /// When cuts and crashes are drawn next; `None` in a world that has none.
    next_faults_at: Option<Moment>,
    pub(crate) turns: u64,
}

struct Host {
    name: String,
    program: Program,
    exit: Exit,
    /// `None` while the host is down.
    dispatcher: Option<Dispatcher>,
    /// Its next turn can not begin before: the turn before takes until then.
    free_at: Moment,
    /// Turns at the moment `free_at`, without a pause.
    turns_in_a_row: u32,
    /// When it next has something to do, as of the present step.
    next_turn_at: Option<Moment>,
    /// The deadline that was looked at last, and when it is noticed.
    alarm: Option<(Moment, Moment)>,
    turns: u64,
}

impl World {
    pub(crate) fn new(
        state: State,
        programs: Vec<(String, Program)>,
        script: Vec<Step>,
        budget: Budget,
    ) -> World {
        let mut state = state;
        let host_order = state.chooser.site("world: host order");
        let draws_faults = state.links.iter().flatten().any(|link| link.rule.draws_cuts())
            || state.machines.iter().any(|machine| machine.rule.draws_crashes());
        for (number, step) in script.iter().enumerate() {
            state.fabric.schedule(Moment::ORIGIN + step.at, Due::Script(number));
        }
        let host = |(name, program)| Host {
            name,
            program,
            exit: Exit::default(),
            dispatcher: None,
            free_at: Moment::ORIGIN,
            turns_in_a_row: 0,
            next_turn_at: None,
            alarm: None,
            turns: 0,
        };
        World {
            state: Rc::new(RefCell::new(state)),
            hosts: programs.into_iter().map(host).collect(),
            script,
            budget,
            host_order,
            next_faults_at: draws_faults.then_some(Moment::ORIGIN + FAULT_PERIOD),
            turns: 0,
        }
    }

    /// Runs until every client has finished, something failed, or a budget is spent.
    pub(crate) fn run(&mut self) -> Verdict {
        for host in 0..self.hosts.len() {
            if let Err(verdict) = self.start(host) {
                return verdict;
            }
        }
        loop {
            if let Some(verdict) = self.verdict() {
                return verdict;
            }
            if let Err(verdict) = self.step() {
                return verdict;
            }
        }
    }

    /// Drops every dispatcher, the last host's first: what programs do in their destructors is still simulated.
    pub(crate) fn close(&mut self) -> Result<(), Verdict> {
        let mut closed = Ok(());
        for host in (0..self.hosts.len()).rev() {
            closed = closed.and(self.stop(host));
        }
        closed
    }

    /// The state, once no dispatcher is left that could reach it.
    pub(crate) fn into_state(self) -> State {
        let World { state, hosts, .. } = self;
        drop(hosts);
        let state = Rc::try_unwrap(state).map_err(|_| "a driver outlived its dispatcher");
        state.unwrap_or_else(|why| panic!("{why}")).into_inner()
    }

    fn verdict(&self) -> Option<Verdict> {
        for host in &self.hosts {
            if let Some(Err(message)) = &*host.exit.borrow() {
                return Some(Verdict::Failed { subject: host.name.clone(), message: message.clone() });
            }
        }
        let mut clients = self.hosts.iter().filter(|host| host.program.is_client());
        if self.has_clients() && clients.all(|host| host.exit.borrow().is_some()) {
            return Some(Verdict::Passed);
        }
        if self.turns >= self.budget.turns {
            return Some(Verdict::TurnBudget { turns: self.budget.turns, message: self.busiest() });
        }
        if self.state.borrow().now - Moment::ORIGIN >= self.budget.time {
            let verdict = if self.has_clients() {
                Verdict::TimeBudget { limit: self.budget.time, message: self.unfinished() }
            } else {
                // A world of servers alone has nothing to wait for: it runs its time.
                Verdict::Passed
            };
            return Some(verdict);
        }
        None
    }

    /// Does the next thing that is due: something of the world's, or the turn of one host.
    fn step(&mut self) -> Result<(), Verdict> {
        let now = self.state.borrow().now;
        for host in 0..self.hosts.len() {
            self.hosts[host].next_turn_at = self.next_turn_at(host);
        }
        let next_turn = self.hosts.iter().filter_map(|host| host.next_turn_at).min();
        let next_event = self.state.borrow().next_at();
        let Some(next) = next_turn.into_iter().chain(next_event).min() else {
            // Servers alone wait for nobody: that nothing is left to happen is their end.
            let stuck = Verdict::Deadlock { message: self.unfinished() };
            return Err(if self.has_clients() { stuck } else { Verdict::Passed });
        };
        let next = next.max(now);
        if let Some(at) = self.next_faults_at.filter(|at| *at <= next) {
            self.state.borrow_mut().now = at;
            return self.draw_faults(at);
        }
        self.state.borrow_mut().now = next;
        if next_event.is_some_and(|at| at <= next) {
            return self.happen(next);
        }
        let is_due = |host: &HostIndex| self.hosts[*host].next_turn_at.is_some_and(|at| at <= next);
        let mut due = (0..self.hosts.len()).filter(is_due);
        let which = match due.clone().count() {
            1 => 0,
            several => self.state.borrow_mut().chooser.pick(self.host_order, several),
        };
        let host = due.nth(which).expect("a pick is below the number of hosts that are due");
        self.turn(host, next)
    }

    fn has_clients(&self) -> bool {
        self.hosts.iter().any(|host| host.program.is_client())
    }

    /// What is due in the world itself: one entry of the fabric, or kernel timers.
    fn happen(&mut self, now: Moment) -> Result<(), Verdict> {
        let mut state = self.state.borrow_mut();
        if state.fabric.next_at().is_none_or(|at| at > now) {
            for host in 0..state.machines.len() {
                let machine = &state.machines[host];
                if machine.up && machine.kernel.next_timer().is_some_and(|at| at <= now) {
                    state.expire(host);
                }
            }
            return Ok(());
        }
        match state.fabric.pop().expect("its time was seen above") {
            Due::Arrival { from, to, packet } => state.deliver(from, to, packet),
            Due::LateEvent { host, life, event } => state.raise(host, life, event),
            Due::Heal { from, to } => state.heal_if_due(from, to),
            Due::Restart { host, life } => {
                let stale = state.machines[host].life != life;
                drop(state);
                return if stale { Ok(()) } else { self.start(host) };
            }
            Due::Script(number) => {
                drop(state);
                return self.act(number);
            }
        }
        Ok(())
    }

    /// When `host` has something to do.
    fn next_turn_at(&mut self, host: HostIndex) -> Option<Moment> {
        let Host { dispatcher, free_at, alarm, .. } = &mut self.hosts[host];
        let dispatcher = dispatcher.as_ref()?;
        let mut state = self.state.borrow_mut();
        let State { machines, chooser, .. } = &mut *state;
        let machine = &mut machines[host];
        if !machine.kernel.edges_mut().is_empty() {
            return Some(*free_at);
        }
        let deadline = match dispatcher.next_work() {
            NextWork::Now => return Some(*free_at),
            NextWork::OnEvent => return None,
            NextWork::At(deadline) => deadline,
        };
        let noticed = match *alarm {
            Some((seen, noticed)) if seen == deadline => noticed,
            _ => deadline + machine.rule.draw_late_timer(chooser).unwrap_or_default(),
        };
        *alarm = Some((deadline, noticed));
        Some(noticed.max(*free_at))
    }

    /// One turn of one host.
    fn turn(&mut self, host: HostIndex, now: Moment) -> Result<(), Verdict> {
        self.turns += 1;
        let Host { name, dispatcher, free_at, turns_in_a_row, turns, .. } = &mut self.hosts[host];
        *turns += 1;
        *turns_in_a_row = if now == *free_at { *turns_in_a_row + 1 } else { 1 };
        *free_at = if *turns_in_a_row > FREE_TURNS { now + TURN_COST } else { now };
        let dispatcher = dispatcher.as_ref().expect("a host that is down has no turn");
        // Nothing pending is no error here: the world knows of other hosts that may bring something.
        let turned = contain(|| dispatcher.poll());
        turned.map(|_| ()).map_err(|message| Verdict::Panicked { host: name.clone(), message })
    }

    fn start(&mut self, host: HostIndex) -> Result<(), Verdict> {
        let mut state = self.state.borrow_mut();
        if state.machines[host].up {
            return Ok(());
        }
        state.start(host);
        let now = state.now;
        drop(state);
        let dispatcher = Dispatcher::new(Box::new(SimDriver::new(Rc::clone(&self.state), host)));
        let observer = HostObserver { state: Rc::clone(&self.state), host };
        dispatcher.observe(Box::new(observer));
        let Host { name, program, exit, dispatcher: place, free_at, alarm, .. } = &mut self.hosts[host];
        *free_at = now;
        *alarm = None;
        let scope = dispatcher.handle().enter();
        let began = contain(|| program.begin(exit));
        drop(scope);
        *place = Some(dispatcher);
        began.map_err(|message| Verdict::Panicked { host: name.clone(), message })
    }

    /// Drops the host's programs.
    fn stop(&mut self, host: HostIndex) -> Result<(), Verdict> {
        let Host { name, dispatcher, .. } = &mut self.hosts[host];
        let dispatcher = dispatcher.take();
        contain(|| drop(dispatcher)).map_err(|message| Verdict::Panicked { host: name.clone(), message })
    }

    fn crash(&mut self, host: HostIndex, down_for: Option<Duration>) -> Result<(), Verdict> {
        if !self.state.borrow().machines[host].up {
            return Ok(());
        }
        // First the machine, then the programs: their destructors find nothing that they could still send with.
        self.state.borrow_mut().crash(host, down_for);
        self.stop(host)
    }

    /// Draws whether cuts and crashes begin now.
    fn draw_faults(&mut self, now: Moment) -> Result<(), Verdict> {
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
    fn act(&mut self, number: usize) -> Result<(), Verdict> {
        use crate::script::Act;
        match self.script[number].act {
            Act::Crash { host } => self.crash(host, None)?,
            Act::Restart { host } => self.start(host)?,
            Act::Cut { from, to, ways } => self.state.borrow_mut().cut(from, to, ways, None),
            Act::Heal { a, b } => {
                let mut state = self.state.borrow_mut();
                state.heal(a, b);
                state.heal(b, a);
            }
            Act::Reset { host } => self.state.borrow_mut().reset_connections(host),
        }
        Ok(())
    }

    /// Clients that have not finished, with what is pending on them.
    fn unfinished(&self) -> String {
        let waiting =
            self.hosts.iter().filter(|host| host.program.is_client() && host.exit.borrow().is_none());
        let describe = |host: &Host| match &host.dispatcher {
            None => format!("{} is down", host.name),
            Some(dispatcher) => {
                let pending: Vec<String> = dispatcher.dump().lines().map(str::to_owned).collect();
                format!("{} waits: {}", host.name, pending.join(", "))
            }
        };
        waiting.map(describe).collect::<Vec<_>>().join("; ")
    }

    fn busiest(&self) -> String {
        let busiest = self.hosts.iter().max_by_key(|host| host.turns);
        busiest.map_or_else(String::new, |host| format!("{} made {} of them", host.name, host.turns))
    }
}

/// Runs the programs' code; a panic ends the run with its text, and prints nothing.
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    let quiet = panics::quietly();
    let result = catch_unwind(AssertUnwindSafe(run));
    result.map_err(|payload: Box<dyn Any + Send>| {
        let text = panic_text(&*payload);
        quiet.told(text).unwrap_or_else(|| text.to_owned())
    })
}

/// Takes a host's callbacks and notes into the record.
struct HostObserver {
    state: Rc<RefCell<State>>,
    host: HostIndex,
}

impl Observer for HostObserver {
    fn callback_begin(&mut self, callback: &ObservedCallback) {
        let State { record, machines, .. } = &mut *self.state.borrow_mut();
        record.callback(self.host, &machines[self.host].name, callback);
    }

    fn wants_notes(&self) -> bool {
        self.state.borrow().record.tells()
    }

    fn note(&mut self, now: Moment, text: &str) {
        let State { record, machines, .. } = &mut *self.state.borrow_mut();
        record.tell(now, &machines[self.host].name, LineKind::Note, || text.to_owned());
    }
}
