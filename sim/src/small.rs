//! One program in a kind world, in one call: for examples in docs and for small tests.

use std::future::Future;
use std::time::Duration;

use twinloop::{Address, StreamServer, StreamTransport, connect};

use crate::Sim;
use crate::choice::{Choices, Chooser};
use crate::isolation::interposer::Interposed;
use crate::program::ProgramResult;
use crate::story::Telling;
use crate::verdict::Report;

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Runs `program` on one simulated host where nothing unusual happens.
///
/// # Panics
///
/// If the program fails, panics, or can never end.
///
/// ```
/// use std::time::Duration;
///
/// twinloop_sim::run(async {
///     twinloop::sleep(Duration::from_secs(3600)).await;
///     Ok(())
/// });
/// ```
#[track_caller]
pub fn run(program: impl Future<Output = ProgramResult> + 'static) {
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    let mut program = Some(program);
    let report = run_world(&kind, Telling::Events, |sim| {
        // Nothing fails here, so a long wait is no sign of a fault.
        sim.time_budget(A_YEAR);
        sim.client("main", move || program.take().expect("nothing crashes in a kind world"));
    });
    let story = report.story.expect("a story was asked for");
    assert!(report.verdict.is_passed(), "{}\n{}", report.verdict, story.tail(20));
}

/// Runs `program` with the two ends of a connection, as [`run`] does: the one that connected and the one that was
/// accepted.
///
/// # Panics
///
/// As [`run`].
///
/// ```
/// twinloop_sim::run_pair(|stream, peer| async move {
///     stream.write(b"ping").await?;
///     stream.close().await;
///     assert_eq!(peer.read_to_end(16).await?, b"ping");
///     Ok(())
/// });
/// ```
#[track_caller]
pub fn run_pair<F>(program: impl FnOnce(StreamTransport, StreamTransport) -> F + 'static)
where
    F: Future<Output = ProgramResult> + 'static,
{
    run(async move {
        let server = StreamServer::listen(Address::loopback(0))?;
        let stream = connect(server.local_address()).await?;
        let peer = server.accept().await?;
        program(stream, peer).await
    });
}

/// Runs the world that `build` builds, once, under `choices`. What a [`Scenario`](crate::Scenario) does, for a world that
/// needs no name.
pub fn run_world(choices: &Choices, telling: Telling, build: impl FnOnce(&mut Sim)) -> Report {
    let interposed = Interposed::begin(choices.seed());
    let mut chooser = Chooser::new(choices);
    if telling == Telling::Probed {
        chooser.list_draws();
    }
    let mut sim = Sim::new(chooser, telling);
    build(&mut sim);
    let mut report = sim.run();
    report.system_calls = interposed.end();
    report
}
