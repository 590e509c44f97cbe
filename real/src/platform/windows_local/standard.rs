//! The standard streams of the process. Whatever they are, their calls may wait, and Windows tells nobody when they
//! would not: so each call is made by a helper thread, which tells the edge when it has ended. The threads are in
//! `helper.rs`.
//!
//! The streams belong to the process, and so does what is known of them. The helper of the input takes nothing out of
//! std's own buffer, so that nobody loses what was not received. What the helper of an output was given counts as sent,
//! and is waited for when a driver ends ([`finish_output`]).

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use twinloop::driver::{Fd, Half, Readiness, Standard};

use super::helper::{Helper, Listener, Progress};
use super::{bad_descriptor, has_ended};
use crate::poller::Poller;

static INPUT: Helper = Helper::new();
static OUTPUT: Helper = Helper::new();
static ERROR: Helper = Helper::new();

/// One of the standard streams, as one of perhaps several transports has it.
#[derive(Debug)]
pub(crate) struct StandardStream {
    stream: Standard,
    listener: Option<Listener>,
    /// Its owner has said that nothing more comes.
    is_ended: bool,
}

impl StandardStream {
    pub(super) fn of(stream: Standard) -> StandardStream {
        StandardStream { stream, listener: None, is_ended: false }
    }

    /// The first call finds out whether there is something to do.
    pub(super) fn watch(&mut self, poller: &Poller, fd: Fd) {
        let listener = Listener { edges: Arc::clone(poller.edges()), fd };
        listener.tell(Readiness::READABLE | Readiness::WRITABLE);
        self.listener = Some(listener);
    }

    pub(super) fn unwatch(&mut self) {
        if let Some(listener) = self.listener.take() {
            self.helper().forget(&listener);
        }
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.half() != Half::Read {
            return Err(bad_descriptor());
        }
        let mut state = self.helper().lock();
        match state.take(self.listener())? {
            Progress::Idle => {
                self.helper().begin(&mut state, find_input)?;
                state.listen(self.listener());
                Err(io::ErrorKind::WouldBlock.into())
            }
            Progress::Found(0) => Ok(0),
            Progress::Found(there) => {
                let mut input = io::stdin().lock();
                // There is so much in std's buffer, and it is taken by nobody but the holder of this state.
                let found = input.fill_buf()?;
                let count = found.len().min(there).min(buffer.len());
                buffer[..count].copy_from_slice(&found[..count]);
                input.consume(count);
                state.leave(there - count);
                Ok(count)
            }
        }
    }

    pub(super) fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        /// What is under way at a time, and lost when the process ends in haste.
        const WRITE_MAX: usize = 8 * 1024;
        if self.half() != Half::Write {
            return Err(bad_descriptor());
        }
        if self.is_ended {
            return Err(has_ended());
        }
        let mut state = self.helper().lock();
        state.take(self.listener())?;
        if buffer.is_empty() {
            return Ok(0);
        }
        let taken = buffer[..buffer.len().min(WRITE_MAX)].to_vec();
        let (count, stream) = (taken.len(), self.stream);
        self.helper().begin(&mut state, move || put(stream, &taken))?;
        Ok(count)
    }

    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        if self.half() != Half::Write {
            return Err(bad_descriptor());
        }
        self.is_ended = true;
        Ok(())
    }

    fn half(&self) -> Half {
        if self.stream == Standard::Input { Half::Read } else { Half::Write }
    }

    fn helper(&self) -> &'static Helper {
        match self.stream {
            Standard::Input => &INPUT,
            Standard::Output => &OUTPUT,
            Standard::Error => &ERROR,
        }
    }

    fn listener(&self) -> &Listener {
        self.listener.as_ref().expect("a standard stream is watched from its beginning to its end")
    }
}

/// Waits until all that was taken for the standard output and error was written, or has failed. As `println!` would.
pub(crate) fn finish_output() {
    for output in [&OUTPUT, &ERROR] {
        output.wait_until_idle();
    }
}

/// Waits for input, which it leaves where it is.
fn find_input() -> io::Result<Progress> {
    io::stdin().lock().fill_buf().map(|found| Progress::Found(found.len()))
}

fn put(stream: Standard, bytes: &[u8]) -> io::Result<Progress> {
    let write = |output: &mut dyn Write| output.write_all(bytes).and_then(|()| output.flush());
    if stream == Standard::Error {
        write(&mut io::stderr().lock())
    } else {
        write(&mut io::stdout().lock())
    }?;
    Ok(Progress::Idle)
}
