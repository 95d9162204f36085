//! One event: its header, its producer's signature, its record.

use std::fmt;

use bytes::Bytes;
#[cfg(test)]
use phytomer_pqc::OperatorKey;
use phytomer_pqc::{Context, FAST_SIGNATURE_BYTES, OperatorPublicKey};
use phytomer_wire::codec::{self, DecodeError, Message};
use phytomer_wire::events as wire;
use prost::encoding::{decode_varint, encoded_len_varint};

use crate::{InvalidRun, LogKey, Offset, Record};

/// What the signature of an event is for.
pub const EVENT_CONTEXT: Context = Context::new("event/1");

/// The version of headers that this program writes and reads.
const VERSION: u32 = 1;

/// The name of an event: BLAKE3 of its encoded header, which holds the hash of its record.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventHash(pub [u8; 32]);

impl EventHash {
    /// What stands where there is no event before.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of an encoded header.
    pub(crate) fn of(header: &[u8]) -> Self {
        Self(*blake3::hash(header).as_bytes())
    }
}

impl fmt::Display for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a producer signs of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The log.
    pub log: LogKey,
    /// The place in the log.
    pub offset: Offset,
    /// Hash of the event before; zeros for offset 0.
    pub previous: EventHash,
    /// When the producer took the event, in milliseconds since 1970. Never less than the event
    /// before has.
    pub time_ms: u64,
    /// Bytes of the encoded record.
    pub record_len: u32,
    /// BLAKE3 of the encoded record.
    pub record_hash: [u8; 32],
}

impl Header {
    /// The one encoding of the header.
    pub(crate) fn encode(&self) -> Bytes {
        codec::encode(&wire::Header {
            version: VERSION,
            log: Bytes::copy_from_slice(self.log.as_bytes()),
            offset: self.offset.0,
            previous: Bytes::copy_from_slice(&self.previous.0),
            time_ms: self.time_ms,
            record_len: self.record_len,
            record_hash: Bytes::copy_from_slice(&self.record_hash),
        })
    }

    /// The header in `bytes`, which may be no other than its one encoding: two encodings of one
    /// header would be two events with one meaning.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, InvalidRun> {
        Self::read(bytes).ok_or_else(|| Self::fault(bytes))
    }

    /// Reads the one encoding as what it is, which is many times faster than to decode protobuf and
    /// to encode that again for comparison: each field in its place, numbers as short as they can
    /// be, zeros left out.
    fn read(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let version = read_number(rest, 1)?;
        let header = Self {
            log: LogKey(read_hash(rest, 2)?),
            offset: Offset(read_number(rest, 3)?),
            previous: EventHash(read_hash(rest, 4)?),
            time_ms: read_number(rest, 5)?,
            record_len: read_number(rest, 6)?.try_into().ok()?,
            record_hash: read_hash(rest, 7)?,
        };
        // Every event has a next offset.
        let sound = version == u64::from(VERSION) && header.offset.0 < u64::MAX;
        (sound && rest.is_empty()).then_some(header)
    }

    /// Why bytes are not the one encoding of a header.
    fn fault(bytes: &Bytes) -> InvalidRun {
        match Self::decode_loosely(bytes) {
            Ok(header) => InvalidRun::NotCanonical {
                offset: header.offset,
            },
            Err(error) => error,
        }
    }

    fn decode_loosely(bytes: &Bytes) -> Result<Self, InvalidRun> {
        let message: wire::Header = codec::decode(bytes)?;
        if message.version != VERSION {
            return Err(InvalidRun::Version {
                found: message.version,
            });
        }
        if message.offset == u64::MAX {
            return Err(invalid("offset", "it is too large").into());
        }
        Ok(Self {
            log: LogKey(hash_field("log", &message.log)?),
            offset: Offset(message.offset),
            previous: EventHash(hash_field("previous", &message.previous)?),
            time_ms: message.time_ms,
            record_len: message.record_len,
            record_hash: hash_field("record_hash", &message.record_hash)?,
        })
    }
}

/// The next field, if it is this number; one that is zero is left out.
fn read_number(rest: &mut &[u8], field: u8) -> Option<u64> {
    let Some(mut body) = rest.strip_prefix(&[field << 3]) else {
        return Some(0);
    };
    let before = body.len();
    let number = decode_varint(&mut body).ok()?;
    let shortest = encoded_len_varint(number) == before - body.len();
    *rest = body;
    (shortest && number > 0).then_some(number)
}

/// The next field, which must be these bytes.
fn read_bytes<'a>(rest: &mut &'a [u8], field: u8) -> Option<&'a [u8]> {
    let mut body = rest.strip_prefix(&[(field << 3) | 2])?;
    let before = body.len();
    let len = decode_varint(&mut body).ok()?;
    let shortest = encoded_len_varint(len) == before - body.len();
    let (bytes, body) = body.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = body;
    (shortest && len > 0).then_some(bytes)
}

fn read_hash(rest: &mut &[u8], field: u8) -> Option<[u8; 32]> {
    read_bytes(rest, field)?.try_into().ok()
}

fn hash_field(field: &'static str, bytes: &Bytes) -> Result<[u8; 32], DecodeError> {
    let bytes = bytes.as_ref().try_into();
    bytes.map_err(|_| invalid(field, "it must have 32 bytes"))
}

const fn invalid(field: &'static str, reason: &'static str) -> DecodeError {
    DecodeError::Invalid {
        name: wire::Header::NAME,
        field,
        reason,
    }
}

/// A header and its signature: what proves that a producer said something at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeader {
    pub(crate) header: Header,
    pub(crate) bytes: Bytes,
    pub(crate) signature: [u8; FAST_SIGNATURE_BYTES],
}

impl SignedHeader {
    /// Signs a header; the writer signs many at once.
    #[cfg(test)]
    pub(crate) fn sign(key: &OperatorKey, header: Header) -> Self {
        let bytes = header.encode();
        let signature = key.sign_fast(EVENT_CONTEXT, &bytes);
        Self {
            header,
            bytes,
            signature,
        }
    }

    pub(crate) fn from_parts(bytes: Bytes, signature: &[u8]) -> Result<Self, InvalidRun> {
        let header = Header::decode(&bytes)?;
        let signature = signature.try_into().map_err(|_| InvalidRun::Signature {
            offset: header.offset,
        })?;
        Ok(Self {
            header,
            bytes,
            signature,
        })
    }

    /// What was signed.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes that were signed.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The producer's Ed25519 signature.
    #[must_use]
    pub const fn signature(&self) -> &[u8; FAST_SIGNATURE_BYTES] {
        &self.signature
    }

    /// The name of the event.
    #[must_use]
    pub fn hash(&self) -> EventHash {
        EventHash::of(&self.bytes)
    }

    /// Whether the signature is the producer's.
    ///
    /// # Errors
    /// [`InvalidRun::Signature`] where it is not.
    pub fn verify(&self, producer: &OperatorPublicKey) -> Result<(), InvalidRun> {
        producer
            .verify_fast(EVENT_CONTEXT, &self.bytes, &self.signature)
            .map_err(|_| InvalidRun::Signature {
                offset: self.header.offset,
            })
    }
}

/// Header, signature and record of an event.
fn read_parts(mut bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let rest = &mut bytes;
    let (header, signature) = (read_bytes(rest, 1)?, read_bytes(rest, 2)?);
    let record: &[u8] = match rest.is_empty() {
        true => &[],
        false => read_bytes(rest, 3)?,
    };
    rest.is_empty().then_some((header, signature, record))
}

/// An event. Its parts share the memory of the run that it came from; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    signed: SignedHeader,
    record: Bytes,
}

impl Event {
    /// Signs an event; the writer signs many at once.
    #[cfg(test)]
    pub(crate) fn sign(key: &OperatorKey, header: Header, record: Bytes) -> Self {
        let signed = SignedHeader::sign(key, header);
        Self { signed, record }
    }

    /// The event in `bytes`, which may be no other than its one encoding.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, InvalidRun> {
        let (header, signature, record) = read_parts(bytes).ok_or(DecodeError::Invalid {
            name: wire::Event::NAME,
            field: "event",
            reason: "it is not header, signature and record alone, in their one encoding",
        })?;
        Ok(Self {
            signed: SignedHeader::from_parts(bytes.slice_ref(header), signature)?,
            record: bytes.slice_ref(record),
        })
    }

    #[cfg(test)]
    pub(crate) fn to_wire(&self) -> wire::Event {
        wire::Event {
            header: self.signed.bytes.clone(),
            signature: Bytes::copy_from_slice(&self.signed.signature),
            record: self.record.clone(),
        }
    }

    /// What the producer signed.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.signed.header
    }

    /// Header and signature.
    #[must_use]
    pub const fn signed_header(&self) -> &SignedHeader {
        &self.signed
    }

    /// The place in the log.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.signed.header.offset
    }

    /// When the producer took the event, in milliseconds since 1970.
    #[must_use]
    pub const fn time_ms(&self) -> u64 {
        self.signed.header.time_ms
    }

    /// The name of the event; hashes the header.
    #[must_use]
    pub fn hash(&self) -> EventHash {
        self.signed.hash()
    }

    /// What the event says; key and values share the event's memory.
    ///
    /// # Errors
    /// Where the bytes are no record, which no node stores.
    pub fn record(&self) -> Result<Record, DecodeError> {
        Record::decode(&self.record)
    }

    /// The encoded record.
    #[must_use]
    pub const fn record_bytes(&self) -> &Bytes {
        &self.record
    }

    /// Whether the record is the one that the header names, and one that can be read.
    pub(crate) fn check_record(&self) -> Result<(), InvalidRun> {
        let header = &self.signed.header;
        let offset = header.offset;
        if usize::try_from(header.record_len) != Ok(self.record.len()) {
            return Err(InvalidRun::RecordLen {
                offset,
                said: header.record_len,
                found: self.record.len(),
            });
        }
        if *blake3::hash(&self.record).as_bytes() != header.record_hash {
            return Err(InvalidRun::RecordHash { offset });
        }
        Record::decode(&self.record)
            .map(drop)
            .map_err(|source| InvalidRun::Record { offset, source })
    }
}
