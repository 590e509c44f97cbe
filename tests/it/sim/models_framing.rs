//! Reading against a plain vector: random bytes that come in random parts at random times, and random reads of every form,
//! some of them given up. Each gives what is due to it whenever its bytes come, and no byte is lost, doubled or moved.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use case::{Case, Step};

mod case;

/// R93 to R100, R105: every form of reading, in any order and given up at any time, against the vector of all bytes.
#[test]
fn reads_of_every_form_agree_with_a_vector() {
    let config = ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&cases(), |case| {
        let verdict = case.run();
        prop_assert!(verdict.is_passed(), "{verdict}");
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

fn cases() -> impl Strategy<Value = Case> {
    // Few letters, so that separators stand everywhere, also half ones.
    let letter = || prop_oneof![3 => Just(b'a'), 2 => Just(b'\r'), 2 => Just(b'\n'), 1 => Just(b'b')];
    let text = move |most| proptest::collection::vec(letter(), 0..most);
    let bytes = prop_oneof![
        3 => text(300),
        1 => (text(300), 1..300_usize).prop_map(|(text, times)| text.repeat(times)),
    ];
    let separator = proptest::collection::vec(letter(), 1..4);
    let count = || prop_oneof![4 => 1..40_usize, 1 => 1..70_000_usize];
    let limit = || prop_oneof![4 => 0..60_usize, 1 => 0..70_000_usize, 1 => Just(usize::MAX)];
    let step = prop_oneof![
        count().prop_map(Step::Read),
        count().prop_map(Step::PollRead),
        count().prop_map(Step::Exactly),
        (separator.clone(), limit()).prop_map(|(separator, limit)| Step::Until(separator, limit)),
        (separator, limit()).prop_map(|(separator, limit)| Step::UntilInto(separator, limit)),
        limit().prop_map(Step::Line),
        limit().prop_map(Step::LineInto),
        limit().prop_map(Step::ToEnd),
        limit().prop_map(|count| Step::Skip(count as u64)),
        limit().prop_map(Step::With),
        count().prop_map(Step::Fill),
        count().prop_map(Step::Slice),
    ];
    let patience = prop_oneof![Just(None), (0..6_u8).prop_map(Some)];
    let parts = proptest::collection::vec((count(), 0..300_u64), 1..20);
    let steps = proptest::collection::vec((step, patience), 0..40);
    (any::<u64>(), bytes, parts, steps).prop_map(|(seed, bytes, parts, steps)| Case {
        seed,
        bytes,
        parts,
        steps,
    })
}
