//! Names of Unix sockets: as the system writes them, and how they are bound, replaced and removed.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::offset_of;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::net::{SocketAddrAny, SocketAddrUnix};
use socket2::{Domain, Socket, Type};
use twinloop::driver::UnixAddress;

/// `address` as the system has it.
pub(super) fn to_system(address: &UnixAddress) -> io::Result<SocketAddrUnix> {
    match (address.path_bytes(), address.abstract_name()) {
        (Some(path), _) => Ok(SocketAddrUnix::new(path)?),
        (None, Some(name)) => abstract_name(name),
        // Linux would pick a name, others refuse it.
        (None, None) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn abstract_name(name: &[u8]) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new_abstract_name(name)?)
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn abstract_name(_: &[u8]) -> io::Result<SocketAddrUnix> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether this system has names that are no paths.
pub(super) const MAY_BE_ABSTRACT: bool = cfg!(any(target_os = "android", target_os = "linux"));

/// What the system says of a socket. A name that [`UnixAddress`] has no room for, which someone else must have given it, is
/// told as none.
pub(super) fn from_system(address: SocketAddrAny) -> UnixAddress {
    // rustix takes an address without a name for the empty abstract name.
    let is_named = address.addr_len() as usize > offset_of!(libc::sockaddr_un, sun_path);
    let address = SocketAddrUnix::try_from(address).ok().filter(|_| is_named);
    address.and_then(|address| named(&address)).unwrap_or(UnixAddress::UNNAMED)
}

fn named(address: &SocketAddrUnix) -> Option<UnixAddress> {
    if let Some(path) = address.path_bytes() {
        return UnixAddress::from_path(Path::new(OsStr::from_bytes(path))).ok();
    }
    #[cfg(any(target_os = "android", target_os = "linux"))]
    if let Some(name) = address.abstract_name() {
        return UnixAddress::from_abstract_name(name).ok();
    }
    None
}

/// The path that a socket of ours made, removed when this is dropped unless another one stands there by then (R147).
///
/// It is dropped before the socket: while that is open, its inode number can not be another one's.
#[derive(Debug)]
pub(super) struct BoundPath {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let is_ours = |file: fs::Metadata| (file.dev(), file.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // The path may be in a folder where nothing can be removed any more, and nobody is there to be told.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds `socket`; gives the path that is to be removed with it.
pub(super) fn bind(
    socket: &Socket,
    address: &UnixAddress,
    replace_stale: bool,
) -> io::Result<Option<BoundPath>> {
    let name = to_system(address)?;
    let path = address.path_bytes().map(|bytes| PathBuf::from(OsStr::from_bytes(bytes)));
    match (rustix::net::bind(socket, &name), &path) {
        (Ok(()), _) => {}
        (Err(rustix::io::Errno::ADDRINUSE), Some(path)) if replace_stale && is_stale(path, &name)? => {
            // Of two processes that come here at once, one may remove the path of the other one. No system has a call that
            // would exclude it.
            fs::remove_file(path)?;
            rustix::net::bind(socket, &name)?;
        }
        (Err(error), _) => return Err(error.into()),
    }
    path.map(|path| {
        let file = fs::symlink_metadata(&path)?;
        Ok(BoundPath { device: file.dev(), inode: file.ino(), path })
    })
    .transpose()
}

/// Whether a socket stands at `path` that nobody has open.
///
/// It is asked with a datagram socket, whose connect nobody notices: to a stream it is refused (`EPROTOTYPE`), and a live
/// datagram socket is not told.
fn is_stale(path: &Path, name: &SocketAddrUnix) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    let probe = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    Ok(rustix::net::connect(&probe, name) == Err(rustix::io::Errno::CONNREFUSED))
}
