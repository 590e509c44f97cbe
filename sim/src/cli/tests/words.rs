//! Words that a command line may have: what is not there, what programs add, help.

use super::*;

fn cli() -> Cli {
    Cli::new("kv", "A key-value server")
        .scenario(Scenario::new("kv", "clients and resets", |_| {}))
        .scenario(Scenario::new("kv-forgetful", "the same with a fault planted", |_| {}))
        .command(
            "serve",
            "serve on ADDRESS",
            |args| if args == ["here"] { Exit::Passed } else { Exit::Usage },
        )
}

#[test]
fn what_is_not_there_is_a_usage_error() {
    let folder = Folder::new("usage");
    let report = toy::run(&Choices::Seeded(1), Telling::Silent, |_| toy::failed("lost"));
    let unknown = folder.write("unknown.replay", &ReplayFile::new("vk", 1, &report, "").to_string());
    let cases = [
        ("", "a command is missing".to_owned()),
        ("fly", "there is no command \"fly\"".to_owned()),
        (
            "explore --seeds 1",
            "cannot parse argument \"1\": seeds are given as A..B, for example 0..1000, where B is excluded"
                .to_owned(),
        ),
        ("explore vk", "there is no scenario \"vk\"; there are: kv, kv-forgetful".to_owned()),
        ("replay 5 vk", "there is no scenario \"vk\"; there are: kv, kv-forgetful".to_owned()),
        ("real", "this program has no real driver to run a scenario on".to_owned()),
    ];
    let from_file = (
        format!("replay {unknown}"),
        format!("{unknown}:2: there is no scenario \"vk\"; there are: kv, kv-forgetful"),
    );
    let cases = cases.map(|(line, text)| (line.to_owned(), text)).into_iter().chain([from_file]);
    for (line, text) in cases {
        let Printed { exit, out, err } = print_line(&cli(), &line);
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{line}");
        let mut lines = err.lines();
        assert!(lines.next().is_some_and(|first| first.ends_with(&format!(": {text}"))), "{line}: {err}");
        assert!(
            lines.next().is_some_and(|second| second.ends_with(" help` lists the commands")),
            "{line}: {err}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_could_not_run() {
    let folder = Folder::new("unreadable");
    let broken = folder.write("broken.replay", "twinloop-replay 1\nseed x\n");
    let Printed { exit, err, .. } = print_line(&cli(), &format!("replay {broken}"));
    assert_eq!(exit, Exit::CouldNotRun);
    assert!(
        err.ends_with(&format!(": {broken}:2:6: expected a seed (a number from 0 to 2^64-1), found \"x\"\n")),
        "{err}"
    );

    let missing = folder.0.join("missing").display().to_string();
    let Printed { exit, err, .. } = print_line(&cli(), &format!("show {missing}"));
    assert_eq!(exit, Exit::CouldNotRun);
    assert!(err.contains(&format!(": cannot read the replay file {missing}: ")), "{err}");
}

#[test]
fn list_help_and_version_go_to_standard_output() {
    let list = print_line(&cli(), "list");
    assert_eq!(list.out, "kv            clients and resets\nkv-forgetful  the same with a fault planted\n");

    let help = print_line(&cli(), "help").out;
    assert!(help.starts_with("kv: A key-value server\n\nUsage: "), "{help}");
    assert!(help.contains("\n  serve                   serve on ADDRESS\n"), "{help}");
    assert!(help.contains("\n  kv-forgetful  the same with a fault planted\n"), "{help}");
    assert!(!help.contains("  real "), "{help}");
    assert!(help.lines().skip(3).all(|line| line.chars().count() <= 80), "{help}");

    assert!(print_line(&cli(), "--version").out.starts_with("kv (twinloop-sim "));
}

#[test]
fn the_programs_own_commands_get_their_arguments() {
    assert_eq!(print_line(&cli(), "serve here").exit, Exit::Passed);
    assert_eq!(print_line(&cli(), "serve there").exit, Exit::Usage);

    let real = cli().real(|scenario, args| match args {
        [] => Err("no arguments".to_owned()),
        args => Ok(format!("{scenario} with {}\n", args.join(" "))),
    });
    let named = print_line(&real, "real kv-forgetful --fast 3");
    assert_eq!((named.exit, named.out.as_str()), (Exit::Passed, "kv-forgetful with --fast 3\n"));
    assert_eq!(print_line(&real, "real --fast").out, "kv with --fast\n");
    let failed = print_line(&real, "real");
    assert_eq!(failed.exit, Exit::FailuresFound);
    assert!(failed.err.ends_with(": kv: no arguments\n"), "{}", failed.err);
    assert!(print_line(&real, "help").out.contains("\n  real [SCENARIO] [ARGS]  "));
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let exits = [Exit::Passed, Exit::FailuresFound, Exit::Usage, Exit::Nondeterminism, Exit::CouldNotRun];
    assert_eq!(exits.map(Exit::code), [0, 1, 2, 3, 75]);
    assert!(exits.is_sorted());
}

#[test]
#[should_panic(expected = "there is a command replay already: rename this one")]
fn a_command_cannot_hide_another() {
    let _ = cli().command("replay", "", |_| Exit::Passed);
}

#[test]
#[should_panic(expected = "two scenarios are called kv: rename one of them")]
fn two_scenarios_cannot_share_a_name() {
    let _ = cli().scenario(Scenario::new("kv", "", |_| {}));
}

#[test]
fn words_are_quoted_for_the_shell_only_if_they_must_be() {
    assert_eq!(shell_word("target/debug/kv"), "target/debug/kv");
    assert_eq!(shell_word("my files/it's"), r"'my files/it'\''s'");
    assert_eq!(shell_word(""), "''");
}
