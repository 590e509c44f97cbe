//! What the program made outside of the simulated world has no place in it.

use std::io::ErrorKind;

use twinloop::Handle;
use twinloop_real::Adopted;

/// A real descriptor is refused by a simulated host, and nothing of it is left.
#[test]
fn a_simulated_host_adopts_nothing() {
    twinloop_sim::run(async {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
        let refused = Adopted::new(socket).expect_err("a simulated kernel knows no real socket");
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert_eq!(Handle::current().pending().descriptors, 0);
        Ok(())
    });
}
