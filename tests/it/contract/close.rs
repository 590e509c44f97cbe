//! Closing a stream: everything pending ends, in an order; what the kernel has taken still arrives.

use std::rc::Rc;

use super::run;
use super::support::{Log, clog, drain, kind, pair, pattern, poll_once, queue_write, settle, turns};
use twinloop::{ErrorKind, Operation, spawn};

/// R104, R126: a pending read ends as closed, and so does every later one, in every form.
#[test]
fn closing_ends_a_pending_read_and_refuses_later_ones() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        let stream = Rc::new(stream);
        let inner = Rc::clone(&stream);
        let reader = spawn(async move { inner.read_line(100).await });
        turns(2).await;
        assert!(!stream.is_closed());
        stream.close().await;
        assert!(stream.is_closed());
        assert!(reader.is_finished(), "closed means that the reader was told");
        assert_eq!(kind(reader.await?), ErrorKind::Closed);
        let mut buffer = [0; 4];
        assert_eq!(kind(stream.read(&mut buffer).await), ErrorKind::Closed);
        assert_eq!(kind(stream.read_exactly(&mut buffer).await), ErrorKind::Closed);
        assert_eq!(kind(stream.read_until(b"x", 9).await), ErrorKind::Closed);
        assert_eq!(kind(stream.read_line(9).await), ErrorKind::Closed);
        assert_eq!(kind(stream.read_to_end(9).await), ErrorKind::Closed);
        assert_eq!(kind(stream.fill().await), ErrorKind::Closed);
        Ok(())
    });
}

/// R114: all queued writes end as closed, and a shutdown that waits for them; later ones are refused.
#[test]
fn closing_ends_every_queued_write_and_refuses_later_ones() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        clog(&stream).await;
        let mut writes = Vec::new();
        for _ in 0..100 {
            writes.push(queue_write(&stream, b"queued").await);
        }
        let shutdown = stream.shutdown();
        stream.close().await;
        for write in writes {
            let error = write.await.expect_err("the stream was closed first");
            assert_eq!((error.kind(), error.operation()), (ErrorKind::Closed, Operation::Write));
        }
        assert_eq!(kind(shutdown.await), ErrorKind::Closed);
        assert_eq!(kind(stream.write(b"late").await), ErrorKind::Closed);
        assert_eq!(kind(stream.shutdown().await), ErrorKind::Closed);
        assert_eq!(stream.queued_bytes(), 0);
        Ok(())
    });
}

/// R123: writers are told first, in the order of their writes, then the reader, then who closes.
#[test]
fn closing_tells_writers_then_the_reader_then_the_closer() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        let (stream, log) = (Rc::new(stream), Log::default());
        clog(&stream).await;
        let (inner, inner_log) = (Rc::clone(&stream), log.clone());
        let reader = spawn(async move {
            drop(inner.read_line(100).await);
            inner_log.add("reader");
        });
        turns(2).await;
        let writers: Vec<_> = ["writer1", "writer2", "writer3"]
            .into_iter()
            .map(|name| {
                let (inner, log) = (Rc::clone(&stream), log.clone());
                spawn(async move {
                    assert_eq!(kind(inner.write(b"queued").await), ErrorKind::Closed);
                    log.add(name);
                })
            })
            .collect();
        turns(2).await;
        stream.close().await;
        log.add("closer");
        assert_eq!(log.text(), "writer1 writer2 writer3 reader closer");
        reader.await?;
        for writer in writers {
            writer.await?;
        }
        Ok(())
    });
}

/// R125, against R124: closing twice does no harm, and each caller waits until all were told.
#[test]
fn every_closer_waits_for_the_end() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let (stream, log) = (Rc::new(stream), Log::default());
        let (inner, inner_log) = (Rc::clone(&stream), log.clone());
        let reader = spawn(async move {
            drop(inner.read_line(100).await);
            inner_log.add("reader");
        });
        turns(2).await;
        let (mut first, mut second) = (stream.close(), stream.close());
        assert!(poll_once(&mut first).await.is_pending());
        assert!(poll_once(&mut second).await.is_pending());
        first.await;
        second.await;
        assert_eq!(log.text(), "reader");
        stream.close().await;
        reader.await?;
        assert_eq!(drain(&peer).await?, b"");
        Ok(())
    });
}

/// R125: the stream is closed by the call; waiting for the end of it may be given up.
#[test]
fn a_close_acts_without_being_awaited() {
    run(|| async {
        let (stream, peer) = pair().await?;
        stream.write(b"last words").await?;
        drop(stream.close());
        assert!(stream.is_closed());
        assert_eq!(drain(&peer).await?, b"last words");
        assert!(stream.local_address().is_err());
        Ok(())
    });
}

/// Dropping a transport closes it.
#[test]
fn dropping_a_stream_closes_it() {
    run(|| async {
        let (stream, peer) = pair().await?;
        stream.write(b"last words").await?;
        drop(stream);
        assert_eq!(drain(&peer).await?, b"last words");
        Ok(())
    });
}

/// A write may outlive its transport: it then ends as closed.
#[test]
fn a_queued_write_ends_as_closed_when_its_stream_is_dropped() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        clog(&stream).await;
        let write = queue_write(&stream, b"queued").await;
        let shutdown = stream.shutdown();
        drop(stream);
        assert_eq!(kind(write.await), ErrorKind::Closed);
        assert_eq!(kind(shutdown.await), ErrorKind::Closed);
        Ok(())
    });
}

/// A task that waits for its write is told when another drops the stream.
#[test]
fn a_task_that_writes_is_told_when_its_stream_is_dropped() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        clog(&stream).await;
        let write = queue_write(&stream, b"queued").await;
        let writer = spawn(write);
        turns(2).await;
        drop(stream);
        turns(3).await;
        assert!(writer.is_finished(), "the drop told the writer");
        assert_eq!(kind(writer.await?), ErrorKind::Closed);
        Ok(())
    });
}

/// R127: what the kernel has taken is delivered after a close.
#[test]
fn bytes_that_the_kernel_has_taken_arrive_after_a_close() {
    const LENGTH: usize = 30_000;
    run(|| async {
        let (stream, peer) = pair().await?;
        assert_eq!(stream.write(pattern(LENGTH)).await?, LENGTH);
        stream.close().await;
        settle().await;
        assert!(drain(&peer).await? == pattern(LENGTH));
        Ok(())
    });
}

/// R127: a close does not wait for the queue; what is delivered is the beginning, without a gap.
#[test]
fn a_close_cuts_the_queue_off_without_a_gap() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let written = clog(&stream).await;
        let queued = stream.queued_bytes();
        stream.close().await;
        let all = drain(&peer).await?;
        assert_eq!(all.len(), written - queued, "what was queued is gone, and only that");
        assert!(all == pattern(all.len()));
        Ok(())
    });
}

/// Received bytes that nobody has read are gone with the close: a later look finds nothing.
#[test]
fn a_closed_stream_shows_no_bytes() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"unread").await?;
        while stream.peek(<[u8]>::len) < 6 {
            stream.fill().await?;
        }
        stream.close().await;
        assert_eq!(stream.peek(<[u8]>::len), 0);
        Ok(())
    });
}

/// A close from inside the task that reads, between two reads, is a close like any other.
#[test]
fn a_reader_may_close_its_own_stream() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"quit\n").await?;
        let reader = spawn(async move {
            let line = stream.read_line(10).await;
            stream.close().await;
            line
        });
        assert_eq!(reader.await??, Some(b"quit".to_vec()));
        assert_eq!(drain(&peer).await?, b"");
        Ok(())
    });
}
