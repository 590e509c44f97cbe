//! Framing by `tokio-util`'s codecs: a `Sink` and a `Stream` of messages on a stream.

use futures_util::{SinkExt, StreamExt, TryStreamExt};
use tokio_util::bytes::Bytes;
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec};
use twinloop::spawn;

use crate::support::{pair, pattern, run};

/// Messages of all sizes there and back.
#[test]
fn messages_go_there_and_back() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let echo = spawn(async move {
            let (sink, stream) = Framed::new(peer, LengthDelimitedCodec::new()).split();
            stream.map_ok(|message| message.freeze()).forward(sink).await
        });
        let mut framed = Framed::new(stream, LengthDelimitedCodec::new());
        for length in [0, 1, 5, 70_000, 20_000, 3] {
            let message = pattern(length);
            framed.send(Bytes::from(message.clone())).await?;
            let back = framed.next().await.expect("the echo is there")?;
            assert!(back == message[..], "{length} bytes");
        }
        SinkExt::<Bytes>::close(&mut framed).await?;
        assert!(framed.next().await.is_none(), "the echo has seen the end");
        echo.await??;
        Ok(())
    });
}

/// Lines of a codec on one side, of the stream itself on the other.
#[test]
fn a_codec_and_the_streams_own_lines_agree() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let mut framed = Framed::new(stream, LinesCodec::new());
        framed.send("to the stream").await?;
        assert_eq!(peer.read_line(80).await?, Some(b"to the stream".to_vec()));
        peer.write(b"to the codec\r\n").await?;
        assert_eq!(framed.next().await.expect("a line has come")?, "to the codec");
        Ok(())
    });
}
