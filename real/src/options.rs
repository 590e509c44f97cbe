//! What a [`SocketOption`] is on a socket of this system.

use std::io;

use twinloop::driver::SocketOption;

use crate::sockets::Socket;

/// Sets `option` on this socket alone: what a listener passes on to the streams it accepts differs between systems.
///
/// # Errors
///
/// The system's; [`Unsupported`](io::ErrorKind::Unsupported) for an option that this driver does not know.
pub(crate) fn set(socket: &Socket, option: SocketOption) -> io::Result<()> {
    match option {
        SocketOption::NoDelay(on) => socket.as_sock_ref().set_tcp_nodelay(on),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
