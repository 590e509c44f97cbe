//! Commands on values: GET, SET, MGET, MSET, the counters, and APPLY.

use twinloop::Moment;

use super::Context;
use super::error::CommandError;
use super::keys::{Unit, deadline_in};
use crate::resp::{self, Request, number};
use crate::store::Expiry;

type Outcome<'a> = Result<(), CommandError<'a>>;

pub(super) fn get<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    resp::optional_bulk(out, context.store.get(context.now, &request[1]));
    Ok(())
}

/// Bytes of values in one reply.
const REPLY_LEN_MAX: usize = 256 << 20;

pub(super) fn mget<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    // A short request can name one large value a million times; the reply must not take memory without bound.
    let value_len = |key| context.store.get(context.now, key).map_or(0, <[u8]>::len);
    if request.from(1).map(value_len).sum::<usize>() > REPLY_LEN_MAX {
        return Err(CommandError::ReplyTooLong);
    }
    resp::array(out, request.from(1).len());
    for key in request.from(1) {
        resp::optional_bulk(out, context.store.get(context.now, key));
    }
    Ok(())
}

pub(super) fn mset<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    let mut arguments = request.from(1);
    if arguments.len() % 2 != 0 {
        return Err(CommandError::Arity("mset"));
    }
    while let (Some(key), Some(value)) = (arguments.next(), arguments.next()) {
        context.store.set(context.now, key, value, Expiry::Never);
    }
    resp::simple(out, "OK");
    Ok(())
}

pub(super) fn set<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    let (key, value) = (&request[1], &request[2]);
    // The plain form is by far the most frequent one.
    if request.len() == 3 {
        context.store.set(context.now, key, value, Expiry::Never);
        resp::simple(out, "OK");
        return Ok(());
    }
    let options = SetOptions::parse(request, context.now)?;
    let may_write = match options.condition {
        None => true,
        Some(Condition::Absent) => !context.store.contains(context.now, key),
        Some(Condition::Present) => context.store.contains(context.now, key),
    };
    if options.answer_old {
        resp::optional_bulk(out, context.store.get(context.now, key));
    } else if may_write {
        resp::simple(out, "OK");
    } else {
        resp::null(out);
    }
    if may_write {
        context.store.set(context.now, key, value, options.expiry);
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Condition {
    Absent,
    Present,
}

/// The options of SET. EXAT and PXAT are missing: they need the time of day, and a [`Moment`] is none.
struct SetOptions {
    condition: Option<Condition>,
    expiry: Expiry,
    answer_old: bool,
}

impl SetOptions {
    fn parse(request: Request<'_>, now: Moment) -> Result<SetOptions, CommandError<'_>> {
        let mut parsed = SetOptions { condition: None, expiry: Expiry::Never, answer_old: false };
        let mut time_to_live = None;
        let mut options = request.from(3);
        while let Some(option) = options.next() {
            // As in Redis, an option may be repeated and the last one counts; one that contradicts it may not follow.
            match (option.to_ascii_lowercase().as_slice(), parsed.condition, parsed.expiry, time_to_live) {
                (b"nx", None | Some(Condition::Absent), ..) => parsed.condition = Some(Condition::Absent),
                (b"xx", None | Some(Condition::Present), ..) => parsed.condition = Some(Condition::Present),
                (b"get", ..) => parsed.answer_old = true,
                (b"keepttl", _, _, None) => parsed.expiry = Expiry::Keep,
                (b"ex", _, Expiry::Never, None | Some((_, Unit::Seconds))) => {
                    time_to_live = Some((options.next().ok_or(CommandError::Syntax)?, Unit::Seconds));
                }
                (b"px", _, Expiry::Never, None | Some((_, Unit::Milliseconds))) => {
                    time_to_live = Some((options.next().ok_or(CommandError::Syntax)?, Unit::Milliseconds));
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        if let Some((amount, unit)) = time_to_live {
            let amount = integer(amount)?;
            let deadline = deadline_in(now, amount, unit).filter(|_| amount > 0);
            parsed.expiry = Expiry::At(deadline.ok_or(CommandError::InvalidExpire("set"))?);
        }
        Ok(parsed)
    }
}

pub(super) fn incr<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    add(context, request, 1, out)
}

pub(super) fn decr<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    add(context, request, -1, out)
}

pub(super) fn incrby<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    add(context, request, integer_at(request, 2)?, out)
}

pub(super) fn decrby<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    let delta = integer_at(request, 2)?.checked_neg().ok_or(CommandError::DecrementOverflow)?;
    add(context, request, delta, out)
}

fn add<'a>(context: &mut Context<'_>, request: Request<'a>, delta: i64, out: &mut Vec<u8>) -> Outcome<'a> {
    let sum = context.store.add(context.now, &request[1], delta)?;
    resp::integer(out, sum);
    Ok(())
}

/// `APPLY client-id request-id key delta`: INCRBY that may be sent again when its reply was lost.
pub(super) fn apply<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    let (request_id, delta) = (integer_at(request, 2)?, integer_at(request, 4)?);
    let sum = context
        .store
        .apply(context.now, &request[1], request_id, &request[3], delta)
        .map_err(CommandError::Apply)?;
    resp::integer(out, sum);
    Ok(())
}

/// The argument at `index`, which the command's arity promises, as an integer.
pub(super) fn integer_at<'a>(request: Request<'a>, index: usize) -> Result<i64, CommandError<'a>> {
    integer(&request[index])
}

fn integer<'a>(argument: &[u8]) -> Result<i64, CommandError<'a>> {
    number::parse_i64(argument).ok_or(CommandError::NotAnInteger)
}
