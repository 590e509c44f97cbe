//! A part of a story: what concerns one host, one connection, or what led to the failure. It knows lines and their
//! causes, and no mechanism of the simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::{Line, LineKind, Passage, Story};

/// How many causes a line keeps that stand for those of lines which were left out, the latest.
const CAUSES_MAX: usize = 8;

/// What a reader wants to know of a run: see [`Story::focus`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Focus {
    /// What happens on one host, to its messages included.
    Host(String),
    /// What is said between two addresses, in both directions, and what that leads to at once: one connection of TCP,
    /// or the datagrams between two sockets.
    Connection(SocketAddr, SocketAddr),
    /// What led to the failure: of all that it is due to, the faults and what came of them. With it, what programs
    /// said because of these faults, since what a program keeps in mind is seen by no one; and what the one that
    /// fails said since, for what does not come wakes nobody. Where no fault had a part in it, all that it is due to.
    /// Nothing of a run that has passed.
    Failure,
}

impl Story {
    /// The part of the story that `focus` says. Lines keep their numbers; where a line is due to one that is left
    /// out, it is told to be due to what that one is due to.
    ///
    /// ```
    /// use twinloop::{StreamServer, connect};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::{Focus, LineKind, Telling};
    /// use twinloop_sim::run_world;
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Events, |sim| {
    ///     let address = sim.host("server", 7, |address| async move {
    ///         let server = StreamServer::listen(address)?;
    ///         server.accept().await?.write(b"nonsense").await?;
    ///         Ok(())
    ///     });
    ///     sim.client("client", move || async move {
    ///         let stream = connect(address).await?;
    ///         stream.read(&mut [0; 20]).await?;
    ///         Err("that is no greeting".into())
    ///     });
    /// });
    /// let story = report.story.expect("a story was asked for");
    /// let why = story.focus(&Focus::Failure);
    /// let failure = why.lines.last().expect("the run has failed");
    /// assert_eq!(failure.kind, LineKind::Failure);
    /// // It is due to the message that had the greeting.
    /// assert!(why.lines.iter().any(|line| line.text.contains("DATA 0..8")), "{}", why.with_causes());
    /// ```
    pub fn focus(&self, focus: &Focus) -> Story {
        match focus {
            Focus::Host(host) => self.keep(|line| line.concerns_host(host)),
            Focus::Connection(a, b) => self.of_connection(*a, *b),
            Focus::Failure => self.of_failure(),
        }
    }

    /// The part of the story whose lines `keeps` is true of.
    ///
    /// ```
    /// use twinloop_sim::story::{LineKind, Story};
    ///
    /// let faults = Story::default().keep(|line| line.kind == LineKind::Fault);
    /// assert!(faults.lines.is_empty());
    /// ```
    pub fn keep(&self, keeps: impl Fn(&Line) -> bool) -> Story {
        let mut left_out: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        let mut lines: Vec<Line> = Vec::new();
        for line in &self.lines {
            let mut causes: BTreeSet<usize> = BTreeSet::new();
            for cause in &line.causes {
                match left_out.get(cause) {
                    None => {
                        causes.insert(*cause);
                    }
                    Some(instead) => causes.extend(instead),
                }
            }
            while causes.len() > CAUSES_MAX && line.kind != LineKind::Failure {
                causes.pop_first();
            }
            if keeps(line) {
                lines.push(Line { causes: causes.into_iter().collect(), ..line.clone() });
            } else {
                left_out.insert(line.number, causes);
            }
        }
        let mut story = Story { lines };
        story.drop_roundabout_causes();
        story
    }

    /// The hosts that it tells of, in the order in which they appear.
    ///
    /// ```
    /// assert!(twinloop_sim::story::Story::default().hosts().is_empty());
    /// ```
    pub fn hosts(&self) -> Vec<&str> {
        let mut hosts: Vec<&str> = Vec::new();
        for line in self.lines.iter().filter(|line| line.kind != LineKind::Failure) {
            let host = line.host_name();
            if !host.is_empty() && !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }

    /// The pairs of addresses that it tells messages of, in the order in which they appear; first the one that spoke
    /// first.
    ///
    /// ```
    /// assert!(twinloop_sim::story::Story::default().connections().is_empty());
    /// ```
    pub fn connections(&self) -> Vec<(SocketAddr, SocketAddr)> {
        let mut seen = BTreeSet::new();
        let mut connections = Vec::new();
        for passage in self.lines.iter().filter_map(|line| line.passage.as_ref()) {
            let (a, b) = (passage.source, passage.destination);
            if seen.insert((a.min(b), a.max(b))) {
                connections.push((a, b));
            }
        }
        connections
    }

    /// The connection that `ends` means, as `A-B`: each end is an address with its port, a port, a host's name with a
    /// port, or a host's name. Of several that it fits, the first.
    ///
    /// ```
    /// assert_eq!(twinloop_sim::story::Story::default().connection("client-server:80"), None);
    /// ```
    pub fn connection(&self, ends: &str) -> Option<(SocketAddr, SocketAddr)> {
        // A host's name may have a `-` itself: every one is tried.
        let pairs: Vec<(&str, &str)> =
            ends.match_indices('-').map(|(at, _)| (&ends[..at], &ends[at + 1..])).collect();
        let passages = self.lines.iter().filter_map(|line| line.passage.as_ref());
        let mut found = passages.filter(|passage| {
            pairs.iter().any(|&(a, b)| {
                (passage.is_from(a) && passage.is_to(b)) || (passage.is_from(b) && passage.is_to(a))
            })
        });
        found.next().map(|passage| (passage.source, passage.destination))
    }

    fn of_connection(&self, a: SocketAddr, b: SocketAddr) -> Story {
        let is_said = |line: &Line| line.passage.as_ref().is_some_and(|passage| passage.is_between(a, b));
        let said: BTreeSet<usize> =
            self.lines.iter().filter(|line| is_said(line)).map(|line| line.number).collect();
        // What a message leads to is told with it, as long as it is no message of another connection.
        self.keep(|line| {
            let is_answer = line.passage.is_none() && line.causes.iter().any(|cause| said.contains(cause));
            is_said(line) || (is_answer && line.kind != LineKind::Failure)
        })
    }

    fn of_failure(&self) -> Story {
        let Some(failure) = self.lines.iter().rfind(|line| line.kind == LineKind::Failure) else {
            return Story::default();
        };
        let mut ancestry = BTreeSet::from([failure.number]);
        for line in self.lines.iter().rev().filter(|line| line.number <= failure.number) {
            if ancestry.contains(&line.number) {
                ancestry.extend(&line.causes);
            }
        }
        let mut of_faults = BTreeSet::new();
        let mut kept = BTreeSet::new();
        for line in self.lines.iter().filter(|line| line.number <= failure.number) {
            let has_led_to_it = ancestry.contains(&line.number);
            let is_fault = line.kind == LineKind::Fault && has_led_to_it;
            if is_fault || line.causes.iter().any(|cause| of_faults.contains(cause)) {
                of_faults.insert(line.number);
                if has_led_to_it || matches!(line.kind, LineKind::Fault | LineKind::Note) {
                    kept.insert(line.number);
                }
            }
        }
        if let Some(&first) = kept.first() {
            // Nothing leads from what did not come to what a program does without it, but for that it says so.
            let says_so = |line: &&Line| {
                line.kind == LineKind::Note && line.host == failure.host && ancestry.contains(&line.number)
            };
            kept.extend(
                self.lines.iter().filter(says_so).map(|line| line.number).filter(|note| *note > first),
            );
        }
        let kept = if kept.is_empty() { ancestry } else { kept };
        let mut story = self.keep(|line| kept.contains(&line.number) && line.kind != LineKind::Callback);
        let told: BTreeSet<usize> = story.lines.iter().map(|line| line.number).collect();
        for line in &mut story.lines {
            line.causes.retain(|cause| told.contains(cause));
        }
        story
    }

    /// A cause is left out where another one is due to it.
    fn drop_roundabout_causes(&mut self) {
        let of: BTreeMap<usize, Vec<usize>> =
            self.lines.iter().map(|line| (line.number, line.causes.clone())).collect();
        let is_behind = |cause: &usize, others: &[usize]| {
            others.iter().any(|other| of.get(other).is_some_and(|causes| causes.contains(cause)))
        };
        for line in &mut self.lines {
            let causes = std::mem::take(&mut line.causes);
            line.causes = causes.iter().copied().filter(|cause| !is_behind(cause, &causes)).collect();
        }
    }
}

impl Line {
    /// The name of the host, without that of a thread.
    pub(super) fn host_name(&self) -> &str {
        host_of(&self.host)
    }

    fn concerns_host(&self, host: &str) -> bool {
        let is_end = |passage: &Passage| passage.from == host || passage.to == host;
        self.host == host || self.host_name() == host || self.passage.as_ref().is_some_and(is_end)
    }
}

impl Passage {
    fn is_between(&self, a: SocketAddr, b: SocketAddr) -> bool {
        [(a, b), (b, a)].contains(&(self.source, self.destination))
    }

    fn is_from(&self, end: &str) -> bool {
        is_end(&self.from, self.source, end)
    }

    fn is_to(&self, end: &str) -> bool {
        is_end(&self.to, self.destination, end)
    }
}

/// The host's part of the name of one of its threads.
pub(super) fn host_of(thread: &str) -> &str {
    thread.split_once('/').map_or(thread, |(host, _)| host)
}

fn is_end(host: &str, address: SocketAddr, end: &str) -> bool {
    let port = address.port().to_string();
    [host, &port, &address.to_string(), &format!("{host}:{port}"), &address.ip().to_string()].contains(&end)
}
