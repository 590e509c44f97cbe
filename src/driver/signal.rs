//! Signals by their names. Who gets them is the driver's business.

use std::fmt;

/// A signal that the system sends to a process, or one process to another.
///
/// Windows has no signals. There, [`Interrupt`](Signal::Interrupt) is Ctrl-C, [`Quit`](Signal::Quit) is Ctrl-Break, and
/// [`Terminate`](Signal::Terminate) says that the console is closed, the user logs off or the system shuts down; nobody can
/// listen to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGHUP`: the terminal is gone. Servers take it as the wish to read their configuration again.
    Hangup,
    /// `SIGINT`: Ctrl-C.
    Interrupt,
    /// `SIGQUIT`: Ctrl-\\.
    Quit,
    /// `SIGTERM`: the process is to end, as a service manager asks for it.
    Terminate,
    /// `SIGUSR1`: whatever the program makes of it.
    User1,
    /// `SIGUSR2`: whatever the program makes of it.
    User2,
    /// `SIGWINCH`: the terminal has another size.
    WindowChange,
}

impl Signal {
    /// Whether it ends a process that does not listen to it. All do but [`WindowChange`](Signal::WindowChange).
    ///
    /// ```
    /// use twinloop::driver::Signal;
    ///
    /// assert!(Signal::User1.ends_process());
    /// assert!(!Signal::WindowChange.ends_process());
    /// ```
    pub const fn ends_process(self) -> bool {
        !matches!(self, Signal::WindowChange)
    }
}

/// The name that POSIX has for it.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Signal::Hangup => "SIGHUP",
            Signal::Interrupt => "SIGINT",
            Signal::Quit => "SIGQUIT",
            Signal::Terminate => "SIGTERM",
            Signal::User1 => "SIGUSR1",
            Signal::User2 => "SIGUSR2",
            Signal::WindowChange => "SIGWINCH",
        })
    }
}
