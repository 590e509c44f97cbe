//! What a host finds around itself, and what it leaves: files, standard streams, names.

use std::net::IpAddr;
use std::path::Path;

use super::Sim;
use crate::console::Output;
use crate::disk::Disk;
use crate::names::NameFailure;

impl Sim {
    /// What the disk of `host` has in the end, for a check.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    ///
    /// ```
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("host", || async {
    ///         twinloop::fs::write("/tmp/answer", b"42").await?;
    ///         Ok(())
    ///     });
    ///     let disk = sim.disk_of("host");
    ///     sim.check("the answer is kept", move || {
    ///         disk.read("/tmp/answer").filter(|answer| answer == b"42").map(drop).ok_or("it is not".to_owned())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn disk_of(&mut self, host: &str) -> Disk {
        let host = self.index(host);
        if let Some((_, disk)) = self.disks.iter().find(|(other, _)| *other == host) {
            return disk.clone();
        }
        let disk = Disk::default();
        self.disks.push((host, disk.clone()));
        disk
    }

    /// Has `host` begin with a file at `path`, synced, and with the folders above it. What its programs make of it is
    /// in doubt when it crashes, as [`DiskFaults::unsynced_lost`](crate::DiskFaults::unsynced_lost) says.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    ///
    /// ```
    /// use twinloop::File;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("host", || async {
    ///         assert_eq!(File::open("/www/index.html").await?.read_range(0, 100).await?, b"hello");
    ///         Ok(())
    ///     });
    ///     sim.file("host", "/www/index.html", b"hello");
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn file(&mut self, host: &str, path: impl AsRef<Path>, contents: impl Into<Vec<u8>>) {
        let host = self.index(host);
        self.files.push((host, path.as_ref().to_owned(), contents.into()));
    }

    /// What the programs of `host` read from their standard input, and then its end. Without this, they find the end at once.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    ///
    /// ```
    /// use twinloop::standard_input;
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::run_world;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.client("host", || async {
    ///         assert_eq!(standard_input()?.read_to_end(100).await?, b"yes\n");
    ///         Ok(())
    ///     });
    ///     sim.input("host", b"yes\n");
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn input(&mut self, host: &str, bytes: impl Into<Vec<u8>>) {
        let host = self.index(host);
        self.inputs.push((host, bytes.into()));
    }

    /// What the programs of `host` write to their standard output and error, for a check at the end. Whole lines are told in
    /// the story too.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn output(&mut self, host: &str) -> Output {
        let host = self.index(host);
        if let Some((_, output)) = self.outputs.iter().find(|(other, _)| *other == host) {
            return output.clone();
        }
        let output = Output::default();
        self.outputs.push((host, output.clone()));
        output
    }

    /// Lookups of `name` are answered by `addresses`, in this order, on every host. The name of a host leads to that host
    /// unless it is told otherwise, `localhost` to the host that asks, over IPv4 and IPv6; no other name has an address.
    ///
    /// How long an answer takes is a matter of [`HostFaults::lookup_latency`](crate::HostFaults::lookup_latency).
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use twinloop::{StreamServer, connect_host};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::run_world;
    /// use twinloop_sim::story::Telling;
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     let address = sim.host("replica", 5432, |address| async move {
    ///         StreamServer::listen(address)?.accept().await?;
    ///         Ok(())
    ///     });
    ///     let replica = address.as_ip().expect("a host has an IP address").ip();
    ///     // Nobody has the first address: the second one is tried beside it.
    ///     sim.name("db", [Ipv4Addr::new(10, 9, 9, 9).into(), replica]);
    ///     sim.client("client", move || async move {
    ///         assert_eq!(connect_host("db", 5432).await?.remote_address(), address);
    ///         Ok(())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn name(&mut self, name: &str, addresses: impl IntoIterator<Item: Into<IpAddr>>) {
        self.names.push((name.to_owned(), Ok(addresses.into_iter().map(Into::into).collect())));
    }

    /// Lookups of `name` fail, on every host.
    ///
    /// ```
    /// use twinloop::{ErrorKind, resolve};
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::Telling;
    /// use twinloop_sim::{NameFailure, run_world};
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
    ///     sim.name_fails("db", NameFailure::NoAnswer);
    ///     sim.client("client", || async {
    ///         let error = resolve("db").await.expect_err("nobody answers");
    ///         assert_eq!(error.kind(), ErrorKind::Os(std::io::ErrorKind::TimedOut));
    ///         Ok(())
    ///     });
    /// });
    /// assert!(report.verdict.is_passed());
    /// ```
    pub fn name_fails(&mut self, name: &str, failure: NameFailure) {
        self.names.push((name.to_owned(), Err(failure)));
    }
}
