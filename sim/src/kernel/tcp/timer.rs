//! When a connection acts by itself, and how long an answer may take (RFC 6298). It knows no segment.

use std::time::Duration;

use twinloop::Moment;

/// Bounds of the wait for an acknowledgement (`TCP_RTO_MIN`, `TCP_RTO_MAX`).
const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(120);
/// The wait while no round trip has been measured (`TCP_TIMEOUT_INIT`).
const RTO_INITIAL: Duration = Duration::from_secs(1);
/// How long a closed connection is kept: for the peer's FIN (`tcp_fin_timeout`), or to acknowledge it once more
/// (`TCP_TIMEWAIT_LEN`).
const LINGER: Duration = Duration::from_secs(60);
/// Two ticks of a kernel that ticks a thousand times a second (`TCP_TIMEOUT_MIN`).
const HURRY: Duration = Duration::from_millis(2);

/// One timer serves all waits: for an answer to a SYN, for an acknowledgement, for a window, for the end. A connection has
/// one of them at a time.
pub(super) struct Timer {
    at: Option<Moment>,
    /// Since when it runs for one and the same thing.
    since: Moment,
    rto: Duration,
    /// How often it was due since the peer was last heard.
    retries: u32,
    round_trip: Option<RoundTrip>,
    /// What is being timed: the sequence number whose acknowledgement ends it, and when it was sent.
    timed: Option<(u64, Moment)>,
}

#[derive(Clone, Copy)]
struct RoundTrip {
    smoothed: Duration,
    variation: Duration,
}

impl Timer {
    /// Runs for the answer to a SYN that is sent now, which `acknowledged(now, 0)` will time.
    pub(super) fn new(now: Moment) -> Timer {
        let at = Some(now + RTO_INITIAL);
        Timer { at, since: now, rto: RTO_INITIAL, retries: 0, round_trip: None, timed: Some((0, now)) }
    }

    pub(super) fn at(&self) -> Option<Moment> {
        self.at
    }

    pub(super) fn is_running(&self) -> bool {
        self.at.is_some()
    }

    pub(super) fn stop(&mut self) {
        self.at = None;
    }

    /// Waits for an acknowledgement from now on.
    pub(super) fn start(&mut self, now: Moment) {
        self.since = now;
        self.at = Some(now + self.rto);
    }

    /// Whether nobody has answered for so long.
    pub(super) fn has_run_for(&self, limit: Duration, now: Moment) -> bool {
        now - self.since >= limit
    }

    /// Waits hardly any longer, unless it has waited in vain before.
    pub(super) fn hurry(&mut self, now: Moment) {
        if self.retries == 0 {
            self.at = Some(now + HURRY);
        }
    }

    /// Waits for the end from now on.
    pub(super) fn linger(&mut self, now: Moment) {
        self.at = Some(now + LINGER);
    }

    /// It is due: waits twice as long next time, but not beyond `limit` in all (`tcp_clamp_rto_to_user_timeout`). Says how
    /// often in a row that was.
    pub(super) fn back_off(&mut self, now: Moment, limit: Option<Duration>) -> u32 {
        self.retries += 1;
        self.rto = (self.rto * 2).min(RTO_MAX);
        let end = limit.map(|limit| self.since + limit).filter(|end| *end > now);
        self.at = end.into_iter().chain([now + self.rto]).min();
        self.distrust();
        self.retries
    }

    /// The peer lives.
    pub(super) fn forgive(&mut self) {
        self.retries = 0;
    }

    /// Waits no longer than the round trip asks for. A wait that was doubled ends with the first progress: Linux measures
    /// what is sent again too, by timestamps.
    pub(super) fn recover(&mut self) {
        self.rto = match self.round_trip {
            Some(RoundTrip { smoothed, variation }) => (smoothed + variation * 4).clamp(RTO_MIN, RTO_MAX),
            None => RTO_INITIAL,
        };
    }

    /// New bytes before `seq` are sent: measures them if nothing else is being measured.
    pub(super) fn time(&mut self, now: Moment, seq: u64) {
        self.timed.get_or_insert((seq, now));
    }

    /// Something is sent again: its acknowledgement will not tell which of the two it is for (Karn's algorithm).
    pub(super) fn distrust(&mut self) {
        self.timed = None;
    }

    /// Everything before `ack` has arrived: measures the round trip, if `ack` ends what is being timed.
    pub(super) fn acknowledged(&mut self, now: Moment, ack: u64) {
        let Some((_, sent_at)) = self.timed.filter(|(seq, _)| *seq <= ack) else { return };
        self.timed = None;
        let sample = now - sent_at;
        self.round_trip = Some(match self.round_trip {
            None => RoundTrip { smoothed: sample, variation: sample / 2 },
            Some(RoundTrip { smoothed, variation }) => RoundTrip {
                smoothed: (smoothed * 7 + sample) / 8,
                variation: (variation * 3 + smoothed.abs_diff(sample)) / 4,
            },
        });
        self.recover();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_ms(ms: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(ms)
    }

    /// How long the timer waits when it is started.
    fn wait_ms(timer: &mut Timer) -> u128 {
        timer.start(Moment::ORIGIN);
        (timer.at().expect("it was started") - Moment::ORIGIN).as_millis()
    }

    #[test]
    fn the_wait_follows_the_round_trip() {
        let mut timer = Timer::new(at_ms(0));
        timer.acknowledged(at_ms(300), 0);
        assert_eq!(wait_ms(&mut timer), 300 + 4 * 150);
        timer.time(at_ms(1000), 10);
        timer.time(at_ms(1200), 20);
        timer.acknowledged(at_ms(1250), 9);
        timer.acknowledged(at_ms(1300), 15);
        // The second sample is of 300 ms too, so the variation shrinks by a quarter.
        assert_eq!(wait_ms(&mut timer), 750);
    }

    #[test]
    fn a_short_round_trip_waits_as_long_as_linux_does_at_least() {
        let mut timer = Timer::new(at_ms(0));
        timer.acknowledged(at_ms(1), 0);
        assert_eq!(wait_ms(&mut timer), 200);
    }

    #[test]
    fn a_doubled_wait_stays_until_a_round_trip_is_measured() {
        let mut timer = Timer::new(at_ms(0));
        timer.acknowledged(at_ms(100), 0);
        timer.time(at_ms(100), 10);
        assert_eq!((timer.back_off(at_ms(400), None), timer.back_off(at_ms(1000), None)), (1, 2));
        timer.acknowledged(at_ms(1100), 10);
        assert_eq!(wait_ms(&mut timer), 4 * 300, "what was sent twice is not measured");
        timer.time(at_ms(2000), 20);
        timer.acknowledged(at_ms(2100), 20);
        assert!(wait_ms(&mut timer) < 300);
    }
}
