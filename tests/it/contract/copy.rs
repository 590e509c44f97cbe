//! Carrying bytes from stream to stream: all of them, the ends too, and none is lost by giving up.

use std::pin::pin;

use twinloop::transport::{copy, copy_bidirectional};
use twinloop::{Either, ErrorKind, JoinHandle, StreamTransport, TransportError, join, race, spawn};

use super::run;
use super::support::{drain, kind, more_than_the_kernel_takes, pair, pattern, poll_once, settle, turns};

type Copied = Result<(u64, u64), TransportError>;

/// Two connections, and a task that carries between the near ends of both.
async fn bridge() -> Result<(StreamTransport, StreamTransport, JoinHandle<Copied>), TransportError> {
    let ((left, near_left), (right, near_right)) = (pair().await?, pair().await?);
    let copying = spawn(async move { copy_bidirectional(&near_left, &near_right).await });
    Ok((left, right, copying))
}

#[test]
fn both_directions_are_carried_whole_and_end_one_by_one() {
    run(|| async {
        const MUCH: usize = 300_000;
        let (left, right, copying) = bridge().await?;
        let say = async |stream: &StreamTransport, bytes: &'static [u8]| {
            stream.write(bytes).await?;
            stream.shutdown().await
        };
        let (there, heard) = join(say(&left, pattern(MUCH)), drain(&right)).await;
        there?;
        assert!(heard? == pattern(MUCH));
        // The other direction is as open as before.
        let (back, heard) = join(say(&right, b"all of it"), drain(&left)).await;
        back?;
        assert_eq!(heard?, b"all of it");
        assert_eq!(copying.await??, (MUCH as u64, 9));
        Ok(())
    });
}

/// A peer that does not read stops who is read: what is carried is not kept without a bound.
#[test]
fn who_does_not_read_stops_who_writes() {
    run(|| async {
        let (left, right, copying) = bridge().await?;
        let much = 3 * more_than_the_kernel_takes().await?;
        let mut write = left.write_owned(pattern(much).to_vec());
        settle().await;
        assert!(poll_once(&mut write).await.is_pending(), "somebody keeps all of it");
        let reader = spawn(async move {
            right.skip(u64::MAX).await?;
            right.shutdown().await
        });
        write.await?;
        left.shutdown().await?;
        reader.await??;
        assert_eq!(copying.await??, (much as u64, 0));
        Ok(())
    });
}

/// What was taken off the one stream and not yet taken by the other is written after all.
#[test]
fn giving_up_loses_no_byte() {
    run(|| async {
        const MUCH: usize = 1_000_000;
        let ((source, from), (to, sink)) = (pair().await?, pair().await?);
        let heard = spawn(async move { drain(&sink).await });
        let said = spawn(async move {
            source.write(pattern(MUCH)).await?;
            source.shutdown().await
        });
        let mut given_up = 0;
        while let Either::Right(()) = race(copy(&from, &to), turns(2)).await {
            given_up += 1;
        }
        assert!(given_up > 0, "it was never given up");
        said.await??;
        assert!(heard.await?? == pattern(MUCH));
        Ok(())
    });
}

/// The first failure ends it, and the other direction with it.
#[test]
fn a_failure_is_told_at_once() {
    run(|| async {
        let ((left, near_left), (_right, near_right)) = (pair().await?, pair().await?);
        let mut copying = pin!(copy_bidirectional(&near_left, &near_right));
        assert!(poll_once(&mut copying).await.is_pending());
        near_right.close().await;
        assert_eq!(kind(copying.await), ErrorKind::Closed);
        drop(left);
        Ok(())
    });
}
