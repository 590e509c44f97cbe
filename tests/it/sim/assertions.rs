//! What programs assert of themselves: verdicts of what never may be, counts of what has to be in some run.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use twinloop::catalogue::{Kind, items};
use twinloop::{always, reachable, sleep, sometimes, spawn};
use twinloop_sim::campaign::Campaign;
use twinloop_sim::choice::Choices;
use twinloop_sim::cli::{Cli, Exit};
use twinloop_sim::story::Telling;
use twinloop_sim::{Report, Scenario, Sim, Test, run_world};

fn run(build: impl FnOnce(&mut Sim)) -> Report {
    run_world(&Choices::Seeded(1), Telling::Events, build)
}

#[test]
fn an_assertion_that_does_not_hold_is_a_verdict_of_its_own() {
    let report = run(|sim| {
        sim.client("client-7", || async {
            always!(1 < 2, "small is small", "1 and 2");
            always!(2 < 1, "numbers are in order", "{} before {}", 2, 1);
            Ok(())
        });
    });
    let verdict = report.verdict.to_string();
    assert!(verdict.starts_with("violated: numbers are in order: client-7: sim/assertions.rs:"), "{verdict}");
    assert!(verdict.ends_with(": 2 before 1"), "{verdict}");
    // Which client it was, and where it stands by now, makes no other failure.
    assert_eq!(report.verdict.signature(), "violated: numbers are in order: client-#");
    let story = report.story.expect("a story was asked for").to_string();
    assert!(story.contains("violated: numbers are in order: sim/assertions.rs:"), "{story}");
}

#[test]
fn a_place_where_nobody_comes_is_a_verdict_if_somebody_does() {
    let report = run(|sim| {
        sim.client("host", || async {
            twinloop::unreachable!("the state is unknown");
            Ok(())
        });
    });
    assert_eq!(report.verdict.signature(), "violated: the state is unknown: host");
    assert!(!report.verdict.is_passed());
}

/// What comes of a violation in the same turn is its consequence, and a program that catches its panics hides nothing.
#[test]
fn a_violation_goes_before_what_comes_of_it_and_nobody_hides_it() {
    for joined in [false, true] {
        let report = run(|sim| {
            sim.client("host", move || async move {
                let faulty = spawn(async {
                    always!(false, "the first fault");
                    panic!("the second one");
                });
                if joined {
                    let _hidden = faulty.await;
                } else {
                    faulty.detach();
                }
                sleep(Duration::from_secs(1)).await;
                std::unreachable!("the run ends with that turn");
            });
        });
        assert_eq!(report.verdict.signature(), "violated: the first fault: host");
        assert_eq!(report.virtual_time, Duration::ZERO);
    }
}

/// As with all that the programs of an earlier life still do.
#[test]
fn what_destructors_find_after_a_crash_counts_for_nothing() {
    struct Checked(bool);
    impl Drop for Checked {
        fn drop(&mut self) {
            always!(self.0, "it is dropped in good order");
        }
    }
    let crashed = run(|sim| {
        let mut life = 0;
        sim.client("host", move || {
            life += 1;
            async move {
                if life == 1 {
                    let _checked = Checked(false);
                    sleep(Duration::from_secs(60)).await;
                }
                Ok(())
            }
        });
        sim.at(Duration::from_secs(1)).crash("host").restart("host");
    });
    assert!(crashed.verdict.is_passed(), "{}", crashed.verdict);

    let closed = run(|sim| {
        sim.client("host", || async {
            spawn(async {
                let _checked = Checked(false);
                sleep(Duration::from_secs(60)).await;
            })
            .detach();
            twinloop::yield_now().await;
            Ok(())
        });
    });
    assert_eq!(closed.verdict.signature(), "violated: it is dropped in good order: host");
}

/// What tells a detail is code of the program's: it may ask its dispatcher, and assert.
#[test]
fn a_detail_is_told_before_anything_is_borrowed() {
    struct Told;
    impl fmt::Display for Told {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            reachable!("a detail is told");
            let since = twinloop::wall_time().duration_since(SystemTime::UNIX_EPOCH);
            since.expect("the simulated date is a late one");
            f.write_str("0 s")
        }
    }
    let report = run(|sim| {
        sim.client("host", || async {
            always!(true, "it holds, and no detail is told", "{Told}");
            always!(false, "the hour is full", "{Told}");
            Ok(())
        });
    });
    let verdict = report.verdict.to_string();
    assert!(verdict.starts_with("violated: the hour is full: host: "), "{verdict}");
    assert!(verdict.ends_with(": 0 s"), "{verdict}");
    assert_eq!(report.reached.count("a detail is told"), 1);
}

/// Also in a release build, where an assertion that nobody hears is not even looked at.
#[test]
fn checks_assert_as_programs_do() {
    let check = |broken: bool| {
        run(move |sim| {
            sim.client("host", || async { Ok(()) });
            sim.check("the first", || {
                sometimes!(true, "a check sees it");
                Ok(())
            });
            sim.check("the second", move || {
                always!(!broken, "the books are balanced", "by {}", 7);
                // What comes of a violation is its consequence.
                if broken { Err("something does not add up".to_owned()) } else { Ok(()) }
            });
        })
    };
    let (sound, broken) = (check(false), check(true));
    assert!(sound.verdict.is_passed(), "{}", sound.verdict);
    assert_eq!(
        (sound.reached.count("a check sees it"), sound.reached.count("the books are balanced")),
        (1, 1)
    );
    assert_eq!(broken.verdict.signature(), "violated: the books are balanced: the second");
    assert!(broken.verdict.to_string().ends_with(": by 7"), "{}", broken.verdict);
    assert_eq!(broken.hash, sound.hash, "what is looked at afterwards is no part of the run");
}

/// The world is borrowed where they run.
#[test]
fn a_predicate_of_messages_that_asserts_is_told_what_to_do_instead() {
    let report = run(|sim| {
        sim.client("host", || async { Ok(()) });
        sim.client("client", || async {
            _ = twinloop::connect_host("host", 7).await;
            Ok(())
        });
        sim.drop_where("client", "host", |_| {
            reachable!("a predicate is asked");
            false
        });
    });
    let verdict = report.verdict.to_string();
    assert!(verdict.contains("note what it saw, and assert in a program or a check"), "{verdict}");
}

/// A run in which a seed decides what comes about.
fn eventful() -> Scenario {
    Scenario::new("eventful", "some things happen in some seeds", |sim| {
        let weather = sim.pick("weather", 4);
        sim.buggify_site("an umbrella breaks", 0.5);
        sim.client("host", move || async move {
            sometimes!(weather == 3, "it snows");
            sometimes!(weather == 4, "it rains frogs");
            if weather == 2 {
                reachable!("a rainy day");
                let _is_wet = twinloop::buggify!("an umbrella breaks", 1.0);
            }
            if weather == 9 {
                reachable!("the end of the world");
            }
            always!(weather < 4, "there is some weather");
            Ok(())
        });
    })
}

/// Counts of seeds are those of one thread, however many there were; a second run of a seed does not count.
#[test]
fn a_campaign_adds_up_what_was_reached() {
    let findings = [1, 4].map(|jobs| {
        let jobs = NonZeroUsize::new(jobs).expect("at least one job");
        Campaign { jobs, check: true, ..Campaign::new(0..200) }.explore(&eventful())
    });
    assert_eq!(findings[0].reached, findings[1].reached);
    let reached = &findings[0].reached;
    assert_eq!(reached.count("there is some weather"), 200);
    let (snow, rain, umbrella) =
        (reached.count("it snows"), reached.count("a rainy day"), reached.count("an umbrella breaks"));
    assert!((30..70).contains(&snow) && (30..70).contains(&rain), "{snow} of 200 days, and {rain}");
    assert!(0 < umbrella && umbrella < rain, "{umbrella} of {rain} days");

    let never: Vec<&str> = reached.never().map(|item| item.name()).collect();
    assert!(never.contains(&"it rains frogs") && never.contains(&"the end of the world"), "{never:?}");
    assert!(!never.contains(&"it snows") && !never.contains(&"an umbrella breaks"), "{never:?}");
}

/// To count is not to act: a run is the same with and without what it says of itself.
#[test]
fn counting_changes_no_hash() {
    let hash = |says: bool| {
        let report = run(|sim| {
            sim.client("host", move || async move {
                if says {
                    reachable!("a hash does not know of it");
                    always!(true, "nor of this");
                }
                sleep(Duration::from_secs(1)).await;
                Ok(())
            });
        });
        (report.hash, report.reached.count("a hash does not know of it"))
    };
    assert_eq!(hash(false).0, hash(true).0);
    assert_eq!((hash(false).1, hash(true).1), (0, 1));
}

/// The linker lists what nobody ever calls, in this program and in the libraries that it is made of.
#[test]
fn the_catalogue_has_what_never_runs() {
    fn nobody_calls_this<T>(value: T) -> T {
        twinloop::unreachable!("in a function of any type");
        value
    }
    let _ = nobody_calls_this::<u8>;
    let item = |name: &str| items().iter().find(|item| item.name() == name);
    let here = item("in a function of any type").expect("the linker lists it");
    assert_eq!(here.kind(), Kind::Unreachable);
    assert!(here.places()[0].file().ends_with("assertions.rs"));
    assert!(
        item("kv: a retry gets the first answer again").is_some(),
        "assertions of a library are listed too"
    );
}

/// Shards note what they reached; together they say what none of them did.
#[test]
fn shards_carry_their_counts_and_merge_adds_them_up() {
    let folder = std::env::temp_dir().join(format!("twinloop-assertions-{}", std::process::id()));
    let out = folder.to_str().expect("a temporary folder has a plain name");
    let cli = || Cli::new("weather", "a program").scenario(eventful());
    for shard in ["1/2", "2/2"] {
        let explore = ["explore", "eventful", "--seeds", "0..200", "--shard", shard, "--out", out];
        assert_eq!(cli().run(explore), Exit::Passed);
    }
    let ledger = |seeds: &str| {
        let path = folder.join(format!("eventful-{seeds}.jsonl"));
        fs::read_to_string(path).expect("a shard leaves its ledger")
    };
    let whole = Campaign::new(0..200).explore(&eventful()).reached;
    let counts = ["0-100", "100-200"].map(|seeds| {
        let text = ledger(seeds);
        let listed = "{\"kind\":\"sometimes\",\"name\":\"it rains frogs\",\"place\":\"sim/assertions.rs:";
        assert!(text.lines().nth(1).is_some_and(|line| line.contains(listed)), "{text}");
        let count = text.split("\"sometimes: it snows\":").nth(1).expect("it snows in either half");
        let digits: String = count.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().expect("a count")
    });
    assert_eq!(counts.iter().sum::<u64>(), whole.count("it snows"));

    // An interruption may come between a ledger's head and its catalogue.
    let head = ledger("0-100").lines().next().map(|line| format!("{line}\n")).expect("a head");
    let whole_ledger = ledger("0-100");
    fs::write(folder.join("eventful-0-100.jsonl"), head).expect("the ledger is cut off");
    let again = ["explore", "eventful", "--seeds", "0..200", "--shard", "1/2", "--out", out];
    assert_eq!(cli().run(again), Exit::Passed);
    assert_eq!(ledger("0-100"), whole_ledger);

    assert_eq!(cli().run(["merge", out]), Exit::Passed);
    assert_eq!(cli().run(["merge", out, "--reached"]), Exit::FailuresFound, "it never rained frogs");
    let page = fs::read_to_string(folder.join("summary.html")).expect("merge writes a page");
    let snow =
        format!("<td class=\"number\">{}</td><td>sometimes</td><td>it snows</td>", whole.count("it snows"));
    assert!(page.contains(&snow), "{page}");
    let frogs = "<td class=\"number bad\">never true</td><td>sometimes</td><td>it rains frogs</td><td><code>sim/assertions.rs:";
    assert!(page.contains(frogs), "{page}");
    fs::remove_dir_all(&folder).expect("the folder is ours");
}

/// A suite that passes without ever getting to what is rare proves little.
#[test]
fn what_has_to_be_reached_and_is_not_is_a_failure_if_asked_for() {
    let explore = |more: &[&str]| {
        let cli = Cli::new("weather", "a program").scenario(eventful());
        cli.run([&["explore", "eventful", "--seeds", "0..50"], more].concat())
    };
    assert_eq!(explore(&[]), Exit::Passed);
    assert_eq!(explore(&["--reached"]), Exit::FailuresFound);
    Test::new("docs::snow").reaches(&["it snows", "a rainy day"]).scenario(&eventful());
}

#[test]
#[should_panic(expected = "docs::frogs: none of 64 seeds came to \"it rains frogs\"")]
fn a_test_fails_that_does_not_get_to_what_it_is_about() {
    Test::new("docs::frogs").reaches(&["it snows", "it rains frogs"]).scenario(&eventful());
}

#[test]
#[should_panic(
    expected = "docs::fog: none of 64 seeds came to \"fog\": no macro of this program has these words"
)]
fn what_a_test_has_to_reach_is_looked_up_in_the_catalogue() {
    Test::new("docs::fog").reaches(&["fog"]).scenario(&eventful());
}

/// Outside of a simulation an assertion is one of a debug build, and the others are nothing.
#[test]
fn on_the_real_driver_always_is_a_debug_assertion() {
    twinloop_real::run(async {
        sometimes!(true, "on the real driver");
        reachable!("on the real driver");
        always!(true, "what holds holds everywhere");
        let failed = spawn(async { always!(false, "but this does not", "see {}", 7) }).await;
        let expected =
            cfg!(debug_assertions).then_some("the task panicked: always: but this does not: see 7");
        assert_eq!(failed.err().map(|error| error.to_string()).as_deref(), expected);
    })
    .expect("the real driver runs");
}
