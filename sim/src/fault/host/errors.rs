//! What a kernel answers to calls that nothing is wrong with: it is short of something just then, or a signal comes in
//! between. A later call may be answered well.

use std::fmt;
use std::io::ErrorKind;
use std::ops::RangeInclusive;

use twinloop::driver::OsError;

use super::{HostFaults, HostRule};
use crate::choice::{Chooser, Site};
use crate::fault::checked;
use crate::kernel::linux;

/// The machine's table of open files is full.
const ENFILE: OsError = linux(ErrorKind::QuotaExceeded, 23);
/// A connection was given up by its peer before it was accepted.
const ECONNABORTED: OsError = linux(ErrorKind::ConnectionAborted, 103);
/// The kernel has no memory for one more buffer.
const ENOBUFS: OsError = linux(ErrorKind::OutOfMemory, 105);

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ErrorFaults {
    interrupted: f64,
    table_full: f64,
    no_buffers: f64,
    aborted_accept: f64,
}

/// What is asked of the kernel, as far as it may be refused for no reason of its own.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Call {
    /// A descriptor of no socket.
    Open,
    OpenSocket,
    SendDatagram,
    /// There is a connection to accept.
    Accept,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Call::Open => "open",
            Call::OpenSocket => "socket",
            Call::SendDatagram => "send",
            Call::Accept => "accept",
        })
    }
}

impl HostFaults {
    /// The probability that a signal cuts a poll short which has something to tell (`EINTR`): it tells nothing, and the
    /// next one tells all of it. Other calls do not wait, so that no signal comes in between.
    pub fn interrupted(&mut self, probability: f64) -> &mut Self {
        self.errors.interrupted = checked(probability);
        self
    }

    /// The probability that a call which opens a descriptor is refused because all processes of the machine together have as
    /// many as it allows (`ENFILE`). A [limit](HostFaults::descriptors) of the program's own is another thing.
    ///
    /// ```
    /// use twinloop::{Address, ErrorKind, StreamServer};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.faults().table_full(1.0);
    ///     sim.client("host", || async {
    ///         let refused = StreamServer::listen(Address::loopback(0)).unwrap_err();
    ///         assert_eq!((refused.kind(), refused.code()), (ErrorKind::TooManyOpen, Some(23)));
    ///         Ok(())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn table_full(&mut self, probability: f64) -> &mut Self {
        self.errors.table_full = checked(probability);
        self
    }

    /// The probability that a call which opens a socket, or one that sends a datagram, is refused because the kernel has no
    /// memory for it (`ENOBUFS`). A stream that is open waits for memory instead.
    pub fn no_buffers(&mut self, probability: f64) -> &mut Self {
        self.errors.no_buffers = checked(probability);
        self
    }

    /// The probability that the connection which an accept would give was given up by its peer's machine just before
    /// (`ECONNABORTED`): it is gone, and the peer sees a reset.
    pub fn aborted_accept(&mut self, probability: f64) -> &mut Self {
        self.errors.aborted_accept = checked(probability);
        self
    }

    /// The ports that the kernel picks from where a program names none (`ip_local_port_range`): few of them run out
    /// soon, which a connect is told by `EADDRNOTAVAIL` and a bind by `EADDRINUSE`. Default: `32768..=60999`.
    ///
    /// # Panics
    ///
    /// If the range is empty or has port 0.
    ///
    /// ```
    /// use twinloop::connect;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     let server = sim.host("server", 7, |address| async move {
    ///         let server = twinloop::StreamServer::listen(address)?;
    ///         let _streams = (server.accept().await?, server.accept().await?);
    ///         Ok(std::future::pending::<()>().await)
    ///     });
    ///     sim.faults().ephemeral_ports(50_000..=50_000);
    ///     sim.client("client", move || async move {
    ///         let first = connect(server).await?;
    ///         assert_eq!(first.local_address()?.port(), Some(50_000));
    ///         assert_eq!(connect(server).await.unwrap_err().code(), Some(99), "EADDRNOTAVAIL");
    ///         Ok(())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed(), "{}", report.verdict);
    /// ```
    pub fn ephemeral_ports(&mut self, ports: RangeInclusive<u16>) -> &mut Self {
        assert!(!ports.is_empty() && *ports.start() > 0, "ports are picked from 1 on: {ports:?}");
        self.ephemeral_ports = Some(ports);
        self
    }
}

pub(super) struct ErrorSites {
    interrupted: Site,
    table_full: Site,
    no_buffers: Site,
    aborted_accept: Site,
    /// No two polls in a row are cut short: a program gets somewhere also where each may be.
    was_interrupted: bool,
}

impl ErrorSites {
    /// `None`, without a site, where calls are not refused.
    pub(super) fn new(chooser: &mut Chooser, host: &str, faults: &ErrorFaults) -> Option<ErrorSites> {
        let mut site = |what: &str| chooser.site(&format!("{host}: {what}"));
        (*faults != ErrorFaults::default()).then(|| ErrorSites {
            interrupted: site("interrupted poll"),
            table_full: site("table full"),
            no_buffers: site("no buffers"),
            aborted_accept: site("aborted accept"),
            was_interrupted: false,
        })
    }
}

impl HostRule {
    /// Whether no call is ever refused without a reason.
    pub(crate) fn is_well_supplied(&self) -> bool {
        self.error_sites.is_none()
    }

    /// What a call is answered instead of what it asks for.
    pub(crate) fn draw_error(&self, chooser: &mut Chooser, call: Call) -> Option<OsError> {
        let sites = self.error_sites.as_ref()?;
        let ErrorFaults { table_full, no_buffers, aborted_accept, .. } = self.faults.errors;
        let of_file = (sites.table_full, table_full, ENFILE);
        let of_memory = (sites.no_buffers, no_buffers, ENOBUFS);
        let of_connection = (sites.aborted_accept, aborted_accept, ECONNABORTED);
        let possible: &[(Site, f64, OsError)] = match call {
            Call::Open => &[of_file],
            Call::OpenSocket => &[of_file, of_memory],
            Call::SendDatagram => &[of_memory],
            Call::Accept => &[of_connection],
        };
        let drawn = possible.iter().find(|(site, probability, _)| chooser.chance(*site, *probability));
        drawn.map(|(_, _, error)| *error)
    }

    /// Whether a poll that has something to tell is cut short.
    pub(crate) fn draw_interruption(&mut self, chooser: &mut Chooser) -> bool {
        let Some(sites) = &mut self.error_sites else { return false };
        let is_interrupted =
            !sites.was_interrupted && chooser.chance(sites.interrupted, self.faults.errors.interrupted);
        sites.was_interrupted = is_interrupted;
        is_interrupted
    }
}
