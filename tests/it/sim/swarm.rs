//! Each seed draws which kinds of faults are on: the draws, their bounds, and what they find.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::rc::Rc;

use twinloop::{Address, Moment, StreamServer, StreamTransport, TransportError, always, connect, now, spawn};
use twinloop_sim::choice::{Choices, Pick};
use twinloop_sim::shrink::{Limits, shrink};
use twinloop_sim::story::Telling;
use twinloop_sim::{Report, Sim, Swarm, Units, run_world};

use crate::tidy::sources;

/// Two hosts that do nothing, in a zone.
fn idle(sim: &mut Sim) {
    for host in ["a", "b"] {
        sim.client(host, || async { Ok(()) });
    }
    sim.zone("eu", &["a", "b"]);
}

fn run(seed: u64, change: impl FnOnce(&mut Swarm)) -> Report {
    run_world(&Choices::Seeded(seed), Telling::Events, |sim| {
        idle(sim);
        change(sim.swarm());
    })
}

/// The kinds that a run has turned on, as its picks say.
fn kinds_on(report: &Report) -> BTreeSet<&'static str> {
    let is_on = |kind: &&'static str| {
        let site = format!("swarm: {kind}");
        report.unusual.iter().any(|pick| pick.site == site)
    };
    Swarm::kinds().filter(is_on).collect()
}

#[test]
fn every_kind_is_on_in_some_seeds_and_off_in_others_whatever_the_others_are() {
    let runs: Vec<BTreeSet<&str>> = (0..200).map(|seed| kinds_on(&run(seed, |_| {}))).collect();
    for one in Swarm::kinds() {
        for other in Swarm::kinds().filter(|other| *other != one) {
            let seen: BTreeSet<(bool, bool)> =
                runs.iter().map(|on| (on.contains(one), on.contains(other))).collect();
            assert_eq!(seen.len(), 4, "{one} and {other} come in all four combinations, not in {seen:?}");
        }
    }
    let (few, many) = (runs.iter().filter(|on| on.len() < 15), runs.iter().filter(|on| on.len() > 45));
    assert!(few.count() > 25 && many.count() > 25, "some runs have few kinds, and some have most");
}

#[test]
fn the_story_begins_with_what_is_on_and_how_strong_it_is() {
    for seed in 0..20 {
        let report = run(seed, |swarm| _ = swarm.only(["link: loss", "host: crash", "link: latency"]));
        let on = kinds_on(&report);
        let story = report.story.as_ref().expect("a story was asked for");
        let told: Vec<&str> = story.lines.iter().take(on.len().max(1)).map(|line| &*line.text).collect();
        if on.is_empty() {
            assert_eq!(told, ["swarm: no kind of fault is on"]);
        }
        for kind in on {
            let line = told.iter().find_map(|line| line.strip_prefix(&*format!("swarm: {kind}, ")));
            let strength = line.expect("the first lines name it");
            let possible = match kind {
                "link: loss" => ["0.00625", "0.0125", "0.025", "0.05"],
                "host: crash" => ["0.000625", "0.00125", "0.0025", "0.005"],
                _ => ["6.25ms", "12.5ms", "25ms", "50ms"],
            };
            assert!(possible.contains(&strength), "{kind}: {strength}");
        }
    }
}

#[test]
fn the_same_seed_draws_the_same_and_its_picks_repeat_it() {
    let mut hashes = BTreeSet::new();
    for seed in 0..20 {
        let [first, second] = [(); 2].map(|()| run(seed, |_| {}));
        assert_eq!((first.hash, kinds_on(&first)), (second.hash, kinds_on(&second)));
        let picks = Choices::Replayed { seed, picks: first.unusual.clone() };
        let replayed = run_world(&picks, Telling::Silent, |sim| {
            idle(sim);
            sim.swarm();
        });
        assert_eq!((replayed.hash, replayed.stale.len()), (first.hash, 0));
        hashes.insert(first.hash);
    }
    assert_eq!(hashes.len(), 20, "what is on is part of a run's hash");
}

/// A shrinker leaves picks out. Without any, nothing is on, and the run differs from one without a swarm in nothing.
#[test]
fn without_its_picks_a_swarm_is_the_kind_world() {
    let nothing = Choices::Replayed { seed: 5, picks: Vec::new() };
    let swarm = run_world(&nothing, Telling::Silent, |sim| {
        idle(sim);
        sim.swarm();
    });
    let none = run_world(&nothing, Telling::Silent, idle);
    assert_eq!((swarm.hash, swarm.unusual), (none.hash, none.unusual));

    let first = (0..).map(|seed| run(seed, |_| {})).find(|report| kinds_on(report).len() > 30);
    let mut picks = first.expect("a seed with many").unusual;
    picks.retain(|Pick { site, .. }| site != "link: loss" && !site.starts_with("swarm: disk: "));
    let shrunk = run_world(&Choices::Replayed { seed: 0, picks }, Telling::Silent, |sim| {
        idle(sim);
        sim.swarm();
    });
    let on = kinds_on(&shrunk);
    assert!(on.len() > 15 && on.iter().all(|kind| !kind.starts_with("disk: ")), "{on:?}");
}

#[test]
fn what_is_excluded_is_never_on() {
    for seed in 0..50 {
        let without = run(seed, |swarm| _ = swarm.without(["disk", "link: loss"]));
        let on = kinds_on(&without);
        assert!(on.iter().all(|kind| !kind.starts_with("disk: ") && *kind != "link: loss"), "{on:?}");
        let only = run(seed, |swarm| _ = swarm.only(["zone", "buggify"]).without(["zone: crash"]));
        assert!(kinds_on(&only).iter().all(|kind| ["zone: isolate", "buggify"].contains(kind)));
    }
}

/// How long two clients wait for a connection to one server: one that is kept safe together with the server, and one
/// that is not.
fn waits(seed: u64, change: fn(&mut Swarm)) -> [u128; 2] {
    let waited = Rc::new(Cell::new([0; 2]));
    let report = run_world(&Choices::Seeded(seed), Telling::Silent, |sim| {
        let address = sim.host("server", 7, |address| async move {
            let server = StreamServer::listen(address)?;
            loop {
                server.accept().await?;
            }
        });
        for (index, host) in ["judge", "client"].into_iter().enumerate() {
            let waited = Rc::clone(&waited);
            sim.client(host, move || {
                let waited = Rc::clone(&waited);
                async move {
                    connect(address).await?;
                    let mut times = waited.get();
                    times[index] = (now() - Moment::ORIGIN).as_millis();
                    waited.set(times);
                    Ok(())
                }
            });
        }
        change(sim.swarm());
    });
    assert!(report.verdict.is_passed(), "{}", report.verdict);
    waited.get()
}

#[test]
fn strengths_have_bounds_and_safe_hosts_meet_none_of_it() {
    let drawn: BTreeSet<[u128; 2]> = (0..100)
        .map(|seed| {
            waits(seed, |swarm| {
                swarm.only(["link: latency"]).at_most("link: latency", 400.ms()).safe(["judge", "server"]);
            })
        })
        .collect();
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [[2, 2], [2, 100], [2, 200], [2, 400], [2, 800]]);
}

/// Descriptors are worse the fewer there are: `at_most` is how bad it may be.
#[test]
fn a_limit_is_strongest_where_it_is_lowest() {
    let limits: BTreeSet<String> = (0..100)
        .filter_map(|seed| {
            let report =
                run(seed, |swarm| _ = swarm.only(["host: descriptors"]).at_most("host: descriptors", 10));
            let story = report.story.expect("a story was asked for");
            story.lines[0].text.strip_prefix("swarm: host: descriptors, ").map(str::to_owned)
        })
        .collect();
    assert_eq!(limits.into_iter().collect::<Vec<_>>(), ["10", "20", "40", "80"]);
}

#[test]
#[should_panic(expected = "no kind of fault is called \"link: lost\"; there are link: latency, ")]
fn a_kind_that_is_not_there_is_refused() {
    run(1, |swarm| _ = swarm.without(["link: lost"]));
}

#[test]
#[should_panic(expected = "the strength of \"link: loss\" is something like 0.05, not 20ms")]
fn a_strength_of_another_sort_is_refused() {
    run(1, |swarm| _ = swarm.at_most("link: loss", 20.ms()));
}

/// What the hosts of a scenario are told by hand stays where nothing is drawn, and makes way where something is.
#[test]
fn a_kind_that_is_off_leaves_what_the_scenario_says() {
    let latency = |seed| {
        let report = run_world(&Choices::Seeded(seed), Telling::Silent, |sim| {
            let address = sim.host("server", 7, |address| async move {
                StreamServer::listen(address)?.accept().await?;
                Ok(())
            });
            sim.client("client", move || async move {
                connect(address).await?;
                Ok(())
            });
            sim.links().latency(7.ms());
            sim.swarm().only(["link: latency"]).at_most("link: latency", 80.ms());
        });
        (kinds_on(&report).len(), report.virtual_time.as_millis())
    };
    let seen: BTreeSet<(usize, u128)> = (0..100).map(latency).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(0, 14), (1, 20), (1, 40), (1, 80), (1, 160)]);
}

/// Settings that say how long a fault lasts, or what it does: no kinds of their own.
const PARAMETERS: &[&str] = &[
    "LinkFaults::cut_for",
    "LinkFaults::clog_for",
    "LinkFaults::queue",
    "HostFaults::late_by",
    "HostFaults::down_for",
    "HostFaults::stop_within",
    "HostFaults::pause_for",
    "HostFaults::wall_jump_by",
    "HostFaults::lookup_patience",
    "HostFaults::lookup_stale_for",
    "DiskFaults::slow_sync_for",
    "ZoneFaults::down_for",
    "ZoneFaults::isolate_for",
];

#[test]
fn a_swarm_knows_every_setting_of_every_fault() {
    let (_, kinds) = sources("sim/src/swarm")
        .into_iter()
        .find(|(file, _)| file.ends_with("kinds.rs"))
        .expect("the list of kinds");
    let families =
        [("link", "LinkFaults"), ("host", "HostFaults"), ("disk", "DiskFaults"), ("zone", "ZoneFaults")];
    let mut known = 0;
    for (file, text) in sources("sim/src/fault") {
        let of_file = families.iter().find(|(family, _)| file.contains(&format!("fault/{family}")));
        let Some((family, faults)) = of_file else { continue };
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("    pub fn ") else { continue };
            let Some((name, _)) = rest.split_once("(&mut self") else { continue };
            let path = format!("{faults}::{name}");
            let is_set =
                [format!("{path})"), format!("{family}.{name}(")].iter().any(|use_of| kinds.contains(use_of));
            let is_parameter = PARAMETERS.contains(&&*path);
            assert!(
                is_set != is_parameter,
                "{path} is a kind in sim/src/swarm/kinds.rs, or listed in PARAMETERS here"
            );
            known += 1;
        }
    }
    assert_eq!(
        known,
        Swarm::kinds().count() - 1 + PARAMETERS.len(),
        "each setting is one kind; buggify has none"
    );
}

/// The receiving side of one connection. The planted bug: after 64 messages its buffer has come round, and from then on
/// the parts of a message that came in two change places.
#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    messages: u32,
}

impl Inbox {
    /// The next message; `None` once the connection is gone.
    async fn next(&mut self, stream: &StreamTransport) -> Option<u32> {
        let mut buffer = [0; 64];
        while self.bytes.len() < 4 {
            let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            let at = if self.messages < 64 { self.bytes.len() } else { 0 };
            self.bytes.splice(at..at, buffer[..count].iter().copied());
        }
        self.messages += 1;
        let message = self.bytes.drain(..4).collect::<Vec<u8>>();
        Some(u32::from_le_bytes(message.try_into().expect("four bytes")))
    }
}

/// Asks for messages one after the other; after a failure, on another connection.
async fn ask_for_all(server: Address) {
    let mut asked = 0;
    for _attempt in 0..50 {
        let Ok(stream) = connect(server).await else { continue };
        let mut inbox = Inbox::default();
        while asked < 100 && stream.write(&u32::to_le_bytes(asked)).await.is_ok() {
            let Some(answer) = inbox.next(&stream).await else { break };
            always!(answer == asked, "answers come in order", "{answer} to {asked}");
            asked += 1;
        }
    }
}

fn with_planted_bug(sim: &mut Sim) {
    let address = sim.host("server", 7, |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            let stream = server.accept().await?;
            spawn(async move {
                let mut request = [0; 4];
                while stream.read_exactly(&mut request).await.is_ok() {
                    stream.write(&request).await?;
                }
                Ok::<_, TransportError>(())
            })
            .detach();
        }
    });
    sim.client("client", move || async move {
        ask_for_all(address).await;
        Ok(())
    });
}

/// Which of 100 seeds find the planted bug.
fn finders(faults: impl Fn(&mut Sim)) -> Vec<u64> {
    let finds = |seed: &u64| {
        let report = run_world(&Choices::Seeded(*seed), Telling::Silent, |sim| {
            with_planted_bug(sim);
            faults(sim);
        });
        assert!(
            ["passed", "violated: answers come in order: client"].contains(&&*report.verdict.signature()),
            "{}",
            report.verdict
        );
        !report.verdict.is_passed()
    };
    (0..100).filter(finds).collect()
}

/// A bug that needs short reads, and connections that live long enough: nothing may reset them.
#[test]
fn a_swarm_finds_what_everything_at_once_hides() {
    let everything = finders(|sim| {
        sim.links().latency(5.ms()).jitter(5.ms()).loss(0.01).reset(0.1).reorder(0.02, 20.ms());
        sim.faults().short_read(0.1).short_write(0.1).spurious(0.05).late_event(0.05).event_order(0.2);
    });
    assert_eq!(everything, [0; 0], "with all kinds on, no connection gets old");

    let swarm = finders(draw_the_same);
    assert!((5..50).contains(&swarm.len()), "{swarm:?}");
}

/// The kinds that are all on at once above.
fn draw_the_same(sim: &mut Sim) {
    let links = ["link: latency", "link: jitter", "link: loss", "link: reset", "link: reorder"];
    let hosts = ["short read", "short write", "spurious", "late event", "event order"];
    let hosts = hosts.map(|kind| format!("host: {kind}"));
    let kinds = links.into_iter().chain(hosts.iter().map(String::as_str));
    sim.swarm().only(kinds).at_most("link: reset", 0.8);
}

/// What is left of a failure says which kinds it needs: the switches come first, and one that is off draws nothing.
#[test]
fn a_shrunk_failure_names_the_kinds_that_matter() {
    let run = |choices: &Choices| {
        run_world(choices, Telling::Silent, |sim| {
            with_planted_bug(sim);
            draw_the_same(sim);
        })
    };
    let seed = *finders(draw_the_same).first().expect("some seed finds it");
    let failing = run(&Choices::Seeded(seed));
    let limits = Limits::runs(2000);
    let shrunk =
        shrink(&mut |choices| run(choices), &failing, seed, limits, &mut |_| ControlFlow::Continue(()));
    let picks: Vec<String> =
        shrunk.expect("a failure repeats").picks.iter().map(|pick| pick.site.clone()).collect();
    assert_eq!(picks[0], "swarm: host: short read");
    assert!(picks[1..].iter().all(|site| site == "client: short read"), "{picks:?}");
}
