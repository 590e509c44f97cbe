//! Commands on keys whatever their values: DEL, EXISTS, KEYS, DBSIZE, FLUSHALL, and deadlines.

use std::time::Duration;

use twinloop::Moment;

use super::Context;
use super::error::CommandError;
use super::strings::integer_at;
use crate::glob;
use crate::resp::{self, Request};

type Outcome<'a> = Result<(), CommandError<'a>>;

pub(super) fn del<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    let removed = request.from(1).filter(|key| context.store.remove(context.now, key)).count();
    resp::count(out, removed);
    Ok(())
}

/// A key that is named twice is counted twice.
pub(super) fn exists<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    let there = request.from(1).filter(|key| context.store.contains(context.now, key)).count();
    resp::count(out, there);
    Ok(())
}

pub(super) fn keys<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    let pattern = &request[1];
    let matching: Vec<&[u8]> =
        context.store.keys(context.now).filter(|key| glob::matches(pattern, key)).collect();
    resp::array(out, matching.len());
    for key in matching {
        resp::bulk(out, key);
    }
    Ok(())
}

pub(super) fn dbsize<'a>(context: &mut Context<'_>, _: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    resp::count(out, context.store.len(context.now));
    Ok(())
}

/// ASYNC and SYNC are accepted and make no difference.
pub(super) fn flushall<'a>(
    context: &mut Context<'_>,
    request: Request<'a>,
    out: &mut Vec<u8>,
) -> Outcome<'a> {
    let known = |option: &[u8]| option.eq_ignore_ascii_case(b"async") || option.eq_ignore_ascii_case(b"sync");
    if request.len() > 2 || request.get(1).is_some_and(|option| !known(option)) {
        return Err(CommandError::Syntax);
    }
    context.store.clear();
    resp::simple(out, "OK");
    Ok(())
}

/// What a time to live is counted in.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

pub(super) fn expire<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    set_time_to_live(context, request, ("expire", Unit::Seconds), out)
}

pub(super) fn pexpire<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    set_time_to_live(context, request, ("pexpire", Unit::Milliseconds), out)
}

/// A time to live that is not positive removes the key.
fn set_time_to_live<'a>(
    context: &mut Context<'_>,
    request: Request<'a>,
    (name, unit): (&'static str, Unit),
    out: &mut Vec<u8>,
) -> Outcome<'a> {
    let options = ExpireOptions::parse(request)?;
    let (key, now) = (&request[1], context.now);
    let deadline =
        deadline_in(now, integer_at(request, 2)?, unit).ok_or(CommandError::InvalidExpire(name))?;
    let done = match context.store.deadline(now, key) {
        Some(old) if options.allow(old, deadline) => {
            if deadline > now {
                context.store.set_deadline(now, key, Some(deadline))
            } else {
                context.store.remove(now, key)
            }
        }
        _ => false,
    };
    resp::count(out, usize::from(done));
    Ok(())
}

/// The moment `amount` units from now, now itself if `amount` is negative, or `None` if that cannot be told.
///
/// Redis counts unix milliseconds in 64 bits, and refuses what is beyond. A [`Moment`] ends after 584 years, so a time
/// to live beyond that is refused as well. That negative amounts have a limit, too, is Redis's habit.
pub(super) fn deadline_in(now: Moment, amount: i64, unit: Unit) -> Option<Moment> {
    let amount_ms = match unit {
        Unit::Seconds => amount.checked_mul(1000)?,
        Unit::Milliseconds => amount,
    };
    let amount_ms = u64::try_from(amount_ms).unwrap_or(0);
    let deadline = now + Duration::from_millis(amount_ms);
    (deadline < Moment::FAR_FUTURE).then_some(deadline)
}

/// When EXPIRE and PEXPIRE may change the deadline. A key without one counts as due in infinity.
#[derive(Clone, Copy, Default)]
struct ExpireOptions {
    only_first: bool,
    only_change: bool,
    only_later: bool,
    only_earlier: bool,
}

impl ExpireOptions {
    fn parse(request: Request<'_>) -> Result<ExpireOptions, CommandError<'_>> {
        let mut parsed = ExpireOptions::default();
        for option in request.from(3) {
            match option.to_ascii_lowercase().as_slice() {
                b"nx" => parsed.only_first = true,
                b"xx" => parsed.only_change = true,
                b"gt" => parsed.only_later = true,
                b"lt" => parsed.only_earlier = true,
                _ => return Err(CommandError::UnsupportedOption(option)),
            }
        }
        if parsed.only_first && (parsed.only_change || parsed.only_later || parsed.only_earlier) {
            return Err(CommandError::NxWithOthers);
        }
        if parsed.only_later && parsed.only_earlier {
            return Err(CommandError::GtWithLt);
        }
        Ok(parsed)
    }

    fn allow(self, old: Option<Moment>, new: Moment) -> bool {
        !(self.only_first && old.is_some()
            || self.only_change && old.is_none()
            || self.only_later && old.is_none_or(|old| new <= old)
            || self.only_earlier && old.is_some_and(|old| new >= old))
    }
}

pub(super) fn persist<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    let (key, now) = (&request[1], context.now);
    let had_deadline = context.store.deadline(now, key).flatten().is_some();
    let done = had_deadline && context.store.set_deadline(now, key, None);
    resp::count(out, usize::from(done));
    Ok(())
}

pub(super) fn ttl<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    // Redis rounds to the nearest second.
    tell_time_to_live(context, request, |left_ms| (left_ms + 500) / 1000, out)
}

pub(super) fn pttl<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    tell_time_to_live(context, request, |left_ms| left_ms, out)
}

/// -2 says that there is no such key, -1 that it has no deadline.
fn tell_time_to_live<'a>(
    context: &mut Context<'_>,
    request: Request<'a>,
    round: fn(u64) -> u64,
    out: &mut Vec<u8>,
) -> Outcome<'a> {
    let answer = match context.store.deadline(context.now, &request[1]) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => {
            // Upwards: Redis's clock counts whole milliseconds, and a key that is there has never 0 of them left.
            let left_ms = (deadline.as_nanos() - context.now.as_nanos()).div_ceil(1_000_000);
            i64::try_from(round(left_ms)).expect("584 years in milliseconds fit")
        }
    };
    resp::integer(out, answer);
    Ok(())
}
