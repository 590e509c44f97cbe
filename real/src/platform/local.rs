//! What stays on this machine: Unix sockets, pipes, FIFOs and the standard streams of the process.

mod fifo;
mod name;
mod pipe;
mod socket;
mod standard;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::path::Path;

use twinloop::driver::{
    ConnectOptions, Credentials, DatagramOptions, Fd, Half, ListenOptions, OptionName, Received,
    SocketOption, Standard, UnixAddress,
};

use crate::poller::Poller;
use pipe::PipeEnd;
use socket::{Datagrams, Listener, Stream};
use standard::StandardStream;

/// What a descriptor refers to. None of these ever blocks.
#[derive(Debug)]
pub(crate) enum Local {
    Listener(Listener),
    Stream(Stream),
    Datagrams(Datagrams),
    Pipe(PipeEnd),
    Standard(StandardStream),
}

impl Local {
    pub(crate) fn listen(address: &UnixAddress, options: &ListenOptions) -> io::Result<Local> {
        Listener::listen(address, options).map(Local::Listener)
    }

    pub(crate) fn connect(remote: &UnixAddress, options: &ConnectOptions) -> io::Result<Local> {
        Stream::connect(remote, options).map(Local::Stream)
    }

    pub(crate) fn bind_datagram(local: &UnixAddress, options: &DatagramOptions) -> io::Result<Local> {
        Datagrams::bind(local, options).map(Local::Datagrams)
    }

    pub(crate) fn stream_pair() -> io::Result<(Local, Local)> {
        let (first, second) = Stream::pair()?;
        Ok((Local::Stream(first), Local::Stream(second)))
    }

    pub(crate) fn datagram_pair() -> io::Result<(Local, Local)> {
        let (first, second) = Datagrams::pair()?;
        Ok((Local::Datagrams(first), Local::Datagrams(second)))
    }

    /// The end that is read from, and the one that is written to.
    pub(crate) fn pipe() -> io::Result<(Local, Local)> {
        let (reader, writer) = PipeEnd::both()?;
        Ok((Local::Pipe(reader), Local::Pipe(writer)))
    }

    pub(crate) fn open_fifo(path: &Path, end: Half, create: bool) -> io::Result<Local> {
        fifo::open(path, end, create).map(Local::Pipe)
    }

    pub(crate) fn standard(stream: Standard) -> io::Result<Local> {
        StandardStream::of(stream).map(Local::Standard)
    }

    /// Has edges told. False if there are none to tell: it is always ready.
    pub(crate) fn watch(&mut self, poller: &Poller, fd: Fd) -> io::Result<bool> {
        match self {
            Local::Listener(listener) => listener.watch(poller, fd)?,
            Local::Stream(stream) => stream.watch(poller, fd)?,
            Local::Datagrams(socket) => socket.watch(poller, fd)?,
            Local::Pipe(end) => end.watch(poller, fd)?,
            Local::Standard(stream) => return stream.watch(poller, fd),
        }
        Ok(true)
    }

    /// Ends the watch of what stays open when this is dropped.
    pub(crate) fn unwatch(&mut self, poller: &Poller, fd: Fd) {
        if let Local::Standard(stream) = self {
            stream.unwatch(poller, fd);
        }
    }

    pub(crate) fn accept(&self) -> io::Result<(Local, UnixAddress)> {
        match self {
            Local::Listener(listener) => {
                listener.accept().map(|(stream, peer)| (Local::Stream(stream), peer))
            }
            Local::Stream(_) | Local::Datagrams(_) => Err(system(libc::EINVAL)),
            Local::Pipe(_) | Local::Standard(_) => Err(system(libc::ENOTSOCK)),
        }
    }

    pub(crate) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Local::Listener(_) => Err(system(libc::EINVAL)),
            Local::Stream(stream) => stream.recv(buffer),
            Local::Datagrams(socket) => socket.recv_from(buffer).map(|received| received.length),
            Local::Pipe(end) => end.read(buffer),
            Local::Standard(stream) => stream.read(buffer),
        }
    }

    pub(crate) fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Local::Listener(_) => Err(system(libc::ENOTCONN)),
            Local::Stream(stream) => stream.send(buffer),
            Local::Datagrams(socket) => socket.send_to(buffer, None).map(|()| buffer.len()),
            Local::Pipe(end) => end.write(buffer),
            Local::Standard(stream) => stream.write(buffer),
        }
    }

    pub(crate) fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Local::Stream(stream) => stream.send_vectored(buffers),
            Local::Pipe(end) => end.write_vectored(buffers),
            // A datagram is one buffer, and a standard stream takes little at a time.
            Local::Datagrams(_) => {
                self.send(&buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect::<Vec<u8>>())
            }
            Local::Listener(_) | Local::Standard(_) => {
                let first = buffers.iter().find(|buffer| !buffer.is_empty());
                self.send(first.map_or(&[], |buffer| buffer))
            }
        }
    }

    pub(crate) fn recv_from(&self, buffer: &mut [u8]) -> io::Result<Received> {
        match self {
            Local::Datagrams(socket) => socket.recv_from(buffer),
            _ => Err(system(libc::ENOTSOCK)),
        }
    }

    pub(crate) fn peek_from(&self, buffer: &mut [u8]) -> io::Result<Received> {
        match self {
            Local::Datagrams(socket) => socket.peek_from(buffer),
            _ => Err(system(libc::ENOTSOCK)),
        }
    }

    pub(crate) fn peer_credentials(&self) -> io::Result<Credentials> {
        match self {
            Local::Stream(stream) => stream.peer_credentials(),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn send_to(&self, bytes: &[u8], remote: Option<&UnixAddress>) -> io::Result<()> {
        match self {
            Local::Datagrams(socket) => socket.send_to(bytes, remote),
            _ => Err(system(libc::ENOTSOCK)),
        }
    }

    pub(crate) fn shutdown(&mut self, half: Half) -> io::Result<()> {
        match self {
            Local::Listener(_) | Local::Datagrams(_) => Err(system(libc::ENOTCONN)),
            Local::Stream(stream) => stream.shutdown(half),
            Local::Pipe(end) => end.shutdown(half),
            Local::Standard(stream) => stream.shutdown(),
        }
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Local::Listener(listener) => listener.take_error(),
            Local::Stream(stream) => stream.take_error(),
            Local::Datagrams(socket) => socket.take_error(),
            Local::Pipe(_) | Local::Standard(_) => Err(system(libc::ENOTSOCK)),
        }
    }

    /// Unix sockets have none of the options of IP, and a pipe has none at all.
    pub(crate) fn set_option(&self, _: SocketOption) -> io::Result<()> {
        Err(self.refusal_of_options())
    }

    pub(crate) fn option(&self, _: OptionName) -> io::Result<SocketOption> {
        Err(self.refusal_of_options())
    }

    fn refusal_of_options(&self) -> io::Error {
        match self {
            Local::Pipe(_) | Local::Standard(_) => system(libc::ENOTSOCK),
            Local::Listener(_) | Local::Stream(_) | Local::Datagrams(_) => system(libc::EOPNOTSUPP),
        }
    }

    /// A pipe has no name, which is an answer and no error.
    pub(crate) fn local_address(&self) -> io::Result<UnixAddress> {
        match self {
            Local::Listener(listener) => listener.local_address(),
            Local::Stream(stream) => stream.local_address(),
            Local::Datagrams(socket) => socket.local_address(),
            Local::Pipe(_) | Local::Standard(_) => Ok(UnixAddress::UNNAMED),
        }
    }

    pub(crate) fn remote_address(&self) -> io::Result<UnixAddress> {
        match self {
            Local::Listener(_) => Err(system(libc::ENOTCONN)),
            Local::Stream(stream) => stream.remote_address(),
            Local::Datagrams(socket) => socket.remote_address(),
            Local::Pipe(_) | Local::Standard(_) => Ok(UnixAddress::UNNAMED),
        }
    }
}

/// Nothing is under way: a write has ended when it answers.
pub(crate) fn finish_output() {}

fn system(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}
