//! A seed determines a run, whatever else runs beside it, and whether or not its story is told.

use std::process::Command;
use std::thread;

use twinloop_sim::Report;
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;

const SEEDS: u64 = 20;

fn run(seed: u64, telling: Telling) -> Report {
    kv::scenario::kv().run(&Choices::Seeded(seed), telling)
}

fn hashes() -> Vec<u128> {
    (0..SEEDS).map(|seed| run(seed, Telling::Silent).hash).collect()
}

#[test]
fn equal_seeds_give_equal_hashes_in_one_process() {
    assert_eq!(hashes(), hashes());
}

#[test]
fn different_seeds_give_different_hashes() {
    let mut hashes = hashes();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len() as u64, SEEDS);
}

#[test]
fn equal_seeds_give_equal_hashes_while_others_run_on_other_threads() {
    let alone = hashes();
    thread::scope(|scope| {
        let noise: Vec<_> =
            (1..4).map(|thread| scope.spawn(move || run(1000 * thread, Telling::Everything).hash)).collect();
        let beside: Vec<_> = (0..3).map(|_| scope.spawn(hashes)).collect();
        for hashes in beside {
            assert_eq!(hashes.join().expect("runs do not panic"), alone);
        }
        for run in noise {
            run.join().expect("runs do not panic");
        }
    });
}

/// The other process is this very test binary, asked to print.
#[test]
fn equal_seeds_give_equal_hashes_in_two_processes() {
    const PRINT: &str = "TWINLOOP_TEST_PRINTS_HASHES";
    if std::env::var_os(PRINT).is_some() {
        println!("{:x?}", hashes());
        return;
    }
    let itself = std::env::current_exe().expect("a test binary knows where it is");
    let name = "sim::determinism::equal_seeds_give_equal_hashes_in_two_processes";
    let run = Command::new(itself).args([name, "--exact", "--nocapture"]).env(PRINT, "1").output();
    let printed =
        String::from_utf8(run.expect("a test binary can be run again").stdout).expect("hashes are text");
    let expected = format!("{:x?}", hashes());
    assert!(
        printed.contains(&expected),
        "another process gave other hashes:\n{printed}\nexpected:\n{expected}"
    );
}

#[test]
fn a_told_run_is_the_silent_run() {
    for seed in 0..SEEDS {
        let silent = run(seed, Telling::Silent);
        for telling in [Telling::Events, Telling::Everything] {
            let told = run(seed, telling);
            assert_eq!(
                (told.hash, told.verdict, told.unusual),
                (silent.hash, silent.verdict.clone(), silent.unusual.clone())
            );
        }
    }
}

/// The picks that were not 0 are the whole of a run.
#[test]
fn a_run_replayed_from_its_picks_is_the_same_run() {
    for seed in 0..SEEDS {
        let seeded = run(seed, Telling::Silent);
        let picks = Choices::Replayed { seed, picks: seeded.unusual.clone() };
        let replayed = kv::scenario::kv().run(&picks, Telling::Silent);
        assert_eq!((replayed.hash, replayed.verdict), (seeded.hash, seeded.verdict));
        assert_eq!((replayed.unusual, replayed.stale), (seeded.unusual, Vec::new()));
    }
}

/// Each seed is at least a hundred operations of clients, and all of them pass.
#[test]
fn the_example_passes_its_seeds() {
    for seed in 0..100 {
        let report = run(seed, Telling::Silent);
        assert!(report.verdict.is_passed(), "seed {seed}: {}", report.verdict);
    }
}
