//! Clients that leak: each lets something decide that is not of the simulated world, three milliseconds into its run.
#![allow(dead_code, reason = "each program that has them uses some")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "they do what must not be done")]

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::future::poll_fn;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, RandomState};
use std::io::Write;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use twinloop::{Address, DatagramTransport, Handle, sleep};
use twinloop_sim::{ProgramResult, Scenario, Sim, Units};

const SERVERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// A client that runs `leak` among servers that take whatever it sends.
pub(crate) fn scenario<F>(name: &'static str, leak: fn() -> F) -> Scenario
where
    F: Future<Output = ProgramResult> + 'static,
{
    Scenario::new(name, "a client that leaks", move |sim: &mut Sim| {
        for name in SERVERS {
            sim.host(name, 9, |address| async move {
                let socket = DatagramTransport::bind(address)?;
                loop {
                    socket.recv_from(&mut [0; 64]).await?;
                }
            });
        }
        sim.client("client", move || async move {
            for _ in 0..3 {
                sleep(1.ms()).await;
            }
            leak().await?;
            sleep(1.ms()).await;
            Ok(())
        });
    })
}

async fn send(to: usize, bytes: &[u8]) -> ProgramResult {
    let socket = DatagramTransport::bind(Address::any(0))?;
    let ip = IpAddr::from([10, 0, 0, to as u8 + 1]);
    socket.send_to(bytes, (ip, 9)).await?;
    Ok(())
}

/// Nothing leaks.
pub(crate) async fn nothing() -> ProgramResult {
    send(1, b"hello").await
}

pub(crate) async fn hash_order() -> ProgramResult {
    let servers: HashMap<&str, usize> = SERVERS.into_iter().zip(0..).collect();
    for server in servers.values() {
        send(*server, b"hello").await?;
    }
    Ok(())
}

pub(crate) async fn hash_value() -> ProgramResult {
    let hash = RandomState::new().hash_one("key");
    send((hash % 8) as usize, &hash.to_le_bytes()).await
}

pub(crate) async fn monotonic_clock() -> ProgramResult {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    // Several, since in a new process the first age is that of two calls in a row: two runs may well have the same.
    for _ in 0..4 {
        let age = BEGAN.get_or_init(Instant::now).elapsed();
        // Also of the very first run.
        sleep(Duration::from_nanos(1) + age).await;
    }
    Ok(())
}

pub(crate) async fn wall_clock() -> ProgramResult {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    send(1, format!("it is {now:?}").as_bytes()).await
}

pub(crate) async fn random() -> ProgramResult {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    send(1, &bytes).await
}

/// Ticks until a thread of the system has done its work.
pub(crate) async fn thread() -> ProgramResult {
    let is_done = Arc::new(AtomicBool::new(false));
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let (done, wake) = (Arc::clone(&is_done), Arc::clone(&waker));
    let worker = thread::spawn(move || {
        // Not before somebody waits: what is planted is a wake, and not a flag that is looked at.
        let waker = loop {
            thread::sleep(Duration::from_millis(2));
            if let Some(waker) = wake.lock().expect("nothing panics").take() {
                break waker;
            }
        };
        done.store(true, Ordering::Release);
        waker.wake();
    });
    twinloop::spawn(async {
        loop {
            sleep(1.us()).await;
        }
    })
    .detach();
    poll_fn(|context| {
        *waker.lock().expect("nothing panics") = Some(context.waker().clone());
        if is_done.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    worker.join().map_err(|_| "the worker panicked")?;
    Ok(())
}

pub(crate) async fn address_printed() -> ProgramResult {
    // Kept, so that the next run's is another one.
    let kept: &'static mut u64 = Box::leak(Box::new(1));
    Handle::current().note(|| format!("the connection at {kept:p} is new"));
    Ok(())
}

pub(crate) async fn address_sent() -> ProgramResult {
    let kept: &'static mut u64 = Box::leak(Box::new(1));
    send(1, format!("{kept:p}").as_bytes()).await
}

/// Asks the servers in the order of a map that is keyed by the addresses of objects, with a hash that has no keys.
pub(crate) async fn address_order() -> ProgramResult {
    let hash = |kept: &u64| {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(std::ptr::from_ref(kept) as usize)
    };
    let mut servers: Vec<(u64, usize)> =
        (0..SERVERS.len()).map(|server| (hash(Box::leak(Box::new(1))), server)).collect();
    servers.sort_unstable();
    for (_, server) in servers {
        send(server, b"hello").await?;
    }
    Ok(())
}

/// A socket of the system's, which chooses the port.
pub(crate) async fn socket() -> ProgramResult {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    stream.write_all(b"hello")?;
    let (_, client) = listener.accept()?;
    send(1, format!("{client} has come").as_bytes()).await
}

/// Another runtime, with threads and a clock of its own.
pub(crate) async fn tokio() -> ProgramResult {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let now = runtime.block_on(async { tokio::spawn(async { Instant::now() }).await })?;
    send(1, format!("{now:?}").as_bytes()).await
}

/// The number of the process, which is the same in both runs of one.
pub(crate) async fn process_id() -> ProgramResult {
    send(1, format!("process {}", std::process::id()).as_bytes()).await
}

/// The folder that the process was started in.
pub(crate) async fn folder() -> ProgramResult {
    let folder = std::env::current_dir()?;
    send(1, format!("{} bytes of folder", folder.as_os_str().len()).as_bytes()).await
}

pub(crate) async fn counter() -> ProgramResult {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    send(1, format!("request {count}").as_bytes()).await
}

/// Leaks after a long time in which it does not; with a static of its own, since tests run side by side.
pub(crate) async fn late() -> ProgramResult {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    for _ in 0..20_000 {
        sleep(1.us()).await;
    }
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    send(1, format!("request {count}").as_bytes()).await
}

/// Only the first run of the process makes the connection.
pub(crate) async fn cache() -> ProgramResult {
    static KNOWN: OnceLock<()> = OnceLock::new();
    if KNOWN.set(()).is_ok() {
        send(1, b"who are you").await?;
    }
    send(2, b"hello").await
}

pub(crate) async fn thread_local() -> ProgramResult {
    thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });
    let count = COUNT.replace(COUNT.get() + 1);
    send(1, format!("request {count}").as_bytes()).await
}

/// A real file that each run makes longer.
pub(crate) async fn file() -> ProgramResult {
    let path = std::env::temp_dir().join("twinloop-leaks-journal");
    OpenOptions::new().create(true).append(true).open(&path)?.write_all(b"a line\n")?;
    let length = fs::metadata(&path)?.len();
    if length > 10_000 {
        // One that another run has removed first is gone too.
        let _ = fs::remove_file(&path);
    }
    send(1, format!("{length} bytes of journal").as_bytes()).await
}

/// The environment, which is the same in both runs of one process.
pub(crate) async fn environment() -> ProgramResult {
    let path = std::env::var("HOME").unwrap_or_default();
    send(1, format!("{} bytes of home", path.len()).as_bytes()).await
}

/// Takes its process along.
pub(crate) async fn abort() -> ProgramResult {
    std::process::abort()
}

/// Fails, always.
pub(crate) async fn failure() -> ProgramResult {
    Err("nobody answers".into())
}

/// Fails where there is a home.
pub(crate) async fn failure_at_home() -> ProgramResult {
    if std::env::var_os("HOME").is_some() { Err("somebody is at home".into()) } else { Ok(()) }
}

/// Bytes of the system's, asked for by an instruction of the program's own.
#[cfg(target_os = "linux")]
pub(crate) async fn raw_random() -> ProgramResult {
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    send(1, &bytes).await
}

#[cfg(not(target_os = "linux"))]
pub(crate) async fn raw_random() -> ProgramResult {
    random().await
}
