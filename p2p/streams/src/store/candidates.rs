//! Logs that peers tell of and of which nothing is here yet.
//!
//! What a peer tells is not signed, so it costs no disk and no place among the logs that are kept:
//! a candidate lives in memory, as long as a peer is there that tells of it. It is kept from the
//! first write on that holds something its producer signed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use phytomer_pqc::OperatorId;
use phytomer_wire::PeerId;

use super::{Log, LogStore};
use crate::{Epoch, Error, Head, LogId, LogKey, StreamName};

/// Candidates that one peer may tell of at once; of more it must tell again later.
pub(crate) const CANDIDATES_PER_PEER_MAX: usize = 4_096;
/// How far ahead of the clock an epoch may be that nobody has signed, in milliseconds: a year.
const EPOCH_AHEAD_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1_000;

/// How much of others' logs is kept here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) logs_per_stream_max: usize,
    pub(crate) logs_per_producer_max: usize,
    /// Bytes of one log.
    pub(crate) log_bytes_max: u64,
    /// Bytes of all of them.
    pub(crate) bytes_max: u64,
    /// The latest time of an event, in milliseconds since 1970.
    pub(crate) time_ms_max: u64,
}

impl Default for Limits {
    /// As much as there is.
    fn default() -> Self {
        Self {
            logs_per_stream_max: usize::MAX,
            logs_per_producer_max: usize::MAX,
            log_bytes_max: u64::MAX,
            bytes_max: u64::MAX,
            time_ms_max: u64::MAX,
        }
    }
}

#[derive(Default)]
pub(super) struct Candidates {
    logs: HashMap<LogKey, Candidate>,
    /// How many each peer tells of.
    counts: HashMap<PeerId, usize>,
}

struct Candidate {
    log: Arc<Log>,
    tellers: BTreeSet<PeerId>,
}

impl Candidates {
    /// Gives a candidate out of them; it is kept from now on.
    pub(super) fn take(&mut self, key: LogKey) -> Option<Arc<Log>> {
        let candidate = self.logs.remove(&key)?;
        for teller in &candidate.tellers {
            self.discount(*teller);
        }
        Some(candidate.log)
    }

    fn discount(&mut self, teller: PeerId) {
        if let Some(count) = self.counts.get_mut(&teller) {
            *count = count.saturating_sub(1);
        }
    }

    fn told(&mut self, id: &LogId, key: LogKey, teller: PeerId) -> Option<Arc<Log>> {
        let count = self.counts.entry(teller).or_default();
        let told = self.logs.get(&key);
        let again = told.is_some_and(|it| it.tellers.contains(&teller));
        if !again && *count >= CANDIDATES_PER_PEER_MAX {
            return None;
        }
        let candidate = self.logs.entry(key).or_insert_with(|| Candidate {
            log: Arc::new(Log::new(id.clone(), None, Head::EMPTY)),
            tellers: BTreeSet::new(),
        });
        *count += usize::from(candidate.tellers.insert(teller));
        Some(Arc::clone(&candidate.log))
    }
}

impl LogStore {
    /// The log with this key, kept or told of.
    pub(crate) fn known(&self, key: LogKey) -> Option<Arc<Log>> {
        // Under the lock: who leaves the candidates is among the logs by then.
        let candidates = self.candidates.lock();
        let candidate = candidates.logs.get(&key);
        let candidate = candidate.map(|candidate| Arc::clone(&candidate.log));
        candidate.or_else(|| self.log(key))
    }

    /// The log that a peer tells of: where it is not kept yet, a candidate.
    ///
    /// # Errors
    /// [`Error::TooManyLogs`] or [`Error::OverLimit`] where it would not be kept, or the peer
    /// tells of too many.
    pub(crate) fn candidate(
        &self,
        id: &LogId,
        teller: PeerId,
        limits: &Limits,
    ) -> Result<Arc<Log>, Error> {
        let key = id.key();
        let mut candidates = self.candidates.lock();
        if let Some(log) = self.log(key) {
            return Ok(log);
        }
        self.check_room(id, limits)?;
        let told = candidates.told(id, key, teller);
        told.ok_or(Error::OverLimit {
            log: key,
            limit: "new logs that one peer may tell of",
            max: CANDIDATES_PER_PEER_MAX as u64,
        })
    }

    /// Forgets candidates of which none of these peers tells, unless they are in use.
    pub(crate) fn retain_candidates(&self, peers: &BTreeSet<PeerId>) {
        let mut candidates = self.candidates.lock();
        let Candidates { logs, counts } = &mut *candidates;
        counts.retain(|teller, _| peers.contains(teller));
        logs.retain(|_, candidate| {
            candidate.tellers.retain(|teller| peers.contains(teller));
            !candidate.tellers.is_empty() || Arc::strong_count(&candidate.log) > 1
        });
    }

    /// Whether one more log of another producer may be kept. Own ones always are.
    pub(super) fn check_room(&self, id: &LogId, limits: &Limits) -> Result<(), Error> {
        if id.producer == self.producer.id() {
            return Ok(());
        }
        let logs = self.logs.read();
        let max = self.config.logs_max;
        if logs.by_key.len().saturating_sub(logs.own.len()) >= max {
            return Err(Error::TooManyLogs { max });
        }
        let over = |limit, max: usize| Error::OverLimit {
            log: id.key(),
            limit,
            max: max as u64,
        };
        let of_stream = logs.by_stream.get(&id.stream).map_or(0, Vec::len);
        if of_stream >= limits.logs_per_stream_max {
            let max = limits.logs_per_stream_max;
            return Err(over("sync.logs_per_stream_max", max));
        }
        if logs.of_producer(id.producer) >= limits.logs_per_producer_max {
            let max = limits.logs_per_producer_max;
            return Err(over("sync.logs_per_producer_max", max));
        }
        Ok(())
    }

    /// Whether another producer's log may grow from one head to the other.
    pub(super) fn check_growth(
        &self,
        log: &Log,
        (before, after): (&Head, &Head),
        limits: &Limits,
    ) -> Result<(), Error> {
        if log.id.producer == self.producer.id() {
            return Ok(());
        }
        let check = |value: u64, limit, max| match value > max {
            true => Err(Error::OverLimit {
                log: log.key,
                limit,
                max,
            }),
            false => Ok(()),
        };
        let others = self.foreign_bytes.load(Ordering::Relaxed);
        let others = others.saturating_sub(before.bytes());
        let bytes = after.bytes();
        check(bytes, "sync.log_bytes_max", limits.log_bytes_max)?;
        check(
            others.saturating_add(bytes),
            "sync.bytes_max",
            limits.bytes_max,
        )?;
        let latest = "the latest time of an event that this node's clock allows";
        check(after.last_time_ms, latest, limits.time_ms_max)
    }

    /// The highest epoch of an own log that peers tell of. Nobody has signed it: one that is far
    /// from now is not believed.
    pub(super) fn highest_told(&self, stream: &StreamName, now_ms: u64) -> Option<Epoch> {
        let producer: OperatorId = self.producer.id();
        let candidates = self.candidates.lock();
        let ids = candidates.logs.values().map(|candidate| &candidate.log.id);
        let own = ids.filter(|id| id.producer == producer && id.stream == *stream);
        let epochs = own.map(|id| id.epoch);
        epochs
            .filter(|epoch| epoch.0 <= now_ms.saturating_add(EPOCH_AHEAD_MS_MAX))
            .max()
    }
}
