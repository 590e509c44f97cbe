//! Sites at which programs are willing to misbehave, and when they do.

use std::cell::RefCell;
use std::rc::Rc;

use twinloop::buggify;
use twinloop_sim::choice::Choices;
use twinloop_sim::story::{LineKind, Telling};
use twinloop_sim::{Report, Sim, run_world};

/// What the sites below have answered, in the order in which they were asked.
type Answers = Rc<RefCell<Vec<(bool, bool)>>>;

/// A host that comes by two sites a hundred times.
fn wavering(sim: &mut Sim, answers: &Answers) {
    let answers = Rc::clone(answers);
    sim.client("host", move || {
        let answers = Rc::clone(&answers);
        async move {
            for _ in 0..100 {
                let answer = (buggify!("a cold cache", 0.1), buggify!("a full queue", 0.5));
                answers.borrow_mut().push(answer);
                twinloop::yield_now().await;
            }
            Ok(())
        }
    });
}

fn run(choices: &Choices, build: impl FnOnce(&mut Sim)) -> (Report, Vec<(bool, bool)>) {
    let answers = Answers::default();
    let report = run_world(choices, Telling::Events, |sim| {
        build(sim);
        wavering(sim, &answers);
    });
    assert!(report.verdict.is_passed(), "{}", report.verdict);
    (report, answers.take())
}

#[test]
fn a_site_never_fires_unless_the_scenario_asks_for_it() {
    for seed in 0..20 {
        let (report, answers) = run(&Choices::Seeded(seed), |_| {});
        assert_eq!(answers, [(false, false); 100]);
        assert_eq!(report.unusual, []);
        // It changes nothing that it is there.
        let (switched_off, _) = run(&Choices::Seeded(seed), |sim| sim.buggify(0.0));
        assert_eq!(report.hash, switched_off.hash);
    }
}

/// Four kinds of runs: each site is on or off for the whole of one, independent of the other.
#[test]
fn a_site_is_on_or_off_for_a_whole_run() {
    let mut kinds = [0; 4];
    for seed in 0..200 {
        let (report, answers) = run(&Choices::Seeded(seed), |sim| sim.buggify(0.5));
        let times = |of: fn(&(bool, bool)) -> bool| answers.iter().filter(|answer| of(answer)).count();
        let (cold, full) = (times(|answer| answer.0), times(|answer| answer.1));
        assert!(cold < 30, "a site that is on fires about every tenth time, not {cold} times of 100");
        assert!(full == 0 || (25..75).contains(&full), "or about every other time, not {full} times");
        assert_eq!(report.reached.count("a cold cache"), cold as u64);
        assert_eq!(report.reached.count("a full queue"), full as u64);
        kinds[usize::from(cold > 0) + 2 * usize::from(full > 0)] += 1;
    }
    assert!(kinds.iter().all(|count| (30..70).contains(count)), "{kinds:?}");
}

#[test]
fn the_same_seed_fires_at_the_same_times_and_so_does_its_replay() {
    let both = |sim: &mut Sim| sim.buggify(1.0);
    let (first, answers) = run(&Choices::Seeded(3), both);
    let (second, again) = run(&Choices::Seeded(3), both);
    assert_eq!((first.hash, &answers), (second.hash, &again));

    // Replay files know a site by its name.
    assert!(first.unusual.iter().any(|pick| pick.site == "buggify: a cold cache: on"));
    assert!(first.unusual.iter().any(|pick| pick.site == "buggify: a cold cache"));
    let (replayed, again) = run(&Choices::Replayed { seed: 3, picks: first.unusual.clone() }, both);
    assert_eq!((replayed.hash, replayed.stale.len(), &answers), (first.hash, 0, &again));

    let picks = first.unusual.into_iter().filter(|pick| pick.site != "buggify: a cold cache: on").collect();
    let (_, shrunk) = run(&Choices::Replayed { seed: 3, picks }, both);
    assert!(shrunk.iter().all(|answer| !answer.0), "one pick switches a whole site off");
    assert!(shrunk.iter().zip(&answers).all(|(shrunk, answer)| shrunk.1 == answer.1), "and no other one");
}

#[test]
fn the_story_tells_which_sites_are_on_and_when_they_fire() {
    let (report, answers) = run(&Choices::Seeded(1), |sim| sim.buggify_site("a full queue", 1.0));
    assert!(answers.iter().all(|answer| !answer.0), "nothing was said of the other one");
    let story = report.story.expect("a story was asked for");
    let told: Vec<&str> =
        story.lines.iter().filter(|line| line.kind == LineKind::Fault).map(|line| &*line.text).collect();
    assert_eq!(told[..2], ["buggify is on: a full queue", "buggify: a full queue"]);
    assert_eq!(told.len(), 1 + answers.iter().filter(|answer| answer.1).count());
}

/// What a swarm turns on spares hosts that are kept safe; what the scenario itself has turned on does not.
#[test]
fn a_safe_host_meets_only_what_its_scenario_asks_for() {
    let fired = |asks: bool| {
        let mut fired = [0; 2];
        for seed in 0..50 {
            let report = run_world(&Choices::Seeded(seed), Telling::Events, |sim| {
                for host in ["judge", "other"] {
                    sim.client(host, || async {
                        for _ in 0..20 {
                            let _is_lucky = buggify!("luck", 0.5);
                        }
                        Ok(())
                    });
                }
                if asks {
                    sim.buggify_site("luck", 0.5);
                }
                sim.swarm().only(["buggify"]).safe(["judge"]);
            });
            let story = report.story.expect("a story was asked for");
            for line in story.lines.iter().filter(|line| line.text == "buggify: luck") {
                fired[usize::from(line.host == "other")] += 1;
            }
        }
        fired
    };
    let [judge, other] = fired(false);
    assert!(judge == 0 && other > 20, "{judge} and {other}");
    let [judge, other] = fired(true);
    assert!(judge > 100 && other > 100, "{judge} and {other}");
}

/// Without a name a site is known by its function, so that moving the function's lines breaks no replay.
#[test]
fn a_nameless_site_is_known_by_its_function() {
    fn unlucky() -> (bool, bool) {
        (buggify!(1.0), buggify!())
    }
    let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
        sim.buggify(1.0);
        sim.client("host", || async {
            assert!(unlucky().0);
            Ok(())
        });
    });
    assert!(report.verdict.is_passed(), "{}", report.verdict);
    let function = concat!(module_path!(), "::a_nameless_site_is_known_by_its_function::unlucky");
    let drawn: Vec<&str> = report.unusual.iter().map(|pick| &*pick.site).collect();
    assert_eq!(
        drawn[..3],
        [
            format!("buggify: {function}: on"),
            format!("buggify: {function}"),
            format!("buggify: {function} (2): on")
        ]
    );
}

#[test]
#[should_panic(expected = "no buggify! of this program is called \"a full cue\"")]
fn a_name_that_no_site_has_is_refused() {
    run_world(&Choices::Seeded(1), Telling::Silent, |sim| sim.buggify_site("a full cue", 1.0));
}

#[test]
fn the_real_driver_never_fires() {
    twinloop_real::run(async {
        assert!((0..1000).all(|_| !buggify!("on the real driver", 1.0)));
    })
    .expect("the real driver runs");
}
