//! Every fault, seen by its effect on programs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twinloop::{
    Address, ErrorKind, Moment, StreamServer, StreamTransport, TransportError, connect, now, sleep,
    sleep_until, spawn, timeout,
};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::{LineKind, Telling};
use twinloop_sim::{HostFaults, Report, Sim, run_world};

const PORT: u16 = 7;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn run(seed: u64, build: impl FnOnce(&mut Sim)) -> Report {
    run_world(&Choices::Seeded(seed), Telling::Events, build)
}

#[track_caller]
fn pass(report: &Report) {
    let story = report.story.as_ref().expect("a story was asked for");
    assert!(report.verdict.is_passed(), "{}\n{}", report.verdict, story.tail(40));
}

fn faults_told(report: &Report) -> Vec<String> {
    let story = report.story.as_ref().expect("a story was asked for");
    let faults = story.lines.iter().filter(|line| line.kind == LineKind::Fault);
    faults.map(|line| format!("{} {}: {}", line.at, line.host, line.text)).collect()
}

/// A server that sends back what it gets, on every connection.
fn echo_server(sim: &mut Sim) -> Address {
    sim.host("server", PORT, |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            spawn(echo(server.accept().await?)).detach();
        }
    })
}

async fn echo(stream: StreamTransport) -> Result<(), TransportError> {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return stream.shutdown().await;
        }
        stream.write(&buffer[..count]).await?;
    }
}

/// Sends `count` bytes to the echo server at `address` and checks what comes back.
async fn round_trip(address: Address, count: usize) -> Result<(), Box<dyn std::error::Error>> {
    let stream = Rc::new(connect(address).await?);
    let bytes: Vec<u8> = (0..count).map(|n| (n * 31 % 251) as u8).collect();
    let writer = spawn({
        let (stream, bytes) = (Rc::clone(&stream), bytes.clone());
        async move {
            stream.write_owned(bytes).await?;
            stream.shutdown().await
        }
    });
    assert!(stream.read_to_end(count + 1).await? == bytes, "other bytes came back");
    writer.await??;
    Ok(())
}

#[test]
fn latency_is_paid_on_every_way() {
    let report = run(1, |sim| {
        sim.links().latency(ms(30));
        let address = echo_server(sim);
        sim.client("client", move || async move {
            let start = now();
            let stream = connect(address).await?;
            assert_eq!((now() - start).as_millis(), 60);
            stream.write(b"x").await?;
            stream.read(&mut [0]).await?;
            assert_eq!((now() - start).as_millis(), 120);
            Ok(())
        });
    });
    pass(&report);
}

#[test]
fn jitter_varies_the_way_and_keeps_the_order() {
    let took = Rc::new(RefCell::new(Vec::new()));
    for seed in 0..10 {
        let took = Rc::clone(&took);
        let report = run(seed, |sim| {
            sim.links().latency(ms(1)).jitter(ms(50));
            let address = echo_server(sim);
            sim.client("client", move || {
                let took = Rc::clone(&took);
                async move {
                    round_trip(address, 20_000).await?;
                    took.borrow_mut().push(now());
                    Ok(())
                }
            });
        });
        pass(&report);
    }
    let mut took = took.borrow().clone();
    took.sort();
    took.dedup();
    assert!(took.len() > 5, "ten seeds took {took:?}");
}

#[test]
fn loss_delays_a_stream_and_loses_nothing_of_it() {
    let mut lost = 0;
    for seed in 0..20 {
        let report = run(seed, |sim| {
            sim.links().loss(0.1);
            let address = echo_server(sim);
            sim.client("client", move || round_trip(address, 50_000));
        });
        pass(&report);
        lost += faults_told(&report).len();
    }
    assert!(lost > 20 * 5, "{lost} packets lost");
}

#[test]
fn everything_at_once_loses_and_doubles_nothing() {
    for seed in 0..40 {
        let report = run(seed, |sim| {
            sim.links().jitter(ms(20)).loss(0.05).cut(0.02).cut_for(ms(50)..ms(900));
            sim.faults()
                .short_read(0.2)
                .short_write(0.2)
                .spurious(0.1)
                .late_event(0.1)
                .event_order(0.5)
                .late_timer(0.1);
            let address = echo_server(sim);
            for client in ["client-0", "client-1", "client-2"] {
                sim.client(client, move || round_trip(address, 100_000));
            }
        });
        pass(&report);
    }
}

#[test]
fn a_reset_reaches_both_ends() {
    let ends = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&ends);
    let report = run(1, move |sim| {
        sim.links().reset(1.0);
        let server_told = Rc::clone(&told);
        let address = sim.host("server", PORT, move |address| {
            let told = Rc::clone(&server_told);
            async move {
                let stream = StreamServer::listen(address)?.accept().await?;
                let error = stream.read(&mut [0; 16]).await.unwrap_err();
                told.borrow_mut().push(error);
                Ok(())
            }
        });
        sim.client("client", move || {
            let told = Rc::clone(&told);
            async move {
                let stream = connect(address).await?;
                stream.write(b"lost with the connection").await?;
                let error = stream.read(&mut [0; 16]).await.unwrap_err();
                told.borrow_mut().push(error);
                sleep(ms(100)).await;
                Ok(())
            }
        });
    });
    pass(&report);
    let reset = ErrorKind::Os(std::io::ErrorKind::ConnectionReset);
    let ends: Vec<_> = ends.borrow().iter().map(|error| (error.kind(), error.code())).collect();
    assert_eq!(ends, [(reset, Some(104)), (reset, Some(104))]);
}

/// A connection that is cut is not dead: it goes on when the link carries again.
#[test]
fn a_partition_holds_a_stream_until_it_heals() {
    let report = run(1, |sim| {
        let address = echo_server(sim);
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            sleep(ms(200)).await;
            stream.write(b"x").await?;
            assert!(timeout(ms(2000), stream.read(&mut [0])).await.is_err());
            stream.read(&mut [0]).await?;
            assert!(now() >= Moment::ORIGIN + ms(5000));
            Ok(())
        });
        sim.at(ms(100)).partition("client", "server");
        sim.at(ms(5000)).heal("server", "client");
    });
    pass(&report);
}

/// A drawn cut that ends inside a partition does not end the partition.
#[test]
fn a_partition_outlasts_the_cuts_that_were_drawn() {
    for seed in 0..20 {
        let report = run(seed, |sim| {
            sim.links().cut(1.0).cut_for(ms(10)..ms(10));
            let address = echo_server(sim);
            sim.client("client", move || async move {
                sleep(ms(70)).await;
                assert!(timeout(ms(20), connect(address)).await.is_err(), "through a partition");
                Ok(())
            });
            sim.at(ms(20)).partition("client", "server");
        });
        pass(&report);
    }
}

#[test]
fn a_one_way_partition_lets_the_other_way_through() {
    let heard = Rc::new(Cell::new(0));
    let counter = Rc::clone(&heard);
    let report = run(1, move |sim| {
        let address = sim.host("server", PORT, move |address| {
            let heard = Rc::clone(&counter);
            async move {
                let stream = StreamServer::listen(address)?.accept().await?;
                let mut byte = [0];
                while stream.read(&mut byte).await? > 0 {
                    heard.set(heard.get() + 1);
                    stream.write(&byte).await?;
                }
                Ok(())
            }
        });
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            sleep(ms(200)).await;
            stream.write(b"x").await?;
            assert!(timeout(ms(1000), stream.read(&mut [0])).await.is_err());
            Ok(())
        });
        sim.at(ms(100)).partition_one_way("server", "client");
    });
    pass(&report);
    assert_eq!(heard.get(), 1);
}

#[test]
fn a_crash_forgets_everything_and_a_restart_begins_anew() {
    let starts = Rc::new(Cell::new(0));
    let counter = Rc::clone(&starts);
    let report = run(1, move |sim| {
        let address = sim.host("server", PORT, move |address| {
            let starts = Rc::clone(&counter);
            async move {
                starts.set(starts.get() + 1);
                let server = StreamServer::listen(address)?;
                loop {
                    spawn(echo(server.accept().await?)).detach();
                }
            }
        });
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            sleep(ms(500)).await;
            // The server is down: nothing answers, and nothing says so.
            stream.write(b"x").await?;
            assert!(timeout(ms(500), stream.read(&mut [0])).await.is_err());
            assert!(timeout(ms(500), connect(address)).await.is_err());
            sleep(ms(1000)).await;
            // It is back, and knows nothing of the old connection.
            let error = stream.read(&mut [0]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Os(std::io::ErrorKind::ConnectionReset));
            round_trip(address, 100).await
        });
        sim.at(ms(300)).crash("server");
        sim.at(ms(2000)).restart("server");
    });
    pass(&report);
    assert_eq!(starts.get(), 2);
}

/// The restart that a drawn crash had planned does not end a later crash, which lasts until its own.
#[test]
fn a_scripted_crash_outlasts_the_restart_of_an_earlier_one() {
    let drawn = Rc::new(Cell::new(0));
    for seed in 0..100 {
        let counter = Rc::clone(&drawn);
        let report = run(seed, move |sim| {
            sim.host("server", PORT, move |_| {
                assert!(now() <= Moment::ORIGIN + ms(400), "the crash has ended by itself");
                counter.set(counter.get() + 1);
                std::future::pending()
            });
            sim.client("client", || async {
                sleep(ms(2000)).await;
                Ok(())
            });
            sim.host_faults("server").crash(0.1).down_for(ms(1000)..ms(1000));
            sim.at(ms(400)).restart("server");
            sim.at(ms(400)).crash("server");
        });
        pass(&report);
    }
    assert!(drawn.get() > 100, "no crash was drawn before the scripted one");
}

/// What a crashed program does in its destructors reaches nobody.
#[test]
fn a_crashed_host_says_nothing_in_its_destructors() {
    struct SaysGoodbye(StreamTransport);
    impl Drop for SaysGoodbye {
        fn drop(&mut self) {
            self.0.write(b"goodbye").detach();
        }
    }
    let report = run(1, |sim| {
        let address = sim.host("server", PORT, |address| async move {
            let _held = SaysGoodbye(StreamServer::listen(address)?.accept().await?);
            std::future::pending().await
        });
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            assert!(timeout(ms(5000), stream.read(&mut [0; 16])).await.is_err());
            Ok(())
        });
        sim.at(ms(100)).crash("server");
    });
    pass(&report);
}

#[test]
fn reset_connections_resets_those_of_the_host() {
    let report = run(1, |sim| {
        let address = echo_server(sim);
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            let error = stream.read(&mut [0]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Os(std::io::ErrorKind::ConnectionReset));
            round_trip(address, 100).await
        });
        sim.at(ms(100)).reset_connections("server");
    });
    pass(&report);
}

/// Links and hosts change their ways at a time: what was said of them before holds on.
#[test]
fn faults_change_at_a_time() {
    let report = run(1, |sim| {
        let address = echo_server(sim);
        sim.client("client", move || async move {
            for (second, latency) in [(0, 10), (1, 40), (2, 10)] {
                let began = now();
                round_trip(address, 1).await?;
                // A handshake, and one byte there and back.
                assert_eq!((second, now() - began), (second, 4 * ms(latency)));
                sleep_until(Moment::ORIGIN + ms(1000 * (second + 1))).await;
            }
            Ok(())
        });
        sim.links().latency(ms(10));
        sim.at(ms(1000)).link("client", "server").latency(ms(40));
        sim.at(ms(2000)).link("client", "server");
    });
    pass(&report);
    assert_eq!(faults_told(&report).len(), 4, "{:?}", faults_told(&report));
}

/// Runs an echo on hosts that behave as `set` says, and says how often `site` chose something unusual.
fn unusual_at(site: &str, set: impl Fn(&mut HostFaults)) -> usize {
    let report = run(1, |sim| {
        let address = echo_server(sim);
        for client in ["client", "other"] {
            sim.client(client, move || async move {
                for _ in 0..20 {
                    round_trip(address, 3000).await?;
                    sleep(ms(3)).await;
                }
                Ok(())
            });
            set(sim.host_faults(client));
        }
        set(sim.host_faults("server"));
    });
    pass(&report);
    report.unusual.iter().filter(|pick| pick.site == site).count()
}

#[test]
fn host_faults_happen_where_they_are_asked_for_and_nowhere_else() {
    assert!(unusual_at("server: short read", |faults| _ = faults.short_read(0.5)) > 10);
    assert!(unusual_at("server: short write", |faults| _ = faults.short_write(0.5)) > 10);
    assert!(unusual_at("server: spurious event", |faults| _ = faults.spurious(0.5)) > 10);
    assert!(unusual_at("server: late event", |faults| _ = faults.late_event(0.5)) > 10);
    assert!(unusual_at("server: event order", |faults| _ = faults.event_order(1.0)) > 0);
    assert!(unusual_at("client: late timer", |faults| _ = faults.late_timer(0.5)) > 5);
    for site in ["short read", "short write", "spurious event", "late event", "event order", "late timer"] {
        assert_eq!(unusual_at(&format!("server: {site}"), |_| ()), 0);
    }
}

#[test]
fn a_late_timer_is_late_and_never_early() {
    let lateness = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&lateness);
    let report = run(1, move |sim| {
        sim.faults().late_timer(0.5);
        sim.client("client", move || {
            let noted = Rc::clone(&noted);
            async move {
                for _ in 0..100 {
                    let due = now() + ms(10);
                    sleep(ms(10)).await;
                    assert!(now() >= due);
                    noted.borrow_mut().push(now() - due);
                }
                Ok(())
            }
        });
    });
    pass(&report);
    let late = lateness.borrow().iter().filter(|late| **late >= ms(1)).count();
    assert!((20..80).contains(&late), "{late} of 100 were late");
    assert!(lateness.borrow().iter().all(|late| *late <= ms(25)));
}

/// An event that is late each time it could come would never come: being late ends.
#[test]
fn a_late_event_comes_although_every_event_is_late() {
    for probability in [0.5, 0.9, 1.0] {
        let report = run(3, |sim| {
            sim.faults().late_event(probability);
            let address = echo_server(sim);
            sim.client("client", move || round_trip(address, 10));
        });
        pass(&report);
        assert!(report.virtual_time < ms(300), "{probability}: {:?}", report.virtual_time);
    }
}

#[test]
fn drawn_crashes_and_cuts_begin_and_end() {
    let (mut crashes, mut starts, mut cuts, mut heals) = (0, 0, 0, 0);
    for seed in 0..20 {
        let report = run(seed, |sim| {
            sim.links().cut(0.05);
            let address = echo_server(sim);
            sim.host_faults("server").crash(0.02);
            sim.client("client", move || async move {
                for _ in 0..20 {
                    // A crash of the server ends the attempt; the next one may succeed.
                    let _ended = timeout(ms(500), round_trip(address, 100)).await;
                    sleep(ms(100)).await;
                }
                Ok(())
            });
        });
        pass(&report);
        let story = report.story.expect("a story was asked for");
        let count = |text: &str| story.lines.iter().filter(|line| line.text.starts_with(text)).count();
        crashes += count("crashed, down for");
        starts += count("started") - 2;
        cuts += story.lines.iter().filter(|line| line.text.contains(" cut for ")).count();
        heals += story.lines.iter().filter(|line| line.text.ends_with(" healed")).count();
    }
    assert!(crashes > 10 && starts > 5 && starts <= crashes, "{crashes} crashes, {starts} restarts");
    assert!(cuts > 20 && heals > 10 && heals <= cuts, "{cuts} cuts, {heals} healed");
}
