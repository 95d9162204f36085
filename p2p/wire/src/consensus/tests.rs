use proptest::prelude::*;

use super::*;

fn bytes(fill: u8, len: usize) -> Bytes {
    Bytes::from(vec![fill; len])
}

fn vote() -> Vote {
    Vote {
        kind: vote_kind::PRECOMMIT,
        height: 300,
        round: 1,
        block: Some(bytes(0xbb, 32)),
        validator: bytes(0xaa, 32),
        signature: bytes(0x55, 2),
    }
}

fn certificate() -> Certificate {
    Certificate {
        height: 300,
        round: 1,
        block: bytes(0xbb, 32),
        signatures: vec![Signature {
            validator: bytes(0xaa, 32),
            signature: bytes(0x55, 2),
        }],
    }
}

fn says() -> Vec<(Say, String)> {
    let (block, validator) = ("bb".repeat(32), "aa".repeat(32));
    let body = format!("08ac02100{}", "1");
    let vote_hex = format!("080210ac0218012220{block}2a20{validator}32025555");
    let signature = format!("0a20{validator}12025555");
    let certificate_hex = format!("{body}1a20{block}7a26{signature}");
    vec![
        (Say::Vote(vote()), format!("0a4f{vote_hex}")),
        (
            Say::Proposal(Proposal {
                height: 300,
                round: 1,
                block: bytes(0xbb, 32),
                valid_round: Some(0),
                proposer: bytes(0xaa, 32),
                signature: bytes(0x55, 2),
            }),
            format!("124f{body}1a20{block}20002a20{validator}32025555"),
        ),
        (
            Say::Manifest(Manifest {
                height: 300,
                round: 1,
                block: bytes(0xbb, 32),
                proposer: bytes(0xaa, 32),
                len: 2,
                hashes: bytes(0xcc, 32),
                signature: bytes(0x55, 2),
            }),
            format!(
                "1a71{body}1a20{block}2220{validator}28023220{}3a025555",
                "cc".repeat(32)
            ),
        ),
        (
            Say::Part(Part {
                height: 300,
                manifest: bytes(0xcc, 32),
                index: 3,
                data: bytes(0x01, 2),
            }),
            format!("222b08ac021220{}180322020101", "cc".repeat(32)),
        ),
        (Say::Polka(certificate()), format!("2a4f{certificate_hex}")),
        (
            Say::Round(RoundCertificate {
                height: 300,
                round: 1,
                kind: round_kind::SKIP,
                votes: vec![vote()],
            }),
            format!("3258{body}18017a4f{vote_hex}"),
        ),
        (
            Say::Status(Status {
                first: 1,
                last: 300,
            }),
            "3a05080110ac02".into(),
        ),
        (Say::Fetch(Fetch { height: 300 }), "420308ac02".into()),
        (
            Say::Decided(Decided {
                block: bytes(0x01, 2),
                certificate: Some(certificate()),
            }),
            format!("4a550a020101124f{certificate_hex}"),
        ),
    ]
}

#[test]
fn messages_have_these_bytes() {
    for (say, golden) in says() {
        let talk = Talk { say: Some(say) };
        let encoded = codec::encode(&talk);
        assert_eq!(hex::encode(&encoded), golden, "{talk:?}");
        assert_eq!(codec::decode::<Talk>(&encoded).unwrap(), talk);
    }
    let evidence = Evidence {
        votes: vec![vote(), vote()],
        proposals: vec![],
    };
    let encoded = codec::encode(&evidence);
    let vote_hex = hex::encode(codec::encode(&Talk {
        say: Some(Say::Vote(vote())),
    }));
    assert_eq!(hex::encode(&encoded), vote_hex.repeat(2));
    assert_eq!(codec::decode::<Evidence>(&encoded).unwrap(), evidence);
}

#[test]
fn more_signatures_than_validators_are_refused_before_they_are_parsed() {
    let signature = certificate().signatures.remove(0);
    for (count, fits) in [(VALIDATORS_MAX, true), (VALIDATORS_MAX + 1, false)] {
        let certificate = Certificate {
            signatures: vec![signature.clone(); count],
            ..certificate()
        };
        let decided = Decided {
            block: Bytes::new(),
            certificate: Some(certificate.clone()),
        };
        for say in [Say::Polka(certificate), Say::Decided(decided)] {
            let encoded = codec::encode(&Talk { say: Some(say) });
            assert_eq!(codec::decode::<Talk>(&encoded).is_ok(), fits, "{count}");
        }
    }
}

#[test]
fn only_a_decided_block_may_be_large() {
    let data = bytes(1, TALK_BYTES_MAX + 1);
    let part = Part {
        height: 1,
        manifest: bytes(1, 32),
        index: 0,
        data: data.clone(),
    };
    let encoded = codec::encode(&Talk {
        say: Some(Say::Part(part)),
    });
    assert!(matches!(
        codec::decode::<Talk>(&encoded),
        Err(DecodeError::TooLarge { .. })
    ));
    let decided = Decided {
        block: data,
        certificate: None,
    };
    let encoded = codec::encode(&Talk {
        say: Some(Say::Decided(decided)),
    });
    assert!(codec::decode::<Talk>(&encoded).is_ok());
}

#[test]
fn a_message_says_one_thing() {
    let status = codec::encode(&Talk {
        say: Some(Say::Status(Status { first: 1, last: 2 })),
    });
    let twice = Bytes::from([status.as_ref(), status.as_ref()].concat());
    assert!(codec::decode::<Talk>(&twice).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let bytes = Bytes::from(bytes);
        let _ = codec::decode::<Talk>(&bytes);
        let _ = codec::decode::<Certificate>(&bytes);
        let _ = codec::decode::<Evidence>(&bytes);
    }

    #[test]
    fn a_changed_byte_is_a_message_or_an_error(which in 0..9_usize, at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut encoded = codec::encode(&Talk { say: Some(says().remove(which).0) }).to_vec();
        let at = at.index(encoded.len());
        encoded[at] = to;
        let _ = codec::decode::<Talk>(&Bytes::from(encoded));
    }
}
