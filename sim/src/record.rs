//! What happened in a run: its hash always, its story where it was asked for. It decides nothing.
//!
//! The hash takes in callbacks, packets and faults with their virtual times and hosts. Places in the source stay out of
//! it, so that an edit that moves lines changes no hash.

use twinloop::Moment;
use twinloop::driver::Fd;
use twinloop::observe::{ObservedCallback, Place};
use xxhash_rust::xxh3::Xxh3;

use crate::choice::Pick;
use crate::coverage::{Coverage, Feature};
use crate::determinism::trail;
use crate::kernel::ThreadIndex;
use crate::story::{Blame, Line, LineKind, Passage, Stamp, Story, Telling, Trail};
use crate::verdict::{Verdict, one_line};

/// Items are gathered into pages: the hash function is fast on long inputs only.
const PAGE: usize = 4096;

pub(crate) struct Record {
    hash: Xxh3,
    page: Vec<u8>,
    telling: Telling,
    story: Story,
    coverage: Option<Box<Coverage>>,
    /// Where a story is told: why each of its lines is there.
    trail: Option<Box<Trail>>,
    is_watched: bool,
    pub(crate) callbacks: u64,
}

impl Record {
    pub(crate) fn new(telling: Telling) -> Record {
        Record {
            hash: Xxh3::new(),
            page: Vec::with_capacity(PAGE + 64),
            telling,
            story: Story::default(),
            coverage: (telling == Telling::Probed).then(|| Box::new(Coverage::new())),
            trail: matches!(telling, Telling::Events | Telling::Everything).then(Box::default),
            is_watched: trail::is_watched(),
            callbacks: 0,
        }
    }

    /// Takes an item into the hash: what happened, when, at which host, and a few numbers about it.
    pub(crate) fn item(&mut self, kind: u8, at: Moment, host: usize, numbers: &[u64]) {
        if self.is_watched && kind >= item::FIRST {
            trail::see(|trail| trail.item(kind, at, host, numbers));
        }
        if let Some(coverage) = &mut self.coverage {
            coverage.happened(kind, host);
        }
        self.page.push(kind);
        self.page.extend_from_slice(&(host as u16).to_le_bytes());
        self.page.extend_from_slice(&at.as_nanos().to_le_bytes());
        for number in numbers {
            self.page.extend_from_slice(&number.to_le_bytes());
        }
        self.turn_page();
    }

    /// Takes bytes into the hash that belong to the item before.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.is_watched {
            trail::see(|trail| trail.bytes(bytes));
        }
        self.page.extend_from_slice(bytes);
        self.turn_page();
    }

    fn turn_page(&mut self) {
        if self.page.len() >= PAGE {
            self.hash.update(&self.page);
            self.page.clear();
        }
    }

    /// `name` is that of the host and the thread.
    pub(crate) fn callback(
        &mut self,
        now: Moment,
        host: usize,
        thread: ThreadIndex,
        name: &str,
        callback: &ObservedCallback,
    ) {
        self.callbacks += 1;
        if self.is_watched {
            trail::see(|trail| trail.callback(now, name, callback));
        }
        // The first thread is not named: most hosts have no other.
        let further = [thread as u64];
        let numbers = if thread == 0 { &[] } else { &further[..] };
        self.item(callback.kind as u8, now, host, numbers);
        if let Some(coverage) = &mut self.coverage {
            coverage.ran(host, callback.place);
        }
        let Some(trail) = &mut self.trail else { return };
        trail.callback_begins(host, thread);
        if self.telling == Telling::Everything {
            let text = format!("{} {}", callback.kind.name(), Place(callback.place));
            let line = self.push(Line::new(now, name, LineKind::Callback, text));
            self.trail.as_mut().expect("it was seen above").callback_is(line);
        }
    }

    /// Whether the run is told or watched, so that lines have a listener.
    pub(crate) fn tells(&self) -> bool {
        self.trail.is_some() || self.is_watched
    }

    /// Whether the steps of the run are looked at: for what is no item of the record.
    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Where a story is told: what leads to what is done.
    #[inline]
    pub(crate) fn trail(&mut self) -> Option<&mut Trail> {
        self.trail.as_deref_mut()
    }

    /// Names what has led to what is done now, for what is put off.
    #[inline]
    pub(crate) fn stamp(&mut self) -> Stamp {
        self.trail().map_or_else(Stamp::default, Trail::stamp)
    }

    /// Adds a line to the story. `text` is asked only where a story is kept.
    pub(crate) fn tell(&mut self, at: Moment, host: &str, kind: LineKind, text: impl FnOnce() -> String) {
        if !self.tells() {
            return;
        }
        let text = text();
        if self.is_watched {
            trail::see(|trail| trail.told(at, host, kind, &text));
        }
        if self.trail.is_some() {
            self.push(Line::new(at, host, kind, text));
        }
    }

    /// What a program says of itself.
    pub(crate) fn note(&mut self, at: Moment, host: usize, name: &str, text: &str) {
        self.cover(host, text);
        self.tell(at, name, LineKind::Note, || text.to_owned());
    }

    /// Counts what a program says, or reaches, for who looks for what is new.
    pub(crate) fn cover(&mut self, host: usize, what: &str) {
        if let Some(coverage) = &mut self.coverage {
            coverage.said(host, what);
        }
    }

    pub(crate) fn is_probed(&self) -> bool {
        self.coverage.is_some()
    }

    /// What kinds of things happened, where that is looked at.
    pub(crate) fn features(&self) -> Vec<Feature> {
        self.coverage.as_ref().map(|coverage| coverage.features()).unwrap_or_default()
    }

    /// As [`Record::tell`], of a message.
    pub(crate) fn tell_passage(
        &mut self,
        at: Moment,
        host: &str,
        kind: LineKind,
        told: impl FnOnce() -> (Passage, String),
    ) {
        if self.tells() {
            let (passage, text) = told();
            self.push(Line { passage: Some(passage), ..Line::new(at, host, kind, text) });
        }
    }

    /// The line that was told last is due to what was drawn for it, if anything was. `drawn`: how many picks were unusual so
    /// far.
    pub(crate) fn claim_picks(&mut self, drawn: usize) {
        let line = self.story.lines.len();
        if let Some(trail) = self.trail() {
            trail.claim_picks(line, drawn);
        }
    }

    /// The run has failed.
    pub(crate) fn tell_failure(&mut self, at: Moment, verdict: &Verdict, blame: Blame) {
        if verdict.is_passed() {
            return;
        }
        let lines = self.story.lines.as_slice();
        let Some(trail) = self.trail.as_deref_mut() else { return };
        trail.blame(blame, lines);
        let subject = match verdict {
            Verdict::Failed { subject, .. } => subject,
            Verdict::Panicked { host, .. } => host,
            _ => "",
        };
        self.push(Line::new(at, subject, LineKind::Failure, one_line(&verdict.to_string())));
    }

    /// A callback of a host looks at a descriptor.
    pub(crate) fn hear(&mut self, host: usize, fd: Fd) {
        if let Some((line, heard)) = self.trail().and_then(|trail| trail.hear(host, fd)) {
            self.story.lines[line - 1].add_causes(heard.lines());
        }
    }

    /// Adds a line, which is due to what is done now. Gives its number.
    fn push(&mut self, mut line: Line) -> usize {
        line.number = self.story.lines.len() + 1;
        if let Some(trail) = self.trail() {
            line.add_causes(trail.lead_to(line.number).lines());
        }
        self.story.lines.push(line);
        self.story.lines.len()
    }

    /// `unusual`: all that was drawn.
    pub(crate) fn finish(mut self, unusual: &[Pick]) -> (u128, Option<Story>) {
        self.hash.update(&self.page);
        let Some(trail) = self.trail else { return (self.hash.digest128(), None) };
        for (line, picks) in trail.into_picks() {
            self.story.lines[line - 1].picks = unusual[picks].to_vec();
        }
        (self.hash.digest128(), Some(self.story))
    }
}

/// Kinds of items in the hash beside the kinds of callbacks, which are below 64.
pub(crate) mod item {
    pub(crate) const DELIVERED: u8 = 64;
    pub(crate) const LOST: u8 = 65;
    pub(crate) const RESET: u8 = 66;
    pub(crate) const CUT: u8 = 67;
    pub(crate) const HEALED: u8 = 68;
    pub(crate) const CRASHED: u8 = 69;
    pub(crate) const STARTED: u8 = 70;
    pub(crate) const SHORT: u8 = 71;
    pub(crate) const SPURIOUS: u8 = 72;
    pub(crate) const LATE: u8 = 73;
    pub(crate) const RESOLVED: u8 = 74;
    pub(crate) const NAMED: u8 = 75;
    pub(crate) const CHANGED: u8 = 76;
    pub(crate) const WRITTEN: u8 = 80;
    pub(crate) const KILLED: u8 = 96;
    pub(crate) const STOPPED: u8 = 97;
    pub(crate) const SIGNALLED: u8 = 98;
    pub(crate) const HALTED: u8 = 99;
    pub(crate) const RESUMED: u8 = 100;
    pub(crate) const CLOCK: u8 = 101;
    pub(crate) const FOREIGN: u8 = 102;
    pub(crate) const FILE: u8 = 112;
    pub(crate) const DISK_FAULT: u8 = 113;
    pub(crate) const DISK_LOSS: u8 = 114;
    pub(crate) const HELD: u8 = 120;
    pub(crate) const RELEASED: u8 = 121;
    pub(crate) const CLOGGED: u8 = 122;
    pub(crate) const UNCLOGGED: u8 = 123;
    pub(crate) const DUPLICATED: u8 = 124;
    pub(crate) const CORRUPTED: u8 = 125;
    pub(crate) const OVERTAKEN: u8 = 126;
    pub(crate) const REFUSED: u8 = 127;
    pub(crate) const UNREACHABLE: u8 = 128;
    pub(crate) const BENT: u8 = 129;
    pub(crate) const CALL_FAILED: u8 = 136;
    pub(crate) const INTERRUPTED: u8 = 137;
    pub(crate) const BUGGIFIED: u8 = 152;
    pub(crate) const VIOLATED: u8 = 153;
    pub(crate) const SWARM: u8 = 154;

    /// The first kind that is not one of callbacks.
    pub(crate) const FIRST: u8 = DELIVERED;

    /// The kind in words.
    pub(crate) fn name(kind: u8) -> &'static str {
        match kind {
            DELIVERED => "delivered",
            LOST => "lost",
            RESET => "reset",
            CUT => "link cut",
            HEALED => "link healed",
            CRASHED => "host crashed",
            STARTED => "host started",
            SHORT => "cut short",
            SPURIOUS => "spurious event",
            LATE => "late event",
            RESOLVED => "name answered",
            NAMED => "name changed",
            CHANGED => "faults changed",
            WRITTEN => "written",
            KILLED => "process killed",
            STOPPED => "process asked to stop",
            SIGNALLED => "signalled",
            HALTED => "halted",
            RESUMED => "resumed",
            CLOCK => "clock changed",
            FOREIGN => "foreign descriptors",
            FILE => "file operation",
            DISK_FAULT => "disk fault",
            DISK_LOSS => "unsynced writes lost",
            HELD => "held",
            RELEASED => "released",
            CLOGGED => "clogged",
            UNCLOGGED => "unclogged",
            DUPLICATED => "duplicated",
            CORRUPTED => "corrupted",
            OVERTAKEN => "overtaken",
            REFUSED => "refused",
            UNREACHABLE => "unreachable",
            BENT => "answer bent",
            CALL_FAILED => "call failed",
            INTERRUPTED => "poll interrupted",
            BUGGIFIED => "buggify",
            VIOLATED => "violated",
            SWARM => "faults drawn",
            _ => "event",
        }
    }
}

/// A descriptor as a number for the hash, the same on systems of any word size.
pub(crate) fn fd_number(fd: Fd) -> u64 {
    fd.key().index() as u64
}
