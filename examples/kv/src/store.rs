//! What the server keeps: keys with values and deadlines, and which APPLY requests it has carried out.
//!
//! It reads no clock and speaks no protocol. Every call that could meet a deadline takes the present [`Moment`]: an
//! entry whose deadline has come is never seen, whether or not [`Store::expire`] has removed it yet.

mod applied;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use twinloop::Moment;

use crate::resp::number::{append_i64, parse_i64};
use applied::Applied;
pub use applied::{ApplyError, REMEMBERED_MAX};

/// Keys, values, deadlines and applied requests.
///
/// The maps are ordered, so that KEYS and a simulated run come out the same in every process, and so that no choice of
/// keys by a client can degrade them.
#[derive(Debug, Default)]
pub struct Store {
    entries: BTreeMap<Vec<u8>, Entry>,
    /// The deadline of each entry that has one, with its key: the first is due first.
    expirations: BTreeSet<(Moment, Vec<u8>)>,
    applied: Applied,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    expires_at: Option<Moment>,
}

impl Entry {
    fn is_live(&self, now: Moment) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

/// What a write does to the key's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The key stays until it is removed.
    Never,
    /// The key keeps the deadline it has, if it has one.
    Keep,
    /// The key is gone from this moment on.
    At(Moment),
}

/// Why a number could not be added to a value. The value is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddError {
    /// The value is no integer as [`parse_i64`] reads them.
    NotAnInteger,
    /// The sum does not fit into 64 bits.
    Overflow,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddError::NotAnInteger => "value is not an integer or out of range",
            AddError::Overflow => "increment or decrement would overflow",
        })
    }
}

impl std::error::Error for AddError {}

impl Store {
    /// An empty store.
    pub fn new() -> Store {
        Store::default()
    }

    /// The value of `key`.
    pub fn get(&self, now: Moment, key: &[u8]) -> Option<&[u8]> {
        self.live(now, key).map(|entry| entry.value.as_slice())
    }

    /// Whether `key` is there.
    pub fn contains(&self, now: Moment, key: &[u8]) -> bool {
        self.live(now, key).is_some()
    }

    /// Sets `key` to `value`, whether or not it was there.
    pub fn set(&mut self, now: Moment, key: &[u8], value: &[u8], expiry: Expiry) {
        let Some(entry) = self.entries.get_mut(key) else {
            let expires_at = if let Expiry::At(at) = expiry { Some(at) } else { None };
            self.entries.insert(key.to_vec(), Entry { value: value.to_vec(), expires_at });
            self.index_deadline(key, None, expires_at);
            return;
        };
        let old = entry.expires_at;
        let new = match expiry {
            Expiry::Never => None,
            Expiry::Keep => old.filter(|&at| at > now),
            Expiry::At(at) => Some(at),
        };
        overwrite(&mut entry.value, value);
        entry.expires_at = new;
        self.index_deadline(key, old, new);
    }

    /// Removes `key`; whether it was there.
    pub fn remove(&mut self, now: Moment, key: &[u8]) -> bool {
        let Some(entry) = self.entries.remove(key) else { return false };
        self.index_deadline(key, entry.expires_at, None);
        entry.is_live(now)
    }

    /// Removes every key. Applied requests stay remembered: a retry after this must not be carried out again.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.expirations.clear();
    }

    /// Adds `delta` to the integer at `key`, 0 if it is absent; the sum. The deadline stays.
    pub fn add(&mut self, now: Moment, key: &[u8], delta: i64) -> Result<i64, AddError> {
        match self.entries.get_mut(key).filter(|entry| entry.is_live(now)) {
            Some(entry) => {
                let old = parse_i64(&entry.value).ok_or(AddError::NotAnInteger)?;
                let sum = old.checked_add(delta).ok_or(AddError::Overflow)?;
                entry.value.clear();
                append_i64(&mut entry.value, sum);
                Ok(sum)
            }
            None => {
                let mut value = Vec::new();
                append_i64(&mut value, delta);
                self.set(now, key, &value, Expiry::Never);
                Ok(delta)
            }
        }
    }

    /// [`Store::add`], at most once for each pair of `client` and `request_id`; a retry gets the first answer again.
    ///
    /// For each client the answers to the [`REMEMBERED_MAX`] highest request ids are remembered. A client must count
    /// its ids upwards and have fewer requests than that unanswered.
    ///
    /// # Errors
    ///
    /// The id belonged to another request, or to one that may have been forgotten; nothing is done. Or the addition
    /// fails, which is remembered like a success.
    pub fn apply(
        &mut self,
        now: Moment,
        client: &[u8],
        request_id: i64,
        key: &[u8],
        delta: i64,
    ) -> Result<i64, ApplyError> {
        if let Some(answer) = self.applied.recall(client, request_id, key, delta)? {
            twinloop::reachable!("kv: a retry gets the first answer again");
            return answer.map_err(ApplyError::Add);
        }
        let answer = self.add(now, key, delta);
        self.applied.remember(client, request_id, key, delta, answer);
        answer.map_err(ApplyError::Add)
    }

    /// Forgets which requests these clients have made: their retries will be carried out again.
    ///
    /// No correct server calls this while a client may retry; the simulator's planted fault does, when a connection
    /// drops.
    pub fn forget_clients<'a>(&mut self, clients: impl IntoIterator<Item = &'a [u8]>) {
        for client in clients {
            self.applied.forget(client);
        }
    }

    /// The deadline of `key`: `None` if the key is absent, `Some(None)` if it stays.
    pub fn deadline(&self, now: Moment, key: &[u8]) -> Option<Option<Moment>> {
        self.live(now, key).map(|entry| entry.expires_at)
    }

    /// Gives `key` a deadline, or takes it away; whether the key is there.
    pub fn set_deadline(&mut self, now: Moment, key: &[u8], deadline: Option<Moment>) -> bool {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.is_live(now)) else {
            return false;
        };
        let old = std::mem::replace(&mut entry.expires_at, deadline);
        self.index_deadline(key, old, deadline);
        true
    }

    /// All keys, in byte order.
    pub fn keys(&self, now: Moment) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().filter(move |(_, entry)| entry.is_live(now)).map(|(key, _)| key.as_slice())
    }

    /// The number of keys.
    pub fn len(&self, now: Moment) -> usize {
        self.entries.len() - self.overdue(now)
    }

    /// Whether there is no key.
    pub fn is_empty(&self, now: Moment) -> bool {
        self.len(now) == 0
    }

    /// The number of keys that have a deadline.
    pub fn len_expiring(&self, now: Moment) -> usize {
        self.expirations.len() - self.overdue(now)
    }

    /// When there will be something for [`Store::expire`] to remove.
    pub fn next_expiry(&self) -> Option<Moment> {
        self.expirations.first().map(|&(at, _)| at)
    }

    /// Removes keys whose deadline has come, earliest first and at most `at_most` of them; how many.
    ///
    /// This frees memory and changes nothing that can be seen, so that a server is free to do it piecemeal.
    pub fn expire(&mut self, now: Moment, at_most: usize) -> usize {
        let mut removed = 0;
        while removed < at_most && self.next_expiry().is_some_and(|at| at <= now) {
            let (_, key) = self.expirations.pop_first().expect("there is a next expiry");
            self.entries.remove(&key).expect("every expiration has its entry");
            removed += 1;
        }
        removed
    }

    fn live(&self, now: Moment, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_live(now))
    }

    /// Entries that are dead and not removed yet. [`Store::expire`] keeps them few.
    fn overdue(&self, now: Moment) -> usize {
        self.expirations.iter().take_while(|&&(at, _)| at <= now).count()
    }

    fn index_deadline(&mut self, key: &[u8], old: Option<Moment>, new: Option<Moment>) {
        if old == new {
            return;
        }
        if let Some(at) = old {
            let indexed = self.expirations.remove(&(at, key.to_vec()));
            assert!(indexed, "every deadline is indexed");
        }
        if let Some(at) = new {
            self.expirations.insert((at, key.to_vec()));
        }
    }
}

/// `new` in place of `old`, in the old allocation unless that would be mostly empty.
fn overwrite(old: &mut Vec<u8>, new: &[u8]) {
    const WASTE_MAX: usize = 256;
    if old.capacity() > new.len() + WASTE_MAX {
        *old = new.to_vec();
    } else {
        old.clear();
        old.extend_from_slice(new);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn a_key_is_gone_at_its_deadline_and_not_before() {
        let mut store = Store::new();
        store.set(at(0), b"k", b"v", Expiry::At(at(10)));
        assert_eq!(store.get(at(9), b"k"), Some(&b"v"[..]));
        assert_eq!(store.get(at(10), b"k"), None);
        assert_eq!((store.len(at(9)), store.len(at(10))), (1, 0));
        assert_eq!(store.expire(at(9), 10), 0);
        assert_eq!(store.expire(at(10), 10), 1);
        assert_eq!(store.next_expiry(), None);
    }

    #[test]
    fn an_expired_counter_starts_anew_and_stays() {
        let mut store = Store::new();
        store.set(at(0), b"k", b"41", Expiry::At(at(10)));
        assert_eq!(store.add(at(9), b"k", 1), Ok(42));
        assert_eq!(store.add(at(10), b"k", 1), Ok(1));
        assert_eq!(store.deadline(at(10), b"k"), Some(None));
        assert_eq!(store.next_expiry(), None);
    }

    #[test]
    fn expiry_is_piecemeal_and_in_order() {
        let mut store = Store::new();
        for (key, deadline) in [(b"a", 3), (b"b", 1), (b"c", 2)] {
            store.set(at(0), key, b"", Expiry::At(at(deadline)));
        }
        assert_eq!(store.expire(at(5), 2), 2);
        assert_eq!(store.next_expiry(), Some(at(3)));
    }

    #[test]
    fn a_retried_apply_is_answered_and_not_repeated() {
        let mut store = Store::new();
        assert_eq!(store.apply(at(0), b"c", 1, b"k", 5), Ok(5));
        assert_eq!(store.apply(at(0), b"c", 2, b"k", 5), Ok(10));
        assert_eq!(store.apply(at(0), b"c", 1, b"k", 5), Ok(5));
        assert_eq!(store.apply(at(0), b"d", 1, b"k", 5), Ok(15));
        assert_eq!(store.get(at(0), b"k"), Some(&b"15"[..]));
    }

    #[test]
    fn a_failed_apply_fails_again_after_the_cause_is_gone() {
        let mut store = Store::new();
        store.set(at(0), b"k", b"x", Expiry::Never);
        let failed = Err(ApplyError::Add(AddError::NotAnInteger));
        assert_eq!(store.apply(at(0), b"c", 1, b"k", 5), failed);
        store.remove(at(0), b"k");
        assert_eq!(store.apply(at(0), b"c", 1, b"k", 5), failed);
        assert!(!store.contains(at(0), b"k"));
    }

    #[test]
    fn a_forgotten_client_is_counted_twice() {
        let mut store = Store::new();
        assert_eq!(store.apply(at(0), b"c", 1, b"k", 5), Ok(5));
        store.clear();
        assert_eq!(store.apply(at(0), b"c", 1, b"k", 5), Ok(5));
        assert!(!store.contains(at(0), b"k"), "clearing the keys forgets no client");
        store.forget_clients([&b"c"[..]]);
        assert_eq!(store.apply(at(0), b"c", 1, b"k", 5), Ok(5));
        assert!(store.contains(at(0), b"k"));
    }

    /// The plainest store there is: a list that is searched from the front.
    #[derive(Default)]
    struct List(Vec<(u8, Vec<u8>, Option<Moment>)>);

    impl List {
        fn purge(&mut self, now: Moment) {
            self.0.retain(|(_, _, deadline)| deadline.is_none_or(|at| at > now));
        }

        fn set(&mut self, key: u8, value: &[u8], deadline: Option<Moment>) {
            self.0.retain(|&(other, _, _)| other != key);
            self.0.push((key, value.to_vec(), deadline));
        }

        fn deadline(&self, key: u8) -> Option<Option<Moment>> {
            self.0.iter().find(|entry| entry.0 == key).map(|entry| entry.2)
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(u8, u8, Option<u64>),
        SetKeeping(u8, u8),
        Remove(u8),
        SetDeadline(u8, Option<u64>),
        Pass(u64),
        Expire(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let deadline = || proptest::option::of(1u64..10);
        prop_oneof![
            (0u8..4, any::<u8>(), deadline()).prop_map(|(key, value, wait)| Step::Set(key, value, wait)),
            (0u8..4, any::<u8>()).prop_map(|(key, value)| Step::SetKeeping(key, value)),
            (0u8..4).prop_map(Step::Remove),
            (0u8..4, deadline()).prop_map(|(key, wait)| Step::SetDeadline(key, wait)),
            (0u64..6).prop_map(Step::Pass),
            (0usize..3).prop_map(Step::Expire),
        ]
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_list_does(steps in proptest::collection::vec(step(), 0..40)) {
            let (mut store, mut list, mut now) = (Store::new(), List::default(), 0);
            for step in steps {
                list.purge(at(now));
                let deadline = |wait: Option<u64>| wait.map(|wait| at(now + wait));
                match step {
                    Step::Set(key, value, wait) => {
                        let expiry = deadline(wait).map_or(Expiry::Never, Expiry::At);
                        store.set(at(now), &[key], &[value], expiry);
                        list.set(key, &[value], deadline(wait));
                    }
                    Step::SetKeeping(key, value) => {
                        store.set(at(now), &[key], &[value], Expiry::Keep);
                        list.set(key, &[value], list.deadline(key).flatten());
                    }
                    Step::Remove(key) => {
                        prop_assert_eq!(store.remove(at(now), &[key]), list.deadline(key).is_some());
                        list.0.retain(|entry| entry.0 != key);
                    }
                    Step::SetDeadline(key, wait) => {
                        let found = list.0.iter_mut().find(|entry| entry.0 == key);
                        let there = found.is_some();
                        found.into_iter().for_each(|entry| entry.2 = deadline(wait));
                        prop_assert_eq!(store.set_deadline(at(now), &[key], deadline(wait)), there);
                    }
                    Step::Pass(nanos) => now += nanos,
                    Step::Expire(at_most) => prop_assert!(store.expire(at(now), at_most) <= at_most),
                }
                list.purge(at(now));
                let expiring = list.0.iter().filter(|entry| entry.2.is_some()).count();
                prop_assert_eq!((store.len(at(now)), store.len_expiring(at(now))), (list.0.len(), expiring));
                for (key, value, deadline) in &list.0 {
                    prop_assert_eq!(store.get(at(now), &[*key]), Some(value.as_slice()));
                    prop_assert_eq!(store.deadline(at(now), &[*key]), Some(*deadline));
                }
            }
        }
    }
}
