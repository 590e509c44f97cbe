//! Thread events between real threads, with and without dispatchers. Every wait has a bound, and none is measured.

use std::future::Future;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use twinloop::{Elapsed, ThreadEvent, spawn, timeout, yield_now};

/// No wait that is to end takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a wait that is to end in vain takes.
const MOMENT: Duration = Duration::from_millis(2);

/// Both ways to wait.
#[derive(Clone, Copy)]
enum Way {
    Blocking,
    Task,
}

/// On a thread of its own: waits, and says its name when the event came.
fn wait_on_a_thread<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    event: &ThreadEvent,
    way: Way,
    name: usize,
    told: &Sender<usize>,
) {
    let (event, told) = (event.clone(), told.clone());
    scope.spawn(move || {
        let came = match way {
            Way::Blocking => event.wait_blocking(PATIENCE),
            Way::Task => run(async move { timeout(PATIENCE, event.wait()).await.is_ok() }),
        };
        assert!(came, "waiter {name} waited in vain");
        told.send(name).expect("the test listens");
    });
}

fn run<F>(program: F) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    twinloop_real::run(program).expect("the real driver runs the program")
}

/// Returns once so many wait, as the event itself says.
fn until_waiting(event: &ThreadEvent, count: usize) {
    let text = format!("ThreadEvent {{ fired: false, waiting: {count} }}");
    for _ in 0..PATIENCE.as_millis() {
        if format!("{event:?}") == text {
            return;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    panic!("{event:?} never became {text}");
}

fn next(told: &Receiver<usize>) -> usize {
    told.recv_timeout(PATIENCE).expect("a waiter goes on")
}

/// R86: each fire lets exactly one of the waiting threads go on, in the order in which they began to wait, whichever way
/// they wait.
#[test]
fn each_fire_lets_one_thread_go_on_in_the_order_of_waiting() {
    use Way::{Blocking, Task};
    for ways in [[Blocking; 4], [Task; 4], [Blocking, Task, Blocking, Task], [Task, Task, Blocking, Blocking]]
    {
        let (event, (tell, told)) = (ThreadEvent::new(), channel());
        thread::scope(|scope| {
            for (name, way) in ways.into_iter().enumerate() {
                wait_on_a_thread(scope, &event, way, name, &tell);
                until_waiting(&event, name + 1);
            }
            for name in 0..ways.len() {
                event.fire();
                assert_eq!(next(&told), name);
                until_waiting(&event, ways.len() - name - 1);
            }
        });
        assert!(told.try_recv().is_err(), "one fire let two go on");
    }
}

/// R86: of threads that race for one fire, one at the most gets it. If the time of all was over before it came, it is
/// still there.
#[test]
fn of_many_threads_one_gets_the_fire() {
    let event = ThreadEvent::new();
    let came = thread::scope(|scope| {
        let waiters: Vec<_> = (0..8).map(|_| scope.spawn(|| event.wait_blocking(MOMENT * 20))).collect();
        event.fire();
        waiters.into_iter().map(|waiter| waiter.join().expect("it waits")).filter(|came| *came).count()
    });
    let left = usize::from(event.wait_blocking(Duration::ZERO));
    assert_eq!(came + left, 1);
}

/// R85: fires before a wait make one, also for a thread without a dispatcher.
#[test]
fn fires_before_a_blocking_wait_merge_into_one() {
    let event = ThreadEvent::new();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| event.fire());
        }
    });
    assert!(event.wait_blocking(Duration::ZERO));
    assert!(!event.wait_blocking(Duration::ZERO));
}

/// R87: a blocking wait ends with its time, and leaves nothing behind that could take a later fire.
#[test]
fn a_blocking_wait_ends_with_its_time() {
    let event = ThreadEvent::new();
    assert!(!event.wait_blocking(MOMENT));
    assert_eq!(format!("{event:?}"), "ThreadEvent { fired: false, waiting: 0 }");
    event.fire();
    assert!(event.wait_blocking(MOMENT));
}

/// A thread and a task play ping-pong: no fire is lost, in ten thousand.
#[test]
fn a_thread_and_a_task_play_ping_pong() {
    const ROUNDS: usize = 10_000;
    let (ping, pong) = (ThreadEvent::new(), ThreadEvent::new());
    thread::scope(|scope| {
        let (heard, answer) = (ping.clone(), pong.clone());
        scope.spawn(move || {
            for _ in 0..ROUNDS {
                assert!(heard.wait_blocking(PATIENCE));
                answer.fire();
            }
        });
        let ended = run(async move {
            timeout(PATIENCE, async move {
                for _ in 0..ROUNDS {
                    ping.fire();
                    pong.wait().await;
                }
            })
            .await
        });
        assert_eq!(ended, Ok(()));
    });
}

/// R179: fires that race with the time-outs of their waiters are not lost: as many waits succeed as there were fires,
/// with the one that is left over at the end.
#[test]
fn fires_that_race_with_time_outs_are_not_lost() {
    const FIRES: usize = 300;
    let (event, taken) = (ThreadEvent::new(), ThreadEvent::new());
    thread::scope(|scope| {
        let (inner_event, inner_taken) = (event.clone(), taken.clone());
        scope.spawn(move || {
            run(async move {
                let mut came = 0;
                while came < FIRES {
                    // No time at all, or a little: the wait is given up while it is being granted.
                    let limit = Duration::from_micros(came as u64 % 5 * 20);
                    match timeout(limit, inner_event.wait()).await {
                        Ok(()) => {
                            came += 1;
                            inner_taken.fire();
                        }
                        Err(Elapsed) => yield_now().await,
                    }
                }
            });
        });
        for fire in 0..FIRES {
            event.fire();
            assert!(taken.wait_blocking(PATIENCE), "fire {fire} was lost");
        }
    });
}

/// A dispatcher that waits for nothing but a thread event is not told that nothing can ever happen.
#[test]
fn a_dispatcher_waits_for_another_threads_fire() {
    let event = ThreadEvent::new();
    thread::scope(|scope| {
        let inner = event.clone();
        let waiter = scope.spawn(move || run(async move { spawn(inner.wait()).await.is_ok() }));
        until_waiting(&event, 1);
        event.fire();
        assert!(waiter.join().expect("the program ends"));
    });
}
