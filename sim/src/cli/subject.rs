//! A scenario as the commands see it: a name and a function, and the words that run it again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env;

use crate::campaign::Run;
use crate::isolation::Conditions;
use crate::replay_file::{Kept, Mismatch, ReplayFile};
use crate::replays::file_name;
use crate::scenario::Scenario;
use crate::story::Telling;
use crate::verdict::Report;

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
    pub(super) fn tells_all(self) -> &'static str {
        match self {
            Called::Program(_) => "`show` tells all",
            Called::Test(_) => "its replay tells all",
        }
    }

    /// The line that runs the seed as it is.
    pub(super) fn again(self, seed: u64, scenario: &str) -> String {
        match self {
            Called::Program(program) => format!("{program} replay {seed} {}", shell_word(scenario)),
            Called::Test(cargo) => format!("TWINLOOP_SEED={seed} {cargo}"),
        }
    }
}

pub(super) fn with_subject<T>(
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

/// How this program was called, for lines to copy.
pub(super) fn program(name: &str) -> String {
    env::args_os().next().map_or_else(|| name.to_owned(), |program| program.to_string_lossy().into_owned())
}

/// `word` as a POSIX shell must see it to take it for one word.
pub(super) fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=\\".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}
