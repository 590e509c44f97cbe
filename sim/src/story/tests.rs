//! What other programs read is as they ask for: each format is checked by its own rules, on the story of a rough world.

use std::collections::BTreeMap;

use serde_json::Value;
use twinloop::{Address, StreamServer, TransportError, connect, sleep, spawn, timeout};

use super::*;
use crate::choice::Choices;
use crate::{Sim, Units, run_world};

fn rough(sim: &mut Sim) {
    sim.links().jitter(20.ms()).loss(0.1).reset(0.05);
    let address = sim.host("server", 7, |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            let stream = server.accept().await?;
            spawn(async move {
                let mut buffer = [0; 10];
                while stream.read(&mut buffer).await? > 0 {
                    stream.write(b"yes").await?;
                }
                Ok::<(), TransportError>(())
            })
            .detach();
        }
    });
    sim.host_faults("server").crash(0.02).down_for(10.ms()..100.ms());
    for name in ["a", "b"] {
        sim.client(name, move || async move {
            for _ in 0..5 {
                // Whether there is an answer is not what is looked at here.
                let _ = timeout(1.s(), ask(address)).await;
                sleep(10.ms()).await;
            }
            Err("; # end\nof \"story\"".into())
        });
    }
}

async fn ask(address: Address) -> Result<(), TransportError> {
    let stream = connect(address).await?;
    stream.write(b"well?").await?;
    stream.read(&mut [0; 10]).await?;
    Ok(())
}

fn story(seed: u64) -> Story {
    run_world(&Choices::Seeded(seed), Telling::Everything, rough).story.expect("a story was asked for")
}

#[test]
fn long_lines_are_clipped_at_a_character() {
    assert_eq!(clipped("größer", 6), "größer");
    assert_eq!(clipped("größer", 5), "grö…r");
    assert_eq!(clipped("to b: SYN WIN 65536: lost", 16), "to b: SYN … lost");
}

/// What ShiViz asks for: two lines for each event; a host's own clock counts its events from 1; and no clock has news
/// that its host cannot have: it never goes back, and knows of no event that was not before.
/// What a program notes may come from its peers: it moves no cursor, and it makes no line that the story does not have.
#[test]
fn a_line_stays_one_line_whatever_is_noted() {
    let wild = "one\r\n two\tthree \u{1b}[2Jfour\u{7} \u{202e}five\u{2028}six; ←";
    let mut line = Line::new(Moment::ORIGIN, "a\nb", LineKind::Note, wild);
    line.number = 1;
    let story = Story { lines: vec![line] };
    let plain = r"one / two\tthree \u{1b}[2Jfour\u{7} \u{202e}five / six; ←";
    assert_eq!(story.to_string(), format!(" 0.000000000s  a / b  note      {plain}\n"));
    assert_eq!(story.with_causes().to_string(), format!("1   0.000000000s  a / b  note      {plain}\n"));

    let shiviz = story.export(Export::Shiviz);
    assert!(shiviz.ends_with(&format!("a_/_b {{\"a_/_b\":1}}\n0.000000000s note: {plain}\n")), "{shiviz}");
    let mermaid = story.export(Export::Mermaid);
    assert_eq!(mermaid.lines().count(), 3, "{mermaid}");
    assert!(!mermaid.contains(|c: char| c.is_control() && c != '\n'), "{mermaid}");
}

#[test]
fn shiviz_finds_clocks_that_are_consistent() {
    for seed in 0..10 {
        let story = story(seed);
        let log = story.export(Export::Shiviz);
        let mut lines = log.lines();
        assert_eq!(lines.next(), Some(r"(?<host>\S+) (?<clock>\{.*\})\n(?<date>\S+) (?<event>.*)"));
        assert_eq!(lines.next(), Some(""), "there is one run in it");
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut last: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        let mut events = 0;
        while let (Some(first), Some(second)) = (lines.next(), lines.next()) {
            let (host, clock) = first.split_once(' ').expect("a host and its clock");
            let clock: BTreeMap<String, u64> = serde_json::from_str(clock).expect("a clock is JSON");
            let (at, event) = second.split_once(' ').expect("a time and what happens");
            assert!(at.ends_with('s') && !event.is_empty(), "{second}");
            let count = counts.entry(host.to_owned()).or_default();
            *count += 1;
            assert_eq!(clock[host], *count, "the own clock counts every event: {first}");
            for (other, known) in &clock {
                assert!(*known <= counts[other], "news from the future: {first}");
            }
            let before = last.insert(host.to_owned(), clock.clone()).unwrap_or_default();
            assert!(before.iter().all(|(other, known)| clock[other] >= *known), "forgotten: {first}");
            events += 1;
        }
        assert_eq!(events, story.lines.len());
        let server = &last["server"];
        assert!(server.contains_key("a") && server.contains_key("b"), "messages bring news: {server:?}");
    }
}

/// A message's arrival knows all that its sender knew.
#[test]
fn a_clock_knows_what_its_causes_knew() {
    let mut lines = [("a", vec![]), ("b", vec![]), ("b", vec![1]), ("c", vec![3]), ("a", vec![])]
        .map(|(host, causes)| Line { causes, ..Line::new(Moment::ORIGIN, host, LineKind::Note, "said") });
    for (line, number) in lines.iter_mut().zip(1..) {
        line.number = number;
    }
    let log = Story { lines: lines.into() }.export(Export::Shiviz);
    let clocks: Vec<&str> = log.lines().filter(|line| line.contains(" {")).collect();
    assert_eq!(
        clocks,
        [r#"a {"a":1}"#, r#"b {"b":1}"#, r#"b {"a":1,"b":2}"#, r#"c {"a":1,"b":2,"c":1}"#, r#"a {"a":2}"#]
    );
}

/// The trace event format: slices that follow each other on their thread, and arrows that have two ends, each in a
/// slice, the first before the second.
#[test]
fn perfetto_finds_threads_slices_and_arrows() {
    for seed in 0..10 {
        let story = story(seed);
        let trace: Value = serde_json::from_str(&story.export(Export::Perfetto)).expect("a trace is JSON");
        let events = trace["traceEvents"].as_array().expect("a list of events");
        let track = |event: &Value| (event["pid"].as_u64(), event["tid"].as_u64());
        let ts = |event: &Value| event["ts"].as_f64().expect("microseconds");
        let of = |phase: &str| events.iter().filter(move |event| event["ph"] == phase).collect::<Vec<_>>();
        let named: Vec<_> =
            of("M").into_iter().filter(|event| event["name"] == "thread_name").map(track).collect();

        let mut ends: BTreeMap<_, f64> = BTreeMap::new();
        let mut begins = BTreeMap::new();
        for slice in of("X") {
            assert!(named.contains(&track(slice)), "a thread without a name: {slice}");
            let end = ends.entry(track(slice)).or_insert(0.0);
            assert!(ts(slice) >= *end, "it begins before the one before it has ended: {slice}");
            *end = ts(slice);
            begins.insert((track(slice), ts(slice).to_bits()), slice);
        }
        assert_eq!(begins.len(), story.lines.len());

        let (starts, finishes) = (of("s"), of("f"));
        assert!(starts.len() > 20 && starts.len() == finishes.len());
        for (number, (start, finish)) in starts.into_iter().zip(finishes).enumerate() {
            assert_eq!((start["id"].as_u64(), &start["id"]), (Some(number as u64), &finish["id"]));
            assert!(ts(start) <= ts(finish) && track(start) != track(finish));
            let [from, to] = [start, finish].map(|end| begins[&(track(end), ts(end).to_bits())]);
            let causes = to["args"]["due to"].as_array().expect("a list of lines");
            assert!(causes.contains(&from["args"]["line"]), "{from} does not lead to {to}");
        }
        let marked = of("X").into_iter().filter(|slice| slice["cname"] == "terrible").count();
        let told = story.lines.iter().filter(|line| matches!(line.kind, LineKind::Fault | LineKind::Failure));
        assert_eq!(marked, told.count());
    }
}

/// A diagram has its hosts, arrows for messages, crosses for what is lost, and notes; in words that mermaid takes for
/// text.
#[test]
fn mermaid_finds_arrows_crosses_and_notes() {
    let diagram = story(1).export(Export::Mermaid);
    let mut lines = diagram.lines();
    assert_eq!(lines.next(), Some("sequenceDiagram"));
    let of = |begin: &str| diagram.lines().filter(|line| line.trim_start().starts_with(begin)).count();
    assert_eq!(of("participant "), 3);
    assert!(of("h0->>h1: ") + of("h1->>h0: ") > 5, "{diagram}");
    assert!(diagram.lines().any(|line| line.contains("-xh") && line.ends_with(": lost")), "{diagram}");
    let statements = ["participant ", "Note over ", "h0", "h1", "h2"];
    for line in lines {
        assert!(statements.iter().any(|begin| line.trim_start().starts_with(begin)), "{line}");
        let said = line.split_once(": ").map_or("", |(_, said)| said);
        let entities = ["#59;", "#35;", "#lt;", "#gt;"];
        let plain = entities.iter().fold(said.to_owned(), |text, entity| text.replace(entity, ""));
        assert!(!plain.contains([';', '#', '<', '>']), "{line}");
    }
    assert!(diagram.contains("#59; #35; end / of \"story\""), "{diagram}");
}

/// A long story is cut, and both the diagram and the command line can say so.
#[test]
fn a_long_diagram_is_cut_and_says_so() {
    let line = |number| Line { number, ..Line::new(Moment::ORIGIN, "a", LineKind::Note, "said") };
    let story = Story { lines: (1..=MERMAID_LINES_MAX + 5).map(line).collect() };
    let diagram = story.export(Export::Mermaid);
    assert_eq!(diagram.lines().count(), 2 + 1 + MERMAID_LINES_MAX);
    assert!(diagram.contains("    Note over h0: 5 lines before are left out\n"), "{diagram}");
    assert_eq!(story.left_out(Export::Mermaid), 5);
    assert_eq!(Story::default().export(Export::Mermaid), "sequenceDiagram\n    participant h0 as world\n");
}

/// A line that stands for others has their causes, and none that is behind another one.
#[test]
fn what_is_left_out_leaves_its_causes() {
    let line = |number, kind, causes: &[usize]| Line {
        number,
        causes: causes.to_vec(),
        ..Line::new(Moment::ORIGIN, "a", kind, "said")
    };
    let story = Story {
        lines: vec![
            line(1, LineKind::Note, &[]),
            line(2, LineKind::Callback, &[1]),
            line(3, LineKind::Fault, &[2]),
            line(4, LineKind::Callback, &[2, 3]),
            line(5, LineKind::Note, &[4]),
        ],
    };
    let kept = story.keep(|line| line.kind != LineKind::Callback);
    let causes: Vec<_> = kept.lines.iter().map(|line| (line.number, line.causes.clone())).collect();
    assert_eq!(causes, [(1, vec![]), (3, vec![1]), (5, vec![3])]);
}

/// The heart of a long story: the faults and what they led to at once, and neither its beginning nor its end.
#[test]
fn the_heart_of_a_story_is_near_its_faults() {
    let note = |number: usize| Line {
        number,
        causes: if number == 1 { vec![] } else { vec![number - 1] },
        ..Line::new(Moment::ORIGIN, "a", LineKind::Note, "said")
    };
    let mut lines: Vec<Line> = (1..50).map(note).collect();
    lines[19].kind = LineKind::Fault;
    let mut failure = note(50);
    (failure.kind, failure.host) = (LineKind::Failure, "check".to_owned());
    lines.push(failure);
    let heart = |lines: &[Line], count| -> Vec<usize> {
        Story { lines: lines.to_vec() }.heart(count).lines.iter().map(|line| line.number).collect()
    };
    assert_eq!(heart(&lines, 10), [20, 21, 22, 23]);
    assert_eq!(heart(&lines, 2), [20, 21]);
    assert_eq!(heart(&lines, 100), (20..50).collect::<Vec<_>>());
    // A program that fails does so for what came last.
    lines[49].host = "a".to_owned();
    assert_eq!(heart(&lines, 10), [20, 21, 22, 23, 47, 48, 49, 50]);
    // Without a fault, only that is left.
    lines[19].kind = LineKind::Note;
    assert_eq!(heart(&lines, 3), [48, 49, 50]);
}
