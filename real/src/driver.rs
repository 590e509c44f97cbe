//! The seam's calls on the real kernel, and the table of descriptors. Decides nothing: the kernel answers.

use std::any::Any;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use twinloop::driver::{
    Capabilities, ConnectOptions, Credentials, DatagramOptions, Driver, Event, Fd, FileOperation,
    FileOutcome, Half, ListenOptions, Membership, OptionName, OsError, Outgoing, Readiness, Received, Signal,
    SocketOption, Standard, ThreadMain, Unpark,
};
use twinloop::table::Table;
use twinloop::{Address, Dispatcher, Moment};

use crate::clock::{self, Clock};
use crate::datagrams::{DatagramSocket, Taking};
use crate::files::{Done, FileJob, OpenFile};
use crate::foreign::Foreign;
use crate::helpers::Helpers;
use crate::options;
use crate::platform::{self, ForeignSource, Local, SignalListener, os_error};
use crate::poller::Poller;
use crate::resolver::{Answer, Lookup};
use crate::sendfile;
use crate::sockets::Socket;

/// The driver of production: the kernel of this machine.
///
/// A call that does not fit the kind of a socket answers
/// [`NotConnected`](ErrorKind::NotConnected) (a stream's call on a listener), [`InvalidInput`](ErrorKind::InvalidInput)
/// (`accept` on a stream) or [`Unsupported`](ErrorKind::Unsupported) (any call on what was adopted, a socket's call on a name
/// that is looked up, and a stream's call on a datagram socket or the other way round).
///
/// ```
/// use twinloop::Address;
/// use twinloop::driver::{Driver, ListenOptions};
///
/// let mut driver = twinloop_real::RealDriver::new()?;
/// let listener = driver.listen(&Address::loopback(0), &ListenOptions::default())?;
/// assert_ne!(driver.local_address(listener)?.port(), Some(0));
/// assert!(driver.accept(listener).is_err_and(|error| error.is_would_block()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct RealDriver {
    descriptors: Table<Descriptor>,
    poller: Poller,
    clock: Clock,
    resolver: Helpers<Lookup>,
    files: Helpers<FileJob>,
    /// Streams whose handshake waits for the first write, and where they lead.
    put_off: Vec<(Fd, Address)>,
    /// What listens to signals and no selector watches: a poll looks there.
    listening: Vec<Fd>,
}

#[derive(Debug)]
enum Descriptor {
    Socket(Socket),
    Foreign(Foreign),
    File(Arc<OpenFile>),
    Local(Local),
    /// A name that is looked up, and its answer once that has come.
    Lookup(Option<Answer>),
    Signals(SignalListener),
    /// An operation on files, and what came of it once that is known.
    Operation(Option<Done>),
}

/// What a stream's call is made on.
enum Endpoint<'a> {
    Socket(&'a Socket),
    Local(&'a Local),
}

impl RealDriver {
    /// A driver with its own selector and a clock that starts now.
    ///
    /// # Errors
    ///
    /// The system's, when it has no descriptor left for the selector or its waker.
    pub fn new() -> io::Result<RealDriver> {
        let poller = Poller::new()?;
        let resolver = Helpers::new(poller.unparker());
        let files = Helpers::new(poller.unparker());
        Ok(RealDriver {
            descriptors: Table::new(),
            poller,
            clock: Clock::new(),
            resolver,
            files,
            put_off: Vec::new(),
            listening: Vec::new(),
        })
    }

    /// Takes `descriptor` into the table, and has it watched as its kind is. On failure it is dropped.
    fn take_in(&mut self, descriptor: Descriptor) -> Result<Fd, OsError> {
        let key = self.descriptors.insert(descriptor);
        let fd = Fd::from_key(key);
        let begun = match self.descriptors.get_mut(key).expect("it was inserted above") {
            Descriptor::Socket(socket) => {
                let (source, interest) = socket.as_source();
                self.poller.watch(source, interest, fd)
            }
            Descriptor::Foreign(foreign) => foreign.probe(&self.poller, fd),
            Descriptor::File(file) => file.watch(&self.poller, fd),
            Descriptor::Local(local) => local.watch(&self.poller, fd).map(|is_watched| {
                if !is_watched {
                    self.poller.edges().tell(fd, Readiness::READABLE | Readiness::WRITABLE);
                }
            }),
            Descriptor::Signals(listener) => listener.watch(&self.poller, fd).map(|is_watched| {
                self.listening.extend((!is_watched).then_some(fd));
            }),
            Descriptor::Lookup(_) | Descriptor::Operation(_) => {
                unreachable!("what a helper thread does is nothing that a selector watches")
            }
        };
        begun.map(|()| fd).map_err(|error| {
            self.descriptors.remove(key);
            os_error(error)
        })
    }

    fn socket(&self, fd: Fd) -> Result<&Socket, OsError> {
        match self.descriptors.get(fd.key()) {
            Some(Descriptor::Socket(socket)) => Ok(socket),
            Some(_) => Err(OsError::without_code(ErrorKind::Unsupported)),
            None => Err(OsError::BAD_DESCRIPTOR),
        }
    }

    fn endpoint(&self, fd: Fd) -> Result<Endpoint<'_>, OsError> {
        match self.descriptors.get(fd.key()) {
            Some(Descriptor::Local(local)) => Ok(Endpoint::Local(local)),
            _ => self.socket(fd).map(Endpoint::Socket),
        }
    }

    fn take_in_both(&mut self, (first, second): (Local, Local)) -> Result<(Fd, Fd), OsError> {
        let first = self.take_in(Descriptor::Local(first))?;
        match self.take_in(Descriptor::Local(second)) {
            Ok(second) => Ok((first, second)),
            Err(error) => {
                self.close(first);
                Err(error)
            }
        }
    }

    fn file(&self, fd: Fd) -> Result<&Arc<OpenFile>, OsError> {
        match self.descriptors.get(fd.key()) {
            Some(Descriptor::File(file)) => Ok(file),
            Some(_) => Err(OsError::without_code(ErrorKind::Unsupported)),
            None => Err(OsError::BAD_DESCRIPTOR),
        }
    }
}

impl RealDriver {
    /// The operation with the files that its descriptors stand for.
    fn job(&self, operation: FileOperation) -> Result<FileJob, OsError> {
        let file = |fd| self.file(fd).map(Arc::clone);
        Ok(match operation {
            FileOperation::Open { path, options } => FileJob::Open { path, options },
            FileOperation::Read { file: fd, offset, buffer } => {
                FileJob::Read { file: file(fd)?, offset, buffer }
            }
            FileOperation::Write { file: fd, offset, bytes } => {
                FileJob::Write { file: file(fd)?, offset, bytes }
            }
            FileOperation::Sync { file: fd, data_only } => FileJob::Sync { file: file(fd)?, data_only },
            FileOperation::SetLength { file: fd, length } => FileJob::SetLength { file: file(fd)?, length },
            FileOperation::FileMetadata { file: fd } => FileJob::FileMetadata { file: file(fd)? },
            FileOperation::Metadata { path } => FileJob::Metadata { path },
            FileOperation::Rename { from, to } => FileJob::Rename { from, to },
            FileOperation::HardLink { from, to } => FileJob::HardLink { from, to },
            FileOperation::RemoveFile { path } => FileJob::RemoveFile { path },
            FileOperation::CreateDirectory { path } => FileJob::CreateDirectory { path },
            FileOperation::RemoveDirectory { path } => FileJob::RemoveDirectory { path },
            FileOperation::ReadDirectory { path } => FileJob::ReadDirectory { path },
            FileOperation::SyncDirectory { path } => FileJob::SyncDirectory { path },
            _ => return Err(OsError::without_code(ErrorKind::Unsupported)),
        })
    }
}

impl Driver for RealDriver {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = platform::capabilities();
        capabilities.file_sends_go_on = sendfile::goes_on();
        capabilities
    }

    fn now(&mut self) -> Moment {
        self.clock.now()
    }

    fn wall_now(&mut self) -> SystemTime {
        clock::wall_now()
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> Result<(), OsError> {
        assert!(events.is_empty(), "the caller of poll hands the vector over empty");
        self.poller.wait(timeout).map_err(os_error)?;
        // The kernel forgets a watch with the last copy of the descriptor, and a child process between fork and exec may
        // hold one. So an event may come for a socket that is closed: its key is stale.
        let fetched = self.poller.events();
        events.extend(fetched.filter(|event| self.descriptors.get(event.fd.key()).is_some()));
        for (fd, answer) in self.resolver.take_answers() {
            // A lookup that was given up meanwhile is in the table no more.
            if let Some(Descriptor::Lookup(lookup)) = self.descriptors.get_mut(fd.key()) {
                *lookup = Some(answer);
                events.push(Event { fd, readiness: Readiness::READABLE });
            }
        }
        let has_news = |fd: &Fd| match self.descriptors.get(fd.key()) {
            Some(Descriptor::Signals(listener)) => listener.has_news(),
            _ => unreachable!("what listens is in the table until it is closed"),
        };
        let told = self.listening.iter().copied().filter(has_news);
        events.extend(told.map(|fd| Event { fd, readiness: Readiness::READABLE }));
        for (fd, done) in self.files.take_answers() {
            if let Some(Descriptor::Operation(operation)) = self.descriptors.get_mut(fd.key()) {
                *operation = Some(done);
                events.push(Event { fd, readiness: Readiness::READABLE });
            }
        }
        Ok(())
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        self.poller.unparker()
    }

    /// The selector is made here, so that its refusal is the caller's to know.
    ///
    /// A thread whose main future can never go on panics with what its dispatcher said.
    fn start_thread(&mut self, main: ThreadMain) -> Result<(), OsError> {
        let driver = RealDriver::new().map_err(os_error)?;
        let thread = thread::Builder::new().name(main.name);
        let begin = main.begin;
        let run = move || {
            let ended = Dispatcher::new(Box::new(driver)).block_on(async move { begin().await });
            ended.unwrap_or_else(|error| panic!("the thread could not go on: {error}"));
        };
        // Not joined: whoever wants to know of its end learns it from the main future.
        thread.spawn(run).map(drop).map_err(platform::thread_error)
    }

    fn entropy(&mut self, buffer: &mut [u8]) -> Result<(), OsError> {
        getrandom::fill(buffer).map_err(|error| os_error(error.into()))
    }

    fn listen(&mut self, address: &Address, options: &ListenOptions) -> Result<Fd, OsError> {
        let listener = match address {
            Address::Unix(address) => Local::listen(address, options).map(Descriptor::Local),
            _ => Socket::listen(address, options).map(Descriptor::Socket),
        };
        self.take_in(listener.map_err(os_error)?)
    }

    fn accept(&mut self, listener: Fd) -> Result<(Fd, Address), OsError> {
        match self.endpoint(listener)? {
            Endpoint::Socket(listener) => {
                let (stream, peer) = uninterrupted(|| listener.accept())?;
                Ok((self.take_in(Descriptor::Socket(stream))?, peer.into()))
            }
            Endpoint::Local(listener) => {
                let (stream, peer) = uninterrupted(|| listener.accept())?;
                Ok((self.take_in(Descriptor::Local(stream))?, peer.into()))
            }
        }
    }

    fn connect(&mut self, remote: &Address, options: &ConnectOptions) -> Result<Fd, OsError> {
        if let Address::Unix(remote) = remote {
            let stream = Local::connect(remote, options).map_err(os_error)?;
            return self.take_in(Descriptor::Local(stream));
        }
        // Watched only after the connect began: epoll calls a socket that never did hung up.
        let (stream, is_put_off) = Socket::connect(remote, options).map_err(os_error)?;
        let fd = self.take_in(Descriptor::Socket(stream))?;
        if is_put_off {
            self.put_off.push((fd, *remote));
        }
        Ok(fd)
    }

    fn take_error(&mut self, fd: Fd) -> Result<Option<OsError>, OsError> {
        let pending = match self.endpoint(fd)? {
            Endpoint::Socket(socket) => socket.take_error(),
            Endpoint::Local(local) => local.take_error(),
        };
        Ok(pending.map_err(os_error)?.map(os_error))
    }

    fn recv(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize, OsError> {
        match self.endpoint(fd)? {
            Endpoint::Socket(socket) => {
                let mut stream = socket.as_stream()?;
                uninterrupted(|| stream.read(buffer))
            }
            Endpoint::Local(local) => uninterrupted(|| local.recv(buffer)),
        }
    }

    fn send(&mut self, fd: Fd, buffer: &[u8]) -> Result<usize, OsError> {
        match self.endpoint(fd)? {
            Endpoint::Socket(socket) => {
                let mut stream = socket.as_stream()?;
                uninterrupted(|| stream.write(buffer))
            }
            Endpoint::Local(local) => uninterrupted(|| local.send(buffer)),
        }
    }

    fn send_vectored(&mut self, fd: Fd, buffers: &[IoSlice<'_>]) -> Result<usize, OsError> {
        match self.endpoint(fd)? {
            Endpoint::Socket(socket) => {
                let stream = socket.as_stream()?;
                uninterrupted(|| platform::send_vectored(stream, buffers))
            }
            Endpoint::Local(local) => uninterrupted(|| local.send_vectored(buffers)),
        }
    }

    fn shutdown(&mut self, fd: Fd, half: Half) -> Result<(), OsError> {
        if let Some(Descriptor::Local(local)) = self.descriptors.get_mut(fd.key()) {
            return local.shutdown(half).map_err(os_error);
        }
        let how = match half {
            Half::Read => Shutdown::Read,
            Half::Write => Shutdown::Write,
            Half::Both => Shutdown::Both,
        };
        self.socket(fd)?.as_stream()?.shutdown(how).map_err(os_error)
    }

    fn set_option(&mut self, fd: Fd, option: SocketOption) -> Result<(), OsError> {
        let set = match self.endpoint(fd)? {
            Endpoint::Socket(socket) => options::set(socket, option),
            Endpoint::Local(local) => local.set_option(option),
        };
        set.map_err(os_error)
    }

    fn option(&mut self, fd: Fd, name: OptionName) -> Result<SocketOption, OsError> {
        let option = match self.endpoint(fd)? {
            Endpoint::Socket(socket) => options::get(socket, name),
            Endpoint::Local(local) => local.option(name),
        };
        option.map_err(os_error)
    }

    fn local_address(&mut self, fd: Fd) -> Result<Address, OsError> {
        let address = match self.endpoint(fd)? {
            Endpoint::Socket(socket) => socket.local_address().map(Address::from),
            Endpoint::Local(local) => local.local_address().map(Address::from),
        };
        address.map_err(os_error)
    }

    fn remote_address(&mut self, fd: Fd) -> Result<Address, OsError> {
        let address = match self.endpoint(fd)? {
            Endpoint::Socket(socket) => socket.remote_address().map(Address::from),
            Endpoint::Local(local) => local.remote_address().map(Address::from),
        };
        match address {
            Ok(address) => Ok(address),
            Err(error) => {
                let put_off = self.put_off.iter().find(|(other, _)| *other == fd);
                put_off.map(|(_, remote)| *remote).ok_or(os_error(error))
            }
        }
    }

    fn stream_pair(&mut self) -> Result<(Fd, Fd), OsError> {
        self.take_in_both(Local::stream_pair().map_err(os_error)?)
    }

    fn datagram_pair(&mut self) -> Result<(Fd, Fd), OsError> {
        self.take_in_both(Local::datagram_pair().map_err(os_error)?)
    }

    fn peer_credentials(&mut self, fd: Fd) -> Result<Credentials, OsError> {
        match self.endpoint(fd)? {
            Endpoint::Local(local) => local.peer_credentials().map_err(os_error),
            Endpoint::Socket(_) => Err(OsError::without_code(ErrorKind::Unsupported)),
        }
    }

    fn bind_datagram(&mut self, local: &Address, options: &DatagramOptions) -> Result<Fd, OsError> {
        let socket = match local {
            Address::Unix(local) => Local::bind_datagram(local, options).map(Descriptor::Local),
            _ => DatagramSocket::bind(local, options).map(Socket::Datagram).map(Descriptor::Socket),
        };
        self.take_in(socket.map_err(os_error)?)
    }

    fn recv_from(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        match self.endpoint(fd)? {
            Endpoint::Local(local) => uninterrupted(|| local.recv_from(buffer)),
            Endpoint::Socket(socket) => {
                let socket = socket.as_datagram()?;
                uninterrupted(|| socket.receive(buffer, Taking::One))
            }
        }
    }

    fn peek_from(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        match self.endpoint(fd)? {
            Endpoint::Local(local) => uninterrupted(|| local.peek_from(buffer)),
            Endpoint::Socket(socket) => {
                let socket = socket.as_datagram()?;
                uninterrupted(|| socket.receive(buffer, Taking::Nothing))
            }
        }
    }

    fn recv_many(
        &mut self,
        fd: Fd,
        buffer: &mut [u8],
        slot: usize,
        received: &mut Vec<Received>,
    ) -> Result<(), OsError> {
        match self.endpoint(fd)? {
            Endpoint::Local(local) => {
                received.push(uninterrupted(|| local.recv_from(&mut buffer[..slot]))?);
                Ok(())
            }
            Endpoint::Socket(socket) => {
                let socket = socket.as_datagram()?;
                uninterrupted(|| socket.receive_many(buffer, slot, received))
            }
        }
    }

    fn send_to(&mut self, fd: Fd, bytes: &[u8], remote: Option<&Address>) -> Result<(), OsError> {
        match self.endpoint(fd)? {
            Endpoint::Local(local) => {
                let remote = remote.map(|remote| remote.as_unix().ok_or(ErrorKind::InvalidInput));
                let remote = remote.transpose().map_err(OsError::without_code)?;
                uninterrupted(|| local.send_to(bytes, remote))
            }
            Endpoint::Socket(socket) => {
                let socket = socket.as_datagram()?;
                uninterrupted(|| socket.send(bytes, remote))
            }
        }
    }

    fn send_many(&mut self, fd: Fd, datagrams: &[Outgoing<'_>]) -> Result<usize, OsError> {
        match (self.endpoint(fd)?, datagrams) {
            (Endpoint::Socket(socket), _) => {
                let socket = socket.as_datagram()?;
                uninterrupted(|| socket.send_many(datagrams))
            }
            (Endpoint::Local(_), []) => Ok(0),
            (Endpoint::Local(_), [first, ..]) => {
                self.send_to(fd, first.bytes, first.remote.as_ref()).map(|()| 1)
            }
        }
    }

    fn join_multicast(&mut self, fd: Fd, membership: &Membership) -> Result<(), OsError> {
        self.socket(fd)?.as_datagram()?.join(membership).map_err(os_error)
    }

    fn leave_multicast(&mut self, fd: Fd, membership: &Membership) -> Result<(), OsError> {
        self.socket(fd)?.as_datagram()?.leave(membership).map_err(os_error)
    }

    fn pipe(&mut self) -> Result<(Fd, Fd), OsError> {
        self.take_in_both(Local::pipe().map_err(os_error)?)
    }

    fn open_fifo(&mut self, path: &Path, end: Half, create: bool) -> Result<Fd, OsError> {
        let fifo = uninterrupted(|| Local::open_fifo(path, end, create))?;
        self.take_in(Descriptor::Local(fifo))
    }

    fn standard(&mut self, stream: Standard) -> Result<Fd, OsError> {
        self.take_in(Descriptor::Local(Local::standard(stream).map_err(os_error)?))
    }

    fn resolve(&mut self, name: &str) -> Result<Fd, OsError> {
        let key = self.descriptors.insert(Descriptor::Lookup(None));
        let fd = Fd::from_key(key);
        self.resolver.begin(fd, Lookup(name.to_owned())).map(|()| fd).inspect_err(|_| {
            self.descriptors.remove(key);
        })
    }

    fn resolved(&mut self, fd: Fd) -> Result<Vec<IpAddr>, OsError> {
        match self.descriptors.get(fd.key()) {
            Some(Descriptor::Lookup(answer)) => answer.clone().unwrap_or(Err(OsError::WOULD_BLOCK)),
            Some(_) => Err(OsError::without_code(ErrorKind::Unsupported)),
            None => Err(OsError::BAD_DESCRIPTOR),
        }
    }

    fn begin_file(&mut self, operation: FileOperation) -> Result<Fd, OsError> {
        let job = self.job(operation)?;
        let key = self.descriptors.insert(Descriptor::Operation(None));
        let fd = Fd::from_key(key);
        self.files.begin(fd, job).map(|()| fd).inspect_err(|_| {
            self.descriptors.remove(key);
        })
    }

    fn file_outcome(&mut self, operation: Fd) -> Result<FileOutcome, OsError> {
        match self.descriptors.get_mut(operation.key()) {
            Some(Descriptor::Operation(done)) => match done.take().ok_or(OsError::WOULD_BLOCK)? {
                Done::Opened(file) => Ok(match self.take_in(Descriptor::File(Arc::new(file))) {
                    Ok(file) => FileOutcome::Opened(file),
                    Err(error) => FileOutcome::Failed(error),
                }),
                Done::Otherwise(outcome) => Ok(outcome),
            },
            Some(_) => Err(OsError::without_code(ErrorKind::Unsupported)),
            None => Err(OsError::BAD_DESCRIPTOR),
        }
    }

    fn read_file_at(&mut self, file: Fd, offset: u64, buffer: &mut [u8]) -> Result<usize, OsError> {
        let file = self.file(file)?;
        uninterrupted(|| file.read_at(buffer, offset))
    }

    fn send_file(&mut self, fd: Fd, file: Fd, offset: u64, count: usize) -> Result<usize, OsError> {
        let stream = self.socket(fd)?.as_whole_stream()?;
        match self.file(file).ok().and_then(|file| file.with_places()) {
            Some(file) => sendfile::send((fd, stream), self.poller.edges(), file, offset, count),
            None => Err(OsError::without_code(ErrorKind::Unsupported)),
        }
    }

    fn signals(&mut self, signals: &[Signal]) -> Result<Fd, OsError> {
        let listener = SignalListener::new(signals, self.poller.unparker()).map_err(os_error)?;
        self.take_in(Descriptor::Signals(listener))
    }

    fn next_signal(&mut self, fd: Fd) -> Result<Signal, OsError> {
        match self.descriptors.get_mut(fd.key()) {
            Some(Descriptor::Signals(listener)) => {
                listener.take(&self.poller, fd).map_err(os_error)?.ok_or(OsError::WOULD_BLOCK)
            }
            Some(_) => Err(OsError::without_code(ErrorKind::Unsupported)),
            None => Err(OsError::BAD_DESCRIPTOR),
        }
    }

    fn raise(&mut self, signal: Signal) -> Result<(), OsError> {
        platform::raise(signal).map_err(os_error)
    }

    /// Two that share one number would share one place in the selector, and each would get the other's events.
    fn adopt(&mut self, foreign: &mut dyn Any) -> Result<Fd, OsError> {
        let lent = foreign.downcast_mut::<Option<ForeignSource>>().and_then(Option::take);
        let source = lent.ok_or(OsError::without_code(ErrorKind::Unsupported))?;
        let is_same =
            |descriptor: &Descriptor| matches!(descriptor, Descriptor::Foreign(other) if other.is(&source));
        if self.descriptors.iter().any(|(_, descriptor)| is_same(descriptor)) {
            return Err(OsError::without_code(ErrorKind::AlreadyExists));
        }
        self.take_in(Descriptor::Foreign(Foreign::new(source)))
    }

    fn rewatch(&mut self, fd: Fd, interest: Readiness) -> Result<(), OsError> {
        match self.descriptors.get_mut(fd.key()) {
            Some(Descriptor::Foreign(foreign)) => {
                foreign.rewatch(&self.poller, fd, interest).map_err(os_error)
            }
            Some(_) => Err(OsError::without_code(ErrorKind::Unsupported)),
            None => Err(OsError::BAD_DESCRIPTOR),
        }
    }

    fn close(&mut self, fd: Fd) {
        self.put_off.retain(|(other, _)| *other != fd);
        match self.descriptors.remove(fd.key()) {
            Some(Descriptor::Foreign(mut foreign)) => {
                // It fails when the owner has closed the descriptor already. Then the kernel has ended the watch.
                let _ = foreign.rewatch(&self.poller, fd, Readiness::EMPTY);
            }
            Some(Descriptor::Local(mut local)) => {
                local.unwatch(&self.poller, fd);
            }
            Some(Descriptor::Lookup(None)) => self.resolver.give_up(fd),
            Some(Descriptor::Signals(_)) => self.listening.retain(|other| *other != fd),
            // An operation on files is not taken back: nobody has said that it shall not be done.
            Some(
                Descriptor::Lookup(Some(_))
                | Descriptor::Operation(_)
                | Descriptor::Socket(_)
                | Descriptor::File(_),
            )
            | None => {}
        }
    }
}

/// What the standard output was given is written before the program can end.
impl Drop for RealDriver {
    fn drop(&mut self) {
        platform::finish_output();
    }
}

/// What `call` answers once no signal cuts it short. It ends because a non-blocking call does not wait for a signal.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> Result<T, OsError> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome.map_err(os_error),
        }
    }
}

#[cfg(test)]
mod tests;
