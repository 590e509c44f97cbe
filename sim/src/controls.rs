//! What a scenario does to its world while it runs: faults with guards that end them, and a look at it. What is asked
//! for is an act of a script (`script.rs`): a program can ask for whatever a plan can.

mod guard;
mod hosts;
mod links;
mod overlays;
mod zones;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use crate::Sim;
use crate::fabric::HostIndex;
use crate::names::NameFailure;
use crate::netstat::Netstat;
use crate::reach::Reach;
use crate::script::Act;
use guard::Desk;

pub use guard::Guard;

/// A handle to the world that runs, for programs and checks of a scenario: from [`Sim::controls`]. Clones are handles
/// to the same world. Before the world runs, and after its end, nothing happens.
///
/// What is asked for happens at once; only what begins, halts or ends programs (a crash, a kill, a pause) happens when
/// the turn under way is over, in the order of asking, without time passing: so a program may end itself. All of it is
/// in the run's hash and in its story.
///
/// # Panics
///
/// All methods that name a host or a zone panic if the world that runs has none of that name.
///
/// ```
/// use twinloop::{DatagramTransport, sleep, timeout};
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{Units, run_world};
///
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     let address = sim.host("echo", 7, |address| async move {
///         let socket = DatagramTransport::bind(address)?;
///         loop {
///             let received = socket.recv_from(&mut [0]).await?;
///             socket.send_to(b"!", received.source).await?;
///         }
///     });
///     let controls = sim.controls();
///     sim.client("client", move || {
///         let controls = controls.clone();
///         async move {
///             let socket = DatagramTransport::connect(address)?;
///             let cut = controls.partition("client", "echo");
///             socket.send(b"?").await?;
///             assert!(timeout(1.s(), socket.recv(&mut [0])).await.is_err());
///             drop(cut);
///             socket.send(b"?").await?;
///             assert!(timeout(1.s(), socket.recv(&mut [0])).await.is_ok());
///             Ok(())
///         }
///     });
/// });
/// assert!(report.verdict.is_passed(), "{}", report.verdict);
/// ```
#[derive(Clone)]
pub struct Controls(Rc<Desk>);

impl Controls {
    pub(crate) fn new(reach: Reach) -> Controls {
        Controls(Rc::new(Desk::new(reach)))
    }

    /// The world is about to run, with these hosts and zones.
    pub(crate) fn know(&self, hosts: Vec<String>, zones: BTreeMap<String, Vec<HostIndex>>) {
        *self.0.hosts.borrow_mut() = hosts;
        *self.0.zones.borrow_mut() = zones;
    }

    /// A choice of the program's that asks, such as whom it cuts off next: an index below `n`, where 0 is the plainest.
    /// The seed decides, and a failure is shrunk towards 0, as with [`Sim::pick`]. Without a world that runs it is 0.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    ///
    /// ```
    /// use twinloop::sleep;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{Units, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     for host in ["a", "b", "c"] {
    ///         sim.client(host, || async {
    ///             sleep(10.s()).await;
    ///             Ok(())
    ///         });
    ///     }
    ///     let controls = sim.controls();
    ///     sim.host("nemesis", 1, move |_| {
    ///         let controls = controls.clone();
    ///         async move {
    ///             loop {
    ///                 sleep(1.s()).await;
    ///                 let victim = ["a", "b", "c"][controls.pick("victim", 3)];
    ///                 let down = controls.down(victim);
    ///                 sleep(100.ms()).await;
    ///                 down.heal();
    ///             }
    ///         }
    ///     });
    ///     sim.time_budget(60.s());
    /// });
    /// assert!(report.unusual.iter().any(|pick| pick.site == "controls: victim"));
    /// ```
    pub fn pick(&self, what: &str, n: usize) -> usize {
        assert!(n > 0, "a pick needs at least one alternative");
        let picked = self.0.reach.with(|state| {
            let site = state.chooser.site(&format!("controls: {what}"));
            state.chooser.pick(site, n)
        });
        picked.unwrap_or(0)
    }

    // ---- names ----

    /// Lookups of `name` are answered by `addresses` from now on, as [`Sim::name`] says it from the beginning.
    pub fn name(&self, name: &str, addresses: impl IntoIterator<Item: Into<IpAddr>>) {
        let answer = Ok(addresses.into_iter().map(Into::into).collect());
        self.0.ask(Act::Name { name: name.to_owned(), answer });
    }

    /// Lookups of `name` fail from now on, as [`Sim::name_fails`] says it from the beginning.
    pub fn name_fails(&self, name: &str, failure: NameFailure) {
        self.0.ask(Act::Name { name: name.to_owned(), answer: Err(failure) });
    }

    // ---- looking ----

    /// The names of all hosts, in the order in which they were added. Without a world that runs, none.
    pub fn hosts(&self) -> Vec<String> {
        self.0.hosts.borrow().clone()
    }

    /// Whether the host's machine runs, also while it stands still; not after a crash. That of a process that was
    /// killed does.
    pub fn is_up(&self, host: &str) -> bool {
        let host = self.0.index(host);
        self.0.reach.with(|state| state.machines[host].up).unwrap_or(false)
    }

    /// The host's sockets now. Without a world that runs, none.
    pub fn netstat(&self, host: &str) -> Netstat {
        let index = self.0.index(host);
        let looked = self.0.reach.with(|state| (state.now, state.machines[index].kernel.netstat()));
        let (at, sockets) = looked.unwrap_or((twinloop::Moment::ORIGIN, Vec::new()));
        Netstat { host: host.to_owned(), at, sockets }
    }
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controls").field("hosts", &self.0.hosts.borrow()).finish_non_exhaustive()
    }
}

impl Sim {
    /// A handle to the world while it runs: for programs and checks that do something to it, or look at it.
    pub fn controls(&mut self) -> Controls {
        self.controls.clone()
    }
}
