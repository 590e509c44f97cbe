//! The seam's calls on the real kernel, and the table of descriptors. Decides nothing: the kernel answers.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use twinloop::driver::{
    Capabilities, ConnectOptions, Driver, Event, Fd, Half, ListenOptions, OsError, SocketOption, ThreadMain,
    Unpark,
};
use twinloop::table::Table;
use twinloop::{Address, Dispatcher, Moment};

use crate::clock::Clock;
use crate::options;
use crate::platform::{self, os_error};
use crate::poller::Poller;
use crate::sockets::Socket;

/// The driver of production: the kernel of this machine.
///
/// Streams are made with `TCP_NODELAY` set. A call that does not fit the kind of a socket answers
/// [`NotConnected`](io::ErrorKind::NotConnected) (a stream's call on a listener) or
/// [`InvalidInput`](io::ErrorKind::InvalidInput) (`accept` on a stream).
///
/// ```
/// use twinloop::Address;
/// use twinloop::driver::{Driver, ListenOptions};
///
/// let mut driver = twinloop_real::RealDriver::new()?;
/// let listener = driver.listen(&Address::loopback(0), &ListenOptions::default())?;
/// assert_ne!(driver.local_address(listener)?.port(), Some(0));
/// assert!(driver.accept(listener).is_err_and(|error| error.is_would_block()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct RealDriver {
    sockets: Table<Socket>,
    poller: Poller,
    clock: Clock,
}

impl RealDriver {
    /// A driver with its own selector and a clock that starts now.
    ///
    /// # Errors
    ///
    /// The system's, when it has no descriptor left for the selector or its waker.
    pub fn new() -> io::Result<RealDriver> {
        Ok(RealDriver { sockets: Table::new(), poller: Poller::new()?, clock: Clock::new() })
    }

    /// Takes `socket` into the table and watches it from now on. On failure it is closed.
    fn adopt(&mut self, socket: Socket) -> Result<Fd, OsError> {
        let key = self.sockets.insert(socket);
        let (source, interest) =
            self.sockets.get_mut(key).expect("the socket was inserted above").as_source();
        match self.poller.watch(source, interest, Fd::from_key(key)) {
            Ok(()) => Ok(Fd::from_key(key)),
            Err(error) => {
                self.sockets.remove(key);
                Err(os_error(error))
            }
        }
    }

    fn socket(&self, fd: Fd) -> Result<&Socket, OsError> {
        self.sockets.get(fd.key()).ok_or(OsError::BAD_DESCRIPTOR)
    }
}

impl Driver for RealDriver {
    fn capabilities(&self) -> Capabilities {
        platform::capabilities()
    }

    fn now(&mut self) -> Moment {
        self.clock.now()
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> Result<(), OsError> {
        assert!(events.is_empty(), "the caller of poll hands the vector over empty");
        self.poller.wait(timeout).map_err(os_error)?;
        // The kernel forgets a watch with the last copy of the descriptor, and a child process between fork and exec may
        // hold one. So an event may come for a socket that is closed: its key is stale.
        let fetched = self.poller.events();
        events.extend(fetched.filter(|event| self.sockets.get(event.fd.key()).is_some()));
        Ok(())
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        self.poller.unparker()
    }

    /// The selector is made here, so that its refusal is the caller's to know.
    ///
    /// A thread whose main future can never go on panics with what its dispatcher said.
    fn start_thread(&mut self, main: ThreadMain) -> Result<(), OsError> {
        let driver = RealDriver::new().map_err(os_error)?;
        let thread = thread::Builder::new().name(main.name);
        let begin = main.begin;
        let run = move || {
            let ended = Dispatcher::new(Box::new(driver)).block_on(async move { begin().await });
            ended.unwrap_or_else(|error| panic!("the thread could not go on: {error}"));
        };
        // Not joined: whoever wants to know of its end learns it from the main future.
        thread.spawn(run).map(drop).map_err(os_error)
    }

    fn entropy(&mut self, buffer: &mut [u8]) -> Result<(), OsError> {
        getrandom::fill(buffer).map_err(|error| os_error(error.into()))
    }

    fn listen(&mut self, address: &Address, options: &ListenOptions) -> Result<Fd, OsError> {
        let listener = Socket::listen(address, options).map_err(os_error)?;
        self.adopt(listener)
    }

    fn accept(&mut self, listener: Fd) -> Result<(Fd, Address), OsError> {
        let listener = self.socket(listener)?;
        let (stream, peer) = uninterrupted(|| listener.accept())?;
        Ok((self.adopt(stream)?, peer.into()))
    }

    fn connect(&mut self, remote: &Address, options: &ConnectOptions) -> Result<Fd, OsError> {
        // Watched only after the connect began: epoll calls a socket that never did hung up.
        let stream = Socket::connect(remote, options).map_err(os_error)?;
        self.adopt(stream)
    }

    fn take_error(&mut self, fd: Fd) -> Result<Option<OsError>, OsError> {
        let pending = self.socket(fd)?.as_sock_ref().take_error().map_err(os_error)?;
        Ok(pending.map(os_error))
    }

    fn recv(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize, OsError> {
        let mut stream = self.socket(fd)?.as_stream()?;
        uninterrupted(|| stream.read(buffer))
    }

    fn send(&mut self, fd: Fd, buffer: &[u8]) -> Result<usize, OsError> {
        let mut stream = self.socket(fd)?.as_stream()?;
        uninterrupted(|| stream.write(buffer))
    }

    fn send_vectored(&mut self, fd: Fd, buffers: &[IoSlice<'_>]) -> Result<usize, OsError> {
        let stream = self.socket(fd)?.as_stream()?;
        uninterrupted(|| platform::send_vectored(stream, buffers))
    }

    fn shutdown(&mut self, fd: Fd, half: Half) -> Result<(), OsError> {
        let how = match half {
            Half::Read => Shutdown::Read,
            Half::Write => Shutdown::Write,
            Half::Both => Shutdown::Both,
        };
        self.socket(fd)?.as_stream()?.shutdown(how).map_err(os_error)
    }

    fn set_option(&mut self, fd: Fd, option: SocketOption) -> Result<(), OsError> {
        options::set(self.socket(fd)?, option).map_err(os_error)
    }

    fn local_address(&mut self, fd: Fd) -> Result<Address, OsError> {
        self.socket(fd)?.local_address().map(Address::from).map_err(os_error)
    }

    fn remote_address(&mut self, fd: Fd) -> Result<Address, OsError> {
        self.socket(fd)?.as_stream()?.peer_addr().map(Address::from).map_err(os_error)
    }

    fn close(&mut self, fd: Fd) {
        self.sockets.remove(fd.key());
    }
}

/// What `call` answers once no signal cuts it short. It ends because a non-blocking call does not wait for a signal.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> Result<T, OsError> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome.map_err(os_error),
        }
    }
}

#[cfg(test)]
mod tests;
