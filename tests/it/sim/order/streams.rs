//! Streams, servers and hosts.

use std::cell::Cell;
use std::rc::Rc;

use twinloop::{Address, StreamServer, connect, sleep, spawn, yield_now};

use super::{MS, order, pair, say, table, words};

/// A byte's way from one host to another and back.
#[test]
fn a_request_and_its_reply() {
    insta::assert_snapshot!(table(|sim| {
        sim.links().latency(10 * MS);
        let address = sim.host("server", 7, |address| async move {
            let server = StreamServer::listen(address)?;
            let stream = server.accept().await?;
            let request = stream.read_line(80).await?;
            stream.write(&request.unwrap_or_default()).await?;
            stream.shutdown().await?;
            Ok(())
        });
        sim.client("client", move || async move {
            let stream = connect(address).await?;
            stream.write(b"ping\n").await?;
            assert_eq!(stream.read_to_end(80).await?, b"ping");
            Ok(())
        });
    }));
}

/// Hosts that are due at one moment turn in the order in which they were added.
#[test]
fn hosts_of_one_moment() {
    insta::assert_snapshot!(table(|sim| {
        for name in ["first", "second", "third"] {
            sim.client(name, || async {
                sleep(MS).await;
                say("one");
                sleep(MS).await;
                say("two");
                Ok(())
            });
        }
    }));
}

/// R141: connections go to those who wait in the order of their calls.
#[test]
fn acceptors_in_their_order() {
    insta::assert_snapshot!(words(|| async {
        let server = Rc::new(StreamServer::listen(Address::loopback(0))?);
        let mut accepting = Vec::new();
        for name in ["first", "second", "third"] {
            let server = Rc::clone(&server);
            accepting.push(spawn(async move {
                let stream = server.accept().await.expect("nothing fails here");
                let line = stream.read_line(80).await.expect("nothing fails here");
                say(format!("{name} acceptor: {}", String::from_utf8_lossy(&line.unwrap_or_default())));
            }));
        }
        yield_now().await;
        for word in ["one\n", "two\n", "three\n"] {
            let client = connect(server.local_address()).await?;
            client.write(word.as_bytes()).await?;
            say(format!("client {}", word.trim()));
        }
        for accepting in accepting {
            accepting.await?;
        }
        Ok(())
    }));
}

/// R140: a server's close tells acceptors in their order, then who closes.
#[test]
fn a_server_closes_under_its_acceptors() {
    insta::assert_snapshot!(order(|| async {
        let server = Rc::new(StreamServer::listen(Address::loopback(0))?);
        for name in ["first", "second"] {
            let server = Rc::clone(&server);
            let accepting = async move {
                let ended = server.accept().await;
                say(format!("{name}: {:?}", ended.map_err(|error| error.kind()).err()));
            };
            spawn(accepting).detach();
        }
        yield_now().await;
        server.close().await;
        say("closed");
        Ok(())
    }));
}

/// R109: queued writes end in the order of their calls, a shutdown behind them.
#[test]
fn a_queue_of_writes() {
    insta::assert_snapshot!(words(|| async {
        let (stream, peer) = pair().await?;
        let stream = Rc::new(stream);
        let mut ends = Vec::new();
        for name in ["first", "second", "third"] {
            let write = stream.write_owned(vec![7; 400_000]);
            ends.push(spawn(async move { say(format!("{name} write: {:?}", write.await)) }));
        }
        let shutdown = stream.shutdown();
        ends.push(spawn(async move { say(format!("shutdown: {:?}", shutdown.await)) }));
        sleep(MS).await;
        say("the peer begins to read");
        let all = peer.read_to_end(usize::MAX).await?.len();
        say(format!("the peer has {all} bytes"));
        for end in ends {
            end.await?;
        }
        Ok(())
    }));
}

/// R114, R123: a close tells writers in their order, then the reader, then who closes.
#[test]
fn a_stream_closes_under_its_users() {
    insta::assert_snapshot!(words(|| async {
        let (stream, _peer) = pair().await?;
        let stream = Rc::new(stream);
        let reader = Rc::clone(&stream);
        let reader = spawn(async move {
            say(format!("reader: {:?}", reader.read_line(9).await.map_err(|error| error.kind())));
        });
        yield_now().await;
        let mut writers = Vec::new();
        for name in ["first", "second"] {
            let write = stream.write_owned(vec![7; 2_000_000]);
            let ended = async move { say(format!("{name} writer: {:?}", write.await.map_err(|e| e.kind()))) };
            writers.push(spawn(ended));
        }
        sleep(MS).await;
        stream.close().await;
        say("closed");
        reader.await?;
        for writer in writers {
            writer.await?;
        }
        Ok(())
    }));
}

/// R107: who reads byte by byte gives way to the rest of the loop each time its budget is spent.
#[test]
fn a_reader_with_much_to_read_gives_way() {
    const TOTAL: usize = 1000;
    insta::assert_snapshot!(words(|| async {
        let (stream, peer) = pair().await?;
        peer.write_owned(vec![7; TOTAL]).await?;
        sleep(MS).await;
        let turns = Rc::new(Cell::new(0));
        let counted = Rc::clone(&turns);
        let counter = spawn(async move {
            loop {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        });
        let (mut reads, mut turn) = (0, 0);
        for _ in 0..TOTAL {
            stream.read(&mut [0]).await?;
            if turn != turns.get() {
                say(format!("gave way after {reads} reads"));
                (turn, reads) = (turns.get(), 0);
            }
            reads += 1;
        }
        let _cancelled = counter.cancel();
        Ok(())
    }));
}
