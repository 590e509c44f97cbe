//! The driver on the loopback of this machine, through the trait alone.

use std::io::ErrorKind;
use std::net::Ipv6Addr;

use twinloop::driver::{FileOptions, Readiness};

use super::*;

/// Longer than any edge on a loopback takes: who waits so long has lost it.
const PATIENCE: Duration = Duration::from_secs(20);

fn driver() -> RealDriver {
    RealDriver::new().expect("a selector")
}

fn listen(driver: &mut dyn Driver) -> (Fd, Address) {
    let listener = driver.listen(&Address::loopback(0), &ListenOptions::default()).expect("a free port");
    (listener, driver.local_address(listener).expect("a listener is bound"))
}

/// One poll, which has to tell something before it is too late.
fn events(driver: &mut dyn Driver) -> Vec<Event> {
    let mut events = Vec::new();
    driver.poll(Some(PATIENCE), &mut events).expect("a poll");
    assert!(!events.is_empty(), "no edge in {PATIENCE:?}");
    events
}

/// Polls until `fd` is told to be `wanted`; says all that was told of it meanwhile.
fn edge(driver: &mut dyn Driver, fd: Fd, wanted: Readiness) -> Readiness {
    let mut told = Readiness::EMPTY;
    while !told.intersects(wanted) {
        for event in events(driver).iter().filter(|event| event.fd == fd) {
            told |= event.readiness;
        }
    }
    told
}

/// Calls until the answer is no longer "not yet". An edge has to come in between.
fn eventually<T>(driver: &mut dyn Driver, mut call: impl FnMut(&mut dyn Driver) -> Result<T, OsError>) -> T {
    loop {
        match call(driver) {
            Ok(answer) => return answer,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                events(driver);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Both ends of a connection.
fn pair(driver: &mut dyn Driver) -> (Fd, Fd) {
    let (listener, address) = listen(driver);
    let client = driver.connect(&address, &ConnectOptions::default()).expect("the listener is there");
    let (server, _) = eventually(driver, |driver| driver.accept(listener));
    eventually(driver, |driver| driver.remote_address(client));
    driver.close(listener);
    (client, server)
}

fn receive(driver: &mut dyn Driver, fd: Fd) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let count = eventually(driver, |driver| driver.recv(fd, &mut buffer));
    buffer[..count].to_vec()
}

#[test]
fn an_echo_goes_there_and_back() {
    let driver: &mut dyn Driver = &mut driver();
    let (client, server) = pair(driver);
    assert_eq!(driver.remote_address(client), driver.local_address(server));
    assert_eq!(driver.local_address(client), driver.remote_address(server));
    assert_eq!(driver.take_error(client), Ok(None));

    assert_eq!(driver.send(client, b"ping"), Ok(4));
    assert_eq!(receive(driver, server), b"ping");
    assert_eq!(driver.send_vectored(server, &[IoSlice::new(b"po"), IoSlice::new(b"ng")]), Ok(4));
    assert_eq!(receive(driver, client), b"pong");
}

/// R146: an accepted stream has it from its listener.
#[test]
fn both_ends_send_small_segments_at_once() {
    let mut driver = driver();
    let (client, server) = pair(&mut driver);
    for fd in [client, server] {
        let no_delay =
            |driver: &RealDriver| driver.socket(fd).and_then(Socket::as_stream)?.nodelay().map_err(os_error);
        assert_eq!(no_delay(&driver), Ok(true));
        assert_eq!(driver.set_option(fd, SocketOption::NoDelay(false)), Ok(()));
        assert_eq!(no_delay(&driver), Ok(false));
    }
}

#[test]
fn a_name_is_looked_up_while_the_driver_polls() {
    let driver: &mut dyn Driver = &mut driver();
    let given_up = driver.resolve("localhost").expect("a thread");
    let lookup = driver.resolve("localhost").expect("a thread");
    driver.close(given_up);
    assert_eq!(driver.resolved(given_up), Err(OsError::BAD_DESCRIPTOR));
    edge(driver, lookup, Readiness::READABLE);
    let ips = driver.resolved(lookup).expect("every system knows it");
    assert!(ips.iter().all(IpAddr::is_loopback) && !ips.is_empty(), "{ips:?}");
    for unsupported in [driver.recv(lookup, &mut [0]).map(drop), driver.take_error(lookup).map(drop)] {
        assert_eq!(unsupported.map_err(OsError::kind), Err(ErrorKind::Unsupported));
    }
    driver.close(lookup);
    assert_eq!(driver.resolved(lookup), Err(OsError::BAD_DESCRIPTOR));
}

/// Nobody waits for helper threads: neither a poll that has a limit, nor the end of the driver.
#[test]
fn a_driver_ends_while_names_are_looked_up() {
    let mut driver = driver();
    for _ in 0..10 {
        driver.resolve("does-not-exist.invalid").expect("a thread");
    }
    driver.poll(Some(Duration::ZERO), &mut Vec::new()).expect("a poll");
}

/// R129: each option acts before the socket is bound, and a local port may be shared by those who all say so.
#[test]
fn a_stream_is_made_with_its_options() {
    let driver: &mut dyn Driver = &mut driver();
    let (_listener, address) = listen(driver);
    let options = ConnectOptions::default()
        .local(Address::loopback(0))
        .reuse_address(true)
        .no_delay(false)
        .receive_buffer(20_000)
        .send_buffer(20_000);
    let stream = driver.connect(&address, &options).expect("the listener is there");
    assert_eq!(driver.option(stream, OptionName::NoDelay), Ok(SocketOption::NoDelay(false)));
    let receive_buffer = driver.option(stream, OptionName::ReceiveBuffer);
    assert!(matches!(receive_buffer, Ok(SocketOption::ReceiveBuffer(20_000..=40_000))), "{receive_buffer:?}");
    let send_buffer = driver.option(stream, OptionName::SendBuffer);
    assert!(matches!(send_buffer, Ok(SocketOption::SendBuffer(20_000..=40_000))), "{send_buffer:?}");
    // Windows has its own idea of re-use, which is not asked for there.
    let reuses = driver.option(stream, OptionName::ReuseAddress);
    assert_eq!(reuses, Ok(SocketOption::ReuseAddress(platform::REUSE_ADDRESS_IS_SAFE)));
}

/// IPv4 and IPv6 have an option each for the same thing; an IPv4 stream at an IPv6 socket has that of IPv4.
#[test]
fn time_to_live_is_that_of_the_packets() {
    let driver: &mut dyn Driver = &mut driver();
    let any = "[::]:0".parse().expect("an address");
    let options = ListenOptions::default().only_v6(false);
    let listener = driver.listen(&any, &options).expect("this machine has IPv6");
    let port = driver.local_address(listener).expect("it is bound").port().expect("it has one");
    for remote in [Address::loopback(port), format!("[::1]:{port}").parse().expect("an address")] {
        driver.connect(&remote, &ConnectOptions::default()).expect("the listener is there");
        let (stream, _) = eventually(driver, |driver| driver.accept(listener));
        assert_eq!(driver.local_address(stream), Ok(remote));
        assert_eq!(driver.set_option(stream, SocketOption::TimeToLive(9)), Ok(()));
        assert_eq!(driver.option(stream, OptionName::TimeToLive), Ok(SocketOption::TimeToLive(9)));
    }
}

/// A file of the system's folder for such, without a name.
fn nameless_file(driver: &mut dyn Driver, contents: &[u8]) -> Fd {
    let mut name = [0; 8];
    driver.entropy(&mut name).expect("the system has a generator");
    let path = std::env::temp_dir().join(format!("twinloop-real-{:016x}", u64::from_le_bytes(name)));
    let file = open(driver, &path, FileOptions::create()).expect("files can be made there");
    assert_eq!(done(driver, FileOperation::RemoveFile { path }), FileOutcome::Done);
    let bytes = contents.to_vec();
    assert_eq!(done(driver, FileOperation::Write { file, offset: 0, bytes }), FileOutcome::Done);
    file
}

fn open(driver: &mut dyn Driver, path: &Path, options: FileOptions) -> Option<Fd> {
    match done(driver, FileOperation::Open { path: path.to_owned(), options }) {
        FileOutcome::Opened(file) => Some(file),
        _ => None,
    }
}

/// What comes of an operation on files.
fn done(driver: &mut dyn Driver, operation: FileOperation) -> FileOutcome {
    let fd = driver.begin_file(operation).expect("a thread");
    let outcome = eventually(driver, |driver| driver.file_outcome(fd));
    driver.close(fd);
    outcome
}

/// R120: what the kernel took is told, also where it was less than was asked for; a full stream would wait.
#[test]
fn a_file_is_sent_until_the_stream_is_full() {
    const LENGTH: usize = 50_000_000;
    let driver: &mut dyn Driver = &mut driver();
    let (client, server) = pair(driver);
    let file = nameless_file(driver, b"hello world");
    assert_eq!(driver.send_file(client, file, 6, 0), Ok(0));
    match driver.send_file(client, file, 6, 3) {
        Ok(count) => assert_eq!(count, 3),
        Err(error) if error.is_would_block() && driver.capabilities().file_sends_go_on => {
            assert_eq!(eventually(driver, |driver| driver.send_file(client, file, 6, 3)), 3);
        }
        // This system has no such call.
        Err(error) => return assert_eq!(error.kind(), ErrorKind::Unsupported),
    }
    assert_eq!(eventually(driver, |driver| driver.send_file(client, file, 9, usize::MAX)), 2);
    assert_eq!(driver.send_file(client, file, 11, 1), Ok(0));
    let mut words = Vec::new();
    while words.len() < 5 {
        words.extend(receive(driver, server));
    }
    assert_eq!(words, b"world");

    let extended = FileOperation::SetLength { file, length: LENGTH as u64 };
    assert_eq!(done(driver, extended), FileOutcome::Done);
    let mut sent = 0;
    let full = loop {
        match driver.send_file(client, file, sent as u64, LENGTH) {
            Ok(count) => sent += count,
            Err(error) => break error,
        }
    };
    assert!(full.is_would_block() && sent < LENGTH, "{full} after {sent} bytes");

    let mut buffer = vec![0; 256 * 1024];
    let mut received = 0;
    while received < LENGTH {
        match driver.send_file(client, file, sent as u64, LENGTH) {
            Ok(count) => sent += count,
            Err(error) => assert!(error.is_would_block(), "{error}"),
        }
        match driver.recv(server, &mut buffer) {
            Ok(count) => received += count,
            Err(error) => {
                assert!(error.is_would_block(), "{error}");
                events(driver);
            }
        }
    }
    while sent < LENGTH {
        sent += eventually(driver, |driver| driver.send_file(client, file, sent as u64, LENGTH));
    }
    assert_eq!(sent, LENGTH);
    assert!(driver.recv(server, &mut [0]).is_err_and(OsError::is_would_block), "no byte is counted twice");
}

/// What has no places can not be sent by the kernel, and what is no stream can not be sent to.
#[test]
fn what_can_not_be_sent_by_the_kernel_is_refused() {
    let driver: &mut dyn Driver = &mut driver();
    let (client, _server) = pair(driver);
    let (listener, _) = listen(driver);
    let file = nameless_file(driver, b"contents");
    let unsupported = |answer: Result<usize, OsError>| {
        assert_eq!(answer.map_err(OsError::kind), Err(ErrorKind::Unsupported));
    };
    unsupported(driver.send_file(client, listener, 0, 1));
    unsupported(driver.send_file(file, file, 0, 1));
    driver.close(file);
    unsupported(driver.send_file(client, file, 0, 1));
    if let Some(device) = open(driver, Path::new("/dev/zero"), FileOptions::default()) {
        unsupported(driver.send_file(client, device, 0, 1));
    }
}

/// Against R150: no descriptor is handed on to the programs that this process starts.
#[cfg(target_os = "linux")]
#[test]
fn every_descriptor_is_closed_on_exec() {
    use std::os::fd::AsRawFd;

    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let mut driver = driver();
    let (listener, address) = listen(&mut driver);
    let client = driver.connect(&address, &ConnectOptions::default()).expect("the listener is there");
    let (server, _) = eventually(&mut driver, |driver| driver.accept(listener));
    let file = nameless_file(&mut driver, b"");
    let datagrams = driver.bind_datagram(&Address::loopback(0), &DatagramOptions::default());
    let datagrams = datagrams.expect("a free port");
    for fd in [listener, client, server, file, datagrams] {
        let number = match driver.descriptors.get(fd.key()).expect("it is open") {
            Descriptor::Socket(Socket::Listener(listener)) => listener.as_raw_fd(),
            Descriptor::Socket(Socket::Stream(stream)) => stream.socket.as_raw_fd(),
            Descriptor::Socket(Socket::Datagram(socket)) => socket.as_sock_ref().as_raw_fd(),
            Descriptor::File(file) => file.with_places().expect("it is a regular file").as_raw_fd(),
            other => unreachable!("{other:?} was not made here"),
        };
        let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).expect("Linux tells");
        let flags = told.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags are told");
        let flags = u32::from_str_radix(flags.trim(), 8).expect("flags are octal");
        assert_ne!(flags & CLOSE_ON_EXEC, 0, "{told}");
    }
}

#[test]
fn a_refused_connect_tells_why() {
    let driver: &mut dyn Driver = &mut driver();
    let (listener, address) = listen(driver);
    driver.close(listener);
    let error = match driver.connect(&address, &ConnectOptions::default()) {
        Ok(fd) => {
            edge(driver, fd, Readiness::WRITABLE | Readiness::ERROR);
            assert_eq!(driver.remote_address(fd).map_err(OsError::kind), Err(ErrorKind::NotConnected));
            let error = driver.take_error(fd).expect("the socket is open").expect("an error is pending");
            assert_eq!(driver.take_error(fd), Ok(None), "asking clears it");
            error
        }
        // The BSDs refuse at once on the loopback.
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(error.code().is_some());
}

#[test]
fn a_connect_starts_from_the_local_address_that_was_asked_for() {
    let driver: &mut dyn Driver = &mut driver();
    let (listener, address) = listen(driver);
    let local: Address = "127.0.0.1:0".parse().expect("an address");
    let client = driver.connect(&address, &ConnectOptions::default().local(local)).expect("a free port");
    let (_, peer) = eventually(driver, |driver| driver.accept(listener));
    assert_eq!(driver.local_address(client), Ok(peer));

    let taken = ConnectOptions::default().local(address);
    assert_eq!(driver.connect(&address, &taken).map_err(OsError::kind), Err(ErrorKind::AddrInUse));
}

#[test]
fn a_closed_descriptor_is_bad_in_every_call_and_silent() {
    let mut driver = driver();
    let (client, server) = pair(&mut driver);
    // As a child process has it between fork and exec; so epoll goes on to watch.
    let _copy = driver.socket(client).expect("it is open").as_sock_ref().try_clone().expect("a copy");
    driver.send(server, b"never read").expect("the client is there");
    driver.close(client);
    driver.close(client);
    let (listener, _) = listen(&mut driver);
    assert_ne!(listener, client, "a new descriptor in the same place has its own generation");

    let bad = OsError::BAD_DESCRIPTOR;
    assert_eq!(driver.recv(client, &mut [0]), Err(bad));
    assert_eq!(driver.send(client, b"x"), Err(bad));
    assert_eq!(driver.send_vectored(client, &[IoSlice::new(b"x")]), Err(bad));
    assert_eq!(driver.accept(client), Err(bad));
    assert_eq!(driver.take_error(client), Err(bad));
    assert_eq!(driver.shutdown(client, Half::Both), Err(bad));
    assert_eq!(driver.set_option(client, SocketOption::NoDelay(true)), Err(bad));
    assert_eq!(driver.local_address(client), Err(bad));
    assert_eq!(driver.remote_address(client), Err(bad));
    assert_eq!(driver.recv_from(client, &mut [0]), Err(bad));
    assert_eq!(driver.recv_many(client, &mut [0], 1, &mut Vec::new()), Err(bad));
    assert_eq!(driver.send_to(client, b"x", None), Err(bad));
    assert_eq!(driver.send_many(client, &[]), Err(bad));
    let mut told = Vec::new();
    driver.poll(Some(Duration::from_millis(10)), &mut told).expect("a poll");
    assert!(told.iter().all(|event| event.fd != client), "{told:?}");
}

#[test]
fn a_call_that_does_not_fit_the_socket_says_so() {
    let driver: &mut dyn Driver = &mut driver();
    let (client, _) = pair(driver);
    let (listener, _) = listen(driver);
    assert_eq!(driver.accept(client).map_err(OsError::kind), Err(ErrorKind::InvalidInput));
    assert_eq!(driver.recv(listener, &mut [0]).map_err(OsError::kind), Err(ErrorKind::NotConnected));
    assert_eq!(driver.remote_address(listener).map_err(OsError::kind), Err(ErrorKind::NotConnected));

    let unsupported = ErrorKind::Unsupported;
    assert_eq!(driver.recv_from(client, &mut [0]).map_err(OsError::kind), Err(unsupported));
    assert_eq!(driver.send_to(listener, b"x", None).map_err(OsError::kind), Err(unsupported));
    let datagrams = driver.bind_datagram(&Address::loopback(0), &DatagramOptions::default());
    let datagrams = datagrams.expect("a free port");
    assert_eq!(driver.recv(datagrams, &mut [0]).map_err(OsError::kind), Err(unsupported));
    assert_eq!(driver.send(datagrams, b"x").map_err(OsError::kind), Err(unsupported));
    assert_eq!(driver.accept(datagrams).map_err(OsError::kind), Err(unsupported));
    assert_eq!(driver.remote_address(datagrams).map_err(OsError::kind), Err(ErrorKind::NotConnected));
}

#[test]
fn an_edge_follows_each_would_block() {
    let driver: &mut dyn Driver = &mut driver();
    let (client, server) = pair(driver);
    for round in 0..3 {
        assert!(driver.recv(server, &mut [0; 16]).is_err_and(OsError::is_would_block));
        driver.send(client, &[round]).expect("the server is there");
        edge(driver, server, Readiness::READABLE);
        assert_eq!(driver.recv(server, &mut [0; 16]), Ok(1));
    }
}

#[test]
fn a_full_kernel_is_told_writable_once_the_peer_has_read() {
    let driver: &mut dyn Driver = &mut driver();
    let (client, server) = pair(driver);
    fill(driver, client);
    // What was told of the time before it was full must not be taken for the edge.
    driver.poll(Some(Duration::ZERO), &mut Vec::new()).expect("a poll");
    fill(driver, client);

    let mut told = Readiness::EMPTY;
    let mut buffer = vec![0; 256 * 1024];
    while !told.intersects(Readiness::WRITABLE) {
        while driver.recv(server, &mut buffer).is_ok() {}
        for event in events(driver).iter().filter(|event| event.fd == client) {
            told |= event.readiness;
        }
    }
    assert!(driver.send(client, b"more").is_ok());
}

/// Sends until the kernel takes no more.
fn fill(driver: &mut dyn Driver, fd: Fd) {
    let chunk = vec![7; 256 * 1024];
    let refusal = loop {
        if let Err(error) = driver.send(fd, &chunk) {
            break error;
        }
    };
    assert!(refusal.is_would_block(), "{refusal}");
}

#[test]
fn more_buffers_than_the_kernel_takes_are_a_short_count() {
    let driver: &mut dyn Driver = &mut driver();
    let (client, server) = pair(driver);
    let bytes: Vec<u8> = (0..3000).map(|n| (n % 251) as u8).collect();
    let buffers: Vec<IoSlice<'_>> = bytes.chunks(1).map(IoSlice::new).collect();
    let mut sent = 0;
    let mut received = Vec::new();
    while received.len() < bytes.len() {
        if sent < bytes.len() {
            sent += driver.send_vectored(client, &buffers[sent..]).expect("so little fits");
        }
        received.extend(receive(driver, server));
    }
    assert_eq!(received, bytes);
}

#[test]
fn the_end_of_a_stream_is_told_and_leaves_the_other_direction_alone() {
    let driver: &mut dyn Driver = &mut driver();
    let (client, server) = pair(driver);
    driver.send(client, b"last words").expect("the server is there");
    driver.shutdown(client, Half::Write).expect("the stream is connected");
    let mut words = Vec::new();
    let mut told = Readiness::EMPTY;
    while !told.intersects(Readiness::READ_CLOSED) {
        told |= edge(driver, server, Readiness::READABLE | Readiness::READ_CLOSED);
        // Wine tells the end once everything before it was read, epoll and kqueue at once.
        let mut buffer = [0; 16];
        while let Ok(count @ 1..) = driver.recv(server, &mut buffer) {
            words.extend_from_slice(&buffer[..count]);
        }
    }
    assert_eq!(words, b"last words");
    assert_eq!(driver.recv(server, &mut [0; 16]), Ok(0));

    driver.send(server, b"still here").expect("only one direction has ended");
    assert_eq!(receive(driver, client), b"still here");
}

#[test]
fn a_stream_whose_peer_is_gone_fails_to_send() {
    let driver: &mut dyn Driver = &mut driver();
    let (client, server) = pair(driver);
    driver.close(server);
    edge(driver, client, Readiness::READ_CLOSED);
    // The first one makes the peer's kernel answer with a reset.
    driver.send(client, b"anyone?").expect("the reset is not here yet");
    edge(driver, client, Readiness::ERROR | Readiness::WRITE_CLOSED);
    let error = driver.send_vectored(client, &[IoSlice::new(b"no")]).expect_err("the stream is reset");
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

#[test]
fn connections_wait_in_the_backlog() {
    let driver: &mut dyn Driver = &mut driver();
    let largest = ListenOptions::default().backlog(u32::MAX);
    let listener =
        driver.listen(&Address::loopback(0), &largest).expect("the system lowers what is too much");
    let address = driver.local_address(listener).expect("a listener is bound");
    let clients: Vec<Fd> = (0..50)
        .map(|_| driver.connect(&address, &ConnectOptions::default()).expect("the listener is there"))
        .collect();
    for client in &clients {
        eventually(driver, |driver| driver.remote_address(*client));
    }
    for _ in &clients {
        eventually(driver, |driver| driver.accept(listener));
    }
    assert!(driver.accept(listener).is_err_and(OsError::is_would_block));
}

#[test]
fn a_port_in_use_is_refused() {
    let driver: &mut dyn Driver = &mut driver();
    let (_, address) = listen(driver);
    let second = driver.listen(&address, &ListenOptions::default());
    assert_eq!(second.map_err(OsError::kind), Err(ErrorKind::AddrInUse));
}

#[test]
fn ipv6_is_as_good() {
    let driver: &mut dyn Driver = &mut driver();
    let any_port = Address::from((Ipv6Addr::LOCALHOST, 0));
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        assert!(driver.listen(&any_port, &ListenOptions::default()).is_err(), "this machine has no IPv6");
        return;
    }
    let listener = driver.listen(&any_port, &ListenOptions::default()).expect("this machine has IPv6");
    let address = driver.local_address(listener).expect("a listener is bound");
    let client = driver.connect(&address, &ConnectOptions::default()).expect("the listener is there");
    let (server, peer) = eventually(driver, |driver| driver.accept(listener));
    assert_eq!(driver.local_address(client), Ok(peer));
    driver.send(server, b"six").expect("the client is there");
    assert_eq!(receive(driver, client), b"six");
}

#[test]
fn an_unpark_ends_a_wait_that_goes_on_and_one_to_come() {
    let mut driver = driver();
    let unparker = driver.unparker();
    let start = driver.now();
    let mut events = Vec::new();

    unparker.unpark();
    unparker.unpark();
    driver.poll(Some(PATIENCE), &mut events).expect("a poll");
    assert!(driver.now() - start < PATIENCE);

    for _ in 0..100 {
        std::thread::scope(|scope| {
            scope.spawn(|| unparker.unpark());
            driver.poll(Some(PATIENCE), &mut events).expect("a poll");
        });
        assert!(driver.now() - start < PATIENCE);
    }
    assert_eq!(events, []);
}

#[test]
fn a_wait_without_events_lasts_as_long_as_asked() {
    let mut driver = driver();
    let wait = Duration::from_millis(3);
    let start = driver.now();
    driver.poll(Some(wait), &mut Vec::new()).expect("a poll");
    assert!(driver.now() - start >= wait);
}

#[test]
fn entropy_differs() {
    let driver: &mut dyn Driver = &mut driver();
    let (mut first, mut second) = ([0; 32], [0; 32]);
    driver.entropy(&mut first).expect("the system has a generator");
    driver.entropy(&mut second).expect("the system has a generator");
    assert_ne!(first, second);
}
