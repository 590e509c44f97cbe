//! What befalls a machine that stays up: the end of its process, halts, clocks that go wrong, signals. Which program
//! runs there is the world's business.

use std::time::Duration;

use twinloop::Moment;
use twinloop::driver::{OsError, Signal};

use super::State;
use crate::condition::{Halt, Stopping};
use crate::fabric::{Due, HostIndex};
use crate::fault::Call;
use crate::kernel::Packet;
use crate::record::item;
use crate::story::LineKind;

impl State {
    /// The process is gone at once. Its kernel goes on: it closes all that was open, and keeps what was written. `told`: why.
    pub(crate) fn kill(&mut self, host: HostIndex, down_for: Option<Duration>, told: &str) {
        // Only a machine that runs can end a process.
        if self.machines[host].condition.is_suspended() {
            self.resume(host);
        }
        self.note_host_fault(host, item::KILLED, &[], || match down_for {
            Some(length) => format!("{told}, down for {length:?}"),
            None => told.to_owned(),
        });
        self.end_process(host, down_for);
    }

    /// The process of a host has ended, by itself or not.
    pub(crate) fn end_process(&mut self, host: HostIndex, down_for: Option<Duration>) {
        let now = self.now;
        let machine = &mut self.machines[host];
        machine.kernel.end_process(now);
        machine.life += 1;
        machine.overdue.clear();
        machine.condition.forget_process();
        self.collect(host);
        self.resume(host);
        if let Some(length) = down_for {
            let life = self.machines[host].life;
            self.schedule(now + length, Due::Restart { host, life });
        }
    }

    /// What was asked of the process that the host had in its life `life`, if that process is still there.
    pub(crate) fn stopping(&self, host: HostIndex, life: u64) -> Option<Stopping> {
        let machine = &self.machines[host];
        machine.condition.stopping.filter(|_| machine.life == life)
    }

    /// A process was asked to end, and has.
    pub(crate) fn note_stopped(&mut self, host: HostIndex) {
        let machine = &self.machines[host];
        self.record.item(item::STOPPED, self.now, host, &[]);
        self.record.tell(self.now, &machine.name, LineKind::Note, || "stopped".to_owned());
    }

    /// The process of a host gets a signal. True: nobody there listens, and that has ended it.
    pub(crate) fn signal(&mut self, host: HostIndex, signal: Signal) -> bool {
        let machine = &mut self.machines[host];
        let is_heard = machine.kernel.signal(signal);
        let down_for = machine.condition.stopping.and_then(|stopping| stopping.back_after);
        self.record.item(item::SIGNALLED, self.now, host, &[signal as u64, u64::from(is_heard)]);
        self.record.tell(self.now, &machine.name, LineKind::Note, || format!("signal: {signal}"));
        let is_ended = !is_heard && signal.ends_process();
        if is_ended {
            self.kill(host, down_for, "ended by a signal that it does not listen to");
        }
        is_ended
    }

    /// A program sends its own process a signal. If that ends it, the world drops its threads after the turn; until
    /// then nothing that they do reaches anyone.
    pub(crate) fn raise_signal(&mut self, host: HostIndex, signal: Signal) {
        if self.signal(host, signal) {
            self.ended.push(host);
        }
    }

    /// From now on no thread of the host turns, for `length` or until it is resumed; if `suspended`, its kernel does
    /// not either.
    pub(crate) fn halt(&mut self, host: HostIndex, length: Option<Duration>, suspended: bool) {
        let until = length.map_or(Moment::FAR_FUTURE, |length| self.now + length);
        let halt = Halt { until, suspended };
        self.machines[host].condition.halt(self.now, halt);
        self.note_host_fault(host, item::HALTED, &[u64::from(suspended)], || match length {
            Some(length) => format!("{} for {length:?}", halt.name()),
            None => halt.name().to_owned(),
        });
        if length.is_some() {
            self.schedule(until, Due::Resume { host });
        }
    }

    /// Lets the host go on if no halt lasts longer.
    pub(crate) fn resume_if_due(&mut self, host: HostIndex) {
        if self.machines[host].condition.halt.is_some_and(|halt| halt.until <= self.now) {
            self.resume(host);
        }
    }

    /// Ends whatever halt there is; what has come meanwhile arrives now.
    pub(crate) fn resume(&mut self, host: HostIndex) {
        if !self.machines[host].condition.is_halted() {
            return;
        }
        self.note_host_fault(host, item::RESUMED, &[], || "goes on".to_owned());
        for (from, packet) in self.machines[host].condition.go_on(self.now) {
            self.aside(|state| state.deliver(from, host, packet));
        }
    }

    /// A packet comes to a machine that stands still.
    pub(super) fn hold(&mut self, from: HostIndex, to: HostIndex, packet: Packet) {
        if self.machines[to].condition.has_room() {
            self.machines[to].condition.hold(from, packet);
        } else {
            self.lose(from, to, &packet, "no room at a machine that stands still");
        }
    }

    /// Draws how the clocks of a host go wrong, and sets them so.
    pub(crate) fn set_clocks(&mut self, host: HostIndex) {
        let State { now, machines, chooser, .. } = self;
        let machine = &mut machines[host];
        let errors = machine.rule.draw_clock_errors(chooser);
        machine.condition.clock.set(*now, errors);
        if errors != Default::default() {
            let numbers = [errors.wall_ahead_ns, errors.wall_gain_ppm, errors.monotonic_gain_ppm];
            self.note_host_fault(host, item::CLOCK, &numbers.map(|number| number as u64), || {
                let [ahead, wall, own] = numbers;
                format!(
                    "wall clock {} ahead, drifts {wall} ppm; monotonic clock drifts {own} ppm",
                    Signed(ahead)
                )
            });
        }
    }

    /// Somebody sets the wall clock of a host.
    pub(crate) fn jump_wall(&mut self, host: HostIndex, by_ns: i64) {
        self.machines[host].condition.clock.jump_wall(self.now, by_ns);
        let told = || format!("wall clock jumps by {}", Signed(by_ns));
        self.note_host_fault(host, item::CLOCK, &[by_ns as u64], told);
    }

    /// How long each callback of a turn takes on a host that is slow.
    pub(crate) fn draw_callback_cost(&mut self, host: HostIndex) -> Option<Duration> {
        let State { machines, chooser, .. } = self;
        machines[host].rule.draw_callback_cost(chooser)
    }

    /// Draws how many descriptors something else has open on a host.
    pub(crate) fn draw_foreign_descriptors(&mut self, host: HostIndex) {
        let State { machines, chooser, .. } = self;
        let machine = &mut machines[host];
        let count = machine.rule.draw_foreign_descriptors(chooser).unwrap_or(0);
        if std::mem::replace(&mut machine.condition.foreign_descriptors, count) != count {
            self.note_host_fault(host, item::FOREIGN, &[count as u64], || {
                format!("something else has {count} descriptors open")
            });
        }
    }

    /// What a call of the host's programs is answered, if its kernel is short of something just then.
    pub(crate) fn refuse_call(&mut self, host: HostIndex, call: Call) -> Result<(), OsError> {
        let drawn = self.machines[host].rule.draw_error(&mut self.chooser, call);
        let Some(error) = drawn else { return Ok(()) };
        let code = error.code().expect("what a kernel answers has a number");
        self.note_host_fault(host, item::CALL_FAILED, &[code as u64], || format!("{call}: {error}"));
        Err(error)
    }

    fn note_host_fault(&mut self, host: HostIndex, kind: u8, numbers: &[u64], told: impl FnOnce() -> String) {
        self.record.item(kind, self.now, host, numbers);
        self.record.tell(self.now, &self.machines[host].name, LineKind::Fault, told);
        self.record.claim_picks(self.chooser.drawn());
    }
}

/// Nanoseconds, forward or back.
struct Signed(i64);

impl std::fmt::Display for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = Duration::from_nanos(self.0.unsigned_abs());
        write!(f, "{}{size:?}", if self.0 < 0 { "-" } else { "+" })
    }
}
