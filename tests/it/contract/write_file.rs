//! Sending files over streams: ranges, turns in the queue, files that change, peers that are slow or gone.

use std::cell::RefCell;
use std::rc::Rc;

use super::files::{Place, file_with};
use super::run;
use super::support::{
    Turns, clog, drain, kind, more_than_the_kernel_takes, pair, pattern, poll_once, queue_write, settle,
    turns,
};
use twinloop::driver::FileOptions;
use twinloop::fs::remove_file;
use twinloop::transport::WriteFile;
use twinloop::{
    Address, ErrorKind, File, Handle, Operation, StreamServer, StreamTransport, TransportError, connect,
    spawn,
};

/// Whether a part of a file is counted only once it was sent as a whole.
fn goes_on() -> bool {
    Handle::current().capabilities().file_sends_go_on
}

/// `write_file` behind a clogged queue, seen waiting.
async fn queue_file(stream: &StreamTransport, file: &File) -> WriteFile {
    let mut sending = stream.write_file(file, 0, None);
    assert!(poll_once(&mut sending).await.is_pending(), "the kernel was full");
    sending
}

/// R117, R118: any part of a file is sent, or all from some place on; without a length, up to the end.
#[test]
fn any_range_of_a_file_is_sent() {
    run(|| async {
        let contents = pattern(200_000);
        let file = file_with(contents).await?;
        let ranges: &[(u64, Option<u64>, &[u8])] = &[
            (0, None, contents),
            (3, Some(4), &contents[3..7]),
            (199_999, None, &contents[199_999..]),
            (70_000, Some(100_000), &contents[70_000..170_000]),
            (1, Some(199_999), &contents[1..]),
            (5, Some(0), &[]),
        ];
        for &(offset, length, expected) in ranges {
            let (stream, peer) = pair().await?;
            let reader = spawn(async move { drain(&peer).await });
            let mut sending = stream.write_file(&file, offset, length);
            assert_eq!((&mut sending).await?, expected.len() as u64);
            assert_eq!(sending.sent(), expected.len() as u64);
            stream.close().await;
            assert!(reader.await?? == expected, "{offset} {length:?}");
        }
        Ok(())
    });
}

/// R119: a file that is shorter than was asked for ends with the count, and what is behind it is sent.
#[test]
fn a_file_that_ends_early_ends_with_the_count() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let file = file_with(b"0123456789").await?;
        let sendings = [
            stream.write_file(&file, 4, Some(1_000_000)),
            stream.write_file(&file, 10, None),
            stream.write_file(&file, 11, Some(1)),
            stream.write_file(&file, 1 << 40, None),
            stream.write_file(&file_with(b"").await?, 0, None),
        ];
        for (sending, count) in sendings.into_iter().zip([6, 0, 0, 0, 0]) {
            assert_eq!(sending.await?, count);
        }
        stream.write(b" end").await?;
        stream.close().await;
        assert_eq!(drain(&peer).await?, b"456789 end");
        Ok(())
    });
}

/// R119: a file that is cut off while it waits, or while it is sent, ends with what was sent of it. Nothing hangs.
#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_with_the_count() {
    run(|| async {
        let large = 2 * more_than_the_kernel_takes().await?;
        let place = Place::with(pattern(large)).await?;
        let mut options = FileOptions::default();
        options.write = true;
        let file = File::open_with(&place, &options).await?;

        let (stream, peer) = pair().await?;
        let begun = stream.write_file(&file, 0, None);
        assert!(begun.sent() > 0 || goes_on(), "its first bytes left in the call");
        assert!(begun.sent() < large as u64, "{} of {large}", begun.sent());
        let waiting = stream.write_file(&file, 1_000, Some(large as u64));
        settle().await;
        file.set_length(1_500).await?;
        let reader = spawn(async move { drain(&peer).await });
        let sent = begun.await? as usize;
        assert!(sent < large);
        assert_eq!(waiting.await?, 500);
        stream.write(b"end").await?;
        stream.close().await;
        let all = reader.await??;
        assert_eq!(all.len(), sent + 503);
        // Of what was under way the system may show either: the bytes, or the zeros that took their place.
        assert!(all[sent..sent + 500] == pattern(1_500)[1_000..]);
        assert_eq!(all[sent + 500..], *b"end");
        Ok(())
    });
}

/// R110, R117: a file that is larger than all buffers reaches a slow reader in full.
#[test]
fn a_large_file_reaches_a_slow_reader_in_full() {
    run(|| async {
        let large = 2 * more_than_the_kernel_takes().await? + 12_345;
        let (stream, peer) = pair().await?;
        let reader = spawn(async move {
            let (mut all, mut buffer) = (Vec::new(), vec![0; 100_000]);
            loop {
                match peer.read(&mut buffer).await? {
                    0 => return Ok::<_, TransportError>(all),
                    count => all.extend_from_slice(&buffer[..count]),
                }
                turns(all.len() % 5).await;
            }
        });
        assert_eq!(stream.write_file(&file_with(pattern(large)).await?, 0, None).await?, large as u64);
        stream.close().await;
        assert!(reader.await?? == pattern(large));
        Ok(())
    });
}

/// R117, R109: files and writes leave in the order of the calls, a thousand of them from several tasks.
#[test]
fn files_and_writes_leave_in_the_order_of_the_calls() {
    const WRITERS: usize = 4;
    const EACH: usize = 250;
    run(|| async {
        let contents = pattern(5_000);
        let file = Rc::new(file_with(contents).await?);
        let (stream, peer) = pair().await?;
        let (stream, expected) = (Rc::new(stream), Rc::new(RefCell::new(Vec::new())));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (stream, file, expected) = (Rc::clone(&stream), Rc::clone(&file), Rc::clone(&expected));
                spawn(async move {
                    for number in 0..EACH {
                        let start = (writer * 7_919 + number * 104_729) % 4_000;
                        let part = &contents[start..start + start % 900];
                        expected.borrow_mut().extend_from_slice(part);
                        match (number % 2, number % 3) {
                            (0, 0) => assert_eq!(stream.write(part).await?, part.len()),
                            (0, _) => stream.write(part).detach(),
                            (_, 0) => {
                                let sent = stream.write_file(&file, start as u64, Some(part.len() as u64));
                                assert_eq!(sent.await?, part.len() as u64);
                            }
                            _ => stream.write_file(&file, start as u64, Some(part.len() as u64)).detach(),
                        }
                    }
                    Ok::<(), TransportError>(())
                })
            })
            .collect();
        let reader = spawn(async move { drain(&peer).await });
        for writer in writers {
            writer.await??;
        }
        stream.shutdown().await?;
        assert!(reader.await?? == *expected.borrow());
        Ok(())
    });
}

/// Ten clients at once get the same file, each of them all of it.
#[test]
fn ten_clients_get_the_same_file() {
    const CLIENTS: usize = 10;
    const LENGTH: usize = 300_000;
    run(|| async {
        let file = Rc::new(file_with(pattern(LENGTH)).await?);
        let server = StreamServer::listen(Address::loopback(0))?;
        let address = server.local_address();
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| spawn(async move { drain(&connect(address).await?).await })).collect();
        let mut senders = Vec::new();
        for _ in 0..CLIENTS {
            let (stream, file) = (server.accept().await?, Rc::clone(&file));
            senders.push(spawn(async move { stream.write_file(&file, 0, None).await }));
        }
        for sender in senders {
            assert_eq!(sender.await??, LENGTH as u64);
        }
        for client in clients {
            assert!(client.await?? == pattern(LENGTH));
        }
        Ok(())
    });
}

/// R115: a file that is given up before its first byte left is withdrawn whole, and is closed.
#[test]
fn a_file_given_up_before_its_first_byte_is_withdrawn() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let first = queue_write(&stream, b"first ").await;
        let file = file_with(b"withdrawn ").await?;
        let withdrawn = queue_file(&stream, &file).await;
        let unpolled = stream.write_file(&file, 0, None);
        drop(file);
        let last = queue_write(&stream, b"last").await;
        drop((withdrawn, unpolled));
        let reader = spawn(async move { drain(&peer).await });
        assert_eq!((first.await?, last.await?), (6, 4));
        stream.close().await;
        assert_eq!(String::from_utf8_lossy(&reader.await??[prefix..]), "first last");
        Ok(())
    });
}

/// R115, R116: a file that has begun is sent to its end although it is given up, and although nobody has it open any more.
#[test]
fn a_file_given_up_after_its_first_byte_is_finished() {
    run(|| async {
        let large = 2 * more_than_the_kernel_takes().await?;
        let (stream, peer) = pair().await?;
        let place = Place::with(pattern(large)).await?;
        let begun = stream.write_file(&File::open(&place).await?, 0, None);
        assert!(begun.sent() > 0 || goes_on(), "its first bytes left in the call");
        drop(begun);
        remove_file(&place).await?;
        let behind = stream.write(b"behind");
        let reader = spawn(async move { drain(&peer).await });
        assert_eq!(behind.await?, 6);
        stream.close().await;
        let all = reader.await??;
        assert_eq!(all.len(), large + 6);
        assert!(all[..large] == *pattern(large));
        assert_eq!(all[large..], *b"behind");
        Ok(())
    });
}

/// `detach` leaves a file queued: it is sent, and nobody waits for it. R122: a shutdown sends it first.
#[test]
fn a_detached_file_is_sent_before_the_shutdown() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        queue_file(&stream, &file_with(b"polled ").await?).await.detach();
        stream.write_file(&file_with(b"unpolled").await?, 0, None).detach();
        let shutdown = stream.shutdown();
        let refused =
            stream.write_file(&file_with(b"late").await?, 0, None).await.expect_err("writing was shut down");
        assert_eq!((refused.kind(), refused.operation()), (ErrorKind::ShutDown, Operation::SendFile));
        let reader = spawn(async move { drain(&peer).await });
        shutdown.await?;
        assert_eq!(String::from_utf8_lossy(&reader.await??[prefix..]), "polled unpolled");
        Ok(())
    });
}

/// R111: nothing of a file is sent at once, also behind a queue.
#[test]
fn nothing_of_a_file_is_sent_at_once() {
    run(|| async {
        let (stream, _peer) = pair().await?;
        clog(&stream).await;
        assert_eq!(stream.write_file(&file_with(b"contents").await?, 0, Some(0)).await?, 0);
        Ok(())
    });
}

/// R114: closing ends a file that is queued or under way; what the peer got of it is told.
#[test]
fn closing_ends_files_that_are_queued() {
    run(|| async {
        let large = 2 * more_than_the_kernel_takes().await?;
        let (stream, peer) = pair().await?;
        let file = file_with(pattern(large)).await?;
        let mut begun = stream.write_file(&file, 0, None);
        let mut queued = stream.write_file(&file, 0, None);
        assert!(poll_once(&mut begun).await.is_pending() && poll_once(&mut queued).await.is_pending());
        settle().await;
        let sent = begun.sent();
        stream.close().await;
        for sending in [&mut begun, &mut queued] {
            let error = sending.await.expect_err("the stream was closed");
            assert_eq!((error.kind(), error.operation()), (ErrorKind::Closed, Operation::SendFile));
        }
        assert_eq!((begun.sent(), queued.sent()), (sent, 0));
        if goes_on() {
            // Nobody knows how much of the part under way had been sent when it was ended, or whether that is a reset.
            assert!(drain(&peer).await.map_or(true, |got| got.len() as u64 >= sent));
        } else {
            assert_eq!(drain(&peer).await?.len() as u64, sent);
        }
        assert_eq!(kind(stream.write_file(&file, 0, None).await), ErrorKind::Closed);
        Ok(())
    });
}

/// R112, R113: when the peer resets, the file under way and all that is queued fail with the system's number.
#[test]
fn a_reset_fails_the_file_and_what_is_behind_it() {
    run(|| async {
        let large = 2 * more_than_the_kernel_takes().await?;
        let (stream, peer) = pair().await?;
        let file = file_with(pattern(large)).await?;
        let sending = stream.write_file(&file, 0, None);
        let behind = stream.write(b"behind");
        let file_behind = stream.write_file(&file, 0, None);
        settle().await;
        // Bytes that the peer never read make its close a reset.
        peer.close().await;
        let error = sending.await.expect_err("the peer is gone");
        assert!(matches!(error.kind(), ErrorKind::Os(_)) && error.code().is_some(), "{error}");
        assert_eq!(
            (error.operation(), error.address()),
            (Operation::SendFile, Some(stream.remote_address()))
        );
        assert_eq!(kind(behind.await), error.kind());
        assert_eq!(file_behind.await, Err(error.clone()));
        assert_eq!(stream.write_file(&file, 0, None).await, Err(error));
        Ok(())
    });
}

/// R110: a file that was sent says so after its stream was dropped.
#[test]
fn a_file_that_was_sent_says_so_after_the_stream_was_dropped() {
    run(|| async {
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        let sending = queue_file(&stream, &file_with(b"handed over").await?).await;
        let reader = spawn(async move { drain(&peer).await });
        while sending.sent() < 11 {
            turns(1).await;
        }
        turns(1).await;
        drop(stream);
        assert_eq!(reader.await??.len(), prefix + 11);
        assert_eq!(sending.await?, 11);
        Ok(())
    });
}

/// R107: a large file is handed over in parts, and gives way to everything else in between.
#[test]
fn a_large_file_gives_way() {
    const TOTAL: usize = 6_000_000;
    run(|| async {
        let (stream, peer) = pair().await?;
        let file = file_with(pattern(TOTAL)).await?;
        let reader = spawn(async move { drain(&peer).await });
        let counted = Turns::counted();
        let mut sending = stream.write_file(&file, 0, None);
        let mut before = 0;
        while poll_once(&mut sending).await.is_pending() {
            let sent = sending.sent();
            // What a turn may move, and one call more for a file.
            assert!(sent - before <= (256 + 1024) << 10, "{} bytes were sent within one turn", sent - before);
            before = sent;
            turns(1).await;
        }
        assert!(counted.so_far() >= 4, "{TOTAL} bytes were sent in {} turns", counted.so_far());
        stream.close().await;
        assert!(reader.await?? == pattern(TOTAL));
        Ok(())
    });
}

/// A file that the kernel refuses to send, for Linux one that it makes up when it is read. None on some systems.
async fn refused_by_sendfile() -> Option<File> {
    File::open("/proc/self/cmdline").await.ok()
}

async fn contents(file: &File) -> Result<Vec<u8>, TransportError> {
    file.read_range(0, u64::MAX).await
}

/// R120, against R121: what the system does not send by itself is read and sent, with the same results, in its turn.
#[test]
fn a_file_that_sendfile_refuses_is_read_and_sent() {
    run(|| async {
        let Some(file) = refused_by_sendfile().await else { return Ok(()) };
        let contents = contents(&file).await?;
        let (stream, peer) = pair().await?;
        let whole = stream.write_file(&file, 0, None);
        let part = stream.write_file(&file, 1, Some(3));
        let comma = stream.write(b",");
        let beyond = stream.write_file(&file, 2, Some(1 << 40));
        let nothing = stream.write_file(&file, 1 << 30, None);
        let length = contents.len() as u64;
        assert_eq!((whole.await?, part.await?, comma.await?), (length, 3, 1));
        assert_eq!((beyond.await?, nothing.await?), (length - 2, 0));
        stream.close().await;
        assert_eq!(drain(&peer).await?, [&contents, &contents[1..4], b",", &contents[2..]].concat());
        Ok(())
    });
}

/// R115: such a file too is withdrawn whole, or finished.
#[test]
fn a_file_that_is_read_and_sent_is_withdrawn_or_finished() {
    run(|| async {
        let Some(file) = refused_by_sendfile().await else { return Ok(()) };
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        drop(queue_file(&stream, &file).await);
        queue_file(&stream, &file).await.detach();
        let reader = spawn(async move { drain(&peer).await });
        stream.shutdown().await?;
        assert_eq!(reader.await??[prefix..], contents(&file).await?);
        Ok(())
    });
}

/// A file that can not be read, and its place.
async fn unreadable() -> Result<(File, Place), Box<dyn std::error::Error>> {
    let place = Place::with(b"contents").await?;
    let mut options = FileOptions::default();
    (options.read, options.write) = (false, true);
    Ok((File::open_with(&place, &options).await?, place))
}

/// An error of the file is told to who sends it, with its path. The stream and what is queued go on.
#[test]
fn an_error_of_the_file_fails_nothing_else() {
    run(|| async {
        let (file, place) = unreadable().await?;
        let (stream, peer) = pair().await?;
        let before = stream.write(b"before ");
        let mut sending = stream.write_file(&file, 0, None);
        let behind = stream.write(b"behind");
        let error = (&mut sending).await.expect_err("it was not opened for reading");
        assert_eq!((error.operation(), error.name()), (Operation::File, place.as_ref().to_str()));
        assert_eq!(error.code(), file.read_at(0, &mut [0]).await.expect_err("as before").code());
        assert_eq!(sending.sent(), 0);
        assert_eq!((before.await?, behind.await?), (7, 6));
        stream.close().await;
        assert_eq!(drain(&peer).await?, b"before behind");
        Ok(())
    });
}

/// An error of a file that nobody awaits fails the stream: nobody would know that something is missing.
#[test]
fn an_error_of_a_detached_file_fails_the_stream() {
    run(|| async {
        let (file, _place) = unreadable().await?;
        let (stream, peer) = pair().await?;
        let prefix = clog(&stream).await;
        stream.write_file(&file, 0, None).detach();
        let behind = stream.write(b"behind");
        let reader = spawn(async move { drain(&peer).await });
        let error = behind.await.expect_err("the file before it has failed");
        assert_eq!(
            error.code(),
            file.read_at(0, &mut [0]).await.expect_err("it was not opened for reading").code()
        );
        assert_eq!(stream.write(b"later").await, Err(error));
        stream.close().await;
        assert_eq!(reader.await??.len(), prefix);
        Ok(())
    });
}

/// A folder can be opened on some systems, and sent on none.
#[test]
fn a_folder_is_not_sent() {
    run(|| async {
        let Ok(folder) = File::open("/proc/self").await else { return Ok(()) };
        let (stream, _peer) = pair().await?;
        let error = stream.write_file(&folder, 0, None).await.expect_err("a folder has no bytes");
        assert_eq!(error.kind(), ErrorKind::Os(std::io::ErrorKind::IsADirectory));
        assert_eq!(folder.length().await?, 0);
        stream.write(b"the stream goes on").await?;
        Ok(())
    });
}
