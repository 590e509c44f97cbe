//! A driver that does what a test says: its clock, its events, its refusals. It keeps the waits that it was asked for.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use twinloop::driver::{
    Capabilities, ConnectOptions, Driver, Event, Fd, FileOperation, FileOutcome, Half, ListenOptions,
    OsError, Readiness, SocketOption, Unpark,
};
use twinloop::table::Table;
use twinloop::{Address, Dispatcher, Moment};

pub(super) type Waits = Rc<RefCell<Vec<Option<Duration>>>>;

/// What one `poll` of the driver does.
#[derive(Default)]
pub(super) struct Poll {
    pub(super) events: Vec<Event>,
    pub(super) takes: Duration,
    pub(super) fails: Option<OsError>,
}

/// What is to happen. Once it has, polls wait as long as they are asked to, and nobody connects.
#[derive(Default)]
pub(super) struct Script {
    pub(super) polls: VecDeque<Poll>,
    /// Whether there is a connection to accept, or why not.
    pub(super) accepts: VecDeque<Result<(), OsError>>,
    /// What the kernel says of each part of a file.
    pub(super) file_sends: VecDeque<Result<usize, OsError>>,
    /// The parts that it was asked for: over which stream, from where, how many bytes.
    pub(super) file_parts: Vec<(Fd, u64, usize)>,
    /// What was asked about adopted descriptors, in order.
    pub(super) rewatched: Vec<(Fd, Readiness)>,
    /// Why the kernel watches none of them.
    pub(super) rewatch_fails: Option<OsError>,
}

struct Scripted {
    capabilities: Capabilities,
    now: Moment,
    waits: Waits,
    script: Rc<RefCell<Script>>,
    descriptors: Table<()>,
}

/// A dispatcher whose driver has a clock and nothing else.
pub(super) fn dispatcher() -> (Dispatcher, Waits) {
    let (dispatcher, waits, _) = scripted(Capabilities::default());
    (dispatcher, waits)
}

pub(super) fn scripted(capabilities: Capabilities) -> (Dispatcher, Waits, Rc<RefCell<Script>>) {
    let (waits, script) = (Waits::default(), Rc::default());
    let driver = Scripted {
        capabilities,
        now: Moment::ORIGIN,
        waits: Rc::clone(&waits),
        script: Rc::clone(&script),
        descriptors: Table::new(),
    };
    (Dispatcher::new(Box::new(driver)), waits, script)
}

impl Driver for Scripted {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
    fn now(&mut self) -> Moment {
        self.now
    }
    fn wall_now(&mut self) -> SystemTime {
        SystemTime::UNIX_EPOCH + (self.now - Moment::ORIGIN)
    }
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> Result<(), OsError> {
        self.waits.borrow_mut().push(timeout);
        let Some(poll) = self.script.borrow_mut().polls.pop_front() else {
            self.now += timeout.unwrap_or_default();
            return Ok(());
        };
        self.now += poll.takes;
        events.extend(poll.events);
        poll.fails.map_or(Ok(()), Err)
    }
    fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::new(NobodyWaits)
    }
    fn entropy(&mut self, _: &mut [u8]) -> Result<(), OsError> {
        Err(OsError::BAD_DESCRIPTOR)
    }
    fn listen(&mut self, _: &Address, _: &ListenOptions) -> Result<Fd, OsError> {
        Ok(Fd::from_key(self.descriptors.insert(())))
    }
    fn accept(&mut self, _: Fd) -> Result<(Fd, Address), OsError> {
        let accepted = self.script.borrow_mut().accepts.pop_front();
        accepted.unwrap_or(Err(OsError::WOULD_BLOCK))?;
        Ok((Fd::from_key(self.descriptors.insert(())), Address::loopback(2)))
    }
    fn connect(&mut self, _: &Address, _: &ConnectOptions) -> Result<Fd, OsError> {
        Err(OsError::BAD_DESCRIPTOR)
    }
    fn take_error(&mut self, _: Fd) -> Result<Option<OsError>, OsError> {
        Err(OsError::BAD_DESCRIPTOR)
    }
    fn recv(&mut self, _: Fd, _: &mut [u8]) -> Result<usize, OsError> {
        Err(OsError::BAD_DESCRIPTOR)
    }
    fn send(&mut self, _: Fd, _: &[u8]) -> Result<usize, OsError> {
        Err(OsError::BAD_DESCRIPTOR)
    }
    fn send_vectored(&mut self, _: Fd, _: &[IoSlice<'_>]) -> Result<usize, OsError> {
        Err(OsError::BAD_DESCRIPTOR)
    }
    fn shutdown(&mut self, _: Fd, _: Half) -> Result<(), OsError> {
        Err(OsError::BAD_DESCRIPTOR)
    }
    fn set_option(&mut self, _: Fd, _: SocketOption) -> Result<(), OsError> {
        Err(OsError::BAD_DESCRIPTOR)
    }
    fn local_address(&mut self, _: Fd) -> Result<Address, OsError> {
        Ok(Address::loopback(1))
    }
    fn remote_address(&mut self, _: Fd) -> Result<Address, OsError> {
        Err(OsError::BAD_DESCRIPTOR)
    }
    fn adopt(&mut self, _: &mut dyn Any) -> Result<Fd, OsError> {
        Ok(Fd::from_key(self.descriptors.insert(())))
    }
    fn rewatch(&mut self, fd: Fd, interest: Readiness) -> Result<(), OsError> {
        let mut script = self.script.borrow_mut();
        script.rewatched.push((fd, interest));
        script.rewatch_fails.map_or(Ok(()), Err)
    }
    fn begin_file(&mut self, _: FileOperation) -> Result<Fd, OsError> {
        Ok(Fd::from_key(self.descriptors.insert(())))
    }
    /// Every operation is one that opens, and has ended.
    fn file_outcome(&mut self, _: Fd) -> Result<FileOutcome, OsError> {
        Ok(FileOutcome::Opened(Fd::from_key(self.descriptors.insert(()))))
    }
    fn send_file(&mut self, fd: Fd, _: Fd, offset: u64, count: usize) -> Result<usize, OsError> {
        let mut script = self.script.borrow_mut();
        script.file_parts.push((fd, offset, count));
        script.file_sends.pop_front().unwrap_or(Err(OsError::WOULD_BLOCK))
    }
    fn close(&mut self, fd: Fd) {
        self.descriptors.remove(fd.key());
    }
}

struct NobodyWaits;

impl Unpark for NobodyWaits {
    fn unpark(&self) {}
}
