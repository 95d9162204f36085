//! Runs: consecutive events of one log in one piece of bytes, as they are stored and sent.

use bytes::{Buf, Bytes};
use phytomer_pqc::OperatorPublicKey;
use phytomer_wire::codec::{DecodeError, Message};
use phytomer_wire::events as wire;

use crate::{Event, EventHash, Header, LogKey, Offset};

/// The most bytes of a run.
pub use phytomer_wire::events::RUN_BYTES_MAX;

/// The tag of an event within a run: field 1, length-delimited.
pub(crate) const EVENT_TAG: u8 = 0x0a;

/// Why bytes are not a run of a log, or not what its producer signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRun {
    /// Not the bytes of a run.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A run has at least one event.
    #[error("a run without events")]
    Empty,
    /// A header of a version that this program does not know.
    #[error("an event header of version {found}; this program reads version 1")]
    Version {
        /// The version.
        found: u32,
    },
    /// A header in another encoding than its one.
    #[error("the header of event {offset} is not in its canonical encoding")]
    NotCanonical {
        /// The event.
        offset: Offset,
    },
    /// An event of another log.
    #[error("event {offset} is of log {found}, not of {wanted}")]
    OtherLog {
        /// The event.
        offset: Offset,
        /// Its log.
        found: LogKey,
        /// The log that the others are of.
        wanted: LogKey,
    },
    /// Events that do not follow each other.
    #[error("event {found} stands where event {expected} should")]
    Order {
        /// The offset that would follow.
        expected: Offset,
        /// The offset that stands there.
        found: Offset,
    },
    /// An event that does not name the one before.
    #[error("event {offset} does not name the event before it")]
    BackLink {
        /// The event.
        offset: Offset,
    },
    /// An event that is older than the one before.
    #[error("event {offset} is of an earlier time than the event before it")]
    Time {
        /// The event.
        offset: Offset,
    },
    /// A record of another length than its header says.
    #[error("the record of event {offset} has {found} bytes, its header says {said}")]
    RecordLen {
        /// The event.
        offset: Offset,
        /// What the header says.
        said: u32,
        /// What is there.
        found: usize,
    },
    /// A record that is not the one that its header names.
    #[error("the record of event {offset} is not the one that was signed")]
    RecordHash {
        /// The event.
        offset: Offset,
    },
    /// A record that cannot be read.
    #[error("the record of event {offset} cannot be read: {source}")]
    Record {
        /// The event.
        offset: Offset,
        /// Why.
        source: DecodeError,
    },
    /// A signature that is not the producer's.
    #[error("the signature of event {offset} is not its producer's")]
    Signature {
        /// The event.
        offset: Offset,
    },
}

/// Consecutive events of one log, as bytes. Cheap to clone and to cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    bytes: Bytes,
    first: Offset,
    next: Offset,
}

impl Run {
    /// The run in `bytes`, with everything checked that can be without the producer's key and
    /// without reading the records: the form, one log, no gaps, back-links, times, lengths.
    ///
    /// # Errors
    /// [`InvalidRun`].
    pub fn decode(bytes: Bytes) -> Result<Self, InvalidRun> {
        let (run, _) = Self::walk(bytes, |_, _| Ok(()))?;
        Ok(run)
    }

    /// The run in `bytes`, as [`Self::decode`] has it, and every record checked, and that it is of
    /// `log`: everything but signatures, in one pass. `seen` gets each event and its hash. For
    /// events that a verified checkpoint covers, whose hashes the caller compares.
    ///
    /// # Errors
    /// [`InvalidRun`] of the first event that is not as it should be.
    pub(crate) fn check(
        bytes: Bytes,
        log: LogKey,
        mut seen: impl FnMut(&Event, EventHash),
    ) -> Result<VerifiedRun, InvalidRun> {
        let (run, ends) = Self::walk(bytes, |event, hash| {
            event.check_record()?;
            seen(event, hash);
            Ok(())
        })?;
        if ends.first.log != log {
            return Err(InvalidRun::OtherLog {
                offset: run.first,
                found: ends.first.log,
                wanted: log,
            });
        }
        Ok(VerifiedRun {
            run,
            log,
            previous: ends.first.previous,
            last_hash: ends.last_hash,
            first_time_ms: ends.first.time_ms,
            last_time_ms: ends.last.time_ms,
        })
    }

    /// Decodes and hashes each event once, and checks that it follows the one before.
    fn walk(
        bytes: Bytes,
        mut check: impl FnMut(&Event, EventHash) -> Result<(), InvalidRun>,
    ) -> Result<(Self, Ends), InvalidRun> {
        if bytes.len() > RUN_BYTES_MAX {
            return Err(InvalidRun::Decode(DecodeError::TooLarge {
                name: wire::Run::NAME,
                len: bytes.len(),
                max: RUN_BYTES_MAX,
            }));
        }
        let mut rest = bytes.clone();
        let mut ends: Option<Ends> = None;
        while let Some(event) = next_event(&mut rest)? {
            check_record_len(&event)?;
            let (header, hash) = (*event.header(), event.hash());
            match &mut ends {
                Some(ends) => {
                    check_follows(ends, &header)?;
                    ends.last = header;
                    ends.last_hash = hash;
                }
                None if header.offset == Offset(0) && header.previous != EventHash::ZERO => {
                    return Err(InvalidRun::BackLink { offset: Offset(0) });
                }
                None => {
                    ends = Some(Ends {
                        first: header,
                        last: header,
                        last_hash: hash,
                    });
                }
            }
            check(&event, hash)?;
        }
        let ends = ends.ok_or(InvalidRun::Empty)?;
        let run = Self {
            bytes,
            first: ends.first.offset,
            next: ends.last.offset.next(),
        };
        Ok((run, ends))
    }

    /// A run that this node wrote, from the offset of its last event.
    pub(crate) fn from_stored(bytes: Bytes, last: Offset) -> Result<Self, InvalidRun> {
        let event = next_event(&mut bytes.clone())?.ok_or(InvalidRun::Empty)?;
        let first = event.offset();
        let next = last.next();
        if first > last {
            return Err(InvalidRun::Order {
                expected: last,
                found: first,
            });
        }
        Ok(Self { bytes, first, next })
    }

    /// The encoded run. Consecutive runs, one after the other, are one run.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The offset of the first event.
    #[must_use]
    pub const fn first(&self) -> Offset {
        self.first
    }

    /// The offset after the last event.
    #[must_use]
    pub const fn next(&self) -> Offset {
        self.next
    }

    /// How many events the run has; never none.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a run is never empty")]
    pub const fn len(&self) -> u64 {
        self.next.0 - self.first.0
    }

    /// The events, one after the other, without copying.
    #[must_use]
    pub fn events(&self) -> Events {
        Events {
            rest: self.bytes.clone(),
        }
    }

    /// The hashes of the events, in order.
    #[must_use]
    pub fn hashes(&self) -> Vec<EventHash> {
        self.events().map(|event| event.hash()).collect()
    }

    /// The part of the run from `offset` on; none where it ends before.
    #[must_use]
    pub fn starting_at(&self, offset: Offset) -> Option<Self> {
        if offset >= self.next {
            return None;
        }
        let mut rest = self.bytes.clone();
        for _ in self.first.0..offset.0 {
            skip_event(&mut rest)?;
        }
        Some(Self {
            bytes: rest,
            first: self.first.max(offset),
            next: self.next,
        })
    }

    /// The part of the run before `offset`; none where it begins there or later.
    #[must_use]
    pub fn ending_at(&self, offset: Offset) -> Option<Self> {
        if offset <= self.first {
            return None;
        }
        let mut rest = self.bytes.clone();
        for _ in self.first.0..offset.min(self.next).0 {
            skip_event(&mut rest)?;
        }
        let kept = self.bytes.len() - rest.len();
        Some(Self {
            bytes: self.bytes.slice(..kept),
            first: self.first,
            next: offset.min(self.next),
        })
    }

    /// As many of the first events as fit in `bytes_max`, but at least one.
    #[must_use]
    pub fn up_to(&self, bytes_max: usize) -> Self {
        if self.bytes.len() <= bytes_max {
            return self.clone();
        }
        let mut rest = self.bytes.clone();
        let (mut taken, mut next) = (0, self.first);
        while skip_event(&mut rest).is_some() {
            let end = self.bytes.len() - rest.len();
            if end > bytes_max && next > self.first {
                break;
            }
            taken = end;
            next = next.next();
        }
        Self {
            bytes: self.bytes.slice(..taken),
            first: self.first,
            next,
        }
    }

    /// Checks that `producer` signed every event of the run for `log`, and every record.
    ///
    /// # Errors
    /// [`InvalidRun`] of the first event that is not as it should be.
    pub fn verify(
        self,
        log: LogKey,
        producer: &OperatorPublicKey,
    ) -> Result<VerifiedRun, InvalidRun> {
        for event in self.events() {
            event.signed_header().verify(producer)?;
        }
        Self::check(self.bytes, log, |_, _| {})
    }
}

/// The first and the last event of a run.
struct Ends {
    first: Header,
    last: Header,
    last_hash: EventHash,
}

/// A run that was checked whole: what a node may store.
#[derive(Clone, Debug)]
pub struct VerifiedRun {
    run: Run,
    pub(crate) log: LogKey,
    pub(crate) previous: EventHash,
    pub(crate) last_hash: EventHash,
    pub(crate) first_time_ms: u64,
    pub(crate) last_time_ms: u64,
}

impl VerifiedRun {
    /// The run.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }
}

/// The events of a run.
#[derive(Clone, Debug)]
pub struct Events {
    rest: Bytes,
}

impl Iterator for Events {
    type Item = Event;

    /// Ends early only where a stored run is damaged; who counts will see it.
    fn next(&mut self) -> Option<Event> {
        next_event(&mut self.rest).ok()?
    }
}

/// Cuts the next event off.
fn next_event(rest: &mut Bytes) -> Result<Option<Event>, InvalidRun> {
    if rest.is_empty() {
        return Ok(None);
    }
    let event = cut_event(rest).ok_or(DecodeError::Invalid {
        name: wire::Run::NAME,
        field: "events",
        reason: "it is cut short or holds something else",
    })?;
    Event::decode(&event).map(Some)
}

fn skip_event(rest: &mut Bytes) -> Option<()> {
    cut_event(rest).map(drop)
}

/// Cuts the bytes of the next event off.
fn cut_event(rest: &mut Bytes) -> Option<Bytes> {
    let mut body = rest.strip_prefix(&[EVENT_TAG])?;
    let before = body.len();
    let len = prost::decode_length_delimiter(&mut body).ok()?;
    let start = 1 + (before - body.len());
    if len > body.len() || len_bytes(len) != start - 1 {
        return None;
    }
    rest.advance(start);
    Some(rest.split_to(len))
}

/// Bytes of the shortest encoding of a length; no other is allowed.
fn len_bytes(len: usize) -> usize {
    prost::length_delimiter_len(len)
}

fn check_record_len(event: &Event) -> Result<(), InvalidRun> {
    let (said, found) = (event.header().record_len, event.record_bytes().len());
    if usize::try_from(said) != Ok(found) {
        return Err(InvalidRun::RecordLen {
            offset: event.offset(),
            said,
            found,
        });
    }
    Ok(())
}

fn check_follows(before: &Ends, header: &Header) -> Result<(), InvalidRun> {
    let (left, offset) = (&before.last, header.offset);
    if header.log != left.log {
        return Err(InvalidRun::OtherLog {
            offset,
            found: header.log,
            wanted: left.log,
        });
    }
    if offset != left.offset.next() {
        return Err(InvalidRun::Order {
            expected: left.offset.next(),
            found: offset,
        });
    }
    if header.previous != before.last_hash {
        return Err(InvalidRun::BackLink { offset });
    }
    if header.time_ms < left.time_ms {
        return Err(InvalidRun::Time { offset });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
