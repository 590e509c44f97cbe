//! Sending files on the systems whose call takes what fits, and answers at once.

use std::fs::File;
use std::io;
use std::sync::Arc;

use mio::net::TcpStream;
use twinloop::driver::Fd;

use crate::edges::Edges;

#[cfg(any(target_os = "dragonfly", target_os = "freebsd", target_vendor = "apple"))]
#[path = "at_once/bsd.rs"]
mod system;
#[cfg(any(target_os = "android", target_os = "linux"))]
#[path = "at_once/linux.rs"]
mod system;
#[cfg(not(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "linux",
    target_vendor = "apple"
)))]
#[path = "at_once/none.rs"]
mod system;

pub(super) use system::speaks_of_the_file;

/// What a call has answered is all that there is to it.
pub(crate) fn goes_on() -> bool {
    false
}

/// What a stream keeps of the file that is sent over it: nothing.
#[derive(Debug, Default)]
pub(crate) struct Sending {}

impl Sending {
    pub(super) fn send(
        &self,
        stream: &TcpStream,
        _: (Fd, &Arc<Edges>),
        file: &File,
        offset: u64,
        count: usize,
    ) -> io::Result<usize> {
        // Through mio, which must see a `WouldBlock` where it makes edges out of levels.
        stream.try_io(|| system::send(stream, file, offset, count))
    }
}
