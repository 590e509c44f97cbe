//! Many datagrams in one call: the same promises as for one.

use twinloop::driver::Outgoing;
use twinloop::transport::DatagramBatch;
use twinloop::{Address, DatagramTransport, ErrorKind, TransportError};

use super::run;
use super::support::{kind, pattern, poll_once, settle};

fn pair() -> Result<(DatagramTransport, DatagramTransport), TransportError> {
    let receiver = DatagramTransport::bind(Address::loopback(0))?;
    let sender = DatagramTransport::connect(receiver.local_address())?;
    Ok((receiver, sender))
}

fn to_peer(bytes: &[u8]) -> Outgoing<'_> {
    Outgoing { bytes, remote: None }
}

/// Sends all of `datagrams`, a batch at a time.
async fn send_all(sender: &DatagramTransport, datagrams: &[Outgoing<'_>]) -> Result<(), TransportError> {
    let mut sent = 0;
    while sent < datagrams.len() {
        let count = sender.send_many(&datagrams[sent..]).await?;
        assert!(count > 0, "the first of a batch is sent, or is an error");
        sent += count;
    }
    Ok(())
}

/// R152, R156: batches keep the boundaries of datagrams of every size, their order and their sources.
#[test]
fn batches_keep_boundaries_order_and_sources() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let sizes = [0, 1, 2, 1000, 0, 700, 3, 1400, 1, 1, 64, 900];
        let mut batch = DatagramBatch::new(5, 1500);
        assert!(batch.is_empty());
        for _ in 0..6 {
            let datagrams: Vec<_> = sizes.iter().map(|size| to_peer(pattern(*size))).collect();
            send_all(&sender, &datagrams).await?;
            let mut heard = Vec::new();
            while heard.len() < sizes.len() {
                let count = receiver.recv_many(&mut batch).await?;
                assert!((1..=5).contains(&count) && count == batch.len());
                for datagram in batch.iter() {
                    assert_eq!((datagram.source, datagram.truncated), (sender.local_address(), false));
                    assert!(datagram.bytes == pattern(datagram.bytes.len()));
                    heard.push(datagram.bytes.len());
                }
            }
            assert_eq!(heard, sizes);
        }
        Ok(())
    });
}

/// A batch goes to several receivers, each by its address.
#[test]
fn a_batch_may_go_to_several_receivers() {
    run(|| async {
        let sender = DatagramTransport::bind(Address::loopback(0))?;
        let receivers = [(); 3].map(|()| DatagramTransport::bind(Address::loopback(0)));
        let receivers = receivers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let address = |at: usize| Some(receivers[at].local_address());
        let datagrams = [0, 1, 2].map(|at| Outgoing { bytes: &pattern(3)[..at], remote: address(at) });
        send_all(&sender, &datagrams).await?;
        for (at, receiver) in receivers.iter().enumerate() {
            assert_eq!(receiver.recv_from(&mut [0; 8]).await?.length, at);
        }
        Ok(())
    });
}

/// R153: each slot tells for itself whether its datagram was cut off.
#[test]
fn each_datagram_of_a_batch_tells_whether_it_was_cut_off() {
    run(|| async {
        let (receiver, sender) = pair()?;
        for word in [&b"long"[..], b"ok", b"longer"] {
            sender.send(word).await?;
        }
        let mut batch = DatagramBatch::new(3, 2);
        let mut heard = Vec::new();
        while heard.len() < 3 {
            receiver.recv_many(&mut batch).await?;
            heard.extend(batch.iter().map(|datagram| (datagram.bytes.to_vec(), datagram.truncated)));
        }
        let expected = [("lo", true), ("ok", false), ("lo", true)];
        assert_eq!(heard, expected.map(|(bytes, truncated)| (bytes.as_bytes().to_vec(), truncated)));
        Ok(())
    });
}

/// An error is told by the call that it meets first; behind another datagram it only ends the count.
#[test]
fn an_error_ends_the_count_and_is_told_by_the_next_call() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let too_large = vec![0; 70_000];
        let datagrams = [to_peer(b"one"), to_peer(&too_large), to_peer(b"three")];
        assert_eq!(sender.send_many(&datagrams).await?, 1);
        assert!(matches!(kind(sender.send_many(&datagrams[1..]).await), ErrorKind::Os(_)));
        assert_eq!(sender.send_many(&datagrams[2..]).await?, 1);
        assert_eq!(sender.send_many(&[]).await?, 0);
        for length in [3, 5] {
            assert_eq!(receiver.recv_from(&mut [0; 8]).await?.length, length);
        }
        Ok(())
    });
}

/// R156: a batch stands behind the sends that were called before it, and is queued as a whole.
#[test]
fn a_batch_keeps_its_place_among_sends() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let before: Vec<_> = (0..50).map(|number: u8| sender.send(&[number])).collect();
        let numbers: Vec<[u8; 1]> = (50..60).map(|number| [number]).collect();
        let batch: Vec<_> = numbers.iter().map(|number| to_peer(number)).collect();
        let many = sender.send_many(&batch);
        let after = sender.send(&[60]);
        assert!(sender.queued_datagrams() > 11);
        let sent = many.await?;
        after.await?;
        for send in before {
            send.await?;
        }
        let mut byte = [0];
        for number in (0..50 + sent as u8).chain([60]) {
            receiver.recv_from(&mut byte).await?;
            assert_eq!(byte, [number]);
        }
        Ok(())
    });
}

/// R105 for batches: one that is given up takes no datagram along.
#[test]
fn a_batch_that_is_given_up_loses_no_datagram() {
    run(|| async {
        let (receiver, sender) = pair()?;
        let mut batch = DatagramBatch::new(4, 8);
        assert!(poll_once(&mut receiver.recv_many(&mut batch)).await.is_pending());
        sender.send(b"one").await?;
        settle().await;
        assert_eq!(receiver.recv_many(&mut batch).await?, 1);
        assert_eq!(batch.iter().next().map(|datagram| datagram.bytes), Some(&b"one"[..]));
        Ok(())
    });
}
