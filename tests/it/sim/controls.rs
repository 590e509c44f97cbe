//! Programs that do something to their own world: each fault by its effect, and by its end.

mod guards;
mod netstat;

use std::time::Duration;

use twinloop::{Address, DatagramTransport, StreamServer, connect, sleep, timeout};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{Controls, Report, Sim, Units, Verdict, run_world};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Answers datagrams and connections with `!`.
async fn echo(address: Address) -> Outcome {
    let socket = DatagramTransport::bind(address)?;
    let _serving = StreamServer::listen(address)?.serve(|stream| async move {
        // Whoever has hung up needs no answer.
        _ = stream.write(b"!").await;
    });
    loop {
        let received = socket.recv_from(&mut [0]).await?;
        socket.send_to(b"!", received.source).await?;
    }
}

/// A world of an echo and two clients, of which the first one is given the controls.
fn world<F>(
    faults: impl FnOnce(&mut Sim),
    first: impl FnOnce(Controls, Address) -> F + Clone + 'static,
) -> Report
where
    F: Future<Output = Outcome> + 'static,
{
    run_world(&Choices::Seeded(1), Telling::Events, |sim| {
        sim.links().latency(1.ms());
        let address = sim.host("echo", 7, echo);
        let controls = sim.controls();
        sim.client("first", move || first.clone()(controls.clone(), address));
        sim.client("second", || async {
            sleep(1.ms()).await;
            Ok(())
        });
        faults(sim);
    })
}

fn pass(report: &Report) {
    let story = report.story.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(report.verdict.is_passed(), "{}\n{story}", report.verdict);
}

async fn is_answered(address: Address) -> Result<bool, twinloop::TransportError> {
    // What concerns programs happens once the turn is over.
    sleep(1.us()).await;
    let socket = DatagramTransport::connect(address)?;
    socket.send(b"?").await?;
    Ok(matches!(timeout(100.ms(), socket.recv(&mut [0])).await, Ok(Ok(_))))
}

#[test]
fn a_fault_lasts_as_long_as_its_guard() {
    let report = world(
        |_| {},
        |controls, address| async move {
            for guard in [
                controls.partition("first", "echo"),
                controls.partition_one_way("first", "echo"),
                controls.partition_one_way("echo", "first"),
                controls.isolate("echo"),
                controls.clog("first", "echo"),
                controls.pause("echo"),
                controls.with_link("first", "echo", |faults| _ = faults.loss(1.0)),
            ] {
                // Guards made before it are over, those behind it hold still.
                assert!(!is_answered(address).await?, "{guard:?}");
                drop(guard);
            }
            assert!(is_answered(address).await?);
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn a_fault_that_two_keep_up_is_over_with_the_second() {
    let report = world(
        |_| {},
        |controls, address| async move {
            let (one, two) = (controls.partition("first", "echo"), controls.isolate("first"));
            drop(one);
            assert!(!is_answered(address).await?);
            drop(two);
            assert!(is_answered(address).await?);
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn what_a_link_did_before_is_put_back() {
    let report = world(
        |sim| _ = sim.one_way("first", "echo").latency(7.ms()),
        |controls, address| async move {
            let took = |from: twinloop::Moment| twinloop::now() - from;
            let slow = controls.with_link("first", "echo", |faults| _ = faults.latency(50.ms()));
            sleep(1.us()).await;
            let (began, slow_for) = (twinloop::now(), Duration::from_millis(100));
            connect(address).await?.read_exactly(&mut [0]).await?;
            assert!(took(began) >= slow_for);
            drop(slow);
            // What is slow still on its way is not overtaken.
            sleep(200.ms()).await;
            let began = twinloop::now();
            let socket = DatagramTransport::connect(address)?;
            socket.send(b"?").await?;
            socket.recv(&mut [0]).await?;
            assert_eq!(took(began), 8.ms(), "7 there, 1 back");
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn hosts_go_down_and_come_back() {
    let report = world(
        |_| {},
        |controls, address| async move {
            let down = controls.down("echo");
            assert!(!is_answered(address).await?);
            drop(down);
            assert!(is_answered(address).await?);
            controls.kill("echo");
            sleep(1.us()).await;
            assert!(connect(address).await.is_err(), "its kernel refuses");
            controls.restart("echo");
            assert!(is_answered(address).await?);
            let stream = connect(address).await?;
            controls.reset_connections("echo");
            sleep(10.ms()).await;
            assert!(stream.read_to_end(10).await.is_err());
            Ok(())
        },
    );
    pass(&report);
}

#[test]
fn equal_seeds_give_equal_runs_also_when_programs_interfere() {
    let run = || {
        world(
            |sim| _ = sim.links().jitter(1.ms()).loss(0.1),
            |controls, address| async move {
                for _ in 0..20 {
                    let _cut = controls.clog("first", "echo");
                    _ = is_answered(address).await?;
                    controls.reset_connections("echo");
                }
                Ok(())
            },
        )
    };
    let (one, two) = (run(), run());
    pass(&one);
    assert_eq!(one.hash, two.hash);
    let story = one.story.expect("it is told").to_string();
    assert!(story.contains("link to echo clogged") && story.contains("all connections reset"), "{story}");
}

// ---- safety, then liveness ----

/// Asks until it is answered; one that is not live takes the first silence for the end.
fn asks(sim: &mut Sim, is_live: bool) {
    let address = sim.host("echo", 7, echo);
    sim.client("first", move || async move {
        loop {
            if is_answered(address).await? {
                return Ok(());
            }
            if !is_live {
                return std::future::pending().await;
            }
        }
    });
    sim.host("other", 7, echo);
}

#[test]
fn a_core_that_is_made_whole_converges() {
    let report = run_world(&Choices::Seeded(1), Telling::Events, |sim| {
        asks(sim, true);
        sim.links().latency(1.ms()).loss(1.0);
        sim.at(1.s()).crash("echo").crash("other").partition("first", "echo");
        sim.converges(10.s(), &["echo", "first"], 1.s(), || Ok(()));
    });
    pass(&report);
    let took = report.virtual_time;
    assert!((10.s()..11.s()).contains(&took), "{took:?}");
}

#[test]
fn a_core_that_does_not_converge_says_who_waits_for_what() {
    let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
        asks(sim, false);
        sim.at(0.s()).partition("first", "echo");
        sim.converges(10.s(), &["echo", "first"], 1.s(), || Ok(()));
        // Without it, what waits for ever is a deadlock.
        sim.client("clock", || async {
            sleep(1000.s()).await;
            Ok(())
        });
    });
    let Verdict::NotLive { within, message } = &report.verdict else { panic!("{}", report.verdict) };
    assert_eq!(*within, 1.s());
    assert!(message.contains("first waits: "), "{message}");
    assert_eq!(report.verdict.kind(), "not-live");
    assert_eq!(report.virtual_time, 11.s());
}

#[test]
fn a_goal_that_is_missed_is_named() {
    let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
        asks(sim, true);
        sim.client("clock", || async {
            sleep(1000.s()).await;
            Ok(())
        });
        sim.converges(1.s(), &["echo"], 1.s(), || Err("no leader".to_owned()));
    });
    let text = report.verdict.to_string();
    assert!(text.starts_with("not-live: 1s after it was made whole: no leader; "), "{text}");
}

#[test]
fn what_is_no_part_of_the_core_stays_as_it_is() {
    let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
        let address = sim.host("echo", 7, echo);
        sim.host("other", 7, echo);
        sim.client("first", move || async move {
            sleep(12.s()).await;
            assert!(!is_answered(address).await?, "the link to it is no part of the core");
            Ok(())
        });
        sim.links().loss(1.0);
        sim.converges(10.s(), &["echo", "other"], 1.s(), || Ok(()));
    });
    pass(&report);
}
