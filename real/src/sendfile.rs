//! Sending a file over a stream inside the kernel, on the systems that have a call for it. Which these are stands here; what
//! the calls are like is told in the leaves, where alone there is unsafe code.

use std::fs::File;
use std::io::ErrorKind;

use mio::net::TcpStream;
use twinloop::driver::OsError;

use crate::platform::os_error;

#[cfg(any(target_os = "dragonfly", target_os = "freebsd", target_vendor = "apple"))]
#[path = "sendfile/bsd.rs"]
mod system;
#[cfg(any(target_os = "android", target_os = "linux"))]
#[path = "sendfile/linux.rs"]
mod system;
#[cfg(not(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "linux",
    target_vendor = "apple"
)))]
#[path = "sendfile/none.rs"]
mod system;

/// What Linux takes at most, and cuts longer ones down to. The others are asked for no more, since some of them refuse it.
const COUNT_MAX: usize = 0x7fff_f000;

/// As [`Driver::send_file`](twinloop::driver::Driver::send_file).
pub(crate) fn send(stream: &TcpStream, file: &File, offset: u64, count: usize) -> Result<usize, OsError> {
    if count == 0 {
        // To some systems this would mean "all up to the end" (R118).
        return Ok(0);
    }
    // Through mio, which must see a `WouldBlock` where it makes edges out of levels.
    match stream.try_io(|| system::send(stream, file, offset, count.min(COUNT_MAX))) {
        Err(error) if system::speaks_of_the_file(&error) => {
            Err(OsError::without_code(ErrorKind::Unsupported))
        }
        sent => sent.map_err(os_error),
    }
}
