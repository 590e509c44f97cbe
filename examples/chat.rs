//! A room in which everyone hears everyone: `chat serve 127.0.0.1:7000`, then `nc 127.0.0.1 7000` from several terminals. Who
//! does not read what the others say is put out; nobody waits for it. In the simulator: `chat explore`.

use std::cell::Cell;
use std::error::Error;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use twinloop::{Address, BroadcastQueue, Either, StreamServer, StreamTransport};
use twinloop::{connect, race, sleep, timeout};
use twinloop_sim::cli::{Cli, Exit};
use twinloop_sim::{Scenario, Sim};

/// A line may be so long.
const LINE_MAX: usize = 2_000;
/// Someone may have so many lines unread, beside what the kernel keeps for it.
const UNREAD_MAX: usize = 256;
/// And so long the kernel may have no room for one more.
const PATIENCE: Duration = Duration::from_secs(10);

type Ended = Result<(), Box<dyn Error>>;

async fn serve_all(server: StreamServer) -> Ended {
    let room = BroadcastQueue::<Rc<str>>::bounded(UNREAD_MAX);
    let guests = Cell::new(1);
    let serving = server.serve(move |stream| {
        let (name, room) = (format!("guest {}", guests.replace(guests.get() + 1)), room.clone());
        async move {
            room.emit(format!("* {name} comes\n").into());
            let how = attend(&stream, &name, &room).await.map_or_else(|e| format!(" ({e})"), |()| "".into());
            room.emit(format!("* {name} goes{how}\n").into());
        }
    });
    Ok(serving.await?)
}

/// Speaks for a guest and tells it what is said, until it goes, fails, or has fallen behind.
async fn attend(stream: &StreamTransport, name: &str, room: &BroadcastQueue<Rc<str>>) -> Ended {
    let mut said = room.subscribe();
    let listening = async {
        while let Some(line) = said.next().await? {
            timeout(PATIENCE, stream.write(line.as_bytes())).await??;
        }
        Ok(())
    };
    let speaking = async {
        while let Some(line) = stream.read_line(LINE_MAX).await? {
            room.emit(format!("{name}: {}\n", String::from_utf8_lossy(&line)).into());
        }
        Ok(())
    };
    let (Either::Left(ended) | Either::Right(ended)) = race(speaking, listening).await;
    ended
}

/// One speaks, three listen, and one sleeps: it is put out before it wakes up, and nobody waits for it.
fn build(sim: &mut Sim) {
    const LINES: usize = 1_000;
    let address = sim.host("server", 7, |at| async move { serve_all(StreamServer::listen(at)?).await });
    sim.links().jitter(Duration::from_millis(10));
    sim.faults().short_read(0.1).short_write(0.1).late_event(0.1);
    let listening = move || async move { timeout(PATIENCE * 5, listen(address, LINES)).await? };
    for number in 0..3 {
        sim.client(&format!("listener {number}"), listening);
    }
    sim.client("sleeper", move || async move {
        let stream = connect(address).await?;
        sleep(PATIENCE * 6).await;
        let unread = stream.read_to_end(usize::MAX).await?;
        assert!(unread.len() < LINES * LINE_MAX / 2, "{} bytes were kept for the sleeper", unread.len());
        Ok(())
    });
    sim.client("speaker", move || async move {
        sleep(Duration::from_millis(100)).await;
        let stream = connect(address).await?;
        for number in 0..LINES {
            let line = format!("{number:0>width$}\n", width = LINE_MAX / 2);
            stream.write(line.as_bytes()).await?;
            // Its own line comes back, like everyone's.
            while !stream.read_line(LINE_MAX).await?.ok_or("put out")?.ends_with(line.trim().as_bytes()) {}
        }
        Ok(())
    });
}

/// Hears every line, each in its turn, and that the sleeper was put out.
async fn listen(address: Address, lines: usize) -> Ended {
    let stream = connect(address).await?;
    let (mut next, mut is_sleeper_out) = (0, false);
    while next < lines || !is_sleeper_out {
        let line = String::from_utf8(stream.read_line(LINE_MAX).await?.ok_or("the listener was put out")?)?;
        is_sleeper_out |= line.contains(" goes (");
        if let Some((_, said)) = line.split_once(": ") {
            assert_eq!(said.parse(), Ok(next), "a line was lost");
            next += 1;
        }
    }
    Ok(())
}

fn serve(args: &[String]) -> Exit {
    let [address] = args else { return Exit::Usage };
    let address = address.parse::<Address>();
    let served = twinloop_real::run(async {
        let server = StreamServer::listen(address?)?;
        eprintln!("chat: listening at {}", server.local_address());
        serve_all(server).await
    });
    eprintln!("chat: {}", served.unwrap_or_else(|error| Err(error.into())).expect_err("nobody stops it"));
    Exit::CouldNotRun
}

fn main() -> ExitCode {
    Cli::new("chat", "a chat room on either driver of twinloop")
        .scenario(Scenario::new("room", "one speaks, three listen, one sleeps", build))
        .command("serve", "serve ADDRESS on the real driver", serve)
        .main()
}
