//! One operation on files under way: a descriptor that is waited for. It does not know what is asked.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::file::OpenFile;
use crate::dispatcher::Interest;
use crate::driver::{Fd, FileOperation, FileOutcome, OsError};
use crate::readiness::UntilReady;
use crate::shared::Shared;
use crate::{Handle, Operation, TransportError, WatchError};

/// The future of one operation on files.
///
/// The operation begins with the call that gives this. Dropping it gives up the answer alone: what was asked for may be done
/// all the same, at any later time, or not. To know, await it; to have it done while others go on, spawn a task.
#[must_use = "nobody learns how an operation on files has ended unless it is awaited"]
pub struct FileCall<T> {
    call: Call,
    subject: Subject,
    finish: fn(Finished<'_>) -> T,
}

/// What a [`FileCall`] makes its result from.
pub(super) struct Finished<'a> {
    pub(super) handle: Handle,
    pub(super) outcome: FileOutcome,
    pub(super) subject: &'a Subject,
}

/// Who asks, and where in the source.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub(super) handle: Handle,
    pub(super) place: &'static Location<'static>,
}

/// What an operation is about: for its errors.
pub(super) enum Subject {
    Opened(Box<str>),
    Named(Box<str>),
    /// It stays open until the operation has ended.
    File(Shared<OpenFile>),
}

impl Caller {
    /// Panics outside of a dispatcher's scope.
    #[track_caller]
    pub(super) fn here() -> Caller {
        Caller { handle: Handle::current(), place: Location::caller() }
    }

    pub(super) fn call<T>(
        self,
        operation: FileOperation,
        subject: Subject,
        finish: fn(Finished<'_>) -> T,
    ) -> FileCall<T> {
        FileCall { call: Call::begin(self, operation), subject, finish }
    }
}

impl Subject {
    pub(super) fn opened(path: &Path) -> Subject {
        Subject::Opened(path.to_string_lossy().into())
    }

    pub(super) fn named(path: &Path) -> Subject {
        Subject::Named(path.to_string_lossy().into())
    }

    pub(super) fn error(&self, error: OsError) -> TransportError {
        match self {
            Subject::Opened(path) => TransportError::of_name(Operation::Open, path, error),
            Subject::Named(path) => TransportError::of_name(Operation::File, path, error),
            Subject::File(file) => file.resolve().1.error(error),
        }
    }
}

impl<T> Future for FileCall<T> {
    type Output = Result<T, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let outcome = ready!(this.call.poll(context)).map_err(|error| this.subject.error(error))?;
        let handle = this.call.caller.handle;
        Poll::Ready(Ok((this.finish)(Finished { handle, outcome, subject: &this.subject })))
    }
}

impl<T> fmt::Debug for FileCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCall").field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Opened(path) | Subject::Named(path) => f.write_str(path),
            Subject::File(file) => fmt::Debug::fmt(file, f),
        }
    }
}

/// An operation and its descriptor.
pub(super) struct Call {
    pub(super) caller: Caller,
    state: State,
}

enum State {
    Refused(OsError),
    UnderWay { fd: Fd, ready: UntilReady },
    Over,
}

impl Call {
    pub(super) fn begin(caller: Caller, operation: FileOperation) -> Call {
        let state = match caller.handle.core().begin_file(operation) {
            Ok(fd) => State::UnderWay { fd, ready: caller.until_ready(fd) },
            Err(error) => State::Refused(error),
        };
        Call { caller, state }
    }

    /// What came of it. An error of the files is an error here.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<FileOutcome, OsError>> {
        let outcome = match &mut self.state {
            State::Refused(error) => Err(*error),
            State::UnderWay { fd, ready } => ready!(poll_outcome(self.caller, *fd, ready, context)),
            State::Over => panic!("an operation on files was polled again after it was ready"),
        };
        self.end();
        Poll::Ready(match outcome {
            Ok(FileOutcome::Failed(error)) => Err(error),
            outcome => outcome,
        })
    }

    fn end(&mut self) {
        if let State::UnderWay { fd, ready } = mem::replace(&mut self.state, State::Over) {
            drop(ready);
            self.caller.handle.close(fd);
        }
    }
}

/// Asks the driver for the outcome, again after each event: one may come with nothing behind it.
fn poll_outcome(
    caller: Caller,
    fd: Fd,
    ready: &mut UntilReady,
    context: &mut Context<'_>,
) -> Poll<Result<FileOutcome, OsError>> {
    loop {
        match caller.handle.core().file_outcome(fd) {
            Err(error) if error.is_would_block() => {}
            outcome => return Poll::Ready(outcome),
        }
        match ready!(Pin::new(&mut *ready).poll(context)) {
            Ok(()) => *ready = caller.until_ready(fd),
            Err(WatchError::Closed) => return Poll::Ready(Err(OsError::BAD_DESCRIPTOR)),
            Err(error) => panic!("an operation's descriptor is watched by the operation alone: {error}"),
        }
    }
}

impl Caller {
    fn until_ready(self, fd: Fd) -> UntilReady {
        UntilReady::new(self.handle, fd, Interest::Read, self.place)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end();
    }
}
