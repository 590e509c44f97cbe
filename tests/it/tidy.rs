//! What no compiler checks: who may know whom, where unsafe and platforms may stand. It explains what it finds.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`, with its path from the root, in order.
pub(crate) fn sources(folder: &str) -> Vec<(String, String)> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is part of the project") {
            let path = entry.expect("the folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((name(&path), fs::read_to_string(&path).expect("a source is text")));
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{folder} has no sources: does this test look where they are?");
    files
}

fn name(path: &Path) -> String {
    let inside = path.strip_prefix(root()).expect("the file is below the root");
    inside.to_str().expect("paths are plain text").replace('\\', "/")
}

/// The code of a line: what stands before a comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

/// Complains of each line of code that has one of `words`.
fn refuse(files: &[(String, String)], words: &[&str], instead: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in files {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| code(line).contains(**word)) {
                found.push(format!("{file}:{}: {word:?}: {instead}", number + 1));
            }
        }
    }
    found
}

#[track_caller]
fn pass(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The API and the simulator.
fn core() -> Vec<(String, String)> {
    [sources("src"), sources("sim/src")].concat()
}

#[test]
fn the_core_and_the_simulator_have_no_unsafe() {
    pass(refuse(
        &core(),
        &["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code)"],
        "unsafe lives in the leaves of real/",
    ));
    for file in ["src/lib.rs", "sim/src/lib.rs"] {
        let text = fs::read_to_string(root().join(file)).expect("a crate has its root");
        assert!(text.contains("#![forbid(unsafe_code)]"), "{file} must forbid unsafe code");
    }
}

#[test]
fn the_core_and_the_simulator_know_no_platform() {
    let words = [
        "cfg(unix",
        "cfg(windows",
        "target_os",
        "target_family",
        "target_env",
        "cfg!(unix",
        "cfg!(windows",
        "std::os::",
    ];
    pass(refuse(&core(), &words, "a difference that the core must know is a field of Capabilities"));
}

/// Someone reads an example whole, before anything else of the project.
#[test]
fn examples_are_short() {
    const LINES_MAX: usize = 119;
    let mut files = sources("examples");
    files.retain(|(file, _)| !file.starts_with("examples/kv/"));
    let long = files.iter().filter(|(_, text)| text.lines().count() > LINES_MAX);
    pass(long.map(|(file, _)| format!("{file}: has more than {LINES_MAX} lines: show less")).collect());
}

#[test]
fn the_core_and_the_simulator_make_no_system_calls() {
    let words = [
        "process::Command",
        "process::{Command",
        "Command::new",
        "TcpStream::connect(",
        "TcpListener::bind(",
        "UdpSocket::bind(",
        "libc::",
        "mio::",
    ];
    let mut files = core();
    // A run in a process of its own: no run makes one.
    files.retain(|(file, _)| file != "sim/src/isolation.rs");
    pass(refuse(&files, &words, "the world enters through the driver"));
}

#[test]
fn nothing_but_the_real_driver_reads_a_clock_or_draws_chance() {
    let mut files = [core(), sources("examples")].concat();
    // The budget of a campaign is wall time; no run sees it.
    files.retain(|(file, _)| file != "sim/src/campaign.rs");
    // It names what programs must not do.
    files.retain(|(file, _)| file != "sim/src/determinism/cause.rs");
    let words = [
        "Instant::now",
        "SystemTime::now",
        "thread_rng",
        "rand::random",
        "RandomState",
        "HashMap",
        "HashSet",
    ];
    pass(refuse(&files, &words, "ask the dispatcher, the Chooser, or use a map with a defined order"));
}

/// Sources of the real driver that are not below one of `places`.
fn real_sources_outside(places: &[&str]) -> Vec<(String, String)> {
    let is_outside = |file: &str| !places.iter().any(|place| file.starts_with(place));
    sources("real/src").into_iter().filter(|(file, _)| is_outside(file)).collect()
}

#[test]
fn the_real_driver_has_unsafe_code_in_its_leaves_alone() {
    let outside = real_sources_outside(&[
        "real/src/platform/datagrams/",
        "real/src/platform/fast_open.rs",
        "real/src/platform/local/fifo.rs",
        "real/src/platform/signals.rs",
        "real/src/platform/console_signals.rs",
        "real/src/platform/windows_local/pipe.rs",
        "real/src/sendfile/",
    ]);
    let words = ["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code)", "expect(unsafe_code"];
    pass(refuse(&outside, &words, "use a crate that wraps it safely, or a leaf that this test names"));
}

#[test]
fn the_interposer_has_unsafe_code_in_its_leaves_alone() {
    let leaves = ["next.rs", "process.rs", "raw_calls.rs", "symbols.rs"]
        .map(|leaf| format!("interpose/src/linux/{leaf}"));
    let mut outside = sources("interpose/src");
    outside.retain(|(file, _)| !leaves.contains(file));
    let words = ["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code)", "expect(unsafe_code"];
    pass(refuse(&outside, &words, "safe code calls what a leaf defines"));
    let text = fs::read_to_string(root().join("interpose/src/lib.rs")).expect("a crate has its root");
    assert!(text.contains("#![deny(unsafe_code)]"), "the interposer allows unsafe code in its leaves alone");
}

#[test]
fn the_real_driver_knows_platforms_in_few_places() {
    let places = ["real/src/platform", "real/src/sendfile", "real/src/driver/tests.rs"];
    let words = ["cfg(unix", "cfg(windows", "cfg(any(target", "target_os", "target_vendor", "cfg!("];
    pass(refuse(
        &real_sources_outside(&places),
        &words,
        "what differs between systems stands in platform.rs",
    ));
}

#[test]
fn real_and_sim_do_not_know_each_other() {
    pass(refuse(&sources("real/src"), &["twinloop_sim"], "the drivers never meet but in programs"));
    pass(refuse(&sources("sim/src"), &["twinloop_real"], "the drivers never meet but in programs"));
    for (crate_name, other) in [("real", "twinloop-sim"), ("sim", "twinloop-real")] {
        let manifest =
            fs::read_to_string(root().join(crate_name).join("Cargo.toml")).expect("a crate has a manifest");
        assert!(
            !manifest.contains(other),
            "{crate_name} depends on {other}: the drivers never meet but in programs"
        );
    }
}

#[test]
fn the_core_depends_on_no_driver_and_on_no_library_but_for_traits_that_are_asked_for() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the root has a manifest");
    let package = manifest.split("[package]").nth(1).expect("the root is a package");
    let dependencies = package.split("\n[dependencies]\n").nth(1).expect("traits are optional dependencies");
    let needed = dependencies.lines().take_while(|line| !line.is_empty());
    pass(
        needed
            .filter(|line| !line.contains("optional = true"))
            .map(|line| {
                format!("{line:?}: the core needs no crate; what it must be told comes through the driver")
            })
            .collect(),
    );
}

#[test]
fn features_of_the_core_stand_where_they_add_traits() {
    let mut files = sources("src");
    let places = ["src/transport/ecosystem", "src/transport.rs", "src/catalogue"];
    files.retain(|(file, _)| !places.iter().any(|place| file.starts_with(place)));
    let instead = "a feature adds traits, in src/transport/ecosystem/, or the list of src/catalogue.rs";
    pass(refuse(&files, &["feature = "], instead));
}

#[test]
fn contract_cases_name_no_driver() {
    let words = ["twinloop_sim", "twinloop_real"];
    pass(refuse(
        &sources("tests/it/contract"),
        &words,
        "a case that needs one driver belongs into sim/ or into that crate",
    ));
}

/// The layers of the core, lowest first: a file may use what stands in its own layer or below.
const LAYERS: &[&[&str]] = &[
    &["time", "table"],
    &["callback", "catalogue", "driver"],
    &["error", "observe"],
    // `spawn` gives a JoinHandle, and the handle's methods are the dispatcher's: one layer in two files.
    &["dispatcher", "task"],
    &["shared", "sleep", "readiness"],
    &["completion", "interval"],
    &["combine", "sync", "signals"],
    &["threads"],
    &["fs"],
    &["transport"],
];

/// What the crate's root re-exports, and the module that it comes from. `Handle` is not here: the type of a callback names
/// it, and everything is built on callbacks.
const REEXPORTS: &[(&str, &str)] = &[
    ("Dispatcher", "dispatcher"),
    ("JoinError", "task"),
    ("JoinHandle", "task"),
    ("spawn", "task"),
    ("yield_now", "task"),
    ("Sleep", "sleep"),
    ("timeout", "sleep"),
    ("deadline", "sleep"),
    ("Interval", "interval"),
    ("Completer", "completion"),
    ("Completion", "completion"),
    ("join", "combine"),
    ("race", "combine"),
    ("shield", "combine"),
    ("AsyncEvent", "sync"),
    ("AsyncLock", "sync"),
    ("AsyncSemaphore", "sync"),
    ("TokenBucket", "sync"),
    ("AsyncQueue", "sync"),
    ("BroadcastQueue", "sync"),
    ("Subscriber", "sync"),
    ("ThreadEvent", "sync"),
    ("DatagramTransport", "transport"),
    ("File", "fs"),
    ("StreamServer", "transport"),
    ("StreamTransport", "transport"),
    ("connect", "transport"),
    ("connect_any", "transport"),
    ("connect_host", "transport"),
    ("connect_to", "transport"),
    ("resolve", "transport"),
    ("resolve_address", "transport"),
    ("pipe", "transport"),
    ("standard_error", "transport"),
    ("standard_input", "transport"),
    ("standard_output", "transport"),
];

/// The names that a source takes from its crate's root: `crate::name`, and each of `crate::{..}`.
fn names_from_root(text: &str) -> Vec<String> {
    let code: String = text.lines().map(code).collect::<Vec<_>>().join(" ");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let listed = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or(""),
            None => rest.split(|c| !is_name(c)).next().unwrap_or(""),
        };
        names.extend(listed.split(|c| !is_name(c)).filter(|name| !name.is_empty()).map(str::to_owned));
    }
    names
}

#[test]
fn no_layer_knows_one_above_it() {
    let layer_of = |module: &str| LAYERS.iter().position(|modules| modules.contains(&module));
    let module_of =
        |name: &str| REEXPORTS.iter().find(|(reexport, _)| *reexport == name).map(|(_, module)| *module);
    let mut found = Vec::new();
    for (file, text) in sources("src") {
        let module = file["src/".len()..].split(['/', '.']).next().expect("a path has a first part");
        if module == "lib" {
            continue;
        }
        let own =
            layer_of(module).unwrap_or_else(|| panic!("{file}: say in LAYERS where this module stands"));
        for name in names_from_root(&text) {
            let used = module_of(&name).unwrap_or(&name);
            if layer_of(used).is_some_and(|other| other > own) {
                found.push(format!("{file}: {module} must not know {name} of {used}, which is built on it"));
            }
        }
    }
    pass(found);
}

#[test]
fn names_from_the_root_are_found_in_every_form() {
    let text = "use crate::{\n    Address, // not this: crate::Comment\n    StreamTransport,\n};\nlet x = crate::table::Key;";
    assert_eq!(names_from_root(text), ["Address", "StreamTransport", "table"]);
}

#[test]
fn every_file_says_what_lives_in_it() {
    let files =
        [core(), sources("real/src"), sources("interpose/src"), sources("examples"), sources("tests")]
            .concat();
    let silent = files.iter().filter(|(_, text)| !text.starts_with("//!") && !text.starts_with("#![doc"));
    pass(silent.map(|(file, _)| format!("{file}: the first line says what lives here: //! ...")).collect());
}

/// A line that is lost in a merge takes all cases of a file with it, and nothing else notices.
#[test]
fn every_file_of_tests_is_mounted() {
    let files = sources("tests/it");
    let is_mounted = |file: &str| {
        let path = file.strip_suffix(".rs").expect("sources are Rust");
        let name =
            path.strip_suffix("/mod").unwrap_or(path).rsplit('/').next().expect("a path has a last part");
        let line = format!("mod {name};");
        files.iter().any(|(_, text)| text.lines().any(|mount| mount.trim().ends_with(&line)))
    };
    let lost =
        files.iter().map(|(file, _)| file).filter(|file| !file.ends_with("it/main.rs") && !is_mounted(file));
    pass(lost.map(|file| format!("{file}: no `mod` mounts it")).collect());
}

#[test]
fn every_file_is_on_the_map() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("there is an ARCHITECTURE.md");
    let roots = ["src/lib.rs", "sim/src/lib.rs"];
    let top = |file: &str| {
        ["src/", "sim/src/"]
            .iter()
            .any(|folder| file.strip_prefix(folder).is_some_and(|rest| !rest.contains('/')))
    };
    let files =
        core().into_iter().map(|(file, _)| file).filter(|file| top(file) && !roots.contains(&file.as_str()));
    let is_on_map = |file: &String| {
        let name = file.rsplit('/').next().expect("a path has a last part");
        map.contains(file.as_str()) || (file.starts_with("sim/") && map.contains(&format!("`{name}`")))
    };
    let missing: Vec<String> = files.filter(|file| !is_on_map(file)).collect();
    assert!(missing.is_empty(), "not in ARCHITECTURE.md's code map: {missing:?}");
}
