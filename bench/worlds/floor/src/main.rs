//! No tool but a yardstick: a hand-written discrete-event loop (binary heap, boxed callbacks, byte copies through a buffer for
//! each connection, a running digest over every event). It bounds what a dispatcher of callbacks over a simulated network can
//! reach.

use common::*;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

#[global_allocator]
static A: Counting = Counting;

const NS_MS: u64 = 1_000_000;

type Task = Box<dyn FnOnce(&mut Sim)>;

enum Ev {
    Bytes { sock: usize, len: usize, data: [u8; MSG] },
    Timer(usize),
    Task(Task),
}

struct Entry {
    at: u64,
    seq: u64,
    ev: Ev,
}
impl PartialEq for Entry {
    fn eq(&self, o: &Self) -> bool {
        (self.at, self.seq) == (o.at, o.seq)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, o: &Self) -> Option<Ordering> {
        Some(self.cmp(o))
    }
}
impl Ord for Entry {
    fn cmp(&self, o: &Self) -> Ordering {
        (o.at, o.seq).cmp(&(self.at, self.seq))
    }
}

type OnReady = Box<dyn FnMut(&mut Sim, usize)>;

struct Sock {
    peer: usize,
    buf: VecDeque<u8>,
    ready: Option<OnReady>,
}

#[derive(Default)]
struct Sim {
    now: u64,
    seq: u64,
    digest: u64,
    heap: BinaryHeap<Entry>,
    socks: Vec<Sock>,
    timers: Vec<Option<OnReady>>,
    count: u64,
}

impl Sim {
    fn at(&mut self, delay: u64, ev: Ev) {
        self.seq += 1;
        self.heap.push(Entry { at: self.now + delay, seq: self.seq, ev });
    }
    fn pair(&mut self, a: OnReady, b: OnReady) -> usize {
        let i = self.socks.len();
        self.socks.push(Sock { peer: i + 1, buf: VecDeque::new(), ready: Some(a) });
        self.socks.push(Sock { peer: i, buf: VecDeque::new(), ready: Some(b) });
        i
    }
    fn send(&mut self, sock: usize, b: &[u8]) {
        let mut data = [0; MSG];
        data[..b.len()].copy_from_slice(b);
        let peer = self.socks[sock].peer;
        self.at(NS_MS, Ev::Bytes { sock: peer, len: b.len(), data });
    }
    fn read(&mut self, sock: usize, out: &mut [u8; MSG]) -> bool {
        let b = &mut self.socks[sock].buf;
        if b.len() < MSG {
            return false;
        }
        for (o, i) in out.iter_mut().zip(b.drain(..MSG)) {
            *o = i;
        }
        true
    }
    fn run(&mut self) {
        while let Some(e) = self.heap.pop() {
            self.now = e.at;
            self.digest = (self.digest.rotate_left(5) ^ e.at ^ e.seq).wrapping_mul(0x517c_c1b7_2722_0a95);
            match e.ev {
                Ev::Bytes { sock, len, data } => {
                    self.socks[sock].buf.extend(&data[..len]);
                    if let Some(mut f) = self.socks[sock].ready.take() {
                        f(self, sock);
                        self.socks[sock].ready = Some(f);
                    }
                }
                Ev::Timer(i) => {
                    if let Some(mut f) = self.timers[i].take() {
                        f(self, i);
                        self.timers[i] = Some(f);
                    }
                }
                Ev::Task(f) => f(self),
            }
        }
    }
    fn virt(&self) -> Duration {
        std::hint::black_box(self.digest);
        Duration::from_nanos(self.now)
    }
}

fn pingpong(n: u64) -> Duration {
    let mut s = Sim::default();
    let mut left = n;
    let client: OnReady = Box::new(move |s, me| {
        let mut b = [0; MSG];
        while s.read(me, &mut b) {
            left -= 1;
            if left > 0 {
                s.send(me, &b);
            }
        }
    });
    let server: OnReady = Box::new(|s, me| {
        let mut b = [0; MSG];
        while s.read(me, &mut b) {
            s.send(me, &b);
        }
    });
    let c = s.pair(client, server);
    s.send(c, &[7; MSG]);
    s.run();
    s.virt()
}

fn b(batch: u64) -> Done {
    let mut s = Sim::default();
    let tx: OnReady = Box::new(|_, _| {});
    let rx: OnReady = Box::new(|s, me| {
        let mut b = [0; MSG];
        while s.read(me, &mut b) {
            s.count += 1;
        }
    });
    let c = s.pair(tx, rx);
    let mut left = B_DATAGRAMS;
    s.timers.push(Some(Box::new(move |s, t| {
        for _ in 0..batch.min(left) {
            s.send(c, &[7; MSG]);
        }
        left -= batch.min(left);
        if left > 0 {
            s.at(NS_MS, Ev::Timer(t));
        }
    })));
    s.at(0, Ev::Timer(0));
    s.run();
    assert_eq!(s.count, B_DATAGRAMS);
    Done { units: s.count, virt: s.virt() }
}

fn c(hosts: usize) -> Done {
    let mut s = Sim::default();
    for _ in 0..hosts {
        let mut outs = Vec::new();
        for _ in C_OFFSETS {
            let rx: OnReady = Box::new(|s, me| {
                let mut b = [0; MSG];
                while s.read(me, &mut b) {
                    s.count += 1;
                }
            });
            outs.push(s.pair(Box::new(|_, _| {}), rx));
        }
        let mut left = C_ROUNDS;
        let t = s.timers.len();
        s.timers.push(Some(Box::new(move |s, t| {
            for &o in &outs {
                s.send(o, &[7; MSG]);
            }
            left -= 1;
            if left > 0 {
                s.at(C_ROUND_GAP.as_nanos() as u64, Ev::Timer(t));
            }
        })));
        s.at(10 * NS_MS, Ev::Timer(t));
    }
    s.run();
    Done { units: s.count, virt: s.virt() }
}

fn d(n: u64) -> Done {
    let mut s = Sim::default();
    let mut left = n;
    let period = D_PERIOD.as_nanos() as u64;
    s.timers.push(Some(Box::new(move |s, t| {
        left -= 1;
        if left > 0 {
            s.at(period, Ev::Timer(t));
        }
    })));
    s.at(period, Ev::Timer(0));
    s.run();
    Done { units: n, virt: s.virt() }
}

fn e(n: u64) -> Done {
    let mut s = Sim::default();
    let mut r = Mix(1);
    for _ in 0..n {
        let ms = 1 + r.next() % E_MAX_MS;
        s.at(ms * NS_MS, Ev::Task(Box::new(|s| s.count += 1)));
    }
    s.run();
    assert_eq!(s.count, n);
    Done { units: n, virt: s.virt() }
}

fn g(n: u64) -> Done {
    let mut virt = Duration::ZERO;
    for _ in 0..n {
        virt += pingpong(G_ROUND_TRIPS);
    }
    Done { units: n, virt }
}

fn main() {
    let (w, n) = args();
    let r = |tool: &str, name: &str, f: &dyn Fn() -> Done| run(tool, name, f);
    match w.as_str() {
        "a" => r("floor", "a", &|| {
            let n = n.unwrap_or(A_ROUND_TRIPS);
            let virt = pingpong(n);
            Done { units: n, virt }
        }),
        "b" => r("floor", &format!("b/batch={}", n.unwrap_or(100)), &|| b(n.unwrap_or(100))),
        "c" => r("floor", &format!("c/hosts={}", n.unwrap_or(C_HOSTS as u64)), &|| c(n.map_or(C_HOSTS, |n| n as usize))),
        "d" => r("floor", "d", &|| d(n.unwrap_or(D_DAYS * 86400))),
        "e" => r("floor", "e", &|| e(n.unwrap_or(E_TIMERS))),
        "g" => r("floor", "g", &|| g(n.unwrap_or(G_SIMS))),
        _ => panic!("workload: a b c d e g"),
    }
}
