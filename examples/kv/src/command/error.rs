//! What a command may answer instead of a result, in the words of Redis.

use crate::resp::{self, Request};
use crate::store::{AddError, ApplyError};

/// Bytes of what a client sent that an error quotes at most.
const QUOTED_LEN_MAX: usize = 128;

/// Why a request was not carried out. The store is as it was.
#[derive(Clone, Copy, Debug)]
pub(super) enum CommandError<'a> {
    /// There is no such command.
    Unknown(Request<'a>),
    /// The command of this name, `|` before a subcommand, takes another number of arguments.
    Arity(&'static str),
    /// The command has no such subcommand.
    UnknownSubcommand { command: &'static str, got: &'a [u8] },
    /// An option is unknown, incomplete, or contradicts another one.
    Syntax,
    /// EXPIRE or PEXPIRE has no such option.
    UnsupportedOption(&'a [u8]),
    /// NX stands with another option of EXPIRE or PEXPIRE.
    NxWithOthers,
    /// GT and LT stand together.
    GtWithLt,
    /// HELLO has no such option.
    HelloOption(&'a [u8]),
    /// HELLO asks for a protocol that is not a number.
    ProtocolNotANumber,
    /// HELLO asks for another protocol than RESP2.
    NoProtocol,
    /// An argument, or the key's value, is not an integer.
    NotAnInteger,
    /// A sum does not fit.
    Overflow,
    /// DECRBY by a number that cannot be negated.
    DecrementOverflow,
    /// The command of this name got a time to live that is not positive or beyond the clock's range.
    InvalidExpire(&'static str),
    /// SELECT of a database that is not there.
    DatabaseOutOfRange,
    /// The name of a connection has a space or a control character.
    ClientName,
    /// The values asked for are more than one reply may have.
    ReplyTooLong,
    /// See [`ApplyError`].
    Apply(ApplyError),
}

impl CommandError<'_> {
    /// Appends the error as a reply.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        resp::error(out, &self.text());
    }

    fn text(&self) -> Vec<u8> {
        match self {
            CommandError::Unknown(request) => unknown_command(*request),
            CommandError::ReplyTooLong => b"ERR the reply would be too long".into(),
            CommandError::Arity(name) => format!("ERR wrong number of arguments for '{name}' command").into(),
            CommandError::UnknownSubcommand { command, got } => {
                let try_help = format!("'. Try {} HELP.", command.to_ascii_uppercase());
                [b"ERR unknown subcommand '", quoted(got, QUOTED_LEN_MAX), try_help.as_bytes()].concat()
            }
            CommandError::Syntax => "ERR syntax error".into(),
            CommandError::UnsupportedOption(got) => {
                [b"ERR Unsupported option ", quoted(got, got.len())].concat()
            }
            CommandError::NxWithOthers => {
                "ERR NX and XX, GT or LT options at the same time are not compatible".into()
            }
            CommandError::GtWithLt => "ERR GT and LT options at the same time are not compatible".into(),
            CommandError::HelloOption(got) => {
                [b"ERR Syntax error in HELLO option '", quoted(got, got.len()), b"'"].concat()
            }
            CommandError::ProtocolNotANumber => {
                "ERR Protocol version is not an integer or out of range".into()
            }
            CommandError::NoProtocol => "NOPROTO unsupported protocol version".into(),
            CommandError::NotAnInteger => format!("ERR {}", AddError::NotAnInteger).into(),
            CommandError::Overflow => format!("ERR {}", AddError::Overflow).into(),
            CommandError::DecrementOverflow => "ERR decrement would overflow".into(),
            CommandError::InvalidExpire(name) => {
                format!("ERR invalid expire time in '{name}' command").into()
            }
            CommandError::DatabaseOutOfRange => "ERR DB index is out of range".into(),
            CommandError::ClientName => {
                "ERR Client names cannot contain spaces, newlines or special characters.".into()
            }
            CommandError::Apply(error) => format!("ERR {error}").into(),
        }
    }
}

impl From<AddError> for CommandError<'_> {
    fn from(error: AddError) -> Self {
        match error {
            AddError::NotAnInteger => CommandError::NotAnInteger,
            AddError::Overflow => CommandError::Overflow,
        }
    }
}

/// It quotes as many arguments as fit, and the last of them cut to what fits.
fn unknown_command(request: Request<'_>) -> Vec<u8> {
    let mut args = Vec::new();
    for arg in request.from(1) {
        if args.len() >= QUOTED_LEN_MAX {
            break;
        }
        let arg = quoted(arg, QUOTED_LEN_MAX - args.len());
        args.extend_from_slice(&[b"'", arg, b"' "].concat());
    }
    let name = quoted(&request[0], QUOTED_LEN_MAX);
    [b"ERR unknown command '", name, b"', with args beginning with: ", &args].concat()
}

/// `bytes` as Redis prints them: a C string, which ends at a NUL.
fn quoted(bytes: &[u8], len_max: usize) -> &[u8] {
    let end = bytes.iter().take(len_max).take_while(|&&byte| byte != 0).count();
    &bytes[..end]
}
