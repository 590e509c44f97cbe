//! Unix streams (unix(7)): connected at once, without packets. What one end sends is in the other end's channel when the call
//! returns.

use std::collections::VecDeque;
use std::io::IoSlice;

use twinloop::Address;
use twinloop::driver::{
    ConnectOptions, Credentials, Fd, Half, ListenOptions, OsError, Readiness, UnixAddress,
};
use twinloop::table::Key;

use super::Local;
use super::channel::Channel;
use crate::kernel::errno::{
    EAGAIN, ECONNREFUSED, ECONNRESET, EINVAL, ENOTSOCK, EPIPE, EPROTOTYPE, UNSUPPORTED,
};
use crate::kernel::{BACKLOG_MAX, Kernel, Socket};

pub(in crate::kernel) struct Listener {
    pub(super) address: UnixAddress,
    pub(super) backlog: usize,
    /// The ends that wait to be accepted.
    pub(super) queue: VecDeque<Key>,
}

/// One end of a stream. It is there before it is accepted, and gone with its descriptor.
pub(super) struct End {
    /// None while it waits to be accepted.
    pub(super) fd: Option<Fd>,
    pub(super) local: UnixAddress,
    pub(super) remote: UnixAddress,
    /// None once it is closed.
    pub(super) peer: Option<Key>,
    /// What was received and is not read yet.
    pub(super) inbound: Channel,
    /// Nothing more is received behind it.
    pub(super) read_shut: bool,
    pub(super) write_shut: bool,
    /// Told once, by a read or by asking for it.
    error: Option<OsError>,
}

impl End {
    fn new(local: UnixAddress, remote: UnixAddress) -> End {
        End {
            fd: None,
            local,
            remote,
            peer: None,
            inbound: Channel::of_stream(),
            read_shut: false,
            write_shut: false,
            error: None,
        }
    }
}

impl Kernel {
    pub(in crate::kernel) fn listen_unix(
        &mut self,
        address: &UnixAddress,
        options: &ListenOptions,
    ) -> Result<Fd, OsError> {
        if options.asks_for_ip() {
            return Err(UNSUPPORTED);
        }
        self.claim_name(address, options.replace_stale)?;
        let backlog = (options.backlog as usize).min(BACKLOG_MAX);
        let listener = Listener { address: *address, backlog, queue: VecDeque::new() };
        let fd = self.open(Socket::Local(Local::Listener(listener)));
        self.name(fd, address);
        Ok(fd)
    }

    /// Connected when it returns, or refused: no event tells that a full backlog has room again, so `EAGAIN` is an error
    /// here (R132).
    pub(in crate::kernel) fn connect_unix(
        &mut self,
        remote: &UnixAddress,
        options: &ConnectOptions,
    ) -> Result<Fd, OsError> {
        if options.asks_for_ip() {
            return Err(UNSUPPORTED);
        }
        let local = match options.local {
            Some(Address::Unix(local)) => local,
            Some(_) => return Err(EINVAL),
            None => UnixAddress::UNNAMED,
        };
        if !local.is_unnamed() {
            self.claim_name(&local, false)?;
            if local == *remote {
                // Bound by now, and nobody listens there.
                return Err(ECONNREFUSED);
            }
        }
        let server = self.named(remote)?;
        match self.sockets.get(server) {
            Some(Socket::Local(Local::Listener(listener))) if listener.is_full() => return Err(EAGAIN),
            Some(Socket::Local(Local::Listener(_))) => {}
            Some(Socket::Local(Local::Mailbox(_))) => return Err(EPROTOTYPE),
            _ => return Err(ECONNREFUSED),
        }
        let (near, far) = self.make_ends(local, *remote);
        let fd = self.open_end(near);
        self.name(fd, &local);
        let Some(Socket::Local(Local::Listener(listener))) = self.sockets.get_mut(server) else {
            unreachable!("it was found above")
        };
        listener.queue.push_back(far);
        self.raise(Fd::from_key(server), Readiness::READABLE);
        Ok(fd)
    }

    pub(in crate::kernel) fn accept_unix(&mut self, listener: Fd) -> Result<(Fd, Address), OsError> {
        let waiting = match self.socket_mut(listener)? {
            Socket::Local(Local::Listener(waiting)) => waiting,
            Socket::Local(Local::Pipe(_) | Local::Standard(_)) => return Err(ENOTSOCK),
            _ => return Err(EINVAL),
        };
        let key = waiting.queue.pop_front().ok_or(OsError::WOULD_BLOCK)?;
        let fd = self.open_end(key);
        Ok((fd, Address::Unix(self.end(key).remote)))
    }

    /// Two ends that have each other and no names (socketpair(2)).
    /// A host has one process, of one user.
    pub(crate) fn peer_credentials(&self, fd: Fd) -> Result<Credentials, OsError> {
        match self.socket(fd)? {
            Socket::Local(Local::Stream(_)) => Ok(Credentials { user: 1000, group: 1000, process: 1 }),
            _ => Err(UNSUPPORTED),
        }
    }

    pub(crate) fn stream_pair(&mut self) -> (Fd, Fd) {
        let (near, far) = self.make_ends(UnixAddress::UNNAMED, UnixAddress::UNNAMED);
        (self.open_end(near), self.open_end(far))
    }

    fn make_ends(&mut self, local: UnixAddress, remote: UnixAddress) -> (Key, Key) {
        let near = self.locals.ends.insert(End::new(local, remote));
        let far = self.locals.ends.insert(End::new(remote, local));
        self.end_mut(near).peer = Some(far);
        self.end_mut(far).peer = Some(near);
        (near, far)
    }

    fn open_end(&mut self, key: Key) -> Fd {
        let fd = self.open(Socket::Local(Local::Stream(key)));
        self.end_mut(key).fd = Some(fd);
        self.tell_end(key);
        fd
    }

    pub(super) fn read_end(&mut self, key: Key, buffer: &mut [u8]) -> Result<usize, OsError> {
        let end = self.end_mut(key);
        let (count, made_room) = end.inbound.take(buffer);
        if count == 0 && end.inbound.len() == 0 {
            // What came before an error is read before it.
            return match end.error.take() {
                Some(error) => Err(error),
                None if end.read_shut => Ok(0),
                None => Err(OsError::WOULD_BLOCK),
            };
        }
        if let Some(peer) = end.peer.filter(|_| made_room) {
            self.raise_end(peer, Readiness::WRITABLE);
        }
        Ok(count)
    }

    pub(super) fn write_end(&mut self, key: Key, buffers: &[IoSlice<'_>]) -> Result<usize, OsError> {
        let end = self.end(key);
        let peer = end.peer.filter(|_| !end.write_shut).ok_or(EPIPE)?;
        let count = self.end_mut(peer).inbound.put(buffers)?;
        if count > 0 {
            self.raise_end(peer, Readiness::READABLE);
        }
        Ok(count)
    }

    pub(super) fn shutdown_end(&mut self, key: Key, half: Half) {
        let end = self.end_mut(key);
        let (read, write) = (half != Half::Write, half != Half::Read);
        end.read_shut |= read;
        end.write_shut |= write;
        let peer = end.peer;
        self.tell_end(key);
        if let Some(peer) = peer {
            let end = self.end_mut(peer);
            end.read_shut |= write;
            end.write_shut |= read;
            self.tell_end(peer);
        }
    }

    pub(super) fn take_end_error(&mut self, key: Key) -> Option<OsError> {
        self.end_mut(key).error.take()
    }

    pub(super) fn addresses_of_end(&self, key: Key) -> (UnixAddress, UnixAddress) {
        (self.end(key).local, self.end(key).remote)
    }

    pub(super) fn unread_of_end(&self, key: Key) -> usize {
        self.end(key).inbound.len()
    }

    pub(super) fn close_end(&mut self, key: Key) {
        let end = self.locals.ends.remove(key).expect("an end is closed once");
        if let Some(fd) = end.fd {
            self.unname(fd, &end.local);
        }
        // What was not read is lost, and the peer is to know. An end that nobody accepted may as well have had something.
        let lost = end.fd.is_none() || end.inbound.len() > 0;
        let Some(peer) = end.peer else { return };
        let other = self.end_mut(peer);
        (other.peer, other.read_shut, other.write_shut) = (None, true, true);
        if lost {
            other.error = Some(ECONNRESET);
        }
        self.tell_end(peer);
    }

    /// A listener has closed: what waited there is refused.
    pub(super) fn close_unix_listener(&mut self, fd: Fd, listener: Listener) {
        self.unname(fd, &listener.address);
        for key in listener.queue {
            self.close_end(key);
        }
    }

    /// Raises an edge of what became ready at an end, if somebody has it.
    fn raise_end(&mut self, key: Key, what: Readiness) {
        if let Some(fd) = self.end(key).fd {
            self.raise(fd, what);
        }
    }

    /// Raises all that a poll would say of an end.
    fn tell_end(&mut self, key: Key) {
        self.raise_end(key, self.readiness_of_end(self.end(key)));
    }

    fn readiness_of_end(&self, end: &End) -> Readiness {
        let is_writable = end.peer.is_some_and(|peer| self.end(peer).inbound.is_writable());
        let told = [
            (end.inbound.len() > 0, Readiness::READABLE),
            (is_writable, Readiness::WRITABLE),
            (end.read_shut, Readiness::READ_CLOSED),
            (end.read_shut && end.write_shut, Readiness::WRITE_CLOSED),
            (end.error.is_some(), Readiness::ERROR),
        ];
        let mut readiness = Readiness::EMPTY;
        for (_, bit) in told.into_iter().filter(|(is_set, _)| *is_set) {
            readiness |= bit;
        }
        readiness
    }

    pub(super) fn end(&self, key: Key) -> &End {
        self.locals.ends.get(key).expect("an end is kept until its descriptor is closed")
    }

    fn end_mut(&mut self, key: Key) -> &mut End {
        self.locals.ends.get_mut(key).expect("an end is kept until its descriptor is closed")
    }
}

impl Listener {
    fn is_full(&self) -> bool {
        self.queue.len() > self.backlog
    }
}
