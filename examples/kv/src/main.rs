//! The program: the server on the real kernel, and the same server explored in the simulator.
#![forbid(unsafe_code)]

mod on_real;
mod tour;

use std::process::ExitCode;

use twinloop_sim::cli::Cli;

fn main() -> ExitCode {
    cli().main()
}

fn cli() -> Cli {
    Cli::new("kv", "a key-value server that speaks the Redis protocol, on either driver of twinloop")
        .scenario(kv::scenario::kv())
        .scenario(kv::scenario::kv_forgetful())
        .scenario(kv::scenario::kv_swarm())
        .real(on_real::scenario)
        .command("serve", "serve [ADDRESS] on the real driver (127.0.0.1:6379)", on_real::serve)
        .command("tour", "all of it: explore, find a planted bug, replay, serve", tour::run)
}
