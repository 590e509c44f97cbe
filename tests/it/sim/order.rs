//! The scheduling order of a run, as a table that is reviewed as a diff: virtual time, host, kind, what.

use std::time::Duration;

use twinloop::{AsyncCallback, Handle, StreamServer, connect, now, sleep, spawn, yield_now};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{LinkFaults, Sim, run_world};

/// Runs a world in which nothing unusual happens, and gives everything that happened.
fn table(build: impl FnOnce(&mut Sim)) -> String {
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    let report = run_world(&kind, Telling::Everything, build);
    assert!(report.verdict.is_passed(), "{}", report.verdict);
    report.story.expect("a story was asked for").to_string()
}

fn note(handle: &Handle, word: usize) {
    handle.note(|| format!("callback {word}"));
}

/// R4, R5, R6: what is queued before a turn runs in it, in order; what it queues runs in the next.
#[test]
fn phases_of_a_turn() {
    let table = table(|sim| {
        sim.client("host", || async {
            let handle = Handle::current();
            let due = now() + Duration::from_millis(5);
            for word in 1..=2 {
                let _timer = handle.add_timer(due, AsyncCallback::new(note, word));
            }
            handle.call_soon(AsyncCallback::new(note, 3));
            let task = spawn(async {
                Handle::current().note(|| "task, first turn".to_owned());
                yield_now().await;
                Handle::current().note(|| "task, second turn".to_owned());
            });
            handle.call_soon(AsyncCallback::new(note, 4));
            task.await?;
            sleep(Duration::from_millis(5)).await;
            Ok(())
        })
    });
    insta::assert_snapshot!(table);
}

/// A byte's way from one host to another and back.
#[test]
fn a_request_and_its_reply() {
    let table = table(|sim| {
        sim.links(LinkFaults::default().latency(Duration::from_millis(10)));
        let address = sim.host("server", 7, |address| async move {
            let server = StreamServer::listen(address)?;
            let stream = server.accept().await?;
            let request = stream.read_line(80).await?;
            stream.write(&request.unwrap_or_default()).await?;
            stream.shutdown().await?;
            Ok(())
        });
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            stream.write(b"ping\n").await?;
            assert_eq!(stream.read_to_end(80).await?, b"ping");
            Ok(())
        });
    });
    insta::assert_snapshot!(table);
}
