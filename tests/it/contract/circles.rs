//! Tasks that wait for each other: who waits for whom, as a dump tells it.

use std::panic::Location;

use super::run;
use super::support::turns;
use twinloop::observe::Place;
use twinloop::{AsyncLock, Handle, JoinHandle, spawn, yield_now};

/// Where it was called, as a dump has it.
#[track_caller]
fn here() -> String {
    Place(Location::caller()).to_string()
}

/// The line of a dump that begins so.
fn line_of(dump: &str, begin: &str) -> Option<String> {
    dump.lines().find(|line| line.starts_with(begin)).map(str::to_owned)
}

/// Takes one lock, and then wants the other one.
fn take_both(first: &AsyncLock<()>, second: &AsyncLock<()>) -> JoinHandle<()> {
    let (first, second) = (first.clone(), second.clone());
    spawn(async move {
        let _first = first.acquire().await;
        yield_now().await;
        let _second = second.acquire().await;
    })
}

/// Two tasks that take two locks in different orders are shown as a circle, each with what it waits for and with who has it.
#[test]
fn a_circle_of_locks_is_told_with_who_holds_and_who_waits() {
    run(|| async {
        let (left, right) = (AsyncLock::new(()), AsyncLock::new(()));
        let tasks = [take_both(&left, &right), take_both(&right, &left)];
        turns(5).await;

        let dump = Handle::current().dump();
        let circle = dump.lines().next().unwrap_or_default().to_owned();
        let order =
            ["circle task ", "no. 1 waits at ", " for the lock taken at ", " by task ", "no. 2, which waits"];
        let found: Vec<Option<usize>> = order.iter().map(|words| circle.find(words)).collect();
        assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{circle}");
        assert!(circle.ends_with("no. 1"), "{circle}");
        let waits = dump.lines().filter(|line| line.starts_with("lock ") && line.contains(", held by task "));
        assert_eq!(waits.count(), 2, "{dump}");

        let _cancelled = tasks.map(JoinHandle::cancel);
        Ok(())
    });
}

/// Also a task that awaits the end of another one waits for it, and so do tasks that wait by way of a third one.
#[test]
fn a_circle_goes_through_a_join() {
    run(|| async {
        let lock = AsyncLock::new(());
        let (other, again) = (lock.clone(), here());
        let task = spawn(async move {
            let _held = lock.acquire().await;
            let inner = spawn(async move {
                let _never = other.acquire().await;
            });
            _ = inner.await;
        });
        turns(5).await;

        let dump = Handle::current().dump();
        let circle = line_of(&dump, "circle ").unwrap_or_else(|| panic!("no circle in\n{dump}"));
        assert!(
            circle.contains("waits for the end of task ") && circle.contains(" for the lock "),
            "{circle}"
        );
        let file = again.rsplit_once(':').map(|(file, _)| file.to_owned()).unwrap_or_default();
        assert!(circle.matches(&file).count() >= 4, "{circle}");

        drop(task.cancel());
        turns(5).await;
        assert_eq!(line_of(&Handle::current().dump(), "circle "), None);
        Ok(())
    });
}

/// Who waits in a row, and for someone who goes on, is in no circle; the dump says who holds the lock and since when.
#[test]
fn a_queue_for_a_lock_is_no_circle() {
    run(|| async {
        let lock = AsyncLock::new(());
        let (held, place) = (lock.try_acquire(), here());
        let waiting: Vec<JoinHandle<()>> = (0..2)
            .map(|_| {
                let lock = lock.clone();
                spawn(async move { drop(lock.acquire().await) })
            })
            .collect();
        turns(2).await;

        let dump = Handle::current().dump();
        assert_eq!(line_of(&dump, "circle "), None, "{dump}");
        let waits: Vec<&str> = dump.lines().filter(|line| line.starts_with("lock ")).collect();
        assert_eq!(waits.len(), 2, "{dump}");
        assert!(waits.iter().all(|line| line.ends_with(&format!(" since {place})"))), "{dump}");

        drop(held);
        for task in waiting {
            task.await?;
        }
        Ok(())
    });
}
