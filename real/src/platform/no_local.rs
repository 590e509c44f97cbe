//! Unix sockets, pipes and standard streams on systems that have no readiness for them: none is ever made.
//!
//! Windows knows Unix streams, but std and mio do not; its pipes and consoles complete, and do not become ready.

use std::io::{self, IoSlice};
use std::path::Path;

use twinloop::driver::{
    ConnectOptions, DatagramOptions, Fd, Half, ListenOptions, OptionName, Received, SocketOption, Standard,
    UnixAddress,
};

use crate::poller::Poller;

/// There is none, so that no method of it is ever called.
#[derive(Debug)]
pub(crate) enum Local {}

impl Local {
    pub(crate) fn listen(_: &UnixAddress, _: &ListenOptions) -> io::Result<Local> {
        unsupported()
    }

    pub(crate) fn connect(_: &UnixAddress, _: &ConnectOptions) -> io::Result<Local> {
        unsupported()
    }

    pub(crate) fn bind_datagram(_: &UnixAddress, _: &DatagramOptions) -> io::Result<Local> {
        unsupported()
    }

    pub(crate) fn stream_pair() -> io::Result<(Local, Local)> {
        unsupported()
    }

    pub(crate) fn pipe() -> io::Result<(Local, Local)> {
        unsupported()
    }

    pub(crate) fn open_fifo(_: &Path, _: Half, _: bool) -> io::Result<Local> {
        unsupported()
    }

    pub(crate) fn standard(_: Standard) -> io::Result<Local> {
        unsupported()
    }

    pub(crate) fn watch(&mut self, _: &Poller, _: Fd) -> io::Result<bool> {
        match *self {}
    }

    pub(crate) fn unwatch(&mut self, _: &Poller, _: Fd) {
        match *self {}
    }

    pub(crate) fn accept(&self) -> io::Result<(Local, UnixAddress)> {
        match *self {}
    }

    pub(crate) fn recv(&self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn send(&self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn send_vectored(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn recv_from(&self, _: &mut [u8]) -> io::Result<Received> {
        match *self {}
    }

    pub(crate) fn send_to(&self, _: &[u8], _: Option<&UnixAddress>) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn shutdown(&mut self, _: Half) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match *self {}
    }

    pub(crate) fn set_option(&self, _: SocketOption) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn option(&self, _: OptionName) -> io::Result<SocketOption> {
        match *self {}
    }

    pub(crate) fn local_address(&self) -> io::Result<UnixAddress> {
        match *self {}
    }

    pub(crate) fn remote_address(&self) -> io::Result<UnixAddress> {
        match *self {}
    }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}
