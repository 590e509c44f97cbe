//! How processes end: killed, by a signal, asked to. And what else lives in them.

use std::io::ErrorKind as Io;

use twinloop::driver::Signal;
use twinloop::{
    Address, ErrorKind, File, Moment, Signals, StreamServer, StreamTransport, connect, now, raise, sleep,
    spawn, timeout,
};
use twinloop_sim::{ProgramResult, Sim};

use super::{Seen, faults_told, is_drawn, ms, pass, run, s};

/// A server that holds one connection and writes `hello` to it; and what it notes at each start and each end.
fn holding_server(sim: &mut Sim, notes: &Seen<String>) -> Address {
    let notes = notes.clone();
    sim.host("server", 7, move |address| {
        notes.add(format!("starts at {}", now()));
        async move {
            let server = StreamServer::listen(address)?;
            let stream = server.accept().await?;
            stream.write(b"hello").await?;
            std::future::pending().await
        }
    })
}

/// Other than in a crash, the kernel closes what was open: the peer learns of it at once.
#[test]
fn the_peer_of_a_killed_process_sees_the_end() {
    let report = run(1, |sim| {
        let address = holding_server(sim, &Seen::nothing());
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            assert_eq!(stream.read_to_end(100).await?, b"hello");
            assert!(now() < Moment::ORIGIN + ms(1100), "{}", now());
            let refused = connect(address).await.expect_err("nobody listens");
            assert_eq!(refused.kind(), ErrorKind::Os(Io::ConnectionRefused));
            Ok(())
        });
        sim.at(s(1)).kill("server");
    });
    pass(&report);
    assert_eq!(faults_told(&report), ["1.000000000s server: killed"]);
}

/// As every close does.
#[test]
fn a_killed_process_that_has_not_read_all_resets() {
    let report = run(1, |sim| {
        let address = holding_server(sim, &Seen::nothing());
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            stream.write(b"never read").await?;
            stream.read_exactly(&mut [0; 5]).await?;
            let error = stream.read(&mut [0]).await.expect_err("it was not read");
            assert_eq!(error.kind(), ErrorKind::Os(Io::ConnectionReset));
            Ok(())
        });
        sim.at(s(1)).kill("server");
    });
    pass(&report);
}

/// What was written stays, in the page cache; and the program begins anew.
#[test]
fn a_killed_process_starts_again_with_its_files() {
    let notes = Seen::nothing();
    let inner = notes.clone();
    let report = run(1, move |sim| {
        sim.client("host", move || {
            let notes = inner.clone();
            async move {
                match File::open("/journal").await {
                    Err(_) => {
                        File::create("/journal").await?.write_at(0, b"unsynced").await?;
                        std::future::pending().await
                    }
                    Ok(journal) => {
                        let bytes = journal.read_range(0, 8).await?;
                        notes.add(String::from_utf8_lossy(&bytes).into_owned());
                        Ok(())
                    }
                }
            }
        });
        sim.at(s(1)).kill("host");
        sim.at(s(2)).restart("host");
    });
    pass(&report);
    assert_eq!((notes.all(), report.virtual_time.as_secs()), (vec!["unsynced".to_owned()], 2));
}

/// Destructors of a killed program reach nobody: SIGKILL runs none.
#[test]
fn a_killed_process_says_nothing_in_its_destructors() {
    struct SaysGoodbye(StreamTransport);
    impl Drop for SaysGoodbye {
        fn drop(&mut self) {
            self.0.write(b"goodbye").detach();
        }
    }
    let report = run(1, |sim| {
        let address = sim.host("server", 7, |address| async move {
            let _held = SaysGoodbye(StreamServer::listen(address)?.accept().await?);
            std::future::pending().await
        });
        sim.client("client", move || async move {
            assert_eq!(connect(address).await?.read_to_end(100).await?, b"");
            Ok(())
        });
        sim.at(s(1)).kill("server");
    });
    pass(&report);
}

#[test]
fn kills_are_drawn_and_the_program_comes_back() {
    let build = |sim: &mut Sim| {
        let address = holding_server(sim, &Seen::nothing());
        sim.client("client", move || async move {
            while connect(address).await.is_err() || now() < Moment::ORIGIN + s(5) {
                sleep(ms(100)).await;
            }
            Ok(())
        });
        sim.host_faults("server").kill(0.05).down_for(ms(100)..s(1));
    };
    is_drawn(build, "killed, down for");
}

/// A server that ends well once it is asked to: it tells its peer, and takes as long as it is told.
fn graceful_server(sim: &mut Sim, takes: u64) -> Address {
    sim.host("server", 7, move |address| async move {
        let mut signals = Signals::new(&[Signal::Terminate])?;
        let server = StreamServer::listen(address)?;
        let stream = server.accept().await?;
        // Left behind: it ends with the process.
        spawn(async move {
            let _held = server;
            std::future::pending::<()>().await
        })
        .detach();
        assert_eq!(signals.recv().await, Signal::Terminate);
        sleep(s(takes)).await;
        stream.write(b"goodbye").await?;
        Ok(())
    })
}

#[test]
fn a_program_that_is_asked_to_end_ends_well() {
    let report = run(1, |sim| {
        let address = graceful_server(sim, 3);
        sim.client("client", move || async move {
            assert_eq!(connect(address).await?.read_to_end(100).await?, b"goodbye");
            assert!(now() >= Moment::ORIGIN + s(4));
            sleep(ms(10)).await;
            let refused = connect(address).await.expect_err("the process is gone, with all its tasks");
            assert_eq!(refused.kind(), ErrorKind::Os(Io::ConnectionRefused));
            Ok(())
        });
        sim.at(s(1)).stop("server");
    });
    pass(&report);
    assert_eq!(faults_told(&report), [""; 0], "nobody was killed");
}

#[test]
fn a_program_that_does_not_end_in_time_is_killed() {
    let report = run(1, |sim| {
        let address = graceful_server(sim, 60);
        sim.client("client", move || async move {
            assert_eq!(connect(address).await?.read_to_end(100).await?, b"");
            Ok(())
        });
        sim.host_faults("server").stop_within(s(5));
        sim.at(s(1)).stop("server");
    });
    pass(&report);
    assert_eq!(faults_told(&report), ["6.000000000s server: killed: it was asked to end, and has not"]);
}

#[test]
fn a_program_that_does_not_listen_is_gone_at_once() {
    for signal in [Signal::Terminate, Signal::Interrupt, Signal::Hangup, Signal::User1] {
        let report = run(1, |sim| {
            let address = holding_server(sim, &Seen::nothing());
            sim.client("client", move || async move {
                assert_eq!(connect(address).await?.read_to_end(100).await?, b"hello");
                Ok(())
            });
            sim.at(s(1)).signal("server", signal);
        });
        pass(&report);
        assert!(report.virtual_time < ms(1100));
        assert_eq!(
            faults_told(&report),
            ["1.000000000s server: ended by a signal that it does not listen to"],
            "{signal}"
        );
    }
}

#[test]
fn a_signal_that_ends_nothing_ends_nothing() {
    let report = run(1, |sim| {
        sim.client("host", || async {
            sleep(s(2)).await;
            Ok(())
        });
        sim.at(s(1)).signal("host", Signal::WindowChange);
    });
    pass(&report);
}

/// A program that ends itself: nothing that it does in the rest of that turn reaches anyone.
#[test]
fn a_program_may_end_itself() {
    let report = run(1, |sim| {
        let address = sim.host("server", 7, |address| async move {
            let stream = StreamServer::listen(address)?.accept().await?;
            raise(Signal::Terminate)?;
            let _ = stream.write(b"it is no more").await;
            std::future::pending().await
        });
        sim.client("client", move || async move {
            assert_eq!(connect(address).await?.read_to_end(100).await?, b"");
            Ok(())
        });
    });
    pass(&report);
}

/// R83: with the last that listens, the signal is again what it was before.
#[test]
fn what_nobody_listens_to_any_more_ends_the_process() {
    let report = run(1, |sim| {
        let address = sim.host("server", 7, |address| async move {
            let stream = StreamServer::listen(address)?.accept().await?;
            let mut signals = Signals::new(&[Signal::Terminate])?;
            raise(Signal::Terminate)?;
            signals.recv().await;
            stream.write(b"still here").await?;
            drop(signals);
            raise(Signal::Terminate)?;
            std::future::pending().await
        });
        sim.client("client", move || async move {
            assert_eq!(connect(address).await?.read_to_end(100).await?, b"still here");
            Ok(())
        });
    });
    pass(&report);
}

/// What a destructor does while its process ends in good order is done by that process, and not to the next one.
#[test]
fn a_signal_in_a_destructor_ends_no_later_process() {
    struct Raises;
    impl Drop for Raises {
        fn drop(&mut self) {
            raise(Signal::Quit).expect("the process is there until its last destructor has run");
        }
    }
    let starts = Seen::nothing();
    let inner = starts.clone();
    let report = run(1, move |sim| {
        sim.host("server", 7, move |_| {
            inner.add(now() - Moment::ORIGIN);
            spawn(async {
                let _raises = Raises;
                std::future::pending::<()>().await
            })
            .detach();
            async {
                Signals::new(&[Signal::Terminate])?.recv().await;
                Ok(())
            }
        });
        sim.client("client", || async {
            sleep(s(4)).await;
            Ok(())
        });
        sim.at(s(1)).stop("server").restart("server");
        sim.at(s(2)).restart("server");
        sim.at(s(3)).restart("server");
    });
    pass(&report);
    assert_eq!(starts.all(), [s(0), s(2)]);
}

/// Something else lets go of its descriptors once a scenario says so.
#[test]
fn foreign_descriptors_go() {
    let report = run(1, |sim| {
        sim.client("host", || async {
            sleep(ms(75)).await;
            assert!(StreamServer::listen(Address::loopback(0)).is_err());
            sleep(ms(75)).await;
            StreamServer::listen(Address::loopback(0))?;
            Ok(())
        });
        sim.faults().descriptors(5);
        sim.at(ms(10)).host_faults("host").foreign_descriptors(5..6);
        sim.at(ms(80)).host_faults("host").descriptors(5);
    });
    pass(&report);
}

/// Every start of a host can be ended again, and the story of each is its own.
#[test]
fn stops_are_drawn_and_the_program_comes_back() {
    let build = |sim: &mut Sim| {
        let notes = Seen::nothing();
        let inner = notes.clone();
        sim.host("server", 7, move |_| {
            let notes = inner.clone();
            async move {
                notes.add("starts");
                Signals::new(&[Signal::Terminate])?.recv().await;
                notes.add("ends");
                Ok(())
            }
        });
        sim.client("client", || async {
            sleep(s(10)).await;
            Ok(())
        });
        sim.host_faults("server").stop(0.1).down_for(ms(100)..s(1));
        sim.check("it came back", move || {
            let notes = notes.all();
            let alternates =
                notes.chunks(2).all(|pair| pair[0] == "starts" && pair.get(1) != Some(&"starts"));
            if notes.len() > 2 && alternates { Ok(()) } else { Err(format!("{notes:?}")) }
        });
    };
    for seed in 0..5 {
        let (report, again) = (run(seed, build), run(seed, build));
        pass(&report);
        assert_eq!(report.hash, again.hash);
    }
}

/// Something else in the process opens and closes descriptors: the limit is reached now and then.
#[test]
fn foreign_descriptors_come_and_go() {
    let build = |sim: &mut Sim| {
        sim.client("host", || async {
            let (mut refused, mut given) = (0, 0);
            for _ in 0..200 {
                match StreamServer::listen(Address::loopback(0)) {
                    Ok(_) => given += 1,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::TooManyOpen);
                        refused += 1;
                    }
                }
                sleep(ms(10)).await;
            }
            assert!(refused > 0 && given > 0, "{refused} refused, {given} given");
            Ok(())
        });
        sim.faults().descriptors(10).foreign_descriptors(0..21);
    };
    is_drawn(build, "something else has");
}

/// A process that has ended takes what was foreign in it along.
#[test]
fn a_new_process_has_no_foreign_descriptors() {
    let report = run(1, |sim| {
        let mut starts = 0;
        sim.client("host", move || {
            starts += 1;
            open_one(starts)
        });
        sim.faults().descriptors(10).foreign_descriptors(10..11);
        sim.at(ms(75)).kill("host").restart("host");
    });
    pass(&report);
}

async fn open_one(start: u32) -> ProgramResult {
    if start == 1 {
        timeout(ms(60), std::future::pending::<()>()).await.expect_err("it waits");
        assert!(StreamServer::listen(Address::loopback(0)).is_err());
        return std::future::pending().await;
    }
    StreamServer::listen(Address::loopback(0))?;
    Ok(())
}
