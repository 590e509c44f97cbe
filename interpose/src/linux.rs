//! The interposer of Linux: what a thread's run has drawn and called, and its registration. Unsafe code is in the leaves:
//! `symbols.rs` defines the functions, `next.rs` finds the system's, `process.rs` makes copies of the process,
//! `raw_calls.rs` catches calls past the C library.

mod next;
mod process;
#[cfg(target_arch = "x86_64")]
mod raw_calls;
mod symbols;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use twinloop_sim::isolation::{Interposer, SystemCall};

/// What a machine's monotonic clock shows when a run begins: programs subtract from it.
const UPTIME: Duration = Duration::from_secs(1_000_000);

pub(crate) struct Linux;

thread_local! {
    /// Whether this thread runs a simulation. Without a destructor and without memory of its own, so that the functions may
    /// ask it at any time, also before and after all else of a thread.
    static IS_SIMULATED: Cell<bool> = const { Cell::new(false) };
    static MONOTONIC: Cell<Duration> = const { Cell::new(UPTIME) };
    /// Since the epoch of Unix.
    static WALL: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// What a run has drawn and called.
struct Run {
    entropy: ChaCha8Rng,
    calls: Vec<SystemCall>,
}

/// Whether the caller is a simulated program.
fn is_simulated() -> bool {
    IS_SIMULATED.get()
}

/// Does `act` as the harness, so that what it calls is the system's.
fn as_harness<T>(act: impl FnOnce() -> T) -> T {
    let before = IS_SIMULATED.replace(false);
    let answer = act();
    IS_SIMULATED.set(before);
    answer
}

/// Notes a call of the run.
fn note(name: &str, about: &str, is_controlled: bool) {
    as_harness(|| {
        RUN.with_borrow_mut(|run| {
            let Some(Run { calls, .. }) = run else { return };
            match calls.iter_mut().find(|call| call.name == name && call.about == about) {
                Some(call) => call.times += 1,
                None => calls.push(SystemCall::new(name, about, is_controlled)),
            }
        });
    });
}

/// Bytes from the seed.
fn fill(buffer: &mut [u8]) {
    as_harness(|| {
        RUN.with_borrow_mut(|run| {
            let run = run.as_mut().expect("a thread that is simulated has a run");
            run.entropy.fill_bytes(buffer);
        });
    });
}

impl Interposer for Linux {
    fn begin(&self, seed: u64) {
        let entropy = ChaCha8Rng::seed_from_u64(seed);
        RUN.set(Some(Run { entropy, calls: Vec::new() }));
        MONOTONIC.set(UPTIME);
        IS_SIMULATED.set(true);
    }

    fn set_time(&self, monotonic: Duration, wall: SystemTime) {
        MONOTONIC.set(UPTIME + monotonic);
        WALL.set(wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
    }

    fn end(&self) -> Vec<SystemCall> {
        IS_SIMULATED.set(false);
        RUN.take().map_or_else(Vec::new, |run| run.calls)
    }

    fn fork(&self, answer: &mut dyn FnMut() -> Vec<u8>) -> Result<Vec<u8>, String> {
        process::fork(answer)
    }

    #[cfg(target_arch = "x86_64")]
    fn catch_raw_calls(&self) -> Result<(), String> {
        raw_calls::catch()
    }

    /// Registers have other names there: such calls stay unseen, and all others are noted.
    #[cfg(not(target_arch = "x86_64"))]
    fn catch_raw_calls(&self) -> Result<(), String> {
        Ok(())
    }

    fn at_fixed_addresses(&self) -> Box<dyn Any> {
        Box::new(process::FixedAddresses::begin())
    }
}
