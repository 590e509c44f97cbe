//! The commands: which there are, and what each does to the store and answers.
//!
//! No I/O and no clock: the server parses a request, passes the present moment and its counters, and sends what is
//! appended to `out`. Names, arities, replies and error texts are those of Redis 7.0; APPLY is our own.

mod connection;
mod error;
mod keys;
mod server;
mod strings;
mod table;
#[cfg(test)]
mod tests;

use twinloop::Moment;

use crate::resp::Request;
use crate::store::Store;
use error::CommandError;
use table::Command;

/// The release of Redis whose behaviour is followed, and which clients are told.
pub const REDIS_VERSION: &str = "7.0.15";

/// What a command may use.
#[derive(Debug)]
pub struct Context<'a> {
    /// The keys.
    pub store: &'a mut Store,
    /// The connection that the request came on.
    pub session: &'a mut Session,
    /// What INFO tells of the server.
    pub counters: &'a Counters,
    /// The present moment.
    pub now: Moment,
}

/// What is remembered of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The connection's number, for CLIENT ID.
    pub id: i64,
    /// The name that the client gave with CLIENT SETNAME; empty if none.
    pub name: Vec<u8>,
}

/// What INFO tells and only the server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// When the server started.
    pub started: Moment,
    /// The port it listens on.
    pub port: u16,
    /// Connections that are open.
    pub connected_clients: u64,
    /// Connections accepted since the start.
    pub connections_received: u64,
    /// Requests executed since the start.
    pub commands_processed: u64,
    /// Keys removed because their deadline had come.
    pub expired_keys: u64,
}

/// What the server has to do besides sending the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect<'a> {
    /// Nothing.
    Continue,
    /// Send what is in `out`, then close the connection.
    Close,
    /// Nothing; but the request was an APPLY of this client id.
    Applied {
        /// The client id.
        client: &'a [u8],
    },
}

/// Executes `request` and appends its reply to `out`. An empty request gets none.
pub fn execute<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Effect<'a> {
    let Some(name) = request.get(0) else { return Effect::Continue };
    let Some(command) = table::find(name) else { return unknown(request, out) };
    if !command.accepts(request.len()) {
        CommandError::Arity(command.name).encode(out);
        return Effect::Continue;
    }
    if let Err(error) = (command.run)(context, request, out) {
        error.encode(out);
    }
    effect(command, request)
}

fn effect<'a>(command: &Command, request: Request<'a>) -> Effect<'a> {
    match (command.name, request.get(1)) {
        ("quit", _) => Effect::Close,
        ("apply", Some(client)) => Effect::Applied { client },
        _ => Effect::Continue,
    }
}

fn unknown<'a>(request: Request<'a>, out: &mut Vec<u8>) -> Effect<'a> {
    // The start of an HTTP request: a web page may try to make its visitor's browser talk to us. Redis closes, too.
    if request[0].eq_ignore_ascii_case(b"post") || request[0].eq_ignore_ascii_case(b"host:") {
        return Effect::Close;
    }
    CommandError::Unknown(request).encode(out);
    Effect::Continue
}
