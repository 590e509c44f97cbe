//! Safety, then liveness: after a time in which anything may go wrong, a core of hosts is made whole and has to get
//! somewhere.

use std::rc::Rc;
use std::time::Duration;

use crate::Sim;
use crate::fabric::HostIndex;
use crate::script::{Act, Step};

/// What has to be so in the end.
pub(crate) type Goal = Rc<dyn Fn() -> Result<(), String>>;

/// Hosts that are made whole, and what they have to come to.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) hosts: Vec<HostIndex>,
    pub(crate) within: Duration,
    /// Besides that the clients among them finish.
    pub(crate) goal: Goal,
}

impl Sim {
    /// At `after`, the hosts of `core` are made whole: those that are down start, those that stand still go on, links
    /// among them carry and nothing more befalls those, nor the hosts and their disks. From then on they have `within`
    /// to converge: the clients among them finish, and `goal` is met at that time. If not, the run fails with
    /// [`Verdict::NotLive`](crate::Verdict::NotLive), which says who waits for what.
    ///
    /// All other hosts are as they were: cut off, down, or misbehaving. A protocol that needs a majority is given one.
    ///
    /// ```
    /// use twinloop::{StreamServer, connect, sleep, timeout};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{Units, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     let address = sim.host("server", 7, |address| async move {
    ///         let server = StreamServer::listen(address)?;
    ///         loop {
    ///             server.accept().await?.write(b"!").await?;
    ///         }
    ///     });
    ///     sim.client("client", move || async move {
    ///         // It tries until it is answered: it is live.
    ///         while timeout(1.s(), connect(address)).await.is_err() {
    ///             sleep(1.s()).await;
    ///         }
    ///         Ok(())
    ///     });
    ///     sim.links().loss(1.0);
    ///     sim.converges(30.s(), &["server", "client"], 10.s(), || Ok(()));
    /// });
    /// assert!(report.verdict.is_passed(), "{}", report.verdict);
    /// assert!(report.virtual_time > 30.s());
    /// ```
    ///
    /// # Panics
    ///
    /// If a host of `core` was not added before.
    pub fn converges(
        &mut self,
        after: Duration,
        core: &[&str],
        within: Duration,
        goal: impl Fn() -> Result<(), String> + 'static,
    ) {
        let hosts = core.iter().map(|host| self.index(host)).collect();
        let core = Core { hosts, within, goal: Rc::new(goal) };
        self.script.push(Step { at: after, act: Act::MakeWhole(core.clone()) });
        self.script.push(Step { at: after.saturating_add(within), act: Act::Judge(core) });
    }
}
