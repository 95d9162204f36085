//! The bytes on disk, as they have been since the first version.

use proptest::prelude::*;

use super::*;
use crate::Committed;

const LOG: LogKey = LogKey([0xaa; 32]);

fn log_hex() -> String {
    "aa".repeat(32)
}

#[test]
fn keys_have_these_bytes() {
    let check = |key: Vec<u8>, hex: String| assert_eq!(hex::encode(key), hex);
    let key = run_key(LOG, Offset(258));
    assert_eq!(run_key_offset(&key), Some(Offset(258)));
    check(key, format!("{}0000000000000102", log_hex()));
    check(log_key(Kind::Log, LOG), format!("01{}", log_hex()));
    check(log_key(Kind::Head, LOG), format!("02{}", log_hex()));
    check(log_key(Kind::Floor, LOG), format!("03{}", log_hex()));
    let producer = OperatorId::from_bytes([0xbb; 32]);
    check(producer_key(producer), format!("04{}", "bb".repeat(32)));
    let checkpoint = numbered_key(Kind::Checkpoint, LOG, 3);
    check(checkpoint, format!("05{}0000000000000003", log_hex()));
    let sequence = sequence_key(LOG, ProducerId(4));
    check(sequence, format!("06{}0000000000000004", log_hex()));
    let stream = "ab".parse().unwrap();
    check(own_epoch_key(&stream), "076162".into());
    let group = crate::groups::group_key("g", LOG);
    check(group, format!("6700{}", log_hex()));
}

#[test]
fn records_have_these_bytes() {
    let id = LogId {
        stream: "ab".parse().unwrap(),
        producer: OperatorId::from_bytes([0xbb; 32]),
        epoch: Epoch(300),
    };
    let log = encode_log(&id, 7);
    assert_eq!(decode_log(log.clone().into()).unwrap(), (id, 7));
    let hex = format!("0a0261621220{}18ac022007", "bb".repeat(32));
    assert_eq!(hex::encode(log), hex);

    let head = Head {
        first: Offset(3),
        next: Offset(5),
        last_hash: EventHash([0xcc; 32]),
        last_time_ms: 6,
        frozen: None,
        written_bytes: 8,
        dropped_bytes: 4,
    };
    let (end, start) = (encode_head(&head), encode_floor(&head));
    let decoded = decode_head(Some(end.clone().into()), Some(start.clone().into()));
    assert_eq!(decoded.unwrap(), head);
    assert_eq!(decode_head(None, None).unwrap(), Head::EMPTY);
    assert_eq!(
        hex::encode(end),
        format!("08051220{}18062008", "cc".repeat(32))
    );
    assert_eq!(hex::encode(start), "08031004");

    let state = ProducerState {
        epoch: ProducerEpoch(1),
        batches: [Taken {
            first_sequence: 2,
            count: 3,
            first_offset: Offset(4),
        }]
        .into(),
        time_ms: 5,
    };
    let sequence = encode_sequence(&state);
    assert_eq!(decode_sequence(sequence.clone().into()).unwrap(), state);
    assert_eq!(hex::encode(sequence), "080112060802100318041805");

    let committed = Committed {
        offset: Offset(9),
        metadata: "m".into(),
        time_ms: 2,
    };
    let bytes = encode_committed(&committed);
    assert_eq!(decode_committed(bytes.clone().into()).unwrap(), committed);
    assert_eq!(hex::encode(bytes), "080912016d1802");

    assert_eq!(hex::encode(encode_epoch(Epoch(300))), "000000000000012c");
    assert_eq!(decode_epoch(&encode_epoch(Epoch(300))).unwrap(), Epoch(300));
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let bytes = Bytes::from(bytes);
        let _ = run_key_offset(&bytes);
        let _ = decode_log(bytes.clone());
        let _ = decode_head(Some(bytes.clone()), Some(bytes.clone()));
        let _ = decode_sequence(bytes.clone());
        let _ = decode_committed(bytes.clone());
        let _ = decode_epoch(&bytes);
    }
}
