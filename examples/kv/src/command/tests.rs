//! Commands against the replies of Redis 7.0.15, byte for byte, and what is our own.
//!
//! The tables were recorded from a real server, each with an empty store to begin with. Replies that tell of the server
//! itself (INFO, COMMAND, HELLO) differ by design and are tested apart.

use std::time::Duration;

use super::*;
use crate::resp::{Limits, Parser, Reply, ReplyParser};

/// A server without a network.
struct World {
    store: Store,
    session: Session,
    counters: Counters,
    now: Moment,
}

impl World {
    fn new() -> World {
        World {
            store: Store::new(),
            session: Session { id: 7, name: Vec::new() },
            counters: Counters { port: 6379, connected_clients: 1, ..Counters::default() },
            now: Moment::from_nanos(1_000_000_000),
        }
    }

    /// What `line`, an inline request, is answered, as bytes.
    fn ask(&mut self, line: &str) -> String {
        self.execute(line, |_| ())
    }

    fn execute(&mut self, line: &str, look: impl FnOnce(Effect<'_>)) -> String {
        let mut parser = Parser::new(Limits::default());
        let buffer = format!("{line}\r\n");
        let (request, _) = parser.parse(buffer.as_bytes()).expect("a valid line").expect("a whole line");
        let World { store, session, counters, now } = self;
        let (mut context, mut out) = (Context { store, session, counters, now: *now }, Vec::new());
        look(super::execute(&mut context, request, &mut out));
        String::from_utf8(out).expect("these tests use text only")
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

fn compare(cases: &[(&str, &str)]) {
    let mut world = World::new();
    for (line, expected) in cases {
        assert_eq!(world.ask(line), *expected, "{line}");
    }
}

#[test]
fn values_are_handled_as_in_redis() {
    compare(VALUES);
}

#[test]
fn counters_count_as_in_redis() {
    compare(COUNTERS);
}

#[test]
fn keys_and_their_deadlines_are_as_in_redis() {
    compare(KEYS);
}

#[test]
fn connections_and_settings_are_as_in_redis() {
    compare(CONNECTION);
}

#[test]
fn unknown_commands_are_refused_as_in_redis() {
    compare(UNKNOWN);
}

#[test]
fn keys_expire_with_time_and_times_are_rounded_as_in_redis() {
    let mut world = World::new();
    world.ask("SET k v PX 2500");
    assert_eq!((world.ask("TTL k"), world.ask("PTTL k")), (":3\r\n".into(), ":2500\r\n".into()));
    world.pass(Duration::from_nanos(1_000_000_001));
    assert_eq!((world.ask("TTL k"), world.ask("PTTL k")), (":2\r\n".into(), ":1500\r\n".into()));
    world.pass(Duration::from_nanos(1_499_999_998));
    assert_eq!((world.ask("TTL k"), world.ask("PTTL k")), (":0\r\n".into(), ":1\r\n".into()));
    world.pass(Duration::from_nanos(1));
    assert_eq!((world.ask("TTL k"), world.ask("GET k")), (":-2\r\n".into(), "$-1\r\n".into()));
    assert_eq!((world.ask("KEYS *"), world.ask("DBSIZE")), ("*0\r\n".into(), ":0\r\n".into()));
    assert_eq!((world.ask("DEL k"), world.ask("SET k v NX")), (":0\r\n".into(), "+OK\r\n".into()));
}

/// Where Redis would still take it: its clock counts milliseconds.
#[test]
fn a_time_to_live_beyond_the_clock_is_refused() {
    compare(&[
        ("SET k v EX 18446744072", "+OK\r\n"),
        ("TTL k", ":18446744072\r\n"),
        ("EXPIRE k 18446744073", "-ERR invalid expire time in 'expire' command\r\n"),
        ("SET k v EX 18446744073", "-ERR invalid expire time in 'set' command\r\n"),
        ("TTL k", ":18446744072\r\n"),
    ]);
}

#[test]
fn an_apply_is_carried_out_once() {
    compare(&[
        ("APPLY alice 1 k 5", ":5\r\n"),
        ("APPLY alice 1 k 5", ":5\r\n"),
        ("apply bob 1 k 5", ":10\r\n"),
        ("APPLY alice 1 k 6", "-ERR APPLY request id was used for another request\r\n"),
        ("APPLY alice 1 other 5", "-ERR APPLY request id was used for another request\r\n"),
        ("APPLY alice 2 k 9223372036854775807", "-ERR increment or decrement would overflow\r\n"),
        ("DEL k", ":1\r\n"),
        ("APPLY alice 2 k 9223372036854775807", "-ERR increment or decrement would overflow\r\n"),
        ("SET k x", "+OK\r\n"),
        ("APPLY alice 3 k -1", "-ERR value is not an integer or out of range\r\n"),
        ("SET k 1", "+OK\r\n"),
        ("APPLY alice 3 k -1", "-ERR value is not an integer or out of range\r\n"),
        ("APPLY alice x k 1", "-ERR value is not an integer or out of range\r\n"),
        ("APPLY alice 4 k x", "-ERR value is not an integer or out of range\r\n"),
        ("APPLY alice 4 k 1", ":2\r\n"),
        ("APPLY alice 4 k", "-ERR wrong number of arguments for 'apply' command\r\n"),
        ("APPLY alice 1000 k 0", ":2\r\n"),
    ]);
}

#[test]
fn an_apply_that_was_forgotten_is_refused() {
    let mut world = World::new();
    for id in 0..=crate::store::REMEMBERED_MAX {
        world.ask(&format!("APPLY alice {id} k 1"));
    }
    let too_old = "-ERR APPLY request id is too old to tell whether it was applied\r\n";
    assert_eq!(
        (world.ask("APPLY alice 0 k 1").as_str(), world.ask("GET k").as_str()),
        (too_old, "$3\r\n129\r\n")
    );
}

#[test]
fn the_server_is_told_what_else_to_do() {
    let mut world = World::new();
    for (line, reply, effect) in [
        ("", "", Effect::Continue),
        ("PING", "+PONG\r\n", Effect::Continue),
        ("QUIT", "+OK\r\n", Effect::Close),
        ("quit now please", "+OK\r\n", Effect::Close),
        ("POST / HTTP/1.1", "", Effect::Close),
        ("Host: localhost", "", Effect::Close),
        ("APPLY alice 1 k 5", ":5\r\n", Effect::Applied { client: b"alice" }),
    ] {
        assert_eq!(world.execute(line, |seen| assert_eq!(seen, effect, "{line}")), reply, "{line}");
    }
}

/// What redis-cli asks when it starts must be well-formed, or it shows no prompt.
#[test]
fn descriptions_are_well_formed() {
    let mut world = World::new();
    for line in [
        "COMMAND",
        "COMMAND LIST",
        "COMMAND INFO",
        "COMMAND INFO get nope set",
        "COMMAND DOCS",
        "COMMAND DOCS get",
        "COMMAND HELP",
        "CONFIG GET *",
        "CONFIG HELP",
        "CLIENT HELP",
        "HELLO",
        "INFO",
    ] {
        let reply = world.ask(line);
        let parsed = ReplyParser::new(Limits::default()).parse(reply.as_bytes());
        let (parsed, consumed) = parsed.expect("it is a reply").expect("it is whole");
        assert_eq!(consumed, reply.len(), "{line}");
        assert!(!matches!(parsed, Reply::Error(_)), "{line}: {reply}");
    }
    assert_eq!(
        world.ask("COMMAND DOCS get"),
        "*2\r\n$3\r\nget\r\n*4\r\n$7\r\nsummary\r\n$18\r\nRead a key's value\r\n$5\r\ngroup\r\n$6\r\nstring\r\n"
    );
    assert_eq!(
        world.ask("COMMAND INFO mset"),
        "*1\r\n*10\r\n$4\r\nmset\r\n:-3\r\n*1\r\n+write\r\n:1\r\n:-1\r\n:2\r\n*0\r\n*0\r\n*0\r\n*0\r\n"
    );
}

#[test]
fn hello_tells_the_connection_and_takes_a_name() {
    let mut world = World::new();
    let expected = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:7\r\n\
                    $4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
    assert_eq!(world.ask("HELLO 2 SETNAME bob"), expected);
    assert_eq!(world.ask("CLIENT GETNAME"), "$3\r\nbob\r\n");
    assert_eq!(world.ask("CLIENT ID"), ":7\r\n");
    assert_eq!(world.ask("HELLO 3"), "-NOPROTO unsupported protocol version\r\n");
    // Redis 7.0 does not know it; newer clients send it.
    assert_eq!(world.ask("CLIENT SETINFO lib-name x"), "+OK\r\n");
}

#[test]
fn info_tells_the_counters_and_the_keys() {
    let mut world = World::new();
    assert_eq!(world.ask("INFO keyspace"), "$12\r\n# Keyspace\r\n\r\n");
    world.ask("SET a 1 EX 10");
    world.ask("SET b 1");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.ask("INFO keyspace"), "$44\r\n# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=0\r\n\r\n");
    assert_eq!(world.ask("INFO Clients"), "$32\r\n# Clients\r\nconnected_clients:1\r\n\r\n");
    let all = world.ask("INFO");
    for part in ["\r\n\r\n# Stats\r\n", "\r\nuptime_in_seconds:6\r\n", "\r\ntcp_port:6379\r\n"] {
        assert!(all.contains(part), "{part} in {all}");
    }
}

#[rustfmt::skip]
const VALUES: &[(&str, &str)] = &[
    ("GET k", "$-1\r\n"),
    ("SET k hello", "+OK\r\n"),
    ("GET k", "$5\r\nhello\r\n"),
    ("get k", "$5\r\nhello\r\n"),
    ("SET k ''", "+OK\r\n"),
    ("GET k", "$0\r\n\r\n"),
    ("SET k v XX", "+OK\r\n"),
    ("SET n v XX", "$-1\r\n"),
    ("SET n v NX", "+OK\r\n"),
    ("SET n w NX", "$-1\r\n"),
    ("SET n w NX GET", "$1\r\nv\r\n"),
    ("SET n w XX GET", "$1\r\nv\r\n"),
    ("SET n x GET XX NX", "-ERR syntax error\r\n"),
    ("SET n", "-ERR wrong number of arguments for 'set' command\r\n"),
    ("SET n x y", "-ERR syntax error\r\n"),
    ("SET n x EX", "-ERR syntax error\r\n"),
    ("SET n x EX 0", "-ERR invalid expire time in 'set' command\r\n"),
    ("SET n x EX -1", "-ERR invalid expire time in 'set' command\r\n"),
    ("SET n x PX x", "-ERR value is not an integer or out of range\r\n"),
    ("SET n x EX 1 PX 1", "-ERR syntax error\r\n"),
    ("SET n x KEEPTTL EX 1", "-ERR syntax error\r\n"),
    ("SET n x EX 1 KEEPTTL", "-ERR syntax error\r\n"),
    ("SET n x EX 100 EX 200", "+OK\r\n"),
    ("TTL n", ":200\r\n"),
    ("SET n x KEEPTTL", "+OK\r\n"),
    ("TTL n", ":200\r\n"),
    ("SET n x", "+OK\r\n"),
    ("TTL n", ":-1\r\n"),
    ("SET n x EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"),
    ("SET n x EX 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
    ("SET new x GET", "$-1\r\n"),
    ("SET new x NX EX 10 GET", "$1\r\nx\r\n"),
    ("SET new x xx ex 10", "+OK\r\n"),
    ("TTL new", ":10\r\n"),
    ("MGET k n missing n", "*4\r\n$1\r\nv\r\n$1\r\nx\r\n$-1\r\n$1\r\nx\r\n"),
    ("MGET", "-ERR wrong number of arguments for 'mget' command\r\n"),
    ("MSET a 1 b 2 a 3", "+OK\r\n"),
    ("MSET a", "-ERR wrong number of arguments for 'mset' command\r\n"),
    ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n"),
    ("MGET a b", "*2\r\n$1\r\n3\r\n$1\r\n2\r\n"),
    ("GET", "-ERR wrong number of arguments for 'get' command\r\n"),
    ("GET a b", "-ERR wrong number of arguments for 'get' command\r\n"),
];

#[rustfmt::skip]
const COUNTERS: &[(&str, &str)] = &[
    ("INCR c", ":1\r\n"),
    ("INCR c", ":2\r\n"),
    ("DECR c", ":1\r\n"),
    ("INCRBY c 40", ":41\r\n"),
    ("DECRBY c 50", ":-9\r\n"),
    ("INCRBY c -1", ":-10\r\n"),
    ("GET c", "$3\r\n-10\r\n"),
    ("INCRBY c x", "-ERR value is not an integer or out of range\r\n"),
    ("INCRBY c +1", "-ERR value is not an integer or out of range\r\n"),
    ("INCRBY c 01", "-ERR value is not an integer or out of range\r\n"),
    ("INCRBY c ' 1'", "-ERR value is not an integer or out of range\r\n"),
    ("INCRBY c 1.5", "-ERR value is not an integer or out of range\r\n"),
    ("INCRBY c 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
    ("INCRBY c", "-ERR wrong number of arguments for 'incrby' command\r\n"),
    ("INCRBY c 1 2", "-ERR wrong number of arguments for 'incrby' command\r\n"),
    ("INCR", "-ERR wrong number of arguments for 'incr' command\r\n"),
    ("SET c 9223372036854775807", "+OK\r\n"),
    ("INCR c", "-ERR increment or decrement would overflow\r\n"),
    ("GET c", "$19\r\n9223372036854775807\r\n"),
    ("DECRBY c -1", "-ERR increment or decrement would overflow\r\n"),
    ("SET c -9223372036854775808", "+OK\r\n"),
    ("DECR c", "-ERR increment or decrement would overflow\r\n"),
    ("INCRBY c -1", "-ERR increment or decrement would overflow\r\n"),
    ("DECRBY c -9223372036854775808", "-ERR decrement would overflow\r\n"),
    ("DECRBY c 9223372036854775807", "-ERR increment or decrement would overflow\r\n"),
    ("SET c abc", "+OK\r\n"),
    ("INCR c", "-ERR value is not an integer or out of range\r\n"),
    ("INCRBY c x", "-ERR value is not an integer or out of range\r\n"),
    ("SET c ''", "+OK\r\n"),
    ("INCR c", "-ERR value is not an integer or out of range\r\n"),
    ("SET c 01", "+OK\r\n"),
    ("INCR c", "-ERR value is not an integer or out of range\r\n"),
    ("SET c -0", "+OK\r\n"),
    ("INCR c", "-ERR value is not an integer or out of range\r\n"),
    ("SET c ' 1'", "+OK\r\n"),
    ("INCR c", "-ERR value is not an integer or out of range\r\n"),
    ("SET c 9223372036854775808", "+OK\r\n"),
    ("DECR c", "-ERR value is not an integer or out of range\r\n"),
    ("SET c 10 EX 100", "+OK\r\n"),
    ("INCR c", ":11\r\n"),
    ("TTL c", ":100\r\n"),
];

#[rustfmt::skip]
const KEYS: &[(&str, &str)] = &[
    ("DBSIZE", ":0\r\n"),
    ("DEL k", ":0\r\n"),
    ("EXISTS k", ":0\r\n"),
    ("SET k v", "+OK\r\n"),
    ("EXISTS k k nope k", ":3\r\n"),
    ("DEL k k nope", ":1\r\n"),
    ("EXISTS k", ":0\r\n"),
    ("DEL", "-ERR wrong number of arguments for 'del' command\r\n"),
    ("EXISTS", "-ERR wrong number of arguments for 'exists' command\r\n"),
    ("MSET one 1 two 2 three 3", "+OK\r\n"),
    ("DBSIZE", ":3\r\n"),
    ("KEYS t*e", "*1\r\n$5\r\nthree\r\n"),
    ("KEYS o?e", "*1\r\n$3\r\none\r\n"),
    ("KEYS [^ot]*", "*0\r\n"),
    ("KEYS", "-ERR wrong number of arguments for 'keys' command\r\n"),
    ("KEYS a b", "-ERR wrong number of arguments for 'keys' command\r\n"),
    ("DBSIZE x", "-ERR wrong number of arguments for 'dbsize' command\r\n"),
    ("EXPIRE one 100", ":1\r\n"),
    ("TTL one", ":100\r\n"),
    ("EXPIRE one 200 NX", ":0\r\n"),
    ("EXPIRE one 200 XX", ":1\r\n"),
    ("EXPIRE one 150 GT", ":0\r\n"),
    ("EXPIRE one 150 LT", ":1\r\n"),
    ("TTL one", ":150\r\n"),
    ("EXPIRE one 100 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n"),
    ("EXPIRE one 100 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    ("EXPIRE one 100 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    ("EXPIRE one 100 GE", "-ERR Unsupported option GE\r\n"),
    ("EXPIRE one", "-ERR wrong number of arguments for 'expire' command\r\n"),
    ("EXPIRE two 100 XX", ":0\r\n"),
    ("EXPIRE two 100 GT", ":0\r\n"),
    ("EXPIRE two 100 LT", ":1\r\n"),
    ("EXPIRE two x", "-ERR value is not an integer or out of range\r\n"),
    ("EXPIRE two x FOO", "-ERR Unsupported option FOO\r\n"),
    ("EXPIRE nope 100", ":0\r\n"),
    ("EXPIRE nope 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"),
    ("PEXPIRE two 200000", ":1\r\n"),
    ("TTL two", ":200\r\n"),
    ("PERSIST two", ":1\r\n"),
    ("PERSIST two", ":0\r\n"),
    ("PERSIST nope", ":0\r\n"),
    ("TTL two", ":-1\r\n"),
    ("PTTL two", ":-1\r\n"),
    ("TTL nope", ":-2\r\n"),
    ("PTTL nope", ":-2\r\n"),
    ("TTL", "-ERR wrong number of arguments for 'ttl' command\r\n"),
    ("EXPIRE two 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"),
    ("EXPIRE two -9223372036854775808", "-ERR invalid expire time in 'expire' command\r\n"),
    ("PEXPIRE two 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n"),
    ("EXPIRE nope -1", ":0\r\n"),
    ("EXPIRE two -1", ":1\r\n"),
    ("EXISTS two", ":0\r\n"),
    ("PEXPIRE one 0", ":1\r\n"),
    ("EXISTS one", ":0\r\n"),
    ("FLUSHALL NOW", "-ERR syntax error\r\n"),
    ("FLUSHALL SYNC ASYNC", "-ERR syntax error\r\n"),
    ("DBSIZE", ":1\r\n"),
    ("FLUSHALL ASYNC", "+OK\r\n"),
    ("DBSIZE", ":0\r\n"),
    ("FLUSHALL sync", "+OK\r\n"),
    ("FLUSHALL", "+OK\r\n"),
];

#[rustfmt::skip]
const CONNECTION: &[(&str, &str)] = &[
    ("PING", "+PONG\r\n"),
    ("PING hi", "$2\r\nhi\r\n"),
    ("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n"),
    ("ECHO hi", "$2\r\nhi\r\n"),
    ("ECHO", "-ERR wrong number of arguments for 'echo' command\r\n"),
    ("ECHO a b", "-ERR wrong number of arguments for 'echo' command\r\n"),
    ("SELECT 0", "+OK\r\n"),
    ("SELECT 16", "-ERR DB index is out of range\r\n"),
    ("SELECT -1", "-ERR DB index is out of range\r\n"),
    ("SELECT x", "-ERR value is not an integer or out of range\r\n"),
    ("SELECT", "-ERR wrong number of arguments for 'select' command\r\n"),
    ("CLIENT GETNAME", "$-1\r\n"),
    ("CLIENT SETNAME bob", "+OK\r\n"),
    ("CLIENT GETNAME", "$3\r\nbob\r\n"),
    ("CLIENT SETNAME 'a b'", "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"),
    ("CLIENT SETNAME ''", "+OK\r\n"),
    ("CLIENT GETNAME", "$-1\r\n"),
    ("CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command\r\n"),
    ("CLIENT GETNAME x", "-ERR wrong number of arguments for 'client|getname' command\r\n"),
    ("CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command\r\n"),
    ("CLIENT NOPE", "-ERR unknown subcommand 'NOPE'. Try CLIENT HELP.\r\n"),
    ("CLIENT", "-ERR wrong number of arguments for 'client' command\r\n"),
    ("HELLO 3x", "-ERR Protocol version is not an integer or out of range\r\n"),
    ("HELLO 4", "-NOPROTO unsupported protocol version\r\n"),
    ("HELLO 2 NOPE", "-ERR Syntax error in HELLO option 'NOPE'\r\n"),
    ("HELLO 2 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'\r\n"),
    ("CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"),
    ("CONFIG GET save appendonly", "*4\r\n$10\r\nappendonly\r\n$2\r\nno\r\n$4\r\nsave\r\n$0\r\n\r\n"),
    ("CONFIG GET appendonl?", "*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"),
    ("CONFIG GET nope", "*0\r\n"),
    ("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command\r\n"),
    ("CONFIG NOPE", "-ERR unknown subcommand 'NOPE'. Try CONFIG HELP.\r\n"),
    ("CONFIG", "-ERR wrong number of arguments for 'config' command\r\n"),
    ("COMMAND NOPE", "-ERR unknown subcommand 'NOPE'. Try COMMAND HELP.\r\n"),
    ("COMMAND COUNT x", "-ERR wrong number of arguments for 'command|count' command\r\n"),
    ("COMMAND LIST x", "-ERR syntax error\r\n"),
    ("COMMAND DOCS nope", "*0\r\n"),
    ("COMMAND INFO nope", "*1\r\n$-1\r\n"),
    ("INFO nope", "$0\r\n\r\n"),
];

#[rustfmt::skip]
const UNKNOWN: &[(&str, &str)] = &[
    ("nope", "-ERR unknown command 'nope', with args beginning with: \r\n"),
    ("NoPe a b", "-ERR unknown command 'NoPe', with args beginning with: 'a' 'b' \r\n"),
    ("nope '' 'a b'", "-ERR unknown command 'nope', with args beginning with: '' 'a b' \r\n"),
    ("\"a\\r\\nb\" \"c\\r\\nd\"", "-ERR unknown command 'a  b', with args beginning with: 'c  d' \r\n"),
    ("nope \"a\\x00b\" c", "-ERR unknown command 'nope', with args beginning with: 'a' 'c' \r\n"),
    ("nope aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b", "-ERR unknown command 'nope', with args beginning with: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' \r\n"),
    ("nope aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb c", "-ERR unknown command 'nope', with args beginning with: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' 'bbbbbbbbbbbbbbbbbbbbbbbbb' \r\n"),
    ("nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn a", "-ERR unknown command 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn', with args beginning with: 'a' \r\n"),
    ("''", "-ERR unknown command '', with args beginning with: \r\n"),
];
