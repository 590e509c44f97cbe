//! The callback form of a `DatagramTransport`: a handler that gets each datagram as its own slice.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use twinloop::{Address, DatagramTransport, ErrorKind, TransportError};

use super::run;
use super::support::{Log, LogsDrop, Turns, kind, poll_once, settle, until};

fn pair() -> Result<(DatagramTransport, DatagramTransport), TransportError> {
    let receiver = DatagramTransport::bind(Address::loopback(0))?;
    let sender = DatagramTransport::connect(receiver.local_address())?;
    Ok((receiver, sender))
}

async fn send_all(sender: &DatagramTransport, words: &[&str]) -> Result<(), TransportError> {
    for word in words {
        sender.send(word.as_bytes()).await?;
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// R151, R152: the handler is called with each datagram, in order, and sees that datagram alone.
#[test]
fn a_handler_gets_each_datagram_as_its_own_slice() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let (log, source) = (Log::default(), sender.local_address());
        let inner = log.clone();
        receiver.on_datagram(move |_, datagram| {
            let datagram = datagram.expect("nothing failed");
            assert_eq!((datagram.source, datagram.truncated), (source, false));
            inner.add(format!("<{}>", text(datagram.bytes)));
        })?;
        send_all(&sender, &["one", "", "three three"]).await?;
        until(|| log.text() == "<one> <> <three three>").await;
        Ok(())
    });
}

/// R151: it goes on until it is removed; then what comes waits to be received.
#[test]
fn a_handler_that_is_removed_is_not_called_again() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let log = Log::default();
        let inner = log.clone();
        receiver.on_datagram(move |transport, datagram| {
            inner.add(text(datagram.expect("nothing failed").bytes));
            assert!(transport.remove_handler());
            assert!(!transport.remove_handler(), "it was removed");
        })?;
        send_all(&sender, &["one", "two"]).await?;
        until(|| !receiver.has_handler()).await;
        let mut buffer = [0; 8];
        let received = receiver.recv_from(&mut buffer).await?;
        assert_eq!(text(&buffer[..received.length]), "two");
        assert_eq!(log.text(), "one");
        Ok(())
    });
}

/// A handler may put another one in its place.
#[test]
fn a_handler_may_be_replaced_from_inside() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let log = Log::default();
        let (first, second) = (log.clone(), log.clone());
        receiver.on_datagram(move |transport, datagram| {
            first.add(format!("first:{}", text(datagram.expect("nothing failed").bytes)));
            transport.remove_handler();
            let second = second.clone();
            let replaced = transport.on_datagram(move |_, datagram| {
                second.add(format!("second:{}", text(datagram.expect("nothing failed").bytes)));
            });
            replaced.expect("the first one is removed");
        })?;
        send_all(&sender, &["1", "2", "3"]).await?;
        until(|| log.text() == "first:1 second:2 second:3").await;
        Ok(())
    });
}

/// R160: closing from inside of the handler is fine, and no call follows.
#[test]
fn a_handler_may_close_the_transport() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let log = Log::default();
        let dropped = LogsDrop(log.clone(), "dropped");
        let inner = log.clone();
        receiver.on_datagram(move |transport, _| {
            let _kept = &dropped;
            inner.add("called");
            drop(transport.close());
            assert!(transport.is_closed());
            assert_eq!(log_of(transport), ErrorKind::Closed);
        })?;
        let sends = ["one", "two"].map(|word| sender.send(word.as_bytes()));
        until(|| receiver.is_closed()).await;
        settle().await;
        assert_eq!(log.text(), "called dropped");
        // The second may have been refused by then.
        for send in sends {
            drop(send.await);
        }
        Ok(())
    });
}

fn log_of(transport: &DatagramTransport) -> ErrorKind {
    kind(transport.on_datagram(|_, _| {}))
}

/// R160: the owner may drop the transport while the handler runs, which has it at hand still.
#[test]
fn a_transport_may_be_dropped_in_its_handler() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let owner = Rc::new(RefCell::new(None));
        let inner = Rc::clone(&owner);
        let closed = Rc::new(Cell::new(false));
        let seen = Rc::clone(&closed);
        receiver.on_datagram(move |transport, _| {
            let owned: Option<DatagramTransport> = inner.take();
            drop(owned);
            seen.set(transport.is_closed());
        })?;
        owner.replace(Some(receiver));
        sender.send(b"go").await?;
        until(|| closed.get()).await;
        Ok(())
    });
}

/// R154: what a datagram has caused is told to the handler once, and the next datagrams follow.
#[test]
fn a_handler_is_told_of_errors_once() {
    run(|| async {
        let transport = DatagramTransport::connect(Address::loopback(9))?;
        let errors = Rc::new(RefCell::new(Vec::new()));
        let inner = Rc::clone(&errors);
        transport.on_datagram(move |_, datagram| inner.borrow_mut().push(kind(datagram)))?;
        for count in 1..=3 {
            transport.send(b"is anybody there?").await?;
            until(|| errors.borrow().len() == count).await;
        }
        settle().await;
        assert_eq!(*errors.borrow(), [ErrorKind::Os(io::ErrorKind::ConnectionRefused); 3]);
        Ok(())
    });
}

/// R91 for datagrams: two who would take each other's datagrams are refused before anything changes.
#[test]
fn a_handler_receives_alone() {
    run(|| async {
        let (receiver, sender) = pair()?;
        {
            let mut buffer = [0; 8];
            let mut waiting = receiver.recv_from(&mut buffer);
            assert!(poll_once(&mut waiting).await.is_pending());
            assert_eq!(kind(receiver.on_datagram(|_, _| {})), ErrorKind::Busy);
            sender.send(b"hello").await?;
            assert_eq!(waiting.await?.length, 5);
        }
        receiver.on_datagram(|_, _| {})?;
        assert_eq!(kind(receiver.on_datagram(|_, _| {})), ErrorKind::Busy);
        assert_eq!(kind(receiver.recv_from(&mut [0; 8]).await), ErrorKind::Busy);
        assert!(receiver.remove_handler());
        sender.send(b"again").await?;
        assert_eq!(receiver.recv_from(&mut [0; 8]).await?.length, 5);
        Ok(())
    });
}

/// R107: a burst is handed over in several turns, so that everything else has its turn as well.
#[test]
fn a_burst_is_spread_over_several_turns() {
    run(|| async {
        const BURST: usize = 100;
        let (receiver, sender) = pair()?;
        for _ in 0..BURST {
            sender.send(b"x").await?;
        }
        settle().await;
        let turns = Rc::new(Turns::counted());
        let calls = Rc::new(RefCell::new(Vec::new()));
        let (counted, called) = (Rc::clone(&turns), Rc::clone(&calls));
        receiver.on_datagram(move |_, _| called.borrow_mut().push(counted.so_far()))?;
        until(|| calls.borrow().len() == BURST).await;
        let calls = calls.borrow();
        let most = calls.chunk_by(|one, other| one == other).map(<[usize]>::len).max();
        assert!(most <= Some(64), "{most:?} datagrams between two turns of another task");
        Ok(())
    });
}

/// R151: a handler goes with its transport.
#[test]
fn a_handler_is_dropped_with_its_transport() {
    run(|| async {
        let log = Log::default();
        let (receiver, _sender) = pair()?;
        let dropped = LogsDrop(log.clone(), "dropped");
        receiver.on_datagram(move |_, _| {
            let _kept = &dropped;
        })?;
        drop(receiver);
        assert_eq!(log.text(), "dropped");
        Ok(())
    });
}
