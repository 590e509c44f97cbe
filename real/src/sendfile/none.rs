//! Systems where a file is read and sent, which looks the same. NetBSD, OpenBSD and others have no call that sends files.
//!
//! Windows has `TransmitFile`, and it does not fit. It has no form that answers "the stream is full": with no `OVERLAPPED` it
//! waits for the peer, and the whole thread with it. With one it takes on all of the bytes, and tells how many it sent when
//! it ends; what it had sent when it was cancelled, nobody can say. So a file could neither be given up nor be closed upon
//! without waiting for the peer, or losing count. And all but the server editions work on two transfers at a time in the
//! whole system: two peers that do not read would stop every other one. A copy through memory costs less than that.

use std::fs::File;
use std::io;

use mio::net::TcpStream;

/// Refuses, so that the caller reads and sends.
pub(super) fn send(_: &TcpStream, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn speaks_of_the_file(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}
