//! The forgeries that the credential's own text does not show.

use serde_json::json;

use super::{super::super::*, Forgery, OWNER_OF_NOTHING, field, forgery};
use crate::fixtures::issuer;
use CheckName as C;

fn certificate_of(facts: &mut LedgerFacts) -> &mut LedgerCertificate {
    facts.certificate.as_mut().unwrap()
}

/// What status lists and the ledger give away.
pub(super) const IN_EVIDENCE: &[Forgery] = &[
    // The status lists.
    forgery(C::Revocation, "a revoked certificate", |scene| {
        scene.revocation = |list| list.list.set(crate::fixtures::STATUS_INDEX).unwrap();
    }),
    forgery(
        C::Revocation,
        "a list by another issuer, on which nothing is set",
        |scene| {
            scene.list_signer = issuer(2);
        },
    ),
    forgery(
        C::Revocation,
        "a list in the issuer's name by a stranger",
        |scene| {
            scene.list_signer = issuer(9);
            scene.policy.issuers = None;
            scene.revocation_after = |list| list["issuer"] = json!(issuer(1).did());
        },
    ),
    forgery(C::Revocation, "a list changed after signing", |scene| {
        scene.revocation_after = |list| list["validFrom"] = json!("2026-05-01T08:30:01Z");
    }),
    forgery(
        C::Revocation,
        "the list of suspensions under the other's name",
        |scene| {
            scene.revocation = |list| list.purpose = crate::StatusPurpose::Suspension;
        },
    ),
    forgery(C::Revocation, "a list from last year", |scene| {
        scene.revocation = |list| list.valid_until = Some("2026-05-01T09:00:00Z".parse().unwrap());
    }),
    forgery(C::Revocation, "an index beyond the list's end", |scene| {
        for place in 0..2 {
            let entry = field(scene, &format!("/credentialStatus/{place}"));
            entry["statusListIndex"] = json!("131072");
        }
        scene.suspension = |list| list.list = crate::StatusList::with_entries(200_000).unwrap();
        scene.edit_facts = |facts| certificate_of(facts).status_index = 131_072;
    }),
    forgery(
        C::Revocation,
        "a list that unpacks to a gigabyte",
        |scene| {
            scene.revocation_after = |list| {
                use std::io::Write;
                let mut gzip =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                (0..64).for_each(|_| gzip.write_all(&[0; 1 << 20]).unwrap());
                let bomb = base64::Engine::encode(
                    &base64::engine::general_purpose::URL_SAFE_NO_PAD,
                    gzip.finish().unwrap(),
                );
                list["credentialSubject"]["encodedList"] = json!(format!("u{bomb}"));
            };
        },
    ),
    forgery(C::Suspension, "a suspended certificate", |scene| {
        scene.suspension = |list| list.list.set(crate::fixtures::STATUS_INDEX).unwrap();
    }),
    // The ledger.
    forgery(
        C::Anchor,
        "a certificate that the ledger never saw",
        |scene| {
            scene.edit_facts = |facts| facts.certificate = None;
        },
    ),
    forgery(
        C::Anchor,
        "a certificate in the place of another",
        |scene| {
            scene.edit_facts = |facts| certificate_of(facts).credential_hash = B256::repeat_byte(7);
        },
    ),
    forgery(
        C::Anchor,
        "a larger quantity than the ledger has",
        |scene| {
            scene.edit_facts = |facts| certificate_of(facts).quantity = 100;
        },
    ),
    forgery(
        C::Anchor,
        "a status index that the ledger does not watch",
        |scene| {
            scene.edit_facts = |facts| certificate_of(facts).status_index = 0;
        },
    ),
    forgery(
        C::Accreditation,
        "an issuer whose accreditation was withdrawn",
        |scene| {
            scene.edit_facts = |facts| {
                let reason = "withdrawn at block 7".to_owned();
                certificate_of(facts).accreditation = Accreditation::NotAccredited { reason };
            };
        },
    ),
    forgery(
        C::Accreditation,
        "an account that is accredited under another DID",
        |scene| {
            scene.edit_facts =
                |facts| certificate_of(facts).issuer_did_hash = issuer(2).did().ledger_hash();
        },
    ),
    forgery(
        C::LedgerStatus,
        "a lot whose ancestor is suspended",
        |scene| {
            scene.edit_facts = |facts| {
                let cause = Cause {
                    certificate: U256::from(1),
                    reason: "XYLEFA".to_owned(),
                    block: 9,
                };
                certificate_of(facts).standing = Standing::Suspended(cause);
            };
        },
    ),
    forgery(C::LedgerStatus, "a revoked lot", |scene| {
        scene.edit_facts = |facts| {
            let cause = Cause {
                certificate: U256::from(2),
                reason: "FRAUD".to_owned(),
                block: 10,
            };
            certificate_of(facts).standing = Standing::Revoked(cause);
        };
    }),
    forgery(
        C::LedgerStatus,
        "plants that are long in the ground",
        |scene| {
            scene.edit_facts = |facts| certificate_of(facts).standing = Standing::Retired;
        },
    ),
    forgery(
        C::LedgerStatus,
        "a certificate that another replaced",
        |scene| {
            scene.edit_facts = |facts| certificate_of(facts).standing = Standing::Superseded;
        },
    ),
    forgery(
        C::LedgerStatus,
        "a certificate that ran out on the ledger",
        |scene| {
            scene.edit_facts = |facts| certificate_of(facts).standing = Standing::Expired;
        },
    ),
    forgery(C::Owner, "somebody else's certificate", |scene| {
        scene.edit_facts = |facts| certificate_of(facts).owner = OWNER_OF_NOTHING;
    }),
];
