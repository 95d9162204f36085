//! The first words of two nodes: each says which network it is of.

use std::time::Duration;

use phytomer_wire::codec::{self, FrameError};
use phytomer_wire::handshake::Hello;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use crate::streams::{OpenError, PeerStream};

/// How long the greeting may take.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer of another network has to hear so, before it is parted from.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// Why there was no greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The peer does not know how to greet.
    Foreign,
    /// The connection ended, or the peer was silent.
    Lost,
    /// What the peer said was no greeting.
    Malformed,
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Decode(_) => Self::Malformed,
            _ => Self::Lost,
        }
    }
}

/// Greets first, on a stream that is being opened.
pub(crate) async fn greet(
    opened: oneshot::Receiver<Result<PeerStream, OpenError>>,
    ours: Hello,
) -> Result<Hello, Failure> {
    limited(async {
        let mut stream = match opened.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(OpenError::Unsupported)) => return Err(Failure::Foreign),
            _ => return Err(Failure::Lost),
        };
        say(&mut stream, &ours).await?;
        hear(&mut stream).await
    })
    .await
}

/// Answers a greeting, on a stream that the peer opened.
pub(crate) async fn answer(mut stream: Box<PeerStream>, ours: Hello) -> Result<Hello, Failure> {
    limited(async {
        let theirs = hear(&mut stream).await?;
        say(&mut stream, &ours).await?;
        // The peer may be gone already; it has greeted all the same.
        let _ = stream.shutdown().await;
        if theirs.network != ours.network {
            // Whoever closes the connection at once may take the answer back with it.
            let end = &mut [0];
            let _ = tokio::time::timeout(FAREWELL_TIMEOUT, stream.read(end)).await;
        }
        Ok(theirs)
    })
    .await
}

async fn say(stream: &mut PeerStream, hello: &Hello) -> Result<(), Failure> {
    codec::write(stream, hello).await?;
    stream.flush().await.map_err(|_| Failure::Lost)
}

async fn hear(stream: &mut PeerStream) -> Result<Hello, Failure> {
    codec::read(stream).await?.ok_or(Failure::Lost)
}

async fn limited<T>(greeting: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(GREETING_TIMEOUT, greeting)
        .await
        .unwrap_or(Err(Failure::Lost))
}
