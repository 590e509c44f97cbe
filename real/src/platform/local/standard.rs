//! The standard streams of the process, which it shares with others: nothing that those would notice is changed.
//!
//! Whether calls block is a flag of what is shared, so it stays as it is, and every call is made only after poll(2) said that
//! it would not block. For writing that holds of `PIPE_BUF` bytes, so that no more are written at a time. A count tells
//! nothing of what there is behind it, therefore, and the core is told so ([`Driver::standard`]).
//!
//! What this can not exclude: another process takes, between the two calls, what there was to be read, or the room. Then the
//! call blocks until there is more, as it would in every program that shares its terminal.
//!
//! [`Driver::standard`]: twinloop::driver::Driver::standard

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use mio::Interest;
use mio::unix::SourceFd;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pipe::PIPE_BUF;
use twinloop::driver::{Fd, Standard};

use super::system;
use crate::poller::Poller;

/// A descriptor of its own for a standard stream, of which only the watch has to be ended by hand: the selector forgets what
/// it watches when the last descriptor is closed, and the process's own stays open.
#[derive(Debug)]
pub(crate) struct StandardStream {
    descriptor: OwnedFd,
    interest: Interest,
    /// The selector has it. It has no regular file, and no `/dev/null`, which are always ready.
    is_watched: bool,
    /// Its owner has said that nothing more comes.
    is_ended: bool,
}

impl StandardStream {
    pub(super) fn of(stream: Standard) -> io::Result<StandardStream> {
        let descriptor = match stream {
            Standard::Input => io::stdin().as_fd().try_clone_to_owned()?,
            Standard::Output => io::stdout().as_fd().try_clone_to_owned()?,
            Standard::Error => io::stderr().as_fd().try_clone_to_owned()?,
        };
        let interest = if stream == Standard::Input { Interest::READABLE } else { Interest::WRITABLE };
        StandardStream::on(descriptor, interest)
    }

    /// A socket that listens, as inetd(8) gives it to who is to accept, never becomes a stream: a read of it would wait for
    /// ever, and so it is refused with what the read would say.
    pub(super) fn on(descriptor: OwnedFd, interest: Interest) -> io::Result<StandardStream> {
        if listens(&descriptor) {
            return Err(system(libc::ENOTCONN));
        }
        Ok(StandardStream { descriptor, interest, is_watched: false, is_ended: false })
    }

    pub(super) fn watch(&mut self, poller: &Poller, fd: Fd) -> io::Result<bool> {
        match poller.watch(&mut SourceFd(&self.descriptor.as_raw_fd()), self.interest, fd) {
            Ok(()) => self.is_watched = true,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
        Ok(self.is_watched)
    }

    pub(super) fn unwatch(&mut self, poller: &Poller, fd: Fd) {
        let before = std::mem::replace(&mut self.is_watched, false).then_some(self.interest);
        let ended = poller.rewatch(&mut SourceFd(&self.descriptor.as_raw_fd()), before, None, fd);
        assert!(ended.is_ok(), "a descriptor of our own can be taken out of the selector: {ended:?}");
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.interest.is_readable() {
            return Err(system(libc::EBADF));
        }
        self.wait_not(PollFlags::IN)?;
        Ok(rustix::io::read(&self.descriptor, buffer)?)
    }

    pub(super) fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        if !self.interest.is_writable() {
            return Err(system(libc::EBADF));
        }
        if self.is_ended {
            return Err(system(libc::EPIPE));
        }
        self.wait_not(PollFlags::OUT)?;
        let most = if self.is_watched { PIPE_BUF } else { buffer.len() };
        Ok(rustix::io::write(&self.descriptor, &buffer[..buffer.len().min(most)])?)
    }

    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        if !self.interest.is_writable() {
            return Err(system(libc::ENOTSOCK));
        }
        self.is_ended = true;
        Ok(())
    }

    /// `WouldBlock` where a call would have to wait.
    fn wait_not(&self, wanted: PollFlags) -> io::Result<()> {
        let asked = &mut [PollFd::new(&self.descriptor, wanted)];
        match rustix::event::poll(asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
fn listens(descriptor: &OwnedFd) -> bool {
    rustix::net::sockopt::socket_acceptconn(descriptor).is_ok_and(|listens| listens)
}

/// Apple's systems know the option by name alone.
#[cfg(target_vendor = "apple")]
fn listens(descriptor: &OwnedFd) -> bool {
    use rustix::io::Errno;
    use rustix::net::{RecvFlags, recv};

    let looked = recv(descriptor, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    matches!(looked, Err(Errno::NOTCONN | Errno::INVAL))
}
