//! `sendfile(2)` of FreeBSD, DragonFly and Apple's systems. A call that fails with `EAGAIN` or `EINTR` may have sent
//! some bytes before, which count (R120). None of them raises `SIGPIPE`: FreeBSD and DragonFly only answer `EPIPE`, and
//! Apple's sockets have `SO_NOSIGPIPE` set.
#![expect(unsafe_code, reason = "no crate wraps these calls safely")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use mio::net::TcpStream;

/// One call of sendfile(2). The position of the file stays where it is.
pub(super) fn send(stream: &TcpStream, file: &File, offset: u64, count: usize) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let (answer, sent) = call(file.as_raw_fd(), stream.as_raw_fd(), offset, count);
    let error = io::Error::last_os_error();
    let sent = usize::try_from(sent).expect("no less than nothing was sent");
    match answer {
        0 => Ok(sent),
        _ if sent > 0 => Ok(sent),
        _ => Err(error),
    }
}

/// What the call answers, and how many bytes it says were sent.
#[cfg(any(target_os = "dragonfly", target_os = "freebsd"))]
fn call(file: RawFd, stream: RawFd, offset: libc::off_t, count: usize) -> (libc::c_int, libc::off_t) {
    let mut sent: libc::off_t = 0;
    // SAFETY: both descriptors are open, since their owners are borrowed; there are no headers; `sent` is written to.
    let answer = unsafe { libc::sendfile(file, stream, offset, count, ptr::null_mut(), &mut sent, 0) };
    (answer, sent)
}

/// What the call answers, and how many bytes it says were sent. The same word says before how many are to be.
#[cfg(target_vendor = "apple")]
fn call(file: RawFd, stream: RawFd, offset: libc::off_t, count: usize) -> (libc::c_int, libc::off_t) {
    let mut length = libc::off_t::try_from(count).expect("the caller asks for less than 2 GiB");
    // SAFETY: both descriptors are open, since their owners are borrowed; there are no headers; `length` is written to.
    let answer = unsafe { libc::sendfile(file, stream, offset, &mut length, ptr::null_mut(), 0) };
    (answer, length)
}

/// The codes of sendfile(2) that are about the file, or about a stream that can not be sent to in this way.
pub(in crate::sendfile) fn speaks_of_the_file(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EBADF
                | libc::EFAULT
                | libc::EINVAL
                | libc::EIO
                | libc::ENOMEM
                | libc::ENOTSOCK
                | libc::ENOTSUP
                | libc::EOVERFLOW
                | libc::ESPIPE
                | libc::ESTALE
        )
    )
}
