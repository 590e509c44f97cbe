//! Reading what a function finds: when it is called, what it is shown, and what becomes of the bytes.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::run;
use super::support::{drain, kind, pair, pattern, poll_once, settle, turns, until};
use twinloop::{ErrorKind, Operation, StreamTransport, TransportError, panic_text, sleep, spawn};

/// A byte that says how many follow, and these.
fn word(bytes: &[u8], _ended: bool) -> Option<(usize, Vec<u8>)> {
    let length = usize::from(*bytes.first()?);
    Some((1 + length, bytes.get(1..=length)?.to_vec()))
}

/// R100: messages come out one by one, however their bytes came in; what no message took is there for other reads.
#[test]
fn read_with_gives_message_by_message() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = spawn(async move {
            for part in [&b"\x05"[..], b"hel", b"lo\x03", b"bye\0", b"\x01xrest"] {
                peer.write(part).await?;
                sleep(Duration::from_millis(2)).await;
            }
            peer.shutdown().await
        });
        for expected in [&b"hello"[..], b"bye", b"", b"x"] {
            assert_eq!(stream.read_with(100, word).await?, expected);
        }
        assert_eq!(drain(&stream).await?, b"rest");
        sending.await??;
        Ok(())
    });
}

/// R100: a function that needs more is called again when more has come and not before; at the end it is told so, once.
#[test]
fn read_with_calls_again_only_when_more_has_come() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let stream = Rc::new(stream);
        let calls: Rc<RefCell<Vec<(usize, bool)>>> = Rc::default();
        let (inner, noted) = (Rc::clone(&stream), Rc::clone(&calls));
        let reader = spawn(async move {
            let never = |bytes: &[u8], ended: bool| -> Option<(usize, ())> {
                noted.borrow_mut().push((bytes.len(), ended));
                None
            };
            let mut read = inner.read_with(100, never);
            loop {
                // Polled all the time, and not only when it asked for it.
                match poll_once(&mut read).await {
                    Poll::Ready(outcome) => break kind(outcome),
                    Poll::Pending => turns(1).await,
                }
            }
        });
        settle().await;
        assert!(calls.borrow().is_empty(), "nothing has come yet");
        for part in [b"ab", b"cd"] {
            peer.write(part).await?;
            settle().await;
        }
        peer.shutdown().await?;
        assert_eq!(reader.await?, ErrorKind::Incomplete);
        let calls = calls.take();
        let (last, others) = calls.split_last().expect("it was called");
        assert_eq!(*last, (4, true));
        assert!(others.is_sorted_by(|a, b| a.0 < b.0), "each call has more to see: {calls:?}");
        assert!(others.iter().all(|(_, ended)| !ended), "the end came last: {calls:?}");
        assert_eq!(drain(&stream).await?, b"abcd", "what came stays readable");
        Ok(())
    });
}

/// R100: at the end a function may be content with what is there, also with nothing.
#[test]
fn read_with_at_the_end_may_be_content() {
    fn all(bytes: &[u8], ended: bool) -> Option<(usize, Option<Vec<u8>>)> {
        ended.then(|| (bytes.len(), Some(bytes.to_vec()).filter(|bytes| !bytes.is_empty())))
    }
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"last words").await?;
        peer.close().await;
        assert_eq!(stream.read_with(100, all).await?, Some(b"last words".to_vec()));
        assert_eq!(stream.read_with(100, all).await?, None);
        assert_eq!(stream.read_with(100, all).await?, None);
        let error = stream.read_with(100, word).await.expect_err("there is no word any more");
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Incomplete, Operation::Read));
        Ok(())
    });
}

/// R100: at the limit it makes no difference whether the end, which stands right behind, has been seen by then.
#[test]
fn read_with_looks_for_no_end_behind_its_limit() {
    fn all(bytes: &[u8], ended: bool) -> Option<(usize, Vec<u8>)> {
        ended.then(|| (bytes.len(), bytes.to_vec()))
    }
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"four").await?;
        assert_eq!(kind(stream.read_with(4, all).await), ErrorKind::Limit, "its end is not known");
        peer.shutdown().await?;
        assert_eq!(stream.fill().await?, 0);
        assert_eq!(kind(stream.read_with(4, all).await), ErrorKind::Limit, "its end is known");
        assert_eq!(stream.read_with(5, all).await?, b"four");
        Ok(())
    });
}

/// R100: no more bytes than the limit are shown, and if they are not enough that is an error; all stay readable.
#[test]
fn read_with_shows_no_more_than_its_limit() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"\x05hello!").await?;
        peer.shutdown().await?;
        for limit in 0..6 {
            let shown_word = |bytes: &[u8], ended: bool| {
                assert!(bytes.len() <= limit && !ended, "the stream goes on behind the limit");
                word(bytes, ended)
            };
            assert_eq!(kind(stream.read_with(limit, shown_word).await), ErrorKind::Limit, "limit {limit}");
        }
        assert_eq!(stream.read_with(6, word).await?, b"hello");
        assert_eq!(drain(&stream).await?, b"!");
        Ok(())
    });
}

/// A wrong message is a value: the function says how much of it is to go.
#[test]
fn a_wrong_message_is_a_value() {
    fn digits(bytes: &[u8], _ended: bool) -> Option<(usize, Result<u32, u8>)> {
        let end = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
        Some(match bytes[end] {
            b' ' => (end + 1, Ok(bytes[..end].iter().fold(0, |n, digit| 10 * n + u32::from(digit - b'0')))),
            wrong => (0, Err(wrong)),
        })
    }
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"17 4x").await?;
        assert_eq!(stream.read_with(100, digits).await?, Ok(17));
        assert_eq!(stream.read_with(100, digits).await?, Err(b'x'));
        peer.close().await;
        assert_eq!(drain(&stream).await?, b"4x", "nothing was taken of it");
        Ok(())
    });
}

/// R105: a read that is given up has taken no byte, however often its function was called.
#[test]
fn read_with_given_up_loses_no_byte() {
    const LENGTH: usize = 30_000;
    run(|| async {
        let (stream, peer) = pair().await?;
        let sending = spawn(async move {
            for part in pattern(LENGTH).chunks(777) {
                peer.write(part).await?;
                turns(5).await;
            }
            peer.shutdown().await
        });
        let mut all = Vec::new();
        let mut round = 0;
        while all.len() < LENGTH {
            round += 1;
            let wanted = (LENGTH - all.len()).min(1_500);
            let enough = |bytes: &[u8], _| Some((wanted, bytes.get(..wanted)?.to_vec()));
            let mut read = stream.read_with(LENGTH, enough);
            for _ in 0..round % 4 {
                if let Poll::Ready(part) = poll_once(&mut read).await {
                    all.extend_from_slice(&part?);
                    break;
                }
                turns(1).await;
            }
        }
        assert!(all == pattern(LENGTH));
        sending.await??;
        Ok(())
    });
}

/// R90: while it waits no other read can begin, also not from inside of its function; peeking goes on.
#[test]
fn read_with_holds_the_right_to_read() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let inside: RefCell<Vec<ErrorKind>> = RefCell::default();
        let two = |bytes: &[u8], _| {
            let mut fill = stream.fill();
            match Pin::new(&mut fill).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => inside.borrow_mut().push(kind(outcome)),
                Poll::Pending => panic!("a second read was let in"),
            }
            (bytes.len() >= 2).then_some((2, ()))
        };
        let mut read = stream.read_with(100, two);
        assert!(poll_once(&mut read).await.is_pending());
        assert_eq!(kind(stream.fill().await), ErrorKind::Busy);
        peer.write(b"a").await?;
        until_shown(&stream, &mut read, b"a").await;
        peer.write(b"bc").await?;
        read.await?;
        assert!(inside.take().iter().all(|kind| *kind == ErrorKind::Busy));
        peer.close().await;
        assert_eq!(drain(&stream).await?, b"c");
        Ok(())
    });
}

/// Polls `read`, which goes on waiting, until `bytes` have come.
async fn until_shown<T>(
    stream: &StreamTransport,
    read: &mut (impl Future<Output = Result<T, TransportError>> + Unpin),
    bytes: &[u8],
) {
    while stream.peek(<[u8]>::len) < bytes.len() {
        assert!(poll_once(read).await.is_pending());
        turns(1).await;
    }
    stream.peek(|there| assert_eq!(there, bytes));
}

/// Closing from inside of the function ends the stream, and nothing else.
#[test]
fn a_function_may_close_its_stream() {
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"ab").await?;
        let closes = |bytes: &[u8], _| {
            let _told = stream.close();
            (bytes.len() >= 100).then_some((0, ()))
        };
        assert_eq!(kind(stream.read_with(1000, closes).await), ErrorKind::Closed);
        assert!(stream.is_closed());
        Ok(())
    });
}

/// A panic of the function costs no byte, and the right to read comes back.
#[test]
fn a_function_that_panics_takes_nothing() {
    type Parse = fn(&[u8], bool) -> Option<(usize, ())>;
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"\x02hi").await?;
        while stream.peek(<[u8]>::len) < 3 {
            stream.fill().await?;
        }
        let panicking: [Parse; 2] =
            [|_, _| panic!("what a strange byte"), |bytes, _| Some((bytes.len() + 1, ()))];
        for (parse, words) in panicking.into_iter().zip(["what a strange byte", "took 4 bytes of the 3"]) {
            let mut read = stream.read_with(100, parse);
            let mut context = Context::from_waker(Waker::noop());
            let told = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut read).poll(&mut context)));
            let panic = told.expect_err("it panics");
            assert!(panic_text(&*panic).contains(words), "{}", panic_text(&*panic));
        }
        assert_eq!(stream.read_with(100, word).await?, b"hi");
        Ok(())
    });
}

/// R104: closing ends it as closed.
#[test]
fn closing_ends_a_read_with() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        let stream = Rc::new(stream);
        let inner = Rc::clone(&stream);
        let reader = spawn(async move { inner.read_with(100, word).await });
        turns(2).await;
        stream.close().await;
        until(|| reader.is_finished()).await;
        assert_eq!(kind(reader.await?), ErrorKind::Closed);
        assert_eq!(kind(stream.read_with(100, word).await), ErrorKind::Closed);
        Ok(())
    });
}
