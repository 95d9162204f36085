//! The library's codec is the oracle of ours.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    records_max: 1_000,
    headers_max: 4_000,
    unpacked_bytes_max: 1 << 20,
};

fn maybe_bytes() -> impl Strategy<Value = Option<Bytes>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from))
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let headers = proptest::collection::vec(("[a-z]{1,8}", maybe_bytes()), 0..4);
    let one = (maybe_bytes(), maybe_bytes(), 0..1_i64 << 45, headers);
    (0..1_i64 << 50, proptest::collection::vec(one, 1..20)).prop_map(|(base, records)| {
        let numbered = records.into_iter().enumerate();
        numbered
            .map(|(index, (key, value, timestamp, headers))| Record {
                transactional: false,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: -1,
                producer_id: -1,
                producer_epoch: -1,
                timestamp_type: TimestampType::Creation,
                offset: base + index as i64,
                sequence: index as i32 - 1,
                timestamp,
                key,
                value,
                headers: headers
                    .into_iter()
                    .map(|(name, value)| (StrBytes::from_string(name), value))
                    .collect::<IndexMap<_, _>>(),
            })
            .collect()
    })
}

fn write(records: &[Record]) -> Bytes {
    let mut out = Vec::new();
    let first = &records[0];
    let mut writer = Writer::new(&mut out, first.offset, first.timestamp);
    for record in records {
        let headers: Vec<Header<'_>> = record
            .headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_deref()))
            .collect();
        writer.push(Item {
            offset: record.offset,
            timestamp_ms: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        });
    }
    writer.finish();
    out.into()
}

fn encode(records: &[Record]) -> Bytes {
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    RecordBatchEncoder::encode(&mut out, records, &options).unwrap();
    out.freeze()
}

fn assert_same(entry: &Entry, record: &Record) {
    assert_eq!(entry.timestamp_ms, record.timestamp);
    assert_eq!(entry.key, record.key);
    assert_eq!(entry.value, record.value);
    let headers: Vec<(String, Option<Bytes>)> = record
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect();
    assert_eq!(entry.headers, headers);
}

/// Replaces the records of a batch and makes length and checksum fit again.
fn rebuild(batch: &[u8], attributes: i16, records: &[u8]) -> Bytes {
    let mut out = [&batch[..HEADER_BYTES], records].concat();
    let len = (out.len() - PREFIX_BYTES) as i32;
    out[8..12].copy_from_slice(&len.to_be_bytes());
    out[CHECKED_AT..CHECKED_AT + 2].copy_from_slice(&attributes.to_be_bytes());
    let crc = crc32c::crc32c(&out[CHECKED_AT..]);
    out[CRC_AT..CHECKED_AT].copy_from_slice(&crc.to_be_bytes());
    out.into()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn item<'a>(value: Option<&'a [u8]>, headers: &'a [Header<'a>]) -> Item<'a> {
    Item {
        offset: 0,
        timestamp_ms: 0,
        key: None,
        value,
        headers,
    }
}

fn one(value: &'static [u8]) -> Bytes {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, 0, 0);
    writer.push(item(Some(value), &[]));
    writer.finish();
    out.into()
}

/// Takes apart what may be several batches that follow each other.
pub(crate) fn decode(mut bytes: Bytes, limits: Limits) -> Result<Vec<Batch>, BatchError> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let announced = bytes.get(8..PREFIX_BYTES).and_then(|len| {
            let len = i32::from_be_bytes(len.try_into().unwrap());
            usize::try_from(len).ok()
        });
        let len = announced.map_or(bytes.len(), |len| bytes.len().min(PREFIX_BYTES + len));
        batches.push(check(bytes.split_to(len), limits)?.open(limits)?);
    }
    Ok(batches)
}

/// A batch of the same value over and over.
pub(crate) fn plain(value: &[u8], count: i32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, 0, 0);
    for offset in 0..i64::from(count) {
        writer.push(Item {
            offset,
            ..item(Some(value), &[])
        });
    }
    writer.finish();
    out
}

/// As [`plain`], packed with gzip.
pub(crate) fn packed(value: &[u8], count: i32) -> Vec<u8> {
    let batch = plain(value, count);
    rebuild(&batch, 1, &gzip(&batch[HEADER_BYTES..])).into()
}

proptest! {
    #[test]
    fn the_library_reads_what_we_write(records in records()) {
        let read = RecordBatchDecoder::decode(&mut write(&records)).unwrap();
        // The sequence that the library reports counts up from the batch's own, which is none.
        prop_assert_eq!(read.records, records);
    }

    #[test]
    fn we_read_what_the_library_writes(records in records()) {
        let batches = decode(encode(&records), LIMITS).unwrap();
        let entries: Vec<&Entry> = batches.iter().flat_map(|batch| &batch.entries).collect();
        prop_assert_eq!(entries.len(), records.len());
        for (entry, record) in entries.into_iter().zip(&records) {
            assert_same(entry, record);
        }
    }

    #[test]
    fn any_bytes_are_records_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(bytes.into(), LIMITS);
    }

    #[test]
    fn any_records_behind_a_sound_header_are_read_or_refused(
        records in proptest::collection::vec(any::<u8>(), 0..100),
        count in any::<i32>(),
    ) {
        let mut batch = one(b"value").to_vec();
        batch[57..61].copy_from_slice(&count.to_be_bytes());
        let _ = decode(rebuild(&batch, 0, &records), LIMITS);
    }

    #[test]
    fn no_truncated_batch_is_read(records in records(), cut in any::<prop::sample::Index>()) {
        let whole = encode(&records);
        let cut = cut.index(whole.len());
        prop_assume!(cut > 0);
        prop_assert!(decode(whole.slice(..cut), LIMITS).is_err());
    }

    #[test]
    fn varints_come_out_as_they_went_in(value in any::<i64>()) {
        let mut out = Vec::new();
        varint::put(&mut out, value);
        prop_assert_eq!(out.len(), varint::len(value));
        let mut rest = out.as_slice();
        prop_assert_eq!(varint::take(&mut rest), Some(value));
        prop_assert!(rest.is_empty());
    }
}

#[test]
fn a_batch_that_announces_more_records_than_it_can_hold_sets_no_memory_aside() {
    let mut batch = one(b"value").to_vec();
    batch[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    let records = batch[HEADER_BYTES..].to_vec();
    let limits = Limits {
        records_max: usize::MAX,
        ..LIMITS
    };
    let error = decode(rebuild(&batch, 0, &records), limits).unwrap_err();
    assert_eq!(error, BatchError::Corrupt);
}

#[test]
fn repeated_headers_are_kept() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, 0, 0);
    writer.push(item(None, &[(b"a", Some(b"1")), (b"a", None)]));
    writer.finish();
    let batches = decode(out.into(), LIMITS).unwrap();
    let headers = &batches[0].entries[0].headers;
    assert_eq!(headers.len(), 2);
    assert_eq!(headers[0].1.as_deref(), Some(b"1".as_slice()));
    assert_eq!(headers[1], ("a".to_owned(), None));
}

#[test]
fn headers_cannot_take_many_times_the_memory_of_their_bytes() {
    let headers = vec![(&b""[..], None); LIMITS.headers_max + 1];
    let batch = |headers: &[Header<'_>]| {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, 0, 0);
        // The limit is on a batch, not on each of its records.
        for (offset, headers) in headers.chunks(1_000).enumerate() {
            writer.push(Item {
                offset: offset as i64,
                ..item(None, headers)
            });
        }
        writer.finish();
        Bytes::from(out)
    };
    let error = decode(batch(&headers), LIMITS).unwrap_err();
    assert!(matches!(
        error,
        BatchError::TooLarge {
            unit: "headers",
            ..
        }
    ));
    assert!(decode(batch(&headers[1..]), LIMITS).is_ok());
}

#[test]
fn gzip_is_unpacked_up_to_the_limit() {
    let batch = one(b"value");
    let packed = rebuild(&batch, 1, &gzip(&batch[HEADER_BYTES..]));
    let batches = decode(packed, LIMITS).unwrap();
    assert_eq!(
        batches[0].entries[0].value.as_deref(),
        Some(b"value".as_slice())
    );

    let bomb = rebuild(&batch, 1, &gzip(&vec![0; LIMITS.unpacked_bytes_max + 1]));
    assert!(bomb.len() < 10_000);
    let error = decode(bomb, LIMITS).unwrap_err();
    assert!(matches!(error, BatchError::TooLarge { unit: "bytes", .. }));
}

#[test]
fn what_is_not_supported_is_named() {
    let batch = one(b"value");
    let records = &batch[HEADER_BYTES..];
    let error = |attributes| decode(rebuild(&batch, attributes, records), LIMITS).unwrap_err();
    assert_eq!(error(2), BatchError::Compression { codec: "snappy" });
    assert_eq!(error(4), BatchError::Compression { codec: "zstd" });
    assert_eq!(error(0x10), BatchError::Transactional);
    let mut old = batch.to_vec();
    old[MAGIC_AT] = 1;
    let refused = decode(old.into(), LIMITS).unwrap_err();
    assert_eq!(refused, BatchError::Format { magic: 1 });
    let mut flipped = batch.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let refused = decode(flipped.into(), LIMITS).unwrap_err();
    assert!(matches!(refused, BatchError::Checksum { .. }));
}
