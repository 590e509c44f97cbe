//! `#[twinloop_sim::test]`: functions become tests.

use std::cell::Cell;
use std::rc::Rc;

use twinloop::{StreamServer, connect, sleep};
use twinloop_sim::{Sim, Units};

#[twinloop_sim::test]
async fn a_program_that_ends_with_nothing_passes() {
    sleep(3000.s()).await;
}

#[twinloop_sim::test(seeds = 10, check)]
async fn a_program_may_end_with_any_error() -> std::io::Result<()> {
    Ok(())
}

#[twinloop_sim::test(seeds = 5..25)]
fn a_world_has_hosts_and_faults(sim: &mut Sim) {
    sim.links().jitter(20.ms()).loss(0.1);
    let address = sim.host("server", 7, |address| async move {
        StreamServer::listen(address)?.accept().await?.write(b"hello").await?;
        Ok(())
    });
    let greeted = Rc::new(Cell::new(false));
    let noted = Rc::clone(&greeted);
    sim.client("client", move || {
        let noted = Rc::clone(&noted);
        async move {
            assert_eq!(connect(address).await?.read_to_end(100).await?, b"hello");
            noted.set(true);
            Ok(())
        }
    });
    sim.check("greeted", move || if greeted.get() { Ok(()) } else { Err("nobody was".to_owned()) });
}
