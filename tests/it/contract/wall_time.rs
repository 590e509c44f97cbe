//! The date and the time of day: what other machines and people understand.

use std::time::{Duration, SystemTime};

use super::run;
use super::support::turns;
use twinloop::{Handle, now, sleep, wall_time};

/// A day: more than any clock of a machine that runs tests is set back or forward meanwhile.
const A_DAY: Duration = Duration::from_secs(86_400);

/// How far two dates are apart, whichever is the later one: a wall clock may be set back.
fn apart(first: SystemTime, second: SystemTime) -> Duration {
    first.duration_since(second).unwrap_or_else(|error| error.duration())
}

/// It is a date of this century, wherever the program runs.
#[test]
fn the_date_is_one_of_ours() {
    run(|| async {
        let years = wall_time().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() / (365 * 86_400);
        assert!((50..130).contains(&years), "{years} years after 1970");
        Ok(())
    });
}

/// It is no clock to wait by, but it does go on.
#[test]
fn the_date_goes_on() {
    run(|| async {
        let (began, date) = (now(), wall_time());
        while apart(wall_time(), date).is_zero() {
            sleep(Duration::from_millis(1)).await;
        }
        turns(1).await;
        assert!(apart(wall_time(), date) < (now() - began) + A_DAY);
        Ok(())
    });
}

/// All that ask are told the same clock.
#[test]
fn a_handle_tells_the_same_date() {
    run(|| async {
        assert!(apart(Handle::current().wall_time(), wall_time()) < A_DAY);
        Ok(())
    });
}
