//! Unix datagram sockets (unix(7)): a queue of letters behind a name. Nothing is lost; who sends to a full queue waits.

use std::collections::VecDeque;

use twinloop::Address;
use twinloop::driver::{DatagramOptions, Fd, OsError, Readiness, Received, UnixAddress};
use twinloop::table::Key;

use super::Local;
use crate::kernel::errno::{
    ECONNREFUSED, EINVAL, EMSGSIZE, ENOTCONN, ENOTSOCK, EPERM, EPROTOTYPE, UNSUPPORTED,
};
use crate::kernel::{Kernel, Socket};

/// A queue that has more letters than this is full (`max_dgram_qlen`).
const QUEUE_MAX: usize = 10;
/// What a socket may have under way (`wmem_default`), what of it the system keeps for itself, and what a letter costs of it
/// beside its bytes.
const SEND_BUFFER: usize = 212_992;
const RESERVE: usize = 32;
const OVERHEAD: usize = 576;

pub(in crate::kernel) struct Mailbox {
    pub(super) local: UnixAddress,
    /// The only one that it sends to and receives from: the key of its descriptor.
    pub(super) peer: Option<Key>,
    pub(super) peer_address: UnixAddress,
    queue: VecDeque<Letter>,
    /// Bytes that it sent and nobody received yet.
    under_way: usize,
    /// Those connected to this one that found its queue full.
    waiting: Vec<Key>,
}

struct Letter {
    bytes: Vec<u8>,
    source: UnixAddress,
    sender: Key,
}

impl Letter {
    /// As much of it as fits.
    fn read(&self, buffer: &mut [u8]) -> Received {
        let length = self.bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.bytes[..length]);
        Received { source: Address::Unix(self.source), length, truncated: length < self.bytes.len() }
    }
}

impl Mailbox {
    fn new(local: UnixAddress) -> Mailbox {
        Mailbox {
            local,
            peer: None,
            peer_address: UnixAddress::UNNAMED,
            queue: VecDeque::new(),
            under_way: 0,
            waiting: Vec::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.queue.len() > QUEUE_MAX
    }

    /// Bytes that nobody has received, from the senders that count.
    pub(super) fn unread(&self, counts: impl Fn(Key) -> bool) -> usize {
        self.queue.iter().filter(|letter| counts(letter.sender)).map(|letter| letter.bytes.len()).sum()
    }

    /// Whether it takes letters from the socket with this key (`unix_may_send`).
    fn hears(&self, sender: Key) -> bool {
        self.peer.is_none_or(|only| only == sender)
    }

    fn is_writable(&self) -> bool {
        self.under_way <= SEND_BUFFER / 4
    }
}

impl Kernel {
    pub(in crate::kernel) fn bind_unix_datagram(
        &mut self,
        local: &UnixAddress,
        options: &DatagramOptions,
    ) -> Result<Fd, OsError> {
        if options.asks_for_ip() {
            return Err(UNSUPPORTED);
        }
        if !local.is_unnamed() {
            self.claim_name(local, options.replace_stale)?;
        }
        let fd = self.open(Socket::Local(Local::Mailbox(Mailbox::new(*local))));
        self.name(fd, local);
        if let Err(error) = self.connect_mailbox(fd, options.remote.as_ref()) {
            self.take_out(fd);
            self.unname(fd, local);
            return Err(error);
        }
        self.raise(fd, Readiness::WRITABLE);
        Ok(fd)
    }

    /// Gives a socket its only peer, which may be itself.
    fn connect_mailbox(&mut self, fd: Fd, remote: Option<&Address>) -> Result<(), OsError> {
        let (key, address) = match remote {
            None => return Ok(()),
            Some(Address::Unix(remote)) => (self.mailbox_named(remote)?, *remote),
            Some(_) => return Err(EINVAL),
        };
        if !self.mailbox_mut(Fd::from_key(key))?.hears(fd.key()) {
            return Err(EPERM);
        }
        let mailbox = self.mailbox_mut(fd)?;
        (mailbox.peer, mailbox.peer_address) = (Some(key), address);
        Ok(())
    }

    pub(in crate::kernel) fn recv_unix_from(
        &mut self,
        fd: Fd,
        buffer: &mut [u8],
    ) -> Result<Received, OsError> {
        let mailbox = self.mailbox_mut(fd)?;
        let letter = mailbox.queue.pop_front().ok_or(OsError::WOULD_BLOCK)?;
        let waiting = std::mem::take(&mut mailbox.waiting);
        let received = letter.read(buffer);
        for key in waiting {
            self.raise(Fd::from_key(key), Readiness::WRITABLE);
        }
        self.arrived(&letter);
        Ok(received)
    }

    pub(in crate::kernel) fn peek_unix_from(
        &mut self,
        fd: Fd,
        buffer: &mut [u8],
    ) -> Result<Received, OsError> {
        let next = self.mailbox_mut(fd)?.queue.front();
        next.map(|letter| letter.read(buffer)).ok_or(OsError::WOULD_BLOCK)
    }

    /// Two that hear each other alone.
    pub(crate) fn datagram_pair(&mut self) -> (Fd, Fd) {
        let mut unnamed = || {
            let fd = self.open(Socket::Local(Local::Mailbox(Mailbox::new(UnixAddress::UNNAMED))));
            self.raise(fd, Readiness::WRITABLE);
            fd
        };
        let (near, far) = (unnamed(), unnamed());
        for (fd, peer) in [(near, far), (far, near)] {
            self.mailbox_mut(fd).expect("it was made above").peer = Some(peer.key());
        }
        (near, far)
    }

    /// As on Linux, a full queue is told to a connected sender once there is room. Another one is only told of the room
    /// that letters of its own have left.
    pub(in crate::kernel) fn send_unix_to(
        &mut self,
        fd: Fd,
        bytes: &[u8],
        remote: Option<&Address>,
    ) -> Result<(), OsError> {
        if matches!(remote, Some(Address::Ip(_))) {
            return Err(EINVAL);
        }
        let sender = self.mailbox_mut(fd)?;
        let (source, peer, under_way) = (sender.local, sender.peer, sender.under_way);
        if bytes.len() > SEND_BUFFER - RESERVE {
            return Err(EMSGSIZE);
        }
        // Memory comes first: only then it matters who is to have it.
        if under_way >= SEND_BUFFER {
            return Err(OsError::WOULD_BLOCK);
        }
        let target = match remote {
            Some(Address::Unix(address)) => self.mailbox_named(address)?,
            Some(_) => return Err(EINVAL),
            None => peer.ok_or(ENOTCONN)?,
        };
        let own = fd.key();
        let Some(Socket::Local(Local::Mailbox(receiver))) = self.sockets.get_mut(target) else {
            self.lose_peer(fd)?;
            return Err(ECONNREFUSED);
        };
        if !receiver.hears(own) {
            return Err(EPERM);
        }
        if receiver.is_full() {
            if peer == Some(target) {
                receiver.waiting.push(own);
            }
            return Err(OsError::WOULD_BLOCK);
        }
        receiver.queue.push_back(Letter { bytes: bytes.to_vec(), source, sender: own });
        self.raise(Fd::from_key(target), Readiness::READABLE);
        self.mailbox_mut(fd)?.under_way += bytes.len() + OVERHEAD;
        Ok(())
    }

    /// Its only peer is gone, which is told once. What it has not received it never will, from whomever it came
    /// (`unix_dgram_disconnected`).
    fn lose_peer(&mut self, fd: Fd) -> Result<(), OsError> {
        let mailbox = self.mailbox_mut(fd)?;
        mailbox.peer = None;
        let (unread, waiting) = (std::mem::take(&mut mailbox.queue), std::mem::take(&mut mailbox.waiting));
        self.empty(&unread, waiting);
        Ok(())
    }

    pub(super) fn peer_of_mailbox(&mut self, fd: Fd) -> Result<UnixAddress, OsError> {
        let mailbox = self.mailbox_mut(fd)?;
        mailbox.peer.map(|_| mailbox.peer_address).ok_or(ENOTCONN)
    }

    pub(super) fn close_mailbox(&mut self, fd: Fd, mailbox: Mailbox) {
        self.unname(fd, &mailbox.local);
        self.empty(&mailbox.queue, mailbox.waiting);
    }

    /// Nobody will receive what was `unread`: those who waited for room have it.
    fn empty(&mut self, unread: &VecDeque<Letter>, waiting: Vec<Key>) {
        for key in waiting {
            self.raise(Fd::from_key(key), Readiness::WRITABLE);
        }
        for letter in unread {
            self.arrived(letter);
        }
    }

    /// A letter is no longer under way: its sender has room for another one.
    fn arrived(&mut self, letter: &Letter) {
        if let Some(Socket::Local(Local::Mailbox(sender))) = self.sockets.get_mut(letter.sender) {
            sender.under_way -= letter.bytes.len() + OVERHEAD;
            if sender.is_writable() {
                self.raise(Fd::from_key(letter.sender), Readiness::WRITABLE);
            }
        }
    }

    fn mailbox_named(&self, address: &UnixAddress) -> Result<Key, OsError> {
        let key = self.named(address)?;
        match self.sockets.get(key) {
            Some(Socket::Local(Local::Mailbox(_))) => Ok(key),
            _ => Err(EPROTOTYPE),
        }
    }

    fn mailbox_mut(&mut self, fd: Fd) -> Result<&mut Mailbox, OsError> {
        match self.socket_mut(fd)? {
            Socket::Local(Local::Mailbox(mailbox)) => Ok(mailbox),
            _ => Err(ENOTSOCK),
        }
    }
}
