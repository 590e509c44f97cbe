//! Copies of this process for one run, and processes at fixed addresses.
#![expect(unsafe_code, reason = "fork and personality are calls of the C library")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many seconds of a processor's time a copy may take: one that loops for ever ends by this.
const SECONDS: u64 = 60;

/// Has a copy of this process run `answer`.
///
/// The copy has one thread, this one; locks that others hold are held for ever in it. The C library sees to its own. What a
/// simulated run takes beside them is its own.
pub(super) fn fork(answer: &mut dyn FnMut() -> Vec<u8>) -> Result<Vec<u8>, String> {
    let (mut here, mut there) = UnixStream::pair().map_err(|error| format!("no pipe to a copy: {error}"))?;
    // SAFETY: the copy runs one simulation and ends by `_exit`, which runs nothing that this process has left behind. It
    // waits for no other thread: none of them is in it.
    match unsafe { libc::fork() } {
        -1 => Err(format!("no copy of the process could be made: {}", std::io::Error::last_os_error())),
        0 => {
            drop(here);
            limit();
            let status = match catch_unwind(AssertUnwindSafe(answer)) {
                Ok(bytes) => i32::from(send(&mut there, &bytes).is_err()),
                Err(_) => 101,
            };
            // SAFETY: it ends this process, and returns to nobody.
            unsafe { libc::_exit(status) }
        }
        child => {
            drop(there);
            let received = receive(&mut here);
            let status = wait(child);
            received.ok_or_else(|| ended_by(status))
        }
    }
}

/// With its length before it: other copies may hold the other end open, so that the end of the stream says nothing.
fn send(to: &mut UnixStream, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(bytes)
}

fn receive(from: &mut UnixStream) -> Option<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(length)).ok()?];
    from.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn limit() {
    let limit = libc::rlimit { rlim_cur: SECONDS, rlim_max: SECONDS + 1 };
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both are given a limit that lives as long as the call. One that is refused leaves the copy unlimited.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CPU, &limit);
        libc::setrlimit(libc::RLIMIT_CORE, &no_core);
    }
}

fn wait(child: libc::pid_t) -> libc::c_int {
    let mut status = 0;
    // SAFETY: the child is ours and is waited for once; the status has a place.
    while unsafe { libc::waitpid(child, &mut status, 0) } == -1 {
        let error = std::io::Error::last_os_error();
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::Interrupted,
            "a child is there until it is waited for: {error}"
        );
    }
    status
}

fn ended_by(status: libc::c_int) -> String {
    if !libc::WIFSIGNALED(status) {
        return format!("the copy of the process ended with status {}", libc::WEXITSTATUS(status));
    }
    match libc::WTERMSIG(status) {
        libc::SIGXCPU => format!("the copy of the process took more than {SECONDS} s of processor time"),
        libc::SIGABRT => "the copy of the process was aborted (SIGABRT)".to_owned(),
        libc::SIGSEGV => "the copy of the process overran its stack or its memory (SIGSEGV)".to_owned(),
        signal => format!("the copy of the process was killed by signal {signal}"),
    }
}

/// While it lives, processes that this thread begins have their memory where every other such process has it.
pub(super) struct FixedAddresses {
    before: libc::c_int,
}

impl FixedAddresses {
    pub(super) fn begin() -> FixedAddresses {
        const ASK: libc::c_ulong = 0xffff_ffff;
        // SAFETY: it changes how this thread's later programs are laid out, and nothing of this one's memory.
        let before = unsafe { libc::personality(ASK) };
        if before != -1 {
            // SAFETY: as above. Where it is refused, as in some containers, addresses stay random.
            unsafe { libc::personality((before | libc::ADDR_NO_RANDOMIZE) as libc::c_ulong) };
        }
        FixedAddresses { before }
    }
}

impl Drop for FixedAddresses {
    fn drop(&mut self) {
        if self.before != -1 {
            // SAFETY: it is as it was.
            unsafe { libc::personality(self.before as libc::c_ulong) };
        }
    }
}
