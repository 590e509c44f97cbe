//! What options of a stream do when the peer is silent, to the millisecond.

use std::io;
use std::time::Duration;

use twinloop::driver::KeepAlive;
use twinloop::{ErrorKind, StreamServer, StreamTransport, connect, now, sleep};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{ProgramResult, run_world};

const TIMED_OUT: ErrorKind = ErrorKind::Os(io::ErrorKind::TimedOut);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Runs a client with a connection to a silent server, to which the link is cut at `cut`.
fn with_silent_server(
    cut: Duration,
    client: impl AsyncFn(StreamTransport) -> ProgramResult + Copy + 'static,
) {
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    let report = run_world(&kind, Telling::Events, |sim| {
        let address = sim.host("server", 7, |address| async move {
            let _stream = StreamServer::listen(address)?.accept().await?;
            std::future::pending().await
        });
        sim.client("client", move || async move { client(connect(address).await?).await });
        let _ = sim.at(cut).partition("client", "server");
    });
    let story = report.story.expect("a story was asked for");
    assert!(report.verdict.is_passed(), "{}\n{}", report.verdict, story.tail(40));
}

#[test]
fn keep_alive_ends_a_read_from_a_peer_that_is_gone() {
    with_silent_server(seconds(25), async |stream| {
        let start = now();
        stream.set_keep_alive(Some(KeepAlive::default().idle(seconds(10)).interval(seconds(2)).count(3)))?;
        let error = stream.read_line(80).await.expect_err("nobody is there any more");
        assert_eq!(error.kind(), TIMED_OUT);
        // The probes after 10 and 20 seconds are answered within 2 ms; then come three that are not, and one more wait.
        assert_eq!(now() - start, seconds(10 + 10 + 10 + 3 * 2) + Duration::from_millis(4));
        Ok(())
    });
}

#[test]
fn a_user_timeout_ends_a_write_to_a_peer_that_is_gone() {
    with_silent_server(seconds(1), async |stream| {
        stream.set_user_timeout(Some(seconds(5)))?;
        sleep(seconds(10)).await;
        let start = now();
        stream.write(b"is anybody there?").await?;
        let error = stream.read_line(80).await.expect_err("nobody is there any more");
        assert_eq!((error.kind(), now() - start), (TIMED_OUT, seconds(5)));
        Ok(())
    });
}
