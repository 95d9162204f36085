use proptest::prelude::*;

use super::*;
use crate::codec;

fn hash(byte: u8) -> Bytes {
    Bytes::from(vec![byte; 32])
}

fn hex_of<M: Message>(message: &M) -> String {
    hex::encode(codec::encode(message))
}

fn name() -> LogName {
    LogName {
        stream: "ledger".into(),
        producer: hash(1),
        epoch: 5,
    }
}

/// `{1: "ledger", 2: 32 × 01, 3: 5}`, written by hand from the protobuf encoding.
fn name_hex() -> String {
    format!("0a066c65646765721220{}1805", "01".repeat(32))
}

fn answer_hex(part: Part) -> String {
    hex_of(&Answer { part: Some(part) })
}

fn gossip_hex(news: News) -> String {
    hex_of(&EventGossip { news: Some(news) })
}

#[test]
fn questions_have_these_bytes() {
    let heights = Question::Heights(HeightsRequest {
        session: 0x0102_0304_0506_0708,
        since: 300,
    });
    let ask = |question| Ask {
        question: Some(question),
    };
    assert_eq!(hex_of(&ask(heights)), "0a0c09080706050403020110ac02");
    let range = Question::Range(RangeRequest {
        log: hash(2),
        from: 1,
        to: 2,
        checkpoints_after: 3,
        bytes_max: 300,
    });
    assert_eq!(
        hex_of(&ask(range)),
        format!("122b0a20{}10011802200328ac02", "02".repeat(32))
    );
    let proof = Question::Proof(ProofRequest {
        log: hash(2),
        offset: 300,
    });
    assert_eq!(
        hex_of(&ask(proof)),
        format!("1a250a20{}10ac02", "02".repeat(32))
    );
}

#[test]
fn answers_have_these_bytes() {
    let height = Height {
        log: Some(name()),
        first: 1,
        next: 2,
        last: hash(3),
        checkpointed: 1,
    };
    let heights = Heights {
        session: 1,
        revision: 9,
        logs: vec![height],
        keys: vec![Bytes::from_static(&[7; 2])],
    };
    // The name has 44 bytes, the height 86, the heights 103.
    let height_hex = format!("0a2c{}100118022220{}2801", name_hex(), "03".repeat(32));
    let heights_hex = format!("09010000000000000010091a56{height_hex}22020707");
    assert_eq!(
        answer_hex(Part::Heights(heights)),
        format!("0a67{heights_hex}")
    );
    assert_eq!(answer_hex(Part::Run(Bytes::from_static(b"ab"))), "12026162");
    let checkpoint = Checkpoint {
        body: Bytes::from_static(&[1]),
        signature: Bytes::from_static(&[2, 2]),
    };
    assert_eq!(
        answer_hex(Part::Checkpoint(checkpoint)),
        "1a070a010112020202"
    );
    assert_eq!(answer_hex(Part::End(End {})), "2200");
    assert_eq!(answer_hex(Part::Gone(Gone { first: 8 })), "2a020808");
    let evidence = Evidence {
        epoch: 5,
        ..Evidence::default()
    };
    assert_eq!(answer_hex(Part::Evidence(Box::new(evidence))), "32021005");
}

#[test]
fn a_checkpoint_has_these_bytes() {
    let body = CheckpointBody {
        log: hash(1),
        from: 256,
        to: 512,
        root: hash(2),
        previous: hash(3),
        last: hash(4),
    };
    let of = |byte: &str| byte.repeat(32);
    assert_eq!(
        hex_of(&body),
        format!(
            "0a20{}1080021880042220{}2a20{}3220{}",
            of("01"),
            of("02"),
            of("03"),
            of("04")
        )
    );
}

#[test]
fn gossip_has_these_bytes() {
    let announce = Announce {
        log: Some(name()),
        head: Some(SignedHeader {
            header: Bytes::from_static(&[1]),
            signature: Bytes::from_static(&[2]),
        }),
        keys: Bytes::from_static(&[3]),
    };
    assert_eq!(
        gossip_hex(News::Announce(announce)),
        format!("0a390a2c{}12060a01011201021a0103", name_hex())
    );
    let events = Events {
        log: Some(name()),
        run: Bytes::from_static(&[1]),
        keys: Bytes::new(),
    };
    assert_eq!(
        gossip_hex(News::Events(events)),
        format!("12310a2c{}120101", name_hex())
    );
    let evidence = Evidence {
        stream: "s".into(),
        ..Evidence::default()
    };
    assert_eq!(gossip_hex(News::Evidence(evidence)), "1a030a0173");
}

#[test]
fn the_largest_of_each_fits() {
    let name = LogName {
        stream: "x".repeat(64),
        producer: hash(1),
        epoch: u64::MAX,
    };
    let height = Height {
        log: Some(name.clone()),
        first: u64::MAX,
        next: u64::MAX,
        last: hash(1),
        checkpointed: u64::MAX,
    };
    let keys = Bytes::from(vec![0; 1984]);
    let heights = Heights {
        session: u64::MAX,
        revision: u64::MAX,
        logs: vec![height; HEIGHTS_LOGS_MAX],
        keys: vec![keys.clone(); HEIGHTS_LOGS_MAX],
    };
    let fits = |part| {
        let answer = codec::encode(&Answer { part: Some(part) });
        codec::decode::<Answer>(&answer).unwrap();
    };
    fits(Part::Heights(heights));
    fits(Part::Run(Bytes::from(vec![0; RUN_BYTES_MAX])));
    let checkpoint = Checkpoint {
        body: Bytes::from(vec![0; CheckpointBody::BYTES_MAX]),
        signature: Bytes::from(vec![0; 3373]),
    };
    fits(Part::Checkpoint(checkpoint.clone()));
    let header = SignedHeader {
        header: Bytes::from(vec![0; 256]),
        signature: Bytes::from(vec![0; 64]),
    };
    fits(Part::Evidence(Box::new(Evidence {
        stream: "x".repeat(64),
        epoch: u64::MAX,
        producer: keys.clone(),
        first: Some(header),
        second: None,
        checkpoint: Some(checkpoint),
        path: Bytes::from(vec![0; 8 * 32]),
    })));
    let gossip = codec::encode(&EventGossip {
        news: Some(News::Events(Events {
            log: Some(name),
            run: Bytes::from(vec![0; GOSSIP_RUN_BYTES_MAX]),
            keys,
        })),
    });
    codec::decode::<EventGossip>(&gossip).unwrap();
    const {
        assert!(EventGossip::BYTES_MAX <= crate::MESSAGE_BYTES_MAX);
        assert!(Evidence::BYTES_MAX + 8 <= EventGossip::BYTES_MAX);
    }
    let ask = codec::encode(&Ask {
        question: Some(Question::Range(RangeRequest {
            log: hash(1),
            from: u64::MAX,
            to: u64::MAX,
            checkpoints_after: u64::MAX,
            bytes_max: u64::MAX,
        })),
    });
    codec::decode::<Ask>(&ask).unwrap();
}

/// A byte or two make a log: what they would take in memory is refused before it is parsed.
#[test]
fn logs_and_keys_are_counted_before_they_are_parsed() {
    let answer = |heights: &[u8]| {
        let mut bytes = vec![0x0a];
        prost::encoding::encode_varint(heights.len() as u64, &mut bytes);
        bytes.extend_from_slice(heights);
        bytes
    };
    let decode = |bytes: Vec<u8>| codec::decode::<Answer>(&Bytes::from(bytes));
    let log = [0x1a, 0];
    let key = [0x22, 0];
    let most = log.repeat(HEIGHTS_LOGS_MAX);
    assert!(decode(answer(&most)).is_ok());
    let invalid = |bytes| matches!(decode(bytes), Err(DecodeError::Invalid { .. }));
    assert!(invalid(answer(&log.repeat(HEIGHTS_LOGS_MAX + 1))));
    assert!(invalid(answer(&log.repeat(HEIGHTS_BYTES_MAX / 2))));
    assert!(invalid(answer(&[log, key, key].concat())));
    // Protobuf joins what stands twice; other fields between do not hide it.
    let other = [0x08, 1];
    let twice = [answer(&most), other.to_vec(), answer(&log)].concat();
    assert!(invalid(twice));
    let mixed = [[0x09].as_slice(), &[0; 8], &most, &log].concat();
    assert!(invalid(answer(&mixed)));
    let large = answer(&vec![0; HEIGHTS_BYTES_MAX + 1]);
    assert!(matches!(decode(large), Err(DecodeError::TooLarge { .. })));
}

/// What is kept of an answer keeps the memory of all of it: no part is larger than its kind may be,
/// and nothing stands beside it.
#[test]
fn a_part_is_no_larger_than_its_kind_and_alone() {
    let part = |number: u8, len: usize| {
        let mut bytes = vec![number << 3 | 2];
        prost::encoding::encode_varint(len as u64, &mut bytes);
        bytes.resize(bytes.len() + len, 0);
        bytes
    };
    let decode = |bytes: Vec<u8>| codec::decode::<Answer>(&Bytes::from(bytes));
    let limits = [
        (1, HEIGHTS_BYTES_MAX),
        (3, Checkpoint::BYTES_MAX),
        (6, Evidence::BYTES_MAX),
        (4, Ask::BYTES_MAX),
        (5, Ask::BYTES_MAX),
    ];
    for (number, max) in limits {
        let too_large = decode(part(number, max + 1));
        assert!(
            matches!(too_large, Err(DecodeError::TooLarge { .. })),
            "{number}: {too_large:?}"
        );
    }
    let run = Part::Run(Bytes::from_static(b"ab"));
    let run = codec::encode(&Answer { part: Some(run) });
    let alone = decode(run.to_vec());
    assert!(alone.is_ok(), "{alone:?}");
    for beside in [part(2, 2), part(9, 100)] {
        let both = decode([run.as_ref(), beside.as_slice()].concat());
        assert!(matches!(both, Err(DecodeError::Invalid { .. })), "{both:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let bytes = Bytes::from(bytes);
        let _ = codec::decode::<Ask>(&bytes);
        let _ = codec::decode::<Answer>(&bytes);
        let _ = codec::decode::<EventGossip>(&bytes);
        let _ = codec::decode::<Checkpoint>(&bytes);
        let _ = codec::decode::<CheckpointBody>(&bytes);
    }

    #[test]
    fn answers_come_out_as_they_went_in(
        run in proptest::collection::vec(any::<u8>(), 0..256),
        next in any::<u64>(),
        logs in 0usize..4,
    ) {
        let height = Height { log: Some(name()), next, ..Height::default() };
        for part in [
            Part::Run(run.into()),
            Part::Gone(Gone { first: next }),
            Part::Heights(Heights { logs: vec![height; logs], ..Heights::default() }),
        ] {
            let answer = Answer { part: Some(part) };
            prop_assert_eq!(codec::decode::<Answer>(&codec::encode(&answer)).unwrap(), answer);
        }
    }
}
