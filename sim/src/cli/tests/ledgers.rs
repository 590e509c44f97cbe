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
    assert!(whole.out.starts_with("toy: 669 passed, 31 failed in 1 ledgers; 1,400 s"), "{}", whole.out);
    assert!(parts.out.starts_with("toy: 669 passed, 31 failed in 3 ledgers; 1,400 s"), "{}", parts.out);
    assert_eq!(told(&whole)[..2], told(&parts)[..2]);
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
    let newer = "{\"ledger\":{\"version\":9,\"scenario\":\"toy\",\"seeds\":[0,50],\"shard\":\"1/1\"}}\n";
    folder.write("toy-0-50.jsonl", newer);
    assert!(merge_in(&folder).err.contains("version 9 is unknown; this program reads 1"));
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
    assert_eq!(lines[0]["failure"]["signature"], "failed: check: requests # and # are forgotten");
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
