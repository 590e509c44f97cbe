//! How lookups of names go wrong at a host: the settings, and the verdict on each lookup and each answer.

use std::net::IpAddr;
use std::time::Duration;

use twinloop::Moment;

use super::super::{checked, draw_duration};
use super::HostFaults;
use crate::choice::{Chooser, Site};
use crate::names::{Answer, NameFailure};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct LookupFaults {
    pub(super) latency: Duration,
    jitter: Duration,
    loss: f64,
    patience: Duration,
    failure: f64,
    stale: f64,
    stale_for: Duration,
    partial: f64,
    rotated: f64,
}

impl Default for LookupFaults {
    fn default() -> Self {
        LookupFaults {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: 0.0,
            patience: Duration::ZERO,
            failure: 0.0,
            stale: 0.0,
            stale_for: Duration::from_secs(60),
            partial: 0.0,
            rotated: 0.0,
        }
    }
}

impl HostFaults {
    /// Each lookup of a name takes at least this long; 1 ms if nothing is said.
    pub fn lookup_latency(&mut self, least: Duration) -> &mut Self {
        self.lookups.latency = least;
        self
    }

    /// Each lookup of a name may take up to this much longer.
    pub fn lookup_jitter(&mut self, most: Duration) -> &mut Self {
        self.lookups.jitter = most;
        self
    }

    /// The probability that nobody answers a lookup of a name: it fails as with [`NameFailure::NoAnswer`].
    pub fn lookup_loss(&mut self, probability: f64) -> &mut Self {
        self.lookups.loss = checked(probability);
        self
    }

    /// How much longer than any other lookup one takes that [nobody answers](HostFaults::lookup_loss); no longer if nothing
    /// is said. The system's resolvers wait for ten seconds and more.
    pub fn lookup_patience(&mut self, time: Duration) -> &mut Self {
        self.lookups.patience = time;
        self
    }

    /// The probability that a lookup of a name fails as with [`NameFailure::ServerFailure`].
    pub fn lookup_failure(&mut self, probability: f64) -> &mut Self {
        self.lookups.failure = checked(probability);
        self
    }

    /// The probability that a lookup is answered with what was true of the name before its last change, out of some
    /// cache: for as long after the change as [`lookup_stale_for`](HostFaults::lookup_stale_for) says. That there was
    /// no such name is kept in caches too.
    ///
    /// ```
    /// use std::net::{IpAddr, Ipv4Addr};
    /// use twinloop::{resolve, sleep};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{Units, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     let (old, new) = (IpAddr::from(Ipv4Addr::new(10, 9, 9, 1)), IpAddr::from(Ipv4Addr::new(10, 9, 9, 2)));
    ///     sim.name("db", [old]);
    ///     sim.at(1.s()).name("db", [new]);
    ///     sim.faults().lookup_stale(1.0).lookup_stale_for(30.s());
    ///     sim.client("client", move || async move {
    ///         sleep(20.s()).await;
    ///         assert_eq!(resolve("db").await?, [old]);
    ///         sleep(20.s()).await;
    ///         assert_eq!(resolve("db").await?, [new]);
    ///         Ok(())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed(), "{}", report.verdict);
    /// ```
    pub fn lookup_stale(&mut self, probability: f64) -> &mut Self {
        self.lookups.stale = checked(probability);
        self
    }

    /// For how long after a change [stale answers](HostFaults::lookup_stale) are given: the time to live of a name. A minute
    /// if nothing is said.
    pub fn lookup_stale_for(&mut self, time: Duration) -> &mut Self {
        self.lookups.stale_for = time;
        self
    }

    /// The probability that a lookup of a name with several addresses is answered with the first few of them alone.
    pub fn lookup_partial(&mut self, probability: f64) -> &mut Self {
        self.lookups.partial = checked(probability);
        self
    }

    /// The probability that the addresses of a name come in another order: those from the front stand at the end, as where a
    /// server spreads its load.
    pub fn lookup_rotated(&mut self, probability: f64) -> &mut Self {
        self.lookups.rotated = checked(probability);
        self
    }
}

/// What draws for one host's lookups.
pub(super) struct LookupSites {
    jitter: Site,
    loss: Site,
    failure: Site,
    stale: Site,
    partial: Site,
    rotated: Site,
}

impl LookupSites {
    /// `None`, without a site, where lookups take their time and nothing else happens.
    pub(super) fn new(chooser: &mut Chooser, host: &str, faults: &LookupFaults) -> Option<LookupSites> {
        let mut site = |what: &str| chooser.site(&format!("{host}: {what}"));
        let LookupFaults { loss, failure, stale, partial, rotated, .. } = faults;
        let draws = [loss, failure, stale, partial, rotated].iter().any(|chance| **chance > 0.0);
        (draws || !faults.jitter.is_zero()).then(|| LookupSites {
            jitter: site("lookup jitter"),
            loss: site("lookup loss"),
            failure: site("lookup failure"),
            stale: site("lookup stale"),
            partial: site("lookup partial"),
            rotated: site("lookup rotated"),
        })
    }

    /// How long a lookup takes, and whether it fails whatever is true of the name.
    pub(super) fn judge(
        &self,
        chooser: &mut Chooser,
        faults: &LookupFaults,
    ) -> (Duration, Option<NameFailure>) {
        let failure = self.draw_failure(chooser, faults);
        let patience = if failure == Some(NameFailure::NoAnswer) { faults.patience } else { Duration::ZERO };
        let least = faults.latency + patience;
        if faults.jitter.is_zero() {
            return (least, failure);
        }
        (draw_duration(chooser, self.jitter, &(least..least + faults.jitter)), failure)
    }

    fn draw_failure(&self, chooser: &mut Chooser, faults: &LookupFaults) -> Option<NameFailure> {
        if chooser.chance(self.loss, faults.loss) {
            return Some(NameFailure::NoAnswer);
        }
        chooser.chance(self.failure, faults.failure).then_some(NameFailure::ServerFailure)
    }

    /// What is answered instead of what is true of a name, and what is wrong with it. `before`: what was true of it before
    /// its last change, and when that was.
    pub(super) fn bend(
        &self,
        chooser: &mut Chooser,
        faults: &LookupFaults,
        now: Moment,
        answer: &Answer,
        before: Option<&(Answer, Moment)>,
    ) -> Option<(Answer, &'static str)> {
        let before = before.filter(|(_, changed_at)| now - *changed_at < faults.stale_for);
        if let Some((before, _)) = before.filter(|_| chooser.chance(self.stale, faults.stale)) {
            return Some((before.clone(), "stale"));
        }
        let mut ips: Vec<IpAddr> = answer.as_ref().ok().filter(|ips| ips.len() > 1)?.clone();
        if chooser.chance(self.partial, faults.partial) {
            ips.truncate(ips.len() - 1 - chooser.pick(self.partial, ips.len() - 1));
            return Some((Ok(ips), "in part"));
        }
        if chooser.chance(self.rotated, faults.rotated) {
            let by = 1 + chooser.pick(self.rotated, ips.len() - 1);
            ips.rotate_left(by);
            return Some((Ok(ips), "in another order"));
        }
        None
    }
}
