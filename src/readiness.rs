//! Waiting in a task until a bare descriptor is ready. It makes no system call on the descriptor, and knows no transport.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::dispatcher::{Core, Interest, Waiter};
use crate::driver::Fd;
use crate::table::Key;
use crate::{AsyncCallback, Handle, WatchError};

impl Handle {
    /// Waits until `fd` is readable: if it is now, or once it becomes so (R70). Nothing is read.
    ///
    /// A driver may tell readiness with nothing behind it. So try, and wait again if the call would have to.
    ///
    /// While it waits, it is the one reader of the descriptor. Dropping the future ends the wait.
    ///
    /// # Errors
    ///
    /// As [`Handle::add_reader`], when it is first polled; [`WatchError::Closed`] too if `fd` is closed meanwhile (R77).
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::driver::{ConnectOptions, ListenOptions, OsError};
    /// use twinloop::{Address, Handle};
    ///
    /// let handle = Handle::current();
    /// let listener = handle.listen(&Address::loopback(80), &ListenOptions::default())?;
    /// let client = handle.connect(&Address::loopback(80), &ConnectOptions::default())?;
    /// let accepted = loop {
    ///     handle.readable(listener).await?;
    ///     match handle.accept(listener) {
    ///         Err(error) if error.is_would_block() => {}
    ///         accepted => break accepted?,
    ///     }
    /// };
    /// # for fd in [accepted.0, client, listener] { handle.close(fd) }
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn readable(&self, fd: Fd) -> UntilReady {
        UntilReady::new(*self, fd, Interest::Read, Location::caller())
    }

    /// As [`Handle::readable`], for the direction of writing.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::driver::{ConnectOptions, ListenOptions};
    /// use twinloop::{Address, Handle};
    ///
    /// let handle = Handle::current();
    /// let listener = handle.listen(&Address::loopback(80), &ListenOptions::default())?;
    /// let client = handle.connect(&Address::loopback(80), &ConnectOptions::default())?;
    /// handle.writable(client).await?;
    /// assert_eq!(handle.take_error(client)?, None, "a connect has ended when the descriptor is writable");
    /// # for fd in [client, listener] { handle.close(fd) }
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn writable(&self, fd: Fd) -> UntilReady {
        UntilReady::new(*self, fd, Interest::Write, Location::caller())
    }
}

/// The future of [`Handle::readable`] and [`Handle::writable`].
#[must_use = "futures do nothing unless awaited"]
pub struct UntilReady {
    handle: Handle,
    fd: Fd,
    interest: Interest,
    place: &'static Location<'static>,
    /// From the first poll to the last, what the dispatcher keeps of it.
    wait: Option<Key>,
}

/// What the dispatcher keeps of a wait.
struct Wait {
    fd: Fd,
    interest: Interest,
    /// The descriptor was ready, or was closed.
    told: Cell<bool>,
    waiter: Cell<Waiter>,
}

impl UntilReady {
    pub(crate) fn new(
        handle: Handle,
        fd: Fd,
        interest: Interest,
        place: &'static Location<'static>,
    ) -> UntilReady {
        UntilReady { handle, fd, interest, place, wait: None }
    }

    /// Becomes the watcher of its direction.
    fn begin(&mut self, core: &Core) -> Result<Key, WatchError> {
        let (fd, interest) = (self.fd, self.interest);
        let wait = Wait { fd, interest, told: Cell::new(false), waiter: Cell::default() };
        let key = core.insert_object(Rc::new(wait));
        if let Err(error) = core.watch(fd, interest, AsyncCallback::new(tell, key.into_word()), self.place) {
            core.remove_object(key);
            return Err(error);
        }
        self.wait = Some(key);
        Ok(key)
    }

    /// Takes its state out of the dispatcher, and its watcher if that is still there.
    fn end(&mut self, core: &Core) {
        let Some(key) = self.wait.take() else { return };
        // A closing dispatcher has dropped its objects.
        let Some(wait) = core.object::<Wait>(key) else { return };
        if !wait.told.get() {
            core.unwatch(wait.fd, wait.interest);
        }
        core.remove_object(key);
    }
}

impl Future for UntilReady {
    type Output = Result<(), WatchError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let core = self.handle.core();
        let key = match self.wait {
            Some(key) => key,
            None => self.begin(&core)?,
        };
        let wait: Rc<Wait> = core.object(key).expect("a wait is kept until its future ends it");
        // The waiter comes out while a waker is cloned or dropped, which may be anyone's code.
        let mut waiter = wait.waiter.take();
        waiter.note(&core, context);
        if !wait.told.get() {
            wait.waiter.set(waiter);
            return Poll::Pending;
        }
        self.end(&core);
        Poll::Ready(if core.is_open(self.fd) { Ok(()) } else { Err(WatchError::Closed) })
    }
}

impl Drop for UntilReady {
    fn drop(&mut self) {
        if let Some(core) = self.handle.try_core() {
            self.end(&core);
        }
    }
}

impl fmt::Debug for UntilReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilReady")
            .field("fd", &self.fd)
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}

/// The watcher's callback. One call is enough: what comes of it, the task finds out.
fn tell(handle: &Handle, word: usize) {
    let core = handle.core();
    let Some(wait) = core.object::<Wait>(Key::from_word(word)) else { return };
    core.unwatch(wait.fd, wait.interest);
    wait.told.set(true);
    let mut waiter = wait.waiter.take();
    waiter.wake(&core);
}
