//! Descriptors of names that are being looked up: an answer comes from outside, and is taken once.

use std::net::IpAddr;

use twinloop::driver::{Fd, OsError, Readiness};

use super::errno::EINVAL;
use super::{Kernel, Socket};

/// A lookup, and its answer once that has come.
pub(super) type Lookup = Option<Result<Vec<IpAddr>, OsError>>;

impl Kernel {
    pub(crate) fn begin_lookup(&mut self) -> Fd {
        self.open(Socket::Lookup(None))
    }

    /// The answer has come. Nobody hears of it if the lookup was given up.
    pub(crate) fn answer_lookup(&mut self, fd: Fd, answer: Result<Vec<IpAddr>, OsError>) {
        let Some(Socket::Lookup(lookup)) = self.sockets.get_mut(fd.key()) else { return };
        assert!(lookup.is_none(), "a lookup is answered once");
        *lookup = Some(answer);
        self.raise(fd, Readiness::READABLE);
    }

    pub(crate) fn resolved(&mut self, fd: Fd) -> Result<Vec<IpAddr>, OsError> {
        match self.socket_mut(fd)? {
            Socket::Lookup(lookup) => lookup.clone().unwrap_or(Err(OsError::WOULD_BLOCK)),
            _ => Err(EINVAL),
        }
    }
}
