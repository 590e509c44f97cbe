//! Receiving on Windows, where a datagram that was cut off is an error to all but `WSARecvFrom` itself. socket2 has that
//! call, for memory that need not be initialised: one conversion.
//!
//! What a datagram that was sent has met (`WSAECONNRESET`: nobody at that port, `WSAENETRESET`: its time to live has
//! run out) is told to sockets with a peer, as on Linux. One that has none sends to many, and goes on to hear the
//! others. So Microsoft documents it; Wine tells neither.
#![allow(unsafe_code)]

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use socket2::{MaybeUninitSlice, SockRef};
use twinloop::driver::OsError;

use crate::datagrams::Taking;

/// The next datagram: its length, whether more of it is lost, and who sent it.
pub(crate) fn receive_datagram(
    socket: &UdpSocket,
    buffer: &mut [u8],
    taking: Taking,
) -> io::Result<(usize, bool, SocketAddr)> {
    const WSAENETRESET: i32 = 10052;
    const WSAECONNRESET: i32 = 10054;
    loop {
        match receive(socket, buffer, taking) {
            Err(error) if matches!(error.raw_os_error(), Some(WSAECONNRESET | WSAENETRESET)) => {
                // Each was told once, so that this ends.
                if socket.peer_addr().is_ok() {
                    return Err(OsError::new(ErrorKind::ConnectionRefused, WSAECONNRESET).into());
                }
            }
            received => return received,
        }
    }
}

fn receive(socket: &UdpSocket, buffer: &mut [u8], taking: Taking) -> io::Result<(usize, bool, SocketAddr)> {
    const MSG_PEEK: i32 = 2;
    let (start, room) = (buffer.as_mut_ptr().cast::<MaybeUninit<u8>>(), buffer.len());
    // SAFETY: the slice has the same bytes as `buffer`, which is borrowed for as long, and a byte is a `MaybeUninit` of one.
    // Nothing uninitialised is written to it: socket2 promises that of the buffers that it is given to receive into.
    let bytes = unsafe { std::slice::from_raw_parts_mut(start, room) };
    let mut slices = [MaybeUninitSlice::new(bytes)];
    let flags = if taking == Taking::Nothing { MSG_PEEK } else { 0 };
    let (length, flags, source) = SockRef::from(socket).recv_from_vectored_with_flags(&mut slices, flags)?;
    let source = source.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    // Wine does not tell the length of what it has cut off.
    Ok(if flags.is_truncated() { (room, true, source) } else { (length, false, source) })
}
