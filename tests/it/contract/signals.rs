//! Signals of the process. Everybody in it hears them and cases run side by side, so each has signals of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use super::run;
use super::support::{Log, calling, poll_once, settle, until};
use twinloop::driver::{OsError, Signal};
use twinloop::{Handle, Signals, raise, spawn, spawn_thread};

/// R82: a wait for one signal ends with it.
#[test]
fn a_signal_is_waited_for() {
    run(|| async {
        let mut signals = Signals::new(&[Signal::User1])?;
        let waits = spawn(async move { signals.recv().await });
        settle().await;
        assert!(!waits.is_finished(), "nothing was sent yet");
        raise(Signal::User1)?;
        assert_eq!(waits.await?, Signal::User1);
        Ok(())
    });
}

/// R81: any number of listeners, on any thread, each of which hears the signal.
#[test]
fn everybody_who_listens_hears_a_signal() {
    run(|| async {
        let listens = Arc::new(AtomicBool::new(false));
        let elsewhere = spawn_thread("listener", {
            let listens = Arc::clone(&listens);
            move || async move {
                let mut signals = Signals::new(&[Signal::User2])?;
                listens.store(true, Ordering::SeqCst);
                Ok::<_, OsError>(signals.recv().await)
            }
        })?;
        let mut first = Signals::new(&[Signal::User2])?;
        let mut second = Signals::new(&[Signal::User2])?;
        until(|| listens.load(Ordering::SeqCst)).await;
        raise(Signal::User2)?;
        assert_eq!(first.recv().await, Signal::User2);
        assert_eq!(second.recv().await, Signal::User2);
        assert_eq!(elsewhere.await??, Signal::User2);
        Ok(())
    });
}

/// R80: several of one kind that nobody has received yet are one, as POSIX has it.
#[test]
fn equal_signals_merge() {
    run(|| async {
        let mut signals = Signals::new(&[Signal::Hangup])?;
        for _ in 0..3 {
            raise(Signal::Hangup)?;
        }
        settle().await;
        assert_eq!(signals.recv().await, Signal::Hangup);
        let mut next = signals.recv();
        assert_eq!(poll_once(&mut next).await, Poll::Pending);
        settle().await;
        assert_eq!(poll_once(&mut next).await, Poll::Pending, "it was one");
        raise(Signal::Hangup)?;
        assert_eq!(next.await, Signal::Hangup);
        Ok(())
    });
}

/// R82: a wait that is given up loses no signal, whenever that came.
#[test]
fn a_wait_that_is_given_up_loses_no_signal() {
    run(|| async {
        let mut signals = Signals::new(&[Signal::Quit])?;
        assert_eq!(poll_once(&mut signals.recv()).await, Poll::Pending);
        raise(Signal::Quit)?;
        drop(signals.recv());
        settle().await;
        assert_eq!(signals.recv().await, Signal::Quit);
        Ok(())
    });
}

/// Signals of different kinds do not merge, and nobody hears one that was not asked for.
#[test]
fn a_listener_hears_what_it_listens_to() {
    run(|| async {
        let mut both = Signals::new(&[Signal::Terminate, Signal::Interrupt])?;
        let mut one = Signals::new(&[Signal::Interrupt, Signal::Interrupt])?;
        raise(Signal::Terminate)?;
        raise(Signal::Interrupt)?;
        settle().await;
        let mut heard = [both.recv().await, both.recv().await];
        heard.sort();
        assert_eq!(heard, [Signal::Interrupt, Signal::Terminate]);
        assert_eq!(one.recv().await, Signal::Interrupt);
        assert_eq!(poll_once(&mut one.recv()).await, Poll::Pending);
        Ok(())
    });
}

/// R80: as a callback of the loop, on the bare descriptor.
///
/// R83: what nobody listens to does what it does by default, which is nothing here, and nobody hears it later.
#[test]
fn a_signal_calls_a_callback() {
    run(|| async {
        raise(Signal::WindowChange)?;
        let (handle, log) = (Handle::current(), Log::default());
        let fd = handle.signals(&[Signal::WindowChange])?;
        let heard = log.clone();
        let note = calling(move |handle| match handle.next_signal(fd) {
            Ok(signal) => heard.add(signal),
            Err(error) => assert!(error.is_would_block(), "{error}"),
        });
        handle.add_reader(fd, note)?;
        settle().await;
        assert_eq!(log.text(), "");
        raise(Signal::WindowChange)?;
        until(|| log.text() == "SIGWINCH").await;
        handle.remove_reader(fd);
        handle.close(fd);
        raise(Signal::WindowChange)?;
        settle().await;
        assert_eq!(log.text(), "SIGWINCH");
        assert!(handle.next_signal(fd).is_err(), "nothing comes of what is closed");
        Ok(())
    });
}
