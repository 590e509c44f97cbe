//! Has the clocks and the random bytes of the system obey a simulation, for code that does not ask twinloop: hash maps,
//! `Instant::now`, `rand`, and whatever a library draws on.
//!
//! ```toml
//! [dev-dependencies]
//! twinloop-interpose = "0.1"
//! ```
//!
//! ```
//! // In the test's root; nothing of it needs to be called.
//! use twinloop_interpose as _;
//! ```
//!
//! It defines functions of the C library (`getrandom`, `clock_gettime`, ...), so the linker takes these for the whole
//! program. On a thread that runs a simulation they answer from it; everywhere else they pass on to the system's. Calls
//! that a simulation can not answer (a thread, a socket, a file) are passed on too and noted in
//! [`Report::system_calls`](twinloop_sim::Report::system_calls); `--strict` and `TWINLOOP_STRICT=1` fail a run that
//! makes one.
//!
//! | function | in a simulated run |
//! |---|---|
//! | `clock_gettime`, `gettimeofday`, `time` | the host's clocks, as of its turn |
//! | `getrandom`, `getentropy`, `syscall(SYS_getrandom)` | bytes from the seed, the same in each run |
//! | `sched_getaffinity`, `getpid` | one processor; process 1 |
//! | `pthread_create`, `socket`, `open`, `open64`, `openat`, `nanosleep`, `clock_nanosleep`, `getenv`, `getcwd` | the system's answer, noted |
//!
//! System calls made by instructions of the program's own (`rustix` with its default backend, `aws-lc-rs`) are the
//! system's; a strict run on 64-bit x86 notes them too. What slips past: the clock that a processor counts, addresses,
//! statics. The levels of [`Isolation`](twinloop_sim::isolation::Isolation) are for the latter two. `DETERMINISM.md`
//! has the whole table, which is tested.
//!
//! On systems other than Linux with glibc it is empty: [`is_supported`] says so, and nothing is interposed.
#![deny(unsafe_code)]

#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;

/// Whether calls are interposed on this system: on Linux with the GNU C library, on 64-bit x86 and ARM.
///
/// ```
/// if twinloop_interpose::is_supported() {
///     assert!(twinloop_sim::isolation::interposer().is_some());
/// }
/// ```
pub const fn is_supported() -> bool {
    cfg!(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))
}
