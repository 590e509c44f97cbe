//! All that differs between the systems: facts, and calls that exist only here or there.
//!
//! No other file of the crate has a `cfg` on the system, but for those in the folder of this one and `sendfile.rs`. Facts are
//! constants made with `cfg!`, so that every system compiles both sides of each decision.

mod datagrams;
#[cfg(any(target_os = "android", target_os = "linux"))]
mod fast_open;
pub(crate) mod files;
#[cfg(unix)]
mod local;
mod options;
#[cfg(unix)]
mod signals;
#[cfg(not(unix))]
#[path = "platform/console_signals.rs"]
mod signals;
#[cfg(windows)]
mod windows_local;

use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use twinloop::driver::{Capabilities, OsError};

/// Whether a connection gets `TCP_NODELAY` from its listener. Linux copies it (`tcp_create_openreq_child`), which saves
/// a system call for each accepted connection.
pub(crate) const NO_DELAY_IS_INHERITED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Whether `SO_REUSEADDR` means what [`ListenOptions`](twinloop::driver::ListenOptions) promises. On Windows it would
/// let any program take over a port in use, and lingering connections do not hinder a bind there.
pub(crate) const REUSE_ADDRESS_IS_SAFE: bool = cfg!(not(windows));

/// Whether `0.0.0.0` and `::` as the target of a connect have to be rewritten to the loopback (R131).
pub(crate) const WILDCARD_IS_NO_TARGET: bool = cfg!(any(windows, target_vendor = "apple"));

/// Whether an IPv6 socket takes IPv4 as well unless it is told not to (R161). OpenBSD's never does.
pub(crate) const V6_TAKES_BOTH: bool =
    cfg!(not(any(windows, target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd")));

/// Whether a socket may have no buffer at all. Then no write ends before the peer has read: nobody means that who asks for 0.
pub(crate) const BUFFERS_MAY_BE_MISSING: bool = cfg!(windows);

/// Whether asking a socket for its error (`SO_ERROR`) clears it. Winsock keeps that of a connect that failed, Wine at least.
pub(crate) const ASKING_CLEARS_THE_ERROR: bool = cfg!(not(windows));

/// Whether mio's selector is epoll.
const EPOLL: bool =
    cfg!(any(target_os = "android", target_os = "illumos", target_os = "linux", target_os = "redox"))
        && !POLL_IS_FORCED;

/// Whether mio's selector is kqueue.
const KQUEUE: bool = cfg!(any(
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_vendor = "apple"
)) && !POLL_IS_FORCED;

#[expect(unexpected_cfgs, reason = "mio's own switch, given to the whole build in RUSTFLAGS")]
const POLL_IS_FORCED: bool = cfg!(mio_unsupported_force_poll_poll);

/// What the core has to know of this system.
///
/// Where the kernel itself gives edges, it gives a new one for all that arrives after a short read. Elsewhere (AFD,
/// `poll(2)`) mio makes edges out of levels and arms the next one when it sees a `WouldBlock`, so that nothing less will do.
/// The grain of kqueue is its `timespec`; mio rounds the others up to whole milliseconds.
pub(crate) fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.short_read_drains = EPOLL || KQUEUE;
    capabilities.short_write_fills = EPOLL || KQUEUE;
    capabilities.file_sends_go_on = cfg!(windows);
    capabilities.poll_grain = if KQUEUE { Duration::from_nanos(1) } else { Duration::from_millis(1) };
    capabilities
}

/// Whether a connect that answered `error` goes on by itself.
///
/// An interrupted one does (R133, POSIX connect). `EAGAIN` is no such answer on Unix: it says that ports or routes ran out.
pub(crate) fn connect_goes_on(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == ErrorKind::Interrupted;
    #[cfg(not(unix))]
    return error.kind() == ErrorKind::WouldBlock;
}

pub(crate) use datagrams::{
    datagram_socket, hear_joined_groups_only, join_at_index, leave_at_index, receive_datagram,
    receive_datagrams, send_datagrams,
};
pub(crate) use foreign::{AsForeign, ForeignSource};
#[cfg(unix)]
pub(crate) use local::{Local, finish_output};
pub(crate) use options::*;
pub(crate) use signals::{SignalListener, raise};
pub(crate) use system::{send_vectored, stream_socket};
#[cfg(windows)]
pub(crate) use windows_local::{Local, finish_output};

/// Systems that take what is asked of a socket as a flag of the call itself.
#[cfg(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "illumos",
    target_os = "linux",
    target_os = "netbsd",
    target_os = "openbsd"
))]
mod system {
    use super::*;

    /// A TCP socket that never blocks and that child processes do not inherit.
    pub(crate) fn stream_socket(domain: Domain) -> io::Result<Socket> {
        Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))
    }

    /// Sends from `buffers`, in order, without `SIGPIPE`.
    ///
    /// `writev(2)`, which std would use, has no flag against the signal, so it would kill a process that is not Rust's own
    /// and did not ignore it. [`TcpStream::try_io`] because mio must see a `WouldBlock`.
    pub(crate) fn send_vectored(stream: &TcpStream, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        /// `IOV_MAX` of these systems: more is refused with `EMSGSIZE`, while a short count is always allowed.
        const BUFFERS_MAX: usize = 1024;
        let buffers = &buffers[..buffers.len().min(BUFFERS_MAX)];
        stream.try_io(|| socket2::SockRef::from(stream).send_vectored_with_flags(buffers, libc::MSG_NOSIGNAL))
    }
}

/// The other systems, in further calls or by what they do anyway.
#[cfg(not(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "illumos",
    target_os = "linux",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
mod system {
    use super::*;

    /// A TCP socket that never blocks and that child processes do not inherit.
    pub(crate) fn stream_socket(domain: Domain) -> io::Result<Socket> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// Sends from `buffers`, in order, without `SIGPIPE`: Windows has no signals, and on Apple's systems socket2 has set
    /// `SO_NOSIGPIPE`, which accepted sockets inherit. On the others Rust's runtime ignores the signal.
    pub(crate) fn send_vectored(mut stream: &TcpStream, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        /// On Unix std knows the system's limit. Windows documents none; Wine has that of Linux, and answers `WSAEMSGSIZE`.
        const BUFFERS_MAX: usize = 1024;
        io::Write::write_vectored(&mut stream, &buffers[..buffers.len().min(BUFFERS_MAX)])
    }
}

/// What can be adopted: here, whatever has a descriptor.
#[cfg(unix)]
mod foreign {
    use std::io;
    use std::os::fd::{AsRawFd, RawFd};

    use mio::event::Source;
    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};

    pub(crate) use std::os::fd::AsFd as AsForeign;

    /// The number alone. Whoever made one has the descriptor given back before it is closed.
    #[derive(Debug, PartialEq)]
    pub(crate) struct ForeignSource(RawFd);

    impl ForeignSource {
        pub(crate) fn of(io: &impl AsForeign) -> io::Result<ForeignSource> {
            Ok(ForeignSource(io.as_fd().as_raw_fd()))
        }
    }

    impl Source for ForeignSource {
        fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
            SourceFd(&self.0).register(registry, token, interest)
        }

        fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
            SourceFd(&self.0).reregister(registry, token, interest)
        }

        fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
            SourceFd(&self.0).deregister(registry)
        }
    }
}

/// What can be adopted: here, sockets of every kind. Windows has no readiness for anything else.
#[cfg(windows)]
mod foreign {
    use std::io;
    use std::os::windows::io::{AsRawSocket, RawSocket};

    use mio::event::Source;
    use mio::net::UdpSocket;
    use mio::{Interest, Registry, Token};

    pub(crate) use std::os::windows::io::AsSocket as AsForeign;

    /// A second handle of the socket, since mio watches what it owns. It is watched as a datagram socket, whatever it is:
    /// mio polls the handle below, which has no type.
    #[derive(Debug)]
    pub(crate) struct ForeignSource {
        number: RawSocket,
        watched: UdpSocket,
    }

    impl ForeignSource {
        pub(crate) fn of(io: &impl AsForeign) -> io::Result<ForeignSource> {
            let socket = io.as_socket();
            let watched = UdpSocket::from_std(socket.try_clone_to_owned()?.into());
            Ok(ForeignSource { number: socket.as_raw_socket(), watched })
        }
    }

    impl PartialEq for ForeignSource {
        fn eq(&self, other: &ForeignSource) -> bool {
            self.number == other.number
        }
    }

    impl Source for ForeignSource {
        fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
            self.watched.register(registry, token, interest)
        }

        fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
            self.watched.reregister(registry, token, interest)
        }

        fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
            self.watched.deregister(registry)
        }
    }
}

/// Why there is no thread. `EAGAIN` says here that there may be no more of them, not that the loop could wait for one.
pub(crate) fn thread_error(error: io::Error) -> OsError {
    if error.kind() != ErrorKind::WouldBlock {
        return os_error(error);
    }
    let exhausted = ErrorKind::OutOfMemory;
    let code = error.raw_os_error();
    code.map_or(OsError::without_code(exhausted), |code| OsError::new(exhausted, code).with_text(text))
}

/// What this system calls an error.
fn text(code: i32) -> String {
    io::Error::from_raw_os_error(code).to_string()
}

/// `error` with the kinds that the seam promises for exhaustion, for which std has none. What the driver itself has said goes
/// through as it is.
pub(crate) fn os_error(error: io::Error) -> OsError {
    if let Some(own) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return *own;
    }
    let told = match error.raw_os_error().and_then(|code| Some((exhaustion(code)?, code))) {
        Some((kind, code)) => OsError::new(kind, code),
        None => OsError::from(error),
    };
    told.with_text(text)
}

#[cfg(unix)]
fn exhaustion(code: i32) -> Option<ErrorKind> {
    match code {
        libc::EMFILE | libc::ENFILE => Some(ErrorKind::QuotaExceeded),
        libc::ENOBUFS | libc::ENOMEM => Some(ErrorKind::OutOfMemory),
        _ => None,
    }
}

#[cfg(not(unix))]
fn exhaustion(code: i32) -> Option<ErrorKind> {
    /// Winsock's error codes, <https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2>.
    const WSAEMFILE: i32 = 10024;
    const WSAENOBUFS: i32 = 10055;
    match code {
        WSAEMFILE => Some(ErrorKind::QuotaExceeded),
        WSAENOBUFS => Some(ErrorKind::OutOfMemory),
        _ => None,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// R133: an interrupted connect goes on by itself.
    #[test]
    fn a_connect_goes_on_when_a_signal_interrupts_it() {
        for (code, goes_on) in [
            (libc::EINTR, true),
            (libc::EINPROGRESS, true),
            (libc::EAGAIN, false),
            (libc::ECONNREFUSED, false),
        ] {
            assert_eq!(connect_goes_on(&io::Error::from_raw_os_error(code)), goes_on, "{code}");
        }
    }

    /// R139: what the core knows exhaustion by.
    #[test]
    fn exhaustion_has_the_promised_kinds_and_keeps_its_number() {
        for (code, kind) in [
            (libc::EMFILE, ErrorKind::QuotaExceeded),
            (libc::ENFILE, ErrorKind::QuotaExceeded),
            (libc::ENOBUFS, ErrorKind::OutOfMemory),
            (libc::ENOMEM, ErrorKind::OutOfMemory),
            (libc::ECONNREFUSED, ErrorKind::ConnectionRefused),
        ] {
            assert_eq!(os_error(io::Error::from_raw_os_error(code)), OsError::new(kind, code));
        }
    }

    #[test]
    fn a_system_without_threads_is_not_waited_for() {
        assert_eq!(thread_error(ErrorKind::WouldBlock.into()).kind(), ErrorKind::OutOfMemory);
        assert_eq!(thread_error(ErrorKind::PermissionDenied.into()).kind(), ErrorKind::PermissionDenied);
    }
}
