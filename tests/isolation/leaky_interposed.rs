//! The same program with the calls of its system interposed.

use std::process::ExitCode;

use twinloop_interpose as _;

#[path = "leaky.rs"]
mod leaky;

fn main() -> ExitCode {
    leaky::main()
}
