//! The command line of the planted bugs: each is a scenario, and the mended program another one.

use std::path::Path;
use std::process::ExitCode;

use planted::{BUGS, table, ways};
use twinloop_sim::cli::{Cli, Exit};

fn main() -> ExitCode {
    let cli = Cli::new("planted", "Small programs with one bug each").command(
        "table",
        "find, shrink and repeat each; with FOLDER, keep the replays there",
        |args| match args {
            // Not in `replays/` of whoever stands in a project: these are no failures of it.
            [] => table::print(&std::env::temp_dir().join("twinloop-planted-replays")),
            [folder] => table::print(Path::new(folder)),
            _ => Exit::Usage,
        },
    );
    let cli = cli.command("ways", "how many runs each way to search takes to find each", |args| match args {
        [] => ways::print(),
        _ => Exit::Usage,
    });
    BUGS.iter().fold(cli, |cli, bug| cli.scenario(bug.planted()).scenario(bug.mended())).main()
}
