//! Fetching content from peers.
//!
//! ```text
//! search ── peers ──> probe ── what it has, the size proven ──> plan ── Ask ──> worker, one a peer
//!                                                                ^               │ verify, write
//!                                                                └── Received ───┘
//! ```
//!
//! One task drives each fetch ([`download`]); what it decides is in [`plan`]; what one peer is
//! asked is in [`provider`], and on how many streams in [`worker`].

mod download;
mod plan;
mod provider;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use phytomer_wire::PeerId;
use tokio::sync::watch;
use tracing::Instrument;

use crate::shared::Shared;
use crate::spans::{self, Spans};
use crate::tree::Tree;
use crate::{BlobId, Error, Progress, Stat};
use download::Download;
use provider::{Fault, Found};

/// What the tasks of a fetch tell the one that drives it.
enum Event {
    /// Peers that may have the content, the likeliest first.
    Peers(Vec<PeerId>),
    /// A peer was asked what it has.
    Probed {
        peer: PeerId,
        found: Result<Box<Found>, Fault>,
    },
    /// A span arrived, was verified and written.
    Received { peer: PeerId, span: u64 },
    /// A provider is of no use any more.
    Lost { peer: PeerId, fault: Fault },
}

/// What is fetched.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    id: BlobId,
    /// Who is asked first.
    hints: &'a [PeerId],
    /// The largest size in bytes that is taken; it may rise meanwhile.
    bytes_max: &'a AtomicU64,
}

impl Wanted<'_> {
    /// Refuses what has more bytes than those take who wait for it.
    fn check_size(&self, len: u64) -> Result<(), Error> {
        let max = self.bytes_max.load(Ordering::Relaxed);
        if len > max {
            return Err(Error::FetchTooLarge { len, max });
        }
        Ok(())
    }
}

type Outcome = Option<Result<Stat, Error>>;

/// A fetch under way, as those see it who would join it.
pub(crate) struct Running {
    progress: Arc<watch::Sender<Progress>>,
    outcome: Arc<watch::Sender<Outcome>>,
    /// The largest size in bytes that any of those who wait for it takes.
    bytes_max: Arc<AtomicU64>,
}

/// A fetch under way. It goes on while somebody holds one of these; what has arrived is kept, and
/// the next fetch goes on from there.
#[derive(Clone, Debug)]
pub struct Fetch {
    progress: watch::Receiver<Progress>,
    outcome: watch::Receiver<Outcome>,
}

impl Fetch {
    /// How far it has come, and how it goes on.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits until the content is here, whole, verified and durable.
    ///
    /// # Errors
    /// [`Error::NoProvider`], [`Error::TooLarge`], [`Error::FetchTooLarge`], [`Error::NoRoom`],
    /// [`Error::DiskFull`], [`Error::Offline`], or what the disk reports.
    pub async fn wait(mut self) -> Result<Stat, Error> {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => (*outcome).clone().unwrap_or(Err(Error::Stopped)),
            Err(_) => Err(Error::Stopped),
        }
    }
}

impl Running {
    fn join(&self) -> Fetch {
        Fetch {
            progress: self.progress.subscribe(),
            outcome: self.outcome.subscribe(),
        }
    }
}

/// Joins the fetch of a blob, or begins it; one that turns out to have more than `bytes_max` is
/// refused.
pub(crate) fn join(shared: &Arc<Shared>, id: BlobId, hints: &[PeerId], bytes_max: u64) -> Fetch {
    let mut fetches = shared.fetches.lock();
    if let Some(running) = fetches.get(&id) {
        running.bytes_max.fetch_max(bytes_max, Ordering::Relaxed);
        return running.join();
    }
    let running = Running {
        progress: Arc::default(),
        outcome: Arc::default(),
        bytes_max: Arc::new(AtomicU64::new(bytes_max)),
    };
    let fetch = running.join();
    let (progress, outcome) = (Arc::clone(&running.progress), Arc::clone(&running.outcome));
    let bytes_max = Arc::clone(&running.bytes_max);
    fetches.insert(id, running);
    drop(fetches);
    let (shared, hints) = (Arc::clone(shared), hints.to_vec());
    let tasks = shared.tasks.clone();
    let span = tracing::debug_span!("fetch", %id);
    let drive = async move {
        loop {
            let abandoned = AtomicBool::new(false);
            let ended = async {
                tokio::select! {
                    () = shared.shutdown.cancelled() => {}
                    () = outcome.closed() => abandoned.store(true, Ordering::Relaxed),
                }
            };
            let wanted = Wanted {
                id,
                hints: &hints,
                bytes_max: &bytes_max,
            };
            let fetched = run(&shared, wanted, &progress, ended).await;
            let mut fetches = shared.fetches.lock();
            let joined = abandoned.into_inner() && outcome.receiver_count() > 0;
            // Who came last may take more than was refused.
            let raised = |max: &u64| bytes_max.load(Ordering::Relaxed) > *max;
            let refused = matches!(&fetched, Err(Error::FetchTooLarge { max, .. }) if raised(max));
            if joined || refused {
                // Somebody joined after all: go on from what has arrived.
                continue;
            }
            fetches.remove(&id);
            drop(fetches);
            count(&shared, &fetched);
            outcome.send_replace(Some(fetched));
            return;
        }
    };
    tasks.spawn(drive.instrument(span));
    fetch
}

fn count(shared: &Shared, fetched: &Result<Stat, Error>) {
    let outcome = match fetched {
        Ok(_) => "fetched",
        Err(Error::Stopped) => "abandoned",
        Err(Error::NoProvider { .. }) => "no-provider",
        Err(_) => "failed",
    };
    shared.metrics.fetches.with_label_values(&[outcome]).inc();
}

/// Fetches a blob from whoever has it, until `ended`.
async fn run(
    shared: &Arc<Shared>,
    wanted: Wanted<'_>,
    progress: &watch::Sender<Progress>,
    ended: impl Future<Output = ()>,
) -> Result<Stat, Error> {
    let id = wanted.id;
    if let Some(stat) = here(shared, id).await? {
        let (size, providers) = (stat.size, 0);
        progress.send_replace(Progress {
            bytes_done: size,
            bytes_total: Some(size),
            providers,
        });
        return Ok(stat);
    }
    let network = shared.network.get().ok_or(Error::Offline)?;
    tokio::pin!(ended);
    let _turn = tokio::select! {
        turn = shared.fetch_slots.acquire() => turn.map_err(|_| Error::Stopped)?,
        () = &mut ended => return Err(Error::Stopped),
    };
    let download = Download::new(shared, network, wanted, progress);
    download.run(ended).await?;
    shared.library.stat(id).ok_or(Error::NotFound { id })
}

/// What is known of content that is here whole, on disk or at a source.
async fn here(shared: &Arc<Shared>, id: BlobId) -> Result<Option<Stat>, Error> {
    let content = shared.blocking(move |library| library.content(id)).await?;
    let Some(content) = content.filter(|content| content.is_whole()) else {
        return Ok(None);
    };
    let size = content.tree().size();
    Ok(Some(shared.library.stat(id).unwrap_or(Stat {
        id,
        size,
        have_bytes: size,
        complete: true,
        keep: crate::Keep::Pinned,
        added_s: 0,
        used_s: 0,
    })))
}

/// What of a blob is not in `have`.
fn missing(tree: &Tree, have: &Spans) -> Spans {
    spans::range(0..tree.spans()) - have
}
