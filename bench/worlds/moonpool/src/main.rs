//! The workloads of `workloads.md` on moonpool-sim (registry release), at engine
//! level (`SimWorld` + `Executor`): its `SimulationBuilder` takes no network
//! configuration, so a fixed latency can only be had here. No UDP, no host crash
//! at this level: (b) and (f) are missing.

use common::*;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use moonpool_sim::executor::{spawn, until_stalled, Executor, JoinHandle};
use moonpool_sim::{
    ChaosConfiguration, LatencyDistribution, NetworkConfiguration, NetworkProvider,
    SimNetworkProvider, SimTimeProvider, SimWorld, TcpListenerTrait, TimeProvider,
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static A: Counting = Counting;

const MS: Duration = Duration::from_millis(1);

fn fixed(d: Duration) -> LatencyDistribution {
    LatencyDistribution::Uniform { start: d, end: d }
}

fn config() -> NetworkConfiguration {
    NetworkConfiguration {
        bind_latency: fixed(Duration::ZERO),
        accept_latency: fixed(Duration::ZERO),
        connect_latency: fixed(LATENCY),
        read_latency: fixed(Duration::ZERO),
        write_latency: fixed(LATENCY),
        chaos: ChaosConfiguration::disabled(),
    }
}

/// Runs `f`'s tasks until the one it returns has ended; hands back the virtual time.
fn sim<T: Send + 'static>(
    seed: u64,
    f: impl FnOnce(SimNetworkProvider, SimTimeProvider) -> JoinHandle<T>,
) -> Duration {
    let mut ex = Executor::new(seed);
    ex.block_on(async move {
        let mut w = SimWorld::new_with_network_config_and_seed(config(), seed);
        let main = f(w.network_provider(), w.time_provider());
        until_stalled().await;
        while !main.is_finished() {
            w.step();
            until_stalled().await;
        }
        main.await.unwrap();
        w.current_time()
    })
}

async fn echo(mut s: <SimNetworkProvider as NetworkProvider>::TcpStream) {
    let mut buf = [0u8; MSG];
    while s.read_exact(&mut buf).await.is_ok() {
        if s.write_all(&buf).await.is_err() {
            return;
        }
    }
}

fn pingpong(seed: u64, n: u64) -> Duration {
    sim(seed, |net, _| {
        let n2 = net.clone();
        spawn("server", async move {
            let l = n2.bind("10.0.0.1:9000").await.unwrap();
            loop {
                let (s, _) = l.accept().await.unwrap();
                spawn("echo", echo(s));
            }
        });
        spawn("client", async move {
            let mut s = net.connect("10.0.0.1:9000").await.unwrap();
            let mut buf = [7u8; MSG];
            for _ in 0..n {
                s.write_all(&buf).await.unwrap();
                s.read_exact(&mut buf).await.unwrap();
            }
        })
    })
}

fn a(n: u64) -> Done {
    let virt = pingpong(1, n);
    Done { units: n, virt }
}

fn c(hosts: usize) -> Done {
    let got = Arc::new(AtomicU64::new(0));
    let g0 = got.clone();
    let virt = sim(1, move |net, time| {
        let mut all = Vec::new();
        for i in 0..hosts {
            let (g, net, time) = (g0.clone(), net.clone(), time.clone());
            all.push(spawn("host", async move {
                let l = net.bind(&format!("10.0.0.{}:9000", i + 1)).await.unwrap();
                time.sleep(MS * 10).await.unwrap();
                let reader = async {
                    let mut set = Vec::new();
                    for _ in 0..C_OFFSETS.len() {
                        let (mut s, _) = l.accept().await.unwrap();
                        let g = g.clone();
                        set.push(spawn("reader", async move {
                            let mut buf = [0u8; MSG];
                            for _ in 0..C_ROUNDS {
                                s.read_exact(&mut buf).await.unwrap();
                                g.fetch_add(1, Relaxed);
                            }
                        }));
                    }
                    for t in set {
                        t.await.unwrap();
                    }
                };
                let writer = async {
                    let mut peers = Vec::new();
                    for o in C_OFFSETS {
                        let to = format!("10.0.0.{}:9000", (i + o) % hosts + 1);
                        peers.push(net.connect(&to).await.unwrap());
                        // 0.8.0 keeps ONE pending connection an address (a map entry), so a
                        // second connect before the accept silently replaces the first.
                        time.sleep(MS * 2).await.unwrap();
                    }
                    let buf = [7u8; MSG];
                    for _ in 0..C_ROUNDS {
                        for p in &mut peers {
                            p.write_all(&buf).await.unwrap();
                        }
                        time.sleep(C_ROUND_GAP).await.unwrap();
                    }
                    peers
                };
                futures::join!(reader, writer);
            }));
        }
        spawn("main", async move {
            for t in all {
                t.await.unwrap();
            }
        })
    });
    Done { units: got.load(Relaxed), virt }
}

fn d(n: u64, period: Duration) -> Done {
    let virt = sim(1, move |_, time| {
        spawn("idle", async move {
            for _ in 0..n {
                time.sleep(period).await.unwrap();
            }
        })
    });
    Done { units: n, virt }
}

fn e(n: u64) -> Done {
    let fired = Arc::new(AtomicU64::new(0));
    let f0 = fired.clone();
    let virt = sim(1, move |_, time| {
        spawn("timers", async move {
            let mut r = Mix(1);
            let mut set = Vec::new();
            for _ in 0..n {
                let ms = 1 + r.next() % E_MAX_MS;
                let (f, time) = (f0.clone(), time.clone());
                set.push(spawn("timer", async move {
                    time.sleep(Duration::from_millis(ms)).await.unwrap();
                    f.fetch_add(1, Relaxed);
                }));
            }
            for t in set {
                t.await.unwrap();
            }
        })
    });
    assert_eq!(fired.load(Relaxed), n);
    Done { units: n, virt }
}

fn g(n: u64) -> Done {
    let mut virt = Duration::ZERO;
    for seed in 0..n {
        virt += pingpong(seed, G_ROUND_TRIPS);
    }
    Done { units: n, virt }
}

/// A deadline of 60 s around each of `n` short operations (one yield), never reached.
fn h(n: u64) -> Done {
    let virt = sim(1, move |_, time| {
        spawn("requests", async move {
            for i in 0..n {
                time.timeout(H_DEADLINE, moonpool_sim::executor::yield_now()).await.unwrap();
                if i % 1000 == 999 {
                    time.sleep(MS).await.unwrap();
                }
            }
        })
    });
    Done { units: n, virt }
}

fn main() {
    let (w, n) = args();
    let r = |name: &str, f: &dyn Fn() -> Done| run("moonpool-sim-0.8.0", name, f);
    match w.as_str() {
        "a" => r("a", &|| a(n.unwrap_or(A_ROUND_TRIPS))),
        "c" => r(&format!("c/hosts={}", n.unwrap_or(C_HOSTS as u64)), &|| c(n.map_or(C_HOSTS, |n| n as usize))),
        "d" => r("d", &|| d(n.unwrap_or(D_DAYS * 86400), D_PERIOD)),
        "d-deep" => r("d-deep", &|| d(n.unwrap_or(D_DAYS), Duration::from_secs(86400))),
        "e" => r("e", &|| e(n.unwrap_or(E_TIMERS))),
        "g" => r("g", &|| g(n.unwrap_or(G_SIMS))),
        "h" => r("h", &|| h(n.unwrap_or(H_TIMEOUTS))),
        _ => panic!("workload: a c d d-deep e g h"),
    }
}
