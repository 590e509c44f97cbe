//! Bare descriptors through a handle: one reader and one writer each, level semantics, closing.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::run;
use super::support::{Log, calling, close_all, leave_readable, raw_pair, send_all, settle, turns, until};
use twinloop::driver::{ConnectOptions, Fd, Half, ListenOptions, OsError};
use twinloop::{Address, AsyncCallback, Handle, WatchError};

/// A callback that counts its calls.
fn counting(count: &Rc<Cell<usize>>) -> AsyncCallback {
    let count = Rc::clone(count);
    calling(move |_| count.set(count.get() + 1))
}

/// The seam: what would have to wait answers one and the same error, on every driver and whoever gives the answer.
#[test]
fn what_would_have_to_wait_says_would_block() {
    run(|| async {
        let handle = Handle::current();
        let listener = handle.listen(&Address::loopback(0), &ListenOptions::default())?;
        assert_eq!(handle.accept(listener).err(), Some(OsError::WOULD_BLOCK));
        let (fd, peer) = raw_pair().await?;
        for _ in 0..2 {
            assert_eq!(handle.recv(fd, &mut [0]).err(), Some(OsError::WOULD_BLOCK));
        }
        close_all([listener, fd, peer]);
        Ok(())
    });
}

/// R70: a reader is called once a turn for as long as there is something to read, whatever edges the kernel tells.
#[test]
fn a_reader_is_called_once_a_turn_while_there_is_something_to_read() {
    run(|| async {
        let (handle, calls) = (Handle::current(), Rc::default());
        let (fd, peer) = raw_pair().await?;
        leave_readable(fd, peer, b"xyz").await?;
        handle.add_reader(fd, counting(&calls))?;
        for turn in 1..=20 {
            turns(1).await;
            assert_eq!(calls.get(), turn);
        }
        until(|| handle.recv(fd, &mut [0; 8]).is_err_and(OsError::is_would_block)).await;
        let calls_drained = calls.get();
        send_all(peer, b"more").await?;
        until(|| calls.get() > calls_drained).await;
        assert!(handle.remove_reader(fd));
        let calls_removed = calls.get();
        turns(10).await;
        settle().await;
        assert_eq!(calls.get(), calls_removed, "a removed reader was called");
        close_all([fd, peer]);
        Ok(())
    });
}

/// R70: a reader that reads all there is is not called for it again.
#[test]
fn a_drained_reader_is_not_called_every_turn() {
    run(|| async {
        let (handle, calls) = (Handle::current(), Rc::new(Cell::new(0)));
        let (fd, peer) = raw_pair().await?;
        let inner = Rc::clone(&calls);
        let drain = calling(move |handle| {
            inner.set(inner.get() + 1);
            let mut buffer = [0; 64];
            while handle.recv(fd, &mut buffer).is_ok() {}
        });
        handle.add_reader(fd, drain)?;
        send_all(peer, b"some bytes").await?;
        until(|| calls.get() > 0).await;
        let calls_before = calls.get();
        turns(300).await;
        // A driver may tell events with nothing behind them, but not in every turn.
        assert!(calls.get() - calls_before < 100, "called {} times for nothing", calls.get() - calls_before);
        close_all([fd, peer]);
        Ok(())
    });
}

/// Against R71: a second reader, or writer, is refused with the place of the first, which stays.
#[test]
fn a_second_watcher_is_refused_with_the_place_of_the_first() {
    run(|| async {
        let (handle, first, second) = (Handle::current(), Rc::default(), Rc::default());
        let (fd, peer) = raw_pair().await?;
        leave_readable(fd, peer, b"xyz").await?;
        handle.add_reader(fd, counting(&first))?;
        let line = line!() - 1;
        let refusal = handle.add_reader(fd, counting(&second)).expect_err("there is a reader");
        let WatchError::Taken(place) = refusal else { panic!("{refusal:?}") };
        assert_eq!((place.line(), place.file().ends_with("descriptors.rs")), (line, true));
        assert!(refusal.to_string().contains(&format!("contract/descriptors.rs:{line}")), "{refusal}");

        handle.add_writer(fd, counting(&Rc::default()))?;
        let line = line!() - 1;
        let refusal = handle.add_writer(fd, counting(&second)).expect_err("there is a writer");
        assert!(matches!(refusal, WatchError::Taken(place) if place.line() == line), "{refusal:?}");

        turns(5).await;
        assert_eq!((first.get(), second.get()), (5, 0));
        assert!(handle.remove_reader(fd));
        handle.add_reader(fd, counting(&second))?;
        turns(5).await;
        assert_eq!((first.get(), second.get()), (5, 5), "the place is free after a removal");
        close_all([fd, peer]);
        Ok(())
    });
}

/// R72: removal is idempotent, and leaves the other direction alone.
#[test]
fn reader_and_writer_are_independent() {
    run(|| async {
        let (handle, reads, writes) = (Handle::current(), Rc::default(), Rc::new(Cell::new(0)));
        let (fd, peer) = raw_pair().await?;
        leave_readable(fd, peer, b"xyz").await?;
        handle.add_writer(fd, counting(&writes))?;
        until(|| writes.get() > 0).await;
        handle.add_reader(fd, counting(&reads))?;
        turns(3).await;
        assert_eq!(reads.get(), 3);
        assert!(handle.remove_reader(fd));
        assert!(!handle.remove_reader(fd));
        let writes_before = writes.get();
        turns(5).await;
        assert_eq!((reads.get(), writes.get()), (3, writes_before + 5));
        assert!(handle.remove_writer(fd));
        assert!(!handle.remove_writer(fd));
        turns(5).await;
        assert_eq!(writes.get(), writes_before + 5);
        close_all([fd, peer]);
        Ok(())
    });
}

/// R75: of two readers that are due in one batch and remove each other, one runs.
#[test]
fn removal_recalls_a_callback_that_is_queued() {
    run(|| async {
        let (handle, calls) = (Handle::current(), Rc::new(Cell::new(0)));
        let pairs = [raw_pair().await?, raw_pair().await?];
        for (fd, peer) in pairs {
            leave_readable(fd, peer, b"xyz").await?;
        }
        for (fd, _) in pairs {
            let calls = Rc::clone(&calls);
            let remove_both = calling(move |handle: &Handle| {
                calls.set(calls.get() + 1);
                for (fd, _) in pairs {
                    assert!(handle.remove_reader(fd), "both are there until the first one runs");
                }
            });
            handle.add_reader(fd, remove_both)?;
        }
        turns(5).await;
        assert_eq!(calls.get(), 1);
        close_all(pairs.into_iter().flat_map(|(fd, peer)| [fd, peer]));
        Ok(())
    });
}

/// R75: a reader that is removed and added again within a batch runs once a turn, not twice.
#[test]
fn a_reader_replaced_while_queued_runs_once_a_turn() {
    run(|| async {
        let (handle, old, new) = (Handle::current(), Rc::default(), Rc::default());
        let (fd, peer) = raw_pair().await?;
        leave_readable(fd, peer, b"xyz").await?;
        handle.add_reader(fd, counting(&old))?;
        turns(2).await;
        assert!(handle.remove_reader(fd));
        handle.add_reader(fd, counting(&new))?;
        turns(4).await;
        assert_eq!((old.get(), new.get()), (2, 4));
        close_all([fd, peer]);
        Ok(())
    });
}

/// R77: closing tells each watcher once, the reader first; they find the descriptor closed.
#[test]
fn closing_tells_each_watcher_once_and_the_reader_first() {
    run(|| async {
        let (handle, log) = (Handle::current(), Log::default());
        let (fd, peer) = raw_pair().await?;
        leave_readable(fd, peer, b"xyz").await?;
        let telling = |name: &'static str| {
            let log = log.clone();
            calling(move |handle: &Handle| {
                let found = handle.recv(fd, &mut [0]).expect_err("the descriptor is closed");
                log.add(format!("{name}:{}", found == OsError::BAD_DESCRIPTOR));
            })
        };
        // The writer is added first; the reader is due, and queued, when the close comes.
        handle.add_writer(fd, telling("writer"))?;
        handle.add_reader(fd, telling("reader"))?;
        handle.close(fd);
        handle.close(fd);
        assert_eq!(log.text(), "", "nobody is told inside of the call");
        turns(5).await;
        settle().await;
        assert_eq!(log.text(), "reader:true writer:true");
        handle.close(peer);
        Ok(())
    });
}

/// R79: a close frees the descriptor inside of the call; the next one to be opened gets its number.
#[test]
fn a_close_frees_the_number_at_once() {
    run(|| async {
        let handle = Handle::current();
        let listen = || handle.listen(&Address::loopback(0), &ListenOptions::default());
        let first = listen()?;
        let address = handle.local_address(first)?;
        handle.close(first);
        let second = handle.listen(&address, &ListenOptions::default())?;
        assert_eq!(first.key().index(), second.key().index());
        assert_ne!(first, second);
        close_all([second]);
        Ok(())
    });
}

/// R77: who was removed before is not told.
#[test]
fn closing_does_not_tell_a_removed_watcher() {
    run(|| async {
        let (handle, log) = (Handle::current(), Log::default());
        let (fd, peer) = raw_pair().await?;
        leave_readable(fd, peer, b"xyz").await?;
        handle.add_reader(fd, log.adding("reader"))?;
        handle.add_writer(fd, log.adding("writer"))?;
        assert!(handle.remove_reader(fd));
        handle.close(fd);
        turns(5).await;
        assert_eq!(log.text(), "writer");
        handle.close(peer);
        Ok(())
    });
}

/// R68, R78: a closed descriptor answers that it is closed, to everything, also when its number is in use again.
#[test]
fn a_stale_descriptor_answers_that_it_is_closed() {
    run(|| async {
        let handle = Handle::current();
        let (fd, peer) = raw_pair().await?;
        handle.close(fd);
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(handle.listen(&Address::loopback(0), &ListenOptions::default())?);
        }
        assert!(
            others.iter().all(|other| *other != fd),
            "a generation parts the old number from the new one"
        );
        let closed = Some(OsError::BAD_DESCRIPTOR);
        assert_eq!(handle.recv(fd, &mut [0]).err(), closed);
        assert_eq!(handle.send(fd, b"x").err(), closed);
        assert_eq!(handle.accept(fd).err(), closed);
        assert_eq!(handle.shutdown(fd, Half::Write).err(), closed);
        assert_eq!(handle.take_error(fd).err(), closed);
        assert_eq!(handle.local_address(fd).err(), closed);
        assert_eq!(handle.remote_address(fd).err(), closed);
        assert_eq!(handle.add_reader(fd, counting(&Rc::default())), Err(WatchError::Closed));
        assert_eq!(handle.add_writer(fd, counting(&Rc::default())), Err(WatchError::Closed));
        assert!(!handle.remove_reader(fd) && !handle.remove_writer(fd));
        handle.close(fd);
        for other in &others {
            assert!(handle.local_address(*other).is_ok(), "closing the old number closed the new one");
        }
        handle.close(peer);
        close_all(others);
        Ok(())
    });
}

/// Section 1: a watcher whose descriptor was closed never receives the events of the one that has its number now.
#[test]
fn a_reused_number_does_not_call_the_old_watcher() {
    run(|| async {
        let (handle, old, new) = (Handle::current(), Rc::default(), Rc::default());
        let (fd, peer) = raw_pair().await?;
        handle.add_reader(fd, counting(&old))?;
        handle.close(fd);
        handle.close(peer);
        settle().await;
        let told = old.get();
        assert_eq!(told, 1, "the old watcher was told of the close");
        let (fd, peer) = raw_pair().await?;
        leave_readable(fd, peer, b"xyz").await?;
        handle.add_reader(fd, counting(&new))?;
        turns(10).await;
        assert_eq!((old.get(), new.get()), (told, 10));
        close_all([fd, peer]);
        Ok(())
    });
}

/// R70, R93: the end of a stream is a level too; it is told again and again.
#[test]
fn the_end_of_a_stream_keeps_calling_the_reader() {
    run(|| async {
        let (handle, seen) = (Handle::current(), Rc::new(RefCell::new(Vec::new())));
        let (fd, peer) = raw_pair().await?;
        let inner = Rc::clone(&seen);
        let reading = calling(move |handle: &Handle| {
            let mut buffer = [0; 2];
            if let Ok(count) = handle.recv(fd, &mut buffer) {
                inner.borrow_mut().push(buffer[..count].to_vec());
            }
        });
        handle.add_reader(fd, reading)?;
        send_all(peer, b"end").await?;
        handle.shutdown(peer, Half::Write)?;
        until(|| seen.borrow().iter().filter(|read| read.is_empty()).count() >= 5).await;
        assert_eq!(seen.borrow().concat(), b"end");
        close_all([fd, peer]);
        Ok(())
    });
}

/// R76: half an end stops nothing of the other direction.
#[test]
fn after_the_peers_half_close_the_other_direction_goes_on() {
    run(|| async {
        let handle = Handle::current();
        let (fd, peer) = raw_pair().await?;
        handle.shutdown(peer, Half::Write)?;
        until(|| handle.recv(fd, &mut [0]) == Ok(0)).await;
        send_all(fd, b"still open").await?;
        let mut got = Vec::new();
        until(|| {
            let mut buffer = [0; 16];
            if let Ok(count) = handle.recv(peer, &mut buffer) {
                got.extend_from_slice(&buffer[..count]);
            }
            got.len() == 10
        })
        .await;
        assert_eq!(got, b"still open");
        close_all([fd, peer]);
        Ok(())
    });
}

/// Against R76, section 1: the peer's half-close wakes readers only; a writer that waits for room goes on waiting.
#[test]
fn a_writer_that_waits_for_room_is_not_called_for_the_peers_half_close() {
    run(|| async {
        let (handle, calls) = (Handle::current(), Rc::new(Cell::new(0)));
        let (fd, peer) = raw_pair().await?;
        fill(fd).await;
        let inner = Rc::clone(&calls);
        let sending = calling(move |handle: &Handle| {
            inner.set(inner.get() + 1);
            assert!(handle.send(fd, &[7]).is_err(), "the peer has read nothing");
        });
        handle.add_writer(fd, sending)?;
        handle.shutdown(peer, Half::Write)?;
        until(|| handle.recv(fd, &mut [0]) == Ok(0)).await;
        calls.set(0);
        turns(300).await;
        // A driver may tell events with nothing behind them, but not in every turn.
        assert!(calls.get() < 100, "called {} times for nothing", calls.get());
        close_all([fd, peer]);
        Ok(())
    });
}

/// R74, section 5 `error_wakes_both`: a reset calls the reader, and the writer that waits for room.
#[test]
fn a_reset_calls_the_reader_and_a_writer_that_waits_for_room() {
    run(|| async {
        let (handle, reads, writes) = (Handle::current(), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (fd, peer) = raw_pair().await?;
        fill(fd).await;
        let telling = |count: &Rc<Cell<usize>>, fails: fn(&Handle, Fd) -> bool| {
            let count = Rc::clone(count);
            calling(move |handle: &Handle| count.set(count.get() + usize::from(fails(handle, fd))))
        };
        let would_block = |outcome: Result<usize, OsError>| outcome.is_err_and(OsError::is_would_block);
        assert!(would_block(handle.recv(fd, &mut [0])) && would_block(handle.send(fd, &[0])));
        handle.add_reader(fd, telling(&reads, |handle, fd| is_over(handle.recv(fd, &mut [0]))))?;
        handle.add_writer(fd, telling(&writes, |handle, fd| is_over(handle.send(fd, &[0]))))?;
        // Bytes that the peer never read make its close a reset.
        handle.close(peer);
        until(|| reads.get() > 0 && writes.get() > 0).await;
        close_all([fd]);
        Ok(())
    });
}

/// Whether an operation met the end of the stream or an error, and did not only have to wait.
fn is_over(outcome: Result<usize, OsError>) -> bool {
    outcome.map_or_else(|error| !error.is_would_block(), |count| count == 0)
}

/// Sends until the kernel takes no more on either side of the connection.
async fn fill(fd: Fd) {
    let chunk = vec![7; 64 * 1024];
    let mut quiet = 0;
    while quiet < 3 {
        quiet += 1;
        while Handle::current().send(fd, &chunk).is_ok() {
            quiet = 0;
        }
        settle().await;
    }
}

/// A writer is called while the kernel takes bytes, not while it is full, and again once the peer has made room.
#[test]
fn a_writer_waits_for_room() {
    run(|| async {
        let (handle, sent) = (Handle::current(), Rc::new(Cell::new(0)));
        let (fd, peer) = raw_pair().await?;
        let inner = Rc::clone(&sent);
        let sending = calling(move |handle: &Handle| {
            while let Ok(count) = handle.send(fd, &[7; 16 * 1024]) {
                inner.set(inner.get() + count);
            }
        });
        handle.add_writer(fd, sending)?;
        let mut full = 0;
        until_still(&sent, &mut full).await;
        let mut received = 0;
        let mut buffer = vec![0; 64 * 1024];
        until(|| {
            while let Ok(count) = handle.recv(peer, &mut buffer) {
                received += count;
            }
            sent.get() > full
        })
        .await;
        assert!(received > 0);
        close_all([fd, peer]);
        Ok(())
    });
}

/// Waits until `count` is above zero and stands still.
async fn until_still(count: &Rc<Cell<usize>>, still: &mut usize) {
    loop {
        settle().await;
        if count.get() > 0 && count.get() == *still {
            return;
        }
        *still = count.get();
    }
}

/// R128: the outcome of a connect is known once the descriptor is told writable.
#[test]
fn a_bare_connect_tells_its_outcome_when_writable() {
    run(|| async {
        let handle = Handle::current();
        let fd = handle.connect(&Address::loopback(1), &ConnectOptions::default())?;
        let outcome = Rc::new(Cell::new(None));
        let inner = Rc::clone(&outcome);
        let look = calling(move |handle: &Handle| {
            if let Ok(Some(error)) = handle.take_error(fd) {
                inner.set(Some(error));
            }
        });
        handle.add_writer(fd, look)?;
        until(|| outcome.get().is_some()).await;
        let kind = outcome.get().map(OsError::kind);
        assert_eq!(kind, Some(std::io::ErrorKind::ConnectionRefused));
        assert_eq!(handle.take_error(fd)?, None, "the error is told once");
        handle.close(fd);
        Ok(())
    });
}
