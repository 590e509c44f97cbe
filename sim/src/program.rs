//! What runs on a simulated host: a recipe that makes its main future, once for each start.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;

use twinloop::Handle;

/// What a program answers: an error fails the run.
pub type ProgramResult = Result<(), Box<dyn Error>>;

type MainFuture = Pin<Box<dyn Future<Output = ProgramResult>>>;

/// How the program ended, once it has.
pub(crate) type Exit = Rc<RefCell<Option<Result<(), String>>>>;

pub(crate) struct Program {
    make: Box<dyn FnMut() -> MainFuture>,
    is_client: bool,
    /// Where the scenario adds it: the name of its main task.
    place: &'static Location<'static>,
}

impl Program {
    /// `make` is called at each start of the host, in the scope of its dispatcher.
    pub(crate) fn new<F>(
        is_client: bool,
        place: &'static Location<'static>,
        mut make: impl FnMut() -> F + 'static,
    ) -> Program
    where
        F: Future<Output = ProgramResult> + 'static,
    {
        Program { make: Box::new(move || Box::pin(make())), is_client, place }
    }

    /// Whether the run waits for it to end.
    pub(crate) fn is_client(&self) -> bool {
        self.is_client
    }

    /// Spawns the main future on the current dispatcher; `has_ended` is set at its end, and `exit` if that is more than
    /// the end of a server.
    pub(crate) fn begin(&mut self, exit: &Exit, has_ended: &Rc<Cell<bool>>) {
        let main = (self.make)();
        let (exit, has_ended) = (Rc::clone(exit), Rc::clone(has_ended));
        let is_client = self.is_client;
        let main = Handle::current().spawn_at(self.place, async move {
            let ended = main.await.map_err(|error| error.to_string());
            has_ended.set(true);
            Handle::current().note(|| match &ended {
                Ok(()) => "program ended".to_owned(),
                Err(error) => format!("program failed: {error}"),
            });
            // A server that ends well has only stopped serving; it is no reason to end the run.
            if is_client || ended.is_err() {
                exit.replace(Some(ended));
            }
        });
        main.detach();
    }
}
