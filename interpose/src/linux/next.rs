//! The system's own functions behind ours.
#![expect(
    unsafe_code,
    reason = "the dynamic linker gives addresses, and only a cast makes functions of them"
)]

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The definition of a function that the linker would have taken without ours.
struct Next {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Next {
    const fn new(name: &'static CStr) -> Next {
        Next { name, address: AtomicPtr::new(null_mut()) }
    }

    /// Looked up once. Two threads may both do so: they find the same.
    fn address(&self) -> *mut c_void {
        let known = self.address.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name is a C string, and RTLD_NEXT asks for no handle.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        assert!(!found.is_null(), "the C library has {:?}", self.name);
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

/// Defines a function that calls the system's one of the same name.
macro_rules! next {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(
            /// The system's.
            ///
            /// # Safety
            ///
            /// As for the function of that name in the C library.
            pub(super) unsafe fn $name($($argument: $type),*) -> $answer {
                static NEXT: Next = Next::new(
                    match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                        Ok(name) => name,
                        Err(_) => panic!("an identifier has no zero byte"),
                    }
                );
                // SAFETY: the C library's function of this name has this type: it is copied from its header. A variadic one
                // takes its arguments in the same places as another on the two architectures that this is compiled for.
                let next: unsafe extern "C" fn($($type),*) -> $answer = unsafe { transmute(NEXT.address()) };
                // SAFETY: the caller's promise is that function's.
                unsafe { next($($argument),*) }
            }
        )*
    };
}

next! {
    getrandom(buffer: *mut c_void, length: usize, flags: u32) -> isize;
    getentropy(buffer: *mut c_void, length: usize) -> c_int;
    clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int;
    gettimeofday(time: *mut libc::timeval, zone: *mut c_void) -> c_int;
    time(time: *mut libc::time_t) -> libc::time_t;
    sched_getaffinity(pid: libc::pid_t, size: usize, set: *mut libc::cpu_set_t) -> c_int;
    getpid() -> libc::pid_t;
    getcwd(buffer: *mut c_char, size: usize) -> *mut c_char;
    pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        start: *mut c_void,
        argument: *mut c_void
    ) -> c_int;
    socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    open(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int;
    open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int;
    openat(folder: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int;
    openat64(folder: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int;
    nanosleep(time: *const libc::timespec, left: *mut libc::timespec) -> c_int;
    clock_nanosleep(
        clock: libc::clockid_t,
        flags: c_int,
        time: *const libc::timespec,
        left: *mut libc::timespec
    ) -> c_int;
    getenv(name: *const c_char) -> *mut c_char;
    syscall(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long;
}
