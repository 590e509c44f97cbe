//! Shrinking that ends too soon, and goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn shrink_toy(run: Run<'_>, path: &str, limits: Limits) -> Printed {
    with_toy(run, |subject, screen| replay::shrink_further(subject, &kept_at(path), limits, screen))
}

#[test]
fn shrinking_goes_on_where_its_budget_ended() {
    let folder = Folder::new("shrink");
    let options = |runs| ExploreOptions {
        replays: folder.0.clone(),
        limits: Limits::runs(runs),
        ..ExploreOptions::default()
    };
    explore_toy(&toy::forgetful, &options(1));
    let (path, some) = picks_kept(&folder);
    assert!(some.len() > 2, "{some:?}");
    let Printed { exit, out, .. } = shrink_toy(&toy::forgetful, &path, Limits::runs(3000));
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.contains("unusual picks are left"), "{out}");
    let (_, few) = picks_kept(&folder);
    assert_eq!(few.len(), 2);

    let mended = |choices: &Choices, telling| toy::run(choices, telling, |_| Verdict::Passed);
    let Printed { exit, out, .. } = shrink_toy(&mended, &path, Limits::runs(3000));
    assert_eq!(exit, Exit::Passed, "{out}");
    assert!(
        out.contains(": passes now; the file has a failure\n  ") && out.contains("it passes now"),
        "{out}"
    );
}

/// Whenever the process ends, the smallest failure so far is in its file, and a later search does not put a larger
/// one there.
#[test]
fn shrinking_that_is_cut_short_leaves_the_smallest_failure_so_far() {
    let folder = Folder::new("cut-short");
    let options = ExploreOptions { replays: folder.0.clone(), ..ExploreOptions::default() };
    let cut_short_after = |runs: usize| {
        let count = AtomicUsize::new(0);
        let run = |choices: &Choices, telling: Telling| {
            let shrinks = matches!(choices, Choices::Replayed { .. });
            assert!(!shrinks || count.fetch_add(1, Ordering::Relaxed) < runs, "the process is killed");
            toy::forgetful(choices, telling)
        };
        let killed = catch_unwind(AssertUnwindSafe(|| explore_toy(&run, &options)));
        assert!(killed.is_err(), "it had more runs to make");
        picks_kept(&folder).1.len()
    };
    let after_one = cut_short_after(1);
    assert!(after_one > 2);
    let after_some = cut_short_after(4);
    assert!(after_some < after_one);
    assert_eq!(cut_short_after(2), after_some);
    explore_toy(&toy::forgetful, &options);
    assert_eq!(picks_kept(&folder).1.len(), 2);
}
