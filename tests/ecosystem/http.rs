//! Hyper, client and server, on twinloop's streams.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use twinloop::{Address, StreamServer, StreamTransport, connect, spawn};

use crate::support::{Outcome, pattern, run};

/// A stream as hyper wants it: its own traits, which `tokio`'s are one step away from.
struct Io(StreamTransport);

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut target: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = [0; 4096];
        let room = space.len().min(target.remaining());
        let mut filled = ReadBuf::new(&mut space[..room]);
        ready!(AsyncRead::poll_read(Pin::new(&mut self.0), context, &mut filled))?;
        target.put_slice(filled.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.0), context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(Pin::new(&mut self.0), context, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.0), context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.0), context)
    }
}

/// Gives the body back, in reverse.
async fn reverse(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let Ok(body) = request.into_body().collect().await else {
        return Ok(answer(StatusCode::BAD_REQUEST, Bytes::new()));
    };
    let reversed: Bytes = body.to_bytes().iter().rev().copied().collect();
    Ok(match path.as_str() {
        "/reverse" => answer(StatusCode::OK, reversed),
        _ => answer(StatusCode::NOT_FOUND, Bytes::new()),
    })
}

fn answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

/// Several requests on one connection, small ones and large ones.
#[test]
fn hyper_serves_and_asks_over_twinloop() {
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let address = server.local_address();
        let serving = spawn(async move {
            let stream = server.accept().await.expect("a client connects");
            // The date would be read from the system's clock.
            let mut http = server::conn::http1::Builder::new();
            http.auto_date_header(false).serve_connection(Io(stream), service_fn(reverse)).await
        });
        ask(address).await?;
        serving.await??;
        Ok(())
    });
}

async fn ask(address: Address) -> Outcome {
    let stream = connect(address).await?;
    let (mut sender, connection) = client::conn::http1::handshake(Io(stream)).await?;
    let connection = spawn(connection);
    for length in [0, 5, 100_000] {
        let body = pattern(length);
        let request = Request::post("/reverse").header("host", "twinloop");
        let response = sender.send_request(request.body(Full::new(Bytes::from(body.clone())))?).await?;
        assert_eq!(response.status(), StatusCode::OK);
        let back = response.into_body().collect().await?.to_bytes();
        assert!(back.iter().rev().eq(&body), "{length} bytes");
    }
    let request = Request::get("/nowhere").header("host", "twinloop").body(Full::default())?;
    assert_eq!(sender.send_request(request).await?.status(), StatusCode::NOT_FOUND);
    drop(sender);
    connection.await??;
    Ok(())
}
