//! recvmmsg(2) and sendmmsg(2), which no safe wrapper has: many datagrams in one call, on Linux.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::ptr;

use mio::net::UdpSocket;
use socket2::{SockAddr, SockAddrStorage};

/// What Linux takes at once at most (`UIO_MAXIOV`).
const COUNT_MAX: usize = 1024;

/// Receives into `slots`, in order, as many datagrams as are there. Tells of each its length, whether more of it is lost, and
/// who sent it. An error behind the first one is kept by the kernel for the next call.
pub(crate) fn receive_datagrams<'a>(
    socket: &UdpSocket,
    slots: impl Iterator<Item = &'a mut [u8]>,
    mut tell: impl FnMut(usize, bool, SocketAddr),
) -> io::Result<()> {
    let mut parts: Vec<libc::iovec> = slots
        .take(COUNT_MAX)
        .map(|slot| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() })
        .collect();
    let mut sources: Vec<SockAddrStorage> = parts.iter().map(|_| SockAddrStorage::zeroed()).collect();
    let mut headers: Vec<libc::mmsghdr> = parts
        .iter_mut()
        .zip(&mut sources)
        .map(|(part, source)| {
            let length = source.size_of();
            header(part, ptr::from_mut(source).cast(), length)
        })
        .collect();
    // SAFETY: each header names one part and one source, which live, unmoved, to the end of this function, and so do the
    // slots behind the parts, which nothing else can reach: they are borrowed for `'a`. The lengths are theirs.
    let answer = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            headers.len() as libc::c_uint,
            libc::MSG_DONTWAIT as _,
            ptr::null_mut(),
        )
    };
    let count = usize::try_from(answer).map_err(|_| io::Error::last_os_error())?;
    let told: Vec<(usize, libc::c_int, libc::socklen_t)> = headers[..count]
        .iter()
        .map(|header| (header.msg_len as usize, header.msg_hdr.msg_flags, header.msg_hdr.msg_namelen))
        .collect();
    for ((length, flags, name_length), source) in told.into_iter().zip(sources) {
        // SAFETY: the kernel has written an address of this length there, and it is that of an IP socket's peer.
        let source = unsafe { SockAddr::new(source, name_length) };
        let source = source.as_socket().ok_or(io::ErrorKind::InvalidData)?;
        tell(length, flags & libc::MSG_TRUNC != 0, source);
    }
    Ok(())
}

/// Sends `datagrams`, in order, to the peers that are named, or to the only peer of a connected socket. Says how many
/// were sent.
pub(crate) fn send_datagrams(
    socket: &UdpSocket,
    datagrams: &[(&[u8], Option<SocketAddr>)],
) -> io::Result<usize> {
    let datagrams = &datagrams[..datagrams.len().min(COUNT_MAX)];
    let remotes: Vec<Option<SockAddr>> =
        datagrams.iter().map(|(_, remote)| remote.map(SockAddr::from)).collect();
    let mut parts: Vec<libc::iovec> = datagrams
        .iter()
        .map(|(bytes, _)| libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() })
        .collect();
    let mut headers: Vec<libc::mmsghdr> = parts
        .iter_mut()
        .zip(&remotes)
        .map(|(part, remote)| match remote {
            Some(remote) => header(part, remote.as_ptr().cast_mut().cast(), remote.len()),
            None => header(part, ptr::null_mut(), 0),
        })
        .collect();
    // SAFETY: each header names one part and at most one remote, which live, unmoved, to the end of this function, as do the
    // bytes behind the parts. The kernel only reads all of them, and the lengths are theirs.
    let answer = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            headers.len() as libc::c_uint,
            libc::MSG_DONTWAIT as _,
        )
    };
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// The header of one datagram: where its bytes are, and the address of its other end.
fn header(part: &mut libc::iovec, name: *mut libc::c_void, length: libc::socklen_t) -> libc::mmsghdr {
    // SAFETY: all fields are numbers and pointers, for which zeros are values. Musl's structure has private padding, so that it
    // can not be written as a literal.
    let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
    header.msg_hdr.msg_name = name;
    header.msg_hdr.msg_namelen = length;
    header.msg_hdr.msg_iov = part;
    header.msg_hdr.msg_iovlen = 1;
    header
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::thread;

    use super::*;

    /// Two sockets at the loopback; the second is connected to the first.
    fn pair() -> (UdpSocket, UdpSocket) {
        let [first, second] = [(); 2].map(|()| UdpSocket::bind(([127, 0, 0, 1], 0).into()));
        let (first, second) = (first.expect("a free port"), second.expect("a free port"));
        second.connect(first.local_addr().expect("it is bound")).expect("the loopback is there");
        (first, second)
    }

    fn receive(
        socket: &UdpSocket,
        buffer: &mut [u8],
        slot: usize,
    ) -> io::Result<Vec<(usize, bool, SocketAddr)>> {
        let mut told = Vec::new();
        receive_datagrams(socket, buffer.chunks_exact_mut(slot), |length, truncated, source| {
            told.push((length, truncated, source));
        })?;
        Ok(told)
    }

    #[test]
    fn what_is_there_comes_in_one_call_each_in_its_slot() {
        let (receiver, sender) = pair();
        let source = sender.local_addr().expect("it is bound");
        let sent = send_datagrams(&sender, &[(b"one", None), (b"", None), (b"three", None)]);
        assert_eq!(sent.expect("the receiver is there"), 3);
        let mut buffer = [0; 16];
        let told = receive(&receiver, &mut buffer, 4).expect("datagrams are there");
        assert_eq!(told, [(3, false, source), (0, false, source), (4, true, source)]);
        assert_eq!(&buffer, b"one\0\0\0\0\0thre\0\0\0\0");
        let nothing = receive(&receiver, &mut buffer, 4).expect_err("all were taken");
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn each_datagram_goes_to_its_own_target() {
        let (first, sender) = pair();
        let (second, _) = pair();
        let sender_of_both = UdpSocket::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let targets = [&first, &second].map(|socket| socket.local_addr().ok());
        let sent = send_datagrams(&sender_of_both, &[(b"a", targets[0]), (b"bb", targets[1])]);
        assert_eq!(sent.expect("both are there"), 2);
        for (socket, length) in [(&first, 1), (&second, 2)] {
            let told = receive(socket, &mut [0; 8], 8).expect("it has one");
            assert_eq!(told.iter().map(|(length, ..)| *length).collect::<Vec<_>>(), [length]);
        }
        drop(sender);
    }

    #[test]
    fn a_refused_datagram_ends_the_count_unless_it_is_the_first() {
        let (_receiver, sender) = pair();
        let too_large = vec![0; 70_000];
        assert_eq!(send_datagrams(&sender, &[(b"fits", None), (&too_large, None)]).ok(), Some(1));
        let refused = send_datagrams(&sender, &[(&too_large, None)]).expect_err("it is too large");
        assert_eq!(refused.raw_os_error(), Some(libc::EMSGSIZE));
    }

    /// R154: the kernel tells what an earlier datagram has caused, by either call, and once.
    #[test]
    fn a_refusal_by_the_peer_is_told_once() {
        let (receiver, sender) = pair();
        drop(receiver);
        sender.send(b"is anybody there?").expect("it is not known yet");
        let refused = loop {
            match receive(&sender, &mut [0; 8], 8) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                outcome => break outcome.expect_err("nobody is there"),
            }
        };
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let nothing = receive(&sender, &mut [0; 8], 8).expect_err("it was told");
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }
}
