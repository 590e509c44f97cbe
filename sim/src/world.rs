//! The outer loop of a simulation: which host turns, when time jumps, when it is over. It knows no TCP.
//!
//! Every thread of a host has the production dispatcher, turned only when it has something to do. Time stands still
//! while anything is due and jumps to the next thing that is. A turn takes no time, so that a program's times come out
//! exact; but a thread that turns and turns at one moment pays a microsecond for each further turn, so that even one
//! that spins lets time go on.

mod agenda;
mod faults;
mod lives;
mod threads;
mod turns;

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use twinloop::{Moment, panic_text};

use crate::choice::Site;
use crate::determinism::trail;
use crate::fabric::{Due, HostIndex};
use crate::fault::FAULT_PERIOD;
use crate::isolation::{Interposer, interposer};
use crate::kernel::ThreadIndex;
use crate::panics;
use crate::program::{Exit, Program};
use crate::reach::Reach;
use crate::script::Step;
use crate::state::{Machine, State};
use crate::story::Blame;
use crate::verdict::Verdict;
use agenda::Agenda;
use threads::Host;
use turns::Turns;

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
    /// When the threads of each host have something to do, and when a timer of its kernel is due: as of the present step,
    /// but for those that are stale.
    next_turns: Turns,
    next_timers: Agenda,
    stale: Stale,
    /// When cuts and crashes are drawn next; `None` in a world that has none.
    next_faults_at: Option<Moment>,
    /// A program has ended since its exits were looked at last.
    some_ended: bool,
    is_watched: bool,
    interposer: Option<&'static dyn Interposer>,
    pub(crate) turns: u64,
}

/// Of which hosts it has to be found out anew what they have to do. A turn concerns its own host alone: others hear of it by
/// packets and by wakes.
struct Stale {
    all: bool,
    hosts: Vec<HostIndex>,
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
        let draws_faults = !state.zones.is_empty()
            || state.links.iter().flatten().any(|link| link.rule.faults().draws_by_period())
            || state.machines.iter().any(|machine| machine.rule.faults().draws_by_period())
            || script.iter().any(|step| step.act.draws_faults());
        for (number, step) in script.iter().enumerate() {
            state.schedule(Moment::ORIGIN + step.at, Due::Script(number));
        }
        let host_count = programs.len();
        let host =
            |(name, program)| Host { name, program, exit: Exit::default(), threads: Vec::new(), turns: 0 };
        World {
            state: Rc::new(RefCell::new(state)),
            hosts: programs.into_iter().map(host).collect(),
            script,
            budget,
            host_order,
            next_turns: Turns::new(host_count),
            next_timers: Agenda::new(host_count),
            stale: Stale { all: true, hosts: Vec::new() },
            next_faults_at: draws_faults.then_some(Moment::ORIGIN + FAULT_PERIOD),
            some_ended: false,
            is_watched: trail::is_watched(),
            interposer: interposer(),
            turns: 0,
        }
    }

    /// From now on handles that programs hold lead to this world.
    pub(crate) fn be_reached_by(&self, reach: &Reach) {
        reach.lead_to(&self.state);
    }

    /// Runs until every client has finished, something failed, or a budget is spent.
    pub(crate) fn run(&mut self) -> Verdict {
        let verdict = self.run_to_its_end();
        self.violation().unwrap_or(verdict)
    }

    fn run_to_its_end(&mut self) -> Verdict {
        for host in 0..self.hosts.len() {
            self.state.borrow_mut().begin_by_itself();
            if let Err(verdict) = self.start(host) {
                return verdict;
            }
        }
        loop {
            if let Some(verdict) = self.verdict() {
                return verdict;
            }
            if let Err(verdict) = self.step().and_then(|()| self.perform_asked()) {
                return verdict;
            }
        }
    }

    /// Drops every dispatcher, the last host's first: what programs do in their destructors is still simulated.
    pub(crate) fn close(&mut self) -> Result<(), Verdict> {
        let mut closed = Ok(());
        for host in (0..self.hosts.len()).rev() {
            closed = closed.and(self.drop_threads(host));
        }
        // Threads that destructors have asked for never begin.
        let starting = std::mem::take(&mut self.state.borrow_mut().starting);
        for (host, main) in starting {
            let dropped = contain(|| drop(main));
            let host = self.hosts[host].name.clone();
            closed = closed.and(dropped.map_err(|message| Verdict::Panicked { host, message }));
        }
        self.violation().map_or(closed, Err)
    }

    /// Ends the story of a run that has failed. The hosts are to be as they were when it did.
    pub(crate) fn tell_failure(&self, verdict: &Verdict) {
        let blame = match verdict {
            // Nothing has run since.
            Verdict::Failed { .. } | Verdict::Panicked { .. } => Blame::Now,
            _ => Blame::Everything,
        };
        let State { record, now, .. } = &mut *self.state.borrow_mut();
        record.tell_failure(*now, verdict, blame);
    }

    /// The state, once no dispatcher is left that could reach it.
    pub(crate) fn into_state(self) -> Rc<RefCell<State>> {
        let World { state, hosts, .. } = self;
        drop(hosts);
        assert_eq!(Rc::strong_count(&state), 1, "no driver outlives its dispatcher");
        state
    }

    /// The first assertion of a program's that did not hold. What comes of that in the same turn, such as a panic, is its
    /// consequence.
    fn violation(&self) -> Option<Verdict> {
        self.state.borrow().violated.clone()
    }

    fn verdict(&mut self) -> Option<Verdict> {
        if self.state.borrow().violated.is_some() {
            return self.violation();
        }
        if self.some_ended {
            self.some_ended = false;
            if let Some(verdict) = self.verdict_of_exits() {
                return Some(verdict);
            }
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

    /// How programs have ended: with an error, or all for which the run waits.
    fn verdict_of_exits(&self) -> Option<Verdict> {
        for host in &self.hosts {
            if let Some(Err(message)) = &*host.exit.borrow() {
                return Some(Verdict::Failed { subject: host.name.clone(), message: message.clone() });
            }
        }
        let mut clients = self.hosts.iter().filter(|host| host.program.is_client());
        let all_ended = self.has_clients() && clients.all(|host| host.exit.borrow().is_some());
        all_ended.then_some(Verdict::Passed)
    }

    /// Does the next thing that is due: something of the world's, or the turn of one host.
    fn step(&mut self) -> Result<(), Verdict> {
        self.look_at_stale_hosts();
        let (now, of_fabric) = {
            let state = self.state.borrow();
            (state.now, state.fabric.next_at())
        };
        let next_event = of_fabric.into_iter().chain(self.next_timers.earliest()).min();
        // No thread turns before this has happened.
        if next_event.is_some_and(|at| at <= now) {
            return self.happen(now);
        }
        let next_turn = self.next_turns.earliest();
        // Whoever had something to answer at this moment has done so.
        if next_turn.is_none_or(|at| at > now) && self.state.borrow_mut().acknowledge() {
            return Ok(());
        }
        let Some(next) = next_turn.into_iter().chain(next_event).min() else {
            // Servers alone wait for nobody: that nothing is left to happen is their end.
            let stuck = Verdict::Deadlock { message: self.unfinished() };
            return Err(if self.has_clients() { stuck } else { Verdict::Passed });
        };
        let next = next.max(now);
        if let Some(at) = self.next_faults_at.filter(|at| *at <= next) {
            self.stale.all = true;
            self.state.borrow_mut().now = at;
            return self.draw_faults(at);
        }
        self.state.borrow_mut().now = next;
        if next_event.is_some_and(|at| at <= next) {
            return self.happen(next);
        }
        let (host, index) = self.pick_due(next);
        self.turn(host, index, next)
    }

    /// One of the threads that are due.
    fn pick_due(&mut self, now: Moment) -> (HostIndex, ThreadIndex) {
        let due = self.next_turns.due(&self.hosts, now);
        let which = match due.len() {
            1 => 0,
            several => {
                let ids = due.iter().map(|(host, index)| (*host as u64) << 32 | *index as u64);
                self.state.borrow_mut().chooser.pick_thread(self.host_order, several, ids)
            }
        };
        due[which]
    }

    fn has_clients(&self) -> bool {
        self.hosts.iter().any(|host| host.program.is_client())
    }

    /// What is due in the world itself: one entry of the fabric, or kernel timers.
    fn happen(&mut self, now: Moment) -> Result<(), Verdict> {
        let mut state = self.state.borrow_mut();
        if state.fabric.next_at().is_none_or(|at| at > now) {
            state.begin_by_itself();
            for host in self.next_timers.due(now) {
                state.expire(host);
                self.stale.hosts.push(host);
            }
            return Ok(());
        }
        let (stamp, due) = state.fabric.pop().expect("its time was seen above");
        state.resume_trail(stamp);
        match due {
            Due::Arrival { to: host, .. } | Due::LateEvent { host, .. } => self.stale.hosts.push(host),
            _ => self.stale.all = true,
        }
        match due {
            Due::Arrival { from, to, packet } => state.deliver(from, to, packet),
            Due::LateEvent { host, life, event } => state.raise(host, life, event),
            Due::Heal { from, to } => state.heal_if_due(from, to),
            Due::Unclog { from, to } => state.unclog_if_due(from, to),
            Due::Restart { host, life } => {
                let stale = state.machines[host].life != life;
                drop(state);
                return if stale { Ok(()) } else { self.start(host) };
            }
            Due::Resume { host } => state.resume_if_due(host),
            Due::GraceOver { host, life } => {
                drop(state);
                return self.end_grace(host, life);
            }
            Due::Answer { host, life, fd, name, failure } => state.answer(host, life, fd, &name, failure),
            Due::File { host, work } => state.finish_file(host, work),
            Due::Script(number) => {
                drop(state);
                return self.perform(self.script[number].act.clone());
            }
        }
        Ok(())
    }

    /// Finds out anew what stale hosts have to do, and when.
    fn look_at_stale_hosts(&mut self) {
        let mut state = self.state.borrow_mut();
        if self.stale.all || state.take_interference() {
            self.stale.all = false;
            self.stale.hosts.clear();
            self.stale.hosts.extend(0..self.hosts.len());
        }
        let State { machines, chooser, now, .. } = &mut *state;
        for host in self.stale.hosts.drain(..) {
            let machine = &machines[host];
            let next_turn = self.hosts[host].plan_turns(machine, chooser, *now);
            self.next_turns.replan(host, next_turn, &self.hosts[host], *now);
            self.next_timers.set(host, machine.next_timer());
        }
        debug_assert!(
            self.hosts.iter().zip(&*machines).all(|(host, machine)| host.is_as_planned(machine)),
            "what a host has to do changes by what is done to that host"
        );
        debug_assert!(
            (0..machines.len()).all(|host| self.next_timers.get(host) == machines[host].next_timer())
        );
    }

    /// One turn of one thread.
    fn turn(&mut self, host: HostIndex, index: ThreadIndex, now: Moment) -> Result<(), Verdict> {
        self.turns += 1;
        self.hosts[host].turns += 1;
        let thread = self.hosts[host].threads[index].as_mut().expect("a thread that has ended has no turn");
        thread.turns_in_a_row = if now == thread.free_at { thread.turns_in_a_row + 1 } else { 1 };
        thread.free_at = if thread.turns_in_a_row > FREE_TURNS { now + TURN_COST } else { now };
        thread.woken_at = None;
        self.stale.hosts.push(host);
        if self.is_watched {
            trail::see(|trail| {
                trail.turn(now, &thread.name);
                if thread.wake.was_foreign() {
                    trail.intruded(now, &thread.name);
                }
            });
        }
        if let Some(interposer) = self.interposer {
            self.state.borrow().show_time(host, interposer);
        }
        let callbacks_before = self.state.borrow().record.callbacks;
        // Nothing pending is no error here: the world knows of others that may bring something.
        let turned = contain(|| thread.dispatcher.poll());
        turned.map_err(|message| Verdict::Panicked { host: thread.name.clone(), message })?.ok();
        if self.is_watched {
            trail::see(|trail| trail.waits(now, &thread.name, thread.dispatcher.next_work()));
        }
        let mut state = self.state.borrow_mut();
        if let Some(cost) = state.draw_callback_cost(host) {
            let callbacks = state.record.callbacks - callbacks_before;
            thread.free_at += cost.saturating_mul(u32::try_from(callbacks).unwrap_or(u32::MAX));
        }
        drop(state);
        if thread.has_ended.get() {
            self.some_ended = true;
            self.stale.all = true;
            self.thread_ended(host, index)?;
        }
        let (some_ended, some_start) = {
            let state = self.state.borrow();
            (!state.ended.is_empty(), !state.starting.is_empty())
        };
        if !some_ended && !some_start {
            return Ok(());
        }
        self.stale.all = true;
        self.drop_ended()?;
        // Also those that destructors ask for.
        self.start_threads()
    }

    /// Clients that have not finished, with what is pending on them, and hosts that stand still; then what all others wait
    /// for that have not ended, since it may be them who are waited for.
    fn unfinished(&self) -> String {
        let state = self.state.borrow();
        let hosts =
            || self.hosts.iter().zip(&state.machines).filter(|(host, _)| host.exit.borrow().is_none());
        let is_told_first =
            |host: &Host, machine: &Machine| host.program.is_client() || machine.condition.is_halted();
        let tell = |(host, machine): (&Host, &Machine)| host.what_it_waits_for(&machine.condition);
        let first: Vec<String> =
            hosts().filter(|(host, machine)| is_told_first(host, machine)).map(tell).collect();
        let others: Vec<String> =
            hosts().filter(|(host, machine)| !is_told_first(host, machine)).map(tell).collect();
        // Which failure it is, a signature says by what stands before the colon.
        let others = (!others.is_empty()).then(|| format!("beside them: {}", others.join("; ")));
        first.into_iter().chain(others).collect::<Vec<_>>().join("; ")
    }

    /// Who made most turns, and with what it is busy: what its tasks wait for between two of them.
    fn busiest(&self) -> String {
        let state = self.state.borrow();
        let busiest = self.hosts.iter().zip(&state.machines).max_by_key(|(host, _)| host.turns);
        busiest.map_or_else(String::new, |(host, machine)| {
            let waits = host.what_it_waits_for(&machine.condition);
            format!("{} made {} of them: {waits}", host.name, host.turns)
        })
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
