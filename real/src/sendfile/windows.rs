//! `TransmitFile` of Windows: a transfer that the system carries on by itself, where other systems take what fits and answer.
//!
//! So the first call begins the transfer and answers `WouldBlock`, as do those that follow until the system has ended
//! it; then the next one has the count ([`Capabilities::file_sends_go_on`]). The end is signalled by an event. The
//! system's thread pool waits for that, and tells the edge.
//!
//! What an overlapped operation points to must outlive it, whatever its owner does meanwhile. Therefore it is shared by two:
//! the stream, which may be closed at any time, and the thread pool, whose share is given up in its callback, which comes
//! once, after the end. To close a stream is to cancel the transfer, not to wait for it. How much of it had been sent is
//! known to nobody then, as with all that a closed stream had still to send.
//!
//! Editions for clients work on two transfers at a time, in the whole system: two peers that do not read would stop every
//! other one. There a file is read and sent.
//!
//! [`Capabilities::file_sends_go_on`]: twinloop::driver::Capabilities::file_sends_go_on
#![expect(unsafe_code, reason = "no crate wraps these calls safely")]

use std::cell::{RefCell, UnsafeCell};
use std::ffi::c_void;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, AsRawSocket, FromRawHandle, OwnedHandle, RawSocket};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, OnceLock};

use mio::net::TcpStream;
use twinloop::driver::{Fd, Readiness};
use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, HANDLE};
use windows_sys::Win32::Networking::WinSock::{
    SOCKET, TransmitFile, WSA_IO_INCOMPLETE, WSABASEERR, WSAGetOverlappedResult,
};
use windows_sys::Win32::System::IO::{CancelIoEx, OVERLAPPED};
use windows_sys::Win32::System::SystemInformation::{
    OSVERSIONINFOEXW, VER_PRODUCT_TYPE, VerSetConditionMask, VerifyVersionInfoW,
};
use windows_sys::Win32::System::SystemServices::{VER_EQUAL, VER_NT_WORKSTATION};
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, RegisterWaitForSingleObject, SetEvent, UnregisterWait, WT_EXECUTEONLYONCE,
};

use crate::edges::Edges;

/// Whether files are sent in this way: where many of them can be. The tests of this crate do it everywhere.
pub(crate) fn goes_on() -> bool {
    cfg!(test) || !has_few_transfers()
}

/// What a stream keeps of the file that is sent over it: the transfer that is under way. Dropping it cancels that; the
/// stream's socket must still be open then.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    transfer: RefCell<Option<Arc<Transfer>>>,
}

impl Sending {
    /// Begins a transfer, or asks for the end of the one that is under way.
    pub(super) fn send(
        &self,
        stream: &TcpStream,
        tell: (Fd, &Arc<Edges>),
        file: &File,
        offset: u64,
        count: usize,
    ) -> io::Result<usize> {
        let mut under_way = self.transfer.borrow_mut();
        let transfer = match under_way.take() {
            Some(transfer) => transfer,
            None if !goes_on() => return Err(io::ErrorKind::Unsupported.into()),
            None => match within(file, offset, count).map_err(refusal)? {
                0 => return Ok(0),
                count => Transfer::begin(stream, tell, file, offset, count).map_err(refusal)?,
            },
        };
        assert_eq!(transfer.offset, offset, "the file that is being sent is the first in the queue");
        let sent = transfer.result();
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            *under_way = Some(transfer);
        }
        sent
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            transfer.cancel();
        }
    }
}

/// How many of `count` bytes the file has from `offset` on. To send none means to send all, and what a transfer does that
/// begins behind the end is written nowhere. What says that it is empty, such as a device, has to be read to know.
fn within(file: &File, offset: u64, count: usize) -> io::Result<u32> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let count = u32::try_from(count).expect("the caller asks for less than 2 GiB");
    let left = length.saturating_sub(offset);
    Ok(u32::try_from(left).map_or(count, |left| count.min(left)))
}

/// One transfer. Made anew for each: nothing that the system may still write to is ever used again.
struct Transfer {
    /// The system's from the beginning of the transfer to its end.
    overlapped: UnsafeCell<OVERLAPPED>,
    /// Signalled at the end.
    event: OwnedHandle,
    /// The thread pool's wait for that.
    wait: AtomicPtr<c_void>,
    socket: RawSocket,
    /// A handle of its own, so that closing the file does not matter.
    file: File,
    offset: u64,
    fd: Fd,
    edges: Arc<Edges>,
}

// SAFETY: the threads that share it are that of the driver and one of the pool. The latter touches `fd` and `edges`, and drops
// its share, which may be the last. All other fields are handles, which know no thread, and `overlapped`, which the driver's
// thread alone hands to the system.
unsafe impl Send for Transfer {}
// SAFETY: as above.
unsafe impl Sync for Transfer {}

impl Transfer {
    /// Begins to send `count` bytes, of which the file has all.
    fn begin(
        stream: &TcpStream,
        (fd, edges): (Fd, &Arc<Edges>),
        file: &File,
        offset: u64,
        count: u32,
    ) -> io::Result<Arc<Transfer>> {
        let event = new_event()?;
        let mut overlapped = OVERLAPPED::default();
        overlapped.Anonymous.Anonymous.Offset = offset as u32;
        overlapped.Anonymous.Anonymous.OffsetHigh = (offset >> 32) as u32;
        overlapped.hEvent = event.as_raw_handle();
        let transfer = Arc::new(Transfer {
            overlapped: UnsafeCell::new(overlapped),
            event,
            wait: AtomicPtr::default(),
            socket: stream.as_raw_socket(),
            file: file.try_clone()?,
            offset,
            fd,
            edges: Arc::clone(edges),
        });
        transfer.have_the_end_told()?;
        transfer.transmit(count)?;
        Ok(transfer)
    }

    /// Gives the thread pool its share, until the event is signalled.
    fn have_the_end_told(self: &Arc<Transfer>) -> io::Result<()> {
        let mut wait = ptr::null_mut();
        let share = Arc::into_raw(Arc::clone(self)).cast::<c_void>();
        let event = self.event.as_raw_handle();
        // SAFETY: the event stays open while the pool has its share, which it has until the callback, which comes once.
        let waits = unsafe {
            RegisterWaitForSingleObject(&mut wait, event, Some(ended), share, INFINITE, WT_EXECUTEONLYONCE)
        };
        if waits == 0 {
            let error = io::Error::last_os_error();
            // SAFETY: it is the share made above, and there will be no callback.
            drop(unsafe { Arc::from_raw(share.cast::<Transfer>()) });
            return Err(error);
        }
        self.wait.store(wait, Ordering::Release);
        Ok(())
    }

    fn transmit(&self, count: u32) -> io::Result<()> {
        let (socket, file) = (self.socket as SOCKET, self.file.as_raw_handle());
        // SAFETY: the caller has borrowed the stream, and this owns the file. The thread pool's share keeps all that is
        // pointed to where it is until the event is signalled, which the system does last of all. There are no buffers.
        let ended = unsafe { TransmitFile(socket, file, count, 0, self.overlapped.get(), ptr::null(), 0) };
        if ended != 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(ERROR_IO_PENDING as i32) => Ok(()),
            error => {
                // The pool is to give up its share: the system will not signal what never began.
                // SAFETY: the event is open.
                let is_set = unsafe { SetEvent(self.event.as_raw_handle()) };
                assert_ne!(is_set, 0, "an event of our own can be signalled");
                Err(error)
            }
        }
    }

    /// What came of it; `WouldBlock` while it goes on.
    fn result(&self) -> io::Result<usize> {
        let (mut sent, mut flags) = (0, 0);
        // SAFETY: `overlapped` is that of an operation that was begun. Without waiting it is only looked at.
        let has_ended = unsafe {
            WSAGetOverlappedResult(self.socket as SOCKET, self.overlapped.get(), &mut sent, 0, &mut flags)
        };
        if has_ended != 0 {
            return Ok(usize::try_from(sent).expect("no less than 32 bits"));
        }
        match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(WSA_IO_INCOMPLETE) => Err(io::ErrorKind::WouldBlock.into()),
            error => Err(error),
        }
    }

    /// Has the system end it. That may take a while, and it may have ended already.
    fn cancel(&self) {
        // SAFETY: the socket is open, as the owner of a `Sending` sees to. The pointer is compared, and nothing more.
        unsafe { CancelIoEx(self.socket as HANDLE, self.overlapped.get()) };
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let wait = *self.wait.get_mut();
        if !wait.is_null() {
            // SAFETY: it is the wait that was registered, whose callback runs, or has run: the pool has no share any more.
            // This form waits for nobody, and so may be called by that callback too.
            unsafe { UnregisterWait(wait) };
        }
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer").field("fd", &self.fd).field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// The transfer has ended, or never began. On a thread of the pool.
unsafe extern "system" fn ended(share: *mut c_void, _: bool) {
    // SAFETY: it is the share that was given to the pool, and the pool calls once.
    let transfer = unsafe { Arc::from_raw(share.cast::<Transfer>().cast_const()) };
    transfer.edges.tell(transfer.fd, Readiness::WRITABLE);
}

fn new_event() -> io::Result<OwnedHandle> {
    const STAYS_SIGNALLED: i32 = 1;
    // SAFETY: no attributes and no name.
    let event = unsafe { CreateEventW(ptr::null(), STAYS_SIGNALLED, 0, ptr::null()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was made above, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(event) })
}

/// Whether this is an edition for clients.
fn has_few_transfers() -> bool {
    static IS_FOR_CLIENTS: OnceLock<bool> = OnceLock::new();
    *IS_FOR_CLIENTS.get_or_init(|| {
        let mut wanted = OSVERSIONINFOEXW {
            dwOSVersionInfoSize: size_of::<OSVERSIONINFOEXW>() as u32,
            wProductType: VER_NT_WORKSTATION as u8,
            ..OSVERSIONINFOEXW::default()
        };
        // SAFETY: it computes a number.
        let equal = unsafe { VerSetConditionMask(0, VER_PRODUCT_TYPE, VER_EQUAL as u8) };
        // SAFETY: the structure has the size that it says.
        unsafe { VerifyVersionInfoW(&mut wanted, VER_PRODUCT_TYPE, equal) != 0 }
    })
}

/// Why nothing was begun. What is no error of Winsock's is about the file, or about what a transfer needs.
fn refusal(error: io::Error) -> io::Error {
    let is_of_the_stream = error.raw_os_error().is_some_and(|code| code >= WSABASEERR);
    if is_of_the_stream { error } else { io::ErrorKind::Unsupported.into() }
}

/// A transfer that failed on its way is never about the file: nobody knows how much of it was sent, so that nobody can go on.
pub(super) fn speaks_of_the_file(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.kind() == io::ErrorKind::Unsupported
}

#[cfg(test)]
mod tests;
