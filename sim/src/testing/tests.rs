//! What a test does with replays and seeds, and what it says of a failure.

use std::fs;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use twinloop::sleep;

use super::*;
use crate::Units;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = env::temp_dir().join(format!("twinloop-testing-{name}-{}", process::id()));
        // It may be left over from a process of the same number.
        let _ = fs::remove_dir_all(&folder);
        Folder(folder)
    }

    fn wishes(&self) -> Wishes {
        Wishes { replays: Some(self.0.clone()), jobs: NonZeroUsize::new(2), ..Wishes::default() }
    }

    fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        entries.map(|entry| entry.expect("listed").file_name().into_string().expect("text")).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // There is none if nothing failed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Fails where the scenario's third choice of eight is above `most`: for 4, seed 1 is the first that does.
fn patient(most: usize) -> impl Fn(&Choices, Telling) -> crate::Report + Sync {
    move |choices, telling| {
        run_world(choices, telling, |sim| {
            let waits: Vec<usize> = (0..3).map(|_| sim.pick("wait", 8)).collect();
            sim.client("client", move || {
                let wait = waits[2];
                async move {
                    sleep((wait as u64).s()).await;
                    if wait > most { Err("waited too long".into()) } else { Ok(()) }
                }
            });
        })
    }
}

fn attempt(name: &'static str, most: usize, wishes: &Wishes) -> Result<(), String> {
    Test::new(name).package("shop", env!("CARGO_MANIFEST_DIR")).seeds(0..50).attempt(&patient(most), wishes)
}

#[test]
fn a_failure_is_told_with_the_line_that_runs_it_again() {
    let folder = Folder::new("told");
    let told = attempt("shop::orders::late", 4, &folder.wishes()).expect_err("some seed waits longer");
    let path = folder.0.join("shop.orders.late-1.replay");
    let again = format!("TWINLOOP_REPLAY={} cargo test -p shop orders::late", path.display());
    let lines = [
        "shop::orders::late: seed 1 failed",
        "failed: client: waited too long",
        "\"scenario: wait\" #2 = 5",
        &again,
    ];
    for line in lines {
        assert!(told.contains(line), "{line:?} is not in\n{told}");
    }
    assert_eq!(folder.files(), ["shop.orders.late-1.replay"]);
}

/// A test of the builder may have any name: the harness knows it by that of the function that it is in.
#[test]
fn a_test_without_a_package_is_called_as_the_harness_calls_it() {
    let folder = Folder::new("builder");
    let told =
        Test::new("shop::late").attempt(&patient(4), &folder.wishes()).expect_err("some seed waits longer");
    let function = "a_test_without_a_package_is_called_as_the_harness_calls_it";
    assert!(told.contains(&format!(" cargo test testing::tests::{function}\n")), "{told}");
}

#[test]
fn what_was_kept_is_tried_before_any_seed() {
    let folder = Folder::new("kept");
    attempt("shop::late", 4, &folder.wishes()).expect_err("some seed waits longer");
    let runs = AtomicU64::new(0);
    let fails = patient(4);
    let counted = |choices: &Choices, telling| {
        runs.fetch_add(1, Ordering::Relaxed);
        fails(choices, telling)
    };
    let test = Test::new("shop::late").package("shop", env!("CARGO_MANIFEST_DIR"));
    let told = test.attempt(&counted, &folder.wishes()).expect_err("it fails as before");
    assert!(
        told.contains("shop.late-1.replay still fails (seed 1): failed: client: waited too long"),
        "{told}"
    );
    assert_eq!(runs.into_inner(), 1);

    // Mended, it stays as a test; and other tests have nothing to do with it.
    assert_eq!(attempt("shop::late", 7, &folder.wishes()), Ok(()));
    assert_eq!(attempt("shop::later", 7, &folder.wishes()), Ok(()));
    assert_eq!(attempt("late", 7, &folder.wishes()), Ok(()));
}

#[test]
fn a_replay_that_is_asked_for_runs_alone_and_in_its_own_test() {
    let folder = Folder::new("asked");
    attempt("shop::late", 4, &folder.wishes()).expect_err("some seed waits longer");
    let path = folder.0.join("shop.late-1.replay");
    let wishes = Wishes { replay: Some(path), ..Wishes::default() };
    assert!(attempt("shop::late", 4, &wishes).is_err());
    assert_eq!(attempt("shop::other", 0, &wishes), Ok(()));
}

/// A loop over settings has a test of one name in many worlds: what one of them has kept says nothing of another.
#[test]
fn a_replay_is_tried_with_the_settings_that_it_was_found_with() {
    let folder = Folder::new("settings");
    let waits = |clients: u64, most, wishes: &Wishes| {
        let test = Test::new("shop::late").config("clients", clients).seeds(0..20);
        test.attempt(&patient(most), wishes)
    };
    waits(3, 4, &folder.wishes()).expect_err("some seed waits longer");
    waits(4, 4, &folder.wishes()).expect_err("so it does here");
    let mut files = folder.files();
    files.sort();
    assert_eq!(files, ["shop.late-clients=3-1.replay", "shop.late-clients=4-1.replay"]);

    let kept = folder.0.join("shop.late-clients=3-1.replay");
    let wishes = Wishes { replay: Some(kept.clone()), ..Wishes::default() };
    assert!(fs::read_to_string(&kept).expect("the file").contains("\nconfig clients = 3\n"));
    assert!(waits(3, 4, &wishes).is_err());
    assert_eq!(waits(4, 0, &wishes), Ok(()), "it is not this world's");
}

#[test]
fn a_replay_that_fails_says_line_by_line_what_is_otherwise() {
    let folder = Folder::new("otherwise");
    attempt("shop::late", 4, &folder.wishes()).expect_err("some seed waits longer");
    let path = folder.0.join("shop.late-1.replay");
    let text = fs::read_to_string(&path).expect("the file");
    let more = format!("{text}pick \"scenario: wait\" #3 = 1\npick \"moon: phase\" #0 = 1\n");
    fs::write(&path, &more).expect("the file is ours");
    let told = attempt("shop::late", 4, &folder.wishes()).expect_err("it fails as before");
    let line = |text: &str| more.lines().position(|line| line.contains(text)).expect("it was written") + 1;
    for (number, text) in [
        (line("wait\" #3"), "pick \"scenario: wait\" #3 = 1: the site draws 3 times, up to #2"),
        (line("moon"), "pick \"moon: phase\" #0 = 1: no site is called so"),
    ] {
        let expected = format!("  {}:{number}: {text}\n", path.display());
        assert!(told.contains(&expected), "{expected:?} is not in\n{told}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_line_and_column() {
    let folder = Folder::new("unreadable");
    fs::create_dir_all(&folder.0).expect("a folder");
    fs::write(folder.0.join("shop.late-3.replay"), "twinloop-replay 1\nseed three\n").expect("a file");
    fs::write(folder.0.join("shop.later-3.replay"), "another test's").expect("a file");
    let told = attempt("shop::late", 7, &folder.wishes()).expect_err("the file is no replay");
    assert!(told.contains("shop.late-3.replay:2:6: expected a seed"), "{told}");
}

#[test]
fn the_environment_can_ask_for_a_seed() {
    let folder = Folder::new("seed");
    let run = patient(4);
    let passes = |seed| run(&Choices::Seeded(seed), Telling::Silent).verdict.is_passed();
    let good = (0..50).find(|&seed| passes(seed)).expect("a seed that passes");
    let wishes = Wishes { seeds: Some(good..good + 1), ..folder.wishes() };
    assert_eq!(attempt("shop::late", 4, &wishes), Ok(()));
}

#[test]
fn time_ends_a_test_and_not_its_seeds() {
    let folder = Folder::new("time");
    let wishes = Wishes { time: Some(Duration::ZERO), ..folder.wishes() };
    assert_eq!(attempt("shop::late", 0, &wishes), Ok(()), "there was no time to run a seed");
    let wishes = Wishes { time: Some(1000.s()), ..folder.wishes() };
    assert!(attempt("shop::late", 0, &wishes).is_err());
}

fn wishes_of(variables: &[(&str, &str)]) -> Result<Wishes, String> {
    Wishes::of(|name| {
        let found = variables.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| OsString::from(value))
    })
}

#[test]
fn wishes_are_read_from_the_environment() {
    assert_eq!(wishes_of(&[]), Ok(Wishes::default()));
    let all = wishes_of(&[
        ("TWINLOOP_SEEDS", "5..9"),
        ("TWINLOOP_TIME", "1.5"),
        ("TWINLOOP_REPLAY", "a.replay"),
        ("TWINLOOP_JOBS", "3"),
        ("TWINLOOP_REPLAYS", "kept"),
        ("TWINLOOP_ISOLATION", "process"),
        ("TWINLOOP_STRICT", "1"),
    ]);
    let expected = Wishes {
        seeds: Some(5..9),
        time: Some(1500.ms()),
        replay: Some("a.replay".into()),
        jobs: NonZeroUsize::new(3),
        replays: Some("kept".into()),
        isolation: Some(Isolation::Process),
        is_strict: true,
        again: None,
    };
    assert_eq!(all, Ok(expected));
    let one = wishes_of(&[("TWINLOOP_SEED", "7"), ("TWINLOOP_SEEDS", "5..9")]);
    assert_eq!(one.map(|wishes| wishes.seeds), Ok(Some(7..8)));
}

#[test]
fn a_wish_that_makes_no_sense_is_refused() {
    for (name, value, told) in [
        ("TWINLOOP_SEED", "x", "TWINLOOP_SEED=x: a seed is a number from 0 to 2^64-1"),
        ("TWINLOOP_SEEDS", "9..5", "TWINLOOP_SEEDS=9..5: there is no seed in it"),
        ("TWINLOOP_TIME", "-1", "TWINLOOP_TIME=-1: a time is a number of seconds"),
        ("TWINLOOP_JOBS", "0", "TWINLOOP_JOBS=0: threads are counted from 1"),
    ] {
        let error = wishes_of(&[(name, value)]).expect_err("no sense");
        assert!(error.starts_with(told), "{error}");
    }
}

/// The third draw of the scenario's site, the first one that a run names, is answered with 6.
const WAITS_6: [u8; 12] = [9, 0, 0, 0, 0, 0, 0, 0, 0, 2, 6, 0];

#[test]
fn bytes_are_one_run_which_is_shrunk_and_kept_as_any_other() {
    let folder = Folder::new("bytes");
    let wishes = Wishes { seeds: Some(0..1000), ..folder.wishes() };
    let test = Test::new("shop::waits").package("shop", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(test.clone().bytes(&[]).attempt(&patient(4), &wishes), Ok(()));
    let told = test.clone().bytes(&WAITS_6).attempt(&patient(4), &wishes).expect_err("it waits too long");
    assert!(told.contains("shop::waits: seed 9 failed"), "{told}");
    assert!(told.contains("\"scenario: wait\" #2 = 5"), "shrunk to the least that fails: {told}");
    let files = folder.files();
    let [file] = files.as_slice() else { panic!("one file: {files:?}") };
    assert!(told.contains(&format!("{file} cargo test -p shop waits")), "{told}");
    let program = test.program_line("cargo run -p shop --").bytes(&WAITS_6);
    let told = program.attempt(&patient(4), &wishes).expect_err("it waits too long");
    assert!(told.lines().any(|line| line.starts_with("cargo run -p shop -- replay ")), "{told}");
}
