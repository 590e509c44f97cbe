//! The simulated driver of [twinloop]: the same program that runs in production, in a world made from a seed.
//!
//! A [`Scenario`] builds a world: hosts with their programs on a virtual clock, links between them, faults. Everything that
//! may go one way or another is asked of one oracle, the [`Chooser`](choice::Chooser), so a seed determines a run bit for
//! bit. A [`campaign`] runs many seeds; a failure is [shrunk](shrink) to the few choices that matter and kept as a
//! [replay file](replay_file). The [command line](cli) does all of that for a program's scenarios.
//!
//! ```text
//!   Scenario ─▶ Sim (builder) ─▶ World ── turns ──▶ Dispatcher ─▶ SimDriver ─┐
//!                                  │                                         ▼
//!                                  └─ jumps time ─▶ Fabric ◀── packets ── Kernel
//!                                                     ▲
//!                                  faults, Chooser ───┘          Record: hash and story
//! ```
//!
//! For a small test there are [`run`] and [`run_pair`].
//!
//! # What is simulated, and what is not
//!
//! The kernel answers as Linux does, with its error numbers; PARITY.md lists the known differences. Threads are simulated
//! if [`spawn_thread`](twinloop::spawn_thread) starts them; of one that the system starts nothing is known, and what it
//! wakes is noticed when the world looks next. Programs must take time, chance and the network from twinloop; what they read
//! elsewhere (a random hash order, the system's clock) is found by running seeds twice, which `explore --check` does.
#![forbid(unsafe_code)]

pub mod campaign;
pub mod choice;
pub mod cli;
mod clock;
mod condition;
mod console;
mod controls;
mod coverage;
pub mod determinism;
mod disk;
mod driver;
mod fabric;
mod fault;
mod fault_plan;
mod held;
pub mod isolation;
mod kernel;
pub mod linearize;
mod liveness;
mod lone;
mod message;
mod names;
mod netstat;
mod panics;
mod program;
mod reach;
mod reached;
mod record;
pub mod replay_file;
mod replays;
mod scenario;
mod script;
pub mod search;
pub mod shrink;
mod sim;
mod small;
mod state;
pub mod story;
#[cfg(feature = "proptest")]
pub mod strategy;
mod swarm;
mod testing;
mod units;
mod verdict;
mod world;
mod zones;

pub use console::Output;
pub use controls::{Controls, Guard};
pub use disk::Disk;
pub use fault::{DiskFaults, Distribution, HostFaults, LinkFaults, ZoneFaults};
pub use fault_plan::{FaultPlan, PlannedFault};
pub use held::Held;
pub use lone::lone_driver;
pub use message::{Message, MessageKind};
pub use names::NameFailure;
pub use netstat::{Netstat, Protocol, Socket, SocketOwner, SocketState};
pub use program::ProgramResult;
pub use reached::Reached;
pub use scenario::Scenario;
pub use script::At;
pub use sim::Sim;
pub use small::{run, run_pair, run_world};
pub use swarm::{Strength, Swarm};
pub use testing::{Outcome, Test};
pub use twinloop_sim_macros::test;
pub use units::Units;
pub use verdict::{Report, Verdict};
