//! Writing to streams: order, totals, withdrawal, shutting down, errors.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::run;
use super::support::{
    clog, drain, kind, more_than_the_kernel_takes, pair, pattern, poll_once, queue_write, settle, turns,
};
use twinloop::{ErrorKind, Operation, StreamTransport, TransportError, sleep, spawn};

/// R109: writes leave in the order of the calls, whoever calls, whatever their sizes, borrowed or owned.
#[test]
fn a_thousand_writes_of_several_tasks_leave_in_the_order_of_the_calls() {
    const WRITERS: usize = 4;
    const WRITES: usize = 250;
    run(|| async {
        let (stream, peer) = pair().await?;
        let (stream, expected) = (Rc::new(stream), Rc::new(RefCell::new(Vec::new())));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (stream, expected) = (Rc::clone(&stream), Rc::clone(&expected));
                spawn(async move {
                    for number in 0..WRITES {
                        let size = (writer * 7_919 + number * 104_729) % 900;
                        let message = format!("<{writer}:{number}:{}>", "x".repeat(size)).into_bytes();
                        expected.borrow_mut().extend_from_slice(&message);
                        let length = message.len();
                        let write = match number % 2 {
                            0 => stream.write(&message),
                            _ => stream.write_owned(message),
                        };
                        if number % 3 == 0 {
                            write.detach();
                        } else {
                            assert_eq!(write.await?, length);
                        }
                    }
                    Ok::<(), TransportError>(())
                })
            })
            .collect();
        let reader = spawn(async move { drain(&peer).await });
        for writer in writers {
            writer.await??;
        }
        stream.shutdown().await?;
        assert!(reader.await?? == *expected.borrow());
        Ok(())
    });
}

/// R108: what the kernel takes at once is written by the call, without a turn.
#[test]
fn a_write_that_fits_is_done_without_a_turn() {
    run(|| async {
        let (stream, peer) = pair().await?;
        for byte in b"hello" {
            // One byte can not be cut short.
            assert_eq!(poll_once(&mut stream.write(&[*byte])).await, Poll::Ready(Ok(1)));
        }
        let mut word = [0; 5];
        peer.read_exactly(&mut word).await?;
        assert_eq!(&word, b"hello");
        Ok(())
    });
}

/// R110: a write is done when the kernel has all of it, and its result is the number of its bytes (Nim #73).
#[test]
fn a_large_write_to_a_slow_reader_is_written_in_full() {
    run(|| async {
        let total = 3 * more_than_the_kernel_takes().await? - 1;
        let (stream, peer) = pair().await?;
        let reader = spawn(async move {
            let (mut all, mut buffer) = (Vec::new(), vec![0; 100_000]);
            loop {
                match peer.read(&mut buffer).await? {
                    0 => return Ok::<_, TransportError>(all),
                    count => all.extend_from_slice(&buffer[..count]),
                }
                if all.len() % 7 == 0 {
                    sleep(Duration::from_micros(50)).await;
                }
            }
        });
        assert_eq!(stream.write_owned(pattern(total).to_vec()).await?, total);
        stream.close().await;
        let all = reader.await??;
        assert!(all == pattern(total), "{} of {total} bytes, or others", all.len());
        Ok(())
    });
}

/// R110: borrowed bytes need not live on: what is not sent at once is copied.
#[test]
fn borrowed_bytes_may_change_after_the_call() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let mut bytes = *b"as it was";
        let write = stream.write(&bytes);
        bytes.fill(b'!');
        let reader = spawn(async move { drain(&peer).await });
        assert_eq!(write.await?, 9);
        stream.close().await;
        assert_eq!(reader.await??[prefix..], *b"as it was");
        Ok(())
    });
}

/// R111: an empty write is done at once, and behind a queue it does not disturb it.
#[test]
fn an_empty_write_is_done_with_zero() {
    run(|| async {
        let (stream, peer) = pair().await?;
        assert_eq!(stream.write(b"").await?, 0);
        assert_eq!(stream.write_owned(Vec::new()).await?, 0);
        let prefix = clog(&stream).await;
        assert_eq!(stream.write(b"").await?, 0);
        let last = queue_write(&stream, b"last").await;
        let reader = spawn(async move { drain(&peer).await });
        assert_eq!(last.await?, 4);
        stream.close().await;
        let all = reader.await??;
        assert_eq!(all.len(), prefix + 4);
        Ok(())
    });
}

/// Against R92: nothing is received in advance, so that a peer that does not read stops the writer; and nothing is counted
/// as written that is not.
#[test]
fn a_peer_that_does_not_read_stops_the_writer() {
    run(|| async {
        let (stream, peer) = pair().await?;
        assert_eq!(stream.queued_bytes(), 0);
        clog(&stream).await;
        let before = stream.queued_bytes();
        let mut write = queue_write(&stream, &[7; 1000]).await;
        assert_eq!(stream.queued_bytes(), before + 1000);
        settle().await;
        assert!(poll_once(&mut write).await.is_pending());
        let reader = spawn(async move { drain(&peer).await });
        assert_eq!(write.await?, 1000);
        assert_eq!(stream.queued_bytes(), 0);
        stream.close().await;
        reader.await??;
        Ok(())
    });
}

/// R115: a write that is given up before its first byte left is withdrawn whole; those around it are sent.
#[test]
fn a_write_given_up_before_its_first_byte_is_withdrawn() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let first = queue_write(&stream, b"first ").await;
        let withdrawn = queue_write(&stream, &[b'!'; 5000]).await;
        let second = queue_write(&stream, b"second ").await;
        let unpolled = stream.write(b"unpolled!!!");
        let third = stream.write_owned(b"third".to_vec());
        let queued = stream.queued_bytes();
        drop(withdrawn);
        assert_eq!(stream.queued_bytes(), queued - 5000);
        drop(unpolled);
        assert_eq!(stream.queued_bytes(), queued - 5011);
        let reader = spawn(async move { drain(&peer).await });
        assert_eq!((third.await?, first.await?, second.await?), (5, 6, 7));
        stream.close().await;
        let all = reader.await??;
        assert!(all[..prefix] == *pattern(prefix));
        assert_eq!(String::from_utf8_lossy(&all[prefix..]), "first second third");
        Ok(())
    });
}

/// R115, R116: a write that has begun is finished although it is given up, with its own bytes, before those behind it.
#[test]
fn a_write_given_up_after_its_first_byte_is_finished() {
    run(|| async {
        let large = 2 * more_than_the_kernel_takes().await?;
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let before = stream.queued_bytes();
        let begun = queue_write(&stream, pattern(large)).await;
        let (mut all, mut buffer) = (Vec::new(), vec![0; 10_000]);
        while stream.queued_bytes() >= large {
            let count = peer.read(&mut buffer).await?;
            all.extend_from_slice(&buffer[..count]);
        }
        assert!(before > 0 && stream.queued_bytes() > 0, "some of its bytes have left, and not all");
        drop(begun);
        let behind = stream.write(b"behind");
        let reader = spawn(async move { drain(&peer).await });
        assert_eq!(behind.await?, 6);
        stream.close().await;
        all.extend_from_slice(&reader.await??);
        assert_eq!(all.len(), prefix + large + 6);
        assert!(all[prefix..prefix + large] == *pattern(large));
        assert_eq!(&all[prefix + large..], b"behind");
        Ok(())
    });
}

/// R115: the same of a write that began in the call itself.
#[test]
fn a_write_begun_by_its_call_is_finished() {
    run(|| async {
        let large = 2 * more_than_the_kernel_takes().await?;
        let (stream, peer) = pair().await?;
        drop(stream.write(pattern(large)));
        assert!(stream.queued_bytes() < large, "its first bytes left in the call");
        let reader = spawn(async move { drain(&peer).await });
        stream.shutdown().await?;
        assert!(reader.await?? == pattern(large));
        Ok(())
    });
}

/// R115: cancelling a task that writes withdraws or finishes; nothing in between, wherever it is cancelled.
#[test]
fn a_cancelled_writer_leaves_whole_messages() {
    const MESSAGE: usize = 3_000;
    run(|| async {
        let (stream, peer) = pair().await?;
        let stream = Rc::new(stream);
        let prefix = clog(&stream).await;
        let reader = spawn(async move {
            let (mut all, mut buffer) = (Vec::new(), vec![0; 30_000]);
            loop {
                match peer.read(&mut buffer).await? {
                    0 => return Ok::<_, TransportError>(all),
                    count => all.extend_from_slice(&buffer[..count]),
                }
                turns(2).await;
            }
        });
        for number in 0..60u8 {
            let inner = Rc::clone(&stream);
            let writer = spawn(async move { inner.write(&[number; MESSAGE]).await });
            turns(usize::from(number) % 6).await;
            drop(writer.cancel().await);
        }
        stream.write(b"end").await?;
        stream.close().await;
        let all = reader.await??;
        let (messages, end) = all[prefix..].split_at(all.len() - prefix - 3);
        assert_eq!(end, b"end");
        let mut last = None;
        for message in messages.chunks(MESSAGE) {
            assert_eq!(message.len(), MESSAGE);
            assert!(message.iter().all(|byte| *byte == message[0]), "a message is whole");
            assert!(last < Some(message[0]), "messages leave in the order of the calls, once");
            last = Some(message[0]);
        }
        Ok(())
    });
}

/// `detach` leaves a write queued: it is sent, and nobody waits for it.
#[test]
fn a_detached_write_is_sent() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        queue_write(&stream, b"polled ").await.detach();
        stream.write(b"unpolled").detach();
        let reader = spawn(async move { drain(&peer).await });
        stream.shutdown().await?;
        assert_eq!(String::from_utf8_lossy(&reader.await??[prefix..]), "polled unpolled");
        Ok(())
    });
}

/// R122: a shutdown sends what is queued first; the peer sees every byte and then the end.
#[test]
fn shutdown_sends_the_queue_first() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let queued = 2 * prefix;
        stream.write_owned(pattern(queued).to_vec()).detach();
        let mut shutdown = stream.shutdown();
        assert!(poll_once(&mut shutdown).await.is_pending());
        let reader = spawn(async move {
            let all = drain(&peer).await?;
            peer.write(b"seen").await?;
            Ok::<_, TransportError>(all)
        });
        shutdown.await?;
        assert_eq!(stream.queued_bytes(), 0);
        assert_eq!(stream.read_to_end(10).await?, b"seen", "reading goes on after a shutdown");
        let all = reader.await??;
        assert_eq!(all.len(), prefix + queued);
        assert!(all[prefix..] == *pattern(queued));
        Ok(())
    });
}

/// R122: from the call of shutdown on, writes are refused, while the queue is still sent and after.
#[test]
fn writes_after_shutdown_are_refused() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let queued = queue_write(&stream, b"queued").await;
        let shutdown = stream.shutdown();
        let error = stream.write(b"late").await.expect_err("writing was shut down");
        assert_eq!((error.kind(), error.operation()), (ErrorKind::ShutDown, Operation::Write));
        let reader = spawn(async move { drain(&peer).await });
        shutdown.await?;
        assert_eq!(queued.await?, 6);
        assert_eq!(kind(stream.write_owned(b"later".to_vec()).await), ErrorKind::ShutDown);
        assert_eq!(String::from_utf8_lossy(&reader.await??[prefix..]), "queued");
        Ok(())
    });
}

/// R122: dropping the future does not undo a shutdown, and a second one waits for the same end.
#[test]
fn a_shutdown_goes_on_without_its_future_and_may_be_repeated() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        drop(stream.shutdown());
        let mut second = stream.shutdown();
        assert!(poll_once(&mut second).await.is_pending());
        let reader = spawn(async move { drain(&peer).await });
        second.await?;
        assert_eq!(reader.await??.len(), prefix);
        stream.shutdown().await?;
        Ok(())
    });
}

/// R122: withdrawing the last queued write lets a shutdown that waits for it go on.
#[test]
fn a_withdrawn_write_does_not_hold_a_shutdown_up() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let withdrawn = queue_write(&stream, b"withdrawn").await;
        let shutdown = stream.shutdown();
        drop(withdrawn);
        let reader = spawn(async move { drain(&peer).await });
        shutdown.await?;
        assert_eq!(reader.await??.len(), prefix);
        Ok(())
    });
}

/// Section 5 `half_close_echo`: both directions end by themselves.
#[test]
fn a_half_closed_stream_still_gets_its_reply() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let echo = spawn(async move {
            let all = drain(&peer).await?;
            peer.write_owned(all).await?;
            peer.shutdown().await
        });
        stream.write(b"request").await?;
        stream.shutdown().await?;
        assert_eq!(drain(&stream).await?, b"request");
        assert_eq!(kind(stream.write(b"more").await), ErrorKind::ShutDown);
        echo.await??;
        Ok(())
    });
}

/// Writes to a peer that is gone until one fails.
async fn write_until_error(stream: &StreamTransport) -> TransportError {
    for _ in 0..10 {
        if let Err(error) = stream.write(b"anybody there?").await {
            return error;
        }
        settle().await;
    }
    panic!("ten writes to a peer that is gone have succeeded");
}

/// Against R112: a peer that is gone is an error with the system's number within some writes, and from then on.
#[test]
fn writing_to_a_peer_that_is_gone_fails_with_the_systems_number_and_for_ever() {
    run(|| async {
        let (stream, peer) = pair().await?;
        drop(peer);
        let error = write_until_error(&stream).await;
        assert!(matches!(error.kind(), ErrorKind::Os(_)), "{error}");
        assert!(error.code().is_some());
        assert_eq!((error.operation(), error.address()), (Operation::Write, Some(stream.remote_address())));
        for _ in 0..3 {
            assert_eq!(stream.write(b"again").await, Err(error.clone()));
        }
        let shutdown = stream.shutdown().await.expect_err("the stream has failed");
        assert_eq!((shutdown.kind(), shutdown.operation()), (error.kind(), Operation::Shutdown));
        Ok(())
    });
}

/// R113, against R112: when the peer resets, every queued write and a waiting shutdown fail; none succeeds with zero.
#[test]
fn a_reset_fails_every_queued_write_and_the_shutdown() {
    run(|| async {
        let (stream, peer) = pair().await?;
        clog(&stream).await;
        let mut writes = Vec::new();
        for _ in 0..5 {
            writes.push(queue_write(&stream, b"queued").await);
        }
        let mut shutdown = stream.shutdown();
        assert!(poll_once(&mut shutdown).await.is_pending());
        // Bytes that the peer never read make its close a reset.
        peer.close().await;
        for write in writes {
            let error = write.await.expect_err("the peer is gone");
            assert!(matches!(error.kind(), ErrorKind::Os(_)), "{error}");
            assert!(error.code().is_some());
        }
        assert!(matches!(kind(shutdown.await), ErrorKind::Os(_)));
        assert!(matches!(kind(stream.shutdown().await), ErrorKind::Os(_)));
        assert_eq!(stream.queued_bytes(), 0, "nothing is queued on a stream that has failed");
        Ok(())
    });
}

/// R113, R122: a shutdown that waits alone learns of a reset as well.
#[test]
fn a_reset_fails_a_shutdown_that_nobody_waits_beside() {
    run(|| async {
        let (stream, peer) = pair().await?;
        clog(&stream).await;
        let shutdown = spawn(stream.shutdown());
        settle().await;
        peer.close().await;
        assert!(matches!(kind(shutdown.await?), ErrorKind::Os(_)));
        Ok(())
    });
}

/// R110: the result of a write that was handed over is its length, whenever it is asked for.
#[test]
fn a_write_that_is_done_says_so_after_the_stream_was_closed() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let write = queue_write(&stream, b"handed over").await;
        let reader = spawn(async move { drain(&peer).await });
        while stream.queued_bytes() > 0 {
            turns(1).await;
        }
        stream.close().await;
        assert_eq!(write.await?, 11);
        assert_eq!(reader.await??.len(), prefix + 11);
        Ok(())
    });
}

/// R110, the same when the transport itself is dropped.
#[test]
fn a_write_that_is_done_says_so_after_the_stream_was_dropped() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let write = queue_write(&stream, b"handed over").await;
        let reader = spawn(async move { drain(&peer).await });
        while stream.queued_bytes() > 0 {
            turns(1).await;
        }
        drop(stream);
        assert_eq!(reader.await??.len(), prefix + 11);
        assert_eq!(write.await?, 11);
        Ok(())
    });
}

/// A stream goes on after its queue was full and empty again, many times.
#[test]
fn a_stream_that_was_full_goes_on() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let mut total = 0;
        for _ in 0..2 {
            let clogged = clog(&stream).await;
            let mut left = clogged;
            let mut buffer = vec![0; 100_000];
            while left > 0 {
                left -= peer.read(&mut buffer).await?;
            }
            assert_eq!(stream.queued_bytes(), 0);
            total += clogged;
            assert_eq!(stream.write(b"x").await?, 1);
            assert_eq!(peer.read(&mut buffer).await?, 1);
        }
        assert!(total > 0);
        Ok(())
    });
}

/// Two peers that both write more than the kernel holds, and read meanwhile, do not lock each other up.
#[test]
fn both_directions_flow_at_the_same_time() {
    async fn exchange(stream: StreamTransport, total: usize) -> Result<Vec<u8>, TransportError> {
        let write = stream.write(pattern(total));
        let mut received = vec![0; total];
        stream.read_exactly(&mut received).await?;
        assert_eq!(write.await?, total);
        Ok(received)
    }
    run(|| async {
        let total = more_than_the_kernel_takes().await?;
        let (stream, peer) = pair().await?;
        let other = spawn(exchange(peer, total));
        assert!(exchange(stream, total).await? == pattern(total));
        assert!(other.await?? == pattern(total));
        Ok(())
    });
}
