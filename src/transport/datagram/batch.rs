//! Many datagrams at a time, for those who ask for it: one system call where the system has one for it.
//!
//! It pays under load alone. Where datagrams come one by one, such a call costs more than a plain one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::receive::Turn;
use super::send::Sending;
use super::{Datagram, DatagramTransport, Socket};
use crate::TransportError;
use crate::driver::{Outgoing, Received};
use crate::transport::budget::DATAGRAMS_A_TURN;

/// Room for several datagrams, each with a slot of its own in one buffer. It is used again and again.
pub struct DatagramBatch {
    bytes: Vec<u8>,
    slot: usize,
    received: Vec<Received>,
}

impl DatagramBatch {
    /// Room for `count` datagrams of up to `slot` bytes each. What does not fit its slot is cut off, and that is told.
    ///
    /// # Panics
    ///
    /// If there is no room: both numbers must be above 0, and their product a length.
    pub fn new(count: usize, slot: usize) -> DatagramBatch {
        assert!(count > 0 && slot > 0, "a batch needs room: give it at least one slot of at least one byte");
        let length =
            count.checked_mul(slot).expect("a batch is kept in memory: give it fewer or smaller slots");
        DatagramBatch { bytes: vec![0; length], slot, received: Vec::with_capacity(count) }
    }

    /// How many datagrams were received last.
    pub fn len(&self) -> usize {
        self.received.len()
    }

    /// Whether nothing was received yet.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// The datagrams that were received last, in the order of their arrival.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        let slots = self.bytes.chunks_exact(self.slot);
        slots.zip(&self.received).map(|(slot, received)| Datagram::at(slot, *received))
    }
}

impl fmt::Debug for DatagramBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.received).finish()
    }
}

/// # Batches
impl DatagramTransport {
    /// Waits for a datagram, and receives as many as are there and have room in `batch`, up to 32 (recvmmsg(2) on Linux;
    /// elsewhere one by one). Says how many; what was in `batch` before is gone.
    ///
    /// Everything else is as with [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::driver::Outgoing;
    /// use twinloop::transport::DatagramBatch;
    /// use twinloop::{Address, DatagramTransport};
    ///
    /// let receiver = DatagramTransport::bind(Address::loopback(0))?;
    /// let sender = DatagramTransport::connect(receiver.local_address())?;
    /// let words: [&[u8]; 3] = [b"one", b"two", b"three"];
    /// let sent = sender.send_many(&words.map(|bytes| Outgoing { bytes, remote: None })).await?;
    /// assert_eq!(sent, 3);
    ///
    /// let mut batch = DatagramBatch::new(8, 1500);
    /// let mut heard = Vec::new();
    /// while heard.len() < 3 {
    ///     receiver.recv_many(&mut batch).await?;
    ///     heard.extend(batch.iter().map(|datagram| datagram.bytes.to_vec()));
    /// }
    /// assert_eq!(heard, words);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn recv_many<'a>(&'a self, batch: &'a mut DatagramBatch) -> ReceiveMany<'a> {
        ReceiveMany { turn: Turn::new(self), batch }
    }

    /// Sends as many of `datagrams` as the system takes at once, in order, up to 32 (sendmmsg(2) on Linux; elsewhere one by
    /// one), and says how many: at least one, so that the rest is a further call. While it takes none, and while others are
    /// queued, they wait as [`send_to`](Self::send_to) does, copied.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](Self::send_to), of the first one. One behind it only ends the count, and is told when the rest
    /// is sent.
    #[track_caller]
    pub fn send_many(&self, datagrams: &[Outgoing<'_>]) -> SendMany {
        let socket = self.resolve().1;
        SendMany(match socket.addressed(datagrams) {
            Err(refused) => Sending::Over(Err(refused)),
            Ok(batch) if batch.is_empty() => Sending::Over(Ok(0)),
            Ok(batch) => self.send_batch(&batch),
        })
    }
}

impl Socket {
    /// As many of `datagrams` as go to the kernel in one call and can be sent, each with its target.
    fn addressed<'a>(&self, datagrams: &[Outgoing<'a>]) -> Result<Vec<Outgoing<'a>>, TransportError> {
        let mut batch = Vec::new();
        for datagram in datagrams.iter().take(DATAGRAMS_A_TURN) {
            match self.target(datagram.remote) {
                Ok(remote) => batch.push(Outgoing { remote, ..*datagram }),
                Err(refused) if batch.is_empty() => return Err(refused),
                Err(_) => break,
            }
        }
        Ok(batch)
    }
}

/// The future of [`DatagramTransport::recv_many`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReceiveMany<'a> {
    turn: Turn<'a>,
    batch: &'a mut DatagramBatch,
}

impl Future for ReceiveMany<'_> {
    type Output = Result<usize, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ReceiveMany { turn, batch } = &mut *self;
        let DatagramBatch { bytes, slot, received } = &mut **batch;
        received.clear();
        let room = bytes.len().min(*slot * DATAGRAMS_A_TURN);
        turn.poll(
            context,
            |core, fd| core.recv_many(fd, &mut bytes[..room], *slot, received).map(|()| received.len()),
            |count| *count,
        )
    }
}

/// The future of [`DatagramTransport::send_many`].
#[derive(Debug)]
#[must_use = "dropping it withdraws the datagrams if they have not left; await it"]
pub struct SendMany(Sending);

impl Future for SendMany {
    type Output = Result<usize, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(context)
    }
}
