//! What only a simulated world can show.

mod attribute;
mod datagrams;
mod determinism;
mod disks;
mod faults;
mod foreign;
mod hosts;
mod many;
mod models_completion;
mod models_framing;
mod models_locks;
mod models_queues;
mod models_writes;
mod names;
mod network;
mod options;
mod order;
mod replays;
mod serving;
mod stores;
mod threads;
mod verdicts;
