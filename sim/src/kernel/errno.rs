//! The errors of the simulated kernel, with the numbers of Linux (errno(3)).

use std::io::ErrorKind;

use twinloop::driver::OsError;

/// What the driver refuses by itself: no system has such a call for that kind of descriptor.
pub(super) const UNSUPPORTED: OsError = OsError::without_code(ErrorKind::Unsupported);
pub(super) const EPERM: OsError = linux(ErrorKind::PermissionDenied, 1);
pub(super) const ENOENT: OsError = linux(ErrorKind::NotFound, 2);
pub(super) const EIO: OsError = linux(ErrorKind::Other, 5);
pub(super) const ENXIO: OsError = linux(ErrorKind::Other, 6);
/// Where it is an error, and nothing to wait for.
pub(super) const EAGAIN: OsError = linux(ErrorKind::WouldBlock, 11);
pub(super) const EACCES: OsError = linux(ErrorKind::PermissionDenied, 13);
pub(super) const EBUSY: OsError = linux(ErrorKind::ResourceBusy, 16);
pub(super) const EEXIST: OsError = linux(ErrorKind::AlreadyExists, 17);
pub(super) const EXDEV: OsError = linux(ErrorKind::CrossesDevices, 18);
pub(super) const ENOTDIR: OsError = linux(ErrorKind::NotADirectory, 20);
pub(super) const EISDIR: OsError = linux(ErrorKind::IsADirectory, 21);
pub(super) const ENFILE: OsError = linux(ErrorKind::QuotaExceeded, 23);
pub(super) const EMFILE: OsError = linux(ErrorKind::QuotaExceeded, 24);
pub(super) const EFBIG: OsError = linux(ErrorKind::FileTooLarge, 27);
pub(super) const ENOSPC: OsError = linux(ErrorKind::StorageFull, 28);
pub(super) const EROFS: OsError = linux(ErrorKind::ReadOnlyFilesystem, 30);
pub(super) const EPIPE: OsError = linux(ErrorKind::BrokenPipe, 32);
pub(super) const EINVAL: OsError = linux(ErrorKind::InvalidInput, 22);
/// Newer versions of std have a kind for it.
pub(super) const ENAMETOOLONG: OsError = linux(ErrorKind::Other, 36);
pub(super) const ENOTEMPTY: OsError = linux(ErrorKind::DirectoryNotEmpty, 39);
pub(super) const ENOTSOCK: OsError = linux(ErrorKind::Other, 88);
pub(super) const ENODEV: OsError = linux(ErrorKind::Other, 19);
pub(super) const EDESTADDRREQ: OsError = linux(ErrorKind::Other, 89);
pub(super) const EMSGSIZE: OsError = linux(ErrorKind::Other, 90);
pub(super) const EPROTOTYPE: OsError = linux(ErrorKind::Other, 91);
pub(super) const ENOPROTOOPT: OsError = linux(ErrorKind::Other, 92);
pub(super) const EOPNOTSUPP: OsError = linux(ErrorKind::Unsupported, 95);
pub(super) const EAFNOSUPPORT: OsError = linux(ErrorKind::Other, 97);
pub(super) const EADDRINUSE: OsError = linux(ErrorKind::AddrInUse, 98);
pub(super) const EADDRNOTAVAIL: OsError = linux(ErrorKind::AddrNotAvailable, 99);
pub(super) const ENETUNREACH: OsError = linux(ErrorKind::NetworkUnreachable, 101);
pub(super) const ECONNRESET: OsError = linux(ErrorKind::ConnectionReset, 104);
pub(super) const ENOTCONN: OsError = linux(ErrorKind::NotConnected, 107);
pub(super) const ETIMEDOUT: OsError = linux(ErrorKind::TimedOut, 110);
pub(super) const ECONNREFUSED: OsError = linux(ErrorKind::ConnectionRefused, 111);
pub(super) const EHOSTUNREACH: OsError = linux(ErrorKind::HostUnreachable, 113);

/// An error as Linux tells it: by its number, and in its words if somebody asks.
pub(crate) const fn linux(kind: ErrorKind, code: i32) -> OsError {
    OsError::new(kind, code).with_text(text)
}

/// What the C library calls an error (strerror(3)); whoever runs the simulation, the words are these.
fn text(code: i32) -> String {
    let words = match code {
        1 => "Operation not permitted",
        2 => "No such file or directory",
        4 => "Interrupted system call",
        5 => "Input/output error",
        6 => "No such device or address",
        9 => "Bad file descriptor",
        11 => "Resource temporarily unavailable",
        12 => "Cannot allocate memory",
        13 => "Permission denied",
        16 => "Device or resource busy",
        17 => "File exists",
        18 => "Invalid cross-device link",
        19 => "No such device",
        20 => "Not a directory",
        21 => "Is a directory",
        22 => "Invalid argument",
        23 => "Too many open files in system",
        24 => "Too many open files",
        27 => "File too large",
        28 => "No space left on device",
        30 => "Read-only file system",
        32 => "Broken pipe",
        36 => "File name too long",
        39 => "Directory not empty",
        88 => "Socket operation on non-socket",
        89 => "Destination address required",
        90 => "Message too long",
        91 => "Protocol wrong type for socket",
        92 => "Protocol not available",
        95 => "Operation not supported",
        97 => "Address family not supported by protocol",
        98 => "Address already in use",
        99 => "Cannot assign requested address",
        101 => "Network is unreachable",
        103 => "Software caused connection abort",
        104 => "Connection reset by peer",
        105 => "No buffer space available",
        107 => "Transport endpoint is not connected",
        110 => "Connection timed out",
        111 => "Connection refused",
        113 => "No route to host",
        _ => "Unknown error",
    };
    format!("{words} (os error {code})")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::text;

    /// The words are those of this system, if it is one whose words they are.
    #[test]
    fn errors_are_called_what_linux_calls_them() {
        let is_of_glibc =
            io::Error::from_raw_os_error(95).to_string() == "Operation not supported (os error 95)";
        for code in (1..134).filter(|code| is_of_glibc && !text(*code).starts_with("Unknown")) {
            assert_eq!(text(code), io::Error::from_raw_os_error(code).to_string());
        }
        assert_eq!(text(111), "Connection refused (os error 111)");
    }
}
