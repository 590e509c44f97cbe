//! Adopted descriptors on the real kernel: pipes and sockets that the dispatcher did not make. Turns are made one by one.

#[cfg(target_os = "linux")]
mod kinds;

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use twinloop::driver::{Fd, OsError};
use twinloop::{AsyncCallback, Dispatcher, Handle, Pending, PollError, WatchError, timeout};
use twinloop_real::{Adopted, RealDriver};

/// A bound against a hang; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(20);

fn dispatcher() -> Dispatcher {
    Dispatcher::new(Box::new(RealDriver::new().expect("the system gives a selector")))
}

/// The ends of a connection inside of this process, which do not block.
fn pair() -> (UnixStream, UnixStream) {
    let (one, other) = UnixStream::pair().expect("the system gives a pair");
    for end in [&one, &other] {
        end.set_nonblocking(true).expect("a socket can be made non-blocking");
    }
    (one, other)
}

fn adopt<T: AsFd + 'static>(dispatcher: &Dispatcher, io: T) -> Adopted<T> {
    let _scope = dispatcher.handle().enter();
    Adopted::new(io).expect("the selector takes it")
}

type Function = Rc<dyn Fn(&Handle)>;

thread_local! {
    /// Closures behind callbacks; the thread of the test is their life.
    static CALLS: RefCell<Vec<Function>> = const { RefCell::new(Vec::new()) };
}

fn calling(function: impl Fn(&Handle) + 'static) -> AsyncCallback {
    let word = CALLS.with_borrow_mut(|calls| {
        calls.push(Rc::new(function));
        calls.len() - 1
    });
    let call = |handle: &Handle, word: usize| {
        let function = CALLS.with_borrow(|calls| Rc::clone(&calls[word]));
        function(handle);
    };
    AsyncCallback::new(call, word)
}

/// A callback that counts its calls.
fn counting(count: &Rc<Cell<usize>>) -> AsyncCallback {
    let count = Rc::clone(count);
    calling(move |_| count.set(count.get() + 1))
}

/// Turns, none of which waits.
fn turns(dispatcher: &Dispatcher, count: usize) {
    for _ in 0..count {
        dispatcher.handle().call_soon(AsyncCallback::new(|_, _| {}, 0));
        dispatcher.poll().expect("a callback is queued");
    }
}

/// Writes until the kernel takes no more.
fn fill(mut stream: &UnixStream) {
    let refusal = loop {
        if let Err(error) = stream.write(&[7; 4096]) {
            break error;
        }
    };
    assert_eq!(refusal.kind(), ErrorKind::WouldBlock);
}

/// R70: a reader is called once a turn for as long as there is something to read, although nobody tells the loop what was
/// read; drained, it is not called; and not once it is removed.
#[test]
fn a_reader_is_called_once_a_turn_while_there_is_something_to_read() {
    let (dispatcher, calls) = (dispatcher(), Rc::default());
    let (stream, mut peer) = pair();
    let mut adopted = adopt(&dispatcher, stream);
    dispatcher.handle().add_reader(adopted.fd(), counting(&calls)).expect("it has no reader");
    turns(&dispatcher, 3);
    assert_eq!(calls.get(), 0, "there is nothing to read");
    for round in 1..=2 {
        peer.write_all(b"xyz").expect("there is room");
        turns(&dispatcher, 5);
        assert_eq!(calls.get(), round * 10 - 5);
        assert_eq!(adopted.get_mut().read(&mut [0; 2]).expect("there are three bytes"), 2);
        turns(&dispatcher, 5);
        assert_eq!(calls.get(), round * 10, "one byte is left");
        assert_eq!(adopted.get_mut().read(&mut [0; 2]).expect("there is one"), 1);
        turns(&dispatcher, 5);
        assert_eq!(calls.get(), round * 10, "it is drained");
    }
    peer.write_all(b"xyz").expect("there is room");
    assert!(dispatcher.handle().remove_reader(adopted.fd()));
    turns(&dispatcher, 5);
    assert_eq!(calls.get(), 20, "a removed reader was called");
}

/// R70: without anything else to do, the turns of a ready descriptor do not wait, and one that is drained ends them.
#[test]
fn a_descriptor_alone_keeps_the_loop_turning_while_it_is_ready() {
    let dispatcher = dispatcher();
    let (stream, mut peer) = pair();
    peer.write_all(b"abcde").expect("there is room");
    let adopted = Rc::new(adopt(&dispatcher, stream));
    let (inner, got) = (Rc::clone(&adopted), Rc::new(RefCell::new(Vec::new())));
    let received = Rc::clone(&got);
    let reading = calling(move |_| {
        let mut byte = [0];
        inner.get_ref().read_exact(&mut byte).expect("it is called while there is something to read");
        received.borrow_mut().extend(byte);
    });
    dispatcher.handle().add_reader(adopted.fd(), reading).expect("it has no reader");
    for turn in 1..=5 {
        dispatcher.poll().expect("the descriptor is watched");
        assert_eq!(got.borrow().len(), turn);
    }
    assert_eq!(*got.borrow(), b"abcde");
    turns(&dispatcher, 5);
}

/// R72, R73: both directions of one descriptor are called each turn, the reader first, and neither stands for the other.
#[test]
fn reader_and_writer_are_called_alike_and_apart() {
    let (dispatcher, log) = (dispatcher(), Rc::new(RefCell::new(String::new())));
    let (stream, mut peer) = pair();
    peer.write_all(b"x").expect("there is room");
    let adopted = adopt(&dispatcher, stream);
    let (handle, fd) = (dispatcher.handle(), adopted.fd());
    let logging = |entry: char| {
        let log = Rc::clone(&log);
        calling(move |_| log.borrow_mut().push(entry))
    };
    handle.add_writer(fd, logging('w')).expect("it has no writer");
    handle.add_reader(fd, logging('r')).expect("it has no reader");
    turns(&dispatcher, 3);
    assert_eq!(log.take(), "rwrwrw");
    assert!(handle.remove_reader(fd));
    assert!(!handle.remove_reader(fd));
    turns(&dispatcher, 3);
    assert_eq!(log.take(), "www");
    fill(adopted.get_ref());
    turns(&dispatcher, 3);
    assert_eq!(log.take(), "", "the kernel is full");
    handle.add_reader(fd, logging('r')).expect("it has no reader any more");
    turns(&dispatcher, 3);
    assert_eq!(log.take(), "rrr");
}

/// Against R71: a second watcher is refused with the place of the first, which stays.
#[test]
fn a_second_watcher_is_refused_with_the_place_of_the_first() {
    let (dispatcher, first, second) = (dispatcher(), Rc::default(), Rc::default());
    let adopted = adopt(&dispatcher, pair().0);
    dispatcher.handle().add_reader(adopted.fd(), counting(&first)).expect("it has no reader");
    let line = line!() - 1;
    let refusal = dispatcher.handle().add_reader(adopted.fd(), counting(&second));
    assert!(matches!(refusal, Err(WatchError::Taken(place)) if place.line() == line), "{refusal:?}");
    turns(&dispatcher, 3);
    assert_eq!((first.get(), second.get()), (3, 0), "the peer is gone, which is a level");
}

/// R69: a descriptor that nobody watches wakes nobody, not even when its peer hangs up.
#[test]
fn a_hangup_that_nobody_watches_does_not_spin() {
    let (dispatcher, calls, fired) = (dispatcher(), Rc::default(), Rc::new(Cell::new(0)));
    let (stream, peer) = pair();
    let adopted = adopt(&dispatcher, stream);
    let handle = dispatcher.handle();
    for watch in [false, true] {
        if watch {
            handle.add_reader(adopted.fd(), counting(&calls)).expect("it has no reader");
            turns(&dispatcher, 2);
            assert!(handle.remove_reader(adopted.fd()));
        }
        assert_eq!(dispatcher.poll(), Err(PollError::NothingPending));
        if !watch {
            peer.shutdown(Shutdown::Both).expect("it is connected");
        }
    }
    assert_eq!(calls.get(), 2);
    let _timer = handle.add_timer(handle.now() + Duration::from_millis(30), counting(&fired));
    let mut turns = 0;
    while fired.get() == 0 {
        dispatcher.poll().expect("a timer is pending");
        turns += 1;
    }
    assert!(turns <= 3, "{turns} turns for one timer");
}

/// R75: of two readers that are due in one turn and remove each other, one runs.
#[test]
fn removal_recalls_a_callback_that_is_queued() {
    let (dispatcher, calls) = (dispatcher(), Rc::new(Cell::new(0)));
    let ends = [pair(), pair()];
    for (_, peer) in &ends {
        (&*peer).write_all(b"x").expect("there is room");
    }
    let [(one, _one_peer), (other, _other_peer)] = ends;
    let adopted = [adopt(&dispatcher, one), adopt(&dispatcher, other)];
    let fds = adopted.each_ref().map(Adopted::fd);
    for fd in fds {
        let calls = Rc::clone(&calls);
        let remove_both = calling(move |handle: &Handle| {
            calls.set(calls.get() + 1);
            assert_eq!(fds.map(|fd| handle.remove_reader(fd)), [true, true]);
        });
        dispatcher.handle().add_reader(fd, remove_both).expect("it has no reader");
    }
    turns(&dispatcher, 5);
    assert_eq!(calls.get(), 1);
}

/// R75: of a reader that is replaced in the turn in which it is due, neither the old nor the new one is called twice.
#[test]
fn a_reader_replaced_while_queued_runs_once_a_turn() {
    let (dispatcher, old, new) = (dispatcher(), Rc::default(), Rc::default());
    let (stream, mut peer) = pair();
    peer.write_all(b"x").expect("there is room");
    let adopted = adopt(&dispatcher, stream);
    let (handle, fd, replacement) = (dispatcher.handle(), adopted.fd(), counting(&new));
    handle.add_reader(fd, counting(&old)).expect("it has no reader");
    turns(&dispatcher, 2);
    let replace = calling(move |handle: &Handle| {
        assert!(handle.remove_reader(fd));
        handle.add_reader(fd, replacement).expect("it was removed");
    });
    handle.call_soon(replace);
    turns(&dispatcher, 4);
    assert_eq!((old.get(), new.get()), (2, 3), "the first turn after was asked for before the kernel knew");
}

/// R76: the peer's half-close calls the reader only, in every turn; a writer that can not write is left in peace.
#[test]
fn a_writer_without_room_is_not_called_for_the_peers_half_close() {
    let (dispatcher, reads, writes) = (dispatcher(), Rc::default(), Rc::default());
    let (stream, peer) = pair();
    fill(&stream);
    peer.shutdown(Shutdown::Write).expect("it is connected");
    let adopted = adopt(&dispatcher, stream);
    dispatcher.handle().add_writer(adopted.fd(), counting(&writes)).expect("it has no writer");
    turns(&dispatcher, 5);
    assert_eq!(writes.get(), 0);
    dispatcher.handle().add_reader(adopted.fd(), counting(&reads)).expect("it has no reader");
    turns(&dispatcher, 5);
    assert_eq!((reads.get(), writes.get()), (5, 0));
    drop(peer);
    turns(&dispatcher, 5);
    assert_eq!((reads.get(), writes.get()), (10, 5), "nobody will ever read: a write says so");
    assert_eq!(adopted.get_ref().write(b"x").map_err(|error| error.kind()), Err(ErrorKind::BrokenPipe));
}

/// R74: the writer of a pipe without a reader is called, and its write says why.
#[test]
fn a_pipe_without_a_reader_calls_its_writer() {
    let (dispatcher, calls) = (dispatcher(), Rc::default());
    let (reader, writer) = rustix::pipe::pipe().expect("the system gives a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("a pipe can be made non-blocking");
    while rustix::io::write(&writer, &[7; 4096]).is_ok() {}
    let adopted = adopt(&dispatcher, writer);
    dispatcher.handle().add_writer(adopted.fd(), counting(&calls)).expect("it has no writer");
    turns(&dispatcher, 3);
    assert_eq!(calls.get(), 0);
    drop(reader);
    turns(&dispatcher, 3);
    assert_eq!(calls.get(), 3);
    assert_eq!(rustix::io::write(adopted.get_ref(), b"x"), Err(rustix::io::Errno::PIPE));
}

/// R77: giving it back tells each watcher once, the reader first; they find the descriptor closed.
#[test]
fn giving_it_back_tells_each_watcher_once() {
    let (dispatcher, log) = (dispatcher(), Rc::new(RefCell::new(String::new())));
    let (stream, mut peer) = pair();
    peer.write_all(b"still here").expect("there is room");
    let adopted = adopt(&dispatcher, stream);
    let (handle, fd) = (dispatcher.handle(), adopted.fd());
    let telling = |entry: char| {
        let log = Rc::clone(&log);
        calling(move |handle: &Handle| {
            assert_eq!(handle.recv(fd, &mut [0]), Err(OsError::BAD_DESCRIPTOR));
            log.borrow_mut().push(entry);
        })
    };
    handle.add_writer(fd, telling('w')).expect("it has no writer");
    handle.add_reader(fd, telling('r')).expect("it has no reader");
    let mut stream = adopted.into_inner();
    assert_eq!(*log.borrow(), "", "nobody is told inside of the call");
    turns(&dispatcher, 5);
    assert_eq!(log.take(), "rw");
    assert_eq!(handle.pending(), Pending::default());
    let mut text = [0; 10];
    stream.read_exact(&mut text).expect("it is open, and nobody has read from it");
    assert_eq!(&text, b"still here");
}

/// R78: a number that is used again belongs to another descriptor; nobody gets the other's events.
#[test]
fn a_number_used_again_does_not_call_the_old_watcher() {
    let (dispatcher, old, new) = (dispatcher(), Rc::default(), Rc::default());
    let (handle, (stream, _peer)) = (dispatcher.handle(), pair());
    let adopted = adopt(&dispatcher, OwnedFd::from(stream));
    let old_fd = adopted.fd();
    handle.add_reader(old_fd, counting(&old)).expect("it has no reader");

    let (another, mut another_peer) = pair();
    let mut number = adopted.into_inner();
    rustix::io::dup2(&another, &mut number).expect("the number is ours");
    another_peer.write_all(b"x").expect("there is room");
    let adopted = adopt(&dispatcher, number);
    assert_ne!(adopted.fd(), old_fd);
    assert_eq!(handle.add_reader(old_fd, counting(&old)), Err(WatchError::Closed));
    handle.add_reader(adopted.fd(), counting(&new)).expect("it has no reader");
    turns(&dispatcher, 3);
    assert_eq!((old.get(), new.get()), (1, 3), "the old one was told of the end");
}

/// R68: a descriptor is adopted once; a second time is an error, after which the first goes on and nothing is left over.
#[test]
fn a_descriptor_is_adopted_once() {
    let (dispatcher, calls) = (dispatcher(), Rc::default());
    let (stream, mut peer) = pair();
    let stream = Rc::new(stream);
    peer.write_all(b"x").expect("there is room");
    for watched in [false, true] {
        let first = adopt(&dispatcher, Rc::clone(&stream));
        if watched {
            dispatcher.handle().add_reader(first.fd(), counting(&calls)).expect("it has no reader");
        }
        let before = dispatcher.handle().pending();
        let scope = dispatcher.handle().enter();
        let refused = Adopted::new(Rc::clone(&stream)).expect_err("it is adopted already");
        drop(scope);
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(dispatcher.handle().pending(), before);
        turns(&dispatcher, 3);
    }
    assert_eq!(calls.get(), 3);
    turns(&dispatcher, 1);
    assert_eq!(dispatcher.handle().pending(), Pending::default());
    assert_eq!(Rc::strong_count(&stream), 1);
}

/// What is always ready can not be watched by epoll, and is refused when it is adopted; nothing is left over.
#[cfg(target_os = "linux")]
#[test]
fn a_regular_file_is_refused() {
    let dispatcher = dispatcher();
    let _scope = dispatcher.handle().enter();
    let file = Rc::new(std::fs::File::open(file!()).or_else(|_| std::fs::File::open("/etc/passwd")));
    let file = Rc::new(Rc::try_unwrap(file).expect("it has one owner").expect("there is a regular file"));
    let refused = Adopted::new(Rc::clone(&file)).expect_err("epoll takes no regular file");
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    assert_eq!(dispatcher.handle().pending(), Pending::default());
    assert_eq!(Rc::strong_count(&file), 1);
}

/// It can be watched and nothing else: its owner makes the calls.
#[test]
fn calls_through_the_handle_are_refused() {
    let dispatcher = dispatcher();
    let (stream, _peer) = pair();
    let adopted = adopt(&dispatcher, stream);
    let (handle, fd) = (dispatcher.handle(), adopted.fd());
    let refused = Some(ErrorKind::Unsupported);
    assert_eq!(handle.recv(fd, &mut [0]).err().map(OsError::kind), refused);
    assert_eq!(handle.send(fd, b"x").err().map(OsError::kind), refused);
    assert_eq!(handle.accept(fd).err().map(OsError::kind), refused);
    assert_eq!(handle.local_address(fd).err().map(OsError::kind), refused);
    assert_eq!(handle.take_error(fd).err().map(OsError::kind), refused);
}

/// A callback that panics stays, and is called in the next turn like every other.
#[test]
fn a_reader_that_panics_stays() {
    let (dispatcher, calls) = (dispatcher(), Rc::new(Cell::new(0)));
    let (stream, mut peer) = pair();
    peer.write_all(b"x").expect("there is room");
    let adopted = adopt(&dispatcher, stream);
    let inner = Rc::clone(&calls);
    let panicking = calling(move |_| {
        inner.set(inner.get() + 1);
        panic!("call {}", inner.get());
    });
    dispatcher.handle().add_reader(adopted.fd(), panicking).expect("it has no reader");
    for call in 1..=3 {
        catch_unwind(AssertUnwindSafe(|| dispatcher.poll())).expect_err("the panic goes on from poll");
        assert_eq!(calls.get(), call);
    }
}

/// R20 as decided: a dispatcher that closes gives it back, and its owner has it still.
#[test]
fn it_outlives_its_dispatcher() {
    let dispatcher = dispatcher();
    let (stream, mut peer) = pair();
    let mut adopted = adopt(&dispatcher, stream);
    dispatcher.handle().add_reader(adopted.fd(), counting(&Rc::default())).expect("it has no reader");
    drop(dispatcher);
    peer.write_all(b"x").expect("there is room");
    assert_eq!(adopted.get_mut().read(&mut [0; 2]).expect("it is open"), 1);
    let stream = adopted.into_inner();
    let another = self::dispatcher();
    assert_eq!(turned(&another, adopt(&another, stream).fd()), 0);
}

/// How often a reader of `fd` is called in three turns.
fn turned(dispatcher: &Dispatcher, fd: Fd) -> usize {
    let calls = Rc::default();
    match dispatcher.handle().add_reader(fd, counting(&calls)) {
        Ok(()) => turns(dispatcher, 3),
        Err(error) => assert_eq!(error, WatchError::Closed),
    }
    calls.get()
}

/// A descriptor that is not the one that was adopted can not be watched, and whoever tries is told the system's reason.
#[test]
fn an_exchanged_descriptor_is_told() {
    let dispatcher = dispatcher();
    let mut adopted = adopt(&dispatcher, pair().0);
    dispatcher.handle().add_reader(adopted.fd(), counting(&Rc::default())).expect("it has no reader");
    drop(std::mem::replace(adopted.get_mut(), pair().0));
    let refused = dispatcher.handle().add_writer(adopted.fd(), counting(&Rc::default()));
    assert!(matches!(refused, Err(WatchError::Driver(_))), "{refused:?}");
    assert!(io::Error::from(refused.expect_err("see above")).to_string().contains("can not be watched"));
}

/// Two tasks in one loop talk through a pair of sockets that it has not made, more than the kernel takes at once.
#[test]
fn tasks_talk_through_adopted_sockets() {
    const LENGTH: usize = 3 << 20;
    let talk = async {
        let (one, other) = pair();
        let (one, other) = (Adopted::new(one)?, Adopted::new(other)?);
        let sending = twinloop::spawn(async move {
            let mut rest = LENGTH;
            while rest > 0 {
                match one.get_ref().write(&[7; 10_000][..rest.min(10_000)]) {
                    Ok(count) => rest -= count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => one.writable().await?,
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        let (mut received, mut buffer) = (0, vec![0; 64 * 1024]);
        loop {
            match other.get_ref().read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => received += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => other.readable().await?,
                Err(error) => return Err(error),
            }
        }
        sending.await.expect("nobody cancels it")?;
        io::Result::Ok(received)
    };
    let received = twinloop_real::run(async { timeout(PATIENCE, talk).await });
    let received = received.expect("the loop goes on").expect("they talk").expect("without an error");
    assert_eq!(received, LENGTH);
}
