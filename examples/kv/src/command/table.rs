//! The table of commands: one line for each, in alphabetic order.

use super::error::CommandError;
use super::{Context, connection, keys, server, strings};
use crate::resp::Request;

/// Carries a command out. It either appends one whole reply or returns an error, never both.
type Run = for<'a> fn(&mut Context<'_>, Request<'a>, &mut Vec<u8>) -> Result<(), CommandError<'a>>;

/// One command.
#[derive(Debug)]
pub(super) struct Command {
    /// Its name in lower case.
    pub(super) name: &'static str,
    /// The name as [`find`] looks for it.
    word: u64,
    /// How many arguments it takes, its name included; -n means n or more.
    pub(super) arity: i64,
    /// Those of Redis's flags that mean something here.
    pub(super) flags: &'static [&'static str],
    /// Where its keys stand: first, last (-1 is the last argument), step.
    pub(super) keys: [i64; 3],
    /// What redis-cli's help files it under.
    pub(super) group: &'static str,
    /// What redis-cli's help says about it.
    pub(super) summary: &'static str,
    /// What carries it out.
    pub(super) run: Run,
}

impl Command {
    /// Whether a request of `len` arguments, the name included, may be this command.
    pub(super) fn accepts(&self, len: usize) -> bool {
        let arity = usize::try_from(self.arity.unsigned_abs()).expect("arities are small");
        if self.arity < 0 { len >= arity } else { len == arity }
    }
}

/// The command of this name, in whatever case it is written.
///
/// Names are compared as words: with byte strings, half the time of a small request went into this search.
pub(super) fn find(name: &[u8]) -> Option<&'static Command> {
    let mut letters = [0; NAME_LEN_MAX];
    letters.get_mut(..name.len())?.copy_from_slice(name);
    letters.make_ascii_lowercase();
    let wanted = u64::from_be_bytes(letters);
    let index = COMMANDS.binary_search_by_key(&wanted, |command| command.word).ok()?;
    // A name that ends in NUL has the word of a shorter one.
    Some(&COMMANDS[index]).filter(|command| command.name.len() == name.len())
}

const NAME_LEN_MAX: usize = size_of::<u64>();

/// `name` as a big-endian number, filled up with NUL: these are ordered as the names are.
const fn word(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut letters = [0; NAME_LEN_MAX];
    let mut index = 0;
    while index < bytes.len() {
        letters[index] = bytes[index];
        index += 1;
    }
    u64::from_be_bytes(letters)
}

const NO_KEY: [i64; 3] = [0, 0, 0];
const ONE_KEY: [i64; 3] = [1, 1, 1];
const ALL_KEYS: [i64; 3] = [1, -1, 1];

const READ: &[&str] = &["readonly", "fast"];
const READ_ALL: &[&str] = &["readonly"];
const WRITE: &[&str] = &["write", "fast"];
const WRITE_MUCH: &[&str] = &["write"];
const NO_STORE: &[&str] = &["fast"];

const fn command(
    (name, arity): (&'static str, i64),
    flags: &'static [&'static str],
    keys: [i64; 3],
    (group, summary): (&'static str, &'static str),
    run: Run,
) -> Command {
    Command { name, word: word(name), arity, flags, keys, group, summary, run }
}

/// Sorted by name, as [`find`] needs it.
#[rustfmt::skip]
pub(super) static COMMANDS: [Command; 28] = [
    command(("apply", 5), WRITE, [3, 3, 1], ("string", "Add to a key's integer, once for each client and request id"), strings::apply),
    command(("client", -2), NO_STORE, NO_KEY, ("connection", "Name the connection"), connection::client),
    command(("command", -1), NO_STORE, NO_KEY, ("server", "Describe the commands"), server::command),
    command(("config", -2), NO_STORE, NO_KEY, ("server", "Read settings"), server::config),
    command(("dbsize", 1), READ, NO_KEY, ("server", "Count the keys"), keys::dbsize),
    command(("decr", 2), WRITE, ONE_KEY, ("string", "Subtract one from a key's integer"), strings::decr),
    command(("decrby", 3), WRITE, ONE_KEY, ("string", "Subtract from a key's integer"), strings::decrby),
    command(("del", -2), WRITE_MUCH, ALL_KEYS, ("generic", "Remove keys"), keys::del),
    command(("echo", 2), NO_STORE, NO_KEY, ("connection", "Answer with the argument"), connection::echo),
    command(("exists", -2), READ, ALL_KEYS, ("generic", "Count which of the keys are there"), keys::exists),
    command(("expire", -3), WRITE, ONE_KEY, ("generic", "Remove a key after some seconds"), keys::expire),
    command(("flushall", -1), WRITE_MUCH, NO_KEY, ("server", "Remove all keys"), keys::flushall),
    command(("get", 2), READ, ONE_KEY, ("string", "Read a key's value"), strings::get),
    command(("hello", -1), NO_STORE, NO_KEY, ("connection", "Agree on a protocol"), connection::hello),
    command(("incr", 2), WRITE, ONE_KEY, ("string", "Add one to a key's integer"), strings::incr),
    command(("incrby", 3), WRITE, ONE_KEY, ("string", "Add to a key's integer"), strings::incrby),
    command(("info", -1), NO_STORE, NO_KEY, ("server", "Tell how the server is doing"), server::info),
    command(("keys", 2), READ_ALL, NO_KEY, ("generic", "List the keys that match a pattern"), keys::keys),
    command(("mget", -2), READ, ALL_KEYS, ("string", "Read the values of keys"), strings::mget),
    command(("mset", -3), WRITE_MUCH, [1, -1, 2], ("string", "Set several keys at once"), strings::mset),
    command(("persist", 2), WRITE, ONE_KEY, ("generic", "Take a key's deadline away"), keys::persist),
    command(("pexpire", -3), WRITE, ONE_KEY, ("generic", "Remove a key after some milliseconds"), keys::pexpire),
    command(("ping", -1), NO_STORE, NO_KEY, ("connection", "Answer"), connection::ping),
    command(("pttl", 2), READ, ONE_KEY, ("generic", "Tell the milliseconds a key has left"), keys::pttl),
    command(("quit", -1), NO_STORE, NO_KEY, ("connection", "Close the connection"), connection::quit),
    command(("select", 2), NO_STORE, NO_KEY, ("connection", "Change to database 0, the only one"), connection::select),
    command(("set", -3), WRITE_MUCH, ONE_KEY, ("string", "Set a key's value"), strings::set),
    command(("ttl", 2), READ, ONE_KEY, ("generic", "Tell the seconds a key has left"), keys::ttl),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case() {
        for command in &COMMANDS {
            let found = find(command.name.to_ascii_uppercase().as_bytes()).expect("the table is sorted");
            assert_eq!(found.name, command.name);
        }
        assert!(find(b"").is_none());
        assert!(find(b"gets").is_none());
        assert!(find(b"get\0").is_none());
        assert!(find(&[b'g'; 100]).is_none());
    }
}
