//! Asking a silent peer whether it is still there (`SO_KEEPALIVE`; RFC 9293, section 3.8.4). It knows no segment.

use std::time::Duration;

use twinloop::Moment;

use super::Probes;

/// The probes of one connection, if its program wants any.
pub(super) struct Probing {
    probes: Option<Probes>,
    /// When the peer was heard last.
    heard_at: Moment,
    /// How many probes were sent since.
    unanswered: u32,
    /// When the next one is due.
    at: Option<Moment>,
}

/// What is to be done when a probe is due.
pub(super) enum Due {
    Nothing,
    Probe,
    /// The peer is dead.
    End,
}

impl Probing {
    pub(super) fn new(probes: Option<Probes>, now: Moment) -> Probing {
        Probing { probes, heard_at: now, unanswered: 0, at: None }
    }

    pub(super) fn at(&self) -> Option<Moment> {
        self.at
    }

    /// The silence so far counts.
    pub(super) fn configure(&mut self, probes: Option<Probes>) {
        if self.probes != probes {
            self.probes = probes;
            self.unanswered = 0;
            self.at = probes.map(|probes| self.heard_at + probes.idle);
        }
    }

    /// The peer lives.
    pub(super) fn heard(&mut self, now: Moment) {
        self.heard_at = now;
        self.unanswered = 0;
        self.at = self.probes.map(|probes| now + probes.idle);
    }

    /// It is due. `is_waiting`: something else asks the peer already. `limit` bounds the silence instead of the number of
    /// probes (`tcp_keepalive_timer`).
    pub(super) fn expire(&mut self, now: Moment, is_waiting: bool, limit: Option<Duration>) -> Due {
        let Some(probes) = self.probes else { return Due::Nothing };
        if is_waiting {
            self.at = Some(now + probes.idle);
            return Due::Nothing;
        }
        let is_dead = match limit {
            Some(limit) => self.unanswered > 0 && now - self.heard_at >= limit,
            None => self.unanswered >= probes.count,
        };
        if is_dead {
            self.at = None;
            return Due::End;
        }
        self.unanswered += 1;
        self.at = Some(now + probes.interval);
        Due::Probe
    }
}
