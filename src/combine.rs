//! Several futures awaited as one. Nothing here knows what they wait for: all but [`shield`] and [`cancel_and_wait`] work
//! with any future, on any executor.
//!
//! | to wait for | use |
//! |---|---|
//! | both of two | [`join`] |
//! | all of many | [`join_all`] |
//! | the first of two | [`race`] |
//! | the first of many | [`one`] |
//! | one that must run to its end, whoever gives up waiting | [`shield`] |
//! | tasks that are asked to end | [`cancel_and_wait`] |
//!
//! Dropping a combined future drops what it was given, and so cancels it. A future that is to live on is given as
//! `&mut future`, or as the [`JoinHandle`](crate::JoinHandle) of a task.

mod join;
mod race;
mod tasks;
mod woken;

pub use join::{JoinAll, join, join_all};
pub use race::{Either, Empty, One, one, race};
pub use tasks::{CancelAndWait, Shield, cancel_and_wait, shield};
