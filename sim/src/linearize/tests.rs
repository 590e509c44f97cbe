//! Histories that are, and are not; and all short ones, beside a search by brute force.

use proptest::prelude::*;

use super::*;

/// A register with an addition that answers the sum.
struct Counter;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Write(i8),
    Add(i8),
    Read,
}

impl Model for Counter {
    type State = i8;
    type Call = Call;
    type Answer = i8;

    fn initial(&self) -> i8 {
        0
    }

    fn accepts(&self, state: &i8, call: &Call, answer: Option<&i8>) -> Option<i8> {
        let next = match call {
            Call::Write(value) => *value,
            Call::Add(delta) => state.wrapping_add(*delta),
            Call::Read => *state,
        };
        answer.is_none_or(|answer| *answer == next).then_some(next)
    }
}

type History = Vec<Operation<Call, i8>>;

fn answered(process: u64, times: (u64, u64), call: Call, answer: i8) -> Operation<Call, i8> {
    Operation { process, called_at: times.0, answered: Some((times.1, answer)), call }
}

fn lost(process: u64, called_at: u64, call: Call) -> Operation<Call, i8> {
    Operation { process, called_at, answered: None, call }
}

fn violation(history: &History) -> Violation<i8> {
    match check(&Counter, history) {
        Err(Unlinearizable::Violation(violation)) => violation,
        other => panic!("expected a violation: {other:?}"),
    }
}

/// Tries every order, one choice after the other.
fn brute_force(history: &History, state: i8, chosen: u32) -> bool {
    let open = || (0..history.len()).filter(|index| chosen & 1 << index == 0);
    let due = open().filter_map(|index| history[index].answered.map(|(at, _)| at)).min();
    let Some(due) = due else { return true };
    let mut candidates = open().filter(|&index| history[index].called_at <= due);
    candidates.any(|index| {
        let Operation { call, answered, .. } = &history[index];
        Counter
            .accepts(&state, call, answered.as_ref().map(|(_, answer)| answer))
            .is_some_and(|next| brute_force(history, next, chosen | 1 << index))
    })
}

fn any_operation() -> impl Strategy<Value = Operation<Call, i8>> {
    let call = prop_oneof![(0i8..3).prop_map(Call::Write), (1i8..3).prop_map(Call::Add), Just(Call::Read)];
    let answer = proptest::option::weighted(0.8, (0u64..6, 0i8..4));
    (call, 0u64..12, answer, 0u64..3).prop_map(|(call, called_at, answer, process)| {
        let answered = answer.map(|(wait, answer)| match call {
            Call::Write(value) => (called_at + wait, value),
            _ => (called_at + wait, answer),
        });
        Operation { process, called_at, answered, call }
    })
}

/// A history that some order explains: each operation takes effect at one point of its interval.
fn linearizable_history() -> impl Strategy<Value = History> {
    let call =
        prop_oneof![any::<i8>().prop_map(Call::Write), any::<i8>().prop_map(Call::Add), Just(Call::Read)];
    proptest::collection::vec((call, 0u64..8, 0u64..8, 0u8..10), 0..40).prop_map(|calls| {
        let mut state = 0;
        let one_after_the_other = calls.into_iter().enumerate().map(|(index, (call, early, late, luck))| {
            let effect_at = 10 + 2 * index as u64;
            state = Counter.accepts(&state, &call, None).expect("without an answer all is accepted");
            let answered = (luck > 0).then_some((effect_at + late, state));
            Operation { process: index as u64, called_at: effect_at - early, answered, call }
        });
        let mut history: History = one_after_the_other.collect();
        history.reverse();
        history
    })
}

proptest! {
    #[test]
    fn it_agrees_with_trying_every_order(history in proptest::collection::vec(any_operation(), 0..8)) {
        let found = check(&Counter, &history);
        prop_assert_eq!(found.is_ok(), brute_force(&history, 0, 0));
        if let Err(Unlinearizable::Violation(violation)) = found {
            let mut state = 0;
            for &index in &violation.prefix {
                let Operation { call, answered, .. } = &history[index];
                let answer = answered.as_ref().map(|(_, answer)| answer);
                state = Counter.accepts(&state, call, answer).expect("the prefix is explained");
            }
            prop_assert_eq!(state, violation.state);
            prop_assert!(violation.stuck.iter().all(|stuck| !violation.prefix.contains(stuck)));
        }
    }

    #[test]
    fn what_has_an_order_passes(history in linearizable_history()) {
        prop_assert_eq!(check(&Counter, &history), Ok(()));
    }
}

#[test]
fn an_empty_history_passes() {
    assert_eq!(check(&Counter, &[]), Ok(()));
    assert_eq!(check(&Counter, &[lost(1, 0, Call::Write(1))]), Ok(()));
}

#[test]
fn a_lost_call_may_take_effect_late_or_never_but_not_twice() {
    let read = |at, value| answered(2, (at, at), Call::Read, value);
    let add = lost(1, 0, Call::Add(1));
    assert_eq!(check(&Counter, &[add.clone(), read(5, 0), read(9, 0)]), Ok(()));
    assert_eq!(check(&Counter, &[add.clone(), read(5, 0), read(9, 1)]), Ok(()));
    assert_eq!(violation(&vec![add, read(5, 0), read(9, 2)]).stuck, [2, 0]);
}

#[test]
fn the_explanation_shows_what_fits_and_what_does_not() {
    let history = vec![
        answered(1, (0, 3), Call::Add(2), 2),
        answered(2, (1, 4), Call::Add(2), 4),
        answered(1, (5, 6), Call::Read, 2),
        lost(3, 2, Call::Write(9)),
    ];
    let violation = violation(&history);
    assert_eq!((&violation.prefix[..], violation.state, &violation.stuck[..]), (&[0, 1][..], 4, &[2, 3][..]));
    let expected = "no order explains all answers; 2 operations fit in this order:
  0..3 process 1: Add(2) -> 2
  1..4 process 2: Add(2) -> 4
then the state is 4, and no order of these explains the next answer:
  5..6 process 1: Read -> 2
  2.. process 3: Write(9), never answered
";
    assert_eq!(violation.explain(&history), expected);
}

#[test]
fn a_hopeless_search_gives_up() {
    let mut history: History =
        (0..30).map(|process| lost(process, 0, Call::Add(1 << (process % 7)))).collect();
    history.push(answered(99, (50, 51), Call::Write(0), 1));
    let steps = 1000;
    assert_eq!(check_within(&Counter, &history, steps), Err(Unlinearizable::Undecided { steps }));
}

#[test]
fn a_long_history_needs_no_deep_stack() {
    let history: History =
        (0..20_000).map(|at| answered(at % 3, (10 * at, 10 * at + 15), Call::Write(1), 1)).collect();
    assert_eq!(check(&Counter, &history), Ok(()));
}

#[test]
#[should_panic(expected = "operation 0 was answered before it was called")]
fn time_runs_forwards() {
    let _ = check(&Counter, &[answered(1, (2, 1), Call::Read, 0)]);
}
