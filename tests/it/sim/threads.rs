//! Threads of a simulated host: further dispatchers, in an order that the seed chooses.

use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use twinloop::{Handle, sleep, spawn, spawn_thread, yield_now};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{Report, Sim, Verdict, run_world};

const KIND: Choices = Choices::Replayed { seed: 0, picks: Vec::new() };

/// A host whose threads add their names to a log, several times each.
fn taking_turns(log: Arc<Mutex<String>>) -> impl FnOnce(&mut Sim) {
    move |sim| {
        sim.client("host", move || {
            let log = Arc::clone(&log);
            async move {
                let adds = |name: &'static str| {
                    let log = Arc::clone(&log);
                    spawn_thread(name, move || async move {
                        for _ in 0..3 {
                            log.lock().expect("nothing panics in the log").push_str(name);
                            yield_now().await;
                        }
                    })
                };
                let (a, b) = (adds("a")?, adds("b")?);
                a.await?;
                b.await?;
                Ok(())
            }
        });
    }
}

fn order_of_turns(choices: &Choices) -> String {
    let log: Arc<Mutex<String>> = Arc::default();
    let report = run_world(choices, Telling::Silent, taking_turns(Arc::clone(&log)));
    assert!(report.verdict.is_passed(), "{}", report.verdict);
    String::clone(&log.lock().expect("nothing panics in the log"))
}

/// In a kind world threads go in the order of starting, as far as each has something to do.
#[test]
fn threads_of_a_kind_world_go_in_the_order_of_starting() {
    assert_eq!(order_of_turns(&KIND), "aaabbb");
}

/// All 20 orders of three turns each come about.
#[test]
fn the_seed_chooses_the_order_of_threads() {
    let orders: BTreeSet<String> = (0..500).map(|seed| order_of_turns(&Choices::Seeded(seed))).collect();
    assert_eq!(orders.len(), 20, "{orders:?}");
}

/// A counter that is read, and written a turn later.
fn a_race(sim: &mut Sim) {
    sim.client("host", || async {
        let counter = Arc::new(Mutex::new(0));
        let adds = |name| {
            let counter = Arc::clone(&counter);
            spawn_thread(name, move || async move {
                let read = *counter.lock().expect("nothing panics at the counter");
                yield_now().await;
                *counter.lock().expect("nothing panics at the counter") = read + 1;
            })
        };
        let threads = [adds("one")?, adds("two")?];
        for thread in threads {
            thread.await?;
        }
        let count = *counter.lock().expect("nothing panics at the counter");
        if count == 2 { Ok(()) } else { Err(format!("counted {count} of 2").into()) }
    });
}

/// A race between threads is found, repeats from its seed, and from its unusual picks alone.
#[test]
fn a_race_between_threads_is_found_and_replayed() {
    let run = |choices: &Choices| run_world(choices, Telling::Silent, a_race);
    assert!(run(&KIND).verdict.is_passed());
    let failing = |seed: &u64| !run(&Choices::Seeded(*seed)).verdict.is_passed();
    let seed = (0..50).find(failing).expect("one of 50 seeds has the race");
    let found = run(&Choices::Seeded(seed));
    assert_eq!(found.verdict.to_string(), "failed: host: counted 1 of 2");
    let replayed = run(&Choices::Replayed { seed, picks: found.unusual.clone() });
    assert_eq!((replayed.verdict, replayed.hash), (found.verdict, found.hash));
}

fn told(build: impl FnOnce(&mut Sim)) -> Report {
    run_world(&KIND, Telling::Everything, build)
}

/// A story names the thread.
#[test]
fn a_story_names_the_thread() {
    let report = told(|sim| {
        sim.client("host", || async {
            let thread =
                spawn_thread("worker", || async { Handle::current().note(|| "at work".to_owned()) })?;
            thread.await?;
            Ok(())
        });
    });
    let story = report.story.expect("a story was asked for").to_string();
    let line = story.lines().find(|line| line.contains("at work")).expect("the note is in the story");
    assert!(line.contains("host/worker"), "{line}");
}

/// A panic on a thread that nobody joins fails the run, and the verdict names the thread.
#[test]
fn a_panic_on_a_detached_thread_fails_the_run() {
    let report = told(|sim| {
        sim.client("host", || async {
            spawn_thread("worker", || async { panic!("the worker's own panic") })?.detach();
            sleep(Duration::from_secs(1)).await;
            Ok(())
        });
    });
    let Verdict::Panicked { host, message } = &report.verdict else { panic!("{}", report.verdict) };
    assert_eq!(host, "host/worker");
    assert!(message.starts_with("the worker's own panic"), "{message}");
}

/// A deadlock between threads is told with what each of them waits for.
#[test]
fn a_deadlock_tells_what_each_thread_waits_for() {
    let report = told(|sim| {
        sim.client("host", || async {
            spawn_thread("worker", pending::<()>)?.await?;
            Ok(())
        });
    });
    let Verdict::Deadlock { message } = &report.verdict else { panic!("{}", report.verdict) };
    assert!(message.contains("host waits: task") && message.contains("host/worker waits: task"), "{message}");
}

/// A crash takes all threads of the host along, and what belongs to them; the next life begins with one.
#[test]
fn a_crash_takes_all_threads_along() {
    struct Counts(Arc<Mutex<i32>>);
    impl Counts {
        fn one(alive: &Arc<Mutex<i32>>) -> Counts {
            *alive.lock().expect("nothing panics while it counts") += 1;
            Counts(Arc::clone(alive))
        }
    }
    impl Drop for Counts {
        fn drop(&mut self) {
            *self.0.lock().expect("nothing panics while it counts") -= 1;
        }
    }
    let alive = Arc::new(Mutex::new(0));
    let (inner, seen) = (Arc::clone(&alive), Arc::clone(&alive));
    let report = told(move |sim| {
        sim.host("server", 7, move |_| {
            let alive = Arc::clone(&inner);
            async move {
                for _ in 0..3 {
                    let alive = Arc::clone(&alive);
                    spawn_thread("worker", move || async move {
                        let _counted = Counts::one(&alive);
                        pending::<()>().await;
                    })?
                    .detach();
                }
                pending().await
            }
        });
        sim.at(Duration::from_secs(1)).crash("server");
        sim.at(Duration::from_secs(3)).restart("server");
        sim.client("client", move || {
            let alive = Arc::clone(&seen);
            async move {
                for expected in [3, 0, 3] {
                    sleep(Duration::from_millis(900)).await;
                    let alive = *alive.lock().expect("nothing panics while it counts");
                    assert_eq!(alive, expected);
                    sleep(Duration::from_millis(600)).await;
                }
                Ok(())
            }
        });
    });
    assert!(report.verdict.is_passed(), "{}", report.verdict);
    assert_eq!(*alive.lock().expect("nothing panics while it counts"), 0);
}

/// A thread that was woken may go on late: virtual time passes between the wake and its effect.
#[test]
fn a_woken_thread_may_go_on_late() {
    let time = |probability| {
        let report = run_world(&Choices::Seeded(3), Telling::Silent, |sim| {
            sim.faults().late_wake(probability);
            sim.client("host", || async {
                spawn_thread("worker", || async {})?.await?;
                Ok(())
            });
        });
        assert!(report.verdict.is_passed(), "{}", report.verdict);
        report.virtual_time
    };
    assert_eq!(time(0.0), Duration::ZERO);
    assert!(time(1.0) > Duration::ZERO);
}

/// A thread that is asked for when the run is over never begins. What it was to run is user code, and a panic of that is the
/// run's.
#[test]
fn a_panic_in_what_a_thread_was_to_run_after_the_end_fails_the_run() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("what the thread was given");
        }
    }
    struct StartsThread;
    impl Drop for StartsThread {
        fn drop(&mut self) {
            let given = Panics;
            let started = spawn_thread("late", move || async move { drop(given) });
            started.expect("the world takes it").detach();
        }
    }
    let report = told(|sim| {
        sim.client("host", || async {
            let starts = StartsThread;
            spawn(async move {
                let _starts = starts;
                pending::<()>().await;
            })
            .detach();
            yield_now().await;
            Ok(())
        });
    });
    let Verdict::Panicked { host, message } = &report.verdict else { panic!("{}", report.verdict) };
    assert_eq!(host, "host");
    assert!(message.starts_with("what the thread was given"), "{message}");
}

/// Threads that start threads, and end in the turn in which others start, are the same run from the same seed; so are the
/// picks of two hosts that do it at one time.
#[test]
fn threads_that_start_threads_repeat_from_their_seed() {
    fn family(depth: usize) -> Pin<Box<dyn Future<Output = usize>>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let home = Handle::current().remote();
            let children = [0, 1].map(|_| spawn_thread("child", move || family(depth - 1)));
            let answered = home.spawn(|| async { 0 });
            let mut count = 1 + answered.await.expect("the own thread answers");
            for child in children {
                count += child.expect("the world starts it").await.expect("it counts");
            }
            count
        })
    }
    let build = |sim: &mut Sim| {
        sim.faults().late_wake(0.3);
        for name in ["one", "two"] {
            sim.client(name, || async {
                assert_eq!(family(4).await, 31);
                Ok(())
            });
        }
    };
    for seed in 0..20 {
        let run = || run_world(&Choices::Seeded(seed), Telling::Silent, build);
        let (first, second) = (run(), run());
        assert!(first.verdict.is_passed(), "{}", first.verdict);
        assert_eq!(first.hash, second.hash);
    }
}

/// A world inside another dispatcher's scope is a world of its own.
#[test]
fn a_world_may_be_run_inside_of_another() {
    let report = told(|sim| {
        sim.client("outer", || async {
            let inner = run_world(&KIND, Telling::Silent, |sim| {
                sim.client("inner", || async {
                    spawn_thread("worker", || async { sleep(Duration::from_secs(1)).await })?.await?;
                    Ok(())
                });
            });
            assert!(inner.verdict.is_passed(), "{}", inner.verdict);
            sleep(Duration::from_secs(1)).await;
            Ok(())
        });
    });
    assert!(report.verdict.is_passed(), "{}", report.verdict);
}
