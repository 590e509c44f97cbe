//! Sending a file over a stream inside the kernel, on the systems that have a call for it. Which these are stands here; what
//! the calls are like is told in the leaves, where alone there is unsafe code.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;

use twinloop::driver::{Fd, OsError};

use crate::edges::Edges;
use crate::platform::os_error;
use crate::streams::Stream;

#[cfg(not(windows))]
mod at_once;
#[cfg(windows)]
mod windows;

#[cfg(not(windows))]
use at_once as way;
#[cfg(windows)]
use windows as way;

pub(crate) use way::{Sending, goes_on};

/// What Linux takes at most, and cuts longer ones down to. The others are asked for no more, since some of them refuse it.
const COUNT_MAX: usize = 0x7fff_f000;

/// As [`Driver::send_file`](twinloop::driver::Driver::send_file), over the stream that `edges` knows as `fd`.
pub(crate) fn send(
    (fd, stream): (Fd, &Stream),
    edges: &Arc<Edges>,
    file: &File,
    offset: u64,
    count: usize,
) -> Result<usize, OsError> {
    if count == 0 {
        // To some systems this would mean "all up to the end" (R118).
        return Ok(0);
    }
    let tell = (fd, edges);
    match stream.sending.send(&stream.socket, tell, file, offset, count.min(COUNT_MAX)) {
        Err(error) if way::speaks_of_the_file(&error) => Err(OsError::without_code(ErrorKind::Unsupported)),
        sent => sent.map_err(os_error),
    }
}
