//! A host's sockets and pipes as they are seen from outside.

use twinloop::driver::Half;
use twinloop::transport::{create_fifo, open_fifo, pipe};
use twinloop::{Address, DatagramTransport, StreamServer, StreamTransport, connect, sleep};
use twinloop_sim::{Controls, Protocol, Socket, SocketOwner, SocketState, Units};

use super::{Outcome, pass, world};

#[test]
fn netstat_shows_states_and_queues() {
    let report = world(
        |_| {},
        |controls, address| async move {
            sleep(1.us()).await;
            let of_first = |state: SocketState| controls.netstat("first").in_state(state).count();
            assert_eq!(controls.netstat("echo").in_state(SocketState::Listen).count(), 1);
            let stream = connect(address).await?;
            sleep(10.ms()).await;
            // The answer has come, and the end with it.
            let netstat = controls.netstat("first");
            let socket =
                netstat.sockets.iter().find(|socket| socket.remote.is_some()).expect("it is connected");
            assert_eq!((socket.receive_queue, socket.send_queue), (1, 0));
            assert!(matches!(socket.owner, SocketOwner::Program(_)));
            assert_eq!(netstat.queued().count(), 1);
            let cut = controls.partition("first", "echo");
            sleep(1.us()).await;
            stream.write(b"12345").await?;
            assert_eq!(controls.netstat("first").sockets[0].send_queue, 5, "{}", controls.netstat("first"));
            drop(cut);
            sleep(1.s()).await;
            assert_eq!(of_first(SocketState::CloseWait) + of_first(SocketState::Closed), 1);
            drop(stream);
            sleep(10.ms()).await;
            let text = controls.netstat("echo").to_string();
            assert!(text.lines().any(|line| line.starts_with("tcp   LISTEN ")), "{text}");
            assert!(text.lines().any(|line| line.starts_with("udp   UNCONN ")), "{text}");
            Ok(())
        },
    );
    pass(&report);
}

/// The sockets of the host that looks, which speak this, in the order of their descriptors.
fn own(controls: &Controls, protocol: Protocol) -> Vec<Socket> {
    let sockets = controls.netstat("first").sockets.into_iter();
    sockets.filter(|socket| socket.protocol == protocol).collect()
}

fn queues(sockets: &[Socket]) -> Vec<(usize, usize)> {
    sockets.iter().map(|socket| (socket.receive_queue, socket.send_queue)).collect()
}

fn states(sockets: &[Socket]) -> Vec<SocketState> {
    sockets.iter().map(|socket| socket.state).collect()
}

/// Has a host look at what it has itself.
fn at_home<F>(program: impl FnOnce(Controls) -> F + Clone + 'static)
where
    F: Future<Output = Outcome> + 'static,
{
    pass(&world(|_| {}, |controls, _| async move { program(controls).await }));
}

#[test]
fn netstat_shows_streams_of_unix_sockets() {
    at_home(|controls| async move {
        use SocketState::{CloseWait, Closed, Established, FinWait2, Listen};
        let name = Address::unix("/run/db.sock")?;
        let server = StreamServer::listen(name)?;
        let client = connect(name).await?;
        client.write(b"12345").await?;
        let seen = own(&controls, Protocol::UnixStream);
        assert_eq!(states(&seen), [Listen, Established, Established]);
        // One waits to be accepted; it has what was sent.
        assert_eq!((seen[0].receive_queue, seen[0].local), (1, name));
        assert_eq!(queues(&seen[1..]), [(0, 5), (5, 0)]);
        assert_eq!((seen[1].remote, seen[2].owner), (Some(name), SocketOwner::Backlog));

        let accepted = server.accept().await?;
        client.shutdown().await?;
        let seen = own(&controls, Protocol::UnixStream);
        assert_eq!(states(&seen), [Listen, FinWait2, CloseWait]);
        assert!(matches!(seen[2].owner, SocketOwner::Program(_)));
        assert_eq!(accepted.read_to_end(10).await?, b"12345");
        accepted.close().await;
        let seen = own(&controls, Protocol::UnixStream);
        assert_eq!(states(&seen), [Listen, Closed]);
        assert_eq!((queues(&seen)[1], seen[1].remote), ((0, 0), None));
        let text = controls.netstat("first").to_string();
        assert!(
            text.lines().any(|line| line.starts_with("u_str LISTEN ") && line.contains("/run/db.sock")),
            "{text}"
        );
        assert!(text.lines().any(|line| line.starts_with("u_str CLOSED ") && line.contains(" * ")), "{text}");
        Ok(())
    });
}

#[test]
fn netstat_shows_letters_of_unix_sockets() {
    at_home(|controls| async move {
        use SocketState::{Established, Unconnected};
        let name = Address::unix("/run/log.sock")?;
        let log = DatagramTransport::bind(name)?;
        let sender = DatagramTransport::connect(name)?;
        sender.send(b"one").await?;
        sender.send(b"three").await?;
        let seen = own(&controls, Protocol::UnixDatagram);
        assert_eq!(states(&seen), [Unconnected, Established]);
        assert_eq!(queues(&seen), [(8, 0), (0, 8)]);
        assert_eq!((seen[0].remote, seen[1].remote), (None, Some(name)));
        log.recv_from(&mut [0; 8]).await?;
        assert_eq!(queues(&own(&controls, Protocol::UnixDatagram)), [(5, 0), (0, 5)]);
        Ok(())
    });
}

#[test]
fn netstat_shows_pipes() {
    at_home(|controls| async move {
        use SocketState::{Closed, Established};
        let (reader, writer) = pipe()?;
        writer.write(b"1234").await?;
        let seen = own(&controls, Protocol::Pipe);
        assert_eq!(states(&seen), [Established, Established]);
        assert_eq!(queues(&seen), [(4, 0), (0, 4)]);
        drop(writer);
        sleep(1.us()).await;
        let seen = own(&controls, Protocol::Pipe);
        assert_eq!((states(&seen), queues(&seen)), (vec![Closed], vec![(4, 0)]));
        assert_eq!(reader.read_to_end(10).await?, b"1234");
        drop(reader);

        let reader = create_fifo("/run/commands", Half::Read)?;
        let writer = open_fifo("/run/commands", Half::Write)?;
        let seen = own(&controls, Protocol::Pipe);
        let stands_there = |socket: &Socket| socket.local.to_string() == "/run/commands";
        assert!(seen.len() == 2 && seen.iter().all(stands_there), "{seen:?}");
        drop((reader, writer));
        Ok(())
    });
}

/// Nobody who forgets to read from the other end of a pair is overlooked.
#[test]
fn what_is_queued_inside_of_a_host_is_queued() {
    at_home(|controls| async move {
        let (near, far) = StreamTransport::pair()?;
        assert_eq!(controls.netstat("first").queued().count(), 0);
        near.write(b"unread").await?;
        assert_eq!(controls.netstat("first").queued().count(), 2);
        drop(far);
        Ok(())
    });
}
