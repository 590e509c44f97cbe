//! Looking up names: a name in, addresses out. It does not know who answers, nor what is done with the addresses.

use std::fmt;
use std::future::Future;
use std::io;
use std::mem;
use std::net::IpAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::dispatcher::Interest;
use crate::driver::{Fd, OsError};
use crate::readiness::UntilReady;
use crate::{Address, Handle, Operation, TransportError, WatchError};

/// Looks up the IP addresses of `name`, without blocking the loop (against R186): in the system's order of preference (RFC
/// 6724), each once, at least one. An IP address is its own answer, and nobody is asked.
///
/// The lookup begins with the call. There is no built-in limit of time: compose with [`timeout`](crate::timeout). Dropping
/// the future gives the lookup up; the system may go on with it for a while, and nobody hears of its answer.
///
/// Several lookups go on at once. The real driver has at most four under way, each on a thread of its own; further ones
/// begin as those end, so that four names whose servers do not answer hold the others up for as long as the system's
/// resolver waits (with glibc ten seconds a server, if nothing else was configured).
///
/// # Errors
///
/// [`TransportError::kind`] is `Os` of
/// - [`NotFound`](io::ErrorKind::NotFound): there is no such name, or it has no address;
/// - [`TimedOut`](io::ErrorKind::TimedOut): whoever should know did not answer, trying later may succeed;
/// - [`InvalidInput`](io::ErrorKind::InvalidInput): this can not be the name of a host. Such a name has parts of 1 to 63
///   ASCII letters, digits, `-` and `_`, joined by dots, 253 bytes at most, and the last part is no number. Names in other
///   scripts are written as they are in DNS (`xn--...`).
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{ErrorKind, resolve};
///
/// let addresses = resolve("localhost").await?;
/// assert!(addresses.iter().all(|address| address.is_loopback()));
///
/// let error = resolve("no-such-host.example").await.expect_err("nobody has this name");
/// assert_eq!(error.kind(), ErrorKind::Os(std::io::ErrorKind::NotFound));
/// assert_eq!(error.name(), Some("no-such-host.example"));
/// # Ok(()) });
/// ```
#[track_caller]
pub fn resolve(name: &str) -> Resolve {
    Resolve::begin(Handle::current(), name, Location::caller())
}

/// Looks up where `text` leads: `name:port`, with the name as in [`resolve`], or an [`Address`] as text, which is its own
/// answer. As [`resolve`] in everything else.
///
/// # Errors
///
/// As [`resolve`]; [`InvalidInput`](io::ErrorKind::InvalidInput) too without a port from 0 to 65535.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{Address, resolve_address};
///
/// assert_eq!(resolve_address("[::1]:5432").await?, ["[::1]:5432".parse::<Address>()?]);
/// assert!(resolve_address("localhost:5432").await?.contains(&Address::loopback(5432)));
/// assert!(resolve_address("localhost").await.is_err(), "it has no port");
/// # Ok(()) });
/// ```
#[track_caller]
pub fn resolve_address(text: &str) -> ResolveAddress {
    ResolveAddress::of_text(Handle::current(), text, Location::caller())
}

/// The future of [`resolve`].
#[must_use = "futures do nothing unless awaited"]
pub struct Resolve {
    handle: Handle,
    name: Box<str>,
    state: State,
    place: &'static Location<'static>,
}

enum State {
    Looking { fd: Fd, ready: UntilReady },
    Known(Result<Vec<IpAddr>, OsError>),
    Over,
}

impl Resolve {
    pub(super) fn begin(handle: Handle, name: &str, place: &'static Location<'static>) -> Resolve {
        let state = match (name.parse(), is_name(name)) {
            (Ok(ip), _) => State::Known(Ok(vec![ip])),
            (_, false) => State::Known(Err(NO_NAME)),
            (_, true) => match handle.begin_resolve(name) {
                Ok(fd) => State::Looking { fd, ready: UntilReady::new(handle, fd, Interest::Read, place) },
                Err(error) => State::Known(Err(error)),
            },
        };
        Resolve { handle, name: name.into(), state, place }
    }

    /// A text that does not even have the form of a name and a port.
    fn refused(handle: Handle, text: &str, place: &'static Location<'static>) -> Resolve {
        Resolve { handle, name: text.into(), state: State::Known(Err(NO_NAME)), place }
    }

    /// Ends the lookup, wherever it stands.
    fn end(&mut self) {
        if let State::Looking { fd, ready } = mem::replace(&mut self.state, State::Over) {
            drop(ready);
            self.handle.close(fd);
        }
    }
}

impl Future for Resolve {
    type Output = Result<Vec<IpAddr>, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::Looking { fd, ready } = &mut this.state {
            let answer = ready!(poll_lookup(this.handle, *fd, ready, this.place, context));
            this.end();
            this.state = State::Known(answer);
        }
        match mem::replace(&mut this.state, State::Over) {
            State::Known(answer) => {
                let failed = |error| TransportError::of_name(Operation::Resolve, &this.name, error);
                Poll::Ready(answer.map_err(failed))
            }
            State::Looking { .. } => unreachable!("a lookup that has ended is known"),
            State::Over => panic!("a lookup was polled again after it was ready"),
        }
    }
}

/// Asks the driver for the answer, again after each event: one may come with nothing behind it.
fn poll_lookup(
    handle: Handle,
    fd: Fd,
    ready: &mut UntilReady,
    place: &'static Location<'static>,
    context: &mut Context<'_>,
) -> Poll<Result<Vec<IpAddr>, OsError>> {
    loop {
        match handle.resolved(fd) {
            Err(error) if error.is_would_block() => {}
            answer => return Poll::Ready(answer),
        }
        match ready!(Pin::new(&mut *ready).poll(context)) {
            Ok(()) => *ready = UntilReady::new(handle, fd, Interest::Read, place),
            Err(WatchError::Closed) => return Poll::Ready(Err(OsError::BAD_DESCRIPTOR)),
            Err(error) => panic!("a lookup's descriptor is watched by the lookup alone: {error}"),
        }
    }
}

impl Drop for Resolve {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Resolve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolve").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The future of [`resolve_address`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ResolveAddress(Target);

#[derive(Debug)]
enum Target {
    Known(Address),
    Named { resolve: Resolve, port: u16 },
}

impl ResolveAddress {
    pub(super) fn of_text(handle: Handle, text: &str, place: &'static Location<'static>) -> ResolveAddress {
        if let Ok(address) = text.parse() {
            return ResolveAddress(Target::Known(address));
        }
        match text.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
            // An IPv6 address without brackets: nobody knows where its port would begin.
            Some((name, Ok(port))) if !name.contains(':') => {
                ResolveAddress::of_name(handle, name, port, place)
            }
            _ => ResolveAddress(Target::Named { resolve: Resolve::refused(handle, text, place), port: 0 }),
        }
    }

    pub(super) fn of_name(
        handle: Handle,
        name: &str,
        port: u16,
        place: &'static Location<'static>,
    ) -> ResolveAddress {
        ResolveAddress(Target::Named { resolve: Resolve::begin(handle, name, place), port })
    }
}

impl Future for ResolveAddress {
    type Output = Result<Vec<Address>, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Target::Known(address) => Poll::Ready(Ok(vec![*address])),
            Target::Named { resolve, port } => {
                let with_port = |ips: Vec<IpAddr>| ips.into_iter().map(|ip| (ip, *port).into()).collect();
                Pin::new(resolve).poll(context).map_ok(with_port)
            }
        }
    }
}

const NO_NAME: OsError = OsError::without_code(io::ErrorKind::InvalidInput);
/// What DNS allows in all, without the dot at the end (RFC 1035, section 2.3.4).
const NAME_MAX: usize = 253;
const PART_MAX: usize = 63;

/// Whether a system may be asked for `name`. Stricter than any system: what one of them takes for an address in an old
/// notation (`127.1`, `0x7f.1`), and another for a name, is neither.
fn is_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_part = |part: &str| {
        (1..=PART_MAX).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_number = |part: &str| {
        let hexadecimal = part.strip_prefix("0x").or(part.strip_prefix("0X"));
        part.bytes().all(|byte| byte.is_ascii_digit())
            || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let ends_in_number = name.rsplit('.').next().is_some_and(is_number);
    name.len() <= NAME_MAX && name.split('.').all(is_part) && !ends_in_number
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R186: what no system could look up is told without asking one.
    #[test]
    fn a_name_is_made_of_short_parts_and_does_not_end_in_a_number() {
        let longest_part = "a".repeat(PART_MAX);
        let longest = [longest_part.as_str(); 4].join(".")[..NAME_MAX].to_owned();
        for name in
            ["a", "db-1", "DB.example.", "_http._tcp.example", "3com.example", "xn--bcher-kva.ch", &longest]
        {
            assert!(is_name(name), "{name}");
        }
        let part_too_long = format!("{longest_part}a.example");
        let too_long = format!("{longest}a");
        for name in [
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "a\0b",
            "a/b",
            "a:1",
            "[::1]",
            "bücher.ch",
            "127.1",
            "127",
            "0x7f.1",
            "1.2.3.0x4",
            "1.2.3.4",
            &part_too_long,
            &too_long,
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
