//! The command line of a program that has scenarios: explore, replay, show, and what the program adds. It knows no
//! driver but the simulated one; the program brings the real one.

pub(crate) mod args;
pub(crate) mod explore;
pub(crate) mod failure;
mod help;
mod merge;
mod meter;
mod replay;
mod results;
pub(crate) mod screen;
mod search;
mod show;
mod subject;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use args::{COMMANDS, Request, Target};
pub(crate) use args::{parse_seconds, parse_seeds};
use replay::Source;
use screen::Screen;
pub(crate) use subject::{Called, Subject};
use subject::{program, shell_word, with_subject};

use crate::isolation::{self, Again, Conditions, Isolation};
use crate::replay_file::{Kept, Mismatch};
use crate::scenario::Scenario;

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
}

pub(crate) fn read(path: &Path) -> Result<Kept, Refusal> {
    let refusal = |text| Refusal { exit: Exit::CouldNotRun, text };
    let text = fs::read_to_string(path)
        .map_err(|error| refusal(format!("cannot read the replay file {}: {error}", path.display())))?;
    Kept::new(path, &text).map_err(|error| refusal(format!("{}:{error}", path.display())))
}
