//! The reader of replay files: line by line, with the place and the expectation in each error.

mod cursor;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use cursor::Cursor;

use super::{ReplayFile, VERSION};
use crate::choice::Pick;
use crate::isolation::Isolation;

/// The names of all fields, for people.
const FIELDS: &str = "scenario, seed, config, isolation, strict, verdict, hash, callbacks and pick";

/// Why a text is no replay file, and where. Displayed as `line:column: problem`, so that it can follow a file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a replay file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Something else belongs here.
    Expected {
        /// What belongs here.
        expected: &'static str,
        /// What stands here instead; empty for the end of the line.
        found: String,
    },
    /// The file is of a version that this library does not read.
    UnknownVersion(String),
    /// No field is called so.
    UnknownField(String),
    /// The field has been given on an earlier line.
    RepeatedField(String),
    /// The file ends without this field.
    MissingField(&'static str),
    /// The same draw has been given a value on an earlier line.
    RepeatedPick {
        /// The line of the first one.
        first_line: usize,
    },
    /// A pick of 0. Every draw that is not listed is 0, so it would say nothing.
    ZeroPick,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Expected { expected, found } if found.is_empty() => {
                write!(f, "expected {expected}, found the end of the line")
            }
            Problem::Expected { expected, found } => write!(f, "expected {expected}, found {found:?}"),
            Problem::UnknownVersion(version) => {
                write!(f, "version {version:?} is unknown; this program reads version {VERSION}")
            }
            Problem::UnknownField(field) => {
                write!(f, "no field is called {field:?}; there are {FIELDS}")
            }
            Problem::RepeatedField(field) => write!(f, "{field} is given a second time"),
            Problem::MissingField(field) => write!(f, "the file ends without a line for {field}"),
            Problem::RepeatedPick { first_line } => {
                write!(f, "this draw has its value on line {first_line} already")
            }
            Problem::ZeroPick => write!(f, "expected a value of at least 1: a draw that is not listed is 0"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.problem)
    }
}

impl std::error::Error for ReadError {}

impl FromStr for ReplayFile {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<ReplayFile, ReadError> {
        read(text).map(|(file, _)| file)
    }
}

/// On which line of a file each thing stands, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// By the field's name; a `config` with its key behind it.
    fields: BTreeMap<String, usize>,
    picks: BTreeMap<(String, u32), usize>,
}

impl Lines {
    /// The line of a field; of what the file does not say, that of its scenario.
    pub(super) fn of(&self, field: &str) -> usize {
        let line = self.fields.get(field).or_else(|| self.fields.get("scenario"));
        *line.expect("a file without a scenario is not read")
    }

    pub(super) fn of_pick(&self, pick: &Pick) -> usize {
        let line = self.picks.get(&(pick.site.clone(), pick.occurrence));
        line.copied().unwrap_or_else(|| self.of("scenario"))
    }
}

/// What `text` says, and where it says it.
pub(crate) fn read(text: &str) -> Result<(ReplayFile, Lines), ReadError> {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        let mut cursor = Cursor::new(index + 1, line);
        match cursor.rest().strip_prefix('#') {
            Some(comment) if index == 0 => reader.story = comment.trim().to_owned(),
            Some(_) => {}
            None if cursor.rest().is_empty() => {}
            None if reader.versioned => reader.field(&mut cursor)?,
            None => reader.header(&mut cursor)?,
        }
    }
    reader.finish(text.lines().count() + 1)
}

/// The fields read so far.
#[derive(Default)]
struct Reader {
    versioned: bool,
    story: String,
    scenario: Option<String>,
    seed: Option<u64>,
    configuration: BTreeMap<String, String>,
    isolation: Isolation,
    is_strict: bool,
    verdict: Option<String>,
    hash: Option<u128>,
    callbacks: Option<u64>,
    picks: Vec<Pick>,
    lines: Lines,
}

impl Reader {
    fn header(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ReadError> {
        let before = cursor.clone();
        if cursor.word() != "twinloop-replay" {
            return Err(before.expected("`twinloop-replay 1` as the first line"));
        }
        cursor.skip_blanks();
        match cursor.rest().trim_end() {
            VERSION => self.versioned = true,
            "" => return Err(cursor.expected("a version")),
            other => return Err(cursor.error(Problem::UnknownVersion(other.to_owned()))),
        }
        Ok(())
    }

    fn field(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ReadError> {
        let before = cursor.clone();
        let name = cursor.word();
        cursor.skip_blanks();
        match name {
            "scenario" => self.scenario = Some(cursor.text("the name of a scenario")?),
            "seed" => self.seed = Some(cursor.seed()?),
            "isolation" => self.isolation = cursor.isolation()?,
            "strict" => self.is_strict = cursor.yes_or_no()?,
            "verdict" => self.verdict = Some(cursor.text("a verdict")?),
            "hash" => self.hash = Some(cursor.hash()?),
            "callbacks" => self.callbacks = Some(cursor.count("a number of callbacks")?),
            "config" => return self.config(cursor),
            "pick" => return self.pick(cursor),
            other => return Err(before.error(Problem::UnknownField(other.to_owned()))),
        }
        self.once(name, &before)
    }

    /// Notes the line of a field that stands there once.
    fn once(&mut self, name: &str, at: &Cursor<'_>) -> Result<(), ReadError> {
        match self.lines.fields.insert(name.to_owned(), at.number) {
            None => Ok(()),
            Some(_) => Err(at.error(Problem::RepeatedField(name.to_owned()))),
        }
    }

    fn config(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ReadError> {
        let start = cursor.clone();
        let key = cursor.key()?;
        cursor.token("=", "`=`")?;
        self.configuration.insert(key.to_owned(), cursor.text("a value")?);
        self.once(&format!("config {key}"), &start)
    }

    fn pick(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ReadError> {
        let start = cursor.clone();
        let site = cursor.quoted()?;
        cursor.token("#", "`#` and the number of a draw")?;
        let occurrence = cursor.number("the number of a draw (from 0 to 2^32-1)")?;
        cursor.token("=", "`=`")?;
        let before_value = cursor.clone();
        let value = cursor.number("a value (from 1 to 2^32-1)")?;
        if value == 0 {
            return Err(before_value.error(Problem::ZeroPick));
        }
        cursor.end()?;
        if let Some(first_line) = self.lines.picks.insert((site.clone(), occurrence), cursor.number) {
            return Err(start.error(Problem::RepeatedPick { first_line }));
        }
        self.picks.push(Pick { site, occurrence, value });
        Ok(())
    }

    fn finish(self, line: usize) -> Result<(ReplayFile, Lines), ReadError> {
        let at_end = |problem| ReadError { line, column: 1, problem };
        if !self.versioned {
            let expected = "`twinloop-replay 1` as the first line";
            return Err(at_end(Problem::Expected { expected, found: String::new() }));
        }
        let missing = |field| at_end(Problem::MissingField(field));
        let file = ReplayFile {
            scenario: self.scenario.ok_or_else(|| missing("scenario"))?,
            seed: self.seed.ok_or_else(|| missing("seed"))?,
            configuration: self.configuration,
            isolation: self.isolation,
            is_strict: self.is_strict,
            picks: self.picks,
            verdict: self.verdict.ok_or_else(|| missing("verdict"))?,
            hash: self.hash.ok_or_else(|| missing("hash"))?,
            callbacks: self.callbacks,
            story: self.story,
        };
        Ok((file, self.lines))
    }
}
