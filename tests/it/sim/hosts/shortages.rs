//! Bugs that were planted, for a kernel that runs short of something to find: each is in the way in which a program
//! takes an error, so that nothing else shows it.

use std::cell::Cell;
use std::rc::Rc;

use twinloop::{
    Address, AsyncSemaphore, DatagramTransport, ErrorKind, StreamServer, StreamTransport, TransportError,
    connect, sleep, spawn, timeout,
};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{HostFaults, Sim, run_world};

use super::{ms, s};

/// The first seed in which the bug shows, of ten thousand; the bug is known by `words`.
fn found(build: fn(&mut Sim), faults: fn(&mut HostFaults), words: &str) -> Option<u64> {
    (0..10_000).find(|seed| {
        let report = run_world(&Choices::Seeded(*seed), Telling::Silent, |sim| {
            faults(sim.faults());
            build(sim);
        });
        let verdict = report.verdict.to_string();
        assert!(report.verdict.is_passed() || verdict.contains(words), "{verdict}");
        !report.verdict.is_passed()
    })
}

/// Whether no seed of some shows the bug in a world that lacks nothing.
fn is_hidden(build: fn(&mut Sim)) -> bool {
    (0..20).all(|seed| run_world(&Choices::Seeded(seed), Telling::Silent, build).verdict.is_passed())
}

#[track_caller]
fn is_found(build: fn(&mut Sim), faults: fn(&mut HostFaults), words: &str) {
    assert!(is_hidden(build), "a kind world shows it");
    assert!(found(build, faults, words).is_some(), "ten thousand seeds do not show it");
}

/// Planted: a server that takes any error for its end.
fn server_that_ends_with_an_error(sim: &mut Sim) {
    let address = sim.host("server", 7, |address| async move {
        let server = listening(address).await?;
        while let Ok(stream) = server.accept().await {
            spawn(async move { stream.write(b"x").await }).detach();
        }
        drop(server);
        std::future::pending().await
    });
    sim.client("client", move || async move {
        sleep(s(1)).await;
        for _ in 0..20 {
            let answered = timeout(s(5), answer(address)).await;
            answered.map_err(|_late| "nobody answers any more")?;
            sleep(ms(10)).await;
        }
        Ok(())
    });
}

async fn listening(address: Address) -> Result<StreamServer, TransportError> {
    loop {
        match StreamServer::listen(address) {
            Err(error) if error.kind() == ErrorKind::TooManyOpen => sleep(ms(10)).await,
            server => return server,
        }
    }
}

/// Tries until there is one.
async fn answer(address: Address) {
    let ask = |stream: StreamTransport| async move { stream.read(&mut [0]).await };
    loop {
        if let Ok(stream) = connect(address).await {
            if ask(stream).await == Ok(1) {
                return;
            }
        }
        sleep(ms(10)).await;
    }
}

#[test]
fn a_server_that_ends_with_an_error_is_found_by_a_full_table() {
    is_found(server_that_ends_with_an_error, |faults| _ = faults.table_full(0.05), "nobody answers");
}

#[test]
fn a_server_that_ends_with_an_error_is_found_by_a_lack_of_memory() {
    is_found(server_that_ends_with_an_error, |faults| _ = faults.no_buffers(0.05), "nobody answers");
}

/// Planted: a sender that numbers what it sends, and takes what was refused for sent.
fn sender_that_takes_what_was_refused_for_sent(sim: &mut Sim) {
    let missing = Rc::new(Cell::new(0));
    let noted = Rc::clone(&missing);
    let address = sim.host("receiver", 7, move |address| {
        let missing = Rc::clone(&noted);
        async move {
            let transport = loop {
                match DatagramTransport::bind(address) {
                    Err(error) if error.kind() == ErrorKind::TooManyOpen => sleep(ms(10)).await,
                    transport => break transport?,
                }
            };
            for expected in 0.. {
                let mut number = [0];
                transport.recv_from(&mut number).await?;
                missing.set(number[0] - expected);
            }
            Ok(())
        }
    });
    sim.client("sender", move || async move {
        sleep(s(1)).await;
        let transport = loop {
            match DatagramTransport::connect(address) {
                Err(error) if error.kind() == ErrorKind::TooManyOpen => sleep(ms(10)).await,
                transport => break transport?,
            }
        };
        for number in 0..50 {
            transport.send(&[number]).await.ok();
            sleep(ms(10)).await;
        }
        Ok(())
    });
    sim.check("all have come", move || match missing.get() {
        0 => Ok(()),
        count => Err(format!("{count} are missing")),
    });
}

#[test]
fn a_sender_that_takes_what_was_refused_for_sent_is_found() {
    is_found(
        sender_that_takes_what_was_refused_for_sent,
        |faults| _ = faults.no_buffers(0.02),
        "are missing",
    );
}

/// Planted: a pool of connections that forgets the place of one which could not be made.
fn pool_that_forgets_places(sim: &mut Sim) {
    let address = sim.host("server", 7, |address| async move {
        let server = listening(address).await?;
        loop {
            if let Ok(stream) = server.accept().await {
                spawn(async move { stream.read_to_end(1).await }).detach();
            }
        }
    });
    sim.client("client", move || async move {
        sleep(s(1)).await;
        let places = Rc::new(AsyncSemaphore::new(2));
        for _ in 0..40 {
            let place = timeout(s(5), places.acquire()).await.map_err(|_late| "no place is free")?;
            match connect(address).await {
                Ok(stream) => {
                    stream.close().await;
                    drop(place);
                }
                Err(_) => std::mem::forget(place),
            }
            sleep(ms(10)).await;
        }
        Ok(())
    });
}

#[test]
fn a_pool_that_forgets_places_is_found_when_ports_run_out() {
    let few_ports = |faults: &mut HostFaults| _ = faults.ephemeral_ports(50_000..=50_030);
    is_found(pool_that_forgets_places, few_ports, "no place is free");
}

#[test]
fn a_pool_that_forgets_places_is_found_by_a_full_table() {
    is_found(pool_that_forgets_places, |faults| _ = faults.table_full(0.02), "no place is free");
}
