//! The program's parts that run on the real driver.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use kv::history::History;
use kv::load::{self, Load};
use kv::plan::Plan;
use kv::server::{self, Options};
use kv::workload::Workload;
use twinloop::{Address, Handle, StreamServer, spawn};
use twinloop_sim::cli::Exit;

type Failure = Box<dyn std::error::Error>;

/// Where redis-cli and redis-benchmark look for a server.
const DEFAULT_ADDRESS: &str = "127.0.0.1:6379";

/// `serve [ADDRESS]`: serves until the process is ended.
pub(crate) fn serve(args: &[String]) -> Exit {
    let text = match args {
        [] => DEFAULT_ADDRESS,
        [address] => address,
        _ => return usage("serve takes one address at the most"),
    };
    let address: Address = match text.parse() {
        Ok(address) => address,
        Err(error) => return usage(&format!("{error}")),
    };
    let served = twinloop_real::run(async move {
        let listener = StreamServer::listen(address)?;
        println!("serving at {}", listener.local_address());
        server::serve(listener, Options::default()).await
    });
    let ended = match served {
        Ok(Ok(())) => return Exit::Passed,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    eprintln!("kv: {ended}");
    Exit::CouldNotRun
}

fn usage(text: &str) -> Exit {
    eprintln!("kv: {text}");
    Exit::Usage
}

/// `real [SCENARIO]`: the scenario's server, clients and check on loopback, then a load for a figure.
pub(crate) fn scenario(name: &str, args: &[String]) -> Result<String, String> {
    if let Some(argument) = args.first() {
        return Err(format!("real takes no argument {argument:?}"));
    }
    let options = Options { forgets: name == "kv-forgetful", ..Options::default() };
    let ended =
        twinloop_real::run(async move { on_loopback(options).await.map_err(|error| error.to_string()) });
    ended.map_err(|error| error.to_string())?
}

async fn on_loopback(options: Options) -> Result<String, Failure> {
    let listener = StreamServer::listen(Address::loopback(0))?;
    let address = listener.local_address();
    let server = spawn(server::serve(listener, options));

    let history = Rc::new(RefCell::new(History::default()));
    let plan = Rc::new(draw_plan()?);
    let clients: Vec<_> = (0..plan.clients.len())
        .map(|number| {
            let workload = Workload::new(number, Rc::clone(&plan), Rc::clone(&history));
            spawn(async move { workload.run(address).await.map_err(|error| error.to_string()) })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    history.borrow().check()?;
    let (clients, operations) = (plan.clients.len(), history.borrow().len());
    let mut summary = format!("{clients} clients, {operations} operations: linearizable\n");

    for pipeline in [1, 16] {
        let load = Load { connections: 50, pipeline, requests: 100_000 };
        let (requests, took) = load::run(address, load).await?;
        summary.push_str(&format!(
            "{requests} INCRs over {} connections, {pipeline} in flight each: {} requests/s\n",
            load.connections,
            per_second(requests, took),
        ));
    }
    server.cancel().detach();
    Ok(summary)
}

/// A plan like those of the simulation, from the system's random numbers.
fn draw_plan() -> Result<Plan, Failure> {
    // Enough for the longest plan: seven clients, 52 operations, four draws each.
    let mut bytes = vec![0; 16 * 1024];
    Handle::current().entropy(&mut bytes)?;
    let mut drawn = bytes.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")));
    Ok(Plan::draw(|_, n| drawn.next().map_or(0, |number| (number % n as u64) as usize)))
}

fn per_second(count: usize, took: Duration) -> u64 {
    (count as f64 / took.as_secs_f64().max(1e-9)) as u64
}
