//! Hosts that share their fate.

use std::time::Duration;

use twinloop::{Address, Moment, StreamServer, connect, now, sleep, spawn, timeout};
use twinloop_sim::Sim;

use super::{Seen, faults_told, is_drawn, ms, pass, run, s};

/// Hosts that accept whatever comes and hold it; their addresses.
fn servers(sim: &mut Sim, names: &[&'static str], starts: &Seen<(&'static str, Duration)>) -> Vec<Address> {
    let serve = |name: &'static str| {
        let starts = starts.clone();
        sim.host(name, 7, move |address| {
            starts.add((name, now() - Moment::ORIGIN));
            async move {
                let server = StreamServer::listen(address)?;
                loop {
                    let stream = server.accept().await?;
                    spawn(async move { stream.read(&mut [0]).await }).detach();
                }
            }
        })
    };
    names.iter().copied().map(serve).collect()
}

/// Which of `addresses` can be reached within half a second.
async fn reachable(addresses: &[Address]) -> Vec<bool> {
    let mut reached = Vec::new();
    for address in addresses {
        reached.push(matches!(timeout(ms(500), connect(*address)).await, Ok(Ok(_))));
    }
    reached
}

#[test]
fn a_zone_crashes_as_one() {
    let starts = Seen::nothing();
    let report = run(1, |sim| {
        let addresses = servers(sim, &["a", "b", "c"], &starts);
        sim.client("client", move || {
            let addresses = addresses.clone();
            async move {
                sleep(s(2)).await;
                assert_eq!(reachable(&addresses).await, [false, false, true]);
                sleep(s(2)).await;
                assert_eq!(reachable(&addresses).await, [true, true, true]);
                Ok(())
            }
        });
        sim.zone("rack", &["a"]);
        sim.zone("rack", &["b"]);
        sim.at(s(1)).crash_zone("rack");
        sim.at(s(4)).restart_zone("rack");
    });
    pass(&report);
    let zero = Duration::ZERO;
    assert_eq!(starts.all(), [("a", zero), ("b", zero), ("c", zero), ("a", s(4)), ("b", s(4))]);
}

/// Who is in both zones belongs to either side, and hears everybody.
#[test]
fn a_host_in_both_zones_is_still_reached() {
    let report = run(1, |sim| {
        let addresses = servers(sim, &["a", "both", "b"], &Seen::nothing());
        sim.client("client", move || {
            let addresses = addresses.clone();
            async move {
                sleep(s(1)).await;
                assert_eq!(reachable(&addresses).await, [true, true, false]);
                Ok(())
            }
        });
        sim.zone("one", &["a", "both", "client"]);
        sim.zone("other", &["b", "both"]);
        sim.at(Duration::ZERO).partition_zones("one", "other");
    });
    pass(&report);
}

/// Two zones do not hear of each other, while a third hears of both.
#[test]
fn zones_are_parted() {
    let report = run(1, |sim| {
        let addresses = servers(sim, &["eu-1", "us-1", "asia-1"], &Seen::nothing());
        for (client, during) in [("eu-2", [true, false, true]), ("asia-2", [true, true, true])] {
            let addresses = addresses.clone();
            sim.client(client, move || {
                let addresses = addresses.clone();
                async move {
                    sleep(s(2)).await;
                    assert_eq!(reachable(&addresses).await, during);
                    sleep(s(4)).await;
                    assert_eq!(reachable(&addresses).await, [true, true, true]);
                    Ok(())
                }
            });
        }
        sim.zone("eu", &["eu-1", "eu-2"]);
        sim.zone("us", &["us-1"]);
        sim.at(s(1)).partition_zones("eu", "us");
        sim.at(s(5)).heal_zones("eu", "us");
    });
    pass(&report);
}

/// A zone that is cut off from all others still has itself.
#[test]
fn a_zone_is_cut_off() {
    let report = run(1, |sim| {
        let addresses = servers(sim, &["eu-1", "us-1"], &Seen::nothing());
        sim.client("eu-2", move || {
            let addresses = addresses.clone();
            async move {
                sleep(s(2)).await;
                assert_eq!(reachable(&addresses).await, [true, false]);
                sleep(s(4)).await;
                assert_eq!(reachable(&addresses).await, [true, true]);
                Ok(())
            }
        });
        sim.zone("eu", &["eu-1", "eu-2"]);
        sim.at(s(1)).isolate_zone("eu");
        sim.at(s(5)).rejoin_zone("eu");
    });
    pass(&report);
}

/// A message to another continent takes longer than one to the neighbour.
#[test]
fn links_between_zones_are_described_together() {
    let report = run(1, |sim| {
        let addresses = servers(sim, &["eu-1", "us-1", "us-2"], &Seen::nothing());
        sim.client("eu-2", move || {
            let addresses = addresses.clone();
            async move {
                for (address, expected) in addresses.iter().zip([2, 80, 80]) {
                    let start = now();
                    connect(*address).await?;
                    assert_eq!(now() - start, ms(expected));
                }
                Ok(())
            }
        });
        sim.zone("eu", &["eu-1", "eu-2"]);
        sim.zone("us", &["us-1", "us-2"]);
        sim.between_zones("eu", "eu", |link| _ = link.latency(ms(1)));
        sim.between_zones("eu", "us", |link| _ = link.latency(ms(40)));
    });
    pass(&report);
}

/// Each zone fails by itself, and all of it.
#[test]
fn failures_of_zones_are_drawn() {
    let build = |sim: &mut Sim| {
        servers(sim, &["a1", "a2", "b1"], &Seen::nothing());
        sim.client("client", || async {
            sleep(s(3)).await;
            Ok(())
        });
        sim.zone("a", &["a1", "a2"]);
        sim.zone("b", &["b1"]);
        sim.zones().crash(0.02).isolate(0.02);
    };
    is_drawn(build, "crashed, down for");
    is_drawn(build, "link to b1 cut for");
    for seed in 0..20 {
        let told = faults_told(&run(seed, build));
        let crashes = |host: &str| -> Vec<String> {
            let of_host = told.iter().filter_map(|line| line.split_once(&format!(" {host}: crashed")));
            of_host.map(|(at, down_for)| format!("{at}{down_for}")).collect()
        };
        assert_eq!(crashes("a1"), crashes("a2"), "seed {seed}: {told:#?}");
    }
}
