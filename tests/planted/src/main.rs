//! The command line of the planted bugs: each is a scenario, and the mended program another one.

use std::process::ExitCode;

use planted::BUGS;
use twinloop_sim::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::new("planted", "Small programs with one bug each");
    BUGS.iter().fold(cli, |cli, bug| cli.scenario(bug.planted()).scenario(bug.mended())).main()
}
