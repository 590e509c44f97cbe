//! Pipes: anonymous, named, and the standard streams of the process.

use std::io;

use super::run;
use super::support::{clog, drain, kind, pattern, poll_once, queue_write, refusal, settle};
use super::unix::fresh_path;
use twinloop::driver::Half;
use twinloop::fs::remove_file;
use twinloop::transport::{create_fifo, open_fifo};
use twinloop::{Address, ErrorKind, Operation, TransportError, pipe, spawn, standard_output};

const BAD_DESCRIPTOR: Option<i32> = Some(9);
const NOBODY_READS: Option<i32> = Some(6);
/// What systems say of writing to nobody: this one of Unix, and two of Windows.
const EPIPE: i32 = 32;
const ERROR_BROKEN_PIPE: i32 = 109;
const ERROR_NO_DATA: i32 = 232;

/// R170: 16 MiB through a pipe, by the rules of every stream.
#[test]
fn much_goes_through_a_pipe() {
    run(|| async {
        const LENGTH: usize = 16 << 20;
        let (reader, writer) = pipe()?;
        let writing = spawn(async move {
            for part in pattern(LENGTH).chunks(1_000_003) {
                writer.write(part).await?;
            }
            writer.shutdown().await
        });
        assert!(drain(&reader).await? == pattern(LENGTH));
        writing.await??;
        Ok(())
    });
}

/// R170: what a pipe's end says of its addresses.
#[test]
fn a_pipe_has_no_name() {
    run(|| async {
        let (reader, writer) = pipe()?;
        for end in [&reader, &writer] {
            assert_eq!((end.remote_address(), end.local_address()?), (Address::UNNAMED, Address::UNNAMED));
        }
        Ok(())
    });
}

/// An end refuses what it is not for, before anything happens, again and again.
#[test]
fn an_end_refuses_what_it_is_not_for() {
    run(|| async {
        let (reader, writer) = pipe()?;
        for _ in 0..2 {
            let refused = writer.read(&mut [0; 8]).await.expect_err("it is not read from");
            assert_eq!((refused.operation(), refused.code()), (Operation::Read, BAD_DESCRIPTOR));
            let refused = reader.write(b"").await.expect_err("it is not written to");
            assert_eq!((refused.operation(), refused.code()), (Operation::Write, BAD_DESCRIPTOR));
            let refused = reader.shutdown().await.expect_err("it has nothing to shut down");
            assert_eq!((refused.operation(), refused.code()), (Operation::Shutdown, BAD_DESCRIPTOR));
        }
        writer.write(b"and goes on\n").await?;
        assert_eq!(reader.read_line(100).await?.as_deref(), Some(&b"and goes on"[..]));
        Ok(())
    });
}

/// Against R170: a writer's shutdown sends the queue and lets the reader see the end; nothing can be written then.
#[test]
fn the_shutdown_of_a_writer_is_the_end_for_the_reader() {
    run(|| async {
        let (reader, writer) = pipe()?;
        let all = clog(&writer).await;
        let ending = writer.shutdown();
        let reading = spawn(async move { drain(&reader).await });
        ending.await?;
        assert!(reading.await?? == pattern(all));
        assert_eq!(kind(writer.write(b"late").await), ErrorKind::ShutDown);
        writer.shutdown().await?;
        Ok(())
    });
}

/// R127 for a pipe: what is in it when its writer closes is read all the same.
#[test]
fn what_is_in_a_pipe_outlives_its_writer() {
    run(|| async {
        let (reader, writer) = pipe()?;
        writer.write(pattern(60_000)).await?;
        drop(writer);
        settle().await;
        assert!(drain(&reader).await? == pattern(60_000));
        Ok(())
    });
}

/// Writing to a pipe that nobody reads is an error, and no signal.
#[test]
fn a_write_that_nobody_will_read_is_an_error() {
    run(|| async {
        let (reader, writer) = pipe()?;
        clog(&writer).await;
        let waiting = queue_write(&writer, b"more").await;
        drop(reader);
        for write in [waiting, writer.write(b"late")] {
            let error = write.await.expect_err("nobody reads");
            assert_eq!(error.kind(), ErrorKind::Os(io::ErrorKind::BrokenPipe));
            assert!(matches!(error.code(), Some(EPIPE | ERROR_BROKEN_PIPE | ERROR_NO_DATA)), "{error}");
        }
        Ok(())
    });
}

/// A reader that waits is woken by the first byte, and by the end.
#[test]
fn a_waiting_reader_is_woken() {
    run(|| async {
        let (reader, writer) = pipe()?;
        let reading = spawn(async move {
            let first = reader.read_line(100).await?;
            Ok::<_, TransportError>((first, drain(&reader).await?))
        });
        settle().await;
        writer.write(b"first\n").await?;
        settle().await;
        writer.close().await;
        assert_eq!(reading.await??, (Some(b"first".to_vec()), Vec::new()));
        Ok(())
    });
}

/// Small writes fill a pipe and wait for room without loss, however little the reader takes at a time.
#[test]
fn small_writes_wait_for_room() {
    run(|| async {
        const LENGTH: usize = 300_000;
        let (reader, writer) = pipe()?;
        let writing = spawn(async move {
            for part in pattern(LENGTH).chunks(700) {
                writer.write(part).await?;
            }
            Ok::<_, TransportError>(())
        });
        let mut read = vec![0; LENGTH];
        for part in read.chunks_mut(1111) {
            reader.read_exactly(part).await?;
        }
        assert!(read == pattern(LENGTH));
        writing.await??;
        Ok(())
    });
}

/// A read that is given up takes nothing along.
#[test]
fn a_read_given_up_loses_no_byte() {
    run(|| async {
        let (reader, writer) = pipe()?;
        let mut buffer = [0; 8];
        let mut reading = reader.read_exactly(&mut buffer);
        writer.write(b"half").await?;
        assert!(poll_once(&mut reading).await.is_pending());
        drop(reading);
        writer.write(b"half").await?;
        reader.read_exactly(&mut buffer).await?;
        assert_eq!(&buffer, b"halfhalf");
        Ok(())
    });
}

/// A FIFO connects who knows its path. Its path stays until it is removed.
#[test]
fn a_fifo_connects_who_knows_its_path() {
    run(|| async {
        let path = fresh_path("fifo");
        let reader = create_fifo(&path, Half::Read)?;
        let writer = open_fifo(&path, Half::Write)?;
        let other = create_fifo(&path, Half::Write)?;
        writer.write(b"one ").await?;
        other.write(b"two").await?;
        drop(writer);
        other.shutdown().await?;
        assert_eq!(drain(&reader).await?, b"one two");
        let unread = reader.write(b"").await.expect_err("it is for reading");
        assert_eq!(unread.code(), BAD_DESCRIPTOR);
        remove_file(&path).await?;
        let gone = open_fifo(&path, Half::Read).expect_err("it is removed");
        assert_eq!((gone.kind(), gone.name()), (ErrorKind::Os(io::ErrorKind::NotFound), Some(&*path)));
        Ok(())
    });
}

/// A FIFO that nobody reads can not be opened for writing; one that is its own peer waits for what comes.
#[test]
fn a_fifo_without_a_reader_refuses_writers() {
    run(|| async {
        let path = fresh_path("fifo");
        let refused = refusal(create_fifo(&path, Half::Write))?;
        assert_eq!((refused.operation(), refused.code()), (Operation::Open, NOBODY_READS));
        let nobody = open_fifo(&path, Half::Read)?;
        assert_eq!(drain(&nobody).await?, b"");
        let own_peer = open_fifo(&path, Half::Both)?;
        open_fifo(&path, Half::Write)?.write(b"passing by\n").await?;
        assert_eq!(own_peer.read_line(100).await?.as_deref(), Some(&b"passing by"[..]));
        let mut waiting = own_peer.read_line(100);
        settle().await;
        assert!(poll_once(&mut waiting).await.is_pending(), "there is no end while it is its own writer");
        drop(waiting);
        remove_file(&path).await?;
        Ok(())
    });
}

/// The standard output is a stream for writing, of which there may be several; closing one leaves the process's open.
#[test]
fn standard_output_may_be_closed_and_is_there_again() {
    run(|| async {
        for _ in 0..2 {
            let (first, second) = (standard_output()?, standard_output()?);
            for output in [&first, &second] {
                // Nothing is in it: what the tests print is not for these.
                output.write(b"").await?;
                assert_eq!(output.read(&mut [0]).await.err().and_then(|error| error.code()), BAD_DESCRIPTOR);
            }
            first.shutdown().await?;
            assert_eq!(kind(first.write(b"late").await), ErrorKind::ShutDown);
            second.close().await;
        }
        Ok(())
    });
}

/// Closing a pipe with all that is pending on it tells everyone.
#[test]
fn closing_tells_everyone() {
    run(|| async {
        let (reader, writer) = pipe()?;
        let mut buffer = [0; 8];
        {
            let mut reading = reader.read(&mut buffer);
            assert!(poll_once(&mut reading).await.is_pending());
            reader.close().await;
            assert_eq!(kind(reading.await), ErrorKind::Closed);
        }
        drop(writer);

        let (_reader, writer) = pipe()?;
        clog(&writer).await;
        let waiting = queue_write(&writer, b"more").await;
        writer.close().await;
        assert_eq!(kind(waiting.await), ErrorKind::Closed);
        Ok(())
    });
}
