//! The contract on the real driver: loopback, and a bound on every wait.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use twinloop::driver::OsError;
use twinloop::{ErrorKind, TransportError, timeout};

use crate::leaks::nothing_is_left;

/// No case may take longer. It is a bound against a hang, and nothing is measured by it.
const CASE_MAX: Duration = Duration::from_secs(20);

type Outcome = Result<(), Box<dyn Error>>;

/// Runs a case once; when it has ended, nothing of it may be left.
#[track_caller]
pub(crate) fn run<F>(case: impl Fn() -> F + 'static)
where
    F: Future<Output = Outcome> + 'static,
{
    drive(async move {
        bounded(case()).await?;
        nothing_is_left().await
    });
}

/// As [`run`], for a case about what is still pending when its dispatcher closes.
#[track_caller]
pub(crate) fn run_leaving<F>(case: impl Fn() -> F + 'static)
where
    F: Future<Output = Outcome> + 'static,
{
    drive(bounded(case()));
}

async fn bounded(case: impl Future<Output = Outcome>) -> Outcome {
    timeout(CASE_MAX, case).await.unwrap_or_else(|_| Err("it hangs".into()))
}

#[track_caller]
fn drive(case: impl Future<Output = Outcome> + 'static) {
    let ended = twinloop_real::run(case).expect("the real driver runs the case");
    if let Err(error) = ended {
        assert!(is_for_other_systems(&*error), "the case failed: {error}");
    }
}

/// A case about Unix sockets, FIFOs or signals ends on Windows where it asks for the first one.
fn is_for_other_systems(error: &(dyn Error + 'static)) -> bool {
    const UNSUPPORTED: std::io::ErrorKind = std::io::ErrorKind::Unsupported;
    let is_refused_transport =
        error.downcast_ref().map(TransportError::kind) == Some(ErrorKind::Os(UNSUPPORTED));
    let is_refused = error.downcast_ref::<OsError>().is_some_and(|error| error.kind() == UNSUPPORTED);
    cfg!(windows) && (is_refused_transport || is_refused)
}

#[path = "contract/mod.rs"]
mod contract;

#[path = "kv_cases.rs"]
mod kv_cases;
