//! A run as a story: the whole, its parts, and files for other programs.

use twinloop::{Address, DatagramTransport, sleep, timeout};

use super::*;
use crate::Units;

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
    // Two clients may send from one port: a message that arrives says who sent it.
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    let report = unanswered().scenarios[0].run(&kind, Telling::Silent);
    let answered = folder.write("answered.replay", &ReplayFile::new("ask", 0, &report, "").to_string());
    let answered = print_line(&unanswered(), &format!("show {answered}")).out;
    assert!(answered.contains("  message   from client: 32768 > 53 UDP 1"), "{answered}");
    assert!(answered.contains("  message   from server: 53 > 32768 UDP 1"), "{answered}");
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
