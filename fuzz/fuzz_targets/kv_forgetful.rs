//! As `kv`, of the server with a planted bug: to see the fuzzer find it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twinloop_sim::Test;

/// Where replays are kept, and the lines that are told are called.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fuzz_target!(|bytes: &[u8]| {
    let scenario = kv::scenario::kv_forgetful();
    Test::new("kv-forgetful")
        .package("kv", ROOT)
        .program_line("cargo run -p kv --")
        .bytes(bytes)
        .scenario(&scenario);
});
