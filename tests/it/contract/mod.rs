//! Cases that hold on every driver, one file a promise. They name none; whoever mounts this folder gives `run`.

pub(super) use super::run;

mod turn;
