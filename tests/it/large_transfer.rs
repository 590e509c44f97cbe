//! 1 GiB of a file through the real kernel, beside a ticker. It takes a while and measures, so it runs when it is asked for:
//! `cargo test --release --test it large -- --ignored --nocapture`.

use std::cell::Cell;
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use twinloop::fs::remove_file;
use twinloop::{File, Handle, connect, now, sleep, spawn};
use xxhash_rust::xxh3::Xxh3;

const LENGTH: u64 = 1 << 30;
/// Each stretch of this length begins with its number; the rest of the file is a hole, and costs no disk.
const STRETCH: u64 = 16 * 1024;

/// A new file, which is gone when it is closed.
async fn large_file() -> Result<File, Box<dyn std::error::Error>> {
    let mut name = [0; 8];
    Handle::current().entropy(&mut name)?;
    let path = std::env::temp_dir().join(format!("twinloop-large-{:016x}", u64::from_le_bytes(name)));
    let file = File::create(&path).await?;
    for offset in (0..LENGTH).step_by(STRETCH as usize) {
        file.write_at(offset, &(offset + 1).to_le_bytes()).await?;
    }
    file.set_length(LENGTH).await?;
    remove_file(&path).await?;
    Ok(file)
}

async fn hash_of_file(file: &File) -> Result<u128, Box<dyn std::error::Error>> {
    let (mut hash, mut buffer, mut offset) = (Xxh3::new(), vec![0; 1 << 20], 0);
    loop {
        match file.read_at(offset, &mut buffer).await? {
            0 => return Ok(hash.digest128()),
            count => hash.update(&buffer[..count]),
        }
        offset += buffer.len() as u64;
    }
}

/// Receives one connection to its end, on a thread of its own; says how many bytes there were, and their hash.
fn receive_one(listener: &TcpListener) -> (u64, u128) {
    let (mut stream, _) = listener.accept().expect("someone connects");
    let (mut hash, mut buffer, mut total) = (Xxh3::new(), vec![0; 256 * 1024], 0);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (total, hash.digest128()),
            Ok(count) => {
                hash.update(&buffer[..count]);
                total += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// What this thread has run so far, where the system tells.
fn time_on_processor() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// R110, R117: all of it arrives, unchanged, and the ticker ticks on.
#[test]
#[ignore = "it takes a gibibyte of memory and measures"]
fn a_gibibyte_is_sent_beside_a_ticker() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let receiver = thread::Builder::new().spawn(move || receive_one(&listener)).expect("a thread");
    let sent = twinloop_real::run(async move {
        let file = large_file().await?;
        let expected = hash_of_file(&file).await?;
        let stream = connect(address).await?;
        let (ticks, longest) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(Duration::ZERO)));
        let (counted, gap) = (Rc::clone(&ticks), Rc::clone(&longest));
        let ticker = spawn(async move {
            let mut last = now();
            loop {
                sleep(Duration::from_millis(1)).await;
                gap.set(gap.get().max(now() - last));
                last = now();
                counted.set(counted.get() + 1);
            }
        });
        let (begun, ran_before) = (now(), time_on_processor());
        assert_eq!(stream.write_file(&file, 0, None).await?, LENGTH);
        stream.shutdown().await?;
        let took = now() - begun;
        let ran = time_on_processor().zip(ran_before).map(|(after, before)| after - before);
        println!(
            "1 GiB in {took:?}, {ran:?} of them on the processor; {} ticks, the longest gap {:?}",
            ticks.get(),
            longest.get()
        );
        ticker.cancel().await.ok();
        Ok::<u128, Box<dyn std::error::Error>>(expected)
    });
    let expected = sent.expect("the real driver runs").expect("it is sent");
    let (length, hash) = receiver.join().expect("the receiver ends");
    assert_eq!((length, hash), (LENGTH, expected));
}
