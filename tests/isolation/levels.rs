//! What each level of isolation controls, as `DETERMINISM.md` has it; and what is said where a level does not do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

const PLAIN: &str = env!("CARGO_BIN_EXE_leaky");
const INTERPOSED: &str = env!("CARGO_BIN_EXE_leaky-interposed");
const LEVELS: [&str; 4] = ["same-thread", "fresh-thread", "fork", "process"];

fn run(program: &str, args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new(program).args(args).env("HOME", "/home/somebody").output().expect("it was built");
    let text = [stdout, stderr].map(|bytes| String::from_utf8(bytes).expect("it prints text")).concat();
    (status.code(), text)
}

/// Whether two runs of a leak are the same there, as the table says it.
fn cell(program: &str, leak: &str, level: &str) -> &'static str {
    match run(program, &["replay", "3", leak, "--isolation", level]) {
        (Some(0), _) => "same",
        (Some(3), text) if text.contains("differ; mend this before anything else") => "differs",
        (code, text) => panic!("{leak} at {level} ended with {code:?}:\n{text}"),
    }
}

/// The rows of the page's table of levels, as cells.
fn table() -> Vec<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../DETERMINISM.md");
    let text = fs::read_to_string(page).expect("the page is part of the project");
    let section = text.split("## What each level controls\n").nth(1).expect("the page has the table");
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2)
        .map(|row| {
            row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
        })
        .collect()
}

/// The table is what happens.
#[test]
#[cfg_attr(not(all(target_os = "linux", target_env = "gnu")), ignore = "nothing is interposed there")]
fn the_table_of_levels_is_true() {
    let table = table();
    assert!(table.len() >= 19, "{table:?}");
    thread::scope(|scope| {
        for row in &table {
            scope.spawn(move || {
                let leak = row[0].as_str();
                let plain = ["same-thread", "fresh-thread", "process"].map(|level| cell(PLAIN, leak, level));
                let interposed = LEVELS.map(|level| cell(INTERPOSED, leak, level));
                let found = [&plain[..], &interposed[..]].concat();
                assert_eq!(found, row[1..], "{leak}: DETERMINISM.md says otherwise");
            });
        }
    });
}

/// A level that the program lacks the means for is refused, and not taken for another.
#[test]
fn a_fork_and_strictness_need_the_interposer() {
    for args in
        [["replay", "3", "nothing", "--isolation", "fork"].as_slice(), &["explore", "nothing", "--strict"]]
    {
        let (code, text) = run(PLAIN, args);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("use twinloop_interpose as _;"), "{text}");
    }
}

/// What is linked decides the level where nobody says one.
#[test]
fn the_level_is_told_with_what_was_found() {
    let (code, text) = run(PLAIN, &["explore", "nothing", "--seeds", "0..3"]);
    assert!(code == Some(0) && text.contains("; isolation: same-thread\n"), "{text}");
    let (code, text) = run(PLAIN, &["replay", "3", "nothing", "--isolation", "process"]);
    assert!(code == Some(0) && text.contains("  isolation: process\n"), "{text}");
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        let (code, text) = run(INTERPOSED, &["explore", "nothing", "--seeds", "0..3"]);
        assert!(code == Some(0) && text.contains("; isolation: fresh-thread\n"), "{text}");
    }
}

/// One run is the same run at every level.
#[test]
fn every_level_gives_the_hash_of_every_other() {
    let hash = |program, level| {
        let (_, text) = run(program, &["replay", "3", "nothing", "--isolation", level]);
        text.lines().find(|line| line.starts_with("  hash ")).expect("a run has a hash").to_owned()
    };
    let first = hash(PLAIN, "same-thread");
    assert_eq!(hash(PLAIN, "fresh-thread"), first);
    assert_eq!(hash(PLAIN, "process"), first);
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        for level in LEVELS {
            assert_eq!(hash(INTERPOSED, level), first, "{level}");
        }
    }
}

/// Both sides are shown also where the runs are made elsewhere.
#[test]
fn a_difference_between_processes_is_shown_from_both_sides() {
    let (code, text) = run(PLAIN, &["replay", "3", "wall-clock", "--isolation", "process"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("in the callback: task of isolation/planted.rs:"), "{text}");
    assert!(text.contains("  The first run then:\n") && text.contains("  The second run then:\n"), "{text}");
}

/// State that outlives a run in its process is named, since processes of their own do not have it; what they have too is
/// not taken for it.
#[test]
fn a_static_is_named_as_the_cause() {
    let named = "    - runs in processes of their own are alike, and those of one process are not: a static";
    for leak in ["counter", "cache"] {
        let (code, text) = run(PLAIN, &["explore", leak, "--seeds", "0..10"]);
        assert!(code == Some(3) && text.contains(named), "{text}");
        // The very first run of the process was watched, so both sides are those of the leak.
        assert!(
            text.contains("two runs of seed 0 differ") && text.contains("request 0") == (leak == "counter")
        );
    }
    let (code, text) = run(PLAIN, &["explore", "wall-clock", "--seeds", "0..10"]);
    assert!(code == Some(3) && !text.contains(named), "{text}");
}

/// A program that takes its process along fails its run, and no other.
#[test]
fn an_abort_is_a_verdict() {
    let (code, text) = run(PLAIN, &["replay", "3", "abort", "--isolation", "process"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("failed: process: the process gave no answer ("), "{text}");
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        let (code, text) = run(INTERPOSED, &["replay", "3", "abort", "--isolation", "fork"]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("failed: process: the copy of the process was aborted (SIGABRT)"), "{text}");
    }
}

/// With `--strict`, what nothing controls fails the run even where two runs would be the same.
#[test]
#[cfg_attr(not(all(target_os = "linux", target_env = "gnu")), ignore = "nothing is interposed there")]
fn strictness_names_the_calls_that_nothing_controls() {
    for (leak, call) in [
        ("thread", "pthread_create"),
        ("tokio", "pthread_create"),
        ("socket", "socket"),
        ("file", "open \"/"),
        ("environment", "getenv \"HOME\""),
        ("folder", "getcwd"),
    ] {
        let (code, text) = run(INTERPOSED, &["replay", "3", leak, "--strict", "--isolation", "process"]);
        assert!(matches!(code, Some(1 | 3)), "{text}");
        let (_, told) = text
            .split_once("failed: isolation: calls of the system that nothing controls: ")
            .unwrap_or_else(|| panic!("{leak} is not told: {text}"));
        assert!(told.lines().next().is_some_and(|calls| calls.contains(call)), "{text}");
    }
    let raw = "failed: isolation: calls of the system that nothing controls: system call \"number 318, past the C library\"";
    for level in if cfg!(target_arch = "x86_64") { &LEVELS[1..] } else { &[] } {
        let (code, text) = run(INTERPOSED, &["replay", "3", "raw-random", "--strict", "--isolation", level]);
        assert!(code == Some(3) && text.contains(raw), "{level}: {text}");
    }
    for leak in ["nothing", "hash-order", "random", "wall-clock", "process-id"] {
        let (code, text) = run(INTERPOSED, &["replay", "3", leak, "--strict"]);
        assert_eq!(code, Some(0), "{leak}: {text}");
    }
}

/// A replay file keeps the level that its failure was found at; who says nothing else has it replayed there.
#[test]
fn a_replay_is_made_at_the_level_that_its_file_says() {
    let folder = Folder(std::env::temp_dir().join(format!("twinloop-level-kept-{}", std::process::id())));
    let replays = folder.0.to_str().expect("a plain path");
    let (code, text) = run(PLAIN, &["explore", "fails", "--isolation", "process", "--replays", replays]);
    assert_eq!(code, Some(1), "{text}");
    let path = folder.0.join("fails-0.replay");
    let (kept, file) =
        (path.to_str().expect("a plain path"), fs::read_to_string(&path).expect("it was kept"));
    assert_eq!(file.lines().nth(4), Some("isolation process"), "{file}");

    let (code, text) = run(PLAIN, &["replay", kept]);
    assert!(code == Some(1) && text.contains("\n  isolation: process\n"), "{text}");
    assert!(text.ends_with("\nreproduced: the verdict and the hash are those of the file\n"), "{text}");
    let (_, text) = run(PLAIN, &["replay", kept, "--isolation", "same-thread"]);
    let mismatch = format!("\n  {kept}:5: isolation process: this run shared more, same-thread\n");
    assert!(text.contains(&mismatch), "{text}");

    fs::write(&path, file.replace("isolation process", "isolation fork")).expect("it is ours");
    let (code, text) = run(PLAIN, &["replay", kept]);
    let needed = format!("{kept}:5: it needs the crate twinloop-interpose, which is not linked");
    assert!(code == Some(75) && text.contains(&needed), "{text}");
}

/// A failure that the environment has a part in is not the same at the strictest level, and that is said.
#[test]
fn a_failure_is_confirmed_at_the_strictest_level() {
    let folder = Folder(std::env::temp_dir().join(format!("twinloop-levels-{}", std::process::id())));
    let replays = folder.0.to_str().expect("a plain path");
    let (code, text) = run(PLAIN, &["explore", "fails", "--replays", replays]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("Confirmed at the strictest level of isolation, process: same verdict, same hash."),
        "{text}"
    );
    let (code, text) = run(PLAIN, &["explore", "fails-at-home", "--replays", replays]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("Not so at the strictest level of isolation, process: passed"), "{text}");
}

/// With `--check`, the first seed is run at the strictest level too: what is the same in every run of a process is seen.
#[test]
fn a_check_looks_at_the_environment_too() {
    let (code, text) = run(PLAIN, &["explore", "environment", "--check", "--seeds", "0..3"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("in a process of its own, seed 0 is another run"), "{text}");
    let (code, text) = run(PLAIN, &["explore", "nothing", "--check", "--seeds", "0..3"]);
    assert_eq!(code, Some(0), "{text}");
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // There is none if nothing was kept.
        let _ = fs::remove_dir_all(&self.0);
    }
}
