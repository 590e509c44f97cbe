//! A story in the trace event format, as JSON for ui.perfetto.dev and chrome://tracing. It knows no other format.
//!
//! A host is a process; each of its dispatchers is a thread, and so is its kernel, where messages arrive and faults
//! strike. Nothing takes time in a simulation, and a slice without a length shows neither its order nor an arrow:
//! each gets a nanosecond, and begins at the end of the one before it on its thread if both happen at one moment.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::focus::host_of;
use super::{Line, LineKind, Story};

/// How long a slice is, in nanoseconds.
const LENGTH_NS: u64 = 1;

pub(super) fn export(story: &Story) -> String {
    let tracks = Tracks::of(story);
    let mut events = tracks.names();
    let mut ends: BTreeMap<Track, u64> = BTreeMap::new();
    let mut slices: BTreeMap<usize, (Track, u64)> = BTreeMap::new();
    let mut arrows = 0;
    for line in &story.lines {
        let track = tracks.track(line);
        let end = ends.entry(track).or_default();
        // An arrow leads forward: behind its causes, which may have been moved on their own threads.
        let after = line.causes.iter().filter_map(|cause| slices.get(cause)).map(|(_, ns)| *ns);
        let begin_ns = after.chain([line.at.as_nanos(), *end]).max().expect("there are two at least");
        *end = begin_ns + LENGTH_NS;
        events.push(slice(line, track, begin_ns));
        for cause in &line.causes {
            if let Some(&(from, from_ns)) = slices.get(cause).filter(|(from, _)| *from != track) {
                events.extend(arrow(arrows, (from, from_ns), (track, begin_ns)));
                arrows += 1;
            }
        }
        slices.insert(line.number, (track, begin_ns));
    }
    json!({ "displayTimeUnit": "ns", "traceEvents": events }).to_string()
}

/// A process and a thread of it.
type Track = (u64, u64);

fn slice(line: &Line, (process, thread): Track, begin_ns: u64) -> Value {
    let mark = match line.kind {
        LineKind::Fault => "⚡ ",
        LineKind::Failure => "✗ ",
        _ => "",
    };
    let picks: Vec<String> = line.picks.iter().map(ToString::to_string).collect();
    let mut event = json!({
        "ph": "X", "pid": process, "tid": thread, "ts": micros(begin_ns), "dur": micros(LENGTH_NS),
        "name": format!("{mark}{}", line.told()), "cat": line.kind.name(),
        "args": { "line": line.number, "due to": line.causes, "at": line.at.to_string(), "picks": picks },
    });
    if matches!(line.kind, LineKind::Fault | LineKind::Failure) {
        event["cname"] = json!("terrible");
    }
    event
}

/// From inside of one slice into another one.
fn arrow(id: u64, from: (Track, u64), to: (Track, u64)) -> [Value; 2] {
    let end = |phase, ((process, thread), ns): (Track, u64)| {
        json!({
            "ph": phase, "id": id, "pid": process, "tid": thread, "ts": micros(ns), "name": "leads to", "cat": "cause",
        })
    };
    let mut arrival = end("f", to);
    // It ends in the slice that is there, and not in the next one.
    arrival["bp"] = json!("e");
    [end("s", from), arrival]
}

/// The format counts in microseconds, of which there may be parts.
fn micros(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

/// Which process and thread each line belongs to, by numbers from 1: Perfetto takes 0 for the machine's own idle
/// thread. No two threads have one number, as on a machine.
struct Tracks<'a> {
    processes: BTreeMap<&'a str, u64>,
    threads: BTreeMap<Lane<'a>, u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane<'a> {
    Kernel(&'a str),
    Thread(&'a str),
}

impl<'a> Lane<'a> {
    /// Messages arrive at a host's kernel, and faults strike it.
    fn of(line: &'a Line) -> Lane<'a> {
        match line.kind {
            LineKind::Message | LineKind::Fault => Lane::Kernel(line.host_name()),
            _ => Lane::Thread(&line.host),
        }
    }
}

impl<'a> Tracks<'a> {
    fn of(story: &'a Story) -> Tracks<'a> {
        let mut tracks = Tracks { processes: BTreeMap::new(), threads: BTreeMap::new() };
        for line in &story.lines {
            let next = tracks.processes.len() as u64 + 1;
            tracks.processes.entry(line.host_name()).or_insert(next);
            let next = tracks.threads.len() as u64 + 1;
            tracks.threads.entry(Lane::of(line)).or_insert(next);
        }
        tracks
    }

    fn track(&self, line: &Line) -> Track {
        (self.processes[line.host_name()], self.threads[&Lane::of(line)])
    }

    fn names(&self) -> Vec<Value> {
        let or_world = |name: &'a str| if name.is_empty() { "world" } else { name };
        let named = |kind: &str, track: Track, name: &str| json!({ "ph": "M", "name": kind, "pid": track.0, "tid": track.1, "args": { "name": name } });
        let threads = self.threads.iter().map(|(lane, number)| {
            let (host, name) = match lane {
                Lane::Kernel(host) => (*host, "kernel"),
                Lane::Thread(thread) => (host_of(thread), or_world(thread)),
            };
            named("thread_name", (self.processes[host], *number), name)
        });
        let processes = self.processes.iter();
        let processes = processes.map(|(host, number)| named("process_name", (*number, 0), or_world(host)));
        processes.chain(threads).collect()
    }
}
