//! The driver's calls on descriptors, made through the latch so that it always knows what the kernel last said.

mod datagrams;
mod files;
mod local;

use std::any::Any;
use std::net::IpAddr;

use super::sources::Interest;
use super::{Core, Handle};
use crate::Address;
use crate::driver::{
    Capabilities, ConnectOptions, Driver, Fd, Half, ListenOptions, OptionName, OsError, Signal, SocketOption,
};

/// Non-blocking operations on descriptors, for programs that drive their own with
/// [`add_reader`](Handle::add_reader) and [`add_writer`](Handle::add_writer). Transports are built on the same calls.
///
/// What would have to wait answers [`OsError::WOULD_BLOCK`]; the direction's callback runs once that has changed. While
/// the latch of a direction is clear, the answer is given without a system call.
impl Handle {
    /// A listening stream socket. Port 0 picks a free port; [`Handle::local_address`] tells it.
    pub fn listen(&self, address: &Address, options: &ListenOptions) -> Result<Fd, OsError> {
        let core = self.core();
        let fd = core.driver.borrow_mut().listen(address, options)?;
        core.sources.borrow_mut().open(fd);
        Ok(fd)
    }

    /// The next established connection of `listener`, and the peer's address.
    pub fn accept(&self, listener: Fd) -> Result<(Fd, Address), OsError> {
        let core = self.core();
        core.attempt(listener, Interest::Read)?;
        let accepted = core.driver.borrow_mut().accept(listener);
        let accepted = accepted.map_err(|error| core.noted(listener, Interest::Read, error))?;
        core.sources.borrow_mut().open(accepted.0);
        Ok(accepted)
    }

    /// A stream socket that begins to connect. Once it is writable, [`Handle::take_error`] tells the outcome.
    pub fn connect(&self, remote: &Address, options: &ConnectOptions) -> Result<Fd, OsError> {
        let core = self.core();
        let fd = core.driver.borrow_mut().connect(remote, options)?;
        core.sources.borrow_mut().open(fd);
        Ok(fd)
    }

    /// A descriptor for what the driver's own system made: for crates of drivers, which give their users a type for it
    /// (`twinloop_real::Adopted`). Lent until it is [closed](Handle::close), which closes nothing of the lender's.
    ///
    /// Such a descriptor can be watched, and nothing else: its owner makes the system calls. For as long as a direction is
    /// ready its callback is called once a turn, as for every other (R70); while it has no watcher, nothing that
    /// happens to it wakes the loop (R69).
    ///
    /// # Errors
    ///
    /// The driver's, and [`Unsupported`](std::io::ErrorKind::Unsupported) if it does not know what `foreign` is. The
    /// simulator knows nothing of the kind.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::io::ErrorKind;
    /// use twinloop::Handle;
    ///
    /// let refused = Handle::current().adopt(&mut "a terminal").expect_err("there is no such thing in a simulation");
    /// assert_eq!(refused.kind(), ErrorKind::Unsupported);
    /// # Ok(()) });
    /// ```
    pub fn adopt(&self, foreign: &mut dyn Any) -> Result<Fd, OsError> {
        let core = self.core();
        let fd = core.driver.borrow_mut().adopt(foreign)?;
        core.sources.borrow_mut().open_foreign(fd);
        Ok(fd)
    }

    /// Moves received bytes into `buffer` and says how many; 0 for a non-empty `buffer` is the end of the stream.
    pub fn recv(&self, fd: Fd, buffer: &mut [u8]) -> Result<usize, OsError> {
        self.core().recv(fd, buffer)
    }

    /// Hands bytes to the kernel and says how many it took.
    pub fn send(&self, fd: Fd, buffer: &[u8]) -> Result<usize, OsError> {
        self.core().send(fd, buffer)
    }

    /// Ends one or both directions of a stream. Does not wait for anything.
    pub fn shutdown(&self, fd: Fd, half: Half) -> Result<(), OsError> {
        self.core().driver.borrow_mut().shutdown(fd, half)
    }

    /// The pending error of a socket, which is cleared by asking.
    pub fn take_error(&self, fd: Fd) -> Result<Option<OsError>, OsError> {
        self.core().driver.borrow_mut().take_error(fd)
    }

    /// Sets an option of a socket. What a system would round down or take for another thing is rounded up or refused as
    /// [`SocketOption`] says.
    pub fn set_option(&self, fd: Fd, option: SocketOption) -> Result<(), OsError> {
        let option = option.checked()?;
        self.core().driver.borrow_mut().set_option(fd, option)
    }

    /// What an option of a socket is set to.
    pub fn option(&self, fd: Fd, name: OptionName) -> Result<SocketOption, OsError> {
        self.core().driver.borrow_mut().option(fd, name)
    }

    /// Begins to look up the IP addresses of a name. Once the descriptor is readable, [`Handle::resolved`] tells them.
    pub fn begin_resolve(&self, name: &str) -> Result<Fd, OsError> {
        let core = self.core();
        let fd = core.driver.borrow_mut().resolve(name)?;
        core.sources.borrow_mut().open(fd);
        Ok(fd)
    }

    /// The addresses of a name that was looked up, once.
    pub fn resolved(&self, fd: Fd) -> Result<Vec<IpAddr>, OsError> {
        let core = self.core();
        core.attempt(fd, Interest::Read)?;
        let resolved = core.driver.borrow_mut().resolved(fd);
        resolved.map_err(|error| core.noted(fd, Interest::Read, error))
    }

    /// Listens to `signals` of this process. Once the descriptor is readable, [`Handle::next_signal`] tells which one
    /// has come.
    pub fn signals(&self, signals: &[Signal]) -> Result<Fd, OsError> {
        let core = self.core();
        let fd = core.driver.borrow_mut().signals(signals)?;
        core.sources.borrow_mut().open(fd);
        Ok(fd)
    }

    /// A signal that has come, of those that `fd` listens to.
    pub fn next_signal(&self, fd: Fd) -> Result<Signal, OsError> {
        let core = self.core();
        core.attempt(fd, Interest::Read)?;
        let signal = core.driver.borrow_mut().next_signal(fd);
        signal.map_err(|error| core.noted(fd, Interest::Read, error))
    }

    /// Sends this process a signal: see [`raise`](crate::raise).
    pub fn raise(&self, signal: Signal) -> Result<(), OsError> {
        self.core().driver.borrow_mut().raise(signal)
    }

    /// The address that a socket is bound to.
    pub fn local_address(&self, fd: Fd) -> Result<Address, OsError> {
        self.core().driver.borrow_mut().local_address(fd)
    }

    /// The address that a stream is connected to.
    pub fn remote_address(&self, fd: Fd) -> Result<Address, OsError> {
        self.core().driver.borrow_mut().remote_address(fd)
    }

    /// Closes a descriptor. Each callback that watches it is queued once more, the reader's first, so that its owner
    /// learns of the end; it finds the descriptor closed. A stale `fd`, or a closed dispatcher, is ignored.
    pub fn close(&self, fd: Fd) {
        if let Some(core) = self.try_core() {
            core.close_fd(fd);
        }
    }

    /// Fills `buffer` with unpredictable bytes; in a simulation they are drawn from the seed.
    pub fn entropy(&self, buffer: &mut [u8]) -> Result<(), OsError> {
        self.core().driver.borrow_mut().entropy(buffer)
    }

    /// The facts about the driver.
    pub fn capabilities(&self) -> Capabilities {
        self.core().capabilities
    }
}

impl Core {
    /// Answers for the kernel while the latch is clear.
    fn attempt(&self, fd: Fd, interest: Interest) -> Result<(), OsError> {
        if self.sources.borrow().may_try(fd, interest) { Ok(()) } else { Err(OsError::WOULD_BLOCK) }
    }

    /// Notes what an error says of the latch. A refusal to wait is the same whoever gives it, the kernel or the latch.
    fn noted(&self, fd: Fd, interest: Interest, error: OsError) -> OsError {
        if !error.is_would_block() {
            return error;
        }
        self.sources.borrow_mut().drained(fd, interest);
        OsError::WOULD_BLOCK
    }

    /// Moves bytes by `call`, and notes what its answer says of the latch. `short_is_end`: a count below `asked` means that
    /// the kernel can move no more for now.
    fn transfer(
        &self,
        fd: Fd,
        interest: Interest,
        asked: usize,
        short_is_end: bool,
        call: impl FnOnce(&mut dyn Driver) -> Result<usize, OsError>,
    ) -> Result<usize, OsError> {
        self.attempt(fd, interest)?;
        let moved = call(&mut **self.driver.borrow_mut());
        let count = moved.map_err(|error| self.noted(fd, interest, error))?;
        if short_is_end && 0 < count && count < asked {
            self.sources.borrow_mut().drained_by_short_count(fd, interest);
        }
        Ok(count)
    }

    pub(crate) fn recv(&self, fd: Fd, buffer: &mut [u8]) -> Result<usize, OsError> {
        let short_is_end = self.capabilities.short_read_drains;
        self.transfer(fd, Interest::Read, buffer.len(), short_is_end, |driver| driver.recv(fd, buffer))
    }

    pub(crate) fn send(&self, fd: Fd, buffer: &[u8]) -> Result<usize, OsError> {
        let short_is_end = self.capabilities.short_write_fills;
        self.transfer(fd, Interest::Write, buffer.len(), short_is_end, |driver| driver.send(fd, buffer))
    }

    pub(crate) fn send_vectored(&self, fd: Fd, buffers: &[std::io::IoSlice<'_>]) -> Result<usize, OsError> {
        let asked = buffers.iter().map(|buffer| buffer.len()).sum();
        let short_is_end = self.capabilities.short_write_fills;
        self.transfer(fd, Interest::Write, asked, short_is_end, |driver| driver.send_vectored(fd, buffers))
    }

    /// What was told of writing turned out to be spurious: only a new edge counts.
    pub(crate) fn forget_readiness(&self, fd: Fd) {
        self.sources.borrow_mut().drained(fd, Interest::Write);
    }

    /// The last send was not refused: a watcher of this direction is due without an edge.
    pub(crate) fn assume_writable(&self, fd: Fd) {
        let due = self.sources.borrow_mut().assume_ready(fd, Interest::Write);
        if let Some(place) = due {
            self.push_source(fd, Interest::Write, place);
        }
    }

    pub(crate) fn close_fd(&self, fd: Fd) {
        let told = self.sources.borrow_mut().close(fd);
        for (callback, place) in told {
            self.push_ready(callback, crate::callback::CallbackKind::Soon, place);
        }
        self.driver.borrow_mut().close(fd);
    }
}
