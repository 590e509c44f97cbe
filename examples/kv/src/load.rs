//! A load of pipelined requests over many connections, to say what a server answers in a second. It names no driver.

use std::time::Duration;

use twinloop::{Address, now, spawn};

use crate::client::{Client, ClientError};

/// What a load asks for.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections at once.
    pub connections: usize,
    /// Requests in flight on each connection.
    pub pipeline: usize,
    /// Requests of all connections together, in whole pipelines of each.
    pub requests: usize,
}

/// Runs the load against `server` and answers how many requests it made and how long they took on the driver's clock.
///
/// # Errors
///
/// The first connection's that fails, or that is answered an error.
pub async fn run(server: Address, load: Load) -> Result<(usize, Duration), ClientError> {
    let rounds = load.requests.div_ceil(load.connections * load.pipeline).max(1);
    let began = now();
    let tasks: Vec<_> =
        (0..load.connections).map(|number| spawn(one(server, number, load.pipeline, rounds))).collect();
    for task in tasks {
        match task.await {
            Ok(ended) => ended?,
            Err(twinloop::JoinError::Panicked(payload)) => std::panic::resume_unwind(payload),
            Err(_) => unreachable!("nobody cancels a connection of a load"),
        }
    }
    Ok((rounds * load.connections * load.pipeline, now() - began))
}

async fn one(server: Address, number: usize, pipeline: usize, rounds: usize) -> Result<(), ClientError> {
    let mut client = Client::connect(server).await?;
    let key = format!("load-{number}");
    for _ in 0..rounds {
        for _ in 0..pipeline {
            client.push(&[b"INCR", key.as_bytes()]);
        }
        client.flush().await?;
        for _ in 0..pipeline {
            client.reply().await?;
        }
    }
    Ok(())
}
