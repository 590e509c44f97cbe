//! What Linux answers where a program asks for what can not be, with its numbers: the simulated kernel says the same.

use std::error::Error;
use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt;

use twinloop::driver::{DatagramOptions, Half, Interface};
use twinloop::fs::{create_dir, remove_file};
use twinloop::transport::create_fifo;
use twinloop::{
    Address, DatagramTransport, ErrorKind, File, StreamServer, StreamTransport, TransportError, connect,
};

use crate::{on_real, on_sim};

const EBADF: i32 = 9;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const EFBIG: i32 = 27;
const ENOPROTOOPT: i32 = 92;
const EOPNOTSUPP: i32 = 95;
const EADDRINUSE: i32 = 98;
const EADDRNOTAVAIL: i32 = 99;
const ENETUNREACH: i32 = 101;
const ENOTCONN: i32 = 107;

type Outcome = Result<(), Box<dyn Error>>;

fn on_both<F: Future<Output = Outcome> + 'static>(case: impl Fn() -> F + Clone + Send + 'static) {
    on_real::run(case.clone());
    on_sim::run(case);
}

#[track_caller]
fn code<T>(answer: Result<T, TransportError>) -> i32 {
    let Err(error) = answer else { panic!("it succeeded") };
    error.code().unwrap_or_else(|| panic!("no system said this: {error}"))
}

/// Refused before any system was asked.
#[track_caller]
fn is_refused<T>(answer: Result<T, TransportError>) {
    let Err(error) = answer else { panic!("it succeeded") };
    let kind = ErrorKind::Os(io::ErrorKind::InvalidInput);
    assert_eq!((error.kind(), error.code()), (kind, None), "{error}");
}

async fn file() -> Result<File, TransportError> {
    let path = std::env::temp_dir().join("twinloop-linux-answers");
    let file = File::create(&path).await?;
    remove_file(&path).await?;
    Ok(file)
}

/// The path would end at its NUL byte, and another file be meant.
#[test]
fn a_path_with_a_nul_byte_is_refused() {
    on_both(|| async {
        const PATH: &str = "/tmp/a\0b";
        is_refused(File::open(PATH).await);
        is_refused(File::create(PATH).await);
        is_refused(remove_file(PATH).await);
        is_refused(create_dir(PATH).await);
        is_refused(create_fifo(PATH, Half::Read));
        Ok(())
    });
}

/// Offsets have a sign, and what is read or written ends at one too. Lengths that no file can have are told apart from them.
#[test]
fn offsets_end_where_their_sign_begins() {
    on_both(|| async {
        const MOST: u64 = i64::MAX as u64;
        let file = file().await?;
        for offset in [MOST + 1, u64::MAX, MOST, MOST - 3] {
            assert_eq!(code(file.read_at(offset, &mut [0; 4]).await), EINVAL, "{offset}");
            assert_eq!(code(file.write_at(offset, b"four").await), EINVAL, "{offset}");
        }
        assert_eq!(file.read_at(MOST - 4, &mut [0; 4]).await?, 0);
        assert_eq!(code(file.write_at(MOST - 4, b"four").await), EFBIG);
        is_refused(file.set_length(MOST + 1).await);
        assert_eq!(code(file.set_length(MOST).await), EFBIG);
        Ok(())
    });
}

/// As above, for what is sent; the stream goes on.
#[test]
fn a_file_is_not_sent_from_where_no_offset_is() {
    on_both(|| async {
        let (stream, peer) = StreamTransport::pair()?;
        let file = file().await?;
        file.write_at(0, b"content").await?;
        for offset in [i64::MAX as u64 + 1, u64::MAX, i64::MAX as u64] {
            for length in [None, Some(4)] {
                assert_eq!(code(stream.write_file(&file, offset, length).await), EINVAL, "{offset}");
            }
        }
        assert_eq!(stream.write_file(&file, 3, Some(u64::MAX)).await?, 4);
        stream.shutdown().await?;
        assert_eq!(peer.read_to_end(100).await?, b"tent");
        Ok(())
    });
}

/// What has no places is sent from where it stands, whatever offset is asked for.
#[test]
fn a_fifo_is_sent_from_any_offset() {
    on_both(|| async {
        let path = std::env::temp_dir().join("twinloop-linux-answers-fifo");
        let _reader = create_fifo(&path, Half::Read)?;
        let writer = create_fifo(&path, Half::Write)?;
        let file = File::open(&path).await?;
        remove_file(&path).await?;
        writer.write(b"content").await?;
        let (stream, peer) = StreamTransport::pair()?;
        assert_eq!(stream.write_file(&file, u64::MAX, Some(7)).await?, 7);
        stream.shutdown().await?;
        assert_eq!(peer.read_to_end(100).await?, b"content");
        Ok(())
    });
}

fn at(address: &str) -> Address {
    address.parse().expect("it is written as an address")
}

/// What is an option of IP is none of a Unix stream, and an address that is taken is no matter of rights.
#[test]
fn refusals_have_the_numbers_of_linux() {
    on_both(|| async {
        let (stream, _peer) = StreamTransport::pair()?;
        assert_eq!(code(stream.set_no_delay(true)), EOPNOTSUPP);
        let alone = DatagramTransport::bind(Address::loopback(0))?;
        assert_eq!(code(DatagramTransport::bind(alone.local_address())), EADDRINUSE);
        let shared = DatagramOptions::default().reuse_address(true);
        assert_eq!(code(DatagramTransport::bind_with(alone.local_address(), &shared)), EADDRINUSE);
        Ok(())
    });
}

/// Streams go to one host. They may be bound to a group of IPv4, at which nothing ever comes.
#[test]
fn no_stream_goes_to_a_group() {
    on_both(|| async {
        for many in ["255.255.255.255:7", "127.255.255.255:7", "224.0.0.1:7", "[ff02::1]:7"] {
            assert_eq!(code(connect(at(many)).await), ENETUNREACH, "{many}");
        }
        for many in ["255.255.255.255:0", "127.255.255.255:0", "224.0.0.1:0"] {
            let local = StreamServer::listen(at(many))?.local_address();
            assert_eq!(local.as_ip().map(|local| local.ip()), at(many).as_ip().map(|many| many.ip()));
        }
        for group in ["[ff02::1]:0", "[ff05::1]:0", "[ff0e::1]:0", "[fe80::1]:0"] {
            assert_eq!(code(StreamServer::listen(at(group))), EINVAL, "{group}");
        }
        Ok(())
    });
}

/// A datagram socket says nothing to port 0: connected to it, it has no peer. And an address of one link says nothing without
/// a device.
#[test]
fn datagram_sockets_need_a_port_and_a_link() {
    on_both(|| async {
        assert_eq!(code(DatagramTransport::connect(at("127.0.0.1:0"))), ENOTCONN);
        assert_eq!(code(DatagramTransport::connect(at("[::1]:0"))), ENOTCONN);
        let socket = DatagramTransport::bind(Address::loopback(0))?;
        assert_eq!(code(socket.send_to(b"x", at("127.0.0.1:0")).await), EINVAL);
        for local in ["[ff02::1]:0", "[fe80::1]:0"] {
            assert_eq!(code(DatagramTransport::bind(at(local))), EINVAL, "{local}");
            assert_eq!(code(DatagramTransport::connect(at(local))), EINVAL, "{local}");
        }
        Ok(())
    });
}

/// A group is joined at a device that is there, and left only where it was joined.
#[test]
fn groups_are_joined_at_devices_by_their_numbers() {
    on_both(|| async {
        let socket = DatagramTransport::bind(Address::any(0))?;
        let group = std::net::Ipv4Addr::new(239, 1, 2, 3);
        for interface in [Interface::Index(1), Interface::Address([127, 0, 0, 1].into())] {
            socket.join(group, interface)?;
            socket.leave(group, interface)?;
            assert_eq!(code(socket.leave(group, interface)), EADDRNOTAVAIL);
        }
        for nowhere in [Interface::Index(77_777), Interface::Address([9, 9, 9, 9].into())] {
            assert_eq!(code(socket.join(group, nowhere)), ENODEV);
            assert_eq!(code(socket.leave(group, nowhere)), EADDRNOTAVAIL);
        }
        let host = std::net::Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!(code(socket.join(host, Interface::Index(1))), EINVAL);
        assert_eq!(code(socket.leave(host, Interface::Index(1))), EADDRNOTAVAIL);
        let of_v6: std::net::Ipv6Addr = "ff0e::1".parse()?;
        assert_eq!(code(socket.join(of_v6, Interface::Index(1))), ENOPROTOOPT);
        is_refused(socket.join(of_v6, Interface::Address([127, 0, 0, 1].into())));
        Ok(())
    });
}

/// A file that is not open for a thing says so before it looks at where.
#[test]
fn what_a_file_is_open_for_comes_before_the_place() {
    on_both(|| async {
        let path = std::env::temp_dir().join("twinloop-linux-answers-read");
        File::create(&path).await?;
        let file = File::open(&path).await?;
        remove_file(&path).await?;
        assert_eq!(code(file.write_at(i64::MAX as u64, b"four").await), EBADF);
        assert_eq!(code(file.write_at(u64::MAX, b"four").await), EINVAL);
        Ok(())
    });
}

/// The system tells who is at the other end of a Unix stream. In a simulation all are one.
#[test]
fn the_peer_of_a_unix_stream_is_a_process_and_its_user() {
    on_real::run(|| async {
        let (near, _far) = StreamTransport::pair()?;
        let peer = near.peer_credentials()?;
        let own = std::fs::metadata("/proc/self")?;
        assert_eq!((peer.process, peer.user, peer.group), (std::process::id(), own.uid(), own.gid()));
        Ok(())
    });
    on_sim::run(|| async {
        let (near, far) = StreamTransport::pair()?;
        assert_eq!(near.peer_credentials()?, far.peer_credentials()?);
        Ok(())
    });
}
