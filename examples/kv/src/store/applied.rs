//! Which APPLY requests have been carried out, and how they were answered. What a request does is not known here.

use std::collections::BTreeMap;
use std::fmt;

use super::AddError;

/// Answers that are remembered for each client.
///
/// The number of clients is not bounded: to forget one would mean to carry out its retries again.
pub const REMEMBERED_MAX: usize = 128;

/// Why an APPLY was not carried out, or how it failed when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// The addition failed.
    Add(AddError),
    /// The client has used this request id for another key or delta.
    Reused,
    /// The id is not above all those whose answers were forgotten: it may have been carried out before.
    Forgotten,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApplyError::Add(error) => error.fmt(f),
            ApplyError::Reused => f.write_str("APPLY request id was used for another request"),
            ApplyError::Forgotten => {
                f.write_str("APPLY request id is too old to tell whether it was applied")
            }
        }
    }
}

impl std::error::Error for ApplyError {}

/// The answers by client.
#[derive(Debug, Default)]
pub(super) struct Applied {
    clients: BTreeMap<Vec<u8>, Answers>,
}

/// One client's answers. Every remembered id is above `forgotten`, so that an id is either remembered, or new, or
/// refused: it is never carried out twice.
#[derive(Debug, Default)]
struct Answers {
    by_id: BTreeMap<i64, Answered>,
    /// The highest id whose answer was forgotten.
    forgotten: Option<i64>,
}

#[derive(Debug)]
struct Answered {
    key: Vec<u8>,
    delta: i64,
    answer: Result<i64, AddError>,
}

impl Applied {
    /// How this request was answered, or `None` if it is new.
    pub(super) fn recall(
        &self,
        client: &[u8],
        request_id: i64,
        key: &[u8],
        delta: i64,
    ) -> Result<Option<Result<i64, AddError>>, ApplyError> {
        let Some(answers) = self.clients.get(client) else { return Ok(None) };
        match answers.by_id.get(&request_id) {
            Some(answered) if answered.key == key && answered.delta == delta => Ok(Some(answered.answer)),
            Some(_) => Err(ApplyError::Reused),
            None if answers.forgotten.is_some_and(|forgotten| request_id <= forgotten) => {
                Err(ApplyError::Forgotten)
            }
            None => Ok(None),
        }
    }

    /// Remembers the answer to a request that [`Applied::recall`] called new.
    pub(super) fn remember(
        &mut self,
        client: &[u8],
        request_id: i64,
        key: &[u8],
        delta: i64,
        answer: Result<i64, AddError>,
    ) {
        if !self.clients.contains_key(client) {
            self.clients.insert(client.to_vec(), Answers::default());
        }
        let answers = self.clients.get_mut(client).expect("it was inserted just now");
        let former = answers.by_id.insert(request_id, Answered { key: key.to_vec(), delta, answer });
        assert!(former.is_none(), "a request is applied once");
        if answers.by_id.len() > REMEMBERED_MAX {
            let (lowest, _) = answers.by_id.pop_first().expect("it holds more than the limit");
            assert!(answers.forgotten < Some(lowest), "remembered ids are above the forgotten ones");
            answers.forgotten = Some(lowest);
        }
    }

    /// Forgets a client altogether.
    pub(super) fn forget(&mut self, client: &[u8]) {
        self.clients.remove(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remember(applied: &mut Applied, request_id: i64) {
        assert_eq!(applied.recall(b"c", request_id, b"k", 1), Ok(None), "{request_id} is new");
        applied.remember(b"c", request_id, b"k", 1, Ok(request_id));
    }

    #[test]
    fn other_arguments_are_another_request() {
        let mut applied = Applied::default();
        remember(&mut applied, 7);
        assert_eq!(applied.recall(b"c", 7, b"k", 1), Ok(Some(Ok(7))));
        assert_eq!(applied.recall(b"c", 7, b"k", 2), Err(ApplyError::Reused));
        assert_eq!(applied.recall(b"c", 7, b"l", 1), Err(ApplyError::Reused));
        assert_eq!(applied.recall(b"d", 7, b"l", 2), Ok(None));
    }

    #[test]
    fn what_is_forgotten_is_refused() {
        let mut applied = Applied::default();
        let newest = REMEMBERED_MAX as i64 + 10;
        (1..=newest).for_each(|id| remember(&mut applied, id));
        for id in 1..=newest {
            let expected = if id <= 10 { Err(ApplyError::Forgotten) } else { Ok(Some(Ok(id))) };
            assert_eq!(applied.recall(b"c", id, b"k", 1), expected, "{id}");
        }
    }

    #[test]
    fn a_late_id_below_the_newest_is_new_as_long_as_nothing_is_forgotten() {
        let mut applied = Applied::default();
        remember(&mut applied, 5);
        remember(&mut applied, 3);
        assert_eq!(applied.recall(b"c", 3, b"k", 1), Ok(Some(Ok(3))));
    }
}
