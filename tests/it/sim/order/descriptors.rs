//! Watchers of descriptors, removed or told of a close.

use twinloop::{Handle, sleep};

use super::{MS, doing, full_pair, order, ready_pair, say, saying};

/// R73, R74: a reset calls both watchers at once, the reader first, whichever was added first.
#[test]
fn a_reader_before_its_writer() {
    insta::assert_snapshot!(order(|| async {
        let handle = Handle::current();
        let (fd, peer) = full_pair().await?;
        let writing = doing(move |handle| {
            say("writer");
            assert!(handle.remove_writer(fd));
        });
        handle.add_writer(fd, writing)?;
        let reading = doing(move |handle| {
            say("reader");
            assert!(handle.remove_reader(fd));
        });
        handle.add_reader(fd, reading)?;
        say("the peer closes with bytes unread");
        handle.close(peer);
        sleep(MS).await;
        Ok(())
    }));
}

/// R75: of two readers that are due in one batch the first removes the second.
#[test]
fn a_reader_recalled_by_its_neighbour() {
    insta::assert_snapshot!(order(|| async {
        let handle = Handle::current();
        let ((first, _), (second, _)) = (ready_pair().await?, ready_pair().await?);
        say("both are readable");
        let removing = doing(move |handle| {
            say(format!("removes the other: {}", handle.remove_reader(second)));
            assert!(handle.remove_reader(first));
        });
        handle.add_reader(first, removing)?;
        handle.add_reader(second, saying("never"))?;
        sleep(MS).await;
        Ok(())
    }));
}

/// R77: a close tells each watcher once, the reader first, in its place among what is queued.
#[test]
fn a_close_tells_the_watchers() {
    insta::assert_snapshot!(order(|| async {
        let handle = Handle::current();
        let (fd, _peer) = full_pair().await?;
        handle.add_writer(fd, saying("writer"))?;
        handle.add_reader(fd, saying("reader"))?;
        handle.call_soon(saying("queued before"));
        handle.close(fd);
        handle.call_soon(saying("queued behind"));
        sleep(MS).await;
        Ok(())
    }));
}
