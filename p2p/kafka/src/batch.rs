//! Record batches in Kafka's format 2, as they stand in fetch answers and produce requests.
//!
//! ```text
//! baseOffset i64 │ length i32 │ leaderEpoch i32 │ magic i8 │ crc32c u32 │ attributes i16
//! lastOffsetDelta i32 │ baseTimestamp i64 │ maxTimestamp i64 │ producerId i64 │ producerEpoch i16
//! baseSequence i32 │ count i32 │ records: zigzag varints and bytes
//! ```
//!
//! Written by hand because every byte that is fetched passes through here, and because the
//! library's decoder sets memory aside for as many records as a batch announces, loses repeated
//! headers and overflows on absurd timestamps. The library is the oracle of the tests.
//!
//! Source: <https://kafka.apache.org/documentation/#messageformat>.

mod decode;
mod encode;
mod varint;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use decode::{Batch, BatchError, Entry, Limits, Sealed, check};
pub(crate) use encode::{Header, Item, Writer};

/// Bytes of a batch before its records.
const HEADER_BYTES: usize = 61;
/// Bytes before what the length counts: base offset and length.
const PREFIX_BYTES: usize = 12;
/// Where the format's number stands.
const MAGIC_AT: usize = 16;
/// Where the checksum stands.
const CRC_AT: usize = 17;
/// Where what is checksummed begins: the attributes.
const CHECKED_AT: usize = 21;
/// The only format that is spoken.
const MAGIC: u8 = 2;
