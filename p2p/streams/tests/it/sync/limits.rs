//! What a node keeps of others is bounded, whatever they tell and sign.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use phytomer_pqc::OperatorKey;
use phytomer_streams::{Config, EVENT_CONTEXT, Epoch, LogId, Offset, SyncConfig};
use phytomer_wire::codec;
use phytomer_wire::events::{Event, Header, Record, Run};
use phytomer_wire::memory::{Fabric, MemoryNetwork};
use phytomer_wire::sync::{Answer, Ask, End, Gone, Height, Heights, LogName, Part, Question};
use phytomer_wire::{Network, Protocol};

use super::world::{Member, stranger, until};
use crate::support::{START_MS, key, stream};

/// A log that a stranger wrote, with valid signatures, or only tells of.
struct Written {
    id: LogId,
    events: Vec<Event>,
    told: u64,
}

impl Written {
    /// A log of `count` events with records of `record_len` bytes, of a time.
    fn new(key: &OperatorKey, epoch: u64, count: u64, (record_len, time_ms): (usize, u64)) -> Self {
        let id = LogId {
            stream: stream(),
            producer: key.public().id(),
            epoch: Epoch(epoch),
        };
        let mut previous = Bytes::from_static(&[0; 32]);
        let event = |offset| {
            let record = codec::encode(&Record {
                value: Some(vec![7; record_len].into()),
                ..Record::default()
            });
            let header = codec::encode(&Header {
                version: 1,
                log: Bytes::copy_from_slice(id.key().as_bytes()),
                offset,
                previous: previous.clone(),
                time_ms,
                record_len: record.len() as u32,
                record_hash: Bytes::copy_from_slice(blake3::hash(&record).as_bytes()),
            });
            previous = Bytes::copy_from_slice(blake3::hash(&header).as_bytes());
            let signature = key.sign_fast(EVENT_CONTEXT, &header);
            Event {
                header,
                signature: Bytes::copy_from_slice(&signature),
                record,
            }
        };
        let events = (0..count).map(event).collect();
        let told = count;
        Self { id, events, told }
    }

    fn height(&self) -> Height {
        let last = self.events.last();
        let last = last.map_or([1; 32], |last| *blake3::hash(&last.header).as_bytes());
        Height {
            log: Some(LogName {
                stream: self.id.stream.as_str().to_owned(),
                producer: Bytes::copy_from_slice(self.id.producer.as_bytes()),
                epoch: self.id.epoch.0,
            }),
            next: self.told,
            last: Bytes::copy_from_slice(&last),
            ..Height::default()
        }
    }

    /// Twenty events from an offset on.
    fn range(&self, from: u64) -> Vec<Part> {
        let from = usize::try_from(from).unwrap().min(self.events.len());
        let runs = self.events[from..].chunks(10).take(2);
        let runs = runs.map(|events| {
            let events = events.to_vec();
            Part::Run(codec::encode(&Run { events }))
        });
        runs.collect()
    }
}

/// Serves logs, as an honest peer would.
async fn serve(network: MemoryNetwork, key: OperatorKey, logs: Vec<Written>) {
    let mut inbound = network.accept(Protocol::STREAMS).await.unwrap();
    let logs = Arc::new(logs);
    let keys = Bytes::copy_from_slice(key.public().as_bytes());
    while let Some(inbound) = inbound.recv().await {
        let (logs, keys) = (Arc::clone(&logs), keys.clone());
        tokio::spawn(async move {
            let mut stream = inbound.stream;
            let Ok(Some(ask)) = codec::read::<Ask>(&mut stream).await else {
                return;
            };
            let parts = match ask.question.unwrap() {
                Question::Heights(_) => vec![Part::Heights(Heights {
                    session: 1,
                    revision: 1,
                    logs: logs.iter().map(Written::height).collect(),
                    keys: vec![keys],
                })],
                Question::Proof(_) => Vec::new(),
                Question::Range(range) => {
                    let log = logs.iter().find(|log| log.id.key().0[..] == range.log[..]);
                    match log {
                        Some(log) => log.range(range.from),
                        None => vec![Part::Gone(Gone { first: u64::MAX })],
                    }
                }
            };
            for part in parts.into_iter().chain([Part::End(End {})]) {
                let part = Some(part);
                if codec::write(&mut stream, &Answer { part }).await.is_err() {
                    return;
                }
            }
            // Until it was read.
            let _ = codec::read::<Ask>(&mut stream).await;
        });
    }
}

const SMALL: (usize, u64) = (10, START_MS);

/// Who invents logs takes no place from those that are written.
#[tokio::test(start_paused = true)]
async fn invented_logs_are_not_kept_and_written_ones_have_their_share() {
    let fabric = Fabric::new();
    let mut logs: Vec<_> = (0..200)
        .map(|epoch| Written {
            told: 1_000,
            ..Written::new(&key(9), epoch, 0, SMALL)
        })
        .collect();
    logs.extend((200..240).map(|epoch| Written::new(&key(9), epoch, 1, SMALL)));
    tokio::spawn(serve(stranger(&fabric, 9), key(9), logs));
    let config = SyncConfig {
        logs_per_producer_max: 20,
        ..SyncConfig::default()
    };
    let streams = Config {
        logs_max: 21,
        ..Config::default()
    };
    let store = Arc::default();
    let node = Member::join_as(&fabric, (1, 1), store, config, streams).await;
    until("there are as many as may be", || node.heads().len() >= 20).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let heads = node.heads();
    assert_eq!(heads.len(), 20);
    assert!(heads.values().all(|(next, _)| *next == Offset(1)));
    // There is room for an honest producer's, and for the node's own.
    let honest = Member::join(&fabric, 2).await;
    honest.append(0..3).await;
    until("it is followed", || node.next(honest.own()) == Offset(3)).await;
    node.append(0..1).await;
    assert_eq!(node.heads().len(), 22);
}

/// Who writes without end fills the share of one log, and no disk.
#[tokio::test(start_paused = true)]
async fn a_log_is_kept_up_to_its_share_and_not_before_its_time() {
    let fabric = Fabric::new();
    let long = Written::new(&key(9), 1, 200, (10_000, START_MS));
    let early = Written::new(&key(9), 2, 3, (10, START_MS + 2 * 60 * 60 * 1_000));
    let fitting = Written::new(&key(9), 3, 3, (10, START_MS + 30 * 60 * 1_000));
    let [long_key, early_key, fitting_key] = [&long, &early, &fitting].map(|log| log.id.key());
    tokio::spawn(serve(
        stranger(&fabric, 9),
        key(9),
        vec![long, early, fitting],
    ));
    let max = 900_000;
    let config = SyncConfig {
        log_bytes_max: max,
        ..SyncConfig::default()
    };
    let node = Member::join_with(&fabric, 1, Arc::default(), config).await;
    until("the short one is there", || {
        node.next(fitting_key) == Offset(3)
    })
    .await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let bytes = node.streams.log(long_key).map_or(0, |log| log.head.bytes());
    assert!(bytes <= max, "{bytes}");
    assert!(node.streams.log(early_key).is_none());
    // It is followed when its time has come.
    node.clock.set(START_MS + 60 * 60 * 1_000);
    until("its time has come", || node.next(early_key) == Offset(3)).await;
    assert!(fabric.reports().is_empty(), "{:?}", fabric.reports());
}
