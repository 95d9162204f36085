//! Where the own logs end once all that is staged is written.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use phytomer_store::Table;

use super::staged::{Linked, Staged};
use super::{Append, Encoded};
use crate::disk;
use crate::producer::{Decision, RefusedBatches, Taken, decide};
use crate::store::{Log, LogStore};
use crate::{
    Appended, Epoch, Error, EventHash, Header, Offset, ProducerId, ProducerState, Sequence,
    StreamName,
};

/// Idempotent producers of a log that are kept in memory; the others are on disk.
const PRODUCERS_CACHED_MAX: usize = 1_024;

/// The ends of the own logs.
#[derive(Default)]
pub(super) struct Chains {
    generation: u64,
    own: HashMap<StreamName, Chain>,
}

/// What numbering and linking need.
pub(super) struct Stager<'a> {
    pub(super) logs: &'a LogStore,
    pub(super) now_ms: u64,
    pub(super) refused: &'a Mutex<RefusedBatches>,
}

struct Chain {
    log: Arc<Log>,
    next: Offset,
    previous: EventHash,
    time_ms: u64,
    producers: HashMap<ProducerId, ProducerState>,
}

impl Chains {
    /// Forgets what was staged, where it has become void since; whether it has.
    pub(super) fn renew(&mut self, generation: u64) -> bool {
        let void = self.generation != generation;
        if void {
            self.generation = generation;
            self.own.clear();
        }
        void
    }

    /// The own log of a stream; makes it where there is none.
    pub(super) fn log(
        &mut self,
        stager: &Stager<'_>,
        stream: &StreamName,
    ) -> Result<Arc<Log>, Error> {
        Ok(Arc::clone(&self.chain(stager, stream)?.log))
    }

    /// A new own log for a stream.
    pub(super) fn restart(
        &mut self,
        stager: &Stager<'_>,
        stream: &StreamName,
        above: Option<Epoch>,
    ) -> Result<Arc<Log>, Error> {
        let log = stager.logs.make_own(stream, stager.now_ms, above)?;
        self.own.remove(stream);
        Ok(log)
    }

    fn chain(&mut self, stager: &Stager<'_>, stream: &StreamName) -> Result<&mut Chain, Error> {
        let frozen = |chain: &Chain| chain.log.head.borrow().frozen.is_some();
        if self.own.get(stream).is_none_or(frozen) {
            let chain = stager.load(stream)?;
            self.own.insert(stream.clone(), chain);
        }
        let chain = self.own.get_mut(stream);
        Ok(chain.expect("it was loaded where it was missing"))
    }

    /// Numbers and links records, or finds that they were taken before.
    pub(super) fn stage(
        &mut self,
        stager: &Stager<'_>,
        append: &Append,
        staged: &mut Staged,
    ) -> Result<Appended, Error> {
        let count = u32::try_from(append.records.len()).unwrap_or(u32::MAX);
        let chain = self.chain(stager, &append.stream)?;
        let mut first = chain.next;
        let decision = match append.sequence {
            Some(sequence) => {
                stager.refused.lock().check(&append.stream, sequence)?;
                let decision = chain.decide(stager, sequence, count)?;
                stager.refused.lock().taken(&append.stream, sequence);
                decision
            }
            None => Decision::Append,
        };
        match decision {
            Decision::Repeated(offset) => {
                stager.logs.metrics.duplicates.inc();
                first = offset;
            }
            Decision::Append => {
                for record in &append.records {
                    let event = chain.link(stager, record);
                    staged.add(&chain.log, event);
                }
                if let Some(sequence) = append.sequence {
                    chain.took(stager, sequence, (first, count), staged);
                }
            }
        }
        Ok(Appended {
            log: chain.log.id.clone(),
            first,
            count,
        })
    }
}

impl Stager<'_> {
    /// The end of the own log of a stream as it is on disk.
    fn load(&self, stream: &StreamName) -> Result<Chain, Error> {
        let usable = |log: &Arc<Log>| log.head().frozen.is_none();
        let log = match self.logs.own_log(stream).filter(usable) {
            Some(log) => log,
            None => self.logs.make_own(stream, self.now_ms, None)?,
        };
        let head = log.head();
        Ok(Chain {
            next: head.next,
            previous: head.last_hash,
            time_ms: head.last_time_ms,
            producers: HashMap::new(),
            log,
        })
    }
}

impl Chain {
    fn link(&mut self, stager: &Stager<'_>, record: &Encoded) -> Linked {
        self.time_ms = self.time_ms.max(stager.now_ms);
        let header = Header {
            log: self.log.key,
            offset: self.next,
            previous: self.previous,
            time_ms: self.time_ms,
            record_len: u32::try_from(record.bytes.len()).unwrap_or(u32::MAX),
            record_hash: record.hash,
        };
        let bytes = header.encode();
        self.next = self.next.next();
        // The signature is no part of the hash: the next event can be linked before this is signed.
        self.previous = EventHash::of(&bytes);
        Linked {
            header,
            bytes,
            hash: self.previous,
            record: record.bytes.clone(),
        }
    }

    fn decide(
        &mut self,
        stager: &Stager<'_>,
        sequence: Sequence,
        count: u32,
    ) -> Result<Decision, Error> {
        if !self.producers.contains_key(&sequence.producer)
            && let Some(state) = self.stored_producer(stager, sequence.producer)?
        {
            self.producers.insert(sequence.producer, state);
        }
        let state = self.producers.get(&sequence.producer);
        Ok(decide(state, sequence, count)?)
    }

    fn stored_producer(
        &self,
        stager: &Stager<'_>,
        id: ProducerId,
    ) -> Result<Option<ProducerState>, Error> {
        let key = disk::sequence_key(self.log.key, id);
        let reader = stager.logs.store.snapshot();
        let value = reader.get(Table::StreamIndexes, &key)?;
        value.map(disk::decode_sequence).transpose()
    }

    /// Remembers a batch of an idempotent producer: here, and with the events on disk.
    fn took(
        &mut self,
        stager: &Stager<'_>,
        sequence: Sequence,
        (first_offset, count): (Offset, u32),
        staged: &mut Staged,
    ) {
        if self.producers.len() >= PRODUCERS_CACHED_MAX {
            // What is on disk can be read again.
            let next = self.log.head().next;
            let newest = |state: &ProducerState| state.batches.back().map(|it| it.first_offset);
            self.producers
                .retain(|_, state| newest(state) >= Some(next));
        }
        let taken = Taken {
            first_sequence: sequence.first,
            count,
            first_offset,
        };
        let before = self.producers.remove(&sequence.producer);
        let state = ProducerState::after(before, sequence.epoch, taken, stager.now_ms);
        self.producers.insert(sequence.producer, state.clone());
        staged.set_producer(&self.log, sequence.producer, state);
    }
}
