//! Asking a peer.

use std::time::Duration;

use bytes::Bytes;
use phytomer_wire::codec::{self, FrameError};
use phytomer_wire::events::{Evidence, RUN_BYTES_MAX};
use phytomer_wire::sync::{self as wire, EVIDENCE_MAX, Part, Question};
use phytomer_wire::{ByteStream, Network, NetworkError, PeerId, Protocol};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::SyncConfig;
use super::convert::{self, Keys, Told};
use super::core::{Failure, Range};
use crate::checkpoint::Checkpoint;
use crate::{LogKey, Offset};

/// Logs of which one peer may tell in one answer.
const LOGS_TOLD_MAX: usize = 16_384;
/// Checkpoints that one answer may carry.
pub(crate) const CHECKPOINTS_MAX: usize = 1_024;
/// What an answer may have beyond the bytes that were asked for: the run that reached the limit
/// and what follows it to the end of its checkpoint.
const SURPLUS_BYTES_MAX: usize = 2 * RUN_BYTES_MAX;

/// The revision of a peer's heights that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) session: u64,
    pub(crate) revision: u64,
}

/// What a peer told of its logs.
#[derive(Debug, Default)]
pub(crate) struct Heights {
    pub(crate) known: Known,
    pub(crate) logs: Vec<Told>,
    pub(crate) keys: Keys,
    /// Unchecked.
    pub(crate) evidence: Vec<Evidence>,
}

/// The events and checkpoints that a peer sent, unchecked.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pub(crate) runs: Vec<Bytes>,
    pub(crate) checkpoints: Vec<Checkpoint>,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the next bytes.
    pub(crate) stall: Duration,
    /// For the whole answer.
    pub(crate) answer: Duration,
}

impl Patience {
    pub(crate) fn new(config: &SyncConfig) -> Self {
        Self {
            stall: Duration::from_millis(config.stall_timeout_ms),
            answer: Duration::from_millis(config.answer_timeout_ms),
        }
    }
}

/// Asks a peer for its heights: those that changed since `known`, or all.
pub(crate) async fn heights(
    network: &dyn Network,
    peer: PeerId,
    known: Known,
    patience: Patience,
) -> Result<Heights, Failure> {
    let question = Question::Heights(wire::HeightsRequest {
        session: known.session,
        since: known.revision,
    });
    let exchange = async {
        let mut stream = ask(network, peer, question, patience).await?;
        let mut heights = Heights::default();
        loop {
            match next(&mut stream, patience).await? {
                Part::Heights(message) => {
                    heights.known = Known {
                        session: message.session,
                        revision: message.revision,
                    };
                    let (logs, keys) = convert::heights(message).map_err(|_| Failure::Malformed)?;
                    // Only the one page of who has nothing is empty.
                    if logs.is_empty() && !heights.logs.is_empty() {
                        return Err(Failure::Malformed);
                    }
                    heights.logs.extend(logs);
                    heights.keys.extend(keys);
                }
                // One for a log that was told, at most.
                Part::Evidence(message)
                    if heights.evidence.len() < heights.logs.len().min(EVIDENCE_MAX) =>
                {
                    heights.evidence.push(*message);
                }
                Part::End(_) => return Ok(heights),
                _ => return Err(Failure::Malformed),
            }
            if heights.logs.len() > LOGS_TOLD_MAX {
                return Err(Failure::Malformed);
            }
        }
    };
    within(patience, exchange).await
}

/// Asks a peer for a range of a log. What has come before it broke off is an answer too, beside
/// why it did.
pub(crate) async fn range(
    network: &dyn Network,
    (peer, log): (PeerId, LogKey),
    range: Range,
    bytes_max: usize,
    patience: Patience,
) -> Result<(Frames, Option<Failure>), Failure> {
    let question = Question::Range(wire::RangeRequest {
        log: Bytes::copy_from_slice(log.as_bytes()),
        from: range.from.0,
        to: range.to.0,
        checkpoints_after: range.checkpoints_after.0,
        bytes_max: bytes_max as u64,
    });
    let mut frames = Frames::default();
    let exchange = async {
        let mut stream = ask(network, peer, question, patience).await?;
        frames.fill(&mut stream, bytes_max, patience).await
    };
    match within(patience, exchange).await {
        Ok(()) => Ok((frames, None)),
        Err(failure @ (Failure::Timeout | Failure::Unreachable)) if !frames.runs.is_empty() => {
            Ok((frames, Some(failure)))
        }
        Err(failure) => Err(failure),
    }
}

/// What a peer tells of an event whose signature is false.
#[derive(Debug)]
pub(crate) enum Proof {
    /// Unchecked.
    Evidence(Box<Evidence>),
    /// Unchecked. Not all events under it are held any more.
    Checkpoint(Box<Checkpoint>),
    /// Nothing.
    Nothing,
}

/// Asks a peer whose doing the false signature of an event is.
pub(crate) async fn proof(
    network: &dyn Network,
    (peer, log): (PeerId, LogKey),
    offset: Offset,
    patience: Patience,
) -> Result<Proof, Failure> {
    let question = Question::Proof(wire::ProofRequest {
        log: Bytes::copy_from_slice(log.as_bytes()),
        offset: offset.0,
    });
    let exchange = async {
        let mut stream = ask(network, peer, question, patience).await?;
        let proof = match next(&mut stream, patience).await? {
            Part::Evidence(message) => Proof::Evidence(message),
            Part::Checkpoint(message) => {
                let checkpoint = Checkpoint::from_wire(message);
                Proof::Checkpoint(checkpoint.map_err(|_| Failure::Malformed)?.into())
            }
            Part::Gone(gone) => {
                let first = Offset(gone.first);
                return Err(Failure::Gone { first });
            }
            Part::End(_) => return Ok(Proof::Nothing),
            Part::Heights(_) | Part::Run(_) => return Err(Failure::Malformed),
        };
        match next(&mut stream, patience).await? {
            Part::End(_) => Ok(proof),
            _ => Err(Failure::Malformed),
        }
    };
    within(patience, exchange).await
}

impl Frames {
    /// Reads an answer to its end.
    async fn fill(
        &mut self,
        stream: &mut ByteStream,
        bytes_max: usize,
        patience: Patience,
    ) -> Result<(), Failure> {
        let mut bytes = 0;
        loop {
            match next(stream, patience).await? {
                Part::Run(run) => {
                    bytes += run.len();
                    if run.is_empty() || bytes > bytes_max.saturating_add(SURPLUS_BYTES_MAX) {
                        return Err(Failure::Malformed);
                    }
                    self.runs.push(run);
                }
                Part::Checkpoint(message) => {
                    let checkpoint = Checkpoint::from_wire(message);
                    let checkpoint = checkpoint.map_err(|_| Failure::Malformed)?;
                    self.checkpoints.push(checkpoint);
                    if self.checkpoints.len() > CHECKPOINTS_MAX {
                        return Err(Failure::Malformed);
                    }
                }
                Part::Gone(gone) => {
                    let first = Offset(gone.first);
                    return Err(Failure::Gone { first });
                }
                Part::End(_) => return Ok(()),
                Part::Heights(_) | Part::Evidence(_) => return Err(Failure::Malformed),
            }
        }
    }
}

async fn within<T>(
    patience: Patience,
    exchange: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let answer = timeout(patience.answer, exchange).await;
    answer.map_err(|_| Failure::Timeout)?
}

/// Opens a stream and asks the one question.
async fn ask(
    network: &dyn Network,
    peer: PeerId,
    question: Question,
    patience: Patience,
) -> Result<ByteStream, Failure> {
    let ask = wire::Ask {
        question: Some(question),
    };
    let opening = async {
        let stream = network.open_stream(peer, Protocol::STREAMS).await;
        let mut stream = stream.map_err(|error| network_failure(&error))?;
        codec::write(&mut stream, &ask)
            .await
            .map_err(frame_failure)?;
        stream.flush().await.map_err(|_| Failure::Unreachable)?;
        Ok(stream)
    };
    let opened = timeout(patience.stall, opening).await;
    opened.map_err(|_| Failure::Timeout)?
}

/// The next part of an answer.
async fn next(stream: &mut ByteStream, patience: Patience) -> Result<Part, Failure> {
    let answer = timeout(patience.stall, codec::read::<wire::Answer>(stream)).await;
    let answer = answer.map_err(|_| Failure::Timeout)?;
    // A stream that ends before its answer does is a peer that broke off.
    let answer = answer.map_err(frame_failure)?.ok_or(Failure::Unreachable)?;
    answer.part.ok_or(Failure::Malformed)
}

fn frame_failure(error: FrameError) -> Failure {
    match error {
        FrameError::Decode(_) => Failure::Malformed,
        _ => Failure::Unreachable,
    }
}

fn network_failure(error: &NetworkError) -> Failure {
    match error {
        NetworkError::Timeout { .. } => Failure::Timeout,
        _ => Failure::Unreachable,
    }
}
