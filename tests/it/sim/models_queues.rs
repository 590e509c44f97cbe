//! Queues and broadcasts against plain lists, over random uses of them. Futures are polled one by one, each with a waker
//! that counts, so the model knows exactly who is to be woken.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use twinloop::sync::{Full, Lagged, Pop, Push};
use twinloop::{AsyncQueue, BroadcastQueue, Handle, Subscriber};

/// Runs `holds` for random values, all inside one simulated host.
fn for_all<S>(strategy: S, holds: impl Fn(S::Value) -> Result<(), TestCaseError> + 'static)
where
    S: Strategy + 'static,
{
    twinloop_sim::run(async move {
        let config = ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() };
        match TestRunner::new(config).run(&strategy, holds) {
            Err(TestError::Fail(why, steps)) => panic!("{why}\n{steps:#?}"),
            other => Ok(other?),
        }
    });
}

/// A future and how often it was woken.
struct Polled<F> {
    future: F,
    wakes: Arc<Wakes>,
    waker: Waker,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<F: Future + Unpin> Polled<F> {
    fn new(future: F) -> Polled<F> {
        let wakes = Arc::new(Wakes::default());
        Polled { future, waker: Arc::clone(&wakes).into(), wakes }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&self.waker))
    }

    fn was_woken(&self) -> bool {
        self.wakes.0.load(Ordering::Relaxed) > 0
    }
}

/// A future that waits, with the number by which the model knows it.
type Waiting<F> = (usize, Polled<F>);

#[derive(Clone, Copy, Debug)]
enum End {
    Front,
    Back,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(End),
    TryPush(End),
    Pop(End),
    TryPop(End),
    /// Polls one of the futures that wait.
    PollPush(usize),
    PollPop(usize),
    CancelPush(usize),
    CancelPop(usize),
    Clear,
}

fn steps() -> impl Strategy<Value = (usize, Vec<Step>)> {
    let end = || prop_oneof![3 => Just(End::Back), 1 => Just(End::Front)];
    let which = 0..8_usize;
    let step = prop_oneof![
        4 => end().prop_map(Step::Push),
        2 => end().prop_map(Step::TryPush),
        4 => end().prop_map(Step::Pop),
        2 => end().prop_map(Step::TryPop),
        3 => which.clone().prop_map(Step::PollPush),
        3 => which.clone().prop_map(Step::PollPop),
        1 => which.clone().prop_map(Step::CancelPush),
        2 => which.prop_map(Step::CancelPop),
        1 => Just(Step::Clear),
    ];
    (0..4_usize, proptest::collection::vec(step, 0..60))
}

/// What a queue holds: items in line, some of them promised to a getter by its number. Nothing ever moves in it.
#[derive(Default)]
struct Model {
    /// 0: none.
    capacity: usize,
    line: VecDeque<(u32, Option<usize>)>,
    getters: VecDeque<usize>,
    putters: VecDeque<(usize, End, u32)>,
}

impl Model {
    fn has_room(&self) -> bool {
        self.capacity == 0 || self.line.len() < self.capacity
    }

    fn insert(&mut self, end: End, value: u32) {
        match end {
            End::Front => self.line.push_front((value, None)),
            End::Back => self.line.push_back((value, None)),
        }
    }

    fn try_push(&mut self, end: End, value: u32) -> bool {
        let added = self.putters.is_empty() && self.has_room();
        if added {
            self.insert(end, value);
            self.settle();
        }
        added
    }

    fn try_pop(&mut self, end: End) -> Option<u32> {
        let is_free = |item: &(u32, Option<usize>)| item.1.is_none();
        let place = match end {
            End::Front => self.line.iter().position(is_free),
            End::Back => self.line.iter().rposition(is_free),
        }?;
        let item = self.line.remove(place);
        self.settle();
        item.map(|(value, _)| value)
    }

    fn pick_up(&mut self, getter: usize) -> Option<u32> {
        let place = self.line.iter().position(|item| item.1 == Some(getter))?;
        let item = self.line.remove(place);
        self.settle();
        item.map(|(value, _)| value)
    }

    fn cancel_getter(&mut self, getter: usize) {
        self.getters.retain(|other| *other != getter);
        let promised = self.line.iter_mut().filter(|item| item.1 == Some(getter));
        promised.for_each(|item| item.1 = None);
        self.settle();
    }

    fn clear(&mut self) -> Vec<u32> {
        let free = self.line.iter().filter(|item| item.1.is_none()).map(|item| item.0).collect();
        self.line.retain(|item| item.1.is_some());
        self.settle();
        free
    }

    fn settle(&mut self) {
        loop {
            let free = self.line.iter().position(|item| item.1.is_none());
            match (free, self.getters.front()) {
                (Some(place), Some(getter)) => {
                    self.line[place].1 = Some(*getter);
                    self.getters.pop_front();
                }
                _ if self.has_room() && !self.putters.is_empty() => {
                    let (_, end, value) = self.putters.pop_front().expect("it was seen");
                    self.insert(end, value);
                }
                _ => return,
            }
        }
    }
}

/// The queue under test, beside its model.
struct Pair {
    queue: AsyncQueue<u32>,
    model: Model,
    pushes: Vec<Waiting<Push<u32>>>,
    pops: Vec<Waiting<Pop<u32>>>,
    /// Names values and futures.
    count: usize,
}

impl Pair {
    fn new(capacity: usize) -> Pair {
        let queue = match capacity {
            0 => AsyncQueue::unbounded(),
            _ => AsyncQueue::bounded(capacity),
        };
        let model = Model { capacity, ..Model::default() };
        Pair { queue, model, pushes: Vec::new(), pops: Vec::new(), count: 0 }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        self.count += 1;
        let value = self.count as u32;
        match step {
            Step::Push(end) => self.push(end, value),
            Step::TryPush(end) => {
                let added = match end {
                    End::Front => self.queue.try_push_front(value),
                    End::Back => self.queue.try_push_back(value),
                };
                let expected = if self.model.try_push(end, value) { Ok(()) } else { Err(Full(value)) };
                prop_assert_eq!(added, expected);
                Ok(())
            }
            Step::Pop(end) => self.pop(end),
            Step::TryPop(end) => {
                let taken = match end {
                    End::Front => self.queue.try_pop_front(),
                    End::Back => self.queue.try_pop_back(),
                };
                prop_assert_eq!(taken, self.model.try_pop(end));
                Ok(())
            }
            Step::PollPush(which) => self.poll_push(which),
            Step::PollPop(which) => self.poll_pop(which),
            Step::CancelPush(which) if which < self.pushes.len() => {
                let (putter, _) = self.pushes.remove(which);
                self.model.putters.retain(|(other, ..)| *other != putter);
                Ok(())
            }
            Step::CancelPop(which) if which < self.pops.len() => {
                let (getter, _) = self.pops.remove(which);
                self.model.cancel_getter(getter);
                Ok(())
            }
            Step::CancelPush(_) | Step::CancelPop(_) => Ok(()),
            Step::Clear => {
                prop_assert_eq!(Vec::from(self.queue.clear()), self.model.clear());
                Ok(())
            }
        }
    }

    fn push(&mut self, end: End, value: u32) -> Result<(), TestCaseError> {
        let mut push = Polled::new(match end {
            End::Front => self.queue.push_front(value),
            End::Back => self.queue.push_back(value),
        });
        let added = push.poll().is_ready();
        prop_assert_eq!(added, self.model.try_push(end, value));
        if !added {
            self.model.putters.push_back((self.count, end, value));
            self.pushes.push((self.count, push));
        }
        Ok(())
    }

    fn pop(&mut self, end: End) -> Result<(), TestCaseError> {
        let mut pop = Polled::new(match end {
            End::Front => self.queue.pop_front(),
            End::Back => self.queue.pop_back(),
        });
        match (pop.poll(), self.model.try_pop(end)) {
            (Poll::Ready(value), expected) => prop_assert_eq!(Some(value), expected),
            (Poll::Pending, expected) => {
                prop_assert_eq!(None, expected);
                self.model.getters.push_back(self.count);
                self.pops.push((self.count, pop));
            }
        }
        Ok(())
    }

    fn poll_push(&mut self, which: usize) -> Result<(), TestCaseError> {
        let Some((putter, push)) = self.pushes.get_mut(which) else { return Ok(()) };
        let waits = self.model.putters.iter().any(|(other, ..)| other == putter);
        prop_assert_eq!(push.poll().is_pending(), waits);
        if !waits {
            self.pushes.remove(which);
        }
        Ok(())
    }

    fn poll_pop(&mut self, which: usize) -> Result<(), TestCaseError> {
        let Some((getter, pop)) = self.pops.get_mut(which) else { return Ok(()) };
        match (pop.poll(), self.model.pick_up(*getter)) {
            (Poll::Ready(value), expected) => {
                prop_assert_eq!(Some(value), expected);
                self.pops.remove(which);
            }
            (Poll::Pending, expected) => prop_assert_eq!(None, expected),
        }
        Ok(())
    }

    /// The lengths agree, and exactly those were woken that need not wait any more.
    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.queue.len(), self.model.line.len());
        prop_assert_eq!(self.queue.is_full(), !self.model.has_room());
        for (putter, push) in &self.pushes {
            let waits = self.model.putters.iter().any(|(other, ..)| other == putter);
            prop_assert_eq!(push.was_woken(), !waits);
        }
        for (getter, pop) in &self.pops {
            prop_assert_eq!(pop.was_woken(), !self.model.getters.contains(getter));
        }
        Ok(())
    }
}

/// R176-R180: the queue against a list in which nothing moves and items are promised in place.
#[test]
fn a_queue_is_a_list_with_promises() {
    for_all(steps(), |(capacity, steps)| {
        let before = Handle::current().pending();
        let mut pair = Pair::new(capacity);
        for step in steps {
            pair.step(step)?;
            pair.check()?;
        }
        drop(pair);
        prop_assert_eq!(Handle::current().pending(), before);
        Ok(())
    });
}

#[derive(Clone, Copy, Debug)]
enum BroadcastStep {
    Emit,
    Subscribe,
    Unsubscribe(usize),
    Next(usize),
    Take(usize, usize),
    TakeAll(usize),
    Close,
}

fn broadcast_steps() -> impl Strategy<Value = (usize, Vec<BroadcastStep>)> {
    let which = 0..4_usize;
    let step = prop_oneof![
        60 => Just(BroadcastStep::Emit),
        20 => Just(BroadcastStep::Subscribe),
        10 => which.clone().prop_map(BroadcastStep::Unsubscribe),
        40 => which.clone().prop_map(BroadcastStep::Next),
        20 => (which.clone(), 1..4_usize).prop_map(|(which, count)| BroadcastStep::Take(which, count)),
        10 => which.prop_map(BroadcastStep::TakeAll),
        1 => Just(BroadcastStep::Close),
    ];
    (0..5_usize, proptest::collection::vec(step, 0..60))
}

/// A subscriber, and how much of the whole history it has seen: from where, or that it was cut off.
struct Reader {
    subscriber: Subscriber<usize>,
    seen: Result<usize, Lagged>,
}

impl Reader {
    /// What it reads if it asks for at least and at most so many of `emitted` events; `None` if it waits.
    fn expect(
        &mut self,
        emitted: usize,
        closed: bool,
        least: usize,
        most: usize,
    ) -> Option<Result<Vec<usize>, Lagged>> {
        let Ok(seen) = self.seen else { return Some(Err(Lagged)) };
        if emitted - seen < least && !closed {
            return None;
        }
        let until = emitted.min(seen.saturating_add(most));
        self.seen = Ok(until);
        Some(Ok((seen..until).collect()))
    }
}

/// R182, R183: the broadcast against one history of numbers that nobody forgets.
#[test]
fn a_broadcast_is_a_history_with_readers() {
    for_all(broadcast_steps(), |(limit, steps)| {
        let before = Handle::current().pending();
        let queue = if limit == 0 { BroadcastQueue::unbounded() } else { BroadcastQueue::bounded(limit) };
        let (mut readers, mut emitted, mut closed): (Vec<Reader>, _, _) = (Vec::new(), 0, false);
        for step in steps {
            match step {
                BroadcastStep::Emit => {
                    let reached = queue.emit(emitted);
                    let mut expected = 0;
                    for reader in readers.iter_mut().filter(|_| !closed) {
                        match reader.seen {
                            Ok(seen) if limit > 0 && emitted - seen >= limit => reader.seen = Err(Lagged),
                            Ok(_) => expected += 1,
                            Err(Lagged) => {}
                        }
                    }
                    prop_assert_eq!(reached, expected);
                    emitted += usize::from(!closed);
                }
                BroadcastStep::Subscribe => {
                    readers.push(Reader { subscriber: queue.subscribe(), seen: Ok(emitted) });
                }
                BroadcastStep::Unsubscribe(which) if which < readers.len() => {
                    readers.remove(which);
                }
                BroadcastStep::Next(which) if which < readers.len() => {
                    let reader = &mut readers[which];
                    let expected = reader.expect(emitted, closed, 1, 1);
                    let read = poll(reader.subscriber.next());
                    let read = read.map(|read| read.map(|event| event.into_iter().collect::<Vec<_>>()));
                    prop_assert_eq!(read, expected);
                }
                BroadcastStep::Take(which, count)
                    if which < readers.len() && (limit == 0 || count <= limit) =>
                {
                    let reader = &mut readers[which];
                    let expected = reader.expect(emitted, closed, count, count);
                    prop_assert_eq!(poll(reader.subscriber.take(count)), expected);
                }
                BroadcastStep::TakeAll(which) if which < readers.len() => {
                    let reader = &mut readers[which];
                    let expected = reader.expect(emitted, closed, 1, usize::MAX);
                    prop_assert_eq!(poll(reader.subscriber.take_all()), expected);
                }
                BroadcastStep::Close => {
                    queue.close();
                    closed = true;
                }
                _ => {}
            }
            for reader in &readers {
                prop_assert_eq!(reader.subscriber.len(), reader.seen.map_or(0, |seen| emitted - seen));
            }
            prop_assert_eq!(queue.subscribers(), readers.len());
        }
        drop((queue, readers));
        prop_assert_eq!(Handle::current().pending(), before);
        Ok(())
    });
}

/// Polls once; a wait is given up.
fn poll<F: Future + Unpin>(future: F) -> Option<F::Output> {
    match Polled::new(future).poll() {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
