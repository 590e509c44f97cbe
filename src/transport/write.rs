//! The writing side of a stream: straight to the kernel while nothing waits, else a queue in the order of the calls.

mod poll;

use std::collections::VecDeque;
use std::future::Future;
use std::io::IoSlice;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::budget::{BYTES_A_TURN, Budget};
use super::stream::{Stream, StreamTransport};
use crate::dispatcher::{Core, Interest, Waiter};
use crate::driver::{Half, OsError};
use crate::table::Key;
use crate::{Address, AsyncCallback, ErrorKind, Handle, Operation, TransportError};

/// Buffers that go to the kernel in one call.
const VECTOR_MAX: usize = 16;

#[derive(Default)]
pub(super) struct WriteSide {
    queue: VecDeque<Queued>,
    next_ticket: u64,
    /// Every write with a ticket below this one is done: tickets are given in order, and the queue leaves in order.
    done_below: u64,
    end: End,
    budget: Budget,
    /// The writer callback is installed.
    watching: bool,
    /// Who polls for the queue to be empty; the writer callback is installed for as long as someone does.
    poller: Waiter,
}

/// ```text
///   Open ── shutdown() ──▶ Ending ── queue empty ──▶ ShutDown
///     └───────────┴────────── system error ────────▶ Failed
/// ```
#[derive(Clone, Copy, Default)]
enum End {
    #[default]
    Open,
    /// The queue is sent first, then the direction is shut down. No new write is taken.
    Ending,
    ShutDown,
    Failed(OsError),
}

/// A write, or what is left of it. The queue owns its bytes (R116).
struct Queued {
    ticket: u64,
    bytes: Vec<u8>,
    /// How many of `bytes` the kernel has.
    sent: usize,
    /// Some of the write's bytes have left: it can no longer be withdrawn, only finished.
    begun: bool,
    waiter: Waiter,
}

impl WriteSide {
    /// The stream is closed: the writers are to be told, in their order.
    pub(super) fn abandon(&mut self) -> Vec<Waiter> {
        self.watching = false;
        let poller = std::mem::take(&mut self.poller);
        self.queue.drain(..).map(|queued| queued.waiter).chain([poller]).collect()
    }

    /// Why no write can be taken now.
    fn refusal(&self, stream: &Stream) -> Result<(), TransportError> {
        match self.end {
            End::Open => Ok(()),
            End::Ending | End::ShutDown => Err(stream.error(Operation::Write, ErrorKind::ShutDown)),
            End::Failed(error) => Err(stream.os_error(Operation::Write, error)),
        }
    }

    /// What stands at the front of the queue, as much as goes to the kernel in one call.
    fn front(&self) -> Vec<IoSlice<'_>> {
        let mut room = BYTES_A_TURN;
        let mut buffers = Vec::with_capacity(self.queue.len().min(VECTOR_MAX));
        for queued in self.queue.iter().take(VECTOR_MAX) {
            let rest = &queued.bytes[queued.sent..];
            let part = &rest[..rest.len().min(room)];
            room -= part.len();
            buffers.push(IoSlice::new(part));
            if room == 0 {
                break;
            }
        }
        buffers
    }

    /// Takes off the queue what the kernel took of it, and gives those whose write is done.
    fn advance(&mut self, mut count: usize) -> Vec<Waiter> {
        let mut done = Vec::new();
        while let Some(first) = self.queue.front_mut() {
            let taken = count.min(first.bytes.len() - first.sent);
            count -= taken;
            first.sent += taken;
            first.begun |= taken > 0;
            if first.sent < first.bytes.len() {
                break;
            }
            self.done_below = first.ticket + 1;
            done.extend(self.queue.pop_front().map(|queued| queued.waiter));
        }
        assert_eq!(count, 0, "the kernel took more than was offered");
        done
    }

    fn position(&self, ticket: u64) -> Option<usize> {
        self.queue.binary_search_by_key(&ticket, |queued| queued.ticket).ok()
    }
}

/// # Writing
impl StreamTransport {
    /// Writes all of `bytes`, behind every write that was called before (R109). The result is their number, once the
    /// kernel has them all (R110).
    ///
    /// While nothing is queued the bytes go to the kernel in the call itself; what it does not take is copied and queued,
    /// and the rest of the program runs on. Awaiting the future is what makes back-pressure: a peer that does not read
    /// stops the writer.
    ///
    /// Dropping the future withdraws the write if none of its bytes has left yet; otherwise it is finished in the
    /// background (R115). [`Write::detach`] leaves it queued in any case.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`], [`ErrorKind::ShutDown`], or the system's error, with its number, for this and every later
    /// write (against R112).
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// let first = stream.write(b"one ");
    /// let second = stream.write(b"two");
    /// assert_eq!((second.await?, first.await?), (3, 4));
    /// stream.shutdown().await?;
    /// assert_eq!(peer.read_to_end(100).await?, b"one two");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn write(&self, bytes: &[u8]) -> Write {
        let (core, stream) = self.resolve();
        match stream.send_now(&core, bytes) {
            Err(error) => self.over(Err(error)),
            Ok(sent) if sent == bytes.len() => self.over(Ok(sent)),
            Ok(sent) => {
                let ticket = stream.enqueue(&core, self.key(), bytes[sent..].to_vec(), 0, sent > 0);
                self.queued(ticket, bytes.len(), stream.remote())
            }
        }
    }

    /// As [`write`](Self::write), for bytes that the queue can own: what the kernel does not take at once is not copied.
    #[track_caller]
    pub fn write_owned(&self, bytes: Vec<u8>) -> Write {
        let (core, stream) = self.resolve();
        let total = bytes.len();
        match stream.send_now(&core, &bytes) {
            Err(error) => self.over(Err(error)),
            Ok(sent) if sent == total => self.over(Ok(sent)),
            Ok(sent) => {
                let ticket = stream.enqueue(&core, self.key(), bytes, sent, sent > 0);
                self.queued(ticket, total, stream.remote())
            }
        }
    }

    /// How many bytes of writes wait for the kernel to take them.
    pub fn queued_bytes(&self) -> usize {
        let (_, stream) = self.resolve();
        let side = stream.write.borrow();
        side.queue.iter().map(|queued| queued.bytes.len() - queued.sent).sum()
    }

    /// Sends what is queued, then tells the peer that no more will come; reading goes on (R122). From the call on, new
    /// writes are refused with [`ErrorKind::ShutDown`]. Dropping the future does not undo the shutdown.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write). A second shutdown waits for the same end.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// stream.shutdown().await?;
    /// assert_eq!(peer.read_to_end(100).await?, b"");
    /// peer.write(b"still open this way").await?;
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn shutdown(&self) -> Shutdown {
        let place = Location::caller();
        let (core, stream) = self.resolve();
        let mut side = stream.write.borrow_mut();
        if matches!(side.end, End::Open) {
            side.end = End::Ending;
        }
        drop(side);
        stream.end_if_flushed(&core);
        Shutdown { handle: self.handle(), stream: self.key(), remote: stream.remote(), wait: None, place }
    }

    fn over(&self, result: Result<usize, TransportError>) -> Write {
        Write { handle: self.handle(), stream: self.key(), state: State::Over(result) }
    }

    fn queued(&self, ticket: u64, total: usize, remote: Address) -> Write {
        self.resolve().1.hold();
        Write { handle: self.handle(), stream: self.key(), state: State::Queued { ticket, total, remote } }
    }
}

impl Stream {
    /// Sends what the kernel takes of `bytes` now, if no earlier write waits and the budget allows.
    fn send_now(&self, core: &Core, bytes: &[u8]) -> Result<usize, TransportError> {
        self.refuse_closed(Operation::Write)?;
        let mut side = self.write.borrow_mut();
        side.refusal(self)?;
        let mut sent = 0;
        while sent < bytes.len() && side.queue.is_empty() && side.budget.allows(core, BYTES_A_TURN) {
            let rest = &bytes[sent..];
            match core.send(self.fd, &rest[..rest.len().min(BYTES_A_TURN)]) {
                Ok(count) => {
                    sent += count;
                    side.budget.spend_bytes(count);
                }
                Err(error) if error.is_would_block() => break,
                Err(error) => {
                    side.end = End::Failed(error);
                    return Err(self.os_error(Operation::Write, error));
                }
            }
        }
        Ok(sent)
    }

    /// Files what is left of a write, and has the writer callback send it.
    #[track_caller]
    fn enqueue(&self, core: &Core, key: Key, bytes: Vec<u8>, sent: usize, begun: bool) -> u64 {
        assert!(sent < bytes.len(), "a write that is done is not queued");
        let mut side = self.write.borrow_mut();
        let ticket = side.next_ticket;
        side.next_ticket += 1;
        side.queue.push_back(Queued { ticket, bytes, sent, begun, waiter: Waiter::Nobody });
        let watching = std::mem::replace(&mut side.watching, true);
        drop(side);
        if !watching {
            self.watch(core, key);
        }
        ticket
    }

    /// Has the writer callback run as soon as the stream is writable.
    #[track_caller]
    fn watch(&self, core: &Core, key: Key) {
        let callback = AsyncCallback::new(write_ready, key.into_word());
        let watched = core.watch(self.fd, Interest::Write, callback, Location::caller());
        watched.expect("a transport's descriptor is written through the transport alone");
        // Where the budget ended the direct attempt, no edge is to come: the socket never said that it was full.
        core.assume_writable(self.fd);
    }

    /// Sends from the queue until it is empty, the kernel is full, or the budget is spent. Gives those to be told.
    fn flush(&self, core: &Core) -> Vec<Waiter> {
        let mut side = self.write.borrow_mut();
        let mut told = Vec::new();
        while !side.queue.is_empty() && side.budget.allows(core, BYTES_A_TURN) {
            match core.send_vectored(self.fd, &side.front()) {
                Ok(count) => {
                    side.budget.spend_bytes(count);
                    told.extend(side.advance(count));
                }
                Err(error) if error.is_would_block() => break,
                Err(error) => {
                    side.end = End::Failed(error);
                    told.extend(side.abandon());
                }
            }
        }
        told.extend(self.rest_if_empty(core, &mut side));
        told
    }

    /// With nothing queued there is nothing to be writable for, but for who polls: it is to be told, and asks again.
    fn rest_if_empty(&self, core: &Core, side: &mut WriteSide) -> Option<Waiter> {
        if !side.queue.is_empty() || !side.watching {
            return None;
        }
        side.watching = false;
        core.handle.remove_writer(self.fd);
        Some(std::mem::take(&mut side.poller))
    }

    /// Shuts the direction down once it is to end and nothing is queued.
    fn end_if_flushed(&self, core: &Core) {
        let mut side = self.write.borrow_mut();
        if !matches!(side.end, End::Ending) || !side.queue.is_empty() || self.closed.get() {
            return;
        }
        let shut = core.driver.borrow_mut().shutdown(self.fd, Half::Write);
        side.end = match shut {
            Ok(()) => End::ShutDown,
            // The peer is gone already: as much an end as the one that was asked for (R122).
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => End::ShutDown,
            Err(error) => End::Failed(error),
        };
        drop(side);
        self.shutdowns.grant_all(core);
    }
}

/// The stream may be writable: sends on, and tells whose write is done.
fn write_ready(handle: &Handle, word: usize) {
    let core = handle.core();
    let Some(stream) = core.object::<Stream>(Key::from_word(word)) else { return };
    for mut waiter in stream.flush(&core) {
        waiter.wake(&core);
    }
    stream.end_if_flushed(&core);
}

/// The future of [`StreamTransport::write`].
#[derive(Debug)]
#[must_use = "dropping a Write withdraws it if none of its bytes has left; await it, or detach() it"]
pub struct Write {
    handle: Handle,
    stream: Key,
    state: State,
}

#[derive(Debug)]
enum State {
    Queued { ticket: u64, total: usize, remote: Address },
    Over(Result<usize, TransportError>),
}

impl Write {
    /// Leaves the write queued, with nobody to be told of its end. A failure shows at the next write.
    pub fn detach(mut self) {
        self.settle(Ok(0));
    }

    /// The outcome is known: the stream's state is needed no more.
    fn settle(&mut self, result: Result<usize, TransportError>) {
        let before = std::mem::replace(&mut self.state, State::Over(result));
        if let (State::Queued { .. }, Some(core)) = (before, self.handle.try_core()) {
            Stream::release(&core, self.stream);
        }
    }
}

impl Future for Write {
    type Output = Result<usize, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (ticket, total, remote) = match &self.state {
            State::Over(result) => return Poll::Ready(result.clone()),
            State::Queued { ticket, total, remote } => (*ticket, *total, *remote),
        };
        let core = self.handle.core();
        let closed = || TransportError::new(Operation::Write, Some(remote), ErrorKind::Closed);
        let result = match core.object::<Stream>(self.stream) {
            None => Err(closed()),
            Some(stream) => match stream.poll_ticket(&core, ticket, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => result.map(|()| total),
            },
        };
        self.settle(result.clone());
        Poll::Ready(result)
    }
}

impl Stream {
    fn poll_ticket(
        &self,
        core: &Core,
        ticket: u64,
        context: &Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        let mut side = self.write.borrow_mut();
        if ticket < side.done_below {
            return Poll::Ready(Ok(()));
        }
        let Some(at) = side.position(ticket) else {
            self.refuse_closed(Operation::Write)?;
            return Poll::Ready(side.refusal(self));
        };
        let mut waiter = std::mem::take(&mut side.queue[at].waiter);
        drop(side);
        waiter.note(core, context);
        let mut side = self.write.borrow_mut();
        if let Some(at) = side.position(ticket) {
            side.queue[at].waiter = waiter;
        }
        Poll::Pending
    }

    /// The write's future is gone: takes the write back, or leaves it to be finished.
    fn withdraw(&self, core: &Core, ticket: u64) {
        let mut side = self.write.borrow_mut();
        let Some(at) = side.position(ticket) else { return };
        // What is dropped here may hold a waker, which is anyone's code: it goes after the borrow has ended.
        let _waiter = std::mem::take(&mut side.queue[at].waiter);
        let _withdrawn = if side.queue[at].begun { None } else { side.queue.remove(at) };
        let poller = self.rest_if_empty(core, &mut side);
        drop(side);
        if let Some(mut poller) = poller {
            poller.wake(core);
        }
        self.end_if_flushed(core);
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        let State::Queued { ticket, .. } = self.state else { return };
        let Some(core) = self.handle.try_core() else { return };
        if let Some(stream) = core.object::<Stream>(self.stream) {
            stream.withdraw(&core, ticket);
        }
        Stream::release(&core, self.stream);
    }
}

/// The future of [`StreamTransport::shutdown`].
#[derive(Debug)]
#[must_use = "the shutdown goes on by itself; await this to know that everything queued was sent"]
pub struct Shutdown {
    handle: Handle,
    stream: Key,
    remote: Address,
    wait: Option<Key>,
    place: &'static Location<'static>,
}

impl Future for Shutdown {
    type Output = Result<(), TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let core = self.handle.core();
        let Some(stream) = core.object::<Stream>(self.stream) else {
            return Poll::Ready(Err(TransportError::new(
                Operation::Shutdown,
                Some(self.remote),
                ErrorKind::Closed,
            )));
        };
        let end = stream.write.borrow().end;
        let outcome = match end {
            End::ShutDown => Ok(()),
            End::Failed(error) => Err(stream.os_error(Operation::Shutdown, error)),
            End::Open | End::Ending => match stream.refuse_closed(Operation::Shutdown) {
                Ok(()) => return self.wait(&core, &stream, context),
                closed => closed,
            },
        };
        self.leave(&core, &stream);
        Poll::Ready(outcome)
    }
}

impl Shutdown {
    fn wait<T>(&mut self, core: &Core, stream: &Stream, context: &Context<'_>) -> Poll<T> {
        let place = self.place;
        let wait = *self.wait.get_or_insert_with(|| {
            stream.hold();
            stream.shutdowns.begin(core, "shutdown", 1, place)
        });
        let granted = core.poll_wait(wait, context);
        assert!(!granted, "a shutdown is granted by its end, or by that of the stream");
        Poll::Pending
    }

    fn leave(&mut self, core: &Core, stream: &Stream) {
        let Some(wait) = self.wait.take() else { return };
        let _ended = stream.shutdowns.end(core, wait);
        Stream::release(core, self.stream);
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        let Some(core) = self.handle.try_core() else { return };
        if let Some(stream) = core.object::<Stream>(self.stream) {
            self.leave(&core, &stream);
        }
    }
}
