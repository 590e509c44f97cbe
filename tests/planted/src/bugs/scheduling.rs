//! Tasks and threads that come in between.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use twinloop::{
    Address, AsyncEvent, AsyncLock, AsyncQueue, AsyncSemaphore, DatagramTransport, Handle, StreamServer,
    connect, now, sleep, spawn, spawn_thread, timeout, yield_now,
};
use twinloop_sim::{Sim, Units};

use crate::{Bug, Outcome, Version, notes};

/// An event is cleared after something else was awaited: what fired it meanwhile is forgotten.
pub(crate) const LOST_WAKE_UP: Bug = Bug {
    name: "lost-wake-up",
    kind: "lost wake-up: an event is cleared too late",
    faults: "latency that varies",
    build: lost_wake_up,
    shows_as: "deadlock",
};

fn lost_wake_up(sim: &mut Sim, version: Version) {
    let board = sim.host("board", 7, |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            server.accept().await?.write(b"!").await?;
        }
    });
    sim.client("worker", move || async move {
        let (event, jobs) = (Rc::new(AsyncEvent::new()), AsyncQueue::unbounded());
        let (fire, post) = (Rc::clone(&event), jobs.clone());
        spawn(async move {
            for job in 0..5 {
                sleep(37.ms()).await;
                _ = post.try_push_back(job);
                fire.fire();
            }
        })
        .detach();
        let mut done = 0;
        while done < 5 {
            event.wait().await;
            if !version.is_planted() {
                event.clear();
            }
            while jobs.try_pop_front().is_some() {
                done += 1;
            }
            // The board shows how many are done.
            connect(board).await?.read_exactly(&mut [0]).await?;
            if version.is_planted() {
                event.clear();
            }
        }
        Ok(())
    });
    sim.links().latency(1.ms()).jitter(12.ms());
}

/// A permit is given back by the last line of a function, which a time-out never comes to.
pub(crate) const LEAKED_ON_CANCEL: Bug = Bug {
    name: "leaked-on-cancel",
    kind: "leak on cancel: a permit is given back by a line that a time-out leaves out",
    faults: "messages that are lost",
    build: leaked_on_cancel,
    shows_as: "deadlock",
};

fn leaked_on_cancel(sim: &mut Sim, version: Version) {
    let address = sim.host("server", 7, |address| async move {
        let socket = DatagramTransport::bind(address)?;
        loop {
            let received = socket.recv_from(&mut [0]).await?;
            socket.send_to(b"!", received.source).await?;
        }
    });
    sim.client("client", move || async move {
        let permits = AsyncSemaphore::new(2);
        for _ in 0..30 {
            let permit = permits.acquire().await;
            let request = async {
                let permit = match version {
                    Version::Planted => {
                        permit.forget();
                        None
                    }
                    Version::Mended => Some(permit),
                };
                ask(address).await?;
                match permit {
                    None => permits.add_permits(1),
                    Some(permit) => drop(permit),
                }
                Outcome::Ok(())
            };
            // Without an answer it is asked again some other time.
            _ = timeout(100.ms(), request).await;
        }
        Ok(())
    });
    sim.links().latency(1.ms()).jitter(5.ms()).loss(0.003);
}

async fn ask(address: Address) -> Outcome {
    let socket = DatagramTransport::connect(address)?;
    socket.send(b"?").await?;
    socket.recv(&mut [0]).await?;
    Ok(())
}

/// What came last is served first: who waits longest waits longer.
pub(crate) const LAST_COME_FIRST_SERVED: Bug = Bug {
    name: "last-come-first-served",
    kind: "starvation: what came last is served first",
    faults: "latency that varies",
    build: last_come_first_served,
    shows_as: "waited for",
};

fn last_come_first_served(sim: &mut Sim, version: Version) {
    const WORK: Duration = Duration::from_millis(4);
    const PATIENCE: Duration = Duration::from_millis(300);
    let address = sim.host("server", 7, move |address| async move {
        let socket = Rc::new(DatagramTransport::bind(address)?);
        let waiting = AsyncQueue::unbounded();
        let (receiver, came) = (Rc::clone(&socket), waiting.clone());
        spawn(async move {
            while let Ok(received) = receiver.recv_from(&mut [0]).await {
                _ = came.try_push_back(received.source);
            }
        })
        .detach();
        loop {
            let next = match version {
                Version::Planted => waiting.pop_back().await,
                Version::Mended => waiting.pop_front().await,
            };
            sleep(WORK).await;
            socket.send_to(b"!", next).await?;
        }
    });
    for name in ["a", "b", "c", "d"] {
        sim.client(name, move || async move {
            for _ in 0..40 {
                let asked_at = now();
                ask(address).await?;
                if now() - asked_at > PATIENCE {
                    return Err(format!("waited for {:?}", now() - asked_at).into());
                }
            }
            Ok(())
        });
    }
    sim.links().latency(500.us()).jitter(2.ms());
}

/// The balance is looked at, something is awaited, and then the money is given.
pub(crate) const CHECK_THEN_ACT: Bug = Bug {
    name: "check-then-act",
    kind: "check then act: what was true before an await is taken for true behind it",
    faults: "latency that varies",
    build: check_then_act,
    shows_as: "overdrawn",
};

fn check_then_act(sim: &mut Sim, version: Version) {
    let audit = sim.host("audit", 8, |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            server.accept().await?.write(b"!").await?;
        }
    });
    let bank = sim.host("bank", 7, move |address| async move {
        let balance = Rc::new(AsyncLock::new(100_i64));
        let server = StreamServer::listen(address)?;
        let overdrawn = Rc::new(AsyncEvent::new());
        let alarm = Rc::clone(&overdrawn);
        let serving = server.serve(move |stream| {
            let (balance, alarm) = (Rc::clone(&balance), Rc::clone(&alarm));
            async move {
                if stream.read_exactly(&mut [0]).await.is_err() {
                    return;
                }
                let mut account = Some(balance.acquire().await);
                if account.as_ref().is_some_and(|balance| **balance < 60) {
                    return;
                }
                if version.is_planted() {
                    account = None;
                }
                if let Ok(stream) = connect(audit).await {
                    _ = stream.read_exactly(&mut [0]).await;
                }
                let mut account = match account {
                    Some(account) => account,
                    None => balance.acquire().await,
                };
                *account -= 60;
                if *account < 0 {
                    alarm.fire();
                }
            }
        });
        overdrawn.wait().await;
        drop(serving);
        Err("the account is overdrawn".into())
    });
    for (name, pause) in [("ann", 10), ("ben", 48)] {
        sim.client(name, move || async move {
            sleep(pause.ms()).await;
            connect(bank).await?.write(b"60").await?;
            sleep(1.s()).await;
            Ok(())
        });
    }
    sim.links().latency(1.ms()).jitter(12.ms());
}

/// Two threads read a counter, do something, and write it.
pub(crate) const READ_MODIFY_WRITE: Bug = Bug {
    name: "read-modify-write",
    kind: "data race in the large: two threads read, and then both write",
    faults: "the order of threads, timers that are late",
    build: read_modify_write,
    shows_as: "were counted",
};

fn read_modify_write(sim: &mut Sim, version: Version) {
    let counted = notes();
    let result = Rc::clone(&counted);
    sim.client("counters", move || {
        let result = Rc::clone(&result);
        async move {
            let total = Arc::new(AtomicU64::new(0));
            let first = {
                let total = Arc::clone(&total);
                spawn_thread("counter", move || count(total, 11.ms(), version))?
            };
            count(Arc::clone(&total), 7.ms(), version).await;
            first.await?;
            result.borrow_mut().push(total.load(Ordering::Relaxed));
            Ok(())
        }
    });
    sim.host_faults("counters").late_timer(0.02).late_by(100.us()..10.ms());
    sim.check("counters", move || match counted.borrow().as_slice() {
        [20] => Ok(()),
        other => Err(format!("{other:?} were counted of 20")),
    });
}

async fn count(total: Arc<AtomicU64>, pause: Duration, version: Version) {
    for _ in 0..10 {
        sleep(pause).await;
        match version {
            Version::Planted => {
                let read = total.load(Ordering::Relaxed);
                sleep(200.us()).await;
                total.store(read + 1, Ordering::Relaxed);
            }
            Version::Mended => _ = total.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// A worker takes for loaded what another thread is loading: it has so much to do before that this was always true.
pub(crate) const OVERTAKEN: Bug = Bug {
    name: "overtaken",
    kind: "ordering of threads: one is expected never to be far ahead",
    faults: "the order of threads",
    build: overtaken,
    shows_as: "was not loaded",
};

fn overtaken(sim: &mut Sim, version: Version) {
    sim.client("worker", move || async move {
        let loaded = Arc::new(AtomicU64::new(0));
        let loader = {
            let loaded = Arc::clone(&loaded);
            spawn_thread("loader", move || async move {
                for _ in 0..3 {
                    yield_now().await;
                }
                loaded.store(1, Ordering::Relaxed);
            })?
        };
        if version.is_planted() {
            for _ in 0..20 {
                yield_now().await;
            }
            if loaded.load(Ordering::Relaxed) == 0 {
                return Err("it was not loaded".into());
            }
        }
        loader.await?;
        Ok(())
    });
}

/// The way out that is taken after four failures in a row, and never was.
pub(crate) const NEVER_TRIED: Bug = Bug {
    name: "never-tried",
    kind: "untested error path: what is done after four failures in a row was never run",
    faults: "messages that are lost",
    build: never_tried,
    shows_as: "no fallback",
};

fn never_tried(sim: &mut Sim, version: Version) {
    let address = sim.host("server", 7, |address| async move {
        let socket = DatagramTransport::bind(address)?;
        loop {
            let received = socket.recv_from(&mut [0]).await?;
            socket.send_to(b"!", received.source).await?;
        }
    });
    sim.client("client", move || async move {
        for _ in 0..30 {
            let mut failures = 0;
            while !matches!(timeout(50.ms(), ask(address)).await, Ok(Ok(()))) {
                failures += 1;
                Handle::current().note(|| format!("failure {failures}"));
                if failures == 4 && version.is_planted() {
                    return Err("there is no fallback".into());
                }
            }
        }
        Ok(())
    });
    sim.links().latency(1.ms()).jitter(1.ms()).loss(0.01);
}
