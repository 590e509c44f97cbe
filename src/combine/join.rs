//! Waiting for all: `join` for two futures, `join_all` for any number.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::woken::Woken;

/// Awaits `a` and `b` together and gives both outputs.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::{join, now, sleep};
///
/// let start = now();
/// join(sleep(Duration::from_secs(2)), sleep(Duration::from_secs(3))).await;
/// assert_eq!(now() - start, Duration::from_secs(3));
/// # Ok(()) });
/// ```
pub async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_output, mut b_output) = (None, None);
    poll_fn(|context| {
        poll_into(&mut a_output, a.as_mut(), context);
        poll_into(&mut b_output, b.as_mut(), context);
        if a_output.is_none() || b_output.is_none() {
            return Poll::Pending;
        }
        Poll::Ready(a_output.take().zip(b_output.take()).expect("both were seen above"))
    })
    .await
}

/// Polls `future` unless its output is there.
fn poll_into<F: Future>(output: &mut Option<F::Output>, future: Pin<&mut F>, context: &mut Context<'_>) {
    if output.is_some() {
        return;
    }
    if let Poll::Ready(ready) = future.poll(context) {
        *output = Some(ready);
    }
}

/// Awaits all `futures` together and gives their outputs in the order of the arguments, whatever the order in which they
/// came (R57). Without any it is ready at once.
///
/// A wake leads to one poll, of the future that was woken: a thousand futures cost a thousand times as much as one.
/// Dropping it drops all of them, with the outputs that are there; a `JoinHandle` among them leaves its task alone.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::{join_all, sleep};
///
/// let squares = (0..4u64).rev().map(|number| async move {
///     sleep(Duration::from_secs(number)).await;
///     number * number
/// });
/// assert_eq!(join_all(squares).await, [9, 4, 1, 0]);
/// # Ok(()) });
/// ```
pub fn join_all<I>(futures: I) -> JoinAll<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    let children: Vec<_> = futures.into_iter().map(|future| Child::Pending(Box::pin(future))).collect();
    JoinAll { woken: Woken::all(children.len()), pending: children.len(), children: Some(children) }
}

/// The future of [`join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct JoinAll<F: Future> {
    /// `None` once it was ready.
    children: Option<Vec<Child<F>>>,
    /// How many of them are.
    pending: usize,
    woken: Woken,
}

enum Child<F: Future> {
    Pending(Pin<Box<F>>),
    Done(F::Output),
}

/// The futures are pinned in boxes of their own, and outputs are never pinned.
impl<F: Future> Unpin for JoinAll<F> {}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let JoinAll { children, pending, woken } = &mut *self;
        let polled = children.as_mut().expect("a JoinAll was polled again after it was ready");
        woken.look(context);
        while let Some((number, waker)) = woken.next() {
            if polled[number].poll(&mut Context::from_waker(waker)) {
                *pending -= 1;
            }
        }
        if *pending > 0 {
            return Poll::Pending;
        }
        let children = mem::take(children).expect("they were there above");
        Poll::Ready(children.into_iter().map(Child::into_output).collect())
    }
}

impl<F: Future> Child<F> {
    /// Whether it has become ready by this poll. A wake that comes after its end finds nothing to do.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let Child::Pending(future) = self else { return false };
        let Poll::Ready(output) = future.as_mut().poll(context) else { return false };
        *self = Child::Done(output);
        true
    }

    fn into_output(self) -> F::Output {
        match self {
            Child::Done(output) => output,
            Child::Pending(_) => unreachable!("none is pending any more"),
        }
    }
}

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll").field("pending", &self.pending).finish_non_exhaustive()
    }
}
