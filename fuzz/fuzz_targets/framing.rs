//! Any bytes in any parts, and any reads of them, in a simulated world against a plain vector: the cases of
//! `tests/it/sim/models_framing.rs`, chosen by the fuzzer.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;

use case::{Case, Patience, Step};

#[path = "../../tests/it/sim/models_framing/case.rs"]
mod case;

fuzz_target!(|chosen: Chosen| {
    let verdict = chosen.0.run();
    assert!(verdict.is_passed(), "{verdict}");
});

#[derive(Debug)]
struct Chosen(Case);

impl<'a> Arbitrary<'a> for Chosen {
    fn arbitrary(source: &mut Unstructured<'a>) -> Result<Self> {
        let seed = source.arbitrary()?;
        let mut steps = Vec::new();
        for _ in 0..source.int_in_range(0..=40)? {
            steps.push((step(source)?, patience(source)?));
        }
        let mut parts = Vec::new();
        for _ in 0..source.int_in_range(1..=20)? {
            parts.push((count(source)?, source.int_in_range(0..=300)?));
        }
        let times = if source.ratio(1, 8)? { source.int_in_range(1..=300)? } else { 1 };
        let bytes = source.bytes(source.len())?.repeat(times);
        Ok(Chosen(Case { seed, bytes, parts, steps }))
    }
}

fn step(source: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match source.int_in_range(0..=11)? {
        0 => Step::Read(count(source)?),
        1 => Step::PollRead(count(source)?),
        2 => Step::Exactly(count(source)?),
        3 => Step::Until(separator(source)?, limit(source)?),
        4 => Step::UntilInto(separator(source)?, limit(source)?),
        5 => Step::Line(limit(source)?),
        6 => Step::LineInto(limit(source)?),
        7 => Step::ToEnd(limit(source)?),
        8 => Step::Skip(limit(source)? as u64),
        9 => Step::With(limit(source)?),
        10 => Step::Fill(count(source)?),
        _ => Step::Slice(count(source)?),
    })
}

fn patience(source: &mut Unstructured<'_>) -> Result<Patience> {
    Ok(source.int_in_range(0..=6_u8)?.checked_sub(1))
}

fn separator(source: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = source.int_in_range(1..=3)?;
    source.bytes(length).map(<[u8]>::to_vec)
}

/// At least one byte, and now and then more than one receive gives.
fn count(source: &mut Unstructured<'_>) -> Result<usize> {
    Ok(1 + limit_below(source, 40)?)
}

fn limit(source: &mut Unstructured<'_>) -> Result<usize> {
    limit_below(source, 60)
}

fn limit_below(source: &mut Unstructured<'_>, few: usize) -> Result<usize> {
    if source.ratio(1, 5)? { source.int_in_range(0..=70_000) } else { source.int_in_range(0..=few) }
}
