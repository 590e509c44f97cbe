//! Nothing starves anything else. Fairness is counted in turns, never in time.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::run;
use super::support::{Turns, calling, drain, pair, pattern, until};
use twinloop::{Address, Closed, Handle, Remote, StreamServer, connect, sleep, spawn};

/// R5, Nim #7193: timers fire beside a callback that queues itself for ever.
#[test]
fn a_callback_that_queues_itself_does_not_starve_sleeps() {
    run(|| async {
        let stop = Rc::new(Cell::new(false));
        queue_until(&Handle::current(), Rc::clone(&stop));
        for _ in 0..10 {
            sleep(Duration::from_micros(100)).await;
        }
        stop.set(true);
        Ok(())
    });
}

fn queue_until(handle: &Handle, stop: Rc<Cell<bool>>) {
    handle.call_soon(calling(move |handle| {
        if !stop.get() {
            queue_until(handle, Rc::clone(&stop));
        }
    }));
}

/// A callback that sends itself again through a `Remote` does not starve sleeps either, nor the tasks beside it.
#[test]
fn a_callback_that_sends_itself_again_starves_nobody() {
    run(|| async {
        let stop = Rc::new(Cell::new(false));
        send_until(&Rc::new(Handle::current().remote()), Rc::clone(&stop))?;
        let turns = Turns::counted();
        for _ in 0..10 {
            sleep(Duration::from_micros(100)).await;
        }
        until(|| turns.so_far() >= 50).await;
        stop.set(true);
        Ok(())
    });
}

fn send_until(remote: &Rc<Remote>, stop: Rc<Cell<bool>>) -> Result<(), Closed> {
    let again = Rc::clone(remote);
    remote.call_soon(calling(move |_| {
        if !stop.get() {
            send_until(&again, Rc::clone(&stop)).expect("the dispatcher turns");
        }
    }))
}

/// A timer that adds itself again for now does not starve callbacks, and they do not starve it.
#[test]
fn timers_for_now_and_callbacks_do_not_starve_each_other() {
    run(|| async {
        let (fired, stop) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        add_until(&Handle::current(), Rc::clone(&fired), Rc::clone(&stop));
        let turns = Turns::counted();
        until(|| fired.get() >= 50 && turns.so_far() >= 50).await;
        stop.set(true);
        let fired_before = fired.get();
        until(|| fired.get() > fired_before).await;
        Ok(())
    });
}

fn add_until(handle: &Handle, fired: Rc<Cell<usize>>, stop: Rc<Cell<bool>>) {
    let again = calling(move |handle: &Handle| {
        fired.set(fired.get() + 1);
        if !stop.get() {
            add_until(handle, Rc::clone(&fired), Rc::clone(&stop));
        }
    });
    let _timer = handle.add_timer(handle.now(), again);
}

/// R107: no more than a budget is read in one turn, however fast the bytes come.
#[test]
fn reading_from_a_fast_peer_gives_way_every_few_hundred_kilobytes() {
    const TOTAL: usize = 1 << 20;
    const A_TURN_MAX: usize = 512 << 10;
    run(|| async {
        let (stream, peer) = pair().await?;
        let sender = spawn(async move {
            peer.write_owned(vec![7; TOTAL]).await?;
            peer.shutdown().await
        });
        let turns = Turns::counted();
        let mut buffer = vec![0; 64 * 1024];
        let (mut total, mut in_turn, mut turn) = (0, 0, turns.so_far());
        loop {
            let count = stream.read(&mut buffer).await?;
            if turn != turns.so_far() {
                (turn, in_turn) = (turns.so_far(), 0);
            }
            in_turn += count;
            total += count;
            assert!(in_turn <= A_TURN_MAX, "{in_turn} bytes were read within one turn");
            if count == 0 {
                break;
            }
        }
        sender.await??;
        assert_eq!(total, TOTAL);
        Ok(())
    });
}

/// R107: many small reads, each of them a system call, give way too.
#[test]
fn reading_byte_by_byte_gives_way_as_well() {
    const TOTAL: usize = 16 * 1024;
    run(|| async {
        let (stream, peer) = pair().await?;
        peer.write(&vec![7; TOTAL]).await?;
        sleep(Duration::from_millis(45)).await;
        let turns = Turns::counted();
        for _ in 0..TOTAL {
            assert_eq!(stream.read(&mut [0]).await?, 1);
        }
        assert!(turns.so_far() >= 4, "{TOTAL} reads gave way {} times", turns.so_far());
        Ok(())
    });
}

/// R107: many small writes that the kernel takes at once give way too.
#[test]
fn writing_byte_by_byte_gives_way_as_well() {
    const TOTAL: usize = 16 * 1024;
    run(|| async {
        let (stream, peer) = pair().await?;
        let turns = Turns::counted();
        for _ in 0..TOTAL {
            stream.write(&[7]).await?;
        }
        assert!(turns.so_far() >= 4, "{TOTAL} writes gave way {} times", turns.so_far());
        stream.shutdown().await?;
        assert_eq!(drain(&peer).await?, vec![7; TOTAL]);
        Ok(())
    });
}

/// R107: one large write is handed over in parts.
#[test]
fn a_large_write_gives_way() {
    const TOTAL: usize = 1_500_000;
    run(|| async {
        let (stream, peer) = pair().await?;
        let reader = spawn(async move { drain(&peer).await });
        let turns = Turns::counted();
        stream.write(pattern(TOTAL)).await?;
        assert!(turns.so_far() >= 4, "{TOTAL} bytes were written in {} turns", turns.so_far());
        stream.close().await;
        assert!(reader.await?? == pattern(TOTAL));
        Ok(())
    });
}

/// R107: accepting gives way.
#[test]
fn a_burst_of_connections_gives_way() {
    const CONNECTIONS: usize = 200;
    run(|| async {
        let server = StreamServer::listen(Address::loopback(0))?;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(connect(server.local_address()).await?);
        }
        let turns = Turns::counted();
        let (mut streams, mut in_turn, mut turn) = (Vec::new(), 0, turns.so_far());
        while streams.len() < CONNECTIONS {
            streams.push(server.accept().await?);
            if turn != turns.so_far() {
                (turn, in_turn) = (turns.so_far(), 0);
            }
            in_turn += 1;
            assert!(in_turn <= 100, "{in_turn} connections were accepted within one turn");
        }
        Ok(())
    });
}
