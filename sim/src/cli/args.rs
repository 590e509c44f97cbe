//! The words of a command line as a request. It knows which words there are, and no scenario.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use lexopt::prelude::*;
use lexopt::{Error, Parser};

use crate::campaign::Shard;
use crate::isolation::Isolation;
use crate::shrink::Limits;
use crate::story::{Export, Telling};

/// The names of the commands that every program has.
pub(super) const COMMANDS: [&str; 10] =
    ["explore", "search", "replay", "show", "shrink", "merge", "real", "list", "help", "isolated"];

/// What shrinking a failure may do, if nothing is said.
const LIMITS: Limits = Limits { runs: 3000, any_failure: false };

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Explore {
        scenario: Option<String>,
        options: ExploreOptions,
    },
    /// Look for a failure in other ways than seed after seed.
    Search {
        way: Way,
        scenario: Option<String>,
        options: SearchOptions,
    },
    Replay {
        target: Target,
        scenario: Option<String>,
        isolation: Option<Isolation>,
        strict: bool,
    },
    /// Make the one run that standard input asks for: this process is one of its own.
    Isolated {
        scenario: String,
    },
    Show {
        target: Target,
        scenario: Option<String>,
        options: ShowOptions,
    },
    /// Go on shrinking the failure of a file.
    Shrink {
        path: PathBuf,
        limits: Limits,
    },
    /// Put together what several shards wrote.
    Merge {
        folder: PathBuf,
        /// Whether what no seed has reached is a failure.
        reached: bool,
    },
    Real {
        args: Vec<String>,
    },
    /// A command that every program does not have; perhaps this one does.
    Other {
        command: String,
        args: Vec<String>,
    },
    List,
    Help,
    Version,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExploreOptions {
    pub(super) seeds: Range<u64>,
    pub(super) jobs: NonZeroUsize,
    pub(super) check: bool,
    pub(super) all: bool,
    pub(super) replays: PathBuf,
    pub(super) limits: Limits,
    pub(super) time: Option<Duration>,
    /// The part of the seeds that is run here; if nothing is said, what the environment says.
    pub(super) shard: Option<Shard>,
    /// Where ledgers are kept.
    pub(super) out: Option<PathBuf>,
    pub(super) json: bool,
    pub(super) isolation: Option<Isolation>,
    pub(super) strict: bool,
    /// Whether what no seed has reached is a failure.
    pub(super) reached: bool,
}

impl Default for ExploreOptions {
    fn default() -> ExploreOptions {
        ExploreOptions {
            seeds: 0..1000,
            jobs: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            check: false,
            all: false,
            replays: PathBuf::from("replays"),
            limits: LIMITS,
            time: None,
            shard: None,
            out: None,
            json: false,
            isolation: None,
            strict: false,
            reached: false,
        }
    }
}

/// How a failure is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Guided,
    Exhaustive,
    Priorities,
}

impl Way {
    pub(super) fn name(self) -> &'static str {
        match self {
            Way::Guided => "guided",
            Way::Exhaustive => "exhaustive",
            Way::Priorities => "priorities",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct SearchOptions {
    pub(super) runs: u64,
    pub(super) seed: u64,
    pub(super) jobs: NonZeroUsize,
    /// Unusual picks of a run, at most, where all are made.
    pub(super) picks: usize,
    /// Values that are tried of each draw, where all are made.
    pub(super) values: u32,
    /// How often a thread becomes the lowest, where they have priorities.
    pub(super) changes: u32,
    /// How long runs are begun.
    pub(super) time: Option<Duration>,
    pub(super) replays: PathBuf,
    pub(super) limits: Limits,
    pub(super) json: bool,
}

impl Default for SearchOptions {
    fn default() -> SearchOptions {
        SearchOptions {
            runs: 10_000,
            seed: 0,
            jobs: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            picks: 2,
            values: 3,
            changes: 2,
            time: None,
            replays: PathBuf::from("replays"),
            limits: LIMITS,
            json: false,
        }
    }
}

/// How a story is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShowOptions {
    pub(super) telling: Telling,
    /// What of it is told; all of it where nothing is asked for.
    pub(super) part: Option<Part>,
    /// Files to write it to as well.
    pub(super) exports: Vec<(Export, PathBuf)>,
}

/// A part of a story, as it is named on a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Host(String),
    /// The ends of a connection, `A-B`.
    Connection(String),
    /// What led to the failure.
    Why,
}

/// What decides a run: a word of digits is a seed, any other a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Seed(u64),
    File(PathBuf),
}

/// The request that `args` make; they begin after the program's name.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, Error> {
    let mut parser = Parser::from_args(args);
    match parser.next()? {
        None => Err("a command is missing".into()),
        Some(Short('h') | Long("help")) => Ok(Request::Help),
        Some(Long("version")) => Ok(Request::Version),
        Some(Value(command)) => parse_command(command.string()?, &mut parser),
        Some(other) => Err(other.unexpected()),
    }
}

fn parse_command(command: String, parser: &mut Parser) -> Result<Request, Error> {
    match command.as_str() {
        "explore" => parse_explore(parser),
        "search" => parse_search(parser),
        "replay" => parse_replay(parser),
        "show" => parse_show(parser),
        "shrink" => parse_shrink(parser),
        "merge" => parse_merge(parser),
        "isolated" => Ok(Request::Isolated { scenario: parser.value()?.string()? }),
        "list" => parse_alone(parser, Request::List),
        // `help COMMAND` shows the same page, which has every command.
        "help" => Ok(Request::Help),
        "real" => Ok(Request::Real { args: rest(parser)? }),
        _ => Ok(Request::Other { command, args: rest(parser)? }),
    }
}

fn parse_explore(parser: &mut Parser) -> Result<Request, Error> {
    let mut options = ExploreOptions::default();
    let mut scenario = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("seeds") => options.seeds = parser.value()?.parse_with(parse_seeds)?,
            Long("jobs") => options.jobs = parser.value()?.parse()?,
            Long("check") => options.check = true,
            Long("all") => options.all = true,
            Long("replays") => options.replays = parser.value()?.into(),
            Long("budget") => options.limits.runs = parser.value()?.parse()?,
            Long("any-failure") => options.limits.any_failure = true,
            Long("time") => options.time = Some(parser.value()?.parse_with(parse_seconds)?),
            Long("shard") => options.shard = Some(parser.value()?.parse()?),
            Long("out") => options.out = Some(parser.value()?.into()),
            Long("json") => options.json = true,
            Long("isolation") => options.isolation = Some(parser.value()?.parse()?),
            Long("strict") => options.strict = true,
            Long("reached") => options.reached = true,
            Short('h') | Long("help") => return Ok(Request::Help),
            Value(name) if scenario.is_none() => scenario = Some(name.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Request::Explore { scenario, options })
}

fn parse_search(parser: &mut Parser) -> Result<Request, Error> {
    let mut options = SearchOptions::default();
    let (mut way, mut scenario) = (None, None);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("runs") => options.runs = parser.value()?.parse()?,
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("jobs") => options.jobs = parser.value()?.parse()?,
            Long("picks") => options.picks = parser.value()?.parse()?,
            Long("values") => options.values = parser.value()?.parse()?,
            Long("changes") => options.changes = parser.value()?.parse()?,
            Long("time") => options.time = Some(parser.value()?.parse_with(parse_seconds)?),
            Long("json") => options.json = true,
            Long("replays") => options.replays = parser.value()?.into(),
            Long("budget") => options.limits.runs = parser.value()?.parse()?,
            Long("any-failure") => options.limits.any_failure = true,
            Short('h') | Long("help") => return Ok(Request::Help),
            Value(word) if way.is_none() => way = Some(word.parse_with(parse_way)?),
            Value(name) if scenario.is_none() => scenario = Some(name.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Request::Search { way: way.ok_or(WAYS)?, scenario, options })
}

const WAYS: &str = "search needs a way: guided, exhaustive or priorities";

fn parse_way(word: &str) -> Result<Way, &'static str> {
    match word {
        "guided" => Ok(Way::Guided),
        "exhaustive" => Ok(Way::Exhaustive),
        "priorities" => Ok(Way::Priorities),
        _ => Err(WAYS),
    }
}

fn parse_replay(parser: &mut Parser) -> Result<Request, Error> {
    let (mut target, mut scenario, mut isolation, mut strict) = (None, None, None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("isolation") => isolation = Some(parser.value()?.parse()?),
            Long("strict") => strict = true,
            Short('h') | Long("help") => return Ok(Request::Help),
            Value(word) if target.is_none() => target = Some(parse_target(word)?),
            Value(name) if scenario.is_none() => scenario = Some(name.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let target = target.ok_or("replay needs a FILE or a SEED")?;
    Ok(Request::Replay { target, scenario, isolation, strict })
}

fn parse_show(parser: &mut Parser) -> Result<Request, Error> {
    let (mut target, mut scenario, mut part) = (None, None, None);
    let mut telling = Telling::Events;
    let mut exports = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("everything") => telling = Telling::Everything,
            Long("host") => set_part(&mut part, Part::Host(parser.value()?.string()?))?,
            Long("connection") => set_part(&mut part, Part::Connection(parser.value()?.string()?))?,
            Long("why") => set_part(&mut part, Part::Why)?,
            Long("export") => exports.push((parser.value()?.parse()?, parser.value()?.into())),
            Short('h') | Long("help") => return Ok(Request::Help),
            Value(word) if target.is_none() => target = Some(parse_target(word)?),
            Value(name) if scenario.is_none() => scenario = Some(name.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let target = target.ok_or("show needs a FILE or a SEED")?;
    Ok(Request::Show { target, scenario, options: ShowOptions { telling, part, exports } })
}

fn set_part(part: &mut Option<Part>, asked: Part) -> Result<(), Error> {
    match part.replace(asked) {
        None => Ok(()),
        Some(_) => Err("only one of --host, --connection and --why can be asked for at a time".into()),
    }
}

fn parse_shrink(parser: &mut Parser) -> Result<Request, Error> {
    let (mut path, mut limits) = (None, LIMITS);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("budget") => limits.runs = parser.value()?.parse()?,
            Long("any-failure") => limits.any_failure = true,
            Short('h') | Long("help") => return Ok(Request::Help),
            Value(word) if path.is_none() => path = Some(PathBuf::from(word)),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Request::Shrink { path: path.ok_or("shrink needs the FILE of a failure")?, limits })
}

fn parse_merge(parser: &mut Parser) -> Result<Request, Error> {
    let (mut folder, mut reached) = (None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("reached") => reached = true,
            Short('h') | Long("help") => return Ok(Request::Help),
            Value(word) if folder.is_none() => folder = Some(PathBuf::from(word)),
            other => return Err(other.unexpected()),
        }
    }
    let folder = folder.ok_or("merge needs the FOLDER that `explore --out` wrote to")?;
    Ok(Request::Merge { folder, reached })
}

fn parse_alone(parser: &mut Parser, request: Request) -> Result<Request, Error> {
    match parser.next()? {
        None => Ok(request),
        Some(Short('h') | Long("help")) => Ok(Request::Help),
        Some(other) => Err(other.unexpected()),
    }
}

fn rest(parser: &mut Parser) -> Result<Vec<String>, Error> {
    parser.raw_args()?.map(|arg| arg.string()).collect()
}

fn parse_target(word: OsString) -> Result<Target, Error> {
    match word.to_str() {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(Target::Seed(word.parse()?))
        }
        _ => Ok(Target::File(PathBuf::from(word))),
    }
}

/// `A..B`, where B is excluded.
pub(crate) fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let form = "seeds are given as A..B, for example 0..1000, where B is excluded";
    let (start, end) = text.split_once("..").ok_or(form)?;
    let bound = |digits: &str| digits.parse::<u64>().map_err(|error| format!("{error} ({form})"));
    let seeds = bound(start)?..bound(end)?;
    if seeds.is_empty() { Err(format!("there is no seed in it ({form})")) } else { Ok(seeds) }
}

/// A length of wall time in seconds.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "a time is a number of seconds, such as 90 or 1.5".to_owned())
}
