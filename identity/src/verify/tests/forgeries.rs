//! The forgeries, one row each: what is changed, and which check must say so.
//!
//! A forger is not always an outsider: many rows are signed by the issuer itself,
//! and some by a stranger with a good key.

mod evidence;

use serde_json::{Value, json};

use super::{
    super::*,
    scene::{CHALLENGE, Scene, add_proof},
};
use crate::fixtures::issuer;

/// One way to deceive a verifier.
pub(super) struct Forgery {
    /// What is changed, in words.
    pub(super) what: &'static str,
    /// The check that must fail.
    pub(super) caught_by: CheckName,
    /// Changes the genuine scene.
    forge: fn(&mut Scene),
}

impl Forgery {
    pub(super) fn scene(&self) -> Scene {
        let mut scene = Scene::genuine();
        (self.forge)(&mut scene);
        scene
    }
}

const fn forgery(caught_by: CheckName, what: &'static str, forge: fn(&mut Scene)) -> Forgery {
    Forgery {
        what,
        caught_by,
        forge,
    }
}

/// Makes the attacker with seed 9 the signer; the document stays the victim's.
fn sign_as_attacker(scene: &mut Scene) {
    scene.signer = issuer(9);
}

fn field<'a>(scene: &'a mut Scene, pointer: &str) -> &'a mut Value {
    scene.document.pointer_mut(pointer).unwrap()
}

/// Adds the group order to the second half of a signature, as in RFC 8032 §8.4:
/// the same signature for a verifier that does not reduce.
fn add_group_order(credential: &mut Value) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let text = credential["proof"]["proofValue"].as_str().unwrap();
    let mut signature = bs58::decode(&text[1..]).into_vec().unwrap();
    let mut carry = 0_u16;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    credential["proof"]["proofValue"] =
        json!(format!("z{}", bs58::encode(signature).into_string()));
}

use CheckName as C;

/// All of them.
pub(super) fn forgeries() -> impl Iterator<Item = &'static Forgery> {
    IN_ITSELF.iter().chain(evidence::IN_EVIDENCE)
}

/// What deceives about the credential and its proofs.
const IN_ITSELF: &[Forgery] = &[
    // The text.
    forgery(C::Limits, "a text of 100 kB, most of it spaces", |scene| {
        scene.edit_text = |text| format!("{text}{}", " ".repeat(100_000)).into_bytes();
    }),
    forgery(C::Limits, "a document nested a hundred deep", |scene| {
        scene.edit_text = |text| {
            let nest = format!("{{\"x\":{}{},", "[".repeat(100), "]".repeat(100));
            text.replacen('{', &nest, 1).into_bytes()
        };
    }),
    forgery(
        C::Json,
        "a quantity that stands twice, a larger one first",
        |scene| {
            scene.edit_text = |text| {
                let twice = r#""quantity":{"unit":"H87","value":"900000"},"quantity":"#;
                text.replacen(r#""quantity":"#, twice, 1).into_bytes()
            };
        },
    ),
    forgery(
        C::Json,
        "a name that stands twice, once with an escape",
        |scene| {
            scene.edit_text = |text| {
                let twice = r#""\u0071uantity":{"unit":"H87","value":"900000"},"quantity":"#;
                text.replacen(r#""quantity":"#, twice, 1).into_bytes()
            };
        },
    ),
    forgery(C::Json, "a proof that stands twice", |scene| {
        scene.edit_text = |text| {
            text.replacen(r#""proof":"#, r#""proof":{"type":"none"},"proof":"#, 1)
                .into_bytes()
        };
    }),
    forgery(C::Json, "an amount as a number", |scene| {
        scene.edit_text = |text| {
            text.replace(r#""value":"500""#, r#""value":500"#)
                .into_bytes()
        };
    }),
    forgery(C::Json, "a text that is cut short", |scene| {
        scene.edit_text = |text| text.as_bytes()[..text.len() - 1].to_vec();
    }),
    forgery(C::Json, "a text that is not UTF-8", |scene| {
        scene.edit_text = |text| {
            text.replace("Leccino", "Lecc\u{fe}no")
                .chars()
                .map(|c| c as u8)
                .collect()
        };
    }),
    forgery(C::Json, "a list of credentials in place of one", |scene| {
        scene.edit_text = |text| format!("[{text}]").into_bytes();
    }),
    // What the words mean.
    forgery(
        C::Context,
        "a foreign context in the first place",
        |scene| {
            *field(scene, "/@context/0") = json!("https://evil.example/credentials/v2");
        },
    ),
    forgery(C::Context, "one more context, not known here", |scene| {
        let contexts = field(scene, "/@context").as_array_mut().unwrap();
        contexts.push(json!("https://evil.example/terms"));
    }),
    forgery(
        C::Context,
        "a context written out that redefines a term",
        |scene| {
            let contexts = field(scene, "/@context").as_array_mut().unwrap();
            contexts.push(json!({"scientificName": "https://evil.example/name"}));
            scene.edit_proof = |proof| drop(proof.remove("@context"));
        },
    ),
    forgery(C::Context, "the contexts in the other order", |scene| {
        field(scene, "/@context").as_array_mut().unwrap().reverse();
    }),
    forgery(
        C::Context,
        "a context added after signing, which the suite's own rule allows",
        |scene| {
            scene.after = |credential, _| {
                let contexts = credential["@context"].as_array_mut().unwrap();
                contexts.push(json!("https://evil.example/terms"));
            };
        },
    ),
    forgery(
        C::Type,
        "the type of an official certificate beside the private one",
        |scene| {
            field(scene, "/type")
                .as_array_mut()
                .unwrap()
                .push(json!("PhytosanitaryCertificate"));
        },
    ),
    forgery(
        C::Type,
        "a presentation in place of a credential",
        |scene| {
            *field(scene, "/type/0") = json!("VerifiablePresentation");
        },
    ),
    // What it may say.
    forgery(C::Schema, "an official legal status", |scene| {
        *field(scene, "/credentialSubject/plant/legalStatus") = json!("official");
    }),
    forgery(C::Schema, "a field that no profile has", |scene| {
        scene.document["credentialSubject"]["plant"]["phytosanitary"] =
            json!("free from all pests");
    }),
    forgery(C::Schema, "nine parents", |scene| {
        let parents = field(scene, "/credentialSubject/plant/parents")
            .as_array_mut()
            .unwrap();
        let parent = parents[0].clone();
        parents.resize(9, parent);
    }),
    forgery(C::Schema, "one parent twice", |scene| {
        let parents = field(scene, "/credentialSubject/plant/parents");
        let parents = parents.as_array_mut().unwrap();
        parents.push(parents[0].clone());
    }),
    forgery(C::Schema, "a quantity of nothing", |scene| {
        *field(scene, "/credentialSubject/plant/quantity/value") = json!("0");
    }),
    forgery(C::Schema, "a negative quantity", |scene| {
        *field(scene, "/credentialSubject/plant/quantity/value") = json!("-500");
    }),
    forgery(C::Schema, "no status entry at all", |scene| {
        scene
            .document
            .as_object_mut()
            .unwrap()
            .remove("credentialStatus");
    }),
    forgery(
        C::Schema,
        "two entries for suspension and none for revocation",
        |scene| {
            *field(scene, "/credentialStatus/0/statusPurpose") = json!("suspension");
        },
    ),
    forgery(
        C::Schema,
        "another index for revocation than for suspension",
        |scene| {
            *field(scene, "/credentialStatus/0/statusListIndex") = json!("1");
        },
    ),
    forgery(C::Schema, "a confidence of 150 %", |scene| {
        *field(scene, "/evidence/0/confidence") = json!("1.5");
    }),
    forgery(C::Schema, "a confidence of no model", |scene| {
        field(scene, "/evidence/0")
            .as_object_mut()
            .unwrap()
            .remove("modelBlake3");
    }),
    forgery(
        C::Schema,
        "one plant on the passport, another in the lot",
        |scene| {
            *field(scene, "/credentialSubject/product/name") = json!("Cannabis sativa");
        },
    ),
    forgery(C::Schema, "an end before the beginning", |scene| {
        *field(scene, "/validFrom") = json!("2026-05-01T10:00:00Z");
        *field(scene, "/validUntil") = json!("2026-05-01T09:00:00Z");
        scene.policy.now = "2026-05-01T08:59:30Z".parse().unwrap();
        scene.policy.clock_skew_seconds = 7200;
    }),
    forgery(C::Dates, "a certificate past its end", |scene| {
        *field(scene, "/validUntil") = json!("2026-05-01T11:59:59Z");
    }),
    forgery(C::Dates, "a certificate before its beginning", |scene| {
        *field(scene, "/validFrom") = json!("2026-05-02T00:00:00Z");
    }),
    forgery(C::Dates, "an end without an offset from UTC", |scene| {
        *field(scene, "/validUntil") = json!("2099-01-01T00:00:00");
    }),
    // Who says it.
    forgery(
        C::Issuer,
        "a sound certificate of an issuer that is not trusted",
        |scene| {
            scene.policy.issuers = Some(vec![issuer(2).did().clone()]);
        },
    ),
    forgery(C::Issuer, "an issuer by the name of a web site", |scene| {
        *field(scene, "/issuer/id") = json!("did:web:authority.example");
    }),
    forgery(C::Issuer, "an issuer that is an account", |scene| {
        *field(scene, "/issuer/id") = json!(Did::account(1, OWNER_OF_NOTHING).as_str());
    }),
    forgery(C::Issuer, "an issuer whose key signs everything", |scene| {
        let key = [&[0xed, 0x01, 0x01][..], &[0; 31]].concat();
        *field(scene, "/issuer/id") =
            json!(format!("did:key:z{}", bs58::encode(key).into_string()));
    }),
    forgery(C::Issuer, "no issuer", |scene| {
        scene.document.as_object_mut().unwrap().remove("issuer");
    }),
    forgery(
        C::Controller,
        "a stranger's key in the issuer's name",
        sign_as_attacker,
    ),
    forgery(
        C::VerificationMethod,
        "a stranger's key under the issuer's DID",
        |scene| {
            sign_as_attacker(scene);
            scene.edit_proof = |proof| {
                let attacker = issuer(9);
                let (_, key) = attacker.verification_method().split_once('#').unwrap();
                proof.insert(
                    "verificationMethod".to_owned(),
                    json!(format!("{}#{key}", issuer(1).did())),
                );
            };
        },
    ),
    forgery(
        C::VerificationMethod,
        "a verification method that names no key",
        |scene| {
            scene.edit_proof =
                |proof| drop(proof.insert("verificationMethod".to_owned(), json!(issuer(1).did())));
        },
    ),
    // The proofs as a set.
    forgery(C::ProofSet, "no proof", |scene| {
        scene.after = |credential, _| drop(credential.as_object_mut().unwrap().remove("proof"));
    }),
    forgery(C::ProofSet, "an empty list of proofs", |scene| {
        scene.after = |credential, _| credential["proof"] = json!([]);
    }),
    forgery(C::ProofSet, "one proof counted twice", |scene| {
        scene.after = |credential, _| {
            let proof = credential["proof"].clone();
            add_proof(credential, proof);
        };
    }),
    forgery(C::ProofSet, "more proofs than anybody needs", |scene| {
        scene.after = |credential, scene| {
            for second in 0..8 {
                let mut proof = scene.proof_options();
                proof.insert(
                    "created".to_owned(),
                    json!(format!("2026-05-01T08:30:1{second}Z")),
                );
                let signed = scene
                    .signer
                    .sign_document(scene.document.clone(), proof, scene.suite)
                    .unwrap();
                add_proof(credential, signed.value()["proof"].clone());
            }
        };
    }),
    forgery(
        C::ProofChain,
        "a proof that builds on one that is not there",
        |scene| {
            scene.edit_proof =
                |proof| drop(proof.insert("previousProof".to_owned(), json!("urn:proof:0")));
        },
    ),
    forgery(C::ProofChain, "a proof that builds on itself", |scene| {
        scene.edit_proof = |proof| {
            proof.insert("id".to_owned(), json!("urn:proof:1"));
            proof.insert("previousProof".to_owned(), json!(["urn:proof:1"]));
        };
    }),
    forgery(
        C::ProofChain,
        "two proofs that build on each other",
        |scene| {
            scene.after = |credential, _| {
                let mut other = credential["proof"].clone();
                for (proof, id, previous) in
                    [(&mut credential["proof"], "1", "2"), (&mut other, "2", "1")]
                {
                    proof["id"] = json!(format!("urn:proof:{id}"));
                    proof["previousProof"] = json!(format!("urn:proof:{previous}"));
                }
                add_proof(credential, other);
            };
        },
    ),
    // The form of a proof.
    forgery(C::Proof, "a proof of another type", |scene| {
        scene.edit_proof =
            |proof| drop(proof.insert("type".to_owned(), json!("Ed25519Signature2020")));
    }),
    forgery(
        C::Proof,
        "a proof with a field that is not known",
        |scene| {
            scene.edit_proof = |proof| drop(proof.insert("accreditedBy".to_owned(), json!("IPPC")));
        },
    ),
    forgery(
        C::Proof,
        "a proof under another context than the credential's",
        |scene| {
            scene.edit_proof =
                |proof| drop(proof.insert("@context".to_owned(), json!([CONTEXT_OF_OTHERS])));
        },
    ),
    forgery(C::Proof, "a signature in base64", |scene| {
        scene.after = |credential, _| credential["proof"]["proofValue"] = json!("uAAAA");
    }),
    forgery(C::Proof, "a signature of 63 bytes", |scene| {
        scene.after = |credential, _| {
            let text = credential["proof"]["proofValue"].as_str().unwrap();
            let signature = bs58::decode(&text[1..]).into_vec().unwrap();
            credential["proof"]["proofValue"] =
                json!(format!("z{}", bs58::encode(&signature[..63]).into_string()));
        };
    }),
    forgery(C::Proof, "a proof that is a text", |scene| {
        scene.after = |credential, _| credential["proof"] = json!("signed, the issuer");
    }),
    // How it was signed, for what and when.
    forgery(C::Cryptosuite, "a suite that is not known", |scene| {
        scene.edit_proof =
            |proof| drop(proof.insert("cryptosuite".to_owned(), json!("eddsa-2099")));
    }),
    forgery(
        C::Cryptosuite,
        "a suite that the verifier does not accept",
        |scene| {
            scene.suite = Suite::EddsaRdfc2022;
            scene.policy.suites = vec![Suite::EddsaJcs2022];
            // The lists are signed with the other suite, which stays accepted.
        },
    ),
    forgery(C::ProofPurpose, "a proof for key agreement", |scene| {
        scene.edit_proof =
            |proof| drop(proof.insert("proofPurpose".to_owned(), json!("keyAgreement")));
    }),
    forgery(C::ProofPurpose, "a proof that was a login", |scene| {
        scene.edit_proof =
            |proof| drop(proof.insert("proofPurpose".to_owned(), json!("authentication")));
    }),
    forgery(C::ProofDates, "a proof that ran out years ago", |scene| {
        scene.edit_proof =
            |proof| drop(proof.insert("expires".to_owned(), json!("2020-01-01T00:00:00Z")));
    }),
    forgery(C::ProofDates, "a proof from the future", |scene| {
        scene.edit_proof =
            |proof| drop(proof.insert("created".to_owned(), json!("2026-05-02T00:00:00Z")));
    }),
    forgery(
        C::ProofDates,
        "a proof made at no time that can be told",
        |scene| {
            scene.edit_proof =
                |proof| drop(proof.insert("created".to_owned(), json!("2026-05-01")));
        },
    ),
    forgery(C::Domain, "a proof for another verifier", |scene| {
        scene.edit_proof =
            |proof| drop(proof.insert("domain".to_owned(), json!(["other.example"])));
    }),
    forgery(C::Domain, "a proof for nobody in particular", |scene| {
        scene.edit_proof = |proof| drop(proof.remove("domain"));
    }),
    forgery(C::Challenge, "a proof that was shown before", |scene| {
        scene.edit_proof =
            |proof| drop(proof.insert("challenge".to_owned(), json!(CHALLENGE.to_uppercase())));
    }),
    // The signature.
    forgery(C::Signature, "another species after signing", |scene| {
        scene.after = |credential, _| {
            for pointer in [
                "/credentialSubject/plant/scientificName",
                "/credentialSubject/product/name",
            ] {
                *credential.pointer_mut(pointer).unwrap() = json!("Cannabis sativa");
            }
        };
    }),
    forgery(
        C::Signature,
        "ten times the quantity after signing",
        |scene| {
            scene.after = |credential, _| {
                *credential
                    .pointer_mut("/credentialSubject/plant/quantity/value")
                    .unwrap() = json!("5000");
            };
        },
    ),
    forgery(C::Signature, "the proof of another certificate", |scene| {
        scene.after = |credential, _| {
            let mut other = Scene::genuine();
            other.document["id"] = json!("urn:uuid:11111111-2222-4333-8444-555555555555");
            credential["proof"] = other.signed().value()["proof"].clone();
        };
    }),
    forgery(C::Signature, "a later time of signing", |scene| {
        scene.after =
            |credential, _| credential["proof"]["created"] = json!("2026-05-01T08:30:01Z");
    }),
    forgery(C::Signature, "the other suite's name", |scene| {
        scene.after = |credential, _| credential["proof"]["cryptosuite"] = json!("eddsa-rdfc-2022");
    }),
    forgery(
        C::Signature,
        "a signature with the group order added",
        |scene| {
            scene.after = |credential, _| add_group_order(credential);
        },
    ),
    forgery(C::Signature, "a signature of zeros", |scene| {
        scene.after = |credential, _| {
            credential["proof"]["proofValue"] =
                json!(format!("z{}", bs58::encode([0; 64]).into_string()));
        };
    }),
];

const OWNER_OF_NOTHING: Address = Address::repeat_byte(0x66);
const CONTEXT_OF_OTHERS: &str = "https://www.w3.org/ns/credentials/v2";
