//! Messages that come twice, late, changed or not at all, and programs that did not think of it.

use std::rc::Rc;

use twinloop::{Address, DatagramTransport, StreamServer, TransportError, connect, sleep, timeout};
use twinloop_sim::{Sim, Units};

use crate::{Bug, Outcome, Version, add_one, notes};

/// A listener takes the version that came last for the newest one.
pub(crate) const LATEST_WINS: Bug = Bug {
    name: "latest-wins",
    kind: "ordering: the last to arrive is taken for the newest",
    faults: "links that reorder",
    build: latest_wins,
    shows_as: "is not the newest",
};

fn latest_wins(sim: &mut Sim, version: Version) {
    const NEWEST: u8 = 20;
    let shown = Rc::new(std::cell::Cell::new(0));
    let screen = Rc::clone(&shown);
    let address = sim.host("screen", 7, move |address| {
        let shown = Rc::clone(&screen);
        async move {
            let socket = DatagramTransport::bind(address)?;
            loop {
                let mut number = [0];
                socket.recv_from(&mut number).await?;
                if version.is_planted() || number[0] > shown.get() {
                    shown.set(number[0]);
                }
            }
        }
    });
    sim.client("settings", move || async move {
        let socket = DatagramTransport::connect(address)?;
        for number in 1..=NEWEST {
            socket.send(&[number]).await?;
            sleep(2.ms()).await;
        }
        sleep(1.s()).await;
        Ok(())
    });
    sim.links().latency(1.ms()).reorder(0.01, 10.ms());
    sim.check("screen", move || match shown.get() {
        NEWEST => Ok(()),
        number => Err(format!("version {number} is not the newest")),
    });
}

/// A till adds whatever it is sent.
pub(crate) const ADDED_TWICE: Bug = Bug {
    name: "added-twice",
    kind: "idempotence: a datagram that came twice counts twice",
    faults: "links that duplicate",
    build: added_twice,
    shows_as: "in the till",
};

fn added_twice(sim: &mut Sim, version: Version) {
    let sum = crate::Count::default();
    let till = Rc::clone(&sum);
    let address = sim.host("till", 7, move |address| {
        let till = Rc::clone(&till);
        async move {
            let socket = DatagramTransport::bind(address)?;
            let mut seen = [false; 256];
            loop {
                let mut number = [0];
                socket.recv_from(&mut number).await?;
                let is_new = !std::mem::replace(&mut seen[usize::from(number[0])], true);
                if version.is_planted() || is_new {
                    add_one(&till);
                }
            }
        }
    });
    sim.client("customer", move || async move {
        let socket = DatagramTransport::connect(address)?;
        for number in 0..50 {
            socket.send(&[number]).await?;
            sleep(1.ms()).await;
        }
        sleep(1.s()).await;
        Ok(())
    });
    sim.links().latency(1.ms()).jitter(1.ms()).duplicate(0.002);
    sim.check("till", move || match sum.get() {
        50 => Ok(()),
        sum => Err(format!("{sum} in the till, and 50 were paid")),
    });
}

/// A request is sent again on a new connection, and nobody knows whether the first one was done.
pub(crate) const RETRIED_TWICE: Bug = Bug {
    name: "retried-twice",
    kind: "double retry: what was done and not answered is done again",
    faults: "links that reset and cut",
    build: retried_twice,
    shows_as: "were done",
};

fn retried_twice(sim: &mut Sim, version: Version) {
    const REQUESTS: u8 = 20;
    let done = notes();
    let book = Rc::clone(&done);
    let address = sim.host("shop", 7, move |address| {
        let done = Rc::clone(&book);
        async move {
            let server = StreamServer::listen(address)?;
            let _serving = server.serve(move |stream| {
                let done = Rc::clone(&done);
                async move {
                    let mut order = [0];
                    while stream.read_exactly(&mut order).await.is_ok() {
                        let is_known = done.borrow().contains(&order[0]);
                        if version.is_planted() || !is_known {
                            done.borrow_mut().push(order[0]);
                        }
                        if stream.write(b"!").await.is_err() {
                            return;
                        }
                    }
                }
            });
            std::future::pending().await
        }
    });
    sim.client("customer", move || async move {
        let mut connection = None;
        for order in 0..REQUESTS {
            while ask(&mut connection, address, order).await.is_err() {
                connection = None;
                sleep(10.ms()).await;
            }
        }
        Ok(())
    });
    sim.links().latency(1.ms()).jitter(2.ms()).reset(0.002).cut(0.005);
    sim.check("shop", move || match done.borrow().len() {
        orders if orders == usize::from(REQUESTS) => Ok(()),
        orders => Err(format!("{orders} orders were done, and {REQUESTS} were meant")),
    });
}

async fn ask(
    connection: &mut Option<twinloop::StreamTransport>,
    address: Address,
    order: u8,
) -> Result<(), Box<dyn std::error::Error>> {
    if connection.is_none() {
        *connection = Some(timeout(200.ms(), connect(address)).await??);
    }
    let stream = connection.as_ref().expect("made above");
    timeout(200.ms(), async {
        stream.write(&[order]).await?;
        stream.read_exactly(&mut [0]).await
    })
    .await??;
    Ok::<(), Box<dyn std::error::Error>>(())
}

/// Bytes are believed because they came.
pub(crate) const UNCHECKED: Bug = Bug {
    name: "unchecked",
    kind: "integrity: bytes without a sum of their own are believed",
    faults: "links that corrupt what the checksum does not see",
    build: unchecked,
    shows_as: "was never sent",
};

fn unchecked(sim: &mut Sim, version: Version) {
    let readings = notes();
    let written = Rc::clone(&readings);
    let address = sim.host("archive", 7, move |address| {
        let written = Rc::clone(&written);
        async move {
            let socket = DatagramTransport::bind(address)?;
            loop {
                let mut reading = [0; 2];
                socket.recv_from(&mut reading).await?;
                if version.is_planted() || reading[1] == !reading[0] {
                    written.borrow_mut().push(reading[0]);
                }
            }
        }
    });
    sim.client("sensor", move || async move {
        let socket = DatagramTransport::connect(address)?;
        for reading in 0..40 {
            socket.send(&[reading, !reading]).await?;
            sleep(1.ms()).await;
        }
        sleep(1.s()).await;
        Ok::<(), TransportError>(())?;
        Outcome::Ok(())
    });
    sim.links().latency(1.ms()).jitter(1.ms()).loss(0.01).corrupt_unseen(0.003);
    sim.check("archive", move || match readings.borrow().iter().find(|reading| **reading >= 40) {
        None => Ok(()),
        Some(reading) => Err(format!("{reading} was never sent")),
    });
}
