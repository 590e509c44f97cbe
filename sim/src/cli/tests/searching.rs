//! Failures that are found in other ways than seed after seed.

use super::*;

/// Fails where the fifth of five draws in a row is unusual too, one in 100,000.
fn five_in_a_row(choices: &Choices, telling: Telling) -> Report {
    toy::run(choices, telling, |chooser| {
        let site = chooser.site("a: fault");
        let in_a_row = (0..5).take_while(|_| chooser.chance(site, 0.1)).count();
        if in_a_row == 5 { toy::failed("five in a row") } else { Verdict::Passed }
    })
}

#[test]
fn a_search_finds_shrinks_and_keeps_as_a_campaign_does() {
    let folder = Folder::new("search");
    let options = SearchOptions { replays: folder.0.clone(), picks: 5, ..SearchOptions::default() };
    let search =
        |way| with_toy(&five_in_a_row, |subject, screen| search::search(subject, way, &options, screen));
    let Printed { exit, out, .. } = search(Way::Exhaustive);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.ends_with("toy: 6 runs, the last one failed\n"), "{out}");
    assert_eq!(picks_kept(&folder).1.len(), 5);

    let few = SearchOptions { picks: 4, ..options };
    let Printed { exit, out, .. } =
        with_toy(&five_in_a_row, |subject, screen| search::search(subject, Way::Exhaustive, &few, screen));
    assert_eq!(exit, Exit::Passed);
    assert_eq!(out, "toy: 5 runs, none failed, and there are no others with up to 4 unusual picks\n");
}
