//! Fetches from one peer, on several streams: each has a window of its own, and while one waits
//! the others go on.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use phytomer_wire::{Network, PeerId};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::Event;
use super::plan::RUNS_MAX;
use super::provider::{Fault, Link, Span};
use crate::Error;
use crate::library::{Partial, Refused};
use crate::shared::Shared;

/// Spans of a blob for each stream that it is fetched over from one peer, at least.
const LANE_SPANS_MIN: u64 = 4;
/// Another stream is worthwhile where a span takes less than that. Where it takes longer the way
/// to the peer is full, and streams would only take it from each other.
const LANE_SPAN_TIME_MAX: Duration = Duration::from_secs(2);

/// Fetches what it is asked to from one peer.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) network: Arc<dyn Network>,
    pub(super) peer: PeerId,
    pub(super) partial: Arc<Partial>,
    pub(super) events: mpsc::Sender<Event>,
}

impl Worker {
    /// Works until nobody asks any more or the peer fails, beginning with one stream.
    pub(super) async fn run(self, link: Link, asks: mpsc::Receiver<Range<u64>>) {
        let worthwhile = self.partial.tree().spans() / LANE_SPANS_MIN;
        let (peer, events) = (self.peer, self.events.clone());
        let context = Arc::new(Context {
            worker: self,
            is_fast: Notify::new(),
        });
        let lanes = Lanes {
            idle: vec![Lane::new(Arc::clone(&context), link)],
            context,
            max: worthwhile.clamp(1, RUNS_MAX as u64) as usize,
            runs: VecDeque::new(),
            busy: JoinSet::new(),
            opening: JoinSet::new(),
        };
        if let Err(fault) = lanes.work(asks).await {
            // Without a listener the fetch is over.
            let _ = events.send(Event::Lost { peer, fault }).await;
        }
    }
}

/// What the streams of a worker share.
struct Context {
    worker: Worker,
    /// Told when a span came so fast that another stream is worthwhile.
    is_fast: Notify,
}

/// The streams of a worker.
struct Lanes {
    context: Arc<Context>,
    /// How many there may be.
    max: usize,
    /// What waits for one that is idle.
    runs: VecDeque<Range<u64>>,
    idle: Vec<Lane>,
    busy: JoinSet<Ran>,
    opening: JoinSet<Result<Link, Fault>>,
}

impl Lanes {
    async fn work(mut self, mut asks: mpsc::Receiver<Range<u64>>) -> Result<(), Fault> {
        loop {
            tokio::select! {
                run = asks.recv() => match run {
                    Some(run) => self.runs.push_back(run),
                    None => return Ok(()),
                },
                Some(ran) = self.busy.join_next() => {
                    self.on_ran(ran.map_err(|_| Fault::Failed(Error::Stopped))?)?;
                }
                Some(opened) = self.opening.join_next() => match opened {
                    Ok(Ok(link)) => self.idle.push(Lane::new(Arc::clone(&self.context), link)),
                    _ => self.no_more()?,
                },
                () = self.context.is_fast.notified() => self.open(),
            }
            while !self.runs.is_empty()
                && let Some(lane) = self.idle.pop()
                && let Some(run) = self.runs.pop_front()
            {
                self.busy.spawn(lane.fetch(run));
            }
        }
    }

    fn len(&self) -> usize {
        self.idle.len() + self.busy.len() + self.opening.len()
    }

    /// Goes on with a stream that has done what it was to do; does without one that the peer has
    /// no time for, as long as there are others.
    fn on_ran(&mut self, ran: Ran) -> Result<(), Fault> {
        match ran.result {
            Ok(()) => self.idle.push(ran.lane),
            Err(Fault::Gone) => {
                self.runs.push_front(ran.rest);
                return self.no_more();
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// The peer allows no more streams than there are.
    fn no_more(&mut self) -> Result<(), Fault> {
        self.max = self.len();
        if self.max == 0 {
            return Err(Fault::Gone);
        }
        Ok(())
    }

    /// Opens another stream where there is something to do for it.
    fn open(&mut self) {
        if self.len() >= self.max || self.opening.len() >= self.runs.len() {
            return;
        }
        let context = Arc::clone(&self.context);
        self.opening.spawn(async move {
            let worker = &context.worker;
            let id = worker.partial.tree().id();
            let opened = Link::open(&worker.shared, &*worker.network, worker.peer, id);
            let (link, _) = opened.await?;
            Ok(link)
        });
    }
}

/// One stream of a worker.
struct Lane {
    context: Arc<Context>,
    link: Link,
    spare: Vec<u8>,
}

/// What a stream has done.
struct Ran {
    lane: Lane,
    result: Result<(), Fault>,
    /// What is left of the run.
    rest: Range<u64>,
}

/// A span that is being verified and written; its buffer comes back.
type Writing = JoinHandle<(u64, Vec<u8>, Result<(), Refused>)>;

impl Lane {
    fn new(context: Arc<Context>, link: Link) -> Self {
        Self {
            context,
            link,
            spare: Vec::new(),
        }
    }

    async fn fetch(mut self, mut run: Range<u64>) -> Ran {
        let mut writing = None;
        let mut result = self.receive(&mut run, &mut writing).await;
        // What had come before it failed counts.
        if let Some(last) = writing.take()
            && let Err(fault) = self.written(last).await
        {
            result = Err(fault);
        }
        Ran {
            lane: self,
            result,
            rest: run,
        }
    }

    async fn receive(
        &mut self,
        run: &mut Range<u64>,
        writing: &mut Option<Writing>,
    ) -> Result<(), Fault> {
        let tree = *self.context.worker.partial.tree();
        let mut since = Instant::now();
        self.link.ask_again(run.clone()).await?;
        for index in run.clone() {
            let buffer = std::mem::take(&mut self.spare);
            let span = self.link.read(&tree, index, buffer).await?;
            run.start = index + 1;
            if since.elapsed() < LANE_SPAN_TIME_MAX {
                self.context.is_fast.notify_one();
            }
            since = Instant::now();
            // The next span is received while this one is verified and written.
            let write = self.write(span);
            if let Some(last) = writing.replace(write) {
                self.written(last).await?;
            }
        }
        Ok(())
    }

    fn write(&self, span: Span) -> Writing {
        let worker = &self.context.worker;
        let partial = Arc::clone(&worker.partial);
        worker.shared.tasks.spawn_blocking(move || {
            let accepted = partial.accept(span.index, &span.proof, &span.content);
            (span.index, span.content, accepted)
        })
    }

    /// Waits until a span is written, and tells of it.
    async fn written(&mut self, writing: Writing) -> Result<(), Fault> {
        let (span, buffer, accepted) = writing.await.map_err(|_| Fault::Failed(Error::Stopped))?;
        accepted.map_err(|refused| match refused {
            Refused::Forged => Fault::Forged,
            Refused::Failed(error) => Fault::Failed(error),
        })?;
        self.spare = buffer;
        let worker = &self.context.worker;
        let peer = worker.peer;
        // Without a listener the fetch is over.
        let _ = worker.events.send(Event::Received { peer, span }).await;
        Ok(())
    }
}
