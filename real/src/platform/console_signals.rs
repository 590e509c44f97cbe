//! What a console of Windows tells a process, as signals: who listens in this process, and waking them.
#![expect(unsafe_code, reason = "the console calls a function of ours")]

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use twinloop::driver::{Fd, Signal, Unpark};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
    SetConsoleCtrlHandler,
};
use windows_sys::core::BOOL;

use crate::poller::Poller;

/// One that listens. No selector knows of it: whoever tells it something wakes the driver.
#[derive(Debug)]
pub(crate) struct SignalListener(Arc<Shared>);

struct Shared {
    wanted: BTreeSet<Signal>,
    pending: Mutex<BTreeSet<Signal>>,
    /// Something has come since the driver looked last.
    has_news: AtomicBool,
    unparker: Arc<dyn Unpark>,
}

/// All that listen in this process.
static LISTENERS: Mutex<Vec<Arc<Shared>>> = Mutex::new(Vec::new());

impl SignalListener {
    pub(crate) fn new(signals: &[Signal], unparker: Arc<dyn Unpark>) -> io::Result<SignalListener> {
        let known = [Signal::Interrupt, Signal::Quit, Signal::Terminate];
        if !signals.iter().all(|signal| known.contains(signal)) {
            return Err(ErrorKind::Unsupported.into());
        }
        handle_events()?;
        let wanted = signals.iter().copied().collect();
        let (pending, has_news) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { wanted, pending, has_news, unparker });
        locked(&LISTENERS).push(Arc::clone(&shared));
        Ok(SignalListener(shared))
    }

    /// Says that no selector watches it.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "other systems have a selector for it")]
    pub(crate) fn watch(&mut self, _poller: &Poller, _fd: Fd) -> io::Result<bool> {
        Ok(false)
    }

    /// Whether something has come that no selector tells.
    pub(crate) fn has_news(&self) -> bool {
        self.0.has_news.swap(false, Ordering::SeqCst)
    }

    #[expect(clippy::unnecessary_wraps, reason = "other systems have a selector for it")]
    pub(crate) fn take(&mut self, _poller: &Poller, _fd: Fd) -> io::Result<Option<Signal>> {
        Ok(locked(&self.0.pending).pop_first())
    }
}

impl Drop for SignalListener {
    fn drop(&mut self) {
        locked(&LISTENERS).retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// Windows sends no process such a thing, so only those who listen can be told.
pub(crate) fn raise(signal: Signal) -> io::Result<()> {
    if tell(signal) { Ok(()) } else { Err(ErrorKind::Unsupported.into()) }
}

/// Says whether anybody listens.
fn tell(signal: Signal) -> bool {
    let mut is_heard = false;
    for listener in locked(&LISTENERS).iter().filter(|listener| listener.wanted.contains(&signal)) {
        is_heard = true;
        locked(&listener.pending).insert(signal);
        listener.has_news.store(true, Ordering::SeqCst);
        listener.unparker.unpark();
    }
    is_heard
}

/// Has the console call [`on_event`], once for the process. It stays: without a listener it leaves every event to the system.
fn handle_events() -> io::Result<()> {
    static ONCE: Once = Once::new();
    let mut asked = 1;
    // SAFETY: `on_event` lives as long as the process, and may be called from any thread at any time.
    ONCE.call_once(|| asked = unsafe { SetConsoleCtrlHandler(Some(on_event), 1) });
    if asked == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Called on a thread of its own. True: the event is dealt with.
unsafe extern "system" fn on_event(event: u32) -> BOOL {
    let (signal, is_last) = match event {
        CTRL_C_EVENT => (Signal::Interrupt, false),
        CTRL_BREAK_EVENT => (Signal::Quit, false),
        CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT => (Signal::Terminate, true),
        _ => return 0,
    };
    if !tell(signal) {
        return 0;
    }
    // With the return of this function the process ends. It has some seconds from the system, so this thread waits for it.
    if is_last {
        loop {
            thread::park();
        }
    }
    1
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing of what is done under the locks leaves anything in pieces.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
