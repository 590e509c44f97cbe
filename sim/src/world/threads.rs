//! The threads of a host: how its program begins, how further ones come and go, and what their turns leave in the record.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use twinloop::driver::ThreadMain;
use twinloop::observe::{ObservedCallback, Observer, Progress, Reason};
use twinloop::{Dispatcher, Handle, Moment, NextWork};

use super::{World, contain};
use crate::choice::Chooser;
use crate::condition::Condition;
use crate::driver::{SimDriver, Wake};
use crate::fabric::HostIndex;
use crate::kernel::ThreadIndex;
use crate::program::{Exit, Program};
use crate::state::{Machine, State};
use crate::verdict::Verdict;

/// How much of what is pending on a thread is told of a run that fails with it.
const PENDING_TOLD: usize = 40;

pub(super) struct Host {
    pub(super) name: String,
    pub(super) program: Program,
    pub(super) exit: Exit,
    /// None while the host is down. The program begins on the first; a further one leaves its place when it ends.
    pub(super) threads: Vec<Option<Thread>>,
    pub(super) turns: u64,
}

pub(super) struct Thread {
    /// The host's name; of a further thread, its own as well.
    pub(super) name: String,
    pub(super) dispatcher: Dispatcher,
    /// Set by its main future at its end.
    pub(super) has_ended: Rc<Cell<bool>>,
    /// Its next turn can not begin before: the turn before takes until then.
    pub(super) free_at: Moment,
    /// Turns at the moment `free_at`, without a pause.
    pub(super) turns_in_a_row: u32,
    /// When it turns next, as of when its host was looked at last, and what was seen of it then.
    pub(super) next_turn: Option<Moment>,
    seen: Option<Seen>,
    /// The deadline that was looked at last, by the host's clock, and how late it is noticed if it is.
    alarm: Option<Moment>,
    alarm_late: Option<Duration>,
    /// What other threads wake it by, and when it notices that one has.
    pub(super) wake: Arc<Wake>,
    pub(super) woken_at: Option<Moment>,
}

impl World {
    /// Begins the host's program, on its first thread.
    pub(super) fn begin_program(&mut self, host: HostIndex) -> Result<(), Verdict> {
        let name = self.hosts[host].name.clone();
        let thread = self.new_thread(host, 0, name);
        let Host { name, program, exit, threads, .. } = &mut self.hosts[host];
        let scope = thread.dispatcher.enter();
        let began = contain(|| program.begin(exit, &thread.has_ended));
        drop(scope);
        assert!(threads.is_empty(), "a host without a process has no thread");
        threads.push(Some(thread));
        began.map_err(|message| Verdict::Panicked { host: name.clone(), message })
    }

    fn new_thread(&self, host: HostIndex, index: ThreadIndex, name: String) -> Thread {
        let driver = SimDriver::new(Rc::clone(&self.state), host, index);
        let wake = driver.wake();
        if let Some(trail) = self.state.borrow_mut().record.trail() {
            trail.open_thread(host, index, &wake);
        }
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
            next_turn: None,
            seen: None,
            alarm: None,
            alarm_late: None,
            wake,
            woken_at: None,
        }
    }

    /// Begins the threads that programs have asked for, in the order of asking. What one begins with may ask for more.
    pub(super) fn start_threads(&mut self) -> Result<(), Verdict> {
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

    /// The main future of a thread has ended. The first one's program may still serve.
    pub(super) fn thread_ended(&mut self, host: HostIndex, index: ThreadIndex) -> Result<(), Verdict> {
        if index == 0 { self.end_if_stopped(host) } else { self.end_thread(host, index) }
    }

    /// Drops a thread's dispatcher, and what its programs left there.
    fn end_thread(&mut self, host: HostIndex, index: ThreadIndex) -> Result<(), Verdict> {
        let Some(Thread { name, dispatcher, .. }) = self.hosts[host].threads[index].take() else {
            return Ok(());
        };
        contain(|| drop(dispatcher)).map_err(|message| Verdict::Panicked { host: name, message })
    }

    /// Drops the host's programs, the last thread's first.
    pub(super) fn drop_threads(&mut self, host: HostIndex) -> Result<(), Verdict> {
        let mut dropped = Ok(());
        for index in (0..self.hosts[host].threads.len()).rev() {
            dropped = dropped.and(self.end_thread(host, index));
        }
        self.hosts[host].threads.clear();
        // A destructor may have sent the process a signal: it has ended, and need not end again.
        self.state.borrow_mut().ended.retain(|other| *other != host);
        dropped
    }
}

impl Host {
    pub(super) fn what_it_waits_for(&self, condition: &Condition) -> String {
        if let Some(halt) = &condition.halt {
            return format!("{} is {}", self.name, halt.name());
        }
        if self.threads.is_empty() {
            return format!("{} is down", self.name);
        }
        let describe = |thread: &Thread| {
            let dump = thread.dispatcher.dump();
            let mut pending: Vec<&str> = dump.lines().take(PENDING_TOLD).collect();
            let more = format!("and {} more", dump.lines().count().saturating_sub(PENDING_TOLD));
            if dump.lines().count() > PENDING_TOLD {
                pending.push(&more);
            }
            format!("{} waits: {}", thread.name, pending.join(", "))
        };
        self.threads.iter().flatten().map(describe).collect::<Vec<_>>().join("; ")
    }
}

/// What decides when a thread has something to do, apart from wakes and clocks.
#[derive(Clone, Copy, PartialEq)]
struct Seen {
    has_edges: bool,
    next_work: NextWork,
}

impl Host {
    /// Finds out when each thread has something to do; gives the earliest of these times.
    pub(super) fn plan_turns(
        &mut self,
        machine: &Machine,
        chooser: &mut Chooser,
        now: Moment,
    ) -> Option<Moment> {
        let mut earliest = None;
        for (index, thread) in self.threads.iter_mut().enumerate() {
            let Some(thread) = thread else { continue };
            thread.plan_turn(machine, index, chooser, now);
            earliest = earliest.into_iter().chain(thread.next_turn).min();
        }
        earliest
    }

    /// The threads that have something to do.
    pub(super) fn due_threads(&self, now: Moment) -> impl Iterator<Item = ThreadIndex> {
        let is_due = move |thread: &Thread| thread.next_turn.is_some_and(|at| at <= now);
        let threads = self.threads.iter().enumerate();
        threads.filter(move |(_, thread)| thread.as_ref().is_some_and(is_due)).map(|(index, _)| index)
    }

    /// Whether its threads have to do what they had when it was looked at last.
    pub(super) fn is_as_planned(&self, machine: &Machine) -> bool {
        let mut threads = self.threads.iter().enumerate();
        threads.all(|(index, thread)| {
            let now_seen = |thread: &Thread| thread.see(machine, index);
            thread.as_ref().is_none_or(|thread| thread.seen == now_seen(thread))
        })
    }
}

impl Thread {
    /// `None` on a host that stands still.
    fn see(&self, machine: &Machine, index: ThreadIndex) -> Option<Seen> {
        let see =
            || Seen { has_edges: machine.kernel.has_edges(index), next_work: self.dispatcher.next_work() };
        (!machine.condition.is_halted()).then(see)
    }

    fn plan_turn(&mut self, machine: &Machine, index: ThreadIndex, chooser: &mut Chooser, now: Moment) {
        self.seen = self.see(machine, index);
        let next_work = self.seen.and_then(|seen| self.next_work_at(seen, machine, chooser, now));
        self.next_turn = next_work.map(|at| at.max(self.free_at));
    }

    /// When it has something to do, were it not busy.
    fn next_work_at(
        &mut self,
        seen: Seen,
        machine: &Machine,
        chooser: &mut Chooser,
        now: Moment,
    ) -> Option<Moment> {
        let Machine { rule, condition, .. } = machine;
        let mut at = match seen {
            Seen { has_edges: true, .. } | Seen { next_work: NextWork::Now, .. } => return Some(now),
            Seen { next_work: NextWork::OnEvent, .. } => None,
            Seen { next_work: NextWork::At(deadline), .. } => {
                if self.alarm != Some(deadline) {
                    self.alarm = Some(deadline);
                    self.alarm_late = rule.draw_late_timer(chooser);
                }
                let due = condition.clock.when(deadline);
                Some(self.alarm_late.map_or(due, |late| due + late))
            }
        };
        if self.wake.is_due() && self.woken_at.is_none() {
            self.woken_at = Some(now + rule.draw_late_wake(chooser).unwrap_or_default());
        }
        if let Some(woken_at) = self.woken_at {
            at = Some(at.map_or(woken_at, |at| at.min(woken_at)));
        }
        at
    }
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
        let State { now, record, .. } = &mut *self.state.borrow_mut();
        record.callback(*now, self.host, self.index, &self.name, callback);
    }

    fn wants_notes(&self) -> bool {
        let record = &self.state.borrow().record;
        record.tells() || record.is_probed()
    }

    fn wants_reasons(&self) -> bool {
        self.state.borrow().record.tells()
    }

    fn progress(&mut self, progress: Progress, reason: Reason) {
        if let Some(trail) = self.state.borrow_mut().record.trail() {
            trail.progress(self.host, self.index, progress, reason);
        }
    }

    /// By the time of the world: a host's own clock may go wrong.
    fn note(&mut self, _now: Moment, text: &str) {
        let State { now, record, .. } = &mut *self.state.borrow_mut();
        record.note(*now, self.host, &self.name, text);
    }
}
