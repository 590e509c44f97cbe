//! Streams have no messages, two directions, and an end that somebody has to make.

use std::future::poll_fn;
use std::rc::Rc;

use twinloop::{StreamServer, StreamTransport, connect, sleep, spawn, timeout};
use twinloop_sim::{Sim, Units};

use crate::{Bug, Outcome, Version, notes};

/// A server that takes what one read gives for one message.
pub(crate) const HALF_A_MESSAGE: Bug = Bug {
    name: "half-a-message",
    kind: "partial read: one read is taken for one message",
    faults: "short reads",
    build: half_a_message,
    shows_as: "no message",
};

fn half_a_message(sim: &mut Sim, version: Version) {
    let address = sim.host("server", 7, move |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            let stream = server.accept().await?;
            let mut message = [0; 8];
            loop {
                let length = match version {
                    Version::Planted => stream.read(&mut message).await?,
                    Version::Mended if stream.read_exactly(&mut message).await.is_ok() => 8,
                    Version::Mended => 0,
                };
                if length == 0 {
                    break;
                }
                if &message[..length] != b"measure!" {
                    return Err(format!("no message: {:?}", &message[..length]).into());
                }
            }
        }
    });
    sim.client("client", move || async move {
        let stream = connect(address).await?;
        for _ in 0..20 {
            stream.write(b"measure!").await?;
            sleep(10.ms()).await;
        }
        stream.shutdown().await?;
        sleep(100.ms()).await;
        Ok(())
    });
    sim.links().latency(1.ms()).jitter(1.ms());
    sim.host_faults("server").short_read(0.003);
}

/// A writer who does not look at how much was taken.
pub(crate) const PART_OF_A_WRITE: Bug = Bug {
    name: "part-of-a-write",
    kind: "partial write: the count of what was taken is thrown away",
    faults: "short writes",
    build: part_of_a_write,
    shows_as: "bytes came",
};

fn part_of_a_write(sim: &mut Sim, version: Version) {
    const BLOCK: [u8; 3000] = [b'x'; 3000];
    let came = crate::Count::default();
    let counted = Rc::clone(&came);
    let address = sim.host("server", 7, move |address| {
        let counted = Rc::clone(&counted);
        async move {
            let server = StreamServer::listen(address)?;
            let stream = server.accept().await?;
            let count = stream.read_to_end(1 << 20).await?.len();
            counted.set(count as u64);
            std::future::pending().await
        }
    });
    sim.client("client", move || async move {
        let stream = connect(address).await?;
        for _ in 0..20 {
            let mut rest = &BLOCK[..];
            while !rest.is_empty() {
                let taken = poll_fn(|context| stream.poll_write(context, rest)).await?;
                rest = if version.is_planted() { &[] } else { &rest[taken..] };
            }
            sleep(5.ms()).await;
        }
        stream.shutdown().await?;
        sleep(1.s()).await;
        Ok(())
    });
    sim.links().latency(1.ms()).jitter(1.ms());
    sim.host_faults("client").short_write(0.003);
    sim.check("blocks", move || match came.get() {
        60_000 => Ok(()),
        came => Err(format!("{came} bytes came of 60000")),
    });
}

/// A proxy for which the end of one direction is the end of both.
pub(crate) const CLOSED_AT_HALF: Bug = Bug {
    name: "closed-at-half",
    kind: "half-close: the end of one direction closes the other",
    faults: "latency that varies",
    build: closed_at_half,
    shows_as: "bytes of the answer",
};

fn closed_at_half(sim: &mut Sim, version: Version) {
    let upstream = sim.host("upstream", 8, |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            let stream = server.accept().await?;
            stream.read_exactly(&mut [0; 3]).await?;
            stream.write(&[b'y'; 100]).await?;
            stream.read_to_end(100).await?;
            stream.shutdown().await?;
        }
    });
    let address = sim.host("proxy", 7, move |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            let near = server.accept().await?;
            let far = connect(upstream).await?;
            let (near, far) = (Rc::new(near), Rc::new(far));
            let up = spawn(forward(Rc::clone(&near), Rc::clone(&far)));
            let down = spawn(forward(Rc::clone(&far), Rc::clone(&near)));
            if version.is_planted() {
                _ = up.join().await;
                // Somebody hung up, so the connection is over.
                down.cancel().await.ok();
                near.close().await;
                far.close().await;
            } else {
                _ = up.join().await;
                _ = down.join().await;
            }
        }
    });
    sim.client("client", move || async move {
        for _ in 0..5 {
            let stream = connect(address).await?;
            stream.write(b"get").await?;
            sleep(35.ms()).await;
            stream.shutdown().await?;
            let answer = stream.read_to_end(1000).await?;
            if answer.len() != 100 {
                return Err(format!("{} bytes of the answer", answer.len()).into());
            }
        }
        Ok(())
    });
    sim.links().latency(1.ms()).jitter(10.ms());
}

async fn forward(from: Rc<StreamTransport>, to: Rc<StreamTransport>) -> Outcome {
    let mut buffer = [0; 1000];
    loop {
        match from.read(&mut buffer).await? {
            0 => return Ok(to.shutdown().await?),
            count => to.write(&buffer[..count]).await?,
        };
    }
}

/// A client that keeps what has failed.
pub(crate) const KEPT_OPEN: Bug = Bug {
    name: "kept-open",
    kind: "leak: connections that failed are kept, until no descriptor is left",
    faults: "messages that are lost, few descriptors",
    build: kept_open,
    shows_as: "os error 24",
};

fn kept_open(sim: &mut Sim, version: Version) {
    let address = sim.host("server", 7, |address| async move {
        let server = StreamServer::listen(address)?;
        let _serving = server.serve(|stream| async move {
            // A client that hung up needs no answer.
            if stream.read_exactly(&mut [0]).await.is_ok() {
                _ = stream.write(b"!").await;
            }
        });
        std::future::pending().await
    });
    sim.client("client", move || async move {
        let failed = notes();
        for _ in 0..60 {
            let stream = connect(address).await?;
            if !is_answered(&stream).await {
                // To look at them some time.
                failed.borrow_mut().push(stream);
            }
            if !version.is_planted() {
                failed.borrow_mut().clear();
            }
        }
        Ok(())
    });
    sim.links().latency(1.ms()).jitter(5.ms()).loss(0.015);
    sim.host_faults("client").descriptors(6);
}

async fn is_answered(stream: &StreamTransport) -> bool {
    let answer = timeout(50.ms(), async {
        stream.write(b"?").await?;
        stream.read_exactly(&mut [0]).await
    });
    matches!(answer.await, Ok(Ok(_)))
}
