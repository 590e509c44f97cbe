//! Ends of pipes, all of which have names on Windows. mio makes readiness out of their overlapped calls, with buffers
//! of its own.
//!
//! What such a buffer has taken counts as sent. Closing lets it be written all the same, while the process lives.
#![expect(unsafe_code, reason = "mio takes a pipe that it has not made itself by its handle only")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{FromRawHandle, IntoRawHandle};
use std::path::{Path, PathBuf};

use mio::Interest;
use mio::windows::NamedPipe;
use twinloop::driver::{Fd, Half};

use super::{bad_descriptor, has_ended, unsupported};
use crate::poller::Poller;

/// Where all pipes are.
const PIPES: &str = r"\\.\pipe\";

/// One end of a pipe.
#[derive(Debug)]
pub(crate) struct PipeEnd {
    /// It is let go of so that the reader sees the end.
    pipe: Option<NamedPipe>,
    half: Half,
    /// It made the pipe, and waits for the other end.
    is_server: bool,
}

impl PipeEnd {
    pub(super) fn both() -> io::Result<(PipeEnd, PipeEnd)> {
        let name = secret_name()?;
        let reader = PipeEnd::make(&name, Half::Read)?;
        let writer = PipeEnd::connect(&name, Half::Write)?;
        Ok((reader, writer))
    }

    /// The end of a pipe that is there, or else, with `create`, of a new one that waits for somebody to open the other
    /// end. There are no others: a path in a folder is refused.
    pub(super) fn open(path: &Path, half: Half, create: bool) -> io::Result<PipeEnd> {
        if !is_of_the_pipes(path) {
            return unsupported();
        }
        match PipeEnd::connect(path, half) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => PipeEnd::make(path, half),
            connected => connected,
        }
    }

    /// A pipe that did not exist. It takes one peer, and goes when both ends are closed.
    fn make(path: &Path, half: Half) -> io::Result<PipeEnd> {
        Ok(PipeEnd { pipe: Some(NamedPipe::new(path)?), half, is_server: true })
    }

    fn connect(path: &Path, half: Half) -> io::Result<PipeEnd> {
        const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;
        /// Whoever made the pipe may ask who we are, and may not act in our name.
        const SECURITY_IDENTIFICATION: u32 = 1 << 16;
        let mut wanted = OpenOptions::new();
        wanted.read(half != Half::Write).write(half != Half::Read);
        wanted.custom_flags(FILE_FLAG_OVERLAPPED).security_qos_flags(SECURITY_IDENTIFICATION);
        Ok(PipeEnd { pipe: Some(overlapped(wanted.open(path)?)), half, is_server: false })
    }

    pub(super) fn watch(&mut self, poller: &Poller, fd: Fd) -> io::Result<()> {
        let pipe = self.pipe.as_mut().expect("a pipe is watched from its beginning");
        poller.watch(pipe, Interest::READABLE | Interest::WRITABLE, fd)?;
        if !self.is_server {
            return Ok(());
        }
        match pipe.connect() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.pipe {
            Some(pipe) if self.half != Half::Write => (&*pipe).read(buffer),
            _ => Err(bad_descriptor()),
        }
    }

    pub(super) fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        /// mio copies what it is given, and so does the kernel, which has as much room.
        const WRITE_MAX: usize = 64 * 1024;
        match &self.pipe {
            _ if self.half == Half::Read => Err(bad_descriptor()),
            None => Err(has_ended()),
            Some(_) if buffer.is_empty() => Ok(0),
            Some(pipe) => (&*pipe).write(&buffer[..buffer.len().min(WRITE_MAX)]),
        }
    }

    /// Lets go of the pipe: an end that is read from as well can not end the direction of writing alone.
    pub(super) fn shutdown(&mut self, half: Half) -> io::Result<()> {
        match (self.half, half) {
            (Half::Write, Half::Write | Half::Both) | (Half::Both, Half::Both) => {
                self.pipe = None;
                Ok(())
            }
            (Half::Read, _) => Err(bad_descriptor()),
            (Half::Write | Half::Both, _) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// mio's pipe of a handle that was opened for it.
fn overlapped(file: File) -> NamedPipe {
    // SAFETY: the handle is handed over, was opened for overlapped calls, and belongs to no completion port.
    unsafe { NamedPipe::from_raw_handle(file.into_raw_handle()) }
}

fn is_of_the_pipes(path: &Path) -> bool {
    let path = path.to_string_lossy().replace('/', r"\").to_ascii_lowercase();
    path.strip_prefix(PIPES).is_some_and(|name| !name.is_empty())
}

/// A name that nobody can guess and so nobody else opens.
fn secret_name() -> io::Result<PathBuf> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret)?;
    Ok(format!("{PIPES}twinloop-{:032x}", u128::from_le_bytes(secret)).into())
}
