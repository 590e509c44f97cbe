#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! | module | what it is for |
//! |---|---|
//! | [`Dispatcher`], [`Handle`] | the loop, and the key that reaches it: `call_soon`, timers, readers and writers |
//! | [`spawn`], [`JoinHandle`] | tasks |
//! | [`sleep()`], [`interval()`], [`timeout`], [`deadline`], [`wall_time`] | time |
//! | [`completion()`] | a value that one side gives and others await, with callbacks |
//! | [`combine`] | several futures as one: [`join`], [`race`], [`shield`] and more |
//! | [`sync`] | what tasks share and wait for: locks, events, queues, semaphores, broadcasts, token buckets |
//! | [`spawn_thread`], [`Remote`], [`ThreadEvent`] | threads, and what they send each other |
//! | [`StreamServer`], [`Serving`], [`StreamTransport`] | connections, accepted one by one or each with a task of its own |
//! | [`DatagramTransport`] | datagrams: one peer or many, broadcast, multicast, batches |
//! | [`fs`], [`File`] | files and folders, and sending files over streams |
//! | [`resolve`], [`connect_host`], [`connect_any`] | names, and connecting to whichever address answers first |
//! | [`pipe`], [`standard_input`], [`standard_output`], [`transport::open_fifo`] | pipes and standard streams |
//! | [`Signals`], [`raise`] | signals of the process |
//! | [`buggify!`], [`always!`], [`sometimes!`], [`reachable!`], [`unreachable!`], [`catalogue`] | what a program tells a simulation about itself |
//! | [`driver`] | the seam: what stands behind a dispatcher |
//! | [`observe`] | what a dispatcher tells about itself |
//!
//! # Features
//!
//! All are off, and then the crate depends on no other. Most add the traits of another library:
//!
//! | feature | what it adds |
//! |---|---|
//! | `futures-io` | `AsyncRead` and `AsyncWrite` for [`StreamTransport`] and references to it, `AsyncBufRead` for [`Buffered`](transport::Buffered) |
//! | `tokio-io` | the same of `tokio`, which none of its runtime comes with |
//! | `futures-core` | `StreamServer::incoming`, a `Stream` of connections |
//! | `catalogue` | the list behind [`always!`] and its kin, which `twinloop-sim` asks for: without it they cost nothing |
#![forbid(unsafe_code)]

mod callback;
pub mod catalogue;
pub mod combine;
pub mod completion;
mod dispatcher;
pub mod driver;
mod error;
pub mod fs;
mod interval;
pub mod observe;
mod readiness;
mod shared;
pub mod signals;
mod sleep;
pub mod sync;
pub mod table;
mod task;
mod threads;
pub mod time;
pub mod transport;

pub use callback::{AsyncCallback, CallbackKind};
pub use combine::{Either, cancel_and_wait, join, join_all, one, race, shield};
pub use completion::{Cancelled, Completer, Completion, completion};
pub use dispatcher::{Dispatcher, Handle, NextWork, Pending, PollError, Scope, TimerId, WatchError};
pub use driver::Address;
pub use error::{ErrorKind, Operation, TransportError};
pub use fs::File;
pub use interval::{Interval, MissedTick, Tick, interval, interval_at};
pub use readiness::UntilReady;
pub use signals::{Signals, raise};
pub use sleep::{Elapsed, Sleep, deadline, now, sleep, sleep_until, timeout, wall_time};
pub use sync::{
    AsyncEvent, AsyncLock, AsyncQueue, AsyncSemaphore, BroadcastQueue, LockGuard, Permit, Subscriber,
    ThreadEvent, TokenBucket,
};
pub use task::{Idle, JoinError, JoinHandle, Joined, YieldNow, idle, panic_text, spawn, yield_now};
pub use threads::{Closed, Remote, RemoteJoin, ThreadError, spawn_thread};
pub use time::Moment;
pub use transport::{
    DatagramTransport, ServeOptions, Serving, StreamServer, StreamTransport, connect, connect_any,
    connect_host, connect_to, pipe, resolve, resolve_address, standard_error, standard_input,
    standard_output,
};
