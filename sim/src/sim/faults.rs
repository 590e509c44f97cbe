//! What is said of links, hosts, disks and `buggify!` sites before the run, and who is meant by it.

use super::Sim;
use crate::disk::Copies;
use crate::fabric::HostIndex;
use crate::fault::{DiskFaults, HostFaults, LinkFaults};
use crate::state::{FilterKey, FilterKind, Predicate};

impl Sim {
    /// How every link behaves that is not told otherwise, to be changed in place.
    ///
    /// ```
    /// use twinloop_sim::Units;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("a", || async { Ok(()) });
    ///     sim.client("b", || async { Ok(()) });
    ///     sim.client("c", || async { Ok(()) });
    ///     sim.links().latency(2.ms()).jitter(5.ms());
    ///     sim.link("a", "b").loss(0.02);
    ///     sim.one_way("c", "a").loss(0.5);
    ///     sim.at(3.s()).link("a", "b").loss(0.0);
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn links(&mut self) -> &mut LinkFaults {
        &mut self.link_faults
    }

    /// How the link between `a` and `b` behaves, in both directions: at first as [`Sim::links`] has it by then.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn link(&mut self, a: &str, b: &str) -> &mut LinkFaults {
        let (a, b) = (self.index(a), self.index(b));
        self.link_of((a, b))
    }

    /// How one direction of a link behaves: at first as [`Sim::link`] or [`Sim::links`] has it by then.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn one_way(&mut self, from: &str, to: &str) -> &mut LinkFaults {
        let (from, to) = (self.index(from), self.index(to));
        self.own_link((from, to), false)
    }

    /// How every host behaves that is not told otherwise, to be changed in place.
    pub fn faults(&mut self) -> &mut HostFaults {
        &mut self.host_faults
    }

    /// How `host` behaves: at first as [`Sim::faults`] has it by then.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn host_faults(&mut self, host: &str) -> &mut HostFaults {
        let host = self.index(host);
        let own = &mut self.own_host_faults;
        let at = own.iter().position(|(index, _)| *index == host).unwrap_or_else(|| {
            own.push((host, self.host_faults.clone()));
            own.len() - 1
        });
        &mut own[at].1
    }

    /// How every disk behaves that is not told otherwise, to be changed in place.
    ///
    /// ```
    /// use twinloop_sim::Units;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("a", || async { Ok(()) });
    ///     sim.client("b", || async { Ok(()) });
    ///     sim.disks().jitter(2.ms()).slow_sync(0.01);
    ///     sim.disk("a").sync_error(0.01);
    ///     sim.at(10.s()).disk("b").capacity(0);
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn disks(&mut self) -> &mut DiskFaults {
        &mut self.disk_faults
    }

    /// How the disk of `host` behaves: at first as [`Sim::disks`] has it by then.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn disk(&mut self, host: &str) -> &mut DiskFaults {
        let host = self.index(host);
        let own = &mut self.own_disk_faults;
        let at = own.iter().position(|(index, _)| *index == host).unwrap_or_else(|| {
            own.push((host, self.disk_faults.clone()));
            own.len() - 1
        });
        &mut own[at].1
    }

    /// Promises that, whatever the disks of `hosts` do, each 4 KiB of what they keep stays whole on `survive` of them:
    /// latent errors, rot, lost and misdirected writes and misdirected reads strike no others there. So a program that
    /// repairs what is broken from other copies must lose nothing.
    ///
    /// The same offset in a file is taken for the same copy, whatever the file is called. Of what a crash takes nothing is
    /// promised: who has synced has it.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before, and if more copies are to survive than there are.
    ///
    /// ```
    /// use twinloop::File;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     for host in ["a", "b", "c"] {
    ///         sim.client(host, || async {
    ///             let record = File::open("/record").await?.read_range(0, 100).await;
    ///             twinloop::fs::write("/found", vec![u8::from(record.is_ok())]).await?;
    ///             Ok(())
    ///         });
    ///         sim.file(host, "/record", b"the only one");
    ///     }
    ///     sim.disks().latent_error(1.0);
    ///     sim.copies(["a", "b", "c"], 2);
    ///     let disks = ["a", "b", "c"].map(|host| sim.disk_of(host));
    ///     sim.check("two copies are left", move || {
    ///         let whole = disks.iter().filter(|disk| disk.read("/found") == Some(vec![1])).count();
    ///         if whole == 2 { Ok(()) } else { Err(format!("{whole} are left")) }
    ///     });
    /// });
    /// assert!(report.verdict.is_passed(), "{}", report.verdict);
    /// ```
    pub fn copies<'h>(&mut self, hosts: impl IntoIterator<Item = &'h str>, survive: usize) {
        let hosts: Vec<HostIndex> = hosts.into_iter().map(|host| self.index(host)).collect();
        assert!(survive <= hosts.len(), "of {} copies, {survive} can not survive", hosts.len());
        self.copies.push(Copies { hosts, survive });
    }

    /// How probable it is, for each [`buggify!`](twinloop::buggify) site of the program, that it is on in this run; 0
    /// if nothing is said. Each is drawn once, when a program first comes there. A site that is on fires with its own
    /// probability.
    ///
    /// ```
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::run_world;
    /// use twinloop_sim::story::Telling;
    ///
    /// let times = |seed| {
    ///     let report = run_world(&Choices::Seeded(seed), Telling::Silent, |sim| {
    ///         sim.buggify(0.25);
    ///         sim.client("host", || async {
    ///             for _ in 0..100 {
    ///                 let _is_unlucky = twinloop::buggify!("rarely unlucky", 0.05);
    ///             }
    ///             Ok(())
    ///         });
    ///     });
    ///     report.reached.count("rarely unlucky")
    /// };
    /// assert!((0..100).any(|seed| times(seed) == 0) && (0..100).any(|seed| times(seed) > 1));
    /// ```
    pub fn buggify(&mut self, activation: f64) {
        self.buggify.set(activation);
    }

    /// As [`Sim::buggify`] for the site called `name`, whatever is said of the others: 0 for one that this scenario is not to
    /// meet, 1 for one that it is about.
    ///
    /// # Panics
    ///
    /// If no site of the program is called so.
    ///
    /// ```
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::run_world;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.buggify_site("the disk is slow", 1.0);
    ///     sim.client("host", || async {
    ///         assert!(twinloop::buggify!("the disk is slow", 1.0));
    ///         assert!(!twinloop::buggify!("the cache is cold", 1.0));
    ///         Ok(())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn buggify_site(&mut self, name: &str, activation: f64) {
        self.buggify.set_site(name, activation);
    }

    pub(crate) fn link_of(&mut self, ends: (HostIndex, HostIndex)) -> &mut LinkFaults {
        self.own_link(ends, true)
    }

    /// What was said of a link last; of all of them, if nothing was said of this one.
    pub(crate) fn faults_between(&self, from: HostIndex, to: HostIndex) -> &LinkFaults {
        let own = self.own_link_faults.iter().rev().find(|own| own.concerns(from, to));
        own.map_or(&self.link_faults, |own| &own.faults)
    }

    pub(crate) fn disk_faults_of(&self, host: HostIndex) -> &DiskFaults {
        let own = self.own_disk_faults.iter().find(|(index, _)| *index == host);
        own.map_or(&self.disk_faults, |(_, faults)| faults)
    }

    pub(crate) fn faults_of(&self, host: HostIndex) -> &HostFaults {
        let own = self.own_host_faults.iter().find(|(index, _)| *index == host);
        own.map_or(&self.host_faults, |(_, faults)| faults)
    }

    /// Messages of a direction are singled out from the beginning.
    pub(crate) fn filter(
        &mut self,
        from: &str,
        to: &str,
        kind: FilterKind,
        predicate: Predicate,
    ) -> FilterKey {
        let (from, to) = (self.index(from), self.index(to));
        let key = FilterKey { from, to, number: self.filters.len() as u64 };
        self.filters.push((key, kind, predicate));
        key
    }

    fn own_link(&mut self, ends: (HostIndex, HostIndex), both_ways: bool) -> &mut LinkFaults {
        let faults = self.faults_between(ends.0, ends.1).clone();
        self.own_link_faults.push(OwnLinkFaults { ends, both_ways, faults });
        &mut self.own_link_faults.last_mut().expect("it was pushed above").faults
    }
}

/// What was said of one link.
pub(super) struct OwnLinkFaults {
    ends: (HostIndex, HostIndex),
    both_ways: bool,
    faults: LinkFaults,
}

impl OwnLinkFaults {
    fn concerns(&self, from: HostIndex, to: HostIndex) -> bool {
        self.ends == (from, to) || (self.both_ways && self.ends == (to, from))
    }
}
