//! What a campaign or a search found, as lines of JSON for programs. `campaigns/README.md` describes every field.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::Subject;
use super::args::{ExploreOptions, SearchOptions, Way};
use super::failure::Pursued;
use crate::campaign::ledger::Differed;
use crate::campaign::{Failure, Findings, Shard};
use crate::reached::Tally;
use crate::search::{LeftOut, Searched};
use crate::shrink::Shrunk;
use crate::verdict::one_line;

/// A line.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Known(KnownResult),
    Nondeterminism(Differed),
    Failure(FailureResult),
    Summary(SummaryResult),
    Search(SearchResult),
}

/// A replay that was run before the seeds.
#[derive(Serialize)]
pub(super) struct KnownResult {
    pub(super) replay: String,
    /// What it comes to now.
    pub(super) verdict: String,
}

#[derive(Serialize)]
pub(super) struct FailureResult {
    seed: u64,
    /// How many seeds failed so.
    seeds: u64,
    verdict: String,
    signature: String,
    hash: String,
    /// How many unusual picks its run has.
    picks: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    shrunk: Option<ShrunkResult>,
}

#[derive(Serialize)]
struct ShrunkResult {
    seed: u64,
    picks: usize,
    runs: usize,
    verdict: String,
    hash: String,
    /// The file that repeats it, if it could be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<String>,
}

impl FailureResult {
    pub(super) fn of(failure: &Failure, pursued: &Pursued, path: &Path) -> FailureResult {
        let Failure { seed, report, seeds } = failure;
        let shrunk = |shrunk: &Shrunk| ShrunkResult {
            seed: shrunk.seed,
            picks: shrunk.picks.len(),
            runs: shrunk.runs,
            verdict: one_line(&shrunk.report.verdict.to_string()),
            hash: format!("{:032x}", shrunk.report.hash),
            replay: pursued.is_kept.then(|| path.display().to_string()),
        };
        FailureResult {
            seed: *seed,
            seeds: *seeds,
            verdict: one_line(&report.verdict.to_string()),
            signature: report.verdict.signature(),
            hash: format!("{:032x}", report.hash),
            picks: report.unusual.len(),
            shrunk: pursued.smallest.as_ref().map(shrunk),
        }
    }
}

#[derive(Serialize)]
pub(super) struct SummaryResult {
    scenario: String,
    /// Those that were asked for: the first, and the one behind the last.
    seeds: [u64; 2],
    shard: String,
    isolation: String,
    passed: u64,
    failed: u64,
    is_deterministic: bool,
    virtual_seconds: f64,
    wall_seconds: f64,
    turns: u64,
    callbacks: u64,
    /// What the program says of itself, and how often it came about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    catalogue: Vec<Tally>,
}

impl SummaryResult {
    pub(super) fn of(
        subject: &Subject<'_>,
        options: &ExploreOptions,
        shard: Shard,
        findings: &Findings,
        wall_time: Duration,
    ) -> SummaryResult {
        let seeds = shard.part_of(&options.seeds);
        SummaryResult {
            scenario: subject.name.to_owned(),
            seeds: [seeds.start, seeds.end],
            shard: shard.to_string(),
            isolation: subject.conditions.level.to_string(),
            passed: findings.passed,
            failed: findings.failed,
            is_deterministic: findings.nondeterminism.is_none(),
            virtual_seconds: findings.virtual_time.as_secs_f64(),
            wall_seconds: wall_time.as_secs_f64(),
            turns: findings.turns,
            callbacks: findings.callbacks,
            catalogue: Tally::all(&findings.reached),
        }
    }
}

#[derive(Serialize)]
pub(super) struct SearchResult {
    scenario: String,
    way: &'static str,
    /// The first seed.
    seed: u64,
    /// With a failure, those before it and its own.
    runs: u64,
    is_failed: bool,
    /// Whether there is nothing left to try within `picks` and `values`.
    is_complete: bool,
    /// Whether the search was ended by its time.
    is_out_of_time: bool,
    wall_seconds: f64,
    /// Of an exhaustive search that found no failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<LeftOutResult>,
}

#[derive(Serialize)]
struct LeftOutResult {
    runs: u64,
    values: u64,
    deeper: u64,
}

impl SearchResult {
    pub(super) fn of(
        subject: &Subject<'_>,
        way: Way,
        options: &SearchOptions,
        searched: &Searched,
        is_out_of_time: bool,
        wall_time: Duration,
    ) -> SearchResult {
        let LeftOut { runs, values, deeper } = searched.left_out;
        let is_failed = searched.failure.is_some();
        SearchResult {
            scenario: subject.name.to_owned(),
            way: way.name(),
            seed: options.seed,
            runs: searched.runs,
            is_failed,
            is_complete: searched.is_complete,
            is_out_of_time,
            wall_seconds: wall_time.as_secs_f64(),
            left_out: (way == Way::Exhaustive && !is_failed).then_some(LeftOutResult {
                runs,
                values,
                deeper,
            }),
        }
    }
}
