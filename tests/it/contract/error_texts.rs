//! What an error says to whoever reads a log: what was done, to which address, and what the system says of it.

use super::run;
use twinloop::{Address, DatagramTransport, ErrorKind, File, StreamServer, connect};

/// A refusal is told in the system's words and with its number, on both drivers alike.
#[test]
fn an_error_is_shown_in_the_words_of_the_system() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let address = server.local_address();
        let taken = StreamServer::listen(address).expect_err("another one is there");
        let code = taken.code().expect("the system says so");
        let words = taken.to_string();
        let words =
            words.strip_prefix(&format!("listen at {address}: ")).expect("the address is told").to_owned();
        assert!(words.ends_with(&format!(" (os error {code})")), "{words}");
        assert_eq!(ErrorKind::Os(std::io::ErrorKind::AddrInUse), taken.kind());
        // The same words wherever that number is told.
        let other = DatagramTransport::bind(Address::loopback(0))?;
        let refused = DatagramTransport::bind(other.local_address()).expect_err("another one is there");
        assert!(refused.to_string().ends_with(&words), "{refused}");
        if code == 98 {
            assert_eq!(words, "Address already in use (os error 98)");
        }
        drop(server);
        let refused = connect(address).await.expect_err("nobody listens any more").to_string();
        assert!(refused.starts_with(&format!("connect to {address}: ")), "{refused}");
        let missing = File::open("/there/is/nothing").await.expect_err("nobody made it").to_string();
        assert!(missing.starts_with("open /there/is/nothing: "), "{missing}");
        Ok(())
    });
}
