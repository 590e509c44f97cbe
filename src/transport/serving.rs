//! A server's handler mode: each connection gets a task of its own, until the server is stopped. It accepts as any program
//! could, and knows nothing of descriptors.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::server::StreamServer;
use super::stream::StreamTransport;
use crate::shared::Shared;
use crate::sync::{AsyncEvent, AsyncSemaphore, Permit};
use crate::table::{Key, Table};
use crate::task::{JoinError, JoinHandle, Joined, spawn};
use crate::{Address, ErrorKind, TransportError, race, sleep};

/// How a server treats its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeOptions {
    /// How many connections are handled at a time. At the limit nothing is accepted: the backlog fills up, which is what
    /// clients feel. Default: no limit.
    pub connections_max: Option<usize>,
    /// How long the server waits after the first refusal for want of descriptors or memory. Each further one in a row doubles
    /// it. Default 10 ms.
    pub back_off_min: Duration,
    /// No wait is longer. Default 1 s.
    pub back_off_max: Duration,
    /// Whether a handler's panic ends its own connection alone and is [counted](Serving::panics). Default false: it goes on
    /// from the turn in which it happened, as that of every task that nobody awaits, so that no test misses it.
    pub contain_panics: bool,
}

impl ServeOptions {
    /// These options with [`connections_max`](ServeOptions::connections_max).
    ///
    /// # Panics
    ///
    /// If `limit` is zero: nothing would ever be accepted.
    #[must_use]
    pub fn connections_max(mut self, limit: usize) -> Self {
        assert!(limit > 0, "a server that may handle no connection is better not started");
        self.connections_max = Some(limit);
        self
    }

    /// These options with [`back_off_min`](ServeOptions::back_off_min) and [`back_off_max`](ServeOptions::back_off_max).
    /// With [`Duration::MAX`] for both, only the end of a handler has the server try again.
    ///
    /// # Panics
    ///
    /// If `min` is zero, or more than `max`.
    #[must_use]
    pub fn back_off(mut self, min: Duration, max: Duration) -> Self {
        assert!(!min.is_zero(), "a server that backs off for no time spins: give it a pause");
        assert!(
            min <= max,
            "a back-off grows from its least, {min:?}, to its most, {max:?}: give the smaller one first"
        );
        (self.back_off_min, self.back_off_max) = (min, max);
        self
    }

    /// These options with [`contain_panics`](ServeOptions::contain_panics).
    #[must_use]
    pub fn contain_panics(mut self, on: bool) -> Self {
        self.contain_panics = on;
        self
    }
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            connections_max: None,
            back_off_min: Duration::from_millis(10),
            back_off_max: Duration::from_secs(1),
            contain_panics: false,
        }
    }
}

impl StreamServer {
    /// Runs `handler` for each connection, in a task of its own (R137). The server is given away: what it accepts is the
    /// handlers' (R136).
    ///
    /// When descriptors or memory run out, the server waits a little and goes on; nothing is closed (R138).
    ///
    /// # Panics
    ///
    /// On another thread than the server's.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{Address, StreamServer, connect};
    ///
    /// let server = StreamServer::listen(Address::loopback(0))?;
    /// let address = server.local_address();
    /// let serving = server.serve(|stream| async move {
    ///     // A client that has gone is no fault of the server.
    ///     let _ = stream.write(b"welcome").await;
    /// });
    /// assert_eq!(connect(address).await?.read_to_end(100).await?, b"welcome");
    /// serving.close().await?;
    /// assert!(connect(address).await.is_err());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn serve<H, F>(self, handler: H) -> Serving
    where
        H: Fn(StreamTransport) -> F + 'static,
        F: Future<Output = ()> + 'static,
    {
        self.serve_with(&ServeOptions::default(), handler)
    }

    /// As [`serve`](Self::serve), with options.
    ///
    /// # Panics
    ///
    /// As [`serve`](Self::serve), and if [`ServeOptions::connections_max`] is zero.
    #[track_caller]
    pub fn serve_with<H, F>(self, options: &ServeOptions, handler: H) -> Serving
    where
        H: Fn(StreamTransport) -> F + 'static,
        F: Future<Output = ()> + 'static,
    {
        assert!(options.connections_max != Some(0), "nothing would ever be accepted: allow one connection");
        let local = self.local_address();
        let handlers = Shared::new(Handlers {
            limit: options.connections_max.map(AsyncSemaphore::new),
            server: self,
            options: options.clone(),
            acceptor: RefCell::default(),
            running: RefCell::default(),
            one_ended: AsyncEvent::new(),
            refusals: Cell::new(0),
            last_refusal: RefCell::default(),
            panics: Cell::new(0),
        });
        let acceptor = spawn(accept_all(handlers.clone(), Rc::new(handler)));
        handlers.resolve().1.acceptor.replace(Some(acceptor));
        Serving { handlers, local, waiting: None, ended: None, detached: false }
    }
}

/// A server that handles its connections by itself. Awaiting it gives the server's end: once it was stopped, or its listener
/// has failed, and every handler is done.
///
/// Dropping it stops the server and cancels its handlers; [`detach`](Serving::detach) lets both run on.
#[must_use = "dropping it ends the server; await it, keep it, or detach() it"]
pub struct Serving {
    handlers: Shared<Handlers>,
    local: Address,
    /// What is awaited at the moment.
    waiting: Option<Joined>,
    /// How the acceptor has ended.
    ended: Option<Result<(), TransportError>>,
    detached: bool,
}

impl Serving {
    /// Where it listens, or has listened.
    pub fn local_address(&self) -> Address {
        self.local
    }

    /// How many connections are being handled.
    pub fn connections(&self) -> usize {
        self.handlers.resolve().1.running.borrow().len()
    }

    /// How often a connection could not be accepted for want of descriptors or memory (R139).
    pub fn refusals(&self) -> u64 {
        self.handlers.resolve().1.refusals.get()
    }

    /// What the last such refusal was.
    pub fn last_refusal(&self) -> Option<TransportError> {
        self.handlers.resolve().1.last_refusal.borrow().clone()
    }

    /// How many handlers have panicked; always 0 unless [`ServeOptions::contain_panics`] is on.
    pub fn panics(&self) -> u64 {
        self.handlers.resolve().1.panics.get()
    }

    /// Stops listening and frees the address (R142, R143). The handlers go on; await the `Serving` to wait for them.
    pub fn stop(&self) {
        self.handlers.resolve().1.stop();
    }

    /// Stops, and waits for the handlers.
    ///
    /// Dropping the future cancels those that are left, so that a [`timeout`](crate::timeout) around it is a limit to their
    /// patience.
    ///
    /// # Errors
    ///
    /// What had ended the listener before.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::time::Duration;
    /// use twinloop::{Address, StreamServer, connect, sleep, timeout};
    ///
    /// let serving = StreamServer::listen(Address::loopback(0))?.serve(|stream| async move {
    ///     let _ = stream.write(b"wait").await;
    ///     sleep(Duration::from_secs(3600)).await;
    /// });
    /// let client = connect(serving.local_address()).await?;
    /// client.read_exactly(&mut [0; 4]).await?;
    /// assert!(timeout(Duration::from_secs(5), serving.close()).await.is_err());
    /// assert_eq!(client.read_to_end(100).await?, b"");
    /// # Ok(()) });
    /// ```
    pub async fn close(self) -> Result<(), TransportError> {
        self.stop();
        self.await
    }

    /// Stops, cancels the handlers, and waits until they are gone.
    ///
    /// # Errors
    ///
    /// What had ended the listener before.
    pub async fn abort(self) -> Result<(), TransportError> {
        let (_, handlers) = self.handlers.resolve();
        handlers.stop();
        handlers.cancel_all();
        drop(handlers);
        self.await
    }

    /// Lets the server run on until its dispatcher closes. A listener that fails then fails unheard.
    pub fn detach(mut self) {
        self.detached = true;
    }
}

impl Future for Serving {
    type Output = Result<(), TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (_, handlers) = self.handlers.resolve();
        if self.ended.is_none() {
            let mut acceptor =
                handlers.acceptor.take().expect("the acceptor is there until its end was seen");
            match Pin::new(&mut acceptor).poll(context) {
                Poll::Pending => {
                    handlers.acceptor.replace(Some(acceptor));
                    return Poll::Pending;
                }
                Poll::Ready(Ok(outcome)) => self.ended = Some(outcome),
                Poll::Ready(Err(JoinError::Cancelled)) => self.ended = Some(Ok(())),
                Poll::Ready(Err(JoinError::Panicked(payload))) => resume_unwind(payload),
            }
        }
        loop {
            if let Some(waiting) = &mut self.waiting {
                if Pin::new(waiting).poll(context).is_pending() {
                    return Poll::Pending;
                }
            }
            self.waiting =
                handlers.running.borrow().iter().find_map(|(_, task)| task.as_ref().map(JoinHandle::join));
            if self.waiting.is_none() {
                return Poll::Ready(self.ended.clone().expect("it was seen above"));
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.detached {
            return;
        }
        if let Some((_, handlers)) = self.handlers.try_resolve() {
            handlers.stop();
            handlers.cancel_all();
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("local", &self.local).finish_non_exhaustive()
    }
}

struct Handlers {
    server: StreamServer,
    options: ServeOptions,
    limit: Option<AsyncSemaphore>,
    acceptor: RefCell<Option<JoinHandle<Result<(), TransportError>>>>,
    /// The tasks of the handlers that have not ended; `None` for one that is just being spawned.
    running: RefCell<Table<Option<JoinHandle<()>>>>,
    /// Who backs off looks again when a handler gives its descriptors back.
    one_ended: AsyncEvent,
    refusals: Cell<u64>,
    last_refusal: RefCell<Option<TransportError>>,
    panics: Cell<u64>,
}

/// Accepts until the server is closed or fails.
async fn accept_all<H, F>(shared: Shared<Handlers>, handler: Rc<H>) -> Result<(), TransportError>
where
    H: Fn(StreamTransport) -> F + 'static,
    F: Future<Output = ()> + 'static,
{
    let (_, handlers) = shared.resolve();
    let mut back_off = handlers.options.back_off_min;
    loop {
        // Before the connection is accepted: who waits in the backlog can still be served by another process.
        let permit = match &handlers.limit {
            Some(limit) => Some(limit.acquire().await),
            None => None,
        };
        match handlers.server.accept().await {
            Ok(stream) => {
                back_off = handlers.options.back_off_min;
                begin(&shared, &handlers, stream, permit, Rc::clone(&handler));
            }
            Err(error) if error.kind() == ErrorKind::TooManyOpen => {
                drop(permit);
                handlers.back_off(error, back_off).await;
                back_off = back_off.saturating_mul(2).min(handlers.options.back_off_max);
            }
            Err(error) if error.kind() == ErrorKind::Closed => return Ok(()),
            Err(error) => {
                // Nobody will accept any more: clients are to be refused, and not to wait.
                handlers.server.close_if_there();
                return Err(error);
            }
        }
    }
}

/// Has a connection handled in a task of its own.
fn begin<H, F>(
    shared: &Shared<Handlers>,
    handlers: &Handlers,
    stream: StreamTransport,
    permit: Option<Permit>,
    handler: Rc<H>,
) where
    H: Fn(StreamTransport) -> F + 'static,
    F: Future<Output = ()> + 'static,
{
    let key = handlers.running.borrow_mut().insert(None);
    // Goes last, however the task ends: the handler's own descriptors are closed by then.
    let ending = Ending { handlers: shared.clone(), key, permit };
    let contain = handlers.options.contain_panics;
    let task = spawn(async move {
        let ending = ending;
        let handling = async move { handler(stream).await };
        match contain {
            false => handling.await,
            true => contained(handling, &ending).await,
        }
    });
    *handlers.running.borrow_mut().get_mut(key).expect("it was filed above") = Some(task);
}

/// Runs `handling` to its end or its panic, which is counted.
async fn contained(handling: impl Future<Output = ()>, ending: &Ending) {
    let mut handling = pin!(handling);
    std::future::poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(context))).unwrap_or_else(|_payload| {
            let (_, handlers) = ending.handlers.resolve();
            handlers.panics.set(handlers.panics.get() + 1);
            Poll::Ready(())
        })
    })
    .await;
}

impl Handlers {
    fn stop(&self) {
        // The address is free with the call; nobody but the acceptor waits to be told.
        self.server.close_if_there();
        let acceptor = self.acceptor.take();
        // It may wait for the limit, or back off.
        self.acceptor.replace(acceptor.map(JoinHandle::cancel));
    }

    fn cancel_all(&self) {
        let keys = self.running.borrow().keys();
        for key in keys {
            let task = self.running.borrow_mut().get_mut(key).and_then(Option::take);
            let cancelled = task.map(JoinHandle::cancel);
            // A task that was gone at once has taken its entry along; one that is being polled goes after that.
            if let Some(running) = self.running.borrow_mut().get_mut(key) {
                *running = cancelled;
            }
        }
    }

    async fn back_off(&self, error: TransportError, pause: Duration) {
        self.refusals.set(self.refusals.get() + 1);
        self.last_refusal.replace(Some(error));
        self.one_ended.clear();
        race(self.one_ended.wait(), sleep(pause)).await;
    }
}

/// The end of a handler's task: it is no longer counted.
struct Ending {
    handlers: Shared<Handlers>,
    key: Key,
    permit: Option<Permit>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        drop(self.permit.take());
        let Some((_, handlers)) = self.handlers.try_resolve() else { return };
        // Detached from here on: a panic on its way goes on from this turn.
        let task = handlers.running.borrow_mut().remove(self.key);
        drop(task);
        handlers.one_ended.fire();
    }
}
