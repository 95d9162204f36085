//! What one write will hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use phytomer_store::{Batch, Table};
use phytomer_wire::events as wire;
use prost::Message;

use super::sign::{Signature, Signer};
use super::{Append, Request};
use crate::disk;
use crate::run::EVENT_TAG;
use crate::store::{Log, put_head};
use crate::{
    Appended, EventHash, Head, Header, LogKey, Offset, ProducerId, ProducerState, RUN_BYTES_MAX,
};

/// Events that wait for the disk, and who waits for them.
#[derive(Default)]
pub(super) struct Staged {
    requests: Vec<(Append, Appended)>,
    logs: BTreeMap<LogKey, StagedLog>,
    /// Events that are not signed yet.
    unsigned: Vec<Linked>,
    bytes: usize,
    events: u64,
}

/// An event that has its place in a log, but no signature.
pub(super) struct Linked {
    pub(super) header: Header,
    /// The encoded header, which is what is signed.
    pub(super) bytes: Bytes,
    pub(super) hash: EventHash,
    pub(super) record: Bytes,
}

/// What one write adds to one log.
pub(super) struct StagedLog {
    log: Arc<Log>,
    runs: Vec<StagedRun>,
    producers: BTreeMap<ProducerId, ProducerState>,
    /// The place of the first event.
    first: Option<Offset>,
    /// Hash and header of the newest event.
    last: Option<(EventHash, Header)>,
}

struct StagedRun {
    bytes: BytesMut,
    last: Offset,
}

impl Staged {
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many events are not signed yet.
    pub(super) const fn unsigned(&self) -> usize {
        self.unsigned.len()
    }

    /// Bytes of runs.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn events(&self) -> u64 {
        self.events
    }

    /// Remembers who waits.
    pub(super) fn push(&mut self, append: Append, appended: Appended) {
        self.requests.push((append, appended));
    }

    /// Who waits.
    pub(super) fn appends(&self) -> impl Iterator<Item = &Append> {
        self.requests.iter().map(|(append, _)| append)
    }

    /// Who waits, to be staged anew.
    pub(super) fn requests(self) -> impl Iterator<Item = Request> {
        self.requests
            .into_iter()
            .map(|(append, _)| Request::Append(append))
    }

    /// Who waits, and for what.
    pub(super) fn into_answers(self) -> Vec<(Append, Appended)> {
        self.requests
    }

    /// The part for one log.
    fn part(&mut self, log: &Arc<Log>) -> &mut StagedLog {
        let empty = || StagedLog {
            log: Arc::clone(log),
            runs: Vec::new(),
            producers: BTreeMap::new(),
            first: None,
            last: None,
        };
        self.logs.entry(log.key).or_insert_with(empty)
    }

    /// Adds the next event of a log.
    pub(super) fn add(&mut self, log: &Arc<Log>, event: Linked) {
        let part = self.part(log);
        part.first.get_or_insert(event.header.offset);
        part.last = Some((event.hash, event.header));
        self.bytes += event.len();
        self.events += 1;
        self.unsigned.push(event);
    }

    /// Signs what is not signed yet.
    pub(super) fn sign(&mut self, signer: &Signer) {
        let headers = self.unsigned.iter().map(|event| event.bytes.clone());
        let signatures = signer.sign(headers.collect());
        for (event, signature) in self.unsigned.drain(..).zip(signatures) {
            let part = self.logs.get_mut(&event.header.log);
            let part = part.expect("an event is added together with its log");
            part.append(event, &signature);
        }
    }

    /// Sets what will be known of an idempotent producer.
    pub(super) fn set_producer(&mut self, log: &Arc<Log>, id: ProducerId, state: ProducerState) {
        self.part(log).producers.insert(id, state);
    }

    /// The logs that get events, in one order for everybody, and the places of the first ones.
    pub(super) fn logs(&self) -> Vec<(Arc<Log>, Offset)> {
        let parts = self.logs.values();
        let first = |part: &StagedLog| Some((Arc::clone(&part.log), part.first?));
        parts.filter_map(first).collect()
    }

    /// Puts everything into a batch; the heads that the logs will have.
    pub(super) fn put(&mut self, batch: &mut Batch) -> Vec<(Arc<Log>, Head)> {
        let parts = self.logs.values_mut();
        parts.filter_map(|part| part.put(batch)).collect()
    }
}

impl Linked {
    /// The event as it stands in a run.
    fn message(&self, signature: Bytes) -> wire::Event {
        wire::Event {
            header: self.bytes.clone(),
            signature,
            record: self.record.clone(),
        }
    }

    /// Bytes that the event takes in a run.
    fn len(&self) -> usize {
        const BLANK: Signature = [0; size_of::<Signature>()];
        let len = self.message(Bytes::from_static(&BLANK)).encoded_len();
        1 + prost::length_delimiter_len(len) + len
    }
}

impl StagedLog {
    fn append(&mut self, event: Linked, signature: &Signature) {
        let len = event.len();
        let fits = |run: &&mut StagedRun| run.bytes.len() + len <= RUN_BYTES_MAX;
        let run = match self.runs.last_mut().filter(fits) {
            Some(run) => run,
            None => self.runs.push_mut(StagedRun {
                bytes: BytesMut::with_capacity(len),
                last: event.header.offset,
            }),
        };
        run.bytes.reserve(len);
        run.bytes.put_u8(EVENT_TAG);
        event
            .message(Bytes::copy_from_slice(signature))
            .encode_length_delimited(&mut run.bytes)
            .expect("there is room for it");
        run.last = event.header.offset;
    }

    fn put(&mut self, batch: &mut Batch) -> Option<(Arc<Log>, Head)> {
        let (last_hash, last) = self.last.take()?;
        let mut head = self.log.head();
        for run in self.runs.drain(..) {
            let bytes: Bytes = run.bytes.freeze();
            head.written_bytes += bytes.len() as u64;
            let key = disk::run_key(self.log.key, run.last);
            batch.put(Table::StreamRuns, key, bytes);
        }
        head.next = last.offset.next();
        head.last_hash = last_hash;
        head.last_time_ms = last.time_ms;
        put_head(batch, self.log.key, &head);
        for (id, state) in &self.producers {
            let key = disk::sequence_key(self.log.key, *id);
            batch.put(Table::StreamIndexes, key, disk::encode_sequence(state));
        }
        Some((Arc::clone(&self.log), head))
    }
}
