//! A scenario as an ordinary test: replays that were kept come first, then seeds; a failure is shrunk, kept and told.
//!
//! It reads the environment and the folder of replays, since whoever runs a test has no other way to say what is wanted.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::campaign::{Campaign, Failure, Findings, Run, unwatched};
use crate::choice::Choices;
use crate::cli::explore::tell_nondeterminism;
use crate::cli::failure::{Pursuit, pursue};
use crate::cli::screen::Screen;
use crate::cli::{self, Called, Subject};
use crate::isolation::{self, Again, Conditions, Isolation};
use crate::program::ProgramResult;
use crate::reached::Tally;
use crate::replay_file::{Kept, Mismatch};
use crate::replays::kept;
use crate::scenario::configure;
use crate::shrink::Limits;
use crate::small::run_world;
use crate::story::{Story, Telling};
use crate::verdict::one_line;
use crate::{Scenario, Sim};

/// Tells a process that it is one of its own, for one run of the test of this name.
const ISOLATED: &str = "TWINLOOP_ISOLATED";
/// How many seeds a test runs, if nothing is said.
const SEEDS: u64 = 64;
/// How many runs shrinking a failure may take.
const SHRINK_BUDGET: usize = 3000;
/// How many lines of a story are told of a replay that fails and was not asked for.
const STORY_LINES: usize = 20;

/// A scenario as a test. [`test`](macro@crate::test) writes this for a function; the builder is for what has no function of
/// its own, such as a test in a loop over settings.
///
/// A run of it tries, in this order, until something fails:
///
/// 1. every replay of this test in the folder `replays` beside the package's `Cargo.toml`: a failure that was found once is
///    looked for first, as long as its file is there;
/// 2. the seeds.
///
/// A failure is shrunk and its replay is written into that folder. The test panics with what failed, the seed, the picks
/// that it takes, the few lines of its story that led to it, and the line that runs it again.
///
/// The environment can say what to run instead:
///
/// | variable | effect |
/// | --- | --- |
/// | `TWINLOOP_SEED=17` | this seed alone |
/// | `TWINLOOP_SEEDS=1000..2000` | these seeds |
/// | `TWINLOOP_TIME=90` | seeds, from the first one on, for so many seconds of wall time |
/// | `TWINLOOP_REPLAY=FILE` | this replay alone; tests that it is not of pass at once |
/// | `TWINLOOP_JOBS=1` | on so many threads; if nothing is said, on as many as the machine runs at once |
/// | `TWINLOOP_REPLAYS=FOLDER` | where replays are read and written |
/// | `TWINLOOP_ISOLATION=process` | what a run shares with those before it: an [`Isolation`]. A replay is made at the level that its file says, if that is stricter |
/// | `TWINLOOP_STRICT=1` | a run fails that makes a call of the system which nothing controls; needs `twinloop-interpose` |
///
/// ```
/// use twinloop::{StreamServer, connect};
/// use twinloop_sim::{Test, Units};
///
/// for latency in [1, 40] {
///     Test::new("docs::a-greeting").config("latency", latency).seeds(0..20).world(move |sim| {
///         sim.links().latency(latency.ms()).loss(0.1);
///         let address = sim.host("server", 7, |address| async move {
///             let server = StreamServer::listen(address)?;
///             loop {
///                 server.accept().await?.write(b"hello").await?;
///             }
///         });
///         sim.client("client", move || async move {
///             assert_eq!(connect(address).await?.read_to_end(100).await?, b"hello");
///             Ok(())
///         });
///     });
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a test does nothing until it is given a world or a program"]
pub struct Test {
    name: &'static str,
    /// The package and its folder.
    package: Option<(&'static str, &'static str)>,
    program: Option<&'static str>,
    configuration: BTreeMap<String, String>,
    seeds: Range<u64>,
    bytes: Option<Choices>,
    check: bool,
    isolation: Option<Isolation>,
    reaches: &'static [&'static str],
}

/// What a test program may end with: nothing, or an error that fails the run.
pub trait Outcome {
    /// As the simulation has it.
    fn into_result(self) -> ProgramResult;
}

impl Outcome for () {
    fn into_result(self) -> ProgramResult {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error>>> Outcome for Result<(), E> {
    fn into_result(self) -> ProgramResult {
        self.map_err(Into::into)
    }
}

impl Test {
    /// The test `name`. Replays know it by that name, so no two tests of a package should share one.
    pub fn new(name: &'static str) -> Test {
        Test {
            name,
            package: None,
            program: None,
            configuration: BTreeMap::new(),
            seeds: 0..SEEDS,
            bytes: None,
            check: false,
            isolation: None,
            reaches: &[],
        }
    }

    /// The package that the test belongs to, and the folder of its manifest: where replays are kept, and what to call again.
    /// Without it they are those of the working folder.
    pub fn package(mut self, name: &'static str, folder: &'static str) -> Test {
        self.package = Some((name, folder));
        self
    }

    /// The words that call a program whose command line has this test's scenario by the same name, such as
    /// `cargo run -p kv --`: what to call again is that program.
    pub fn program_line(mut self, words: &'static str) -> Test {
        self.program = Some(words);
        self
    }

    /// Says which of several worlds this is, where a test is in a loop over settings: as [`Scenario::config`]. A replay is
    /// kept with what it was, and tried with no other.
    ///
    /// # Panics
    ///
    /// If `key` has blanks or `=` in it, or if there is nothing to be seen of `value`.
    pub fn config(mut self, key: &str, value: impl ToString) -> Test {
        configure(&mut self.configuration, key, &value.to_string());
        self
    }

    /// Which seeds to run; 0..64 if nothing is said.
    pub fn seeds(mut self, seeds: Range<u64>) -> Test {
        self.seeds = seeds;
        self
    }

    /// Runs what `bytes` stand for by [`Choices::from_bytes`], and that alone: no replays, no seeds, and the
    /// environment is not asked what to run. This is what a target of a fuzzer does with its bytes.
    ///
    /// ```
    /// # use twinloop_sim::{Test, Units};
    /// # let bytes = [7; 40];
    /// Test::new("docs::a-nap").bytes(&bytes).program(|| twinloop::sleep(3.s()));
    /// ```
    pub fn bytes(mut self, bytes: &[u8]) -> Test {
        self.bytes = Some(Choices::from_bytes(bytes));
        self
    }

    /// Runs every seed twice, to see that both runs are the same. Without it, only the first seed and those that fail are.
    pub fn check(mut self) -> Test {
        self.check = true;
        self
    }

    /// What each run shares with those before it. If nothing is said, the thread; with `twinloop-interpose`, the process.
    pub fn isolation(mut self, level: Isolation) -> Test {
        self.isolation = Some(level);
        self
    }

    /// What is to come about in some seed, by the words of its [`sometimes!`](twinloop::sometimes),
    /// [`reachable!`](twinloop::reachable) or [`always!`](twinloop::always), or the name of its
    /// [`buggify!`](twinloop::buggify): a test that passes without ever getting there fails. It is looked at where all
    /// seeds of the test were run.
    ///
    /// ```
    /// use twinloop::{connect, sometimes};
    /// use twinloop_sim::Test;
    ///
    /// Test::new("docs::refused").reaches(&["a connection is refused"]).world(|sim| {
    ///     sim.links().refuse(0.5);
    ///     let address = sim.host("server", 7, |address| async move {
    ///         twinloop::StreamServer::listen(address)?.accept().await?;
    ///         Ok(())
    ///     });
    ///     sim.client("client", move || async move {
    ///         sometimes!(connect(address).await.is_err(), "a connection is refused");
    ///         Ok(())
    ///     });
    /// });
    /// ```
    pub fn reaches(mut self, names: &'static [&'static str]) -> Test {
        self.reaches = names;
        self
    }

    /// Runs the test of the worlds that `build` builds, one for each seed.
    ///
    /// # Panics
    ///
    /// If a run fails, if two runs of a seed differ, or if the environment asks for something that is not there.
    #[track_caller]
    pub fn world(self, build: impl Fn(&mut Sim) + Sync) {
        self.test(&|choices: &Choices, telling| run_world(choices, telling, |sim| build(sim)));
    }

    /// As [`Test::world`], for the worlds of a scenario that the command line knows too. Replays are those of the
    /// test's name.
    #[track_caller]
    pub fn scenario(mut self, scenario: &Scenario) {
        self.configuration.extend(scenario.configuration().clone());
        self.test(&|choices: &Choices, telling| scenario.run(choices, telling));
    }

    /// As [`Test::world`], for a program alone on one host: every run begins it anew. Hosts, links and faults need a
    /// [`world`](Test::world).
    #[track_caller]
    pub fn program<F>(self, program: impl Fn() -> F + Copy + Sync + 'static)
    where
        F: Future<Output: Outcome> + 'static,
    {
        let place = Location::caller();
        self.world(move |sim| {
            sim.client_at("main", place, move || {
                let program = program();
                async move { program.await.into_result() }
            });
        });
    }

    #[track_caller]
    fn test(self, run: Run<'_>) {
        if let Some(asked) = env::var_os(ISOLATED) {
            // A process that was made for one run makes no other.
            if asked.to_str() == Some(&self.identity()) {
                isolation::serve(run).unwrap_or_else(|error| panic!("{error}"));
            }
            return;
        }
        let wishes = Wishes::of(|name| env::var_os(name)).map(|wishes| wishes.again_by(self.again()));
        if let Err(told) = wishes.and_then(|wishes| self.attempt(run, &wishes)) {
            panic!("{}\n", told.trim_end());
        }
    }

    fn attempt(&self, run: Run<'_>, wishes: &Wishes) -> Result<(), String> {
        let cargo = self.cargo();
        let level = Isolation::of_runs(wishes.isolation.or(self.isolation), wishes.is_strict);
        let conditions = Conditions { level, is_strict: wishes.is_strict, again: wishes.again.clone() };
        if let Some(obstacle) = conditions.obstacle() {
            let asked = match wishes.is_strict {
                true => "TWINLOOP_STRICT=1".to_owned(),
                false => format!("isolation {level}"),
            };
            return Err(format!("{asked}: {obstacle}"));
        }
        let isolated = |choices: &Choices, telling| conditions.run(run, choices, telling);
        let called = self.program.map_or(Called::Test(&cargo), Called::Program);
        let subject = Subject {
            name: self.name,
            configuration: &self.configuration,
            run: &isolated,
            conditions: &conditions,
            bare: run,
            called,
        };
        if let Some(path) = &wishes.replay {
            return replay_asked(&subject, path);
        }
        let folder = self.folder(wishes);
        if let Some(choices) = &self.bytes {
            return try_once(&subject, choices, &folder);
        }
        if wishes.seeds.is_none() {
            for path in kept(&folder, self.name)? {
                let kept = cli::read(&path).map_err(|refusal| refusal.text)?;
                let heart = |story: &Story| story.heart(STORY_LINES).with_causes().to_string();
                // It passes, maybe because it does not apply any more. The harness shows this on request.
                replay(&subject, &kept, heart)?.iter().for_each(|mismatch| println!("{mismatch}"));
            }
        }
        self.explore(&subject, wishes, &folder)
    }

    /// What the harness is asked to run this test alone, in a process of its own. A test that has no name of its own in the
    /// harness is not found there, and then says so.
    fn again(&self) -> Option<Again> {
        self.package?;
        let args = [self.path(), "--exact", "--nocapture", "--include-ignored"].map(OsString::from).to_vec();
        Some(Again { args, variable: Some((ISOLATED, self.identity())) })
    }

    /// What tells it from all other tests of a program, also from those of its name.
    fn identity(&self) -> String {
        let settings = self.configuration.iter().map(|(key, value)| format!(" {key}={value}"));
        format!("{}{}", self.name, settings.collect::<String>())
    }

    fn explore(&self, subject: &Subject<'_>, wishes: &Wishes, folder: &Path) -> Result<(), String> {
        let mut campaign = Campaign { check: self.check, ..Campaign::new(self.seeds.clone()) };
        campaign.time = wishes.time;
        if wishes.time.is_some() {
            campaign.seeds.end = u64::MAX;
        }
        if let Some(seeds) = &wishes.seeds {
            campaign.seeds = seeds.clone();
        }
        if let Some(jobs) = wishes.jobs {
            campaign.jobs = jobs;
        }
        let findings = campaign.explore_with(subject.run, &unwatched);
        let mut told = tell(subject, &findings, folder);
        if told.is_empty() && wishes.seeds.is_none() {
            self.show_what_is_owed(&findings);
            told = self.never_reached(&findings);
        }
        if told.is_empty() { Ok(()) } else { Err(told) }
    }

    /// What of the program no seed has reached is no failure, unless [`reaches`](Test::reaches) says so; whoever asks
    /// the harness for the output of the test sees it. Other tests of the same program may reach it.
    fn show_what_is_owed(&self, findings: &Findings) {
        for tally in Tally::all(&findings.reached).iter().filter(|tally| tally.is_owed()) {
            println!("{}: {tally}", self.name);
        }
    }

    /// A line for each thing that was to come about, and has not.
    fn never_reached(&self, findings: &Findings) -> String {
        let seeds = findings.seeds();
        let never = |name: &&&str| findings.reached.count(name) == 0;
        let line = |name: &&str| {
            let cure = if findings.reached.iter().any(|(item, _)| item.name() == *name) {
                "run more, or let more go wrong"
            } else {
                "no macro of this program has these words"
            };
            format!("{}: none of {seeds} seeds came to {name:?}: {cure}\n", self.name)
        };
        self.reaches.iter().filter(never).map(line).collect()
    }

    /// Relative to where cargo runs a package's tests: the line to copy is short, and true on another machine.
    fn folder(&self, wishes: &Wishes) -> PathBuf {
        if let Some(folder) = &wishes.replays {
            return folder.clone();
        }
        match self.package {
            Some((_, folder)) if env::current_dir().is_ok_and(|current| current != Path::new(folder)) => {
                Path::new(folder).join("replays")
            }
            _ => PathBuf::from("replays"),
        }
    }

    /// What runs this test alone. The harness knows an attribute's test by its path inside the crate; one of the
    /// builder may have any name, and the harness has named the thread.
    fn cargo(&self) -> String {
        if let Some((package, _)) = self.package {
            return format!("cargo test -p {package} {}", self.path());
        }
        let thread = thread::current();
        let of_harness = thread.name().filter(|name| *name != "main");
        format!("cargo test {}", of_harness.unwrap_or(self.path()))
    }

    /// The name without the crate's.
    fn path(&self) -> &'static str {
        self.name.split_once("::").map_or(self.name, |(_, path)| path)
    }
}

/// As [`pursue`], in the folder of the test's replays.
fn pursue_in(folder: &Path, subject: &Subject<'_>, failure: &Failure, screen: &mut Screen<'_>) {
    let path = folder.join(subject.file_name(failure.seed));
    pursue(subject, failure, &Pursuit { limits: Limits::runs(SHRINK_BUDGET), path: &path }, screen);
}

/// Runs `choices`; a failure is treated as one that a seed has.
fn try_once(subject: &Subject<'_>, choices: &Choices, folder: &Path) -> Result<(), String> {
    let report = (subject.run)(choices, Telling::Silent);
    if report.verdict.is_passed() {
        return Ok(());
    }
    let failure = Failure { seed: choices.seed(), report, seeds: 1 };
    Err(on_a_screen(|screen| {
        pursue_in(folder, subject, &failure, screen);
    }))
}

/// What the findings come to, in the words of the command line; nothing if all is well.
fn tell(subject: &Subject<'_>, findings: &Findings, folder: &Path) -> String {
    on_a_screen(|screen| {
        if let Some(found) = &findings.nondeterminism {
            tell_nondeterminism(subject, &Choices::Seeded(found.seed), found, screen);
        } else if let Some(failure) = findings.failures.first() {
            pursue_in(folder, subject, failure, screen);
        }
    })
}

/// What `tell` says on a screen.
fn on_a_screen(tell: impl FnOnce(&mut Screen<'_>)) -> String {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut screen = Screen::new(&mut out, &mut err, false);
    tell(&mut screen);
    drop(screen);
    out.append(&mut err);
    String::from_utf8(out).expect("a screen is given text")
}

/// Runs the file that somebody asks for, unless it is of another test. What no longer matches is said past the harness, which
/// would show nothing of a test that passes.
fn replay_asked(subject: &Subject<'_>, path: &Path) -> Result<(), String> {
    let kept = cli::read(path).map_err(|refusal| refusal.text)?;
    if kept.file.scenario != subject.name {
        return Ok(());
    }
    for mismatch in replay(subject, &kept, |story| story.with_causes().to_string())? {
        // Nobody may be there to read it.
        let _ = writeln!(io::stderr(), "{mismatch}");
    }
    Ok(())
}

/// Runs a file, if its settings are those of the test. What it keeps was a failure once, and has to pass: the answer is what
/// no longer matches. `told`: what is told of its story if it fails.
fn replay(
    subject: &Subject<'_>,
    kept: &Kept,
    told: impl FnOnce(&Story) -> String,
) -> Result<Vec<Mismatch>, String> {
    let misconfigured = kept.misconfigured(subject.configuration);
    if !misconfigured.is_empty() {
        return Ok(misconfigured);
    }
    let report = subject.run_kept(kept, Telling::Events).map_err(|mismatch| mismatch.to_string())?;
    let mismatches = kept.mismatches(subject.configuration, &report);
    if report.verdict.is_passed() {
        return Ok(mismatches);
    }
    let again = if kept.file.keeps(&report.verdict) { "still fails" } else { "fails in another way now" };
    let (path, seed, verdict) = (kept.path.display(), kept.file.seed, one_line(&report.verdict.to_string()));
    let mismatches: String = mismatches.iter().map(|mismatch| format!("  {mismatch}\n")).collect();
    let story = told(&report.story.unwrap_or_default());
    let line = subject.called.again_from(&path.to_string());
    Err(format!(
        "{path} {again} (seed {seed}): {verdict}\n{mismatches}\n{story}\n  The file is tried before any seed, for as long as it is \
         there. To see it again:\n\n{line}"
    ))
}

/// What the environment asks for.
#[derive(Debug, Default, PartialEq)]
struct Wishes {
    seeds: Option<Range<u64>>,
    time: Option<Duration>,
    replay: Option<PathBuf>,
    jobs: Option<NonZeroUsize>,
    replays: Option<PathBuf>,
    isolation: Option<Isolation>,
    is_strict: bool,
    /// Not a wish of the environment's: how to come to a process of its own.
    again: Option<Again>,
}

impl Wishes {
    fn again_by(self, again: Option<Again>) -> Wishes {
        Wishes { again, ..self }
    }

    /// The wishes that the variables hold which `read` reads.
    fn of(read: impl Fn(&str) -> Option<OsString>) -> Result<Wishes, String> {
        let text = |name: &str| match read(name) {
            None => Ok(None),
            Some(value) => match value.into_string() {
                Ok(value) => Ok(Some(value)),
                Err(value) => Err(format!("{name}={} is not text", value.to_string_lossy())),
            },
        };
        let seed = parsed(text("TWINLOOP_SEED")?, "TWINLOOP_SEED", |text| {
            text.parse().map_err(|_| "a seed is a number from 0 to 2^64-1".to_owned())
        })?;
        let seeds = parsed(text("TWINLOOP_SEEDS")?, "TWINLOOP_SEEDS", cli::parse_seeds)?;
        let time = parsed(text("TWINLOOP_TIME")?, "TWINLOOP_TIME", cli::parse_seconds)?;
        let jobs = parsed(text("TWINLOOP_JOBS")?, "TWINLOOP_JOBS", |text| {
            text.parse().map_err(|_| "threads are counted from 1".to_owned())
        })?;
        Ok(Wishes {
            seeds: seed.map(|seed: u64| seed..seed.saturating_add(1)).or(seeds),
            time,
            replay: read("TWINLOOP_REPLAY").map(PathBuf::from),
            jobs,
            replays: read("TWINLOOP_REPLAYS").map(PathBuf::from),
            isolation: parsed(text("TWINLOOP_ISOLATION")?, "TWINLOOP_ISOLATION", str::parse)?,
            is_strict: read("TWINLOOP_STRICT").is_some_and(|value| value != "0"),
            again: None,
        })
    }
}

fn parsed<T>(
    text: Option<String>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let Some(text) = text else { return Ok(None) };
    parse(&text).map(Some).map_err(|error| format!("{name}={text}: {error}"))
}

#[cfg(test)]
mod tests;
