//! Byte streams that stay on this machine and need no server: pairs, pipes, FIFOs and standard streams.

use std::path::Path;

use super::stream::StreamTransport;
use crate::driver::{Half, OsError, Standard};
use crate::{Address, Handle, Operation, TransportError};

impl StreamTransport {
    /// Two streams that are connected to each other and to nobody else (socketpair(2)). Neither has a name:
    /// [`Address::UNNAMED`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyOpen`](crate::ErrorKind), or what else the system says.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::StreamTransport;
    ///
    /// let (stream, peer) = StreamTransport::pair()?;
    /// stream.write(b"ping").await?;
    /// stream.close().await;
    /// assert_eq!(peer.read_to_end(16).await?, b"ping");
    /// # Ok(()) });
    /// ```
    pub fn pair() -> Result<(StreamTransport, StreamTransport), TransportError> {
        let handle = Handle::current();
        let (first, second) = handle.core().stream_pair().map_err(|error| failed("a pair", error))?;
        let stream = |fd| StreamTransport::new(handle, fd, Address::UNNAMED);
        Ok((stream(first), stream(second)))
    }
}

/// A new pipe: the end that is read from, and the end that is written to.
///
/// The rules of reading and writing are those of every stream (R170). Once the writing end is closed, or
/// [shut down](StreamTransport::shutdown) behind all that it has queued, the reading end finds the end of the stream. Writing
/// to a pipe that nobody reads is an error (`EPIPE`), without a signal. What an end is not for is refused before anything
/// happens (`EBADF`).
///
/// # Errors
///
/// [`ErrorKind::TooManyOpen`](crate::ErrorKind), or what else the system says.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// let (reader, writer) = twinloop::pipe()?;
/// writer.write(b"through the pipe").await?;
/// writer.shutdown().await?;
/// assert_eq!(reader.read_to_end(100).await?, b"through the pipe");
/// # Ok(()) });
/// ```
pub fn pipe() -> Result<(StreamTransport, StreamTransport), TransportError> {
    let handle = Handle::current();
    let (reader, writer) = handle.core().pipe().map_err(|error| failed("a pipe", error))?;
    Ok((
        StreamTransport::one_way(handle, reader, Half::Read),
        StreamTransport::one_way(handle, writer, Half::Write),
    ))
}

/// One end of the pipe with a name in the file system (fifo(7)): [`Half::Read`] or [`Half::Write`]. [`Half::Both`] is its own
/// peer, and so never finds the end of the stream.
///
/// On Windows these are named pipes (`\\.\pipe\name`), for one peer each: any other path is
/// [`Unsupported`](std::io::ErrorKind::Unsupported). [`Half::Both`] carries bytes both ways between the peers; who
/// creates one waits for the other, whichever end it is. What was written is delivered while this process lives.
///
/// Elsewhere a reader that comes before every writer finds the end at once, as one does that comes after them: to wait
/// for writers, open both halves.
///
/// # Errors
///
/// The system's: there is no such path; it is something else (`EINVAL`, `ENXIO`); nobody reads what is to be written
/// (`ENXIO`).
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::driver::Half;
/// use twinloop::fs::remove_file;
/// use twinloop::transport::{create_fifo, open_fifo};
///
/// let reader = create_fifo("/tmp/requests", Half::Read)?;
/// open_fifo("/tmp/requests", Half::Write)?.write(b"reload\n").await?;
/// assert_eq!(reader.read_line(100).await?.as_deref(), Some(&b"reload"[..]));
/// remove_file("/tmp/requests").await?;
/// # Ok(()) });
/// ```
pub fn open_fifo(path: impl AsRef<Path>, end: Half) -> Result<StreamTransport, TransportError> {
    open(path.as_ref(), end, false)
}

/// As [`open_fifo`], but makes the pipe if nothing stands at `path`. The path stays when it is closed:
/// [`fs::remove_file`](crate::fs::remove_file) removes it. On Windows it goes with both ends.
///
/// # Errors
///
/// As [`open_fifo`].
///
/// # Panics
///
/// Outside of a dispatcher's scope.
pub fn create_fifo(path: impl AsRef<Path>, end: Half) -> Result<StreamTransport, TransportError> {
    open(path.as_ref(), end, true)
}

fn open(path: &Path, end: Half, create: bool) -> Result<StreamTransport, TransportError> {
    let handle = Handle::current();
    let fd = handle.core().open_fifo(path, end, create);
    let fd = fd.map_err(|error| failed(&path.to_string_lossy(), error))?;
    Ok(StreamTransport::one_way(handle, fd, end))
}

/// The standard input of this process, as a stream.
///
/// Whatever it is, nothing of it is changed that other processes would notice: a shared terminal stays blocking, and
/// the loop is not held up by it. (On Windows a helper thread waits in its place.) What was received and not read when
/// the transport is dropped is lost to whoever reads next.
///
/// In a simulation, it is what the scenario gives the host (`Sim::input`), and otherwise empty.
///
/// # Errors
///
/// The system's.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// assert_eq!(twinloop::standard_input()?.read_to_end(100).await?, b"");
/// # Ok(()) });
/// ```
pub fn standard_input() -> Result<StreamTransport, TransportError> {
    standard("standard input", Standard::Input, Half::Read)
}

/// The standard output of this process, as a stream. As [`standard_input`] in all else.
///
/// Closing it, or shutting it down behind what is queued, leaves it open for the rest of the process: whoever reads it sees
/// the end when the process ends. On Windows a helper thread writes what was taken, and the end of the driver waits for it.
///
/// # Errors
///
/// As [`standard_input`].
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// twinloop::standard_output()?.write(b"hello\n").await?;
/// # Ok(()) });
/// ```
pub fn standard_output() -> Result<StreamTransport, TransportError> {
    standard("standard output", Standard::Output, Half::Write)
}

/// The standard error of this process, as [`standard_output`].
///
/// # Errors
///
/// As [`standard_input`].
///
/// # Panics
///
/// Outside of a dispatcher's scope.
pub fn standard_error() -> Result<StreamTransport, TransportError> {
    standard("standard error", Standard::Error, Half::Write)
}

fn standard(name: &str, stream: Standard, half: Half) -> Result<StreamTransport, TransportError> {
    let handle = Handle::current();
    let fd = handle.core().standard(stream).map_err(|error| failed(name, error))?;
    Ok(StreamTransport::one_way(handle, fd, half))
}

fn failed(name: &str, error: OsError) -> TransportError {
    TransportError::of_name(Operation::Open, name, error)
}
