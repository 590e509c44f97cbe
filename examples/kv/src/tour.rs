//! `tour`: the main job once through. Each step is a command that can be given alone.

use std::fs;
use std::path::PathBuf;

use twinloop_sim::cli::Exit;

/// Where a campaign leaves its failures.
const REPLAYS: &str = "replays";

/// Explores the server, finds a planted bug and replays it, then runs the same program on the real kernel.
pub(crate) fn run(args: &[String]) -> Exit {
    if let Some(argument) = args.first() {
        eprintln!("kv: tour takes no argument {argument:?}");
        return Exit::Usage;
    }
    let explored =
        step(1, "A thousand seeds of the server, on the simulator", &["explore", "kv"], Exit::Passed)
            && step(
                2,
                "The same with a planted bug: found, shrunk, kept",
                &["explore", "kv-forgetful"],
                Exit::FailuresFound,
            );
    let Some(replay) = newest_replay("kv-forgetful-") else {
        eprintln!("kv: the planted bug left no file in {REPLAYS}");
        return Exit::FailuresFound;
    };
    let passed = explored
        && step(3, "The failure again, from its file", &["replay", &replay], Exit::FailuresFound)
        && step(4, "The same program on the real kernel", &["real", "kv"], Exit::Passed);
    if passed { Exit::Passed } else { Exit::FailuresFound }
}

/// Gives a command of this program; says whether it ended as `expected`.
fn step(number: usize, title: &str, command: &[&str], expected: Exit) -> bool {
    println!("\n{number}. {title}\n   $ kv {}\n", command.join(" "));
    let exit = crate::cli().run(command);
    if exit != expected {
        eprintln!(
            "kv: this step should end with exit code {}, and ended with {}",
            expected.code(),
            exit.code()
        );
    }
    exit == expected
}

/// The replay file that was written last, of those whose names begin with `prefix`.
fn newest_replay(prefix: &str) -> Option<String> {
    let is_one = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        name.starts_with(prefix) && name.ends_with(".replay")
    };
    let paths = fs::read_dir(REPLAYS).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_one);
    let newest = paths.max_by_key(|path| fs::metadata(path).and_then(|file| file.modified()).ok())?;
    Some(newest.display().to_string())
}
