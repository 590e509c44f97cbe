//! Every rule of the ancestor has its line in RULES.md, and every line that promises something has a case that quotes it.

use std::collections::BTreeMap;
use std::fs;

use crate::tidy::{root, sources};

/// The last rule.
const LAST: u32 = 187;

/// The names of the cases that quote a rule, by rule.
type Cases = BTreeMap<u32, Vec<String>>;

#[test]
fn every_rule_has_its_line_and_every_promise_its_cases() {
    let path = root().join("RULES.md");
    let text = fs::read_to_string(&path).expect("there is a RULES.md");
    let cases = cases_of_the_project();
    let current = with_cases(&text, &cases);
    if std::env::var_os("UPDATE_RULES").is_some() {
        fs::write(&path, &current).expect("RULES.md can be written");
    } else {
        let stale = text.lines().zip(current.lines()).filter(|(old, new)| old != new);
        let stale: Vec<String> = stale.map(|(old, new)| format!("- {old}\n+ {new}")).collect();
        assert!(
            stale.is_empty(),
            "RULES.md is stale: UPDATE_RULES=1 cargo test --test it rules\n{}",
            stale.join("\n")
        );
    }
    let found = complaints(&rules(&current), &cases);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// What is wrong with the table or the cases.
fn complaints(rules: &[Rule<'_>], cases: &Cases) -> Vec<String> {
    let mut found = Vec::new();
    let numbers: Vec<u32> = rules.iter().map(|rule| rule.number).collect();
    if numbers != (1..=LAST).collect::<Vec<_>>() {
        found.push(format!("RULES.md must have each of R1 to R{LAST} once and in order: {numbers:?}"));
    }
    for (rule, names) in cases.iter().filter(|(rule, _)| !(1..=LAST).contains(*rule)) {
        found.push(format!("there is no R{rule}, which is quoted by {}", names.join(", ")));
    }
    for Rule { number, standing, .. } in rules {
        match (*standing, cases.contains_key(number)) {
            ("kept" | "decided otherwise", false) => {
                found.push(format!("R{number} is {standing}, and no case quotes it"));
            }
            ("kept" | "decided otherwise", true) | ("not ours" | "later", false) => {}
            ("not ours" | "later", true) => {
                found.push(format!("R{number} is {standing}, and yet there are cases that quote it"));
            }
            _ => found.push(format!("R{number} can not be {standing:?}")),
        }
    }
    found
}

/// One line of the table.
struct Rule<'a> {
    number: u32,
    text: &'a str,
    standing: &'a str,
}

/// `| R1 | text | standing | cases |`; `None` for any other line.
fn rule(line: &str) -> Option<Rule<'_>> {
    let mut columns = line.strip_prefix("| R")?.split(" | ");
    let number = columns.next()?.parse().ok()?;
    Some(Rule { number, text: columns.next()?, standing: columns.next()? })
}

fn rules(table: &str) -> Vec<Rule<'_>> {
    table.lines().filter_map(rule).collect()
}

/// The table with its last column as it should be.
fn with_cases(table: &str, cases: &Cases) -> String {
    let line = |line: &str| match rule(line) {
        None => format!("{line}\n"),
        Some(Rule { number, text, standing }) => {
            let names = cases.get(&number).map_or_else(|| "–".to_owned(), |names| names.join(", "));
            format!("| R{number} | {text} | {standing} | {names} |\n")
        }
    };
    table.lines().map(line).collect()
}

fn cases_of_the_project() -> Cases {
    let mut cases = Cases::new();
    for folder in ["tests/it", "src", "sim/src", "real/src"] {
        for (file, text) in sources(folder) {
            let file = file.trim_end_matches(".rs");
            let file = file.strip_prefix("tests/it/").unwrap_or(file);
            for (test, quoted) in tests_of(&text) {
                for rule in quoted {
                    cases.entry(rule).or_default().push(format!("{file}::{test}"));
                }
            }
        }
    }
    cases
}

/// The tests of a source, each with the rules that its doc comment quotes.
fn tests_of(source: &str) -> Vec<(String, Vec<u32>)> {
    let mut tests = Vec::new();
    let (mut doc, mut is_test) = (String::new(), false);
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            doc.push_str(text);
            continue;
        }
        if line.starts_with("#[") {
            is_test |= line == "#[test]";
            continue;
        }
        if let (true, Some(name)) = (is_test, line.strip_prefix("fn ")) {
            let name = name.split('(').next().expect("a split has a first part");
            tests.push((name.to_owned(), quoted(&doc)));
        }
        doc.clear();
        is_test = false;
    }
    tests
}

/// The rules that `doc` quotes: `R5`, and each of `R55-R58`.
fn quoted(doc: &str) -> Vec<u32> {
    let words = doc.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let ranges = words.filter_map(|word| match word.split_once('-') {
        Some((first, last)) => Some(number(first)?..=number(last)?),
        None => number(word).map(|number| number..=number),
    });
    ranges.flatten().collect()
}

fn number(word: &str) -> Option<u32> {
    word.strip_prefix('R')?.parse().ok()
}

#[test]
fn rules_are_quoted_alone_in_lists_and_in_ranges() {
    assert_eq!(quoted("R5, R6: against R10. (R7)"), [5, 6, 10, 7]);
    assert_eq!(quoted("R55-R58 and R60"), [55, 56, 57, 58, 60]);
    assert_eq!(quoted("PR 12, RFC, R, Rx5, an R-number, #7758"), [] as [u32; 0]);
}

#[test]
fn only_the_doc_of_a_test_quotes() {
    let source = "/// R1\nfn helper() {}\n/// R2:\n/// and R3.\n#[cfg(unix)]\n#[test]\nfn case() {\n// R4\n}\n#[test]\nfn bare() {}\n";
    assert_eq!(tests_of(source), [("case".to_owned(), vec![2, 3]), ("bare".to_owned(), vec![])]);
}

#[test]
fn what_is_wrong_with_the_table_is_told() {
    let line = |number, standing| Rule { number, text: "", standing };
    let mut table: Vec<_> = (1..=LAST).map(|number| line(number, "later")).collect();
    table[0].standing = "kept";
    table[2].standing = "forgotten";
    let cases = Cases::from([(2, vec!["file::case".to_owned()]), (999, vec!["file::wrong".to_owned()])]);
    assert_eq!(
        complaints(&table, &cases),
        [
            "there is no R999, which is quoted by file::wrong",
            "R1 is kept, and no case quotes it",
            "R2 is later, and yet there are cases that quote it",
            "R3 can not be \"forgotten\"",
        ]
    );
    table.remove(7);
    assert!(complaints(&table, &cases)[0].starts_with("RULES.md must have each of R1 to R187"));
}
