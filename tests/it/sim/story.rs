//! Stories: what each line is due to, and the part of a run that a reader wants.

use std::collections::BTreeMap;

use twinloop::{
    Address, DatagramTransport, Handle, StreamServer, TransportError, connect, sleep, spawn, spawn_thread,
    timeout,
};
use twinloop_sim::choice::{Choices, Pick};
use twinloop_sim::story::{Focus, Line, LineKind, Story, Telling};
use twinloop_sim::{Report, Sim, Units, Verdict, run_world};

const KIND: Choices = Choices::Replayed { seed: 0, picks: Vec::new() };

/// Everything that happens in a run.
fn all_of(choices: &Choices, build: impl FnOnce(&mut Sim)) -> (Report, Story) {
    let mut report = run_world(choices, Telling::Everything, build);
    let story = report.story.take().expect("a story was asked for");
    (report, story)
}

fn note(text: &'static str) {
    Handle::current().note(|| text.to_owned());
}

/// The line that says so.
#[track_caller]
fn line<'a>(story: &'a Story, text: &str) -> &'a Line {
    let found = story.lines.iter().find(|line| line.text.contains(text));
    found.unwrap_or_else(|| panic!("nothing says {text:?}:\n{story}"))
}

/// From a line back to what it is due to, by messages where there are any, else by the latest cause: the lines' texts,
/// as far as they do not depend on where in a file something stands.
fn way_back(story: &Story, from: &Line) -> Vec<String> {
    let mut way = Vec::new();
    let mut next = Some(from);
    while let Some(line) = next {
        let text = line.text.split_once(" sim/").map_or(line.text.as_str(), |(kind, _)| kind);
        way.push(format!("{} {text}", line.host));
        let causes = || line.causes.iter().rev().map(|cause| &story.lines[cause - 1]);
        next = causes().find(|cause| cause.kind == LineKind::Message).or(causes().next());
    }
    way
}

fn question_and_answer(sim: &mut Sim) -> Address {
    let address = sim.host("server", 7, |address| async move {
        let server = StreamServer::listen(address)?;
        loop {
            let stream = server.accept().await?;
            spawn(async move {
                let mut buffer = [0; 10];
                while stream.read(&mut buffer).await? > 0 {
                    stream.write(b"yes").await?;
                }
                Ok::<(), TransportError>(())
            })
            .detach();
        }
    });
    sim.client("client", move || async move {
        ask(address).await?;
        note("answered");
        Ok(())
    });
    address
}

async fn ask(address: Address) -> Result<(), TransportError> {
    let stream = connect(address).await?;
    stream.write(b"well?").await?;
    stream.read(&mut [0; 10]).await?;
    Ok(())
}

/// A server that says what it hears, in datagrams.
fn datagram_echo(sim: &mut Sim) -> Address {
    sim.host("server", 53, |address| async move {
        let socket = DatagramTransport::bind(address)?;
        let mut buffer = [0; 10];
        loop {
            let received = socket.recv_from(&mut buffer).await?;
            socket.send_to(&buffer[..received.length], received.source).await?;
        }
    })
}

/// A message leads from the callback that has sent it to the one that it wakes on the other host.
#[test]
fn a_message_leads_from_who_sent_it_to_whom_it_woke() {
    let (_, story) = all_of(&KIND, |sim| _ = question_and_answer(sim));
    let way = way_back(&story, line(&story, "answered"));
    let (met, talked) = (way.iter().position(|step| step.contains("SYN+ACK")), &way[..8]);
    assert_eq!(
        talked,
        [
            "client answered",
            "client task",
            "client reader",
            "client 7 > 32768 DATA 0..3 ACK 5 WIN 65536",
            "server task",
            "server 32768 > 7 DATA 0..5 ACK 0 WIN 65536",
            "client task",
            "client writer",
        ]
    );
    assert_eq!(met, Some(8), "the connection came before: {way:?}");
    assert_eq!(way.last().map(String::as_str), Some("client started"));
}

/// A timer is due to the callback that has set it, however many were set meanwhile.
#[test]
fn a_timer_is_due_to_who_has_set_it() {
    let (_, story) = all_of(&KIND, |sim| {
        sim.client("host", || async {
            let slow = spawn(async {
                note("slow begins");
                sleep(30.ms()).await;
                note("slow ends");
            });
            for _ in 0..5 {
                sleep(10.ms()).await;
            }
            slow.await.map_err(|_| "nobody cancels it")?;
            Ok(())
        });
    });
    let way = way_back(&story, line(&story, "slow ends"));
    assert_eq!(way[..4], ["host slow ends", "host task", "host timer", "host slow begins"]);
}

/// What another thread has sent is due to that thread.
#[test]
fn a_wake_is_due_to_the_thread_that_has_sent_it() {
    let (_, story) = all_of(&KIND, |sim| {
        sim.client("host", || async {
            let worker = spawn_thread("worker", || async {
                sleep(10.ms()).await;
                note("worked");
                5
            })?;
            sleep(1.ms()).await;
            assert_eq!(worker.await?, 5);
            note("told");
            Ok(())
        });
    });
    let way = way_back(&story, line(&story, "told"));
    assert!(way.contains(&"host/worker worked".to_owned()), "{way:?}");
    assert_eq!(way[1], "host task");
    assert!(way.contains(&"host/worker timer".to_owned()), "{way:?}");
}

/// A kernel that sends something again does so because it was lost; and what was lost tells which pick has lost it.
#[test]
fn what_is_sent_again_is_due_to_its_loss() {
    let lost = Pick { site: "client > server: loss".to_owned(), occurrence: 2, value: 1 };
    let choices = Choices::Replayed { seed: 0, picks: vec![lost.clone()] };
    let (report, story) = all_of(&choices, |sim| {
        sim.links().loss(0.5);
        question_and_answer(sim);
    });
    assert_eq!((report.verdict, report.stale), (Verdict::Passed, vec![]));
    let fault = line(&story, ": lost");
    assert_eq!(fault.picks, [lost]);
    let question = line(&story, "32768 > 7 DATA 0..5");
    assert_eq!(question.kind, LineKind::Fault, "the question is lost first: {story}");
    let again =
        story.lines.iter().find(|line| line.kind == LineKind::Message && line.text.contains("DATA 0..5"));
    assert_eq!(again.expect("it is sent again").causes, [fault.number]);
}

/// What befalls a host or a link has its own story: a restart is due to the crash, the end of a cut to the cut, and
/// what is lost meanwhile too. What a script asks for is due to no pick.
#[test]
fn what_ends_a_fault_is_due_to_it() {
    let (_, story) = all_of(&KIND, |sim| {
        let address = question_and_answer(sim);
        sim.client("other", move || async move {
            sleep(10.ms()).await;
            connect(address).await?;
            note("connected late");
            Ok(())
        });
        sim.at(5.ms()).partition("other", "server");
        sim.at(2.s()).heal("other", "server");
        sim.at(6.ms()).crash("server");
        sim.at(7.ms()).restart("server");
    });
    let [crash, cut] = ["crashed", "link to server cut"].map(|text| line(&story, text));
    assert!(crash.picks.is_empty() && crash.causes.is_empty());
    let lost = line(&story, "SYN: link cut");
    assert!(lost.causes.contains(&cut.number), "{}", story.with_causes());
    let way = way_back(&story, line(&story, "connected late"));
    assert!(way.iter().any(|step| step.ends_with("SYN: link cut")), "{way:?}");
}

/// A world in which a great deal goes wrong.
fn rough(sim: &mut Sim) {
    sim.links().jitter(20.ms()).loss(0.1).reset(0.02).cut(0.01).cut_for(100.ms()..500.ms());
    sim.faults().short_read(0.2).late_event(0.1).spurious(0.01).late_timer(0.1);
    let address = question_and_answer(sim);
    sim.host_faults("server").crash(0.005).down_for(100.ms()..500.ms());
    for name in ["eager", "eager too"] {
        sim.client(name, move || async move {
            for _ in 0..20 {
                if !matches!(timeout(1.s(), ask(address)).await, Ok(Ok(()))) {
                    note("again");
                }
                sleep(10.ms()).await;
            }
            Ok(())
        });
    }
}

/// Whatever happens: a line is due to earlier ones, and a message to something on the host that has sent it. No
/// callback but one of a spurious event is there by itself: that has no cause but chance.
#[test]
fn causes_come_before_and_on_the_right_host() {
    let mut callbacks = 0;
    for seed in 0..20 {
        let (_, story) = all_of(&Choices::Seeded(seed), |sim| {
            rough(sim);
            sim.faults().spurious(0.0);
            sim.host_faults("server").spurious(0.0);
        });
        for (line, number) in story.lines.iter().zip(1..) {
            assert_eq!(line.number, number);
            assert!(line.causes.iter().all(|cause| *cause < number), "{number}:\n{}", story.with_causes());
            if let (LineKind::Message, Some(passage)) = (line.kind, &line.passage) {
                let is_sender = |cause: &usize| {
                    let cause = &story.lines[cause - 1];
                    cause.host == passage.from || cause.kind == LineKind::Fault
                };
                assert!(line.causes.iter().any(is_sender), "{number}:\n{}", story.with_causes());
            }
            if line.kind == LineKind::Callback {
                callbacks += 1;
                assert!(!line.causes.is_empty(), "{number}:\n{}", story.with_causes());
            }
        }
    }
    assert!(callbacks > 1000);
}

/// Neither the hash nor the verdict depends on what is told, and a story is the same each time.
#[test]
fn telling_changes_nothing() {
    for seed in 0..10 {
        let tell = |telling| run_world(&Choices::Seeded(seed), telling, rough);
        let [silent, events, all, again] =
            [Telling::Silent, Telling::Events, Telling::Everything, Telling::Everything].map(tell);
        assert_eq!((silent.hash, &silent.verdict), (events.hash, &events.verdict));
        assert_eq!((silent.hash, &silent.verdict), (all.hash, &all.verdict));
        assert_eq!((silent.story, &all.story), (None, &again.story));
    }
}

/// Where callbacks are no lines, what they do is due to what woke them.
#[test]
fn without_callbacks_a_story_leads_from_message_to_message() {
    let report = run_world(&KIND, Telling::Events, |sim| _ = question_and_answer(sim));
    let story = report.story.expect("a story was asked for");
    let way = way_back(&story, line(&story, "answered"));
    assert_eq!(
        way,
        [
            "client answered",
            "client 7 > 32768 DATA 0..3 ACK 5 WIN 65536",
            "server 32768 > 7 DATA 0..5 ACK 0 WIN 65536",
            "client 7 > 32768 SYN+ACK",
            "server 32768 > 7 SYN",
            "client started",
        ]
    );
}

/// The part of one host has its own lines and those of its messages; and each is due to lines of the part.
#[test]
fn a_story_is_focused_on_a_host() {
    let (_, story) = all_of(&Choices::Seeded(3), rough);
    assert_eq!(story.hosts(), ["server", "client", "eager", "eager too"]);
    let part = story.focus(&Focus::Host("eager".to_owned()));
    assert!(part.lines.len() > 20 && part.lines.len() < story.lines.len());
    let numbers: Vec<usize> = part.lines.iter().map(|line| line.number).collect();
    for line in &part.lines {
        let is_its = |passage: &twinloop_sim::story::Passage| {
            [&passage.from, &passage.to].map(String::as_str).contains(&"eager")
        };
        assert!(line.host == "eager" || line.passage.as_ref().is_some_and(is_its), "{line:?}");
        assert!(line.causes.iter().all(|cause| numbers.contains(cause)), "{line:?}");
    }
}

/// The part of one connection has what is said both ways, and what that leads to at once.
#[test]
fn a_story_is_focused_on_a_connection() {
    let (_, story) = all_of(&KIND, |sim| {
        let address = question_and_answer(sim);
        sim.client("other", move || async move { Ok(ask(address).await?) });
    });
    let (a, b) = story.connection("client:32768-server").expect("there is such a connection");
    assert_eq!((a.to_string(), b.to_string()), ("10.0.0.2:32768".to_owned(), "10.0.0.1:7".to_owned()));
    assert_eq!(story.connection("7-10.0.0.3:32768"), Some((story.connections()[1].0, b)));
    assert_eq!(story.connection("client-other"), None);
    let part = story.focus(&Focus::Connection(b, a));
    let messages = part.lines.iter().filter_map(|line| line.passage.as_ref());
    assert!(messages.clone().count() >= 5);
    assert!(messages.clone().all(|passage| [passage.source, passage.destination].contains(&a)));
    assert!(part.lines.iter().all(|line| line.host != "other"));
    assert!(part.lines.iter().any(|line| line.text.starts_with("reader ")), "what it wakes is told:\n{part}");
}

/// A client that asks once, and takes no answer for an answer.
fn impatient(sim: &mut Sim) {
    sim.links().loss(0.2);
    let address = datagram_echo(sim);
    sim.client("bystander", || async {
        for _ in 0..5 {
            sleep(1.ms()).await;
            note("all is well");
        }
        Ok(())
    });
    sim.client("client", move || async move {
        let socket = DatagramTransport::bind(Address::any(0))?;
        for _ in 0..3 {
            socket.send_to(b"?", address).await?;
            if timeout(100.ms(), socket.recv_from(&mut [0; 10])).await.is_err() {
                note("no answer");
                return Err("the server is down".into());
            }
        }
        Ok(())
    });
}

/// The story of a failure has the fault, what came of it, and the failure: the bystander has no part in it.
#[test]
fn a_failure_has_a_short_story() {
    let lost = Pick { site: "client > server: loss".to_owned(), occurrence: 1, value: 1 };
    let (_, story) = all_of(&Choices::Replayed { seed: 0, picks: vec![lost] }, impatient);
    let why = story.focus(&Focus::Failure);
    let told: Vec<String> = why.lines.iter().map(|line| format!("{} {}", line.host, line.text)).collect();
    assert_eq!(
        told,
        [
            "client to server: 32768 > 53 UDP 1: lost",
            "client no answer",
            "client program failed: the server is down",
            "client failed: client: the server is down",
        ],
        "{}",
        story.with_causes()
    );
}

/// Who waits for ever waits for what was lost.
#[test]
fn a_deadlock_is_due_to_what_was_lost() {
    let lost = Pick { site: "server > client: loss".to_owned(), occurrence: 0, value: 1 };
    let (report, story) = all_of(&Choices::Replayed { seed: 0, picks: vec![lost] }, |sim| {
        sim.links().loss(0.2);
        let address = datagram_echo(sim);
        sim.client("client", move || async move {
            let socket = DatagramTransport::bind(Address::any(0))?;
            socket.send_to(b"?", address).await?;
            socket.recv_from(&mut [0; 10]).await?;
            Ok(())
        });
    });
    assert_eq!(report.verdict.kind(), "deadlock");
    let kinds: BTreeMap<&str, usize> =
        story.focus(&Focus::Failure).lines.iter().fold(BTreeMap::new(), |mut counts, line| {
            *counts.entry(line.kind.name()).or_default() += 1;
            counts
        });
    assert_eq!(kinds, BTreeMap::from([("fault", 1), ("failure", 1)]));
}

/// A failure that no fault has a part in is due to all that led to it; and a run that has passed has no failure to explain.
#[test]
fn a_failure_without_a_fault_is_due_to_what_was_done() {
    let (_, story) = all_of(&KIND, |sim| {
        sim.client("host", || async {
            note("one");
            sleep(1.ms()).await;
            note("two");
            panic!("three");
        });
    });
    let why = story.focus(&Focus::Failure);
    let told: Vec<&str> =
        why.lines.iter().map(|line| line.text.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(told, ["started", "one", "two", "panicked"]);

    let (_, story) = all_of(&KIND, |sim| _ = question_and_answer(sim));
    assert!(story.focus(&Focus::Failure).lines.is_empty());
}
