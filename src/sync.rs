//! What tasks of one dispatcher share and wait for: locks, events, queues, semaphores, broadcasts, token buckets; and an
//! event between threads. It knows no transport.
//!
//! Three rules hold for all of them:
//!
//! - Who waits is served in the order of waiting, and nobody barges in: a wake is a reservation (R179), so what was
//!   granted belongs to the one who waited from that moment on, and not to whoever runs first.
//! - A wait begins when its future is first polled. Dropping the future cancels it at any point, also after the grant:
//!   what was granted then goes on to the next who waits. Nothing is lost.
//! - What is there already is taken at the first poll, without a turn. A loop that always finds something is a loop without
//!   a turn, which nothing interrupts, a timeout neither: [`yield_now`](crate::yield_now) is for that.
//!
//! The values are keys: a clone is the same lock, and all are `Send + Sync + Unpin` as types, while the state stays in
//! the dispatcher in which they were made. Making one outside of a dispatcher's scope panics, and so does its use on
//! another thread, or after that dispatcher is closed. Only destructors do not panic there: they do nothing, so what a
//! guard, or a future that waits, holds or waits for on a wrong thread stays held, or waited for. [`ThreadEvent`] alone
//! belongs to no dispatcher, and may be used anywhere.

mod broadcast;
mod event;
mod lock;
mod queue;
mod semaphore;
mod thread_event;
mod ticket;
mod token_bucket;

pub use broadcast::{BroadcastQueue, Lagged, Next, Subscriber, Take};
pub use event::{AsyncEvent, EventWait};
pub use lock::{Acquire, AsyncLock, LockGuard};
pub use queue::{AsyncQueue, Full, Pop, Push};
pub use semaphore::{AcquirePermits, AsyncSemaphore, Permit};
pub use thread_event::{ThreadEvent, ThreadEventWait};
pub use token_bucket::{Consume, Refill, TokenBucket};
