//! Ending the direction of writing: what is queued goes first, then the peer is told that no more will come.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::queue::End;
use crate::dispatcher::Core;
use crate::driver::Half;
use crate::table::Key;
use crate::transport::stream::{Stream, StreamTransport};
use crate::{ErrorKind, Handle, Operation, TransportError};

impl StreamTransport {
    /// Sends what is queued, then tells the peer that no more will come; reading goes on (R122). From the call on, new
    /// writes are refused with [`ErrorKind::ShutDown`]. Dropping the future does not undo the shutdown.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write). A second shutdown waits for the same end.
    ///
    /// ```
    /// # twinloop_sim::run_pair(|stream, peer| async move {
    /// stream.shutdown().await?;
    /// assert_eq!(peer.read_to_end(100).await?, b"");
    /// peer.write(b"still open this way").await?;
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn shutdown(&self) -> Shutdown {
        let place = Location::caller();
        let (core, stream) = self.resolve();
        let mut side = stream.write.borrow_mut();
        if matches!(side.end, End::Open) {
            side.end = End::Ending;
        }
        drop(side);
        stream.writables.grant_all(&core);
        stream.end_if_flushed(&core);
        Shutdown { handle: self.handle(), stream: self.key(), wait: None, place }
    }
}

impl Stream {
    /// Shuts the direction down once it is to end and nothing is queued.
    pub(super) fn end_if_flushed(&self, core: &Core) {
        let mut side = self.write.borrow_mut();
        if !matches!(side.end, End::Ending) || !side.is_empty() || self.closed.get() {
            return;
        }
        let shut = core.driver.borrow_mut().shutdown(self.fd, Half::Write);
        side.end = match shut {
            Ok(()) => End::ShutDown,
            // The peer is gone already: as much an end as the one that was asked for (R122).
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => End::ShutDown,
            Err(error) => End::Failed(error),
        };
        drop(side);
        self.shutdowns.grant_all(core);
    }
}

/// The future of [`StreamTransport::shutdown`].
#[derive(Debug)]
#[must_use = "the shutdown goes on by itself; await this to know that everything queued was sent"]
pub struct Shutdown {
    handle: Handle,
    stream: Key,
    wait: Option<Key>,
    place: &'static Location<'static>,
}

impl Future for Shutdown {
    type Output = Result<(), TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let core = self.handle.core();
        let Some(stream) = core.object::<Stream>(self.stream) else {
            return Poll::Ready(Err(TransportError::new(Operation::Shutdown, None, ErrorKind::Closed)));
        };
        let end = stream.write.borrow().end;
        let outcome = match end {
            End::ShutDown => Ok(()),
            End::Failed(error) => Err(stream.os_error(Operation::Shutdown, error)),
            End::Open | End::Ending => match stream.refuse_closed(Operation::Shutdown) {
                Ok(()) => return self.wait(&core, &stream, context),
                closed => closed,
            },
        };
        self.leave(&core, &stream);
        Poll::Ready(outcome)
    }
}

impl Shutdown {
    fn wait<T>(&mut self, core: &Core, stream: &Stream, context: &Context<'_>) -> Poll<T> {
        let place = self.place;
        let wait = *self.wait.get_or_insert_with(|| {
            stream.hold();
            stream.shutdowns.begin(core, "shutdown", 1, place)
        });
        let granted = core.poll_wait(wait, context);
        assert!(!granted, "a shutdown is granted by its end, or by that of the stream");
        Poll::Pending
    }

    fn leave(&mut self, core: &Core, stream: &Stream) {
        let Some(wait) = self.wait.take() else { return };
        let _ended = stream.shutdowns.end(core, wait);
        Stream::release(core, self.stream);
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        let Some(core) = self.handle.try_core() else { return };
        if let Some(stream) = core.object::<Stream>(self.stream) {
            self.leave(&core, &stream);
        }
    }
}
