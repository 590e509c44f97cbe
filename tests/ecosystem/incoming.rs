//! The connections of a server as a `Stream`.

use futures_util::{FutureExt, StreamExt};
use twinloop::transport::Incoming;
use twinloop::{Address, StreamServer, connect, spawn};

use crate::support::run;

/// They come in their order, and the end of the server is the end of the stream.
#[test]
fn connections_come_in_their_order_until_the_server_is_closed() {
    run(|| async {
        let server = std::rc::Rc::new(StreamServer::listen(Address::loopback(0))?);
        let address = server.local_address();
        let closer = std::rc::Rc::clone(&server);
        let clients = spawn(async move {
            for number in 0..3u8 {
                let client = connect(address).await?;
                client.write(&[number]).await?;
                client.shutdown().await?;
                client.read_to_end(10).await?;
            }
            closer.close().await;
            Ok::<_, twinloop::TransportError>(())
        });
        let mut numbers = Vec::new();
        let mut incoming = server.incoming();
        while let Some(stream) = incoming.next().await {
            numbers.extend(stream?.read_to_end(10).await?);
        }
        assert_eq!(numbers, [0, 1, 2]);
        assert!(incoming.next().await.is_none(), "it stays at its end");
        clients.await??;
        Ok(())
    });
}

/// Dropping the stream gives its place among those who accept to the next.
#[test]
fn a_stream_that_is_dropped_leaves_its_connection_to_others() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let mut incoming = server.incoming();
        assert!(incoming.next().now_or_never().is_none());
        drop(incoming);
        let client = connect(server.local_address()).await?;
        let accepted = server.accept().await?;
        assert_eq!(accepted.remote_address(), client.local_address()?);
        Ok(())
    });
}

/// As all that the core gives out.
#[test]
fn the_stream_of_connections_is_send_sync_and_unpin() {
    fn travels<T: Send + Sync + Unpin>() {}
    travels::<Incoming<'_>>();
}
