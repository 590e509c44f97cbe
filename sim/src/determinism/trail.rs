//! What a watched run did, step by step, in bounded memory: a hash over all steps, and a window of them in words. It
//! judges nothing, and a run that nobody watches pays a branch for it.
//!
//! Steps are finer than the items of the record: a draw, a packet that is sent and a deadline come before whatever they
//! lead to, so they name the callback in which two runs part.

use std::cell::RefCell;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use twinloop::observe::{ObservedCallback, Place};
use twinloop::{Moment, NextWork};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Step, StepKind};
use crate::fabric::HostIndex;
use crate::kernel::Packet;
use crate::record::item;
use crate::story::LineKind;

/// How many steps a run keeps in words, if nothing else is said.
pub(super) const WINDOW: u64 = 1 << 16;
/// What a thread waits for that waits for nothing.
pub(super) const MORE_TO_DO: &str = "has more to do";
/// How many marks a trail has at most; then every second one is dropped.
const MARKS: usize = 1 << 18;

thread_local! {
    /// The trail of the run that this thread watches.
    static WATCHED: RefCell<Option<Trail>> = const { RefCell::new(None) };
}

/// Whether what runs on this thread is watched. Asked where parts of a world are made, and not in each step.
pub(crate) fn is_watched() -> bool {
    WATCHED.with_borrow(Option::is_some)
}

/// Shows the trail of this thread what happens.
#[cold]
pub(crate) fn see(look: impl FnOnce(&mut Trail)) {
    WATCHED.with_borrow_mut(|watched| watched.as_mut().map(look));
}

/// The steps that whoever watches this thread wants in words.
pub(crate) fn window() -> Option<Range<u64>> {
    WATCHED.with_borrow(|watched| watched.as_ref().map(|trail| trail.window.clone()))
}

/// The trail of this thread, for another one that goes on with it.
pub(crate) fn take() -> Option<Trail> {
    WATCHED.take()
}

/// This thread is watched from now on by the trail of another one, or no longer.
pub(crate) fn put(trail: Option<Trail>) {
    WATCHED.replace(trail);
}

/// Runs `run` and gives its trail, with the steps of `window` in words.
pub(crate) fn watch<T>(window: Range<u64>, run: impl FnOnce() -> T) -> (T, Trail) {
    /// A run that panics is watched no longer either.
    struct Unwatch;
    impl Drop for Unwatch {
        fn drop(&mut self) {
            WATCHED.take();
        }
    }
    let unwatch = Unwatch;
    WATCHED.replace(Some(Trail::new(window)));
    let answer = run();
    let mut trail = WATCHED.take().expect("it was put there above, and whoever takes it puts it back");
    drop(unwatch);
    trail.close();
    (answer, trail)
}

/// The steps of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Trail {
    /// The hash over every step so far.
    chain: u64,
    len: u64,
    /// `chain` after every `stride` steps.
    marks: Vec<u64>,
    stride: u64,
    window: Range<u64>,
    /// The steps of the window, each with `chain` after it.
    kept: Vec<(u64, Step)>,
    /// The latest step: bytes and words that belong to it may follow.
    open: Option<Step>,
    raw: Vec<u8>,
    hosts: Vec<String>,
    /// When and where draws are made: those of the latest step.
    #[serde(with = "crate::story::nanos")]
    at: Moment,
    host: String,
}

impl Trail {
    fn new(window: Range<u64>) -> Trail {
        Trail {
            chain: 0,
            len: 0,
            marks: Vec::new(),
            stride: 1,
            window,
            kept: Vec::new(),
            open: None,
            raw: Vec::new(),
            hosts: Vec::new(),
            at: Moment::ORIGIN,
            host: String::new(),
        }
    }

    /// A world of these hosts begins.
    pub(crate) fn begin(&mut self, hosts: &[String]) {
        self.hosts = hosts.to_vec();
    }

    /// An item of the record.
    pub(crate) fn item(&mut self, kind: u8, at: Moment, host: HostIndex, numbers: &[u64]) {
        let name = self.hosts.get(host).cloned().unwrap_or_default();
        self.open(StepKind::World, at, &name, || format!("{} {numbers:?}", item::name(kind)));
        self.raw.push(kind);
        for number in numbers {
            self.raw.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Bytes that belong to the step before.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        if !self.is_wordless() && !bytes.is_empty() {
            let text = &mut self.open.as_mut().expect("only a step has words").text;
            text.push_str(&format!(" {}", excerpt(bytes)));
        }
    }

    /// A line of the story. The words of an item, if it has just happened; otherwise a step of its own.
    pub(crate) fn told(&mut self, at: Moment, host: &str, kind: LineKind, text: &str) {
        let belongs = |step: &Step| step.kind == StepKind::World && step.at == at && step.host == host;
        if self.open.as_ref().is_none_or(|step| !belongs(step)) {
            self.open(StepKind::Told, at, host, || kind.name().to_owned());
        }
        self.raw.extend_from_slice(text.as_bytes());
        if !self.is_wordless() {
            let step = self.open.as_mut().expect("only a step has words");
            // Words say more than the numbers, and the bytes stay.
            let (head, rest) = step.text.split_once(" [").unwrap_or((&step.text, ""));
            let bytes = rest.split_once("] ").map_or(String::new(), |(_, bytes)| format!(" {bytes}"));
            step.text = format!("{head}: {text}{bytes}");
            step.kind = StepKind::Told;
        }
    }

    pub(crate) fn callback(&mut self, at: Moment, host: &str, callback: &ObservedCallback) {
        let place = Place(callback.place);
        self.open(StepKind::Callback, at, host, || format!("{} of {place}", callback.kind.name()));
        self.raw.extend_from_slice(callback.place.file().as_bytes());
        self.raw.extend_from_slice(&callback.place.line().to_le_bytes());
    }

    /// A packet goes out.
    pub(crate) fn sent(&mut self, at: Moment, host: HostIndex, packet: &Packet) {
        let name = self.hosts.get(host).cloned().unwrap_or_default();
        self.open(StepKind::Sent, at, &name, || {
            format!("sends to {}: {packet} {}", packet.destination, excerpt(packet.payload()))
        });
        self.raw.extend_from_slice(packet.destination.to_string().as_bytes());
        for number in packet.numbers() {
            self.raw.extend_from_slice(&number.to_le_bytes());
        }
        self.raw.extend_from_slice(packet.payload());
    }

    /// A draw of the oracle's; `n` is 0 where it gives bytes.
    pub(crate) fn draw(&mut self, site: &str, occurrence: u32, n: u32, value: u32) {
        let (at, host) = (self.at, std::mem::take(&mut self.host));
        self.open(StepKind::Draw, at, &host, || match n {
            0 => format!("asks {site:?} for {value} bytes"),
            _ => format!("draws {site:?} #{occurrence} = {value} of {n}"),
        });
        self.raw.extend_from_slice(site.as_bytes());
        for number in [occurrence, n, value] {
            self.raw.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// A thread of a host begins a turn.
    pub(crate) fn turn(&mut self, at: Moment, name: &str) {
        self.open(StepKind::Turn, at, name, || "turns".to_owned());
    }

    /// A thread's turn has ended, and this is what it waits for.
    pub(crate) fn waits(&mut self, at: Moment, name: &str, next: NextWork) {
        let (words, number) = match next {
            NextWork::Now => (MORE_TO_DO.to_owned(), 0),
            NextWork::At(deadline) => (format!("waits until {deadline}"), deadline.as_nanos()),
            NextWork::OnEvent => ("waits for events".to_owned(), 1),
        };
        self.open(StepKind::Deadline, at, name, || words);
        self.raw.extend_from_slice(&number.to_le_bytes());
    }

    /// A thread that the simulation does not know has woken one that it knows.
    pub(crate) fn intruded(&mut self, at: Moment, name: &str) {
        self.open(StepKind::Intruder, at, name, || "is woken by a thread of the system".to_owned());
    }

    fn open(&mut self, kind: StepKind, at: Moment, host: &str, words: impl FnOnce() -> String) {
        self.close();
        self.at = at;
        self.host.clear();
        self.host.push_str(host);
        let text = if self.window.contains(&self.len) { words() } else { String::new() };
        self.raw.push(kind as u8);
        self.raw.extend_from_slice(&at.as_nanos().to_le_bytes());
        self.raw.extend_from_slice(host.as_bytes());
        self.open = Some(Step { kind, at, host: host.to_owned(), text });
    }

    /// Whether the step that is open is outside of the window.
    fn is_wordless(&self) -> bool {
        self.open.is_none() || !self.window.contains(&self.len)
    }

    fn close(&mut self) {
        let Some(step) = self.open.take() else { return };
        self.chain = xxh3_64_with_seed(&self.raw, self.chain);
        self.raw.clear();
        if self.window.contains(&self.len) {
            self.kept.push((self.chain, step));
        }
        self.len += 1;
        if self.len % self.stride == 0 {
            self.marks.push(self.chain);
        }
        if self.marks.len() > MARKS {
            self.thin();
        }
    }

    /// Drops every second mark.
    fn thin(&mut self) {
        self.stride *= 2;
        let mut number = 0;
        self.marks.retain(|_| {
            number += 1;
            number % 2 == 0
        });
    }

    /// From which step on this trail and `other` may differ, as far as their marks can tell; `None` where they are the same.
    pub(super) fn parts_from(&mut self, other: &mut Trail) -> Option<u64> {
        if self.is_as(other) {
            return None;
        }
        while self.stride < other.stride {
            self.thin();
        }
        while other.stride < self.stride {
            other.thin();
        }
        let common = self.marks.iter().zip(&other.marks).take_while(|(mine, others)| mine == others).count();
        Some(common as u64 * self.stride)
    }

    /// The steps in words, and which of them is the first that `other` does not have; `None` if the window has none such.
    pub(super) fn first_unlike(&self, other: &Trail) -> Option<(u64, usize)> {
        assert_eq!(self.window, other.window, "two trails are compared in one window");
        let (mine, others) = (&self.kept, &other.kept);
        // What differed before the window has changed the hash of every step in it.
        if self.window.start > 0 && mine.first().map(|step| step.0) != others.first().map(|step| step.0) {
            return None;
        }
        let common = mine.iter().zip(others).take_while(|(mine, others)| mine.0 == others.0).count();
        let is_elsewhere = common == mine.len() && common == others.len();
        (!is_elsewhere).then_some((self.window.start + common as u64, common))
    }

    /// Whether both have the same steps.
    pub(super) fn is_as(&self, other: &Trail) -> bool {
        (self.chain, self.len) == (other.chain, other.len)
    }

    pub(super) fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> + Clone + ExactSizeIterator {
        self.kept.iter().map(|(_, step)| step)
    }
}

/// Bytes as text, as far as a line has room for them.
fn excerpt(bytes: &[u8]) -> String {
    const ROOM: usize = 48;
    if bytes.is_empty() {
        return String::new();
    }
    let shown = bytes[..bytes.len().min(ROOM)].escape_ascii();
    let rest = if bytes.len() > ROOM { "…" } else { "" };
    format!("\"{shown}\"{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The trail of a run of `steps` turns, of which one is at another time.
    fn trail(window: Range<u64>, steps: u64, odd: Option<u64>) -> Trail {
        let ((), trail) = watch(window, || {
            for step in 0..steps {
                let at = Moment::from_nanos(step * 10 + u64::from(odd == Some(step)));
                see(|trail| trail.turn(at, "host"));
            }
        });
        trail
    }

    #[test]
    fn equal_runs_have_equal_trails_and_nobody_is_watched_afterwards() {
        let (mut a, mut b) = (trail(0..WINDOW, 1000, None), trail(0..WINDOW, 1000, None));
        assert_eq!(a.parts_from(&mut b), None);
        assert!(a.is_as(&b) && a.first_unlike(&b).is_none() && !is_watched());
    }

    #[test]
    fn the_first_step_that_differs_is_found_to_the_step() {
        let (mut a, mut b) = (trail(0..WINDOW, 1000, None), trail(0..WINDOW, 1000, Some(777)));
        assert_eq!(a.parts_from(&mut b), Some(777));
        assert_eq!(a.first_unlike(&b), Some((777, 777)));
    }

    #[test]
    fn a_run_that_ends_earlier_parts_where_it_ends() {
        let (mut a, mut b) = (trail(0..WINDOW, 1000, None), trail(0..WINDOW, 900, None));
        assert_eq!(a.parts_from(&mut b), Some(900));
        assert_eq!(b.first_unlike(&a), Some((900, 900)));
        assert_eq!(b.steps().count(), 900);
    }

    /// In the first window both are the same; marks say where to look again.
    #[test]
    fn what_is_behind_the_window_is_found_in_the_next_one() {
        let steps = 4 * MARKS as u64;
        let odd = steps - 3;
        let (mut a, mut b) = (trail(0..WINDOW, steps, None), trail(0..WINDOW, steps, Some(odd)));
        assert_eq!(a.first_unlike(&b), None);
        let start = a.parts_from(&mut b).expect("they differ");
        assert!((odd - WINDOW / 2..=odd).contains(&start), "{start}");
        let window = start - 100..start - 100 + WINDOW;
        let (a, b) = (trail(window.clone(), steps, None), trail(window, steps, Some(odd)));
        assert_eq!(a.first_unlike(&b).map(|(step, _)| step), Some(odd));
        assert!(a.marks.len() <= MARKS && a.kept.len() as u64 <= WINDOW);
    }

    /// Trails that were thinned differently are compared all the same.
    #[test]
    fn a_long_and_a_short_run_are_compared() {
        let (mut long, mut short) = (trail(0..WINDOW, 3 * MARKS as u64, None), trail(0..WINDOW, 10, None));
        assert_eq!(long.parts_from(&mut short), Some(8));
    }

    #[test]
    fn long_bytes_are_cut() {
        assert_eq!(excerpt(b"a\n"), "\"a\\n\"");
        assert!(excerpt(&[b'x'; 100]).ends_with("x\"…"));
    }
}
