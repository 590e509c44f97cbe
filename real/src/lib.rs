//! The real driver of [`twinloop`]: the kernel of this machine behind the trait [`Driver`](twinloop::driver::Driver).
//!
//! Readiness comes from epoll, kqueue or IOCP through mio, sockets are made with socket2, the clock is the system's
//! monotonic one and chance is the system's generator. Nothing here knows of tasks, timers or transports.
//!
//! # Map
//!
//! | file | what it is for |
//! |---|---|
//! | `run.rs` | [`run()`]: a program on this driver, in one call |
//! | `driver.rs` | [`RealDriver`]: the trait's calls and the table of descriptors |
//! | `adopted.rs`, `foreign.rs` | [`Adopted`]: what the program made itself, watched by this driver |
//! | `sockets.rs`, `options.rs` | making sockets, and their options |
//! | `streams.rs`, `datagrams.rs` | TCP streams; datagram sockets |
//! | `files.rs` | files |
//! | `sendfile.rs`, `sendfile/` | sending them inside the kernel; the leaves, where unsafe code may stand |
//! | `poller.rs`, `unparker.rs`, `parking.rs` | waiting, and ending a wait from another thread |
//! | `edges.rs` | readiness that no selector tells |
//! | `resolver.rs` | looking up names, on helper threads |
//! | `clock.rs` | the one place that reads the time |
//! | `platform/local.rs`, `platform/local/` | Unix sockets, pipes and standard streams |
//! | `platform/windows_local.rs`, `platform/windows_local/` | what Windows has of them |
//! | `platform.rs` | all that differs between systems, the one place with `cfg` on them |
#![deny(unsafe_code)]

mod adopted;
mod clock;
mod datagrams;
mod driver;
mod edges;
mod files;
mod foreign;
mod helpers;
mod options;
mod parking;
mod platform;
mod poller;
mod resolver;
mod run;
mod sendfile;
mod sockets;
mod streams;
mod unparker;

/// The types by which threads meet, under one name, so that a model checker can put its own in their place.
mod meeting {
    pub(crate) use std::sync::atomic::{AtomicU8, Ordering};
}

pub use adopted::Adopted;
pub use driver::RealDriver;
pub use run::{RunError, run};
