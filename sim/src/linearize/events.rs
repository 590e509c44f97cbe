//! What the search keeps of a history: the events of operations not chosen yet, and the set of those that are. No model
//! is known here.

use super::Operation;

/// Calls and answers of the answered operations in the order of time, as a doubly linked list in arrays: an operation
/// is taken out in constant time, and put back where it was if that happens in reverse order.
///
/// Event 2 i is the call of operation i, event 2 i + 1 its answer; one more event is the list's head and end.
pub(super) struct Events {
    next: Vec<usize>,
    previous: Vec<usize>,
    /// How many operations are in the list.
    pub(super) operations: usize,
}

impl Events {
    pub(super) fn new<C, A>(history: &[Operation<C, A>]) -> Events {
        // Calls come before answers of the same time: what is not ordered for certain is concurrent.
        let mut order: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * history.len());
        for (index, operation) in history.iter().enumerate() {
            if let Some((answered_at, _)) = operation.answered {
                assert!(
                    answered_at >= operation.called_at,
                    "operation {index} was answered before it was called"
                );
                order.push((operation.called_at, false, 2 * index));
                order.push((answered_at, true, 2 * index + 1));
            }
        }
        order.sort_unstable();
        let head = 2 * history.len();
        let mut events = Events {
            next: vec![head; head + 1],
            previous: vec![head; head + 1],
            operations: order.len() / 2,
        };
        for (_, _, event) in order {
            let last = events.previous[head];
            (events.previous[event], events.next[event]) = (last, head);
            events.link(event);
        }
        events
    }

    pub(super) fn is_empty(&self) -> bool {
        self.operations == 0
    }

    pub(super) fn first(&self) -> usize {
        self.next[self.next.len() - 1]
    }

    pub(super) fn next(&self, event: usize) -> usize {
        self.next[event]
    }

    /// The operation that is called at `event`, or `None` if that is an answer.
    pub(super) fn called_at(event: usize) -> Option<usize> {
        (event % 2 == 0).then_some(event / 2)
    }

    /// The operation whose answer comes first in the list, which must not be empty.
    pub(super) fn next_answered(&self) -> usize {
        assert!(!self.is_empty(), "every call in the list has its answer there");
        let mut event = self.first();
        while Events::called_at(event).is_some() {
            event = self.next(event);
        }
        event / 2
    }

    pub(super) fn lift(&mut self, operation: usize) {
        self.unlink(2 * operation);
        self.unlink(2 * operation + 1);
        self.operations -= 1;
    }

    pub(super) fn put_back(&mut self, operation: usize) {
        self.link(2 * operation + 1);
        self.link(2 * operation);
        self.operations += 1;
    }

    fn unlink(&mut self, event: usize) {
        let (previous, next) = (self.previous[event], self.next[event]);
        self.next[previous] = next;
        self.previous[next] = previous;
    }

    fn link(&mut self, event: usize) {
        let (previous, next) = (self.previous[event], self.next[event]);
        self.next[previous] = event;
        self.previous[next] = event;
    }
}

/// A set of operations.
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(len: usize) -> Bits {
        Bits(vec![0; len.div_ceil(64)])
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    pub(super) fn flip(&mut self, index: usize) {
        self.0[index / 64] ^= 1 << (index % 64);
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.0
    }
}
