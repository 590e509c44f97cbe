//! What the cases share: both drivers, a connected pair, contents that show every shift. No case lives here.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use twinloop::{Address, StreamServer, StreamTransport, TransportError, connect, timeout};
use twinloop_sim::HostFaults;
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;

/// Seeded worlds besides the real driver.
const SEEDS: u64 = 20;
/// A bound against a hang. Nothing is measured by it.
const CASE_MAX: Duration = Duration::from_secs(20);

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// Runs a case on the real driver, then in worlds that use every freedom of the seam. Each of them is run twice and must be
/// the same run.
#[track_caller]
pub(crate) fn run<F>(case: impl Fn() -> F + Clone + 'static)
where
    F: Future<Output = Outcome> + 'static,
{
    let real = case.clone();
    let bounded = async move { timeout(CASE_MAX, real()).await.unwrap_or_else(|_| Err("it hangs".into())) };
    let ended = twinloop_real::run(bounded);
    ended.expect("the real driver runs the case").expect("the case passes");
    for seed in 0..SEEDS {
        let [once, again] = [(); 2].map(|()| {
            let report = twinloop_sim::run_world(&Choices::Seeded(seed), Telling::Silent, |sim| {
                freedoms(sim.faults());
                sim.client("host", case.clone());
            });
            assert!(report.verdict.is_passed(), "seed {seed}: {}", report.verdict);
            report.hash
        });
        assert_eq!(once, again, "seed {seed} is not one run");
    }
}

fn freedoms(faults: &mut HostFaults) {
    faults.short_read(0.2).short_write(0.2).spurious(0.1).late_event(0.1).event_order(0.3).late_timer(0.1);
}

/// The two ends of a connection: the one that connected, the one that was accepted.
pub(crate) async fn pair() -> Result<(StreamTransport, StreamTransport), TransportError> {
    let server = StreamServer::listen(Address::loopback(0))?;
    let stream = connect(server.local_address()).await?;
    let peer = server.accept().await?;
    Ok((stream, peer))
}

/// `length` bytes, the same each time: what is lost, doubled or moved shows.
pub(crate) fn pattern(length: u32) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
