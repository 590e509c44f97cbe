//! The functions of the C library that this crate defines. Each asks whether its caller is a simulated program: if not, it
//! is the system's.
//!
//! They take no lock and, outside of a run, no memory: they may be called from an allocator, a signal handler, or before
//! `main`.
#![expect(unsafe_code, reason = "functions of the C library take pointers, and their names are not mangled")]
#![allow(unreachable_pub, reason = "the linker reaches them by name")]
#![allow(clippy::missing_safety_doc, reason = "their contract is the C library's")]

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::mem::size_of;
use std::slice;
use std::time::Duration;

use super::{Linux, MONOTONIC, WALL, fill, is_simulated, next, note};

/// Run by the loader before `main`: a program need not call anything to have its runs interposed.
#[used]
// SAFETY: the loader calls each address in this section as a function without arguments, which this is.
#[unsafe(link_section = ".init_array")]
static INSTALL: extern "C" fn() = install;

extern "C" fn install() {
    twinloop_sim::isolation::install(&Linux);
}

/// What a run asks for at most in one go: more is more than any buffer has.
fn bytes<'a>(buffer: *mut c_void, length: usize) -> &'a mut [u8] {
    if length == 0 {
        return &mut [];
    }
    // SAFETY: who calls getrandom and its kin promises that so many bytes may be written there. They need not be
    // initialised, and nothing reads them before `fill` has written them.
    unsafe { slice::from_raw_parts_mut(buffer.cast(), length) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: u32) -> isize {
    if !is_simulated() {
        // SAFETY: the caller's promise.
        return unsafe { next::getrandom(buffer, length, flags) };
    }
    note("getrandom", "", true);
    fill(bytes(buffer, length));
    // Also 0 for no bytes: libraries probe with that whether the call is there.
    length as isize
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn getentropy(buffer: *mut c_void, length: usize) -> c_int {
    if !is_simulated() {
        // SAFETY: the caller's promise.
        return unsafe { next::getentropy(buffer, length) };
    }
    note("getentropy", "", true);
    fill(bytes(buffer, length));
    0
}

fn time_of(clock: libc::clockid_t) -> Duration {
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => WALL.get(),
        _ => MONOTONIC.get(),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    if !is_simulated() {
        // SAFETY: the caller's promise.
        return unsafe { next::clock_gettime(clock, time) };
    }
    note("clock_gettime", "", true);
    let shown = time_of(clock);
    let shown = libc::timespec { tv_sec: shown.as_secs() as i64, tv_nsec: shown.subsec_nanos().into() };
    // SAFETY: the caller gives a place for the time.
    unsafe { time.write(shown) };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, zone: *mut c_void) -> c_int {
    if !is_simulated() || time.is_null() {
        // SAFETY: the caller's promise.
        return unsafe { next::gettimeofday(time, zone) };
    }
    note("gettimeofday", "", true);
    let shown = WALL.get();
    let shown = libc::timeval { tv_sec: shown.as_secs() as i64, tv_usec: shown.subsec_micros().into() };
    // SAFETY: the caller gives a place for the time.
    unsafe { time.write(shown) };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(time: *mut libc::time_t) -> libc::time_t {
    if !is_simulated() {
        // SAFETY: the caller's promise.
        return unsafe { next::time(time) };
    }
    note("time", "", true);
    let shown = WALL.get().as_secs() as libc::time_t;
    if !time.is_null() {
        // SAFETY: the caller gives a place for the time.
        unsafe { time.write(shown) };
    }
    shown
}

/// A simulated program has one processor: how many threads a library would use decides what it does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sched_getaffinity(
    pid: libc::pid_t,
    size: usize,
    set: *mut libc::cpu_set_t,
) -> c_int {
    if !is_simulated() {
        // SAFETY: the caller's promise.
        return unsafe { next::sched_getaffinity(pid, size, set) };
    }
    note("sched_getaffinity", "", true);
    let set = bytes(set.cast(), size.min(size_of::<libc::cpu_set_t>()));
    set.fill(0);
    if let Some(first) = set.first_mut() {
        *first = 1;
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn getpid() -> libc::pid_t {
    if !is_simulated() {
        // SAFETY: it has no conditions.
        return unsafe { next::getpid() };
    }
    note("getpid", "", true);
    1
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn getcwd(buffer: *mut c_char, size: usize) -> *mut c_char {
    if is_simulated() {
        note("getcwd", "", false);
    }
    // SAFETY: the caller's promise.
    unsafe { next::getcwd(buffer, size) }
}

/// Bytes may be drawn by the number of the call; every other one is the system's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    if is_simulated() {
        match number {
            libc::SYS_getrandom => {
                note("getrandom", "", true);
                fill(bytes(a as *mut c_void, b as usize));
                return b;
            }
            // Locks and threads' numbers decide nothing by themselves.
            libc::SYS_futex | libc::SYS_gettid => {}
            _ => note("syscall", &number.to_string(), false),
        }
    }
    // SAFETY: the caller's promise.
    unsafe { next::syscall(number, a, b, c, d, e, f) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: *mut c_void,
    argument: *mut c_void,
) -> c_int {
    if is_simulated() {
        note("pthread_create", "", false);
    }
    // SAFETY: the caller's promise.
    unsafe { next::pthread_create(thread, attributes, start, argument) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if is_simulated() {
        note("socket", "", false);
    }
    // SAFETY: the caller's promise.
    unsafe { next::socket(domain, kind, protocol) }
}

/// What the standard library looks at by itself, which decides nothing that a run sees: how many processors a group has.
const UNNOTED: [&str; 2] = ["/proc/self/cgroup", "/sys/fs/cgroup/"];

fn note_path(name: &str, path: *const c_char) {
    if !is_simulated() || path.is_null() {
        return;
    }
    // SAFETY: who opens a file gives a C string.
    let path = unsafe { CStr::from_ptr(path) }.to_string_lossy();
    if !UNNOTED.iter().any(|unnoted| path.starts_with(unnoted)) {
        note(name, &path, false);
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    note_path("open", path);
    // SAFETY: the caller's promise.
    unsafe { next::open(path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    note_path("open", path);
    // SAFETY: the caller's promise.
    unsafe { next::open64(path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: libc::mode_t,
) -> c_int {
    note_path("open", path);
    // SAFETY: the caller's promise.
    unsafe { next::openat(folder, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: libc::mode_t,
) -> c_int {
    note_path("open", path);
    // SAFETY: the caller's promise.
    unsafe { next::openat64(folder, path, flags, mode) }
}

/// A simulated program that sleeps for real holds up the simulation, and no simulated time passes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nanosleep(time: *const libc::timespec, left: *mut libc::timespec) -> c_int {
    if is_simulated() {
        note("nanosleep", "", false);
    }
    // SAFETY: the caller's promise.
    unsafe { next::nanosleep(time, left) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_nanosleep(
    clock: libc::clockid_t,
    flags: c_int,
    time: *const libc::timespec,
    left: *mut libc::timespec,
) -> c_int {
    if is_simulated() {
        note("clock_nanosleep", "", false);
    }
    // SAFETY: the caller's promise.
    unsafe { next::clock_nanosleep(clock, flags, time, left) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn getenv(name: *const c_char) -> *mut c_char {
    if is_simulated() && !name.is_null() {
        // SAFETY: who asks for a variable gives a C string.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
        // Whether a panic is told with a backtrace.
        if !name.starts_with("RUST_") {
            note("getenv", &name, false);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { next::getenv(name) }
}
