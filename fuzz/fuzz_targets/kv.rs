//! The key-value server of the examples, its world's faults chosen by the fuzzer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twinloop_sim::Test;

/// Where replays are kept, and the lines that are told are called.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fuzz_target!(|bytes: &[u8]| {
    Test::new("kv")
        .package("kv", ROOT)
        .program_line("cargo run -p kv --")
        .bytes(bytes)
        .scenario(&kv::scenario::kv());
});
