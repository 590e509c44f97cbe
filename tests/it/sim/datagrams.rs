//! Datagrams among hosts: who hears a broadcast and a group, and what the faults of links do.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use twinloop::driver::{DatagramOptions, Interface, Outgoing};
use twinloop::transport::DatagramBatch;
use twinloop::{Address, DatagramTransport, TransportError, sleep, timeout};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::{LineKind, Telling};
use twinloop_sim::{LinkFaults, Report, Sim, run_world};

const PORT: u16 = 7;
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

fn run(seed: u64, build: impl FnOnce(&mut Sim)) -> Report {
    let report = run_world(&Choices::Seeded(seed), Telling::Events, build);
    let story = report.story.as_ref().expect("a story was asked for");
    assert!(report.verdict.is_passed(), "{}\n{}", report.verdict, story.tail(40));
    report
}

/// The lines of a story that tell of faults.
fn faults(report: &Report) -> Vec<String> {
    let story = report.story.as_ref().expect("a story was asked for");
    let faults = story.lines.iter().filter(|line| line.kind == LineKind::Fault);
    faults.map(|line| line.text.clone()).collect()
}

type Heard = Rc<RefCell<Vec<String>>>;

/// A host that notes who hears what.
fn listener(sim: &mut Sim, name: &'static str, group: Option<Ipv4Addr>, heard: &Heard) -> Address {
    let heard = Rc::clone(heard);
    sim.host(name, PORT, move |_| {
        let heard = Rc::clone(&heard);
        async move {
            let transport = DatagramTransport::bind(Address::any(PORT))?;
            if let Some(group) = group {
                transport.join(group, Interface::Any)?;
            }
            let mut buffer = [0; 100];
            loop {
                let length = transport.recv_from(&mut buffer).await?.length;
                heard.borrow_mut().push(format!("{name}: {}", String::from_utf8_lossy(&buffer[..length])));
            }
        }
    })
}

/// R159: a broadcast reaches every host of the world.
#[test]
fn a_broadcast_reaches_every_host() {
    let heard = Heard::default();
    run(1, |sim| {
        for name in ["a", "b", "c"] {
            listener(sim, name, None, &heard);
        }
        sim.client("speaker", || async {
            let options = DatagramOptions::default().broadcast(true);
            let speaker = DatagramTransport::bind_with(Address::any(0), &options)?;
            sleep(Duration::from_millis(1)).await;
            speaker.send_to(b"hello", (Ipv4Addr::BROADCAST, PORT)).await?;
            sleep(Duration::from_millis(100)).await;
            Ok(())
        });
    });
    heard.borrow_mut().sort_unstable();
    assert_eq!(*heard.borrow(), ["a: hello", "b: hello", "c: hello"]);
}

/// R159: what is sent to a group reaches its members on every host, unless it may not leave its own.
#[test]
fn a_group_has_members_on_several_hosts() {
    let heard = Heard::default();
    run(1, |sim| {
        listener(sim, "a", Some(GROUP), &heard);
        listener(sim, "b", None, &heard);
        listener(sim, "c", Some(GROUP), &heard);
        sim.client("speaker", || async {
            let speaker = DatagramTransport::bind(Address::any(PORT))?;
            speaker.join(GROUP, Interface::Any)?;
            sleep(Duration::from_millis(1)).await;
            speaker.send_to(b"to all", (GROUP, PORT)).await?;
            speaker.set_multicast_time_to_live(0)?;
            speaker.send_to(b"to me", (GROUP, PORT)).await?;
            let mut buffer = [0; 100];
            for word in ["to all", "to me"] {
                let length = speaker.recv_from(&mut buffer).await?.length;
                assert_eq!(&buffer[..length], word.as_bytes());
            }
            sleep(Duration::from_millis(100)).await;
            Ok(())
        });
    });
    heard.borrow_mut().sort_unstable();
    assert_eq!(*heard.borrow(), ["a: to all", "c: to all"]);
}

/// Sends `count` datagrams to a host that notes them.
fn send_over(set: impl Fn(&mut LinkFaults), count: usize) -> (Report, Vec<String>) {
    let heard = Heard::default();
    let report = run(3, |sim| {
        set(sim.links());
        let address = listener(sim, "server", None, &heard);
        sim.client("client", move || async move {
            let transport = DatagramTransport::connect(address)?;
            sleep(Duration::from_millis(1)).await;
            for number in 0..count {
                transport.send(number.to_string().as_bytes()).await?;
            }
            sleep(Duration::from_secs(1)).await;
            Ok(())
        });
    });
    (report, heard.take())
}

#[test]
fn a_lost_datagram_is_gone_and_told() {
    let (report, heard) = send_over(|links| _ = links.loss(0.3), 100);
    let lost = faults(&report);
    assert!((40..100).contains(&heard.len()), "{} arrived", heard.len());
    assert_eq!(lost.len(), 100 - heard.len());
    assert!(lost.iter().all(|line| line.contains(" UDP ") && line.ends_with(": lost")), "{lost:?}");
    let numbers = heard.iter().map(|line| line["server: ".len()..].parse().expect("a number"));
    assert!(numbers.collect::<Vec<usize>>().is_sorted(), "a link keeps the order");
}

/// There is no connection that a middlebox could reset.
#[test]
fn a_datagram_is_never_reset() {
    let (report, heard) = send_over(|links| _ = links.reset(1.0), 20);
    assert_eq!((heard.len(), faults(&report).len()), (20, 0));
}

#[test]
fn the_same_seed_loses_the_same_datagrams() {
    let [first, second] = [(); 2].map(|()| send_over(|links| _ = links.loss(0.3), 50));
    assert_eq!((first.0.hash, first.1), (second.0.hash, second.1));
}

/// R157: a kernel that has each datagram wait takes all of them in the end, in order.
#[test]
fn a_kernel_that_always_has_senders_wait_takes_everything() {
    run(1, |sim| {
        sim.faults().short_write(1.0);
        sim.client("host", || async {
            let receiver = DatagramTransport::bind(Address::loopback(0))?;
            let sender = DatagramTransport::connect(receiver.local_address())?;
            let sends: Vec<_> = (0..50_u8).map(|number| sender.send(&[number])).collect();
            assert_eq!(sender.queued_datagrams(), 50, "not even the first one has left");
            let mut byte = [0];
            for number in 0..50 {
                receiver.recv_from(&mut byte).await?;
                assert_eq!(byte, [number]);
            }
            for send in sends {
                send.await?;
            }
            Ok(())
        });
    });
}

/// A host that crashes takes its sockets along; in its next life, its port is free and its peers are told that it is.
#[test]
fn a_crash_frees_the_ports() {
    let heard = Heard::default();
    run(1, |sim| {
        let address = listener(sim, "server", None, &heard);
        sim.at(Duration::from_millis(10)).crash("server");
        sim.at(Duration::from_millis(20)).restart("server");
        sim.client("client", move || async move {
            let transport = DatagramTransport::connect(address)?;
            for word in ["before", "while it is down", "after"] {
                sleep(Duration::from_millis(5)).await;
                transport.send(word.as_bytes()).await?;
                sleep(Duration::from_millis(8)).await;
            }
            Ok(())
        });
    });
    assert_eq!(*heard.borrow(), ["server: before", "server: after"]);
}

/// One call that sends: one datagram, or several.
fn calls() -> impl Strategy<Value = Vec<Vec<usize>>> {
    let size = prop_oneof![4 => 0_usize..2000, 1 => Just(0), 1 => 60_000_usize..65_508];
    prop::collection::vec(prop::collection::vec(size, 1..5), 1..12)
}

/// Contents that show what is cut, joined or moved.
fn bytes_of(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + number * 7) as u8).collect()
}

async fn send_all(transport: &DatagramTransport, datagrams: &[Vec<u8>]) -> Result<(), TransportError> {
    if let [one] = datagrams {
        return transport.send(one).await;
    }
    let mut rest: Vec<_> = datagrams.iter().map(|bytes| Outgoing { bytes, remote: None }).collect();
    while !rest.is_empty() {
        let sent = transport.send_many(&rest).await?;
        rest.drain(..sent);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// R152, R153, R156: whatever the sizes, and however they are sent and received, each datagram comes out as it went
    /// in, in order, and what does not fit is told.
    #[test]
    fn boundaries_are_kept(calls in calls(), slots in 1_usize..6, room in 1_usize..3000, seed in 0_u64..1000) {
        run(seed, |sim| {
            sim.faults().short_write(0.3).spurious(0.2).late_event(0.2).event_order(0.3);
            sim.client("host", move || {
                let calls = calls.clone();
                async move {
                    let receiver = DatagramTransport::bind(Address::loopback(0))?;
                    receiver.set_receive_buffer(212_992)?;
                    let sender = DatagramTransport::connect(receiver.local_address())?;
                    let mut batch = DatagramBatch::new(slots, room);
                    let mut number = 0;
                    for sizes in calls {
                        let sent: Vec<_> =
                            sizes.iter().enumerate().map(|(at, size)| bytes_of(number + at, *size)).collect();
                        number += sizes.len();
                        send_all(&sender, &sent).await?;
                        let mut heard = Vec::new();
                        while heard.len() < sent.len() {
                            timeout(Duration::from_secs(1), receiver.recv_many(&mut batch)).await??;
                            heard.extend(batch.iter().map(|datagram| (datagram.bytes.to_vec(), datagram.truncated)));
                        }
                        let expected = sent.iter().map(|bytes| {
                            (bytes[..bytes.len().min(room)].to_vec(), bytes.len() > room)
                        });
                        assert!(expected.eq(heard), "a datagram has changed");
                    }
                    Ok(())
                }
            });
        });
    }
}
