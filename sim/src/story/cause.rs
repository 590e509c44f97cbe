//! What leads to what, while a story is told: from a callback to what it sends, from a packet's arrival to the event
//! that it raises, and from there to the callback that it wakes.
//!
//! It knows lines by their numbers and not by what they say. A silent run has none of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Weak};

use twinloop::driver::Fd;
use twinloop::observe::{Progress, Reason};

use crate::driver::Wake;
use crate::fabric::HostIndex;
use crate::kernel::ThreadIndex;
use crate::story::{Line, LineKind};

/// How many causes are kept of one thing, the latest: in a run without callbacks as lines, one that waits for many
/// would otherwise collect ever more.
const CAUSES_MAX: usize = 8;

/// Names what had led to something that was put off: a packet, a restart, the end of a cut. 0 names nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp(u32);

/// What a failure is due to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// What is done now.
    Now,
    /// All that has happened: the last thing on each host.
    Everything,
}

/// Numbers of lines, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Causes(Vec<usize>);

impl Causes {
    pub(crate) fn of(line: usize) -> Causes {
        Causes(vec![line])
    }

    pub(crate) fn join(&mut self, others: &Causes) {
        for line in &others.0 {
            if let Err(at) = self.0.binary_search(line) {
                self.0.insert(at, *line);
            }
        }
        self.0.drain(..self.0.len().saturating_sub(CAUSES_MAX));
    }

    pub(crate) fn lines(&self) -> &[usize] {
        &self.0
    }
}

/// What has led to what is done now, and to all that was put off.
#[derive(Default)]
pub(crate) struct Trail {
    now: Causes,
    /// What is done now is done by a callback that has a line of its own: this one.
    callback: Option<usize>,
    stamps: Vec<Causes>,
    threads: BTreeMap<(HostIndex, ThreadIndex), Thread>,
    /// What has raised the edges that nobody was woken by.
    edges: BTreeMap<(HostIndex, Fd), Causes>,
    /// What had last to do with a direction of a connection: what a kernel sends again is sent because of that.
    flows: BTreeMap<(SocketAddr, SocketAddr), Causes>,
    /// What has come over a connection last, by its receiver's address and its sender's.
    arrivals: BTreeMap<(SocketAddr, SocketAddr), Causes>,
    /// How many unusual picks there were when something was begun that may draw more of them.
    drawn: usize,
    /// Which of them a line tells of.
    picks: Vec<(usize, Range<usize>)>,
}

/// What has led to all that is pending at one dispatcher.
#[derive(Default)]
struct Thread {
    /// To its beginning.
    origin: Causes,
    /// To each queued callback.
    queue: VecDeque<Causes>,
    /// To each timer, by its number.
    timers: BTreeMap<u64, Causes>,
    timers_seen: u64,
    /// To its last callback.
    last: Causes,
    /// To the wakes from other threads that it has not noticed.
    woken: Causes,
    wake: Weak<Wake>,
    wakes_seen: usize,
}

impl Trail {
    // ---- what is under way ----

    /// Something begins by itself. `drawn`: how many picks were unusual so far.
    pub(crate) fn begin(&mut self, drawn: usize) {
        self.now = Causes::default();
        self.callback = None;
        self.drawn = drawn;
    }

    /// Something that was put off is done now.
    pub(crate) fn resume(&mut self, stamp: Stamp, drawn: usize) {
        self.begin(drawn);
        self.merge(stamp);
    }

    /// What had led to this has led to what is done now too.
    pub(crate) fn merge(&mut self, stamp: Stamp) {
        if let Some(at) = (stamp.0 as usize).checked_sub(1) {
            self.now.join(&self.stamps[at]);
        }
    }

    /// Names what has led to what is done now.
    pub(crate) fn stamp(&mut self) -> Stamp {
        if self.now.0.is_empty() {
            return Stamp::default();
        }
        if self.stamps.last() != Some(&self.now) {
            self.stamps.push(self.now.clone());
        }
        Stamp(u32::try_from(self.stamps.len()).expect("a story has fewer than 2³² lines"))
    }

    /// A line is told of what is done now: it has these causes, and what follows is due to it.
    pub(crate) fn lead_to(&mut self, line: usize) -> Causes {
        std::mem::replace(&mut self.now, Causes::of(line))
    }

    /// The run has failed after these lines.
    ///
    /// Besides, it is due to every fault that has led to nothing: what is waited for in vain may be what was lost.
    pub(crate) fn blame(&mut self, blame: Blame, lines: &[Line]) {
        let caused: BTreeSet<usize> = lines.iter().flat_map(|line| &line.causes).copied().collect();
        let is_end = |line: &&Line| line.kind == LineKind::Fault && !caused.contains(&line.number);
        let mut all: BTreeSet<usize> = lines.iter().filter(is_end).map(|line| line.number).collect();
        match blame {
            Blame::Now => all.extend(&self.now.0),
            Blame::Everything => {
                let last_of: BTreeMap<&str, usize> =
                    lines.iter().map(|line| (line.host.as_str(), line.number)).collect();
                all.extend(last_of.into_values());
            }
        }
        self.now = Causes(all.into_iter().collect());
    }

    pub(crate) fn now(&self) -> &Causes {
        &self.now
    }

    /// Takes back what was said since `now` gave `causes`: what follows is not due to it.
    pub(crate) fn restore(&mut self, causes: Causes) {
        self.now = causes;
    }

    // ---- chance ----

    /// The line tells of what was drawn since, if anything was.
    pub(crate) fn claim_picks(&mut self, line: usize, drawn: usize) {
        let since = std::mem::replace(&mut self.drawn, drawn);
        if since < drawn {
            self.picks.push((line, since..drawn));
        }
    }

    /// Which unusual picks which line tells of.
    pub(crate) fn into_picks(self) -> Vec<(usize, Range<usize>)> {
        self.picks
    }

    // ---- packets and events ----

    /// A kernel sends something. What it sends by itself is due to what became of the same direction before. What is
    /// drawn from now on is drawn for it; `drawn`: how many picks were unusual before.
    pub(crate) fn send(&mut self, source: SocketAddr, destination: SocketAddr, drawn: usize) {
        self.drawn = drawn;
        if self.now.0.is_empty() {
            self.now = self.flows.get(&(source, destination)).cloned().unwrap_or_default();
        }
    }

    /// What was just done belongs to this direction of a connection.
    pub(crate) fn note_flow(&mut self, source: SocketAddr, destination: SocketAddr) {
        self.flows.insert((source, destination), self.now.clone());
    }

    /// Something has come over a connection.
    pub(crate) fn note_arrival(&mut self, source: SocketAddr, destination: SocketAddr) {
        self.arrivals.insert((destination, source), self.now.clone());
    }

    /// A descriptor is given to a connection that was there before it: what has come over it had no edge to raise.
    pub(crate) fn accepted(&mut self, host: HostIndex, fd: Fd, local: SocketAddr, remote: SocketAddr) {
        if let Some(arrived) = self.arrivals.get(&(local, remote)) {
            self.edges.entry((host, fd)).or_default().join(arrived);
        }
    }

    /// What is done now has raised an edge.
    pub(crate) fn raised(&mut self, host: HostIndex, fd: Fd) {
        self.edges.entry((host, fd)).or_default().join(&self.now);
    }

    /// Names what has raised an edge that is told later.
    pub(crate) fn edge(&mut self, host: HostIndex, fd: Fd) -> Stamp {
        let raised = self.edges.get(&(host, fd)).cloned().unwrap_or_default();
        let now = std::mem::replace(&mut self.now, raised);
        let stamp = self.stamp();
        self.now = now;
        stamp
    }

    /// The callback that runs looks at a descriptor: what has come to it has led to what it does. Gives the line of
    /// the callback, if it has one, and what has come.
    pub(crate) fn hear(&mut self, host: HostIndex, fd: Fd) -> Option<(usize, Causes)> {
        let heard = self.edges.remove(&(host, fd))?;
        let Some(line) = self.callback else {
            self.now.join(&heard);
            return None;
        };
        Some((line, heard))
    }

    // ---- dispatchers ----

    pub(crate) fn open_thread(&mut self, host: HostIndex, index: ThreadIndex, wake: &Arc<Wake>) {
        let thread = Thread { origin: self.now.clone(), wake: Arc::downgrade(wake), ..Thread::default() };
        self.threads.insert((host, index), thread);
    }

    pub(crate) fn callback_begins(&mut self, host: HostIndex, index: ThreadIndex) {
        self.now = self.thread(host, index).queue.pop_front().unwrap_or_default();
        self.callback = None;
    }

    /// The callback that begins has a line of its own.
    pub(crate) fn callback_is(&mut self, line: usize) {
        self.callback = Some(line);
    }

    /// A dispatcher tells how far it has come, and why.
    pub(crate) fn progress(
        &mut self,
        host: HostIndex,
        index: ThreadIndex,
        progress: Progress,
        reason: Reason,
    ) {
        if reason == Reason::Callback {
            self.note_wakes();
            let now = self.now.clone();
            self.thread(host, index).last = now;
        }
        let is_longer = self.thread(host, index).queue.len() < progress.queued;
        let why = match reason {
            Reason::Callback => self.now.clone(),
            Reason::Event(fd) if is_longer => self.edges.remove(&(host, fd)).unwrap_or_default(),
            _ => self.thread(host, index).take(reason),
        };
        let thread = self.thread(host, index);
        thread.queue.resize(progress.queued, why.clone());
        for number in thread.timers_seen..progress.timers {
            thread.timers.insert(number, why.clone());
        }
        thread.timers_seen = progress.timers;
    }

    /// Whom the callback that has ended has woken on other threads.
    fn note_wakes(&mut self) {
        for thread in self.threads.values_mut() {
            let wakes = thread.wake.upgrade().map_or(0, |wake| wake.count());
            if std::mem::replace(&mut thread.wakes_seen, wakes) < wakes {
                thread.woken.join(&self.now);
            }
        }
    }

    fn thread(&mut self, host: HostIndex, index: ThreadIndex) -> &mut Thread {
        self.threads.get_mut(&(host, index)).expect("a thread is opened before it runs anything")
    }
}

impl Thread {
    fn take(&mut self, reason: Reason) -> Causes {
        match reason {
            Reason::Timer(number) => self.timers.remove(&number).unwrap_or_default(),
            Reason::Message => std::mem::take(&mut self.woken),
            Reason::Outside => self.origin.clone(),
            _ => self.last.clone(),
        }
    }
}
