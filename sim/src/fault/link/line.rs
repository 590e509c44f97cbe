//! A line of limited speed with a queue in front of it: who waits how long. It draws nothing.

use std::time::Duration;

use twinloop::Moment;

/// How fast a line is, and how much may wait for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Speed {
    /// In a second; not 0.
    pub(super) bytes: u64,
    pub(super) queue_bytes: u64,
}

/// When the line has carried all that was given to it.
#[derive(Clone, Copy)]
pub(super) struct Line {
    free_at: Moment,
}

impl Line {
    pub(super) fn new() -> Line {
        Line { free_at: Moment::ORIGIN }
    }

    /// Gives `bytes` to the line: says how long they take to its other end, waiting and being sent. `None` if they find the
    /// queue full (drop-tail). What is being sent counts as waiting for the part that is left of it.
    pub(super) fn take(&mut self, now: Moment, bytes: u64, speed: Speed) -> Option<Duration> {
        let free_at = self.free_at.max(now);
        let waiting = bytes_in(free_at - now, speed.bytes);
        if waiting > 0 && waiting + bytes > speed.queue_bytes {
            return None;
        }
        self.free_at = free_at + time_of(bytes, speed.bytes);
        Some(self.free_at - now)
    }
}

fn time_of(bytes: u64, bytes_a_second: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(bytes_a_second);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn bytes_in(time: Duration, bytes_a_second: u64) -> u64 {
    let bytes = time.as_nanos() * u128::from(bytes_a_second) / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEED: Speed = Speed { bytes: 1000, queue_bytes: 250 };

    fn at_ms(ms: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(ms)
    }

    fn take_ms(line: &mut Line, now_ms: u64, bytes: u64) -> Option<u128> {
        line.take(at_ms(now_ms), bytes, SPEED).map(|time| time.as_millis())
    }

    #[test]
    fn each_waits_for_those_before() {
        let mut line = Line::new();
        assert_eq!(take_ms(&mut line, 0, 100), Some(100));
        assert_eq!(take_ms(&mut line, 0, 100), Some(200));
        assert_eq!(take_ms(&mut line, 150, 100), Some(150));
        assert_eq!(take_ms(&mut line, 1000, 100), Some(100));
    }

    #[test]
    fn what_finds_the_queue_full_is_lost_and_takes_no_time() {
        let mut line = Line::new();
        assert_eq!(take_ms(&mut line, 0, 1000), Some(1000), "an idle line takes whatever comes");
        assert_eq!(take_ms(&mut line, 800, 51), None);
        assert_eq!(take_ms(&mut line, 800, 50), Some(250));
        assert_eq!(take_ms(&mut line, 810, 50), None);
        assert_eq!(take_ms(&mut line, 860, 50), Some(240));
    }
}
