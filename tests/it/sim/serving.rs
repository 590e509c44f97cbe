//! Servers in handler mode where it takes a simulated world to see it: no descriptor left, and the times of the back-off.

use std::any::Any;
use std::time::Duration;

use twinloop::{
    Address, AsyncQueue, ErrorKind, Moment, ServeOptions, StreamServer, connect, join_all, now, sleep, spawn,
    timeout,
};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{Report, Sim, run_world};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn run(build: impl FnOnce(&mut Sim)) -> Report {
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    run_world(&kind, Telling::Events, build)
}

#[track_caller]
fn assert_passed(report: &Report) {
    let story = report.story.as_ref().expect("a story was asked for");
    assert!(report.verdict.is_passed(), "{}\n{}", report.verdict, story.tail(40));
}

/// R138, R139: a server that has no descriptor left keeps its listener, tells of it, and goes on as soon as one of its own
/// handlers gives one back, although its back-off is longer.
#[test]
fn a_server_out_of_descriptors_goes_on_when_a_handler_ends() {
    let report = run(|sim| {
        let address = sim.host("server", 7, |address| async move {
            let options = ServeOptions::default().back_off(ms(60_000), ms(60_000));
            let serving = StreamServer::listen(address)?.serve_with(&options, |stream| async move {
                let _ended = stream.read(&mut [0]).await;
            });
            sleep(ms(5_000)).await;
            assert_eq!((serving.connections(), serving.refusals() > 0), (0, true));
            let refusal = serving.last_refusal().expect("there was one");
            assert_eq!((refusal.kind(), refusal.code()), (ErrorKind::TooManyOpen, Some(24)));
            serving.close().await?;
            Ok(())
        });
        sim.client("client", move || async move {
            let clients = (0..20).map(|_| {
                spawn(async move {
                    let client = connect(address).await.expect("the backlog is long");
                    sleep(ms(50)).await;
                    client.shutdown().await.expect("the server is there");
                    client.read_to_end(10).await
                })
            });
            for outcome in join_all(clients.collect::<Vec<_>>()).await {
                assert_eq!(outcome??, b"");
            }
            assert!((now() - Moment::ORIGIN) < ms(4_000));
            sleep(ms(5_000)).await;
            Ok(())
        });
        // The listener and three connections.
        sim.host_faults("server").descriptors(4);
    });
    assert_passed(&report);
}

/// R138: while nothing of its own can be given back, a server tries again after 10 ms, 20 ms and so on, up to a second.
#[test]
fn the_back_off_doubles_up_to_its_bound() {
    let report = run(|sim| {
        let address = sim.host("server", 7, |address| async move {
            let server = StreamServer::listen(address)?;
            let serving = server.serve(|_stream| async {});
            // 10, 20, 40, … 640 ms and then a second each: what was refused by then.
            for (at, refusals) in [(5, 1), (25, 2), (65, 3), (1265, 7), (1275, 8), (2275, 9), (3275, 10)] {
                sleep(ms(at).saturating_sub(now() - Moment::ORIGIN)).await;
                assert_eq!(serving.refusals(), refusals, "after {at} ms");
            }
            Ok(())
        });
        sim.client("client", move || async move {
            let client = connect(address).await?;
            assert!(timeout(ms(3_000), client.read(&mut [0])).await.is_err(), "nobody accepts it");
            sleep(ms(500)).await;
            Ok(())
        });
        sim.host_faults("server").descriptors(1);
    });
    assert_passed(&report);
}

/// R138: without a bound the end of a handler alone has a server try again, as often as it is refused.
#[test]
fn a_back_off_without_a_bound_waits_for_the_handlers() {
    let report = run(|sim| {
        let address = sim.host("server", 7, |address| async move {
            let options = ServeOptions::default().back_off(Duration::MAX, Duration::MAX);
            let serving = StreamServer::listen(address)?.serve_with(&options, |stream| async move {
                let _ended = stream.read(&mut [0]).await;
            });
            sleep(ms(5_000)).await;
            // After each of the four connections there was nothing left for one more.
            assert_eq!((serving.connections(), serving.refusals()), (0, 4));
            serving.close().await?;
            Ok(())
        });
        for client in 0..4 {
            sim.client(&format!("client {client}"), move || async move {
                let client = connect(address).await?;
                assert_eq!(timeout(ms(100), client.read(&mut [0])).await.ok(), None);
                client.shutdown().await?;
                assert_eq!(client.read(&mut [0]).await?, 0);
                Ok(())
            });
        }
        // The listener and one connection.
        sim.host_faults("server").descriptors(2);
    });
    assert_passed(&report);
}

/// R140: a dispatcher that closes may meet the listener, what holds the `Serving`, and the handlers' state in any order.
#[test]
fn a_serving_that_is_left_to_its_dispatcher_goes_with_it() {
    let report = run(|sim| {
        sim.client("server", || async move {
            let server = StreamServer::listen(Address::loopback(0))?;
            // Made between the two others, and kept by what is in it.
            let holder = AsyncQueue::<Box<dyn Any>>::unbounded();
            let left = (server.serve(|_stream| async {}), holder.clone());
            assert!(holder.try_push_back(Box::new(left)).is_ok(), "it has no bound");
            Ok(())
        });
    });
    assert_passed(&report);
}

/// R137: a handler's panic is no secret: unless it is contained, it goes on from its turn.
#[test]
fn a_panic_of_a_handler_fails_the_run() {
    let report = run(|sim| {
        let address = sim.host("server", 7, |address| async move {
            StreamServer::listen(address)?.serve(|_stream| async { panic!("a handler's mistake") }).await?;
            Ok(())
        });
        sim.client("client", move || async move {
            connect(address).await?.read(&mut [0]).await?;
            sleep(ms(1_000)).await;
            Ok(())
        });
    });
    assert!(report.verdict.to_string().contains("a handler's mistake"), "{}", report.verdict);
}
