//! Performing a program on a driver, whichever that is: places become descriptors, answers become values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use twinloop::Address;
use twinloop::driver::{
    Driver, Event, Fd, FileOperation, FileOptions, FileOutcome, Membership, OsError, Readiness, SocketOption,
    UnixAddress,
};

use super::program::{Ip, Op, Place, Port, SLOTS, Slot};

/// What a program has for itself on the machine that it runs on, so that programs do not meet.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// Of the loopback.
    pub(super) ip: Ipv4Addr,
    /// What its paths and abstract names begin with.
    pub(super) prefix: String,
}

impl Ground {
    pub(super) fn path(&self, name: u8) -> PathBuf {
        format!("/tmp/{}-{name}", self.prefix).into()
    }
}

/// What is under way on one machine takes less.
const MOMENT: Duration = Duration::from_millis(1);

/// What a call answered, but for descriptors.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// There was nothing to call.
    Skipped,
    Done,
    Count(usize),
    Bytes(Bytes),
    Address(Address),
    Pending(Option<OsError>),
    Option(SocketOption),
    Received {
        source: Address,
        bytes: Bytes,
        truncated: bool,
    },
    /// All that was there, and why there was no more.
    Drained {
        bytes: Bytes,
        end: Result<(), OsError>,
    },
}

/// What was received; in messages, its length and its ends.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Bytes(Vec<u8>);

impl Bytes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())?;
        let ends = self.0.first().zip(self.0.last());
        ends.map_or(Ok(()), |(first, last)| write!(f, ": {first:02x}..{last:02x}"))
    }
}

pub(super) type Answer = Result<Value, OsError>;

/// What was told of each place since it was looked at last.
pub(super) type Told = BTreeMap<Slot, Readiness>;

/// A program's state on one driver.
pub(super) struct Executor<D> {
    pub(super) driver: D,
    ground: Ground,
    slots: [Option<Fd>; SLOTS],
    ports: [Option<u16>; SLOTS],
    /// Those that were in `ports` once.
    had_ports: BTreeSet<u16>,
    /// Datagram sockets that have an only peer.
    connected: [bool; SLOTS],
    /// What something else stands in the place of now.
    displaced: Vec<Fd>,
    pub(super) told: Told,
}

impl<D: Driver> Executor<D> {
    pub(super) fn new(driver: D, ground: &Ground) -> Executor<D> {
        let (slots, ports) = ([None; SLOTS], [None; SLOTS]);
        Executor {
            driver,
            ground: ground.clone(),
            slots,
            ports,
            had_ports: BTreeSet::new(),
            connected: [false; SLOTS],
            displaced: Vec::new(),
            told: Told::new(),
        }
    }

    /// Makes the call of a step. `number` is the step's: what it sends is known by it.
    pub(super) fn perform(&mut self, number: usize, op: &Op) -> Answer {
        self.attempt(number, op).unwrap_or(Ok(Value::Skipped))
    }

    /// Waits for something to be told, as long as `timeout`; says whether anything was.
    pub(super) fn gather(&mut self, timeout: Duration) -> bool {
        let mut events = Vec::new();
        self.driver.poll(Some(timeout), &mut events).expect("a poll succeeds");
        for Event { fd, readiness } in &events {
            if let Some(slot) = self.slots.iter().position(|there| *there == Some(*fd)) {
                *self.told.entry(slot).or_default() |= *readiness;
            }
        }
        !events.is_empty()
    }

    /// Closes what the last call has displaced. Not sooner than what that call has begun is done: whether a connection comes
    /// before the end of its listener is nobody's promise.
    pub(super) fn close_displaced(&mut self) {
        for fd in self.displaced.drain(..) {
            self.driver.close(fd);
        }
    }

    /// Ends every stream by a reset: what lingers would hold its port, also against later programs.
    pub(super) fn leave_nothing(&mut self) {
        for fd in self.slots.iter().flatten() {
            // Most descriptors are no streams.
            let _ = self.driver.set_option(*fd, SocketOption::Linger(Some(Duration::ZERO)));
        }
    }

    /// All that sockets of the program have been bound to.
    pub(super) fn ports(&self) -> BTreeSet<u16> {
        self.had_ports.clone()
    }

    /// None where a place is empty.
    fn attempt(&mut self, number: usize, op: &Op) -> Option<Answer> {
        Some(match op {
            Op::Listen { into, at, options } => {
                let at = self.address(*at)?;
                let fd = self.driver.listen(&at, options);
                self.put(*into, fd)
            }
            Op::Accept { from, into } => {
                let listener = self.fd(*from)?;
                match self.driver.accept(listener) {
                    Err(error) => Err(error),
                    Ok((fd, peer)) => self.put(*into, Ok(fd)).map(|_| Value::Address(peer)),
                }
            }
            Op::Connect { into, to, options } => {
                let to = self.address(*to)?;
                let mut asked = options.options.clone();
                if let Some(from) = options.from {
                    asked = asked.local(self.address(from)?);
                }
                let fd = self.driver.connect(&to, &asked);
                self.put(*into, fd)
            }
            Op::Send { slot, length } => {
                let bytes = payload(number, *length);
                self.driver.send(self.fd(*slot)?, &bytes).map(Value::Count)
            }
            Op::Recv { slot, room } => {
                let mut buffer = vec![0; *room];
                let count = self.driver.recv(self.fd(*slot)?, &mut buffer);
                count.map(|count| Value::Bytes(Bytes(buffer[..count].to_vec())))
            }
            Op::Fill { slot } => self.fill(self.fd(*slot)?),
            Op::Drain { slot } => Ok(self.drain(self.fd(*slot)?)),
            Op::Shutdown { slot, half } => self.driver.shutdown(self.fd(*slot)?, *half).map(done),
            Op::Close { slot } => {
                let fd = self.slots[*slot].take()?;
                self.driver.close(fd);
                self.told.remove(slot);
                Ok(Value::Done)
            }
            Op::TakeError { slot } => self.driver.take_error(self.fd(*slot)?).map(Value::Pending),
            Op::LocalAddress { slot } => self.driver.local_address(self.fd(*slot)?).map(Value::Address),
            Op::RemoteAddress { slot } => self.driver.remote_address(self.fd(*slot)?).map(Value::Address),
            Op::SetOption { slot, option } => self.driver.set_option(self.fd(*slot)?, *option).map(done),
            Op::GetOption { slot, name } => self.driver.option(self.fd(*slot)?, *name).map(Value::Option),
            Op::Datagram { into, at, to, options } => {
                let at = self.address(*at)?;
                let mut options = options.clone();
                if let Some(to) = to {
                    options = options.remote(self.address(*to)?);
                }
                let fd = self.driver.bind_datagram(&at, &options);
                let is_made = fd.is_ok();
                let put = self.put(*into, fd);
                self.connected[*into] = if is_made { to.is_some() } else { self.connected[*into] };
                put
            }
            Op::SendTo { slot, to, length } => {
                let to = match to {
                    // The seam asks its callers not to.
                    Some(_) if self.connected[*slot] => return None,
                    Some(to) => Some(self.address(*to)?),
                    None => None,
                };
                let bytes = payload(number, *length);
                self.driver.send_to(self.fd(*slot)?, &bytes, to.as_ref()).map(done)
            }
            Op::RecvFrom { slot, room } => {
                let mut buffer = vec![0; *room];
                let received = self.driver.recv_from(self.fd(*slot)?, &mut buffer);
                received.map(|received| Value::Received {
                    source: received.source,
                    bytes: Bytes(buffer[..received.length].to_vec()),
                    truncated: received.truncated,
                })
            }
            Op::Join { slot, group, interface } => {
                let membership = Membership { group: group_ip(*group), interface: *interface };
                self.driver.join_multicast(self.fd(*slot)?, &membership).map(done)
            }
            Op::Leave { slot, group, interface } => {
                let membership = Membership { group: group_ip(*group), interface: *interface };
                self.driver.leave_multicast(self.fd(*slot)?, &membership).map(done)
            }
            Op::StreamPair { into, other } => {
                let pair = self.driver.stream_pair();
                self.put_both(*into, *other, pair)
            }
            Op::Pipe { into, other } => {
                let pair = self.driver.pipe();
                self.put_both(*into, *other, pair)
            }
            Op::OpenFifo { into, name, end, create } => {
                let fd = self.driver.open_fifo(&self.ground.path(*name), *end, *create);
                self.put(*into, fd)
            }
            Op::MakeFile { into, name, length, readable } => {
                let made = self.make_file(self.ground.path(*name), payload(number, *length), *readable);
                self.put(*into, made)
            }
            Op::Remove { name } => self
                .on_files(FileOperation::RemoveFile { path: self.ground.path(*name) })
                .map(|_| Value::Done),
            Op::SendFile { slot, file, offset, count } => {
                let (stream, file) = (self.fd(*slot)?, self.fd(*file)?);
                self.driver.send_file(stream, file, *offset, *count).map(Value::Count)
            }
        })
    }

    fn make_file(&mut self, path: PathBuf, bytes: Vec<u8>, readable: bool) -> Result<Fd, OsError> {
        let options = FileOptions::create().read(readable);
        let FileOutcome::Opened(file) = self.on_files(FileOperation::Open { path, options })? else {
            unreachable!("what is opened has a descriptor")
        };
        self.on_files(FileOperation::Write { file, offset: 0, bytes })?;
        Ok(file)
    }

    /// An operation on files, from its beginning to its end.
    fn on_files(&mut self, operation: FileOperation) -> Result<FileOutcome, OsError> {
        let begun = self.driver.begin_file(operation)?;
        let outcome = loop {
            match self.driver.file_outcome(begun) {
                Err(error) if error.is_would_block() => _ = self.gather(Duration::from_secs(1)),
                outcome => break outcome,
            }
        };
        self.driver.close(begun);
        match outcome? {
            FileOutcome::Failed(error) => Err(error),
            outcome => Ok(outcome),
        }
    }

    /// Sends until nothing is taken, also after what was sent has had time to move on.
    fn fill(&mut self, fd: Fd) -> Answer {
        let bytes = vec![0; 1 << 16];
        let mut refused = 0;
        while refused < 2 {
            match self.driver.send_vectored(fd, &[IoSlice::new(&bytes)]) {
                Ok(_) => refused = 0,
                Err(error) if error.is_would_block() => {
                    refused += 1;
                    while self.gather(MOMENT) {}
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Value::Done)
    }

    /// Receives until nothing is there, also after what is under way has had time to come.
    fn drain(&mut self, fd: Fd) -> Value {
        let (mut bytes, mut refused) = (Vec::new(), 0);
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.driver.recv(fd, &mut buffer) {
                Ok(0) => return Value::Drained { bytes: Bytes(bytes), end: Ok(()) },
                Ok(count) => {
                    bytes.extend(&buffer[..count]);
                    refused = 0;
                }
                Err(error) if error.is_would_block() && refused < 2 => {
                    refused += 1;
                    while self.gather(MOMENT) {}
                }
                Err(error) => return Value::Drained { bytes: Bytes(bytes), end: Err(error) },
            }
        }
    }

    fn fd(&self, slot: Slot) -> Option<Fd> {
        self.slots[slot]
    }

    fn put(&mut self, slot: Slot, fd: Result<Fd, OsError>) -> Answer {
        let fd = fd?;
        self.displaced.extend(self.slots[slot].replace(fd));
        self.connected[slot] = false;
        self.told.remove(&slot);
        if let Ok(Address::Ip(address)) = self.driver.local_address(fd) {
            self.ports[slot] = Some(address.port());
            self.had_ports.insert(address.port());
        }
        Ok(Value::Done)
    }

    fn put_both(&mut self, into: Slot, other: Slot, both: Result<(Fd, Fd), OsError>) -> Answer {
        let (first, second) = both?;
        self.put(into, Ok(first))?;
        self.put(other, Ok(second))
    }

    /// None if it names the port of a place that never had one.
    fn address(&self, place: Place) -> Option<Address> {
        Some(match place {
            Place::Unnamed => Address::UNNAMED,
            Place::Path(name) => {
                let path = UnixAddress::from_path(&self.ground.path(name));
                Address::Unix(path.expect("the path is short"))
            }
            Place::Abstract(name) => {
                let name = format!("{}-{name}", self.ground.prefix);
                Address::Unix(UnixAddress::from_abstract_name(name.as_bytes()).expect("the name is short"))
            }
            Place::Ip(ip, port) => {
                let port = match port {
                    Port::Zero => 0,
                    Port::Of(slot) => self.ports[slot]?,
                };
                Address::Ip(SocketAddr::new(self.ip(ip), port))
            }
        })
    }

    fn ip(&self, ip: Ip) -> IpAddr {
        match ip {
            Ip::Own => self.ground.ip.into(),
            Ip::Loopback => Ipv4Addr::LOCALHOST.into(),
            Ip::Any => Ipv4Addr::UNSPECIFIED.into(),
            Ip::V6Loopback => Ipv6Addr::LOCALHOST.into(),
            Ip::V6Any => Ipv6Addr::UNSPECIFIED.into(),
            // Kept for documentation (RFC 5737, RFC 3849): nobody has them.
            Ip::Foreign => Ipv4Addr::new(203, 0, 113, 1).into(),
            Ip::V6Foreign => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
            Ip::Broadcast => Ipv4Addr::BROADCAST.into(),
            Ip::Group(group) => group_ip(group),
        }
    }
}

fn done((): ()) -> Value {
    Value::Done
}

/// What step `number` sends: no two steps send the same.
fn payload(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|position| (number * 37 + position) as u8).collect()
}

fn group_ip(group: u8) -> IpAddr {
    Ipv4Addr::new(239, 192, 77, group).into()
}
