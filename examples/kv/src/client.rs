//! The client: requests in, replies out, and an APPLY that is retried until it is answered. It names no driver.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use twinloop::{Address, Handle, StreamTransport, TransportError, connect, sleep, timeout};

use crate::resp::{Limits, ProtocolError, Reply, ReplyParser, request};

/// How long a retrying client waits for an answer, or for a connection.
const ANSWER_MAX: Duration = Duration::from_millis(300);
/// How long it rests before it tries again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: StreamTransport,
    parser: ReplyParser,
    /// Replies that came and were not asked for yet.
    replies: VecDeque<Reply>,
    out: Vec<u8>,
}

/// Why a call has no reply.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The connection failed.
    Transport(TransportError),
    /// The server closed the connection.
    Closed,
    /// What came is no RESP2.
    Protocol(ProtocolError),
}

impl std::error::Error for ClientError {}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Transport(error) => fmt::Display::fmt(error, f),
            ClientError::Closed => f.write_str("the server closed the connection"),
            ClientError::Protocol(error) => write!(f, "the server's reply is no RESP2: {error}"),
        }
    }
}

impl From<TransportError> for ClientError {
    fn from(error: TransportError) -> Self {
        ClientError::Transport(error)
    }
}

impl Client {
    /// Connects to a server.
    ///
    /// # Errors
    ///
    /// That of the connect.
    pub async fn connect(server: Address) -> Result<Client, ClientError> {
        Ok(Client {
            stream: connect(server).await?,
            parser: ReplyParser::new(Limits::default()),
            replies: VecDeque::new(),
            out: Vec::new(),
        })
    }

    /// Sends one request and waits for its reply. After an error, or when it is cancelled, the connection is of no more
    /// use: the next reply could be that of this request.
    ///
    /// # Errors
    ///
    /// If the connection ends first. An error that the server answers is a reply.
    pub async fn call(&mut self, arguments: &[&[u8]]) -> Result<Reply, ClientError> {
        self.push(arguments);
        self.flush().await?;
        self.reply().await
    }

    /// Adds a request to those that [`flush`](Self::flush) sends: a pipeline.
    pub fn push(&mut self, arguments: &[&[u8]]) {
        request(&mut self.out, arguments);
    }

    /// Sends the requests that were pushed.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        self.stream.write(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    /// The reply to the earliest request that has none yet.
    ///
    /// # Errors
    ///
    /// If the connection ends first.
    pub async fn reply(&mut self) -> Result<Reply, ClientError> {
        loop {
            if let Some(reply) = self.replies.pop_front() {
                return Ok(reply);
            }
            let parsed = self.stream.peek(|bytes| parse_all(&mut self.parser, bytes, &mut self.replies));
            let consumed = parsed.map_err(ClientError::Protocol)?;
            self.stream.consume(consumed);
            if self.replies.is_empty() && self.stream.fill().await? == 0 {
                return Err(ClientError::Closed);
            }
        }
    }
}

/// Parses the whole replies in `bytes`; says how many bytes they were.
fn parse_all(
    parser: &mut ReplyParser,
    bytes: &[u8],
    replies: &mut VecDeque<Reply>,
) -> Result<usize, ProtocolError> {
    let mut consumed = 0;
    while let Some((reply, length)) = parser.parse(&bytes[consumed..])? {
        consumed += length;
        replies.push_back(reply);
    }
    Ok(consumed)
}

/// A client that does not give up: it connects anew and asks again until it has an answer.
///
/// Only what may be asked twice may be asked through it: a read, or an APPLY with its ids.
#[derive(Debug)]
pub struct Retrying {
    server: Address,
    connection: Option<Client>,
}

impl Retrying {
    /// A client of `server`, not connected yet.
    pub fn new(server: Address) -> Retrying {
        Retrying { server, connection: None }
    }

    /// Asks until there is a reply. Never gives up by itself: compose with [`timeout`].
    pub async fn call(&mut self, arguments: &[&[u8]]) -> Reply {
        loop {
            match timeout(ANSWER_MAX, self.attempt(arguments)).await {
                Ok(Ok(reply)) => return reply,
                Ok(Err(error)) => self.rest(arguments, &error.to_string()).await,
                Err(elapsed) => self.rest(arguments, &elapsed.to_string()).await,
            }
        }
    }

    /// Gives the connection up, and waits a little before the next attempt.
    async fn rest(&mut self, arguments: &[&[u8]], why: &str) {
        self.connection = None;
        Handle::current().note(|| format!("{} again: {why}", arguments.join(&b' ').escape_ascii()));
        sleep(RETRY_PAUSE).await;
    }

    async fn attempt(&mut self, arguments: &[&[u8]]) -> Result<Reply, ClientError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Client::connect(self.server).await?,
        };
        self.connection.insert(connection).call(arguments).await
    }
}
