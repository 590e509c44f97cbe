//! Reading from streams: what each form gives, at its end, at its limit and after an error.

use std::time::Duration;

use super::run;
use super::support::{Log, Turns, drain, kind, pair, pattern, settle, turns, until};
use twinloop::{ErrorKind, Operation, StreamTransport, TransportError, sleep, spawn};

/// Sends `parts` one by one, with time between them, so that they come one by one; then ends the direction.
fn trickle(peer: StreamTransport, parts: &'static [&'static [u8]]) -> twinloop::JoinHandle<StreamTransport> {
    spawn(async move {
        for part in parts {
            peer.write(part).await.expect("the reader is there");
            sleep(Duration::from_millis(2)).await;
        }
        peer.shutdown().await.expect("the reader is there");
        peer
    })
}

/// R93: some bytes as soon as there are any, at most as many as asked for; then the end, again and again.
#[test]
fn read_gives_what_is_there_and_then_the_end_for_ever() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"abcdefghijklmnopqrstuvwxyz").await?;
        peer.close().await;
        let (mut all, mut buffer) = (Vec::new(), [0; 3]);
        loop {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
        assert_eq!(all, b"abcdefghijklmnopqrstuvwxyz");
        for _ in 0..3 {
            assert_eq!(stream.read(&mut buffer).await?, 0);
            assert_eq!(stream.fill().await?, 0);
            assert_eq!(stream.read_line(10).await?, None);
            assert_eq!(stream.read_to_end(10).await?, b"");
            assert_eq!(kind(stream.read_until(b"x", 10).await), ErrorKind::Incomplete);
            assert_eq!(kind(stream.read_exactly(&mut buffer).await), ErrorKind::Incomplete);
        }
        Ok(())
    });
}

/// R93: a read does not wait for more than the first byte.
#[test]
fn read_does_not_wait_to_fill_its_buffer() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"x").await?;
        let mut buffer = [0; 1024];
        assert_eq!(stream.read(&mut buffer).await?, 1);
        Ok(())
    });
}

/// R94: exactly as many as asked for, however the bytes come; none at once.
#[test]
fn read_exactly_fills_its_buffer() {
    run(|| async {
        let (stream, peer) = pair().await?;
        stream.read_exactly(&mut []).await?;
        let sending = trickle(peer, &[b"he", b"l", b"lo wor", b"ld!"]);
        let (mut first, mut second) = ([0; 5], [0; 7]);
        stream.read_exactly(&mut first).await?;
        stream.read_exactly(&mut second).await?;
        assert_eq!((&first, &second), (b"hello", b" world!"));
        sending.await?;
        Ok(())
    });
}

/// R94, section 1: the end before the last byte is an error, and what came stays readable.
#[test]
fn read_exactly_that_ends_early_keeps_what_came() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = trickle(peer, &[b"abc", b"defg"]);
        let mut buffer = [0; 8];
        let error = stream.read_exactly(&mut buffer).await.expect_err("one byte is missing");
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Incomplete, Operation::Read));
        assert!(!stream.at_eof());
        assert_eq!(drain(&stream).await?, b"abcdefg");
        sending.await?;
        Ok(())
    });
}

/// R95: up to and with the separator, and no byte further.
#[test]
fn read_until_gives_its_separator_and_leaves_the_rest() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = trickle(peer, &[b"key: val", b"ue\r", b"\n\r", b"\nbo", b"dy"]);
        assert_eq!(stream.read_until(b"\r\n\r\n", 100).await?, b"key: value\r\n\r\n");
        assert_eq!(drain(&stream).await?, b"body");
        sending.await?;
        Ok(())
    });
}

/// R96: a separator is found wherever it stands, also right behind its own beginning, in one piece or byte by byte.
#[test]
fn separators_behind_their_own_beginnings_are_found() {
    const CASES: [(&[u8], &[u8]); 6] = [
        (b"x\r\r\n", b"\r\n"),
        (b"\r\r\r\r\n", b"\r\n"),
        (b"aaab", b"aab"),
        (b"ababababc", b"ababc"),
        (b"--bound--boundary", b"--boundary"),
        (b"\n", b"\n"),
    ];
    run(|| async {
        for (message, separator) in CASES {
            for step in 1..=message.len() {
                let (stream, peer) = pair().await?;
                let sending = spawn(async move {
                    for part in message.chunks(step) {
                        peer.write(part).await?;
                        turns(40).await;
                    }
                    peer.write(b"rest").await?;
                    peer.shutdown().await
                });
                assert_eq!(stream.read_until(separator, 100).await?, message);
                assert_eq!(drain(&stream).await?, b"rest");
                sending.await??;
            }
        }
        Ok(())
    });
}

/// Section 5 `until_2600_bytes`: separators across the boundaries of the stream's own buffer.
#[test]
fn read_until_finds_separators_across_buffer_boundaries() {
    run(|| async {
        let (stream, peer) = pair().await?;
        // Lengths around the 16 KiB that one receive takes, so that separators straddle each boundary.
        let lengths = [16_381, 16_382, 16_383, 16_384, 16_385, 2_600, 32_766, 1, 0, 5];
        let messages: Vec<Vec<u8>> = lengths
            .iter()
            .map(|length| {
                let mut message: Vec<u8> = pattern(*length).iter().map(|byte| b'a' + byte % 26).collect();
                message.extend_from_slice(b"\r\n");
                message
            })
            .collect();
        let sent = messages.concat();
        let sending = spawn(async move {
            peer.write_owned(sent).await?;
            peer.shutdown().await
        });
        for message in messages {
            assert!(stream.read_until(b"\r\n", 40_000).await? == message);
        }
        assert_eq!(drain(&stream).await?, b"");
        sending.await??;
        Ok(())
    });
}

/// R95: the limit counts the separator; what came before it struck stays readable.
#[test]
fn read_until_stops_at_its_limit_and_keeps_what_came() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"12345\r\nrest").await?;
        assert_eq!(kind(stream.read_until(b"\r\n", 0).await), ErrorKind::Limit);
        assert_eq!(kind(stream.read_until(b"\r\n", 5).await), ErrorKind::Limit);
        assert_eq!(kind(stream.read_until(b"\r\n", 6).await), ErrorKind::Limit);
        assert_eq!(stream.read_until(b"\r\n", 7).await?, b"12345\r\n");
        peer.shutdown().await?;
        assert_eq!(kind(stream.read_until(b"\r\n", 100).await), ErrorKind::Incomplete);
        assert_eq!(drain(&stream).await?, b"rest");
        Ok(())
    });
}

/// R95, R97: a limit strikes when so many bytes have come; it does not wait for one more.
#[test]
fn a_limit_strikes_with_the_last_byte_it_allows() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"12345").await?;
        assert_eq!(kind(stream.read_until(b"\r\n", 5).await), ErrorKind::Limit);
        assert_eq!(kind(stream.read_line(5).await), ErrorKind::Limit);
        peer.write(b"6").await?;
        assert_eq!(kind(stream.read_to_end(5).await), ErrorKind::Limit);
        peer.shutdown().await?;
        assert_eq!(stream.read_to_end(6).await?, b"123456");
        Ok(())
    });
}

/// R97, R98: lines end with CR LF or LF; every other byte is theirs, a lone CR too.
#[test]
fn read_line_keeps_every_byte_but_the_ending() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = trickle(
            peer,
            &[b"first\r", b"\na\rb\n\n", b"\r\n\rx\r\r", b"\nDATA\r\r\r\r", b"\r\nlast without end\r"],
        );
        let expected: [&[u8]; 7] =
            [b"first", b"a\rb", b"", b"", b"\rx\r", b"DATA\r\r\r\r", b"last without end\r"];
        for line in expected {
            let read = stream.read_line(80).await?;
            assert_eq!(read.as_deref(), Some(line), "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(stream.read_line(80).await?, None);
        assert_eq!(stream.read_line(80).await?, None);
        sending.await?;
        Ok(())
    });
}

/// R97: a line's limit counts its ending; a line that is too long stays readable.
#[test]
fn read_line_stops_at_its_limit_and_keeps_the_line() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"hello\r\nx").await?;
        for limit in [0, 1, 5, 6] {
            assert_eq!(kind(stream.read_line(limit).await), ErrorKind::Limit, "limit {limit}");
        }
        assert_eq!(stream.read_line(7).await?, Some(b"hello".to_vec()));
        peer.shutdown().await?;
        assert_eq!(stream.read_line(2).await?, Some(b"x".to_vec()));
        Ok(())
    });
}

/// R99: everything until the end, and not one byte more than the limit allows; what came stays readable.
#[test]
fn read_to_end_gives_all_or_keeps_all() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = spawn(async move {
            peer.write(pattern(100_000)).await?;
            peer.shutdown().await
        });
        assert_eq!(kind(stream.read_to_end(99_999).await), ErrorKind::Limit);
        assert!(stream.read_to_end(100_000).await? == pattern(100_000));
        sending.await??;
        Ok(())
    });
}

/// R100 as twinloop has it: `fill`, `peek` and `consume` parse in place: bytes stay until they are consumed, in their order.
#[test]
fn fill_peek_and_consume_work_in_place() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = trickle(peer, &[b"\x05", b"hel", b"lo\x03", b"bye"]);
        let mut words = Vec::new();
        loop {
            let word = stream.peek(|bytes| {
                let length = usize::from(*bytes.first()?);
                bytes.get(1..=length).map(<[u8]>::to_vec)
            });
            if let Some(word) = word {
                stream.consume(1 + word.len());
                words.push(word);
                continue;
            }
            let length = stream.peek(<[u8]>::len);
            let came = stream.fill().await?;
            assert_eq!(stream.peek(<[u8]>::len), length + came, "fill says how many came");
            if came == 0 {
                break;
            }
        }
        assert_eq!(words, [&b"hello"[..], &b"bye"[..]]);
        assert!(stream.at_eof());
        sending.await?;
        Ok(())
    });
}

/// What `fill` has taken in is there for every other form of reading.
#[test]
fn other_reads_go_on_where_fill_and_consume_stopped() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"xxone two\nthree").await?;
        peer.shutdown().await?;
        while stream.peek(<[u8]>::len) < 9 {
            stream.fill().await?;
        }
        stream.consume(2);
        let mut three = [0; 3];
        stream.read_exactly(&mut three).await?;
        assert_eq!(&three, b"one");
        assert_eq!(stream.read_line(80).await?, Some(b" two".to_vec()));
        assert_eq!(drain(&stream).await?, b"three");
        Ok(())
    });
}

/// R101: the end is seen once every byte before it is read, and not before it was told.
#[test]
fn at_eof_comes_after_the_last_byte() {
    run(|| async {
        let (stream, peer) = pair().await?;
        assert!(!stream.at_eof());
        peer.write(b"ab").await?;
        peer.close().await;
        settle().await;
        assert!(!stream.at_eof(), "nothing was read");
        while stream.fill().await? > 0 {}
        assert!(!stream.at_eof(), "bytes are left");
        stream.consume(1);
        assert!(!stream.at_eof(), "one byte is left");
        stream.consume(1);
        assert!(stream.at_eof());
        Ok(())
    });
}

/// R103: what came before an error is read first; the error is told again and again, with its number.
#[test]
fn a_read_error_comes_after_the_bytes_and_sticks() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"before").await?;
        until_filled(&stream, 6).await?;
        reset(&stream, peer).await?;
        let first = loop {
            match stream.fill().await {
                Ok(0) => panic!("a reset is no end of the stream"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(first.kind(), ErrorKind::Os(_)), "{first}");
        assert!(first.code().is_some());
        assert_eq!(first.operation(), Operation::Read);
        let mut six = [0; 6];
        stream.read_exactly(&mut six).await?;
        assert_eq!(&six, b"before");
        for _ in 0..3 {
            assert_eq!(stream.read(&mut six).await, Err(first.clone()));
            assert_eq!(stream.fill().await, Err(first.clone()));
            assert_eq!(stream.read_line(9).await, Err(first.clone()));
        }
        assert!(!stream.at_eof(), "an error is no end of the stream");
        Ok(())
    });
}

async fn until_filled(stream: &StreamTransport, length: usize) -> Result<(), TransportError> {
    while stream.peek(<[u8]>::len) < length {
        stream.fill().await?;
    }
    Ok(())
}

/// Has `stream` reset: its peer closes with bytes unread.
async fn reset(stream: &StreamTransport, peer: StreamTransport) -> Result<(), TransportError> {
    stream.write(b"never read").await?;
    settle().await;
    peer.close().await;
    Ok(())
}

/// Against R102: a reset is an error and not the end; a pending read of one task is ended by it as well.
#[test]
fn a_reset_ends_a_pending_read() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let stream = std::rc::Rc::new(stream);
        let inner = std::rc::Rc::clone(&stream);
        let reader = spawn(async move { inner.read_line(100).await });
        turns(3).await;
        reset(&stream, peer).await?;
        assert!(matches!(kind(reader.await?), ErrorKind::Os(_)));
        Ok(())
    });
}

/// R93, R94: a large transfer comes out as it went in, whatever the sizes of the reads.
#[test]
fn a_large_transfer_arrives_unchanged_through_reads_of_all_sizes() {
    const TOTAL: usize = 300_000;
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = spawn(async move {
            peer.write(pattern(TOTAL)).await?;
            peer.shutdown().await
        });
        let (mut all, mut size) = (Vec::new(), 1);
        while all.len() < TOTAL {
            let mut buffer = vec![0; size];
            if size % 3 == 0 && all.len() + size <= TOTAL {
                stream.read_exactly(&mut buffer).await?;
                all.extend_from_slice(&buffer);
            } else {
                let count = stream.read(&mut buffer).await?;
                all.extend_from_slice(&buffer[..count]);
            }
            size = size * 5 % 40_009 + 1;
        }
        assert!(all == pattern(TOTAL));
        assert_eq!(stream.read(&mut [0]).await?, 0);
        sending.await??;
        Ok(())
    });
}

/// Many streams read at the same time, each by its own task, do not mix.
#[test]
fn streams_do_not_mix() {
    run(|| async {
        let log = Log::default();
        let mut readers = Vec::new();
        let mut peers = Vec::new();
        for number in 0..20u8 {
            let (stream, peer) = pair().await?;
            let log = log.clone();
            readers.push(spawn(async move {
                let line = stream.read_line(100).await;
                log.add("line");
                line
            }));
            peers.push((number, peer));
        }
        for (number, peer) in peers.iter().rev() {
            peer.write(format!("stream {number}\n").as_bytes()).await?;
        }
        until(|| log.count("line") == 20).await;
        for (number, reader) in readers.into_iter().enumerate() {
            assert_eq!(reader.await??, Some(format!("stream {number}").into_bytes()));
        }
        Ok(())
    });
}

/// R106, the seam: events may be spurious, and late; a read ends when bytes have come and a write when they were taken.
#[test]
fn streams_in_a_busy_loop_are_not_fooled_by_spurious_events() {
    run(|| async {
        let _busy = Turns::counted();
        let (stream, peer) = pair().await?;
        let echo = spawn(async move {
            while let Some(line) = peer.read_line(1000).await? {
                peer.write_owned([&line[..], b"!\n"].concat()).await?;
            }
            peer.shutdown().await
        });
        for number in 0..30 {
            stream.write(format!("ping {number}\n").as_bytes()).await?;
            assert_eq!(stream.read_line(1000).await?, Some(format!("ping {number}!").into_bytes()));
        }
        stream.shutdown().await?;
        assert_eq!(stream.read_line(1000).await?, None);
        echo.await??;
        Ok(())
    });
}
