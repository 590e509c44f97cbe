//! What clients asked and were answered, and whether one store that does one thing at a time could have answered so.
//!
//! The recorder knows no connections: a client tells it when an operation begins and how it ended. Keys are independent
//! of each other, so each key's operations are checked on their own: a history is linearizable if they are (Herlihy and
//! Wing, "Linearizability", 1990, theorem 1).
//!
//! ```
//! use kv::history::{Answer, Call, History};
//! use twinloop::Moment;
//!
//! let at = Moment::from_nanos;
//! let mut history = History::default();
//! let apply = history.begin(1, b"k", Call::Apply(5), at(10));
//! history.finish(apply, Answer::Integer(5), at(30));
//! let get = history.begin(2, b"k", Call::Get, at(40));
//! history.finish(get, Answer::Value(Some(b"10".to_vec())), at(50));
//!
//! assert_eq!(
//!     history.check().unwrap_err(),
//!     "key \"k\" answers what no store could: client 2's GET from 0.000000040s to 0.000000050s answered \"10\", \
//!      but the 1 operations before it leave \"5\" and nothing else can have come between",
//! );
//! ```

use std::collections::BTreeMap;
use std::fmt;

use twinloop::Moment;
use twinloop_sim::linearize::{self, Model, Operation, Unlinearizable, Violation};

use crate::resp::number::parse_i64;
use crate::store::AddError;

/// What a client asks of one key. Deadlines are not modelled: do not record operations on keys that expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// GET.
    Get,
    /// EXISTS.
    Exists,
    /// SET to this value.
    Set(Vec<u8>),
    /// DEL.
    Del,
    /// INCRBY by this number; INCR, DECR and DECRBY likewise.
    IncrBy(i64),
    /// APPLY of this number. All attempts of one request are one operation, from the first call to the last answer.
    Apply(i64),
}

/// What the client was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// OK, to SET.
    Done,
    /// A value, or null, to GET.
    Value(Option<Vec<u8>>),
    /// A sum, or a count of keys.
    Integer(i64),
    /// An error, to INCRBY and APPLY.
    Refused(AddError),
}

/// An operation that was begun. It belongs to the history that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationId(usize);

/// All operations of a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    records: Vec<Record>,
    /// Beginnings and ends so far. Their numbers are the order of events: in virtual time, much happens in one moment.
    events: u64,
}

#[derive(Clone, Debug)]
struct Record {
    client: u64,
    key: Vec<u8>,
    call: Call,
    begun: (u64, Moment),
    finished: Option<(u64, Moment, Answer)>,
}

impl History {
    /// Notes that `client` is about to send `call` about `key`.
    pub fn begin(&mut self, client: u64, key: &[u8], call: Call, now: Moment) -> OperationId {
        let begun = (self.next_event(), now);
        self.records.push(Record { client, key: key.to_vec(), call, begun, finished: None });
        OperationId(self.records.len() - 1)
    }

    /// Notes the answer. An operation that is never finished may have taken effect at any time, or never.
    ///
    /// # Panics
    ///
    /// If the operation is finished already, or belongs to another history.
    pub fn finish(&mut self, operation: OperationId, answer: Answer, now: Moment) {
        let event = self.next_event();
        let record = &mut self.records[operation.0];
        assert!(record.finished.is_none(), "an operation ends once: {record:?}");
        record.finished = Some((event, now, answer));
    }

    /// The number of operations.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no operation.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether each key's operations are linearizable, beginning with no key at all, and each APPLY that was answered
    /// took effect exactly once.
    ///
    /// # Errors
    ///
    /// One line for a person: the key, the operation whose answer no order explains, and the value it met.
    pub fn check(&self) -> Result<(), String> {
        let mut by_key: BTreeMap<&[u8], Vec<&Record>> = BTreeMap::new();
        for record in &self.records {
            // A read that nobody saw the answer of explains nothing.
            if record.finished.is_some() || !matches!(record.call, Call::Get | Call::Exists) {
                by_key.entry(&record.key).or_default().push(record);
            }
        }
        by_key.into_iter().try_for_each(|(key, records)| check_key(key, &records))
    }

    fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }
}

fn check_key(key: &[u8], records: &[&Record]) -> Result<(), String> {
    let operations: Vec<Operation<Call, Answer>> = records
        .iter()
        .map(|record| Operation {
            process: record.client,
            called_at: record.begun.0,
            answered: record.finished.as_ref().map(|(event, _, answer)| (*event, answer.clone())),
            call: record.call.clone(),
        })
        .collect();
    linearize::check(&OneKey, &operations).map_err(|error| match error {
        Unlinearizable::Violation(violation) => explain(key, records, &violation),
        Unlinearizable::Undecided { steps } => format!(
            "key \"{}\": undecided after {steps} steps, its {} operations overlap too much",
            key.escape_ascii(),
            records.len()
        ),
    })
}

fn explain(key: &[u8], records: &[&Record], violation: &Violation<Content>) -> String {
    let record = records[violation.stuck[0]];
    let between = match violation.stuck.len() {
        1 => "nothing else can have come between".to_string(),
        others => format!("none of the {} that overlap it helps", others - 1),
    };
    format!(
        "key \"{}\" answers what no store could: {record}, but the {} operations before it leave {} and {between}",
        key.escape_ascii(),
        violation.prefix.len(),
        violation.state,
    )
}

/// One key of the store, as a model.
struct OneKey;

/// What is at a key. An integer is never [`Content::Text`]: there is one way to write it, so nothing is lost, and the
/// counters of a simulated run are compared and copied without an allocation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Absent,
    Integer(i64),
    Text(Vec<u8>),
}

impl Model for OneKey {
    type State = Content;
    type Call = Call;
    type Answer = Answer;

    fn initial(&self) -> Content {
        Content::Absent
    }

    fn accepts(&self, content: &Content, call: &Call, answer: Option<&Answer>) -> Option<Content> {
        let (next, expected) = step(content, call);
        match answer {
            Some(answer) if !expected.is(answer) => None,
            _ => Some(next),
        }
    }
}

/// What `call` leaves and answers when it meets `content`.
fn step(content: &Content, call: &Call) -> (Content, Expected) {
    match call {
        Call::Get => (content.clone(), Expected::Value(content.clone())),
        Call::Exists => (content.clone(), Expected::Integer(content.count())),
        Call::Set(value) => (Content::from_value(value), Expected::Done),
        Call::Del => (Content::Absent, Expected::Integer(content.count())),
        Call::IncrBy(delta) | Call::Apply(delta) => match content.plus(*delta) {
            Ok(sum) => (Content::Integer(sum), Expected::Integer(sum)),
            Err(error) => (content.clone(), Expected::Refused(error)),
        },
    }
}

enum Expected {
    Done,
    Value(Content),
    Integer(i64),
    Refused(AddError),
}

impl Expected {
    fn is(&self, answer: &Answer) -> bool {
        match (self, answer) {
            (Expected::Done, Answer::Done) => true,
            (Expected::Value(content), Answer::Value(Some(value))) => *content == Content::from_value(value),
            (Expected::Value(content), Answer::Value(None)) => *content == Content::Absent,
            (Expected::Integer(expected), Answer::Integer(got)) => expected == got,
            (Expected::Refused(expected), Answer::Refused(got)) => expected == got,
            _ => false,
        }
    }
}

impl Content {
    fn from_value(value: &[u8]) -> Content {
        parse_i64(value).map_or_else(|| Content::Text(value.to_vec()), Content::Integer)
    }

    fn count(&self) -> i64 {
        i64::from(*self != Content::Absent)
    }

    fn plus(&self, delta: i64) -> Result<i64, AddError> {
        match self {
            Content::Absent => Ok(delta),
            Content::Integer(value) => value.checked_add(delta).ok_or(AddError::Overflow),
            Content::Text(_) => Err(AddError::NotAnInteger),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Absent => f.write_str("no such key"),
            Content::Integer(value) => write!(f, "\"{value}\""),
            Content::Text(value) => write!(f, "\"{}\"", value.escape_ascii()),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}'s {} from {} ", self.client, self.call, self.begun.1)?;
        match &self.finished {
            Some((_, at, answer)) => write!(f, "to {at} answered {answer}"),
            None => f.write_str("was never answered"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Get => f.write_str("GET"),
            Call::Exists => f.write_str("EXISTS"),
            Call::Set(value) => write!(f, "SET \"{}\"", value.escape_ascii()),
            Call::Del => f.write_str("DEL"),
            Call::IncrBy(delta) => write!(f, "INCRBY {delta}"),
            Call::Apply(delta) => write!(f, "APPLY {delta}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Done => f.write_str("OK"),
            Answer::Value(None) => f.write_str("null"),
            Answer::Value(Some(value)) => write!(f, "\"{}\"", value.escape_ascii()),
            Answer::Integer(value) => value.fmt(f),
            Answer::Refused(error) => write!(f, "\"{error}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::{Expiry, Store};

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    fn value(text: &str) -> Answer {
        Answer::Value(Some(text.as_bytes().to_vec()))
    }

    impl History {
        /// One operation that begins and ends before the next one.
        fn add(&mut self, call: Call, answer: Answer) {
            let operation = self.begin(1, b"k", call, at(0));
            self.finish(operation, answer, at(0));
        }
    }

    #[test]
    fn each_call_is_answered_as_the_store_does() {
        let mut history = History::default();
        for (call, answer) in [
            (Call::Get, Answer::Value(None)),
            (Call::Exists, Answer::Integer(0)),
            (Call::Del, Answer::Integer(0)),
            (Call::Apply(5), Answer::Integer(5)),
            (Call::IncrBy(-7), Answer::Integer(-2)),
            (Call::Get, value("-2")),
            (Call::Set(b"x".to_vec()), Answer::Done),
            (Call::IncrBy(1), Answer::Refused(AddError::NotAnInteger)),
            (Call::Get, value("x")),
            (Call::Set(i64::MAX.to_string().into_bytes()), Answer::Done),
            (Call::Apply(1), Answer::Refused(AddError::Overflow)),
            (Call::Exists, Answer::Integer(1)),
            (Call::Del, Answer::Integer(1)),
            (Call::Get, Answer::Value(None)),
        ] {
            history.add(call, answer);
            assert_eq!(history.check(), Ok(()));
        }
    }

    #[test]
    fn an_apply_that_was_counted_twice_is_found() {
        let mut history = History::default();
        history.add(Call::Apply(5), Answer::Integer(5));
        history.add(Call::Get, value("10"));
        let explanation = history.check().expect_err("5 is not 10");
        assert!(
            explanation.starts_with("key \"k\" answers what no store could: client 1's GET "),
            "{explanation}"
        );
    }

    #[test]
    fn an_apply_that_was_lost_is_found_though_its_last_answer_overlaps() {
        let mut history = History::default();
        let apply = history.begin(1, b"k", Call::Apply(5), at(1));
        history.add(Call::Get, value("5"));
        history.add(Call::Get, Answer::Value(None));
        history.finish(apply, Answer::Integer(5), at(9));
        let explanation = history.check().expect_err("the counter went back");
        assert!(
            explanation.contains("answered null, but the 2 operations before it leave \"5\""),
            "{explanation}"
        );
    }

    #[test]
    fn an_unanswered_apply_may_count_or_not() {
        for last in [Answer::Value(None), value("5")] {
            let mut history = History::default();
            history.begin(1, b"k", Call::Apply(5), at(1));
            history.begin(2, b"k", Call::Get, at(1));
            history.add(Call::Get, Answer::Value(None));
            history.add(Call::Get, last);
            assert_eq!(history.check(), Ok(()));
        }
    }

    #[test]
    fn events_of_one_moment_keep_their_order() {
        let mut history = History::default();
        history.add(Call::Set(b"a".to_vec()), Answer::Done);
        history.add(Call::Set(b"b".to_vec()), Answer::Done);
        history.add(Call::Get, value("a"));
        assert!(history.check().is_err());
    }

    #[test]
    fn keys_are_checked_apart_and_named() {
        let mut history = History::default();
        for (key, got) in [(b"a", 1), (b"b", 2)] {
            let operation = history.begin(7, key, Call::IncrBy(1), at(0));
            history.finish(operation, Answer::Integer(got), at(0));
        }
        let explanation = history.check().expect_err("2 comes from nowhere");
        assert!(
            explanation.starts_with("key \"b\" answers what no store could: client 7's INCRBY 1 "),
            "{explanation}"
        );
        assert!(!explanation.contains('\n'));
    }

    /// What the store itself answers.
    fn answer(store: &mut Store, call: &Call) -> Answer {
        let now = at(0);
        match call {
            Call::Get => Answer::Value(store.get(now, b"k").map(<[u8]>::to_vec)),
            Call::Exists => Answer::Integer(i64::from(store.contains(now, b"k"))),
            Call::Set(value) => {
                store.set(now, b"k", value, Expiry::Never);
                Answer::Done
            }
            Call::Del => Answer::Integer(i64::from(store.remove(now, b"k"))),
            Call::IncrBy(delta) | Call::Apply(delta) => {
                store.add(now, b"k", *delta).map_or_else(Answer::Refused, Answer::Integer)
            }
        }
    }

    fn any_call() -> impl Strategy<Value = Call> {
        prop_oneof![
            Just(Call::Get),
            Just(Call::Exists),
            Just(Call::Del),
            "[0-9x]{1,2}".prop_map(|value| Call::Set(value.into_bytes())),
            (-3i64..4).prop_map(Call::IncrBy),
            any::<i64>().prop_map(Call::Apply),
        ]
    }

    proptest! {
        /// Four clients, each with one operation at a time, which the store carries out somewhere in between.
        #[test]
        fn what_a_store_answers_passes(turns in proptest::collection::vec((0usize..4, any_call()), 0..80)) {
            let (mut store, mut history) = (Store::new(), History::default());
            let mut clients: [Option<(OperationId, Call, Option<Answer>)>; 4] = Default::default();
            for (client, call) in turns {
                clients[client] = match clients[client].take() {
                    None => Some((history.begin(client as u64, b"k", call.clone(), at(0)), call, None)),
                    Some((id, call, None)) => {
                        let answer = answer(&mut store, &call);
                        Some((id, call, Some(answer)))
                    }
                    Some((id, _, Some(answer))) => {
                        history.finish(id, answer, at(0));
                        None
                    }
                };
            }
            prop_assert_eq!(history.check(), Ok(()));
        }
    }
}
