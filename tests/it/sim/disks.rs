//! Every fault of a disk, seen by its effect on programs.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use twinloop::driver::FileOptions;
use twinloop::fs;
use twinloop::{ErrorKind, File, TransportError, join_all, now, sleep};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::{LineKind, Telling};
use twinloop_sim::{ProgramResult, Report, Sim, Units, run_world};

const EIO: Option<i32> = Some(5);
const ENOSPC: Option<i32> = Some(28);
const EROFS: Option<i32> = Some(30);
const SECTOR: usize = 512;

/// Runs a world, and again: it must pass, and be the same run.
#[track_caller]
fn run(seed: u64, build: impl Fn(&mut Sim)) -> Report {
    let choices = Choices::Seeded(seed);
    let report = run_world(&choices, Telling::Events, &build);
    let story = report.story.as_ref().expect("a story was asked for");
    assert!(report.verdict.is_passed(), "{}\n{}", report.verdict, story.tail(40));
    assert_eq!(run_world(&choices, Telling::Silent, &build).hash, report.hash, "one world, two runs");
    report
}

/// Runs a program on one host whose disk `faults` has made what it is.
#[track_caller]
fn on_host<F>(faults: impl Fn(&mut Sim), program: impl Fn() -> F + Copy + 'static) -> Report
where
    F: Future<Output = ProgramResult> + 'static,
{
    run(1, |sim| {
        sim.client("host", program);
        sim.file("host", "/log", pattern());
        faults(sim);
    })
}

#[track_caller]
fn is_told(report: &Report, words: &str) {
    let story = report.story.as_ref().expect("a story was asked for");
    let is_it = |line: &&twinloop_sim::story::Line| line.kind == LineKind::Fault && line.text.contains(words);
    assert!(story.lines.iter().find(is_it).is_some(), "{words:?} is not told:\n{story}");
}

/// The contents of `/log`: eight sectors, no two of which are the same.
fn pattern() -> Vec<u8> {
    (0..8 * SECTOR).map(|at| (at / SECTOR * 16 + at % 7) as u8).collect()
}

async fn log() -> Result<File, TransportError> {
    File::open_with("/log", &FileOptions::default().write(true)).await
}

async fn code<T>(result: impl Future<Output = Result<T, TransportError>>) -> Option<i32> {
    result.await.err().expect("it has to fail").code()
}

#[test]
fn operations_take_time() {
    let faults = |sim: &mut Sim| _ = sim.disks().latency(3.ms()).sync_latency(20.ms());
    on_host(faults, || async {
        let begin = now();
        let log = log().await?;
        assert_eq!(now() - begin, 3.ms());
        log.write_at(0, b"x").await?;
        assert_eq!(now() - begin, 6.ms());
        log.sync_data().await?;
        assert_eq!(now() - begin, 26.ms());
        Ok(())
    });
}

#[test]
fn a_sync_may_be_slow() {
    let faults = |sim: &mut Sim| _ = sim.disks().slow_sync(1.0).slow_sync_for(2.s()..3.s());
    on_host(faults, || async {
        let log = log().await?;
        let begin = now();
        log.sync_data().await?;
        assert!((2.s()..=3.s()).contains(&(now() - begin)));
        Ok(())
    });
}

/// Those under way at once are done in any order: of two writes to one place, either may come last.
#[test]
fn operations_under_way_at_once_overtake_each_other() {
    let last = Rc::new(RefCell::new(Vec::new()));
    for seed in 0..20 {
        let seen = Rc::clone(&last);
        let program = move || {
            let seen = Rc::clone(&seen);
            async move {
                let log = log().await?;
                for written in join_all([log.write_at(0, b"1"), log.write_at(0, b"2")]).await {
                    written?;
                }
                let byte = log.read_range(0, 1).await?;
                seen.borrow_mut().extend(byte);
                Ok(())
            }
        };
        run(seed, |sim| {
            sim.client("host", program.clone());
            sim.file("host", "/log", b"0");
            sim.disks().jitter(5.ms());
        });
    }
    let last = last.borrow();
    assert!(last.contains(&b'1') && last.contains(&b'2') && !last.contains(&b'0'), "{last:?}");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let faults = |sim: &mut Sim| _ = sim.disk("host").capacity(6_000);
    on_host(faults, || async {
        let file = File::create("/tmp/large").await?;
        assert_eq!(code(file.write_at(0, &[1; 4_000])).await, ENOSPC);
        let length = file.length().await?;
        assert!(0 < length && length < 4_000, "{length}");
        fs::remove_file("/log").await?;
        file.write_at(0, &[1; 4_000]).await?;
        Ok(())
    });
}

#[test]
fn a_disk_fills_up_at_a_time() {
    let faults = |sim: &mut Sim| _ = sim.at(1.s()).disk("host").capacity(0);
    on_host(faults, || async {
        fs::write("/tmp/early", b"abc").await?;
        sleep(2.s()).await;
        assert_eq!(code(fs::write("/tmp/late", b"abc")).await, ENOSPC);
        Ok(())
    });
}

#[test]
fn a_read_may_be_short_and_a_range_is_read_in_full() {
    let faults = |sim: &mut Sim| _ = sim.disks().short_read(0.9);
    let report = on_host(faults, || async {
        let (log, mut buffer) = (log().await?, vec![0; 4_096]);
        let mut counts = Vec::new();
        for _ in 0..10 {
            counts.push(log.read_at(0, &mut buffer).await?);
        }
        assert!(counts.iter().any(|count| (1..4_096).contains(count)), "{counts:?}");
        assert_eq!(log.read_range(0, 10_000).await?, pattern());
        Ok(())
    });
    is_told(&report, "read of 4096 bytes of /log at 0: gives ");
}

#[test]
fn a_read_or_a_write_may_fail_and_the_next_one_succeeds() {
    let faults = |sim: &mut Sim| _ = sim.disks().read_error(0.5).write_error(0.5);
    let report = on_host(faults, || async {
        let log = log().await?;
        let (mut failed_reads, mut failed_writes) = (0, 0);
        for number in 0..20_u8 {
            let before = loop {
                match log.read_range(0, 1).await {
                    Ok(byte) => break byte,
                    Err(error) => assert_eq!(error.code(), EIO),
                }
                failed_reads += 1;
            };
            if let Err(error) = log.write_at(0, &[number + 100]).await {
                assert_eq!(error.code(), EIO);
                failed_writes += 1;
                while let Ok(after) = log.read_range(0, 1).await {
                    assert_eq!(after, before, "nothing was written");
                }
            }
        }
        assert!(failed_reads > 0 && failed_writes > 0);
        Ok(())
    });
    is_told(&report, "write of 1 bytes of /log at 0: fails");
}

/// As on Linux: after the error, what was to be synced is seen and is not on the disk, and the next sync says nothing.
#[test]
fn what_a_failed_sync_was_to_write_is_lost_and_no_later_sync_tells() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let tell = Rc::clone(&seen);
    run(1, |sim| {
        tell.borrow_mut().clear();
        let lives = Rc::new(Cell::new(0));
        let (lives, tell) = (Rc::clone(&lives), Rc::clone(&tell));
        sim.host("host", 1, move |_| {
            let (life, tell) = (lives.replace(lives.get() + 1), Rc::clone(&tell));
            async move {
                let log = log().await?;
                if life == 0 {
                    log.write_at(0, b"first").await?;
                    assert_eq!(code(log.sync_all()).await, EIO);
                    assert_eq!(log.read_range(0, 5).await?, b"first", "it is seen");
                    sleep(2.s()).await;
                    log.sync_all().await?;
                    log.write_at(600, b"second").await?;
                    log.sync_all().await?;
                } else {
                    let bytes = log.read_range(0, u64::MAX).await?;
                    tell.borrow_mut().extend(bytes);
                }
                Ok(())
            }
        });
        sim.file("host", "/log", pattern());
        sim.client("clock", || async {
            sleep(10.s()).await;
            Ok(())
        });
        sim.disk("host").sync_error(1.0);
        sim.at(1.s()).disk("host").sync_error(0.0);
        sim.at(5.s()).crash("host");
        sim.at(6.s()).restart("host");
    });
    let mut expected = pattern();
    expected[600..606].copy_from_slice(b"second");
    assert_eq!(*seen.borrow(), expected, "the first write is gone, the second is there");
}

#[test]
fn a_disk_may_become_read_only_until_the_host_starts_again() {
    let lives = Rc::new(Cell::new(0));
    let told = Rc::clone(&lives);
    let report = run(1, |sim| {
        lives.set(0);
        let lives = Rc::clone(&lives);
        sim.host("host", 1, move |_| {
            let life = lives.replace(lives.get() + 1);
            async move {
                if life == 0 {
                    assert_eq!(code(fs::write("/tmp/a", b"a")).await, EROFS);
                    assert_eq!(code(fs::remove_file("/log")).await, EROFS);
                    assert_eq!(code(fs::create_dir("/tmp/b")).await, EROFS);
                    assert_eq!(code(fs::rename("/log", "/tmp/log")).await, EROFS);
                    assert_eq!(fs::read("/log").await?, pattern());
                } else {
                    fs::write("/tmp/a", b"a").await?;
                }
                Ok(())
            }
        });
        sim.file("host", "/log", pattern());
        sim.client("clock", || async {
            sleep(3.s()).await;
            Ok(())
        });
        sim.disk("host").read_only(1.0);
        sim.at(1.s()).disk("host").read_only(0.0);
        sim.at(1.s()).crash("host").restart("host");
    });
    assert_eq!(told.get(), 2);
    is_told(&report, "the disk is read-only from now on");
}

#[test]
fn a_sector_goes_bad_until_it_is_written_again() {
    let faults = |sim: &mut Sim| {
        sim.disk("host").latent_error(1.0);
        sim.at(1.s()).disk("host").latent_error(0.0);
    };
    let report = on_host(faults, || async {
        let log = log().await?;
        assert_eq!(code(log.read_range(3 * 512, 100)).await, EIO);
        sleep(2.s()).await;
        assert_eq!(code(log.read_range(4 * 512 - 1, 1)).await, EIO, "the whole sector is bad");
        assert_eq!(code(log.read_range(0, 4_096)).await, EIO);
        assert_eq!(log.read_range(0, 3 * 512).await?, pattern()[..3 * 512]);
        assert_eq!(log.read_range(4 * 512, 512).await?, pattern()[4 * 512..5 * 512]);
        log.write_at(3 * 512, &pattern()[3 * 512..4 * 512]).await?;
        assert_eq!(log.read_range(0, 4_096).await?, pattern());
        Ok(())
    });
    is_told(&report, "sector 3 has gone bad");
}

#[test]
fn a_bit_flips_and_stays_so() {
    let faults = |sim: &mut Sim| {
        sim.disk("host").rot(1.0);
        sim.at(1.s()).disk("host").rot(0.0);
    };
    let report = on_host(faults, || async {
        let log = log().await?;
        let read = log.read_range(0, 4_096).await?;
        let differing: Vec<u8> = read.iter().zip(pattern()).map(|(read, was)| read ^ was).collect();
        assert!(read != pattern());
        sleep(2.s()).await;
        let again = log.read_range(0, 4_096).await?;
        let still: Vec<u8> = again.iter().zip(pattern()).map(|(read, was)| read ^ was).collect();
        let bits = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
        assert!(bits(&differing) >= 1 && bits(&still) >= bits(&differing));
        Ok(())
    });
    is_told(&report, "has flipped");
}

#[test]
fn a_read_may_give_what_stands_elsewhere() {
    let faults = |sim: &mut Sim| {
        sim.disk("host").misdirected_read(1.0);
        sim.at(1.s()).disk("host").misdirected_read(0.0);
    };
    let report = on_host(faults, || async {
        let log = log().await?;
        let mut sector = [0; SECTOR];
        let count = log.read_at(512, &mut sector).await?;
        assert_eq!(count, SECTOR);
        let stands: Vec<usize> = pattern()
            .chunks(SECTOR)
            .enumerate()
            .filter(|(_, there)| *there == sector)
            .map(|(at, _)| at)
            .collect();
        assert!(stands.len() == 1 && stands != [1], "{stands:?}");
        sleep(2.s()).await;
        assert_eq!(log.read_range(0, 4_096).await?, pattern(), "nothing is broken");
        Ok(())
    });
    is_told(&report, "gives what is in sector");
}

#[test]
fn a_write_may_go_elsewhere() {
    let faults = |sim: &mut Sim| {
        sim.disk("host").misdirected_write(1.0);
        sim.at(1.s()).disk("host").misdirected_write(0.0);
    };
    let report = on_host(faults, || async {
        let log = log().await?;
        log.write_at(512, &[99; SECTOR]).await?;
        log.sync_all().await?;
        sleep(2.s()).await;
        let read = log.read_range(0, 4_096).await?;
        let hit: Vec<usize> = read
            .chunks(SECTOR)
            .enumerate()
            .filter(|(_, there)| **there == [99; SECTOR])
            .map(|(at, _)| at)
            .collect();
        assert!(hit.len() == 1 && hit != [1], "{hit:?}");
        assert_eq!(read[512..1024], pattern()[512..1024], "where it should be there is what was");
        Ok(())
    });
    is_told(&report, "write of 512 bytes of /log at 512: goes to sector");
}

#[test]
fn a_write_may_go_nowhere() {
    let faults = |sim: &mut Sim| {
        sim.disk("host").lost_write(1.0);
    };
    let report = on_host(faults, || async {
        let log = log().await?;
        log.write_at(0, b"hello").await?;
        log.write_at(4_096, b"hello").await?;
        log.sync_all().await?;
        assert_eq!(log.read_range(0, 10_000).await?, [&pattern()[..], &[0; 5]].concat());
        Ok(())
    });
    is_told(&report, "goes nowhere");
}

#[test]
fn an_operation_that_is_given_up_may_be_left_undone() {
    for (probability, expected) in [(0.0, true), (1.0, false)] {
        let found = Rc::new(Cell::new(false));
        let tell = Rc::clone(&found);
        run(1, |sim| {
            let tell = Rc::clone(&tell);
            sim.client("host", move || {
                let tell = Rc::clone(&tell);
                async move {
                    drop(fs::create_dir("/tmp/given-up"));
                    sleep(1.s()).await;
                    tell.set(fs::metadata("/tmp/given-up").await.is_ok());
                    Ok(())
                }
            });
            sim.disks().left_undone(probability);
        });
        assert_eq!(found.get(), expected);
    }
}

/// What a host finds after a crash of what its first life has done, in many worlds.
fn after_crashes<F>(
    faults: impl Fn(&mut Sim),
    first_life: impl Fn() -> F + Copy + 'static,
    look: impl Fn(&twinloop_sim::Disk) -> String + Copy + 'static,
) -> Vec<String>
where
    F: Future<Output = Result<(), TransportError>> + 'static,
{
    let mut found: Vec<String> = Vec::new();
    for seed in 0..60 {
        let seen = Rc::new(RefCell::new(String::new()));
        run(seed, |sim| {
            sim.host("host", 1, move |_| async move {
                first_life().await?;
                sleep(Duration::from_secs(1_000)).await;
                Ok(())
            });
            sim.file("host", "/log", pattern());
            sim.client("clock", || async {
                sleep(20.s()).await;
                Ok(())
            });
            sim.at(10.s()).crash("host");
            faults(sim);
            let (disk, seen) = (sim.disk_of("host"), Rc::clone(&seen));
            sim.check("look", move || {
                *seen.borrow_mut() = look(&disk);
                Ok(())
            });
        });
        found.push(seen.take());
    }
    found.sort();
    found.dedup();
    found
}

fn is_any(_: &mut Sim) {}

#[test]
fn what_was_not_synced_may_be_lost_whole() {
    let write = || async {
        fs::create_dir("/data").await?;
        fs::sync_dir("/").await?;
        log().await?.write_at(0, &[99; 100]).await
    };
    let look = |disk: &twinloop_sim::Disk| (disk.read("/log") == Some(pattern())).to_string();
    assert_eq!(after_crashes(is_any, write, look), ["false", "true"]);
    let never = |sim: &mut Sim| _ = sim.disks().unsynced_lost(0.0);
    assert_eq!(after_crashes(never, write, look), ["false"]);
    let always = |sim: &mut Sim| _ = sim.disks().unsynced_lost(1.0);
    assert_eq!(after_crashes(always, write, look), ["true"]);
}

/// What was synced is there, whatever was done behind it.
#[test]
fn what_was_synced_is_never_lost() {
    let write = || async {
        let log = log().await?;
        log.write_at(0, &[99; 3_000]).await?;
        log.write_at(5_000, &[98; 10]).await?;
        log.sync_data().await?;
        log.write_at(0, &[97; 100]).await?;
        log.set_length(2_000).await?;
        log.set_length(9_000).await
    };
    let look = |disk: &twinloop_sim::Disk| {
        let log = disk.read("/log").expect("it was there from the beginning");
        let middle = log[100..2_000] == [99; 1_900];
        let is_tail = |byte: &u8| [0, 98, 99].contains(byte) || pattern().contains(byte);
        format!("{} {middle} {}", log[..100] == [97; 100], log[2_000..].iter().all(is_tail))
    };
    assert_eq!(after_crashes(is_any, write, look), ["false true true", "true true true"]);
}

/// Of a write that was under way, each sector is there or not: the first few, or any of them.
#[test]
fn a_write_may_be_torn() {
    let write = || async { log().await?.write_at(0, &[99; 4 * SECTOR]).await };
    let look = |disk: &twinloop_sim::Disk| {
        let log = disk.read("/log").expect("it was there from the beginning");
        let is_new = |sector: usize| log[sector * SECTOR..][..SECTOR] == [99; SECTOR];
        let is_old =
            |sector: usize| log[sector * SECTOR..][..SECTOR] == pattern()[sector * SECTOR..][..SECTOR];
        assert!((0..8).all(|sector| is_new(sector) || is_old(sector)), "a sector is written whole");
        (0..4).map(|sector| if is_new(sector) { 'x' } else { '.' }).collect()
    };
    let torn = |sim: &mut Sim| _ = sim.disks().torn_write(1.0).unsynced_lost(0.0);
    let found = after_crashes(torn, write, look);
    for seen in ["xxx.", "x...", ".x.x"] {
        assert!(found.iter().any(|found| found == seen) || found.len() > 6, "{seen} is not among {found:?}");
    }
    let whole = |sim: &mut Sim| _ = sim.disks().torn_write(0.0).unsynced_lost(0.0);
    assert_eq!(after_crashes(whole, write, look), ["xxxx"]);
}

/// Names are lost from the last one backwards, unless their folder was synced; those that build on each other in order.
#[test]
fn names_that_were_not_synced_may_be_lost() {
    let write = || async {
        for name in ["/tmp/a", "/tmp/b", "/srv/c"] {
            let file = File::create(name).await?;
            file.write_at(0, b"synced").await?;
            file.sync_all().await?;
        }
        fs::sync_dir("/srv").await
    };
    let look = |disk: &twinloop_sim::Disk| {
        let is_there = |name: &str| disk.read(name).is_some();
        format!("{} {} {}", is_there("/tmp/a"), is_there("/tmp/b"), is_there("/srv/c"))
    };
    let in_order = ["false false true", "true false true", "true true true"];
    assert_eq!(after_crashes(is_any, write, look), in_order);
    let any = |sim: &mut Sim| _ = sim.disks().names_out_of_order(true);
    let found = after_crashes(any, write, look);
    assert!(found.contains(&"false true true".to_owned()) && found.iter().all(|seen| seen.ends_with("true")));
    let never = |sim: &mut Sim| _ = sim.disks().names_lost(0.0);
    assert_eq!(after_crashes(never, write, look), ["true true true"]);
}

/// A rename that is lost leaves what was there before; there is no moment at which neither name has the file.
#[test]
fn a_rename_is_lost_whole() {
    let write = || async {
        let file = File::create("/tmp/new").await?;
        file.write_at(0, b"new").await?;
        file.sync_all().await?;
        fs::sync_dir("/tmp").await?;
        fs::rename("/tmp/new", "/log").await
    };
    let look = |disk: &twinloop_sim::Disk| {
        let is_new = |path: &str| disk.read(path).map(|bytes| bytes == b"new");
        format!("{:?} {:?}", is_new("/tmp/new"), is_new("/log"))
    };
    assert_eq!(after_crashes(is_any, write, look), ["None Some(true)", "Some(true) Some(false)"]);
}

/// Each region is struck on one of three disks at most, and each disk is struck somewhere.
#[test]
fn copies_survive_where_they_were_promised_to() {
    const REGIONS: usize = 40;
    let struck = Rc::new(RefCell::new(vec![Vec::new(); REGIONS]));
    let tell = Rc::clone(&struck);
    run(1, |sim| {
        tell.borrow_mut().iter_mut().for_each(Vec::clear);
        for host in ["a", "b", "c"] {
            let tell = Rc::clone(&tell);
            sim.client(host, move || {
                let tell = Rc::clone(&tell);
                async move {
                    let log = File::open("/log").await?;
                    for region in 0..REGIONS {
                        if let Err(error) = log.read_range(region as u64 * 4_096, 4_096).await {
                            assert_eq!(error.kind(), ErrorKind::Os(std::io::ErrorKind::Other));
                            tell.borrow_mut()[region].push(host);
                        }
                    }
                    Ok(())
                }
            });
            sim.file(host, "/log", vec![7; REGIONS * 4_096]);
        }
        sim.disks().latent_error(1.0);
        sim.copies(["a", "b", "c"], 2);
    });
    let struck = struck.borrow();
    assert!(struck.iter().all(|hosts| hosts.len() == 1), "{struck:?}");
    for host in ["a", "b", "c"] {
        assert!(struck.iter().flatten().any(|other| *other == host), "{host} is never struck");
    }
}

/// What is off draws nothing: the work of a kind disk is the same in every seed.
#[test]
fn a_kind_disk_draws_nothing() {
    let hashes: Vec<u128> = (0..3)
        .map(|seed| {
            let report = run(seed, |sim| {
                sim.client("host", || async {
                    fs::create_dir_all("/data/a").await?;
                    fs::replace("/data/a/state", vec![7; 10_000]).await?;
                    assert_eq!(fs::read("/data/a/state").await?, [7; 10_000]);
                    Ok(fs::remove_dir_all("/data").await?)
                });
            });
            assert!(report.unusual.is_empty());
            report.hash
        })
        .collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
}
