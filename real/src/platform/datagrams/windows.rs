//! Receiving on Windows, where a datagram that was cut off is an error to all but `WSARecvFrom` itself. socket2 has that
//! call, for memory that need not be initialised: one conversion.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use socket2::{MaybeUninitSlice, SockRef};

/// The next datagram: its length, whether more of it is lost, and who sent it.
pub(crate) fn receive_datagram(
    socket: &UdpSocket,
    buffer: &mut [u8],
) -> io::Result<(usize, bool, SocketAddr)> {
    let (start, length) = (buffer.as_mut_ptr().cast::<MaybeUninit<u8>>(), buffer.len());
    // SAFETY: the slice has the same bytes as `buffer`, which is borrowed for as long, and a byte is a `MaybeUninit` of one.
    // Nothing uninitialised is written to it: socket2 promises that of the buffers that it is given to receive into.
    let bytes = unsafe { std::slice::from_raw_parts_mut(start, length) };
    let mut slices = [MaybeUninitSlice::new(bytes)];
    let (length, flags, source) = SockRef::from(socket).recv_from_vectored(&mut slices)?;
    let source = source.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    Ok((length, flags.is_truncated(), source))
}
