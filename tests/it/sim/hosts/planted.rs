//! Bugs that were planted, for faults of hosts to find: a lock whose holder is told by a lease, and two who hold it at once.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use twinloop::{Address, Moment, StreamServer, connect, now, sleep, wall_time};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{Sim, run_world};

use super::{ms, s};

const LEASE: Duration = Duration::from_millis(300);
/// How long before its end a holder takes its lease for over: more than an answer of the lock's host takes.
const MARGIN: Duration = Duration::from_millis(50);
/// What a holder does between two writes.
const WORK: Duration = Duration::from_millis(5);

/// What the lock guards. It knows the truth: the number of the lease that was given last.
#[derive(Clone, Default)]
struct Guarded(Rc<Cell<u64>>);

impl Guarded {
    fn give(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }

    fn is_held_by(&self, lease: u64) -> bool {
        self.0.get() == lease
    }

    /// The bug shows: somebody else has the lock.
    fn write(&self, lease: u64) -> Result<(), Box<dyn Error>> {
        if self.is_held_by(lease) { Ok(()) } else { Err("two hold the lock".into()) }
    }
}

/// Gives each who connects the number of a new lease and the date of its end, or nothing while there is one.
fn lock_server(sim: &mut Sim, guarded: &Guarded) -> Address {
    let guarded = guarded.clone();
    sim.host("locks", 7, move |address| {
        let guarded = guarded.clone();
        async move {
            let server = StreamServer::listen(address)?;
            let (mut over_at, mut date) = (Moment::ORIGIN, wall_time());
            loop {
                let stream = server.accept().await?;
                if now() >= over_at && wall_time() >= date {
                    (over_at, date) = (now() + LEASE, wall_time() + LEASE);
                    let nanos = date.duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
                    stream.write_owned(format!("{} {nanos}", guarded.give()).into_bytes()).await?;
                }
                stream.close().await;
            }
        }
    })
}

struct Lease {
    number: u64,
    /// The end by the date of the lock's host.
    date: SystemTime,
    /// The end by the holder's own clock, with a margin.
    over_at: Moment,
}

async fn ask(address: Address) -> Result<Option<Lease>, Box<dyn Error>> {
    let asked_at = now();
    let answer = String::from_utf8(connect(address).await?.read_to_end(100).await?)?;
    let Some((number, nanos)) = answer.split_once(' ') else { return Ok(None) };
    let date = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos.parse()?);
    Ok(Some(Lease { number: number.parse()?, date, over_at: asked_at + (LEASE - MARGIN) }))
}

/// How a holder goes about it.
#[derive(Clone, Copy)]
enum Holder {
    /// Planted: compares the date that it was told with its own.
    TrustsTheDate,
    /// Planted: looks at its clock, which is right, and then does something before it writes.
    LooksTooEarly,
    /// As it should be: what is guarded knows the leases, and refuses a writer who has lost the lock.
    Fenced,
}

impl Holder {
    async fn hold(self, lease: &Lease, guarded: &Guarded) -> Result<(), Box<dyn Error>> {
        match self {
            Holder::TrustsTheDate => loop {
                sleep(WORK).await;
                if wall_time() + MARGIN >= lease.date {
                    return Ok(());
                }
                guarded.write(lease.number)?;
            },
            Holder::LooksTooEarly => {
                while now() < lease.over_at {
                    sleep(WORK).await;
                    guarded.write(lease.number)?;
                }
                Ok(())
            }
            Holder::Fenced => {
                while now() < lease.over_at {
                    sleep(WORK).await;
                    if guarded.is_held_by(lease.number) {
                        guarded.write(lease.number)?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// A world in which two take turns at the lock, and `faults` befall them.
fn lock_world(sim: &mut Sim, holder: Holder, faults: impl Fn(&mut Sim, &str)) {
    let guarded = Guarded::default();
    let address = lock_server(sim, &guarded);
    for client in ["a", "b"] {
        let guarded = guarded.clone();
        sim.client(client, move || {
            let guarded = guarded.clone();
            async move {
                while now() < Moment::ORIGIN + s(3) {
                    match ask(address).await? {
                        Some(lease) => holder.hold(&lease, &guarded).await?,
                        None => sleep(ms(20)).await,
                    }
                }
                Ok(())
            }
        });
        faults(sim, client);
    }
}

/// The first of so many seeds in which the bug shows.
fn found(seeds: u64, holder: Holder, faults: impl Fn(&mut Sim, &str) + Copy) -> Option<u64> {
    (0..seeds).find(|&seed| {
        let build = |sim: &mut Sim| lock_world(sim, holder, faults);
        let report = run_world(&Choices::Seeded(seed), Telling::Silent, build);
        let verdict = report.verdict.to_string();
        assert!(report.verdict.is_passed() || verdict.contains("two hold the lock"), "{verdict}");
        !report.verdict.is_passed()
    })
}

fn wrong_dates(sim: &mut Sim, host: &str) {
    sim.host_faults(host).wall_skew(s(1));
}

fn jumping_dates(sim: &mut Sim, host: &str) {
    sim.host_faults(host).wall_jump(0.01).wall_jump_by(ms(100)..s(10));
}

fn pauses(sim: &mut Sim, host: &str) {
    sim.host_faults(host).pause(0.02).pause_for(ms(50)..s(1));
}

fn suspensions(sim: &mut Sim, host: &str) {
    sim.host_faults(host).suspend(0.02).pause_for(ms(50)..s(1));
}

fn slow_clocks(sim: &mut Sim, host: &str) {
    sim.host_faults(host).clock_drift(400_000);
}

fn nothing(_: &mut Sim, _: &str) {}

#[test]
fn a_lease_that_trusts_the_date_is_found_by_wrong_clocks() {
    assert_eq!(found(50, Holder::TrustsTheDate, nothing), None);
    assert!(found(100, Holder::TrustsTheDate, wrong_dates).is_some());
    assert!(found(500, Holder::TrustsTheDate, jumping_dates).is_some());
}

#[test]
fn a_holder_that_looks_too_early_is_found_by_pauses() {
    for harmless in [nothing, wrong_dates, jumping_dates] {
        assert_eq!(found(50, Holder::LooksTooEarly, harmless), None);
    }
    assert!(found(500, Holder::LooksTooEarly, pauses).is_some());
    assert!(found(500, Holder::LooksTooEarly, suspensions).is_some());
    assert!(found(500, Holder::LooksTooEarly, slow_clocks).is_some());
}

#[test]
fn a_fenced_lock_stands_all_of_it() {
    for faults in [nothing, wrong_dates, jumping_dates, pauses, suspensions, slow_clocks] {
        assert_eq!(found(100, Holder::Fenced, faults), None);
    }
}
