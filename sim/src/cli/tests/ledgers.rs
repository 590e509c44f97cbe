//! Campaigns that are split, interrupted and put together again, and what programs read of them.

use super::*;

/// The bytes of each ledger in `folder`, by name.
fn ledgers(folder: &Folder) -> Vec<(String, String)> {
    let mut names = folder.names();
    names.retain(|name| name.ends_with(".jsonl"));
    names.sort();
    let read = |name: String| {
        let text = fs::read_to_string(folder.0.join(&name)).expect("a ledger");
        (name, text)
    };
    names.into_iter().map(read).collect()
}

/// All seeds from 0 to `seeds`, in the part `shard`, with a ledger in `folder`.
fn shard_options(folder: &Folder, seeds: u64, shard: &str) -> ExploreOptions {
    ExploreOptions {
        seeds: 0..seeds,
        all: true,
        out: Some(folder.0.clone()),
        replays: folder.0.join("replays"),
        shard: Some(shard.parse().expect("a shard")),
        limits: Limits::runs(20),
        ..ExploreOptions::default()
    }
}

fn merge_in(folder: &Folder) -> Printed {
    print(|mut screen| {
        let exit = merge::merge(&folder.0, false, &mut screen).unwrap_or_else(|refusal| {
            screen.complain(refusal.text);
            refusal.exit
        });
        screen.finish(exit)
    })
}

#[test]
fn shards_together_come_to_what_one_campaign_does() {
    let (whole, parts) = (Folder::new("whole"), Folder::new("parts"));
    explore_toy(&toy::forgetful, &shard_options(&whole, 700, "1/1"));
    for shard in ["1/3", "3/3", "2/3"] {
        assert_eq!(
            explore_toy(&toy::forgetful, &shard_options(&parts, 700, shard)).exit,
            Exit::FailuresFound
        );
    }
    assert_eq!(ledgers(&parts).len(), 3);

    let (whole, parts) = (merge_in(&whole), merge_in(&parts));
    assert_eq!((whole.exit, parts.exit), (Exit::FailuresFound, Exit::FailuresFound));
    let told = |printed: &Printed| printed.out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert!(whole.out.starts_with("toy: 669 passed, 31 failed in 1 ledger; 1,400 s"), "{}", whole.out);
    assert!(parts.out.starts_with("toy: 669 passed, 31 failed in 3 ledgers; 1,400 s"), "{}", parts.out);
    assert_eq!(told(&whole)[..2], told(&parts)[..2]);
}

/// However many seeds fail, and whatever they say, the page stays one that a browser opens.
#[test]
fn a_page_marks_where_seeds_failed() {
    let folder = Folder::new("page");
    let failing = |choices: &Choices, telling| {
        toy::run(choices, telling, |_| toy::failed(&format!("<b>{}</b> & so on", choices.seed())))
    };
    explore_toy(&failing, &shard_options(&folder, 5000, "1/2"));
    merge_in(&folder);
    let page = fs::read_to_string(folder.0.join("summary.html")).expect("the page");
    assert!(page.contains("<b class=\"bad\">2,500</b> failed in one way; "), "{page}");
    assert!(page.contains("check: &lt;b&gt;0&lt;/b&gt; &amp; so on"), "{page}");
    assert_eq!(page.matches("<i style=").count(), 500, "half of the places");
    assert!(page.contains("Not run: seeds 2500..5000"), "{page}");
}

/// Whatever was written when a campaign was interrupted, going on comes to the same bytes.
#[test]
fn an_interrupted_campaign_goes_on_to_the_same_ledger() {
    let folder = Folder::new("resume");
    let options = shard_options(&folder, 350, "1/1");
    let Printed { out: first, .. } = explore_toy(&toy::forgetful, &options);
    let [(name, whole)] = ledgers(&folder).try_into().expect("one ledger");
    let summary = |out: &str| {
        let last = out.lines().last().expect("a summary").to_owned();
        last.split(';').next().map(str::to_owned)
    };
    for length in (0..=whole.len()).step_by(97).chain([whole.len()]) {
        fs::write(folder.0.join(&name), &whole[..length]).expect("the ledger is cut off");
        let Printed { exit, out, err } = explore_toy(&toy::forgetful, &options);
        assert_eq!((exit, err.as_str()), (Exit::FailuresFound, ""), "cut off at {length}");
        assert_eq!(ledgers(&folder), [(name.clone(), whole.clone())], "cut off at {length}");
        assert_eq!(summary(&out), summary(&first), "cut off at {length}");
    }
}

#[test]
fn a_ledger_that_is_none_is_told_with_its_line() {
    let folder = Folder::new("ledger");
    folder.write("toy-0-50.jsonl", "{\"ledger\":{\"version\":1}}\n");
    let Printed { exit, err, .. } = explore_toy(&toy::forgetful, &shard_options(&folder, 50, "1/1"));
    assert_eq!(exit, Exit::CouldNotRun);
    assert!(err.contains("toy-0-50.jsonl:1:23: missing field `scenario`"), "{err}");
    assert!(merge_in(&folder).err.contains("toy-0-50.jsonl:1:23: "));
    let newer = "{\"ledger\":{\"version\":9,\"scenario\":\"toy\",\"seeds\":[0,50],\"shard\":\"1/1\",\"whole\":[0,50]}}\n";
    folder.write("toy-0-50.jsonl", newer);
    assert!(merge_in(&folder).err.contains("version 9 is unknown; this program reads 2"));
}

#[test]
fn a_merge_tells_which_seeds_nobody_ran() {
    let folder = Folder::new("missing");
    let passing = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    for shard in ["1/4", "4/4"] {
        explore_toy(&passing, &shard_options(&folder, 400, shard));
    }
    let Printed { exit, out, .. } = merge_in(&folder);
    assert_eq!(exit, Exit::CouldNotRun);
    assert!(out.contains("  not run: seeds 100..300\n"), "{out}");
    for shard in ["2/4", "3/4"] {
        explore_toy(&passing, &shard_options(&folder, 400, shard));
    }
    assert_eq!(merge_in(&folder).exit, Exit::Passed);
    let page = fs::read_to_string(folder.0.join("summary.html")).expect("the page");
    assert!(page.contains("<b>400</b> seeds passed") && !page.contains("Not run"), "{page}");
}

/// A worker that never began has left no ledger to say so, and one campaign's folder may hold a part of another one.
#[test]
fn a_merge_tells_which_shards_are_absent_and_which_overlap() {
    let folder = Folder::new("absent");
    let passing = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    for shard in ["2/4", "3/4"] {
        explore_toy(&passing, &shard_options(&folder, 400, shard));
    }
    let Printed { exit, out, .. } = merge_in(&folder);
    assert_eq!(exit, Exit::CouldNotRun);
    assert!(out.contains("  not run: seeds 0..100\n  not run: seeds 300..400\n"), "{out}");
    for shard in ["1/4", "4/4", "1/2"] {
        explore_toy(&passing, &shard_options(&folder, 400, shard));
    }
    let Printed { exit, out, .. } = merge_in(&folder);
    assert_eq!(exit, Exit::Passed);
    assert!(out.contains("  counted by more than one ledger: seeds 0..200\n"), "{out}");
}

/// What a ledger holds against the program, a later run of it does not forget.
#[test]
fn a_resumed_campaign_is_as_bad_as_its_ledger() {
    let folder = Folder::new("recalled");
    let options = ExploreOptions { all: false, ..shard_options(&folder, 400, "1/1") };
    let failing = explore_toy(&toy::forgetful, &options);
    assert_eq!(failing.exit, Exit::FailuresFound);
    let passing = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    let options = ExploreOptions { replays: folder.0.join("none"), ..options };
    let Printed { exit, out, .. } = explore_toy(&passing, &options);
    assert_eq!(exit, Exit::FailuresFound, "seeds behind the failure have not been run");
    assert!(out.contains(" passes now; the ledger has: failed: check: requests "), "{out}");

    let folder = Folder::new("recalled-leak");
    let options = shard_options(&folder, 50, "1/1");
    let runs = std::sync::atomic::AtomicU32::new(0);
    let leaky = |choices: &Choices, telling: Telling| {
        let mut report = toy::run(choices, telling, |_| Verdict::Passed);
        report.hash = runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed).into();
        report
    };
    assert_eq!(explore_toy(&leaky, &options).exit, Exit::Nondeterminism);
    let Printed { exit, out, .. } = explore_toy(&passing, &options);
    assert_eq!(exit, Exit::Nondeterminism);
    assert!(out.contains("toy: two runs of seed 0 differed before\n  hash "), "{out}");
}

/// A worker may end at any byte of its ledger, and one scenario's failure is not hidden by what another one
/// lacks.
#[test]
fn a_merge_takes_ledgers_as_killed_workers_leave_them() {
    let folder = Folder::new("killed");
    explore_toy(&toy::forgetful, &shard_options(&folder, 250, "1/1"));
    let [(name, whole)] = ledgers(&folder).try_into().expect("one ledger");
    folder.write("toy-250-260.jsonl", "");
    folder.write("toy-260-270.jsonl", "{\"ledger\":{\"versi");
    let other = "{\"ledger\":{\"version\":2,\"scenario\":\"yot\",\"seeds\":[0,50],\"shard\":\"1/1\",\"whole\":[0,50]}}\n";
    folder.write("yot-0-50.jsonl", other);
    let Printed { exit, out, .. } = merge_in(&folder);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(
        out.contains("yot: 0 passed, 0 failed in 1 ledger; ") && out.contains("not run: seeds 0..50\n"),
        "{out}"
    );
    for length in (0..whole.len()).step_by(53) {
        folder.write(&name, &whole[..length]);
        assert_ne!(merge_in(&folder).exit, Exit::Passed, "cut off at {length}");
    }
}

#[test]
fn a_ledger_of_another_scenario_is_not_gone_on_with() {
    let folder = Folder::new("other");
    let other = "{\"ledger\":{\"version\":2,\"scenario\":\"yot\",\"seeds\":[0,50],\"shard\":\"1/1\",\"whole\":[0,50]}}\n";
    folder.write("toy-0-50.jsonl", other);
    let Printed { exit, err, .. } = explore_toy(&toy::forgetful, &shard_options(&folder, 50, "1/1"));
    assert_eq!(exit, Exit::CouldNotRun);
    assert!(err.ends_with("toy-0-50.jsonl is the ledger of yot, seeds 0..50\n"), "{err}");
}

#[test]
fn results_for_programs_are_json_lines() {
    let folder = Folder::new("json");
    let options = ExploreOptions { json: true, out: None, ..shard_options(&folder, 60, "1/1") };
    let Printed { exit, out, err } = explore_toy(&toy::forgetful, &options);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(err.contains("Shrunk in"), "people are told on the other stream: {err}");
    let lines: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let summary = &lines.last().expect("a summary")["summary"];
    assert_eq!(summary["passed"].as_u64().zip(summary["failed"].as_u64()), Some((58, 2)), "{out}");
    let failure = &lines[0]["failure"];
    assert_eq!(failure["signature"], "failed: check: requests # and # are forgotten");
    assert_eq!(failure["shrunk"]["picks"], 2);
    let replay = failure["shrunk"]["replay"].as_str().expect("it was kept");
    assert!(replay_toy(&toy::forgetful, replay).out.contains("\nreproduced: "));

    // What was kept is known to the next campaign.
    let Printed { out, .. } = explore_toy(&toy::forgetful, &options);
    let known: serde_json::Value =
        out.lines().next().and_then(|line| serde_json::from_str(line).ok()).expect("JSON");
    assert_eq!(known["known"]["replay"], replay);
}

/// The page that describes the lines knows every field that they have.
#[test]
fn every_field_for_programs_is_described() {
    let page = include_str!("../../../../campaigns/README.md");
    let folder = Folder::new("described");
    let options = ExploreOptions { json: true, ..shard_options(&folder, 60, "1/1") };
    explore_toy(&toy::forgetful, &options);
    let runs = std::sync::atomic::AtomicU32::new(0);
    let leaky = |choices: &Choices, telling: Telling| {
        let mut report = toy::forgetful(choices, telling);
        report.hash = runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed).into();
        report
    };
    let again = |seeds, run| explore_toy(run, &ExploreOptions { seeds, ..options.clone() }).out;
    let mut lines = again(100..200, &toy::forgetful) + &again(200..300, &leaky);
    ledgers(&folder).into_iter().for_each(|(_, text)| lines.push_str(&text));
    let mut fields = std::collections::BTreeSet::new();
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        for (kind, value) in line.as_object().expect("each line says what it is") {
            fields.insert(kind.clone());
            fields.extend(value.as_object().into_iter().flat_map(|object| object.keys().cloned()));
        }
    }
    assert!(
        ["known", "nondeterminism", "failure", "summary", "ledger"].iter().all(|kind| fields.contains(*kind))
    );
    for field in fields {
        assert!(page.contains(&format!("`{field}`")), "campaigns/README.md does not describe `{field}`");
    }
}

#[test]
fn a_scheduler_says_which_part_is_meant() {
    let folder = Folder::new("scheduler");
    let options = ExploreOptions { shard: None, ..shard_options(&folder, 100, "1/1") };
    let slurm = |name: &str| match name {
        "SLURM_ARRAY_TASK_ID" => Some("1".to_owned()),
        "SLURM_ARRAY_TASK_COUNT" => Some("4".to_owned()),
        _ => None,
    };
    let passing = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    let Printed { out, .. } = with_toy(&passing, |subject, screen| {
        explore::explore(subject, &options, &slurm, screen).unwrap_or_else(|refusal| refusal.exit)
    });
    assert!(
        out.starts_with("shard 2/4, by Slurm array (SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_COUNT)\n"),
        "{out}"
    );
    assert_eq!(ledgers(&folder)[0].0, "toy-25-50.jsonl");
}
