//! Faults of whole zones, as a scenario has named them.

use super::Controls;
use super::guard::{Guard, Kept};
use crate::fabric::HostIndex;
use crate::script::Act;
use crate::zones::apart;

/// # Zones
impl Controls {
    /// All hosts of the zone crash, and start again once the guard is dropped.
    ///
    /// ```
    /// use twinloop::{connect, sleep};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{Units, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     for host in ["a", "b"] {
    ///         sim.host(host, 7, |_| std::future::pending());
    ///     }
    ///     sim.zone("eu", &["a", "b"]);
    ///     let controls = sim.controls();
    ///     sim.client("client", move || {
    ///         let controls = controls.clone();
    ///         async move {
    ///             let down = controls.down_zone("eu");
    ///             sleep(1.s()).await;
    ///             assert!(!controls.is_up("a") && !controls.is_up("b"));
    ///             down.heal();
    ///             sleep(1.s()).await;
    ///             assert!(controls.is_up("a") && controls.is_up("b"));
    ///             Ok(())
    ///         }
    ///     });
    /// });
    /// assert!(report.verdict.is_passed(), "{}", report.verdict);
    /// ```
    pub fn down_zone(&self, name: &str) -> Guard {
        self.0.keep(self.0.zone(name).into_iter().map(Kept::Down))
    }

    /// Nothing passes between the two zones. A host that is in both is still reached.
    pub fn partition_zones(&self, one: &str, other: &str) -> Guard {
        self.keep_apart(apart(&self.0.zone(one), &self.0.zone(other)))
    }

    /// Nothing passes between the zone and any host outside.
    pub fn isolate_zone(&self, name: &str) -> Guard {
        let inside = self.0.zone(name);
        let everyone = 0..self.0.hosts.borrow().len();
        let outside: Vec<HostIndex> = everyone.filter(|host| !inside.contains(host)).collect();
        self.keep_apart(apart(&inside, &outside))
    }

    /// All hosts of the zone are gone without a word, until they are restarted.
    pub fn crash_zone(&self, name: &str) {
        self.0.zone(name).into_iter().for_each(|host| self.0.ask(Act::Crash { host }));
    }

    /// All hosts of the zone that are down start again.
    pub fn restart_zone(&self, name: &str) {
        self.0.zone(name).into_iter().for_each(|host| self.0.ask(Act::Restart { host }));
    }
}
