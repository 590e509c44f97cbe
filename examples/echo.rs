//! What a client says comes back: `echo serve 127.0.0.1:7000`, then `nc 127.0.0.1 7000`. And the same server in the
//! simulator, where clients say more than any buffer holds over links that lose: `echo explore`.

use std::error::Error;
use std::process::ExitCode;

use twinloop::{Address, StreamServer, StreamTransport, TransportError, connect};
use twinloop_sim::cli::{Cli, Exit};
use twinloop_sim::{Scenario, Sim};

type Ended = Result<(), Box<dyn Error>>;

async fn serve_all(server: StreamServer) -> Result<(), TransportError> {
    let serving = server.serve(|stream| async move {
        if let Err(error) = echo(&stream).await {
            eprintln!("{error}");
        }
    });
    serving.await
}

/// Sends back what it receives until the client ends its direction, then ends the other one.
///
/// A client that does not read stops the writes, and with them the reads: what waits here is one buffer at most.
async fn echo(stream: &StreamTransport) -> Result<(), TransportError> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return stream.shutdown().await,
            count => stream.write(&buffer[..count]).await?,
        };
    }
}

/// Three clients that each want their own bytes back.
fn build(sim: &mut Sim) {
    let address =
        sim.host("server", 7, |address| async move { Ok(serve_all(StreamServer::listen(address)?).await?) });
    sim.links().loss(0.05);
    sim.faults().short_read(0.2).short_write(0.2).spurious(0.1).late_event(0.1);
    for client in 0..3 {
        sim.client(&format!("client {client}"), move || converse(address, client));
    }
}

async fn converse(server: Address, client: u8) -> Ended {
    let said: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8 ^ client).collect();
    let stream = connect(server).await?;
    // The write is under way while the answer is read: whoever first says everything waits for ever.
    let saying = stream.write(&said);
    let mut heard = vec![0; said.len()];
    stream.read_exactly(&mut heard).await?;
    saying.await?;
    assert!(heard == said, "client {client} heard something else than it said");
    stream.shutdown().await?;
    assert_eq!(stream.read(&mut [0]).await?, 0, "nothing was said twice");
    Ok(())
}

fn serve(args: &[String]) -> Exit {
    let [address] = args else { return Exit::Usage };
    let address = address.parse::<Address>();
    let served: Result<Ended, _> = twinloop_real::run(async {
        let server = StreamServer::listen(address?)?;
        eprintln!("echo: listening at {}", server.local_address());
        Ok(serve_all(server).await?)
    });
    eprintln!("echo: {}", served.unwrap_or_else(|error| Err(error.into())).expect_err("nobody stops it"));
    Exit::CouldNotRun
}

fn main() -> ExitCode {
    Cli::new("echo", "an echo server on either driver of twinloop")
        .scenario(Scenario::new("echo", "three clients, lossy links, short reads and writes", build))
        .command("serve", "serve ADDRESS on the real driver", serve)
        .main()
}
