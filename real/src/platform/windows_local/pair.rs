//! Two streams that are connected to each other: a pipe each way, so that each direction ends by itself.

use std::io;

use twinloop::driver::{Fd, Half};

use super::pipe::PipeEnd;
use crate::poller::Poller;

#[derive(Debug)]
pub(crate) struct PairEnd {
    reader: PipeEnd,
    writer: PipeEnd,
    /// Its owner wants to read no more.
    is_deaf: bool,
}

impl PairEnd {
    pub(super) fn both() -> io::Result<(PairEnd, PairEnd)> {
        let (there, back) = (PipeEnd::both()?, PipeEnd::both()?);
        let first = PairEnd { reader: back.0, writer: there.1, is_deaf: false };
        Ok((first, PairEnd { reader: there.0, writer: back.1, is_deaf: false }))
    }

    /// Both pipes speak for one descriptor.
    pub(super) fn watch(&mut self, poller: &Poller, fd: Fd) -> io::Result<()> {
        self.reader.watch(poller, fd)?;
        self.writer.watch(poller, fd)
    }

    pub(super) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_deaf { Ok(0) } else { self.reader.read(buffer) }
    }

    pub(super) fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        self.writer.write(buffer)
    }

    pub(super) fn shutdown(&mut self, half: Half) -> io::Result<()> {
        self.is_deaf |= half != Half::Write;
        if half == Half::Read { Ok(()) } else { self.writer.shutdown(Half::Write) }
    }
}
