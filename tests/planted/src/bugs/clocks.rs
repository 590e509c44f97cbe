//! Time, and who believes what to be true still.

use std::error::Error;
use std::rc::Rc;

use twinloop::{Address, StreamServer, connect, connect_host, now, sleep, timeout, wall_time};
use twinloop_sim::{Sim, Units};

use crate::{Bug, Count, Outcome, Version, add_one};

/// The age of something, by a clock that can be set.
pub(crate) const WALL_CLOCK_AGE: Bug = Bug {
    name: "wall-clock-age",
    kind: "clock assumption: an age is the difference of two dates",
    faults: "wall clocks that jump",
    build: wall_clock_age,
    shows_as: "second time provided was later",
};

fn wall_clock_age(sim: &mut Sim, version: Version) {
    sim.client("cache", move || async move {
        for _ in 0..50 {
            let (stored, stored_on) = (now(), wall_time());
            sleep(20.ms()).await;
            let age = match version {
                Version::Planted => wall_time().duration_since(stored_on)?,
                Version::Mended => now() - stored,
            };
            if age > 10.s() {
                continue;
            }
        }
        Ok(())
    });
    sim.host_faults("cache").wall_jump(0.001).wall_jump_by(100.ms()..2.s());
}

/// A leader that stood still writes on, although there is a new one.
pub(crate) const STALE_LEADER: Bug = Bug {
    name: "stale-leader",
    kind: "stale leader: who has lost the lease writes on",
    faults: "pauses",
    build: stale_leader,
    shows_as: "wrote after",
};

const LEASE_MS: u64 = 300;

fn stale_leader(sim: &mut Sim, version: Version) {
    let locks = lease_server(sim);
    let written = Count::default();
    let newest = Rc::clone(&written);
    let store = sim.host("store", 8, move |address| {
        let newest = Rc::clone(&newest);
        async move {
            let server = StreamServer::listen(address)?;
            loop {
                let stream = server.accept().await?;
                let mut epoch = [0];
                if stream.read_exactly(&mut epoch).await.is_err() {
                    continue;
                }
                let epoch = u64::from(epoch[0]);
                if epoch < newest.get() {
                    match version {
                        Version::Planted => {
                            return Err(format!("{epoch} wrote after {}", newest.get()).into());
                        }
                        // The fence: who comes too late is sent away.
                        Version::Mended => continue,
                    }
                }
                newest.set(epoch);
            }
        }
    });
    for name in ["a", "b"] {
        sim.client(name, move || async move {
            while now() < twinloop::Moment::ORIGIN + 3.s() {
                let asked_at = now();
                if let Some(epoch) = lease(locks).await? {
                    while now() < asked_at + (LEASE_MS - 50).ms() {
                        sleep(5.ms()).await;
                        connect(store).await?.write(&[epoch]).await?;
                    }
                }
                sleep(20.ms()).await;
            }
            Ok(())
        });
        sim.host_faults(name).pause(0.002).pause_for(100.ms()..1.s());
    }
    sim.links().latency(1.ms()).jitter(1.ms());
}

/// Gives each who asks the number of a new lease, or nothing while there is one.
fn lease_server(sim: &mut Sim) -> Address {
    sim.host("locks", 7, |address| async move {
        let server = StreamServer::listen(address)?;
        let (epochs, mut over_at) = (Count::default(), now());
        loop {
            let stream = server.accept().await?;
            if now() >= over_at {
                over_at = now() + LEASE_MS.ms();
                let epoch = u8::try_from(add_one(&epochs))?;
                // Who has hung up has no lease; it will be over.
                _ = stream.write(&[epoch]).await;
            }
            stream.close().await;
        }
    })
}

async fn lease(locks: Address) -> Result<Option<u8>, Box<dyn Error>> {
    let answer = connect(locks).await?.read_to_end(1).await?;
    Ok(answer.first().copied())
}

/// A name leads to where the service was, for a while; who asks three times takes it for gone.
pub(crate) const GIVES_UP_ON_A_NAME: Bug = Bug {
    name: "gives-up-on-a-name",
    kind: "stale answer: three failures are taken for the end",
    faults: "names that are answered with what was true before",
    build: gives_up_on_a_name,
    shows_as: "the service is gone",
};

fn gives_up_on_a_name(sim: &mut Sim, version: Version) {
    let serve = |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            server.accept().await?.write(b"!").await?;
        }
    };
    let old = sim.host("old", 7, serve);
    let new = sim.host("new", 7, serve);
    let ip = |address: Address| address.as_ip().expect("hosts have one").ip();
    sim.name("service", [ip(old)]);
    sim.at(1.s()).name("service", [ip(new)]).crash("old");
    sim.client("client", move || async move {
        for _ in 0..20 {
            let mut failures = 0;
            while call().await.is_err() {
                failures += 1;
                if version.is_planted() && failures == 3 {
                    return Err("the service is gone".into());
                }
                sleep(100.ms()).await;
            }
            sleep(100.ms()).await;
        }
        Ok(())
    });
    sim.host_faults("client").lookup_stale(0.25).lookup_stale_for(2.s());
    sim.links().latency(1.ms()).jitter(1.ms());
}

async fn call() -> Outcome {
    timeout(100.ms(), async {
        connect_host("service", 7).await?.read_exactly(&mut [0]).await?;
        Outcome::Ok(())
    })
    .await?
}
