//! A peer that passes on what an honest one answers, and spoils it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use phytomer_blobs::BlobId;
use phytomer_wire::blobs::{Have, SPAN_BYTES, SpanHead, Want};
use phytomer_wire::memory::Fabric;
use phytomer_wire::{ByteStream, Network, PeerId, Protocol, codec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::node::peer;

/// What is wrong with a peer.
#[derive(Clone, Debug)]
pub(crate) enum Vice {
    /// Nothing, but it has only these spans.
    Partial(Vec<u64>),
    /// A bit of each span is wrong.
    FlipContent,
    /// A bit of each proof is wrong.
    FlipProof,
    /// The proof of the next span stands before each.
    ProofOfAnother,
    /// It claims this size.
    ClaimSize(u64),
    /// It answers with the content of this blob.
    Exchange(BlobId),
    /// It sends so many spans, then nothing, and keeps the stream open.
    StallAfter(u64),
    /// It sends so many spans and half of the next, then ends the stream.
    TruncateAfter(u64),
    /// It sends a byte every five seconds.
    Trickle,
    /// It sends what is no message.
    Garbage,
    /// It says that it has everything and then that it has not.
    Gone,
}

/// How many spans a peer has sent or was about to, on all its streams together.
#[derive(Clone, Default)]
pub(crate) struct Passed(Arc<AtomicU64>);

impl Passed {
    pub(crate) fn spans(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Joins a peer with a vice, which has its content from `honest`.
pub(crate) async fn join(fabric: &Fabric, byte: u8, honest: PeerId, vice: Vice) -> Passed {
    let network = fabric.join(peer(byte));
    let mut inbound = network.accept(Protocol::BLOBS).await.unwrap();
    let passed = Passed::default();
    let counter = passed.clone();
    tokio::spawn(async move {
        while let Some(inbound) = inbound.recv().await {
            let behind = network.open_stream(honest, Protocol::BLOBS).await.unwrap();
            let proxy = Proxy {
                front: inbound.stream,
                behind,
                vice: vice.clone(),
                size: 0,
                passed: counter.clone(),
            };
            tokio::spawn(proxy.run());
        }
    });
    passed
}

struct Proxy {
    front: ByteStream,
    behind: ByteStream,
    vice: Vice,
    size: u64,
    passed: Passed,
}

impl Proxy {
    /// Passes questions and answers on until either side ends.
    async fn run(mut self) -> Option<()> {
        loop {
            let mut want = codec::read::<Want>(&mut self.front).await.ok()??;
            if let Vice::Exchange(other) = self.vice {
                want.hash = Bytes::copy_from_slice(other.as_bytes());
            }
            codec::write(&mut self.behind, &want).await.ok()?;
            if let Vice::Garbage = self.vice {
                self.front.write_all(&[0, 0, 0, 9, 0xff, 0xff]).await.ok()?;
                self.front.write_all(&[0xff; 100]).await.ok()?;
                continue;
            }
            if want.start == want.end {
                self.pass_have().await?;
            } else {
                for _ in want.start..want.end {
                    self.pass_span().await?;
                }
            }
        }
    }

    async fn pass_have(&mut self) -> Option<()> {
        let mut have = codec::read::<Have>(&mut self.behind).await.ok()??;
        self.size = have.size;
        match &self.vice {
            Vice::Partial(spans) => {
                have.spans = spans.iter().flat_map(|span| [*span, *span + 1]).collect();
                // Runs that touch are one.
                let mut at = 1;
                while at + 1 < have.spans.len() {
                    if have.spans[at] == have.spans[at + 1] {
                        have.spans.drain(at..at + 2);
                    } else {
                        at += 2;
                    }
                }
            }
            Vice::ClaimSize(size) => {
                have.size = *size;
                have.spans = vec![0, size.div_ceil(SPAN_BYTES).max(1)];
            }
            _ => {}
        }
        codec::write(&mut self.front, &have).await.ok()
    }

    async fn pass_span(&mut self) -> Option<()> {
        let mut head = codec::read::<SpanHead>(&mut self.behind).await.ok()??;
        if head.gone {
            // Claimed spans that are not there: the claimer fills them with zeros.
            if let Vice::ClaimSize(size) = self.vice {
                head.gone = false;
                let len = SPAN_BYTES.min(size - head.index * SPAN_BYTES);
                let zeros = vec![0; usize::try_from(len).unwrap()];
                codec::write(&mut self.front, &head).await.ok()?;
                self.front.write_all(&zeros).await.ok()?;
                return Some(());
            }
            codec::write(&mut self.front, &head).await.ok()?;
            return None;
        }
        let len = SPAN_BYTES.min(self.size - head.index * SPAN_BYTES);
        let mut content = vec![0; usize::try_from(len).unwrap()];
        self.behind.read_exact(&mut content).await.ok()?;
        let sent = self.passed.0.fetch_add(1, Ordering::Relaxed);
        match self.vice {
            Vice::ClaimSize(size) => {
                let len = SPAN_BYTES.min(size.saturating_sub(head.index * SPAN_BYTES));
                content.resize(usize::try_from(len).unwrap(), 0);
            }
            Vice::FlipContent => content[0] ^= 0x80,
            Vice::FlipProof => {
                let mut proof = head.proof.to_vec();
                proof[0] ^= 1;
                head.proof = proof.into();
            }
            Vice::ProofOfAnother => {
                head.proof = Bytes::from(vec![7; head.proof.len()]);
            }
            Vice::StallAfter(after) if sent >= after => std::future::pending().await,
            Vice::TruncateAfter(after) if sent >= after => {
                codec::write(&mut self.front, &head).await.ok()?;
                let half = &content[..content.len() / 2];
                self.front.write_all(half).await.ok()?;
                return None;
            }
            Vice::Trickle => {
                codec::write(&mut self.front, &head).await.ok()?;
                for byte in content {
                    self.front.write_all(&[byte]).await.ok()?;
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
                return Some(());
            }
            Vice::Gone => {
                head.gone = true;
                head.proof = Bytes::new();
                codec::write(&mut self.front, &head).await.ok()?;
                return None;
            }
            _ => {}
        }
        codec::write(&mut self.front, &head).await.ok()?;
        self.front.write_all(&content).await.ok()?;
        Some(())
    }
}
