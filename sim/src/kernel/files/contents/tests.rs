//! A file against two plain byte vectors: what programs see, and what the disk has.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Write {
        offset: u64,
        length: usize,
    },
    SetLength(u64),
    Sync,
    /// The power goes; what is left of each unsynced step is taken from these, again and again.
    LosePower(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let offset = || 0..3_000_u64;
    let step = prop_oneof![
        6 => (offset(), 1..1_500_usize).prop_map(|(offset, length)| Step::Write { offset, length }),
        2 => offset().prop_map(Step::SetLength),
        2 => Just(Step::Sync),
        2 => prop::collection::vec(any::<u8>(), 1..5).prop_map(Step::LosePower),
    ];
    prop::collection::vec(step, 1..30)
}

/// The same in the plainest way.
#[derive(Default)]
struct Model {
    seen: Vec<u8>,
    on_disk: Vec<u8>,
    unsynced: Vec<(Step, u8)>,
}

fn apply(bytes: &mut Vec<u8>, step: &Step, value: u8, keeps: impl Fn(usize) -> bool) {
    match step {
        Step::Write { offset, length } => {
            let start = *offset as usize;
            for at in (start..start + length).filter(|at| keeps(at / SECTOR - start / SECTOR)) {
                bytes.resize(bytes.len().max(at + 1), 0);
                bytes[at] = value;
            }
        }
        Step::SetLength(length) => bytes.resize(*length as usize, 0),
        Step::Sync | Step::LosePower(_) => {}
    }
}

/// What a drawn number leaves of a step.
fn left(drawn: u8, doubtful: &Doubtful) -> Left {
    match (drawn % 3, doubtful) {
        (0, _) => Left::All,
        (1, Doubtful::Write { sectors }) => {
            Left::Sectors((0..*sectors).map(|sector| (drawn >> 2 >> (sector % 6)) & 1 == 1).collect())
        }
        _ => Left::Nothing,
    }
}

impl Model {
    fn lose_power(&mut self, drawn: &[u8]) {
        self.seen = self.on_disk.clone();
        for (number, (step, value)) in std::mem::take(&mut self.unsynced).into_iter().enumerate() {
            let doubtful = match step {
                Step::Write { offset, length } => {
                    let touched = sectors(offset as usize..offset as usize + length);
                    Doubtful::Write { sectors: (touched.end - touched.start) as usize }
                }
                _ => Doubtful::Length,
            };
            match left(drawn[number % drawn.len()], &doubtful) {
                Left::Nothing => {}
                Left::All => apply(&mut self.seen, &step, value, |_| true),
                Left::Sectors(left) => apply(&mut self.seen, &step, value, |sector| left[sector]),
            }
        }
        self.on_disk = self.seen.clone();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn a_crash_leaves_what_was_synced_and_what_is_left_of_the_rest(steps in steps()) {
        let mut contents = Contents::new(&Rc::default());
        let mut model = Model::default();
        for (number, step) in steps.into_iter().enumerate() {
            let value = number as u8 + 1;
            match &step {
                Step::Write { offset, length } => {
                    prop_assert_eq!(contents.write(*offset, &vec![value; *length]), Ok(()));
                }
                Step::SetLength(length) => prop_assert_eq!(contents.set_length(*length), Ok(())),
                Step::Sync => contents.sync(),
                Step::LosePower(drawn) => {
                    let mut asked = 0;
                    contents.lose_power(&mut |doubtful| {
                        asked += 1;
                        left(drawn[(asked - 1) % drawn.len()], &doubtful)
                    });
                }
            }
            match step {
                Step::Sync => {
                    model.on_disk = model.seen.clone();
                    model.unsynced.clear();
                }
                Step::LosePower(drawn) => model.lose_power(&drawn),
                step => {
                    apply(&mut model.seen, &step, value, |_| true);
                    model.unsynced.push((step, value));
                }
            }
            prop_assert_eq!(contents.bytes(), model.seen.as_slice());
            let used = contents.space.used.get();
            prop_assert_eq!(used, model.seen.len() as u64, "room is counted");
        }
    }
}

/// What a failed sync was to write is seen, and neither a later sync nor a crash that spares everything brings it back; what
/// is written over it afterwards is kept.
#[test]
fn what_a_failed_sync_was_to_write_never_reaches_the_disk() {
    let mut contents = Contents::on_disk(&Rc::default(), vec![1; 1_000]);
    contents.write(0, &[2; 100]).expect("there is room");
    contents.write(1_000, &[3; 1_000]).expect("there is room");
    contents.fail_to_sync();
    assert_eq!(contents.bytes()[..100], [2; 100]);
    contents.sync();
    contents.write(1_600, &[4; 10]).expect("there is room");
    contents.sync();
    contents.lose_power(&mut |_| Left::All);
    let bytes = contents.bytes();
    assert_eq!(bytes[..512], [1; 512], "the first sector was never written");
    assert_eq!(bytes[1_024..1_536], [0; 512], "nor what was to make the file longer");
    assert_eq!(bytes[1_600..1_610], [4; 10], "a sector that was written again is there");
}

/// Writes of which too much waits reach the disk by themselves, the oldest first.
#[test]
fn what_waits_for_too_long_is_written_back() {
    let mut contents = Contents::new(&Rc::default());
    for number in 0..UNSYNCED_MAX as u64 + 10 {
        contents.write(number * 600, &[7; 600]).expect("there is room");
    }
    let mut asked = 0;
    contents.lose_power(&mut |_| {
        asked += 1;
        Left::Nothing
    });
    assert_eq!(asked, UNSYNCED_MAX);
    assert_eq!(contents.bytes(), vec![7; 10 * 600]);
}
