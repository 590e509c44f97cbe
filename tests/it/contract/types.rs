//! What the types promise, checked by the compiler: keys instead of pointers make all of them `Send + Sync + Unpin`.

use std::cell::Cell;
use std::future::Pending;
use std::marker::PhantomPinned;
use std::rc::Rc;

use twinloop::combine::{JoinAll, One, Shield};
use twinloop::completion::{self, WhenCancelled};
use twinloop::fs::{FileCall, FileSteps, ReadAt, ReadRange};
use twinloop::signals::Recv;
use twinloop::sync::{
    Acquire, AcquirePermits, Consume, EventWait, Next, Pop, Push, Refill, Take, ThreadEventWait,
};
use twinloop::transport::{
    Accept, Buffered, Close, Connect, ConnectAny, ConnectHost, DatagramBatch, Fill, Read, ReadExactly,
    ReadLine, ReadLineInto, ReadToEnd, ReadUntil, ReadUntilInto, ReadWith, Receive, ReceiveMany, Resolve,
    ResolveAddress, SendDatagram, SendMany, Shutdown, Skip, UntilWritable, Write, WriteFile,
};
use twinloop::{
    AsyncEvent, AsyncLock, AsyncQueue, AsyncSemaphore, BroadcastQueue, Completer, Completion,
    DatagramTransport, File, Handle, Idle, Interval, JoinHandle, Joined, LockGuard, Moment, Permit, Remote,
    RemoteJoin, Signals, Sleep, StreamServer, StreamTransport, Subscriber, ThreadEvent, Tick, TimerId,
    TokenBucket, UntilReady, YieldNow,
};

fn travels<T: Send + Sync + Unpin>() {}

/// Hyper, axum, tonic and quinn demand it of what they are given, whatever a task's output may be.
#[test]
fn handles_transports_and_leaf_futures_are_send_sync_and_unpin() {
    travels::<Handle>();
    travels::<JoinHandle<Rc<()>>>();
    travels::<Remote>();
    travels::<RemoteJoin<Cell<()>>>();
    travels::<Joined>();
    travels::<Completer<Rc<()>>>();
    travels::<Completion<Rc<()>>>();
    travels::<completion::Joined<Rc<()>>>();
    travels::<WhenCancelled<'_, Rc<()>>>();
    travels::<Shield<Rc<()>>>();
    travels::<Moment>();
    travels::<TimerId>();
    travels::<Sleep>();
    travels::<Interval>();
    travels::<Tick<'_>>();
    travels::<YieldNow>();
    travels::<Idle>();
    travels::<UntilReady>();
    travels::<Signals>();
    travels::<Recv<'_>>();
    travels::<StreamTransport>();
    travels::<StreamServer>();
    travels::<Read<'_>>();
    travels::<ReadExactly<'_>>();
    travels::<ReadUntil<'_>>();
    travels::<ReadLine<'_>>();
    travels::<ReadUntilInto<'_>>();
    travels::<ReadLineInto<'_>>();
    travels::<ReadWith<'_, fn(&[u8], bool) -> Option<(usize, ())>>>();
    travels::<ReadToEnd<'_>>();
    travels::<Skip<'_>>();
    travels::<Buffered<StreamTransport>>();
    travels::<Buffered<&StreamTransport>>();
    travels::<Fill<'_>>();
    travels::<Write>();
    travels::<WriteFile>();
    travels::<UntilWritable>();
    travels::<File>();
    travels::<FileCall<File>>();
    travels::<FileSteps<Vec<u8>>>();
    travels::<ReadAt<'_>>();
    travels::<ReadRange>();
    travels::<Shutdown>();
    travels::<Close>();
    travels::<Accept<'_>>();
    travels::<DatagramTransport>();
    travels::<DatagramBatch>();
    travels::<Receive<'_>>();
    travels::<ReceiveMany<'_>>();
    travels::<SendDatagram>();
    travels::<SendMany>();
    travels::<Connect>();
    travels::<ConnectAny>();
    travels::<ConnectHost>();
    travels::<Resolve>();
    travels::<ResolveAddress>();
    travels::<AsyncLock<Rc<()>>>();
    travels::<Acquire<Rc<()>>>();
    travels::<LockGuard<Vec<u8>>>();
    travels::<AsyncEvent>();
    travels::<EventWait>();
    travels::<AsyncSemaphore>();
    travels::<AcquirePermits>();
    travels::<Permit>();
    travels::<TokenBucket>();
    travels::<Consume>();
    travels::<Refill>();
    travels::<AsyncQueue<Rc<()>>>();
    travels::<Pop<Rc<()>>>();
    travels::<BroadcastQueue<Rc<()>>>();
    travels::<Subscriber<Rc<()>>>();
    travels::<Next<'_, Rc<()>>>();
    travels::<Take<'_, Rc<()>>>();
    travels::<ThreadEvent>();
    travels::<ThreadEventWait>();
}

/// What is made of parts travels where its parts do.
#[test]
fn combined_futures_travel_where_their_parts_do() {
    travels::<JoinAll<Pending<u32>>>();
    travels::<One<'_, Pending<u32>>>();
    fn is_send<F: Send>(_: F) {}
    is_send(twinloop::cancel_and_wait([] as [JoinHandle<u32>; 0]));
    is_send(twinloop::join(std::future::ready(1), std::future::ready(2)));
    is_send(twinloop::race(std::future::ready(1), std::future::ready(2)));
}

/// A push has its value in it, and travels wherever that may.
#[test]
fn a_push_travels_as_its_value_does() {
    travels::<Push<String>>();
    fn is_unpin<T: Unpin>() {}
    is_unpin::<Push<PhantomPinned>>();
}
