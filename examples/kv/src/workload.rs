//! How the clients do what is planned, on either driver: counters incremented with retries, registers set and read, all of it
//! recorded.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twinloop::{Address, Handle, now, sleep, timeout};

use crate::client::{Client, Retrying};
use crate::history::{Answer, Call, History};
use crate::plan::{Command, Plan, Step};
use crate::resp::Reply;
use crate::store::AddError;

/// How long a client waits for an answer to what it may not ask twice.
const ANSWER_MAX: Duration = Duration::from_millis(300);

type Failure = Box<dyn std::error::Error>;

/// One client's work. It outlives a crash of the client: what is done stays done, and what was acknowledged stays
/// recorded, as in a user's memory.
#[derive(Debug)]
pub struct Workload {
    client: usize,
    plan: Rc<Plan>,
    history: Rc<RefCell<History>>,
    operations_done: Cell<usize>,
    /// Counts starts: a client that starts again has a new identity, since it has forgotten its request ids.
    lives: Cell<u64>,
}

impl Workload {
    /// The work that `plan` has for the client with this number, recorded in `history`.
    pub fn new(client: usize, plan: Rc<Plan>, history: Rc<RefCell<History>>) -> Workload {
        Workload { client, plan, history, operations_done: Cell::new(0), lives: Cell::new(0) }
    }

    /// Does what is left of the work, against `server`.
    ///
    /// # Errors
    ///
    /// If the server answers what no Redis would. What is wrong with the answers taken together, the history tells.
    pub async fn run(&self, server: Address) -> Result<(), Failure> {
        let life = self.lives.replace(self.lives.get() + 1);
        let mut caller = Caller {
            workload: self,
            identity: format!("client-{}.{life}", self.client),
            requests: 0,
            retrying: Retrying::new(server),
            server,
            direct: None,
        };
        while let Some(step) = self.plan.clients[self.client].get(self.operations_done.get()) {
            self.operations_done.set(self.operations_done.get() + 1);
            caller.operate(step).await?;
            sleep(step.think).await;
        }
        for key in &self.plan.keys {
            caller.get(key).await?;
        }
        Ok(())
    }
}

/// A client while it lives.
struct Caller<'a> {
    workload: &'a Workload,
    identity: String,
    requests: u64,
    retrying: Retrying,
    server: Address,
    /// The connection for what may not be asked twice; `None` after an answer failed to come.
    direct: Option<Client>,
}

impl Caller<'_> {
    async fn operate(&mut self, step: &Step) -> Result<(), Failure> {
        let key = &step.key;
        match step.command {
            Command::Apply(delta) => self.apply(key, delta).await,
            Command::Get => self.get(key).await,
            Command::Set(value) => {
                let value = value.to_string();
                let call = Call::Set(value.clone().into_bytes());
                self.once(&["SET", key, &value], key, call).await
            }
            Command::IncrBy(amount) => {
                self.once(&["INCRBY", key, &amount.to_string()], key, Call::IncrBy(amount)).await
            }
        }
    }

    /// An increment that is retried until it is answered, and applied once.
    async fn apply(&mut self, key: &str, delta: i64) -> Result<(), Failure> {
        self.requests += 1;
        let (request, delta_text) = (self.requests.to_string(), delta.to_string());
        let arguments = ["APPLY", &self.identity, &request, key, &delta_text];
        let operation = self.begin(key, Call::Apply(delta));
        let reply = self.retrying.call(&arguments.map(str::as_bytes)).await;
        self.finish(&arguments, operation, reply)
    }

    async fn get(&mut self, key: &str) -> Result<(), Failure> {
        let arguments = ["GET", key];
        let operation = self.begin(key, Call::Get);
        let reply = self.retrying.call(&arguments.map(str::as_bytes)).await;
        self.finish(&arguments, operation, reply)
    }

    /// A request that is sent once: if no answer comes, it may have been executed, or not, or may yet be.
    async fn once(&mut self, arguments: &[&str], key: &str, call: Call) -> Result<(), Failure> {
        let operation = self.begin(key, call);
        let bytes: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
        match timeout(ANSWER_MAX, self.ask_once(&bytes)).await {
            Ok(Some(reply)) => self.finish(arguments, operation, reply),
            Ok(None) | Err(_) => {
                self.note(arguments, "no answer");
                Ok(())
            }
        }
    }

    async fn ask_once(&mut self, arguments: &[&[u8]]) -> Option<Reply> {
        let mut connection = match self.direct.take() {
            Some(connection) => connection,
            None => Client::connect(self.server).await.ok()?,
        };
        let reply = connection.call(arguments).await.ok()?;
        self.direct = Some(connection);
        Some(reply)
    }

    fn begin(&self, key: &str, call: Call) -> crate::history::OperationId {
        self.workload.history.borrow_mut().begin(self.workload.client as u64, key.as_bytes(), call, now())
    }

    fn finish(
        &self,
        arguments: &[&str],
        operation: crate::history::OperationId,
        reply: Reply,
    ) -> Result<(), Failure> {
        self.note(arguments, &reply.to_string());
        let answer =
            answer(reply).map_err(|reply| format!("{} was answered {reply}", arguments.join(" ")))?;
        self.workload.history.borrow_mut().finish(operation, answer, now());
        Ok(())
    }

    fn note(&self, arguments: &[&str], outcome: &str) {
        Handle::current().note(|| format!("{} → {outcome}", arguments.join(" ")));
    }
}

/// The reply as an answer of the history, or back if no command of the workload has such a reply.
fn answer(reply: Reply) -> Result<Answer, Reply> {
    match reply {
        Reply::Simple(text) if text == b"OK" => Ok(Answer::Done),
        Reply::Integer(number) => Ok(Answer::Integer(number)),
        Reply::Bulk(value) => Ok(Answer::Value(value)),
        Reply::Error(text) => match text.as_slice() {
            b"ERR value is not an integer or out of range" => Ok(Answer::Refused(AddError::NotAnInteger)),
            b"ERR increment or decrement would overflow" => Ok(Answer::Refused(AddError::Overflow)),
            _ => Err(Reply::Error(text)),
        },
        other => Err(other),
    }
}
