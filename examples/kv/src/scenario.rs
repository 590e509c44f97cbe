//! The worlds that the server is explored in: clients with retries, links that lose, delay and cut, resets, crashes.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twinloop::StreamServer;
use twinloop_sim::{HostFaults, Scenario, Sim};

use crate::history::History;
use crate::plan::Plan;
use crate::server::{Options, serve};
use crate::workload::Workload;

const PORT: u16 = 6379;

/// The server as it should be.
pub fn kv() -> Scenario {
    let about = "counters incremented with retries while links fail and clients crash";
    Scenario::new("kv", about, |sim| build(sim, Options::default()))
}

/// The planted bug: the server forgets request ids when a connection drops.
pub fn kv_forgetful() -> Scenario {
    let about = "the same with a planted bug: request ids are forgotten with a connection";
    Scenario::new("kv-forgetful", about, |sim| build(sim, Options { forgets: true, ..Options::default() }))
}

/// The server as it should be, where each seed has other kinds of faults.
pub fn kv_swarm() -> Scenario {
    let about = "the same, where each seed draws which kinds of faults there are";
    Scenario::new("kv-swarm", about, |sim| {
        build(sim, Options::default());
        // The server keeps everything in memory, and the protocol has no checksums.
        sim.swarm().without(["disk", "link: corrupt unseen", "link: mtu"]).safe(["server"]);
    })
}

fn build(sim: &mut Sim, options: Options) {
    let address = sim.host("server", PORT, move |address| {
        let options = options.clone();
        async move { Ok(serve(StreamServer::listen(address)?, options).await?) }
    });
    let history = Rc::new(RefCell::new(History::default()));
    let plan = Rc::new(Plan::draw(|what, n| sim.pick(what, n)));
    for number in 0..plan.clients.len() {
        let workload = Rc::new(Workload::new(number, Rc::clone(&plan), Rc::clone(&history)));
        let name = format!("client-{number}");
        sim.client(&name, move || {
            let workload = Rc::clone(&workload);
            async move { workload.run(address).await }
        });
        rough(sim.host_faults(&name)).crash(0.002);
    }
    rough(sim.host_faults("server"));
    sim.links()
        .latency(Duration::from_micros(500))
        .jitter(Duration::from_millis(5))
        .loss(0.005)
        .reset(0.002)
        .cut(0.002)
        .cut_for(Duration::from_millis(50)..Duration::from_secs(1));
    sim.buggify_site("kv: there is room for one reply", 0.5);
    sim.time_budget(Duration::from_secs(600));
    sim.check("history", move || history.borrow().check());
}

/// A kernel that uses every freedom it has.
fn rough(faults: &mut HostFaults) -> &mut HostFaults {
    faults
        .short_read(0.02)
        .short_write(0.02)
        .spurious(0.01)
        .late_event(0.01)
        .event_order(0.1)
        .late_timer(0.01)
}
