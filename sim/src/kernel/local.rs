//! What stays on one host: Unix sockets, pipes, FIFOs and standard streams. No packet leaves for them, and every call has its
//! whole effect when it returns.
//!
//! Known differences from Linux; PARITY.md has their reasons:
//! - PARITY: How much goes into a full buffer
//! - PARITY: Permissions
//! - PARITY: Folders of sockets
//! - PARITY: Descriptors are not passed
//! - PARITY: A listener that is shut down

mod channel;
mod mailbox;
mod names;
mod netstat;
mod pipe;
mod standard;
mod stream;

use std::io::IoSlice;

use twinloop::Address;
use twinloop::driver::{Fd, Half, OsError, UnixAddress};
use twinloop::table::{Key, Table};

use super::errno::{EINVAL, ENOTCONN, ENOTSOCK, EOPNOTSUPP};
use super::{Kernel, Socket};
use mailbox::Mailbox;
use names::Names;
use pipe::{Pipe, PipeEnd};
use standard::{Console, StandardEnd};
use stream::{End, Listener};

/// What a descriptor refers to.
pub(super) enum Local {
    Listener(Listener),
    /// A key in `ends`.
    Stream(Key),
    Mailbox(Mailbox),
    Pipe(PipeEnd),
    Standard(StandardEnd),
}

#[derive(Default)]
pub(super) struct Locals {
    names: Names,
    ends: Table<End>,
    pipes: Table<Pipe>,
    console: Console,
}

impl Locals {
    /// What the next life of the host finds.
    pub(super) fn after_crash(self) -> Locals {
        Locals { names: self.names.after_crash(), console: self.console, ..Locals::default() }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.ends.len() == 0 && self.pipes.len() == 0
    }
}

/// Each method stands for the call of the kernel that its name begins with.
impl Kernel {
    pub(super) fn recv_local(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize, OsError> {
        match self.local(fd)? {
            Local::Listener(_) => Err(EINVAL),
            Local::Mailbox(_) => self.recv_unix_from(fd, buffer).map(|received| received.length),
            &Local::Stream(key) => self.read_end(key, buffer),
            &Local::Pipe(end) => self.read_pipe(end, buffer),
            &Local::Standard(end) => self.read_standard(end, buffer),
        }
    }

    pub(super) fn send_local(&mut self, fd: Fd, buffers: &[IoSlice<'_>]) -> Result<usize, OsError> {
        match self.local(fd)? {
            Local::Listener(_) => Err(ENOTCONN),
            Local::Mailbox(_) => {
                let bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect();
                self.send_unix_to(fd, &bytes, None).map(|()| bytes.len())
            }
            &Local::Stream(key) => self.write_end(key, buffers),
            &Local::Pipe(end) => self.write_pipe(end, buffers),
            &Local::Standard(end) => self.write_standard(end, buffers),
        }
    }

    pub(super) fn shutdown_local(&mut self, fd: Fd, half: Half) -> Result<(), OsError> {
        match self.local(fd)? {
            Local::Listener(_) | Local::Mailbox(_) => Err(ENOTCONN),
            &Local::Stream(key) => {
                self.shutdown_end(key, half);
                Ok(())
            }
            Local::Pipe(_) => self.shutdown_pipe(fd, half),
            Local::Standard(_) => self.shutdown_standard(fd),
        }
    }

    pub(super) fn take_local_error(&mut self, fd: Fd) -> Result<Option<OsError>, OsError> {
        match self.local(fd)? {
            Local::Listener(_) | Local::Mailbox(_) => Ok(None),
            &Local::Stream(key) => Ok(self.take_end_error(key)),
            Local::Pipe(_) | Local::Standard(_) => Err(ENOTSOCK),
        }
    }

    /// A pipe has no name, which is an answer and no error.
    pub(super) fn local_address_of_local(&self, fd: Fd) -> Result<Address, OsError> {
        Ok(Address::Unix(match self.local(fd)? {
            Local::Listener(listener) => listener.address,
            Local::Mailbox(mailbox) => mailbox.local,
            Local::Stream(key) => self.addresses_of_end(*key).0,
            Local::Pipe(_) | Local::Standard(_) => UnixAddress::UNNAMED,
        }))
    }

    pub(super) fn remote_address_of_local(&mut self, fd: Fd) -> Result<Address, OsError> {
        Ok(Address::Unix(match self.local(fd)? {
            Local::Listener(_) => return Err(ENOTCONN),
            Local::Mailbox(_) => self.peer_of_mailbox(fd)?,
            Local::Stream(key) => self.addresses_of_end(*key).1,
            Local::Pipe(_) | Local::Standard(_) => UnixAddress::UNNAMED,
        }))
    }

    /// What setting or asking for any option answers: Unix sockets have none of those of IP.
    pub(super) fn refusal_of_options(&self, fd: Fd) -> OsError {
        match self.local(fd) {
            Ok(Local::Pipe(_) | Local::Standard(_)) => ENOTSOCK,
            Ok(_) => EOPNOTSUPP,
            Err(error) => error,
        }
    }

    pub(super) fn close_local(&mut self, fd: Fd, local: Local) {
        match local {
            Local::Listener(listener) => self.close_unix_listener(fd, listener),
            Local::Stream(key) => self.close_end(key),
            Local::Mailbox(mailbox) => self.close_mailbox(fd, mailbox),
            Local::Pipe(end) => self.leave_pipe(fd, end),
            Local::Standard(_) => {}
        }
    }

    pub(super) fn receivable_of_local(&self, local: &Local) -> usize {
        match local {
            Local::Stream(key) => self.unread_of_end(*key),
            Local::Pipe(end) => self.unread_of_pipe(*end),
            Local::Standard(end) => self.unread_of_standard(*end),
            Local::Listener(_) | Local::Mailbox(_) => 0,
        }
    }

    /// Whether so many bytes are sent all together or not at all: no fault may part them.
    pub(crate) fn sends_whole(&self, fd: Fd, count: usize) -> bool {
        match self.sockets.get(fd.key()) {
            Some(Socket::Local(Local::Mailbox(_))) => true,
            Some(Socket::Local(Local::Pipe(_))) => count <= channel::PIPE_WHOLE,
            _ => false,
        }
    }

    fn local(&self, fd: Fd) -> Result<&Local, OsError> {
        match self.socket(fd)? {
            Socket::Local(local) => Ok(local),
            _ => Err(ENOTSOCK),
        }
    }
}
