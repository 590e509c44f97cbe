//! Every kind of thing that Linux makes ready: each is adopted, waited for, and made ready meanwhile.

use std::ffi::CString;
use std::fs::File;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags, inotify};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use twinloop::{sleep, spawn, timeout};
use twinloop_real::Adopted;

use super::PATIENCE;

/// Runs `case` on the real driver.
#[track_caller]
fn run(case: impl Future<Output = io::Result<()>> + 'static) {
    let ended = twinloop_real::run(async { timeout(PATIENCE, case).await });
    ended.expect("the loop goes on").expect("it becomes ready").expect("without an error");
}

/// Reads what comes first, after `ready` has made it come; `ready` runs once the read waits.
async fn read_meanwhile<T>(adopted: &Adopted<T>, ready: impl FnOnce() + 'static) -> io::Result<Vec<u8>>
where
    T: AsFd + 'static,
{
    let late = spawn(async {
        sleep(Duration::from_millis(2)).await;
        ready();
    });
    let mut buffer = vec![0; 4096];
    let count = loop {
        match rustix::io::read(adopted.get_ref(), &mut buffer) {
            Err(rustix::io::Errno::WOULDBLOCK) => adopted.readable().await?,
            read => break read?,
        }
    };
    late.await.expect("nobody cancels it");
    buffer.truncate(count);
    Ok(buffer)
}

#[test]
fn a_pipe() {
    run(async {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK)?;
        let (reader, writer) = (Adopted::new(reader)?, File::from(writer));
        let mut last = writer.try_clone()?;
        assert_eq!(
            read_meanwhile(&reader, move || last.write_all(b"through").expect("there is room")).await?,
            b"through"
        );
        assert_eq!(read_meanwhile(&reader, move || drop(writer)).await?, b"", "the end is readable");
        Ok(())
    });
}

#[test]
fn an_eventfd() {
    run(async {
        let event = Adopted::new(eventfd(0, EventfdFlags::NONBLOCK)?)?;
        let other = event.get_ref().try_clone()?;
        let add = move || assert_eq!(rustix::io::write(&other, &5_u64.to_ne_bytes()), Ok(8));
        assert_eq!(read_meanwhile(&event, add).await?, 5_u64.to_ne_bytes());
        event.writable().await?;
        Ok(())
    });
}

#[test]
fn a_timerfd() {
    run(async {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        let timer = Adopted::new(timer)?;
        let other = timer.get_ref().try_clone()?;
        let set = move || {
            let soon = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            let once = Itimerspec { it_interval: Timespec::default(), it_value: soon };
            timerfd_settime(&other, TimerfdTimerFlags::empty(), &once).expect("the time is a valid one");
        };
        assert_eq!(read_meanwhile(&timer, set).await?, 1_u64.to_ne_bytes());
        Ok(())
    });
}

#[test]
fn an_inotify() {
    run(async {
        let folder = std::env::temp_dir().join(format!("twinloop-inotify-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK)?;
        inotify::add_watch(&watch, &folder, inotify::WatchFlags::CREATE)?;
        let (watch, file) = (Adopted::new(watch)?, folder.join("seen"));
        let told =
            read_meanwhile(&watch, move || drop(File::create(file).expect("the folder is ours"))).await?;
        std::fs::remove_dir_all(&folder)?;
        assert!(told.windows(4).any(|name| name == b"seen"));
        Ok(())
    });
}

#[test]
fn a_terminal() {
    run(async {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&terminal)?;
        unlockpt(&terminal)?;
        rustix::io::ioctl_fionbio(&terminal, true)?;
        let name = ptsname(&terminal, CString::default())?;
        let program = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
        let (terminal, mut program): (Adopted<OwnedFd>, File) = (Adopted::new(terminal)?, program.into());
        assert_eq!(
            read_meanwhile(&terminal, move || program.write_all(b"prompt").expect("it is open")).await?,
            b"prompt"
        );
        Ok(())
    });
}

#[test]
fn a_named_pipe() {
    run(async {
        let path = std::env::temp_dir().join(format!("twinloop-fifo-{}", std::process::id()));
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU)?;
        let non_blocking = OFlags::NONBLOCK.bits().cast_signed();
        let reader = File::options().read(true).custom_flags(non_blocking).open(&path)?;
        let mut writer = File::options().write(true).open(&path)?;
        std::fs::remove_file(&path)?;
        let mut adopted = Adopted::new(reader)?;
        assert_eq!(
            read_meanwhile(&adopted, move || writer.write_all(b"fifo").expect("there is room")).await?,
            b"fifo"
        );
        assert_eq!(adopted.get_mut().read(&mut [0])?, 0);
        Ok(())
    });
}

#[test]
fn a_datagram_socket() {
    run(async {
        let (socket, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let adopted = Adopted::new(socket)?;
        let send = move || assert_eq!(other.send_to(b"datagram", address).expect("it is bound"), 8);
        assert_eq!(read_meanwhile(&adopted, send).await?, b"datagram");
        assert_eq!(
            adopted.get_ref().recv(&mut [0]).map_err(|error| error.kind()),
            Err(ErrorKind::WouldBlock)
        );
        adopted.writable().await?;
        Ok(())
    });
}
