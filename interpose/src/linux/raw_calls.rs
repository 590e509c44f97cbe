//! Catches system calls that a program makes by instructions of its own, past the C library: of those, no symbol tells.
//!
//! A filter of the kernel (seccomp) lets through what is called from within the C library and the loader, and raises SIGSYS
//! for all else. The handler notes the call, then makes it. A filter can not be taken off again, so it is for threads that
//! end with the run.
#![expect(unsafe_code, reason = "filters and signal handlers are the kernel's, and take pointers")]

use std::ffi::{c_int, c_long, c_ulong, c_void};
use std::fs;
use std::mem::{size_of, zeroed};
use std::ptr::null_mut;
use std::sync::OnceLock;

use super::{as_harness, is_simulated, next, note};

/// Where in `seccomp_data` the two halves of the instruction's address are, on a little-endian machine.
const ADDRESS_LOW: u32 = 8;
const ADDRESS_HIGH: u32 = 12;

/// From now on, calls that this thread makes past the C library are noted in its run.
pub(super) fn catch() -> Result<(), String> {
    static HANDLED: OnceLock<Result<(), String>> = OnceLock::new();
    as_harness(|| {
        HANDLED.get_or_init(handle).clone()?;
        let filter = filter(&libraries()?);
        install(&filter)
    })
}

/// The code of the C library and of the loader, as ranges of addresses.
fn libraries() -> Result<Vec<(u64, u64)>, String> {
    let maps = fs::read_to_string("/proc/self/maps").map_err(|error| format!("/proc/self/maps: {error}"))?;
    let is_library = |line: &&str| {
        let name = line.rsplit('/').next().unwrap_or_default();
        line.contains(" r-xp ")
            && (name.starts_with("libc.so") || name.starts_with("libc-") || name.starts_with("ld-"))
    };
    let range = |line: &str| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
    };
    let ranges: Vec<(u64, u64)> = maps.lines().filter(is_library).filter_map(range).collect();
    if ranges.is_empty() {
        return Err("the program has no C library of its own in memory: it is linked statically".to_owned());
    }
    Ok(ranges)
}

/// A program for the kernel: for each range, an address in it is let through.
fn filter(ranges: &[(u64, u64)]) -> Vec<libc::sock_filter> {
    let load = |at: u32| op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, 0, 0);
    let mut program = Vec::new();
    for (start, end) in ranges {
        let (high, low, last) = ((start >> 32) as u32, *start as u32, (end - 1) as u32);
        // A library that lies across a multiple of 4 GiB is taken for two halves, of which the lower one is known here.
        let last = if (end - 1) >> 32 == start >> 32 { last } else { u32::MAX };
        program.extend([
            load(ADDRESS_HIGH),
            op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, high, 0, 4),
            load(ADDRESS_LOW),
            op(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, low, 0, 2),
            op(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, last, 1, 0),
            op(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
        ]);
    }
    program.push(op(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_TRAP, 0, 0));
    program
}

/// One instruction; `jt` and `jf` are how many are skipped if its condition holds, and if not.
fn op(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn install(filter: &[libc::sock_filter]) -> Result<(), String> {
    const YES: c_ulong = 1;
    const NONE: c_ulong = 0;
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program, which lives until then, and writes nothing.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, YES, NONE, NONE, NONE) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, c_ulong::from(libc::SECCOMP_MODE_FILTER), &raw const program)
                != 0
    };
    if refused {
        return Err(format!("the kernel takes no filter of calls: {}", std::io::Error::last_os_error()));
    }
    Ok(())
}

fn handle() -> Result<(), String> {
    // SAFETY: all zeroes is an action without flags and with an empty mask.
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = caught as *const () as usize;
    // With SA_NODEFER, a call that a handler of the program's own makes is caught too.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
    // SAFETY: the action is complete, and its function has the type that SA_SIGINFO asks for.
    if unsafe { libc::sigaction(libc::SIGSYS, &action, null_mut()) } != 0 {
        return Err(format!("no handler for SIGSYS: {}", std::io::Error::last_os_error()));
    }
    Ok(())
}

/// Makes the call that the filter has held back, from within the C library, and gives its answer to the program.
///
/// It is raised by the program's own instruction and nowhere else, so it may do what that program may do just there.
extern "C" fn caught(_signal: c_int, _about: *mut libc::siginfo_t, context: *mut c_void) {
    const { assert!(size_of::<c_long>() == size_of::<libc::greg_t>()) };
    // SAFETY: with SA_SIGINFO the kernel gives the registers of the interrupted program, for as long as the handler runs.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let register = |index: c_int| registers[index as usize];
    let number = register(libc::REG_RAX);
    if is_simulated() {
        note("system call", &format!("number {number}, past the C library"), false);
    }
    let [a, b, c, d, e, f] =
        [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10, libc::REG_R8, libc::REG_R9]
            .map(register);
    // SAFETY: the program has made this very call with these very arguments: its promise is the one that counts. The number of
    // the last error is this thread's own.
    let answer = unsafe {
        let errno = libc::__errno_location();
        let before = errno.read();
        let answer = next::syscall(number, a, b, c, d, e, f);
        // The kernel says an error as a negative number, and leaves the C library's alone.
        let answer = if answer == -1 { -c_long::from(errno.read()) } else { answer };
        errno.write(before);
        answer
    };
    registers[libc::REG_RAX as usize] = answer;
}
