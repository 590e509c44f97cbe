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

    /// How the direction of writing has ended; `None` while it has not.
    fn shutdown_outcome(&self) -> Option<Result<(), TransportError>> {
        let end = self.write.borrow().end;
        match end {
            End::ShutDown => Some(Ok(())),
            End::Failed(error) => Some(Err(self.os_error(Operation::Shutdown, error))),
            End::Open | End::Ending => self.refuse_closed(Operation::Shutdown).err().map(Err),
        }
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
        if stream.shutdown_outcome().is_none() && !self.is_over(&core, &stream, context) {
            return Poll::Pending;
        }
        self.leave(&core, &stream);
        let outcome = stream.shutdown_outcome();
        Poll::Ready(outcome.expect("a shutdown is granted by its end, or by that of the stream"))
    }
}

impl Shutdown {
    /// Whether the end has come. It may come while the waker is noted, which is anyone's code.
    fn is_over(&mut self, core: &Core, stream: &Stream, context: &Context<'_>) -> bool {
        let place = self.place;
        let wait = *self.wait.get_or_insert_with(|| {
            stream.hold();
            stream.shutdowns.begin(core, "shutdown", 1, place)
        });
        core.poll_wait(wait, context)
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
