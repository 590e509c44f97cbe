//! Systems where a file is read and sent, which looks the same. NetBSD, OpenBSD and others have no call that sends files.

use std::fs::File;
use std::io;

use mio::net::TcpStream;

/// Refuses, so that the caller reads and sends.
pub(super) fn send(_: &TcpStream, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sendfile) fn speaks_of_the_file(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}
