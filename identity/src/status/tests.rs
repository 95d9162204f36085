use proptest::prelude::*;

use super::*;
use crate::fixtures::{issuer, status_list};

fn gzip_list(bytes: &[u8]) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).unwrap();
    format!("u{}", URL_SAFE_NO_PAD.encode(gzip.finish().unwrap()))
}

/// The `encodedList` of the specification's own example 3, which is a list of
/// 131,072 entries with none set.
#[test]
fn the_specifications_example_reads_as_an_empty_list() {
    let encoded = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA";
    let list = StatusList::decode(encoded).unwrap();
    assert_eq!(list, StatusList::with_entries(STATUS_ENTRIES_MIN).unwrap());
}

#[test]
fn index_zero_is_the_left_most_bit() {
    let mut list = StatusList::with_entries(0).unwrap();
    list.set(0).unwrap();
    list.set(9).unwrap();
    list.set(STATUS_ENTRIES_MIN - 1).unwrap();
    assert_eq!(list.bits[..2], [0b1000_0000, 0b0100_0000]);
    assert_eq!(list.bits.last(), Some(&1));
}

#[test]
fn lists_have_a_least_and_a_greatest_size() {
    assert_eq!(
        StatusList::with_entries(1).unwrap().entries(),
        STATUS_ENTRIES_MIN
    );
    assert_eq!(
        StatusList::with_entries(131_073).unwrap().entries(),
        131_080
    );
    assert!(StatusList::with_entries(STATUS_ENTRIES_MAX).is_ok());
    assert!(StatusList::with_entries(STATUS_ENTRIES_MAX + 1).is_err());
    let mut list = StatusList::with_entries(0).unwrap();
    for index in [STATUS_ENTRIES_MIN, u64::MAX] {
        assert!(matches!(
            list.set(index),
            Err(Error::IndexOutOfRange { .. })
        ));
        assert!(matches!(
            list.is_set(index),
            Err(Error::IndexOutOfRange { .. })
        ));
    }
}

#[test]
fn what_is_not_a_list_is_refused() {
    let whole = StatusList::with_entries(0).unwrap().encode();
    let cases = [
        String::new(),
        whole[1..].to_owned(),
        whole.replacen('u', "z", 1),
        whole[..whole.len() - 8].to_owned(),
        format!("{whole}="),
        "uAAAA".to_owned(),
        gzip_list(&[0; 16_383]),
        gzip_list(&vec![0; STATUS_ENTRIES_MAX as usize / 8 + 1]),
        gzip_list(&vec![0; 256 << 20]),
        format!("u{}", "A".repeat(ENCODED_CHARS_MAX)),
    ];
    for encoded in cases {
        let start: String = encoded.chars().take(20).collect();
        assert!(
            matches!(StatusList::decode(&encoded), Err(Error::StatusList { .. })),
            "{start}"
        );
    }
}

#[test]
fn a_credential_reads_back_and_odd_ones_are_refused() {
    let mut credential = status_list(&issuer(1), StatusPurpose::Suspension);
    credential.list.set(77).unwrap();
    let value = credential.to_value();
    assert_eq!(
        StatusListCredential::from_value(&value).unwrap(),
        credential
    );
    let edits: [fn(&mut Value); 5] = [
        |value| value["credentialSubject"]["statusPurpose"] = "message".into(),
        |value| value["credentialSubject"]["type"] = "StatusList2021".into(),
        |value| value["credentialSubject"]["ttl"] = "1".into(),
        |value| value["validFrom"] = "yesterday".into(),
        |value| value["issuer"] = "did:web:example.org".into(),
    ];
    for edit in edits {
        let mut edited = value.clone();
        edit(&mut edited);
        assert!(
            StatusListCredential::from_value(&edited).is_err(),
            "{edited:.200}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_list_reads_back(indices in prop::collection::btree_set(0..200_000_u64, 0..50)) {
        let mut list = StatusList::with_entries(200_000).unwrap();
        for &index in &indices {
            list.set(index).unwrap();
        }
        let read = StatusList::decode(&list.encode()).unwrap();
        prop_assert_eq!(&read, &list);
        let set: Vec<_> = (0..read.entries()).filter(|&index| read.is_set(index).unwrap()).collect();
        prop_assert_eq!(set, indices.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn no_text_panics(text in "u?[A-Za-z0-9_-]{0,60}") {
        let _ = StatusList::decode(&text);
    }
}
