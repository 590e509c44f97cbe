//! `tour`: the main job once through. Each step is a command that can be given alone.

use twinloop_sim::cli::Exit;

/// Explores the server, finds a planted bug and replays it, then runs the same program on the real kernel.
pub(crate) fn run(args: &[String]) -> Exit {
    if let Some(argument) = args.first() {
        eprintln!("kv: tour takes no argument {argument:?}");
        return Exit::Usage;
    }
    let cli = crate::cli();
    let step = |number: usize, title: &str, command: &[&str], expected: Exit| {
        println!("\n{number}. {title}\n   $ kv {}\n", command.join(" "));
        let exit = cli.run(command);
        if exit != expected {
            eprintln!(
                "kv: this step was expected to end with exit code {}, not {}",
                expected.code(),
                exit.code()
            );
        }
        exit == expected
    };
    let replay = "replays/kv-forgetful.replay";
    let passed =
        step(1, "A thousand seeds of the server, on the simulator", &["explore", "kv"], Exit::Passed)
            && step(
                2,
                "The same with a planted bug: found, shrunk, kept",
                &["explore", "kv-forgetful"],
                Exit::FailuresFound,
            )
            && step(3, "The failure again, from its file", &["replay", replay], Exit::FailuresFound)
            && step(4, "The same program on the real kernel", &["real", "kv"], Exit::Passed);
    if passed { Exit::Passed } else { Exit::FailuresFound }
}
