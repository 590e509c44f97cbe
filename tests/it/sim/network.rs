//! Faults of links, each seen by its effect on programs and by what the story says of it.

mod control;
mod names;
mod planted;
mod wire;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twinloop::{Address, DatagramTransport, Moment, StreamServer, StreamTransport, now, sleep, spawn};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::{LineKind, Telling};
use twinloop_sim::{ProgramResult, Report, Sim, run_world};

const PORT: u16 = 7;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn run(seed: u64, build: impl FnOnce(&mut Sim)) -> Report {
    let report = run_world(&Choices::Seeded(seed), Telling::Events, build);
    let story = report.story.as_ref().expect("a story was asked for");
    assert!(report.verdict.is_passed(), "seed {seed}: {}\n{}", report.verdict, story.tail(60));
    report
}

/// The lines of a story that tell of faults.
fn faults(report: &Report) -> Vec<String> {
    let story = report.story.as_ref().expect("a story was asked for");
    let faults = story.lines.iter().filter(|line| line.kind == LineKind::Fault);
    faults.map(|line| format!("{}: {}", line.host, line.text)).collect()
}

/// How many faults a story tells of that end so.
fn count_faults(report: &Report, end: &str) -> usize {
    faults(report).iter().filter(|line| line.ends_with(end)).count()
}

/// Numbers that were heard, and when.
type Heard = Rc<RefCell<Vec<(u32, Moment)>>>;

fn numbers(heard: &Heard) -> Vec<u32> {
    heard.borrow().iter().map(|(number, _)| *number).collect()
}

/// A host called `server` that notes the numbers that datagrams tell it.
fn datagram_server(sim: &mut Sim, heard: &Heard) -> Address {
    let heard = Rc::clone(heard);
    sim.host("server", PORT, move |address| {
        let heard = Rc::clone(&heard);
        async move {
            let transport = DatagramTransport::bind(address)?;
            let mut buffer = [0; 2000];
            loop {
                let length = transport.recv_from(&mut buffer).await?.length;
                let number =
                    buffer[..length.min(4)].iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
                heard.borrow_mut().push((number, now()));
            }
        }
    })
}

/// A client called `client` that sends `count` numbered datagrams of `length` bytes, one every `pause`.
fn datagram_client(sim: &mut Sim, server: Address, count: u32, length: usize, pause: Duration) {
    sim.client("client", move || async move {
        let transport = DatagramTransport::connect(server)?;
        sleep(ms(1)).await;
        for number in 0..count {
            let mut bytes = vec![0; length];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            transport.send(&bytes).await?;
            sleep(pause).await;
        }
        sleep(ms(5000)).await;
        Ok(())
    });
}

/// A host called `server` that sends back what it gets, on every connection.
fn echo_server(sim: &mut Sim) -> Address {
    sim.host("server", PORT, |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            spawn(echo(server.accept().await?)).detach();
        }
    })
}

async fn echo(stream: StreamTransport) -> ProgramResult {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(stream.shutdown().await?);
        }
        stream.write(&buffer[..count]).await?;
    }
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 31 % 251) as u8).collect()
}

/// Sends `count` bytes over `stream` and gives what comes back.
async fn round_trip(stream: StreamTransport, count: usize) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let stream = Rc::new(stream);
    let writer = spawn({
        let stream = Rc::clone(&stream);
        async move {
            stream.write_owned(pattern(count)).await?;
            stream.shutdown().await
        }
    });
    let bytes = stream.read_to_end(2 * count + 1).await?;
    writer.await??;
    Ok(bytes)
}
