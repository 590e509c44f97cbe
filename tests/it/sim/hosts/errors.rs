//! What a kernel refuses for a moment: a program that goes on is served in the end.

use std::io::ErrorKind as Kind;

use twinloop::{
    Address, DatagramTransport, ErrorKind, File, Moment, StreamServer, TransportError, connect, now, sleep,
    sleep_until, spawn, yield_now,
};
use twinloop_sim::Sim;

use super::{Seen, is_drawn, ms, pass, run, s};

const ENFILE: Option<i32> = Some(23);
const EADDRNOTAVAIL: Option<i32> = Some(99);
const ECONNRESET: Option<i32> = Some(104);
const ENOBUFS: Option<i32> = Some(105);

/// What was woken first, of the reader of a datagram and a sleeper: both were due while the host stood still.
fn order_of_waking(interrupted: f64) -> Vec<&'static str> {
    let seen = Seen::nothing();
    let inner = seen.clone();
    let report = run(1, move |sim| {
        sim.links().latency(ms(10));
        sim.faults().interrupted(interrupted);
        let address = sim.host("receiver", 7, move |address| {
            let (reads, sleeps) = (inner.clone(), inner.clone());
            async move {
                let transport = DatagramTransport::bind(address)?;
                let reader = spawn(async move {
                    transport.recv_from(&mut [0; 8]).await?;
                    reads.add("datagram");
                    Ok::<_, TransportError>(())
                });
                sleep_until(Moment::ORIGIN + ms(10)).await;
                sleeps.add("timer");
                yield_now().await;
                sleeps.add("yielded");
                reader.await??;
                Ok(())
            }
        });
        sim.client("sender", move || async move {
            DatagramTransport::bind(Address::any(0))?.send_to(b"x", address).await?;
            sleep(ms(40)).await;
            Ok(())
        });
        // So that one turn has both to do.
        sim.at(ms(5)).pause_for("receiver", ms(20));
    });
    pass(&report);
    seen.all()
}

/// A poll that a signal cuts short tells nothing: what is due otherwise goes on, and the next poll tells the rest.
#[test]
fn an_interrupted_poll_tells_what_there_is_the_next_time() {
    assert_eq!(order_of_waking(0.0), ["timer", "datagram", "yielded"]);
    assert_eq!(order_of_waking(1.0), ["timer", "yielded", "datagram"]);
}

/// A program that is interrupted again and again exchanges all it has to.
#[test]
fn interruptions_are_drawn_and_lose_nothing() {
    let build = |sim: &mut Sim| {
        echo(sim, |_| false);
        sim.faults().interrupted(0.5);
    };
    is_drawn(build, "poll interrupted");
}

/// Ten clients, one after the other, each of which tries again where `is_passing` says so; a server with handlers.
fn echo(sim: &mut Sim, is_passing: fn(&TransportError) -> bool) {
    let address = sim.host("server", 7, |address| async move {
        let server = loop {
            match StreamServer::listen(address) {
                Ok(server) => break server,
                Err(error) if error.kind() == ErrorKind::TooManyOpen => sleep(ms(10)).await,
                Err(error) => return Err(error.into()),
            }
        };
        let serving = server.serve(|stream| async move {
            if let Ok(bytes) = stream.read_to_end(100).await {
                stream.write_owned(bytes).await.ok();
            }
        });
        sleep(s(60)).await;
        serving.close().await?;
        Ok(())
    });
    sim.client("client", move || async move {
        for number in 0..10_u8 {
            while let Err(error) = ask(address, number).await {
                assert!(is_passing(&error), "{error}");
                sleep(ms(10)).await;
            }
        }
        Ok(())
    });
}

async fn ask(address: Address, number: u8) -> Result<(), TransportError> {
    let stream = connect(address).await?;
    stream.write(&[number]).await?;
    stream.shutdown().await?;
    assert_eq!(stream.read_to_end(10).await?, [number]);
    Ok(())
}

/// The server does not listen yet.
fn is_refused_by_nobody(error: &TransportError) -> bool {
    error.kind() == ErrorKind::Os(Kind::ConnectionRefused)
}

/// R138: a full table of files is waited out, by a server as by those who connect.
#[test]
fn a_full_table_of_files_is_waited_out() {
    let is_passing = |error: &TransportError| is_refused_by_nobody(error) || error.code() == ENFILE;
    let build = |sim: &mut Sim| {
        echo(sim, is_passing);
        sim.faults().table_full(0.5);
    };
    is_drawn(build, "os error 23");
}

/// A file is refused too, and sockets that are open are not.
#[test]
fn a_full_table_refuses_what_is_opened_and_nothing_else() {
    let report = run(1, |sim| {
        sim.client("host", || async {
            let server = StreamServer::listen(Address::loopback(0))?;
            let (client, stream) = (connect(server.local_address()).await?, server.accept().await?);
            sleep(ms(20)).await;
            assert_eq!(File::create("/file").await.unwrap_err().code(), ENFILE);
            assert_eq!(DatagramTransport::bind(Address::loopback(0)).unwrap_err().code(), ENFILE);
            client.write(b"x").await?;
            assert_eq!(stream.read(&mut [0; 8]).await?, 1);
            Ok(())
        });
        sim.at(ms(10)).host_faults("host").table_full(1.0);
    });
    pass(&report);
}

/// R138: a server outlives a lack of memory, and tells of it.
#[test]
fn a_lack_of_memory_is_waited_out() {
    let is_passing = |error: &TransportError| is_refused_by_nobody(error) || error.code() == ENOBUFS;
    let build = |sim: &mut Sim| {
        echo(sim, is_passing);
        sim.faults().no_buffers(0.5);
    };
    is_drawn(build, "os error 105");
}

/// A datagram that there is no memory for is its sender's to send again; it stands in nobody's way.
#[test]
fn a_datagram_without_memory_is_told_and_holds_up_nothing() {
    let build = |sim: &mut Sim| {
        let address = sim.host("receiver", 7, |address| async move {
            let transport = DatagramTransport::bind(address)?;
            loop {
                let mut buffer = [0; 8];
                let source = transport.recv_from(&mut buffer).await?.source;
                transport.send_to(&buffer[..1], source).await?;
            }
        });
        sim.client("sender", move || async move {
            let transport = DatagramTransport::connect(address)?;
            sleep(ms(10)).await;
            let (mut sent, mut refused) = (0, 0);
            for number in 0..50 {
                match transport.send(&[number]).await {
                    Ok(()) => {
                        sent += 1;
                        let mut answer = [0; 8];
                        transport.recv(&mut answer).await?;
                        assert_eq!(answer[0], number);
                    }
                    Err(error) => {
                        assert_eq!((error.kind(), error.code()), (ErrorKind::TooManyOpen, ENOBUFS));
                        refused += 1;
                    }
                }
            }
            assert!(sent > 0 && refused > 0, "{sent} sent, {refused} refused");
            Ok(())
        });
        sim.at(ms(5)).host_faults("sender").no_buffers(0.5);
    };
    is_drawn(build, "send: ");
}

/// A connection that is given up before it is accepted is passed over: the peer sees a reset, and the server accepts
/// the next one.
#[test]
fn an_aborted_connection_is_passed_over() {
    let report = run(1, |sim| {
        let address = sim.host("server", 7, |address| async move {
            let server = StreamServer::listen(address)?;
            let stream = server.accept().await?;
            assert_eq!(now(), Moment::ORIGIN + s(1) + ms(3), "the one that came later");
            stream.write(b"x").await?;
            stream.close().await;
            Ok(())
        });
        sim.links().latency(ms(1));
        sim.client("client", move || async move {
            let first = connect(address).await?;
            let error = first.read(&mut [0]).await.unwrap_err();
            assert_eq!(error.code(), ECONNRESET);
            sleep(Moment::ORIGIN + s(1) - now()).await;
            assert_eq!(connect(address).await?.read(&mut [0]).await?, 1);
            Ok(())
        });
        sim.host_faults("server").aborted_accept(1.0);
        sim.at(ms(500)).host_faults("server").aborted_accept(0.0);
    });
    pass(&report);
}

/// As above, as often as chance will have it.
#[test]
fn aborted_accepts_are_drawn() {
    let is_passing = |error: &TransportError| {
        matches!(error.kind(), ErrorKind::Os(Kind::ConnectionReset | Kind::BrokenPipe))
    };
    let build = |sim: &mut Sim| {
        echo(sim, is_passing);
        sim.faults().aborted_accept(0.5);
    };
    is_drawn(build, "accept: ");
}

/// Ports that the kernel picks from run out, also by connections which only linger: for a minute (TIME-WAIT).
#[test]
fn few_ports_run_out_until_nothing_lingers_there() {
    let report = run(1, |sim| {
        let address = sim.host("server", 7, |address| async move {
            let server = StreamServer::listen(address)?;
            loop {
                let stream = server.accept().await?;
                spawn(async move { stream.read_to_end(10).await }).detach();
            }
        });
        sim.client("client", move || async move {
            let kept = connect(address).await?;
            let ended = connect(address).await?;
            let ports = [kept.local_address()?.port(), ended.local_address()?.port()];
            assert_eq!(ports, [Some(50_000), Some(50_001)]);
            assert_eq!(connect(address).await.unwrap_err().code(), EADDRNOTAVAIL);
            ended.shutdown().await?;
            assert_eq!(ended.read(&mut [0]).await?, 0);
            ended.close().await;
            sleep(s(59)).await;
            assert_eq!(connect(address).await.unwrap_err().code(), EADDRNOTAVAIL);
            sleep(s(2)).await;
            connect(address).await?;
            Ok(())
        });
        sim.host_faults("client").ephemeral_ports(50_000..=50_001);
    });
    pass(&report);
}
