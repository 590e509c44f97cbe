//! A key-value server that speaks the Redis protocol, its client, and the worlds that both are explored in.
//!
//! [`server`] and [`client`] are ordinary twinloop code and name no driver: `main` runs them on the real kernel, and
//! [`scenario`] in the simulator.
//!
//! ```text
//!   bytes ─▶ resp ─▶ command ─▶ store        pure: no I/O, no clock
//!     ▲                │
//!   server ◀── replies ┘   client ─▶ workload ─▶ history ─▶ linearizable?
//! ```
#![forbid(unsafe_code)]

pub mod client;
pub mod command;
pub mod glob;
pub mod history;
pub mod load;
pub mod plan;
pub mod resp;
pub mod scenario;
pub mod server;
pub mod store;
pub mod workload;
