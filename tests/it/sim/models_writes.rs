//! The queue of writes against a plain list, over random uses of it in worlds where sends are cut short: the peer's bytes are
//! what was promised, nothing more, nothing less, in the order of the calls.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use proptest::prelude::*;
use twinloop::transport::{Write, WriteFile};
use twinloop::{
    Address, File, StreamServer, StreamTransport, TransportError, connect, join_all, spawn, yield_now,
};
use twinloop_sim::ProgramResult;
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;

/// How long the files of the world are.
const FILE: usize = 150_000;
/// A file that the kernel sends, and one that has to be read and sent.
const PATHS: [&str; 2] = ["/file", "/proc/self/cmdline"];
/// The marks that a queue has from the beginning.
const MARKS: (usize, usize) = (16 * 1024, 64 * 1024);

#[derive(Clone, Debug)]
enum Step {
    /// The length of each part; one part is a plain write, borrowed or owned.
    Write {
        parts: Vec<usize>,
        owned: bool,
    },
    SendFile {
        path: usize,
        offset: usize,
        length: Option<u64>,
    },
    /// What is done with one of those that are pending.
    Poll(usize),
    Detach(usize),
    GiveUp(usize),
    /// The peer reads so much of what has come.
    Read(usize),
    Turns(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = || prop_oneof![4 => 0..2_000_usize, 2 => 0..30_000_usize, 1 => 0..300_000_usize];
    let which = 0..6_usize;
    let offset = prop_oneof![4 => 0..FILE, 1 => FILE - 10..FILE + 10];
    let count = prop_oneof![2 => Just(None), 3 => length().prop_map(|length| Some(length as u64))];
    let step = prop_oneof![
        4 => (length(), any::<bool>()).prop_map(|(part, owned)| Step::Write { parts: vec![part], owned }),
        2 => prop::collection::vec(0..3_000_usize, 0..40).prop_map(|parts| Step::Write { parts, owned: false }),
        4 => (0..PATHS.len(), offset, count)
            .prop_map(|(path, offset, length)| Step::SendFile { path, offset, length }),
        2 => which.clone().prop_map(Step::Poll),
        2 => which.clone().prop_map(Step::Detach),
        3 => which.prop_map(Step::GiveUp),
        4 => length().prop_map(Step::Read),
        3 => (0..20_usize).prop_map(Step::Turns),
    ];
    prop::collection::vec(step, 1..40)
}

/// What the peer was promised by one call.
struct Promise {
    bytes: Vec<u8>,
    /// It was given up, and may have been withdrawn. Whole, or not at all.
    may_be_missing: bool,
}

/// Whether `bytes` are the promises, one behind the other.
fn keep(bytes: &[u8], promises: &[Promise]) -> bool {
    let Some((first, rest)) = promises.split_first() else { return bytes.is_empty() };
    let as_sent = bytes.strip_prefix(first.bytes.as_slice());
    as_sent.is_some_and(|bytes| keep(bytes, rest)) || (first.may_be_missing && keep(bytes, rest))
}

enum Pending {
    Write(Write),
    File(WriteFile),
}

/// A use of the queue under way.
struct Use {
    stream: StreamTransport,
    files: Vec<File>,
    promises: Vec<Promise>,
    /// What is pending, each with the index of its promise.
    pending: Vec<(usize, Pending)>,
}

/// Bytes that differ from those of every other call, and no two stretches of which are equal.
fn contents(call: usize, length: usize) -> Vec<u8> {
    let mixed = |at: usize| ((call as u64) << 32 | at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..length).map(|at| (mixed(at) >> 48) as u8).collect()
}

fn file_contents(path: usize) -> Vec<u8> {
    contents(1_000 + path, FILE)
}

impl Use {
    fn promise(&mut self, bytes: Vec<u8>, pending: Pending) {
        self.pending.push((self.promises.len(), pending));
        self.promises.push(Promise { bytes, may_be_missing: false });
    }

    fn write(&mut self, parts: &[usize], owned: bool) {
        let bytes = contents(self.promises.len(), parts.iter().sum());
        let write = match parts {
            [_] if owned => self.stream.write_owned(bytes.clone()),
            [_] => self.stream.write(&bytes),
            _ => {
                let mut rest = bytes.as_slice();
                let mut slices = Vec::new();
                for part in parts {
                    let (slice, behind) = rest.split_at(*part);
                    slices.push(IoSlice::new(slice));
                    rest = behind;
                }
                self.stream.write_vectored(&slices)
            }
        };
        self.promise(bytes, Pending::Write(write));
    }

    fn send_file(&mut self, path: usize, offset: usize, length: Option<u64>) {
        let sending = self.stream.write_file(&self.files[path], offset as u64, length);
        let contents = file_contents(path);
        let rest = &contents[offset.min(FILE)..];
        let wanted = length.map_or(rest.len(), |length| rest.len().min(length as usize));
        self.promise(rest[..wanted].to_vec(), Pending::File(sending));
    }

    /// One of those that are pending, taken out.
    fn take(&mut self, which: usize) -> Option<(usize, Pending)> {
        let count = self.pending.len();
        (count > 0).then(|| self.pending.remove(which % count))
    }

    async fn poll(&mut self, which: usize) {
        let Some((promise, mut pending)) = self.take(which) else { return };
        let length = self.promises[promise].bytes.len() as u64;
        let polled = poll_fn(|context| {
            Poll::Ready(match &mut pending {
                Pending::Write(write) => Pin::new(write).poll(context).map_ok(|count| count as u64),
                Pending::File(sending) => Pin::new(sending).poll(context),
            })
        });
        match polled.await {
            Poll::Ready(sent) => assert_eq!(sent, Ok(length)),
            Poll::Pending => self.pending.push((promise, pending)),
        }
    }

    fn detach(&mut self, which: usize) {
        match self.take(which) {
            Some((_, Pending::Write(write))) => write.detach(),
            Some((_, Pending::File(sending))) => sending.detach(),
            None => {}
        }
    }

    fn give_up(&mut self, which: usize) {
        let Some((promise, pending)) = self.take(which) else { return };
        // Of what has begun, nothing may be missing.
        let has_begun = matches!(&pending, Pending::File(sending) if sending.sent() > 0);
        self.promises[promise].may_be_missing = !has_begun;
    }

    fn check_marks(&self) {
        let queued = self.stream.queued_bytes();
        assert!(queued > MARKS.0 || self.stream.is_writable(), "{queued} bytes are few");
        assert!(queued < MARKS.1 || !self.stream.is_writable(), "{queued} bytes are many");
    }

    async fn step(&mut self, step: Step, to_read: &RefCell<usize>) {
        match step {
            Step::Write { parts, owned } => self.write(&parts, owned),
            Step::SendFile { path, offset, length } => self.send_file(path, offset, length),
            Step::Poll(which) => self.poll(which).await,
            Step::Detach(which) => self.detach(which),
            Step::GiveUp(which) => self.give_up(which),
            Step::Read(count) => *to_read.borrow_mut() += count,
            Step::Turns(count) => {
                for _ in 0..count {
                    yield_now().await;
                }
            }
        }
        self.check_marks();
    }
}

/// Reads as much as it may, and all once it is told to by `usize::MAX`.
async fn read(peer: StreamTransport, to_read: Rc<RefCell<usize>>) -> Result<Vec<u8>, TransportError> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 20_000]);
    loop {
        let most = to_read.borrow().saturating_sub(all.len()).min(buffer.len());
        if most == 0 {
            yield_now().await;
            continue;
        }
        match peer.read(&mut buffer[..most]).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

async fn use_queue(steps: Vec<Step>) -> ProgramResult {
    let server = StreamServer::listen(Address::loopback(0))?;
    let stream = connect(server.local_address()).await?;
    let peer = server.accept().await?;
    let files = join_all(PATHS.map(File::open)).await.into_iter().collect::<Result<_, _>>()?;
    let to_read = Rc::new(RefCell::new(0));
    let reader = spawn(read(peer, Rc::clone(&to_read)));
    let mut used = Use { stream, files, promises: Vec::new(), pending: Vec::new() };
    for step in steps {
        used.step(step, &to_read).await;
    }
    *to_read.borrow_mut() = usize::MAX;
    // What is pending goes out of scope with its files, so the rest of it is to be left queued.
    while !used.pending.is_empty() {
        used.detach(0);
    }
    used.files.clear();
    used.stream.shutdown().await?;
    let all = reader.await??;
    if !keep(&all, &used.promises) {
        return Err(format!("{} bytes came, which are not those that were promised", all.len()).into());
    }
    Ok(())
}

/// R109, R115, R117: whatever is written, sent, left and given up, the peer gets whole writes in the order of the calls.
#[test]
fn the_peer_gets_what_was_promised() {
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(seed in any::<u64>(), steps in steps())| {
        let report = twinloop_sim::run_world(&Choices::Seeded(seed), Telling::Silent, |sim| {
            sim.faults().short_write(0.3).short_read(0.2).spurious(0.1).late_event(0.1);
            sim.client("host", move || use_queue(steps.clone()));
            for (path, name) in PATHS.iter().enumerate() {
                sim.file("host", name, file_contents(path));
            }
        });
        prop_assert!(report.verdict.is_passed(), "{}", report.verdict);
    });
}
