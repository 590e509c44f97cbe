//! The scheduling order of runs in which nothing unusual happens, as tables that are reviewed as diffs.
//!
//! A row is a callback that ran, with the line in the source that asked for it; or `-` and what a program said; or `~` and
//! what travelled.

mod descriptors;
mod streams;
mod sync;
mod tasks;
mod timers;
mod turn;

use std::cell::RefCell;
use std::error::Error;
use std::fs;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use twinloop::driver::{ConnectOptions, Fd, ListenOptions};
use twinloop::{Address, AsyncCallback, Handle, Moment, StreamServer, StreamTransport, connect, sleep};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::{Line, LineKind, Telling};
use twinloop_sim::{ProgramResult, Sim, run_world};

use crate::tidy::root;

const MS: Duration = Duration::from_millis(1);

/// Everything that happened in the world that `build` builds.
fn table(build: impl FnOnce(&mut Sim)) -> String {
    lines(build).iter().map(row).collect()
}

/// Everything that happened to one program.
fn order<F: Future<Output = ProgramResult> + 'static>(program: impl Fn() -> F + 'static) -> String {
    table(|sim| sim.client("host", program))
}

/// What one program said, where packets and callbacks are many.
fn words<F: Future<Output = ProgramResult> + 'static>(program: impl Fn() -> F + 'static) -> String {
    let lines = lines(|sim| sim.client("host", program));
    lines.iter().filter(|line| line.kind == LineKind::Note).map(row).collect()
}

fn lines(build: impl FnOnce(&mut Sim)) -> Vec<Line> {
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    let report = run_world(&kind, Telling::Everything, build);
    assert!(report.verdict.is_passed(), "{}", report.verdict);
    report.story.expect("a story was asked for").lines
}

fn row(line: &Line) -> String {
    let at = format!("{:?}", line.at - Moment::ORIGIN);
    let text = match line.kind {
        LineKind::Callback => asked_for(&line.text),
        LineKind::Note => format!("- {}", line.text),
        _ => format!("~ {}", line.text),
    };
    format!("{at:>8}  {:6}  {text}\n", line.host)
}

/// `timer order/timers.rs:26` as `timer`, with what stands in that line.
fn asked_for(callback: &str) -> String {
    let (kind, place) = callback.split_once(' ').expect("a callback is a kind and a place");
    let (file, number) = place.split_once(':').expect("a place is a file and a line");
    let asked = match file {
        "sim/order.rs" => "the program".to_owned(),
        _ => line_of(file, number.parse().expect("a place ends with its line")),
    };
    format!("{kind:6}  {asked}")
}

fn line_of(file: &str, number: usize) -> String {
    let source = fs::read_to_string(root().join("tests/it/sim").join(file));
    let source = source.expect("what happens is asked for in the files of this folder");
    let line = source.lines().nth(number - 1).expect("the line is there");
    line.trim().trim_end_matches(['{', ' ']).to_owned()
}

/// Tells `text`.
fn say(text: impl ToString) {
    Handle::current().note(|| text.to_string());
}

type Function = Rc<dyn Fn(&Handle)>;

thread_local! {
    static CALLS: RefCell<Vec<Function>> = const { RefCell::new(Vec::new()) };
}

/// A callback that runs `function`.
fn doing(function: impl Fn(&Handle) + 'static) -> AsyncCallback {
    fn call(handle: &Handle, word: usize) {
        let function = CALLS.with_borrow(|calls| Rc::clone(&calls[word]));
        function(handle);
    }
    let word = CALLS.with_borrow_mut(|calls| {
        calls.push(Rc::new(function));
        calls.len() - 1
    });
    AsyncCallback::new(call, word)
}

/// A callback that says `text`.
fn saying(text: &'static str) -> AsyncCallback {
    doing(move |_| say(text))
}

/// Says `text` when it is dropped.
struct Says(&'static str);

impl Drop for Says {
    fn drop(&mut self) {
        say(self.0);
    }
}

/// Both ends of a connection.
async fn pair() -> Result<(StreamTransport, StreamTransport), Box<dyn Error>> {
    let server = StreamServer::listen(Address::loopback(0))?;
    let stream = connect(server.local_address()).await?;
    Ok((stream, server.accept().await?))
}

/// A descriptor that is readable, and known to be so, and the other end. Both outlive their program.
async fn ready_pair() -> Result<(Fd, Fd), Box<dyn Error>> {
    let handle = Handle::current();
    let listener = handle.listen(&Address::loopback(0), &ListenOptions::default())?;
    let fd = handle.connect(&handle.local_address(listener)?, &ConnectOptions::default())?;
    sleep(MS).await;
    let (peer, _) = handle.accept(listener)?;
    handle.send(peer, b"bytes")?;
    sleep(MS).await;
    handle.close(listener);
    Ok((fd, peer))
}

/// The same, both ways full and nothing to read.
async fn full_pair() -> Result<(Fd, Fd), Box<dyn Error>> {
    let (handle, (fd, peer)) = (Handle::current(), ready_pair().await?);
    while handle.recv(fd, &mut [0; 9]).is_ok() {}
    while handle.send(fd, &[0; 65536]).is_ok() {}
    sleep(MS).await;
    while handle.send(fd, &[0; 65536]).is_ok() {}
    Ok((fd, peer))
}
