//! The traits of `tokio::io`, without tokio's runtime.

use std::io::IoSlice;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional, split};
use twinloop::spawn;
use twinloop::transport::Buffered;

use crate::support::{pair, pattern, run};

/// A forwarder in one line, with half-close in both directions.
#[test]
fn copy_bidirectional_forwards_both_ways_and_both_ends() {
    run(|| async {
        let ((client, mut inbound), (mut outbound, server)) = (pair().await?, pair().await?);
        let forwarding = spawn(async move { copy_bidirectional(&mut inbound, &mut outbound).await });
        let (request, response) = (pattern(120_000), pattern(200_000));
        let (sent, answered) = (request.clone(), response.clone());
        let serving = spawn(async move {
            let got = server.read_to_end(1 << 20).await?;
            server.write_owned(answered).await?;
            server.shutdown().await.map(|()| got)
        });
        client.write_owned(sent).await?;
        client.shutdown().await?;
        assert!(client.read_to_end(1 << 20).await? == response);
        assert!(serving.await?? == request);
        assert_eq!(forwarding.await??, (120_000, 200_000));
        Ok(())
    });
}

/// The halves of one stream in two tasks, as tokio splits it.
#[test]
fn a_stream_is_split() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let (mut reader, mut writer) = split(stream);
        let sent = pattern(90_000);
        let expected = sent.clone();
        let sending = spawn(async move {
            writer.write_all(&sent).await?;
            writer.shutdown().await
        });
        let answering = spawn(async move {
            let got = peer.read_to_end(1 << 20).await?;
            peer.write(b"thanks").await.map(|_| got)
        });
        let mut answer = [0; 6];
        reader.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"thanks");
        assert!(answering.await?? == expected);
        sending.await??;
        Ok(())
    });
}

/// Several buffers go out in one call, and nothing else is claimed.
#[test]
fn writes_are_vectored() {
    run(|| async {
        let (stream, peer) = pair().await?;
        assert!(stream.is_write_vectored());
        let mut written = 0;
        while written < 6 {
            let rest = &b"abcdef"[written..];
            let (left, right) = rest.split_at(rest.len() / 2);
            written +=
                AsyncWriteExt::write_vectored(&mut &stream, &[IoSlice::new(left), IoSlice::new(right)])
                    .await?;
        }
        stream.shutdown().await?;
        assert_eq!(peer.read_to_end(100).await?, b"abcdef");
        Ok(())
    });
}

/// Lines by `AsyncBufRead`, from a stream that its task shares with others.
#[test]
fn lines_come_out_of_a_buffered_stream() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"first\r\nsecond\nlast").await?;
        peer.shutdown().await?;
        let mut lines = stream.buffered().lines();
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().await? {
            all.push(line);
        }
        assert_eq!(all, ["first", "second", "last"]);
        Ok(())
    });
}

/// An owned buffered stream reads its unread bytes first, and writes past them.
#[test]
fn a_buffered_stream_reads_and_writes() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"head\nbody").await?;
        let mut buffered = Buffered::new(stream);
        let mut head = String::new();
        buffered.read_line(&mut head).await?;
        buffered.write_all(b"got it").await?;
        buffered.shutdown().await?;
        assert_eq!(peer.read_to_end(100).await?, b"got it");
        peer.shutdown().await?;
        let mut body = String::new();
        buffered.read_to_string(&mut body).await?;
        assert_eq!((head.as_str(), body.as_str()), ("head\n", "body"));
        Ok(())
    });
}

/// What goes wrong comes through with its kind and the transport's error inside.
#[test]
fn errors_keep_what_they_say() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        stream.close().await;
        let error = (&stream).write_all(b"late").await.expect_err("it is closed");
        assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
        assert!(error.to_string().starts_with("write to 127.0.0.1:"), "{error}");
        Ok(())
    });
}
