//! Ends of pipes, with a name and without.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::OwnedFd;

use mio::Interest;
use mio::unix::pipe::{Receiver, Sender};
use twinloop::driver::{Fd, Half};

use super::system;
use crate::poller::Poller;

/// One end of a pipe, or both in one descriptor.
///
/// `write(2)` has no flag against `SIGPIPE` as sockets have: that writing to nobody is an error is left to Rust's runtime,
/// which ignores the signal in every program whose `main` is Rust's.
#[derive(Debug)]
pub(crate) enum PipeEnd {
    Reader(Receiver),
    Writer(Sender),
    /// A FIFO that is its own peer.
    Both(Sender),
    /// It was a writer, and has let go of the pipe so that the reader sees the end.
    Ended,
}

impl PipeEnd {
    pub(super) fn both() -> io::Result<(PipeEnd, PipeEnd)> {
        let (writer, reader) = mio::unix::pipe::new()?;
        Ok((PipeEnd::Reader(reader), PipeEnd::Writer(writer)))
    }

    /// The end of a FIFO that was opened for `half`.
    pub(super) fn of_fifo(descriptor: OwnedFd, half: Half) -> PipeEnd {
        match half {
            Half::Read => PipeEnd::Reader(descriptor.into()),
            Half::Write => PipeEnd::Writer(descriptor.into()),
            Half::Both => PipeEnd::Both(descriptor.into()),
        }
    }

    pub(super) fn watch(&mut self, poller: &Poller, fd: Fd) -> io::Result<()> {
        match self {
            PipeEnd::Reader(reader) => poller.watch(reader, Interest::READABLE, fd),
            PipeEnd::Writer(writer) => poller.watch(writer, Interest::WRITABLE, fd),
            PipeEnd::Both(both) => poller.watch(both, Interest::READABLE | Interest::WRITABLE, fd),
            PipeEnd::Ended => unreachable!("a pipe is watched from its beginning"),
        }
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            PipeEnd::Reader(reader) => (&*reader).read(buffer),
            PipeEnd::Both(both) => both.try_io(|| Ok(rustix::io::read(both, &mut *buffer)?)),
            PipeEnd::Writer(_) | PipeEnd::Ended => Err(system(libc::EBADF)),
        }
    }

    pub(super) fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.to_write()?.write(buffer)
    }

    pub(super) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.to_write()?.write_vectored(buffers)
    }

    fn to_write(&self) -> io::Result<&Sender> {
        match self {
            PipeEnd::Writer(writer) | PipeEnd::Both(writer) => Ok(writer),
            PipeEnd::Reader(_) => Err(system(libc::EBADF)),
            PipeEnd::Ended => Err(system(libc::EPIPE)),
        }
    }

    /// shutdown(2) refuses a pipe. A writer is closed instead, which is what the reader can see (against R170).
    pub(super) fn shutdown(&mut self, half: Half) -> io::Result<()> {
        match (&self, half) {
            (PipeEnd::Writer(_) | PipeEnd::Ended, Half::Write) => {
                *self = PipeEnd::Ended;
                Ok(())
            }
            _ => Err(system(libc::ENOTSOCK)),
        }
    }
}
