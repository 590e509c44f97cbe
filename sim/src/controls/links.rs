//! Faults of links, for as long as a guard is kept.

use std::rc::Rc;

use super::Controls;
use super::guard::{Guard, Kept};
use crate::fabric::HostIndex;
use crate::fault::LinkFaults;
use crate::held::Held;
use crate::message::Message;
use crate::script::{Act, LinkAct};
use crate::state::FilterKind;

/// # Links
impl Controls {
    /// Nothing passes between two hosts.
    pub fn partition(&self, a: &str, b: &str) -> Guard {
        self.partition_groups(&[&[a], &[b]])
    }

    /// Nothing passes from one host to another; the other way is as before.
    pub fn partition_one_way(&self, from: &str, to: &str) -> Guard {
        let (from, to) = self.ends(from, to);
        self.0.keep([Kept::Cut(from, to)])
    }

    /// Nothing passes between hosts of different groups. Hosts in no group talk with everybody.
    ///
    /// # Panics
    ///
    /// If a host is in two groups.
    pub fn partition_groups(&self, groups: &[&[&str]]) -> Guard {
        let index = |host: &&str| self.0.index(host);
        let groups: Vec<Vec<HostIndex>> =
            groups.iter().map(|group| group.iter().map(index).collect()).collect();
        let mut pairs = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            for other in &groups[number + 1..] {
                pairs.extend(group.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))));
            }
        }
        assert!(
            pairs.iter().all(|(a, b)| a != b),
            "a host is in two groups: it can not be cut off from itself"
        );
        self.keep_apart(pairs)
    }

    /// Nothing passes between the host and any other one.
    pub fn isolate(&self, host: &str) -> Guard {
        let host = self.0.index(host);
        let others = (0..self.0.hosts.borrow().len()).filter(|other| *other != host);
        self.keep_apart(others.map(|other| (host, other)))
    }

    /// The link between two hosts delivers nothing; once it is over, all of it at once.
    pub fn clog(&self, a: &str, b: &str) -> Guard {
        let (a, b) = self.ends(a, b);
        self.0.keep([Kept::Clog(a, b), Kept::Clog(b, a)])
    }

    /// As [`Controls::clog`], in one direction.
    pub fn clog_one_way(&self, from: &str, to: &str) -> Guard {
        let (from, to) = self.ends(from, to);
        self.0.keep([Kept::Clog(from, to)])
    }

    /// The link between two hosts behaves otherwise: `change` is given how each direction behaves now. Several guards
    /// of one link compose: what is left of them holds, whichever ends first. What a script says of the link meanwhile
    /// undoes them all.
    pub fn with_link(&self, a: &str, b: &str, change: impl Fn(&mut LinkFaults) + 'static) -> Guard {
        let (a, b) = self.ends(a, b);
        self.0.change_links(&[(a, b), (b, a)], Rc::new(change))
    }

    /// As [`Controls::with_link`], in one direction.
    pub fn with_one_way(&self, from: &str, to: &str, change: impl Fn(&mut LinkFaults) + 'static) -> Guard {
        self.0.change_links(&[self.ends(from, to)], Rc::new(change))
    }

    /// As [`Controls::with_link`], for every link of the world.
    pub fn with_links(&self, change: impl Fn(&mut LinkFaults) + 'static) -> Guard {
        let count = self.0.hosts.borrow().len();
        let to_others = |from| (0..count).filter(move |to| *to != from).map(move |to| (from, to));
        let directions: Vec<_> = (0..count).flat_map(to_others).collect();
        self.0.change_links(&directions, Rc::new(change))
    }

    /// Messages of one direction are lost if `predicate` is true of them. [`Sim::drop_where`](crate::Sim::drop_where)
    /// says what it may do.
    ///
    /// ```
    /// use twinloop::{DatagramTransport, sleep};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{Units, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     let address = sim.host("server", 7, |address| async move {
    ///         let socket = DatagramTransport::bind(address)?;
    ///         let mut byte = [0];
    ///         for expected in [1, 3] {
    ///             socket.recv_from(&mut byte).await?;
    ///             assert_eq!(byte, [expected]);
    ///         }
    ///         Ok(())
    ///     });
    ///     let controls = sim.controls();
    ///     sim.client("client", move || {
    ///         let controls = controls.clone();
    ///         async move {
    ///             let socket = DatagramTransport::connect(address)?;
    ///             let no_twos = controls.drop_where("client", "server", |message| message.payload() == [2]);
    ///             for number in [1, 2, 3] {
    ///                 socket.send(&[number]).await?;
    ///             }
    ///             no_twos.heal();
    ///             sleep(1.s()).await;
    ///             Ok(())
    ///         }
    ///     });
    /// });
    /// assert!(report.verdict.is_passed(), "{}", report.verdict);
    /// ```
    pub fn drop_where(&self, from: &str, to: &str, predicate: impl Fn(&Message) -> bool + 'static) -> Guard {
        self.0.drop_messages(self.ends(from, to), Rc::new(predicate))
    }

    /// Messages of one direction are held back if `predicate` is true of them, until the answer lets them go, as by
    /// [`Sim::hold_where`](crate::Sim::hold_where). Without a world that runs nothing is.
    pub fn hold_where(&self, from: &str, to: &str, predicate: impl Fn(&Message) -> bool + 'static) -> Held {
        let (from, to) = self.ends(from, to);
        let (reach, hold) = (&self.0.reach, FilterKind::Hold);
        let key = reach.with(|state| state.filter_messages(from, to, hold, Rc::new(predicate)));
        Held::new(reach.clone(), key)
    }

    /// All connections of the host are reset.
    pub fn reset_connections(&self, host: &str) {
        self.0.ask(Act::Reset { host: self.0.index(host) });
    }

    /// All links carry again, as by [`At::heal_all`](crate::At::heal_all): also those that guards have cut.
    pub fn heal_all(&self) {
        self.0.ask(Act::Links(LinkAct::HealAll));
    }

    /// Both directions of each pair are cut.
    pub(super) fn keep_apart(&self, pairs: impl IntoIterator<Item = (HostIndex, HostIndex)>) -> Guard {
        self.0.keep(pairs.into_iter().flat_map(|(a, b)| [Kept::Cut(a, b), Kept::Cut(b, a)]))
    }

    fn ends(&self, a: &str, b: &str) -> (HostIndex, HostIndex) {
        let ends = (self.0.index(a), self.0.index(b));
        assert!(ends.0 != ends.1, "{a:?} has no link with itself: name two hosts");
        ends
    }
}
