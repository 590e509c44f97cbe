//! Commands about the server: COMMAND, CONFIG, INFO. They exist for redis-cli, redis-benchmark and client libraries.

use std::fmt::Write;

use super::error::CommandError;
use super::table::{self, COMMANDS, Command};
use super::{Context, REDIS_VERSION};
use crate::glob;
use crate::resp::{self, Request};

type Outcome<'a> = Result<(), CommandError<'a>>;

/// redis-cli asks COMMAND DOCS when it starts, for its hints and its help.
pub(super) fn command<'a>(_: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    let Some(subcommand) = request.get(1) else {
        describe_all(out);
        return Ok(());
    };
    match (subcommand.to_ascii_lowercase().as_slice(), request.len()) {
        (b"count", 2) => resp::count(out, COMMANDS.len()),
        (b"list", 2) => {
            resp::array(out, COMMANDS.len());
            COMMANDS.iter().for_each(|command| resp::bulk(out, command.name.as_bytes()));
        }
        (b"info", 2) => describe_all(out),
        (b"info", _) => {
            resp::array(out, request.len() - 2);
            request.from(2).for_each(|name| describe(out, table::find(name)));
        }
        (b"docs", 2) => document(out, COMMANDS.iter()),
        (b"docs", _) => document(out, request.from(2).filter_map(table::find)),
        (b"help", 2) => help(out, "COMMAND", &["COUNT", "DOCS", "INFO", "LIST"]),
        (b"count", _) => return Err(CommandError::Arity("command|count")),
        (b"list", _) => return Err(CommandError::Syntax),
        (b"help", _) => return Err(CommandError::Arity("command|help")),
        _ => return Err(unknown_subcommand("command", request)),
    }
    Ok(())
}

fn describe_all(out: &mut Vec<u8>) {
    resp::array(out, COMMANDS.len());
    COMMANDS.iter().for_each(|command| describe(out, Some(command)));
}

/// A command as the ten fields of COMMAND INFO.
fn describe(out: &mut Vec<u8>, command: Option<&Command>) {
    let Some(command) = command else { return resp::null(out) };
    resp::array(out, 10);
    resp::bulk(out, command.name.as_bytes());
    resp::integer(out, command.arity);
    resp::array(out, command.flags.len());
    command.flags.iter().for_each(|flag| resp::simple(out, flag));
    command.keys.iter().for_each(|&place| resp::integer(out, place));
    // Access categories, tips, key specifications and subcommands: none, which is allowed.
    (0..4).for_each(|_| resp::array(out, 0));
}

fn document<'c>(out: &mut Vec<u8>, commands: impl Iterator<Item = &'c Command>) {
    let commands: Vec<&Command> = commands.collect();
    resp::array(out, 2 * commands.len());
    for command in commands {
        resp::bulk(out, command.name.as_bytes());
        resp::array(out, 4);
        for text in ["summary", command.summary, "group", command.group] {
            resp::bulk(out, text.as_bytes());
        }
    }
}

/// The settings that redis-benchmark and libraries ask for, with the values that are true of us.
const SETTINGS: [(&str, &str); 4] =
    [("appendonly", "no"), ("databases", "1"), ("maxmemory", "0"), ("save", "")];

pub(super) fn config<'a>(_: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    match (request[1].to_ascii_lowercase().as_slice(), request.len()) {
        (b"get", 3..) => tell_settings(request, out),
        (b"help", 2) => help(out, "CONFIG", &["GET"]),
        (b"get", _) => return Err(CommandError::Arity("config|get")),
        (b"help", _) => return Err(CommandError::Arity("config|help")),
        _ => return Err(unknown_subcommand("config", request)),
    }
    Ok(())
}

fn tell_settings(request: Request<'_>, out: &mut Vec<u8>) {
    let wanted = |name: &str| {
        request.from(2).any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    let settings: Vec<_> = SETTINGS.iter().filter(|(name, _)| wanted(name)).collect();
    resp::array(out, 2 * settings.len());
    for (name, value) in settings {
        resp::bulk(out, name.as_bytes());
        resp::bulk(out, value.as_bytes());
    }
}

pub(super) fn info<'a>(context: &mut Context<'_>, request: Request<'a>, out: &mut Vec<u8>) -> Outcome<'a> {
    let wanted = |section: &str| {
        let named = |name: &[u8]| {
            let all = [section, "default", "all", "everything"];
            all.iter().any(|all| name.eq_ignore_ascii_case(all.as_bytes()))
        };
        request.len() == 1 || request.from(1).any(named)
    };
    let sections: Vec<String> = [
        ("server", server_section as fn(&Context<'_>) -> String),
        ("clients", clients_section),
        ("stats", stats_section),
        ("keyspace", keyspace_section),
    ]
    .into_iter()
    .filter(|(name, _)| wanted(name))
    .map(|(_, tell)| tell(context))
    .collect();
    resp::bulk(out, sections.join("\r\n").as_bytes());
    Ok(())
}

fn server_section(context: &Context<'_>) -> String {
    let uptime_s = (context.now - context.counters.started).as_secs();
    lines(
        "# Server",
        &[
            ("redis_version", &REDIS_VERSION),
            ("redis_mode", &"standalone"),
            ("tcp_port", &context.counters.port),
            ("uptime_in_seconds", &uptime_s),
            ("uptime_in_days", &(uptime_s / 86_400)),
        ],
    )
}

fn clients_section(context: &Context<'_>) -> String {
    lines("# Clients", &[("connected_clients", &context.counters.connected_clients)])
}

fn stats_section(context: &Context<'_>) -> String {
    lines(
        "# Stats",
        &[
            ("total_connections_received", &context.counters.connections_received),
            ("total_commands_processed", &context.counters.commands_processed),
            ("expired_keys", &context.counters.expired_keys),
        ],
    )
}

fn keyspace_section(context: &Context<'_>) -> String {
    let (keys, expires) = (context.store.len(context.now), context.store.len_expiring(context.now));
    if keys == 0 {
        return lines("# Keyspace", &[]);
    }
    lines("# Keyspace", &[("db0", &format_args!("keys={keys},expires={expires},avg_ttl=0"))])
}

fn lines(title: &str, fields: &[(&str, &dyn std::fmt::Display)]) -> String {
    let mut text = format!("{title}\r\n");
    for (name, value) in fields {
        write!(text, "{name}:{value}\r\n").expect("a string takes everything");
    }
    text
}

/// The reply to the HELP of a command with subcommands.
pub(super) fn help(out: &mut Vec<u8>, command: &str, subcommands: &[&str]) {
    resp::array(out, subcommands.len() + 1);
    resp::simple(out, &format!("{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    subcommands.iter().for_each(|subcommand| resp::simple(out, subcommand));
}

/// What a command with subcommands answers when the request has another one.
pub(super) fn unknown_subcommand<'a>(command: &'static str, request: Request<'a>) -> CommandError<'a> {
    CommandError::UnknownSubcommand { command, got: request.get(1).unwrap_or_default() }
}
