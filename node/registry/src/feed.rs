//! What happens, read from the signed event streams.
//!
//! A feed joins the logs of one or more streams as their events come. Within a log the order is its
//! own; between logs there is none. A [`Cursor`] says how far each log was read, so that a reader
//! goes on where it stopped, also on another node that holds the same logs.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll};
use futures::{Stream, StreamExt};
use phytomer_pqc::OperatorId;
use phytomer_streams::{
    Error as StreamError, Event, LogId, LogInfo, LogKey, Offset, Origin, StreamName, Streams,
};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::error::Error;

/// Logs that one feed reads; more are left out.
pub const FEED_LOGS_MAX: usize = 64;
/// How often a feed looks for logs that are new.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

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

/// How much of a log's key a cursor holds: enough to tell the logs of one node apart.
const KEY_BYTES: usize = 8;
const LONG_ENOUGH: &str = "a key has more bytes than a cursor keeps";

/// How far logs were read. Written `<16 hex digits>:<next offset>`, joined by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    next: BTreeMap<[u8; KEY_BYTES], Offset>,
}

/// A text that is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an event; give one as it came, such as `0a1b2c3d4e5f6071:12`")]
pub struct InvalidCursor;

impl Cursor {
    /// The cursor of a reader that has read each log up to this offset.
    #[must_use]
    pub fn of(logs: impl IntoIterator<Item = (LogKey, Offset)>) -> Self {
        let name = |log: LogKey| *log.as_bytes().first_chunk().expect(LONG_ENOUGH);
        let next = logs.into_iter().map(|(log, next)| (name(log), next));
        Self {
            next: next.collect(),
        }
    }

    fn name(log: &LogInfo) -> [u8; KEY_BYTES] {
        *log.key.as_bytes().first_chunk().expect(LONG_ENOUGH)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (log, next)) in self.next.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}:{next}", hex::encode(log))?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut next = BTreeMap::new();
        for part in text.split(',') {
            let (log, offset) = part.split_once(':').ok_or(InvalidCursor)?;
            let mut name = [0; KEY_BYTES];
            hex::decode_to_slice(log, &mut name).map_err(|_| InvalidCursor)?;
            // `parse` alone would take a sign.
            let digits = offset.bytes().all(|byte| byte.is_ascii_digit());
            let offset = offset.parse().ok().filter(|_| digits);
            next.insert(name, Offset(offset.ok_or(InvalidCursor)?));
            if next.len() > FEED_LOGS_MAX {
                return Err(InvalidCursor);
            }
        }
        Ok(Self { next })
    }
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
    selection: Selection,
    own_only: bool,
}

impl Wanted {
    /// The logs that are wanted and here.
    fn logs(&self, streams: &Streams) -> Vec<LogInfo> {
        let logs = match &self.selection.stream {
            Some(stream) => streams.logs(stream),
            None => [LEDGER_STREAM, CERTIFICATES_STREAM]
                .iter()
                .filter_map(|name| name.parse().ok())
                .flat_map(|name| streams.logs(&name))
                .collect(),
        };
        let wanted = |log: &LogInfo| match self.selection.producer {
            Some(producer) => log.id.producer == producer,
            None => !self.own_only || log.origin == Origin::Own,
        };
        logs.into_iter().filter(wanted).collect()
    }
}

/// Events of the logs that are selected, behind `after`; those that come from now on where absent.
pub(crate) fn follow(
    streams: Streams,
    selection: Selection,
    producing: bool,
    after: Option<Cursor>,
) -> impl Stream<Item = Result<FeedEvent, Error>> + Send + use<> {
    let mut look = interval(LOOK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut feed = Feed {
        wanted: Wanted {
            own_only: producing && selection.stream.is_none() && selection.producer.is_none(),
            selection,
        },
        from_start: after.is_some(),
        cursor: after.unwrap_or_default(),
        open: HashSet::new(),
        tails: SelectAll::new(),
        look,
        streams,
    };
    // What is there now counts as seen, also where the reader takes its time to begin.
    feed.open_logs();
    futures::stream::try_unfold(feed, |mut feed| async move {
        feed.next().await.map(|event| Some((event, feed)))
    })
}

type Tail = BoxStream<'static, (LogInfo, Result<Event, StreamError>)>;

struct Feed {
    streams: Streams,
    wanted: Wanted,
    /// Whether a log that the cursor does not know is read from its beginning.
    from_start: bool,
    cursor: Cursor,
    open: HashSet<[u8; KEY_BYTES]>,
    tails: SelectAll<Tail>,
    look: Interval,
}

impl Feed {
    async fn next(&mut self) -> Result<FeedEvent, Error> {
        loop {
            tokio::select! {
                biased;
                Some((log, event)) = self.tails.next(), if !self.tails.is_empty() => {
                    let event = event?;
                    self.cursor.next.insert(Cursor::name(&log), event.offset().next());
                    return Ok(FeedEvent { log: log.id, event, cursor: self.cursor.clone() });
                }
                _ = self.look.tick() => self.open_logs(),
            }
        }
    }

    /// Begins to read the logs that are wanted and not read yet.
    fn open_logs(&mut self) {
        for log in self.wanted.logs(&self.streams) {
            let name = Cursor::name(&log);
            if self.open.len() >= FEED_LOGS_MAX || !self.open.insert(name) {
                continue;
            }
            let unknown = if self.from_start {
                log.head.first
            } else {
                log.head.next
            };
            let from = self.cursor.next.get(&name).copied().unwrap_or(unknown);
            let from = from.clamp(log.head.first, log.head.next);
            self.cursor.next.insert(name, from);
            let tail = self.streams.tail(log.key, from);
            self.tails
                .push(tail.map(move |event| (log.clone(), event)).boxed());
        }
        // What appears later was not there when the reader came: all of it is new.
        self.from_start = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_is_written(
            next in proptest::collection::btree_map(any::<[u8; 8]>(), any::<u64>().prop_map(Offset), 1..FEED_LOGS_MAX)
        ) {
            let cursor = Cursor { next };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }

        #[test]
        fn any_text_is_a_cursor_or_refused(text in ".{0,200}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert!(cursor.to_string().parse::<Cursor>().is_ok());
            }
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let name = "0a1b2c3d4e5f6071";
        for text in [
            "",
            "9.2",
            ",",
            ":",
            name,
            &format!("{name}:"),
            &format!("{name}:-1"),
            &format!("{name}:+1"),
            &format!("{name}:1,"),
            &format!("{name}0:1"),
            &format!("{name}:99999999999999999999"),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
        let many: Vec<_> = (0..=FEED_LOGS_MAX)
            .map(|log| format!("{log:016x}:0"))
            .collect();
        assert_eq!(many.join(",").parse::<Cursor>(), Err(InvalidCursor));
    }
}
