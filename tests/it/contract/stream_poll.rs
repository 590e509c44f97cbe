//! Streams by polling, as the traits of other libraries use them, and beside tasks that await.

use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::run;
use super::support::{
    clog, drain, kind, pair, pattern, poll_once, queue_write, settle, turns, until, with_foreign_wakers,
};
use twinloop::transport::Buffered;
use twinloop::{ErrorKind, StreamTransport, TransportError, spawn};

/// Polls `poll` once, with a waker that nobody minds.
fn now<T>(poll: impl FnOnce(&Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&Context::from_waker(Waker::noop()))
}

async fn poll_read(stream: &StreamTransport, buffer: &mut [u8]) -> Result<usize, TransportError> {
    poll_fn(|context| stream.poll_read(context, buffer)).await
}

async fn poll_write_all(stream: &StreamTransport, mut bytes: &[u8]) -> Result<(), TransportError> {
    while !bytes.is_empty() {
        let count = poll_fn(|context| stream.poll_write(context, bytes)).await?;
        assert!(0 < count && count <= bytes.len());
        bytes = &bytes[count..];
    }
    Ok(())
}

/// R93, R110: what is written by polling on one side is read by polling on the other, then the end, again and again.
#[test]
fn bytes_go_through_by_polling_alone() {
    const LENGTH: usize = 1_500_000;
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = spawn(with_foreign_wakers(async move {
            poll_write_all(&peer, pattern(LENGTH)).await?;
            poll_fn(|context| peer.poll_shutdown(context)).await?;
            poll_fn(|context| peer.poll_shutdown(context)).await
        }));
        let (mut all, mut buffer) = (Vec::new(), vec![0; 40_000]);
        loop {
            match poll_read(&stream, &mut buffer).await? {
                0 => break,
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
        assert!(all == pattern(LENGTH));
        assert_eq!(poll_read(&stream, &mut buffer).await?, 0);
        assert_eq!(poll_fn(|context| stream.poll_fill(context)).await?, 0);
        sending.await??;
        Ok(())
    });
}

/// R105, R109: polls and awaited reads take turns on one stream, and no byte is lost between them.
#[test]
fn polls_and_awaited_reads_take_turns() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"a line\nfive!and the rest").await?;
        peer.shutdown().await?;
        while stream.peek(<[u8]>::len) < 3 {
            poll_fn(|context| stream.poll_fill(context)).await?;
        }
        let mut first = [0];
        assert_eq!(poll_read(&stream, &mut first).await?, 1);
        assert_eq!(stream.read_line(80).await?, Some(b" line".to_vec()));
        assert_eq!(poll_read(&stream, &mut []).await?, 0);
        let mut five = [0; 5];
        stream.read_exactly(&mut five).await?;
        assert_eq!((first, &five), (*b"a", b"five!"));
        assert_eq!(drain(&stream).await?, b"and the rest");
        Ok(())
    });
}

/// R90: a poll is refused while a read is pending, and one that waits is told when a read begins. The read is none the worse.
#[test]
fn a_poll_gives_way_to_a_read() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let stream = Rc::new(stream);
        let inner = Rc::clone(&stream);
        let poller = spawn(async move { poll_read(&inner, &mut [0; 8]).await });
        turns(3).await;
        assert!(!poller.is_finished());
        let mut line = stream.read_line(80);
        assert!(poll_once(&mut line).await.is_pending());
        until(|| poller.is_finished()).await;
        assert_eq!(kind(poller.await?), ErrorKind::Busy);
        assert!(now(|context| stream.poll_fill(context)).is_ready());
        peer.write(b"line\n").await?;
        assert_eq!(line.await?, Some(b"line".to_vec()));
        assert!(now(|context| stream.poll_read(context, &mut [0])).is_pending(), "the right came back");
        Ok(())
    });
}

/// R104, R114: closing ends what is polled for, as closed.
#[test]
fn closing_ends_what_is_polled_for() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        clog(&stream).await;
        let stream = Rc::new(stream);
        let (reading, writing) = (Rc::clone(&stream), Rc::clone(&stream));
        let reader = spawn(async move { poll_read(&reading, &mut [0; 8]).await });
        let writer = spawn(async move { poll_write_all(&writing, b"never").await });
        turns(3).await;
        stream.close().await;
        assert_eq!(kind(reader.await?), ErrorKind::Closed);
        assert_eq!(kind(writer.await?), ErrorKind::Closed);
        let refused = [
            now(|context| stream.poll_write(context, b"")).map_ok(|_| ()),
            now(|context| stream.poll_flush(context)),
            now(|context| stream.poll_shutdown(context)),
            now(|context| stream.poll_fill(context)).map_ok(|_| ()),
        ];
        for poll in refused {
            assert!(matches!(poll, Poll::Ready(Err(error)) if error.kind() == ErrorKind::Closed));
        }
        Ok(())
    });
}

/// R109: a poll never overtakes what is queued; it goes on when the queue has left.
#[test]
fn a_polled_write_waits_for_the_queue() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let stream = Rc::new(stream);
        let clogged = clog(&stream).await;
        let queued = queue_write(&stream, b"queued ").await;
        assert!(now(|context| stream.poll_write(context, b"polled")).is_pending());
        assert!(now(|context| stream.poll_flush(context)).is_pending());
        let inner = Rc::clone(&stream);
        let writer = spawn(async move {
            poll_write_all(&inner, b"polled").await?;
            poll_fn(|context| inner.poll_flush(context)).await?;
            poll_fn(|context| inner.poll_shutdown(context)).await
        });
        let all = drain(&peer).await?;
        assert!(all[..clogged] == *pattern(clogged));
        assert_eq!(&all[clogged..], b"queued polled");
        assert_eq!(queued.await?, 7);
        writer.await??;
        Ok(())
    });
}

/// R115: when the last queued write is withdrawn, who polls is told.
#[test]
fn a_polled_flush_ends_when_the_queue_is_withdrawn() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let stream = Rc::new(stream);
        let mut refusals = 0;
        while refusals < 2 {
            let polled = now(|context| stream.poll_write(context, pattern(100_000)));
            refusals = if polled.is_pending() { refusals + 1 } else { 0 };
            settle().await;
        }
        // The kernel is full and nothing is queued: this write has not begun.
        let withdrawn = queue_write(&stream, b"withdrawn").await;
        let inner = Rc::clone(&stream);
        let flushing = spawn(async move { poll_fn(|context| inner.poll_flush(context)).await });
        turns(3).await;
        assert!(!flushing.is_finished());
        drop(withdrawn);
        until(|| flushing.is_finished()).await;
        flushing.await??;
        drop(peer);
        Ok(())
    });
}

/// Several buffers leave in one go and in their order; short counts are counts.
#[test]
fn vectored_polls_keep_the_order_of_their_buffers() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let parts: Vec<&[u8]> = pattern(30_000).chunks(1_000).collect();
        let mut sent = 0;
        while sent < 30_000 {
            let skipped = sent / 1_000;
            let mut buffers: Vec<IoSlice<'_>> =
                parts[skipped..].iter().map(|part| IoSlice::new(part)).collect();
            buffers[0] = IoSlice::new(&parts[skipped][sent % 1_000..]);
            sent += poll_fn(|context| stream.poll_write_vectored(context, &buffers)).await?;
        }
        assert_eq!(poll_fn(|context| stream.poll_write_vectored(context, &[])).await?, 0);
        let mut mostly_empty = vec![IoSlice::new(b""); 100];
        mostly_empty.push(IoSlice::new(b"x"));
        assert_eq!(poll_fn(|context| stream.poll_write_vectored(context, &mostly_empty)).await?, 1);
        poll_fn(|context| stream.poll_shutdown(context)).await?;
        let all = drain(&peer).await?;
        assert!(all[..30_000] == *pattern(30_000) && all[30_000..] == *b"x");
        assert_eq!(kind(poll_fn(|context| stream.poll_write(context, b"late")).await), ErrorKind::ShutDown);
        Ok(())
    });
}

/// A stream with its bytes at hand gives slices of what came, and what is not consumed is there for whoever reads next.
#[test]
fn a_buffered_stream_gives_slices_and_gives_them_back() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"ab").await?;
        while stream.peek(<[u8]>::len) < 2 {
            stream.fill().await?;
        }
        let stream = Rc::new(stream);
        let mut buffered = Buffered::new(Rc::clone(&stream));
        assert_eq!(buffered.unread(), b"ab");
        assert_eq!(stream.peek(<[u8]>::len), 0, "the bytes are in one place");
        buffered.consume(1);
        peer.write(b"cdef").await?;
        peer.shutdown().await?;
        settle().await;
        stream.fill().await?;
        assert_eq!(poll_fn(|context| buffered.poll_fill(context).map_ok(<[u8]>::to_vec)).await?, b"b");
        let mut byte = [0; 9];
        assert_eq!(poll_fn(|context| buffered.poll_read(context, &mut byte)).await?, 1);
        let slice = poll_fn(|context| buffered.poll_fill(context).map_ok(<[u8]>::to_vec)).await?;
        assert!(b"cdef".starts_with(&slice[..]) && !slice.is_empty());
        buffered.consume(1);
        drop(buffered);
        assert_eq!(drain(&stream).await?, b"def");
        let mut at_end = stream.buffered();
        assert_eq!(poll_fn(|context| at_end.poll_fill(context).map_ok(<[u8]>::len)).await?, 0);
        Ok(())
    });
}
