//! Sending: straight to the kernel while nothing waits, else a queue in the order of the calls. A datagram leaves whole, or
//! not at all.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{DatagramTransport, Socket};
use crate::dispatcher::{Core, Interest, Waiter};
use crate::driver::{OsError, Outgoing};
use crate::table::Key;
use crate::transport::budget::{Budget, DATAGRAMS_A_TURN};
use crate::{Address, AsyncCallback, ErrorKind, Handle, Operation, TransportError};

#[derive(Default)]
pub(super) struct SendSide {
    queue: VecDeque<Parcel>,
    next_ticket: u64,
    /// How parcels have ended that were queued, until the one who awaits it has asked.
    ends: BTreeMap<u64, Sent>,
    budget: Budget,
    /// The writer callback is installed.
    watching: bool,
}

/// How many datagrams were sent, or why not even the first.
pub(super) type Sent = Result<usize, TransportError>;

/// Datagrams of one call that wait for the kernel.
pub(super) struct Parcel {
    ticket: u64,
    /// The queue owns the bytes (R116).
    datagrams: Vec<(Vec<u8>, Option<Address>)>,
    waiter: Waiter,
    /// Whether somebody is to be told of the end.
    awaited: bool,
}

/// # Sending
impl DatagramTransport {
    /// Sends one datagram to `remote`, behind all that were sent before (R156). It is done once the kernel has it, which
    /// says nothing of its arrival.
    ///
    /// While nothing is queued it goes to the kernel in the call itself. Where the kernel would have to wait, the bytes are
    /// copied and queued (R157); awaiting the future is what keeps the queue short. Dropping the future withdraws a datagram
    /// that has not left; [`SendDatagram::detach`] leaves it queued.
    ///
    /// # Errors
    ///
    /// The system's: too large (over 65 507 bytes for IPv4), a broadcast that was not
    /// [allowed](Self::set_broadcast), no way to `remote`. What an earlier datagram has caused is told once, here or by a
    /// receive: this one is then not sent (R154). [`InvalidInput`](io::ErrorKind::InvalidInput) for any address but its
    /// peer's if the transport is connected. [`ErrorKind::Closed`].
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{Address, DatagramTransport};
    ///
    /// let receiver = DatagramTransport::bind(Address::loopback(0))?;
    /// let sender = DatagramTransport::bind(Address::loopback(0))?;
    /// sender.send_to(b"", receiver.local_address()).await?;
    /// assert_eq!(receiver.recv_from(&mut [0; 8]).await?.length, 0);
    ///
    /// let too_large = sender.send_to(&[0; 65_508], receiver.local_address()).await;
    /// assert_eq!(too_large.unwrap_err().code(), Some(90), "EMSGSIZE");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn send_to(&self, bytes: &[u8], remote: impl Into<Address>) -> SendDatagram {
        SendDatagram(self.send_one(bytes, Some(remote.into())))
    }

    /// As [`send_to`](Self::send_to), to the only peer of a connected transport.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to), and [`NotConnected`](io::ErrorKind::NotConnected) without a peer (R155).
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) -> SendDatagram {
        SendDatagram(self.send_one(bytes, None))
    }

    /// How many datagrams wait in the queue.
    pub fn queued_datagrams(&self) -> usize {
        self.resolve().1.send.borrow().queue.iter().map(|parcel| parcel.datagrams.len()).sum()
    }

    #[track_caller]
    fn send_one(&self, bytes: &[u8], remote: Option<Address>) -> Sending {
        match self.resolve().1.target(remote) {
            Ok(remote) => self.send_batch(&[Outgoing { bytes, remote }]),
            Err(refused) => Sending::Over(Err(refused)),
        }
    }

    /// Has the kernel take what it takes now of datagrams whose targets are as the seam has them. If it takes nothing, an
    /// earlier send waits, or the budget is spent, all of them are queued.
    #[track_caller]
    pub(super) fn send_batch(&self, batch: &[Outgoing<'_>]) -> Sending {
        let (core, socket) = self.resolve();
        match socket.send_now(&core, batch) {
            Some(sent) => Sending::Over(sent),
            None => Sending::Queued(self.enqueue(&core, &socket, batch)),
        }
    }

    #[track_caller]
    fn enqueue(&self, core: &Core, socket: &Socket, batch: &[Outgoing<'_>]) -> Place {
        let mut side = socket.send.borrow_mut();
        let ticket = side.push(batch);
        let was_watching = std::mem::replace(&mut side.watching, true);
        drop(side);
        if !was_watching {
            let callback = AsyncCallback::new(send_ready, self.key.into_word());
            let watched = core.watch(socket.fd, Interest::Write, callback, Location::caller());
            watched.expect("a socket is written through its transport alone");
            // Where the budget ended the direct attempt, no edge is to come: the socket never said that it was full.
            core.assume_writable(socket.fd);
        }
        socket.hold();
        Place { handle: self.handle, key: self.key, ticket }
    }
}

impl Socket {
    /// The target as the seam has it: none on a connected socket, and nowhere else (R155).
    pub(super) fn target(&self, remote: Option<Address>) -> Result<Option<Address>, TransportError> {
        let address = remote.or(self.peer).unwrap_or(self.local);
        self.refuse_closed(Operation::Send, address)?;
        let refused =
            |kind| Err(TransportError::from_os(Operation::Send, Some(address), OsError::without_code(kind)));
        match (self.peer, remote) {
            (Some(_), None) => Ok(None),
            (Some(peer), Some(remote)) if canonical(remote) == peer => Ok(None),
            (Some(_), Some(_)) => refused(io::ErrorKind::InvalidInput),
            (None, Some(_)) => Ok(remote),
            (None, None) => refused(io::ErrorKind::NotConnected),
        }
    }

    fn send_now(&self, core: &Core, batch: &[Outgoing<'_>]) -> Option<Sent> {
        let mut side = self.send.borrow_mut();
        if !side.queue.is_empty() || !side.budget.allows(core, DATAGRAMS_A_TURN) {
            return None;
        }
        side.budget.spend(batch.len());
        self.send_to_kernel(core, batch)
    }

    /// What the kernel says to `batch`; `None` if it would have to wait.
    fn send_to_kernel(&self, core: &Core, batch: &[Outgoing<'_>]) -> Option<Sent> {
        let sent = match batch {
            [one] => core.send_to(self.fd, one.bytes, one.remote.as_ref()).map(|()| 1),
            many => core.send_many(self.fd, many),
        };
        match sent {
            Err(error) if error.is_would_block() => None,
            sent => Some(sent.map_err(|error| {
                TransportError::from_os(Operation::Send, batch[0].remote.or(self.peer), error)
            })),
        }
    }

    /// Sends from the queue until it is empty, the kernel is full, or the budget is spent; tells everyone whom it concerns.
    fn flush(&self, core: &Core) {
        let mut side = self.send.borrow_mut();
        let mut ended = Vec::new();
        while !side.queue.is_empty() && side.budget.allows(core, DATAGRAMS_A_TURN) {
            let sent = self.send_to_kernel(core, &side.first_batch());
            let Some(sent) = sent else { break };
            let parcel = side.end_first(sent);
            side.budget.spend(parcel.datagrams.len());
            ended.push(parcel);
        }
        let is_done = side.queue.is_empty();
        side.watching = !is_done;
        drop(side);
        if is_done {
            core.handle.remove_writer(self.fd);
        }
        tell(core, ended);
    }

    /// How a parcel has ended. If it has not, the task of `context` is woken once it has.
    fn poll_ticket(&self, core: &Core, ticket: u64, context: &Context<'_>) -> Poll<Sent> {
        let taken = self.send.borrow_mut().find(ticket).map(|parcel| std::mem::take(&mut parcel.waiter));
        if let Some(mut waiter) = taken {
            // Cloning and dropping wakers is anyone's code: no borrow is alive, and the parcel may end meanwhile.
            waiter.note(core, context);
            if let Some(parcel) = self.send.borrow_mut().find(ticket) {
                parcel.waiter = waiter;
                return Poll::Pending;
            }
        }
        let ended = self.send.borrow_mut().ends.remove(&ticket);
        Poll::Ready(ended.unwrap_or_else(|| {
            // The queue was abandoned, which only a close does.
            let address = self.peer.unwrap_or(self.local);
            Err(TransportError::new(Operation::Send, Some(address), ErrorKind::Closed))
        }))
    }

    /// Nobody awaits this parcel any more: takes it out of the queue, unless it was detached or has left.
    fn withdraw(&self, core: &Core, ticket: u64) {
        let mut side = self.send.borrow_mut();
        side.ends.remove(&ticket);
        let queued = side.position(ticket).ok().filter(|at| side.queue[*at].awaited);
        let Some(at) = queued else { return };
        let withdrawn = side.queue.remove(at);
        let is_done = side.queue.is_empty();
        side.watching &= !is_done;
        drop(side);
        if is_done {
            core.handle.remove_writer(self.fd);
        }
        // A waker is anyone's code: no borrow is alive.
        drop(withdrawn);
    }
}

impl SendSide {
    /// Files datagrams behind all others, and gives their ticket.
    fn push(&mut self, batch: &[Outgoing<'_>]) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let datagrams = batch.iter().map(|datagram| (datagram.bytes.to_vec(), datagram.remote)).collect();
        self.queue.push_back(Parcel { ticket, datagrams, waiter: Waiter::Nobody, awaited: true });
        ticket
    }

    fn first_batch(&self) -> Vec<Outgoing<'_>> {
        let first = self.queue.front().expect("the caller has seen that the queue is not empty");
        first.datagrams.iter().map(|(bytes, remote)| Outgoing { bytes, remote: *remote }).collect()
    }

    fn end_first(&mut self, sent: Sent) -> Parcel {
        let first = self.queue.pop_front().expect("a parcel stays queued while it is sent");
        if first.awaited {
            self.ends.insert(first.ticket, sent);
        }
        first
    }

    /// The socket is closed: those who send are to be told, in their order (R158).
    pub(super) fn abandon(&mut self) -> Vec<Parcel> {
        self.watching = false;
        self.queue.drain(..).collect()
    }

    fn find(&mut self, ticket: u64) -> Option<&mut Parcel> {
        let at = self.position(ticket).ok()?;
        Some(&mut self.queue[at])
    }

    /// Tickets are given in the order of the queue.
    fn position(&self, ticket: u64) -> Result<usize, usize> {
        self.queue.binary_search_by_key(&ticket, |parcel| parcel.ticket)
    }
}

/// Wakes those who wait for parcels that are no longer queued. No borrow is alive: a waker is anyone's code.
pub(super) fn tell(core: &Core, ended: Vec<Parcel>) {
    for mut parcel in ended {
        parcel.waiter.wake(core);
    }
}

/// The kernel may take more.
fn send_ready(handle: &Handle, word: usize) {
    let core = handle.core();
    let Some(socket) = core.object::<Socket>(Key::from_word(word)) else { return };
    socket.flush(&core);
}

/// The future of [`DatagramTransport::send_to`] and [`DatagramTransport::send`].
#[derive(Debug)]
#[must_use = "dropping it withdraws the datagram if it has not left; await it, or detach() it"]
pub struct SendDatagram(Sending);

impl SendDatagram {
    /// Leaves the datagram queued, with nobody to be told of its end.
    pub fn detach(self) {
        if let Sending::Queued(place) = self.0 {
            place.detach();
        }
    }
}

impl Future for SendDatagram {
    type Output = Result<(), TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(context).map_ok(|_count| ())
    }
}

/// A send that is over, or in the queue.
#[derive(Debug)]
pub(super) enum Sending {
    Over(Sent),
    Queued(Place),
}

impl Sending {
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Sent> {
        let sent = match self {
            Sending::Over(sent) => return Poll::Ready(sent.clone()),
            Sending::Queued(place) => match place.poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(sent) => sent,
            },
        };
        *self = Sending::Over(sent.clone());
        Poll::Ready(sent)
    }
}

/// A place in the queue of sends. Dropping it withdraws what has not left.
pub(super) struct Place {
    handle: Handle,
    key: Key,
    ticket: u64,
}

impl Place {
    fn poll(&self, context: &Context<'_>) -> Poll<Sent> {
        let core = self.handle.core();
        let socket = core.object::<Socket>(self.key).expect("a socket is kept for as long as a send waits");
        socket.poll_ticket(&core, self.ticket, context)
    }

    fn detach(self) {
        let socket = self.handle.core().object::<Socket>(self.key);
        let socket = socket.expect("a socket is kept for as long as a send waits");
        let mut side = socket.send.borrow_mut();
        if let Some(parcel) = side.find(self.ticket) {
            parcel.awaited = false;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(core) = self.handle.try_core() else { return };
        let Some(socket) = core.object::<Socket>(self.key) else { return };
        socket.withdraw(&core, self.ticket);
        Socket::release(&core, self.key);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

/// `address`, and an IPv4 one that is written as IPv6 as what it is: so drivers show it.
fn canonical(address: Address) -> Address {
    match address {
        Address::Ip(ip) if ip.ip() != ip.ip().to_canonical() => {
            Address::from((ip.ip().to_canonical(), ip.port()))
        }
        Address::Ip(_) | Address::Unix(_) => address,
    }
}
