//! TCP Fast Open on Linux (RFC 7413, tcp(7)), which no safe wrapper has: two calls of setsockopt(2).
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

/// Takes data with the first packet of up to `queue` connections at once that are not established yet.
pub(crate) fn listen_fast_open(socket: &Socket, queue: u32) -> io::Result<()> {
    set(socket, libc::TCP_FASTOPEN, c_int::try_from(queue).unwrap_or(c_int::MAX))
}

/// Has a connect to a peer that is known to take it succeed at once, and sends the first packet with the first write.
pub(crate) fn connect_fast_open(socket: &Socket) -> io::Result<()> {
    set(socket, libc::TCP_FASTOPEN_CONNECT, 1)
}

fn set(socket: &Socket, name: c_int, value: c_int) -> io::Result<()> {
    let length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes at the pointer and keeps neither; both are those of `value`, which outlives
    // the call. The descriptor is open for as long as `socket` is borrowed.
    let answer = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, name, (&raw const value).cast(), length)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
