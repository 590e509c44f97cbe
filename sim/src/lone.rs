//! A world of one host in which no dispatcher runs: whoever holds the driver makes every call, and time passes in its polls.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twinloop::Moment;
use twinloop::driver::Driver;

use crate::choice::{Choices, Chooser};
use crate::condition::Condition;
use crate::console::Output;
use crate::driver::SimDriver;
use crate::fabric::{Due, HostIndex, host_ip};
use crate::fault::{DiskFaults, DiskRule, HostFaults, HostRule, LinkFaults, LinkRule};
use crate::kernel::{Kernel, ThreadIndex};
use crate::names::Names;
use crate::record::Record;
use crate::state::{Link, Machine, State};
use crate::story::Telling;

/// The host, and its only thread.
const HOST: HostIndex = 0;
const THREAD: ThreadIndex = 0;

/// The driver of a host that is alone in a kind world, for what looks at the seam itself: comparing the simulated kernel with
/// a real one, or trying calls by hand.
///
/// No world turns it. A [`poll`](Driver::poll) waits as a real one does, but in virtual time: until there is an event, the
/// timeout has passed, or, without one, nothing is left that could ever happen.
///
/// ```
/// use twinloop::{Address, Moment};
/// use twinloop::driver::{ConnectOptions, Driver, ListenOptions};
///
/// let mut driver = twinloop_sim::lone_driver();
/// let listener = driver.listen(&Address::loopback(0), &ListenOptions::default())?;
/// let address = driver.local_address(listener)?;
/// driver.connect(&address, &ConnectOptions::default())?;
/// assert!(driver.accept(listener).is_err_and(|error| error.is_would_block()));
///
/// while driver.accept(listener).is_err() {
///     driver.poll(None, &mut Vec::new())?;
/// }
/// assert!(driver.now() > Moment::ORIGIN, "the handshake took its time");
/// # Ok::<(), twinloop::driver::OsError>(())
/// ```
pub fn lone_driver() -> impl Driver {
    let mut chooser = Chooser::new(&Choices::Replayed { seed: 0, picks: Vec::new() });
    let name = "host";
    let machine = Machine {
        name: name.to_owned(),
        kernel: Kernel::new(host_ip(HOST)),
        rule: HostRule::new(&mut chooser, name, HostFaults::default()),
        disk: DiskRule::new(name, DiskFaults::default()),
        entropy: None,
        overdue: Vec::new(),
        up: true,
        condition: Condition::new(),
        output: Output::default(),
        life: 0,
    };
    let link = Link::new(LinkRule::new(&mut chooser, name, name, LinkFaults::default()));
    let names = Names::of_hosts([(name.to_owned(), host_ip(HOST))]);
    let state = State::new(chooser, Record::new(Telling::Silent), vec![machine], vec![vec![link]], names);
    SimDriver::alone(Rc::new(RefCell::new(state)), HOST, THREAD)
}

impl State {
    /// Lets time pass until a poll of the only thread has something to tell, for as long as `timeout` at most.
    pub(crate) fn pass_time(&mut self, timeout: Option<Duration>) {
        let end = timeout.map_or(Moment::FAR_FUTURE, |timeout| self.now + timeout);
        while !self.machines[HOST].kernel.has_edges(THREAD) {
            let Some(next) = self.next_at().filter(|at| *at <= end) else {
                if timeout.is_some() {
                    self.now = self.now.max(end);
                }
                return;
            };
            self.now = self.now.max(next);
            self.happen();
        }
    }

    /// Does what is due: an entry of the fabric, else the kernel's timers.
    fn happen(&mut self) {
        if self.fabric.next_at().is_none_or(|at| at > self.now) {
            return self.expire(HOST);
        }
        match self.fabric.pop().expect("its time was seen above").1 {
            Due::Arrival { from, to, packet } => self.deliver(from, to, packet),
            Due::Answer { host, life, fd, name, failure } => self.answer(host, life, fd, &name, failure),
            Due::File { host, work } => self.finish_file(host, work),
            other => unreachable!("a world without faults, script and programs has no {other:?}"),
        }
    }
}
