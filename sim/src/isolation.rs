//! What a run shares with the runs before it: its thread, its process, the image of its process, or nothing. It makes a run
//! at a level and knows no scenario; what a process of its own is asked, and what it answers, is in `wire.rs`.
//!
//! A program that leaks is the same twice only where nothing is left of the first run. Each level leaves less:
//!
//! | level | what is new in each run | costs about |
//! |---|---|---|
//! | same thread | the simulated world | nothing |
//! | fresh thread | thread-locals, and with them the keys of hash maps | 30 µs |
//! | fork | statics: they are those of a process that has run nothing | 0.3 ms |
//! | process | all memory, its addresses, the environment | 2 ms |

pub(crate) mod interposer;
pub(crate) mod wire;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::panic::resume_unwind;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::campaign::Run;
use crate::choice::Choices;
use crate::determinism::trail;
use crate::reached::Reached;
use crate::replay_file::{Kept, Mismatch};
use crate::story::Telling;
use crate::verdict::{Report, Verdict};

pub use interposer::{Interposer, SystemCall, install, interposer};
use wire::{Answer, Request};

/// As much as a program's first thread has on most systems: what runs there runs on a fresh thread too.
const STACK: usize = 8 * 1024 * 1024;

/// Variables that a process of its own still has: what systems need to start a program, and what is meant for us.
const KEPT: [&str; 8] =
    ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "RUST_BACKTRACE"];

/// What a run shares with the runs before it, from the most to the least.
///
/// ```
/// use twinloop_sim::isolation::Isolation;
///
/// assert_eq!("fresh-thread".parse(), Ok(Isolation::FreshThread));
/// assert_eq!(Isolation::Process.to_string(), "process");
/// assert!("jail".parse::<Isolation>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Isolation {
    /// Thread and process: runs follow each other on one thread.
    #[default]
    SameThread,
    /// The process: each run has a thread of its own.
    FreshThread,
    /// The image of the process: each run has a copy that no run has touched. Needs `twinloop-interpose`, and Linux.
    Fork,
    /// Nothing: each run has a process of its own, with few variables of the environment; with `twinloop-interpose` on
    /// Linux, at the same addresses too.
    Process,
}

impl Isolation {
    /// The level where nobody says one. With symbols interposed, hash maps have the keys that the seed gives only on a
    /// thread that has made none before.
    pub fn of_program() -> Isolation {
        if interposer().is_some() { Isolation::FreshThread } else { Isolation::SameThread }
    }

    /// The level that is meant where this one was said, or none. Strict runs need a thread that ends with them.
    pub(crate) fn of_runs(said: Option<Isolation>, is_strict: bool) -> Isolation {
        let level = said.unwrap_or_else(Isolation::of_program);
        if is_strict { level.max(Isolation::FreshThread) } else { level }
    }

    /// One or two words, as the command line takes them.
    pub fn name(self) -> &'static str {
        match self {
            Isolation::SameThread => "same-thread",
            Isolation::FreshThread => "fresh-thread",
            Isolation::Fork => "fork",
            Isolation::Process => "process",
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isolation {
    type Err = String;

    fn from_str(text: &str) -> Result<Isolation, String> {
        let all = [Isolation::SameThread, Isolation::FreshThread, Isolation::Fork, Isolation::Process];
        let names = all.map(Isolation::name).join(", ");
        all.into_iter()
            .find(|level| level.name() == text)
            .ok_or(format!("the levels of isolation are {names}"))
    }
}

/// Under which conditions runs are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) level: Isolation,
    /// Whether a run fails that has made a call of the system which nothing controls.
    pub(crate) is_strict: bool,
    /// None where the program can not be called for that.
    pub(crate) again: Option<Again>,
}

impl Conditions {
    /// Makes one run under them.
    pub(crate) fn run(&self, run: Run<'_>, choices: &Choices, telling: Telling) -> Report {
        let caught = |choices: &Choices, telling| strictly(run, choices, telling);
        let run: Run<'_> = if self.is_strict { &caught } else { run };
        let mut report = self.run_at_level(run, choices, telling);
        if self.is_strict && report.verdict.is_passed() {
            let calls = report.system_calls.iter().filter(|call| !call.is_controlled);
            let told: Vec<String> = calls.map(ToString::to_string).collect();
            if !told.is_empty() {
                let message = format!("calls of the system that nothing controls: {}", told.join("; "));
                report.verdict = Verdict::Failed { subject: "isolation".to_owned(), message };
            }
        }
        report
    }

    /// What keeps a run from being made there is its verdict: nobody should take it for one that passed.
    fn run_at_level(&self, run: Run<'_>, choices: &Choices, telling: Telling) -> Report {
        let request = || Request {
            choices: choices.clone(),
            telling,
            window: trail::window(),
            is_strict: self.is_strict,
        };
        let mut report = match self.level {
            Isolation::SameThread => run(choices, telling),
            Isolation::FreshThread => on_a_thread(run, choices, telling),
            Isolation::Fork => answered(forked(run, &request())),
            Isolation::Process => answered(called_again(self.again.as_ref(), &request())),
        };
        report.isolation = self.level;
        report
    }

    /// As they are in a process of its own, if this program can be called for that: the strictest level.
    pub(crate) fn strictest(&self) -> Option<Conditions> {
        let is_less = self.level < Isolation::Process && self.again.is_some();
        is_less.then(|| Conditions { level: Isolation::Process, ..self.clone() })
    }

    /// These, or those under which the failure of a file was found where they are stricter: with less, it may not be there.
    pub(crate) fn at_least_of(&self, kept: &Kept) -> Result<Conditions, Mismatch> {
        let (level, is_strict) = (self.level.max(kept.file.isolation), self.is_strict || kept.file.is_strict);
        let conditions = Conditions { level, is_strict, ..self.clone() };
        let field = if kept.file.is_strict { "strict" } else { "isolation" };
        conditions
            .obstacle()
            .map_or(Ok(conditions), |obstacle| Err(kept.at_field(field, obstacle.to_owned())))
    }

    /// Why runs can not be made under them.
    pub(crate) fn obstacle(&self) -> Option<&'static str> {
        const NEEDED: &str =
            "it needs the crate twinloop-interpose, which is not linked: `use twinloop_interpose as _;`";
        let needs = self.is_strict || self.level == Isolation::Fork;
        (needs && interposer().is_none()).then_some(NEEDED)
    }
}

/// How this program is called to make one run in a process of its own. It is asked on standard input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Again {
    pub(crate) args: Vec<OsString>,
    /// A variable and its value that tell it.
    pub(crate) variable: Option<(&'static str, String)>,
}

fn on_a_thread(run: Run<'_>, choices: &Choices, telling: Telling) -> Report {
    let watched = trail::take();
    let (report, watched) = thread::scope(|scope| {
        let body = move || {
            trail::put(watched);
            let report = run(choices, telling);
            (report, trail::take())
        };
        let spawned = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, body);
        spawned
            .expect("a machine has room for one more thread")
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    });
    trail::put(watched);
    report
}

/// Makes a run with every call noted that its thread makes past the C library. The thread must end with it.
fn strictly(run: Run<'_>, choices: &Choices, telling: Telling) -> Report {
    if let Some(Err(error)) = interposer().map(Interposer::catch_raw_calls) {
        let message = format!("calls past the C library are not caught: {error}");
        return Report::lost(Verdict::Failed { subject: "isolation".to_owned(), message });
    }
    run(choices, telling)
}

/// The report of a run that another process was asked for. Whoever watches here sees its trail.
fn answered(answer: Result<Answer, String>) -> Report {
    match answer {
        Ok(Answer { report, trail }) => {
            trail::put(trail);
            report
        }
        Err(message) => Report::lost(Verdict::Failed { subject: "process".to_owned(), message }),
    }
}

fn forked(run: Run<'_>, request: &Request) -> Result<Answer, String> {
    let Some(interposer) = interposer() else {
        return Err("a fork needs the crate twinloop-interpose: `use twinloop_interpose as _;`".to_owned());
    };
    let bytes = interposer.fork(&mut || wire::answer(run, request).to_bytes())?;
    Answer::from_bytes(&bytes)
}

fn called_again(again: Option<&Again>, request: &Request) -> Result<Answer, String> {
    let again = again.ok_or("this program can not be called for one run")?;
    let itself =
        env::current_exe().map_err(|error| format!("this program does not know where it is: {error}"))?;
    let mut command = Command::new(itself);
    command.args(&again.args).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(env::vars_os().filter(|(name, _)| is_kept(name)));
    if let Some((name, value)) = &again.variable {
        command.env(name, value);
    }
    let at_fixed_addresses = interposer().map(Interposer::at_fixed_addresses);
    let spawned = command.spawn();
    drop(at_fixed_addresses);
    let mut child = spawned.map_err(|error| format!("no process could be made: {error}"))?;
    let mut input = child.stdin.take().expect("it was asked for above");
    // One that ends without reading says more by how it ended.
    let _ = input.write_all(&request.to_bytes());
    drop(input);
    let output =
        child.wait_with_output().map_err(|error| format!("a process could not be waited for: {error}"))?;
    Answer::find(&output.stdout).unwrap_or_else(|| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Err(format!("the process gave no answer ({}) {last}", output.status))
    })
}

fn is_kept(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| KEPT.contains(&name) || name.starts_with("TWINLOOP_TEST_"))
}

/// Answers the request that stands on standard input.
pub(crate) fn serve(run: Run<'_>) -> Result<(), String> {
    let request = Request::read(&mut std::io::stdin())?;
    let strict = |choices: &Choices, telling| strictly(run, choices, telling);
    wire::answer(if request.is_strict { &strict } else { run }, &request).print();
    Ok(())
}

impl Report {
    /// Of a run of which nothing is known but how it was lost.
    fn lost(verdict: Verdict) -> Report {
        Report {
            verdict,
            hash: 0,
            virtual_time: Duration::ZERO,
            turns: 0,
            callbacks: 0,
            unusual: Vec::new(),
            stale: Vec::new(),
            story: None,
            reached: Reached::default(),
            probe: None,
            isolation: Isolation::SameThread,
            system_calls: Vec::new(),
        }
    }
}
