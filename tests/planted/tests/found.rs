//! Each bug is found, made small and repeated by another process; and what was mended passes.

use std::env;
use std::fs;
use std::path::Path;

use planted::{BUGS, Bug, table};
use twinloop_sim::campaign::Campaign;

/// What is left of a failure is for people to read.
const PICKS_MAX: usize = 6;
/// Seeds that each mended program passes.
const SEEDS_MENDED: u64 = 200;

#[test]
fn each_bug_is_found_shrunk_and_repeated_by_another_process() {
    let folder = env::temp_dir().join(format!("twinloop-planted-{}", std::process::id()));
    for bug in BUGS {
        let found = table::find(bug).unwrap_or_else(|error| panic!("{error}"));
        let picks = &found.shrunk.picks;
        assert!(picks.len() <= PICKS_MAX, "{}: {picks:#?}", bug.name);
        let repeated = table::repeat(bug, &found, &folder, Path::new(env!("CARGO_BIN_EXE_planted")));
        repeated.unwrap_or_else(|error| panic!("{error}"));
    }
    fs::remove_dir_all(&folder).expect("the folder was made above");
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
