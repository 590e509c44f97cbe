//! Sends of a `DatagramTransport`: their order, waiting, withdrawing, and what a close does to them.

use std::io;

use twinloop::transport::SendDatagram;
use twinloop::{Address, DatagramTransport, ErrorKind, TransportError};

use super::run;
use super::support::{kind, turns, until};

/// More than a turn's budget, and less than any receive buffer holds.
const MANY: u8 = 100;

fn pair() -> Result<(DatagramTransport, DatagramTransport), TransportError> {
    let receiver = DatagramTransport::bind(Address::loopback(0))?;
    let sender = DatagramTransport::connect(receiver.local_address())?;
    Ok((receiver, sender))
}

async fn next(transport: &DatagramTransport) -> Result<u8, TransportError> {
    let mut byte = [0];
    transport.recv_from(&mut byte).await?;
    Ok(byte[0])
}

/// One datagram for each number, without waiting for any. The last of them are queued.
fn send_many(sender: &DatagramTransport) -> Vec<SendDatagram> {
    let sends = (0..MANY).map(|number| sender.send(&[number])).collect();
    assert!(sender.queued_datagrams() > 0, "a turn does not take that many");
    sends
}

/// R156: datagrams leave in the order of the calls, whether or not anybody awaits them.
#[test]
fn datagrams_leave_in_the_order_of_the_calls() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let sends = send_many(&sender);
        for number in 0..MANY {
            assert_eq!(next(&receiver).await?, number);
        }
        for send in sends {
            send.await?;
        }
        assert_eq!(sender.queued_datagrams(), 0);
        Ok(())
    });
}

/// R157: where the kernel would have to wait, the datagram waits with it, and is sent.
#[test]
fn a_datagram_that_has_to_wait_is_sent_in_the_end() {
    run(|| async {
        let (receiver, sender) = pair()?;
        for number in 0..MANY {
            sender.send(&[number]).await?;
            assert_eq!(next(&receiver).await?, number);
        }
        Ok(())
    });
}

/// R156: what has not left is withdrawn with its future, and what stands behind it moves up.
#[test]
fn a_send_that_is_dropped_is_withdrawn() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let mut sends = send_many(&sender);
        let left = MANY - sender.queued_datagrams() as u8;
        for (at, send) in sends.drain(..).enumerate() {
            if at % 2 == 0 { drop(send) } else { send.detach() }
        }
        for number in (0..MANY).filter(|number| *number < left || number % 2 == 1) {
            assert_eq!(next(&receiver).await?, number);
        }
        assert_eq!(sender.queued_datagrams(), 0);
        Ok(())
    });
}

/// With the last send that is withdrawn nothing is left to do, and a later one is sent as ever.
#[test]
fn a_queue_that_is_withdrawn_is_empty() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let sends = send_many(&sender);
        let left = MANY - sender.queued_datagrams() as u8;
        drop(sends);
        assert_eq!(sender.queued_datagrams(), 0);
        sender.send(&[MANY]).await?;
        for number in (0..left).chain([MANY]) {
            assert_eq!(next(&receiver).await?, number);
        }
        Ok(())
    });
}

/// R156: a datagram that is refused in the queue fails alone.
#[test]
fn a_datagram_that_is_refused_fails_alone() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let sends = send_many(&sender);
        let too_large = sender.send(&[0; 70_000]);
        let last = sender.send(&[MANY]);
        // `EMSGSIZE`, which std has no public name for.
        assert_eq!(kind(too_large.await), ErrorKind::Os(io::ErrorKind::Other));
        last.await?;
        for send in sends {
            send.await?;
        }
        for number in 0..=MANY {
            assert_eq!(next(&receiver).await?, number);
        }
        Ok(())
    });
}

/// R158: closing ends every send that waits; those that left before stay sent.
#[test]
fn closing_ends_every_send_that_waits() {
    run(|| async {
        for drops in [false, true] {
            let (receiver, sender) = pair()?;
            let sends = send_many(&sender);
            let left = sends.len() - sender.queued_datagrams();
            if drops {
                drop(sender)
            } else {
                sender.close().await
            }
            for (at, send) in sends.into_iter().enumerate() {
                match send.await {
                    Ok(()) => assert!(at < left, "{at} had not left"),
                    Err(error) => assert_eq!((error.kind(), at >= left), (ErrorKind::Closed, true)),
                }
            }
            for number in 0..left {
                assert_eq!(usize::from(next(&receiver).await?), number);
            }
        }
        Ok(())
    });
}

/// A task that waits for its send goes on once that has left, whoever else waits.
#[test]
fn who_waits_for_a_send_is_woken() {
    run(|| async {
        let (_receiver, sender) = pair()?;
        let tasks: Vec<_> = send_many(&sender).into_iter().map(twinloop::spawn).collect();
        until(|| tasks.iter().all(twinloop::JoinHandle::is_finished)).await;
        for task in tasks {
            task.await??;
        }
        turns(1).await;
        Ok(())
    });
}
