//! How soon each bug is found, and what is left of it: searched, shrunk, kept, and repeated by another process.

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use twinloop_sim::campaign::Campaign;
use twinloop_sim::cli::Exit;
use twinloop_sim::replay_file::ReplayFile;
use twinloop_sim::search::guide;
use twinloop_sim::shrink::{Limits, Shrunk, shrink};
use twinloop_sim::story::Telling;

use crate::{BUGS, Bug};

/// Seeds in which each bug is to be found.
pub const SEEDS: u64 = 10_000;
const SHRINK_RUNS: usize = 3000;

/// A bug that was found and made small.
pub struct Found {
    /// The seed of the first run that fails.
    pub seed: u64,
    /// How many runs it took to find.
    pub runs: u64,
    /// Whether seeds alone did not find it, and a guided search did.
    pub is_guided: bool,
    /// How many picks of its run were unusual.
    pub picks: usize,
    /// The smallest run that fails so.
    pub shrunk: Shrunk,
    /// How long shrinking took.
    pub shrinking: Duration,
}

/// Looks for the bug in the first [`SEEDS`] seeds, and in as many runs that are guided if no seed fails; shrinks the
/// first failure.
///
/// # Errors
///
/// What is wrong: nothing was found, it fails in another way than the bug shows, or its picks do not repeat it.
pub fn find(bug: &Bug) -> Result<Found, Box<dyn Error>> {
    let scenario = bug.planted();
    let by_seeds = Campaign::new(0..SEEDS).explore(&scenario).failures.into_iter().next();
    let is_guided = by_seeds.is_none();
    let (runs, seed, report) = match by_seeds {
        Some(failure) => (failure.seed + 1, failure.seed, failure.report),
        None => {
            let searched = guide(&scenario, 0, SEEDS);
            let (seed, report) = searched.failure.ok_or_else(|| format!("{}: nothing fails", bug.name))?;
            (searched.runs, seed, report)
        }
    };
    let verdict = report.verdict.to_string();
    if !verdict.contains(bug.shows_as) {
        return Err(format!("{}: seed {seed} fails otherwise: {verdict}", bug.name).into());
    }
    let began = wall_clock();
    let shrunk = shrink(
        &mut |choices| scenario.run(choices, Telling::Silent),
        &report,
        seed,
        Limits::runs(SHRINK_RUNS),
        &mut |_| ControlFlow::Continue(()),
    )?;
    let picks = report.unusual.len();
    Ok(Found { seed, runs, is_guided, picks, shrunk, shrinking: began.elapsed() })
}

/// Writes the failure to a file in `folder` and has `program`, this program, repeat it in a process of its own.
///
/// # Errors
///
/// If the file can not be written, or the other process does not come to the same verdict and hash.
pub fn repeat(bug: &Bug, found: &Found, folder: &Path, program: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let story = format!("{}: {}", bug.name, found.shrunk.report.verdict);
    let file = ReplayFile::new(bug.name, found.shrunk.seed, &found.shrunk.report, &story);
    fs::create_dir_all(folder)?;
    let path = folder.join(ReplayFile::file_name(bug.name, found.seed));
    fs::write(&path, file.to_string())?;
    let output = Command::new(program).arg("replay").arg(&path).output()?;
    let told = String::from_utf8(output.stdout)?;
    if !told.contains("reproduced: the verdict and the hash are those of the file") {
        return Err(format!("{}: another process says:\n{told}", bug.name).into());
    }
    Ok(path)
}

/// Prints the table. Replays go to `folder`.
pub fn print(folder: &Path) -> Exit {
    println!("{}", header());
    let mut exit = Exit::Passed;
    for bug in BUGS {
        let row = find(bug).and_then(|found| {
            repeat(bug, &found, folder, &std::env::current_exe()?)?;
            Ok(row(bug, &found))
        });
        match row {
            Ok(row) => println!("{row}"),
            Err(error) => {
                println!("{error}");
                exit = Exit::FailuresFound;
            }
        }
    }
    exit
}

fn header() -> String {
    let width = name_width();
    format!("{:width$}  found after      picks    runs  shrunk in  what", "bug")
}

/// What the table says of a bug that was found, and repeated. All but the time is the same on every machine.
pub fn row(bug: &Bug, found: &Found) -> String {
    let Found { runs, is_guided, picks, shrunk, shrinking, .. } = found;
    let width = name_width();
    let way = if *is_guided { "guided" } else { "seeds" };
    let (left, shrink_runs) = (shrunk.picks.len(), shrunk.runs);
    let milliseconds = shrinking.as_secs_f64() * 1000.0;
    format!(
        "{:width$}  {runs:5} {way:6}  {picks:4} → {left:<2}  {shrink_runs:5}  {milliseconds:6.1} ms  {}",
        bug.name, bug.kind
    )
}

fn name_width() -> usize {
    BUGS.iter().map(|bug| bug.name.len()).max().unwrap_or(0)
}

/// How long shrinking takes is for people: no run sees it.
#[expect(clippy::disallowed_methods, reason = "a figure in a table")]
fn wall_clock() -> Instant {
    Instant::now()
}
