//! The driver's calls on datagram sockets, made through the latch. A datagram moves whole, so that no count is short: only a
//! refusal to wait says that there is nothing more for now.

use crate::Address;
use crate::dispatcher::{Core, Interest};
use crate::driver::{DatagramOptions, Driver, Fd, Membership, OsError, Outgoing, Received};

impl Core {
    pub(crate) fn bind_datagram(&self, local: &Address, options: &DatagramOptions) -> Result<Fd, OsError> {
        let fd = self.driver.borrow_mut().bind_datagram(local, options)?;
        self.sources.borrow_mut().open(fd);
        Ok(fd)
    }

    pub(crate) fn recv_from(&self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        self.exchange(fd, Interest::Read, |driver| driver.recv_from(fd, buffer))
    }

    pub(crate) fn peek_from(&self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        self.exchange(fd, Interest::Read, |driver| driver.peek_from(fd, buffer))
    }

    pub(crate) fn recv_many(
        &self,
        fd: Fd,
        buffer: &mut [u8],
        slot: usize,
        received: &mut Vec<Received>,
    ) -> Result<(), OsError> {
        self.exchange(fd, Interest::Read, |driver| driver.recv_many(fd, buffer, slot, received))
    }

    pub(crate) fn send_to(&self, fd: Fd, bytes: &[u8], remote: Option<&Address>) -> Result<(), OsError> {
        self.exchange(fd, Interest::Write, |driver| driver.send_to(fd, bytes, remote))
    }

    pub(crate) fn send_many(&self, fd: Fd, datagrams: &[Outgoing<'_>]) -> Result<usize, OsError> {
        self.exchange(fd, Interest::Write, |driver| driver.send_many(fd, datagrams))
    }

    pub(crate) fn join_multicast(&self, fd: Fd, membership: &Membership) -> Result<(), OsError> {
        self.driver.borrow_mut().join_multicast(fd, membership)
    }

    pub(crate) fn leave_multicast(&self, fd: Fd, membership: &Membership) -> Result<(), OsError> {
        self.driver.borrow_mut().leave_multicast(fd, membership)
    }

    /// Makes `call`, and notes what its answer says of the latch.
    fn exchange<T>(
        &self,
        fd: Fd,
        interest: Interest,
        call: impl FnOnce(&mut dyn Driver) -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        self.attempt(fd, interest)?;
        let answer = call(&mut **self.driver.borrow_mut());
        answer.map_err(|error| self.noted(fd, interest, error))
    }
}
