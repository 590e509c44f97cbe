//! Signals of the one process that a host has: who listens, and what has come. What one does that nobody listens to is not
//! decided here.

use std::collections::BTreeSet;

use twinloop::driver::{Fd, OsError, Readiness, Signal};

use super::errno::EINVAL;
use super::{Kernel, Socket};

/// What a descriptor of signals refers to.
pub(super) struct Listening {
    signals: BTreeSet<Signal>,
    /// What has come and was not told. As on Linux, a signal is pending or it is not: it is not counted.
    pending: BTreeSet<Signal>,
}

impl Kernel {
    pub(crate) fn signals(&mut self, signals: &[Signal]) -> Fd {
        let listening = Listening { signals: signals.iter().copied().collect(), pending: BTreeSet::new() };
        self.open(Socket::Signals(listening))
    }

    pub(crate) fn next_signal(&mut self, fd: Fd) -> Result<Signal, OsError> {
        match self.socket_mut(fd)? {
            Socket::Signals(listening) => listening.pending.pop_first().ok_or(OsError::WOULD_BLOCK),
            _ => Err(EINVAL),
        }
    }

    /// Tells a signal to all who listen to it; says whether anybody does.
    pub(crate) fn signal(&mut self, signal: Signal) -> bool {
        let mut is_heard = false;
        for key in self.sockets.keys() {
            if let Some(Socket::Signals(listening)) = self.sockets.get_mut(key) {
                if listening.signals.contains(&signal) {
                    is_heard = true;
                    listening.pending.insert(signal);
                    self.raise(Fd::from_key(key), Readiness::READABLE);
                }
            }
        }
        is_heard
    }
}
