//! One read at a time: who holds the right to read, and what becomes of a read that is given up.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use super::run;
use super::support::{drain, kind, pair, pattern, poll_once, settle, turns};
use twinloop::{ErrorKind, StreamTransport, sleep, spawn};

/// `peek` leaves the bytes where they are, whatever is done inside of it.
#[test]
fn bytes_that_come_inside_a_peek_are_not_lost() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"first").await?;
        while stream.peek(<[u8]>::len) < 5 {
            stream.fill().await?;
        }
        peer.write(b" second").await?;
        peer.shutdown().await?;
        settle().await;
        stream.peek(|bytes| {
            assert_eq!(bytes, b"first");
            let mut fill = stream.fill();
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = std::pin::Pin::new(&mut fill).poll(&mut context);
        });
        let rest = drain(&stream).await?;
        assert_eq!(String::from_utf8_lossy(&rest), "first second");
        Ok(())
    });
}

/// R90, R91: while a read is pending every other read is refused, and the pending one is none the worse for it.
#[test]
fn a_second_read_is_refused_and_does_not_harm_the_first() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let mut first_buffer = [0; 10];
        let mut first = stream.read_exactly(&mut first_buffer);
        assert!(poll_once(&mut first).await.is_pending());
        peer.write(b"01234").await?;
        settle().await;
        assert!(poll_once(&mut first).await.is_pending());

        let mut buffer = [9; 4];
        assert_eq!(kind(stream.read(&mut buffer).await), ErrorKind::Busy);
        assert_eq!(kind(stream.read_exactly(&mut buffer).await), ErrorKind::Busy);
        assert_eq!(kind(stream.read_until(b"4", 9).await), ErrorKind::Busy);
        assert_eq!(kind(stream.read_line(9).await), ErrorKind::Busy);
        assert_eq!(kind(stream.read_to_end(9).await), ErrorKind::Busy);
        assert_eq!(kind(stream.fill().await), ErrorKind::Busy);
        assert_eq!(buffer, [9; 4], "a refused read has touched its buffer");

        peer.write(b"56789rest").await?;
        peer.shutdown().await?;
        first.await?;
        assert_eq!(&first_buffer, b"0123456789");
        assert_eq!(drain(&stream).await?, b"rest");
        Ok(())
    });
}

/// R90: each form of reading excludes the others while it waits, and gives the right back when it is dropped.
#[test]
fn every_form_of_reading_holds_the_right_to_read_while_it_waits() {
    async fn holds<F: Future + Unpin>(stream: &StreamTransport, mut read: F) {
        assert!(poll_once(&mut read).await.is_pending());
        assert_eq!(kind(stream.fill().await), ErrorKind::Busy);
        drop(read);
        let mut again = stream.fill();
        assert!(poll_once(&mut again).await.is_pending(), "the right came back");
    }
    run(|| async {
        let (stream, _peer) = pair().await?;
        holds(&stream, stream.read(&mut [0; 4])).await;
        holds(&stream, stream.read_exactly(&mut [0; 4])).await;
        holds(&stream, stream.read_until(b"x", 9)).await;
        holds(&stream, stream.read_line(9)).await;
        holds(&stream, stream.read_to_end(9)).await;
        holds(&stream, stream.fill()).await;
        Ok(())
    });
}

/// A read that was never polled holds nothing.
#[test]
fn a_read_takes_the_right_with_its_first_poll() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let mut buffer = [0; 4];
        let unpolled = stream.read_exactly(&mut buffer);
        peer.write(b"abcd1234").await?;
        let mut first = [0; 4];
        stream.read_exactly(&mut first).await?;
        unpolled.await?;
        assert_eq!((&first, &buffer), (b"abcd", b"1234"));
        Ok(())
    });
}

/// R105: a read given up half way, in whatever form, loses no byte.
#[test]
fn a_read_given_up_loses_no_byte() {
    /// Polls `read` until five bytes have come to it, then gives it up.
    async fn give_up<F: Future + Unpin>(mut read: F) {
        for _ in 0..40 {
            assert!(poll_once(&mut read).await.is_pending());
            sleep(Duration::from_millis(1)).await;
        }
    }
    run(|| async {
        for form in 0..5 {
            let (stream, peer) = pair().await?;
            peer.write(b"01234").await?;
            let mut buffer = [0; 10];
            match form {
                0 => give_up(stream.read_exactly(&mut buffer)).await,
                1 => give_up(stream.read_until(b"9", 100)).await,
                2 => give_up(stream.read_line(100)).await,
                3 => give_up(stream.read_to_end(100)).await,
                _ => {
                    stream.read_exactly(&mut buffer[..5]).await?;
                    give_up(stream.fill()).await;
                    give_up(stream.read(&mut [0; 4])).await;
                    peer.write(b"01234").await?;
                }
            }
            peer.write(b"56789\n").await?;
            peer.shutdown().await?;
            assert_eq!(drain(&stream).await?, b"0123456789\n", "form {form}");
        }
        Ok(())
    });
}

/// R105: reads that are cancelled again and again while bytes come in lose none and double none.
#[test]
fn reads_cancelled_again_and_again_lose_no_byte() {
    const TOTAL: usize = 40_000;
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = spawn(async move {
            for part in pattern(TOTAL).chunks(1_111) {
                peer.write(part).await?;
                turns(7).await;
            }
            peer.shutdown().await
        });
        let mut all = Vec::new();
        let mut round = 0;
        while !stream.at_eof() {
            round += 1;
            // Wants more than there is, is polled a few times and dropped.
            let mut wanted = vec![0; 3_000];
            let mut exactly = stream.read_exactly(&mut wanted);
            let mut done = false;
            for _ in 0..round % 5 {
                done = matches!(poll_once(&mut exactly).await, Poll::Ready(Ok(())));
                if done {
                    break;
                }
                turns(1).await;
            }
            drop(exactly);
            if done {
                all.extend_from_slice(&wanted);
                continue;
            }
            let mut some = [0; 777];
            let count = stream.read(&mut some).await?;
            all.extend_from_slice(&some[..count]);
        }
        sending.await??;
        assert!(all == pattern(TOTAL), "{} of {TOTAL} bytes, or others", all.len());
        Ok(())
    });
}

/// R105: a cancelled task's read keeps what had come, for the next reader, which may be another task.
#[test]
fn a_cancelled_readers_bytes_go_to_the_next_reader() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let stream = std::rc::Rc::new(stream);
        let inner = std::rc::Rc::clone(&stream);
        let reader = spawn(async move { inner.read_line(100).await });
        peer.write(b"par").await?;
        settle().await;
        assert!(reader.cancel().await.is_err());
        peer.write(b"tial\n").await?;
        assert_eq!(stream.read_line(100).await?, Some(b"partial".to_vec()));
        Ok(())
    });
}
