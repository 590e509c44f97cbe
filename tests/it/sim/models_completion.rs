//! Completions against a plain list: callbacks and tasks that come, go and are told, in random order.

use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;
use twinloop::{
    AsyncCallback, Cancelled, Completer, Completion, Handle, JoinHandle, completion, spawn, yield_now,
};

/// Few enough that one is often added twice.
const CALLBACKS: usize = 4;
const VALUE: u32 = 7;

#[derive(Clone, Debug)]
enum Step {
    AddCallback(usize),
    RemoveCallback(usize),
    /// A task awaits the value.
    Await,
    /// A task waits for the end only.
    Join,
    /// One of the waiting tasks gives up, if there is one.
    GiveUp(usize),
    Complete,
    Cancel,
    DropCompleter,
    Turn,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..CALLBACKS).prop_map(Step::AddCallback),
        4 => (0..CALLBACKS).prop_map(Step::RemoveCallback),
        4 => Just(Step::Await),
        2 => Just(Step::Join),
        3 => (0..8_usize).prop_map(Step::GiveUp),
        1 => Just(Step::Complete),
        1 => Just(Step::Cancel),
        1 => Just(Step::DropCompleter),
        2 => Just(Step::Turn),
    ];
    proptest::collection::vec(step, 0..40)
}

/// Who was told, in order, and with what.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Callback(usize),
    Value(usize, Result<u32, Cancelled>),
    End(usize),
}

type Log = Rc<RefCell<Vec<Told>>>;

thread_local! {
    /// The log of the case that runs, for callbacks: they have no more than a word.
    static LOG: Log = Log::default();
}

fn callback(number: usize) -> AsyncCallback {
    AsyncCallback::new(|_, number| LOG.with(|log| log.borrow_mut().push(Told::Callback(number))), number)
}

/// The list. A turn passes after each step that begins or ends a task, so that the task has come to wait, or has gone.
#[derive(Default)]
struct Model {
    outcome: Option<Result<u32, Cancelled>>,
    /// Who waits: `Value` with whatever outcome.
    waiting: Vec<Told>,
    told: Vec<Told>,
}

impl Model {
    fn come(&mut self, who: Told) {
        match self.outcome {
            None => self.waiting.push(who),
            Some(outcome) => self.told.push(who.with(outcome)),
        }
    }

    fn end(&mut self, outcome: Result<u32, Cancelled>) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            self.told.extend(self.waiting.drain(..).map(|who| who.with(outcome)));
        }
    }

    /// Takes out those who wait and are `who`, and says how many they were.
    fn go(&mut self, is_who: impl Fn(&Told) -> bool) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|other| !is_who(other));
        before - self.waiting.len()
    }
}

impl Told {
    fn with(self, outcome: Result<u32, Cancelled>) -> Told {
        match self {
            Told::Value(task, _) => Told::Value(task, outcome),
            other => other,
        }
    }

    fn is_task(&self, number: usize) -> bool {
        matches!(self, Told::Value(task, _) | Told::End(task) if *task == number)
    }
}

/// The two sides, and the tasks that wait.
struct Run {
    completer: Option<Completer<u32>>,
    completion: Completion<u32>,
    tasks: Vec<Option<JoinHandle<()>>>,
    log: Log,
    model: Model,
}

impl Run {
    async fn step(&mut self, step: &Step) {
        match *step {
            Step::AddCallback(number) => {
                self.completion.add_callback(callback(number));
                self.model.come(Told::Callback(number));
            }
            Step::RemoveCallback(number) => {
                let expected = self.model.go(|who| *who == Told::Callback(number));
                assert_eq!(self.completion.remove_callback(callback(number)), expected);
            }
            Step::Await => {
                let (number, log, own) = (self.tasks.len(), Rc::clone(&self.log), self.completion.clone());
                self.come(Told::Value(number, Err(Cancelled)), async move {
                    let outcome = own.await;
                    log.borrow_mut().push(Told::Value(number, outcome));
                })
                .await;
            }
            Step::Join => {
                let (number, log, end) = (self.tasks.len(), Rc::clone(&self.log), self.completion.join());
                self.come(Told::End(number), async move {
                    end.await;
                    log.borrow_mut().push(Told::End(number));
                })
                .await;
            }
            Step::GiveUp(which) => {
                let Some(task) = self.tasks.get_mut(which).and_then(Option::take) else { return };
                task.cancel().detach();
                self.model.go(|who| who.is_task(which));
            }
            Step::Complete => {
                let Some(completer) = self.completer.take() else { return };
                let expected = if self.model.outcome.is_none() { Ok(()) } else { Err(VALUE) };
                assert_eq!(completer.complete(VALUE), expected);
                self.model.end(Ok(VALUE));
            }
            Step::Cancel => {
                assert_eq!(self.completion.cancel(), self.model.outcome.is_none());
                self.model.end(Err(Cancelled));
            }
            Step::DropCompleter => {
                if self.completer.take().is_some() {
                    self.model.end(Err(Cancelled));
                }
            }
            Step::Turn => self.settle().await,
        }
    }

    async fn come(&mut self, who: Told, task: impl Future<Output = ()> + 'static) {
        self.model.come(who);
        self.tasks.push(Some(spawn(task)));
        self.settle().await;
    }

    /// After a turn, all have been told who were to be told, and nobody else.
    async fn settle(&mut self) {
        yield_now().await;
        assert_eq!(*self.log.borrow(), self.model.told);
        assert_eq!(Handle::current().pending().waits, self.model.waiting.len());
        assert_eq!(self.completion.is_finished(), self.model.outcome.is_some());
        assert_eq!(self.completion.clone().take(), self.model.outcome);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// R38 to R42 and R46, in every mixture.
    #[test]
    fn those_who_wait_are_a_list(steps in steps()) {
        twinloop_sim::run(async move {
            let log = LOG.with(Rc::clone);
            log.borrow_mut().clear();
            let (completer, completion) = completion();
            let completer = Some(completer);
            let mut run = Run { completer, completion, tasks: Vec::new(), log, model: Model::default() };
            for step in &steps {
                run.step(step).await;
            }
            run.settle().await;
            Ok(())
        });
    }
}
