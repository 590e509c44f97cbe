//! A TCP stream of the driver, with what the system does not remember of it. Knows no selector and no table.

use std::cell::Cell;
use std::io;

use mio::net::TcpStream;
use socket2::SockRef;

use crate::platform;
use crate::sendfile::Sending;

/// A stream that is connected, or on its way. Never blocks.
#[derive(Debug)]
pub(crate) struct Stream {
    // The order of these is that of their destructors: what is under way on a socket ends before it.
    pub(crate) sending: Sending,
    pub(crate) socket: TcpStream,
    /// Its error was asked for and told. There is one at most: nothing more happens to a stream that has failed.
    error_was_told: Cell<bool>,
}

impl Stream {
    pub(crate) fn new(socket: TcpStream) -> Stream {
        Stream { sending: Sending::default(), socket, error_was_told: Cell::new(false) }
    }

    /// The pending error, told once.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        let pending = SockRef::from(&self.socket).take_error()?;
        if platform::ASKING_CLEARS_THE_ERROR {
            return Ok(pending);
        }
        let was_told = pending.is_some() && self.error_was_told.replace(true);
        Ok(pending.filter(|_| !was_told))
    }
}
