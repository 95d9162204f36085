use proptest::prelude::*;

use super::*;
use crate::codec;
use crate::sync::{CheckpointBody, EventGossip, News};

fn header() -> Header {
    Header {
        version: 1,
        log: Bytes::from(vec![1; 32]),
        offset: 300,
        previous: Bytes::from(vec![2; 32]),
        time_ms: 1_760_000_000_000,
        record_len: 9,
        record_hash: Bytes::from(vec![3; 32]),
    }
}

fn record() -> Record {
    Record {
        key: Some(Bytes::from_static(b"k")),
        value: None,
        headers: vec![RecordHeader {
            name: "n".into(),
            value: Some(Bytes::new()),
        }],
    }
}

fn event() -> Event {
    Event {
        header: codec::encode(&header()),
        signature: Bytes::from(vec![4; 64]),
        record: codec::encode(&record()),
    }
}

fn hex_of<M: Message>(message: &M) -> String {
    hex::encode(codec::encode(message))
}

/// Written by hand from the protobuf encoding: `(tag << 3 | type)`, length, content.
#[test]
fn messages_have_these_bytes() {
    let header_hex = format!(
        "08011220{}18ac022220{}288080b3c19c3330093a20{}",
        "01".repeat(32),
        "02".repeat(32),
        "03".repeat(32)
    );
    assert_eq!(hex_of(&header()), header_hex);
    let record_hex = "0a016b1a050a016e1200";
    assert_eq!(hex_of(&record()), record_hex);
    let len = |hex: &str| format!("{:02x}", hex.len() / 2);
    let event_hex = format!(
        "0a{}{header_hex}1240{}1a{}{record_hex}",
        len(&header_hex),
        "04".repeat(64),
        len(record_hex)
    );
    assert_eq!(hex_of(&event()), event_hex);
    let run = Run {
        events: vec![event()],
    };
    // 196 bytes: a length of two bytes.
    assert_eq!(event_hex.len() / 2, 196);
    assert_eq!(hex_of(&run), format!("0ac401{event_hex}"));
}

#[test]
fn evidence_has_these_bytes() {
    let signed = |fill: u8| SignedHeader {
        header: Bytes::from(vec![fill; 2]),
        signature: Bytes::from(vec![fill; 3]),
    };
    let evidence = Evidence {
        stream: "s".into(),
        epoch: 5,
        producer: Bytes::from_static(&[9]),
        first: Some(signed(1)),
        second: Some(signed(2)),
        ..Evidence::default()
    };
    assert_eq!(
        hex_of(&evidence),
        "0a017310051a010922090a0201011203010101\
         2a090a0202021203020202"
    );
    let evidence = Evidence {
        second: None,
        checkpoint: Some(Checkpoint {
            body: Bytes::from_static(&[3]),
            signature: Bytes::from_static(&[4, 4]),
        }),
        path: Bytes::from_static(&[5, 6]),
        ..evidence
    };
    assert_eq!(
        hex_of(&evidence),
        "0a017310051a010922090a0201011203010101\
         32070a0103120204043a020506"
    );
}

#[test]
fn the_largest_evidence_fits_its_message_and_gossip() {
    let evidence = Evidence {
        stream: "s".repeat(249),
        epoch: u64::MAX,
        producer: Bytes::from(vec![1; 1_984]),
        first: Some(SignedHeader {
            header: Bytes::from(vec![2; HEADER_BYTES_MAX]),
            signature: Bytes::from(vec![3; 64]),
        }),
        second: None,
        checkpoint: Some(Checkpoint {
            body: Bytes::from(vec![4; CheckpointBody::BYTES_MAX]),
            signature: Bytes::from(vec![5; 3_373]),
        }),
        path: Bytes::from(vec![6; 8 * 32]),
    };
    codec::decode::<Evidence>(&codec::encode(&evidence)).unwrap();
    let news = Some(News::Evidence(evidence));
    let gossip = EventGossip { news };
    codec::decode::<EventGossip>(&codec::encode(&gossip)).unwrap();
}

#[test]
fn the_largest_event_fits_a_run() {
    let header = Header {
        version: u32::MAX,
        offset: u64::MAX,
        time_ms: u64::MAX,
        record_len: u32::MAX,
        ..header()
    };
    let header = codec::encode(&header);
    assert!(header.len() <= HEADER_BYTES_MAX);
    let event = Event {
        header,
        signature: Bytes::from(vec![0; 64]),
        record: Bytes::from(vec![0; RECORD_BYTES_MAX]),
    };
    let run = codec::encode(&Run {
        events: vec![event],
    });
    assert!(run.len() <= RUN_BYTES_MAX);
    codec::decode::<Run>(&run).unwrap();
}

#[test]
fn runs_one_after_the_other_are_a_run() {
    let run = Run {
        events: vec![event(), event()],
    };
    let mut twice = codec::encode(&run).to_vec();
    twice.extend_from_slice(&codec::encode(&run));
    let both: Run = codec::decode(&Bytes::from(twice)).unwrap();
    assert_eq!(both.events, vec![event(); 4]);
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let bytes = Bytes::from(bytes);
        let _ = codec::decode::<Header>(&bytes);
        let _ = codec::decode::<Record>(&bytes);
        let _ = codec::decode::<Run>(&bytes);
        let _ = codec::decode::<Evidence>(&bytes);
    }

    #[test]
    fn events_come_out_as_they_went_in(
        header in proptest::collection::vec(any::<u8>(), 0..64),
        record in proptest::collection::vec(any::<u8>(), 0..64),
        count in 0_usize..4,
    ) {
        let event = Event { header: header.into(), signature: Bytes::new(), record: record.into() };
        let run = Run { events: vec![event; count] };
        prop_assert_eq!(codec::decode::<Run>(&codec::encode(&run)).unwrap(), run);
    }
}
