//! Looking up names with the system's resolver, which blocks: on a few helper threads, so that the loop does not. It knows
//! no selector, only whom to unpark.
//!
//! A thread is started when there is work for it and ends when there is none; starting one costs little beside a lookup.
//! A lookup that hangs keeps its thread for as long as the system's resolver waits. Nobody can end it earlier, and nobody waits
//! for it: not its owner, who gives it up, nor a driver that is dropped. While all threads hang, further lookups stay
//! queued.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use twinloop::driver::{Fd, OsError, Unpark};

use crate::platform::{os_error, thread_error};

/// How many lookups of a driver are under way at once; further ones wait for one of them to end.
const THREADS_MAX: usize = 4;

/// What a lookup answers: addresses in the system's order of preference, each once.
pub(crate) type Answer = Result<Vec<IpAddr>, OsError>;

/// What asks the system, on a thread of its own.
type Ask = fn(&str) -> Answer;

/// The lookups of one driver. Dropping it gives up all of them.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
    /// Lookups that were begun and whose answers were not taken: while there are none, a poll need not look for any.
    open: usize,
}

struct Shared {
    state: Mutex<State>,
    unparker: Arc<dyn Unpark>,
    ask: Ask,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Fd, String)>,
    threads: usize,
    answers: Vec<(Fd, Answer)>,
    /// The driver is gone: nobody wants to hear of anything any more.
    closed: bool,
}

impl Resolver {
    pub(crate) fn new(unparker: Arc<dyn Unpark>) -> Resolver {
        Resolver::asking(ask_system, unparker)
    }

    fn asking(ask: Ask, unparker: Arc<dyn Unpark>) -> Resolver {
        Resolver { shared: Arc::new(Shared { state: Mutex::default(), unparker, ask }), open: 0 }
    }

    /// Begins to look up `name` on behalf of `fd`. Its answer will be among [`Resolver::take_answers`].
    ///
    /// # Errors
    ///
    /// If the system has no thread left, and none is at work that would come to it.
    pub(crate) fn begin(&mut self, fd: Fd, name: &str) -> Result<(), OsError> {
        let mut state = self.shared.lock();
        state.queue.push_back((fd, name.to_owned()));
        if state.threads < THREADS_MAX {
            let shared = Arc::clone(&self.shared);
            match thread::Builder::new().name("resolver".to_owned()).spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                // One of those that run will come to it.
                Err(_) if state.threads > 0 => {}
                Err(error) => {
                    state.queue.pop_back();
                    return Err(thread_error(error));
                }
            }
        }
        drop(state);
        self.open += 1;
        Ok(())
    }

    /// The lookup's owner has given it up. If it was not begun it never will be.
    pub(crate) fn give_up(&mut self, fd: Fd) {
        let queue = &mut self.shared.lock().queue;
        let before = queue.len();
        queue.retain(|(queued, _)| *queued != fd);
        self.open -= before - queue.len();
    }

    /// What has been found out since the last call, also of lookups that were given up meanwhile.
    pub(crate) fn take_answers(&mut self) -> Vec<(Fd, Answer)> {
        if self.open == 0 {
            return Vec::new();
        }
        let answers = std::mem::take(&mut self.shared.lock().answers);
        self.open -= answers.len();
        answers
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.queue.clear();
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a helper thread does, until there is nothing left to do.
    fn work(&self) {
        while let Some((fd, name)) = self.next() {
            let answer = (self.ask)(&name);
            let mut state = self.lock();
            if state.closed {
                return;
            }
            state.answers.push((fd, answer));
            drop(state);
            self.unparker.unpark();
        }
    }

    /// The next lookup. `None` ends the thread, which is not counted from then on.
    fn next(&self) -> Option<(Fd, String)> {
        let mut state = self.lock();
        let next = state.queue.pop_front();
        if next.is_none() {
            state.threads -= 1;
        }
        next
    }
}

fn ask_system(name: &str) -> Answer {
    let found = (name, 0).to_socket_addrs().map_err(failure)?;
    let mut ips: Vec<IpAddr> = Vec::new();
    for ip in found.map(|address| address.ip()) {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    if ips.is_empty() { Err(NOT_FOUND) } else { Ok(ips) }
}

const NOT_FOUND: OsError = OsError::without_code(ErrorKind::NotFound);

/// What systems say when a server did not answer (`EAI_AGAIN`): glibc and the BSDs, musl, FreeBSD.
const TEMPORARY: [&str; 3] = ["emporary failure", "Try again", "could not be resolved at this time"];

/// The kinds that the seam promises. std keeps the resolver's number to itself and passes on its words alone, so that words
/// have to do; they are in English, for Rust's runtime sets no locale. Windows gives numbers.
fn failure(error: io::Error) -> OsError {
    /// <https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2>
    const WSAHOST_NOT_FOUND: i32 = 11001;
    const WSATRY_AGAIN: i32 = 11002;
    const WSANO_DATA: i32 = 11004;
    match error.raw_os_error() {
        Some(code @ (WSAHOST_NOT_FOUND | WSANO_DATA)) => OsError::new(ErrorKind::NotFound, code),
        Some(code @ WSATRY_AGAIN) => OsError::new(ErrorKind::TimedOut, code),
        Some(_) => os_error(error),
        None => {
            let words = error.to_string();
            let is_temporary = TEMPORARY.iter().any(|said| words.contains(said));
            if is_temporary { OsError::without_code(ErrorKind::TimedOut) } else { NOT_FOUND }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use twinloop::table::Key;

    use super::*;

    /// Longer than any lookup of these tests takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Tells a test that there is something to take.
    struct Bell(Mutex<Sender<()>>);

    impl Unpark for Bell {
        fn unpark(&self) {
            // Nobody listens once the test has ended.
            let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(());
        }
    }

    fn resolver(ask: Ask) -> (Resolver, Receiver<()>) {
        let (bell, rung) = channel();
        (Resolver::asking(ask, Arc::new(Bell(Mutex::new(bell)))), rung)
    }

    fn fd(index: usize) -> Fd {
        Fd::from_key(Key::new(index, 0))
    }

    /// Takes answers until there are `count`; says for which descriptors.
    fn answered(resolver: &mut Resolver, rung: &Receiver<()>, count: usize) -> Vec<usize> {
        let mut fds = Vec::new();
        while fds.len() < count {
            rung.recv_timeout(PATIENCE).expect("each answer is told");
            fds.extend(resolver.take_answers().into_iter().map(|(fd, _)| fd.key().index()));
        }
        fds.sort_unstable();
        fds
    }

    #[test]
    fn as_many_lookups_as_there_are_all_end_and_leave_no_thread() {
        let (mut resolver, rung) = resolver(|_| Ok(vec![Ipv4Addr::LOCALHOST.into()]));
        for index in 0..100 {
            resolver.begin(fd(index), "any").expect("a thread");
            assert!(resolver.shared.lock().threads <= THREADS_MAX);
        }
        assert_eq!(answered(&mut resolver, &rung, 100), (0..100).collect::<Vec<_>>());
        assert_eq!(resolver.open, 0);
        while resolver.shared.lock().threads > 0 {
            thread::yield_now();
        }
    }

    /// Lookups of `stuck` hang until the test has seen what it wanted to see.
    static GATE: Mutex<()> = Mutex::new(());

    fn ask_or_hang(name: &str) -> Answer {
        if name == "stuck" {
            drop(GATE.lock());
        }
        Ok(Vec::new())
    }

    /// The lookup is the system's, and no one can end it. What is promised is that nobody else waits for it.
    #[test]
    fn a_stuck_lookup_holds_up_neither_the_others_nor_the_end() {
        let held = GATE.lock();
        let (mut resolver, rung) = resolver(ask_or_hang);
        for index in 0..THREADS_MAX - 1 {
            resolver.begin(fd(index), "stuck").expect("a thread");
        }
        for index in 10..20 {
            resolver.begin(fd(index), "quick").expect("a thread");
        }
        assert_eq!(answered(&mut resolver, &rung, 10), (10..20).collect::<Vec<_>>());

        resolver.begin(fd(3), "stuck").expect("a thread");
        resolver.begin(fd(4), "never begun").expect("it is queued");
        resolver.give_up(fd(4));
        assert_eq!(resolver.open, THREADS_MAX, "those that hang");
        assert!(resolver.take_answers().is_empty());
        drop(resolver);
        drop(held);
    }

    #[test]
    fn what_the_system_says_has_the_promised_kind() {
        let said =
            |words: &str| failure(io::Error::other(format!("failed to lookup address information: {words}")));
        for words in ["Temporary failure in name resolution", "Try again"] {
            assert_eq!(said(words).kind(), ErrorKind::TimedOut, "{words}");
        }
        for words in
            ["Name or service not known", "No address associated with hostname", "Name does not resolve"]
        {
            assert_eq!(said(words), NOT_FOUND, "{words}");
        }
        assert_eq!(failure(io::Error::from_raw_os_error(11001)), OsError::new(ErrorKind::NotFound, 11001));
    }

    #[test]
    fn the_system_knows_localhost_and_each_address_once() {
        let ips = ask_system("localhost").expect("every system knows it");
        assert!(ips.iter().all(IpAddr::is_loopback), "{ips:?}");
        let mut each_once = ips.clone();
        each_once.sort_unstable();
        each_once.dedup();
        assert_eq!(each_once.len(), ips.len());
    }
}
