//! All tests beyond one module's own, in one binary.
//!
//! `contract/` holds cases that name no driver; they are mounted twice, `on_real` and `on_sim`. `sim/` holds what only a
//! simulated world can show, and `on_real_threads` what only real threads can. `regressions` keeps faults of the core from
//! coming back. `tidy` reads the sources.
#![expect(clippy::duplicate_mod, reason = "the contract is mounted once for each driver")]

mod adoption;
mod closing_wakers;
mod dispatcher;
#[cfg(unix)]
mod foreign;
mod interleavings;
mod large_transfer;
mod leaks;
#[cfg(target_os = "linux")]
mod linux_answers;
mod on_real;
mod on_real_threads;
mod on_sim;
mod pages;
#[cfg(target_os = "linux")]
mod parity;
#[cfg(target_os = "linux")]
mod parity_files;
mod regressions;
mod rules;
mod scripted;
mod sim;
#[cfg(target_os = "linux")]
mod special_files;
mod tidy;

// What `interleavings` compiles names its own crate's root.
use twinloop::driver;
