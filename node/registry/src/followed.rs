//! What the signed events of other operators say about certificates.
//!
//! A node that executes no blocks cannot ask the ledger. It holds the `certificates` logs of the
//! operators that do, every event signed and in order, and answers from them: which log issued a
//! credential's hash, and whether that lot or one it came from was suspended or revoked since.
//!
//! What is not known here is whether the ledger agrees with its operator's events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::B256;
use phytomer_pqc::OperatorId;
use phytomer_streams::{Error as StreamError, LogInfo, LogKey, Offset, Origin, Streams};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::config::LINEAGE_NODES_MAX;
use crate::error::Error;
use crate::feed::CERTIFICATES_STREAM;
use crate::types::{CertificateId, Status, StatusCause};

/// Bytes of events that are read at once.
const READ_BYTES_MAX: usize = 1 << 20;

/// What is known of every followed log so far.
#[derive(Default)]
pub(crate) struct Followed {
    logs: Mutex<BTreeMap<LogKey, Reading>>,
}

/// A log and how far it was read.
#[derive(Default)]
struct Reading {
    book: Book,
    next: Offset,
}

/// What a log says about a credential, and whose log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The operator who signed it.
    pub(crate) producer: OperatorId,
    /// What it says.
    pub(crate) told: Told,
    /// How far the log was read: behind this offset nothing is known.
    pub(crate) next: Offset,
}

impl Followed {
    /// What the logs of other operators say about a credential, up to what this node holds of them.
    pub(crate) async fn words(
        &self,
        streams: &Streams,
        credential: B256,
    ) -> Result<Vec<Word>, Error> {
        let mut logs = self.logs.lock().await;
        let mut words = Vec::new();
        let stream = CERTIFICATES_STREAM.parse().map_err(StreamError::from)?;
        let mut held = streams.logs(&stream);
        held.retain(|log| log.origin == Origin::Peer);
        keep_only(&mut logs, held.iter().map(|log| log.key));
        for log in held {
            let reading = logs.entry(log.key).or_default();
            catch_up(streams, &log, reading).await?;
            words.extend(reading.book.told(credential).map(|told| Word {
                producer: log.id.producer,
                told,
                next: reading.next,
            }));
        }
        Ok(words)
    }
}

/// Forgets the logs that this node no longer holds, such as those of epochs that are over.
fn keep_only(logs: &mut BTreeMap<LogKey, Reading>, held: impl Iterator<Item = LogKey>) {
    let held: BTreeSet<LogKey> = held.collect();
    logs.retain(|key, _| held.contains(key));
}

/// Reads what came since the last time.
async fn catch_up(streams: &Streams, log: &LogInfo, reading: &mut Reading) -> Result<(), Error> {
    reading.next = reading.next.max(log.head.first);
    while reading.next < log.head.next {
        let events = streams.read(log.key, reading.next, READ_BYTES_MAX).await?;
        if events.is_empty() {
            break;
        }
        for event in events {
            let record = event.record().ok();
            let value = record.and_then(|record| record.value);
            if let Some(value) = value.and_then(|value| serde_json::from_slice(&value).ok()) {
                reading.book.apply(event.offset().0, &value);
            }
            reading.next = event.offset().next();
        }
    }
    Ok(())
}

/// The certificates of one operator's log: no more than its events have bytes, whatever they say.
#[derive(Debug, Default)]
pub(crate) struct Book {
    lots: BTreeMap<CertificateId, Lot>,
    /// The lot that was split and into how many, by the first of them: their ids follow each other.
    splits: BTreeMap<CertificateId, (CertificateId, u64)>,
    by_credential: HashMap<B256, CertificateId>,
}

/// A lot as its events tell it.
#[derive(Debug, Default)]
struct Lot {
    issued_at: u64,
    parents: Vec<CertificateId>,
    /// The last status that was set on it, unless it is active.
    status: Option<StatusCause>,
}

/// What the log says about one credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The certificate that carries the credential.
    pub(crate) id: CertificateId,
    /// Offset of the event that issued it.
    pub(crate) issued_at: u64,
    /// Why it is not active, where it is not.
    pub(crate) cause: Option<StatusCause>,
}

impl Book {
    /// Takes the next event of the log. What is not about certificates, or not as this version
    /// writes it, changes nothing: a newer version may tell more.
    pub(crate) fn apply(&mut self, offset: u64, event: &Value) {
        let text = |value: &Value, key: &str| value.get(key)?.as_str().map(str::to_owned);
        let id = |value: &Value, key: &str| text(value, key)?.parse::<CertificateId>().ok();
        let (Some(kind), Some(certificate)) = (text(event, "type"), id(event, "certificate"))
        else {
            return;
        };
        let data = event.get("data").unwrap_or(&Value::Null);
        match kind.as_str() {
            "certificate.issued" => {
                let hash = text(data, "credentialHash").and_then(|hash| hash.parse().ok());
                if let Some(hash) = hash {
                    self.by_credential.entry(hash).or_insert(certificate);
                    self.lots.entry(certificate).or_default().issued_at = offset;
                }
            }
            "certificate.split" => {
                let count = text(data, "count").and_then(|count| count.parse::<u64>().ok());
                let first = id(data, "firstChild");
                if let (Some(first), Some(count)) = (first, count) {
                    self.splits.insert(first, (certificate, count));
                }
            }
            "certificate.merged" => {
                let parents = data.get("parents").and_then(Value::as_array);
                let parents = parents.into_iter().flatten();
                let parents = parents.filter_map(|parent| parent.as_str()?.parse().ok());
                self.lots.entry(certificate).or_default().parents = parents.collect();
            }
            "certificate.status" => {
                let lot = self.lots.entry(certificate).or_default();
                lot.status = cause(certificate, event, data);
            }
            _ => {}
        }
    }

    /// What the log says about the credential with this hash.
    pub(crate) fn told(&self, credential: B256) -> Option<Told> {
        let id = *self.by_credential.get(&credential)?;
        let lot = self.lots.get(&id)?;
        Some(Told {
            id,
            issued_at: lot.issued_at,
            cause: self.cause(id),
        })
    }

    /// Why a lot is not active: its own status, or that of a lot it came from, which descends where
    /// it is suspended or revoked.
    fn cause(&self, id: CertificateId) -> Option<StatusCause> {
        let mut seen = BTreeSet::from([id]);
        let mut waiting = vec![id];
        while let Some(next) = waiting.pop() {
            let lot = self.lots.get(&next);
            let descends = |cause: &&StatusCause| {
                next == id || matches!(cause.status, Status::Suspended | Status::Revoked)
            };
            let status = lot.and_then(|lot| lot.status.as_ref());
            if let Some(cause) = status.filter(descends) {
                return Some(cause.clone());
            }
            let merged = lot.into_iter().flat_map(|lot| lot.parents.iter().copied());
            for parent in merged.chain(self.split_from(next)) {
                if seen.len() < LINEAGE_NODES_MAX && seen.insert(parent) {
                    waiting.push(parent);
                }
            }
        }
        None
    }

    /// The lot that this one was split from.
    fn split_from(&self, id: CertificateId) -> Option<CertificateId> {
        let (first, (parent, count)) = self.splits.range(..=id).next_back()?;
        (id.0 - first.0 < *count).then_some(*parent)
    }
}

/// The status that an event sets; nothing where the lot is active again.
fn cause(certificate: CertificateId, event: &Value, data: &Value) -> Option<StatusCause> {
    let status: Status = serde_json::from_value(data.get("status")?.clone()).ok()?;
    (status != Status::Active).then(|| StatusCause {
        certificate,
        status,
        reason: data
            .get("reason")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        block: event
            .get("block")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const HASH: B256 = B256::repeat_byte(7);

    fn event(kind: &str, certificate: &str, data: &Value) -> Value {
        json!({"type": kind, "certificate": certificate, "block": 9, "data": data})
    }

    /// Lot 1 is split into 2 and 3, and 3 is merged into 4, which carries the credential.
    fn book() -> Book {
        let mut book = Book::default();
        for (offset, event) in [
            event(
                "certificate.issued",
                "1",
                &json!({"credentialHash": B256::ZERO}),
            ),
            event(
                "certificate.split",
                "1",
                &json!({"firstChild": "2", "count": "2"}),
            ),
            event("certificate.issued", "4", &json!({"credentialHash": HASH})),
            event("certificate.merged", "4", &json!({"parents": ["3"]})),
        ]
        .iter()
        .enumerate()
        {
            book.apply(offset as u64, event);
        }
        book
    }

    fn set(book: &mut Book, certificate: &str, status: &str) {
        let data = json!({"status": status, "reason": "XYLEFA"});
        book.apply(10, &event("certificate.status", certificate, &data));
    }

    #[test]
    fn what_descends_reaches_the_grandchild_and_ends_when_it_is_lifted() {
        let mut book = book();
        assert_eq!(book.told(HASH).unwrap().cause, None);
        set(&mut book, "1", "suspended");
        let told = book.told(HASH).unwrap();
        assert_eq!((told.id, told.issued_at), (CertificateId(4), 2));
        let cause = told.cause.unwrap();
        assert_eq!(
            (
                cause.certificate,
                cause.status,
                cause.reason.as_str(),
                cause.block
            ),
            (CertificateId(1), Status::Suspended, "XYLEFA", 9)
        );
        set(&mut book, "1", "active");
        assert_eq!(book.told(HASH).unwrap().cause, None);
    }

    #[test]
    fn a_split_reaches_its_children_and_no_others_and_takes_no_room_for_them() {
        let hash = B256::repeat_byte(1);
        for (id, descends) in [
            (99, false),
            (100, true),
            (1_000_099, true),
            (1_000_100, false),
        ] {
            let mut book = Book::default();
            let into = json!({"firstChild": "100", "count": "1000000"});
            book.apply(0, &event("certificate.split", "7", &into));
            set(&mut book, "7", "revoked");
            let issued = json!({"credentialHash": hash});
            book.apply(1, &event("certificate.issued", &id.to_string(), &issued));
            assert_eq!(book.told(hash).unwrap().cause.is_some(), descends, "{id}");
            assert!(book.lots.len() <= 2);
        }
    }

    #[test]
    fn epochs_that_are_no_longer_held_are_forgotten() {
        let log = |number| {
            let id = phytomer_streams::LogId {
                stream: CERTIFICATES_STREAM.parse().unwrap(),
                producer: OperatorId::from_bytes([3; 32]),
                epoch: phytomer_streams::Epoch(number),
            };
            id.key()
        };
        let mut logs = BTreeMap::new();
        for number in 0..100 {
            logs.entry(log(number)).or_insert_with(Reading::default);
            keep_only(&mut logs, [log(number)].into_iter());
        }
        assert_eq!(logs.into_keys().collect::<Vec<_>>(), [log(99)]);
    }

    #[test]
    fn what_does_not_descend_stays_with_its_lot() {
        let mut book = book();
        set(&mut book, "1", "retired");
        assert_eq!(book.told(HASH).unwrap().cause, None);
        set(&mut book, "4", "retired");
        assert_eq!(
            book.told(HASH).unwrap().cause.unwrap().status,
            Status::Retired
        );
    }

    #[test]
    fn the_first_event_of_a_credential_counts() {
        let mut book = book();
        book.apply(
            9,
            &event("certificate.issued", "5", &json!({"credentialHash": HASH})),
        );
        assert_eq!(book.told(HASH).unwrap().id, CertificateId(4));
        assert_eq!(book.told(B256::repeat_byte(8)), None);
    }

    proptest! {
        #[test]
        fn any_event_is_taken(kind in "certificate\\.(issued|split|merged|status)", id in "[0-9]{1,20}", text in ".{0,20}") {
            let mut book = book();
            let data = json!({"firstChild": id, "count": text, "parents": [text, id], "status": text,
                "credentialHash": text, "reason": 1});
            book.apply(u64::MAX, &event(&kind, &id, &data));
            let loop_ = json!({"parents": ["4", "3", "1"]});
            book.apply(0, &event("certificate.merged", "1", &loop_));
            prop_assert!(book.told(HASH).is_some());
        }
    }
}
