//! Any sequence of operations on the receive buffer, against a plain vector. The file is the product's own, compiled here: the
//! buffer is nobody else's business.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

use buffer::Buffer;

#[path = "../../src/transport/buffer.rs"]
mod buffer;

#[derive(Arbitrary, Debug)]
enum Step {
    /// So many bytes are received, if there is room for them.
    Receive(u16),
    Consume(u16),
    Take(u16),
    MoveInto(u16),
    Discard(u64),
    Append(u16),
    UnreadAgain(u16),
    TakeStorage,
    /// An empty buffer goes on with the storage of another one.
    On(u16),
}

fuzz_target!(|steps: Vec<Step>| {
    let (mut buffer, mut model, mut bytes) = (Buffer::default(), Vec::new(), Counting(0));
    for step in steps {
        apply(step, &mut buffer, &mut model, &mut bytes);
        assert!(buffer.unread() == model);
        assert_eq!(buffer.is_empty(), model.is_empty());
        assert!(buffer.has_storage() || model.is_empty());
    }
});

/// Gives bytes of which no two short stretches are alike.
struct Counting(u32);

impl Counting {
    fn next(&mut self, length: usize) -> Vec<u8> {
        let mut byte = || {
            self.0 += 1;
            (self.0.wrapping_mul(2_654_435_761) >> 13) as u8
        };
        (0..length).map(|_| byte()).collect()
    }
}

fn apply(step: Step, buffer: &mut Buffer, model: &mut Vec<u8>, bytes: &mut Counting) {
    let within = |count: u16| usize::from(count).min(model.len());
    match step {
        Step::Receive(count) => {
            let room = buffer.reserve();
            let received = bytes.next(usize::from(count).min(room.len()));
            room[..received.len()].copy_from_slice(&received);
            buffer.commit(received.len());
            model.extend(received);
        }
        Step::Consume(count) => {
            let count = within(count);
            buffer.consume(count);
            model.drain(..count);
        }
        Step::Take(count) => {
            let count = within(count);
            assert_eq!(buffer.take(count), model.drain(..count).collect::<Vec<_>>());
        }
        Step::MoveInto(length) => {
            let mut target = vec![0; usize::from(length)];
            let count = buffer.move_into(&mut target);
            assert_eq!(count, target.len().min(model.len()));
            assert_eq!(target[..count], model.drain(..count).collect::<Vec<_>>());
        }
        Step::Discard(count) => {
            let discarded = buffer.discard(count);
            assert_eq!(discarded, count.min(model.len() as u64));
            model.drain(..discarded as usize);
        }
        Step::Append(count) => {
            let appended = bytes.next(usize::from(count));
            buffer.append(&appended);
            model.extend(appended);
        }
        Step::UnreadAgain(count) => {
            let unread = bytes.next(usize::from(count));
            buffer.unread_again(&unread);
            model.splice(..0, unread);
        }
        Step::TakeStorage => assert!(buffer.take_storage().is_none() || model.is_empty()),
        Step::On(length) if model.is_empty() => *buffer = Buffer::on(vec![7; usize::from(length)]),
        Step::On(_) => {}
    }
}
