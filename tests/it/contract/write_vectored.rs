//! Writes whose bytes lie in several places.

use std::io::IoSlice;

use super::run;
use super::support::{clog, drain, more_than_the_kernel_takes, pair, pattern, poll_once};
use twinloop::{ErrorKind, Operation, spawn};

fn slices<'a>(parts: &[&'a [u8]]) -> Vec<IoSlice<'a>> {
    parts.iter().map(|part| IoSlice::new(part)).collect()
}

/// R108, R110: the parts leave as one write, in order; empty ones do no harm.
#[test]
fn parts_are_written_in_order_as_one() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let parts: [&[u8]; 5] = [b"", b"one ", b"", b"two ", b"three"];
        assert_eq!(stream.write_vectored(&slices(&parts)).await?, 13);
        assert_eq!(stream.write_vectored(&[]).await?, 0);
        assert_eq!(stream.write_vectored(&slices(&[b"", b""])).await?, 0);
        stream.close().await;
        assert_eq!(drain(&peer).await?, b"one two three");
        Ok(())
    });
}

/// R110: more parts than a system takes in one call, and more bytes than it takes, are written in full.
#[test]
fn many_parts_are_written_in_full() {
    run(|| async {
        let total = more_than_the_kernel_takes().await?;
        let (stream, peer) = pair().await?;
        let reader = spawn(async move { drain(&peer).await });
        let parts: Vec<&[u8]> = pattern(total).chunks(total / 3_000).collect();
        assert_eq!(stream.write_vectored(&slices(&parts)).await?, total);
        stream.close().await;
        assert!(reader.await?? == pattern(total));
        Ok(())
    });
}

/// R109, R115: behind others it waits as one write, and is withdrawn as one.
#[test]
fn parts_that_wait_are_one_write() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let queued = stream.queued_bytes();
        let mut withdrawn = stream.write_vectored(&slices(&[b"with", b"drawn"]));
        let kept = stream.write_vectored(&slices(&[b"ke", b"", b"pt"]));
        assert!(poll_once(&mut withdrawn).await.is_pending());
        assert_eq!(stream.queued_bytes(), queued + 13);
        drop(withdrawn);
        assert_eq!(stream.queued_bytes(), queued + 4);
        let reader = spawn(async move { drain(&peer).await });
        assert_eq!(kept.await?, 4);
        stream.close().await;
        assert_eq!(reader.await??[prefix..], *b"kept");
        Ok(())
    });
}

/// Against R112: what can not be written is told as for every write.
#[test]
fn parts_are_refused_as_every_write() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        stream.shutdown().await?;
        let error = stream.write_vectored(&slices(&[b"late"])).await.expect_err("writing was shut down");
        assert_eq!((error.kind(), error.operation()), (ErrorKind::ShutDown, Operation::Write));
        Ok(())
    });
}
