//! The connections of a server as a `Stream`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::transport::Accept;
use crate::{ErrorKind, StreamServer, StreamTransport, TransportError};

impl StreamServer {
    /// The connections as they come, in the order of [`accept`](Self::accept), until the server is closed. With the feature
    /// `futures-core`.
    ///
    /// Running out of descriptors is an item, and more may follow. Dropping the stream loses no connection.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::future::poll_fn;
    /// use std::pin::pin;
    /// use futures_core::Stream;
    /// use twinloop::{Address, StreamServer, connect};
    ///
    /// let server = StreamServer::listen(Address::loopback(0))?;
    /// let client = connect(server.local_address()).await?;
    /// let mut incoming = pin!(server.incoming());
    /// let first = poll_fn(|context| incoming.as_mut().poll_next(context)).await.expect("it is open")?;
    /// assert_eq!(first.remote_address(), client.local_address()?);
    /// # Ok(()) });
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { server: self, accept: None }
    }
}

/// The stream of [`StreamServer::incoming`].
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a> {
    server: &'a StreamServer,
    /// The accept that waits, with its place among others.
    accept: Option<Accept<'a>>,
}

impl Stream for Incoming<'_> {
    type Item = Result<StreamTransport, TransportError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Incoming { server, accept } = self.get_mut();
        let waiting = accept.get_or_insert_with(|| server.accept());
        let accepted = ready!(Pin::new(waiting).poll(context));
        *accept = None;
        Poll::Ready(match accepted {
            Err(error) if error.kind() == ErrorKind::Closed => None,
            accepted => Some(accepted),
        })
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("server", self.server).finish_non_exhaustive()
    }
}
