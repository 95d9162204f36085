//! What happens, read from the signed event streams.
//!
//! A feed joins the logs of one or more streams as their events come. Within a log the order is its
//! own; between logs there is none, and none waits for another: each that has something to tell is
//! read in its turn. A [`Cursor`] says how far each log was read, so that a reader goes on where it
//! stopped, also on another node that holds the same logs.

mod cursor;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};

use futures::Stream;
use phytomer_pqc::OperatorId;
use phytomer_streams::{
    Error as StreamError, Event, LogId, LogInfo, LogKey, Offset, Origin, StreamName, Streams,
};
use tokio::sync::broadcast::{self, error::RecvError};

use self::cursor::Recent;
use crate::error::Error;

pub use self::cursor::{Cursor, FEED_LOGS_MAX, InvalidCursor};

/// Bytes of events that are read of a log in its turn.
const TURN_BYTES: usize = 64 << 10;

/// The stream of blocks.
pub const LEDGER_STREAM: &str = "ledger";
/// The stream of what happens to certificates.
pub const CERTIFICATES_STREAM: &str = "certificates";
/// The stream of what happens to nodes.
pub const OPERATOR_STREAM: &str = "operator";

/// The streams that nodes write themselves, and nobody else in their name.
pub const PRODUCT_STREAMS: [&str; 3] = [LEDGER_STREAM, CERTIFICATES_STREAM, OPERATOR_STREAM];

/// Which logs a feed reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those of this stream; of blocks and certificates where absent.
    pub stream: Option<StreamName>,
    /// Those of this operator. Where absent: this node's own where it makes blocks and no stream is
    /// named, else everybody's.
    pub producer: Option<OperatorId>,
}

/// An event that a feed came to.
#[derive(Clone, Debug)]
pub struct FeedEvent {
    /// The log that it stands in.
    pub log: LogId,
    /// The event.
    pub event: Event,
    /// From where to go on.
    pub cursor: Cursor,
}

/// Which logs to read, among those that there are.
#[derive(Clone, Debug)]
struct Wanted {
    streams: Vec<StreamName>,
    producer: Option<OperatorId>,
    own_only: bool,
}

impl Wanted {
    fn new(selection: Selection, producing: bool) -> Self {
        let own_only = producing && selection.stream.is_none() && selection.producer.is_none();
        let streams = match selection.stream {
            Some(stream) => vec![stream],
            None => [LEDGER_STREAM, CERTIFICATES_STREAM]
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
        };
        Self {
            streams,
            producer: selection.producer,
            own_only,
        }
    }

    fn includes(&self, log: &LogInfo) -> bool {
        let by = match self.producer {
            Some(producer) => log.id.producer == producer,
            None => !self.own_only || log.origin != Origin::Peer,
        };
        by && self.streams.contains(&log.id.stream)
    }

    /// The logs that are wanted and here, those without events too.
    fn logs(&self, streams: &Streams) -> Vec<LogInfo> {
        let logs = self.streams.iter().flat_map(|name| streams.logs(name));
        logs.filter(|log| self.includes(log)).collect()
    }
}

/// Events of the logs that are selected, behind `after`; those that come from now on where absent.
pub(crate) fn follow(
    streams: Streams,
    selection: Selection,
    producing: bool,
    after: Option<Cursor>,
) -> impl Stream<Item = Result<FeedEvent, Error>> + Send + use<> {
    let from_now = after.is_none();
    let mut feed = Feed {
        wanted: Wanted::new(selection, producing),
        after: after.unwrap_or_default(),
        changes: streams.changes(),
        read: HashMap::new(),
        turns: Turns::default(),
        events: VecDeque::new(),
        recent: Recent::default(),
        streams,
    };
    // What is there now counts as seen, also where the reader takes its time to begin.
    feed.begin(from_now);
    futures::stream::try_unfold(feed, |mut feed| async move {
        feed.next().await.map(|event| Some((event, feed)))
    })
}

/// Who reads, and what waits to be read.
struct Feed {
    streams: Streams,
    wanted: Wanted,
    /// Where the reader goes on, also in logs that are not here yet.
    after: Cursor,
    /// Logs that are new or have new events.
    changes: broadcast::Receiver<LogKey>,
    /// How far logs were read since.
    read: HashMap<LogKey, Offset>,
    turns: Turns,
    /// What was read of the log whose turn it is, and was not given out yet.
    events: VecDeque<(LogId, Event)>,
    recent: Recent,
}

impl Feed {
    /// Takes note of what is here: that counts as read where the reader wants what comes from now
    /// on.
    fn begin(&mut self, from_now: bool) {
        for log in self.wanted.logs(&self.streams) {
            if from_now {
                self.read.insert(log.key, log.head.next);
            }
            // A log without events is not worth a place in the cursor.
            if !log.head.is_empty() || self.after.get(log.key).is_some() {
                self.recent.note(log.key, self.from(&log));
            }
            self.consider(&log);
        }
    }

    /// Where to go on in a log.
    fn from(&self, log: &LogInfo) -> Offset {
        let read = self.read.get(&log.key).copied();
        // What has appeared since the reader came is new, all of it.
        let read = read.or_else(|| self.after.get(log.key)).unwrap_or_default();
        read.max(log.head.first)
    }

    async fn next(&mut self) -> Result<FeedEvent, Error> {
        loop {
            if let Some((log, event)) = self.events.pop_front() {
                let (key, next) = (log.key(), event.offset().next());
                self.read.insert(key, next);
                self.recent.note(key, next);
                let cursor = self.recent.cursor.clone();
                return Ok(FeedEvent { log, event, cursor });
            }
            // Between two turns: who has come meanwhile gets one too.
            self.take_changes();
            match self.turns.next() {
                Some(log) => self.read_of(log).await?,
                None => match self.changes.recv().await {
                    Ok(log) => self.on_change(log),
                    Err(RecvError::Lagged(_)) => self.look(),
                    // Only when streams are gone, which this feed holds.
                    Err(RecvError::Closed) => return Err(StreamError::Closed.into()),
                },
            }
        }
    }

    fn take_changes(&mut self) {
        loop {
            match self.changes.try_recv() {
                Ok(log) => self.on_change(log),
                Err(broadcast::error::TryRecvError::Lagged(_)) => self.look(),
                Err(_) => return,
            }
        }
    }

    fn on_change(&mut self, log: LogKey) {
        if let Some(log) = self.streams.log(log)
            && self.wanted.includes(&log)
        {
            self.consider(&log);
        }
    }

    /// Looks at every log: some changes were missed.
    fn look(&mut self) {
        for log in self.wanted.logs(&self.streams) {
            self.consider(&log);
        }
    }

    fn consider(&mut self, log: &LogInfo) {
        if self.from(log) < log.head.next {
            self.turns.add(log.key);
        }
    }

    /// Reads some of a log, whose next turn comes after that of all others.
    async fn read_of(&mut self, key: LogKey) -> Result<(), Error> {
        let Some(log) = self.streams.log(key) else {
            return Ok(());
        };
        let from = self.from(&log);
        if from >= log.head.next {
            return Ok(());
        }
        let events = match self.streams.read(key, from, TURN_BYTES).await {
            // Retention was faster: what it left is read in the next turn.
            Err(StreamError::OutOfRange { .. }) => Vec::new(),
            // Streams say so when they open. The other logs are whole.
            Err(StreamError::Damaged { .. }) => {
                self.read.insert(key, log.head.next);
                Vec::new()
            }
            events => events?,
        };
        self.turns.add(key);
        let events = events.into_iter().map(|event| (log.id.clone(), event));
        self.events.extend(events);
        Ok(())
    }
}

/// Logs that wait to be read, each once, in the order in which they came.
#[derive(Default)]
struct Turns {
    waiting: VecDeque<LogKey>,
    known: HashSet<LogKey>,
}

impl Turns {
    fn add(&mut self, log: LogKey) {
        if self.known.insert(log) {
            self.waiting.push_back(log);
        }
    }

    fn next(&mut self) -> Option<LogKey> {
        let log = self.waiting.pop_front()?;
        self.known.remove(&log);
        Some(log)
    }
}
