//! What only a simulated world can show.

mod determinism;
mod faults;
mod order;
mod replays;
mod threads;
mod verdicts;
