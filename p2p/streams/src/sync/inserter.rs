//! Puts what was received into one log, in order.
//!
//! While one answer is being written the next ones are verified; what is verified by then is
//! written at once. So the slower the disk is, the more goes into one write.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::actor::Event;
use super::context::Context;
use super::core::{FetchId, Refusal};
use super::verify::{self, Chain, Checked, MARKS_MAX};
use crate::checkpoint::Checkpoint;
use crate::store::{Insert, Log};
use crate::{Error, InvalidRun, Offset};

/// How long a log's end is remembered when nothing comes.
const IDLE: Duration = Duration::from_secs(10);
/// Runs heard by gossip that wait for one log; more are dropped and fetched later.
pub(crate) const HEARD_MAX: usize = 64;
/// Bytes of verified events that wait for the disk; they are written at once.
const LINKED_BYTES_MAX: usize = 16 << 20;
/// Bytes that are read at once to remember events that are here.
const PIECE_BYTES: usize = 4 << 20;

/// Something for a log.
pub(crate) enum Job {
    /// The answer of a fetch.
    Fetched(FetchId, Checked),
    /// The answer of a fetch behind events that nobody holds any more.
    Jump(FetchId, Checked),
    /// A run that came by gossip, signatures checked.
    Heard(Checked),
}

/// Answers that are verified.
#[derive(Default)]
struct Linked {
    fetches: Vec<FetchId>,
    insert: Insert,
    bytes: usize,
    /// Behind the newest event under a checkpoint, with these.
    checkpointed: Offset,
}

/// Answers that are being written.
struct Writing {
    fetches: Vec<FetchId>,
    checkpointed: Offset,
    task: JoinHandle<Result<(), Error>>,
}

struct Inserter {
    context: Arc<Context>,
    log: Arc<Log>,
    /// The end of the log with all that is linked.
    chain: Option<Chain>,
    /// What is written next.
    linked: Linked,
    writing: Option<Writing>,
    events: mpsc::Sender<Event>,
}

/// Works for one log until nothing has come for a while.
pub(crate) async fn run(
    context: Arc<Context>,
    log: Arc<Log>,
    mut jobs: mpsc::Receiver<Job>,
    events: mpsc::Sender<Event>,
) {
    let mut inserter = Inserter {
        context,
        log,
        chain: None,
        linked: Linked::default(),
        writing: None,
        events,
    };
    let mut waiting = None;
    loop {
        let job = match waiting.take() {
            Some(job) => Some(job),
            None => tokio::select! {
                biased;
                job = jobs.recv() => job,
                result = written(&mut inserter.writing) => {
                    inserter.conclude(result).await;
                    continue;
                }
                () = tokio::time::sleep(IDLE) => {
                    // What was sent in the very last moment is still done.
                    jobs.close();
                    jobs.recv().await
                }
            },
        };
        let Some(job) = job else {
            break;
        };
        let (fetch, mut checked) = match job {
            Job::Fetched(fetch, checked) => (Some(fetch), checked),
            Job::Jump(fetch, checked) => {
                inserter.jump(fetch, checked).await;
                continue;
            }
            Job::Heard(checked) => (None, checked),
        };
        // Gossip comes in small pieces: those that wait are written together.
        while fetch.is_none() && waiting.is_none() {
            match jobs.try_recv() {
                Ok(Job::Heard(next)) => waiting = checked.append(next).err().map(Job::Heard),
                Ok(fetched) => waiting = Some(fetched),
                Err(_) => break,
            }
        }
        inserter.insert(fetch, checked).await;
    }
    inserter.finish().await;
}

/// Waits until what is being written is on the disk; for ever when nothing is.
async fn written(writing: &mut Option<Writing>) -> Result<(), Error> {
    match writing {
        Some(writing) => (&mut writing.task).await.unwrap_or_else(|error| {
            Err(Error::Internal {
                what: error.to_string(),
            })
        }),
        None => std::future::pending().await,
    }
}

impl Inserter {
    /// Waits until all that is linked is on the disk.
    async fn finish(&mut self) {
        while self.writing.is_some() {
            let result = written(&mut self.writing).await;
            self.conclude(result).await;
        }
    }

    /// Reports what became of a write, and begins the next.
    async fn conclude(&mut self, result: Result<(), Error>) {
        let Some(writing) = self.writing.take() else {
            return;
        };
        let Err(error) = result else {
            self.start();
            let held = self.context.held(&self.log, writing.checkpointed);
            for fetch in writing.fetches {
                self.tell(Event::Inserted { fetch, held }).await;
            }
            return;
        };
        self.chain = None;
        let refusal = refusal(&self.log, &error);
        // All were written at once, so it is not known which of several was at fault.
        let refusal = match writing.fetches.len() {
            1 => refusal,
            _ if refusal == Refusal::Store => refusal,
            _ => Refusal::Gap,
        };
        let behind = std::mem::take(&mut self.linked);
        for fetch in writing.fetches {
            self.tell(Event::Refused { fetch, refusal }).await;
        }
        for fetch in behind.fetches {
            let refusal = Refusal::Gap;
            self.tell(Event::Refused { fetch, refusal }).await;
        }
    }

    /// Goes on from an answer behind events that nobody holds any more.
    async fn jump(&mut self, fetch: FetchId, checked: Checked) {
        self.finish().await;
        self.chain = None;
        let (context, log) = (Arc::clone(&self.context), Arc::clone(&self.log));
        let jumped = spawn_blocking(move || jump(&context, &log, checked)).await;
        let event = match jumped.unwrap_or(Err(Refusal::Store)) {
            Ok(checkpointed) => Event::Inserted {
                fetch,
                held: self.context.held(&self.log, checkpointed),
            },
            Err(refusal) => Event::Refused { fetch, refusal },
        };
        self.tell(event).await;
    }

    async fn tell(&self, event: Event) {
        // The actor has stopped; then nobody needs to know.
        let _ = self.events.send(event).await;
    }

    /// Verifies an answer, while what came before it is being written.
    async fn insert(&mut self, fetch: Option<FetchId>, checked: Checked) {
        // What another wrote, or left out, meanwhile: then the end is read anew.
        let stale = |chain: &Chain| self.log.head().next > chain.next();
        let mut chain = self.chain.take();
        if chain.as_ref().is_none_or(stale) {
            self.finish().await;
            chain = None;
        }
        let bytes = checked.bytes();
        let (context, log) = (Arc::clone(&self.context), Arc::clone(&self.log));
        let linked = spawn_blocking(move || link(&context, &log, chain, checked)).await;
        let (chain, insert) = linked.unwrap_or_else(|_| (None, Err(Refusal::Store)));
        let checkpointed = chain.as_ref().map_or(Offset(0), Chain::checkpointed);
        self.chain = chain;
        match (insert, fetch) {
            (Ok(insert), fetch) => {
                self.linked.add(insert, fetch, bytes);
                self.linked.checkpointed = checkpointed;
            }
            (Err(refusal), Some(fetch)) => self.tell(Event::Refused { fetch, refusal }).await,
            (Err(_), None) => {}
        }
        if self.writing.is_none() {
            self.start();
        }
        // More is not taken while so much waits for the disk.
        while self.linked.bytes >= LINKED_BYTES_MAX && self.writing.is_some() {
            let result = written(&mut self.writing).await;
            self.conclude(result).await;
        }
    }

    /// Begins to write what is linked.
    fn start(&mut self) {
        if self.linked.is_empty() {
            return;
        }
        let linked = std::mem::take(&mut self.linked);
        let (context, log) = (Arc::clone(&self.context), Arc::clone(&self.log));
        self.writing = Some(Writing {
            fetches: linked.fetches,
            checkpointed: linked.checkpointed,
            task: spawn_blocking(move || write(&context, &log, linked.insert)),
        });
    }
}

impl Linked {
    fn add(&mut self, insert: Insert, fetch: Option<FetchId>, bytes: usize) {
        self.fetches.extend(fetch);
        self.insert.runs.extend(insert.runs);
        self.insert.checkpoints.extend(insert.checkpoints);
        self.insert.producer = self.insert.producer.take().or(insert.producer);
        self.insert.limits = insert.limits;
        self.bytes += bytes;
    }

    fn is_empty(&self) -> bool {
        let insert = &self.insert;
        self.fetches.is_empty() && insert.runs.is_empty() && insert.checkpoints.is_empty()
    }
}

/// Verifies an answer against the end of the log, which is read where it is not known.
fn link(
    context: &Context,
    log: &Log,
    chain: Option<Chain>,
    checked: Checked,
) -> (Option<Chain>, Result<Insert, Refusal>) {
    let read = || {
        let chain = chain.map_or_else(|| load(context, log), Ok)?;
        let keys = context.keys.get(&context.logs, log.id.producer)?;
        Ok((chain, keys))
    };
    let (mut chain, keys) = match read() {
        Ok((chain, Some(keys))) => (chain, keys),
        Ok((chain, None)) => return (Some(chain), Err(Refusal::Keys)),
        Err(error) => {
            let error: Error = error;
            tracing::warn!(log = %log.id, %error, "the end of a log could not be read");
            return (None, Err(Refusal::Store));
        }
    };
    chain.freeze(log.head().frozen);
    let insert = chain.link(&keys, checked).map(|mut insert| {
        insert.limits = context.kept();
        if !insert.runs.is_empty() {
            insert.producer = context.keys.unstored(log.id.producer);
        }
        insert
    });
    (Some(chain), insert)
}

/// Verifies an answer by itself, every event of it, and lets the log go on from it. Behind the
/// newest event under a checkpoint, after it.
fn jump(context: &Context, log: &Arc<Log>, checked: Checked) -> Result<Offset, Refusal> {
    let end = log.head().next;
    let (first, _) = checked.range().ok_or(Refusal::Gap)?;
    let keys = context.keys.get(&context.logs, log.id.producer);
    let keys = keys
        .map_err(|error| refusal(log, &error))?
        .ok_or(Refusal::Keys)?;
    let mut chain = Chain::behind_gap(log.key, first);
    let mut insert = chain.link(&keys, checked)?;
    insert.limits = context.kept();
    insert.producer = context.keys.unstored(log.id.producer);
    tracing::warn!(log = %log.id, %end, %first, "no peer holds the next events any more: going on behind them");
    match context.logs.jump(log, end, insert) {
        Ok(_) => {
            context.keys.stored(log.id.producer);
            Ok(chain.checkpointed())
        }
        // Its producer signed it, whoever sent it.
        Err(Error::Invalid(_)) => Err(Refusal::Gap),
        Err(error) => Err(refusal(log, &error)),
    }
}

/// Why events were not stored.
fn refusal(log: &Log, error: &Error) -> Refusal {
    match error {
        Error::Gap { .. } | Error::Own { .. } | Error::Frozen { .. } => Refusal::Gap,
        Error::Fork { offset, .. } => Refusal::Diverged { offset: *offset },
        // Its producer signed it. Who has dropped the event before could not see that.
        Error::Invalid(InvalidRun::Time { offset }) => Refusal::Unsound { offset: *offset },
        Error::Invalid(_) => Refusal::Forged,
        // It rests, and is asked for again later.
        Error::TooManyLogs { .. } | Error::OverLimit { .. } => {
            tracing::debug!(log = %log.id, %error, "received events are not kept");
            Refusal::Store
        }
        _ => {
            tracing::warn!(log = %log.id, %error, "received events could not be stored");
            Refusal::Store
        }
    }
}

fn write(context: &Context, log: &Arc<Log>, insert: Insert) -> Result<(), Error> {
    let keys_stored = insert.producer.is_some();
    context.logs.insert(log, insert)?;
    if keys_stored {
        context.keys.stored(log.id.producer);
    }
    Ok(())
}

/// Reads the end of a log.
fn load(context: &Context, log: &Log) -> Result<Chain, Error> {
    let head = log.head();
    let checkpoint = last_checkpoint(context, log)?;
    let checkpointed = checkpoint.as_ref().map_or(Offset(0), Checkpoint::to);
    let recent = head.next.0.saturating_sub(MARKS_MAX as u64);
    let mut at = checkpointed.max(head.first).max(Offset(recent));
    let mut marks = Vec::new();
    while at < head.next {
        let runs = context.logs.runs(log, at, PIECE_BYTES)?;
        for run in runs {
            marks.extend(verify::marks(&run));
            at = run.next();
        }
    }
    // What came meanwhile is not part of this end.
    let surplus = at.0.saturating_sub(head.next.0);
    marks.truncate(
        marks
            .len()
            .saturating_sub(usize::try_from(surplus).unwrap_or(usize::MAX)),
    );
    Ok(Chain::new(log.key, &head, checkpoint.as_ref(), marks))
}

/// The newest checkpoint of a log. One that cannot be read covers nothing.
pub(crate) fn last_checkpoint(context: &Context, log: &Log) -> Result<Option<Checkpoint>, Error> {
    let last = context.logs.last_checkpoint(log.key)?;
    Ok(last.and_then(|(_, bytes)| Checkpoint::decode(&bytes).ok()))
}
