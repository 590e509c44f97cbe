//! A program that two kernels answer differently, as a table: each call, and both answers.

use std::fmt::Write;

use twinloop::driver::{ConnectOptions, DatagramOptions, ListenOptions};

use super::compare::{Mismatch, Step};
use super::execute::{Answer, Told, Value};
use super::program::Op;

/// The calls up to the one that is answered differently, which has a mark. Calls behind it were not made.
pub(super) fn table(program: &[Op], mismatch: &Mismatch) -> String {
    let last = mismatch.steps.len() - 1;
    let rows = program.iter().zip(&mismatch.steps).enumerate().map(|(number, (op, (simulated, real)))| {
        let mark = if number == last { ">" } else { " " };
        [format!("{mark}{number:3}"), call(op), both(simulated), both(real)]
    });
    let head = ["step", "call", "simulated", "Linux"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [step, call, simulated, real] in &rows {
        let [first, second, third] = widths;
        writeln!(text, "{step:first$} | {call:second$} | {simulated:third$} | {real}")
            .expect("a string takes what is written");
    }
    text
}

/// Without the options that are the usual ones.
fn call(op: &Op) -> String {
    let usual = [
        format!("{:?}", ListenOptions::default()),
        format!("{:?}", ConnectOptions::default()),
        format!("{:?}", DatagramOptions::default()),
    ];
    usual.iter().fold(format!("{op:?}"), |text, usual| text.replace(usual, "usual"))
}

fn both(step: &Step) -> String {
    let told = told(&step.told);
    let answer = answer(&step.answer);
    if told.is_empty() { answer } else { format!("{answer}; told {told}") }
}

fn answer(answer: &Answer) -> String {
    match answer {
        Ok(Value::Done) => "done".to_owned(),
        Ok(Value::Skipped) => "no such place".to_owned(),
        Ok(value) => format!("{value:?}"),
        Err(error) => error.to_string(),
    }
}

fn told(told: &Told) -> String {
    let each = told.iter().map(|(slot, readiness)| format!("{slot}: {readiness:?}"));
    each.collect::<Vec<_>>().join(", ")
}
