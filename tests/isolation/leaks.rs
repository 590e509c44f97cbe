//! Every kind of leak is found by running twice, is shown in the step in which it is made, and is guessed right.
//! `DETERMINISM.md` lists them.

mod planted;

use twinloop_sim::Scenario;
use twinloop_sim::choice::Choices;
use twinloop_sim::determinism::{Cause, Divergence, Nondeterminism, check};

use planted::scenario;

/// Where two runs of `scenario` part, after it has been seen that this is where the leak is: at the client, three
/// milliseconds in. The guesses at the cause are with it.
fn parted(scenario: &Scenario) -> (Divergence, Vec<Cause>) {
    let found = check(scenario, &Choices::Seeded(3)).expect_err("a planted leak is found");
    println!("{found}");
    let Nondeterminism { divergence, causes, .. } = *found;
    let divergence = divergence.expect("both runs were watched");
    for step in [&divergence.first, &divergence.second].into_iter().filter_map(|side| side.first()) {
        assert_eq!((step.at.as_nanos(), step.host.as_str()), (3_000_000, "client"), "{divergence}");
    }
    (divergence, causes)
}

/// What the two runs did where they part.
fn sides(divergence: &Divergence) -> [&str; 2] {
    [&divergence.first, &divergence.second].map(|side| side.first().map_or("", |step| step.text.as_str()))
}

#[track_caller]
fn is_in_a_callback(divergence: &Divergence) {
    let callback = divergence.callback.as_ref().expect("programs run in callbacks");
    assert!(callback.text.starts_with("task of isolation/planted.rs:"), "{divergence}");
}

/// What leaks nothing is the same twice.
#[test]
fn a_program_that_leaks_nothing_passes() {
    let report = check(&scenario("nothing", planted::nothing), &Choices::Seeded(3));
    assert!(report.is_ok_and(|report| report.verdict.is_passed()));
}

/// A map's order is seen where the first message goes to another host, and not where it arrives.
#[test]
fn the_order_of_a_hash_map() {
    let (divergence, causes) = parted(&scenario("hash-order", planted::hash_order));
    is_in_a_callback(&divergence);
    assert!(sides(&divergence).iter().all(|side| side.starts_with("sends to 10.0.0.")), "{divergence}");
    assert_eq!(causes, [Cause::Order]);
}

/// A hash with random keys.
#[test]
fn a_random_hash() {
    let (divergence, causes) = parted(&scenario("hash-value", planted::hash_value));
    is_in_a_callback(&divergence);
    assert_eq!(causes, [Cause::Bytes]);
}

/// `Instant::now` is seen in the deadline that is made of it.
#[test]
fn a_monotonic_clock() {
    let (divergence, causes) = parted(&scenario("monotonic-clock", planted::monotonic_clock));
    assert!(sides(&divergence).iter().all(|side| side.starts_with("waits until 0.003")), "{divergence}");
    assert_eq!(causes, [Cause::Clock]);
}

/// `SystemTime::now` is seen in the text that is made of it.
#[test]
fn a_wall_clock() {
    let (divergence, causes) = parted(&scenario("wall-clock", planted::wall_clock));
    is_in_a_callback(&divergence);
    assert!(sides(&divergence).iter().all(|side| side.contains("it is ")), "{divergence}");
    assert_eq!(causes, [Cause::Bytes]);
}

/// Random bytes of the system.
#[test]
fn random_bytes() {
    let (divergence, causes) = parted(&scenario("random", planted::random));
    is_in_a_callback(&divergence);
    assert_eq!(causes, [Cause::Bytes]);
}

/// A wake from outside comes when it comes: the time of the world does not decide it.
#[test]
fn a_thread_of_the_system() {
    let found = check(&scenario("thread", planted::thread), &Choices::Seeded(3)).expect_err("it races");
    println!("{found}");
    assert_eq!(found.causes.first(), Some(&Cause::Thread), "{found}");
}

/// An address in a note changes no hash of a run, and is found all the same.
#[test]
fn an_address_that_is_printed() {
    let (divergence, causes) = parted(&scenario("address-printed", planted::address_printed));
    is_in_a_callback(&divergence);
    assert_eq!(causes, [Cause::Address]);
}

/// An address that is sent.
#[test]
fn an_address_that_is_sent() {
    let (divergence, causes) = parted(&scenario("address-sent", planted::address_sent));
    is_in_a_callback(&divergence);
    assert_eq!(causes, [Cause::Address]);
}

/// An order that addresses decide is one of the same steps, as that of a hash map.
#[test]
fn an_order_by_addresses() {
    let (divergence, causes) = parted(&scenario("address-order", planted::address_order));
    is_in_a_callback(&divergence);
    assert_eq!(causes, [Cause::Order]);
}

/// A socket of the system's is none of the simulated world: it connects, and it has a port of the system's.
#[test]
fn a_real_socket() {
    let (divergence, causes) = parted(&scenario("socket", planted::socket));
    is_in_a_callback(&divergence);
    assert!(sides(&divergence).iter().all(|side| side.contains("has come")), "{divergence}");
    assert_eq!(causes, [Cause::Bytes]);
}

/// A runtime of its own inside of a program runs on threads and with clocks of the system's.
#[test]
fn another_runtime() {
    let (divergence, causes) = parted(&scenario("tokio", planted::tokio));
    is_in_a_callback(&divergence);
    assert_eq!(causes, [Cause::Bytes]);
}

/// What a run leaves in a static, the next run finds: two seeds of one process are not to influence each other.
#[test]
fn a_static_that_counts() {
    let (divergence, causes) = parted(&scenario("counter", planted::counter));
    is_in_a_callback(&divergence);
    assert!(sides(&divergence)[0].contains("\"request 0\""), "{divergence}");
    assert!(sides(&divergence)[1].contains("\"request 1\""), "{divergence}");
    assert_eq!(causes, [Cause::Bytes]);
}

/// Only the first run of a process is another one. A check that began with the second would find nothing.
#[test]
fn a_static_that_is_set_once() {
    let (divergence, causes) = parted(&scenario("cache", planted::cache));
    is_in_a_callback(&divergence);
    assert!(sides(&divergence)[0].contains("\"who are you\""), "{divergence}");
    assert_eq!(causes, [Cause::LeftBehind, Cause::Bytes]);
}

/// What a run leaves on its thread is told apart from what it leaves in the process.
#[test]
fn a_thread_local() {
    let (divergence, causes) = parted(&scenario("thread-local", planted::thread_local));
    is_in_a_callback(&divergence);
    assert_eq!(causes, [Cause::ThreadState, Cause::Bytes]);
}

/// A real file.
#[test]
fn a_real_file() {
    let (divergence, causes) = parted(&scenario("file", planted::file));
    is_in_a_callback(&divergence);
    assert_eq!(causes, [Cause::Bytes]);
}

/// A leak far behind the first window of steps: further runs are made to see it in words.
#[test]
fn a_leak_after_many_steps() {
    let found = check(&scenario("late", planted::late), &Choices::Seeded(3)).expect_err("a planted leak");
    let divergence = found.divergence.expect("a later pair of runs was watched there");
    assert!(divergence.common_steps > 100_000, "{divergence}");
    is_in_a_callback(&divergence);
    assert!(sides(&divergence).iter().all(|side| side.contains("\"request ")), "{divergence}");
}
