//! How far a reader has come.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;

use phytomer_streams::{LogKey, Offset};

/// Logs that a cursor names. A feed reads more than that; its cursor then names those that were
/// read last, and who goes on from it reads the others once more.
pub const FEED_LOGS_MAX: usize = 64;
/// How much of a log's key a cursor holds: enough to tell the logs of one node apart.
const KEY_BYTES: usize = 8;
const LONG_ENOUGH: &str = "a key has more bytes than a cursor keeps";

fn name(log: LogKey) -> [u8; KEY_BYTES] {
    *log.as_bytes().first_chunk().expect(LONG_ENOUGH)
}

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
    /// How far a log was read, if the cursor names it.
    pub(super) fn get(&self, log: LogKey) -> Option<Offset> {
        self.next.get(&name(log)).copied()
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

/// The cursor, and the logs that it names: the one that was read last stands last.
#[derive(Default)]
pub(super) struct Recent {
    pub(super) cursor: Cursor,
    order: VecDeque<[u8; KEY_BYTES]>,
}

impl Recent {
    /// Takes note of how far a log was read.
    pub(super) fn note(&mut self, log: LogKey, next: Offset) {
        let log = name(log);
        if self.order.back() != Some(&log) {
            self.order.retain(|other| *other != log);
            self.order.push_back(log);
        }
        self.cursor.next.insert(log, next);
        if self.order.len() > FEED_LOGS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.cursor.next.remove(&oldest);
        }
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
