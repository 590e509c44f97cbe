//! The host table: which name has which addresses. It does not know who asks, nor how long an answer takes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use twinloop::Moment;
use twinloop::driver::OsError;

/// Why a lookup has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFailure {
    /// There is no such name, or it has no address (`EAI_NONAME`). Programs see [`ErrorKind::NotFound`].
    NotFound,
    /// Whoever should know does not answer, for now (`EAI_AGAIN`). Programs see [`ErrorKind::TimedOut`].
    NoAnswer,
    /// Whoever should know says that it can not tell, for now (`SERVFAIL`). Systems tell programs no more than for
    /// [`NoAnswer`](NameFailure::NoAnswer), only sooner: they see [`ErrorKind::TimedOut`].
    ServerFailure,
}

impl NameFailure {
    pub(crate) fn error(self) -> OsError {
        OsError::without_code(match self {
            NameFailure::NotFound => ErrorKind::NotFound,
            NameFailure::NoAnswer | NameFailure::ServerFailure => ErrorKind::TimedOut,
        })
    }
}

/// What a lookup of a name is answered.
pub(crate) type Answer = Result<Vec<IpAddr>, NameFailure>;

/// One table for all hosts: each sees the same names, but for `localhost`, which is always the host itself.
pub(crate) struct Names {
    answers: BTreeMap<String, Answer>,
    /// What was true of names before their last change, and when that was: caches tell it on.
    before: BTreeMap<String, (Answer, Moment)>,
}

impl Names {
    /// A table in which each host's own name leads to it.
    pub(crate) fn of_hosts(hosts: impl IntoIterator<Item = (String, IpAddr)>) -> Names {
        let mut names = Names { answers: BTreeMap::new(), before: BTreeMap::new() };
        for (name, ip) in hosts {
            names.set(&name, Ok(vec![ip]));
        }
        names.set("localhost", Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]));
        names
    }

    /// Each address counts once; a name without one is as good as none.
    pub(crate) fn set(&mut self, name: &str, answer: Answer) {
        let mut each_once = Vec::new();
        for ip in answer.iter().flatten() {
            if !each_once.contains(ip) {
                each_once.push(*ip);
            }
        }
        let answer =
            answer.and(if each_once.is_empty() { Err(NameFailure::NotFound) } else { Ok(each_once) });
        self.answers.insert(key(name), answer);
    }

    /// As [`Names::set`], in a world that runs.
    pub(crate) fn change(&mut self, now: Moment, name: &str, answer: Answer) {
        self.before.insert(key(name), (self.answer(name), now));
        self.set(name, answer);
    }

    /// What was true of a name before its last change, and when that was.
    pub(crate) fn before(&self, name: &str) -> Option<&(Answer, Moment)> {
        self.before.get(&key(name))
    }

    pub(crate) fn answer(&self, name: &str) -> Answer {
        self.answers.get(&key(name)).cloned().unwrap_or(Err(NameFailure::NotFound))
    }
}

/// Names differ by more than case (RFC 4343) and the dot at their end.
fn key(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    #[test]
    fn a_name_has_its_addresses_once_and_in_order() {
        let mut names = Names::of_hosts([("server".to_owned(), ip(1))]);
        names.set("db", Ok(vec![ip(9), ip(3), ip(9)]));
        assert_eq!(names.answer("db"), Ok(vec![ip(9), ip(3)]));
        assert_eq!(names.answer("Server."), Ok(vec![ip(1)]));
        names.set("SERVER", Err(NameFailure::NoAnswer));
        assert_eq!(names.answer("server"), Err(NameFailure::NoAnswer));
        names.set("empty", Ok(Vec::new()));
        for nobody in ["empty", "other"] {
            assert_eq!(names.answer(nobody), Err(NameFailure::NotFound));
        }
    }
}
