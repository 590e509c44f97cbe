//! The latch against two naive models.

mod history;
mod levels;

use proptest::prelude::*;

use super::Interest;
use crate::AsyncCallback;
use crate::driver::{Event, Fd, Readiness};

const INTERESTS: [Interest; 2] = [Interest::Read, Interest::Write];

fn callback(udata: usize) -> AsyncCallback {
    AsyncCallback::new(|_, _| {}, udata)
}

fn event(fd: Fd, readiness: Readiness) -> Event {
    Event { fd, readiness }
}

fn set_of(bits: impl IntoIterator<Item = Readiness>) -> Readiness {
    bits.into_iter().fold(Readiness::EMPTY, |all, bit| all | bit)
}

fn interests() -> impl Strategy<Value = Interest> {
    proptest::sample::select(INTERESTS.to_vec())
}
