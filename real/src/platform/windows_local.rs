//! What stays on this machine, on Windows: named pipes, pairs and the standard streams of the process.
//!
//! Unix sockets are refused. Windows knows them as streams since 2018, but neither std nor mio speaks their addresses,
//! they can be neither abstract nor datagrams, and Wine, where this is tried, has none. A FIFO is a pipe of the pipe
//! file system here (`\\.\pipe\name`), which is not in any folder. A pair is two pipes; when its peer closes with
//! unread bytes, that is an end here and no reset.

mod helper;
mod pair;
mod pipe;
mod standard;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::path::Path;

use twinloop::driver::{
    ConnectOptions, Credentials, DatagramOptions, Fd, Half, ListenOptions, OptionName, OsError, Received,
    SocketOption, Standard, UnixAddress,
};

use crate::poller::Poller;
use pair::PairEnd;
use pipe::PipeEnd;
use standard::StandardStream;
pub(crate) use standard::finish_output;

/// What a descriptor refers to. None of these ever blocks.
#[derive(Debug)]
pub(crate) enum Local {
    Pair(PairEnd),
    Pipe(PipeEnd),
    Standard(StandardStream),
}

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

    pub(crate) fn datagram_pair() -> io::Result<(Local, Local)> {
        unsupported()
    }

    pub(crate) fn stream_pair() -> io::Result<(Local, Local)> {
        let (first, second) = PairEnd::both()?;
        Ok((Local::Pair(first), Local::Pair(second)))
    }

    /// The end that is read from, and the one that is written to.
    pub(crate) fn pipe() -> io::Result<(Local, Local)> {
        let (reader, writer) = PipeEnd::both()?;
        Ok((Local::Pipe(reader), Local::Pipe(writer)))
    }

    pub(crate) fn open_fifo(path: &Path, end: Half, create: bool) -> io::Result<Local> {
        PipeEnd::open(path, end, create).map(Local::Pipe)
    }

    pub(crate) fn standard(stream: Standard) -> io::Result<Local> {
        Ok(Local::Standard(StandardStream::of(stream)))
    }

    /// Has edges told. False if there are none to tell: it is always ready.
    pub(crate) fn watch(&mut self, poller: &Poller, fd: Fd) -> io::Result<bool> {
        match self {
            Local::Pair(end) => end.watch(poller, fd)?,
            Local::Pipe(end) => end.watch(poller, fd)?,
            Local::Standard(stream) => stream.watch(poller, fd),
        }
        Ok(true)
    }

    /// Ends the watch of what stays open when this is dropped.
    pub(crate) fn unwatch(&mut self, _: &Poller, _: Fd) {
        if let Local::Standard(stream) = self {
            stream.unwatch();
        }
    }

    pub(crate) fn accept(&self) -> io::Result<(Local, UnixAddress)> {
        Err(io::ErrorKind::InvalidInput.into())
    }

    pub(crate) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Local::Pair(end) => end.recv(buffer),
            Local::Pipe(end) => end.read(buffer),
            Local::Standard(stream) => stream.read(buffer),
        }
    }

    pub(crate) fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Local::Pair(end) => end.send(buffer),
            Local::Pipe(end) => end.write(buffer),
            Local::Standard(stream) => stream.write(buffer),
        }
    }

    /// A pipe takes one buffer at a time, which is a short count.
    pub(crate) fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        self.send(first.map_or(&[], |buffer| buffer))
    }

    pub(crate) fn recv_from(&self, _: &mut [u8]) -> io::Result<Received> {
        unsupported()
    }

    pub(crate) fn peek_from(&self, _: &mut [u8]) -> io::Result<Received> {
        unsupported()
    }

    pub(crate) fn peer_credentials(&self) -> io::Result<Credentials> {
        unsupported()
    }

    pub(crate) fn send_to(&self, _: &[u8], _: Option<&UnixAddress>) -> io::Result<()> {
        unsupported()
    }

    pub(crate) fn shutdown(&mut self, half: Half) -> io::Result<()> {
        match self {
            Local::Pair(end) => end.shutdown(half),
            Local::Pipe(end) => end.shutdown(half),
            Local::Standard(stream) => stream.shutdown(),
        }
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Local::Pair(_) => Ok(None),
            Local::Pipe(_) | Local::Standard(_) => unsupported(),
        }
    }

    /// None of these has a name, nor the options of IP.
    pub(crate) fn set_option(&self, _: SocketOption) -> io::Result<()> {
        unsupported()
    }

    pub(crate) fn option(&self, _: OptionName) -> io::Result<SocketOption> {
        unsupported()
    }

    pub(crate) fn local_address(&self) -> io::Result<UnixAddress> {
        Ok(UnixAddress::UNNAMED)
    }

    pub(crate) fn remote_address(&self) -> io::Result<UnixAddress> {
        Ok(UnixAddress::UNNAMED)
    }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What an end is not for, as the seam says it on every system.
fn bad_descriptor() -> io::Error {
    OsError::BAD_DESCRIPTOR.into()
}

/// Its owner has said that nothing more comes.
fn has_ended() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}
