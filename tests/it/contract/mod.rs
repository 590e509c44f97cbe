//! Cases that hold on every driver, one file a promise. They name none; whoever mounts this folder gives `run`.

pub(super) use super::{run, run_leaving};

mod broadcast;
mod cancel;
mod close;
mod combine;
mod completion;
mod connect;
mod deadline;
mod descriptors;
mod event;
mod fairness;
mod files;
mod interval;
mod lock;
mod queue;
mod readiness;
mod semaphore;
mod server;
mod shield;
mod stream_parse;
mod stream_poll;
mod stream_read;
mod stream_read_exclusive;
mod stream_skip;
mod stream_write;
mod support;
mod tasks;
mod thread_event;
mod threads;
mod timeout;
mod timers;
mod token_bucket;
mod turn;
mod types;
mod wakers;
