//! The command line as its user sees it: arguments in; two streams, files and an exit out.

mod failures;
mod ledgers;
mod searching;
mod showing;
mod shrinking;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::args::{ExploreOptions, SearchOptions, ShowOptions, Way};
use super::*;
use crate::campaign::{Run, toy};
use crate::choice::{Choices, Pick};
use crate::replay_file::ReplayFile;
use crate::shrink::Limits;
use crate::story::Telling;
use crate::verdict::{Report, Verdict};

/// A folder of its own for a test, gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = env::temp_dir().join(format!("twinloop-cli-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file in a temporary folder");
        path.display().to_string()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Printed {
    exit: Exit,
    out: String,
    err: String,
}

/// What `act` prints on a screen that nobody watches.
fn print(act: impl FnOnce(Screen<'_>) -> Exit) -> Printed {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = act(Screen::new(&mut out, &mut err, false));
    let text = |bytes| String::from_utf8(bytes).expect("output is text");
    Printed { exit, out: text(out), err: text(err) }
}

fn print_line(cli: &Cli, line: &str) -> Printed {
    print(|screen| cli.run_on(line.split_whitespace().map(OsString::from), screen))
}

/// A command on the scenario `toy` of the program `kv`, whose runs are those of `run`.
fn with_toy(run: Run<'_>, act: impl FnOnce(&Subject<'_>, &mut Screen<'_>) -> Exit) -> Printed {
    print(|mut screen| {
        let (conditions, called) = (Conditions::default(), Called::Program("target/debug/kv"));
        let (name, configuration) = ("toy", &BTreeMap::new());
        let subject = Subject { name, configuration, run, conditions: &conditions, bare: run, called };
        let exit = act(&subject, &mut screen);
        screen.finish(exit)
    })
}

fn explore_toy(run: Run<'_>, options: &ExploreOptions) -> Printed {
    with_toy(run, |subject, screen| {
        let nothing = |_: &str| None;
        explore::explore(subject, options, &nothing, screen).unwrap_or_else(|refusal| {
            screen.complain(refusal.text);
            refusal.exit
        })
    })
}

fn kept_at(path: &str) -> Kept {
    read(Path::new(path)).unwrap_or_else(|refusal| panic!("{}", refusal.text))
}

fn replay_toy(run: Run<'_>, path: &str) -> Printed {
    let source = Source::File(Box::new(kept_at(path)));
    with_toy(run, |subject, screen| replay::replay(subject, &source, screen))
}

/// The picks of the one file in `folder`.
fn picks_kept(folder: &Folder) -> (String, Vec<Pick>) {
    let [name] = folder.names().try_into().expect("one file, and no temporary one");
    let path = folder.0.join(name).display().to_string();
    let file: ReplayFile = fs::read_to_string(&path).expect("the file").parse().expect("a replay file");
    (path, file.picks)
}
