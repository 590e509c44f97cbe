//! What a campaign tells and keeps of failures, and what their replays say.

use super::*;

#[test]
fn a_failure_is_shrunk_kept_told_and_repeats() {
    let folder = Folder::new("explore");
    let options = ExploreOptions { replays: folder.0.clone(), ..ExploreOptions::default() };
    let Printed { exit, out, err } = explore_toy(&toy::forgetful, &options);
    assert_eq!((exit, err.as_str()), (Exit::FailuresFound, ""));
    let [name] = folder.names().try_into().expect("one file, and no temporary one");
    let path = folder.0.join(&name).display().to_string();
    assert!(out.contains(&format!("\ntarget/debug/kv replay {path}\n")), "{out}");

    let text = fs::read_to_string(&path).expect("the replay file");
    let file: ReplayFile = text.parse().expect("a well-formed replay file");
    assert_eq!(file.picks.len(), 2, "{text}");
    assert_eq!(name, format!("toy-{}.replay", file.seed));
    assert!(text.starts_with("# toy: failed: check: requests "), "{text}");
    assert!(out.starts_with(&format!("toy: seed {} failed\n  failed: check: requests ", file.seed)), "{out}");
    assert!(out.contains(" runs: 2 of 102 unusual picks are left.\n  failed: check: requests 0 and 1 are forgotten\n    \"server: forgets\" #0 = 1\n"), "{out}");
    assert!(
        out.contains(
            "  What led to it (`show` tells all):\n  1   1.000000000s  toy  fault     \"server: forgets\" #"
        ),
        "{out}"
    );
    let summary = out.lines().last().expect("a summary");
    assert!(summary.starts_with(&format!("toy: {} seeds passed, 1 failed; ", file.seed)), "{summary}");

    let Printed { exit, out, err } = replay_toy(&toy::forgetful, &path);
    assert_eq!((exit, err.as_str()), (Exit::FailuresFound, ""));
    assert!(
        out.starts_with(&format!("{path}: toy, seed {}, 2 picks\n  {}\n", file.seed, file.verdict)),
        "{out}"
    );
    assert!(out.ends_with("\nreproduced: the verdict and the hash are those of the file\n"), "{out}");
}

#[test]
fn seeds_that_pass_leave_one_line() {
    let run = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    let folder = Folder::new("passes");
    let options = ExploreOptions { replays: folder.0.join("never-made"), ..ExploreOptions::default() };
    let Printed { exit, out, err } = explore_toy(&run, &options);
    assert_eq!((exit, err.as_str(), out.lines().count()), (Exit::Passed, "", 1));
    assert!(out.starts_with("toy: 1,000 seeds passed, 0 failed; 2,000 s of virtual time in "), "{out}");
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn with_all_each_kind_of_failure_is_told_once() {
    let run = |choices: &Choices, telling: Telling| {
        let verdict = match choices.seed() {
            3 | 5 => toy::failed("odd"),
            4 => toy::failed("even"),
            _ => Verdict::Passed,
        };
        toy::run(choices, telling, |_| verdict)
    };
    let folder = Folder::new("all");
    let options = ExploreOptions { replays: folder.0.clone(), all: true, ..ExploreOptions::default() };
    let Printed { exit, out, .. } = explore_toy(&run, &options);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.starts_with("toy: seed 3 failed, as 1 other seed did\n"), "{out}");
    assert!(out.contains("\ntoy: seed 4 failed\n"), "{out}");
    let mut names = folder.names();
    names.sort();
    assert_eq!(names, ["toy-3.replay", "toy-4.replay"]);
}

#[test]
fn a_file_that_cannot_be_written_hides_no_failure() {
    let folder = Folder::new("unwritable");
    let in_the_way = folder.write("replays", "not a folder");
    let options = ExploreOptions { replays: PathBuf::from(&in_the_way), ..ExploreOptions::default() };
    let Printed { exit, out, err } = explore_toy(&toy::forgetful, &options);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(err.starts_with(&format!("toy: cannot create the folder {in_the_way}: ")), "{err}");
    let copy = out.lines().find(|line| line.starts_with("target/debug/kv replay ")).expect("a line to copy");
    assert!(copy.ends_with(" toy"), "{copy}");
}

#[test]
fn runs_that_differ_are_told_before_all_else() {
    let runs = std::sync::atomic::AtomicU32::new(0);
    let leaky = |choices: &Choices, telling: Telling| {
        let mut report = toy::run(choices, telling, |_| toy::failed("lost"));
        report.hash = runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed).into();
        report
    };
    let Printed { exit, out, .. } = explore_toy(&leaky, &ExploreOptions::default());
    assert_eq!(exit, Exit::Nondeterminism);
    assert!(out.starts_with("toy: two runs of seed 0 differ; mend this before anything else\n"), "{out}");
    assert!(!out.contains("Shrunk"), "{out}");

    let Printed { exit, .. } =
        with_toy(&leaky, |subject, screen| replay::replay(subject, &Source::Seed(7), screen));
    assert_eq!(exit, Exit::Nondeterminism);
}

#[test]
fn a_failure_that_its_picks_do_not_repeat_is_nondeterminism() {
    let only_seeded = |choices: &Choices, telling: Telling| {
        let verdict = match choices {
            Choices::Seeded(_) => toy::failed("lost"),
            _ => Verdict::Passed,
        };
        toy::run(choices, telling, |_| verdict)
    };
    let Printed { exit, out, .. } = explore_toy(&only_seeded, &ExploreOptions::default());
    assert_eq!(exit, Exit::Nondeterminism);
    assert!(out.contains("  its picks, replayed, do not give the run that they were taken from\n"), "{out}");
}

#[test]
fn replay_says_what_became_of_the_failure() {
    let folder = Folder::new("replay");
    let failing = |choices: &Choices, telling: Telling| {
        toy::run(choices, telling, |chooser| {
            let site = chooser.site("server: reset");
            toy::failed(&format!("reset {}", chooser.pick(site, 9)))
        })
    };
    let picks = vec![Pick { site: "server: reset".to_owned(), occurrence: 0, value: 3 }];
    let report = failing(&Choices::Replayed { seed: 8, picks }, Telling::Silent);
    let kept = ReplayFile::new("toy", 8, &report, "");
    let replay_of = |file: &ReplayFile, run: Run<'_>| {
        let Printed { exit, out, .. } = replay_toy(run, &folder.write("a.replay", &file.to_string()));
        (exit, out)
    };

    let (exit, out) = replay_of(&kept, &failing);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.ends_with("\nreproduced: the verdict and the hash are those of the file\n"), "{out}");

    let (exit, out) = replay_of(&ReplayFile { hash: 1, ..kept.clone() }, &failing);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(
        out.contains("\nreproduced by another run: the verdict is that of the file, the hash is not\n  ")
            && out.ends_with("a.replay:5: hash 00000000000000000000000000000001: the failure is the same, the run is not: the same number of callbacks, 100, and not the same ones\n"),
        "{out}"
    );

    let (exit, out) =
        replay_of(&ReplayFile { verdict: "failed: check: lost".to_owned(), ..kept.clone() }, &failing);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.contains("\nfails in another way than the file has\n  "), "{out}");
    assert!(
        out.ends_with("a.replay:4: verdict failed: check: lost: now it is failed: check: reset 3\n"),
        "{out}"
    );

    let mended = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    let (exit, out) = replay_of(&kept, &mended);
    assert_eq!(exit, Exit::Passed);
    assert!(out.contains("\npasses now; the file has a failure\n"), "{out}");
    assert!(out.contains("a.replay:4: verdict failed: check: reset 3: it passes now\n"), "{out}");
    assert!(out.ends_with("a.replay:8: pick \"server: reset\" #0 = 3: no site is called so\n"), "{out}");
}

/// A story with more lines than are told.
#[test]
fn a_long_story_is_told_by_its_first_faults() {
    let run = |choices: &Choices, telling: Telling| -> Report {
        toy::run(choices, telling, |chooser| {
            let site = chooser.site("a: b");
            let drawn: usize = (0..40).map(|_| chooser.pick(site, 2)).sum();
            if drawn >= 15 { toy::failed("too many") } else { Verdict::Passed }
        })
    };
    let folder = Folder::new("long");
    let options = ExploreOptions { replays: folder.0.clone(), ..ExploreOptions::default() };
    let Printed { out, .. } = explore_toy(&run, &options);
    assert!(out.contains("(`show` tells all):\n   1   1.000000000s  toy  fault"), "{out}");
    let told = out.lines().filter(|line| line.contains("  toy  fault  ")).count();
    assert_eq!(told, 14, "{out}");
}

/// A failure that was kept is looked for before any seed, and told as known.
#[test]
fn known_failures_come_first() {
    let folder = Folder::new("known");
    let options = ExploreOptions { replays: folder.0.clone(), ..ExploreOptions::default() };
    explore_toy(&toy::forgetful, &options);
    let Printed { out, .. } = explore_toy(&toy::forgetful, &options);
    let first = out.lines().next().expect("a line");
    assert!(
        first.contains("/toy-") && first.contains(".replay: known, still fails: failed: check: "),
        "{out}"
    );

    let mended = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    let Printed { exit, out, .. } = explore_toy(&mended, &options);
    assert_eq!(exit, Exit::Passed);
    assert!(out.lines().next().is_some_and(|line| line.ends_with(".replay: passes now")), "{out}");
}
