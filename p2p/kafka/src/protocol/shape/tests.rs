//! The library agrees with the table of shapes, and nothing that passes makes it set memory aside
//! for more than is there.

use bytes::{BufMut, Bytes};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Decodable;
use proptest::prelude::*;

use super::*;
use crate::protocol::{Api, offered};

/// Zeros behind the last array, enough for whatever fields come there.
const TRAIL_BYTES: usize = 16;

/// Every request that has arrays, with what reads it.
const WITH_ARRAYS: &[(ApiKey, Read)] = &[
    (ApiKey::Produce, read::<ProduceRequest>),
    (ApiKey::Fetch, read::<FetchRequest>),
    (ApiKey::ListOffsets, read::<ListOffsetsRequest>),
    (ApiKey::Metadata, read::<MetadataRequest>),
    (ApiKey::OffsetCommit, read::<OffsetCommitRequest>),
    (ApiKey::OffsetFetch, read::<OffsetFetchRequest>),
    (ApiKey::JoinGroup, read::<JoinGroupRequest>),
    (ApiKey::SyncGroup, read::<SyncGroupRequest>),
    (ApiKey::LeaveGroup, read::<LeaveGroupRequest>),
    (ApiKey::DescribeGroups, read::<DescribeGroupsRequest>),
    (ApiKey::DescribeConfigs, read::<DescribeConfigsRequest>),
    (ApiKey::CreateTopics, read::<CreateTopicsRequest>),
];

/// Reads a body and says how many bytes are left, and what was read.
type Read = fn(Bytes, i16) -> Result<(usize, String), String>;

fn read<T: Decodable + std::fmt::Debug>(
    mut body: Bytes,
    version: i16,
) -> Result<(usize, String), String> {
    let request = T::decode(&mut body, version).map_err(|error| error.to_string())?;
    Ok((body.len(), format!("{request:?}")))
}

/// A body of this shape with so many elements in each array, and where the counts stand.
fn generate(fields: &'static [Field], version: i16, elements: i32) -> (Vec<u8>, Vec<usize>) {
    fn fill(
        fields: &'static [Field],
        version: i16,
        elements: i32,
        (out, counts): (&mut Vec<u8>, &mut Vec<usize>),
    ) {
        for field in fields {
            match field {
                Fixed(len) => out.put_bytes(0, *len),
                Text => out.put_slice(b"\x00\x05plant"),
                Blob => out.put_slice(b"\x00\x00\x00\x04blob"),
                Many(element) => {
                    counts.push(out.len());
                    out.put_i32(elements);
                    for _ in 0..elements {
                        fill(element, version, elements, (out, counts));
                    }
                }
                Since(since, field) if version >= *since => {
                    fill(
                        std::slice::from_ref(*field),
                        version,
                        elements,
                        (out, counts),
                    );
                }
                Until(until, field) if version <= *until => {
                    fill(
                        std::slice::from_ref(*field),
                        version,
                        elements,
                        (out, counts),
                    );
                }
                Since(..) | Until(..) => {}
            }
        }
    }
    let (mut out, mut counts) = (Vec::new(), Vec::new());
    fill(fields, version, elements, (&mut out, &mut counts));
    (out, counts)
}

fn every_version() -> impl Iterator<Item = (ApiKey, i16, Read)> {
    WITH_ARRAYS.iter().flat_map(|(key, read)| {
        let Api { min, max, .. } = offered(*key).unwrap();
        (min..=max).map(move |version| (*key, version, *read))
    })
}

#[test]
fn the_library_reads_every_shape() {
    for (key, version, read) in every_version() {
        for elements in [0, 1, 3] {
            let (mut body, counts) = generate(fields(key), version, elements);
            body.put_bytes(0, TRAIL_BYTES);
            assert_eq!(check(key, version, &body), Ok(()), "{key:?} {version}");
            let (left, text) = read(body.into(), version)
                .unwrap_or_else(|error| panic!("{key:?} {version}: {error}"));
            assert!(
                left <= TRAIL_BYTES,
                "{key:?} {version}: {left} bytes are left"
            );
            // What stands in the innermost arrays comes out as it went in.
            let names = text.matches("plant").count();
            assert!(
                counts.is_empty() || elements == 0 || names > 0,
                "{key:?} {version}: {text}"
            );
        }
    }
}

#[test]
fn no_array_may_announce_more_than_there_is() {
    for (key, version, _) in every_version() {
        let (body, counts) = generate(fields(key), version, 2);
        for at in counts {
            for count in [i32::MAX, 1 << 24, -2] {
                let mut body = body.clone();
                body[at..at + 4].copy_from_slice(&count.to_be_bytes());
                let checked = check(key, version, &body);
                assert_eq!(
                    checked,
                    Err(Misshapen),
                    "{key:?} {version} at {at}: {count}"
                );
            }
        }
    }
}

#[test]
fn the_elements_of_all_arrays_together_are_limited() {
    let mut body = Vec::new();
    body.put_i32(i32::try_from(ELEMENTS_MAX).unwrap() + 1);
    body.put_bytes(0, 2 * (ELEMENTS_MAX + 1));
    assert_eq!(check(ApiKey::Metadata, 1, &body), Err(Misshapen));
    body[..4].copy_from_slice(&i32::try_from(ELEMENTS_MAX).unwrap().to_be_bytes());
    assert_eq!(check(ApiKey::Metadata, 1, &body), Ok(()));
}

proptest! {
    #[test]
    fn any_body_that_passes_is_read_or_refused(
        which in any::<prop::sample::Index>(),
        body in proptest::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..200),
    ) {
        let all: Vec<_> = every_version().collect();
        let (key, version, read) = all[which.index(all.len())];
        if check(key, version, &body).is_ok() {
            let _ = read(body.into(), version);
        }
    }

    #[test]
    fn any_body_that_is_cut_off_is_read_or_refused(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let all: Vec<_> = every_version().collect();
        let (key, version, read) = all[which.index(all.len())];
        let (mut body, _) = generate(fields(key), version, 2);
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body.truncate(cut.index(body.len() + 1));
        if check(key, version, &body).is_ok() {
            let _ = read(body.into(), version);
        }
    }
}
