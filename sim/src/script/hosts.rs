//! The steps of a script that concern one host: its process, its processor, its clocks.

use std::time::Duration;

use twinloop::driver::Signal;

use super::{Act, At};

/// What befalls a host at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HostFault {
    Kill,
    Stop,
    Signal(Signal),
    Halt { length: Option<Duration>, suspended: bool },
    Resume,
}

impl At<'_> {
    /// The host's process is killed (`SIGKILL`), until it is [restarted](At::restart). The machine lives: its kernel
    /// closes what the process had open, so that peers see an end of stream or a reset, and what was written to files
    /// stays.
    pub fn kill(self, host: &str) -> Self {
        self.befall(host, HostFault::Kill)
    }

    /// The host's program is asked to end: it gets [`Signal::Terminate`]. If it does not listen it is gone at once. If
    /// it does, it has until its grace is over ([`HostFaults::stop_within`](crate::HostFaults::stop_within)); then it
    /// is killed. With the end of its main future the process ends: other tasks are cancelled, and all that is open is
    /// closed.
    ///
    /// It stays down until it is [restarted](At::restart).
    ///
    /// ```
    /// use twinloop::driver::Signal;
    /// use twinloop::{Signals, StreamServer, connect};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{Units, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     let address = sim.host("server", 7, |address| async move {
    ///         let mut signals = Signals::new(&[Signal::Terminate])?;
    ///         let stream = StreamServer::listen(address)?.accept().await?;
    ///         signals.recv().await;
    ///         stream.write(b"goodbye").await?;
    ///         Ok(())
    ///     });
    ///     sim.client("client", move || async move {
    ///         assert_eq!(connect(address).await?.read_to_end(100).await?, b"goodbye");
    ///         Ok(())
    ///     });
    ///     sim.at(1.s()).stop("server");
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn stop(self, host: &str) -> Self {
        self.befall(host, HostFault::Stop)
    }

    /// The host's process gets a signal. If it does not listen to it, what the signal does by default is done.
    pub fn signal(self, host: &str, signal: Signal) -> Self {
        self.befall(host, HostFault::Signal(signal))
    }

    /// The host's programs stand still, until they are [resumed](At::resume). Its kernel goes on, as in
    /// [`HostFaults::pause`](crate::HostFaults::pause).
    pub fn pause(self, host: &str) -> Self {
        self.befall(host, HostFault::Halt { length: None, suspended: false })
    }

    /// As [`At::pause`], for so long.
    pub fn pause_for(self, host: &str, length: Duration) -> Self {
        self.befall(host, HostFault::Halt { length: Some(length), suspended: false })
    }

    /// The whole machine stands still, until it is [resumed](At::resume), as in
    /// [`HostFaults::suspend`](crate::HostFaults::suspend).
    pub fn suspend(self, host: &str) -> Self {
        self.befall(host, HostFault::Halt { length: None, suspended: true })
    }

    /// As [`At::suspend`], for so long.
    pub fn suspend_for(self, host: &str, length: Duration) -> Self {
        self.befall(host, HostFault::Halt { length: Some(length), suspended: true })
    }

    /// A host that is paused or suspended goes on.
    pub fn resume(self, host: &str) -> Self {
        self.befall(host, HostFault::Resume)
    }

    /// The host's wall clock is set forward.
    pub fn wall_clock_forward(self, host: &str, by: Duration) -> Self {
        self.jump_wall(host, nanos(by))
    }

    /// The host's wall clock is set back.
    pub fn wall_clock_back(self, host: &str, by: Duration) -> Self {
        self.jump_wall(host, -nanos(by))
    }

    fn jump_wall(self, host: &str, by_ns: i64) -> Self {
        let host = self.sim.index(host);
        self.step(Act::JumpWall { host, by_ns })
    }

    fn befall(self, host: &str, fault: HostFault) -> Self {
        let host = self.sim.index(host);
        self.step(Act::Befall { host, fault })
    }
}

pub(crate) fn nanos(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).expect("a clock jumps by less than 292 years")
}
