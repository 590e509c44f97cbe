//! The standard streams of a host: its input is what the scenario gives, its output is kept for the scenario's checks.

use std::io::IoSlice;

use twinloop::driver::{Fd, OsError, Readiness, Standard};

use super::Local;
use crate::kernel::errno::{ENOTSOCK, EPIPE};
use crate::kernel::{Kernel, Socket};

/// What a host's standard streams are connected to. It outlives crashes, as whoever sits before the host does.
#[derive(Default)]
pub(super) struct Console {
    /// What was not read yet. Its end is the end of the input.
    input: Vec<u8>,
    /// What was written since it was asked for last, in order.
    written: Vec<(Standard, Vec<u8>)>,
}

/// What a descriptor of a standard stream refers to.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct StandardEnd {
    stream: Standard,
    ended: bool,
}

impl Kernel {
    pub(crate) fn set_input(&mut self, bytes: Vec<u8>) {
        self.locals.console.input = bytes;
    }

    /// What programs have written to their output and their error stream since the last call.
    /// Whether [`Kernel::take_written`] has anything.
    pub(crate) fn has_written(&self) -> bool {
        !self.locals.console.written.is_empty()
    }

    pub(crate) fn take_written(&mut self) -> Vec<(Standard, Vec<u8>)> {
        std::mem::take(&mut self.locals.console.written)
    }

    pub(crate) fn standard(&mut self, stream: Standard) -> Fd {
        let fd = self.open(Socket::Local(Local::Standard(StandardEnd { stream, ended: false })));
        self.raise(
            fd,
            match stream {
                Standard::Input => Readiness::READABLE,
                Standard::Output | Standard::Error => Readiness::WRITABLE,
            },
        );
        fd
    }

    pub(super) fn read_standard(&mut self, end: StandardEnd, buffer: &mut [u8]) -> Result<usize, OsError> {
        if end.stream != Standard::Input {
            return Err(OsError::BAD_DESCRIPTOR);
        }
        let input = &mut self.locals.console.input;
        let count = buffer.len().min(input.len());
        buffer[..count].copy_from_slice(&input[..count]);
        input.drain(..count);
        Ok(count)
    }

    pub(super) fn write_standard(
        &mut self,
        end: StandardEnd,
        buffers: &[IoSlice<'_>],
    ) -> Result<usize, OsError> {
        match end {
            StandardEnd { ended: true, .. } => return Err(EPIPE),
            StandardEnd { stream: Standard::Input, .. } => return Err(OsError::BAD_DESCRIPTOR),
            StandardEnd { .. } => {}
        }
        let bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect();
        let count = bytes.len();
        self.locals.console.written.push((end.stream, bytes));
        Ok(count)
    }

    /// Nothing more is written through this descriptor; the process's own stays open.
    pub(super) fn shutdown_standard(&mut self, fd: Fd) -> Result<(), OsError> {
        match self.socket_mut(fd)? {
            Socket::Local(Local::Standard(end)) if end.stream != Standard::Input => {
                end.ended = true;
                Ok(())
            }
            _ => Err(ENOTSOCK),
        }
    }

    pub(super) fn unread_of_standard(&self, end: StandardEnd) -> usize {
        if end.stream == Standard::Input { self.locals.console.input.len() } else { 0 }
    }
}
