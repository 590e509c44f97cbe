//! What a [`SocketOption`] is on a socket of this system, and what [`ListenOptions`] and [`ConnectOptions`] make of a
//! new one.

use std::io;
use std::net::Ipv4Addr;

use socket2::SockRef;
use twinloop::driver::{
    ConnectOptions, DatagramOptions, Interface, KeepAlive, ListenOptions, OptionName, SocketOption,
};

use crate::platform;
use crate::sockets::Socket;

/// Sets `option` on this socket alone: what a listener passes on to the streams it accepts differs between systems.
///
/// # Errors
///
/// The system's; [`Unsupported`](io::ErrorKind::Unsupported) for an option that this system does not have.
pub(crate) fn set(socket: &Socket, option: SocketOption) -> io::Result<()> {
    let socket = &socket.as_sock_ref();
    match option {
        SocketOption::NoDelay(on) => socket.set_tcp_nodelay(on),
        SocketOption::KeepAlive(None) => socket.set_keepalive(false),
        SocketOption::KeepAlive(Some(keep_alive)) => platform::set_keep_alive(socket, &keep_alive),
        SocketOption::Linger(linger) => socket.set_linger(linger),
        SocketOption::ReuseAddress(on) => socket.set_reuse_address(on),
        SocketOption::ReusePort(on) => platform::set_reuse_port(socket, on),
        SocketOption::OnlyV6(on) => socket.set_only_v6(on),
        SocketOption::ReceiveBuffer(bytes) => socket.set_recv_buffer_size(buffer_size(bytes)),
        SocketOption::SendBuffer(bytes) => socket.set_send_buffer_size(buffer_size(bytes)),
        SocketOption::TimeToLive(routers) if is_v6(socket)? => socket.set_unicast_hops_v6(routers.into()),
        SocketOption::TimeToLive(routers) => socket.set_ttl_v4(routers.into()),
        SocketOption::TypeOfService(class) if is_v6(socket)? => {
            platform::set_traffic_class_v6(socket, class.into())
        }
        SocketOption::TypeOfService(class) => socket.set_tos_v4(class.into()),
        SocketOption::UserTimeout(timeout) => platform::set_user_timeout(socket, timeout),
        SocketOption::Broadcast(on) => socket.set_broadcast(on),
        SocketOption::MulticastTimeToLive(routers) if is_v6(socket)? => {
            socket.set_multicast_hops_v6(routers.into())
        }
        SocketOption::MulticastTimeToLive(routers) => socket.set_multicast_ttl_v4(routers.into()),
        SocketOption::MulticastLoopback(on) if is_v6(socket)? => socket.set_multicast_loop_v6(on),
        SocketOption::MulticastLoopback(on) => socket.set_multicast_loop_v4(on),
        SocketOption::MulticastInterface(interface) => set_multicast_interface(socket, interface),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// What `name` is set to on this socket.
///
/// # Errors
///
/// As [`set`].
pub(crate) fn get(socket: &Socket, name: OptionName) -> io::Result<SocketOption> {
    let socket = &socket.as_sock_ref();
    match name {
        OptionName::NoDelay => socket.tcp_nodelay().map(SocketOption::NoDelay),
        OptionName::KeepAlive => keep_alive(socket).map(SocketOption::KeepAlive),
        OptionName::Linger => socket.linger().map(SocketOption::Linger),
        OptionName::ReuseAddress => socket.reuse_address().map(SocketOption::ReuseAddress),
        OptionName::ReusePort => platform::reuse_port(socket).map(SocketOption::ReusePort),
        OptionName::OnlyV6 => socket.only_v6().map(SocketOption::OnlyV6),
        OptionName::ReceiveBuffer => socket.recv_buffer_size().map(bytes).map(SocketOption::ReceiveBuffer),
        OptionName::SendBuffer => socket.send_buffer_size().map(bytes).map(SocketOption::SendBuffer),
        OptionName::TimeToLive => {
            let routers = if is_v6(socket)? { socket.unicast_hops_v6() } else { socket.ttl_v4() };
            routers.map(octet).map(SocketOption::TimeToLive)
        }
        OptionName::TypeOfService => {
            let class = if is_v6(socket)? { platform::traffic_class_v6(socket) } else { socket.tos_v4() };
            class.map(octet).map(SocketOption::TypeOfService)
        }
        OptionName::UserTimeout => platform::user_timeout(socket).map(SocketOption::UserTimeout),
        OptionName::Broadcast => socket.broadcast().map(SocketOption::Broadcast),
        OptionName::MulticastTimeToLive => {
            let routers = if is_v6(socket)? { socket.multicast_hops_v6() } else { socket.multicast_ttl_v4() };
            routers.map(octet).map(SocketOption::MulticastTimeToLive)
        }
        OptionName::MulticastLoopback => {
            let on = if is_v6(socket)? { socket.multicast_loop_v6() } else { socket.multicast_loop_v4() };
            on.map(SocketOption::MulticastLoopback)
        }
        OptionName::MulticastInterface => multicast_interface(socket).map(SocketOption::MulticastInterface),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// What has to be said before a listener is bound.
///
/// `TCP_NODELAY` is inherited on Linux, which saves a system call for each accepted connection; elsewhere the listener only
/// remembers it.
pub(crate) fn prepare_listener(
    socket: &socket2::Socket,
    is_v6: bool,
    options: &ListenOptions,
) -> io::Result<()> {
    if options.reuse_address && platform::REUSE_ADDRESS_IS_SAFE {
        socket.set_reuse_address(true)?;
    }
    if options.reuse_port {
        platform::set_reuse_port(socket, true)?;
    }
    set_families(socket, is_v6, options.only_v6)?;
    socket.set_tcp_nodelay(options.no_delay)?;
    if let Some(queue) = options.fast_open {
        platform::listen_fast_open(socket, queue)?;
    }
    prepare(socket, options.receive_buffer, options.send_buffer, options.device.as_deref())
}

/// What has to be said before a stream is bound or connects.
pub(crate) fn prepare_stream(socket: &socket2::Socket, options: &ConnectOptions) -> io::Result<()> {
    if options.reuse_address && platform::REUSE_ADDRESS_IS_SAFE {
        socket.set_reuse_address(true)?;
    }
    if options.reuse_port {
        platform::set_reuse_port(socket, true)?;
    }
    if options.no_delay {
        socket.set_tcp_nodelay(true)?;
    }
    if options.fast_open {
        platform::connect_fast_open(socket)?;
    }
    prepare(socket, options.receive_buffer, options.send_buffer, options.device.as_deref())
}

/// What has to be said before a datagram socket is bound.
///
/// On Windows, `SO_REUSEADDR` lets a port be taken over from others: just what is asked for here, where it is off by default.
pub(crate) fn prepare_datagrams(
    socket: &socket2::Socket,
    is_v6: bool,
    options: &DatagramOptions,
) -> io::Result<()> {
    if options.reuse_address {
        socket.set_reuse_address(true)?;
    }
    if options.reuse_port {
        platform::set_reuse_port(socket, true)?;
    }
    set_families(socket, is_v6, options.only_v6)?;
    if options.broadcast {
        socket.set_broadcast(true)?;
    }
    prepare(socket, options.receive_buffer, options.send_buffer, options.device.as_deref())
}

/// The sizes come before the handshake, which tells the peer how far the window may grow.
fn prepare(
    socket: &socket2::Socket,
    receive_buffer: Option<u32>,
    send_buffer: Option<u32>,
    device: Option<&str>,
) -> io::Result<()> {
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(buffer_size(bytes))?;
    }
    if let Some(bytes) = send_buffer {
        socket.set_send_buffer_size(buffer_size(bytes))?;
    }
    device.map_or(Ok(()), |name| platform::bind_device(socket, name))
}

fn buffer_size(bytes: u32) -> usize {
    if bytes == 0 && platform::BUFFERS_MAY_BE_MISSING { 1 } else { bytes as usize }
}

/// Both families unless something else is asked for, also where the system would have it otherwise (R161).
fn set_families(socket: &socket2::Socket, is_v6: bool, only_v6: Option<bool>) -> io::Result<()> {
    match only_v6 {
        Some(on) => socket.set_only_v6(on),
        None if is_v6 && !platform::V6_TAKES_BOTH => socket.set_only_v6(false),
        None => Ok(()),
    }
}

fn keep_alive(socket: &SockRef<'_>) -> io::Result<Option<KeepAlive>> {
    if socket.keepalive()? { platform::probe_times(socket).map(Some) } else { Ok(None) }
}

/// For IPv4 a device is known by its address, for IPv6 by its number.
fn set_multicast_interface(socket: &SockRef<'_>, interface: Interface) -> io::Result<()> {
    match (interface, is_v6(socket)?) {
        (Interface::Any, false) => socket.set_multicast_if_v4(&Ipv4Addr::UNSPECIFIED),
        (Interface::Address(own), false) => socket.set_multicast_if_v4(&own),
        (Interface::Index(_), false) => Err(io::ErrorKind::Unsupported.into()),
        (Interface::Any, true) => socket.set_multicast_if_v6(0),
        (Interface::Index(index), true) => socket.set_multicast_if_v6(index),
        (Interface::Address(_), true) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn multicast_interface(socket: &SockRef<'_>) -> io::Result<Interface> {
    if is_v6(socket)? {
        let index = socket.multicast_if_v6()?;
        return Ok(if index == 0 { Interface::Any } else { Interface::Index(index) });
    }
    let own = socket.multicast_if_v4()?;
    Ok(if own.is_unspecified() { Interface::Any } else { Interface::Address(own) })
}

/// IPv4 and IPv6 have an option each for the same thing. An IPv6 socket whose packets are of IPv4 takes both, and heeds that
/// of IPv4.
fn is_v6(socket: &SockRef<'_>) -> io::Result<bool> {
    let local = socket.local_addr()?.as_socket_ipv6();
    Ok(local.is_some_and(|local| local.ip().to_ipv4_mapped().is_none()))
}

fn bytes(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// What the system keeps as a number and packets have eight bits for.
fn octet(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}
