//! Strategies of proptest for simulated worlds: what may happen in a run, faults at chosen times, and what programs do
//! when. They make values; who runs them is the test.
//!
//! Proptest then shrinks the inputs and the faults of a failing run together, by its own means:
//!
//! ```
//! use proptest::prelude::*;
//! use twinloop::{StreamServer, connect, sleep};
//! use twinloop_sim::story::Telling;
//! use twinloop_sim::{Units, run_world, strategy};
//!
//! proptest! {
//!     # #![proptest_config(ProptestConfig::with_cases(20))]
//!     fn greetings_arrive_although_links_clog(
//!         choices in strategy::choices(0..20),
//!         plan in strategy::fault_plan(&["server", "client"], 10.s(), 0..3),
//!         lengths in strategy::schedule(1..500_usize, 1.s(), 1..5),
//!     ) {
//!         let report = run_world(&choices, Telling::Silent, |sim| {
//!             let address = sim.host("server", 7, |address| async move {
//!                 let server = StreamServer::listen(address)?;
//!                 loop {
//!                     // A connection that fails is the client's to open again.
//!                     if let Ok(bytes) = server.accept().await?.read_to_end(10_000).await {
//!                         assert!(bytes.iter().all(|byte| *byte == b'x'));
//!                     }
//!                 }
//!             });
//!             let lengths = lengths.clone();
//!             sim.client("client", move || {
//!                 let lengths = lengths.clone();
//!                 async move {
//!                     for (pause, length) in lengths {
//!                         sleep(pause).await;
//!                         while let Err(_) = greet(address, length).await {
//!                             sleep(1.s()).await;
//!                         }
//!                     }
//!                     Ok(())
//!                 }
//!             });
//!             plan.apply(sim);
//!         });
//!         prop_assert!(report.verdict.is_passed(), "{}, after {:?}", report.verdict, report.unusual);
//!     }
//! }
//!
//! # greetings_arrive_although_links_clog();
//!
//! async fn greet(address: twinloop::Address, length: usize) -> Result<(), twinloop::TransportError> {
//!     let stream = connect(address).await?;
//!     stream.write(&vec![b'x'; length]).await?;
//!     stream.shutdown().await
//! }
//! ```

use std::ops::Range;
use std::time::Duration;

use proptest::collection::{SizeRange, vec};
use proptest::prelude::{any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::{Strategy, Union};

use crate::choice::Choices;
use crate::fault_plan::{FaultPlan, PlannedFault};

/// How finely the times of plans and schedules are drawn: numbers that people can read.
const STEP: Duration = Duration::from_millis(1);
/// How long a fault of a plan lasts at most.
const FAULT_MAX: Duration = Duration::from_secs(5);

/// What decides a run: a seed, and so many picks that are not usual, by [`Choices::from_bytes`]. It shrinks to fewer and
/// smaller picks.
///
/// Most are among the first sites that a run names, and close to each other there; still many find no draw to apply to.
/// Ask for more than you want.
pub fn choices(picks: impl Into<SizeRange>) -> impl Strategy<Value = Choices> {
    let site = prop_oneof![3 => 0..64_u8, 1 => any::<u8>()];
    let gap = prop_oneof![2 => 0..4_u8, 2 => 0..32_u8, 1 => any::<u8>()];
    let pick = (site, gap, any::<u16>()).prop_map(|(site, gap, answer)| {
        let [low, high] = answer.to_le_bytes();
        [site, gap, low, high]
    });
    (any::<u64>(), vec(pick, picks))
        .prop_map(|(seed, picks)| Choices::from_bytes(&[&seed.to_le_bytes(), picks.as_flattened()].concat()))
}

/// So many faults among `hosts`, which begin before `within` is over. Those between two hosts are drawn if there are two. It
/// shrinks to fewer, earlier and shorter faults.
///
/// # Panics
///
/// If there are no hosts, or `within` is less than a millisecond.
pub fn fault_plan(
    hosts: &[&str],
    within: Duration,
    count: impl Into<SizeRange>,
) -> impl Strategy<Value = FaultPlan> {
    assert!(!hosts.is_empty(), "faults befall hosts: name one");
    let period = (time_below(within), time_below(FAULT_MAX)).prop_map(|(from, length)| from..from + length);
    vec((period, planned_fault(hosts)), count).prop_map(|faults| FaultPlan { faults })
}

/// So many operations, each with the pause before it, of less than `pause`: what one program does. It shrinks to fewer
/// operations, shorter pauses and smaller operations.
///
/// # Panics
///
/// If `pause` is less than a millisecond.
pub fn schedule<T: std::fmt::Debug>(
    operation: impl Strategy<Value = T>,
    pause: Duration,
    count: impl Into<SizeRange>,
) -> impl Strategy<Value = Vec<(Duration, T)>> {
    vec((time_below(pause), operation), count)
}

fn time_below(end: Duration) -> impl Strategy<Value = Duration> {
    let steps: Range<u64> = 0..u64::try_from(end.as_nanos() / STEP.as_nanos()).unwrap_or(u64::MAX);
    assert!(!steps.is_empty(), "times are drawn in milliseconds: {end:?} has none");
    steps.prop_map(Duration::from_millis)
}

fn planned_fault(hosts: &[&str]) -> impl Strategy<Value = PlannedFault> + use<> {
    let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    // The mildest first: proptest shrinks towards it.
    let of_host: [fn(String) -> PlannedFault; 5] = [
        |host| PlannedFault::Pause { host },
        |host| PlannedFault::ResetConnections { host },
        |host| PlannedFault::Suspend { host },
        |host| PlannedFault::Kill { host },
        |host| PlannedFault::Crash { host },
    ];
    let of_link: [fn(String, String) -> PlannedFault; 3] = [
        |a, b| PlannedFault::Clog { a, b },
        |from, to| PlannedFault::PartitionOneWay { from, to },
        |a, b| PlannedFault::Partition { a, b },
    ];
    let mut kinds =
        vec![(select(of_host.to_vec()), select(names.clone())).prop_map(|(fault, host)| fault(host)).boxed()];
    if names.len() > 1 {
        // The second one is counted from the first one on, so that they are two.
        let pair = (0..names.len(), 1..names.len()).prop_map(move |(a, offset)| {
            let b = (a + offset) % names.len();
            (names[a].clone(), names[b].clone())
        });
        kinds.push((select(of_link.to_vec()), pair).prop_map(|(fault, (a, b))| fault(a, b)).boxed());
    }
    Union::new(kinds)
}
