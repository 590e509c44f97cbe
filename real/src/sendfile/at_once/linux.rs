//! `sendfile(2)` of Linux. A failed call has sent nothing: what was sent before comes as a short count (R120).
#![expect(unsafe_code, reason = "asking how the process treats a signal has no safe wrapper")]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use mio::net::TcpStream;

/// One call of sendfile(2). The position of the file stays where it is.
pub(super) fn send(stream: &TcpStream, file: &File, offset: u64, count: usize) -> io::Result<usize> {
    if is_killed_by_sigpipe() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut offset = offset;
    Ok(rustix::fs::sendfile(stream, file, Some(&mut offset), count)?)
}

/// Whether sending to a peer that is gone would end the process. sendfile(2) takes no flag against the signal, as all other
/// calls do that send; Rust's own programs ignore it from the start, others may not (R21).
fn is_killed_by_sigpipe() -> bool {
    let mut current = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with no new action this only writes the current one, to where there is room for it.
    let asked = unsafe { libc::sigaction(libc::SIGPIPE, ptr::null(), current.as_mut_ptr()) };
    // SAFETY: the call has filled it in if it answered 0.
    asked == 0 && unsafe { current.assume_init() }.sa_sigaction == libc::SIG_DFL
}

/// The codes of sendfile(2) that are about the file, or about a stream that can not be sent to in this way.
pub(in crate::sendfile) fn speaks_of_the_file(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EBADF
                | libc::EINVAL
                | libc::EIO
                | libc::ENOMEM
                | libc::ENOSYS
                | libc::EOPNOTSUPP
                | libc::EOVERFLOW
                | libc::ESPIPE
                | libc::ESTALE
        )
    ) || error.kind() == io::ErrorKind::Unsupported
}
