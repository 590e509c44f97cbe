//! Every file in `replays/` gives the run that it was written from.

use std::fs;
use std::path::PathBuf;

use twinloop_sim::Scenario;
use twinloop_sim::replay_file::ReplayFile;
use twinloop_sim::story::Telling;

/// The scenarios that files may name.
fn scenarios() -> [Scenario; 2] {
    [kv::scenario::kv(), kv::scenario::kv_forgetful()]
}

fn files() -> Vec<(PathBuf, ReplayFile)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("replays");
    let entries = fs::read_dir(&folder).expect("there is a folder of replays");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "replay"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a replay file is text");
        let file = text.parse().unwrap_or_else(|error| panic!("{}:{error}", path.display()));
        (path, file)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_replay_gives_its_verdict_and_its_hash() {
    let scenarios = scenarios();
    let files = files();
    assert!(!files.is_empty(), "the planted bug's replay is there");
    for (path, file) in files {
        let path = path.display();
        let scenario = scenarios.iter().find(|scenario| scenario.name() == file.scenario);
        let scenario =
            scenario.unwrap_or_else(|| panic!("{path}: no scenario is called {:?}", file.scenario));
        let report = scenario.run(&file.choices(), Telling::Silent);
        assert_eq!(report.verdict.to_string(), file.verdict, "{path}");
        assert!(report.stale.is_empty(), "{path}: these picks apply to nothing: {:?}", report.stale);
        assert_eq!(format!("{:032x}", report.hash), format!("{:032x}", file.hash), "{path}");
    }
}

/// The issue of the example: a reply that is lost with its connection, and nothing else.
#[test]
fn the_planted_bug_needs_few_choices() {
    for (path, file) in files() {
        assert!(file.picks.len() <= 5, "{}: {} choices", path.display(), file.picks.len());
    }
}
