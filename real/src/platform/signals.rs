//! Signals where there are any: who listens in this process, and what becomes of one that nobody listens to any more.
//!
//! A handler stays in place once it is there: `signal-hook` runs whoever was there before it, and never takes itself
//! out. So a signal whose default is to end the process gets its default back by an action of ours, which does nothing
//! while anybody listens by this driver. Another library that begins to listen after ours is not counted.
#![expect(unsafe_code, reason = "what a signal does now can only be asked for by sigaction(2)")]

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libc::c_int;
use mio::Interest;
use signal_hook::{consts, flag, low_level};
use signal_hook_mio::v1_0::Signals;
use twinloop::driver::{Fd, Signal, Unpark};

use crate::poller::Poller;

/// One that listens. What comes is kept by flags, and a pipe says so.
pub(crate) struct SignalListener {
    signals: Signals,
    listened: Listened,
}

impl SignalListener {
    pub(crate) fn new(signals: &[Signal], _unparker: Arc<dyn Unpark>) -> io::Result<SignalListener> {
        let listened = Listened::begin(signals.iter().copied().map(number).collect())?;
        Ok(SignalListener { signals: Signals::new(&listened.0)?, listened })
    }

    /// Says that a selector watches it.
    pub(crate) fn watch(&mut self, poller: &Poller, fd: Fd) -> io::Result<bool> {
        poller.watch(&mut self.signals, Interest::READABLE, fd)?;
        Ok(true)
    }

    /// Whether something has come that no selector tells.
    pub(crate) fn has_news(&self) -> bool {
        false
    }

    /// What has come. A flag is raised before the pipe is written to, so that an edge follows whatever is not found here.
    pub(crate) fn take(&mut self, poller: &Poller, fd: Fd) -> io::Result<Option<Signal>> {
        if let Some(number) = self.signals.pending().next() {
            return Ok(Some(named(number).expect("only what was asked for is told")));
        }
        // `signal-hook` empties the pipe behind mio's back, which matters where mio makes the edges itself.
        let interest = Some(Interest::READABLE);
        poller.rewatch(&mut self.signals, interest, interest, fd)?;
        Ok(None)
    }
}

impl fmt::Debug for SignalListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalListener").field("listened", &self.listened).finish_non_exhaustive()
    }
}

/// Sends it to the calling thread: its handlers have run when this returns.
pub(crate) fn raise(signal: Signal) -> io::Result<()> {
    low_level::raise(number(signal))
}

/// Listeners of a signal in this process.
struct Listeners {
    count: usize,
    /// Set while there are none: the signal then does what it does by default.
    nobody: Arc<AtomicBool>,
}

/// By the numbers of signals: all that were ever listened to.
static LISTENERS: Mutex<BTreeMap<c_int, Listeners>> = Mutex::new(BTreeMap::new());

fn listeners() -> MutexGuard<'static, BTreeMap<c_int, Listeners>> {
    // Nothing of what is done under the lock leaves the table in pieces.
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Signals that one listener is counted for.
#[derive(Debug)]
struct Listened(Vec<c_int>);

impl Listened {
    fn begin(numbers: Vec<c_int>) -> io::Result<Listened> {
        let mut listened = Listened(Vec::new());
        for number in numbers {
            let mut table = listeners();
            let entry = match table.get_mut(&number) {
                Some(entry) => entry,
                None => table.entry(number).or_insert(Listeners::first(number)?),
            };
            entry.count += 1;
            entry.nobody.store(false, Ordering::SeqCst);
            listened.0.push(number);
        }
        Ok(listened)
    }
}

impl Drop for Listened {
    fn drop(&mut self) {
        for number in &self.0 {
            let mut table = listeners();
            let entry = table.get_mut(number).expect("a listener is in the table until it goes");
            entry.count -= 1;
            entry.nobody.store(entry.count == 0, Ordering::SeqCst);
        }
    }
}

impl Listeners {
    /// Of a signal that nobody has listened to yet. One that is ignored, as under nohup(1), or that the program has a handler
    /// of its own for, is so again afterwards without our doing.
    fn first(number: c_int) -> io::Result<Listeners> {
        let nobody = Arc::new(AtomicBool::new(false));
        if does_its_default(number)? {
            flag::register_conditional_default(number, Arc::clone(&nobody))?;
        }
        Ok(Listeners { count: 0, nobody })
    }
}

fn does_its_default(number: c_int) -> io::Result<bool> {
    let mut current = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with no new action the call changes nothing; it writes to `current` alone, which is large enough and is not
    // read unless the call says that it was written.
    let asked = unsafe { libc::sigaction(number, ptr::null(), current.as_mut_ptr()) };
    if asked != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so it has written the whole of it.
    let current = unsafe { current.assume_init() };
    Ok(current.sa_sigaction == libc::SIG_DFL)
}

const NUMBERS: [(Signal, c_int); 7] = [
    (Signal::Hangup, consts::SIGHUP),
    (Signal::Interrupt, consts::SIGINT),
    (Signal::Quit, consts::SIGQUIT),
    (Signal::Terminate, consts::SIGTERM),
    (Signal::User1, consts::SIGUSR1),
    (Signal::User2, consts::SIGUSR2),
    (Signal::WindowChange, consts::SIGWINCH),
];

fn number(signal: Signal) -> c_int {
    let found = NUMBERS.iter().find(|(other, _)| *other == signal);
    found.expect("every signal has a number").1
}

fn named(number: c_int) -> Option<Signal> {
    NUMBERS.iter().find(|(_, other)| *other == number).map(|(signal, _)| *signal)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus, Stdio};

    use twinloop::{Signals, raise};

    use super::*;

    /// Says to a run of this test binary that it is the child of the test below.
    const CHILD: &str = "TWINLOOP_SIGNALS_CHILD";

    /// What the child ends with if no signal has ended it: no test ends so.
    const SURVIVED: i32 = 77;

    /// How a process ends that runs `test` of this file alone, as the child; `shell` is what starts it.
    fn end_of_child(test: &str, shell: &str) -> ExitStatus {
        let program = std::env::current_exe().expect("a test knows its own program");
        let mut child = Command::new("sh");
        child.args(["-c", shell, "sh"]).arg(program).args(["--exact", "--test-threads=1", test]);
        child.env(CHILD, "").stdout(Stdio::null()).stderr(Stdio::null());
        child.status().expect("there is a shell")
    }

    fn is_child() -> bool {
        std::env::var_os(CHILD).is_some()
    }

    /// Listens to a signal that has come already, stops listening, and gets it once more.
    fn listen_for_a_while(signal: Signal) {
        let heard = crate::run(async move {
            let mut signals = Signals::new(&[signal])?;
            raise(signal)?;
            let heard = signals.recv().await;
            drop(signals);
            raise(signal)?;
            Ok::<_, twinloop::driver::OsError>(heard)
        });
        assert_eq!(heard.expect("a driver").expect("signals"), signal);
    }

    /// R83: as before anybody listened, the signal ends the process, and the parent learns of what it ended.
    #[test]
    fn what_nobody_listens_to_any_more_does_its_default() {
        if is_child() {
            return listen_for_a_while(Signal::Terminate);
        }
        let test = "platform::signals::tests::what_nobody_listens_to_any_more_does_its_default";
        assert_eq!(end_of_child(test, "exec \"$@\"").signal(), Some(libc::SIGTERM));
    }

    /// R83: a process that was told to ignore a signal ignores it again.
    #[test]
    fn what_was_ignored_is_ignored_again() {
        if is_child() {
            listen_for_a_while(Signal::Hangup);
            std::process::exit(SURVIVED);
        }
        let test = "platform::signals::tests::what_was_ignored_is_ignored_again";
        assert_eq!(end_of_child(test, "trap '' HUP; exec \"$@\"").code(), Some(SURVIVED));
    }

    #[test]
    fn every_signal_has_a_number_of_its_own() {
        for (signal, number) in NUMBERS {
            assert_eq!((self::number(signal), named(number)), (number, Some(signal)));
        }
    }
}
