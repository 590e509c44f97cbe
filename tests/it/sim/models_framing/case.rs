//! Reads of every form, in any order and given up at any time, against a plain vector of all bytes. It knows not who chooses
//! them: random tests do, and a fuzzer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use twinloop::transport::Buffered;
use twinloop::{Address, ErrorKind, StreamServer, StreamTransport, connect, sleep, spawn, yield_now};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{ProgramResult, Verdict, run_world};

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    /// All that the peer sends before the end.
    pub(crate) bytes: Vec<u8>,
    /// How many bytes the peer sends at once, and how many microseconds it waits then.
    pub(crate) parts: Vec<(usize, u64)>,
    pub(crate) steps: Vec<(Step, Patience)>,
}

/// A read that is still pending after so many polls is given up; `None` waits for ever.
pub(crate) type Patience = Option<u8>;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Read(usize),
    PollRead(usize),
    Exactly(usize),
    Until(Vec<u8>, usize),
    UntilInto(Vec<u8>, usize),
    Line(usize),
    LineInto(usize),
    ToEnd(usize),
    Skip(u64),
    /// Reads a message by [`message`].
    With(usize),
    /// Asks for more, and takes off up to so many bytes.
    Fill(usize),
    /// Asks for more as a slice, and takes off up to so many bytes.
    Slice(usize),
}

impl Case {
    /// Reads as the case says, in a world of its seed in which counts are short and events late.
    pub(crate) fn run(self) -> Verdict {
        let report = run_world(&Choices::Seeded(self.seed), Telling::Silent, |sim| {
            sim.faults().short_read(0.3).short_write(0.2).spurious(0.1).late_event(0.1);
            sim.client("host", move || run_case(self.clone()));
        });
        report.verdict
    }
}

async fn run_case(case: Case) -> ProgramResult {
    let server = StreamServer::listen(Address::loopback(0))?;
    let stream = connect(server.local_address()).await?;
    let peer = server.accept().await?;
    let sent = case.bytes.clone();
    let sending = spawn(async move { send(&peer, &sent, &case.parts).await.map(|()| peer) });
    let mut model = Model { rest: &case.bytes };
    for (step, patience) in case.steps {
        apply(step, patience, &stream, &mut model).await?;
    }
    assert_eq!(stream.read_to_end(usize::MAX).await?, model.rest);
    assert!(stream.at_eof());
    sending.await??;
    Ok(())
}

async fn send(peer: &StreamTransport, mut bytes: &[u8], parts: &[(usize, u64)]) -> ProgramResult {
    for (length, pause) in parts.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (part, rest) = bytes.split_at(bytes.len().min(*length));
        peer.write(part).await?;
        sleep(Duration::from_micros(*pause)).await;
        bytes = rest;
    }
    Ok(peer.shutdown().await?)
}

/// The bytes that were not read, also those that have not come yet: when they come makes no difference.
struct Model<'a> {
    rest: &'a [u8],
}

impl<'a> Model<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    /// What a read that takes some bytes took: it is the beginning, and none only at the end.
    fn took_some(&mut self, taken: &[u8]) {
        assert_eq!(taken, self.take(taken.len()));
        assert!(!taken.is_empty() || self.rest.is_empty(), "nothing was read before the end");
    }

    fn exactly(&mut self, count: usize) -> Result<&'a [u8], ErrorKind> {
        if count > self.rest.len() { Err(ErrorKind::Incomplete) } else { Ok(self.take(count)) }
    }

    fn until(&mut self, separator: &[u8], limit: usize) -> Result<&'a [u8], ErrorKind> {
        let within = &self.rest[..self.rest.len().min(limit)];
        match within.windows(separator.len()).position(|window| window == separator) {
            Some(at) => Ok(self.take(at + separator.len())),
            None if self.rest.len() >= limit => Err(ErrorKind::Limit),
            None => Err(ErrorKind::Incomplete),
        }
    }

    fn line(&mut self, limit: usize) -> Result<Option<&'a [u8]>, ErrorKind> {
        match self.until(b"\n", limit) {
            Err(ErrorKind::Incomplete) if self.rest.is_empty() => Ok(None),
            Err(ErrorKind::Incomplete) => Ok(Some(self.take(self.rest.len()))),
            Err(kind) => Err(kind),
            Ok(line) => {
                let line = &line[..line.len() - 1];
                Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
            }
        }
    }

    fn until_end(&mut self, limit: usize) -> Result<&'a [u8], ErrorKind> {
        if self.rest.len() > limit { Err(ErrorKind::Limit) } else { Ok(self.take(self.rest.len())) }
    }

    fn with(&mut self, limit: usize) -> Result<Vec<u8>, ErrorKind> {
        let within = &self.rest[..self.rest.len().min(limit)];
        let ended = self.rest.len() < limit;
        match message(within, ended) {
            Some((count, message)) => {
                self.take(count);
                Ok(message)
            }
            None if self.rest.len() >= limit => Err(ErrorKind::Limit),
            None => Err(ErrorKind::Incomplete),
        }
    }
}

/// A letter and as many bytes as it stands for; less than that only if it is the last, and a `b`.
fn message(bytes: &[u8], ended: bool) -> Option<(usize, Vec<u8>)> {
    let first = *bytes.first()?;
    let length = 1 + usize::from(first % 16);
    match bytes.get(1..length) {
        Some(message) => Some((length, message.to_vec())),
        None if ended && first == b'b' => Some((bytes.len(), bytes[1..].to_vec())),
        None => None,
    }
}

/// Reads, and asserts that the model says the same. A read that is given up has taken nothing.
async fn apply(
    step: Step,
    patience: Patience,
    stream: &StreamTransport,
    model: &mut Model<'_>,
) -> ProgramResult {
    match step {
        Step::Read(count) => {
            let mut buffer = vec![0; count];
            if let Some(count) = attempt(stream.read(&mut buffer), patience).await {
                model.took_some(&buffer[..count?]);
            }
        }
        Step::PollRead(count) => {
            let mut buffer = vec![0; count];
            let read = poll_fn(|context| stream.poll_read(context, &mut buffer));
            if let Some(count) = attempt(read, patience).await {
                model.took_some(&buffer[..count?]);
            }
        }
        Step::Exactly(count) => {
            let mut buffer = vec![0; count];
            if let Some(outcome) = attempt(stream.read_exactly(&mut buffer), patience).await {
                assert_eq!(outcome.map(|()| &buffer[..]).map_err(|error| error.kind()), model.exactly(count));
            }
        }
        Step::Until(separator, limit) => {
            if let Some(outcome) = attempt(stream.read_until(&separator, limit), patience).await {
                let expected = model.until(&separator, limit).map(<[u8]>::to_vec);
                assert_eq!(outcome.map_err(|error| error.kind()), expected);
            }
        }
        Step::UntilInto(separator, limit) => {
            let mut target = b"before".to_vec();
            let outcome = attempt(stream.read_until_into(&separator, limit, &mut target), patience).await;
            if let Some(outcome) = outcome {
                let expected = model.until(&separator, limit);
                assert_eq!(outcome.map_err(|error| error.kind()), expected.map(<[u8]>::len));
                assert_eq!(target, [b"before", expected.unwrap_or_default()].concat());
            }
        }
        Step::Line(limit) => {
            if let Some(outcome) = attempt(stream.read_line(limit), patience).await {
                let expected = model.line(limit).map(|line| line.map(<[u8]>::to_vec));
                assert_eq!(outcome.map_err(|error| error.kind()), expected);
            }
        }
        Step::LineInto(limit) => {
            let mut target = b"before".to_vec();
            if let Some(outcome) = attempt(stream.read_line_into(limit, &mut target), patience).await {
                let expected = model.line(limit);
                assert_eq!(outcome.map_err(|error| error.kind()), expected.map(|line| line.is_some()));
                assert_eq!(target, [b"before", expected.ok().flatten().unwrap_or_default()].concat());
            }
        }
        Step::ToEnd(limit) => {
            if let Some(outcome) = attempt(stream.read_to_end(limit), patience).await {
                assert_eq!(outcome.map_err(|error| error.kind()), model.until_end(limit).map(<[u8]>::to_vec));
            }
        }
        Step::Skip(count) => {
            let mut skip = stream.skip(count);
            let outcome = attempt(&mut skip, patience).await.transpose()?;
            let skipped = skip.skipped();
            let all = count.min(model.rest.len() as u64);
            assert!(outcome.map_or(skipped <= all, |outcome| outcome == skipped && skipped == all));
            model.take(skipped as usize);
        }
        Step::With(limit) => {
            if let Some(outcome) = attempt(stream.read_with(limit, message), patience).await {
                assert_eq!(outcome.map_err(|error| error.kind()), model.with(limit));
            }
        }
        Step::Fill(count) => {
            let before = stream.peek(<[u8]>::len);
            if let Some(came) = attempt(stream.fill(), patience).await {
                assert_eq!(stream.peek(<[u8]>::len), before + came?);
            }
            let taken = stream.peek(|bytes| bytes[..bytes.len().min(count)].to_vec());
            stream.consume(taken.len());
            assert_eq!(taken, model.take(taken.len()));
        }
        Step::Slice(count) => {
            let mut buffered = Buffered::new(stream);
            let fill = poll_fn(|context| buffered.poll_fill(context).map_ok(<[u8]>::len));
            if attempt(fill, patience).await == Some(Ok(0)) {
                assert!(model.rest.is_empty(), "a slice is empty at the end");
            }
            let taken = buffered.unread()[..buffered.unread().len().min(count)].to_vec();
            buffered.consume(taken.len());
            assert_eq!(taken, model.take(taken.len()));
        }
    }
    Ok(())
}

/// Polls until `future` is ready or patience is at its end, a turn apart.
async fn attempt<F: Future>(future: F, patience: Patience) -> Option<F::Output> {
    let mut future = pin!(future);
    let Some(polls) = patience else { return Some(future.await) };
    for _ in 0..polls {
        if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Some(outcome);
        }
        yield_now().await;
    }
    None
}
