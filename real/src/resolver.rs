//! Looking up names with the system's resolver, which blocks. It knows no thread that it is asked on.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

use twinloop::driver::OsError;

use crate::helpers::Job;
use crate::platform::os_error;

/// What a lookup answers: addresses in the system's order of preference, each once.
pub(crate) type Answer = Result<Vec<IpAddr>, OsError>;

/// A name to be looked up.
pub(crate) struct Lookup(pub(crate) String);

impl Job for Lookup {
    type Answer = Answer;

    const NAME: &'static str = "resolver";
    const THREADS_MAX: usize = 4;
    /// To start a thread costs little beside a lookup.
    const LINGER: Duration = Duration::ZERO;

    fn run(self) -> Answer {
        ask_system(&self.0)
    }
}

fn ask_system(name: &str) -> Answer {
    let found = (name, 0).to_socket_addrs().map_err(failure)?;
    let mut ips: Vec<IpAddr> = Vec::new();
    for ip in found.map(|address| address.ip()) {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    if ips.is_empty() { Err(NOT_FOUND) } else { Ok(ips) }
}

const NOT_FOUND: OsError = OsError::without_code(ErrorKind::NotFound);

/// What systems say when a server did not answer (`EAI_AGAIN`): glibc and the BSDs, musl, FreeBSD.
const TEMPORARY: [&str; 3] = ["emporary failure", "Try again", "could not be resolved at this time"];

/// The kinds that the seam promises. std keeps the resolver's number to itself and passes on its words alone, so that words
/// have to do; they are in English, for Rust's runtime sets no locale. Windows gives numbers.
fn failure(error: io::Error) -> OsError {
    /// <https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2>
    const WSAHOST_NOT_FOUND: i32 = 11001;
    const WSATRY_AGAIN: i32 = 11002;
    const WSANO_DATA: i32 = 11004;
    match error.raw_os_error() {
        Some(code @ (WSAHOST_NOT_FOUND | WSANO_DATA)) => OsError::new(ErrorKind::NotFound, code),
        Some(code @ WSATRY_AGAIN) => OsError::new(ErrorKind::TimedOut, code),
        Some(_) => os_error(error),
        None => {
            let words = error.to_string();
            let is_temporary = TEMPORARY.iter().any(|said| words.contains(said));
            if is_temporary { OsError::without_code(ErrorKind::TimedOut) } else { NOT_FOUND }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_has_the_promised_kind() {
        let said =
            |words: &str| failure(io::Error::other(format!("failed to lookup address information: {words}")));
        for words in ["Temporary failure in name resolution", "Try again"] {
            assert_eq!(said(words).kind(), ErrorKind::TimedOut, "{words}");
        }
        for words in
            ["Name or service not known", "No address associated with hostname", "Name does not resolve"]
        {
            assert_eq!(said(words), NOT_FOUND, "{words}");
        }
        assert_eq!(failure(io::Error::from_raw_os_error(11001)), OsError::new(ErrorKind::NotFound, 11001));
    }

    #[test]
    fn the_system_knows_localhost_and_each_address_once() {
        let ips = ask_system("localhost").expect("every system knows it");
        assert!(ips.iter().all(IpAddr::is_loopback), "{ips:?}");
        let mut each_once = ips.clone();
        each_once.sort_unstable();
        each_once.dedup();
        assert_eq!(each_once.len(), ips.len());
    }
}
