//! The workloads of `workloads.md` on twinloop. The hash over the record is always made, as in every run of a simulation;
//! a workload whose name ends with `-told` keeps the whole story of each run in memory too.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use common::*;
use twinloop::{
    Address, DatagramTransport, StreamServer, StreamTransport, TransportError, connect, connect_host, join,
    join_all, resolve, sleep, spawn, timeout, yield_now,
};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{Sim, Units, run_world};

#[global_allocator]
static A: Counting = Counting;

const PORT: u16 = 9000;

/// One world, in which nothing is unusual but the latency.
fn world(telling: Telling, seed: u64, build: impl FnOnce(&mut Sim)) -> Duration {
    let report = run_world(&Choices::Seeded(seed), telling, |sim| {
        sim.links().latency(LATENCY);
        sim.turn_budget(u64::MAX);
        sim.time_budget(Duration::MAX);
        build(sim);
    });
    assert!(report.verdict.is_passed(), "{}", report.verdict);
    report.virtual_time
}

async fn echo(stream: StreamTransport) -> Result<(), TransportError> {
    let mut message = [0; MSG];
    loop {
        stream.read_exactly(&mut message).await?;
        stream.write(&message).await?;
    }
}

async fn serve(address: Address) -> twinloop_sim::ProgramResult {
    let server = StreamServer::listen(address)?;
    loop {
        let stream = server.accept().await?;
        // A connection that ends is no failure of the server.
        spawn(async move { drop(echo(stream).await) }).detach();
    }
}

async fn round_trips(to: Address, count: u64) -> Result<(), TransportError> {
    let stream = connect(to).await?;
    stream.set_no_delay(true)?;
    let mut message = [7; MSG];
    for _ in 0..count {
        stream.write(&message).await?;
        stream.read_exactly(&mut message).await?;
    }
    Ok(())
}

fn pingpong(telling: Telling, seed: u64, count: u64) -> Duration {
    world(telling, seed, |sim| {
        let server = sim.host("server", PORT, serve);
        sim.client("client", move || async move {
            // The server listens by then.
            sleep(LATENCY).await;
            Ok(round_trips(server, count).await?)
        });
    })
}

fn a(telling: Telling, count: u64) -> Done {
    Done { units: count, virt: pingpong(telling, 1, count) }
}

fn b(batch: u64) -> Done {
    let virt = world(Telling::Silent, 1, |sim| {
        sim.client("receiver", || async {
            let socket = DatagramTransport::bind(Address::any(PORT))?;
            socket.set_receive_buffer(64 << 20)?;
            let mut datagram = [0; 128];
            for _ in 0..B_DATAGRAMS {
                assert_eq!(socket.recv_from(&mut datagram).await?.length, MSG);
            }
            Ok(())
        });
        sim.client("sender", move || async move {
            let receiver = (resolve("receiver").await?[0], PORT);
            let socket = DatagramTransport::bind(Address::any(PORT + 1))?;
            sleep(5.ms()).await;
            let mut left = B_DATAGRAMS;
            while left > 0 {
                for _ in 0..batch.min(left) {
                    socket.send_to(&[7; MSG], receiver).await?;
                }
                left -= batch.min(left);
                sleep(1.ms()).await;
            }
            Ok(())
        });
    });
    Done { units: B_DATAGRAMS, virt }
}

fn c(telling: Telling, hosts: usize) -> Done {
    let read = Rc::new(Cell::new(0));
    let virt = world(telling, 1, |sim| {
        let names: Vec<String> = (0..hosts).map(|host| format!("h{host}")).collect();
        for (host, name) in names.iter().enumerate() {
            let peers = C_OFFSETS.map(|offset| names[(host + offset) % hosts].clone());
            let read = Rc::clone(&read);
            sim.client(name, move || gossip(peers.clone(), Rc::clone(&read)));
        }
    });
    assert_eq!(read.get(), (hosts * C_OFFSETS.len() * C_ROUNDS) as u64);
    Done { units: read.get(), virt }
}

async fn gossip(peers: [String; 5], read: Rc<Cell<u64>>) -> twinloop_sim::ProgramResult {
    let server = StreamServer::listen(Address::any(PORT))?;
    sleep(10.ms()).await;
    let reading = async {
        let mut readers = Vec::new();
        for _ in C_OFFSETS {
            let stream = server.accept().await?;
            let read = Rc::clone(&read);
            readers.push(spawn(async move {
                let mut message = [0; MSG];
                for _ in 0..C_ROUNDS {
                    stream.read_exactly(&mut message).await?;
                    read.set(read.get() + 1);
                }
                Ok::<_, TransportError>(())
            }));
        }
        join_all(readers).await.into_iter().try_for_each(|reader| reader.expect("no reader panics"))
    };
    let writing = async {
        let mut streams = Vec::new();
        for peer in &peers {
            streams.push(connect_host(peer, PORT).await?);
        }
        for _ in 0..C_ROUNDS {
            for stream in &streams {
                stream.write(&[7; MSG]).await?;
            }
            sleep(C_ROUND_GAP).await;
        }
        Ok::<_, TransportError>(streams)
    };
    let (all_read, streams) = join(reading, writing).await;
    drop(streams?);
    Ok(all_read?)
}

fn d(count: u64, period: Duration) -> Done {
    let virt = world(Telling::Silent, 1, |sim| {
        sim.client("idle", move || async move {
            for _ in 0..count {
                sleep(period).await;
            }
            Ok(())
        });
    });
    Done { units: count, virt }
}

fn e(count: u64) -> Done {
    let fired = Rc::new(Cell::new(0));
    let counted = Rc::clone(&fired);
    let virt = world(Telling::Silent, 1, |sim| {
        sim.client("timers", move || {
            let mut random = Mix(1);
            let timers: Vec<_> = (0..count)
                .map(|_| {
                    let (wait, fired) = ((1 + random.next() % E_MAX_MS).ms(), Rc::clone(&counted));
                    spawn(async move {
                        sleep(wait).await;
                        fired.set(fired.get() + 1);
                    })
                })
                .collect();
            async {
                for timer in timers {
                    timer.await?;
                }
                Ok(())
            }
        });
    });
    assert_eq!(fired.get(), count);
    Done { units: count, virt }
}

fn f(count: u64) -> Done {
    let virt = world(Telling::Silent, 1, |sim| {
        let server = sim.host("server", PORT, serve);
        let done = Rc::new(Cell::new(0));
        let succeeded = Rc::clone(&done);
        let controls = sim.controls();
        sim.client("controller", move || {
            let (controls, done) = (controls.clone(), Rc::clone(&done));
            async move {
                for round in 0..count {
                    while done.get() <= round {
                        sleep(1.ms()).await;
                    }
                    controls.crash("server");
                    sleep(F_DOWN).await;
                    controls.restart("server");
                }
                Ok(())
            }
        });
        sim.host("client", PORT, move |_| {
            let done = Rc::clone(&succeeded);
            async move {
                loop {
                    match timeout(50.ms(), round_trips(server, 1)).await {
                        Ok(Ok(())) => done.set(done.get() + 1),
                        _ => sleep(1.ms()).await,
                    }
                    sleep(1.ms()).await;
                }
            }
        });
    });
    Done { units: count, virt }
}

fn g(telling: Telling, count: u64) -> Done {
    Done { units: count, virt: (0..count).map(|seed| pingpong(telling, seed, G_ROUND_TRIPS)).sum() }
}

/// As a campaign at the level `fresh-thread` runs its seeds.
fn g_threads(count: u64) -> Done {
    let one = |seed| {
        let run = std::thread::spawn(move || pingpong(Telling::Silent, seed, G_ROUND_TRIPS));
        run.join().expect("no run panics")
    };
    Done { units: count, virt: (0..count).map(one).sum() }
}

/// A deadline of 60 s around each of so many short operations (one yield), never reached.
fn h(count: u64) -> Done {
    let virt = world(Telling::Silent, 1, |sim| {
        sim.client("requests", move || async move {
            for request in 0..count {
                timeout(H_DEADLINE, yield_now()).await?;
                if request % 1000 == 999 {
                    sleep(1.ms()).await;
                }
            }
            Ok(())
        });
    });
    Done { units: count, virt }
}

fn main() {
    let (workload, size) = args();
    let (name, telling, tool) = match workload.strip_suffix("-told") {
        Some(name) => (name, Telling::Events, "twinloop, story told"),
        None => (workload.as_str(), Telling::Silent, "twinloop"),
    };
    let measure = |name: &str, run_once: &dyn Fn() -> Done| run(tool, name, run_once);
    let hosts = size.map_or(C_HOSTS, |hosts| hosts as usize);
    match name {
        "a" => measure("a", &|| a(telling, size.unwrap_or(A_ROUND_TRIPS))),
        "b" => measure(&format!("b/batch={}", size.unwrap_or(100)), &|| b(size.unwrap_or(100))),
        "c" => measure(&format!("c/hosts={hosts}"), &|| c(telling, hosts)),
        "d" => measure("d", &|| d(size.unwrap_or(D_DAYS * 86_400), D_PERIOD)),
        "d-deep" => measure("d-deep", &|| d(size.unwrap_or(D_DAYS), 86_400.s())),
        "e" => measure("e", &|| e(size.unwrap_or(E_TIMERS))),
        "f" => measure("f", &|| f(size.unwrap_or(F_CRASHES))),
        "g" => measure("g", &|| g(telling, size.unwrap_or(G_SIMS))),
        "g-threads" => measure("g/threads", &|| g_threads(size.unwrap_or(G_SIMS))),
        "h" => measure("h", &|| h(size.unwrap_or(H_TIMEOUTS))),
        _ => panic!("workload: a b c d d-deep e f g g-threads h; a, c and g also with -told behind them"),
    }
}
