//! Each bug is found, made small and repeated by another process; and what was mended passes.

use std::env;
use std::fs;
use std::path::Path;

use planted::{BUGS, Bug, table, ways};
use twinloop_sim::campaign::Campaign;

/// What is left of a failure is for people to read.
const PICKS_MAX: usize = 6;
/// Seeds that each mended program passes.
const SEEDS_MENDED: u64 = 200;
const PAGE: &str = include_str!("../README.md");

#[test]
fn each_bug_is_found_shrunk_and_repeated_by_another_process() {
    let folder = env::temp_dir().join(format!("twinloop-planted-{}", std::process::id()));
    for bug in BUGS {
        let found = table::find(bug).unwrap_or_else(|error| panic!("{error}"));
        assert!(is_on_the_page(&table::row(bug, &found)), "not in README.md: {}", table::row(bug, &found));
        let picks = &found.shrunk.picks;
        assert!(picks.len() <= PICKS_MAX, "{}: {picks:#?}", bug.name);
        let repeated = table::repeat(bug, &found, &folder, Path::new(env!("CARGO_BIN_EXE_planted")));
        repeated.unwrap_or_else(|error| panic!("{error}"));
    }
    fs::remove_dir_all(&folder).expect("the folder was made above");
}

/// Whether README.md has this row. Times are those of one machine.
fn is_on_the_page(row: &str) -> bool {
    let timeless = |row: &str| {
        let words: Vec<String> = row.split_whitespace().map(str::to_owned).collect();
        match words.iter().position(|word| word == "ms") {
            Some(unit) => [&words[..unit - 1], &words[unit..]].concat(),
            None => words,
        }
    };
    PAGE.lines().any(|line| timeless(line) == timeless(row))
}

#[test]
#[ignore = "takes a minute: cargo test --release -p planted -- --ignored"]
fn each_way_to_search_takes_as_many_runs_as_the_page_says() {
    for bug in BUGS {
        let row = ways::row(bug);
        assert!(is_on_the_page(&row), "not in README.md: {row}");
    }
}

#[test]
fn what_is_mended_passes() {
    for bug in BUGS {
        let findings = Campaign::new(0..SEEDS_MENDED).explore(&bug.mended());
        let failures: Vec<String> = findings
            .failures
            .iter()
            .map(|failure| format!("seed {}: {}", failure.seed, failure.report.verdict))
            .collect();
        assert!(failures.is_empty(), "{}: {failures:?}", bug.name);
    }
}

#[test]
fn they_are_many_and_of_different_kinds() {
    let mut kinds: Vec<&str> = BUGS.iter().map(|bug: &Bug| bug.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!((BUGS.len(), kinds.len()), (22, 22));
}
