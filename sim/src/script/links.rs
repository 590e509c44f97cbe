//! What a script does to links: partitions of all shapes, clogs, and messages that are singled out.

use std::rc::Rc;

use super::{Act, At};
use crate::fabric::HostIndex;
use crate::fault::CutWays;
use crate::message::Message;
use crate::state::{FilterKind, Predicate};

/// Something that is done to links besides cutting and healing one.
#[derive(Clone)]
pub(crate) enum LinkAct {
    Isolate { host: HostIndex },
    Clog { from: HostIndex, to: HostIndex },
    Unclog { from: HostIndex, to: HostIndex },
    Filter { from: HostIndex, to: HostIndex, kind: FilterKind, predicate: Predicate },
    EndFilters { from: HostIndex, to: HostIndex, kind: FilterKind },
    HealAll,
}

impl At<'_> {
    /// Nothing passes between hosts of different groups any more, until healed. Hosts in no group talk with everybody, so
    /// that a partition may be partial: with `[["a"], ["b"]]`, `c` still hears both.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinloop::{StreamServer, connect, sleep, timeout};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{Units, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     let address = sim.host("server", 7, |address| async move {
    ///         let server = StreamServer::listen(address)?;
    ///         loop {
    ///             server.accept().await?;
    ///         }
    ///     });
    ///     for (name, is_heard) in [("a", false), ("b", true), ("c", true)] {
    ///         sim.client(name, move || async move {
    ///             sleep(2.s()).await;
    ///             assert_eq!(timeout(1.s(), connect(address)).await.is_ok(), is_heard);
    ///             Ok(())
    ///         });
    ///     }
    ///     sim.at(1.s()).partition_groups(&[&["server", "b"], &["a"]]);
    /// });
    /// assert!(report.verdict.is_passed(), "{}", report.verdict);
    /// ```
    ///
    /// # Panics
    ///
    /// If a host is in two groups.
    pub fn partition_groups(mut self, groups: &[&[&str]]) -> Self {
        let groups: Vec<Vec<HostIndex>> =
            groups.iter().map(|group| group.iter().map(|host| self.sim.index(host)).collect()).collect();
        for (number, group) in groups.iter().enumerate() {
            for other in &groups[number + 1..] {
                for (&from, &to) in group.iter().flat_map(|from| other.iter().map(move |to| (from, to))) {
                    assert!(from != to, "a host is in two groups: it can not be cut off from itself");
                    self = self.step(Act::Cut { from, to, ways: CutWays::Both });
                }
            }
        }
        self
    }

    /// Nothing passes between the host and any other one any more, until healed.
    pub fn isolate(self, host: &str) -> Self {
        let host = self.sim.index(host);
        self.link_step(LinkAct::Isolate { host })
    }

    /// All links carry again: partitions, clogs, and what was dropped or held by a predicate are over. What links do by
    /// chance goes on; [`At::link`] changes that.
    pub fn heal_all(self) -> Self {
        self.link_step(LinkAct::HealAll)
    }

    /// The link delivers nothing that is sent from then on, in both directions, until [`At::unclog`]: then all of it
    /// arrives at once, in order. Programs see a silence, and lose nothing.
    pub fn clog(self, a: &str, b: &str) -> Self {
        self.clog_one_way(a, b).clog_one_way(b, a)
    }

    /// As [`At::clog`], in one direction.
    pub fn clog_one_way(self, from: &str, to: &str) -> Self {
        let (from, to) = (self.sim.index(from), self.sim.index(to));
        self.link_step(LinkAct::Clog { from, to })
    }

    /// Both directions deliver again.
    pub fn unclog(self, a: &str, b: &str) -> Self {
        let (a, b) = (self.sim.index(a), self.sim.index(b));
        self.link_step(LinkAct::Unclog { from: a, to: b }).link_step(LinkAct::Unclog { from: b, to: a })
    }

    /// From then on messages of this direction are lost if `predicate` is true of them, as with
    /// [`Sim::drop_where`](crate::Sim::drop_where).
    pub fn drop_where(self, from: &str, to: &str, predicate: impl Fn(&Message) -> bool + 'static) -> Self {
        self.filter(from, to, FilterKind::Drop, Rc::new(predicate))
    }

    /// No predicate has messages of this direction lost any more.
    pub fn drop_nothing(self, from: &str, to: &str) -> Self {
        self.end_filters(from, to, FilterKind::Drop)
    }

    /// From then on messages of this direction are held back if `predicate` is true of them, until [`At::release`].
    pub fn hold_where(self, from: &str, to: &str, predicate: impl Fn(&Message) -> bool + 'static) -> Self {
        self.filter(from, to, FilterKind::Hold, Rc::new(predicate))
    }

    /// No predicate holds messages of this direction any more: what was held goes on, in the order in which it was sent.
    pub fn release(self, from: &str, to: &str) -> Self {
        self.end_filters(from, to, FilterKind::Hold)
    }

    fn filter(self, from: &str, to: &str, kind: FilterKind, predicate: Predicate) -> Self {
        let (from, to) = (self.sim.index(from), self.sim.index(to));
        self.link_step(LinkAct::Filter { from, to, kind, predicate })
    }

    fn end_filters(self, from: &str, to: &str, kind: FilterKind) -> Self {
        let (from, to) = (self.sim.index(from), self.sim.index(to));
        self.link_step(LinkAct::EndFilters { from, to, kind })
    }

    fn link_step(self, act: LinkAct) -> Self {
        self.step(Act::Links(act))
    }
}
