//! Whether two kernels have answered a program alike: one step after the other, up to what may differ.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::SocketAddr;

use twinloop::Address;
use twinloop::driver::{OsError, Readiness, SocketOption};

use super::execute::{Answer, Told, Value};
use super::program::Op;

// What may differ although neither kernel is wrong: entries of PARITY.md.
const PICKED_PORTS: &str = "PARITY: Ports that a kernel picks";
const FULL_BUFFERS: &str = "PARITY: How much goes into a full buffer";
const TUNED_BUFFERS: &str = "PARITY: Buffers that are tuned";
const SHARED_PORTS: &str = "PARITY: Ports of TCP that are shared";
const ASKED_LISTENER: &str = "PARITY: Which of several listeners is asked";
const DRIVERS_ERRORS: &str = "PARITY: Errors without a number";
const EVENTS_AGAIN: &str = "PARITY: Events that are told again";
const EVENTS_BETWEEN: &str = "PARITY: Events between the calls of one step";

/// What one kernel made of a step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) answer: Answer,
    pub(super) told: Told,
}

/// Where two kernels part: what both made of each step, up to the one that they answer differently.
#[derive(Clone, Debug)]
pub(super) struct Mismatch {
    pub(super) steps: Vec<(Step, Step)>,
}

impl Mismatch {
    /// What Linux made of the last step.
    pub(super) fn real(&self) -> &Step {
        &self.steps.last().expect("kernels part at some step").1
    }
}

/// What has been seen of the two runs so far.
#[derive(Default)]
pub(super) struct Comparison {
    /// Ports of the simulated kernel and what they are on the real one. Both pick as they like.
    ports: BTreeMap<u16, u16>,
    /// The ends that were told of what stands at each place.
    ended: Told,
    /// A buffer was filled: how much went in is a kernel's own affair, and with it every later count.
    is_loose: bool,
    /// How many listeners have agreed to share a port.
    sharing: usize,
    /// Something has connected to where several may listen: what becomes of it depends on which of them was asked.
    is_chosen: bool,
    /// What had to be passed over.
    tolerated: BTreeSet<&'static str>,
}

/// How two answers compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Alike,
    Different,
    /// As PARITY.md says. What follows can not be compared.
    Known,
}

/// What no kernel tells without a reason.
const ENDS: [Readiness; 3] = [Readiness::READ_CLOSED, Readiness::WRITE_CLOSED, Readiness::ERROR];

impl Comparison {
    /// Whether the answers agree. What this learns of them holds for the steps that follow.
    pub(super) fn compare(&mut self, op: &Op, simulated: &Answer, real: &Answer) -> Verdict {
        if is_refused_for_sharing(op, simulated, real) {
            self.tolerated.insert(SHARED_PORTS);
            return Verdict::Known;
        }
        if self.answers_agree(op, simulated, real) {
            self.note_listeners(op, real);
            return Verdict::Alike;
        }
        self.told_otherwise()
    }

    /// The entries of PARITY.md that were needed.
    pub(super) fn tolerated(&self) -> impl Iterator<Item = &'static str> {
        self.tolerated.iter().copied()
    }

    /// Passes something over if `entry` holds for it.
    fn tolerate(&mut self, entry: &'static str, is_so: bool) -> bool {
        if is_so {
            self.tolerated.insert(entry);
        }
        is_so
    }

    /// What it means that one kernel answered or told something and the other one did not.
    pub(super) fn told_otherwise(&mut self) -> Verdict {
        if self.tolerate(ASKED_LISTENER, self.is_chosen) { Verdict::Known } else { Verdict::Different }
    }

    fn note_listeners(&mut self, op: &Op, real: &Answer) {
        match op {
            Op::Listen { options, .. } if options.reuse_port && real.is_ok() => self.sharing += 1,
            Op::Connect { .. } => self.is_chosen |= self.sharing > 1,
            _ => {}
        }
    }

    fn answers_agree(&mut self, op: &Op, simulated: &Answer, real: &Answer) -> bool {
        self.is_loose |= matches!(op, Op::Fill { .. });
        match (simulated, real) {
            (Ok(simulated), Ok(real)) => self.values_agree(simulated, real),
            (Err(simulated), Err(real)) => self.errors_agree(*simulated, *real),
            (Ok(Value::Count(_)), Err(error)) | (Err(error), Ok(Value::Count(_))) => {
                self.tolerate(FULL_BUFFERS, self.is_loose && error.is_would_block())
            }
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        }
    }

    fn values_agree(&mut self, simulated: &Value, real: &Value) -> bool {
        match (simulated, real) {
            (Value::Address(simulated), Value::Address(real)) => self.addresses_agree(simulated, real),
            (Value::Count(simulated), Value::Count(real)) => {
                simulated == real
                    || self.tolerate(FULL_BUFFERS, self.is_loose && (*simulated == 0) == (*real == 0))
            }
            (Value::Bytes(simulated), Value::Bytes(real)) => {
                simulated == real
                    || self.tolerate(FULL_BUFFERS, self.is_loose && simulated.is_empty() == real.is_empty())
            }
            (
                Value::Drained { bytes: simulated, end: simulated_end },
                Value::Drained { bytes: real, end: real_end },
            ) => {
                let ends_agree = match (simulated_end, real_end) {
                    (Err(simulated), Err(real)) => self.errors_agree(*simulated, *real),
                    (simulated, real) => simulated == real,
                };
                ends_agree && (simulated == real || self.tolerate(FULL_BUFFERS, self.is_loose))
            }
            (Value::Pending(Some(simulated)), Value::Pending(Some(real))) => {
                self.errors_agree(*simulated, *real)
            }
            (
                Value::Received {
                    source: simulated_source,
                    bytes: simulated,
                    truncated: simulated_truncated,
                },
                Value::Received { source: real_source, bytes: real, truncated: real_truncated },
            ) => {
                simulated == real
                    && simulated_truncated == real_truncated
                    && self.addresses_agree(simulated_source, real_source)
            }
            (Value::Option(simulated), Value::Option(real)) => {
                simulated == real || self.tolerate(TUNED_BUFFERS, is_tuned(simulated, real))
            }
            _ => simulated == real,
        }
    }

    fn addresses_agree(&mut self, simulated: &Address, real: &Address) -> bool {
        match (simulated, real) {
            (Address::Ip(simulated), Address::Ip(real)) => {
                simulated.ip() == real.ip() && self.ports_agree(*simulated, *real)
            }
            _ => simulated == real,
        }
    }

    fn ports_agree(&mut self, simulated: SocketAddr, real: SocketAddr) -> bool {
        let known = *self.ports.entry(simulated.port()).or_insert(real.port());
        self.tolerate(PICKED_PORTS, simulated.port() != real.port());
        known == real.port()
    }

    /// By their numbers, as far as there are any: what a driver refuses by itself has none.
    fn errors_agree(&mut self, simulated: OsError, real: OsError) -> bool {
        match (simulated.code(), real.code()) {
            (Some(simulated), Some(real)) => simulated == real,
            _ if simulated.is_would_block() => real.is_would_block(),
            _ => self.tolerate(DRIVERS_ERRORS, simulated.kind() == real.kind()),
        }
    }

    /// What the real kernel has still to tell, of what the simulated one told, before its step is over.
    pub(super) fn missing(&mut self, op: &Op, simulated: &Told, real: &Told) -> Told {
        let mut missing = Told::new();
        if self.tolerate(EVENTS_BETWEEN, matches!(op, Op::Fill { .. } | Op::Drain { .. })) {
            return missing;
        }
        for (slot, readiness) in simulated {
            let real = real.get(slot).copied().unwrap_or_default();
            for (bit, told_by) in self.compared() {
                let is_told = told_by.iter().any(|by| real.intersects(*by));
                if readiness.intersects(*bit) && !is_told {
                    *missing.entry(*slot).or_default() |= *bit;
                }
            }
        }
        missing
    }

    /// Whether the real kernel told no end that the simulated one did not tell. Told again they may be: epoll says all that
    /// is true whenever it says something.
    pub(super) fn ends_agree(&mut self, op: &Op, simulated: &Step, real: &Told) -> bool {
        let was_made = simulated.answer.as_ref().is_ok_and(|value| *value != Value::Skipped);
        for slot in op.changes().into_iter().flatten().filter(|_| was_made) {
            self.ended.remove(&slot);
        }
        for (slot, readiness) in &simulated.told {
            *self.ended.entry(*slot).or_default() |= *readiness;
        }
        let is_more = |(slot, &real): (&usize, &Readiness)| {
            let simulated = simulated.told.get(slot).copied().unwrap_or_default();
            real | simulated != simulated
        };
        self.tolerate(EVENTS_AGAIN, real.iter().any(is_more));
        real.iter().all(|(slot, readiness)| {
            let ended = self.ended.get(slot).copied().unwrap_or_default();
            ENDS.iter().all(|bit| !readiness.intersects(*bit) || ended.intersects(*bit))
        })
    }

    /// What has to be told, and by what: the end of a direction wakes whoever waits for it, too. How full buffers are is felt
    /// in the last two.
    fn compared(&self) -> &[(Readiness, &[Readiness])] {
        const ALL: [(Readiness, &[Readiness]); 5] = [
            (Readiness::READ_CLOSED, &[Readiness::READ_CLOSED]),
            (Readiness::WRITE_CLOSED, &[Readiness::WRITE_CLOSED]),
            (Readiness::ERROR, &[Readiness::ERROR]),
            (Readiness::READABLE, &[Readiness::READABLE, Readiness::READ_CLOSED]),
            (Readiness::WRITABLE, &[Readiness::WRITABLE, Readiness::WRITE_CLOSED]),
        ];
        if self.is_loose { &ALL[..3] } else { &ALL }
    }
}

/// Whether the simulated kernel alone refuses to share a port.
fn is_refused_for_sharing(op: &Op, simulated: &Answer, real: &Answer) -> bool {
    let shares_port = match op {
        Op::Listen { options, .. } => options.reuse_port,
        Op::Connect { options, .. } => options.options.reuse_port,
        _ => false,
    };
    let is_in_use = simulated.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
    shares_port && is_in_use && real.is_ok()
}

/// Whether this is the size of a buffer that no program has set.
fn is_tuned(simulated: &SocketOption, real: &SocketOption) -> bool {
    const UNTOUCHED: u32 = 131_072;
    matches!(
        (simulated, real),
        (SocketOption::SendBuffer(UNTOUCHED), SocketOption::SendBuffer(_))
            | (SocketOption::ReceiveBuffer(UNTOUCHED), SocketOption::ReceiveBuffer(_))
    )
}
