//! Files that have nothing yet: FIFOs, read, and sent over streams.

use std::cell::Cell;
use std::error::Error;
use std::io::ErrorKind as IoErrorKind;
use std::rc::Rc;
use std::time::Duration;

use super::run;
use super::support::pair;
use super::unix::fresh_path;
use twinloop::driver::Half;
use twinloop::fs::remove_file;
use twinloop::observe::Observer;
use twinloop::transport::{create_fifo, open_fifo};
use twinloop::{ErrorKind, File, Handle, Moment, StreamTransport, TransportError, sleep, spawn};

/// A FIFO without a name, open at both ends.
async fn fifo() -> Result<(File, StreamTransport), Box<dyn Error>> {
    let path = fresh_path("sent-fifo");
    let made = create_fifo(&path, Half::Read)?;
    let reader = File::open(&path).await?;
    drop(made);
    let writer = open_fifo(&path, Half::Write)?;
    remove_file(&path).await?;
    Ok((reader, writer))
}

async fn expect(peer: &StreamTransport, bytes: &[u8]) -> Result<(), TransportError> {
    let mut read = vec![0; bytes.len()];
    peer.read_exactly(&mut read).await?;
    assert_eq!(String::from_utf8_lossy(&read), String::from_utf8_lossy(bytes));
    Ok(())
}

/// What a FIFO has, once the driver has told that it has something, or its end.
async fn read_soon(file: &File) -> Result<Vec<u8>, TransportError> {
    let mut buffer = [0; 100];
    loop {
        match file.read_at(0, &mut buffer).await {
            Ok(count) => return Ok(buffer[..count].to_vec()),
            Err(error) if error.kind() == ErrorKind::Os(IoErrorKind::WouldBlock) => {
                sleep(Duration::from_millis(1)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Counts turns without keeping the loop busy.
struct CountsTurns(Rc<Cell<usize>>);

impl Observer for CountsTurns {
    fn turn_begin(&mut self, _: Moment) {
        self.0.set(self.0.get() + 1);
    }
}

/// R117: a FIFO is sent as it is filled, and up to its end. What is behind it waits; everything else goes on.
#[test]
fn a_fifo_is_sent_as_it_is_filled() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let (file, writer) = fifo().await?;
        assert_eq!(file.length().await?, 0);
        stream.write(b"head ").await?;
        let sending = spawn(stream.write_file(&file, 0, None));
        stream.write(b"behind").detach();
        expect(&peer, b"head ").await?;
        for part in ["one ", "two ", "three "] {
            writer.write(part.as_bytes()).await?;
            expect(&peer, part.as_bytes()).await?;
        }
        drop(writer);
        assert_eq!(sending.await??, 14);
        expect(&peer, b"behind").await?;
        Ok(())
    });
}

/// While a queue waits for its file, a stream that is writable does not keep the loop busy.
#[test]
fn waiting_for_a_file_costs_no_turns() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let (file, writer) = fifo().await?;
        let sending = spawn(stream.write_file(&file, 0, Some(4)));
        let turns = Rc::new(Cell::new(0));
        Handle::current().observe(Box::new(CountsTurns(Rc::clone(&turns))));
        for _ in 0..10 {
            sleep(Duration::from_millis(2)).await;
        }
        assert!(turns.get() < 40, "{} turns for ten timers", turns.get());
        writer.write(b"data and more").await?;
        assert_eq!(sending.await??, 4);
        expect(&peer, b"data").await?;
        assert_eq!(read_soon(&file).await?, b" and more", "what was not asked for is left");
        Ok(())
    });
}

/// R115: a FIFO that is given up before anything was read of it is withdrawn, and what is behind it goes on.
#[test]
fn a_fifo_given_up_while_it_has_nothing_is_withdrawn() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let (file, writer) = fifo().await?;
        let sending = stream.write_file(&file, 0, None);
        let behind = stream.write(b"behind");
        drop(sending);
        assert_eq!(behind.await?, 6);
        expect(&peer, b"behind").await?;
        writer.write(b"kept").await?;
        assert_eq!(read_soon(&file).await?, b"kept");
        Ok(())
    });
}

/// R115: what was read of a FIFO can not be given back, so it is sent, also while the stream takes nothing.
#[test]
fn a_fifo_given_up_after_it_was_read_is_finished() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let (file, writer) = fifo().await?;
        stream.write(&vec![b'-'; 20_000_000]).detach();
        writer.write(b"read").await?;
        let sending = stream.write_file(&file, 0, None);
        let reader = spawn(async move { peer.read_to_end(usize::MAX).await });
        while sending.sent() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        drop((sending, file));
        writer.write(b" to the end").await?;
        drop(writer);
        stream.shutdown().await?;
        assert!(reader.await??.ends_with(b"-read to the end"));
        Ok(())
    });
}

/// Several streams may send from one FIFO: each byte goes over one of them.
#[test]
fn several_streams_share_a_fifo() {
    run(|| async {
        let (file, writer) = fifo().await?;
        let mut readers = Vec::new();
        for _ in 0..3 {
            let (stream, peer) = pair().await?;
            stream.write_file(&file, 0, None).detach();
            readers.push(spawn(async move {
                stream.shutdown().await?;
                peer.read_to_end(usize::MAX).await
            }));
        }
        for _ in 0..100 {
            writer.write(b"0123456789").await?;
            sleep(Duration::from_micros(10)).await;
        }
        drop(writer);
        let mut total = 0;
        for reader in readers {
            total += reader.await??.len();
        }
        assert_eq!(total, 1_000);
        Ok(())
    });
}

/// R114: a close ends the wait for a file, and nobody watches it any more.
#[test]
fn a_close_ends_the_wait_for_a_file() {
    run(|| async {
        let (file, _writer) = fifo().await?;
        for round in 0..3 {
            let (stream, _peer) = pair().await?;
            let sending = stream.write_file(&file, 0, None);
            let watched = Handle::current().pending().watchers;
            if round == 0 {
                stream.close().await;
            } else {
                drop(stream);
            }
            assert_eq!(sending.await.expect_err("the stream was closed").kind(), ErrorKind::Closed);
            assert_eq!(Handle::current().pending().watchers, watched - 1);
        }
        Ok(())
    });
}

/// A call on a file never waits: what has nothing yet says so.
#[test]
fn reading_a_fifo_that_has_nothing_yet_says_so() {
    run(|| async {
        let (file, writer) = fifo().await?;
        let refused = file.read_at(0, &mut [0; 4]).await.expect_err("nothing was written");
        assert_eq!(refused.kind(), ErrorKind::Os(IoErrorKind::WouldBlock));
        drop(writer);
        assert_eq!(read_soon(&file).await?, b"", "nobody can write any more");
        Ok(())
    });
}
