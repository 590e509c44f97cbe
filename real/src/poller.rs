//! Waiting for readiness: the selector, its tokens and its buffer of events. Knows no socket, only what can be watched.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Source;
use mio::{Events, Interest, Poll, Token};
use twinloop::driver::{Event, Fd, Readiness};
use twinloop::table::Key;

use crate::edges::Edges;
use crate::unparker::Unparker;

/// How many events the first wait can fetch.
const EVENTS_MIN: usize = 256;
/// How many events one wait fetches at most. What is ready beyond that is told by the next one.
const EVENTS_MAX: usize = 4096;
/// The longest bounded wait asked of the kernel. A wait may end early, and not every kernel takes each number: XNU
/// refuses more than 10⁸ seconds with `EINVAL`.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The unparker's own token. No key is this word: a table never gives out the last index.
const UNPARK: Token = Token(usize::MAX);

/// The selector of one driver.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    fetched: Events,
    unparker: Arc<Unparker>,
    edges: Arc<Edges>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Poller> {
        let poll = Poll::new()?;
        let unparker = Arc::new(Unparker::new(poll.registry(), UNPARK)?);
        let edges = Arc::new(Edges::new(Arc::clone(&unparker)));
        Ok(Poller { poll, fetched: Events::with_capacity(EVENTS_MIN), unparker, edges })
    }

    pub(crate) fn unparker(&self) -> Arc<Unparker> {
        Arc::clone(&self.unparker)
    }

    /// Where edges are told that the selector does not know of.
    pub(crate) fn edges(&self) -> &Arc<Edges> {
        &self.edges
    }

    /// Watches `source` for edges until it is closed.
    ///
    /// That is never changed: a system call on each change of interest costs more than the events that are told in vain, and
    /// closing ends it anyway.
    pub(crate) fn watch(&self, source: &mut dyn Source, interest: Interest, fd: Fd) -> io::Result<()> {
        self.poll.registry().register(source, token(fd), interest)
    }

    /// Watches `source` for edges of `after`, where it was watched for those of `before`; what is ready now is an edge.
    pub(crate) fn rewatch(
        &self,
        source: &mut dyn Source,
        before: Option<Interest>,
        after: Option<Interest>,
        fd: Fd,
    ) -> io::Result<()> {
        let registry = self.poll.registry();
        match (before, after) {
            (None, None) => Ok(()),
            (None, Some(interest)) => registry.register(source, token(fd), interest),
            (Some(_), Some(interest)) => registry.reregister(source, token(fd), interest),
            (Some(_), None) => registry.deregister(source),
        }
    }

    /// Waits until something is ready, `timeout` has passed or the unparker was used. An interrupted wait has no events.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.enlarge_if_filled();
        let timeout = if self.unparker.begin_wait() { timeout } else { Some(Duration::ZERO) };
        let outcome = self.poll.poll(&mut self.fetched, timeout.map(|wait| wait.min(WAIT_MAX)));
        self.unparker.end_wait();
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.fetched.clear();
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// What the last wait fetched, and what was told beside the selector. It may speak of descriptors that are closed by now.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        let fetched = self.fetched.iter().filter(|event| event.token() != UNPARK).map(|event| Event {
            fd: Fd::from_key(Key::from_word(event.token().0)),
            readiness: readiness(event),
        });
        fetched.chain(self.edges.take())
    }

    /// A wait that filled the buffer has probably left events behind, and each further wait is a system call.
    fn enlarge_if_filled(&mut self) {
        let capacity = self.fetched.capacity();
        if capacity < EVENTS_MAX && self.fetched.iter().count() == capacity {
            self.fetched = Events::with_capacity((capacity * 2).min(EVENTS_MAX));
        }
    }
}

fn token(fd: Fd) -> Token {
    let token = Token(fd.key().into_word());
    assert_ne!(token, UNPARK, "a table never gives out the last index");
    token
}

fn readiness(event: &mio::event::Event) -> Readiness {
    let told = [
        (event.is_readable(), Readiness::READABLE),
        (event.is_writable(), Readiness::WRITABLE),
        (event.is_read_closed(), Readiness::READ_CLOSED),
        (event.is_write_closed(), Readiness::WRITE_CLOSED),
        (event.is_error(), Readiness::ERROR),
    ];
    let mut readiness = Readiness::EMPTY;
    for (_, bit) in told.into_iter().filter(|(is_set, _)| *is_set) {
        readiness |= bit;
    }
    readiness
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::net::TcpStream;

    /// More connected sockets than the first buffer holds, each of which is writable at once.
    const SOCKETS: usize = EVENTS_MIN + 10;

    /// R16: what did not fit comes with the next wait, for which there is more room.
    #[test]
    fn a_filled_buffer_is_doubled_and_no_event_is_lost() {
        let mut poller = Poller::new().expect("a selector");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let mut watched = Vec::new();
        for index in 0..SOCKETS {
            let stream = std::net::TcpStream::connect(address).expect("the listener is there");
            stream.set_nonblocking(true).expect("a stream can be non-blocking");
            watched.push((TcpStream::from_std(stream), listener.accept().expect("a connection waits")));
            let fd = Fd::from_key(Key::new(index, 0));
            poller.watch(&mut watched[index].0, Interest::WRITABLE, fd).expect("a new socket can be watched");
        }

        let mut told: Vec<usize> = Vec::new();
        for _ in 0..2 {
            poller.wait(Some(Duration::ZERO)).expect("a wait");
            told.extend(poller.events().map(|event| event.fd.key().index()));
        }
        told.sort_unstable();
        assert_eq!(told, (0..SOCKETS).collect::<Vec<_>>());
        assert_eq!(poller.fetched.capacity(), 2 * EVENTS_MIN);
    }
}
