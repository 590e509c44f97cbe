//! Serves a directory over HTTP, with ranges: `send_file serve 127.0.0.1:8080 DIRECTORY`, then
//! `curl -r 10-19 http://127.0.0.1:8080/README.md`. And the same server in the simulator: `send_file explore`.

use std::error::Error;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use twinloop::{Address, ErrorKind, File, StreamServer, StreamTransport, connect};
use twinloop_sim::cli::{Cli, Exit};
use twinloop_sim::{Scenario, Sim};

const HEAD_MAX: usize = 8 * 1024;
/// `Range: bytes=FIRST-LAST`; without LAST up to the end, without FIRST so many bytes of the end.
type Range = Option<(Option<u64>, Option<u64>)>;
type Ended = Result<(), Box<dyn Error>>;

async fn serve_all(server: StreamServer, root: PathBuf) -> Ended {
    let serving = server.serve(move |stream| {
        let root = root.clone();
        async move {
            if let Err(error) = serve_client(&stream, &root).await {
                eprintln!("{}: {error}", stream.remote_address());
            }
        }
    });
    Ok(serving.await?)
}

async fn serve_client(stream: &StreamTransport, root: &Path) -> Ended {
    loop {
        let head = match stream.read_until(b"\r\n\r\n", HEAD_MAX).await {
            Err(error) if error.kind() == ErrorKind::Incomplete => return Ok(()),
            head => String::from_utf8(head?)?,
        };
        let mut lines = head.lines();
        match lines.next().unwrap_or_default().split(' ').collect::<Vec<_>>()[..] {
            ["GET", path, _] => send(stream, root, path, lines.find_map(range)).await?,
            _ => reply(stream, "405 Method Not Allowed", 0).await?,
        }
    }
}

fn range(line: &str) -> Range {
    let (_, value) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("range"))?;
    let (first, last) = value.trim().strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok(), last.parse().ok()))
}

async fn send(stream: &StreamTransport, root: &Path, path: &str, range: Range) -> Ended {
    let path = Path::new(path.trim_start_matches('/'));
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    let file = if is_below { File::open(root.join(path)).await.ok() } else { None };
    let Some(file) = file else { return reply(stream, "404 Not Found", 0).await };
    let size = file.length().await?;
    let (first, end) = match range {
        Some((Some(first), last)) => (first, last.map_or(size, |last| size.min(last.saturating_add(1)))),
        Some((None, Some(count))) => (size.saturating_sub(count), size),
        Some((None, None)) | None => (0, size),
    };
    let (length, last) = (end.saturating_sub(first), end.saturating_sub(1));
    let status = match range {
        None => "200 OK".to_owned(),
        Some(_) if length > 0 => format!("206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}"),
        Some(_) => format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{size}"),
    };
    reply(stream, &status, length).await?;
    let sent = stream.write_file(&file, first, Some(length)).await?;
    // If it shrank, the client would take the next reply for the rest of it.
    if sent == length { Ok(()) } else { Err("the file has become shorter".into()) }
}

async fn reply(stream: &StreamTransport, status: &str, length: u64) -> Ended {
    stream.write(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await?;
    Ok(())
}

/// Ranges of a file of the simulated server, fetched over a bad link.
fn build(sim: &mut Sim) {
    let page: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    let address =
        sim.host("server", 80, |at| async move { serve_all(StreamServer::listen(at)?, "/www".into()).await });
    sim.file("server", "/www/page", page.clone());
    sim.links().loss(0.02);
    sim.faults().short_read(0.1).short_write(0.1).spurious(0.05);
    sim.client("client", move || fetch(address, page.clone()));
}

async fn fetch(address: Address, page: Vec<u8>) -> Ended {
    let stream = connect(address).await?;
    for (first, last) in [(0, 199_999), (7, 7), (100_000, 150_000)] {
        stream.write(format!("GET /page HTTP/1.1\r\nRange: bytes={first}-{last}\r\n\r\n").as_bytes()).await?;
        stream.read_until(b"\r\n\r\n", HEAD_MAX).await?;
        let mut body = vec![0; last - first + 1];
        stream.read_exactly(&mut body).await?;
        assert!(body == page[first..=last], "bytes {first} to {last} are others");
    }
    Ok(())
}

fn serve(args: &[String]) -> Exit {
    let [address, root] = args else { return Exit::Usage };
    let (address, root) = (address.parse::<Address>(), root.into());
    let served = twinloop_real::run(async {
        let server = StreamServer::listen(address?)?;
        eprintln!("send_file: listening at {}", server.local_address());
        serve_all(server, root).await
    });
    let error = served.unwrap_or_else(|error| Err(error.into())).expect_err("nobody stops it");
    eprintln!("send_file: {error}");
    Exit::CouldNotRun
}

fn main() -> ExitCode {
    Cli::new("send_file", "a directory served over HTTP, with ranges, on either driver of twinloop")
        .scenario(Scenario::new("ranges", "ranges of a file over a bad link", build))
        .command("serve", "serve ADDRESS DIRECTORY on the real driver", serve)
        .main()
}
