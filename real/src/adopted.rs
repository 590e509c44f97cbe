//! `Adopted`: what the program made itself, watched by its dispatcher. It makes no call on it.

use std::io;
use std::marker::PhantomData;

use twinloop::driver::Fd;
use twinloop::{Handle, UntilReady};

use crate::platform::{AsForeign, ForeignSource};

/// Anything with a descriptor of the system (a pipe, a terminal, an `inotify`, a timer, a C library's socket), watched by
/// the dispatcher as its own descriptors are. On Windows: any socket.
///
/// The program makes its own calls on it, by [`get_ref`](Adopted::get_ref) and [`get_mut`](Adopted::get_mut), and waits
/// with [`readable`](Adopted::readable) and [`writable`](Adopted::writable); or it has callbacks called, with
/// [`fd`](Adopted::fd), [`Handle::add_reader`] and [`Handle::add_writer`]. These are called once a turn for as long as the
/// descriptor is ready (R70), which costs one system call each. While nobody waits, the descriptor is not in the selector,
/// and nothing that happens to it wakes the loop (R69).
///
/// Readiness may turn out to be nothing, so the descriptor has to be one that does not block; adopting does not change it.
/// The same descriptor has to stay inside, and open, for as long as it is adopted.
///
/// Dropping it ends the watch, then drops what it holds. It stays on its thread, unlike a transport: only there can the
/// watch be ended before the number of the descriptor is free for another.
///
/// ```
/// use std::io::ErrorKind;
/// use std::net::UdpSocket;
/// use twinloop_real::Adopted;
///
/// twinloop_real::run(async {
///     let socket = UdpSocket::bind("127.0.0.1:0")?;
///     socket.set_nonblocking(true)?;
///     let address = socket.local_addr()?;
///     let adopted = Adopted::new(socket)?;
///     UdpSocket::bind("127.0.0.1:0")?.send_to(b"hello", address)?;
///
///     let mut buffer = [0; 16];
///     let count = loop {
///         match adopted.get_ref().recv(&mut buffer) {
///             Err(error) if error.kind() == ErrorKind::WouldBlock => adopted.readable().await?,
///             received => break received?,
///         }
///     };
///     assert_eq!(&buffer[..count], b"hello");
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Adopted<T> {
    // The order of these is that of their destructors.
    watched: Watched,
    io: T,
}

/// The place of an adopted descriptor among those of its dispatcher, until it is dropped.
#[derive(Debug)]
struct Watched {
    handle: Handle,
    fd: Fd,
    not_send: PhantomData<*const ()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.handle.close(self.fd);
    }
}

impl<T: AsForeign + 'static> Adopted<T> {
    /// Lends the descriptor of `io` to the current dispatcher.
    ///
    /// # Errors
    ///
    /// `io` is dropped then.
    ///
    /// - [`Unsupported`](io::ErrorKind::Unsupported) if the dispatcher is not on a [`RealDriver`](crate::RealDriver).
    /// - [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the same descriptor is adopted on this dispatcher.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) on Linux for what is always ready, such as a regular file.
    /// - Whatever else the system's selector says.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    #[track_caller]
    pub fn new(io: T) -> io::Result<Adopted<T>> {
        let handle = Handle::current();
        let fd = handle.adopt(&mut Some(ForeignSource::of(&io)?))?;
        Ok(Adopted { watched: Watched { handle, fd, not_send: PhantomData }, io })
    }
}

impl<T> Adopted<T> {
    /// What was adopted, to make calls on it.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// What was adopted, to make calls on it. To put another descriptor in its place, adopt that one.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// Ends the watch, and gives back what was adopted. Who still waits is told that the descriptor is closed (R77).
    pub fn into_inner(self) -> T {
        let Adopted { watched, io } = self;
        drop(watched);
        io
    }

    /// The descriptor by which the dispatcher knows it, for [`Handle::add_reader`] and [`Handle::add_writer`]. It can be
    /// watched and nothing else: reading and writing through the handle is refused.
    pub fn fd(&self) -> Fd {
        self.watched.fd
    }

    /// Waits until it is readable: if it is now, or once it becomes so. As [`Handle::readable`], in all else too.
    #[track_caller]
    pub fn readable(&self) -> UntilReady {
        self.watched.handle.readable(self.watched.fd)
    }

    /// As [`Adopted::readable`], for the direction of writing.
    #[track_caller]
    pub fn writable(&self) -> UntilReady {
        self.watched.handle.writable(self.watched.fd)
    }
}
