//! What only a simulated world can show.

mod assertions;
mod attribute;
mod buggify;
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
mod story;
mod swarm;
mod threads;
mod verdicts;
