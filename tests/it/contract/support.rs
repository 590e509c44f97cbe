//! What the cases share: a connected pair, contents that show every shift, single polls, clogged streams. No case lives here.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use twinloop::driver::{ConnectOptions, Fd, ListenOptions, OsError};
use twinloop::transport::Write;
use twinloop::{
    Address, AsyncCallback, ErrorKind, Handle, JoinHandle, StreamServer, StreamTransport, TransportError,
    connect, sleep, spawn, yield_now,
};

/// The two ends of a connection: the one that connected, the one that was accepted.
pub(super) async fn pair() -> Result<(StreamTransport, StreamTransport), TransportError> {
    let server = StreamServer::listen(Address::loopback(0))?;
    let stream = connect(server.local_address()).await?;
    let peer = server.accept().await?;
    Ok((stream, peer))
}

/// The two ends of a connection as bare descriptors, and no listener left.
pub(super) async fn raw_pair() -> Result<(Fd, Fd), Box<dyn std::error::Error>> {
    let handle = Handle::current();
    let listener = handle.listen(&Address::loopback(0), &ListenOptions::default())?;
    let fd = handle.connect(&handle.local_address(listener)?, &ConnectOptions::default())?;
    let peer = loop {
        match handle.accept(listener) {
            Err(error) if error.is_would_block() => sleep(Duration::from_millis(1)).await,
            accepted => break accepted?.0,
        }
    };
    until(|| handle.remote_address(fd).is_ok()).await;
    handle.close(listener);
    Ok((fd, peer))
}

/// Closes bare descriptors, which nobody owns.
pub(super) fn close_all(fds: impl IntoIterator<Item = Fd>) {
    for fd in fds {
        Handle::current().close(fd);
    }
}

/// Sends all of `bytes`, however short the counts are.
pub(super) async fn send_all(fd: Fd, bytes: &[u8]) -> Result<(), OsError> {
    let mut sent = 0;
    while sent < bytes.len() {
        match Handle::current().send(fd, &bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.is_would_block() => turns(1).await,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Leaves `fd` known to be readable, with `bytes` unread but for the first: the latch is set, and by an edge.
pub(super) async fn leave_readable(fd: Fd, peer: Fd, bytes: &[u8]) -> Result<(), OsError> {
    let handle = Handle::current();
    assert!(handle.recv(fd, &mut [0]).is_err_and(OsError::is_would_block), "nothing was sent yet");
    send_all(peer, bytes).await?;
    until(|| handle.recv(fd, &mut [0]) == Ok(1)).await;
    Ok(())
}

/// `length` bytes, the same each time, of which no two stretches are equal: what is lost, doubled or moved shows.
pub(super) fn pattern(length: usize) -> &'static [u8] {
    const MOST: usize = 40 << 20;
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    let whole = PATTERN.get_or_init(|| {
        let mut state = 1u64;
        let mut next = || {
            // Knuth's multiplier for 64 bits; the upper half is the better one.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 32) as u32).to_le_bytes()
        };
        (0..MOST / 4).flat_map(|_| next()).collect()
    });
    &whole[..length]
}

/// Polls `future` once, on behalf of the calling task.
pub(super) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// Polls `future` with wakers that are not the task's and no two of which are the same, as `FuturesUnordered` does.
pub(super) async fn with_foreign_wakers<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let own = Arc::new(Passing(context.waker().clone())).into();
        future.as_mut().poll(&mut Context::from_waker(&own))
    })
    .await
}

struct Passing(Waker);

impl Wake for Passing {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// Waits until `holds`; time passes meanwhile.
pub(super) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Lets `count` turns pass.
pub(super) async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// Longer than an event or a timer may be late.
pub(super) async fn settle() {
    sleep(Duration::from_millis(45)).await;
}

/// Writes, while the peer does not read, until the kernel takes no more: some bytes stay queued. Says how many bytes were
/// written in all, a prefix of [`pattern`].
pub(super) async fn clog(stream: &StreamTransport) -> usize {
    const CHUNK: usize = 64 * 1024;
    let mut written = 0;
    loop {
        stream.write(&pattern(written + CHUNK)[written..]).detach();
        written += CHUNK;
        turns(100).await;
        let queued = stream.queued_bytes();
        if queued > 0 {
            settle().await;
            if stream.queued_bytes() == queued {
                return written;
            }
        }
    }
}

/// More bytes than the kernel takes on both sides of a connection together, whatever kernel that is.
pub(super) async fn more_than_the_kernel_takes() -> Result<usize, TransportError> {
    let (stream, _peer) = pair().await?;
    Ok(clog(&stream).await + 1)
}

/// The write of `bytes` behind a clogged queue, seen waiting.
pub(super) async fn queue_write(stream: &StreamTransport, bytes: &[u8]) -> Write {
    let mut write = stream.write(bytes);
    assert!(poll_once(&mut write).await.is_pending(), "the kernel was full");
    write
}

/// Reads everything until the end.
pub(super) async fn drain(stream: &StreamTransport) -> Result<Vec<u8>, TransportError> {
    stream.read_to_end(usize::MAX).await
}

/// The error of an operation that had to fail. A case about what this system does not have ends there.
#[track_caller]
pub(super) fn refusal<T>(result: Result<T, TransportError>) -> Result<TransportError, TransportError> {
    match result {
        Ok(_) => panic!("it succeeded, which it should not have"),
        Err(error) if error.kind() == ErrorKind::Os(std::io::ErrorKind::Unsupported) => Err(error),
        Err(error) => Ok(error),
    }
}

/// What went wrong, of an operation that had to fail.
pub(super) fn kind<T>(result: Result<T, TransportError>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it succeeded, which it should not have"),
        Err(error) => error.kind(),
    }
}

type Function = Rc<dyn Fn(&Handle)>;

thread_local! {
    /// Closures behind callbacks; the thread of the test is their life.
    static CALLS: RefCell<Vec<Function>> = const { RefCell::new(Vec::new()) };
}

/// A callback that runs `function`.
pub(super) fn calling(function: impl Fn(&Handle) + 'static) -> AsyncCallback {
    let word = CALLS.with_borrow_mut(|calls| {
        calls.push(Rc::new(function));
        calls.len() - 1
    });
    AsyncCallback::new(call, word)
}

fn call(handle: &Handle, word: usize) {
    let function = CALLS.with_borrow(|calls| Rc::clone(&calls[word]));
    function(handle);
}

/// What happened, in order; clones write to the same log.
#[derive(Clone, Default)]
pub(super) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(super) fn add(&self, entry: impl ToString) {
        self.0.borrow_mut().push(entry.to_string());
    }

    /// A callback that adds `entry`.
    pub(super) fn adding(&self, entry: impl ToString) -> AsyncCallback {
        let (log, entry) = (self.clone(), entry.to_string());
        calling(move |_| log.add(&entry))
    }

    /// The entries, parted by blanks.
    pub(super) fn text(&self) -> String {
        self.0.borrow().join(" ")
    }

    pub(super) fn count(&self, entry: &str) -> usize {
        self.0.borrow().iter().filter(|other| *other == entry).count()
    }
}

/// Adds `entry` to a log when it is dropped.
pub(super) struct LogsDrop(pub(super) Log, pub(super) &'static str);

impl Drop for LogsDrop {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// Counts turns while it is kept, and so keeps the loop busy: its driver is polled all the time.
pub(super) struct Turns {
    count: Rc<Cell<usize>>,
    counter: Option<JoinHandle<()>>,
}

impl Turns {
    pub(super) fn counted() -> Turns {
        let count = Rc::new(Cell::new(0));
        let inner = Rc::clone(&count);
        let counter = spawn(async move {
            loop {
                inner.set(inner.get() + 1);
                yield_now().await;
            }
        });
        Turns { count, counter: Some(counter) }
    }

    pub(super) fn so_far(&self) -> usize {
        self.count.get()
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.counter.take().map(JoinHandle::cancel);
    }
}

/// A gate that opens once, with a list of those who wait.
#[derive(Clone, Default)]
pub(super) struct Gate(Rc<GateState>);

#[derive(Default)]
struct GateState {
    open: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Gate {
    pub(super) fn open(&self) {
        self.0.open.set(true);
        for waker in self.0.waiting.take() {
            waker.wake();
        }
    }

    pub(super) async fn wait(&self) {
        poll_fn(|context| {
            if self.0.open.get() {
                return Poll::Ready(());
            }
            self.0.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
