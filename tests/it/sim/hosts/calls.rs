//! What any kernel may do to calls and polls, and most do seldom: each seen where programs make the calls.

use std::future::Future;

use twinloop::driver::{ConnectOptions, Fd, ListenOptions, OsError};
use twinloop::{Address, DatagramTransport, Handle, Moment, now, sleep, spawn, timeout};
use twinloop_sim::HostFaults;

use super::{Seen, ms, pass, run};

/// Runs `program` on a host with `faults`.
fn on_a_host<F>(seed: u64, faults: impl FnOnce(&mut HostFaults), program: impl FnMut() -> F + 'static)
where
    F: Future<Output = Result<(), Box<dyn std::error::Error>>> + 'static,
{
    let report = run(seed, |sim| {
        sim.client("host", program);
        faults(sim.host_faults("host"));
    });
    pass(&report);
}

/// Two ends of a stream over the loopback, as bare descriptors. What has to settle has.
async fn ends(handle: &Handle) -> Result<[Fd; 2], OsError> {
    let listener = handle.listen(&Address::loopback(80), &ListenOptions::default())?;
    let client = handle.connect(&Address::loopback(80), &ConnectOptions::default())?;
    sleep(ms(10)).await;
    Ok([client, handle.accept(listener)?.0])
}

/// How many of a thousand bytes one call sends, and one call receives of those that have come.
fn moved_at_once(faults: impl FnOnce(&mut HostFaults)) -> (usize, usize) {
    let seen = Seen::nothing();
    let inner = seen.clone();
    on_a_host(1, faults, move || {
        let seen = inner.clone();
        async move {
            let handle = Handle::current();
            let [client, server] = ends(&handle).await?;
            let sent = handle.send(client, &[7; 1000])?;
            let mut rest = 1000 - sent;
            while rest > 0 {
                handle.writable(client).await?;
                rest -= handle.send(client, &vec![7; rest])?;
            }
            sleep(ms(10)).await;
            let mut buffer = [0; 1000];
            let received = handle.recv(server, &mut buffer)?;
            seen.add((sent, received));
            let mut all = received;
            while all < 1000 {
                handle.readable(server).await?;
                all += handle.recv(server, &mut buffer)?;
            }
            assert_eq!(all, 1000, "what was cut off comes with later calls");
            Ok(())
        }
    });
    seen.all()[0]
}

#[test]
fn a_send_takes_less_than_there_is_room_for() {
    let (sent, received) = moved_at_once(|faults| _ = faults.short_write(1.0));
    assert!(sent < 1000 && received == 1000, "{sent} sent, {received} received");
}

#[test]
fn a_receive_gives_less_than_there_is() {
    let (sent, received) = moved_at_once(|faults| _ = faults.short_read(1.0));
    assert!(sent == 1000 && received < 1000, "{sent} sent, {received} received");
    assert_eq!(moved_at_once(|_| ()), (1000, 1000));
}

/// A descriptor is told readable, and nothing is behind it.
#[test]
fn an_event_has_nothing_behind_it() {
    for (probability, is_told) in [(0.0, false), (1.0, true)] {
        let faults = |faults: &mut HostFaults| _ = faults.spurious(probability);
        on_a_host(1, faults, move || async move {
            let handle = Handle::current();
            let [client, server] = ends(&handle).await?;
            while handle.recv(server, &mut [0]) != Err(OsError::WOULD_BLOCK) {}
            let other_work = spawn(async {
                loop {
                    sleep(ms(1)).await;
                }
            });
            let told = timeout(ms(100), handle.readable(server)).await;
            assert_eq!(told.is_ok(), is_told);
            assert_eq!(handle.recv(server, &mut [0]), Err(OsError::WOULD_BLOCK));
            drop(other_work);
            handle.close(client);
            Ok(())
        });
    }
}

/// An event is told later than what it tells of has happened.
#[test]
fn an_event_is_late() {
    for (probability, heard_at) in [(0.0, ms(1)), (1.0, ms(8))] {
        let report = run(1, |sim| {
            sim.links().latency(ms(1));
            let address = sim.host("receiver", 7, move |address| async move {
                DatagramTransport::bind(address)?.recv_from(&mut [0; 8]).await?;
                assert_eq!(now(), Moment::ORIGIN + heard_at);
                Ok(())
            });
            sim.client("sender", move || async move {
                DatagramTransport::bind(Address::any(0))?.send_to(b"x", address).await?;
                sleep(ms(50)).await;
                Ok(())
            });
            sim.host_faults("receiver").late_event(probability).late_by(ms(7)..ms(7));
        });
        pass(&report);
    }
}

/// Which of two datagrams is received first; they have come one after the other, and wait for one poll.
fn first_heard(seed: u64, event_order: f64) -> u8 {
    let seen = Seen::nothing();
    let inner = seen.clone();
    let report = run(seed, |sim| {
        sim.host("receiver", 7, move |address| {
            let seen = inner.clone();
            async move {
                let receive = |number: u8| {
                    let seen = seen.clone();
                    let port = address.port().expect("an address of IP has a port") + u16::from(number);
                    spawn(async move {
                        let transport = DatagramTransport::bind(Address::any(port))?;
                        transport.recv_from(&mut [0; 8]).await?;
                        seen.add(number);
                        Ok::<_, twinloop::TransportError>(())
                    })
                };
                let (first, second) = (receive(0), receive(1));
                first.await??;
                second.await??;
                Ok(())
            }
        });
        sim.client("sender", || async {
            let sender = DatagramTransport::bind(Address::any(0))?;
            let ip = twinloop::resolve("receiver").await?[0];
            for port in [7, 8] {
                sender.send_to(b"x", std::net::SocketAddr::new(ip, port)).await?;
                sleep(ms(1)).await;
            }
            sleep(ms(50)).await;
            Ok(())
        });
        sim.host_faults("receiver").event_order(event_order);
        // After the receivers have begun, until both datagrams have come.
        sim.at(ms(1)).pause_for("receiver", ms(30));
        sim.links().latency(ms(5));
    });
    pass(&report);
    seen.all()[0]
}

#[test]
fn events_come_in_another_order() {
    assert!((0..10).all(|seed| first_heard(seed, 0.0) == 0));
    let turned = (0..20).filter(|seed| first_heard(*seed, 1.0) == 1).count();
    assert!((1..20).contains(&turned), "{turned} of 20");
    assert!((0..20).all(|seed| first_heard(seed, 1.0) == first_heard(seed, 1.0)), "by the seed");
}
