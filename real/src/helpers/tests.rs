//! Helper threads whose jobs are the test's.

use std::sync::mpsc::{Receiver, Sender, channel};

use twinloop::table::Key;

use super::*;

/// Longer than any job of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells a test that there is something to take.
struct Bell(Mutex<Sender<()>>);

impl Unpark for Bell {
    fn unpark(&self) {
        // Nobody listens once the test has ended.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(());
    }
}

fn helpers<J: Job>() -> (Helpers<J>, Receiver<()>) {
    let (bell, rung) = channel();
    (Helpers::new(Arc::new(Bell(Mutex::new(bell)))), rung)
}

fn fd(index: usize) -> Fd {
    Fd::from_key(Key::new(index, 0))
}

/// Takes answers until there are `count`; says for which descriptors.
fn answered<J: Job>(helpers: &mut Helpers<J>, rung: &Receiver<()>, count: usize) -> Vec<usize> {
    let mut fds = Vec::new();
    while fds.len() < count {
        rung.recv_timeout(PATIENCE).expect("each answer is told");
        fds.extend(helpers.take_answers().into_iter().map(|(fd, _)| fd.key().index()));
    }
    fds.sort_unstable();
    fds
}

/// Jobs that hang do so until the test has seen what it wanted to see.
static GATE: Mutex<()> = Mutex::new(());

#[derive(PartialEq)]
enum Short {
    Quick,
    Stuck,
}

impl Job for Short {
    type Answer = ();

    const NAME: &'static str = "short";
    const THREADS_MAX: usize = 4;
    const LINGER: Duration = Duration::ZERO;

    fn run(self) {
        if self == Short::Stuck {
            drop(GATE.lock());
        }
    }
}

#[test]
fn as_many_jobs_as_there_are_all_end_and_leave_no_thread() {
    let (mut helpers, rung) = helpers();
    for index in 0..100 {
        helpers.begin(fd(index), Short::Quick).expect("a thread");
        assert!(helpers.shared.lock().threads <= Short::THREADS_MAX);
    }
    assert_eq!(answered(&mut helpers, &rung, 100), (0..100).collect::<Vec<_>>());
    assert_eq!(helpers.open, 0);
    while helpers.shared.lock().threads > 0 {
        thread::yield_now();
    }
}

/// The call is the system's, and no one can end it. What is promised is that nobody else waits for it.
#[test]
fn a_stuck_job_holds_up_neither_the_others_nor_the_end() {
    let held = GATE.lock();
    let (mut helpers, rung) = helpers();
    for index in 0..Short::THREADS_MAX - 1 {
        helpers.begin(fd(index), Short::Stuck).expect("a thread");
    }
    for index in 10..20 {
        helpers.begin(fd(index), Short::Quick).expect("a thread");
    }
    assert_eq!(answered(&mut helpers, &rung, 10), (10..20).collect::<Vec<_>>());

    helpers.begin(fd(3), Short::Stuck).expect("a thread");
    helpers.begin(fd(4), Short::Stuck).expect("it is queued");
    helpers.give_up(fd(4));
    assert_eq!(helpers.open, Short::THREADS_MAX, "those that hang");
    assert!(helpers.take_answers().is_empty());
    drop(helpers);
    drop(held);
}

struct Lingering;

impl Job for Lingering {
    type Answer = ();

    const NAME: &'static str = "lingering";
    const THREADS_MAX: usize = 2;
    const LINGER: Duration = Duration::from_secs(1000);

    fn run(self) {}
}

#[test]
fn threads_wait_for_more_work_until_the_driver_goes() {
    let (mut helpers, rung) = helpers();
    for index in 0..100 {
        helpers.begin(fd(index), Lingering).expect("a thread");
        assert_eq!(answered(&mut helpers, &rung, 1), [index]);
    }
    let shared = Arc::clone(&helpers.shared);
    assert!((1..=2).contains(&shared.lock().threads));
    drop(helpers);
    while shared.lock().threads > 0 {
        thread::yield_now();
    }
}
