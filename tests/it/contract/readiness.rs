//! Tasks that wait until a bare descriptor is ready.

use super::run;
use super::support::{poll_once, raw_pair, turns, until};
use twinloop::driver::{Fd, OsError};
use twinloop::{AsyncCallback, Handle, WatchError, spawn};

/// Receives as soon as there is something.
async fn receive(fd: Fd, buffer: &mut [u8]) -> Result<usize, OsError> {
    loop {
        match Handle::current().recv(fd, buffer) {
            Err(error) if error.is_would_block() => {
                Handle::current().readable(fd).await.expect("nobody else reads")
            }
            received => return received,
        }
    }
}

fn close(fds: impl IntoIterator<Item = Fd>) {
    fds.into_iter().for_each(|fd| Handle::current().close(fd));
}

/// What was sent arrives, whatever the driver tells of it and when.
#[test]
fn a_task_waits_until_there_is_something_to_read() {
    run(|| async {
        let (fd, peer) = raw_pair().await?;
        let reading = spawn(async move {
            let mut received = Vec::new();
            while received.len() < 300 {
                let mut buffer = [0; 7];
                let count = receive(fd, &mut buffer).await?;
                received.extend_from_slice(&buffer[..count]);
            }
            Ok::<_, OsError>(received)
        });
        let sent: Vec<u8> = (0..300).map(|n| (n % 251) as u8).collect();
        for piece in sent.chunks(50) {
            let mut rest = piece;
            while !rest.is_empty() {
                Handle::current().writable(peer).await?;
                rest = Handle::current().send(peer, rest).map_or(rest, |count| &rest[count..]);
            }
            turns(3).await;
        }
        assert_eq!(reading.await??, sent);
        close([fd, peer]);
        Ok(())
    });
}

/// R70: readiness is a level, so who comes late finds it too, again and again.
#[test]
fn what_is_ready_already_is_not_waited_for() {
    run(|| async {
        let (fd, peer) = raw_pair().await?;
        assert_eq!(Handle::current().recv(fd, &mut [0]), Err(OsError::WOULD_BLOCK));
        Handle::current().send(peer, b"xyz")?;
        until(|| Handle::current().recv(fd, &mut [0]) == Ok(1)).await;
        for _ in 0..3 {
            let mut ready = Handle::current().readable(fd);
            assert!(poll_once(&mut ready).await.is_pending(), "its callback has its place in the queue");
            turns(1).await;
            assert!(poll_once(&mut ready).await.is_ready());
        }
        close([fd, peer]);
        Ok(())
    });
}

/// Against R71: one reader at a time, be it a task or a callback; the second is told the place of the first.
#[test]
fn a_second_wait_is_refused_with_the_place_of_the_first() {
    run(|| async {
        let handle = Handle::current();
        let (fd, peer) = raw_pair().await?;
        assert_eq!(handle.recv(fd, &mut [0]), Err(OsError::WOULD_BLOCK));
        let mut first = handle.readable(fd);
        let line = line!() - 1;
        assert!(poll_once(&mut first).await.is_pending());
        let refused = handle.readable(fd).await.expect_err("the first one waits");
        assert!(matches!(refused, WatchError::Taken(place) if place.line() == line), "{refused}");
        assert!(handle.dump().contains(&format!("reader contract/readiness.rs:{line}")), "{}", handle.dump());
        let callback = AsyncCallback::new(|_, _| {}, 0);
        assert!(matches!(handle.add_reader(fd, callback), Err(WatchError::Taken(_))));

        handle.writable(fd).await?;
        handle.send(peer, b"x")?;
        first.await?;
        close([fd, peer]);
        Ok(())
    });
}

/// Dropping it ends the wait, before and after it was told, and leaves the place to others.
#[test]
fn a_wait_that_is_given_up_leaves_its_place() {
    run(|| async {
        let handle = Handle::current();
        let (fd, peer) = raw_pair().await?;
        assert_eq!(handle.recv(fd, &mut [0]), Err(OsError::WOULD_BLOCK));
        let watchers = handle.pending().watchers;
        for told in [false, true] {
            let mut wait = handle.readable(fd);
            assert!(poll_once(&mut wait).await.is_pending());
            assert_eq!(handle.pending().watchers, watchers + 1);
            if told {
                handle.send(peer, b"x")?;
                until(|| handle.pending().watchers == watchers).await;
            }
            drop(wait);
            assert_eq!(handle.pending().watchers, watchers);
        }
        handle.readable(fd).await?;
        close([fd, peer]);
        Ok(())
    });
}

/// R77: who waits is told of the close; who comes later is refused.
#[test]
fn a_close_ends_the_waits() {
    run(|| async {
        let handle = Handle::current();
        let (fd, peer) = raw_pair().await?;
        assert_eq!(handle.recv(fd, &mut [0]), Err(OsError::WOULD_BLOCK));
        let mut wait = handle.readable(fd);
        assert!(poll_once(&mut wait).await.is_pending());
        handle.close(fd);
        assert_eq!(wait.await, Err(WatchError::Closed));
        assert_eq!(handle.readable(fd).await, Err(WatchError::Closed));
        assert_eq!(handle.writable(fd).await, Err(WatchError::Closed));
        handle.close(peer);
        Ok(())
    });
}
