//! Locks, semaphores and token buckets against plain models, under random steps: who has what, who was woken, and when.
//!
//! Every future is polled with a waker of its own, so that a wake that is missing, or one too many, shows.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use twinloop::sync::{Acquire, AcquirePermits, Consume, Refill};
use twinloop::{
    AsyncLock, AsyncSemaphore, Handle, LockGuard, Moment, Permit, TokenBucket, now, sleep, yield_now,
};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{ProgramResult, run_world};

/// How many take part.
const PLACES: usize = 5;

/// Runs `program` in a world where nothing unusual happens.
fn run(program: impl Future<Output = ProgramResult> + 'static) {
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    let mut program = Some(program);
    let report = run_world(&kind, Telling::Silent, |sim| {
        sim.client("host", move || program.take().expect("nothing crashes in a kind world"));
    });
    assert!(report.verdict.is_passed(), "{}", report.verdict);
}

/// A future that waits, with its own waker.
struct Waiting<F> {
    future: F,
    wakes: Arc<Wakes>,
}

/// Counts wakes, and keeps the moment of the last.
#[derive(Default)]
struct Wakes {
    count: AtomicU64,
    last_ns: AtomicU64,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.last_ns.store(now().as_nanos(), Ordering::Relaxed);
    }
}

impl<F: Future + Unpin> Waiting<F> {
    fn new(future: F) -> Waiting<F> {
        Waiting { future, wakes: Arc::default() }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Arc::clone(&self.wakes).into();
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }

    /// When it was woken, if it was.
    fn woken_at(&self) -> Option<Moment> {
        let count = self.wakes.count.load(Ordering::Relaxed);
        assert!(count <= 1, "woken {count} times for one grant");
        (count == 1).then(|| Moment::from_nanos(self.wakes.last_ns.load(Ordering::Relaxed)))
    }

    fn is_woken(&self) -> bool {
        self.woken_at().is_some()
    }
}

/// What one of those who take part is doing.
#[derive(Default)]
enum Place<F, G> {
    #[default]
    Away,
    Waiting(Waiting<F>),
    Inside(G),
}

impl<F: Future<Output = G> + Unpin, G> Place<F, G> {
    fn begin(&mut self, future: F) {
        *self = Place::Waiting(Waiting::new(future));
        self.poll();
    }

    fn poll(&mut self) {
        if let Place::Waiting(waiting) = self {
            if let Poll::Ready(guard) = waiting.poll() {
                *self = Place::Inside(guard);
            }
        }
    }
}

fn places<F, G>() -> [Place<F, G>; PLACES] {
    Default::default()
}

/// One step of whoever stands at a place; those that do not fit what it is doing are left out.
#[derive(Clone, Debug)]
enum Step {
    Acquire(usize, usize),
    Try(usize, usize),
    Poll(usize),
    /// Drops what is there: a guard, or a future that waits or was granted.
    Drop(usize),
    /// Keeps the permits from coming back.
    Forget(usize),
    Add(usize),
    Yield,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = 0..PLACES;
    let step = prop_oneof![
        4 => (place.clone(), 0..5_usize).prop_map(|(place, amount)| Step::Acquire(place, amount)),
        1 => (place.clone(), 0..5_usize).prop_map(|(place, amount)| Step::Try(place, amount)),
        3 => place.clone().prop_map(Step::Poll),
        4 => place.clone().prop_map(Step::Drop),
        1 => place.prop_map(Step::Forget),
        1 => (0..4_usize).prop_map(Step::Add),
        1 => Just(Step::Yield),
    ];
    vec(step, 0..50)
}

/// Permits and who waits for them. A lock is such a thing too, with one permit.
#[derive(Default)]
struct Model {
    available: usize,
    queue: VecDeque<(usize, usize)>,
    /// Granted or held, by place.
    taken: [Option<usize>; PLACES],
}

impl Model {
    fn acquire(&mut self, place: usize, amount: usize) {
        self.queue.push_back((place, amount));
        self.serve();
    }

    fn try_acquire(&mut self, place: usize, amount: usize) -> bool {
        let free = self.queue.is_empty() && self.available >= amount;
        if free {
            self.acquire(place, amount);
        }
        free
    }

    fn leave(&mut self, place: usize) {
        self.queue.retain(|(waiting, _)| *waiting != place);
        self.available += self.taken[place].take().unwrap_or(0);
        self.serve();
    }

    fn serve(&mut self) {
        while let Some((place, amount)) = self.queue.front().copied().filter(|(_, n)| *n <= self.available) {
            self.available -= amount;
            self.taken[place] = Some(amount);
            self.queue.pop_front();
        }
    }

    /// Who is inside or was woken has what it asked for, and nobody else has.
    fn check<F: Future<Output = G> + Unpin, G>(&self, places: &[Place<F, G>; PLACES]) {
        for (place, taken) in places.iter().zip(self.taken) {
            match place {
                Place::Away => assert_eq!(taken, None),
                Place::Waiting(waiting) => assert_eq!(waiting.is_woken(), taken.is_some()),
                Place::Inside(_) => assert!(taken.is_some()),
            }
        }
        let away = places.iter().filter(|place| !matches!(place, Place::Waiting(_))).count();
        assert_eq!(Handle::current().pending().waits, PLACES - away);
    }
}

async fn lock_steps(steps: Vec<Step>) -> ProgramResult {
    let lock = AsyncLock::new(0_u64);
    let mut model = Model { available: 1, ..Model::default() };
    let mut places: [Place<Acquire<u64>, LockGuard<u64>>; PLACES] = places();
    for step in steps {
        match step {
            Step::Acquire(at, _) if matches!(places[at], Place::Away) => {
                places[at].begin(lock.acquire());
                model.acquire(at, 1);
            }
            Step::Try(at, _) if matches!(places[at], Place::Away) => {
                let guard = lock.try_acquire();
                assert_eq!(guard.is_some(), model.try_acquire(at, 1));
                places[at] = guard.map_or(Place::Away, Place::Inside);
            }
            Step::Poll(at) => places[at].poll(),
            Step::Drop(at) => {
                places[at] = Place::Away;
                model.leave(at);
            }
            Step::Yield => yield_now().await,
            Step::Acquire(..) | Step::Try(..) | Step::Forget(_) | Step::Add(_) => {}
        }
        model.check(&places);
        assert_eq!(lock.is_locked(), model.available == 0);
    }
    Ok(())
}

async fn semaphore_steps(permits: usize, steps: Vec<Step>) -> ProgramResult {
    let semaphore = AsyncSemaphore::new(permits);
    let mut model = Model { available: permits, ..Model::default() };
    let mut places: [Place<AcquirePermits, Permit>; PLACES] = places();
    for step in steps {
        match step {
            Step::Acquire(at, amount) if matches!(places[at], Place::Away) => {
                places[at].begin(semaphore.acquire_many(amount));
                model.acquire(at, amount);
            }
            Step::Try(at, amount) if matches!(places[at], Place::Away) => {
                let permit = semaphore.try_acquire_many(amount);
                assert_eq!(permit.is_some(), model.try_acquire(at, amount));
                places[at] = permit.map_or(Place::Away, Place::Inside);
            }
            Step::Poll(at) => places[at].poll(),
            Step::Drop(at) => {
                places[at] = Place::Away;
                model.leave(at);
            }
            Step::Forget(at) => match std::mem::take(&mut places[at]) {
                Place::Inside(permit) => {
                    permit.forget();
                    model.taken[at] = None;
                }
                other => places[at] = other,
            },
            Step::Add(amount) => {
                semaphore.add_permits(amount);
                model.available += amount;
                model.serve();
            }
            Step::Yield => yield_now().await,
            Step::Acquire(..) | Step::Try(..) => {}
        }
        model.check(&places);
        assert_eq!(semaphore.available_permits(), model.available);
    }
    Ok(())
}

#[derive(Clone, Debug)]
enum BucketStep {
    Consume(usize, u64),
    Try(u64),
    Replenish(u64),
    Poll(usize),
    Drop(usize),
    Sleep(u64),
    /// Asks how many tokens are there, which brings the bucket up to date.
    Look,
}

fn bucket_steps() -> impl Strategy<Value = Vec<BucketStep>> {
    let place = 0..PLACES;
    let step = prop_oneof![
        3 => (place.clone(), 0..30_u64).prop_map(|(place, tokens)| BucketStep::Consume(place, tokens)),
        1 => (0..8_u64).prop_map(BucketStep::Try),
        1 => (0..8_u64).prop_map(BucketStep::Replenish),
        1 => place.clone().prop_map(BucketStep::Poll),
        2 => place.prop_map(BucketStep::Drop),
        4 => (0..60_u64).prop_map(BucketStep::Sleep),
        2 => Just(BucketStep::Look),
    ];
    vec(step, 0..40)
}

fn refills() -> impl Strategy<Value = Refill> {
    let (tokens, period) = (0..6_usize, (0..12_u64).prop_map(Duration::from_nanos));
    prop_oneof![
        4 => (tokens.clone(), period.clone()).prop_map(|(tokens, period)| Refill::Continuous { tokens, period }),
        4 => (tokens, period).prop_map(|(tokens, period)| Refill::Discrete { tokens, period }),
        1 => Just(Refill::Manual),
    ]
}

/// A bucket that is told each nanosecond. Its level is counted in shares, so many to a token that each nanosecond brings
/// a whole number of them.
struct BucketModel {
    shares_per_token: u64,
    shares_per_ns: u64,
    shares_per_period: u64,
    period_ns: u64,
    capacity: u64,
    level: u64,
    age_ns: u64,
    now: Moment,
    queue: VecDeque<(usize, u64)>,
    /// What was granted, and when, by place.
    granted: [Option<(u64, Moment)>; PLACES],
}

impl BucketModel {
    fn new(capacity: u64, refill: Refill) -> BucketModel {
        let (tokens, period, is_continuous) = match refill {
            Refill::Continuous { tokens, period } => (tokens as u64, period, true),
            Refill::Discrete { tokens, period } => (tokens as u64, period, false),
            _ => (0, Duration::ZERO, false),
        };
        let period_ns = u64::try_from(period.as_nanos()).expect("periods are short here");
        let shares_per_token = period_ns.max(1);
        let works = period_ns > 0;
        BucketModel {
            shares_per_token,
            shares_per_ns: if works && is_continuous { tokens } else { 0 },
            shares_per_period: if works && !is_continuous { tokens * shares_per_token } else { 0 },
            period_ns,
            capacity: capacity * shares_per_token,
            level: capacity * shares_per_token,
            age_ns: 0,
            now: now(),
            queue: VecDeque::new(),
            granted: [None; PLACES],
        }
    }

    fn advance(&mut self, to: Moment) {
        while self.now < to {
            self.now += Duration::from_nanos(1);
            self.age_ns += 1;
            self.level += self.shares_per_ns;
            if self.period_ns > 0 && self.age_ns % self.period_ns == 0 {
                self.level += self.shares_per_period;
            }
            self.serve();
        }
    }

    fn serve(&mut self) {
        while let Some((place, tokens)) = self.queue.front().copied() {
            let Some(left) = self.level.checked_sub(tokens * self.shares_per_token) else { return };
            self.level = left;
            self.granted[place] = Some((tokens, self.now));
            self.queue.pop_front();
        }
        self.level = self.level.min(self.capacity);
    }

    fn consume(&mut self, place: usize, tokens: u64) {
        self.queue.push_back((place, tokens));
        self.serve();
    }

    fn try_consume(&mut self, tokens: u64) -> bool {
        let is_there = self.queue.is_empty() && self.level >= tokens * self.shares_per_token;
        if is_there {
            self.level -= tokens * self.shares_per_token;
        }
        is_there
    }

    fn give(&mut self, tokens: u64) {
        self.level += tokens * self.shares_per_token;
        self.serve();
    }

    /// Gives back what was granted in vain, if it was.
    fn leave(&mut self, place: usize) {
        self.queue.retain(|(waiting, _)| *waiting != place);
        let granted = self.granted[place].take();
        self.give(granted.map_or(0, |(tokens, _)| tokens));
    }

    fn available(&self) -> u64 {
        if self.queue.is_empty() { self.level / self.shares_per_token } else { 0 }
    }

    fn has_timer(&self) -> bool {
        !self.queue.is_empty() && self.shares_per_ns + self.shares_per_period > 0
    }
}

async fn bucket_run(capacity: u64, refill: Refill, steps: Vec<BucketStep>) -> ProgramResult {
    let bucket = TokenBucket::new(usize::try_from(capacity)?, refill);
    let mut model = BucketModel::new(capacity, refill);
    let mut places: [Option<Waiting<Consume>>; PLACES] = Default::default();
    for step in steps {
        match step {
            BucketStep::Consume(at, tokens) if places[at].is_none() => {
                let mut waiting = Waiting::new(bucket.consume(usize::try_from(tokens)?));
                let is_ready = waiting.poll().is_ready();
                model.consume(at, tokens);
                assert_eq!(is_ready, model.granted[at].is_some());
                if is_ready {
                    model.granted[at] = None;
                } else {
                    places[at] = Some(waiting);
                }
            }
            BucketStep::Consume(..) => {}
            BucketStep::Try(tokens) => {
                assert_eq!(bucket.try_consume(usize::try_from(tokens)?), model.try_consume(tokens));
            }
            BucketStep::Replenish(tokens) => {
                bucket.replenish(usize::try_from(tokens)?);
                model.give(tokens);
            }
            BucketStep::Poll(at) => {
                if let Some(waiting) = &mut places[at] {
                    let is_ready = waiting.poll().is_ready();
                    assert_eq!(is_ready, model.granted[at].is_some());
                    if is_ready {
                        (places[at], model.granted[at]) = (None, None);
                    }
                }
            }
            BucketStep::Drop(at) => {
                places[at] = None;
                model.leave(at);
            }
            BucketStep::Sleep(nanos) => {
                sleep(Duration::from_nanos(nanos)).await;
                model.advance(now());
            }
            BucketStep::Look => assert_eq!(bucket.available_tokens() as u64, model.available()),
        }
        for (waiting, granted) in places.iter().zip(model.granted) {
            let woken_at = waiting.as_ref().and_then(Waiting::woken_at);
            assert_eq!(woken_at, granted.map(|(_, at)| at), "woken at the moment of the grant");
        }
        assert_eq!(Handle::current().pending().timers, usize::from(model.has_timer()));
    }
    Ok(())
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// R171, R173, R174, R179: one holder at most, strictly in order, woken when it is granted and only then.
    #[test]
    fn a_lock_is_a_queue_with_one_permit(steps in steps()) {
        run(lock_steps(steps));
    }

    /// R181, R179: as above for any number of permits; none is ever lost or doubled.
    #[test]
    fn a_semaphore_is_a_queue_with_permits(permits in 0..5_usize, steps in steps()) {
        run(semaphore_steps(permits, steps));
    }

    /// R184: the tokens of each moment are those of a bucket that is told each nanosecond, and who waits is woken at the
    /// very nanosecond at which there are enough.
    #[test]
    fn a_token_bucket_keeps_its_rate_to_the_nanosecond(
        capacity in 0..10_u64,
        refill in refills(),
        steps in bucket_steps(),
    ) {
        run(bucket_run(capacity, refill, steps));
    }
}
