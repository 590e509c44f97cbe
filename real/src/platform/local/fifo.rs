//! Making and opening pipes with a name. The one place here with unsafe code: no safe crate makes a FIFO on every system.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use twinloop::driver::Half;

use super::pipe::PipeEnd;
use super::system;

/// What the process's own mask leaves of it.
const MODE: libc::mode_t = 0o666;

pub(super) fn open(path: &Path, half: Half, create: bool) -> io::Result<PipeEnd> {
    if create {
        make(path)?;
    }
    let access = match half {
        Half::Read => OFlags::RDONLY,
        Half::Write => OFlags::WRONLY,
        Half::Both => OFlags::RDWR,
    };
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.file_type().is_fifo() {
        return Err(system(libc::EINVAL));
    }
    Ok(PipeEnd::of_fifo(file.into(), half))
}

/// Makes the FIFO, unless something stands at `path`.
fn make(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: mkfifo(3) reads `path` up to its NUL, which a `CString` has, and keeps nothing of it.
    match unsafe { libc::mkfifo(path.as_ptr(), MODE) } {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            error => Err(error),
        },
    }
}
