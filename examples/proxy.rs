//! Forwards connections: `proxy serve 127.0.0.1:8000 example.org:80`, then `curl -H Host:example.org http://127.0.0.1:8000/`.
//! Each direction ends by itself, and a side that does not read stops the other. In the simulator: `proxy explore`.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use twinloop::transport::copy_bidirectional;
use twinloop::{Address, StreamServer, StreamTransport, TransportError, connect, connect_to, sleep};
use twinloop_sim::cli::{Cli, Exit};
use twinloop_sim::{Scenario, Sim};

type Ended = Result<(), Box<dyn Error>>;

async fn serve_all(server: StreamServer, target: String) -> Ended {
    let serving = server.serve(move |client| {
        let target = target.clone();
        async move {
            if let Err(error) = forward(&client, &target).await {
                eprintln!("{}: {error}", client.remote_address());
            }
        }
    });
    Ok(serving.await?)
}

/// Connects a client to the target, until both directions have ended or one has failed. What the proxy keeps of a direction
/// is what it has received and not written yet: a side that does not read stops the other.
async fn forward(client: &StreamTransport, target: &str) -> Result<(), TransportError> {
    let upstream = connect_to(target).await?;
    copy_bidirectional(client, &upstream).await.map(drop)
}

/// A client has much to say to a server that listens late, and that answers when all was said.
fn build(sim: &mut Sim) {
    const SAID: usize = 4_000_000;
    sim.host("server", 80, |address| async move {
        let server = StreamServer::listen(address)?;
        let stream = server.accept().await?;
        sleep(Duration::from_secs(10)).await;
        let said = stream.read_to_end(usize::MAX).await?;
        stream.write(format!("{} {:x}", said.len(), checksum(&said)).as_bytes()).await?;
        stream.shutdown().await?;
        sleep(Duration::from_secs(3_000)).await;
        Ok(())
    });
    let proxy = sim.host("proxy", 8000, |address| async move {
        serve_all(StreamServer::listen(address)?, "server:80".to_owned()).await
    });
    sim.links().loss(0.01);
    sim.faults().short_read(0.1).short_write(0.1).spurious(0.05);
    sim.client("client", move || async move {
        let said: Vec<u8> = (0..SAID as u32).map(|at| (at % 251) as u8).collect();
        let stream = connect(proxy).await?;
        stream.write(&said).detach();
        sleep(Duration::from_secs(5)).await;
        let left = stream.queued_bytes();
        assert!(left > SAID / 2, "nobody reads at the other end, and yet only {left} bytes wait here");
        stream.shutdown().await?;
        let answer = stream.read_to_end(100).await?;
        assert_eq!(answer, format!("{SAID} {:x}", checksum(&said)).as_bytes());
        Ok(())
    });
}

/// FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn serve(args: &[String]) -> Exit {
    let [address, target] = args else { return Exit::Usage };
    let (address, target) = (address.parse::<Address>(), target.clone());
    let served = twinloop_real::run(async {
        let server = StreamServer::listen(address?)?;
        eprintln!("proxy: listening at {}", server.local_address());
        serve_all(server, target).await
    });
    eprintln!("proxy: {}", served.unwrap_or_else(|error| Err(error.into())).expect_err("nobody stops it"));
    Exit::CouldNotRun
}

fn main() -> ExitCode {
    Cli::new("proxy", "a TCP forwarder on either driver of twinloop")
        .scenario(Scenario::new("late", "a server that listens late and answers at the end", build))
        .command("serve", "serve ADDRESS TARGET on the real driver", serve)
        .main()
}
