//! High- and low-water marks: when a queue of writes is full, and when it may be filled again.

use super::files::file_with;
use super::run;
use super::support::{clog, drain, kind, pair, pattern, poll_once, settle, turns};
use twinloop::{ErrorKind, StreamTransport, TransportError, spawn};

/// Reads until no more than `most` bytes are queued at the other end; says how many were read.
async fn read_until_queued(
    peer: &StreamTransport,
    stream: &StreamTransport,
    most: usize,
) -> Result<usize, TransportError> {
    let (mut total, mut buffer) = (0, [0; 1000]);
    while stream.queued_bytes() > most {
        total += peer.read(&mut buffer).await?;
        turns(20).await;
    }
    Ok(total)
}

/// A queue is writable below its high mark. Once it has reached it, it is again when it has fallen to the low one, not
/// before.
#[test]
fn a_full_queue_is_writable_again_at_its_low_mark() {
    run(|| async {
        let (stream, peer) = pair().await?;
        assert!(stream.is_writable());
        clog(&stream).await;
        let queued = stream.queued_bytes();
        let (low, high) = (queued + 1_000, queued + 5_000);
        stream.set_water_marks(low, high);
        stream.writable().await?;
        stream.write(&[7; 4_999]).detach();
        assert!(stream.is_writable(), "one byte is still missing");
        stream.writable().await?;
        stream.write(&[7; 1]).detach();
        assert!(!stream.is_writable());

        let mut waits = [stream.writable(), stream.writable()];
        for wait in &mut waits {
            assert!(poll_once(wait).await.is_pending());
        }
        drop(stream.writable());
        read_until_queued(&peer, &stream, low).await?;
        assert!(stream.is_writable());
        for wait in waits {
            wait.await?;
        }
        Ok(())
    });
}

/// Without a word the queue is full at 64 KiB, and to be filled again at 16 KiB.
#[test]
fn a_queue_has_marks_from_the_beginning() {
    run(|| async {
        let (stream, peer) = pair().await?;
        clog(&stream).await;
        let missing = (64 << 10) - stream.queued_bytes().min((64 << 10) - 1);
        if missing > 1 {
            stream.write(&pattern(missing)[1..]).detach();
            assert!(stream.is_writable());
        }
        stream.write(&[7; 1]).detach();
        assert!(!stream.is_writable());
        read_until_queued(&peer, &stream, (16 << 10) + 1).await?;
        let was_low = stream.queued_bytes() <= 16 << 10;
        assert_eq!(stream.is_writable(), was_low);
        read_until_queued(&peer, &stream, 16 << 10).await?;
        assert!(stream.is_writable());
        Ok(())
    });
}

/// Withdrawing a write lowers the queue as well as sending it does.
#[test]
fn a_withdrawn_write_makes_room() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        clog(&stream).await;
        let queued = stream.queued_bytes();
        stream.set_water_marks(queued, queued + 100);
        let withdrawn = stream.write(&[7; 100]);
        let mut wait = stream.writable();
        assert!(poll_once(&mut wait).await.is_pending());
        drop(withdrawn);
        assert!(stream.is_writable());
        wait.await?;
        Ok(())
    });
}

/// New marks count at once.
#[test]
fn new_marks_count_at_once() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        clog(&stream).await;
        let queued = stream.queued_bytes();
        stream.set_water_marks(0, queued);
        assert!(!stream.is_writable());
        let waiting = stream.writable();
        let waiter = spawn(waiting);
        settle().await;
        stream.set_water_marks(queued, queued + 1);
        assert!(stream.is_writable());
        waiter.await??;
        Ok(())
    });
}

/// A file that is queued counts for nothing: its bytes are in no memory of ours.
#[test]
fn a_queued_file_fills_no_queue() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let queued = stream.queued_bytes();
        stream.set_water_marks(queued, queued + 1);
        let sending = stream.write_file(&file_with(pattern(100_000)).await?, 0, None);
        assert_eq!(stream.queued_bytes(), queued);
        stream.writable().await?;
        let reader = spawn(async move { drain(&peer).await });
        assert_eq!(sending.await?, 100_000);
        stream.close().await;
        assert_eq!(reader.await??.len(), prefix + 100_000);
        Ok(())
    });
}

/// Who waits to fill the queue is told when the stream is closed or shut down, and when its peer is gone.
#[test]
fn the_end_of_the_stream_ends_the_wait() {
    run(|| async {
        type End = fn(&StreamTransport);
        let ends: [(End, ErrorKind); 2] = [
            (|stream| drop(stream.close()), ErrorKind::Closed),
            (|stream| drop(stream.shutdown()), ErrorKind::ShutDown),
        ];
        for (end, told) in ends {
            let (stream, _peer) = pair().await?;
            clog(&stream).await;
            stream.set_water_marks(0, 1);
            let waiter = spawn(stream.writable());
            settle().await;
            end(&stream);
            assert_eq!(kind(waiter.await?), told);
            assert_eq!(kind(stream.writable().await), told);
        }

        let (stream, peer) = pair().await?;
        clog(&stream).await;
        stream.set_water_marks(0, 1);
        let waiter = spawn(stream.writable());
        settle().await;
        peer.close().await;
        assert!(matches!(kind(waiter.await?), ErrorKind::Os(_)));
        Ok(())
    });
}

/// A transport that is dropped tells who waits; a wait that is given up leaves nothing.
#[test]
fn a_dropped_transport_ends_the_wait() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        clog(&stream).await;
        stream.set_water_marks(0, 1);
        let mut given_up = stream.writable();
        assert!(poll_once(&mut given_up).await.is_pending());
        let mut unpolled = stream.writable();
        let waiter = spawn(stream.writable());
        settle().await;
        drop(given_up);
        drop(stream);
        assert_eq!(kind(waiter.await?), ErrorKind::Closed);
        assert_eq!(kind((&mut unpolled).await), ErrorKind::Closed);
        Ok(())
    });
}
