//! Cloning a waker is anyone's code, and the transport that is polled may be closed, read or polled again by it.
//! Whoever polls is told in that poll: it would wait for ever.

use std::cell::Cell;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use twinloop::driver::{ConnectOptions, ListenOptions};
use twinloop::fs::remove_file;
use twinloop::transport::connect_with;
use twinloop::{Address, DatagramTransport, ErrorKind, File, StreamServer, StreamTransport, TransportError};

use crate::regressions::brings;
use crate::{on_real, on_sim};

type Outcome = Result<(), Box<dyn Error>>;

fn on_both<F: Future<Output = Outcome> + 'static>(case: impl Fn() -> F + Clone + Send + 'static) {
    on_real::run(case.clone());
    on_sim::run(case);
}

/// Polls once with a waker whose clone does `bring`.
fn polled<F: Future>(future: F, bring: impl FnOnce() + 'static) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(&brings(bring)))
}

/// The operation has to wait, and the waker's clone closes what it waits for.
#[track_caller]
fn is_told_of_the_end<T>(
    operation: impl Future<Output = Result<T, TransportError>>,
    close: impl FnOnce() + 'static,
) {
    match polled(operation, close) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::Closed),
        Poll::Ready(Ok(_)) => panic!("it had nothing to succeed with"),
        Poll::Pending => panic!("nobody will ever wake it"),
    }
}

/// The two ends of a connection that takes few bytes unread.
async fn pair() -> Result<(Rc<StreamTransport>, StreamTransport), TransportError> {
    const BUFFER: u32 = 16 * 1024;
    let options = ListenOptions::default().receive_buffer(BUFFER).send_buffer(BUFFER);
    let server = StreamServer::listen_with(Address::loopback(0), &options)?;
    let options = ConnectOptions::default().receive_buffer(BUFFER).send_buffer(BUFFER);
    let stream = connect_with(server.local_address(), &options).await?;
    Ok((Rc::new(stream), server.accept().await?))
}

fn closing(stream: &Rc<StreamTransport>) -> impl FnOnce() + 'static {
    let stream = Rc::clone(stream);
    move || drop(stream.close())
}

/// R104, R105: each form of reading.
#[test]
fn a_waker_may_close_the_stream_that_is_read() {
    on_both(|| async {
        let (stream, _peer) = pair().await?;
        is_told_of_the_end(stream.read(&mut [0]), closing(&stream));
        let (stream, _peer) = pair().await?;
        is_told_of_the_end(stream.read_line(80), closing(&stream));
        let (stream, _peer) = pair().await?;
        is_told_of_the_end(poll_fn(|context| stream.poll_fill(context)), closing(&stream));
        Ok(())
    });
}

/// Who polls holds no right to read, so that the waker may take it: whoever polls is told so, and the reader is served.
#[test]
fn a_waker_may_read_the_stream_that_is_polled() {
    on_both(|| async {
        let (stream, peer) = pair().await?;
        let reader = Rc::clone(&stream);
        let begun = Rc::new(Cell::new(None));
        let read = Rc::clone(&begun);
        let polled = polled(poll_fn(|context| stream.poll_fill(context)), move || {
            let mut read_line = Box::pin(async move { reader.read_line(80).await });
            let waiting = read_line.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(waiting.is_pending());
            read.set(Some(read_line));
        });
        let Poll::Ready(Err(refused)) = polled else { panic!("another read is pending") };
        assert_eq!(refused.kind(), ErrorKind::Busy);
        peer.write(b"line\n").await?;
        let line = begun.take().expect("the waker was cloned").await?;
        assert_eq!(line.as_deref(), Some(&b"line"[..]));
        Ok(())
    });
}

/// As above, with polls inside of each other: the last is the one that is noted.
#[test]
fn a_waker_may_poll_the_stream_that_is_polled() {
    on_both(|| async {
        let (stream, peer) = pair().await?;
        let inner = Rc::clone(&stream);
        let first = polled(poll_fn(|context| stream.poll_fill(context)), move || {
            let context = Context::from_waker(Waker::noop());
            assert!(inner.poll_fill(&context).is_pending());
        });
        assert!(first.is_pending());
        peer.write(b"x").await?;
        assert_eq!(poll_fn(|context| stream.poll_fill(context)).await?, 1);
        Ok(())
    });
}

/// R114: each form of writing, and what waits for writes.
#[test]
fn a_waker_may_close_the_stream_that_is_written() {
    on_both(|| async {
        let much = vec![7; 1_000_000];
        let (stream, _peer) = pair().await?;
        is_told_of_the_end(stream.write(&much), closing(&stream));
        let (stream, _peer) = pair().await?;
        stream.write(&much).detach();
        is_told_of_the_end(stream.shutdown(), closing(&stream));
        let (stream, _peer) = pair().await?;
        stream.write(&much).detach();
        is_told_of_the_end(stream.writable(), closing(&stream));
        let (stream, _peer) = pair().await?;
        stream.write(&much).detach();
        is_told_of_the_end(poll_fn(|context| stream.poll_write(context, b"x")), closing(&stream));
        let (stream, _peer) = pair().await?;
        stream.write(&much).detach();
        is_told_of_the_end(poll_fn(|context| stream.poll_shutdown(context)), closing(&stream));

        let (stream, _peer) = pair().await?;
        stream.write(&much).detach();
        let path = std::env::temp_dir().join("twinloop-closing-wakers");
        let file = File::create(&path).await?;
        remove_file(&path).await?;
        file.set_length(1).await?;
        is_told_of_the_end(stream.write_file(&file, 0, None), closing(&stream));
        Ok(())
    });
}

/// R140, R158: accepting, and receiving datagrams.
#[test]
fn a_waker_may_close_the_socket_that_is_waited_for() {
    on_both(|| async {
        let server = Rc::new(StreamServer::listen(Address::loopback(0))?);
        let closes = Rc::clone(&server);
        is_told_of_the_end(server.accept(), move || drop(closes.close()));
        let socket = Rc::new(DatagramTransport::bind(Address::loopback(0))?);
        let closes = Rc::clone(&socket);
        is_told_of_the_end(socket.recv_from(&mut [0]), move || drop(closes.close()));
        Ok(())
    });
}

struct Told(AtomicBool);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A read that begins while the received bytes are lent finds none of them. It is told once they are back.
#[test]
fn a_read_that_began_inside_of_a_peek_is_told_of_what_it_did_not_find() {
    on_both(|| async {
        let (stream, peer) = pair().await?;
        peer.write(b"hello").await?;
        while stream.peek(<[u8]>::len) < 5 {
            stream.fill().await?;
        }
        let mut buffer = [0; 8];
        let mut read = pin!(stream.read(&mut buffer));
        let told = Arc::new(Told(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&told));
        let polled = stream.peek(|_| read.as_mut().poll(&mut Context::from_waker(&waker)));
        assert!(polled.is_pending() && told.0.load(Ordering::Relaxed));
        assert_eq!(read.await?, 5);
        Ok(())
    });
}
