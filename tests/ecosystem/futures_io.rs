//! `futures-io`: what `futures-util` makes of it.

use futures_util::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, copy};
use futures_util::{StreamExt, TryStreamExt};
use twinloop::spawn;
use twinloop::transport::Buffered;

use crate::support::{pair, pattern, run};

/// Copied from one stream to another, each byte arrives, and closing tells the end.
#[test]
fn a_copy_from_stream_to_stream_is_whole() {
    run(|| async {
        let ((source, incoming), (outgoing, sink)) = (pair().await?, pair().await?);
        let sent = pattern(300_000);
        let expected = sent.clone();
        let sending = spawn(async move {
            let mut source = source;
            source.write_all(&sent).await?;
            // The stream has a `close` of its own, which ends both directions.
            AsyncWriteExt::close(&mut source).await
        });
        let copying = spawn(async move {
            let copied = copy(&incoming, &mut &outgoing).await?;
            AsyncWriteExt::close(&mut &outgoing).await?;
            Ok::<_, std::io::Error>(copied)
        });
        assert!(sink.read_to_end(1 << 20).await? == expected);
        assert_eq!(copying.await??, 300_000);
        sending.await??;
        Ok(())
    });
}

/// Lines by `AsyncBufRead`; what it has not consumed is there for the stream's own reads.
#[test]
fn lines_come_out_of_a_buffered_stream() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = spawn(async move {
            for part in ["first li", "ne\nsecond", "\nthe rest"] {
                peer.write(part.as_bytes()).await?;
                twinloop::yield_now().await;
            }
            peer.shutdown().await
        });
        let mut buffered = Buffered::new(stream);
        let lines: Vec<String> = (&mut buffered).lines().take(2).try_collect().await?;
        assert_eq!(lines, ["first line", "second"]);
        let stream = buffered.into_inner();
        assert_eq!(stream.read_to_end(100).await?, b"the rest");
        sending.await??;
        Ok(())
    });
}

/// The halves of one stream in two tasks.
#[test]
fn a_stream_is_split() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let echo = spawn(async move { copy(&peer, &mut &peer).await });
        let (mut reader, mut writer) = stream.split();
        let sent = pattern(100_000);
        let expected = sent.clone();
        let sending = spawn(async move {
            writer.write_all(&sent).await?;
            writer.flush().await
        });
        let mut back = vec![0; 100_000];
        reader.read_exact(&mut back).await?;
        assert!(back == expected);
        sending.await??;
        drop(reader);
        assert!(echo.cancel().await.is_err(), "it waits for more");
        Ok(())
    });
}
