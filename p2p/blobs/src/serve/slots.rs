//! Who may be served how much at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use phytomer_wire::PeerId;
use phytomer_wire::blobs::SPAN_BYTES;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// Requests for which content is opened at once: opening content of a source hashes all of it.
const OPENINGS_MAX: usize = 4;
/// Streams that are told at once that there is no place for them; more are closed unheard.
const REFUSALS_MAX: usize = 64;
/// One peer has at most this part of the transfers.
const PEER_TRANSFERS_PART: usize = 4;
/// How long a transfer goes on however slow it is, also while others wait.
const FAIR_TIME: Duration = Duration::from_secs(2);
/// How long a transfer that gives way has for the span that it is at. With [`FAIR_TIME`] it is
/// less than others wait for their turn.
const LEAVE_TIME: Duration = Duration::from_secs(4);
/// How often a request that waits looks whether a transfer may give way to it.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What all peers share, and what each has of it.
pub(super) struct Slots {
    shared: Arc<Shared>,
    peers: Mutex<HashMap<PeerId, Held>>,
    transfers: Semaphore,
    running: Mutex<Running>,
    openings: Semaphore,
    refusals: Arc<Semaphore>,
    /// How long a peer may take to ask, or to accept a span.
    pub(super) stall_timeout: Duration,
    /// How long a request waits for its turn.
    pub(super) turn_timeout: Duration,
    /// How long a span takes at the least rate.
    pub(super) span_time: Duration,
}

/// What a peer has.
struct Held {
    streams: usize,
    transfers: Arc<Semaphore>,
}

impl Slots {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let limits = &shared.config.serve;
        let span_time_ms = SPAN_BYTES * 1000 / limits.bytes_per_s_min.max(1);
        Self {
            shared: Arc::clone(shared),
            peers: Mutex::default(),
            transfers: Semaphore::new(limits.transfers_max),
            running: Mutex::default(),
            openings: Semaphore::new(OPENINGS_MAX),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            stall_timeout: Duration::from_millis(limits.stall_timeout_ms),
            turn_timeout: Duration::from_millis(limits.turn_timeout_ms),
            span_time: Duration::from_millis(span_time_ms),
        }
    }

    /// A place for one more stream of a peer, where there is one.
    pub(super) fn take(self: &Arc<Self>, peer: PeerId) -> Option<Slot> {
        let limits = &self.shared.config.serve;
        let mut peers = self.peers.lock();
        if peers.values().map(|held| held.streams).sum::<usize>() >= limits.streams_max {
            self.count_refused("full");
            return None;
        }
        let held = peers.entry(peer).or_insert_with(|| Held {
            streams: 0,
            transfers: Arc::new(Semaphore::new(
                (limits.transfers_max / PEER_TRANSFERS_PART).max(1),
            )),
        });
        if held.streams >= limits.peer_streams_max.max(1) {
            self.count_refused("peer");
            return None;
        }
        held.streams += 1;
        self.shared.metrics.serving.inc();
        Some(Slot {
            slots: Arc::clone(self),
            peer,
            transfers: Arc::clone(&held.transfers),
        })
    }

    /// A place in which a stream is told that there is none to serve it.
    pub(super) fn take_refusal(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.refusals).try_acquire_owned().ok()
    }

    /// Has one transfer give way, as soon as there is one that has had its fair time.
    async fn make_way(&self) {
        while !self.running.lock().dismiss(Instant::now()) {
            sleep(LOOK_INTERVAL).await;
        }
        self.count_refused("slow");
    }

    fn count_refused(&self, reason: &str) {
        let refused = &self.shared.metrics.refused;
        refused.with_label_values(&[reason]).inc();
    }
}

/// The place of one stream.
pub(super) struct Slot {
    pub(super) slots: Arc<Slots>,
    peer: PeerId,
    transfers: Arc<Semaphore>,
}

impl Slot {
    /// A turn to send content, among those of the peer and then among those of all; none where it
    /// does not come until `due`. Where all turns are taken, the slowest transfer gives way.
    pub(super) async fn transfer(&self, due: Instant) -> Option<Turn<'_>> {
        let turn = async {
            let of_peer = self.transfers.acquire().await?;
            let of_all = self.slots.transfers.acquire();
            tokio::pin!(of_all);
            let of_all = tokio::select! {
                biased;
                of_all = &mut of_all => of_all,
                () = self.slots.make_way() => of_all.await,
            };
            Ok((of_peer, of_all?))
        };
        let places = self.until(due, turn).await?;
        let (number, leave) = self.slots.running.lock().begin(Instant::now());
        Some(Turn {
            slots: &self.slots,
            number,
            leave,
            _places: places,
        })
    }

    /// A turn to open content; none where it does not come until `due`.
    pub(super) async fn opening(&self, due: Instant) -> Option<SemaphorePermit<'_>> {
        self.until(due, self.slots.openings.acquire()).await
    }

    async fn until<T>(
        &self,
        due: Instant,
        turn: impl Future<Output = Result<T, AcquireError>>,
    ) -> Option<T> {
        let turn = timeout_at(due, turn).await.ok().and_then(Result::ok);
        if turn.is_none() {
            self.slots.count_refused("busy");
        }
        turn
    }
}

/// The transfers under way.
#[derive(Default)]
struct Running {
    transfers: BTreeMap<u64, Pace>,
    next: u64,
}

/// How fast a transfer goes.
struct Pace {
    began: Instant,
    spans: u32,
    leave: CancellationToken,
}

impl Running {
    fn begin(&mut self, now: Instant) -> (u64, CancellationToken) {
        let leave = CancellationToken::new();
        let pace = Pace {
            began: now,
            spans: 0,
            leave: leave.clone(),
        };
        self.next += 1;
        self.transfers.insert(self.next, pace);
        (self.next, leave)
    }

    /// Tells the slowest of those to leave that have had their fair time. Says whether one was told.
    fn dismiss(&mut self, now: Instant) -> bool {
        let span_time = |pace: &Pace| now.duration_since(pace.began) / pace.spans.max(1);
        let slowest = self
            .transfers
            .values()
            .filter(|pace| now.duration_since(pace.began) >= FAIR_TIME)
            .filter(|pace| !pace.leave.is_cancelled())
            .max_by_key(|pace| span_time(pace));
        slowest.map(|pace| pace.leave.cancel()).is_some()
    }
}

/// A transfer's place.
pub(super) struct Turn<'a> {
    slots: &'a Slots,
    number: u64,
    leave: CancellationToken,
    _places: (SemaphorePermit<'a>, SemaphorePermit<'a>),
}

impl Turn<'_> {
    /// Notes that the peer took a span.
    pub(super) fn sent(&self) {
        let mut running = self.slots.running.lock();
        if let Some(pace) = running.transfers.get_mut(&self.number) {
            pace.spans += 1;
        }
    }

    /// Whether the transfer gives way to another one, once its span is sent.
    pub(super) fn is_over(&self) -> bool {
        self.leave.is_cancelled()
    }

    /// Waits until the transfer has given way for so long that even its span is cut off.
    pub(super) async fn overdue(&self) {
        self.leave.cancelled().await;
        sleep(LEAVE_TIME).await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.slots.running.lock().transfers.remove(&self.number);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.shared.metrics.serving.dec();
        let mut peers = self.slots.peers.lock();
        if let Some(held) = peers.get_mut(&self.peer) {
            held.streams -= 1;
            if held.streams == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}
