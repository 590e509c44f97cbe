//! Pipes, with a name and without (pipe(7), fifo(7)).

use std::io::IoSlice;
use std::path::Path;

use twinloop::Address;
use twinloop::driver::{Fd, Half, OsError, Readiness, UnixAddress};
use twinloop::table::Key;

use super::Local;
use super::channel::Channel;
use super::names::Node;
use crate::kernel::errno::{EINVAL, ENOENT, ENOTSOCK, ENXIO, EPIPE};
use crate::kernel::files::{absolute, check_path};
use crate::kernel::{Kernel, Socket};

/// A pipe is there for as long as one of its ends is open.
pub(super) struct Pipe {
    channel: Channel,
    readers: Vec<Fd>,
    writers: Vec<Fd>,
}

/// What a descriptor of a pipe refers to.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct PipeEnd {
    pipe: Key,
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// It was for writing, until its owner said that nothing more comes.
    ended: bool,
}

impl Kernel {
    pub(crate) fn pipe(&mut self) -> (Fd, Fd) {
        let pipe = self.make_pipe();
        (self.open_pipe_end(pipe, Half::Read), self.open_pipe_end(pipe, Half::Write))
    }

    pub(crate) fn open_fifo(&mut self, path: &Path, end: Half, create: bool) -> Result<Fd, OsError> {
        check_path(path)?;
        let path = absolute(path);
        let known = match self.locals.names.node(&path) {
            Some(Node::Fifo(pipe)) => pipe.filter(|pipe| self.locals.pipes.get(*pipe).is_some()),
            Some(Node::Socket(_)) => return Err(ENXIO),
            None if self.files.is_there(&path) => return Err(EINVAL),
            None if create => None,
            None => return Err(ENOENT),
        };
        let has_reader = known.is_some_and(|pipe| !self.pipe_mut(pipe).readers.is_empty());
        if end == Half::Write && !has_reader {
            self.locals.names.put(path, Node::Fifo(known));
            return Err(ENXIO);
        }
        let pipe = known.unwrap_or_else(|| self.make_pipe());
        self.locals.names.put(path, Node::Fifo(Some(pipe)));
        Ok(self.open_pipe_end(pipe, end))
    }

    fn make_pipe(&mut self) -> Key {
        let pipe = Pipe { channel: Channel::of_pipe(), readers: Vec::new(), writers: Vec::new() };
        self.locals.pipes.insert(pipe)
    }

    fn open_pipe_end(&mut self, key: Key, half: Half) -> Fd {
        let (reads, writes) = (half != Half::Write, half != Half::Read);
        let end = PipeEnd { pipe: key, reads, writes, ended: false };
        let fd = self.open(Socket::Local(Local::Pipe(end)));
        let pipe = self.pipe_mut(key);
        let mut told = Readiness::EMPTY;
        if reads {
            pipe.readers.push(fd);
            told |= if pipe.channel.len() > 0 { Readiness::READABLE } else { Readiness::EMPTY };
        }
        if writes {
            pipe.writers.push(fd);
            told |= if pipe.channel.is_writable() { Readiness::WRITABLE } else { Readiness::EMPTY };
        }
        self.raise(fd, told);
        fd
    }

    pub(super) fn read_pipe(&mut self, end: PipeEnd, buffer: &mut [u8]) -> Result<usize, OsError> {
        if !end.reads {
            return Err(OsError::BAD_DESCRIPTOR);
        }
        let pipe = self.pipe_mut(end.pipe);
        let (count, made_room) = pipe.channel.take(buffer);
        if count == 0 && !buffer.is_empty() {
            return if pipe.writers.is_empty() { Ok(0) } else { Err(OsError::WOULD_BLOCK) };
        }
        let told = if made_room { pipe.writers.clone() } else { Vec::new() };
        self.raise_all(&told, Readiness::WRITABLE);
        Ok(count)
    }

    pub(super) fn write_pipe(&mut self, end: PipeEnd, buffers: &[IoSlice<'_>]) -> Result<usize, OsError> {
        match end {
            PipeEnd { ended: true, .. } => return Err(EPIPE),
            PipeEnd { writes: false, .. } => return Err(OsError::BAD_DESCRIPTOR),
            PipeEnd { .. } => {}
        }
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            // Nobody is asked, not even whether anybody reads (`pipe_write`).
            return Ok(0);
        }
        let pipe = self.pipe_mut(end.pipe);
        if pipe.readers.is_empty() {
            return Err(EPIPE);
        }
        let count = pipe.channel.put(buffers)?;
        let told = pipe.readers.clone();
        self.raise_all(&told, Readiness::READABLE);
        Ok(count)
    }

    /// Not what shutdown(2) does, which refuses a pipe: the driver closes its descriptor of a writer, so that the reader sees
    /// the end (against R170).
    pub(super) fn shutdown_pipe(&mut self, fd: Fd, half: Half) -> Result<(), OsError> {
        let Socket::Local(Local::Pipe(end)) = self.socket_mut(fd)? else { return Err(ENOTSOCK) };
        if half != Half::Write || end.reads {
            return Err(ENOTSOCK);
        }
        let before = *end;
        (end.writes, end.ended) = (false, true);
        if before.writes {
            self.leave_pipe(fd, before);
        }
        Ok(())
    }

    /// One descriptor less. The last one of a side is told to the other side; the last one of all takes the pipe along.
    pub(super) fn leave_pipe(&mut self, fd: Fd, end: PipeEnd) {
        if !end.reads && !end.writes {
            return;
        }
        let pipe = self.pipe_mut(end.pipe);
        pipe.readers.retain(|other| *other != fd);
        pipe.writers.retain(|other| *other != fd);
        let (readers, writers) = (pipe.readers.clone(), pipe.writers.clone());
        match (readers.is_empty(), writers.is_empty()) {
            (true, true) => _ = self.locals.pipes.remove(end.pipe),
            (false, true) if end.writes => {
                self.raise_all(&readers, Readiness::READ_CLOSED | Readiness::WRITE_CLOSED);
            }
            (true, false) if end.reads => {
                self.raise_all(&writers, Readiness::WRITE_CLOSED | Readiness::ERROR);
            }
            _ => {}
        }
    }

    pub(super) fn unread_of_pipe(&self, end: PipeEnd) -> usize {
        if end.reads { self.bytes_in_pipe(end) } else { 0 }
    }

    pub(super) fn bytes_in_pipe(&self, end: PipeEnd) -> usize {
        self.locals.pipes.get(end.pipe).map_or(0, |pipe| pipe.channel.len())
    }

    /// Whether somebody is at the other side of this end.
    pub(super) fn is_pipe_connected(&self, end: PipeEnd) -> bool {
        let has_both = |pipe: &Pipe| !pipe.readers.is_empty() && !pipe.writers.is_empty();
        !end.ended && self.locals.pipes.get(end.pipe).is_some_and(has_both)
    }

    /// Where it stands in the file system, if it does.
    pub(super) fn address_of_fifo(&self, end: PipeEnd) -> Address {
        let path = self.locals.names.path_of_fifo(end.pipe);
        Address::Unix(path.and_then(|path| UnixAddress::from_path(path).ok()).unwrap_or(UnixAddress::UNNAMED))
    }

    fn raise_all(&mut self, fds: &[Fd], readiness: Readiness) {
        for fd in fds {
            self.raise(*fd, readiness);
        }
    }

    fn pipe_mut(&mut self, key: Key) -> &mut Pipe {
        self.locals.pipes.get_mut(key).expect("a pipe is kept while one of its ends is open")
    }
}
