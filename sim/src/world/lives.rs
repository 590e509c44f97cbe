//! How programs of hosts begin and end: starts, crashes, kills, graceful stops.

use std::time::Duration;

use twinloop::driver::Signal;

use super::{World, contain};
use crate::condition::Stopping;
use crate::fabric::{Due, HostIndex};
use crate::script::HostFault;
use crate::verdict::Verdict;

impl World {
    /// Starts the host's program, and its machine if that is down. One that runs goes on.
    pub(super) fn start(&mut self, host: HostIndex) -> Result<(), Verdict> {
        if self.runs(host) {
            return Ok(());
        }
        self.state.borrow_mut().start(host);
        self.begin_program(host)?;
        self.start_threads()
    }

    /// Whether the host has a process.
    fn runs(&self, host: HostIndex) -> bool {
        !self.hosts[host].threads.is_empty()
    }

    pub(super) fn crash(&mut self, host: HostIndex, down_for: Option<Duration>) -> Result<(), Verdict> {
        if !self.state.borrow().machines[host].up {
            return Ok(());
        }
        // First the machine, then the programs: their destructors find nothing that they could still send with.
        self.state.borrow_mut().crash(host, down_for);
        self.drop_threads(host)
    }

    /// Something befalls a host that stays up.
    pub(super) fn befall(&mut self, host: HostIndex, fault: HostFault) -> Result<(), Verdict> {
        if !self.state.borrow().machines[host].up {
            return Ok(());
        }
        match fault {
            HostFault::Kill => self.kill(host, None, "killed")?,
            HostFault::Stop => self.ask_to_stop(host, None)?,
            HostFault::Signal(signal) => self.signal(host, signal)?,
            HostFault::Halt { length, suspended } => self.state.borrow_mut().halt(host, length, suspended),
            HostFault::Resume => self.state.borrow_mut().resume(host),
        }
        Ok(())
    }

    /// Ends the host's process without asking it.
    pub(super) fn kill(
        &mut self,
        host: HostIndex,
        down_for: Option<Duration>,
        told: &str,
    ) -> Result<(), Verdict> {
        if !self.runs(host) {
            return Ok(());
        }
        self.state.borrow_mut().kill(host, down_for, told);
        self.drop_threads(host)
    }

    /// Asks the host's program to end, and kills it if it has not when its grace is over.
    pub(super) fn ask_to_stop(
        &mut self,
        host: HostIndex,
        back_after: Option<Duration>,
    ) -> Result<(), Verdict> {
        if !self.runs(host) {
            return Ok(());
        }
        let mut state = self.state.borrow_mut();
        let machine = &mut state.machines[host];
        if machine.condition.stopping.is_some() {
            return Ok(());
        }
        machine.condition.stopping = Some(Stopping { back_after });
        let (grace, life) = (machine.rule.grace(), machine.life);
        let over_at = state.now + grace;
        state.schedule(over_at, Due::GraceOver { host, life });
        drop(state);
        self.signal(host, Signal::Terminate)?;
        self.end_if_stopped(host)
    }

    /// A program that was asked to end had its time.
    pub(super) fn end_grace(&mut self, host: HostIndex, life: u64) -> Result<(), Verdict> {
        let stopping = self.state.borrow().stopping(host, life);
        stopping.map_or(Ok(()), |Stopping { back_after }| {
            self.kill(host, back_after, "killed: it was asked to end, and has not")
        })
    }

    /// Ends the process of a program that was asked to end and whose main future has ended.
    pub(super) fn end_if_stopped(&mut self, host: HostIndex) -> Result<(), Verdict> {
        let stopping = self.state.borrow().machines[host].condition.stopping;
        let main = self.hosts[host].threads.first().and_then(Option::as_ref);
        let has_ended = main.is_some_and(|main| main.has_ended.get());
        let Some(Stopping { back_after }) = stopping.filter(|_| has_ended) else { return Ok(()) };
        // Other than in a crash, destructors still reach their kernel.
        self.drop_threads(host)?;
        let mut state = self.state.borrow_mut();
        state.note_stopped(host);
        state.end_process(host, back_after);
        drop(state);
        self.drop_unbegun(host)
    }

    fn signal(&mut self, host: HostIndex, signal: Signal) -> Result<(), Verdict> {
        if self.runs(host) && self.state.borrow_mut().signal(host, signal) {
            self.drop_threads(host)?;
        }
        Ok(())
    }

    /// Drops the threads of processes that have ended themselves, by a signal that nobody heard.
    pub(super) fn drop_ended(&mut self) -> Result<(), Verdict> {
        let ended = std::mem::take(&mut self.state.borrow_mut().ended);
        for host in ended {
            self.drop_threads(host)?;
            self.drop_unbegun(host)?;
        }
        Ok(())
    }

    /// Threads that a process has asked for and that did not begin before its end never do.
    fn drop_unbegun(&mut self, host: HostIndex) -> Result<(), Verdict> {
        let mut state = self.state.borrow_mut();
        let starting = std::mem::take(&mut state.starting);
        let (unbegun, others) = starting.into_iter().partition::<Vec<_>, _>(|(of, _)| *of == host);
        state.starting = others;
        drop(state);
        let panicked = |message| Verdict::Panicked { host: self.hosts[host].name.clone(), message };
        contain(|| drop(unbegun)).map_err(panicked)
    }
}
