//! Programs with a fault in them that only a bad network shows: a campaign finds each within few seeds, and none in a kind
//! world.

use std::cell::Cell;

use twinloop::{connect, timeout};
use twinloop_sim::LinkFaults;
use twinloop_sim::Scenario;

use super::*;

/// Until a run fails, how many seeds it takes; at most a hundred.
fn seeds_until_found(scenario: &Scenario) -> Option<u64> {
    (0..100).find(|seed| !scenario.run(&Choices::Seeded(*seed), Telling::Silent).verdict.is_passed())
}

#[track_caller]
fn only_this_finds_it(build: fn(&mut Sim), bad: fn(&mut LinkFaults)) {
    let kind = Scenario::new("kind", "a kind network", build);
    assert_eq!(seeds_until_found(&kind), None, "a kind network finds it");
    let rough = Scenario::new("rough", "a bad network", move |sim| {
        bad(sim.links());
        build(sim);
    });
    let found = seeds_until_found(&rough);
    assert!(found.is_some_and(|seeds| seeds < 20), "found after {found:?} seeds");
}

/// A counter that forgets that a request may come twice: it is asked for ten, and counts more.
fn counter_that_forgets_duplicates(sim: &mut Sim) {
    let counted = Rc::new(Cell::new(0));
    let counter = Rc::clone(&counted);
    let server = sim.host("server", PORT, move |address| {
        let counter = Rc::clone(&counter);
        async move {
            let transport = DatagramTransport::bind(address)?;
            let mut buffer = [0; 4];
            loop {
                let source = transport.recv_from(&mut buffer).await?.source;
                counter.set(counter.get() + 1);
                transport.send_to(&buffer, source).await?;
            }
        }
    });
    sim.client("client", move || async move {
        let transport = DatagramTransport::connect(server)?;
        for number in 0..10_u32 {
            transport.send(&number.to_be_bytes()).await?;
            timeout(ms(1000), transport.recv(&mut [0; 4])).await.ok();
        }
        Ok(())
    });
    sim.check("ten were counted", move || match counted.get() {
        ..=10 => Ok(()),
        more => Err(format!("{more} were counted")),
    });
}

/// A register that trusts that datagrams come in the order of sending: what was written last is not what it keeps.
fn register_that_trusts_the_order(sim: &mut Sim) {
    let value = Rc::new(Cell::new(0));
    let register = Rc::clone(&value);
    let server = sim.host("server", PORT, move |address| {
        let register = Rc::clone(&register);
        async move {
            let transport = DatagramTransport::bind(address)?;
            let mut buffer = [0; 4];
            loop {
                transport.recv_from(&mut buffer).await?;
                register.set(u32::from_be_bytes(buffer));
            }
        }
    });
    sim.client("client", move || async move {
        let transport = DatagramTransport::connect(server)?;
        sleep(ms(1)).await;
        for number in 0..10_u32 {
            transport.send(&number.to_be_bytes()).await?;
            sleep(ms(1)).await;
        }
        sleep(ms(1000)).await;
        Ok(())
    });
    sim.check("the last value is kept", move || match value.get() {
        9 => Ok(()),
        other => Err(format!("{other} is kept")),
    });
}

/// A copy that trusts the checksums of TCP.
fn copy_that_has_no_checksum(sim: &mut Sim) {
    let address = echo_server(sim);
    let copied = Rc::new(RefCell::new(Vec::new()));
    let copy = Rc::clone(&copied);
    sim.client("client", move || {
        let copy = Rc::clone(&copy);
        async move {
            *copy.borrow_mut() = round_trip(connect(address).await?, 5000).await?;
            Ok(())
        }
    });
    sim.check("the copy is one", move || {
        if *copied.borrow() == pattern(5000) { Ok(()) } else { Err("other bytes".to_owned()) }
    });
}

/// A client that takes a silence for a death, and asks another server to do the same once more.
fn client_that_takes_silence_for_death(sim: &mut Sim) {
    let done = Rc::new(Cell::new(0));
    let counter = Rc::clone(&done);
    let server = sim.host("server", PORT, move |address| {
        let counter = Rc::clone(&counter);
        async move {
            let server = StreamServer::listen(address)?;
            loop {
                let stream = server.accept().await?;
                let counter = Rc::clone(&counter);
                spawn(async move {
                    while let Ok(1..) = stream.read(&mut [0]).await {
                        counter.set(counter.get() + 1);
                        stream.write(b"x").await.ok();
                    }
                })
                .detach();
            }
        }
    });
    sim.client("client", move || async move {
        loop {
            let stream = connect(server).await?;
            stream.write(b"x").await?;
            if timeout(ms(100), stream.read(&mut [0])).await.is_ok() {
                sleep(ms(3000)).await;
                return Ok(());
            }
        }
    });
    sim.check("it was done once", move || match done.get() {
        1 => Ok(()),
        times => Err(format!("it was done {times} times")),
    });
}

#[test]
fn forgotten_duplicates_are_found() {
    only_this_finds_it(counter_that_forgets_duplicates, |links| _ = links.duplicate(0.1));
}

#[test]
fn trust_in_the_order_is_found() {
    only_this_finds_it(register_that_trusts_the_order, |links| _ = links.reorder(0.1, ms(20)));
}

#[test]
fn trust_in_checksums_is_found() {
    only_this_finds_it(copy_that_has_no_checksum, |links| _ = links.corrupt_unseen(0.1));
}

#[test]
fn a_silence_that_is_taken_for_a_death_is_found() {
    only_this_finds_it(client_that_takes_silence_for_death, |links| {
        links.clog(0.5).clog_for(ms(200)..ms(1000)).latency(ms(40));
    });
}
