//! Commands about the connection: PING, ECHO, QUIT, SELECT, CLIENT, HELLO.

use super::error::CommandError;
use super::strings::integer_at;
use super::{Context, REDIS_VERSION, server};
use crate::resp::{self, Request, number};

type Outcome<'a> = Result<(), CommandError<'a>>;

pub(super) fn ping<'a>(_: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    match request.len() {
        1 => resp::simple(out, "PONG"),
        2 => resp::bulk(out, &request[1]),
        _ => return Err(CommandError::Arity("ping")),
    }
    Ok(())
}

pub(super) fn echo<'a>(_: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    resp::bulk(out, &request[1]);
    Ok(())
}

/// The rest is [`Effect::Close`](super::Effect::Close).
pub(super) fn quit<'a>(_: &mut Context<'_>, _: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    resp::simple(out, "OK");
    Ok(())
}

pub(super) fn select<'a>(_: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    if integer_at(request, 1)? != 0 {
        return Err(CommandError::DatabaseOutOfRange);
    }
    resp::simple(out, "OK");
    Ok(())
}

pub(super) fn client<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    match (request[1].to_ascii_lowercase().as_slice(), request.len()) {
        (b"id", 2) => resp::integer(out, context.session.id),
        (b"getname", 2) => {
            let name = &context.session.name;
            resp::optional_bulk(out, (!name.is_empty()).then_some(name));
        }
        (b"setname", 3) => {
            set_name(context, &request[2])?;
            resp::simple(out, "OK");
        }
        // Newer clients introduce their library; there is nowhere to show it.
        (b"setinfo", 4) => resp::simple(out, "OK"),
        (b"help", 2) => server::help(out, "CLIENT", &["GETNAME", "ID", "SETINFO", "SETNAME"]),
        (b"id", _) => return Err(CommandError::Arity("client|id")),
        (b"getname", _) => return Err(CommandError::Arity("client|getname")),
        (b"setname", _) => return Err(CommandError::Arity("client|setname")),
        (b"setinfo", _) => return Err(CommandError::Arity("client|setinfo")),
        (b"help", _) => return Err(CommandError::Arity("client|help")),
        _ => return Err(server::unknown_subcommand("client", request)),
    }
    Ok(())
}

/// An empty name takes the name away.
fn set_name<'a>(context: &mut Context<'_>, name: &[u8]) -> Outcome<'a> {
    if !name.iter().all(u8::is_ascii_graphic) {
        return Err(CommandError::ClientName);
    }
    context.session.name = name.to_vec();
    Ok(())
}

/// `HELLO [2 [SETNAME name]]`: we speak RESP2 only, and have no users to authenticate.
pub(super) fn hello<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    if let Some(version) = request.get(1) {
        let version = number::parse_i64(version).ok_or(CommandError::ProtocolNotANumber)?;
        if version != 2 {
            return Err(CommandError::NoProtocol);
        }
    }
    let mut options = request.from(2);
    while let Some(option) = options.next() {
        match options.next() {
            Some(name) if option.eq_ignore_ascii_case(b"setname") => set_name(context, name)?,
            _ => return Err(CommandError::HelloOption(option)),
        }
    }
    describe_server(out, context.session.id);
    Ok(())
}

fn describe_server(out: &mut Vec<u8>, connection_id: i64) {
    resp::array(out, 14);
    for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        resp::bulk(out, name.as_bytes());
        resp::bulk(out, value.as_bytes());
    }
    for (name, value) in [("proto", 2), ("id", connection_id)] {
        resp::bulk(out, name.as_bytes());
        resp::integer(out, value);
    }
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        resp::bulk(out, name.as_bytes());
        resp::bulk(out, value.as_bytes());
    }
    resp::bulk(out, b"modules");
    resp::array(out, 0);
}
