//! The readiness latch: edges in, level semantics out; one reader and one writer a source. Makes no driver call.
//!
//! A driver tells each change once. The latch remembers it until an operation of that direction found nothing more, and
//! for as long as it is set, the direction's callback is due once a turn (R70).
//!
//! With a foreign source the program makes its own system calls, so nobody sees what they find. Its latch lasts for one
//! call of the callback; then the source is stale, and the kernel is asked anew before the next wait.

use std::collections::VecDeque;
use std::panic::Location;

use crate::callback::{AsyncCallback, CallbackKind};
use crate::driver::{Event, Fd, Readiness};

/// A direction of a source, as a waiting side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
}

impl Interest {
    /// What a driver calls it.
    fn readiness(self) -> Readiness {
        match self {
            Interest::Read => Readiness::READABLE,
            Interest::Write => Readiness::WRITABLE,
        }
    }

    /// What a watcher of this direction is called.
    pub(super) fn watcher_name(self) -> &'static str {
        match self {
            Interest::Read => CallbackKind::Reader.name(),
            Interest::Write => CallbackKind::Writer.name(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Sources {
    /// Indexed by the descriptor's index; drivers give dense ones.
    slots: Vec<Option<Source>>,
    /// Foreign sources that became stale, in that order. They may have been asked about since, or closed.
    stale: VecDeque<Fd>,
}

struct Source {
    fd: Fd,
    read: Direction,
    write: Direction,
    /// A short count proves nothing: the peer sends no more, or there is an error, so that data and the end may have shared
    /// one edge; or the driver cuts short what it moves.
    counts_prove_nothing: bool,
    /// Made by the program itself, which makes its own system calls on it.
    foreign: bool,
    /// A foreign source whose callback was called, or whose watcher left, since the kernel was asked.
    stale: bool,
}

impl Source {
    fn direction_mut(&mut self, interest: Interest) -> &mut Direction {
        match interest {
            Interest::Read => &mut self.read,
            Interest::Write => &mut self.write,
        }
    }

    /// The directions that have a watcher.
    fn watched(&self) -> Readiness {
        let mut watched = Readiness::EMPTY;
        for (direction, interest) in [(&self.read, Interest::Read), (&self.write, Interest::Write)] {
            if direction.watcher.is_some() {
                watched |= interest.readiness();
            }
        }
        watched
    }
}

struct Direction {
    /// An edge was told and nothing since has shown the direction to be drained.
    latched: bool,
    /// Nothing was tried yet: worth one optimistic attempt, but nothing that a watcher should be called for.
    untried: bool,
    watcher: Option<Watcher>,
    /// The watcher's callback is in the ready queue.
    queued: bool,
}

#[derive(Clone, Copy)]
struct Watcher {
    callback: AsyncCallback,
    place: &'static Location<'static>,
}

impl Direction {
    fn new() -> Direction {
        Direction { latched: false, untried: true, watcher: None, queued: false }
    }

    /// The watcher's place, if its callback should be queued now. The caller queues it.
    fn claim(&mut self) -> Option<&'static Location<'static>> {
        if !self.latched || self.queued {
            return None;
        }
        let watcher = self.watcher?;
        self.queued = true;
        Some(watcher.place)
    }
}

/// When the callback of a new watcher is due.
#[derive(Debug, PartialEq)]
pub(crate) enum Due {
    Now,
    OnEvent,
    /// Once the kernel says so, which is to be asked for these directions.
    Asked(Readiness),
}

/// What `Sources::watch` refuses.
#[derive(Debug)]
pub(crate) enum Refusal {
    Closed,
    Taken(&'static Location<'static>),
}

impl Sources {
    pub(crate) fn open(&mut self, fd: Fd) {
        self.insert(fd, false);
    }

    /// A source whose driver cuts short what it moves, so that only `WOULD_BLOCK` tells that a direction is drained.
    pub(crate) fn open_cutting(&mut self, fd: Fd) {
        self.insert(fd, false);
        self.get_mut(fd).expect("it was inserted above").counts_prove_nothing = true;
    }

    pub(crate) fn open_foreign(&mut self, fd: Fd) {
        self.insert(fd, true);
    }

    fn insert(&mut self, fd: Fd, foreign: bool) {
        let index = fd.key().index();
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        let before = self.slots[index].replace(Source {
            fd,
            read: Direction::new(),
            write: Direction::new(),
            counts_prove_nothing: false,
            foreign,
            stale: false,
        });
        assert!(before.is_none(), "the driver gave a descriptor whose index is in use");
    }

    /// Forgets the source and gives the callbacks that watched it, the reader's first.
    pub(crate) fn close(&mut self, fd: Fd) -> Vec<(AsyncCallback, &'static Location<'static>)> {
        if self.get(fd).is_none() {
            return Vec::new();
        }
        let source = self.slots[fd.key().index()].take().expect("the source was found above");
        let told = [source.read.watcher, source.write.watcher];
        told.into_iter().flatten().map(|watcher| (watcher.callback, watcher.place)).collect()
    }

    pub(crate) fn fds(&self) -> Vec<Fd> {
        self.slots.iter().flatten().map(|source| source.fd).collect()
    }

    /// Latches what `event` tells; says for each direction whose watcher is now due where that was asked for.
    pub(crate) fn note(&mut self, event: Event) -> [Option<&'static Location<'static>>; 2] {
        const BOTH: Readiness = Readiness::WRITE_CLOSED;
        let told = event.readiness;
        let Some(source) = self.get_mut(event.fd) else { return [None, None] };
        let over = told.intersects(BOTH) || told.intersects(Readiness::ERROR);
        source.counts_prove_nothing |= over || told.intersects(Readiness::READ_CLOSED);
        source.read.latched |=
            over || told.intersects(Readiness::READABLE) || told.intersects(Readiness::READ_CLOSED);
        source.write.latched |= over || told.intersects(Readiness::WRITABLE);
        [source.read.claim(), source.write.claim()]
    }

    /// Installs the watcher of a direction; says when its callback is due.
    pub(crate) fn watch(
        &mut self,
        fd: Fd,
        interest: Interest,
        callback: AsyncCallback,
        place: &'static Location<'static>,
    ) -> Result<Due, Refusal> {
        let source = self.get_mut(fd).ok_or(Refusal::Closed)?;
        let foreign = source.foreign;
        let direction = source.direction_mut(interest);
        if let Some(first) = direction.watcher {
            return Err(Refusal::Taken(first.place));
        }
        direction.watcher = Some(Watcher { callback, place });
        if foreign {
            // What was told while nobody watched may be over.
            direction.latched = false;
            source.stale = false;
            return Ok(Due::Asked(source.watched()));
        }
        Ok(if direction.claim().is_some() { Due::Now } else { Due::OnEvent })
    }

    /// Takes the watcher of a direction away; says whether there was one. A callback already queued finds nobody (R75).
    pub(crate) fn unwatch(&mut self, fd: Fd, interest: Interest) -> bool {
        let Some(source) = self.get_mut(fd) else { return false };
        let removed = source.direction_mut(interest).watcher.take().is_some();
        if removed && source.foreign {
            self.outdate(fd);
        }
        removed
    }

    /// A queued callback's turn has come: what to call, unless the watcher is gone or the direction was drained since.
    pub(crate) fn take_turn(&mut self, fd: Fd, interest: Interest) -> Option<AsyncCallback> {
        let source = self.get_mut(fd)?;
        let foreign = source.foreign;
        let direction = source.direction_mut(interest);
        direction.queued = false;
        let watcher = direction.watcher?;
        if !direction.latched {
            return None;
        }
        if foreign {
            direction.latched = false;
            self.outdate(fd);
        }
        Some(watcher.callback)
    }

    /// The next foreign source about which the kernel is to be asked anew, and for which directions: none, if it has no
    /// watcher left (R69).
    pub(crate) fn take_stale(&mut self) -> Option<(Fd, Readiness)> {
        while let Some(fd) = self.stale.pop_front() {
            if let Some(source) = self.get_mut(fd).filter(|source| source.stale) {
                source.stale = false;
                return Some((fd, source.watched()));
            }
        }
        None
    }

    fn outdate(&mut self, fd: Fd) {
        let source = self.get_mut(fd).expect("only an open source becomes stale");
        if !std::mem::replace(&mut source.stale, true) {
            self.stale.push_back(fd);
        }
    }

    /// Whether a queued callback of this direction will find what it is called for.
    pub(super) fn is_due(&self, fd: Fd, interest: Interest) -> bool {
        let direction = self.get(fd).map(|source| match interest {
            Interest::Read => &source.read,
            Interest::Write => &source.write,
        });
        direction.is_some_and(|direction| direction.latched && direction.watcher.is_some())
    }

    /// After a callback has run: the watcher's place, if it is still there and the direction still ready.
    pub(crate) fn still_due(&mut self, fd: Fd, interest: Interest) -> Option<&'static Location<'static>> {
        self.direction_mut(fd, interest)?.claim()
    }

    /// Whether an operation of this direction is worth a system call.
    pub(crate) fn may_try(&self, fd: Fd, interest: Interest) -> bool {
        match (self.get(fd), interest) {
            (Some(source), Interest::Read) => source.read.latched || source.read.untried,
            (Some(source), Interest::Write) => source.write.latched || source.write.untried,
            // The driver's answer is the clearer one.
            (None, _) => true,
        }
    }

    /// The driver said that there is nothing more for now; it will tell the next edge.
    pub(crate) fn drained(&mut self, fd: Fd, interest: Interest) {
        if let Some(direction) = self.direction_mut(fd, interest) {
            direction.latched = false;
            direction.untried = false;
        }
    }

    /// A short count that means "drained", unless it proves nothing.
    pub(crate) fn drained_by_short_count(&mut self, fd: Fd, interest: Interest) {
        if self.get(fd).is_some_and(|source| !source.counts_prove_nothing) {
            self.drained(fd, interest);
        }
    }

    /// Latches a direction that was never found drained; says where its watcher was asked for, if it is now due.
    pub(crate) fn assume_ready(&mut self, fd: Fd, interest: Interest) -> Option<&'static Location<'static>> {
        let direction = self.direction_mut(fd, interest)?;
        direction.latched |= direction.untried;
        direction.claim()
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.slots
            .iter()
            .flatten()
            .any(|source| source.read.watcher.is_some() || source.write.watcher.is_some())
    }

    pub(super) fn is_open(&self, fd: Fd) -> bool {
        self.get(fd).is_some()
    }

    /// How many descriptors are open.
    pub(crate) fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// The watchers, and where they were asked for.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Interest, &'static Location<'static>)> {
        let directions = |source: &Source| {
            [(Interest::Read, source.read.watcher), (Interest::Write, source.write.watcher)]
        };
        self.slots
            .iter()
            .flatten()
            .flat_map(directions)
            .filter_map(|(interest, watcher)| watcher.map(|watcher| (interest, watcher.place)))
    }

    fn get(&self, fd: Fd) -> Option<&Source> {
        self.slots.get(fd.key().index())?.as_ref().filter(|source| source.fd == fd)
    }

    fn get_mut(&mut self, fd: Fd) -> Option<&mut Source> {
        self.slots.get_mut(fd.key().index())?.as_mut().filter(|source| source.fd == fd)
    }

    fn direction_mut(&mut self, fd: Fd, interest: Interest) -> Option<&mut Direction> {
        self.get_mut(fd).map(|source| source.direction_mut(interest))
    }
}

#[cfg(test)]
mod tests;
