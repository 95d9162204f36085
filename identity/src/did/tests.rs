use proptest::prelude::*;
use ssi::dids::DIDKey;

use super::*;
use crate::{fixtures::issuer, keys::Secret};

/// An address in EIP-55's own list of examples.
const ACCOUNT: &str = "did:pkh:eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

fn reason(text: &str) -> &'static str {
    match text.parse::<Did>() {
        Err(Error::InvalidDid { reason, .. }) => reason,
        other => unreachable!("{text}: {other:?}"),
    }
}

fn multibase(bytes: &[u8]) -> String {
    format!("did:key:z{}", bs58::encode(bytes).into_string())
}

/// The first example of the did:key specification's test vectors.
#[test]
fn the_specifications_example_is_read_and_written() {
    let text = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    let did: Did = text.parse().unwrap();
    assert_eq!(did.as_str(), text);
    assert_eq!(
        hex::encode(did.public_key().unwrap().as_bytes()),
        "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
    );
    let method = format!("{text}#z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp");
    assert_eq!(did.verification_method(), Some(method));
}

#[test]
fn an_account_is_read_and_written() {
    let did: Did = ACCOUNT.parse().unwrap();
    assert_eq!(did.as_str(), ACCOUNT);
    assert!(matches!(did.method(), Method::Account { chain_id: 1, .. }));
    assert_eq!(did.verification_method(), None);
}

#[test]
fn other_spellings_are_refused() {
    let key = issuer(1).did().public_key().unwrap().as_bytes().to_vec();
    let with = |prefix: &[u8], key: &[u8]| multibase(&[prefix, key].concat());
    let cases = [
        (
            "did:web:example.org".to_owned(),
            "its method is neither did:key nor did:pkh:eip155",
        ),
        (
            "DID:key:z6Mk".to_owned(),
            "its method is neither did:key nor did:pkh:eip155",
        ),
        ("did:key:".to_owned(), "its key is not base58-btc (`z…`)"),
        ("did:key:uAb".to_owned(), "its key is not base58-btc (`z…`)"),
        (format!("did:key:z{}", "1".repeat(200)), "it is too long"),
        (
            format!("{}#fragment", issuer(1).did()),
            "its key is not 34 bytes of base58-btc",
        ),
        (
            format!("{} ", issuer(1).did()),
            "its key is not 34 bytes of base58-btc",
        ),
        (
            with(&[0xed, 0x01], &key[1..]),
            "its key is not 34 bytes of base58-btc",
        ),
        (
            with(&[0xed, 0x01, 0], &key),
            "its key is not 34 bytes of base58-btc",
        ),
        (
            with(&[0xe7, 0x01], &key),
            "its key is not an Ed25519 key (multicodec 0xed)",
        ),
        (
            with(&[0xed, 0x81], &key),
            "its key is not an Ed25519 key (multicodec 0xed)",
        ),
        (
            ACCOUNT.to_lowercase(),
            "its address is not in the EIP-55 form",
        ),
        (
            ACCOUNT.replace("5aAe", "5aae"),
            "its address is not in the EIP-55 form",
        ),
        (
            ACCOUNT.replace("155:1:", "155:01:"),
            "its chain id is not a decimal number",
        ),
        (
            ACCOUNT.replace("155:1:", "155:+1:"),
            "its chain id is not a decimal number",
        ),
        (
            ACCOUNT.replace("155:1:", "155::"),
            "its chain id is not a decimal number",
        ),
        (
            ACCOUNT.replace("155:1:", "155:99999999999999999999:"),
            "its chain id is too large",
        ),
        ("did:pkh:eip155:1".to_owned(), "it has no address"),
    ];
    for (text, expected) in cases {
        assert_eq!(reason(&text), expected, "{text}");
    }
}

/// The fourteen encodings of small order: the eight canonical ones of the
/// subgroup, found by repeated addition in Python, and those that are not canonical.
#[test]
fn keys_of_small_order_and_odd_encodings_are_refused() {
    let encodings = include_str!("../../tests/vectors/ed25519-small-order.txt");
    let mut count = 0;
    for line in encodings.lines().filter(|line| !line.starts_with('#')) {
        let mut bytes = [0; 32];
        hex::decode_to_slice(line, &mut bytes).unwrap();
        assert!(PublicKey::from_bytes(bytes).is_err(), "{line}");
        count += 1;
    }
    assert_eq!(count, 14);
    // The largest canonical y and the first that is not.
    let y = |low: u8| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (low, 0x7f);
        bytes
    };
    assert!(is_canonical(&y(0xec)));
    for low in 0xed..=0xff {
        assert!(!is_canonical(&y(low)));
    }
}

#[test]
fn a_resolved_document_lists_the_verification_method_for_assertions() {
    let did = issuer(4).did().clone();
    let document = did.resolve().unwrap();
    let method = did.verification_method().unwrap();
    assert_eq!(document["id"], did.as_str());
    assert_eq!(document["assertionMethod"], serde_json::json!([method]));
    assert_eq!(
        document["verificationMethod"][0]["controller"],
        did.as_str()
    );
    assert_eq!(
        document["verificationMethod"][0]["publicKeyMultibase"],
        did.public_key().unwrap().to_multibase()
    );

    let account: Did = ACCOUNT.parse().unwrap();
    let document = account.resolve().unwrap();
    assert_eq!(
        document["verificationMethod"][0]["blockchainAccountId"],
        ACCOUNT.trim_start_matches("did:pkh:")
    );
}

/// RFC 8032 §7.1, test 2.
#[test]
fn an_rfc_8032_signature_verifies() {
    let bytes = |text: &str| hex::decode(text).unwrap();
    let key = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let signature = bytes(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    let key = PublicKey::from_bytes(key.try_into().unwrap()).unwrap();
    let signature: [u8; 64] = signature.try_into().unwrap();
    assert!(key.verifies(&[0x72], &signature));
    assert!(!key.verifies(&[0x73], &signature));
}

proptest! {
    /// `ssi` and this crate name the same key alike, and read each other's names.
    #[test]
    fn did_key_agrees_with_ssi(seed in any::<[u8; 32]>()) {
        let issuer = crate::Issuer::from_seed(&Secret::fill(|bytes| *bytes = seed));
        let key = issuer.did().public_key().unwrap();
        let jwk = ssi::JWK::from(ssi::jwk::Params::OKP(ssi::jwk::OctetParams {
            curve: "Ed25519".to_owned(),
            public_key: ssi::jwk::Base64urlUInt(key.as_bytes().to_vec()),
            private_key: None,
        }));
        let theirs = DIDKey::generate(&jwk).unwrap();
        prop_assert_eq!(theirs.as_str(), issuer.did().as_str());
        prop_assert_eq!(issuer.did().as_str().parse::<Did>().unwrap(), issuer.did().clone());
        let document = issuer.did().resolve().unwrap();
        prop_assert_eq!(&document["verificationMethod"][0]["id"], issuer.verification_method());
    }

    #[test]
    fn an_account_reads_back(chain_id in any::<u64>(), address in any::<[u8; 20]>()) {
        let did = Did::account(chain_id, address.into());
        prop_assert_eq!(did.as_str().parse::<Did>().unwrap(), did);
    }

    #[test]
    fn no_text_panics(text in "(did:(key|pkh:eip155):)?.{0,80}") {
        if let Ok(did) = text.parse::<Did>() {
            prop_assert_eq!(did.as_str(), text);
        }
    }
}
