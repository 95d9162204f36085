//! What an event says.

use bytes::Bytes;
use phytomer_wire::codec::{self, DecodeError};
use phytomer_wire::events as wire;

/// The most bytes of an encoded record: 1 MiB.
pub use phytomer_wire::events::RECORD_BYTES_MAX as EVENT_BYTES_MAX;

/// What an event says: a key, a value and facts beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What it is about.
    pub key: Option<Bytes>,
    /// What it says; nothing is a tombstone: what the key stands for is gone.
    pub value: Option<Bytes>,
    /// Facts beside the value. A name may stand several times; the order is kept.
    pub headers: Vec<RecordHeader>,
}

/// A fact beside the value of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Option<Bytes>,
}

impl Record {
    /// A record with a value alone.
    #[must_use]
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self {
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// A record with a key and a value.
    #[must_use]
    pub fn keyed(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self {
            key: Some(key.into()),
            ..Self::new(value)
        }
    }

    /// The value of the first header with this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        let found = self.headers.iter().find(|header| header.name == name)?;
        found.value.as_ref()
    }

    pub(crate) fn encode(self) -> Bytes {
        let headers = self.headers.into_iter().map(|header| wire::RecordHeader {
            name: header.name,
            value: header.value,
        });
        codec::encode(&wire::Record {
            key: self.key,
            value: self.value,
            headers: headers.collect(),
        })
    }

    /// The record in `bytes`; keys and values share their memory.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let record: wire::Record = codec::decode(bytes)?;
        let headers = record.headers.into_iter().map(|header| RecordHeader {
            name: header.name,
            value: header.value,
        });
        Ok(Self {
            key: record.key,
            value: record.value,
            headers: headers.collect(),
        })
    }
}
