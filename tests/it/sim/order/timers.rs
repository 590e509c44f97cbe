//! Timers, ties among them, and what is added or removed as they fire.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use twinloop::{Handle, Moment, TimerId, now, sleep, sleep_until, spawn, timeout};

use super::{MS, doing, order, say, saying};

/// R26, R27: deadlines decide, and equal ones the order of adding.
#[test]
fn ties_of_timers() {
    insta::assert_snapshot!(order(|| async {
        let (handle, start) = (Handle::current(), now());
        for (after, text) in
            [(2, "2, added first"), (1, "1, added second"), (2, "2, added third"), (1, "1, added last")]
        {
            let _timer = handle.add_timer(start + after * MS, saying(text));
        }
        sleep(3 * MS).await;
        Ok(())
    }));
}

/// R27: a timer that is removed and added again stands behind its equals.
#[test]
fn a_timer_added_again_stands_last() {
    insta::assert_snapshot!(order(|| async {
        let (handle, deadline) = (Handle::current(), now() + MS);
        let again = handle.add_timer(deadline, saying("never"));
        let _second = handle.add_timer(deadline, saying("second"));
        handle.remove_timer(again);
        let _again = handle.add_timer(deadline, saying("again"));
        sleep(2 * MS).await;
        Ok(())
    }));
}

/// R26, R34: timers for now and for the past, added in a timer's callback, wait for the next turn, and are sorted there.
#[test]
fn timers_added_in_a_timer_callback() {
    insta::assert_snapshot!(order(|| async {
        let (handle, deadline) = (Handle::current(), now() + MS);
        let adding = doing(|handle| {
            say("first, adds two");
            let _now = handle.add_timer(handle.now(), saying("added for now"));
            let _past = handle.add_timer(Moment::ORIGIN, saying("added for the past"));
        });
        let _first = handle.add_timer(deadline, adding);
        let _second = handle.add_timer(deadline, saying("second"));
        sleep(2 * MS).await;
        Ok(())
    }));
}

/// R30: the first of three timers of one moment removes the second.
#[test]
fn a_timer_recalled_by_its_neighbour() {
    insta::assert_snapshot!(order(|| async {
        let (handle, deadline) = (Handle::current(), now() + MS);
        let second: Rc<Cell<Option<TimerId>>> = Rc::default();
        let removing = doing({
            let second = Rc::clone(&second);
            move |handle| say(format!("removes it: {:?}", second.get().map(|id| handle.remove_timer(id))))
        });
        let _first = handle.add_timer(deadline, removing);
        second.set(Some(handle.add_timer(deadline, saying("never"))));
        let _third = handle.add_timer(deadline, saying("third"));
        sleep(2 * MS).await;
        Ok(())
    }));
}

/// R25: sleeps of zero take turns.
#[test]
fn sleeps_of_zero() {
    insta::assert_snapshot!(order(|| async {
        let sleeper = |name: &'static str| async move {
            for step in 1..=2 {
                say(format!("{name}{step}"));
                sleep(Duration::ZERO).await;
            }
        };
        let a = spawn(sleeper("a"));
        let b = spawn(sleeper("b"));
        a.await?;
        b.await?;
        Ok(())
    }));
}

/// R27, R60: at one moment a sleep, a timeout around nothing, and one around what is ready just then.
#[test]
fn timeouts_of_one_moment() {
    insta::assert_snapshot!(order(|| async {
        let deadline = now() + MS;
        let strikes = spawn(async { say(format!("{:?}", timeout(MS, pending::<()>()).await)) });
        let wins = spawn(async move { say(format!("{:?}", timeout(MS, sleep_until(deadline)).await)) });
        sleep_until(deadline).await;
        say("the sleep");
        strikes.await?;
        wins.await?;
        Ok(())
    }));
}
