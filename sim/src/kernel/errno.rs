//! The errors of the simulated kernel, with the numbers of Linux (errno(3)).

use std::io::ErrorKind;

use twinloop::driver::OsError;

/// What the driver refuses by itself: no system has such a call for that kind of descriptor.
pub(super) const UNSUPPORTED: OsError = OsError::without_code(ErrorKind::Unsupported);
pub(super) const EPERM: OsError = OsError::new(ErrorKind::PermissionDenied, 1);
pub(super) const ENOENT: OsError = OsError::new(ErrorKind::NotFound, 2);
pub(super) const EIO: OsError = OsError::new(ErrorKind::Other, 5);
pub(super) const ENXIO: OsError = OsError::new(ErrorKind::Other, 6);
/// Where it is an error, and nothing to wait for.
pub(super) const EAGAIN: OsError = OsError::new(ErrorKind::WouldBlock, 11);
pub(super) const EACCES: OsError = OsError::new(ErrorKind::PermissionDenied, 13);
pub(super) const EBUSY: OsError = OsError::new(ErrorKind::ResourceBusy, 16);
pub(super) const EEXIST: OsError = OsError::new(ErrorKind::AlreadyExists, 17);
pub(super) const EXDEV: OsError = OsError::new(ErrorKind::CrossesDevices, 18);
pub(super) const ENOTDIR: OsError = OsError::new(ErrorKind::NotADirectory, 20);
pub(super) const EISDIR: OsError = OsError::new(ErrorKind::IsADirectory, 21);
pub(super) const ENFILE: OsError = OsError::new(ErrorKind::QuotaExceeded, 23);
pub(super) const EMFILE: OsError = OsError::new(ErrorKind::QuotaExceeded, 24);
pub(super) const EFBIG: OsError = OsError::new(ErrorKind::FileTooLarge, 27);
pub(super) const ENOSPC: OsError = OsError::new(ErrorKind::StorageFull, 28);
pub(super) const EROFS: OsError = OsError::new(ErrorKind::ReadOnlyFilesystem, 30);
pub(super) const EPIPE: OsError = OsError::new(ErrorKind::BrokenPipe, 32);
pub(super) const EINVAL: OsError = OsError::new(ErrorKind::InvalidInput, 22);
/// Newer versions of std have a kind for it.
pub(super) const ENAMETOOLONG: OsError = OsError::new(ErrorKind::Other, 36);
pub(super) const ENOTEMPTY: OsError = OsError::new(ErrorKind::DirectoryNotEmpty, 39);
pub(super) const ENOTSOCK: OsError = OsError::new(ErrorKind::Other, 88);
pub(super) const ENODEV: OsError = OsError::new(ErrorKind::Other, 19);
pub(super) const EDESTADDRREQ: OsError = OsError::new(ErrorKind::Other, 89);
pub(super) const EMSGSIZE: OsError = OsError::new(ErrorKind::Other, 90);
pub(super) const EPROTOTYPE: OsError = OsError::new(ErrorKind::Other, 91);
pub(super) const ENOPROTOOPT: OsError = OsError::new(ErrorKind::Other, 92);
pub(super) const EOPNOTSUPP: OsError = OsError::new(ErrorKind::Unsupported, 95);
pub(super) const EAFNOSUPPORT: OsError = OsError::new(ErrorKind::Other, 97);
pub(super) const EADDRINUSE: OsError = OsError::new(ErrorKind::AddrInUse, 98);
pub(super) const EADDRNOTAVAIL: OsError = OsError::new(ErrorKind::AddrNotAvailable, 99);
pub(super) const ENETUNREACH: OsError = OsError::new(ErrorKind::NetworkUnreachable, 101);
pub(super) const ECONNRESET: OsError = OsError::new(ErrorKind::ConnectionReset, 104);
pub(super) const ENOTCONN: OsError = OsError::new(ErrorKind::NotConnected, 107);
pub(super) const ETIMEDOUT: OsError = OsError::new(ErrorKind::TimedOut, 110);
pub(super) const ECONNREFUSED: OsError = OsError::new(ErrorKind::ConnectionRefused, 111);
pub(super) const EHOSTUNREACH: OsError = OsError::new(ErrorKind::HostUnreachable, 113);
