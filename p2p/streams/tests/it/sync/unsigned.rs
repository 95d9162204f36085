//! Producers that sign checkpoints over events whose own signatures are false. Who has taken such
//! events for the checkpoint hands them on in good faith: nobody but the producer is to blame.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use phytomer_streams::{
    CheckpointBuilder, CheckpointHash, EVENT_CONTEXT, Epoch, LogId, Offset, Run, SyncConfig,
};
use phytomer_wire::codec;
use phytomer_wire::events::{self, Event, Header, Record};
use phytomer_wire::memory::{Fabric, MemoryNetwork};
use phytomer_wire::sync::{
    Answer, Ask, Checkpoint, End, Height, Heights, LogName, Part, Question, RangeRequest,
};
use phytomer_wire::{Network, Protocol};

use super::world::{Member, alike, peer, stranger, until};
use crate::support::{START_MS, key, stream};

/// The seed of the producer's keys.
const PRODUCER: u8 = 77;
/// Events of a run that the producer sends.
const RUN_EVENTS: usize = 64;

fn log() -> LogId {
    LogId {
        stream: stream(),
        producer: key(PRODUCER).public().id(),
        epoch: Epoch(1),
    }
}

/// What a producer tells some of its followers.
#[derive(Clone)]
struct Branch {
    events: Vec<Event>,
    /// By their ends.
    checkpoints: Vec<(u64, Checkpoint)>,
}

impl Branch {
    /// A branch of so many events; those from `fork` on say something of their own, and the
    /// signatures of `spoiled` are false. A checkpoint ends every 256 events and at the end.
    fn new(len: u64, fork: (u64, u8), spoiled: Range<u64>) -> Self {
        let (producer, log) = (key(PRODUCER), log().key());
        let mut builder = CheckpointBuilder::new(log, Offset(0), CheckpointHash::default());
        let mut branch = Self {
            events: Vec::new(),
            checkpoints: Vec::new(),
        };
        let mut previous = Bytes::from_static(&[0; 32]);
        for offset in 0..len {
            let said = if offset < fork.0 { 0 } else { fork.1 };
            let record = codec::encode(&Record {
                value: Some(vec![said; 100].into()),
                ..Record::default()
            });
            let header = codec::encode(&Header {
                version: 1,
                log: Bytes::copy_from_slice(&log.0),
                offset,
                previous,
                time_ms: START_MS,
                record_len: record.len() as u32,
                record_hash: Bytes::copy_from_slice(blake3::hash(&record).as_bytes()),
            });
            previous = Bytes::copy_from_slice(blake3::hash(&header).as_bytes());
            let mut signature = producer.sign_fast(EVENT_CONTEXT, &header);
            if spoiled.contains(&offset) {
                signature[7] ^= 1;
            }
            let event = Event {
                header,
                signature: Bytes::copy_from_slice(&signature),
                record,
            };
            let run = Run::decode(encode(std::slice::from_ref(&event))).unwrap();
            let mut due = builder.push(run.events().next().unwrap().signed_header());
            branch.events.push(event);
            if offset + 1 == len {
                due = due.or_else(|| builder.flush());
            }
            if let Some(due) = due {
                let to = due.to().0;
                let checkpoint = codec::decode(&due.sign(&producer).encode()).unwrap();
                branch.checkpoints.push((to, checkpoint));
            }
        }
        branch
    }

    fn len(&self) -> u64 {
        self.events.len() as u64
    }

    fn heights(&self) -> Heights {
        let (id, last) = (log(), self.events.last().unwrap());
        let height = Height {
            log: Some(LogName {
                stream: id.stream.as_str().to_owned(),
                producer: Bytes::copy_from_slice(id.producer.as_bytes()),
                epoch: id.epoch.0,
            }),
            first: 0,
            next: self.len(),
            last: Bytes::copy_from_slice(blake3::hash(&last.header).as_bytes()),
            checkpointed: self.len(),
        };
        Heights {
            session: 1,
            revision: 1,
            logs: vec![height],
            keys: vec![Bytes::copy_from_slice(key(PRODUCER).public().as_bytes())],
        }
    }

    /// The answer to a question, as an honest node gives it: to the end of a checkpoint.
    fn answer(&self, request: &RangeRequest) -> Vec<Part> {
        let ends = || self.checkpoints.iter().map(|(to, _)| *to);
        let to = request.to.min(self.len());
        let to = ends().find(|end| *end >= to).unwrap_or(to);
        let from = request.from.min(to);
        let events = &self.events[from as usize..to as usize];
        let runs = events.chunks(RUN_EVENTS);
        let runs = runs.map(|events| Part::Run(encode(events)));
        let covering = self.checkpoints.iter();
        let covering = covering.filter(|(end, _)| *end > request.checkpoints_after && *end <= to);
        runs.chain(covering.map(|(_, it)| Part::Checkpoint(it.clone())))
            .collect()
    }

    /// The checkpoint over an event.
    fn covering(&self, offset: u64) -> Vec<Part> {
        let covering = self.checkpoints.iter().find(|(end, _)| *end > offset);
        let parts = covering.map(|(_, it)| Part::Checkpoint(it.clone()));
        parts.into_iter().collect()
    }

    /// Serves whoever asks.
    async fn serve(self, network: MemoryNetwork) {
        let mut inbound = network.accept(Protocol::STREAMS).await.unwrap();
        while let Some(inbound) = inbound.recv().await {
            let branch = self.clone();
            tokio::spawn(async move {
                let mut stream = inbound.stream;
                while let Ok(Some(ask)) = codec::read::<Ask>(&mut stream).await {
                    let parts = match ask.question.unwrap() {
                        Question::Heights(_) => vec![Part::Heights(branch.heights())],
                        Question::Range(request) => branch.answer(&request),
                        Question::Proof(request) => branch.covering(request.offset),
                    };
                    for part in parts.into_iter().chain([Part::End(End {})]) {
                        let part = Some(part);
                        if codec::write(&mut stream, &Answer { part }).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    }

    /// A node that has taken the branch from its producer, which is gone since.
    async fn taken(&self, fabric: &Fabric, seed: u8) -> Member {
        for other in 1..=9 {
            fabric.cut(peer(seed), peer(other));
        }
        let source = seed + 100;
        let serving = tokio::spawn(self.clone().serve(stranger(fabric, source)));
        for other in 1..=9 {
            fabric.cut(peer(source), peer(other));
        }
        fabric.heal(peer(source), peer(seed));
        let member = Member::join(fabric, seed).await;
        until("the branch is taken", || {
            member.next(log().key()).0 == self.len()
        })
        .await;
        fabric.remove(peer(source));
        serving.abort();
        member
    }
}

fn encode(events: &[Event]) -> Bytes {
    codec::encode(&events::Run {
        events: events.to_vec(),
    })
}

fn heal(fabric: &Fabric) {
    for one in 1..=9 {
        for other in one + 1..=9 {
            fabric.heal(peer(one), peer(other));
        }
    }
}

/// Waits until all nodes know that the producer broke its word at an offset, and makes sure that
/// they hold nothing against each other.
async fn convicted(fabric: &Fabric, members: &[&Member], offset: u64) {
    let log = log().key();
    let frozen = |member: &&Member| {
        let log = member.streams.log(log);
        log.and_then(|log| log.head.frozen) == Some(Offset(offset))
    };
    until("all know of it", || members.iter().all(frozen)).await;
    for member in members {
        let evidence = member.streams.evidence(None, 9).await.unwrap();
        assert_eq!(evidence.len(), 1);
        assert_eq!(evidence[0].log().key(), log);
        assert_eq!(evidence[0].offset(), Offset(offset));
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(fabric.reports(), []);
}

/// Nodes that take the same branch whole, however little they fetch at once, have nothing to say
/// against each other: answers end with the checkpoint over their events.
#[tokio::test(start_paused = true)]
async fn answers_end_with_checkpoints_so_that_what_one_node_takes_another_can_take() {
    let fabric = Fabric::new();
    let branch = Branch::new(2_000, (0, 1), 0..2_000);
    let one = branch.taken(&fabric, 1).await;
    heal(&fabric);
    // More than one checkpoint and less than two.
    let checkpoint_bytes = encode(&branch.events[..256]).len();
    let config = SyncConfig {
        fetch_bytes: checkpoint_bytes * 3 / 2,
        ..SyncConfig::default()
    };
    let other = Member::join_with(&fabric, 2, Arc::default(), config).await;
    alike(&[&one, &other], 1).await;
    assert_eq!(fabric.reports(), []);
    assert!(other.streams.evidence(None, 9).await.unwrap().is_empty());
}

/// Who gets less than a checkpoint at once sees the false signatures: it asks for the checkpoint.
#[tokio::test(start_paused = true)]
async fn an_answer_without_its_checkpoint_is_held_against_the_producer() {
    let fabric = Fabric::new();
    let branch = Branch::new(600, (0, 1), 300..301);
    let one = branch.taken(&fabric, 1).await;
    heal(&fabric);
    let config = SyncConfig {
        fetch_bytes: encode(&branch.events[..100]).len(),
        ..SyncConfig::default()
    };
    let other = Member::join_with(&fabric, 2, Arc::default(), config).await;
    convicted(&fabric, &[&one, &other], 300).await;
    // What came before is taken.
    until("all before it is here", || {
        other.next(log().key()) == Offset(300)
    })
    .await;
    // Whoever comes later hears of it with the heights.
    let late = Member::join(&fabric, 3).await;
    convicted(&fabric, &[&late], 300).await;
}

/// Followers that were told different things under signed checkpoints find out that it was the
/// producer, whichever of them is longer and whoever holds the false signatures.
#[tokio::test(start_paused = true)]
async fn branches_under_checkpoints_are_held_against_the_producer() {
    let cases = [
        // Of the same length, and both false.
        ((600, 256..600), (600, 256..600), 512),
        // The longer is false, the shorter is, and both are.
        ((1_200, 256..1_200), (600, 0..0), 512),
        ((1_200, 0..0), (600, 256..600), 512),
        ((1_200, 300..1_200), (700, 300..700), 512),
        // Only the last event of the shorter.
        ((1_200, 0..0), (700, 699..700), 699),
        // All are signed.
        ((1_200, 0..0), (700, 0..0), 699),
    ];
    for (one, other, offset) in cases {
        let fabric = Fabric::new();
        let fork = 256;
        let one = Branch::new(one.0, (fork, 1), one.1);
        let other = Branch::new(other.0, (fork, 2), other.1);
        let (one, other) = (one.taken(&fabric, 1).await, other.taken(&fabric, 2).await);
        heal(&fabric);
        convicted(&fabric, &[&one, &other], offset).await;
        one.stop(&fabric).await;
        other.stop(&fabric).await;
    }
}
