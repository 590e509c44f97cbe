//! A program whose every scenario leaks, each in its own way. `levels.rs` runs it.

#[path = "planted.rs"]
mod planted;

use std::process::ExitCode;

use twinloop_sim::cli::Cli;

use planted::scenario;

pub(crate) fn main() -> ExitCode {
    Cli::new("leaky", "clients that let something besides the seed decide")
        .scenario(scenario("nothing", planted::nothing))
        .scenario(scenario("hash-order", planted::hash_order))
        .scenario(scenario("hash-value", planted::hash_value))
        .scenario(scenario("monotonic-clock", planted::monotonic_clock))
        .scenario(scenario("wall-clock", planted::wall_clock))
        .scenario(scenario("random", planted::random))
        .scenario(scenario("raw-random", planted::raw_random))
        .scenario(scenario("thread", planted::thread))
        .scenario(scenario("address-sent", planted::address_sent))
        .scenario(scenario("address-order", planted::address_order))
        .scenario(scenario("socket", planted::socket))
        .scenario(scenario("tokio", planted::tokio))
        .scenario(scenario("process-id", planted::process_id))
        .scenario(scenario("folder", planted::folder))
        .scenario(scenario("counter", planted::counter))
        .scenario(scenario("cache", planted::cache))
        .scenario(scenario("thread-local", planted::thread_local))
        .scenario(scenario("file", planted::file))
        .scenario(scenario("environment", planted::environment))
        .scenario(scenario("abort", planted::abort))
        .scenario(scenario("fails", planted::failure))
        .scenario(scenario("fails-at-home", planted::failure_at_home))
        .main()
}
