//! Programs that keep what they acknowledge, through crashes: some do it right, and in any number of worlds nothing is lost;
//! each of the others forgets one thing, and a few seeds are enough to see what that costs.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use twinloop::driver::FileOptions;
use twinloop::fs;
use twinloop::{File, sleep};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{ProgramResult, Sim, Units, Verdict, run_world};
use xxhash_rust::xxh3::xxh3_64;

/// What clients were told is kept: the number of the last value that was acknowledged. It outlives every crash.
type Acknowledged = Rc<Cell<u64>>;

/// The value that is stored as number `number`, of a few sectors.
fn value(number: u64) -> Vec<u8> {
    (0..600 + number % 900).map(|at| (at * number % 251) as u8).collect()
}

/// A store on a host that crashes again and again.
fn world<F>(sim: &mut Sim, store: impl Fn(Acknowledged) -> F + 'static)
where
    F: Future<Output = ProgramResult> + 'static,
{
    let acknowledged = Acknowledged::default();
    sim.host("store", 1, move |_| store(Rc::clone(&acknowledged)));
    sim.client("clock", || async {
        sleep(2.s()).await;
        Ok(())
    });
    sim.host_faults("store").crash(0.2).down_for(1.ms()..50.ms());
    sim.disk("store").jitter(2.ms()).short_read(0.1);
}

/// The first of `seeds` in which the store loses something, and what it said then.
fn first_loss<F>(seeds: u64, store: impl Fn(Acknowledged) -> F + Copy + 'static) -> Option<(u64, String)>
where
    F: Future<Output = ProgramResult> + 'static,
{
    (0..seeds).find_map(|seed| {
        let report = run_world(&Choices::Seeded(seed), Telling::Silent, |sim| world(sim, store));
        match report.verdict {
            Verdict::Passed => None,
            verdict => Some((seed, verdict.to_string())),
        }
    })
}

#[track_caller]
fn is_found<F>(seeds: u64, store: impl Fn(Acknowledged) -> F + Copy + 'static, words: &str)
where
    F: Future<Output = ProgramResult> + 'static,
{
    let (seed, said) = first_loss(seeds, store).expect("what is forgotten is found");
    assert!(said.contains(words), "seed {seed}: {said}");
}

#[track_caller]
fn is_never_found<F>(seeds: u64, store: impl Fn(Acknowledged) -> F + Copy + 'static)
where
    F: Future<Output = ProgramResult> + 'static,
{
    assert_eq!(first_loss(seeds, store), None);
}

/// A record of the log: its number and length, the value, and a checksum over all that.
fn record(number: u64) -> Vec<u8> {
    let value = value(number);
    let mut record = [&number.to_le_bytes()[..], &(value.len() as u64).to_le_bytes(), &value].concat();
    record.extend(xxh3_64(&record).to_le_bytes());
    record
}

/// How many records there are whole, from the first on, and where they end.
fn replay(log: &[u8]) -> (u64, usize) {
    let (mut number, mut end) = (0, 0);
    loop {
        let expected = record(number + 1);
        if log.get(end..end + expected.len()) != Some(expected.as_slice()) {
            return (number, end);
        }
        number += 1;
        end += expected.len();
    }
}

/// Which of the things that a log needs are done.
#[derive(Clone, Copy)]
struct Cares {
    syncs_records: bool,
    syncs_name: bool,
    looks_at_the_tail: bool,
}

const ALL: Cares = Cares { syncs_records: true, syncs_name: true, looks_at_the_tail: true };

/// A log that a value is appended to before it is acknowledged.
async fn log_store(acknowledged: Acknowledged, cares: Cares) -> ProgramResult {
    fs::create_dir_all("/data").await?;
    let options = FileOptions::create().truncate(false);
    let log = File::open_with("/data/log", &options).await?;
    if cares.syncs_name {
        fs::sync_dir("/data").await?;
        fs::sync_dir("/").await?;
    }
    let contents = log.read_range(0, u64::MAX).await?;
    let (mut number, end) = replay(&contents);
    let mut end = end as u64;
    if number < acknowledged.get() {
        return Err(format!("{number} of {} values are left", acknowledged.get()).into());
    }
    if cares.looks_at_the_tail {
        log.set_length(end).await?;
        log.sync_data().await?;
    } else {
        end = contents.len() as u64;
    }
    loop {
        number += 1;
        let record = record(number);
        let length = record.len() as u64;
        log.write_owned_at(end, record).await?;
        if cares.syncs_records {
            log.sync_data().await?;
        }
        end += length;
        acknowledged.set(number);
        sleep(5.ms()).await;
    }
}

/// A crash at any time takes no value that was acknowledged, in two thousand worlds.
#[test]
fn a_log_that_syncs_loses_nothing() {
    is_never_found(2_000, |acknowledged| log_store(acknowledged, ALL));
}

#[test]
fn a_log_that_does_not_sync_loses_values() {
    let cares = Cares { syncs_records: false, ..ALL };
    is_found(5, move |acknowledged| log_store(acknowledged, cares), "values are left");
}

/// The file is synced, and its name is not.
#[test]
fn a_log_whose_name_is_not_synced_is_lost() {
    let cares = Cares { syncs_name: false, ..ALL };
    is_found(20, move |acknowledged| log_store(acknowledged, cares), "values are left");
}

/// A torn record that is left in the log hides all that comes behind it.
#[test]
fn a_log_that_appends_to_a_torn_record_loses_what_is_behind_it() {
    let cares = Cares { looks_at_the_tail: false, ..ALL };
    is_found(100, move |acknowledged| log_store(acknowledged, cares), "values are left");
}

/// How a store has one file replaced by another.
#[derive(Clone, Copy)]
enum Replacing {
    /// As [`fs::replace`] does it.
    InFull,
    /// It renames, and does not sync the folder.
    WithoutTheFolder,
    /// It syncs the folder, and not what it has written.
    WithoutTheFile,
    /// It writes over what is there.
    InPlace,
}

impl Replacing {
    async fn replace(self, path: &str, contents: Vec<u8>) -> ProgramResult {
        match self {
            Replacing::InFull => fs::replace(path, contents).await?,
            Replacing::WithoutTheFolder => {
                let file = File::create("/new").await?;
                file.write_owned_at(0, contents).await?;
                file.sync_all().await?;
                fs::rename("/new", path).await?;
            }
            Replacing::WithoutTheFile => {
                fs::write("/new", contents).await?;
                fs::rename("/new", path).await?;
                fs::sync_dir("/").await?;
            }
            Replacing::InPlace => {
                let file = File::create(path).await?;
                file.write_owned_at(0, contents).await?;
                file.sync_all().await?;
                fs::sync_dir("/").await?;
            }
        }
        Ok(())
    }
}

/// A store whose whole state is one file.
async fn file_store(acknowledged: Acknowledged, replacing: Replacing) -> ProgramResult {
    let state = fs::read("/state").await.unwrap_or_default();
    let number = state.first_chunk().map_or(0, |number| u64::from_le_bytes(*number));
    if number > 0 && state != record(number) {
        return Err("the state is broken".into());
    }
    if number < acknowledged.get() {
        return Err(format!("value {} is lost: {number} is there", acknowledged.get()).into());
    }
    for number in number + 1.. {
        replacing.replace("/state", record(number)).await?;
        acknowledged.set(number);
        sleep(5.ms()).await;
    }
    Ok(())
}

#[test]
fn a_file_that_is_replaced_in_full_loses_nothing() {
    is_never_found(2_000, |acknowledged| file_store(acknowledged, Replacing::InFull));
}

#[test]
fn a_rename_without_a_sync_of_the_folder_loses_the_value() {
    is_found(20, |acknowledged| file_store(acknowledged, Replacing::WithoutTheFolder), "is lost");
}

#[test]
fn a_rename_of_what_was_not_synced_leaves_a_broken_file() {
    is_found(20, |acknowledged| file_store(acknowledged, Replacing::WithoutTheFile), "value");
}

#[test]
fn a_file_that_is_written_over_is_broken_in_between() {
    is_found(100, |acknowledged| file_store(acknowledged, Replacing::InPlace), "");
}
