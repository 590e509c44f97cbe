//! The outer loop of a simulation: which host turns, when time jumps, when it is over. It knows no TCP.
//!
//! Every thread of a host has the production dispatcher, turned only when it has something to do. Time stands still while anything
//! is due and jumps to the next thing that is. A turn takes no time, so that a program's times come out exact; but a thread
//! that turns and turns at one moment pays a microsecond for each further turn, so that even one that spins lets time go on.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use twinloop::driver::ThreadMain;
use twinloop::observe::{ObservedCallback, Observer};
use twinloop::{Dispatcher, Handle, Moment, NextWork, panic_text};

use crate::choice::{Chooser, Site};
use crate::driver::{SimDriver, Wake};
use crate::fabric::{Due, HostIndex};
use crate::fault::{FAULT_PERIOD, HostRule};
use crate::kernel::ThreadIndex;
use crate::panics;
use crate::program::{Exit, Program};
use crate::script::Step;
use crate::state::State;
use crate::story::LineKind;
use crate::verdict::Verdict;

/// How many turns a thread may make at one moment, and what each further one takes it.
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
    /// Draws which of several threads that are due at one time turns first; 0 is the first one of the host that was added
    /// first.
    host_order: Site,
    /// The threads that have something to do, as of the present step, by host and index; kept for its allocation.
    plan: Vec<Planned>,
    /// When cuts and crashes are drawn next; `None` in a world that has none.
    next_faults_at: Option<Moment>,
    pub(crate) turns: u64,
}

/// When a thread has something to do.
struct Planned {
    at: Moment,
    host: HostIndex,
    index: ThreadIndex,
}

struct Host {
    name: String,
    program: Program,
    exit: Exit,
    /// None while the host is down. The program begins on the first; a further one leaves its place when it ends.
    threads: Vec<Option<Thread>>,
    turns: u64,
}

struct Thread {
    /// The host's name; of a further thread, its own as well.
    name: String,
    dispatcher: Dispatcher,
    /// Set by the main future of a further thread at its end.
    has_ended: Rc<Cell<bool>>,
    /// Its next turn can not begin before: the turn before takes until then.
    free_at: Moment,
    /// Turns at the moment `free_at`, without a pause.
    turns_in_a_row: u32,
    /// The deadline that was looked at last, and when it is noticed.
    alarm: Option<(Moment, Moment)>,
    /// What other threads wake it by, and when it notices that one has.
    wake: Arc<Wake>,
    woken_at: Option<Moment>,
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
        let draws_faults = state.links.iter().flatten().any(|link| link.rule.faults().draws_cuts())
            || state.machines.iter().any(|machine| machine.rule.faults().draws_crashes())
            || script.iter().any(|step| step.act.draws_faults());
        for (number, step) in script.iter().enumerate() {
            state.fabric.schedule(Moment::ORIGIN + step.at, Due::Script(number));
        }
        let host =
            |(name, program)| Host { name, program, exit: Exit::default(), threads: Vec::new(), turns: 0 };
        World {
            state: Rc::new(RefCell::new(state)),
            hosts: programs.into_iter().map(host).collect(),
            script,
            budget,
            host_order,
            plan: Vec::new(),
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
        // Threads that destructors have asked for never begin.
        let starting = std::mem::take(&mut self.state.borrow_mut().starting);
        for (host, main) in starting {
            let dropped = contain(|| drop(main));
            let host = self.hosts[host].name.clone();
            closed = closed.and(dropped.map_err(|message| Verdict::Panicked { host, message }));
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
        self.plan_turns();
        let next_turn = self.plan.iter().map(|planned| planned.at).min();
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
        let due = || self.plan.iter().filter(|planned| planned.at <= next);
        let which = match due().count() {
            1 => 0,
            several => self.state.borrow_mut().chooser.pick(self.host_order, several),
        };
        let &Planned { host, index, .. } =
            due().nth(which).expect("a pick is below the number of threads that are due");
        self.turn(host, index, next)
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
            Due::Answer { host, life, fd, name, lost } => state.answer(host, life, fd, &name, lost),
            Due::Script(number) => {
                drop(state);
                return self.act(number);
            }
        }
        Ok(())
    }

    /// Finds out when each thread has something to do.
    fn plan_turns(&mut self) {
        self.plan.clear();
        let State { machines, chooser, now, .. } = &mut *self.state.borrow_mut();
        for (host, Host { threads, .. }) in self.hosts.iter_mut().enumerate() {
            for (index, thread) in threads.iter_mut().enumerate() {
                let Some(thread) = thread else { continue };
                let has_edges = machines[host].kernel.has_edges(index);
                let at = thread.next_work_at(has_edges, &machines[host].rule, chooser, *now);
                self.plan.extend(at.map(|at| Planned { at: at.max(thread.free_at), host, index }));
            }
        }
    }

    /// One turn of one thread.
    fn turn(&mut self, host: HostIndex, index: ThreadIndex, now: Moment) -> Result<(), Verdict> {
        self.turns += 1;
        self.hosts[host].turns += 1;
        let thread = self.hosts[host].threads[index].as_mut().expect("a thread that has ended has no turn");
        thread.turns_in_a_row = if now == thread.free_at { thread.turns_in_a_row + 1 } else { 1 };
        thread.free_at = if thread.turns_in_a_row > FREE_TURNS { now + TURN_COST } else { now };
        thread.woken_at = None;
        // Nothing pending is no error here: the world knows of others that may bring something.
        let turned = contain(|| thread.dispatcher.poll());
        turned.map_err(|message| Verdict::Panicked { host: thread.name.clone(), message })?.ok();
        if thread.has_ended.get() {
            self.end_thread(host, index)?;
        }
        self.start_threads()
    }

    fn start(&mut self, host: HostIndex) -> Result<(), Verdict> {
        let mut state = self.state.borrow_mut();
        if state.machines[host].up {
            return Ok(());
        }
        state.start(host);
        drop(state);
        let name = self.hosts[host].name.clone();
        let thread = self.new_thread(host, 0, name);
        let Host { name, program, exit, threads, .. } = &mut self.hosts[host];
        let scope = thread.dispatcher.enter();
        let began = contain(|| program.begin(exit));
        drop(scope);
        assert!(threads.is_empty(), "a host that was down has no thread");
        threads.push(Some(thread));
        began.map_err(|message| Verdict::Panicked { host: name.clone(), message })?;
        self.start_threads()
    }

    fn new_thread(&self, host: HostIndex, index: ThreadIndex, name: String) -> Thread {
        let driver = SimDriver::new(Rc::clone(&self.state), host, index);
        let wake = driver.wake();
        let dispatcher = Dispatcher::new(Box::new(driver));
        let observer = ThreadObserver { state: Rc::clone(&self.state), host, index, name: name.clone() };
        let scope = dispatcher.enter();
        dispatcher.handle().observe(Box::new(observer));
        drop(scope);
        Thread {
            name,
            dispatcher,
            has_ended: Rc::default(),
            free_at: self.state.borrow().now,
            turns_in_a_row: 0,
            alarm: None,
            wake,
            woken_at: None,
        }
    }

    /// Begins the threads that programs have asked for, in the order of asking. What one begins with may ask for more.
    fn start_threads(&mut self) -> Result<(), Verdict> {
        while !self.state.borrow().starting.is_empty() {
            let starting = std::mem::take(&mut self.state.borrow_mut().starting);
            for (host, main) in starting {
                self.start_thread(host, main)?;
            }
        }
        Ok(())
    }

    fn start_thread(&mut self, host: HostIndex, main: ThreadMain) -> Result<(), Verdict> {
        let vacant = self.hosts[host].threads.iter().position(Option::is_none);
        let index = vacant.unwrap_or(self.hosts[host].threads.len());
        let ThreadMain { name, place, begin } = main;
        let thread = self.new_thread(host, index, format!("{}/{name}", self.hosts[host].name));
        let scope = thread.dispatcher.enter();
        let has_ended = Rc::clone(&thread.has_ended);
        let began = contain(|| {
            let main = begin();
            let run = async move {
                main.await;
                has_ended.set(true);
            };
            Handle::current().spawn_at(place, run).detach();
        });
        drop(scope);
        let panicked = |message| Verdict::Panicked { host: thread.name.clone(), message };
        let began = began.map_err(panicked);
        let threads = &mut self.hosts[host].threads;
        if index == threads.len() {
            threads.push(None);
        }
        threads[index] = Some(thread);
        began
    }

    /// Drops a thread's dispatcher, and what its programs left there.
    fn end_thread(&mut self, host: HostIndex, index: ThreadIndex) -> Result<(), Verdict> {
        let Some(Thread { name, dispatcher, .. }) = self.hosts[host].threads[index].take() else {
            return Ok(());
        };
        contain(|| drop(dispatcher)).map_err(|message| Verdict::Panicked { host: name, message })
    }

    /// Drops the host's programs, the last thread's first.
    fn stop(&mut self, host: HostIndex) -> Result<(), Verdict> {
        let mut stopped = Ok(());
        for index in (0..self.hosts[host].threads.len()).rev() {
            stopped = stopped.and(self.end_thread(host, index));
        }
        self.hosts[host].threads.clear();
        stopped
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
        match self.script[number].act.clone() {
            Act::Crash { host } => self.crash(host, None)?,
            Act::Restart { host } => self.start(host)?,
            Act::Cut { from, to, ways } => self.state.borrow_mut().cut(from, to, ways, None),
            Act::Heal { a, b } => {
                let mut state = self.state.borrow_mut();
                state.heal(a, b);
                state.heal(b, a);
            }
            Act::Reset { host } => self.state.borrow_mut().reset_connections(host),
            Act::Name { name, answer } => self.state.borrow_mut().rename(&name, answer),
            Act::Link { from, to, both_ways, faults } => {
                let mut state = self.state.borrow_mut();
                if both_ways {
                    state.change_link(to, from, (*faults).clone());
                }
                state.change_link(from, to, *faults);
            }
            Act::Host { host, faults } => self.state.borrow_mut().change_host(host, *faults),
        }
        Ok(())
    }

    /// Clients that have not finished, with what is pending on them.
    fn unfinished(&self) -> String {
        let waiting =
            self.hosts.iter().filter(|host| host.program.is_client() && host.exit.borrow().is_none());
        waiting.map(Host::what_it_waits_for).collect::<Vec<_>>().join("; ")
    }

    fn busiest(&self) -> String {
        let busiest = self.hosts.iter().max_by_key(|host| host.turns);
        busiest.map_or_else(String::new, |host| format!("{} made {} of them", host.name, host.turns))
    }
}

impl Host {
    fn what_it_waits_for(&self) -> String {
        if self.threads.is_empty() {
            return format!("{} is down", self.name);
        }
        let describe = |thread: &Thread| {
            let pending: Vec<String> = thread.dispatcher.dump().lines().map(str::to_owned).collect();
            format!("{} waits: {}", thread.name, pending.join(", "))
        };
        self.threads.iter().flatten().map(describe).collect::<Vec<_>>().join("; ")
    }
}

impl Thread {
    /// When it has something to do, were it not busy.
    fn next_work_at(
        &mut self,
        has_edges: bool,
        rule: &HostRule,
        chooser: &mut Chooser,
        now: Moment,
    ) -> Option<Moment> {
        if has_edges {
            return Some(now);
        }
        let deadline = match self.dispatcher.next_work() {
            NextWork::Now => return Some(now),
            NextWork::OnEvent => None,
            NextWork::At(deadline) => Some(deadline),
        };
        let noticed = deadline.map(|deadline| match self.alarm {
            Some((seen, noticed)) if seen == deadline => noticed,
            _ => deadline + rule.draw_late_timer(chooser).unwrap_or_default(),
        });
        self.alarm = deadline.zip(noticed).or(self.alarm);
        if self.wake.is_due() && self.woken_at.is_none() {
            self.woken_at = Some(now + rule.draw_late_wake(chooser).unwrap_or_default());
        }
        noticed.into_iter().chain(self.woken_at).min()
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

/// Takes a thread's callbacks and notes into the record.
struct ThreadObserver {
    state: Rc<RefCell<State>>,
    host: HostIndex,
    index: ThreadIndex,
    name: String,
}

impl Observer for ThreadObserver {
    fn callback_begin(&mut self, callback: &ObservedCallback) {
        self.state.borrow_mut().record.callback(self.host, self.index, &self.name, callback);
    }

    fn wants_notes(&self) -> bool {
        self.state.borrow().record.tells()
    }

    fn note(&mut self, now: Moment, text: &str) {
        self.state.borrow_mut().record.tell(now, &self.name, LineKind::Note, || text.to_owned());
    }
}
