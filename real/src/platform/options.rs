//! Options that some systems have and others lack. Those that lack one say
//! [`Unsupported`](io::ErrorKind::Unsupported).

use std::io;
use std::time::Duration;

use socket2::Socket;
use twinloop::driver::KeepAlive;

pub(crate) use linux::{bind_device, connect_fast_open, listen_fast_open, set_user_timeout, user_timeout};
pub(crate) use probes::{probe_times, set_keep_alive};
pub(crate) use unix::{reuse_port, set_reuse_port, set_traffic_class_v6, traffic_class_v6};

/// What no other system has, or not in this form. macOS binds to a device by its number alone, FreeBSD not at all.
#[cfg(any(target_os = "android", target_os = "linux"))]
mod linux {
    use super::*;

    pub(crate) use super::super::fast_open::{connect_fast_open, listen_fast_open};

    pub(crate) fn set_user_timeout(socket: &Socket, timeout: Option<Duration>) -> io::Result<()> {
        socket.set_tcp_user_timeout(timeout)
    }

    pub(crate) fn user_timeout(socket: &Socket) -> io::Result<Option<Duration>> {
        socket.tcp_user_timeout()
    }

    pub(crate) fn bind_device(socket: &Socket, name: &str) -> io::Result<()> {
        socket.bind_device(Some(name.as_bytes()))
    }
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
mod linux {
    use super::*;

    pub(crate) fn set_user_timeout(_: &Socket, _: Option<Duration>) -> io::Result<()> {
        unsupported()
    }

    pub(crate) fn user_timeout(_: &Socket) -> io::Result<Option<Duration>> {
        unsupported()
    }

    pub(crate) fn bind_device(_: &Socket, _: &str) -> io::Result<()> {
        unsupported()
    }

    pub(crate) fn listen_fast_open(_: &Socket, _: u32) -> io::Result<()> {
        unsupported()
    }

    pub(crate) fn connect_fast_open(_: &Socket) -> io::Result<()> {
        unsupported()
    }
}

#[cfg(all(unix, not(any(target_os = "illumos", target_os = "solaris"))))]
mod unix {
    use super::*;

    pub(crate) fn reuse_port(socket: &Socket) -> io::Result<bool> {
        #[cfg(target_os = "freebsd")]
        return socket.reuse_port_lb();
        #[cfg(not(target_os = "freebsd"))]
        return socket.reuse_port();
    }

    /// FreeBSD spreads connections if it is asked for by another name, macOS not at all: there, the last to listen gets
    /// all of them.
    pub(crate) fn set_reuse_port(socket: &Socket, on: bool) -> io::Result<()> {
        #[cfg(target_os = "freebsd")]
        return socket.set_reuse_port_lb(on);
        #[cfg(not(target_os = "freebsd"))]
        return socket.set_reuse_port(on);
    }

    pub(crate) fn traffic_class_v6(socket: &Socket) -> io::Result<u32> {
        socket.tclass_v6()
    }

    pub(crate) fn set_traffic_class_v6(socket: &Socket, class: u32) -> io::Result<()> {
        socket.set_tclass_v6(class)
    }
}

#[cfg(not(all(unix, not(any(target_os = "illumos", target_os = "solaris")))))]
mod unix {
    use super::*;

    pub(crate) fn reuse_port(_: &Socket) -> io::Result<bool> {
        unsupported()
    }

    pub(crate) fn set_reuse_port(_: &Socket, _: bool) -> io::Result<()> {
        unsupported()
    }

    pub(crate) fn traffic_class_v6(_: &Socket) -> io::Result<u32> {
        unsupported()
    }

    pub(crate) fn set_traffic_class_v6(_: &Socket, _: u32) -> io::Result<()> {
        unsupported()
    }
}

#[cfg(not(target_os = "openbsd"))]
mod probes {
    use socket2::TcpKeepalive;

    use super::*;

    pub(crate) fn set_keep_alive(socket: &Socket, keep_alive: &KeepAlive) -> io::Result<()> {
        let (was_on, before) = (socket.keepalive()?, probe_times(socket));
        let set = socket.set_tcp_keepalive(&times_of(keep_alive));
        if set.is_err() {
            // It is switched on, then its times are set one by one: a refused option must not be half in force. Windows sets
            // its times together, and does not tell what they were.
            if let Some(before) = before.ok().filter(|_| !cfg!(windows)) {
                socket.set_tcp_keepalive(&times_of(&before))?;
            }
            socket.set_keepalive(was_on)?;
        }
        set
    }

    fn times_of(keep_alive: &KeepAlive) -> TcpKeepalive {
        let mut times = TcpKeepalive::new();
        if let Some(idle) = keep_alive.idle {
            times = times.with_time(idle);
        }
        if let Some(interval) = keep_alive.interval {
            times = times.with_interval(interval);
        }
        if let Some(count) = keep_alive.count {
            times = times.with_retries(count);
        }
        times
    }

    /// The times that are in force, where the system tells them. Windows tells the count alone.
    pub(crate) fn probe_times(socket: &Socket) -> io::Result<KeepAlive> {
        let times = KeepAlive::default().count(socket.tcp_keepalive_retries()?);
        #[cfg(not(windows))]
        let times = times.idle(socket.tcp_keepalive_time()?).interval(socket.tcp_keepalive_interval()?);
        Ok(times)
    }
}

/// The times are those of the whole system here.
#[cfg(target_os = "openbsd")]
mod probes {
    use super::*;

    pub(crate) fn set_keep_alive(socket: &Socket, keep_alive: &KeepAlive) -> io::Result<()> {
        if *keep_alive == KeepAlive::default() { socket.set_keepalive(true) } else { unsupported() }
    }

    pub(crate) fn probe_times(_: &Socket) -> io::Result<KeepAlive> {
        Ok(KeepAlive::default())
    }
}

#[cfg_attr(
    any(target_os = "android", target_os = "linux"),
    expect(dead_code, reason = "Linux has all of them")
)]
fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}
