//! Simulated worlds as properties: proptest makes faults and inputs, and shrinks both.

use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use twinloop::{DatagramTransport, StreamServer, connect, now, sleep, timeout};
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;
use twinloop_sim::{FaultPlan, PlannedFault, Report, Units, run_world, strategy};

/// A client that calls every second and gives up after two seconds without an answer.
fn impatient(choices: &Choices, plan: &FaultPlan) -> Report {
    run_world(choices, Telling::Silent, |sim| {
        let address = sim.host("server", 7, |address| async move {
            let socket = DatagramTransport::bind(address)?;
            let mut buffer = [0; 9];
            loop {
                let received = socket.recv_from(&mut buffer).await?;
                socket.send_to(b"here", received.source).await?;
            }
        });
        sim.client("client", move || async move {
            let socket = DatagramTransport::connect(address)?;
            for _ in 0..10 {
                sleep(1.s()).await;
                socket.send(b"there?").await?;
                let answer = timeout(2.s(), socket.recv(&mut [0; 9])).await;
                answer.ok().and_then(Result::ok).ok_or("nobody answers")?;
            }
            Ok(())
        });
        plan.apply(sim);
    })
}

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default()))
}

#[test]
fn a_plan_is_shrunk_to_the_one_fault_that_matters() {
    let plans = strategy::fault_plan(&["server", "client"], 10.s(), 0..6);
    let found = runner(1000).run(&plans, |plan| {
        let report = impatient(&Choices::Seeded(1), &plan);
        prop_assert!(report.verdict.is_passed(), "{}", report.verdict);
        Ok(())
    });
    let Err(TestError::Fail(reason, plan)) = found else { panic!("a fault is found: {found:?}") };
    assert!(reason.message().contains("nobody answers"), "{reason}");
    let [(_, fault)] = plan.faults.as_slice() else { panic!("one fault is enough:\n{plan}") };
    assert!(!matches!(fault, PlannedFault::ResetConnections { .. }), "datagrams know no reset: {plan}");
}

#[test]
fn choices_are_shrunk_to_the_pick_that_matters() {
    let lossy = |choices: &Choices| {
        run_world(choices, Telling::Silent, |sim| {
            sim.links().loss(0.1).jitter(5.ms());
            let address = sim.host("server", 7, |address| async move {
                let socket = DatagramTransport::bind(address)?;
                socket.recv(&mut [0; 9]).await?;
                Ok(())
            });
            sim.client("client", move || async move {
                let socket = DatagramTransport::connect(address)?;
                socket.send(b"once").await?;
                sleep(1.s()).await;
                Ok(())
            });
            sim.client("other", sleep_well);
        })
    };
    let found = runner(5000).run(&strategy::choices(0..40), |choices| {
        let report = lossy(&choices);
        // Stands for what a test would see of it.
        prop_assert!(!report.unusual.iter().any(|pick| pick.site == "client > server: loss"));
        Ok(())
    });
    let Err(TestError::Fail(_, choices)) = found else { panic!("a loss is found: {found:?}") };
    let report = lossy(&choices);
    // Proptest tries to leave out, then to lower, and not again to leave out: another pick may stay.
    assert!(report.unusual.len() <= 2, "{:?}", report.unusual);
}

async fn sleep_well() -> twinloop_sim::ProgramResult {
    sleep(1.s()).await;
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    /// After its end nothing of a plan is left: everybody reaches everybody.
    #[test]
    fn a_plan_leaves_a_world_that_is_whole(plan in strategy::fault_plan(&["a", "b", "c"], 5.s(), 0..8)) {
        let ends_at = plan.ends_at();
        let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
            let reached = Rc::new(RefCell::new(Vec::new()));
            let addresses = Rc::new(["a", "b", "c"].map(|name| {
                sim.host(name, 7, |address| async move {
                    let server = StreamServer::listen(address)?;
                    loop {
                        server.accept().await?.write(b"here").await?;
                    }
                })
            }));
            for caller in ["x", "y"] {
                let (addresses, reached) = (Rc::clone(&addresses), Rc::clone(&reached));
                sim.client(caller, move || {
                    let (addresses, reached) = (Rc::clone(&addresses), Rc::clone(&reached));
                    async move {
                        sleep((ends_at + 1.s()).saturating_sub(now() - twinloop::Moment::ORIGIN)).await;
                        for address in *addresses {
                            let stream = timeout(2.s(), connect(address)).await.map_err(|_| "unreachable")??;
                            let answer = stream.read_to_end(9).await?;
                            reached.borrow_mut().push(answer);
                        }
                        Ok(())
                    }
                });
            }
            sim.check("all were reached", move || match reached.borrow().len() {
                6 => Ok(()),
                count => Err(format!("{count} of 6")),
            });
            plan.apply(sim);
        });
        prop_assert!(report.verdict.is_passed(), "{}\n{plan}", report.verdict);
    }

    #[test]
    fn a_schedule_keeps_to_its_bounds(steps in strategy::schedule(1..100_u32, 1.s(), 2..5)) {
        prop_assert!((2..5).contains(&steps.len()));
        prop_assert!(steps.iter().all(|(pause, step)| *pause < 1.s() && (1..100).contains(step)));
    }
}
