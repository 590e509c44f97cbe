//! The FIFO of callbacks that are due. It never sorts, and does not know what a callback does.

use std::collections::VecDeque;
use std::panic::Location;

use crate::AsyncCallback;
use crate::callback::CallbackKind;

/// A callback that is due, with what an observer tells it apart by.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) callback: AsyncCallback,
    pub(crate) kind: CallbackKind,
    /// Where in the source it was asked for: names a callback alike in every build of one source.
    pub(crate) place: &'static Location<'static>,
}

#[derive(Default)]
pub(super) struct Ready {
    queue: VecDeque<Entry>,
}

impl Ready {
    pub(super) fn push(&mut self, entry: Entry) {
        self.queue.push_back(entry);
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.queue.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.queue.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }
}
