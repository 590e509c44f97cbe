//! How links misbehave: what may go wrong on a direction, and how often. The verdict on each packet is its rule's.
//!
//! | fault | set by | what a stream sees | what a datagram sees |
//! |---|---|---|---|
//! | latency, jitter | [`latency`](LinkFaults::latency), [`jitter`](LinkFaults::jitter), [`latency_from`](LinkFaults::latency_from) | it is slower | it is later; the order stays |
//! | loss | [`loss`](LinkFaults::loss), [`loss_bursts`](LinkFaults::loss_bursts) | a pause: what was lost is sent again | it is gone |
//! | corruption, seen by the checksum | [`corrupt`](LinkFaults::corrupt) | as loss | as loss |
//! | corruption that no checksum sees | [`corrupt_unseen`](LinkFaults::corrupt_unseen) | a wrong bit | a wrong bit |
//! | reordering | [`reorder`](LinkFaults::reorder) | nothing, or a pause | it is overtaken |
//! | duplication | [`duplicate`](LinkFaults::duplicate) | nothing | it comes twice |
//! | bandwidth, bufferbloat | [`bandwidth`](LinkFaults::bandwidth), [`queue`](LinkFaults::queue) | it is slower, the more the longer its queue | it is later, or lost where the queue is full |
//! | a path with a small MTU | [`mtu`](LinkFaults::mtu) | full segments never pass: it stands still, then times out | it is gone if it is large |
//! | cuts, partitions | [`cut`](LinkFaults::cut), [`At::partition`](crate::At::partition) and its like | a pause; with time, a time-out | it is gone |
//! | clogging | [`clog`](LinkFaults::clog), [`At::clog`](crate::At::clog) | a pause, then everything at once | it is late, with all others |
//! | resets | [`reset`](LinkFaults::reset), [`At::reset_connections`](crate::At::reset_connections) | `ECONNRESET` at both ends | nothing |
//! | refusals | [`refuse`](LinkFaults::refuse) | a connect fails with `ECONNREFUSED` | nothing |
//! | no way to the host | [`unreachable`](LinkFaults::unreachable) | a connect fails with `EHOSTUNREACH`; an open one pauses, and dies of that if it lasts | it is gone |
//! | messages that a predicate picks | [`Sim::drop_where`](crate::Sim::drop_where), [`Sim::hold_where`](crate::Sim::hold_where) | a pause | it is gone, or comes when it is released |
//!
//! On its way a packet meets them in this order: cuts; predicates; MTU, refusals, queue; loss; what happens to it on the
//! wire; clogs.

mod line;
mod rare;
mod rule;

use std::ops::Range;
use std::time::Duration;

use super::{Distribution, checked};
use rare::RareFaults;

pub(crate) use rare::Admission;
pub(crate) use rule::{CutWays, LinkRule, PacketVerdict};

/// How one direction of a link treats what it carries. [`LinkFaults::default`] is a kind link: 1 ms, nothing else.
///
/// A scenario changes those of its world in place: [`Sim::links`](crate::Sim::links), [`Sim::link`](crate::Sim::link).
///
/// ```
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{Units, run_world};
///
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.client("phone", || async { Ok(()) });
///     sim.client("server", || async { Ok(()) });
///     // A mobile network: far, lossy in bursts, with a deep queue.
///     sim.link("phone", "server").latency(40.ms()).jitter(30.ms()).loss_bursts(0.01, 2..8);
///     sim.one_way("server", "phone").bandwidth(250_000).queue(500_000);
/// });
/// assert!(report.verdict.is_passed());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LinkFaults {
    latency: Duration,
    jitter: Duration,
    loss: f64,
    reset: f64,
    cut: f64,
    cut_for: Range<Duration>,
    /// What few links do: one branch for each packet tells.
    rare: Option<Box<RareFaults>>,
}

impl Default for LinkFaults {
    fn default() -> Self {
        LinkFaults {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: 0.0,
            reset: 0.0,
            cut: 0.0,
            cut_for: Duration::from_millis(50)..Duration::from_secs(2),
            rare: None,
        }
    }
}

impl LinkFaults {
    /// Each packet takes at least this long.
    pub fn latency(&mut self, least: Duration) -> &mut Self {
        self.latency = least;
        self.forget_distribution();
        self
    }

    /// Each packet may take up to this much longer. The order on the link is kept.
    pub fn jitter(&mut self, most: Duration) -> &mut Self {
        self.jitter = most;
        self.forget_distribution();
        self
    }

    /// How long each packet takes, instead of [`latency`](LinkFaults::latency) and [`jitter`](LinkFaults::jitter); of these
    /// settings the last one counts. The order on the link is kept, so that one slow packet holds up those behind it.
    pub fn latency_from(&mut self, distribution: Distribution) -> &mut Self {
        self.rare_mut().latency = Some(distribution);
        self
    }

    /// The probability that a packet is lost. A stream sends it again, later; a datagram is gone.
    pub fn loss(&mut self, probability: f64) -> &mut Self {
        self.loss = checked(probability);
        self
    }

    /// The probability that, instead of a packet with data, both ends get a reset of its connection.
    pub fn reset(&mut self, probability: f64) -> &mut Self {
        self.reset = checked(probability);
        self
    }

    /// The probability, in each 50 ms, that a link begins to lose everything for a time: in this direction, in the other,
    /// or in both.
    pub fn cut(&mut self, probability: f64) -> &mut Self {
        self.cut = checked(probability);
        self
    }

    /// How long a drawn cut lasts.
    pub fn cut_for(&mut self, range: Range<Duration>) -> &mut Self {
        self.cut_for = range;
        self
    }

    /// Whether cuts are drawn.
    pub(crate) fn has_cuts(&self) -> bool {
        self.cut > 0.0
    }

    /// Whether anything is drawn, apart from what is rare.
    fn draws(&self) -> bool {
        !self.jitter.is_zero() || [self.loss, self.reset, self.cut].iter().any(|chance| *chance > 0.0)
    }

    /// Whether something is drawn in each period.
    pub(crate) fn draws_by_period(&self) -> bool {
        self.cut > 0.0 || self.rare.as_ref().is_some_and(|rare| rare.draws_by_period())
    }

    fn rare_mut(&mut self) -> &mut RareFaults {
        self.rare.get_or_insert_default()
    }

    fn forget_distribution(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.latency = None;
        }
    }
}
