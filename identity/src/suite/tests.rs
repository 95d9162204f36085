use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    ProofOptions,
    did::PublicKey,
    fixtures::{certificate, issued, issuer},
};

const JCS: &str = include_str!("../../tests/vectors/w3c/eddsa-jcs-2022.json");
const RDFC: &str = include_str!("../../tests/vectors/w3c/eddsa-rdfc-2022.json");
const CHAIN: &str = include_str!("../../tests/vectors/w3c/proof-chain.json");

/// Takes a vector apart into the document and its proofs.
fn open(vector: &str) -> (Value, Vec<Map<String, Value>>) {
    let mut document: Value = serde_json::from_str(vector).unwrap();
    let proof = document.as_object_mut().unwrap().remove("proof").unwrap();
    let proofs = match proof {
        Value::Array(proofs) => proofs,
        proof => vec![proof],
    };
    (
        document,
        proofs
            .into_iter()
            .map(|proof| serde_json::from_value(proof).unwrap())
            .collect(),
    )
}

/// Whether a proof's signature is its key's over the document.
fn verifies(document: &Value, proof: &Map<String, Value>) -> bool {
    let mut options = proof.clone();
    let value = options.remove("proofValue").unwrap();
    let signature = bs58::decode(&value.as_str().unwrap()[1..])
        .into_vec()
        .unwrap();
    let (_, key) = proof["verificationMethod"]
        .as_str()
        .unwrap()
        .split_once('#')
        .unwrap();
    let suite = Suite::from_name(proof["cryptosuite"].as_str().unwrap()).unwrap();
    let input = suite.signing_input(document, &options).unwrap();
    PublicKey::from_multibase(key)
        .unwrap()
        .verifies(&input, &signature.try_into().unwrap())
}

/// The hashes are those of `combinedHash….txt` and `proofHash….txt`. The JCS
/// vector was published three times: without a context in its proof, with one,
/// and under a `did:key`.
#[test]
fn w3c_vectors_have_the_published_hashes() {
    let input = |document: &Value, proof: &Map<String, Value>, suite: Suite| {
        let mut options = proof.clone();
        options.remove("proofValue");
        hex::encode(suite.signing_input(document, &options).unwrap())
    };
    let (document, proofs) = open(RDFC);
    assert_eq!(
        input(&document, &proofs[0], Suite::EddsaRdfc2022),
        "4c4d3890a157f8d611b13c265c2c22f39aa0a567c7c7dd9ba3e45cd579784eeb\
         517744132ae165a5349155bef0bb0cf2258fff99dfe1dbd914b938d775a36017"
    );

    let (document, mut proofs) = open(JCS);
    let key = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";
    proofs[0]["verificationMethod"] = json!(format!("did:key:{key}#{key}"));
    assert_eq!(
        input(&document, &proofs[0], Suite::EddsaJcs2022),
        "66ab154f5c2890a140cb8388a22a160454f80575f6eae09e5a097cabe539a1db\
         59b7cb6251b8991add1ce0bc83107e3db9dbbab5bd2c28f687db1a03abc92f19"
    );
    let (_, mut proofs) = open(JCS);
    proofs[0].remove("@context");
    assert_eq!(
        input(&document, &proofs[0], Suite::EddsaJcs2022),
        "56d860737b1bc788da1f5c5a506115278314559a680f37976502c9b3ed1f38f4\
         59b7cb6251b8991add1ce0bc83107e3db9dbbab5bd2c28f687db1a03abc92f19"
    );
    let signature =
        "z3P6rHMUaWG6e3Ac6xYFht8aEvoVXndgKTtEY8kzWYXzk8dKmAo2GJeZiJw4qoZ2PGp4ugdaHx3oQiLpeFBLDqP2M";
    proofs[0]["proofValue"] = json!(signature);
    assert!(verifies(&document, &proofs[0]));
}

#[test]
fn w3c_vectors_verify_and_altered_ones_do_not() {
    for vector in [JCS, RDFC] {
        let (mut document, proofs) = open(vector);
        assert!(verifies(&document, &proofs[0]));
        let mut later = proofs[0].clone();
        later["created"] = json!("2023-02-24T23:36:39Z");
        assert!(!verifies(&document, &later));
        document["credentialSubject"]["alumniOf"] = json!("Another School");
        assert!(!verifies(&document, &proofs[0]));
    }
}

/// A proof that builds on others signs a document that holds those others.
#[test]
fn w3c_proof_set_and_proof_chain_verify() {
    let (document, proofs) = open(CHAIN);
    let on = |places: &[usize]| {
        let mut document = document.clone();
        document["proof"] = places
            .iter()
            .map(|&place| Value::Object(proofs[place].clone()))
            .collect();
        document
    };
    assert!(verifies(&document, &proofs[0]));
    assert!(verifies(&document, &proofs[1]));
    assert!(verifies(&on(&[0, 1]), &proofs[2]));
    assert!(verifies(&on(&[2]), &proofs[3]));
    assert!(!verifies(&document, &proofs[2]));
    assert!(!verifies(&on(&[0]), &proofs[2]));
}

#[test]
fn rdf_canonicalisation_refuses_a_term_that_no_context_defines() {
    let mut document = certificate(&issuer(1)).to_value().unwrap();
    assert!(rdf_hash(&document).is_ok());
    document["credentialSubject"]["plant"]["undefinedTerm"] = json!("x");
    assert!(matches!(rdf_hash(&document), Err(Error::Canonical { .. })));
    document = json!({"@context": "https://unknown.example/v1", "type": "VerifiableCredential"});
    assert!(matches!(rdf_hash(&document), Err(Error::Canonical { .. })));
}

/// Every field of a certificate must reach the RDF: what is dropped on the way
/// would not be signed.
#[test]
fn every_text_of_a_certificate_is_signed_by_both_suites() {
    let issuer = issuer(1);
    let document = certificate(&issuer).to_value().unwrap();
    let options = Map::new();
    let mut pointers = Vec::new();
    collect_texts(&document, String::new(), &mut pointers);
    pointers.retain(|pointer| !pointer.starts_with("/@context"));
    assert!(pointers.len() > 40, "{}", pointers.len());
    for suite in Suite::ALL {
        let before = suite.signing_input(&document, &options).unwrap();
        for pointer in &pointers {
            let mut altered = document.clone();
            let text = altered.pointer_mut(pointer).unwrap();
            // A type must stay a known one, an amount a number: all end in something else.
            *text = match (pointer.ends_with("/type/0"), text.as_str().unwrap()) {
                (true, "Party") => json!("Facility"),
                (true, _) => json!("Party"),
                (false, "BitstringStatusListEntry") => json!("BitstringStatusList"),
                (false, "DigitalProductPassport" | "PlantCertificate") => json!("Party"),
                (false, old) => json!(format!("{old}7")),
            };
            let after = suite.signing_input(&altered, &options);
            assert_ne!(after.ok(), Some(before), "{suite}: {pointer}");
        }
    }
}

fn collect_texts(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| collect_texts(value, format!("{pointer}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, value)| {
                collect_texts(value, format!("{pointer}/{place}"), found)
            });
        }
        Value::String(_) => found.push(pointer),
        other => unreachable!("a certificate holds texts only, not {other}"),
    }
}

#[test]
fn signing_is_deterministic() {
    let issuer = issuer(3);
    for suite in Suite::ALL {
        let options = ProofOptions {
            suite,
            ..ProofOptions::at(issued())
        };
        let sign = || {
            issuer
                .issue(&certificate(&issuer), &options)
                .unwrap()
                .to_bytes()
        };
        assert_eq!(sign(), sign());
    }
}

proptest! {
    /// The order of names in the text does not matter, the values do.
    #[test]
    fn the_canonical_hash_is_of_the_values(seed in any::<u64>()) {
        let document = certificate(&issuer(1)).to_value().unwrap();
        let text = shuffled(&document, &mut seed.clone());
        let read = json::parse(text.as_bytes()).unwrap().value;
        prop_assert_eq!(json::canonical_hash(&read).unwrap(), json::canonical_hash(&document).unwrap());
    }
}

/// Writes JSON with the names of every object in another order.
fn shuffled(value: &Value, seed: &mut u64) -> String {
    match value {
        Value::Object(fields) => {
            let mut parts: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!(" {:?} : {}", name, shuffled(value, seed)))
                .collect();
            for place in (1..parts.len()).rev() {
                *seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                parts.swap(place, (*seed >> 33) as usize % (place + 1));
            }
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            let parts: Vec<_> = items.iter().map(|value| shuffled(value, seed)).collect();
            format!("[{}]", parts.join(" , "))
        }
        other => other.to_string(),
    }
}
