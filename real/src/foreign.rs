//! What the selector watches of a descriptor that the program made itself. Nothing here reads, writes or closes it.

use std::io;

use mio::Interest;
use twinloop::driver::{Fd, Readiness};

use crate::platform::ForeignSource;
use crate::poller::Poller;

/// An adopted descriptor, and the directions in which the selector has it.
#[derive(Debug)]
pub(crate) struct Foreign {
    source: ForeignSource,
    watched: Option<Interest>,
}

impl Foreign {
    pub(crate) fn new(source: ForeignSource) -> Foreign {
        Foreign { source, watched: None }
    }

    /// Whether it is `source` that was adopted here.
    pub(crate) fn is(&self, source: &ForeignSource) -> bool {
        self.source == *source
    }

    /// Enters the selector and leaves it: what can not be watched (for epoll a regular file) is to be refused when it is
    /// adopted, and not at some later moment.
    pub(crate) fn probe(&mut self, poller: &Poller, fd: Fd) -> io::Result<()> {
        self.rewatch(poller, fd, Readiness::READABLE)?;
        self.rewatch(poller, fd, Readiness::EMPTY)
    }

    /// As [`Driver::rewatch`](twinloop::driver::Driver::rewatch): a registration that is written anew is an edge for what
    /// is ready, on epoll, on kqueue and for mio's own edges elsewhere.
    pub(crate) fn rewatch(&mut self, poller: &Poller, fd: Fd, interest: Readiness) -> io::Result<()> {
        let interest = directions(interest);
        poller.rewatch(&mut self.source, self.watched, interest, fd)?;
        self.watched = interest;
        Ok(())
    }
}

/// The selector's word for `interest`, which has none for nothing.
fn directions(interest: Readiness) -> Option<Interest> {
    let readable = interest.intersects(Readiness::READABLE).then_some(Interest::READABLE);
    let writable = interest.intersects(Readiness::WRITABLE).then_some(Interest::WRITABLE);
    match (readable, writable) {
        (Some(readable), Some(writable)) => Some(readable | writable),
        (one, other) => one.or(other),
    }
}
