//! The command line of a program that has scenarios: explore, replay, show, and what the program adds. It knows no
//! driver but the simulated one; the program brings the real one.

pub(crate) mod args;
pub(crate) mod explore;
pub(crate) mod failure;
mod merge;
mod meter;
mod replay;
pub(crate) mod screen;
mod search;
mod show;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use args::{COMMANDS, Request, Target};
pub(crate) use args::{parse_seconds, parse_seeds};
use replay::Source;
use screen::Screen;

use crate::campaign::Run;
use crate::isolation::{self, Again, Conditions, Isolation};
use crate::replay_file::{Kept, Mismatch, ReplayFile};
use crate::replays::file_name;
use crate::scenario::Scenario;
use crate::story::Telling;
use crate::verdict::Report;

/// How a command ended, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything passed: exit code 0.
    Passed,
    /// There are failures: exit code 1.
    FailuresFound,
    /// The command line asks for something that is not there: exit code 2.
    Usage,
    /// Two runs that must be the same are not: exit code 3.
    Nondeterminism,
    /// A file could not be read, or results not be written: exit code 75 (`EX_TEMPFAIL` of sysexits).
    CouldNotRun,
}

impl Exit {
    /// The exit code of the process.
    pub fn code(self) -> u8 {
        match self {
            Exit::Passed => 0,
            Exit::FailuresFound => 1,
            Exit::Usage => 2,
            Exit::Nondeterminism => 3,
            Exit::CouldNotRun => 75,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// The command line of one program.
///
/// ```
/// use twinloop_sim::Scenario;
/// use twinloop_sim::cli::{Cli, Exit};
///
/// let cli = Cli::new("kv", "A key-value server")
///     .scenario(Scenario::new("kv", "clients and a server that is reset", |_sim| {}))
///     .command("serve", "serve on ADDRESS", |args| match args {
///         [_address] => Exit::Passed,
///         _ => Exit::Usage,
///     });
/// // `main` would be `cli.main()`. The same commands can be called from the program:
/// assert_eq!(cli.run(["list"]), Exit::Passed);
/// assert_eq!(cli.run(["serve", "127.0.0.1:6379"]), Exit::Passed);
/// assert_eq!(cli.run(["explore", "no-such-scenario"]), Exit::Usage);
/// ```
pub struct Cli {
    name: &'static str,
    about: &'static str,
    scenarios: Vec<Scenario>,
    real: Option<Box<RealFn>>,
    commands: Vec<Command>,
    /// Whether the arguments are those of the process.
    is_main: Cell<bool>,
}

type RealFn = dyn Fn(&str, &[String]) -> Result<String, String>;
type CommandFn = dyn Fn(&[String]) -> Exit;

/// A command that the program adds.
struct Command {
    name: &'static str,
    about: &'static str,
    run: Box<CommandFn>,
}

/// What is explored and replayed: a scenario, seen as a name and a function.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    /// What it was told, by name.
    pub(crate) configuration: &'a BTreeMap<String, String>,
    /// Under the conditions below.
    pub(crate) run: Run<'a>,
    pub(crate) conditions: &'a Conditions,
    /// The run as it is, for other conditions.
    pub(crate) bare: Run<'a>,
    pub(crate) called: Called<'a>,
}

impl Subject<'_> {
    /// The file that repeats the run which left `report`.
    pub(crate) fn file(&self, seed: u64, report: &Report, story: &str) -> ReplayFile {
        ReplayFile {
            configuration: self.configuration.clone(),
            is_strict: self.conditions.is_strict,
            ..ReplayFile::new(self.name, seed, report, story)
        }
    }

    /// The name of the file that keeps the failure of a seed.
    pub(crate) fn file_name(&self, seed: u64) -> String {
        file_name(self.name, self.configuration, seed)
    }

    /// A run of a kept file, under conditions that are at least as strict as those that it was found under.
    pub(crate) fn run_kept(&self, kept: &Kept, telling: Telling) -> Result<Report, Mismatch> {
        let conditions = self.conditions.at_least_of(kept)?;
        Ok(conditions.run(self.bare, &kept.file.choices(), telling))
    }
}

/// How a scenario was run, for lines to copy.
#[derive(Clone, Copy)]
pub(crate) enum Called<'a> {
    /// By the program that these words of a shell call.
    Program(&'a str),
    /// As a test, which these words of cargo run.
    Test(&'a str),
}

impl Called<'_> {
    /// The line that runs the replay file at `path`.
    pub(crate) fn again_from(self, path: &str) -> String {
        let path = shell_word(path);
        match self {
            Called::Program(program) => format!("{program} replay {path}"),
            Called::Test(cargo) => format!("TWINLOOP_REPLAY={path} {cargo}"),
        }
    }

    /// What tells a story that was cut short.
    fn tells_all(self) -> &'static str {
        match self {
            Called::Program(_) => "`show` tells all",
            Called::Test(_) => "its replay tells all",
        }
    }

    /// The line that runs the seed as it is.
    fn again(self, seed: u64, scenario: &str) -> String {
        match self {
            Called::Program(program) => format!("{program} replay {seed} {}", shell_word(scenario)),
            Called::Test(cargo) => format!("TWINLOOP_SEED={seed} {cargo}"),
        }
    }
}

/// Why a request is not even begun.
pub(crate) struct Refusal {
    exit: Exit,
    pub(crate) text: String,
}

impl Refusal {
    fn usage(text: impl Into<String>) -> Refusal {
        Refusal { exit: Exit::Usage, text: text.into() }
    }
}

impl Cli {
    /// The command line of the program `name`, which `about` describes in one line.
    pub fn new(name: &'static str, about: &'static str) -> Cli {
        Cli {
            name,
            about,
            scenarios: Vec::new(),
            real: None,
            commands: Vec::new(),
            is_main: Cell::new(false),
        }
    }

    /// Adds a scenario. The first one is meant where a command names none.
    ///
    /// # Panics
    ///
    /// If there is one of the same name: rename one of them.
    pub fn scenario(mut self, scenario: Scenario) -> Cli {
        let name = scenario.name();
        assert!(self.find(name).is_none(), "two scenarios are called {name}: rename one of them");
        self.scenarios.push(scenario);
        self
    }

    /// Sets what the command `real` does: run the scenario of this name, with the arguments that follow it, on the
    /// real driver, and return a summary for people. An error counts as a failure found.
    pub fn real(mut self, run: impl Fn(&str, &[String]) -> Result<String, String> + 'static) -> Cli {
        self.real = Some(Box::new(run));
        self
    }

    /// Adds the command `name`, which `run` does with the arguments that follow it. `about` is one line of the help.
    ///
    /// # Panics
    ///
    /// If there is a command of the same name, the program's own or one that every program has: rename it.
    pub fn command(
        mut self,
        name: &'static str,
        about: &'static str,
        run: impl Fn(&[String]) -> Exit + 'static,
    ) -> Cli {
        let taken = COMMANDS.contains(&name) || self.commands.iter().any(|command| command.name == name);
        assert!(!taken, "there is a command {name} already: rename this one");
        self.commands.push(Command { name, about, run: Box::new(run) });
        self
    }

    /// Does what the arguments of the process ask for. To be the last expression of `main`.
    pub fn main(&self) -> ExitCode {
        self.is_main.set(true);
        self.run(env::args_os().skip(1)).into()
    }

    /// Does what `args` ask for; they begin after the program's name. Results go to standard output, errors and
    /// progress to standard error.
    pub fn run(&self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Exit {
        let (mut out, mut err) = (io::stdout(), io::stderr());
        self.run_on(args.into_iter().map(Into::into), Screen::new(&mut out, &mut err, true))
    }

    fn run_on(&self, args: impl IntoIterator<Item = OsString>, mut screen: Screen<'_>) -> Exit {
        let program = program(self.name);
        let request = args::parse(args).map_err(|error| Refusal::usage(error.to_string()));
        let exit = match request.and_then(|request| self.answer(request, &program, &mut screen)) {
            Ok(exit) => exit,
            Err(Refusal { exit, text }) => {
                let program = shell_word(&program);
                screen.complain(format_args!("{program}: {text}"));
                if exit == Exit::Usage {
                    screen.complain(format_args!("`{program} help` lists the commands"));
                }
                exit
            }
        };
        screen.finish(exit)
    }

    fn answer(&self, request: Request, program: &str, screen: &mut Screen<'_>) -> Result<Exit, Refusal> {
        match request {
            Request::Explore { scenario, options } => {
                let scenario = self.chosen(scenario.as_deref())?;
                let environment = |name: &str| Some(env::var_os(name)?.to_string_lossy().into_owned());
                let conditions = self.conditions(scenario, options.isolation, options.strict)?;
                with_subject(scenario, program, &conditions, |subject| {
                    explore::explore(subject, &options, &environment, screen)
                })
            }
            Request::Search { way, scenario, options } => {
                let scenario = self.chosen(scenario.as_deref())?;
                let conditions = self.conditions(scenario, None, false)?;
                Ok(with_subject(scenario, program, &conditions, |subject| {
                    search::search(subject, way, &options, screen)
                }))
            }
            Request::Replay { target, scenario, isolation, strict } => {
                let (scenario, source) = self.source(target, scenario.as_deref())?;
                let conditions = match &source {
                    Source::Seed(_) => self.conditions(scenario, isolation, strict)?,
                    Source::File(kept) => self.conditions_of(scenario, kept, isolation, strict)?,
                };
                Ok(with_subject(scenario, program, &conditions, |subject| {
                    replay::replay(subject, &source, screen)
                }))
            }
            Request::Isolated { scenario } => {
                let scenario = self.chosen(Some(&scenario))?;
                let could_not = |text| Refusal { exit: Exit::CouldNotRun, text };
                isolation::serve(&|choices, telling| scenario.run(choices, telling)).map_err(could_not)?;
                Ok(Exit::Passed)
            }
            Request::Show { target, scenario, options } => {
                let (scenario, source) = self.source(target, scenario.as_deref())?;
                let conditions = match &source {
                    Source::Seed(_) => self.conditions(scenario, None, false)?,
                    Source::File(kept) => self.conditions_of(scenario, kept, None, false)?,
                };
                with_subject(scenario, program, &conditions, |subject| {
                    show::show(subject, &source, &options, screen)
                })
            }
            Request::Shrink { path, limits } => {
                let kept = read(&path)?;
                let scenario = self.scenario_of(&kept, None)?;
                let conditions = self.conditions_of(scenario, &kept, None, false)?;
                Ok(with_subject(scenario, program, &conditions, |subject| {
                    replay::shrink_further(subject, &kept, limits, screen)
                }))
            }
            Request::Merge { folder, reached } => merge::merge(&folder, reached, screen),
            Request::Real { args } => self.run_real(&args, program, screen),
            Request::Other { command, args } => self.run_command(&command, &args, screen),
            Request::List => {
                screen.say(self.list().trim_end());
                Ok(Exit::Passed)
            }
            Request::Help => {
                screen.say(self.help(program).trim_end());
                Ok(Exit::Passed)
            }
            Request::Version => {
                screen.say(format_args!("{} (twinloop-sim {})", self.name, env!("CARGO_PKG_VERSION")));
                Ok(Exit::Passed)
            }
        }
    }

    fn run_real(&self, args: &[String], program: &str, screen: &mut Screen<'_>) -> Result<Exit, Refusal> {
        let Some(real) = &self.real else {
            return Err(Refusal::usage("this program has no real driver to run a scenario on"));
        };
        // Only the program knows what its arguments mean, so a first one that is no scenario is its business too.
        let named = args.first().and_then(|name| self.find(name));
        let (scenario, args) = match named {
            Some(scenario) => (scenario, &args[1..]),
            None => (self.chosen(None)?, args),
        };
        screen.flush();
        match real(scenario.name(), args) {
            Ok(summary) => {
                screen.say(summary.trim_end());
                Ok(Exit::Passed)
            }
            Err(text) => {
                screen.complain(format_args!("{}: {}: {text}", shell_word(program), scenario.name()));
                Ok(Exit::FailuresFound)
            }
        }
    }

    fn run_command(&self, name: &str, args: &[String], screen: &mut Screen<'_>) -> Result<Exit, Refusal> {
        let Some(command) = self.commands.iter().find(|command| command.name == name) else {
            return Err(Refusal::usage(format!("there is no command {name:?}")));
        };
        screen.flush();
        Ok((command.run)(args))
    }

    /// The run that `target` means. A scenario given on the command line goes before that of a file: so one can see
    /// whether a change in a scenario mends its failure.
    fn source(&self, target: Target, scenario: Option<&str>) -> Result<(&Scenario, Source), Refusal> {
        match target {
            Target::Seed(seed) => Ok((self.chosen(scenario)?, Source::Seed(seed))),
            Target::File(path) => {
                let kept = read(&path)?;
                Ok((self.scenario_of(&kept, scenario)?, Source::File(Box::new(kept))))
            }
        }
    }

    /// The scenario that is named, or that of the file.
    fn scenario_of(&self, kept: &Kept, named: Option<&str>) -> Result<&Scenario, Refusal> {
        let about = |refusal: Refusal| {
            let text = kept.at_field("scenario", refusal.text).to_string();
            Refusal { text, ..refusal }
        };
        match named {
            Some(name) => self.chosen(Some(name)),
            None => self.chosen(Some(&kept.file.scenario)).map_err(about),
        }
    }

    /// Under which conditions `scenario` is run. Only a `main` of its own can be called again for one run: a program
    /// that calls [`Cli::run`] may do other things first.
    fn conditions(
        &self,
        scenario: &Scenario,
        level: Option<Isolation>,
        is_strict: bool,
    ) -> Result<Conditions, Refusal> {
        let again = self
            .is_main
            .get()
            .then(|| Again { args: vec!["isolated".into(), scenario.name().into()], variable: None });
        let level = Isolation::of_runs(level, is_strict);
        let conditions = Conditions { level, is_strict, again };
        conditions.obstacle().map_or(Ok(conditions.clone()), |obstacle| Err(Refusal::usage(obstacle)))
    }

    /// As [`conditions`](Cli::conditions). Where the command line says none, those of the file are meant.
    fn conditions_of(
        &self,
        scenario: &Scenario,
        kept: &Kept,
        level: Option<Isolation>,
        is_strict: bool,
    ) -> Result<Conditions, Refusal> {
        let conditions = self.conditions(scenario, level, is_strict)?;
        if level.is_some() {
            return Ok(conditions);
        }
        let refusal = |mismatch: Mismatch| Refusal { exit: Exit::CouldNotRun, text: mismatch.to_string() };
        conditions.at_least_of(kept).map_err(refusal)
    }

    fn find(&self, name: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.name() == name)
    }

    /// The scenario called `name`, or the first one.
    fn chosen(&self, name: Option<&str>) -> Result<&Scenario, Refusal> {
        let Some(name) = name else {
            return self.scenarios.first().ok_or_else(|| Refusal::usage("this program has no scenario"));
        };
        self.find(name).ok_or_else(|| {
            let known: Vec<_> = self.scenarios.iter().map(Scenario::name).collect();
            Refusal::usage(format!("there is no scenario {name:?}; there are: {}", known.join(", ")))
        })
    }

    fn list(&self) -> String {
        let width = self.scenarios.iter().map(|scenario| scenario.name().len()).max().unwrap_or(0);
        let mut list = String::new();
        for scenario in &self.scenarios {
            // Writing to a string cannot fail.
            let _ = writeln!(list, "{:width$}  {}", scenario.name(), scenario.about());
        }
        list
    }

    fn help(&self, program: &str) -> String {
        let mut help =
            format!("{}: {}\n\nUsage: {program} COMMAND [ARGUMENTS]\n\n{HELP}", self.name, self.about);
        if self.real.is_some() {
            help.push_str(HELP_REAL);
        }
        for command in &self.commands {
            let _ = writeln!(help, "  {:23} {}", command.name, command.about);
        }
        if !self.scenarios.is_empty() {
            help.push_str("\nScenarios (the first is meant where none is named):\n");
        }
        for line in self.list().lines() {
            let _ = writeln!(help, "  {line}");
        }
        help + HELP_EXIT
    }
}

const HELP: &str = "\
Commands:
  explore [SCENARIO]      run many seeds; shrink a failure and keep it in a file
    --seeds A..B            these seeds, B excluded (0..1000)
    --jobs N                on N threads (as many as the machine runs at once)
    --check                 run every seed twice and compare
    --all                   go on after the first failure; tell one of each kind
    --replays DIR           keep failures in DIR (replays)
    --budget N              spend N runs on shrinking each failure (3000)
    --any-failure           a smaller run may fail in another way
    --time SECONDS          begin no seed after that
    --shard I/N             the I-th of N parts of the seeds; without it, what
                            Slurm, Kubernetes, GitLab and the like have set
    --out DIR               keep a ledger in DIR: to go on later, and to merge
    --json                  results as JSON lines, text to standard error
    --isolation LEVEL       what a run shares with those before: same-thread,
                            fresh-thread, fork, process
    --strict                a run fails that makes a call of the system which
                            nothing controls (with twinloop-interpose)
    --reached               a sometimes! that was never true, a reachable! that
                            was never reached, an always! that was never
                            checked is a failure
  search WAY [SCENARIO]   find a failure in other ways than seed by seed:
                            guided      go on from where something was new
                            exhaustive  all runs with few unusual picks
                            priorities  one thread is ahead, then another one
    --runs N, --seed S      at most N runs (10000), from seed S on (0)
    --jobs N                on N threads; the same runs, however many
    --picks K, --values V   exhaustive: K unusual picks (2), V values each (3)
    --changes D             priorities: so many changes of who is ahead (2)
    --replays DIR, --budget N, --any-failure
  replay FILE|SEED [SCENARIO]
                          run it twice; say whether the failure is still there
    --isolation, --strict   as for explore
  show FILE|SEED [SCENARIO]
                          tell what happens in the run, line by line; behind
                          `←` stands what each line is due to
    --everything            with every callback
    --why                   only what led to the failure
    --host NAME             only what happens on this host and to its messages
    --connection A-B        only what is said between A and B, each a host, a
                            port, HOST:PORT or an address with its port
    --export FORMAT FILE    write it to FILE too, for ui.perfetto.dev
                            (perfetto), for ShiViz (shiviz), or as a sequence
                            diagram (mermaid)
  shrink FILE             make the failure of FILE smaller still
    --budget N, --any-failure
  merge DIR               put the ledgers of DIR together, and write a page
    --reached               as for explore, of all scenarios together
  list                    list the scenarios
  help                    show this page (also --help, -h)
  --version               show the version
";

const HELP_REAL: &str = "  real [SCENARIO] [ARGS]  run the same scenario on the real driver\n";

const HELP_EXIT: &str = "
Exit codes: 0 passed, 1 failures found, 2 usage, 3 two runs that must be the
same differ, 75 could not run.
";

fn with_subject<T>(
    scenario: &Scenario,
    program: &str,
    conditions: &Conditions,
    act: impl FnOnce(&Subject<'_>) -> T,
) -> T {
    let bare = |choices: &_, telling| scenario.run(choices, telling);
    let run = |choices: &_, telling| conditions.run(&bare, choices, telling);
    let program = shell_word(program);
    let called = Called::Program(&program);
    let (name, configuration) = (scenario.name(), scenario.configuration());
    act(&Subject { name, configuration, run: &run, conditions, bare: &bare, called })
}

pub(crate) fn read(path: &Path) -> Result<Kept, Refusal> {
    let refusal = |text| Refusal { exit: Exit::CouldNotRun, text };
    let text = fs::read_to_string(path)
        .map_err(|error| refusal(format!("cannot read the replay file {}: {error}", path.display())))?;
    Kept::new(path, &text).map_err(|error| refusal(format!("{}:{error}", path.display())))
}

/// How this program was called, for lines to copy.
fn program(name: &str) -> String {
    env::args_os().next().map_or_else(|| name.to_owned(), |program| program.to_string_lossy().into_owned())
}

/// `word` as a POSIX shell must see it to take it for one word.
fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=\\".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}
