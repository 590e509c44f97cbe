//! The contract on the real driver: loopback, and a bound on every wait.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use twinloop::timeout;

/// No case may take longer. It is a bound against a hang, and nothing is measured by it.
const CASE_MAX: Duration = Duration::from_secs(20);

/// Runs a case once.
#[track_caller]
pub(crate) fn run<F>(case: impl Fn() -> F + 'static)
where
    F: Future<Output = Result<(), Box<dyn Error>>> + 'static,
{
    let ended = twinloop_real::run(async move { timeout(CASE_MAX, case()).await });
    match ended.expect("the real driver runs the case") {
        Err(_) => panic!("the case hangs"),
        Ok(Err(error)) => panic!("the case failed: {error}"),
        Ok(Ok(())) => {}
    }
}

#[path = "contract/mod.rs"]
mod contract;

#[path = "kv_cases.rs"]
mod kv_cases;
