//! Fetches the documents that the events of other operators name: credentials and photos.
//!
//! ```text
//! logs ──> lanes: one an operator ── turn ──> the next event's documents ── found ──> committed
//!                                                        │ not found
//!                                                        └──> retries ──> tried again, or left out
//! ```
//!
//! It reads the `certificates` logs of other operators as a consumer group does: how far it has
//! come in each log is committed, so that a restart goes on there. What an event names may be
//! missing, huge, or nothing at all, so each operator has a lane of its own ([`lanes`]), a share
//! of bytes, and limits of size and time for each document. Documents that nobody has now are left
//! out after a few attempts ([`retries`]); whoever needs one later has it fetched then.

mod lanes;
mod retries;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use phytomer_blobs::{Blobs, Error as BlobError};
use phytomer_pqc::OperatorId;
use phytomer_registry::CERTIFICATES_STREAM;
use phytomer_streams::{Error, Event, LogKey, Offset, Origin, Streams};
use phytomer_telemetry::{IntCounterVec, MetricsRegistry};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

use self::lanes::{Among, Lanes, Outcome, Turn};
use self::retries::{Document, Missed, Retries};
use crate::names;

/// The consumer group in which it keeps how far it has come.
const GROUP: &str = "phytomer-documents";
/// How long it waits after a failure before it begins again.
const PAUSE: Duration = Duration::from_secs(2);
/// How often it looks for new events.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Bytes of events that are looked through in one turn.
const TURN_BYTES: usize = 64 << 10;
/// The largest credential that is fetched, in bytes.
const CREDENTIAL_BYTES_MAX: u64 = 256 << 10;
/// The largest photo that is fetched, in bytes: what the recogniser takes.
const PHOTO_BYTES_MAX: u64 = phytomer_models::FILE_BYTES_MAX as u64;
/// How often every operator is given a new share of bytes.
const SHARE_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Settings of collecting documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectorConfig {
    /// Whether the credentials and photos that followed events name are fetched and kept in the
    /// blobs' cache.
    pub enabled: bool,
    /// Events whose documents are fetched at once: of each operator one.
    pub fetches_max: usize,
    /// How long one document may take, in milliseconds.
    pub fetch_timeout_ms: u64,
    /// How long a document that was not found rests before it is tried again, in milliseconds.
    pub retry_delay_ms: u64,
    /// Bytes of one operator's documents that are fetched in an hour; the rest waits.
    pub operator_bytes_per_hour: u64,
}

impl Default for CollectorConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            fetches_max: 4,
            fetch_timeout_ms: 60_000,
            retry_delay_ms: 60_000,
            operator_bytes_per_hour: 1 << 30,
        }
    }
}

/// What it works with.
pub(crate) struct Collector {
    config: CollectorConfig,
    streams: Streams,
    blobs: Blobs,
    documents: IntCounterVec,
}

/// What became of one document.
#[derive(Clone, Copy, Debug)]
struct Fetched {
    document: Document,
    /// Bytes of it that came.
    bytes: u64,
    became: Became,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    Here,
    /// Nobody had it, or it took too long.
    Missed,
    /// It is larger than such a document may be.
    Refused,
}

/// Something that was under way.
enum Done {
    Turn {
        turn: Turn,
        next: Offset,
        fetched: Vec<Fetched>,
    },
    Retry {
        missed: Missed,
        fetched: Fetched,
    },
}

/// What is under way, and what waits.
struct Work<'a> {
    lanes: Lanes,
    retries: Retries,
    running: FuturesUnordered<BoxFuture<'a, Result<Done, Error>>>,
    /// Turns of doubtful lanes, and retries, among those.
    doubtful: usize,
}

impl Collector {
    pub(crate) fn new(
        config: CollectorConfig,
        streams: Streams,
        blobs: Blobs,
        metrics: &MetricsRegistry,
    ) -> Result<Self, phytomer_telemetry::Error> {
        Ok(Self {
            config,
            streams,
            blobs,
            documents: metrics.counters(
                "phytomer_collector_documents_total",
                "Documents of other operators' certificates, by what became of them.",
                &["outcome"],
            )?,
        })
    }

    /// Collects until `shutdown` is cancelled.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let collect = async {
            loop {
                let Err(error) = self.collect().await;
                tracing::debug!(%error, "collecting documents begins again");
                tokio::time::sleep(PAUSE).await;
            }
        };
        shutdown.run_until_cancelled(collect).await;
    }

    /// Goes on where the group has come to; returns only when something fails.
    async fn collect(&self) -> Result<Infallible, Error> {
        let committed = self.streams.group(GROUP).await?;
        let committed = committed.into_iter().map(|(log, at)| (log, at.offset));
        let committed: HashMap<LogKey, Offset> = committed.collect();
        let mut work = Work {
            lanes: Lanes::new(self.config.operator_bytes_per_hour.max(1)),
            retries: Retries::new(Duration::from_millis(self.config.retry_delay_ms)),
            running: FuturesUnordered::new(),
            doubtful: 0,
        };
        let mut look = interval(LOOK_INTERVAL);
        let mut share = interval(SHARE_INTERVAL);
        loop {
            self.start(&mut work);
            tokio::select! {
                Some(done) = work.running.next(), if !work.running.is_empty() => {
                    self.settle(&mut work, done?).await?;
                }
                _ = look.tick() => self.look(&mut work.lanes, &committed),
                _ = share.tick() => work.lanes.renew(),
            }
        }
    }

    fn look(&self, lanes: &mut Lanes, committed: &HashMap<LogKey, Offset>) {
        for log in self.streams.logs(&names::stream(CERTIFICATES_STREAM)) {
            if log.origin == Origin::Peer && !log.head.is_empty() {
                let from = committed.get(&log.key).copied().unwrap_or_default();
                let holds = from.max(log.head.first)..log.head.next;
                lanes.see(log.id.producer, log.key, holds);
            }
        }
    }

    /// Begins as much as may be under way. What is doubtful leaves half of the places to others.
    fn start<'a>(&'a self, work: &mut Work<'a>) {
        let places = self.config.fetches_max.max(1);
        while work.running.len() < places {
            let among = match work.doubtful < places.div_ceil(2) {
                true => Among::All,
                false => Among::Sound,
            };
            if let Some(turn) = work.lanes.next(among) {
                work.doubtful += usize::from(turn.doubtful);
                work.running.push(Box::pin(self.take(turn)));
                continue;
            }
            let retries = &mut work.retries;
            let now = Instant::now();
            let due = (among == Among::All).then(|| retries.next(now)).flatten();
            let Some(missed) = due else { return };
            work.doubtful += 1;
            work.running.push(Box::pin(async move {
                let fetched = self.fetch(missed.document).await;
                Ok(Done::Retry { missed, fetched })
            }));
        }
    }

    /// Fetches the documents of the next event that names some.
    async fn take(&self, turn: Turn) -> Result<Done, Error> {
        let mut next = turn.from;
        let events = match self.streams.read(turn.log, turn.from, TURN_BYTES).await {
            // Retention was faster; what it left is seen at the next look.
            Err(Error::OutOfRange { .. }) => Vec::new(),
            // Streams say so when they open. The other logs are whole.
            Err(Error::Damaged { .. }) => {
                let log = self.streams.log(turn.log);
                next = log.map_or(next, |log| log.head.next);
                Vec::new()
            }
            events => events?,
        };
        let mut fetched = Vec::new();
        for event in &events {
            next = event.offset().next();
            fetched = join_all(documents(event).map(|it| self.fetch(it))).await;
            if !fetched.is_empty() {
                break;
            }
        }
        Ok(Done::Turn {
            turn,
            next,
            fetched,
        })
    }

    async fn fetch(&self, document: Document) -> Fetched {
        let id = document.id;
        let here = || self.blobs.stat(id).map_or(0, |stat| stat.have_bytes);
        let before = here();
        let fetch = self.blobs.fetch_limited(id, document.bytes_max);
        let time = Duration::from_millis(self.config.fetch_timeout_ms);
        let became = match timeout(time, fetch.wait()).await {
            Ok(Ok(_)) => Became::Here,
            Ok(Err(BlobError::FetchTooLarge { len, max })) => {
                tracing::debug!(%id, len, max, "a document is too large");
                Became::Refused
            }
            Ok(Err(error)) => {
                tracing::debug!(%id, %error, "a document was not fetched");
                Became::Missed
            }
            Err(_) => {
                tracing::debug!(%id, "a document took too long");
                Became::Missed
            }
        };
        Fetched {
            document,
            bytes: here().saturating_sub(before),
            became,
        }
    }

    async fn settle(&self, work: &mut Work<'_>, done: Done) -> Result<(), Error> {
        match done {
            Done::Turn {
                turn,
                next,
                fetched,
            } => {
                work.doubtful -= usize::from(turn.doubtful);
                work.lanes.done(&turn, next, outcome(&fetched));
                for fetched in fetched {
                    self.note(work, turn.producer, &fetched, None);
                }
                if next > turn.from {
                    let offsets = vec![(turn.log, next, String::new())];
                    self.streams.commit(GROUP, offsets).await?;
                }
            }
            Done::Retry { missed, fetched } => {
                work.doubtful -= 1;
                self.note(work, missed.producer, &fetched, Some(&missed));
            }
        }
        Ok(())
    }

    /// Counts what became of a document, and has it tried again if it was not found.
    fn note(
        &self,
        work: &mut Work<'_>,
        producer: OperatorId,
        fetched: &Fetched,
        before: Option<&Missed>,
    ) {
        work.lanes.spend(producer, fetched.bytes);
        let count = |outcome| self.documents.with_label_values(&[outcome]).inc();
        match fetched.became {
            Became::Here => count("fetched"),
            Became::Refused => count("refused"),
            Became::Missed => {
                let missed = (producer, fetched.document);
                if work.retries.add(missed, before, Instant::now()).is_some() {
                    count("missed");
                }
            }
        }
    }
}

fn outcome(fetched: &[Fetched]) -> Outcome {
    let here = |fetched: &Fetched| fetched.became == Became::Here;
    match fetched {
        [] => Outcome::Nothing,
        all if all.iter().all(here) => Outcome::Found,
        _ => Outcome::Missed,
    }
}

/// The documents that an event names.
fn documents(event: &Event) -> impl Iterator<Item = Document> {
    let value = event.record().ok().and_then(|record| record.value);
    let value: Option<Value> = value.and_then(|value| serde_json::from_slice(&value).ok());
    let kinds = [
        ("credentialBlob", CREDENTIAL_BYTES_MAX),
        ("photoBlob", PHOTO_BYTES_MAX),
    ];
    kinds.into_iter().filter_map(move |(field, bytes_max)| {
        let id = value.as_ref()?.get("data")?.get(field)?.as_str()?;
        let id = id.parse().ok()?;
        Some(Document { id, bytes_max })
    })
}
