//! What may have made two runs part: a guess from the steps on both sides, and from what further runs do. It reads no
//! source; each guess names what to look for.

use std::fmt;

use super::trail::{Trail, WINDOW};
use super::{Parted, Step, StepKind, watched};
use crate::campaign::Run;
use crate::choice::Choices;

/// What may make two runs of one seed differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// Another thread of the system woke a task of the simulation.
    Thread,
    /// The same things were done in another order.
    Order,
    /// Text or bytes differ in an address in memory alone.
    Address,
    /// A deadline, or the moment of a turn, is another one.
    Clock,
    /// Other bytes, or another size.
    Bytes,
    /// A choice of another kind, or another number of draws: the programs went another way before anything was sent.
    Path,
    /// Later runs are all alike: the first one left something in the process.
    LeftBehind,
    /// Runs on threads of their own are alike, those of one thread are not.
    ThreadState,
    /// Runs in processes of their own are alike: what a run leaves behind in its process decides the next.
    ProcessState,
    /// All steps are the same; what differs was said or decided when the run was over.
    AfterTheRun,
}

/// One line: what it is, and what to look for.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Thread => {
                "a thread of the system woke a task: std::thread::spawn, spawn_blocking, a runtime's worker; \
                 use twinloop::spawn_thread"
            }
            Cause::Order => {
                "the same steps in another order: iteration over a HashMap or HashSet, select! with its own chance; \
                 use BTreeMap, BTreeSet, race()"
            }
            Cause::Address => "an address in memory is printed, hashed or sorted by: {:p}, a pointer as a key",
            Cause::Clock => {
                "a time that is not the world's: Instant::now, SystemTime::now, a random delay, a count kept in a \
                 static; use twinloop::now, wall_time, entropy"
            }
            Cause::Bytes => {
                "bytes that the seed did not give: rand, getrandom, a random hash, a date, an environment variable, a \
                 real file, a count kept in a static; use twinloop's entropy and wall_time"
            }
            Cause::Path => {
                "the program went another way: it read a clock, chance, a static, the environment or a real file \
                 before this step"
            }
            Cause::LeftBehind => {
                "the first run left something in the process, and all later ones found it: a static, OnceLock, \
                 LazyLock, thread_local!, a file"
            }
            Cause::ThreadState => {
                "runs on fresh threads are alike, and those of one thread are not: a thread_local! that a run leaves \
                 behind"
            }
            Cause::ProcessState => {
                "runs in processes of their own are alike, and those of one process are not: a static that a run leaves \
                 behind (a counter, a cache), or where its memory is"
            }
            Cause::AfterTheRun => {
                "all steps are the same: a check, a destructor or the text of an error has read a static, a clock or \
                 chance"
            }
        })
    }
}

/// What further runs have shown.
pub(super) struct Evidence {
    /// A third run was as the second.
    third_is_as_second: bool,
    /// Two runs on fresh threads were alike.
    threads_are_alike: bool,
}

impl Evidence {
    /// `second` is the trail of the second run.
    pub(super) fn gather(run: Run<'_>, choices: &Choices, second: &Trail) -> Evidence {
        let third = watched(run, choices, 0..WINDOW).trail;
        let fourth = watched(run, choices, 0..WINDOW).trail;
        let on_thread = || {
            std::thread::scope(|scope| {
                let run = scope.spawn(|| watched(run, choices, 0..WINDOW).trail);
                run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        };
        let (one, other) = (on_thread(), on_thread());
        Evidence {
            third_is_as_second: third.is_as(second) && fourth.is_as(second),
            threads_are_alike: one.is_as(&other),
        }
    }
}

/// The likeliest first.
pub(super) fn of(parted: &Parted<'_>, evidence: &Evidence) -> Vec<Cause> {
    let mut causes = Vec::new();
    if has_intruder(parted) {
        causes.push(Cause::Thread);
    }
    if evidence.third_is_as_second {
        causes.push(Cause::LeftBehind);
    } else if evidence.threads_are_alike {
        causes.push(Cause::ThreadState);
    }
    causes.extend(of_steps(parted));
    causes
}

/// Whether a thread of the system has a hand in it. Its wake is seen where the simulation looks for wakes, which may be a
/// few steps before or after what it leads to.
fn has_intruder(parted: &Parted<'_>) -> bool {
    const NEAR: usize = 12;
    let before = parted.before.iter().rev().take(NEAR);
    let after = [&parted.first, &parted.second].into_iter().flat_map(|side| side.iter().take(NEAR));
    before.chain(after).any(|step| step.kind == StepKind::Intruder)
}

fn of_steps(parted: &Parted<'_>) -> Option<Cause> {
    let (Some(first), Some(second)) = (parted.first.first(), parted.second.first()) else {
        return Some(Cause::Path);
    };
    let both = (first.kind, second.kind);
    if are_permuted(&parted.first, &parted.second) {
        return Some(Cause::Order);
    }
    if without_addresses(&first.text) == without_addresses(&second.text) && first.text != second.text {
        return Some(Cause::Address);
    }
    Some(match both {
        (StepKind::Deadline, StepKind::Deadline) => Cause::Clock,
        (StepKind::Turn, StepKind::Turn) => Cause::Clock,
        (StepKind::Intruder, _) | (_, StepKind::Intruder) => return None,
        (StepKind::Sent, StepKind::Sent)
        | (StepKind::Told, StepKind::Told)
        | (StepKind::World, StepKind::World) => Cause::Bytes,
        _ => Cause::Path,
    })
}

/// Whether both did the same in this turn, in another order.
fn are_permuted(first: &[&Step], second: &[&Step]) -> bool {
    let of_turn = |steps: &[&Step]| {
        let turn = steps.iter().take_while(|step| !matches!(step.kind, StepKind::Turn | StepKind::Deadline));
        let mut told: Vec<String> = turn.filter_map(|step| gist(step)).collect();
        let in_order = told.clone();
        told.sort_unstable();
        (told, in_order)
    };
    let ((first, first_order), (second, second_order)) = (of_turn(first), of_turn(second));
    !first.is_empty() && first == second && first_order != second_order
}

/// What a step does, without what depends on its place among its like; `None` of what only follows from others.
fn gist(step: &Step) -> Option<String> {
    match step.kind {
        StepKind::Sent => {
            let (to, rest) = step.text.split_once(": ")?;
            let port_and_on = rest.split_once(" > ").map_or(rest, |(_, rest)| rest);
            Some(format!("{to} {port_and_on}"))
        }
        StepKind::Told | StepKind::Callback => Some(step.text.clone()),
        _ => None,
    }
}

/// `text` with each hexadecimal number of a pointer's length replaced.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_hexdigit).count();
        plain.push_str(if digits >= 6 { "0x#" } else { "0x" });
        plain.push_str(&part[if digits >= 6 { digits } else { 0 }..]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use twinloop::Moment;

    use super::*;

    fn step(kind: StepKind, text: &str) -> Step {
        Step { kind, at: Moment::ORIGIN, host: "host".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn addresses_are_long_hexadecimal_numbers() {
        assert_eq!(without_addresses("at 0x7f3a12bc and 0x10"), "at 0x# and 0x10");
        assert_eq!(without_addresses("none"), "none");
    }

    #[test]
    fn sends_in_another_order_are_permuted_and_others_are_not() {
        let (a, b) =
            (step(StepKind::Sent, "sends to A: 1 > 7 SYN"), step(StepKind::Sent, "sends to B: 2 > 7 SYN"));
        let (b_first, a_second) =
            (step(StepKind::Sent, "sends to B: 1 > 7 SYN"), step(StepKind::Sent, "sends to A: 2 > 7 SYN"));
        assert!(are_permuted(&[&a, &b], &[&b_first, &a_second]));
        assert!(!are_permuted(&[&a, &b], &[&a, &b]));
        assert!(!are_permuted(&[&a, &b], &[&b_first]));
        assert!(!are_permuted(&[], &[]));
    }
}
