//! The command line as its user sees it: arguments in; two streams, files and an exit out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use twinloop::{Address, DatagramTransport, sleep, timeout};

use super::args::{ExploreOptions, SearchOptions, ShowOptions, Way};
use super::*;
use crate::Units;
use crate::campaign::toy;
use crate::choice::{Choices, Pick};
use crate::shrink::Limits;
use crate::story::Telling;
use crate::verdict::{Report, Verdict};

/// A folder of its own for a test, gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = env::temp_dir().join(format!("twinloop-cli-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file in a temporary folder");
        path.display().to_string()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Printed {
    exit: Exit,
    out: String,
    err: String,
}

/// What `act` prints on a screen that nobody watches.
fn print(act: impl FnOnce(Screen<'_>) -> Exit) -> Printed {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = act(Screen::new(&mut out, &mut err, false));
    let text = |bytes| String::from_utf8(bytes).expect("output is text");
    Printed { exit, out: text(out), err: text(err) }
}

fn print_line(cli: &Cli, line: &str) -> Printed {
    print(|screen| cli.run_on(line.split_whitespace().map(OsString::from), screen))
}

/// A command on the scenario `toy` of the program `kv`, whose runs are those of `run`.
fn with_toy(run: Run<'_>, act: impl FnOnce(&Subject<'_>, &mut Screen<'_>) -> Exit) -> Printed {
    print(|mut screen| {
        let (conditions, called) = (Conditions::default(), Called::Program("target/debug/kv"));
        let (name, configuration) = ("toy", &BTreeMap::new());
        let subject = Subject { name, configuration, run, conditions: &conditions, bare: run, called };
        let exit = act(&subject, &mut screen);
        screen.finish(exit)
    })
}

fn explore_toy(run: Run<'_>, options: &ExploreOptions) -> Printed {
    with_toy(run, |subject, screen| {
        let nothing = |_: &str| None;
        explore::explore(subject, options, &nothing, screen).unwrap_or_else(|refusal| {
            screen.complain(refusal.text);
            refusal.exit
        })
    })
}

fn kept_at(path: &str) -> Kept {
    read(Path::new(path)).unwrap_or_else(|refusal| panic!("{}", refusal.text))
}

fn replay_toy(run: Run<'_>, path: &str) -> Printed {
    let source = Source::File(Box::new(kept_at(path)));
    with_toy(run, |subject, screen| replay::replay(subject, &source, screen))
}

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
fn a_failure_is_shrunk_kept_told_and_repeats() {
    let folder = Folder::new("explore");
    let options = ExploreOptions { replays: folder.0.clone(), ..ExploreOptions::default() };
    let Printed { exit, out, err } = explore_toy(&toy::forgetful, &options);
    assert_eq!((exit, err.as_str()), (Exit::FailuresFound, ""));
    let [name] = folder.names().try_into().expect("one file, and no temporary one");
    let path = folder.0.join(&name).display().to_string();
    assert!(out.contains(&format!("\ntarget/debug/kv replay {path}\n")), "{out}");

    let text = fs::read_to_string(&path).expect("the replay file");
    let file: ReplayFile = text.parse().expect("a well-formed replay file");
    assert_eq!(file.picks.len(), 2, "{text}");
    assert_eq!(name, format!("toy-{}.replay", file.seed));
    assert!(text.starts_with("# toy: failed: check: requests "), "{text}");
    assert!(out.starts_with(&format!("toy: seed {} failed\n  failed: check: requests ", file.seed)), "{out}");
    assert!(out.contains(" runs: 2 of 102 unusual picks are left.\n  failed: check: requests 0 and 1 are forgotten\n    \"server: forgets\" #0 = 1\n"), "{out}");
    assert!(
        out.contains(
            "  What led to it (`show` tells all):\n  1   1.000000000s  toy  fault     \"server: forgets\" #"
        ),
        "{out}"
    );
    let summary = out.lines().last().expect("a summary");
    assert!(summary.starts_with(&format!("toy: {} seeds passed, 1 failed; ", file.seed)), "{summary}");

    let Printed { exit, out, err } = replay_toy(&toy::forgetful, &path);
    assert_eq!((exit, err.as_str()), (Exit::FailuresFound, ""));
    assert!(
        out.starts_with(&format!("{path}: toy, seed {}, 2 picks\n  {}\n", file.seed, file.verdict)),
        "{out}"
    );
    assert!(out.ends_with("\nreproduced: the verdict and the hash are those of the file\n"), "{out}");
}

#[test]
fn seeds_that_pass_leave_one_line() {
    let run = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    let folder = Folder::new("passes");
    let options = ExploreOptions { replays: folder.0.join("never-made"), ..ExploreOptions::default() };
    let Printed { exit, out, err } = explore_toy(&run, &options);
    assert_eq!((exit, err.as_str(), out.lines().count()), (Exit::Passed, "", 1));
    assert!(out.starts_with("toy: 1,000 seeds passed, 0 failed; 2,000 s of virtual time in "), "{out}");
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn with_all_each_kind_of_failure_is_told_once() {
    let run = |choices: &Choices, telling: Telling| {
        let verdict = match choices.seed() {
            3 | 5 => toy::failed("odd"),
            4 => toy::failed("even"),
            _ => Verdict::Passed,
        };
        toy::run(choices, telling, |_| verdict)
    };
    let folder = Folder::new("all");
    let options = ExploreOptions { replays: folder.0.clone(), all: true, ..ExploreOptions::default() };
    let Printed { exit, out, .. } = explore_toy(&run, &options);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.starts_with("toy: seed 3 failed, as 1 other seed did\n"), "{out}");
    assert!(out.contains("\ntoy: seed 4 failed\n"), "{out}");
    let mut names = folder.names();
    names.sort();
    assert_eq!(names, ["toy-3.replay", "toy-4.replay"]);
}

#[test]
fn a_file_that_cannot_be_written_hides_no_failure() {
    let folder = Folder::new("unwritable");
    let in_the_way = folder.write("replays", "not a folder");
    let options = ExploreOptions { replays: PathBuf::from(&in_the_way), ..ExploreOptions::default() };
    let Printed { exit, out, err } = explore_toy(&toy::forgetful, &options);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(err.starts_with(&format!("toy: cannot create the folder {in_the_way}: ")), "{err}");
    let copy = out.lines().find(|line| line.starts_with("target/debug/kv replay ")).expect("a line to copy");
    assert!(copy.ends_with(" toy"), "{copy}");
}

#[test]
fn runs_that_differ_are_told_before_all_else() {
    let runs = std::sync::atomic::AtomicU32::new(0);
    let leaky = |choices: &Choices, telling: Telling| {
        let mut report = toy::run(choices, telling, |_| toy::failed("lost"));
        report.hash = runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed).into();
        report
    };
    let Printed { exit, out, .. } = explore_toy(&leaky, &ExploreOptions::default());
    assert_eq!(exit, Exit::Nondeterminism);
    assert!(out.starts_with("toy: two runs of seed 0 differ; mend this before anything else\n"), "{out}");
    assert!(!out.contains("Shrunk"), "{out}");

    let Printed { exit, .. } =
        with_toy(&leaky, |subject, screen| replay::replay(subject, &Source::Seed(7), screen));
    assert_eq!(exit, Exit::Nondeterminism);
}

#[test]
fn a_failure_that_its_picks_do_not_repeat_is_nondeterminism() {
    let only_seeded = |choices: &Choices, telling: Telling| {
        let verdict = match choices {
            Choices::Seeded(_) => toy::failed("lost"),
            _ => Verdict::Passed,
        };
        toy::run(choices, telling, |_| verdict)
    };
    let Printed { exit, out, .. } = explore_toy(&only_seeded, &ExploreOptions::default());
    assert_eq!(exit, Exit::Nondeterminism);
    assert!(out.contains("  its picks, replayed, do not give the run that they were taken from\n"), "{out}");
}

#[test]
fn replay_says_what_became_of_the_failure() {
    let folder = Folder::new("replay");
    let failing = |choices: &Choices, telling: Telling| {
        toy::run(choices, telling, |chooser| {
            let site = chooser.site("server: reset");
            toy::failed(&format!("reset {}", chooser.pick(site, 9)))
        })
    };
    let picks = vec![Pick { site: "server: reset".to_owned(), occurrence: 0, value: 3 }];
    let report = failing(&Choices::Replayed { seed: 8, picks }, Telling::Silent);
    let kept = ReplayFile::new("toy", 8, &report, "");
    let replay_of = |file: &ReplayFile, run: Run<'_>| {
        let Printed { exit, out, .. } = replay_toy(run, &folder.write("a.replay", &file.to_string()));
        (exit, out)
    };

    let (exit, out) = replay_of(&kept, &failing);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.ends_with("\nreproduced: the verdict and the hash are those of the file\n"), "{out}");

    let (exit, out) = replay_of(&ReplayFile { hash: 1, ..kept.clone() }, &failing);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(
        out.contains("\nreproduced by another run: the verdict is that of the file, the hash is not\n  ")
            && out.ends_with("a.replay:5: hash 00000000000000000000000000000001: the failure is the same, the run is not: the same number of callbacks, 100, and not the same ones\n"),
        "{out}"
    );

    let (exit, out) =
        replay_of(&ReplayFile { verdict: "failed: check: lost".to_owned(), ..kept.clone() }, &failing);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.contains("\nfails in another way than the file has\n  "), "{out}");
    assert!(
        out.ends_with("a.replay:4: verdict failed: check: lost: now it is failed: check: reset 3\n"),
        "{out}"
    );

    let mended = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    let (exit, out) = replay_of(&kept, &mended);
    assert_eq!(exit, Exit::Passed);
    assert!(out.contains("\npasses now; the file has a failure\n"), "{out}");
    assert!(out.contains("a.replay:4: verdict failed: check: reset 3: it passes now\n"), "{out}");
    assert!(out.ends_with("a.replay:8: pick \"server: reset\" #0 = 3: no site is called so\n"), "{out}");
}

#[test]
fn show_tells_the_story_and_the_verdict() {
    let shown = with_toy(&toy::forgetful, |subject, screen| {
        let options = ShowOptions { telling: Telling::Events, part: None, exports: Vec::new() };
        show::show(subject, &Source::Seed(1), &options, screen).unwrap_or(Exit::Usage)
    });
    assert!(
        shown.out.starts_with(
            "toy: seed 1\n  1   1.000000000s  toy  fault     \"client > server: latency\" #0 = "
        )
    );
    assert!(
        shown.out.contains(
            "\n  passed\n  isolation: same-thread\n  2.000 s of virtual time, 10 turns, 100 callbacks\n  hash "
        ),
        "{}",
        shown.out
    );
    assert_eq!(shown.exit, Exit::Passed);
}

/// A program whose only scenario fails where its one question is lost.
fn unanswered() -> Cli {
    let scenario = Scenario::new("ask", "a question that may be lost", |sim| {
        sim.links().loss(0.5);
        let address = sim.host("server", 53, |address| async move {
            let socket = DatagramTransport::bind(address)?;
            let mut buffer = [0; 10];
            loop {
                let received = socket.recv_from(&mut buffer).await?;
                socket.send_to(&buffer[..received.length], received.source).await?;
            }
        });
        sim.client("bystander", || async {
            sleep(1.ms()).await;
            Ok(())
        });
        sim.client("client", move || async move {
            let socket = DatagramTransport::bind(Address::any(0))?;
            socket.send_to(b"?", address).await?;
            timeout(1.s(), socket.recv_from(&mut [0; 10])).await.map_err(|_| "no answer")??;
            Ok(())
        });
    });
    Cli::new("asker", "Asks once").scenario(scenario)
}

/// A replay file of [`unanswered`] in which the question is lost.
fn lost_question(folder: &Folder) -> String {
    let lost = Pick { site: "client > server: loss".to_owned(), occurrence: 0, value: 1 };
    let choices = Choices::Replayed { seed: 0, picks: vec![lost] };
    let report = unanswered().scenarios[0].run(&choices, Telling::Silent);
    folder.write("lost.replay", &ReplayFile::new("ask", 0, &report, "").to_string())
}

/// From a file to three lines: what was lost, what the program made of it, and the failure.
#[test]
fn show_tells_why_a_run_has_failed() {
    let folder = Folder::new("why");
    let file = lost_question(&folder);
    let Printed { exit, out, .. } = print_line(&unanswered(), &format!("show {file} --why"));
    assert_eq!(exit, Exit::FailuresFound);
    let told: Vec<&str> = out.lines().skip(1).take_while(|line| !line.starts_with("  failed")).collect();
    assert_eq!(
        told,
        [
            "4   0.000000000s  client  fault     to server: 32768 > 53 UDP 1: lost  ← \"client > server: loss\" #0 = 1",
            "6   1.000000000s  client  note      program failed: no answer",
            "7   1.000000000s  client  failure   failed: client: no answer  ← 4, 6",
        ],
        "{out}"
    );

    let Printed { exit, out, .. } = print_line(&unanswered(), "show 1 --why");
    let passed = "  the run has passed: there is no failure that anything led to\n  passed\n";
    assert!(out.contains(passed) == (exit == Exit::Passed), "{out}");
}

#[test]
fn show_tells_a_part_of_a_story() {
    let folder = Folder::new("part");
    let file = lost_question(&folder);
    let show = |words: &str| print_line(&unanswered(), &format!("show {file} {words}"));
    let whole = show("").out;
    assert!(whole.contains("  bystander  note") && whole.contains("  ← "), "{whole}");
    let host = show("--host bystander").out;
    assert!(host.contains("  bystander  note") && !host.contains("  client  "), "{host}");
    let connection = show("--connection client-server:53").out;
    assert!(connection.contains("UDP 1: lost") && !connection.contains("bystander"), "{connection}");

    for (words, told) in [
        ("--host nobody", "the story has no host \"nobody\"; it has: server, bystander, client"),
        (
            "--connection client-bystander",
            "the story has no connection \"client-bystander\"; it has: 10.0.0.3:32768-10.0.0.1:53",
        ),
        ("--why --host client", "only one of --host, --connection and --why can be asked for at a time"),
        (
            "--export html a.html",
            "cannot parse argument \"html\": a story is exported as perfetto, shiviz or mermaid",
        ),
    ] {
        let Printed { exit, out, err } = show(words);
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{words}");
        assert!(err.lines().next().is_some_and(|line| line.ends_with(told)), "{words}: {err}");
    }
}

#[test]
fn show_writes_a_story_for_other_programs() {
    let folder = Folder::new("export");
    let file = lost_question(&folder);
    let path = |name: &str| folder.0.join(name).display().to_string();
    let [trace, log, diagram] = ["trace.json", "shiviz.log", "story.mmd"].map(path);
    let line =
        format!("show {file} --export perfetto {trace} --export shiviz {log} --export mermaid {diagram}");
    let Printed { exit, out, .. } = print_line(&unanswered(), &line);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(
        out.ends_with(&format!("  written to {trace}\n  written to {log}\n  written to {diagram}\n")),
        "{out}"
    );
    let read = |path: &str| fs::read_to_string(path).expect("the file that was written");
    // Callbacks are no lines of what is shown, but a trace is made of them.
    assert!(read(&trace).starts_with("{") && read(&trace).contains(r#""cat":"callback""#));
    assert!(read(&log).contains("\nclient {\"client\":1}\n"));
    assert!(read(&diagram).contains("    h2-xh0: 0.000000000s to server: 32768 #gt; 53 UDP 1: lost\n"));

    let nowhere = folder.0.join("no-such-folder/a").display().to_string();
    let Printed { exit, err, .. } =
        print_line(&unanswered(), &format!("show {file} --export shiviz {nowhere}"));
    assert_eq!(exit, Exit::CouldNotRun);
    assert!(err.contains(&format!("cannot write the story to {nowhere}: ")), "{err}");
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

/// A story with more lines than are told.
#[test]
fn a_long_story_is_told_by_its_first_faults() {
    let run = |choices: &Choices, telling: Telling| -> Report {
        toy::run(choices, telling, |chooser| {
            let site = chooser.site("a: b");
            let drawn: usize = (0..40).map(|_| chooser.pick(site, 2)).sum();
            if drawn >= 15 { toy::failed("too many") } else { Verdict::Passed }
        })
    };
    let folder = Folder::new("long");
    let options = ExploreOptions { replays: folder.0.clone(), ..ExploreOptions::default() };
    let Printed { out, .. } = explore_toy(&run, &options);
    assert!(out.contains("(`show` tells all):\n   1   1.000000000s  toy  fault"), "{out}");
    let told = out.lines().filter(|line| line.contains("  toy  fault  ")).count();
    assert_eq!(told, 14, "{out}");
}

/// The picks of the one file in `folder`.
fn picks_kept(folder: &Folder) -> (String, Vec<Pick>) {
    let [name] = folder.names().try_into().expect("one file, and no temporary one");
    let path = folder.0.join(name).display().to_string();
    let file: ReplayFile = fs::read_to_string(&path).expect("the file").parse().expect("a replay file");
    (path, file.picks)
}

fn shrink_toy(run: Run<'_>, path: &str, limits: Limits) -> Printed {
    with_toy(run, |subject, screen| replay::shrink_further(subject, &kept_at(path), limits, screen))
}

#[test]
fn shrinking_goes_on_where_its_budget_ended() {
    let folder = Folder::new("shrink");
    let options = |runs| ExploreOptions {
        replays: folder.0.clone(),
        limits: Limits::runs(runs),
        ..ExploreOptions::default()
    };
    explore_toy(&toy::forgetful, &options(1));
    let (path, some) = picks_kept(&folder);
    assert!(some.len() > 2, "{some:?}");
    let Printed { exit, out, .. } = shrink_toy(&toy::forgetful, &path, Limits::runs(3000));
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.contains("unusual picks are left"), "{out}");
    let (_, few) = picks_kept(&folder);
    assert_eq!(few.len(), 2);

    let mended = |choices: &Choices, telling| toy::run(choices, telling, |_| Verdict::Passed);
    let Printed { exit, out, .. } = shrink_toy(&mended, &path, Limits::runs(3000));
    assert_eq!(exit, Exit::Passed, "{out}");
    assert!(
        out.contains(": passes now; the file has a failure\n  ") && out.contains("it passes now"),
        "{out}"
    );
}

/// Whenever the process ends, the smallest failure so far is in its file, and a later search does not put a larger one there.
#[test]
fn shrinking_that_is_cut_short_leaves_the_smallest_failure_so_far() {
    let folder = Folder::new("cut-short");
    let options = ExploreOptions { replays: folder.0.clone(), ..ExploreOptions::default() };
    let cut_short_after = |runs: usize| {
        let count = AtomicUsize::new(0);
        let run = |choices: &Choices, telling: Telling| {
            let shrinks = matches!(choices, Choices::Replayed { .. });
            assert!(!shrinks || count.fetch_add(1, Ordering::Relaxed) < runs, "the process is killed");
            toy::forgetful(choices, telling)
        };
        let killed = catch_unwind(AssertUnwindSafe(|| explore_toy(&run, &options)));
        assert!(killed.is_err(), "it had more runs to make");
        picks_kept(&folder).1.len()
    };
    let after_one = cut_short_after(1);
    assert!(after_one > 2);
    let after_some = cut_short_after(4);
    assert!(after_some < after_one);
    assert_eq!(cut_short_after(2), after_some);
    explore_toy(&toy::forgetful, &options);
    assert_eq!(picks_kept(&folder).1.len(), 2);
}

/// Fails where the fifth of five draws in a row is unusual too, one in 100,000.
fn five_in_a_row(choices: &Choices, telling: Telling) -> Report {
    toy::run(choices, telling, |chooser| {
        let site = chooser.site("a: fault");
        let in_a_row = (0..5).take_while(|_| chooser.chance(site, 0.1)).count();
        if in_a_row == 5 { toy::failed("five in a row") } else { Verdict::Passed }
    })
}

#[test]
fn a_search_finds_shrinks_and_keeps_as_a_campaign_does() {
    let folder = Folder::new("search");
    let options = SearchOptions { replays: folder.0.clone(), picks: 5, ..SearchOptions::default() };
    let search =
        |way| with_toy(&five_in_a_row, |subject, screen| search::search(subject, way, &options, screen));
    let Printed { exit, out, .. } = search(Way::Exhaustive);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.ends_with("toy: 6 runs, the last one failed\n"), "{out}");
    assert_eq!(picks_kept(&folder).1.len(), 5);

    let few = SearchOptions { picks: 4, ..options };
    let Printed { exit, out, .. } =
        with_toy(&five_in_a_row, |subject, screen| search::search(subject, Way::Exhaustive, &few, screen));
    assert_eq!(exit, Exit::Passed);
    assert_eq!(out, "toy: 5 runs, none failed, and there are no others with up to 4 unusual picks\n");
}

// ---- campaigns of several shards ----

/// The bytes of each ledger in `folder`, by name.
fn ledgers(folder: &Folder) -> Vec<(String, String)> {
    let mut names = folder.names();
    names.retain(|name| name.ends_with(".jsonl"));
    names.sort();
    let read = |name: String| {
        let text = fs::read_to_string(folder.0.join(&name)).expect("a ledger");
        (name, text)
    };
    names.into_iter().map(read).collect()
}

/// All seeds from 0 to `seeds`, in the part `shard`, with a ledger in `folder`.
fn shard_options(folder: &Folder, seeds: u64, shard: &str) -> ExploreOptions {
    ExploreOptions {
        seeds: 0..seeds,
        all: true,
        out: Some(folder.0.clone()),
        replays: folder.0.join("replays"),
        shard: Some(shard.parse().expect("a shard")),
        limits: Limits::runs(20),
        ..ExploreOptions::default()
    }
}

fn merge_in(folder: &Folder) -> Printed {
    print(|mut screen| {
        let exit = merge::merge(&folder.0, false, &mut screen).unwrap_or_else(|refusal| {
            screen.complain(refusal.text);
            refusal.exit
        });
        screen.finish(exit)
    })
}

#[test]
fn shards_together_come_to_what_one_campaign_does() {
    let (whole, parts) = (Folder::new("whole"), Folder::new("parts"));
    explore_toy(&toy::forgetful, &shard_options(&whole, 700, "1/1"));
    for shard in ["1/3", "3/3", "2/3"] {
        assert_eq!(
            explore_toy(&toy::forgetful, &shard_options(&parts, 700, shard)).exit,
            Exit::FailuresFound
        );
    }
    assert_eq!(ledgers(&parts).len(), 3);

    let (whole, parts) = (merge_in(&whole), merge_in(&parts));
    assert_eq!((whole.exit, parts.exit), (Exit::FailuresFound, Exit::FailuresFound));
    let told = |printed: &Printed| printed.out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert!(whole.out.starts_with("toy: 669 passed, 31 failed in 1 ledgers; 1,400 s"), "{}", whole.out);
    assert!(parts.out.starts_with("toy: 669 passed, 31 failed in 3 ledgers; 1,400 s"), "{}", parts.out);
    assert_eq!(told(&whole)[..2], told(&parts)[..2]);
}

/// Whatever was written when a campaign was interrupted, going on comes to the same bytes.
#[test]
fn an_interrupted_campaign_goes_on_to_the_same_ledger() {
    let folder = Folder::new("resume");
    let options = shard_options(&folder, 350, "1/1");
    let Printed { out: first, .. } = explore_toy(&toy::forgetful, &options);
    let [(name, whole)] = ledgers(&folder).try_into().expect("one ledger");
    let summary = |out: &str| {
        let last = out.lines().last().expect("a summary").to_owned();
        last.split(';').next().map(str::to_owned)
    };
    for length in (0..=whole.len()).step_by(97).chain([whole.len()]) {
        fs::write(folder.0.join(&name), &whole[..length]).expect("the ledger is cut off");
        let Printed { exit, out, err } = explore_toy(&toy::forgetful, &options);
        assert_eq!((exit, err.as_str()), (Exit::FailuresFound, ""), "cut off at {length}");
        assert_eq!(ledgers(&folder), [(name.clone(), whole.clone())], "cut off at {length}");
        assert_eq!(summary(&out), summary(&first), "cut off at {length}");
    }
}

#[test]
fn a_ledger_that_is_none_is_told_with_its_line() {
    let folder = Folder::new("ledger");
    folder.write("toy-0-50.jsonl", "{\"ledger\":{\"version\":1}}\n");
    let Printed { exit, err, .. } = explore_toy(&toy::forgetful, &shard_options(&folder, 50, "1/1"));
    assert_eq!(exit, Exit::CouldNotRun);
    assert!(err.contains("toy-0-50.jsonl:1:23: missing field `scenario`"), "{err}");
    assert!(merge_in(&folder).err.contains("toy-0-50.jsonl:1:23: "));
    let newer = "{\"ledger\":{\"version\":9,\"scenario\":\"toy\",\"seeds\":[0,50],\"shard\":\"1/1\"}}\n";
    folder.write("toy-0-50.jsonl", newer);
    assert!(merge_in(&folder).err.contains("version 9 is unknown; this program reads 1"));
}

#[test]
fn a_merge_tells_which_seeds_nobody_ran() {
    let folder = Folder::new("missing");
    let passing = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    for shard in ["1/4", "4/4"] {
        explore_toy(&passing, &shard_options(&folder, 400, shard));
    }
    let Printed { exit, out, .. } = merge_in(&folder);
    assert_eq!(exit, Exit::CouldNotRun);
    assert!(out.contains("  not run: seeds 100..300\n"), "{out}");
    for shard in ["2/4", "3/4"] {
        explore_toy(&passing, &shard_options(&folder, 400, shard));
    }
    assert_eq!(merge_in(&folder).exit, Exit::Passed);
    let page = fs::read_to_string(folder.0.join("summary.html")).expect("the page");
    assert!(page.contains("<b>400</b> seeds passed") && !page.contains("Not run"), "{page}");
}

#[test]
fn results_for_programs_are_json_lines() {
    let folder = Folder::new("json");
    let options = ExploreOptions { json: true, out: None, ..shard_options(&folder, 60, "1/1") };
    let Printed { exit, out, err } = explore_toy(&toy::forgetful, &options);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(err.contains("Shrunk in"), "people are told on the other stream: {err}");
    let lines: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let summary = &lines.last().expect("a summary")["summary"];
    assert_eq!(summary["passed"].as_u64().zip(summary["failed"].as_u64()), Some((58, 2)), "{out}");
    assert_eq!(lines[0]["failure"]["signature"], "failed: check: requests # and # are forgotten");
}

/// A failure that was kept is looked for before any seed, and told as known.
#[test]
fn known_failures_come_first() {
    let folder = Folder::new("known");
    let options = ExploreOptions { replays: folder.0.clone(), ..ExploreOptions::default() };
    explore_toy(&toy::forgetful, &options);
    let Printed { out, .. } = explore_toy(&toy::forgetful, &options);
    let first = out.lines().next().expect("a line");
    assert!(
        first.contains("/toy-") && first.contains(".replay: known, still fails: failed: check: "),
        "{out}"
    );

    let mended = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    let Printed { exit, out, .. } = explore_toy(&mended, &options);
    assert_eq!(exit, Exit::Passed);
    assert!(out.lines().next().is_some_and(|line| line.ends_with(".replay: passes now")), "{out}");
}

#[test]
fn a_scheduler_says_which_part_is_meant() {
    let folder = Folder::new("scheduler");
    let options = ExploreOptions { shard: None, ..shard_options(&folder, 100, "1/1") };
    let slurm = |name: &str| match name {
        "SLURM_ARRAY_TASK_ID" => Some("1".to_owned()),
        "SLURM_ARRAY_TASK_COUNT" => Some("4".to_owned()),
        _ => None,
    };
    let passing = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
    let Printed { out, .. } = with_toy(&passing, |subject, screen| {
        explore::explore(subject, &options, &slurm, screen).unwrap_or_else(|refusal| refusal.exit)
    });
    assert!(
        out.starts_with("shard 2/4, by Slurm array (SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_COUNT)\n"),
        "{out}"
    );
    assert_eq!(ledgers(&folder)[0].0, "toy-25-50.jsonl");
}
