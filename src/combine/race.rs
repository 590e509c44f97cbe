//! Waiting for the first: `race` of two futures, `one` of any number.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::woken::Woken;

/// Awaits whichever of `a` and `b` is ready first. If both are, `a` decides (R56).
///
/// The other one is dropped, and so cancelled, before the winner is told; given as `&mut future` it is left untouched.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::{Either, race, sleep};
///
/// let mut slow = sleep(Duration::from_secs(9));
/// let quick = async {
///     sleep(Duration::from_secs(1)).await;
///     "quick"
/// };
/// assert_eq!(race(quick, &mut slow).await, Either::Left("quick"));
/// slow.await;
/// # Ok(()) });
/// ```
pub async fn race<A: Future, B: Future>(a: A, b: B) -> Either<A::Output, B::Output> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|context| match a.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Either::Left(output)),
        Poll::Pending => b.as_mut().poll(context).map(Either::Right),
    })
    .await
}

/// Which of two won a [`race`], with its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first argument did.
    Left(A),
    /// The second argument did.
    Right(B),
}

/// Awaits whichever of `futures` is ready first, and gives its index and its output; the lowest index, if several are
/// ready (R58). The others are neither cancelled nor awaited: await them later, or race them again without the winner.
///
/// A wake leads to one poll, of the future that was woken. Dropping it leaves all of them alone.
///
/// # Errors
///
/// [`Empty`] if there are none.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::{one, sleep};
///
/// let mut naps: Vec<_> = (1..4).rev().map(|seconds| sleep(Duration::from_secs(seconds))).collect();
/// let (first, ()) = one(&mut naps).await?;
/// assert_eq!(first, 2);
/// # Ok(()) });
/// ```
pub fn one<F: Future + Unpin>(futures: &mut [F]) -> One<'_, F> {
    One { woken: Woken::all(futures.len()), futures, is_decided: false }
}

/// The future of [`one`].
#[must_use = "futures do nothing unless awaited"]
pub struct One<'a, F> {
    futures: &'a mut [F],
    woken: Woken,
    is_decided: bool,
}

impl<F: Future + Unpin> Future for One<'_, F> {
    type Output = Result<(usize, F::Output), Empty>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let One { futures, woken, is_decided } = &mut *self;
        assert!(
            !*is_decided,
            "a One was polled again after it was ready: race those that are left with a new one"
        );
        if futures.is_empty() {
            return Poll::Ready(Err(Empty));
        }
        woken.look(context);
        while let Some((index, waker)) = woken.next() {
            let polled = Pin::new(&mut futures[index]).poll(&mut Context::from_waker(waker));
            if let Poll::Ready(output) = polled {
                *is_decided = true;
                return Poll::Ready(Ok((index, output)));
            }
        }
        Poll::Pending
    }
}

impl<F> fmt::Debug for One<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("One").field("futures", &self.futures.len()).finish_non_exhaustive()
    }
}

/// There is no first of no futures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty;

impl Error for Empty {}

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one() was given no futures, of which none can ever be ready")
    }
}
