//! Two runs of one seed must be the same. Where they are not, this says in which step they part, what each of them did
//! there, and what the likely cause is. It runs and compares; what a run did is in its trail (`trail.rs`), and who caused
//! the difference is guessed in `cause.rs`.
//!
//! Of a run that leaks, no two need part at the same step. So what is shown comes from one pair of runs, both watched: no
//! side is guessed, and a further pair is run only where they part outside of what the trails have in words.

mod cause;
pub(crate) mod trail;

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use twinloop::Moment;

use crate::Scenario;
use crate::campaign::Run;
use crate::choice::Choices;
use crate::story::Telling;
use crate::verdict::{Report, one_line};

pub use cause::Cause;
use cause::Evidence;
use trail::{Trail, WINDOW, watch};

/// How many pairs of runs are watched to see where they part.
const PAIRS: u32 = 6;
/// How many steps are shown that both runs have in common, and how many of each from where they part.
const STEPS_BEFORE: usize = 12;
const STEPS_AFTER: usize = 4;

/// Runs `scenario` twice under `choices` and compares all that both did: the items of the record, draws, packets as they are
/// sent, what each thread waits for, and the lines of the story. The report is that of the first run.
///
/// It looks closer than a campaign, which compares hashes and verdicts: a note that prints an address is a difference too.
/// Both runs are made on this thread, the second with whatever the first has left in the process.
///
/// # Errors
///
/// Where they part, and why that may be.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::determinism::{self, Cause};
/// use twinloop_sim::{Scenario, Units};
///
/// static TRIES: AtomicU64 = AtomicU64::new(0);
///
/// let leaky = Scenario::new("leaky", "a client that counts its tries in a static", |sim| {
///     sim.client("client", || async {
///         twinloop::sleep(TRIES.fetch_add(1, Relaxed).ms()).await;
///         Ok(())
///     });
/// });
/// let found = determinism::check(&leaky, &Choices::Seeded(1)).expect_err("a static outlives a run");
/// let parted = found.divergence.expect("both runs were watched");
/// assert!(parted.first[0].text.starts_with("waits until"));
/// assert_ne!(parted.first[0].text, parted.second[0].text);
/// ```
pub fn check(scenario: &Scenario, choices: &Choices) -> Result<Report, Box<Nondeterminism>> {
    let run: Run<'_> = &|choices, telling| scenario.run(choices, telling);
    let (first, second) = (watched(run, choices, 0..WINDOW), watched(run, choices, 0..WINDOW));
    let (report, found) = difference(run, choices, first, second);
    found.map_or(Ok(report), |found| Err(Box::new(found)))
}

/// A seed whose two runs were not the same. Something besides the seed decided: a clock, a hash order, a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Nondeterminism {
    /// The seed.
    pub seed: u64,
    /// The verdict and the hash of its first run.
    pub first: (String, u128),
    /// The verdict and the hash of its second run.
    pub second: (String, u128),
    /// Where two runs of it part. `None` if no two of those that were watched did: then what differed was said or decided
    /// after the run, or does not come again.
    pub divergence: Option<Divergence>,
    /// What may be the cause, the likeliest first.
    pub causes: Vec<Cause>,
}

/// Where two runs of a seed part. They need not be the two whose hashes differed first: a leak is not bound to repeat itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// How many steps both runs have in common.
    pub common_steps: u64,
    /// The callback in which they part; `None` if that was between callbacks.
    pub callback: Option<Step>,
    /// The last steps in common.
    pub before: Vec<Step>,
    /// What the first run did then; empty if it was over.
    pub first: Vec<Step>,
    /// What the second run did then; empty if it was over.
    pub second: Vec<Step>,
}

/// One thing that a run did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// What kind of thing.
    pub kind: StepKind,
    /// When, on the world's clock.
    #[serde(with = "crate::story::nanos")]
    pub at: Moment,
    /// On which host and thread; empty for the world itself.
    pub host: String,
    /// What, in words.
    pub text: String,
}

/// What kind of thing a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StepKind {
    /// A thread of a host begins a turn.
    Turn,
    /// A callback runs.
    Callback,
    /// The oracle is asked for a choice, or for bytes.
    Draw,
    /// A packet is sent.
    Sent,
    /// An item of the record without words of its own.
    World,
    /// A line of the story.
    Told,
    /// A turn ends, and the thread waits for this.
    Deadline,
    /// A thread of the system has woken one of the simulation's.
    Intruder,
}

/// Two runs, both watched, and where they part, if their hashes or verdicts differ. The report is that of the first.
pub(crate) fn run_twice(run: Run<'_>, choices: &Choices) -> (Report, Option<Nondeterminism>) {
    let (first, second) = (watched(run, choices, 0..WINDOW), watched(run, choices, 0..WINDOW));
    if are_alike(&first.report, &second.report) {
        return (first.report, None);
    }
    difference(run, choices, first, second)
}

/// Whether a second run comes to what `first` did.
pub(crate) fn compare(run: Run<'_>, choices: &Choices, first: &Report) -> Option<Nondeterminism> {
    let second = run(choices, Telling::Silent);
    if are_alike(first, &second) {
        return None;
    }
    let (a, b) = (watched(run, choices, 0..WINDOW), watched(run, choices, 0..WINDOW));
    let (_, found) = difference(run, choices, a, b);
    // Runs that were looked at may be the same: whatever it was has passed.
    let mut found = found.unwrap_or_else(|| {
        let unseen = Nondeterminism::between(choices.seed(), first, &second);
        Nondeterminism { causes: vec![Cause::LeftBehind], ..unseen }
    });
    (found.first, found.second) = (outcome(first), outcome(&second));
    Some(found)
}

fn are_alike(first: &Report, second: &Report) -> bool {
    first.hash == second.hash && first.verdict == second.verdict
}

fn outcome(report: &Report) -> (String, u128) {
    (report.verdict.to_string(), report.hash)
}

struct Watched {
    report: Report,
    trail: Trail,
}

fn watched(run: Run<'_>, choices: &Choices, window: Range<u64>) -> Watched {
    let (report, trail) = watch(window, || run(choices, Telling::Silent));
    Watched { report, trail }
}

/// The first report, and what is found out about the two if they are not the same in every step.
fn difference(
    run: Run<'_>,
    choices: &Choices,
    mut first: Watched,
    mut second: Watched,
) -> (Report, Option<Nondeterminism>) {
    let mut found = Nondeterminism::between(choices.seed(), &first.report, &second.report);
    let Some(mut start) = first.trail.parts_from(&mut second.trail) else {
        found.causes = vec![Cause::AfterTheRun];
        let differ = !are_alike(&first.report, &second.report);
        return (first.report, differ.then_some(found));
    };
    found.causes = vec![Cause::LeftBehind, Cause::Thread];
    let mut pair = (first.trail, second.trail);
    for attempt in 1..=PAIRS {
        if let Some(parted) = Parted::between(&pair.0, &pair.1) {
            let evidence = Evidence::gather(run, choices, &pair.1);
            found.causes = cause::of(&parted, &evidence);
            found.divergence = Some(parted.into_divergence());
            break;
        }
        // A race is at another step each time, so the window grows to both sides of it.
        let before = start.saturating_sub(WINDOW * u64::from(attempt));
        let window = before..start + WINDOW * u64::from(attempt);
        pair = (watched(run, choices, window.clone()).trail, watched(run, choices, window).trail);
        // If these two are the same, the next two may still not be.
        start = pair.0.parts_from(&mut pair.1).unwrap_or(start);
    }
    (first.report, Some(found))
}

impl Nondeterminism {
    fn between(seed: u64, first: &Report, second: &Report) -> Nondeterminism {
        let (first, second) = (outcome(first), outcome(second));
        Nondeterminism { seed, first, second, divergence: None, causes: Vec::new() }
    }
}

/// Two trails from where they part.
struct Parted<'a> {
    common_steps: u64,
    before: Vec<&'a Step>,
    first: Vec<&'a Step>,
    second: Vec<&'a Step>,
}

impl<'a> Parted<'a> {
    fn between(first: &'a Trail, second: &'a Trail) -> Option<Parted<'a>> {
        let (common_steps, at) = first.first_unlike(second)?;
        Some(Parted {
            common_steps,
            before: first.steps().take(at).collect(),
            first: first.steps().skip(at).collect(),
            second: second.steps().skip(at).collect(),
        })
    }

    /// The callback that was under way.
    fn callback(&self) -> Option<&'a Step> {
        let mut back = self.before.iter().rev();
        let latest = back.find(|step| {
            matches!(step.kind, StepKind::Callback | StepKind::Turn | StepKind::Deadline | StepKind::Intruder)
        })?;
        (latest.kind == StepKind::Callback).then_some(*latest)
    }

    fn into_divergence(self) -> Divergence {
        let head = |steps: &[&Step]| steps.iter().take(STEPS_AFTER).map(|step| (*step).clone()).collect();
        let telling = self.before.iter().rev().filter(|step| !step.is_ordinary());
        let mut before: Vec<Step> = telling.take(STEPS_BEFORE).map(|step| (*step).clone()).collect();
        before.reverse();
        Divergence {
            common_steps: self.common_steps,
            callback: self.callback().cloned(),
            before,
            first: head(&self.first),
            second: head(&self.second),
        }
    }
}

impl Step {
    /// It tells nothing that its neighbours do not: most draws give the ordinary, and callbacks have their turns.
    fn is_ordinary(&self) -> bool {
        match self.kind {
            StepKind::Draw => self.text.contains(" = 0 of "),
            StepKind::Turn => true,
            StepKind::Deadline => self.text == trail::MORE_TO_DO,
            _ => false,
        }
    }
}

/// Time, host, what.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.is_empty() { "world" } else { &self.host };
        write!(f, "{:>13}  {host}  {}", self.at, self.text)
    }
}

/// A paragraph: both outcomes, where they part from both sides, what led there, the likely causes.
impl fmt::Display for Nondeterminism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |(verdict, hash): &(String, u128)| format!("hash {hash:032x}, {}", one_line(verdict));
        writeln!(f, "two runs of seed {} differ; mend this before anything else", self.seed)?;
        writeln!(f, "  first:  {}", side(&self.first))?;
        writeln!(f, "  second: {}", side(&self.second))?;
        match &self.divergence {
            Some(parted) => write!(f, "\n{parted}")?,
            None => writeln!(f, "\n  No two runs that were watched parted.")?,
        }
        writeln!(f, "\n  Likely causes:")?;
        self.causes.iter().try_for_each(|cause| writeln!(f, "    - {cause}"))
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = self.first.first().or(self.second.first());
        if let Some(step) = here {
            let host = if step.host.is_empty() { "the world" } else { &step.host };
            write!(f, "  They part after {} steps, at {} on {host}", self.common_steps, step.at)?;
        }
        match &self.callback {
            Some(callback) => writeln!(f, ", in the callback: {}", callback.text)?,
            None => writeln!(f, ", between callbacks")?,
        }
        writeln!(f, "\n  Both runs:")?;
        self.before.iter().try_for_each(|step| writeln!(f, "    {step}"))?;
        for (name, steps) in [("first", &self.first), ("second", &self.second)] {
            writeln!(f, "  The {name} run then:")?;
            if steps.is_empty() {
                writeln!(f, "    is over")?;
            }
            steps.iter().try_for_each(|step| writeln!(f, "    {step}"))?;
        }
        Ok(())
    }
}
