//! What the index keeps of a blob on disk.

use bytes::Bytes;
use prost::Message;

use super::index::{Entry, Have};
use crate::spans;
use crate::tree::Tree;
use crate::{BlobId, Keep};

/// The value under a blob's hash in `Table::BlobIndex`.
#[derive(Clone, PartialEq, Eq, Message)]
struct Record {
    /// Size of the content in bytes.
    #[prost(uint64, tag = "1")]
    size: u64,
    /// Whether all of it is here.
    #[prost(bool, tag = "2")]
    complete: bool,
    /// Else the spans that are: first, behind the last, and so on.
    #[prost(uint64, repeated, tag = "3")]
    spans: Vec<u64>,
    /// Whether it must not be evicted.
    #[prost(bool, tag = "4")]
    pinned: bool,
    /// When it was added, in seconds since 1970.
    #[prost(uint64, tag = "5")]
    added_s: u64,
    /// When it was last used, roughly.
    #[prost(uint64, tag = "6")]
    used_s: u64,
}

pub(super) fn encode(entry: &Entry) -> Bytes {
    let (complete, spans) = match &entry.have {
        Have::All => (true, Vec::new()),
        Have::Some(spans) => (false, spans.boundaries().to_vec()),
    };
    let record = Record {
        size: entry.size,
        complete,
        spans,
        pinned: entry.keep == Keep::Pinned,
        added_s: entry.added_s,
        used_s: entry.used_s,
    };
    record.encode_to_vec().into()
}

/// The entry of a record, unless it is no record of a blob.
pub(super) fn decode(id: BlobId, bytes: &[u8]) -> Option<Entry> {
    let record = Record::decode(bytes).ok()?;
    let tree = Tree::new(id, record.size)?;
    let have = if record.complete {
        Have::All
    } else {
        Have::Some(spans::from_boundaries(&record.spans, tree.spans())?)
    };
    Some(Entry {
        size: record.size,
        have,
        keep: if record.pinned {
            Keep::Pinned
        } else {
            Keep::Cached
        },
        added_s: record.added_s,
        used_s: record.used_s,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_these_bytes() {
        let id = BlobId::of(b"");
        let mut entry = Entry {
            size: 1 << 20,
            have: Have::Some(spans::range(1..3)),
            keep: Keep::Cached,
            added_s: 5,
            used_s: 7,
        };
        let bytes = encode(&entry);
        assert_eq!(hex::encode(&bytes), "088080401a02010328053007");
        assert_eq!(decode(id, &bytes), Some(entry.clone()));
        entry.have = Have::All;
        entry.keep = Keep::Pinned;
        let bytes = encode(&entry);
        assert_eq!(hex::encode(&bytes), "088080401001200128053007");
        assert_eq!(decode(id, &bytes), Some(entry));
    }

    #[test]
    fn what_is_no_record_is_none() {
        // Garbage, and spans beyond the end.
        for bytes in ["ff", "088080401a020109"] {
            assert_eq!(decode(BlobId::of(b""), &hex::decode(bytes).unwrap()), None);
        }
    }
}
