//! Devices of the real kernel, sent over streams.

use twinloop::{Address, File, StreamServer, connect, spawn};

use crate::on_real::run;

/// A device without an end is sent for as long as was asked for, and gives way meanwhile.
#[test]
fn a_device_is_sent_as_far_as_was_asked_for() {
    const TOTAL: u64 = 3_000_000;
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let stream = connect(server.local_address()).await?;
        let peer = server.accept().await?;
        let device = File::open("/dev/zero").await?;
        let reader = spawn(async move { peer.read_to_end(usize::MAX).await });
        assert_eq!(stream.write_file(&device, 7, Some(TOTAL)).await?, TOTAL);
        stream.close().await;
        assert!(reader.await?? == vec![0; TOTAL as usize]);
        Ok(())
    });
}
