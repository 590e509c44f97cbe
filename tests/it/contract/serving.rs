//! Servers in handler mode: a task for each connection, a limit, and the ways to end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::support::{Gate, Log, LogsDrop, drain, kind, settle, until};
use super::{run, run_leaving};
use twinloop::{
    Address, ErrorKind, ServeOptions, Serving, StreamServer, StreamTransport, connect, join_all, sleep,
    spawn, timeout,
};

fn listen() -> StreamServer {
    StreamServer::listen(Address::loopback(0)).expect("there is a free port")
}

/// Answers each line with itself.
async fn echo_lines(stream: StreamTransport) {
    while let Ok(Some(line)) = stream.read_line(100).await {
        if stream.write_owned([&line[..], b"\n"].concat()).await.is_err() {
            break;
        }
    }
}

/// A line that a client says, and the answer.
async fn ask(client: &StreamTransport, line: &str) -> String {
    client.write(format!("{line}\n").as_bytes()).await.expect("the server reads");
    let answer = client.read_line(100).await.expect("the server answers");
    String::from_utf8(answer.expect("it is a line")).expect("it is what was said")
}

/// R137: each connection has a task of its own: a client that says nothing holds nobody up.
#[test]
fn handlers_run_side_by_side() {
    run(|| async {
        let serving = listen().serve(echo_lines);
        let silent = connect(serving.local_address()).await?;
        let client = connect(serving.local_address()).await?;
        assert_eq!(ask(&client, "hello").await, "hello");
        assert_eq!(ask(&silent, "now I do").await, "now I do");
        assert_eq!(serving.connections(), 2);
        drop(silent);
        until(|| serving.connections() == 1).await;
        drop(client);
        serving.close().await?;
        Ok(())
    });
}

/// R136: a handler owns its transport: it may keep it longer than the server lives.
#[test]
fn a_transport_may_outlive_its_handler_and_its_server() {
    run(|| async {
        let kept: Rc<RefCell<Vec<StreamTransport>>> = Rc::default();
        let keeping = Rc::clone(&kept);
        let serving = listen().serve(move |stream| {
            keeping.borrow_mut().push(stream);
            async {}
        });
        let client = connect(serving.local_address()).await?;
        until(|| !kept.borrow().is_empty()).await;
        serving.close().await?;
        let stream = kept.borrow_mut().pop().expect("it was kept");
        client.write(b"still here").await?;
        client.shutdown().await?;
        assert_eq!(drain(&stream).await?, b"still here");
        Ok(())
    });
}

/// No more connections are handled at a time than the limit says, and everyone has a turn.
#[test]
fn a_limit_of_connections_is_kept_and_starves_nobody() {
    run(|| async {
        let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (counted, highest) = (Rc::clone(&now), Rc::clone(&most));
        let options = ServeOptions::default().connections_max(3);
        let serving = listen().serve_with(&options, move |stream| {
            let (now, most) = (Rc::clone(&counted), Rc::clone(&highest));
            async move {
                now.set(now.get() + 1);
                most.set(now.get().max(most.get()));
                echo_lines(stream).await;
                now.set(now.get() - 1);
            }
        });
        let address = serving.local_address();
        let clients = (0..40).map(|number| {
            spawn(async move {
                let client = connect(address).await.expect("the backlog is long");
                ask(&client, &number.to_string()).await
            })
        });
        let answers = join_all(clients.collect::<Vec<_>>()).await;
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer?, number.to_string());
        }
        assert_eq!(most.get(), 3);
        serving.close().await?;
        Ok(())
    });
}

/// R142, R143: a server that was stopped refuses newcomers and frees its address; its handlers go on.
#[test]
fn a_stopped_server_lets_its_handlers_finish() {
    run(|| async {
        let mut serving = listen().serve(echo_lines);
        let address = serving.local_address();
        let client = connect(address).await?;
        assert_eq!(ask(&client, "before").await, "before");
        serving.stop();
        serving.stop();
        assert!(connect(address).await.is_err(), "nobody listens there");
        let again = StreamServer::listen(address)?;
        assert_eq!(ask(&client, "after").await, "after");
        let closer = spawn(async move {
            settle().await;
            drop(client);
        });
        (&mut serving).await?;
        assert_eq!(serving.connections(), 0);
        closer.await?;
        drop(again);
        Ok(())
    });
}

/// A server at its limit, which accepts nothing for now, can be stopped.
#[test]
fn a_server_at_its_limit_can_be_stopped() {
    run(|| async {
        let serving = listen().serve_with(&ServeOptions::default().connections_max(1), echo_lines);
        let client = connect(serving.local_address()).await?;
        assert_eq!(ask(&client, "hello").await, "hello");
        let waiting = connect(serving.local_address()).await?;
        serving.stop();
        let _ended = drain(&waiting).await;
        drop(client);
        serving.await?;
        Ok(())
    });
}

/// A graceful close waits for the handlers, for as long as is put around it; then they are cancelled.
#[test]
fn a_close_waits_for_the_handlers_until_patience_ends() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let serving = listen().serve(move |_stream| {
            inner.add("begun");
            let cancelled = LogsDrop(inner.clone(), "cancelled");
            async move {
                let _cancelled = cancelled;
                sleep(Duration::from_secs(3600)).await;
            }
        });
        let client = connect(serving.local_address()).await?;
        until(|| log.count("begun") == 1).await;
        assert!(timeout(Duration::from_millis(30), serving.close()).await.is_err());
        until(|| log.count("cancelled") == 1).await;
        assert_eq!(drain(&client).await?, b"");
        Ok(())
    });
}

/// An abort cancels the handlers, and is over once they are gone.
#[test]
fn an_abort_is_over_once_the_handlers_are_gone() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let serving = listen().serve(move |stream| {
            inner.add("begun");
            let gone = LogsDrop(inner.clone(), "gone");
            async move {
                let _gone = gone;
                let _ = stream.read(&mut [0]).await;
            }
        });
        let address = serving.local_address();
        let _clients = (connect(address).await?, connect(address).await?);
        until(|| log.count("begun") == 2).await;
        assert_eq!(serving.connections(), 2);
        serving.abort().await?;
        assert_eq!(log.text(), "begun begun gone gone");
        Ok(())
    });
}

/// Dropping a `Serving` ends the server and its handlers.
#[test]
fn dropping_a_serving_ends_it() {
    run(|| async {
        let serving = listen().serve(echo_lines);
        let address = serving.local_address();
        let client = connect(address).await?;
        assert_eq!(ask(&client, "hello").await, "hello");
        drop(serving);
        assert_eq!(drain(&client).await?, b"");
        assert!(connect(address).await.is_err());
        Ok(())
    });
}

/// A server that was detached runs on without its handle.
#[test]
fn a_detached_server_runs_on() {
    run_leaving(|| async {
        let serving = listen().serve(echo_lines);
        let address = serving.local_address();
        serving.detach();
        let client = connect(address).await?;
        assert_eq!(ask(&client, "hello").await, "hello");
        Ok(())
    });
}

/// R137: where panics are contained, one ends its own connection and is counted.
#[test]
fn a_contained_panic_ends_its_own_connection_alone() {
    run(|| async {
        let options = ServeOptions::default().contain_panics(true);
        let serving = listen().serve_with(&options, |stream| async move {
            match stream.read_line(100).await {
                Ok(Some(line)) if line == b"panic" => panic!("as it was told"),
                _ => echo_lines(stream).await,
            }
        });
        let (good, bad) = (connect(serving.local_address()).await?, connect(serving.local_address()).await?);
        bad.write(b"panic\n").await?;
        assert_eq!(drain(&bad).await?, b"");
        good.write(b"skipped\n").await?;
        assert_eq!(ask(&good, "hello").await, "hello");
        assert_eq!((serving.panics(), serving.connections()), (1, 1));
        drop(good);
        serving.close().await?;
        Ok(())
    });
}

/// R140: stop, abort, drop and the arrival of clients may come in any order.
#[test]
fn a_server_may_end_at_any_moment() {
    run(|| async {
        type End = fn(Serving);
        let ends: [End; 4] = [
            |serving| drop(spawn(serving.close())),
            |serving| drop(spawn(serving.abort())),
            drop,
            |serving| {
                serving.stop();
                drop(serving);
            },
        ];
        for end in ends {
            for delay in 0..4 {
                let served = Gate::default();
                let told = served.clone();
                let serving = listen().serve(move |stream| {
                    told.open();
                    echo_lines(stream)
                });
                let address = serving.local_address();
                let client = spawn(async move {
                    let client = connect(address).await?;
                    client.write(b"hello\n").await?;
                    client.shutdown().await?;
                    drain(&client).await
                });
                match delay {
                    3 => served.wait().await,
                    turns => super::support::turns(turns).await,
                }
                end(serving);
                // Answered, refused or cut off: but it ends.
                let outcome = client.await?;
                assert!(outcome.is_err() || outcome.is_ok_and(|text| b"hello\n".starts_with(&text)));
            }
        }
        // Those that close gracefully have no client any more.
        settle().await;
        Ok(())
    });
}

/// R104: what a handler does after its transport was closed by the end of the server is refused as closed.
#[test]
fn a_handler_that_closes_its_stream_goes_on() {
    run(|| async {
        let outcome: Rc<Cell<Option<ErrorKind>>> = Rc::default();
        let told = Rc::clone(&outcome);
        let serving = listen().serve(move |stream| {
            let told = Rc::clone(&told);
            async move {
                stream.close().await;
                told.set(Some(kind(stream.write(b"too late").await)));
            }
        });
        let client = connect(serving.local_address()).await?;
        assert_eq!(drain(&client).await?, b"");
        serving.close().await?;
        assert_eq!(outcome.get(), Some(ErrorKind::Closed));
        Ok(())
    });
}
