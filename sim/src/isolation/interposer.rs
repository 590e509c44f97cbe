//! What a crate that stands between programs and their system offers, and when it is told of runs. The simulator makes no
//! such call itself; `twinloop-interpose` does.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Stands between programs and the calls of their system that no simulation reaches.
///
/// `twinloop-interpose` has the only one so far. All of it concerns the calling thread.
pub trait Interposer: Sync {
    /// From now on this thread's calls are a simulated run's, and what they draw comes from `seed`.
    fn begin(&self, seed: u64);

    /// What clocks show from now on: the time since the host has started, and the time of day.
    fn set_time(&self, monotonic: Duration, wall: SystemTime);

    /// Calls are the system's again. Which ones the run has made.
    fn end(&self) -> Vec<SystemCall>;

    /// Has a copy of this process run `answer`, and gives what it said.
    ///
    /// # Errors
    ///
    /// How the copy ended, if it gave no answer: by which signal, after how much time.
    fn fork(&self, answer: &mut dyn FnMut() -> Vec<u8>) -> Result<Vec<u8>, String>;

    /// From now on, until this thread ends, calls that it makes past the C library are noted in its run too. On
    /// processors other than 64-bit x86 they stay unseen.
    ///
    /// # Errors
    ///
    /// Why they can not be caught: the system allows no filter, or the C library is linked statically.
    fn catch_raw_calls(&self) -> Result<(), String>;

    /// Processes that this thread begins have their memory at the same addresses, until the answer is dropped.
    fn at_fixed_addresses(&self) -> Box<dyn Any>;
}

/// A kind of call of the system that a run has made past the simulation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SystemCall {
    /// The function's name.
    pub name: String,
    /// What it was about where that is known: a path, a variable.
    pub about: String,
    /// How often.
    pub times: u64,
    /// Whether the answer came from the simulation; otherwise it was the system's.
    pub is_controlled: bool,
}

impl SystemCall {
    /// A call that was made once.
    pub fn new(name: &str, about: &str, is_controlled: bool) -> SystemCall {
        SystemCall { name: name.to_owned(), about: about.to_owned(), times: 1, is_controlled }
    }
}

/// `open "/etc/hosts"`, and how often.
impl fmt::Display for SystemCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.about.is_empty() {
            write!(f, " {:?}", self.about)?;
        }
        if self.times > 1 { write!(f, ", {} times", self.times) } else { Ok(()) }
    }
}

static INSTALLED: OnceLock<&'static dyn Interposer> = OnceLock::new();

/// Has every later run use `interposer`. Once: a second one is not taken.
pub fn install(interposer: &'static dyn Interposer) {
    // Both would be the same one: a process has one definition of a symbol.
    let _ = INSTALLED.set(interposer);
}

/// The one that is installed.
pub fn interposer() -> Option<&'static dyn Interposer> {
    INSTALLED.get().copied()
}

thread_local!(static IS_RUNNING: Cell<bool> = const { Cell::new(false) });

/// A run on this thread, as far as the interposer is concerned. A run inside of a run is part of it.
pub(crate) struct Interposed(Option<&'static dyn Interposer>);

impl Interposed {
    pub(crate) fn begin(seed: u64) -> Interposed {
        let interposer = interposer().filter(|_| !IS_RUNNING.replace(true));
        if let Some(interposer) = interposer {
            interposer.begin(seed);
        }
        Interposed(interposer)
    }

    /// The calls that were made. None where nobody has listened.
    pub(crate) fn end(mut self) -> Vec<SystemCall> {
        self.stop()
    }

    fn stop(&mut self) -> Vec<SystemCall> {
        let Some(interposer) = self.0.take() else { return Vec::new() };
        IS_RUNNING.set(false);
        interposer.end()
    }
}

/// Also when the run panics: what comes after is not simulated.
impl Drop for Interposed {
    fn drop(&mut self) {
        self.stop();
    }
}
