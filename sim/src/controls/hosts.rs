//! Faults of hosts and their disks: those that a guard keeps up, and those that happen once.

use std::rc::Rc;
use std::time::Duration;

use twinloop::driver::Signal;

use super::Controls;
use super::guard::{Guard, Kept};
use crate::fault::{DiskFaults, HostFaults};
use crate::script::{Act, HostFault, nanos};

/// # Hosts
impl Controls {
    /// The host's programs stand still; its kernel goes on.
    pub fn pause(&self, host: &str) -> Guard {
        self.0.keep([Kept::Halt { host: self.0.index(host), suspended: false }])
    }

    /// The whole machine stands still, as by [`At::suspend`](crate::At::suspend).
    pub fn suspend(&self, host: &str) -> Guard {
        self.0.keep([Kept::Halt { host: self.0.index(host), suspended: true }])
    }

    /// The host crashes, and starts again once the guard is dropped.
    pub fn down(&self, host: &str) -> Guard {
        self.0.keep([Kept::Down(self.0.index(host))])
    }

    /// The host behaves otherwise: `change` is given how it behaves now. Guards compose as those of [`Controls::with_link`].
    pub fn with_host(&self, host: &str, change: impl Fn(&mut HostFaults) + 'static) -> Guard {
        self.0.change_host(self.0.index(host), Rc::new(change))
    }

    /// The host's disk behaves otherwise: `change` is given how it behaves now. Guards compose as those of
    /// [`Controls::with_link`].
    ///
    /// ```
    /// use twinloop::fs;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::run_world;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     let controls = sim.controls();
    ///     sim.client("host", move || {
    ///         let controls = controls.clone();
    ///         async move {
    ///             let full = controls.with_disk("host", |disk| _ = disk.capacity(0));
    ///             assert!(fs::write("/log", b"entry").await.is_err());
    ///             full.heal();
    ///             fs::write("/log", b"entry").await?;
    ///             Ok(())
    ///         }
    ///     });
    /// });
    /// assert!(report.verdict.is_passed(), "{}", report.verdict);
    /// ```
    pub fn with_disk(&self, host: &str, change: impl Fn(&mut DiskFaults) + 'static) -> Guard {
        self.0.change_disk(self.0.index(host), Rc::new(change))
    }

    // ---- what happens once ----

    /// The host is gone without a word, until it is [restarted](Controls::restart).
    pub fn crash(&self, host: &str) {
        self.0.ask(Act::Crash { host: self.0.index(host) });
    }

    /// The host starts, if it is down.
    pub fn restart(&self, host: &str) {
        self.0.ask(Act::Restart { host: self.0.index(host) });
    }

    /// The host's process is killed, as by [`At::kill`](crate::At::kill).
    pub fn kill(&self, host: &str) {
        self.befall(host, HostFault::Kill);
    }

    /// The host's program is asked to end, as by [`At::stop`](crate::At::stop).
    pub fn stop(&self, host: &str) {
        self.befall(host, HostFault::Stop);
    }

    /// The host's process gets a signal, as by [`At::signal`](crate::At::signal).
    pub fn signal(&self, host: &str, signal: Signal) {
        self.befall(host, HostFault::Signal(signal));
    }

    /// The host's wall clock is set forward. A machine that is down has none.
    pub fn wall_clock_forward(&self, host: &str, by: Duration) {
        self.0.ask(Act::JumpWall { host: self.0.index(host), by_ns: nanos(by) });
    }

    /// The host's wall clock is set back. A machine that is down has none.
    pub fn wall_clock_back(&self, host: &str, by: Duration) {
        self.0.ask(Act::JumpWall { host: self.0.index(host), by_ns: -nanos(by) });
    }

    fn befall(&self, host: &str, fault: HostFault) {
        self.0.ask(Act::Befall { host: self.0.index(host), fault });
    }
}
