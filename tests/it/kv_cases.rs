//! The example server, seen by clients that behave and by clients that do not. Mounted on both drivers.

use std::error::Error;
use std::time::Duration;

use kv::client::{Client, Retrying};
use kv::resp::{Limits, Reply};
use kv::server::{Options, serve};
use twinloop::{Address, StreamServer, StreamTransport, connect, sleep, spawn, timeout};

// A server serves until its dispatcher closes.
use super::run_leaving as run;

type Outcome = Result<(), Box<dyn Error>>;

/// A server of its own for each case, with small limits.
fn server() -> Result<Address, Box<dyn Error>> {
    let limits = Limits { bulk_len_max: 1 << 20, arguments_max: 1000, ..Limits::default() };
    let listener = StreamServer::listen(Address::loopback(0))?;
    let address = listener.local_address();
    spawn(serve(listener, Options { limits, forgets: false })).detach();
    Ok(address)
}

/// Sends `bytes`, ends the direction, and gives all that comes back.
async fn exchange(address: Address, bytes: &[u8]) -> Result<String, Box<dyn Error>> {
    let stream = connect(address).await?;
    stream.write(bytes).await?;
    stream.shutdown().await?;
    Ok(String::from_utf8(stream.read_to_end(1 << 20).await?)?)
}

/// As `exchange`, for what the server closes the connection after. Its reply may be followed by a reset, since it does
/// not read what came behind the error.
async fn last_words(address: Address, bytes: &[u8]) -> Result<String, Box<dyn Error>> {
    let stream = connect(address).await?;
    // The server may close before it has taken all of it.
    let _written = stream.write(bytes).await;
    let line = stream.read_line(1000).await?.unwrap_or_default();
    assert_eq!(
        stream.read_line(1000).await.unwrap_or(None),
        None,
        "the connection is closed after the error"
    );
    Ok(String::from_utf8(line)?)
}

#[test]
fn commands_are_answered_in_order_pipelined_and_inline() {
    run(|| async {
        let address = server()?;
        let requests = b"PING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\nSET k 5\r\nINCR k\nGET k\r\nDEL k nothing\r\n\r\nEXISTS k\r\n";
        let replies = exchange(address, requests).await?;
        assert_eq!(replies, "+PONG\r\n$2\r\nhi\r\n+OK\r\n:6\r\n$1\r\n6\r\n:1\r\n:0\r\n");
        Ok(())
    });
}

#[test]
fn requests_may_come_a_byte_at_a_time() {
    run(|| async {
        let stream = connect(server()?).await?;
        for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na\r\n\r\n" {
            stream.write(&[*byte]).await?;
            twinloop::yield_now().await;
        }
        assert_eq!(stream.read_line(80).await?, Some(b"+OK".to_vec()));
        Ok(())
    });
}

#[test]
fn errors_are_those_of_redis_and_the_connection_goes_on() {
    run(|| async {
        let address = server()?;
        let replies =
            exchange(address, b"NOSUCH a b\r\nGET\r\nSET k x\r\nINCR k\r\nSET k 1 EX 0\r\nPING\r\n").await?;
        let expected = "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n\
            -ERR wrong number of arguments for 'get' command\r\n+OK\r\n\
            -ERR value is not an integer or out of range\r\n-ERR invalid expire time in 'set' command\r\n+PONG\r\n";
        assert_eq!(replies, expected);
        Ok(())
    });
}

#[test]
fn malformed_requests_are_told_and_end_the_connection() {
    run(|| async {
        let address = server()?;
        for (request, error) in [
            (&b"*1\r\n$2000000\r\n"[..], "-ERR Protocol error: invalid bulk length"),
            (b"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length"),
            (b"*1001\r\n", "-ERR Protocol error: invalid multibulk length"),
            (b"*x\r\n", "-ERR Protocol error: invalid multibulk length"),
            (b"*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'"),
            (b"SET \"unbalanced\r\n", "-ERR Protocol error: unbalanced quotes in request"),
        ] {
            assert_eq!(last_words(address, request).await?, error, "{}", request.escape_ascii());
        }
        assert_eq!(
            last_words(address, &[b'x'; 70_000]).await?,
            "-ERR Protocol error: too big inline request"
        );
        Ok(())
    });
}

#[test]
fn quit_is_answered_and_closes() {
    run(|| async {
        assert_eq!(exchange(server()?, b"QUIT\r\nPING\r\n").await?, "+OK\r\n");
        Ok(())
    });
}

#[test]
fn a_client_that_never_reads_stops_being_served_and_nobody_else_does() {
    run(|| async {
        let address = server()?;
        let mut other = Client::connect(address).await?;
        other.call(&[b"SET", b"big", &vec![b'x'; 100_000]]).await?;

        let silent = connect(address).await?;
        let flood = flood(&silent);
        // Its writes stop being taken: the server reads no further while its replies find no room.
        let taken = timeout(Duration::from_millis(500), flood).await;
        assert!(taken.is_err(), "a gigabyte of replies was taken for a client that reads nothing");
        assert_eq!(other.call(&[b"PING"]).await?, Reply::Simple(b"PONG".to_vec()));
        Ok(())
    });
}

/// Asks for a gigabyte and more.
async fn flood(stream: &StreamTransport) -> Outcome {
    let requests = b"GET big\r\n".repeat(1000);
    for _ in 0..1000 {
        stream.write(&requests).await?;
    }
    Ok(())
}

#[test]
fn keys_expire_on_the_dispatchers_timers() {
    run(|| async {
        let mut client = Client::connect(server()?).await?;
        client.call(&[b"SET", b"short", b"1", b"PX", b"700"]).await?;
        client.call(&[b"SET", b"long", b"1", b"EX", b"1000"]).await?;
        client.call(&[b"SET", b"kept", b"1"]).await?;
        assert_eq!(client.call(&[b"DBSIZE"]).await?, Reply::Integer(3));
        sleep(Duration::from_millis(800)).await;
        assert_eq!(client.call(&[b"GET", b"short"]).await?, Reply::Bulk(None));
        assert_eq!(client.call(&[b"TTL", b"kept"]).await?, Reply::Integer(-1));
        assert_eq!(client.call(&[b"TTL", b"short"]).await?, Reply::Integer(-2));
        let Reply::Bulk(Some(info)) = client.call(&[b"INFO", b"stats"]).await? else {
            panic!("INFO is a text")
        };
        // Nobody asked for the key before: a timer removed it.
        assert!(String::from_utf8(info)?.contains("expired_keys:1\r\n"));
        Ok(())
    });
}

#[test]
fn an_apply_counts_once_however_often_it_is_sent() {
    run(|| async {
        let address = server()?;
        for _ in 0..3 {
            let mut client = Retrying::new(address);
            assert_eq!(client.call(&[b"APPLY", b"me", b"1", b"sum", b"5"]).await, Reply::Integer(5));
        }
        let mut client = Client::connect(address).await?;
        assert_eq!(client.call(&[b"APPLY", b"me", b"2", b"sum", b"5"]).await?, Reply::Integer(10));
        let other = client.call(&[b"APPLY", b"me", b"2", b"sum", b"6"]).await?;
        assert!(matches!(other, Reply::Error(_)), "{other}");
        assert_eq!(client.call(&[b"GET", b"sum"]).await?, Reply::Bulk(Some(b"10".to_vec())));
        Ok(())
    });
}

/// Whatever bytes come, the server answers or closes; it goes on serving.
#[test]
fn random_bytes_harm_nobody() {
    run(|| async {
        let address = server()?;
        let mut state = 1_u32;
        for _ in 0..50 {
            let bytes: Vec<u8> = (0..200)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    b"*$\r\n0129-PINGSETa \"'\\x\0"[(state >> 24) as usize % 23]
                })
                .collect();
            // The server may close in the middle of what is sent.
            let _replies = exchange(address, &bytes).await;
        }
        assert_eq!(exchange(address, b"PING\r\n").await?, "+PONG\r\n");
        Ok(())
    });
}

/// A short request for one large value, many times over.
#[test]
fn a_reply_has_a_bound() {
    run(|| async {
        let mut client = Client::connect(server()?).await?;
        client.call(&[b"SET", b"big", &vec![b'x'; 1 << 20]]).await?;
        let mut request: Vec<&[u8]> = vec![b"MGET"];
        request.resize(300, b"big");
        assert_eq!(client.call(&request).await?, Reply::Error(b"ERR the reply would be too long".to_vec()));
        Ok(())
    });
}
