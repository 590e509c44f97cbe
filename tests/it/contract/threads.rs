//! Threads: further dispatchers, what they send each other, and what must not cross from one to the other.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::panic::catch_unwind;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::support::{Log, Turns, close_all, poll_once, raw_pair, turns, until};
use super::{run, run_leaving};
use twinloop::driver::{Half, OsError, SocketOption};
use twinloop::{
    Address, AsyncCallback, Closed, Handle, JoinError, Remote, StreamServer, ThreadEvent, connect,
    panic_text, sleep, spawn, spawn_thread, yield_now,
};

/// What happened on any thread, in order.
#[derive(Clone, Default)]
struct SharedLog(Arc<Mutex<Vec<&'static str>>>);

impl SharedLog {
    fn add(&self, entry: &'static str) {
        self.0.lock().expect("nothing panics in the log").push(entry);
    }

    fn text(&self) -> String {
        self.0.lock().expect("nothing panics in the log").join(" ")
    }
}

/// Adds an entry to a log as it goes.
struct TellsDrop(SharedLog, &'static str);

impl Drop for TellsDrop {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// Section 1, "Threads": a thread runs its future and gives the output to whoever joins it, early or late.
#[test]
fn a_thread_gives_its_output() {
    run(|| async {
        let early = spawn_thread("early", || async {
            turns(3).await;
            "early"
        })?;
        let late = spawn_thread("late", || async { "late" })?;
        assert_eq!(early.await?, "early");
        until(|| late.is_finished()).await;
        assert_eq!(late.await?, "late");
        Ok(())
    });
}

/// The future of a thread is made there and stays there: it need not be `Send`.
#[test]
fn a_threads_future_need_not_be_send() {
    run(|| async {
        let thread = spawn_thread("local", || async {
            let count = Rc::new(Cell::new(0));
            let inner = Rc::clone(&count);
            let task = spawn(async move { inner.set(7) });
            task.await.expect("it only sets a number");
            count.get()
        })?;
        assert_eq!(thread.await?, 7);
        Ok(())
    });
}

/// A `Remote` queues callbacks on the dispatcher that it came from; those of one thread run in the order of sending, and
/// `udata` is passed through as it is.
#[test]
fn callbacks_from_another_thread_run_here_in_order() {
    thread_local! {
        static ARRIVED: Cell<usize> = const { Cell::new(0) };
    }
    fn arrive(_: &Handle, word: usize) {
        ARRIVED.set(ARRIVED.get() * 10 + word);
    }
    run(|| async {
        ARRIVED.set(0);
        let home = Handle::current().remote();
        let thread = spawn_thread("sender", move || async move {
            for word in 1..=4 {
                home.call_soon(AsyncCallback::new(arrive, word)).expect("the first thread waits");
                if word == 2 {
                    yield_now().await;
                }
            }
        })?;
        thread.await?;
        // The end of a thread may be seen before what it sent has had its turn.
        until(|| ARRIVED.get() >= 1000).await;
        assert_eq!(ARRIVED.get(), 1234);
        Ok(())
    });
}

/// A `Remote` of the own dispatcher works as well: the callback is queued, and not run inside of the call.
#[test]
fn a_remote_reaches_its_own_dispatcher_too() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        handle.remote().call_soon(log.adding("callback"))?;
        assert_eq!(log.text(), "");
        until(|| log.count("callback") == 1).await;
        let task = handle.remote().spawn(|| async { 7 });
        assert_eq!(task.await?, 7);
        Ok(())
    });
}

/// A future sent to another thread runs there, beside what runs there already, and its output comes back.
#[test]
fn a_future_sent_to_another_thread_runs_there() {
    run(|| async {
        let home = Handle::current().remote();
        let asks = move |home: Remote| async move {
            let mut sum = 0;
            for number in 1..=3 {
                let answer = home.spawn(move || async move {
                    sleep(Duration::from_millis(1)).await;
                    number * 10
                });
                sum += answer.await.expect("the first thread answers");
            }
            sum
        };
        let asking: Vec<_> = ["one", "two"]
            .into_iter()
            .map(|name| {
                let home = home.clone();
                spawn_thread(name, move || asks(home))
            })
            .collect::<Result<_, _>>()?;
        for thread in asking {
            assert_eq!(thread.await?, 60);
        }
        Ok(())
    });
}

/// A thread that waits for nothing but what others may send goes on when it comes.
#[test]
fn a_thread_waits_for_what_others_send() {
    run(|| async {
        let (gate, reachable) = (SharedGate::default(), Arc::new(OnceLock::<Remote>::new()));
        let (inner_gate, reached_by) = (gate.clone(), Arc::clone(&reachable));
        let thread = spawn_thread("waits", move || async move {
            reached_by.set(Handle::current().remote()).expect("the thread begins once");
            inner_gate.wait().await;
            7
        })?;
        until(|| reachable.get().is_some()).await;
        let remote = reachable.get().expect("it was seen there");
        remote.spawn(move || async move { gate.open() }).await?;
        assert_eq!(thread.await?, 7);
        Ok(())
    });
}

/// Wakes go from thread to thread, a thousand times to and fro, and none is lost.
#[test]
fn no_wake_between_threads_is_lost() {
    const ROUNDS: usize = 500;
    run(|| async {
        let ball = Ball::default();
        let theirs = ball.clone();
        let thread = spawn_thread("returns", move || async move {
            for round in 0..ROUNDS {
                theirs.reaches(2 * round + 1).await;
                theirs.hit();
            }
        })?;
        for round in 0..ROUNDS {
            ball.hit();
            ball.reaches(2 * round + 2).await;
        }
        thread.await?;
        Ok(())
    });
}

/// Several threads wake one task; it notices them all.
#[test]
fn many_threads_wake_one_task() {
    run(|| async {
        let (ball, threads) = (Ball::default(), 4);
        let hitting: Vec<_> = (0..threads)
            .map(|_| {
                let ball = ball.clone();
                spawn_thread("hits", move || async move {
                    for _ in 0..10 {
                        ball.hit();
                        yield_now().await;
                    }
                })
            })
            .collect::<Result<_, _>>()?;
        ball.reaches(10 * threads).await;
        for thread in hitting {
            thread.await?;
        }
        Ok(())
    });
}

/// R85, R86: a thread event goes from thread to thread: of three that wait, each on its own thread, each fire wakes one.
#[test]
fn a_thread_event_wakes_one_thread_for_each_fire() {
    run(|| async {
        let (event, woken) = (ThreadEvent::new(), Arc::new(AtomicUsize::new(0)));
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let (event, woken) = (event.clone(), Arc::clone(&woken));
                spawn_thread("waits", move || async move {
                    event.wait().await;
                    woken.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect::<Result<_, _>>()?;
        until(|| format!("{event:?}").contains("waiting: 3")).await;
        for fired in 1..=3 {
            event.fire();
            until(|| woken.load(Ordering::SeqCst) == fired).await;
            turns(20).await;
            assert_eq!(woken.load(Ordering::SeqCst), fired, "one fire woke more than one");
        }
        for thread in waiting {
            thread.await?;
        }
        Ok(())
    });
}

/// R47 as twinloop has it: a panic on another thread comes to whoever joins, from a thread and from a future sent there.
#[test]
fn a_panic_on_another_thread_comes_to_its_joiner() {
    run(|| async {
        let thread = spawn_thread("panics", || async { panic!("the case's own panic: {}", 7) })?;
        assert_eq!(panic_of(thread.await), "the case's own panic: 7");
        let home = Handle::current().remote();
        let thread = spawn_thread("asks", move || async move {
            let sent = home.spawn(|| async { panic!("the case's own panic: {}", 8) });
            panic_of(sent.await)
        })?;
        assert_eq!(thread.await?, "the case's own panic: 8");
        Ok(())
    });
}

fn panic_of(outcome: Result<(), JoinError>) -> String {
    match outcome {
        Err(JoinError::Panicked(payload)) => panic_text(&*payload).to_owned(),
        other => panic!("not a panic: {other:?}"),
    }
}

/// Section 1: `cancel().await` answers once what ran on the other thread is really gone.
#[test]
fn a_cancelled_thread_is_gone_when_the_cancel_is_answered() {
    run(|| async {
        let log = SharedLog::default();
        let inner = log.clone();
        let thread = spawn_thread("pending", move || async move {
            let _local = TellsDrop(inner.clone(), "dropped");
            inner.add("began");
            pending::<()>().await;
        })?;
        until(|| log.text() == "began").await;
        assert!(matches!(thread.cancel().await, Err(JoinError::Cancelled)));
        assert_eq!(log.text(), "began dropped");
        Ok(())
    });
}

/// What is cancelled before it begins never does.
#[test]
fn what_is_cancelled_before_it_begins_never_does() {
    run(|| async {
        let log = SharedLog::default();
        let inner = log.clone();
        let sent = Handle::current().remote().spawn(move || async move { inner.add("began") });
        assert!(matches!(sent.cancel().await, Err(JoinError::Cancelled)));
        assert_eq!(log.text(), "");
        Ok(())
    });
}

/// R49: what has ended keeps its outcome, whatever is asked of it then.
#[test]
fn cancelling_a_finished_thread_changes_nothing() {
    run(|| async {
        let thread = spawn_thread("quick", || async { 7 })?;
        until(|| thread.is_finished()).await;
        assert_eq!(thread.cancel().await?, 7);
        Ok(())
    });
}

/// Dropping the `RemoteJoin` lets what it stands for run on.
#[test]
fn a_detached_thread_runs_on() {
    run(|| async {
        let log = SharedLog::default();
        let (first, second) = (log.clone(), log.clone());
        spawn_thread("dropped", move || async move {
            turns(3).await;
            first.add("thread");
        })?
        .detach();
        drop(Handle::current().remote().spawn(move || async move {
            turns(3).await;
            second.add("future");
        }));
        until(|| log.text().contains("thread") && log.text().contains("future")).await;
        Ok(())
    });
}

/// Against R20: a thread closes its dispatcher when its future ends. Its other tasks go with it, what was sent to it ends as
/// cancelled, and who sends more is told.
#[test]
fn a_thread_takes_what_it_has_left_along() {
    run(|| async {
        let (log, gate) = (SharedLog::default(), SharedGate::default());
        let (inner_log, inner_gate) = (log.clone(), gate.clone());
        let reachable = Arc::new(OnceLock::<Remote>::new());
        let reached_by = Arc::clone(&reachable);
        let thread = spawn_thread("ends", move || async move {
            let local = TellsDrop(inner_log, "task dropped");
            spawn(async move {
                let _local = local;
                pending::<()>().await;
            })
            .detach();
            reached_by.set(Handle::current().remote()).expect("the thread begins once");
            inner_gate.wait().await;
        })?;
        until(|| reachable.get().is_some()).await;
        let remote = reachable.get().expect("it was seen there");
        let sent = remote.spawn(pending::<()>);
        gate.open();
        thread.await?;
        assert!(matches!(sent.await, Err(JoinError::Cancelled)));
        until(|| log.text() == "task dropped").await;
        until(|| remote.call_soon(AsyncCallback::new(|_, _| {}, 0)) == Err(Closed)).await;
        assert!(matches!(remote.spawn(|| async { 7 }).await, Err(JoinError::Cancelled)));
        Ok(())
    });
}

/// A thread has descriptors of its own, and the machine's addresses in common with the others.
#[test]
fn threads_talk_over_the_network_of_their_machine() {
    run(|| async {
        let listening = Arc::new(OnceLock::<Address>::new());
        let tell = Arc::clone(&listening);
        let server = spawn_thread("server", move || async move {
            let server = StreamServer::listen(Address::loopback(0)).expect("a free port");
            tell.set(server.local_address()).expect("the thread begins once");
            let stream = server.accept().await.expect("a client comes");
            let line = stream.read_line(80).await.expect("a line comes").expect("before the end");
            stream.write(&line).await.expect("the client reads");
            stream.close().await;
        })?;
        until(|| listening.get().is_some()).await;
        let stream = connect(*listening.get().expect("it was seen there")).await?;
        stream.write(b"echo\n").await?;
        assert_eq!(stream.read_to_end(80).await?, b"echo");
        server.await?;
        Ok(())
    });
}

/// Section 1, handles are keys: what belongs to one thread is refused on another, with the cure. Dropped there, it stays
/// pending here.
#[test]
fn what_belongs_to_one_thread_is_refused_on_another() {
    run_leaving(|| async {
        let handle = Handle::current();
        let mut nap = sleep(Duration::from_secs(60));
        assert!(poll_once(&mut nap).await.is_pending());
        let thread = spawn_thread("elsewhere", move || async move {
            assert!(!handle.is_here());
            nap.await
        })?;
        assert!(panic_of(thread.await).contains("lives on another thread"));
        Ok(())
    });
}

/// A descriptor is of the thread that opened it. On another one its number means nothing, and closing it there closes
/// nothing.
#[test]
fn a_descriptor_of_one_thread_is_none_on_another() {
    run(|| async {
        let handle = Handle::current();
        let (fd, peer) = raw_pair().await?;
        let thread = spawn_thread("elsewhere", move || async move {
            let handle = Handle::current();
            let refused = [
                handle.send(fd, b"hello").err(),
                handle.recv(fd, &mut [0; 8]).err(),
                handle.accept(fd).err(),
                handle.take_error(fd).err(),
                handle.shutdown(fd, Half::Both).err(),
                handle.local_address(fd).err(),
                handle.remote_address(fd).err(),
                handle.set_option(fd, SocketOption::NoDelay(true)).err(),
            ];
            handle.close(fd);
            refused
        })?;
        assert_eq!(thread.await?, [Some(OsError::BAD_DESCRIPTOR); 8]);
        assert!(handle.remote_address(fd).is_ok());
        close_all([fd, peer]);
        Ok(())
    });
}

/// Section 1, handles are keys: the scope of a dispatcher can be entered on its own thread only.
#[test]
fn a_scope_is_not_entered_from_another_thread() {
    run(|| async {
        let handle = Handle::current();
        let thread = spawn_thread("elsewhere", move || async move { drop(handle.enter()) })?;
        assert!(panic_of(thread.await).contains("lives on another thread"));
        Ok(())
    });
}

/// A name that the system can not take is the caller's mistake, on every driver alike.
#[test]
fn a_threads_name_has_no_nul() {
    run(|| async {
        let misuse = catch_unwind(|| spawn_thread("two\0names", || async {}).map(drop));
        let payload = misuse.expect_err("it is refused");
        assert!(panic_text(&*payload).contains("has no NUL"), "{}", panic_text(&*payload));
        Ok(())
    });
}

/// The end of a thread may be awaited from a further one.
#[test]
fn a_thread_may_be_joined_by_another() {
    run(|| async {
        let first = spawn_thread("first", || async {
            sleep(Duration::from_millis(2)).await;
            6
        })?;
        let second = spawn_thread("second", || async { first.await.map(|six| six * 7) })?;
        assert_eq!(second.await??, 42);
        Ok(())
    });
}

/// A gate between threads that opens once.
#[derive(Clone, Default)]
struct SharedGate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl SharedGate {
    fn open(&self) {
        let mut state = self.0.lock().expect("nothing panics in the gate");
        state.0 = true;
        let waiting = std::mem::take(&mut state.1);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    async fn wait(&self) {
        poll_fn(|context| {
            let mut state = self.0.lock().expect("nothing panics in the gate");
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Counts hits on any thread, and wakes those who wait for one.
#[derive(Clone, Default)]
struct Ball(Arc<(AtomicUsize, Mutex<Vec<Waker>>)>);

impl Ball {
    fn hit(&self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.0.1.lock().expect("nothing panics at the ball"));
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until there were `hits`.
    async fn reaches(&self, hits: usize) {
        poll_fn(|context| {
            // Noted before the look: a hit between the two wakes again.
            self.0.1.lock().expect("nothing panics at the ball").push(context.waker().clone());
            if self.0.0.load(Ordering::SeqCst) >= hits { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// What another thread sends arrives beside tasks that are busy all the time.
#[test]
fn a_busy_dispatcher_hears_other_threads() {
    run(|| async {
        let busy = Turns::counted();
        let home = Handle::current().remote();
        let thread = spawn_thread("sender", move || async move { home.spawn(|| async { 7 }).await })?;
        assert_eq!(thread.await??, 7);
        drop(busy);
        Ok(())
    });
}
