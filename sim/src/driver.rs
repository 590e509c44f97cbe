//! `SimDriver`: the driver of one thread of a simulated host. It draws nothing itself; `fault.rs` does.

use std::cell::{RefCell, RefMut};
use std::io::{ErrorKind, IoSlice};
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use twinloop::catalogue::{self, Assertion, Item};
use twinloop::driver::{
    Capabilities, ConnectOptions, Credentials, DatagramOptions, Driver, Event, Fd, FileOperation,
    FileOutcome, Half, ListenOptions, Membership, OptionName, OsError, Readiness, Received, Signal,
    SocketOption, Standard, ThreadMain, Unpark,
};
use twinloop::{Address, Moment};

use crate::determinism::trail;
use crate::fabric::{Due, HostIndex};
use crate::fault::Call;
use crate::kernel::{Kernel, ThreadIndex, linux};
use crate::record::{fd_number, item};
use crate::state::{Machine, State};
use crate::story::{LineKind, Stamp};

/// The limit of open files is reached.
const EMFILE: OsError = linux(ErrorKind::QuotaExceeded, 24);

/// The driver of one thread in one life of a host. After a crash it answers [`OsError::BAD_DESCRIPTOR`] to everything: what
/// the programs of that life still do in their destructors reaches nobody.
pub(crate) struct SimDriver {
    state: Rc<RefCell<State>>,
    host: HostIndex,
    life: u64,
    thread: ThreadIndex,
    wake: Arc<Wake>,
    /// No world turns it: its own polls let time pass.
    is_alone: bool,
}

impl SimDriver {
    pub(crate) fn new(state: Rc<RefCell<State>>, host: HostIndex, thread: ThreadIndex) -> SimDriver {
        catalogue::watch();
        let life = state.borrow().machines[host].life;
        let wake = Arc::new(Wake::new(Arc::clone(&state.borrow().some_woken)));
        SimDriver { state, host, life, thread, wake, is_alone: false }
    }

    /// The only driver of a world that nobody else runs.
    pub(crate) fn alone(state: Rc<RefCell<State>>, host: HostIndex, thread: ThreadIndex) -> SimDriver {
        SimDriver { is_alone: true, ..SimDriver::new(state, host, thread) }
    }

    /// Whether another thread has woken this one since it polled last.
    pub(crate) fn wake(&self) -> Arc<Wake> {
        Arc::clone(&self.wake)
    }

    fn state(&self) -> Result<RefMut<'_, State>, OsError> {
        let state = self.state.borrow_mut();
        if state.machines[self.host].life == self.life { Ok(state) } else { Err(OsError::BAD_DESCRIPTOR) }
    }

    /// Makes a call into the host's kernel, and carries away what the kernel then wants to send.
    fn call<T>(&self, call: impl FnOnce(&mut Kernel, Moment) -> Result<T, OsError>) -> Result<T, OsError> {
        let mut state = self.state()?;
        let now = state.now;
        let kernel = &mut state.machines[self.host].kernel;
        kernel.enter(self.thread);
        let answer = call(kernel, now);
        state.collect(self.host);
        answer
    }

    /// As [`SimDriver::call`], for what takes from a descriptor what has come to it.
    fn hear<T>(
        &self,
        fd: Fd,
        call: impl FnOnce(&mut Kernel, Moment) -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        self.state()?.record.hear(self.host, fd);
        self.call(call)
    }

    /// As [`SimDriver::call`], for what gives so many descriptors.
    fn open<T>(
        &self,
        count: usize,
        call: impl FnOnce(&mut Kernel, Moment) -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        self.check_limit(count)?;
        self.befall(Call::Open)?;
        self.call(call)
    }

    /// As [`SimDriver::open`], for sockets.
    fn open_socket<T>(
        &self,
        count: usize,
        call: impl FnOnce(&mut Kernel, Moment) -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        self.check_limit(count)?;
        self.befall(Call::OpenSocket)?;
        self.call(call)
    }

    /// Refuses a call where the kernel is short of something.
    fn befall(&self, call: Call) -> Result<(), OsError> {
        let mut state = self.state()?;
        if state.machines[self.host].rule.is_well_supplied() {
            return Ok(());
        }
        state.refuse_call(self.host, call)
    }

    /// Whether the connection that an accept would give was given up just before.
    fn abort_accept(&self, listener: Fd) -> Result<(), OsError> {
        let mut state = self.state()?;
        let Machine { kernel, rule, .. } = &mut state.machines[self.host];
        if rule.is_well_supplied() {
            return Ok(());
        }
        kernel.enter(self.thread);
        if !kernel.has_to_accept(listener) {
            return Ok(());
        }
        let aborted = state.refuse_call(self.host, Call::Accept);
        if aborted.is_err() {
            state.machines[self.host].kernel.abort_next(listener);
            state.collect(self.host);
        }
        aborted
    }

    /// As Linux, which takes the descriptor before it looks whether there is anything to give one to.
    fn check_limit(&self, count: usize) -> Result<(), OsError> {
        let state = self.state()?;
        let Machine { kernel, rule, condition, .. } = &state.machines[self.host];
        if rule.may_open(kernel.open_count() + condition.foreign_descriptors, count) {
            Ok(())
        } else {
            Err(EMFILE)
        }
    }

    /// The rest of an operation that was cut short comes as an edge of its own: more bytes, or more room, just then.
    fn note_short(&self, fd: Fd, readiness: Readiness, wanted: usize, count: usize) {
        let Ok(mut state) = self.state() else { return };
        let now = state.now;
        state.record.item(item::SHORT, now, self.host, &[fd_number(fd), (wanted - count) as u64]);
        state.machines[self.host].kernel.raise(fd, readiness);
        state.explain_edges(self.host);
    }

    /// Whether a datagram has to wait although there is room: never twice in a row, and the edge follows at once.
    fn has_to_wait(&self, fd: Fd) -> Result<bool, OsError> {
        let mut state = self.state()?;
        let State { now, machines, chooser, record, .. } = &mut *state;
        let Machine { kernel, rule, .. } = &mut machines[self.host];
        kernel.enter(self.thread);
        let waits = kernel.may_wait_to_send(fd) && rule.draw_wait(chooser);
        if waits {
            record.item(item::SHORT, *now, self.host, &[fd_number(fd), 0]);
            kernel.wait_to_send(fd);
        }
        Ok(waits)
    }
}

impl Driver for SimDriver {
    /// Those of Linux, so that the simulation runs the very paths that production runs. Each dispatcher plays a thread of
    /// its own: what would not work across threads, or across hosts, does not work here either.
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.short_read_drains = true;
        capabilities.short_write_fills = true;
        capabilities.own_thread = true;
        capabilities
    }

    fn now(&mut self) -> Moment {
        let state = self.state.borrow();
        state.machines[self.host].condition.clock.monotonic(state.now)
    }

    fn wall_now(&mut self) -> SystemTime {
        let state = self.state.borrow();
        state.machines[self.host].condition.clock.wall(state.now)
    }

    /// Never waits in a world: that turns a host only when it has something to do.
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> Result<(), OsError> {
        let was_woken = self.wake.is_due.swap(false, Ordering::Relaxed);
        let Ok(mut state) = self.state() else { return Ok(()) };
        if state.record.is_watched() && self.wake.was_foreign() {
            trail::see(|trail| trail.intruded(state.now, &state.machines[self.host].name));
        }
        if self.is_alone && !was_woken {
            state.pass_time(timeout);
        }
        let State { now, machines, fabric, chooser, record, .. } = &mut *state;
        let Machine { name, kernel, rule, overdue, .. } = &mut machines[self.host];
        let edges = kernel.edges_mut(self.thread);
        if !edges.is_empty() && rule.draw_interruption(chooser) {
            record.item(item::INTERRUPTED, *now, self.host, &[edges.len() as u64]);
            record.tell(*now, name, LineKind::Fault, || "poll interrupted".to_owned());
            return Ok(());
        }
        let told = rule.order_events(chooser, edges.make_contiguous());
        for event in edges.drain(..told) {
            let was_late = overdue.contains(&event.fd);
            overdue.retain(|fd| *fd != event.fd);
            match rule.draw_late_event(chooser).filter(|_| !was_late) {
                None => events.push(event),
                Some(late) => {
                    let (host, life) = (self.host, self.life);
                    let stamp =
                        record.trail().map_or_else(Stamp::default, |trail| trail.edge(host, event.fd));
                    fabric.schedule(*now + late, stamp, Due::LateEvent { host, life, event });
                }
            }
        }
        if let Some(which) = rule.draw_spurious(chooser, kernel.fd_count(self.thread)) {
            let fd = kernel.nth_fd(self.thread, which);
            record.item(item::SPURIOUS, *now, self.host, &[fd_number(fd)]);
            events.push(Event { fd, readiness: Readiness::READABLE | Readiness::WRITABLE });
        }
        Ok(())
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        self.wake()
    }

    /// The world begins it when the turn that is under way has ended.
    fn start_thread(&mut self, main: ThreadMain) -> Result<(), OsError> {
        let host = self.host;
        self.state()?.starting.push((host, main));
        Ok(())
    }

    fn entropy(&mut self, buffer: &mut [u8]) -> Result<(), OsError> {
        let mut state = self.state()?;
        let State { machines, chooser, .. } = &mut *state;
        let Machine { name, entropy, .. } = &mut machines[self.host];
        let site = *entropy.get_or_insert_with(|| chooser.site(&format!("{name}: entropy")));
        chooser.entropy(site, buffer);
        Ok(())
    }

    fn listen(&mut self, address: &Address, options: &ListenOptions) -> Result<Fd, OsError> {
        self.open_socket(1, |kernel, _| kernel.listen(address, options))
    }

    fn accept(&mut self, listener: Fd) -> Result<(Fd, Address), OsError> {
        self.state()?.record.hear(self.host, listener);
        self.abort_accept(listener)?;
        let (fd, remote) = self.open_socket(1, |kernel, _| kernel.accept(listener))?;
        self.state()?.explain_accepted(self.host, fd, &remote);
        Ok((fd, remote))
    }

    fn connect(&mut self, remote: &Address, options: &ConnectOptions) -> Result<Fd, OsError> {
        self.open_socket(1, |kernel, now| kernel.connect(now, remote, options))
    }

    fn take_error(&mut self, fd: Fd) -> Result<Option<OsError>, OsError> {
        self.hear(fd, |kernel, _| kernel.take_error(fd))
    }

    fn recv(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize, OsError> {
        let wanted = {
            let mut state = self.state()?;
            let State { machines, chooser, .. } = &mut *state;
            let Machine { kernel, rule, .. } = &machines[self.host];
            let there = kernel.receivable(fd).min(buffer.len());
            let given = rule.read_length(chooser, there);
            (given < there).then_some((there, given))
        };
        let Some((there, given)) = wanted else {
            return self.hear(fd, |kernel, _| kernel.recv(fd, buffer));
        };
        let count = self.hear(fd, |kernel, _| kernel.recv(fd, &mut buffer[..given]))?;
        self.note_short(fd, Readiness::READABLE, there, count);
        Ok(count)
    }

    fn send(&mut self, fd: Fd, buffer: &[u8]) -> Result<usize, OsError> {
        self.send_vectored(fd, &[IoSlice::new(buffer)])
    }

    fn send_vectored(&mut self, fd: Fd, buffers: &[IoSlice<'_>]) -> Result<usize, OsError> {
        let offered: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let taken = {
            let mut state = self.state()?;
            let State { machines, chooser, .. } = &mut *state;
            let Machine { kernel, rule, .. } = &machines[self.host];
            if kernel.sends_whole(fd, offered) { offered } else { rule.write_length(chooser, offered) }
        };
        if taken == offered {
            return self.call(|kernel, now| kernel.send_vectored(now, fd, buffers));
        }
        let cut: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).take(taken).collect();
        let count = self.call(|kernel, now| kernel.send_vectored(now, fd, &[IoSlice::new(&cut)]))?;
        if count == taken {
            self.note_short(fd, Readiness::WRITABLE, offered, count);
        }
        Ok(count)
    }

    fn shutdown(&mut self, fd: Fd, half: Half) -> Result<(), OsError> {
        self.call(|kernel, now| kernel.shutdown(now, fd, half))
    }

    fn set_option(&mut self, fd: Fd, option: SocketOption) -> Result<(), OsError> {
        self.call(|kernel, _| kernel.set_option(fd, option))
    }

    fn option(&mut self, fd: Fd, name: OptionName) -> Result<SocketOption, OsError> {
        self.call(|kernel, _| kernel.option(fd, name))
    }

    fn local_address(&mut self, fd: Fd) -> Result<Address, OsError> {
        self.call(|kernel, _| kernel.local_address(fd))
    }

    fn remote_address(&mut self, fd: Fd) -> Result<Address, OsError> {
        self.call(|kernel, _| kernel.remote_address(fd))
    }

    fn stream_pair(&mut self) -> Result<(Fd, Fd), OsError> {
        self.open_socket(2, |kernel, _| Ok(kernel.stream_pair()))
    }

    fn datagram_pair(&mut self) -> Result<(Fd, Fd), OsError> {
        self.open_socket(2, |kernel, _| Ok(kernel.datagram_pair()))
    }

    fn peer_credentials(&mut self, fd: Fd) -> Result<Credentials, OsError> {
        self.call(|kernel, _| kernel.peer_credentials(fd))
    }

    fn peek_from(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        self.call(|kernel, _| kernel.peek_from(fd, buffer))
    }

    fn bind_datagram(&mut self, local: &Address, options: &DatagramOptions) -> Result<Fd, OsError> {
        self.open_socket(1, |kernel, _| kernel.bind_datagram(local, options))
    }

    fn recv_from(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        self.hear(fd, |kernel, _| kernel.recv_from(fd, buffer))
    }

    fn recv_many(
        &mut self,
        fd: Fd,
        buffer: &mut [u8],
        slot: usize,
        received: &mut Vec<Received>,
    ) -> Result<(), OsError> {
        self.hear(fd, |kernel, _| kernel.recv_many(fd, buffer, slot, received))
    }

    fn send_to(&mut self, fd: Fd, bytes: &[u8], remote: Option<&Address>) -> Result<(), OsError> {
        if self.has_to_wait(fd)? {
            return Err(OsError::WOULD_BLOCK);
        }
        self.befall(Call::SendDatagram)?;
        self.call(|kernel, _| kernel.send_to(fd, bytes, remote))
    }

    fn join_multicast(&mut self, fd: Fd, membership: &Membership) -> Result<(), OsError> {
        self.call(|kernel, _| kernel.join_multicast(fd, membership))
    }

    fn leave_multicast(&mut self, fd: Fd, membership: &Membership) -> Result<(), OsError> {
        self.call(|kernel, _| kernel.leave_multicast(fd, membership))
    }

    fn pipe(&mut self) -> Result<(Fd, Fd), OsError> {
        self.open(2, |kernel, _| Ok(kernel.pipe()))
    }

    fn open_fifo(&mut self, path: &Path, end: Half, create: bool) -> Result<Fd, OsError> {
        self.open(1, |kernel, _| kernel.open_fifo(path, end, create))
    }

    fn standard(&mut self, stream: Standard) -> Result<Fd, OsError> {
        self.open(1, |kernel, _| Ok(kernel.standard(stream)))
    }

    fn begin_file(&mut self, operation: FileOperation) -> Result<Fd, OsError> {
        let mut state = self.state()?;
        state.machines[self.host].kernel.enter(self.thread);
        state.begin_file(self.host, operation)
    }

    fn file_outcome(&mut self, operation: Fd) -> Result<FileOutcome, OsError> {
        self.hear(operation, |kernel, _| kernel.file_outcome(operation))
    }

    fn read_file_at(&mut self, file: Fd, offset: u64, buffer: &mut [u8]) -> Result<usize, OsError> {
        self.call(|kernel, _| kernel.read_file_at(file, offset, buffer))
    }

    /// A send of what the file has there, with all that may befall a send.
    fn send_file(&mut self, fd: Fd, file: Fd, offset: u64, count: usize) -> Result<usize, OsError> {
        let part = self.call(|kernel, _| kernel.part_to_send(fd, file, offset, count))?;
        if part.is_empty() { Ok(0) } else { self.send(fd, &part) }
    }

    fn resolve(&mut self, name: &str) -> Result<Fd, OsError> {
        self.check_limit(1)?;
        let mut state = self.state()?;
        state.machines[self.host].kernel.enter(self.thread);
        Ok(state.resolve(self.host, name))
    }

    fn resolved(&mut self, fd: Fd) -> Result<Vec<IpAddr>, OsError> {
        self.hear(fd, |kernel, _| kernel.resolved(fd))
    }

    fn signals(&mut self, signals: &[Signal]) -> Result<Fd, OsError> {
        self.open(1, |kernel, _| Ok(kernel.signals(signals)))
    }

    fn next_signal(&mut self, fd: Fd) -> Result<Signal, OsError> {
        self.hear(fd, |kernel, _| kernel.next_signal(fd))
    }

    fn raise(&mut self, signal: Signal) -> Result<(), OsError> {
        let host = self.host;
        self.state()?.raise_signal(host, signal);
        Ok(())
    }

    fn buggify(&mut self, site: &'static Item, probability: f64) -> bool {
        self.state().is_ok_and(|mut state| state.buggify(self.host, site, probability))
    }

    /// Hears all of them; those of an earlier life count for nothing.
    fn assertion(&mut self, assertion: &Assertion<'_>) -> bool {
        if let Ok(mut state) = self.state() {
            state.assertion(self.host, assertion);
        }
        true
    }

    fn close(&mut self, fd: Fd) {
        // A driver of an earlier life has nothing left to close.
        let _ = self.call(|kernel, now| {
            kernel.close(now, fd);
            Ok(())
        });
    }
}

/// No driver of a simulation waits. What another thread of the simulation asks for is seen by the world, which turns the
/// one that was woken.
pub(crate) struct Wake {
    is_due: AtomicBool,
    /// The same of any thread of the world.
    is_any_due: Arc<AtomicBool>,
    count: AtomicUsize,
    /// A thread that runs no simulation has woken this one. Looked for in watched runs.
    is_foreign: AtomicBool,
    is_watched: bool,
}

impl Wake {
    fn new(is_any_due: Arc<AtomicBool>) -> Wake {
        let (is_due, is_foreign) = (AtomicBool::new(false), AtomicBool::new(false));
        Wake { is_due, is_any_due, count: AtomicUsize::new(0), is_foreign, is_watched: trail::is_watched() }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.is_due.load(Ordering::Relaxed)
    }

    /// How often it was asked for: a story tells by whom.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether a thread of the system has woken this one since this was asked last.
    pub(crate) fn was_foreign(&self) -> bool {
        self.is_foreign.swap(false, Ordering::Relaxed)
    }
}

impl Unpark for Wake {
    fn unpark(&self) {
        if self.is_watched && !trail::is_watched() {
            self.is_foreign.store(true, Ordering::Relaxed);
        }
        self.is_due.store(true, Ordering::Relaxed);
        // Who sees this sees what is above, whatever thread has woken this one.
        self.is_any_due.store(true, Ordering::Release);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}
