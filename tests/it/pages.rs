//! Pages that speak of the code, kept together with it: PARITY.md names every known difference from Linux, and
//! FAULTS.md every kind of fault with the test that observes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::tidy::{root, sources};

/// What stands before the name of an entry of PARITY.md.
const MARK: &str = concat!("PARITY", ": ");

#[test]
fn every_known_difference_stands_in_the_code_and_on_the_page() {
    let marks = marks(&[sources("sim/src"), sources("tests/it")].concat());
    let path = root().join("PARITY.md");
    let page = fs::read_to_string(&path).expect("there is a PARITY.md");
    let current = with_places(&page, &marks);
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&path, &current).expect("PARITY.md can be written");
    } else {
        assert_eq!(page, current, "PARITY.md is stale: UPDATE_PAGES=1 cargo test --test it pages");
    }
    let found = strays(&page, &marks);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The files in which a mark names an entry, by entry.
type Marks = BTreeMap<String, BTreeSet<String>>;

/// A mark is in a comment, to the end of the line, or in a string.
fn marks(files: &[(String, String)]) -> Marks {
    let mut marks = Marks::new();
    for (file, text) in files {
        for entry in text.lines().filter_map(|line| line.split_once(MARK)).map(|(_, entry)| entry) {
            let entry = entry.split('"').next().expect("a split has a first part").trim_end();
            marks.entry(entry.to_owned()).or_default().insert(file.clone());
        }
    }
    marks
}

/// `| difference | text | where |`, in three parts; `None` for any other line.
fn entry(line: &str) -> Option<[&str; 2]> {
    let mut columns = line.strip_prefix("| ")?.split(" | ");
    let (name, text) = (columns.next()?, columns.next()?);
    let is_head = name == "difference";
    (!is_head).then_some([name, text.trim_end_matches(" |")])
}

/// The page with its last column as it should be.
fn with_places(page: &str, marks: &Marks) -> String {
    let line = |line: &str| match entry(line) {
        None => format!("{line}\n"),
        Some([name, text]) => {
            let places = marks.get(name).into_iter().flatten().map(|file| format!("`{file}`"));
            format!("| {name} | {text} | {} |\n", places.collect::<Vec<_>>().join(", "))
        }
    };
    page.lines().map(line).collect()
}

/// Marks without an entry, and entries without a mark.
fn strays(page: &str, marks: &Marks) -> Vec<String> {
    let entries: BTreeSet<&str> = page.lines().filter_map(entry).map(|[name, _]| name).collect();
    let nowhere = marks.iter().filter(|(name, _)| !entries.contains(name.as_str()));
    let nowhere = nowhere.map(|(name, files)| format!("{files:?} know of {name:?}, and PARITY.md does not"));
    let unknown = entries.iter().filter(|name| !marks.contains_key(**name));
    nowhere.chain(unknown.map(|name| format!("no code has the mark \"{MARK}{name}\" of PARITY.md"))).collect()
}

#[test]
fn every_fault_has_its_line_and_every_line_a_test() {
    let page = fs::read_to_string(root().join("FAULTS.md")).expect("there is a FAULTS.md");
    let faults = faults_of(&sources("sim/src/fault"));
    let found = [unlisted(&page, &faults), unobserved(&page, &sources("tests/it"))].concat();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// What scenarios can ask for: the setters of faults, with their files.
fn faults_of(files: &[(String, String)]) -> Vec<(String, String)> {
    let setter = |line: &str| {
        let (name, arguments) = line.trim().strip_prefix("pub fn ")?.split_once('(')?;
        arguments.starts_with("&mut self").then(|| name.to_owned())
    };
    let named = |(file, text): &(String, String)| {
        text.lines().filter_map(setter).map(|name| (file.clone(), name)).collect::<Vec<_>>()
    };
    files.iter().flat_map(named).collect()
}

/// The rows of FAULTS.md: what is ours, in the second column, and the tests, in the last one.
fn rows(page: &str) -> impl Iterator<Item = [&str; 2]> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = cells.filter(|cells| !cells.ends_with("observed by")).map(|cells| cells.split(" | "));
    cells.map(|mut cells| {
        let (ours, tests) = (cells.nth(1), cells.last());
        [ours.expect("a row has a second column"), tests.expect("a row has more columns than two")]
    })
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn unlisted(page: &str, faults: &[(String, String)]) -> Vec<String> {
    let listed: BTreeSet<&str> = rows(page).flat_map(|[ours, _]| quoted(ours)).collect();
    let missing = faults.iter().filter(|(_, name)| !listed.contains(name.as_str()));
    missing.map(|(file, name)| format!("{file}: `{name}` has no line in FAULTS.md")).collect()
}

fn unobserved(page: &str, files: &[(String, String)]) -> Vec<String> {
    let is_there = |test: &str| {
        let (file, name) = test.split_once("::").expect("a test is named by its file and function");
        let file = format!("tests/it/{file}.rs");
        let is_test = format!("#[test]\nfn {name}() {{");
        files.iter().any(|(other, text)| *other == file && text.contains(&is_test))
    };
    let mut found = Vec::new();
    for [ours, tests] in rows(page) {
        if quoted(tests).next().is_none() {
            found.push(format!("{ours}: no test is named in FAULTS.md"));
        }
        let missing = quoted(tests).filter(|test| !is_there(test));
        found.extend(missing.map(|test| format!("{ours}: there is no test {test}, which FAULTS.md names")));
    }
    found
}

#[test]
fn faults_and_tests_that_are_missing_are_told() {
    let page = "| fault | ours | a | b | c | d | observed by |\n|---|---|---|---|---|---|---|\n\
                | loss | `loss`, `cut` | – | – | – | – | `sim/a::lost`, `sim/a::gone` |\n\
                | none | `off` | – | – | – | – |  |\n";
    let file = |name: &str, text: &str| vec![(name.to_owned(), text.to_owned())];
    let faults = faults_of(&file(
        "f.rs",
        "pub fn loss(&mut self) {}\n    pub fn late(&mut self) {}\npub fn of(x: u8) {}\n",
    ));
    assert_eq!(unlisted(page, &faults), ["f.rs: `late` has no line in FAULTS.md"]);
    let tests = file("tests/it/sim/a.rs", "#[test]\nfn lost() {\n}\nfn gone() {\n}\n");
    assert_eq!(
        unobserved(page, &tests),
        [
            "`loss`, `cut`: there is no test sim/a::gone, which FAULTS.md names",
            "`off`: no test is named in FAULTS.md",
        ]
    );
}

#[test]
fn marks_are_found_in_comments_and_in_strings() {
    let file = |name: &str, text: String| (name.to_owned(), text);
    let files = [
        file("a.rs", format!("//! - {MARK}One thing\nconst B: &str = \"{MARK}Another\";\n")),
        file("b.rs", format!("    // {MARK}One thing \n")),
    ];
    let marks = marks(&files);
    assert_eq!(marks["One thing"], BTreeSet::from(["a.rs".to_owned(), "b.rs".to_owned()]));
    assert_eq!(marks["Another"], BTreeSet::from(["a.rs".to_owned()]));
    assert_eq!(marks.len(), 2);

    let page =
        "| difference | why | where |\n|---|---|---|\n| One thing | so | |\n| A third | so | `c.rs` |\n";
    let current = with_places(page, &marks);
    assert!(current.contains("| One thing | so | `a.rs`, `b.rs` |\n"), "{current}");
    assert!(current.contains("| A third | so |  |\n"), "{current}");
    assert_eq!(
        strays(page, &marks),
        [
            "{\"a.rs\"} know of \"Another\", and PARITY.md does not",
            concat!("no code has the mark \"PARITY", ": A third\" of PARITY.md"),
        ]
    );
}
