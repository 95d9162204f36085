//! One question and one answer on a stream, each behind its length (u32, big-endian).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libp2p::StreamProtocol;
use phytomer_wire::{PeerId, Protocol, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// How long the peer may take to answer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a peer may take to ask, once it has opened the stream.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
/// What is set aside for a body before any of it has arrived, in bytes.
const FIRST_READ_BYTES: usize = 64 << 10;

/// The name under which requests of a protocol are negotiated; its streams have the bare name.
pub(crate) fn name(protocol: Protocol) -> StreamProtocol {
    StreamProtocol::try_from_owned(format!("{protocol}/request"))
        .expect("names of protocols begin with a slash")
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("it announced {len} bytes, at most {max} are allowed")]
    TooLarge { len: usize, max: usize },
    #[error("it took too long")]
    Timeout,
}

/// Asks and waits for the answer.
pub(crate) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    question: &[u8],
) -> Result<Bytes, Failure> {
    let exchange = async {
        write(stream, question).await?;
        stream.shutdown().await?;
        read(stream, RESPONSE_BYTES_MAX).await
    };
    tokio::time::timeout(ANSWER_TIMEOUT, exchange)
        .await
        .map_err(|_| Failure::Timeout)?
}

/// Hears a question, has it answered, and sends the answer.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    from: PeerId,
    server: mpsc::Sender<Request>,
) -> Result<(), Failure> {
    let question = tokio::time::timeout(QUESTION_TIMEOUT, read(&mut stream, REQUEST_BYTES_MAX))
        .await
        .map_err(|_| Failure::Timeout)??;
    let answering = async {
        let (request, answered) = Request::new(from, question);
        if server.send(request).await.is_err() {
            return Ok(());
        }
        // Dropped without an answer: the stream ends, and the peer knows.
        let Ok(answer) = answered.await else {
            return Ok(());
        };
        write(&mut stream, &answer).await?;
        Ok(stream.shutdown().await?)
    };
    tokio::time::timeout(ANSWER_TIMEOUT, answering)
        .await
        .map_err(|_| Failure::Timeout)?
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), body: &[u8]) -> Result<(), Failure> {
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    stream.write_all(&len.to_be_bytes()).await?;
    stream.write_all(body).await?;
    Ok(stream.flush().await?)
}

async fn read(stream: &mut (impl AsyncRead + Unpin), max: usize) -> Result<Bytes, Failure> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let len = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if len > max {
        return Err(Failure::TooLarge { len, max });
    }
    // Grown as bytes arrive: a peer that announces much and sends little holds little.
    let mut body = BytesMut::with_capacity(len.min(FIRST_READ_BYTES));
    while body.len() < len {
        let missing = (len - body.len()).min(FIRST_READ_BYTES.max(body.len()));
        let mut chunk = bytes::BufMut::limit(&mut body, missing);
        if stream.read_buf(&mut chunk).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId::from_bytes([7; 32]);

    #[tokio::test(start_paused = true)]
    async fn a_question_is_answered_and_a_dropped_one_ends_the_stream() {
        for answers in [true, false] {
            let (mut ours, theirs) = tokio::io::duplex(64);
            let (sender, mut requests) = mpsc::channel(1);
            tokio::spawn(serve(theirs, PEER, sender));
            tokio::spawn(async move {
                let request: Request = requests.recv().await.unwrap();
                if answers {
                    let body = request.body.clone();
                    request.answer(body);
                }
            });
            let question = vec![9; 100_000];
            match ask(&mut ours, &question).await {
                Ok(answer) => assert!(answers && answer == question),
                Err(error) => assert!(!answers && matches!(error, Failure::Io(_)), "{error}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_oversize_question_is_refused_by_its_length_and_a_slow_one_by_time() {
        let (sender, _requests) = mpsc::channel(1);
        let (mut ours, theirs) = tokio::io::duplex(64);
        ours.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        let error = serve(theirs, PEER, sender.clone()).await.unwrap_err();
        assert!(matches!(error, Failure::TooLarge { .. }), "{error}");

        let (mut ours, theirs) = tokio::io::duplex(64);
        let drip = async {
            ours.write_all(&100u32.to_be_bytes()).await.unwrap();
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if ours.write_all(b"x").await.is_err() {
                    break;
                }
            }
        };
        let (served, ()) = tokio::join!(serve(theirs, PEER, sender), drip);
        assert!(matches!(served, Err(Failure::Timeout)));
    }
}
