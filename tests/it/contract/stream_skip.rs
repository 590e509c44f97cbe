//! Reading past what nobody wants, and onto the end of a vector that is there already.

use std::rc::Rc;
use std::task::Poll;

use super::run;
use super::support::{drain, kind, pair, pattern, poll_once, turns};
use twinloop::{ErrorKind, spawn};

/// R99: so many bytes and none more are discarded, of what is in the buffer and of what is still to come.
#[test]
fn skip_discards_exactly_so_many() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = spawn(async move {
            peer.write(pattern(300_000)).await?;
            peer.shutdown().await
        });
        let mut at = 0;
        for (skipped, read) in [(0, 1), (1, 10), (17_000, 5), (3, 3), (200_000, 100)] {
            assert_eq!(stream.skip(skipped as u64).await?, skipped as u64);
            let mut buffer = vec![0; read];
            stream.read_exactly(&mut buffer).await?;
            assert!(buffer == pattern(300_000)[at + skipped..][..read]);
            at += skipped + read;
        }
        assert!(drain(&stream).await? == pattern(300_000)[at..]);
        sending.await??;
        Ok(())
    });
}

/// R99: the end comes first if there are fewer, and the count says so; then there is nothing to skip, again and again.
#[test]
fn skip_stops_at_the_end_and_says_how_many_there_were() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"abcdef").await?;
        peer.shutdown().await?;
        assert_eq!(stream.skip(2).await?, 2);
        assert_eq!(stream.skip(5).await?, 4);
        assert!(stream.at_eof());
        assert_eq!(stream.skip(u64::MAX).await?, 0);
        assert_eq!(stream.skip(0).await?, 0);
        Ok(())
    });
}

/// R105: what a skip has not discarded is there for the next read, and it says how far it got.
#[test]
fn a_skip_given_up_says_how_far_it_got() {
    const LENGTH: usize = 60_000;
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = spawn(async move {
            for part in pattern(LENGTH).chunks(3_333) {
                peer.write(part).await?;
                turns(5).await;
            }
            peer.shutdown().await
        });
        let mut at = 0;
        while at < LENGTH - 1 {
            let mut skip = stream.skip(10_000);
            let mut done = poll_once(&mut skip).await.is_ready();
            turns(3).await;
            done |= !done && poll_once(&mut skip).await.is_ready();
            assert!(done || skip.skipped() < 10_000);
            at += skip.skipped() as usize;
            drop(skip);
            if at < LENGTH {
                let mut next = [0];
                stream.read_exactly(&mut next).await?;
                assert_eq!(next[0], pattern(LENGTH)[at]);
                at += 1;
            }
        }
        sending.await??;
        Ok(())
    });
}

/// R90, R104: a skip is a read like every other: one at a time, and closing ends it.
#[test]
fn a_skip_holds_the_right_to_read_and_ends_with_the_stream() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        let stream = Rc::new(stream);
        let inner = Rc::clone(&stream);
        let skipping = spawn(async move { inner.skip(1).await });
        turns(2).await;
        assert_eq!(kind(stream.read(&mut [0]).await), ErrorKind::Busy);
        assert_eq!(kind(stream.skip(1).await), ErrorKind::Busy);
        stream.close().await;
        assert_eq!(kind(skipping.await?), ErrorKind::Closed);
        assert_eq!(kind(stream.skip(1).await), ErrorKind::Closed);
        Ok(())
    });
}

/// R95, R97: what is read goes behind what the vector has; a read that fails, or is given up, leaves it alone.
#[test]
fn reads_go_onto_the_end_of_a_vector() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let mut text = b"> ".to_vec();
        peer.write(b"one;two").await?;
        assert_eq!(stream.read_until_into(b";", 80, &mut text).await?, 4);
        assert_eq!(kind(stream.read_until_into(b";", 3, &mut text).await), ErrorKind::Limit);
        let mut given_up = stream.read_line_into(80, &mut text);
        assert!(poll_once(&mut given_up).await.is_pending());
        drop(given_up);
        assert_eq!(text, b"> one;");

        peer.write(b"\r\n\nlast").await?;
        peer.shutdown().await?;
        for (was_line, expected) in [
            (true, &b"> one;two"[..]),
            (true, b"> one;two"),
            (true, b"> one;twolast"),
            (false, b"> one;twolast"),
        ] {
            assert_eq!(stream.read_line_into(80, &mut text).await?, was_line);
            assert_eq!(text, expected);
        }
        assert_eq!(kind(stream.read_until_into(b";", 80, &mut text).await), ErrorKind::Incomplete);
        assert_eq!(text, b"> one;twolast");
        Ok(())
    });
}

/// R105: a line that is read onto a vector is lost to nobody when the read is given up half way.
#[test]
fn a_line_given_up_is_there_for_the_next_read() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = spawn(async move {
            for byte in b"a line\nanother\n" {
                peer.write(&[*byte]).await?;
                turns(3).await;
            }
            peer.shutdown().await
        });
        let mut lines = Vec::new();
        loop {
            let polled = poll_once(&mut stream.read_line_into(80, &mut lines)).await;
            match polled {
                Poll::Ready(Ok(true)) => lines.push(b'|'),
                Poll::Ready(ended) => {
                    assert_eq!(ended, Ok(false));
                    break;
                }
                Poll::Pending => turns(1).await,
            }
        }
        assert_eq!(lines, b"a line|another|");
        sending.await??;
        Ok(())
    });
}
