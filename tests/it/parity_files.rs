//! Random programs of operations on files, run on the real driver and on a simulated host: results, error numbers and what is
//! left must be the same. `PROPTEST_CASES` asks for more programs than a few.

use std::future::Future;
use std::io::ErrorKind::InvalidInput;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use twinloop::driver::FileOptions;
use twinloop::fs::{self, FileKind};
use twinloop::{ErrorKind, File, TransportError};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;

/// How many files a program has open at most.
const SLOTS: usize = 3;
/// The programs of an ordinary test run.
const PROGRAMS: u32 = 1_500;

/// Paths are below the program's folder, all of few names, so that they often meet.
#[derive(Clone, Debug)]
enum Step {
    Open { slot: usize, path: String, options: FileOptions },
    Close(usize),
    Read { slot: usize, offset: u64, length: usize },
    Write { slot: usize, offset: u64, length: usize },
    SetLength { slot: usize, length: u64 },
    Look(usize),
    Sync { slot: usize, data_only: bool },
    Metadata(String),
    Rename(String, String),
    HardLink(String, String),
    RemoveFile(String),
    CreateFolder(String),
    CreateFolders(String),
    RemoveFolder(String),
    RemoveAll(String),
    List(String),
    SyncFolder(String),
    ReadAll(String),
    WriteAll(String, usize),
    Replace(String, usize),
}

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        20 => prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned),
        2 => Just("..".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just(String::new()),
        1 => Just("x".repeat(255)),
        1 => Just("x".repeat(256)),
    ];
    // `..` at the beginning would leave the program's folder.
    let first = prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned);
    let rest = prop_oneof![
        5 => Just(Vec::new()),
        4 => prop::collection::vec(name.clone(), 1),
        1 => prop::collection::vec(name, 2),
    ];
    let within = |parts: &String| {
        let mut depth = 0_i32;
        parts.split('/').all(|part| {
            depth += match part {
                ".." => -1,
                "." | "" => 0,
                _ => 1,
            };
            depth >= 1
        })
    };
    (first, rest)
        .prop_map(|(first, rest)| [vec![first], rest].concat().join("/"))
        .prop_filter("it stays in the folder", within)
}

fn options() -> impl Strategy<Value = FileOptions> {
    any::<(bool, bool, bool, bool, bool)>().prop_map(|(read, write, create, new, truncate)| {
        let mut options = FileOptions::default().read(read).write(write).create_new(new && create);
        (options.create, options.truncate) = (create, truncate);
        options
    })
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0..SLOTS;
    let offset = || prop_oneof![8 => 0..3_000_u64, 1 => Just(u64::MAX), 1 => Just(1 << 63)];
    let length = || prop_oneof![6 => 0..2_000_usize, 1 => Just(0)];
    prop_oneof![
        6 => (slot(), path(), options()).prop_map(|(slot, path, options)| Step::Open { slot, path, options }),
        2 => slot().prop_map(Step::Close),
        4 => (slot(), offset(), length()).prop_map(|(slot, offset, length)| Step::Read { slot, offset, length }),
        6 => (slot(), offset(), length()).prop_map(|(slot, offset, length)| Step::Write { slot, offset, length }),
        2 => (slot(), 0..3_000_u64).prop_map(|(slot, length)| Step::SetLength { slot, length }),
        2 => slot().prop_map(Step::Look),
        1 => (slot(), any::<bool>()).prop_map(|(slot, data_only)| Step::Sync { slot, data_only }),
        3 => path().prop_map(Step::Metadata),
        6 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => (path(), path()).prop_map(|(from, to)| Step::HardLink(from, to)),
        3 => path().prop_map(Step::RemoveFile),
        5 => path().prop_map(Step::CreateFolder),
        2 => path().prop_map(Step::CreateFolders),
        3 => path().prop_map(Step::RemoveFolder),
        1 => path().prop_map(Step::RemoveAll),
        2 => path().prop_map(Step::List),
        1 => path().prop_map(Step::SyncFolder),
        2 => path().prop_map(Step::ReadAll),
        3 => (path(), length()).prop_map(|(path, length)| Step::WriteAll(path, length)),
        1 => (path(), length()).prop_map(|(path, length)| Step::Replace(path, length)),
    ]
}

/// A program under way.
struct Program {
    folder: PathBuf,
    open: [Option<File>; SLOTS],
    /// What came of each step, in words.
    results: Vec<String>,
}

impl Program {
    async fn run(folder: PathBuf, steps: Vec<Step>) -> Result<Vec<String>, TransportError> {
        fs::create_dir(&folder).await?;
        let mut program = Program { folder, open: [const { None }; SLOTS], results: Vec::new() };
        for step in steps {
            program.step(step).await;
        }
        let folder = std::mem::take(&mut program.folder);
        program.results.extend(all_in(&folder).await?);
        fs::remove_dir_all(&folder).await?;
        Ok(program.results)
    }

    /// As text, since a `PathBuf` would drop a slash at the end.
    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.folder.display())
    }

    async fn step(&mut self, step: Step) {
        let number = self.results.len();
        let bytes =
            |length: usize| (0..length).map(|at| (at * (number + 3) % 251) as u8).collect::<Vec<u8>>();
        match step {
            Step::Open { slot, path, options } => {
                let opened = File::open_with(self.at(&path), &options).await;
                self.note("open", opened.as_ref().map(|_| ()));
                self.open[slot] = opened.ok();
            }
            Step::Close(slot) => self.open[slot] = None,
            Step::Read { slot, offset, length } => {
                self.with(slot, "read", |file| file.read_range(offset, length as u64)).await;
            }
            Step::Write { slot, offset, length } => {
                self.with(slot, "write", |file| file.write_owned_at(offset, bytes(length))).await;
            }
            Step::SetLength { slot, length } => {
                self.with(slot, "set length", |file| file.set_length(length)).await;
            }
            Step::Look(slot) => self.with(slot, "metadata", File::metadata).await,
            Step::Sync { slot, data_only: true } => self.with(slot, "sync data", File::sync_data).await,
            Step::Sync { slot, data_only: false } => self.with(slot, "sync all", File::sync_all).await,
            Step::Metadata(path) => self.tell("metadata", fs::metadata(self.at(&path))).await,
            Step::Rename(from, to) => self.tell("rename", fs::rename(self.at(&from), self.at(&to))).await,
            Step::HardLink(from, to) => self.tell("link", fs::hard_link(self.at(&from), self.at(&to))).await,
            Step::RemoveFile(path) => self.tell("remove file", fs::remove_file(self.at(&path))).await,
            Step::CreateFolder(path) => self.tell("create folder", fs::create_dir(self.at(&path))).await,
            Step::CreateFolders(path) => self.tell("create all", fs::create_dir_all(self.at(&path))).await,
            Step::RemoveFolder(path) => self.tell("remove folder", fs::remove_dir(self.at(&path))).await,
            Step::RemoveAll(path) => self.tell("remove all", fs::remove_dir_all(self.at(&path))).await,
            Step::List(path) => self.tell("list", fs::read_dir(self.at(&path))).await,
            Step::SyncFolder(path) => self.tell("sync folder", fs::sync_dir(self.at(&path))).await,
            Step::ReadAll(path) => self.tell("read all", fs::read(self.at(&path))).await,
            Step::WriteAll(path, length) => {
                self.tell("write all", fs::write(self.at(&path), bytes(length))).await;
            }
            Step::Replace(path, length) => {
                self.tell("replace", fs::replace(self.at(&path), bytes(length))).await;
            }
        }
    }

    async fn with<T, F>(&mut self, slot: usize, what: &str, call: impl FnOnce(&File) -> F)
    where
        T: std::fmt::Debug,
        F: Future<Output = Result<T, TransportError>>,
    {
        if let Some(file) = &self.open[slot] {
            let result = call(file).await;
            self.note(what, result.as_ref());
        }
    }

    async fn tell<T: std::fmt::Debug>(
        &mut self,
        what: &str,
        call: impl Future<Output = Result<T, TransportError>>,
    ) {
        let result = call.await;
        self.note(what, result.as_ref());
    }

    fn note(&mut self, what: &str, result: Result<impl std::fmt::Debug, &TransportError>) {
        self.results.push(match result {
            Ok(value) => format!("{what}: {value:?}"),
            // PARITY: Errors without a number
            Err(error) if error.kind() == ErrorKind::Os(InvalidInput) => format!("{what}: error EINVAL"),
            Err(error) => format!("{what}: error {:?}", error.code()),
        });
    }
}

/// All that is in a folder and below, in order, with what is in files.
async fn all_in(folder: &Path) -> Result<Vec<String>, TransportError> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(&inside).await? {
            let path = inside.join(&entry.name);
            let name = path.strip_prefix(folder).expect("it is below").display().to_string();
            match entry.kind {
                FileKind::Directory => {
                    found.push(format!("{name}/"));
                    folders.push(path);
                }
                _ => found.push(format!("{name}: {:?}", fs::read(&path).await?)),
            }
        }
    }
    Ok(found)
}

fn on_linux(steps: Vec<Step>) -> Vec<String> {
    let mut name = [0; 8];
    let run = async move {
        twinloop::Handle::current().entropy(&mut name)?;
        let name = format!("twinloop-parity-{:016x}", u64::from_le_bytes(name));
        let folder = std::env::temp_dir().join(name);
        Program::run(folder, steps).await.map_err(std::io::Error::from)
    };
    twinloop_real::run(run).expect("the real driver runs").expect("the folder is the program's own")
}

fn on_sim(steps: Vec<Step>) -> Vec<String> {
    let results = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let tell = std::rc::Rc::clone(&results);
    let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
        sim.client("host", move || {
            let (tell, steps) = (std::rc::Rc::clone(&tell), steps.clone());
            async move {
                *tell.borrow_mut() = Program::run(PathBuf::from("/tmp/parity"), steps).await?;
                Ok(())
            }
        });
    });
    assert!(report.verdict.is_passed(), "{}", report.verdict);
    results.take()
}

#[test]
fn programs_of_file_operations_end_alike_on_linux_and_in_a_simulation() {
    let default = ProptestConfig::default();
    let config = ProptestConfig { cases: default.cases.max(PROGRAMS), failure_persistence: None, ..default };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..40))| {
        prop_assert_eq!(on_linux(steps.clone()), on_sim(steps));
    });
}
