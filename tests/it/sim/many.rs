//! Large numbers, in virtual time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twinloop::{AsyncCallback, Handle, sleep};
use twinloop_sim::choice::Choices;
use twinloop_sim::run_world;
use twinloop_sim::story::Telling;

const TIMERS: usize = 1_000_000;
/// Deadlines, in microseconds; each has ten timers.
const MOMENTS: usize = TIMERS / 10;

thread_local! {
    /// The timers that fired, in order.
    static FIRED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// When a timer is due. Neighbours are far from each other: the multiplier has no divisor in common with the moments.
fn due_us(number: usize) -> usize {
    number * 7919 % MOMENTS
}

/// R26, R27, R33: of a million timers half are removed, and the others fire in order.
#[test]
fn a_million_timers_fire_in_order() {
    let counts = Rc::new(Cell::new((0, 0)));
    let told = Rc::clone(&counts);
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    let report = run_world(&kind, Telling::Silent, |sim| {
        sim.client("host", move || {
            let told = Rc::clone(&told);
            async move {
                let (handle, start) = (Handle::current(), twinloop::now());
                let firing = |_: &Handle, number: usize| FIRED.with_borrow_mut(|fired| fired.push(number));
                let add = |number| {
                    let deadline = start + Duration::from_micros(due_us(number) as u64);
                    handle.add_timer(deadline, AsyncCallback::new(firing, number))
                };
                let timers: Vec<_> = (0..TIMERS).map(add).collect();
                let live = handle.pending().timers;
                assert!(timers.into_iter().skip(1).step_by(2).all(|timer| handle.remove_timer(timer)));
                told.set((live, handle.pending().timers));
                sleep(Duration::from_secs(1)).await;
                Ok(())
            }
        });
    });
    assert!(report.verdict.is_passed(), "{}", report.verdict);
    assert_eq!(counts.get(), (TIMERS, TIMERS / 2));
    let mut expected: Vec<usize> = (0..TIMERS).step_by(2).collect();
    expected.sort_by_key(|number| (due_us(*number), *number));
    assert!(FIRED.take() == expected, "they fire by deadline, equal ones in the order of adding");
}
