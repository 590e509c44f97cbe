//! Books that are kept in files: what is on the disk, and when.

use std::error::Error;
use std::rc::Rc;

use twinloop::driver::FileOptions;
use twinloop::{Address, File, StreamServer, connect, fs, sleep, timeout};
use twinloop_sim::{Sim, Units};

use crate::{Bug, Outcome, Version, notes};

type IsSound = fn(&[u8]) -> Result<(), String>;

/// What a clerk is told to write, and then asked for.
const ENTRIES: u8 = 20;

/// Looks at the book at `path` as a crash has left it; then writes each entry that it is sent, and says so.
fn clerk<F>(
    sim: &mut Sim,
    (path, is_sound): (&'static str, IsSound),
    write: impl Fn(u8) -> F + Clone + 'static,
) -> Address
where
    F: Future<Output = Outcome> + 'static,
{
    sim.host("clerk", 7, move |address| {
        let write = write.clone();
        async move {
            // There is none before the first entry.
            if let Ok(book) = fs::read(path).await {
                is_sound(&book)?;
            }
            let server = StreamServer::listen(address)?;
            loop {
                let stream = server.accept().await?;
                let mut entry = [0];
                while stream.read_exactly(&mut entry).await.is_ok() {
                    write(entry[0]).await?;
                    // Who has hung up asks again.
                    if stream.write(b"!").await.is_err() {
                        break;
                    }
                }
            }
        }
    })
}

/// Sends each entry until it is told that it is written.
async fn dictate(address: Address) -> Outcome {
    for entry in 1..=ENTRIES {
        while timeout(500.ms(), send(address, entry))
            .await
            .map_err(Box::<dyn Error>::from)
            .and_then(|sent| sent)
            .is_err()
        {
            sleep(50.ms()).await;
        }
        sleep(10.ms()).await;
    }
    Ok(())
}

async fn send(address: Address, entry: u8) -> Outcome {
    let stream = connect(address).await?;
    stream.write(&[entry]).await?;
    stream.read_exactly(&mut [0]).await?;
    Ok(())
}

/// That each entry that was acknowledged is in the clerk's book at `path`, in its place.
fn check_entries(sim: &mut Sim, path: &'static str) {
    let disk = sim.disk_of("clerk");
    sim.check("book", move || {
        let book = disk.read(path).ok_or("there is no book")?;
        let is_missing = |entry: &u8| book.get(usize::from(*entry) - 1) != Some(entry);
        match (1..=ENTRIES).find(is_missing) {
            None => Ok(()),
            Some(entry) => Err(format!("entry {entry} is not in the book")),
        }
    });
}

fn anything(_: &[u8]) -> Result<(), String> {
    Ok(())
}

fn is_page(page: &[u8]) -> Result<(), String> {
    if page.len() == 600 { Ok(()) } else { Err(format!("{} bytes: this is no page", page.len())) }
}

fn is_record(record: &[u8]) -> Result<(), String> {
    let belongs_together = record.iter().all(|byte| *byte == record[0]);
    if belongs_together { Ok(()) } else { Err("the sectors do not belong together".to_owned()) }
}

/// A log that is written and not synced.
pub(crate) const NOT_SYNCED: Bug = Bug {
    name: "not-synced",
    kind: "missing fsync: what was acknowledged is not on the disk",
    faults: "crashes",
    build: not_synced,
    shows_as: "is not in the book",
};

fn not_synced(sim: &mut Sim, version: Version) {
    let address = clerk(sim, ("/book", anything), move |entry| async move {
        let book = File::open_with("/book", &FileOptions::create().truncate(false)).await?;
        book.write_at(u64::from(entry) - 1, &[entry]).await?;
        if !version.is_planted() {
            book.sync_all().await?;
            fs::sync_dir("/").await?;
        }
        Ok(())
    });
    sim.client("author", move || dictate(address));
    sim.links().latency(1.ms()).jitter(1.ms());
    sim.host_faults("clerk").crash(0.003);
    check_entries(sim, "/book");
}

/// A new file takes the old one's name before its bytes are on the disk.
pub(crate) const RENAMED_TOO_EARLY: Bug = Bug {
    name: "renamed-too-early",
    kind: "missing fsync: a file gets its name before its bytes",
    faults: "crashes, names that reach the disk before bytes",
    build: renamed_too_early,
    shows_as: "is no page",
};

fn renamed_too_early(sim: &mut Sim, version: Version) {
    let address = clerk(sim, ("/page", is_page), move |entry| async move {
        let page = vec![entry; 600];
        if version.is_planted() {
            fs::write("/page.new", page).await?;
            fs::rename("/page.new", "/page").await?;
            fs::sync_dir("/").await?;
        } else {
            fs::replace("/page", page).await?;
        }
        Ok(())
    });
    sim.client("author", move || dictate(address));
    sim.links().latency(1.ms()).jitter(1.ms());
    sim.host_faults("clerk").crash(0.003);
}

/// Two sectors that belong together are written where the old ones stood.
pub(crate) const WRITTEN_IN_PLACE: Bug = Bug {
    name: "written-in-place",
    kind: "torn write: a record is changed where it stands",
    faults: "crashes that tear writes",
    build: written_in_place,
    shows_as: "do not belong together",
};

fn written_in_place(sim: &mut Sim, version: Version) {
    let address = clerk(sim, ("/record", is_record), move |entry| async move {
        let record = vec![entry; 2048];
        if version.is_planted() {
            let options = FileOptions::create().truncate(false);
            let book = File::open_with("/record", &options).await?;
            book.write_owned_at(0, record).await?;
            book.sync_all().await?;
            fs::sync_dir("/").await?;
        } else {
            fs::replace("/record", record).await?;
        }
        Ok(())
    });
    sim.client("author", move || dictate(address));
    sim.links().latency(1.ms()).jitter(1.ms());
    sim.host_faults("clerk").crash(0.003);
    sim.disk("clerk").latency(2.ms()).sync_latency(5.ms());
}

/// The disk says that it is full, and nobody listens.
pub(crate) const ERROR_SWALLOWED: Bug = Bug {
    name: "error-swallowed",
    kind: "an error of a write is thrown away",
    faults: "disks whose writes fail",
    build: error_swallowed,
    shows_as: "is not in the book",
};

fn error_swallowed(sim: &mut Sim, version: Version) {
    let asked = notes();
    let told = Rc::clone(&asked);
    let address = clerk(sim, ("/book", anything), move |entry| {
        let told = Rc::clone(&told);
        async move {
            let options = FileOptions::create().truncate(false);
            let book = File::open_with("/book", &options).await?;
            loop {
                let written = async {
                    book.write_at(u64::from(entry) - 1, &[entry]).await?;
                    book.sync_all().await
                };
                match written.await {
                    Ok(()) => break,
                    Err(_) if version.is_planted() => break,
                    Err(_) => sleep(10.ms()).await,
                }
            }
            told.borrow_mut().push(entry);
            Ok(())
        }
    });
    sim.client("author", move || dictate(address));
    sim.links().latency(1.ms()).jitter(1.ms());
    sim.disk("clerk").write_error(0.001);
    check_entries(sim, "/book");
}
