//! Split: one lot into several, each with a credential of its own.

use alloy::primitives::B256;
use jiff::Timestamp;
use phytomer_contracts::PlantCertificate as Contract;
use phytomer_genesis::predeploy;
use phytomer_identity::{CredentialHash, Iri, Lot, Parent, PlantCertificate};

use crate::certify::{amount, new_lot, read, sign};
use crate::config::SPLIT_CHILDREN_MAX;
use crate::documents::Draft;
use crate::error::Error;
use crate::registry::Inner;
use crate::trace;
use crate::trade::place;
use crate::types::{CertificateId, SplitOutcome, SplitRequest};

/// The use case, top to bottom.
pub(crate) async fn split(
    node: &Inner,
    id: CertificateId,
    request: SplitRequest,
) -> Result<SplitOutcome, Error> {
    node.check_producing()?;
    let view = node
        .contracts
        .lot(id)
        .await?
        .ok_or(Error::UnknownCertificate { id })?;
    check(&request, view.lot.remainder)?;
    let hash = view.lot.credentialHash;
    let credential = node.documents.credential(hash).await?;
    let parent = read(&credential.ok_or(Error::NotHeld {
        what: "the credential",
        id,
    })?)?;
    let first_index = node
        .status_indexes
        .take(node, request.quantities.len() as u64)
        .await?;

    let mut draft = Draft::default();
    let mut lots = Vec::new();
    let mut hashes = Vec::new();
    for (index, quantity) in (first_index..).zip(&request.quantities) {
        let child = child(node, &parent, hash, *quantity, index)?;
        let signed = sign(node, &child)?;
        let child_hash = signed.hash().0;
        draft.credential(child_hash, signed.to_bytes());
        lots.push(new_lot(&child, child_hash)?);
        hashes.push(child_hash);
    }
    node.documents.write(draft).await?;
    let call = Contract::splitCall {
        parent: id.to_u256(),
        newLots: lots,
        to: node.signer.address(),
    };
    let receipt = node
        .signer
        .transact(predeploy::PLANT_CERTIFICATE, call)
        .await?;

    let mut certificates = Vec::new();
    for hash in hashes {
        let child = node
            .contracts
            .certificate_of(hash)
            .await?
            .ok_or(Error::Corrupt {
                what: "ledger",
                why: "a child of the split is not found by its credential".into(),
            })?;
        certificates.push(trace::certificate(node, child).await?);
    }
    Ok(SplitOutcome {
        certificates,
        transaction: place(&receipt),
    })
}

/// The contract checks all of this too; here the answer names the field.
fn check(request: &SplitRequest, remainder: u128) -> Result<(), Error> {
    let invalid = |why: String| {
        Err(Error::Invalid {
            field: "quantities",
            why,
        })
    };
    let count = request.quantities.len();
    if count == 0 || count > SPLIT_CHILDREN_MAX {
        return invalid(format!(
            "a split makes 1 to {SPLIT_CHILDREN_MAX} children, not {count}"
        ));
    }
    if request.quantities.contains(&0) {
        return invalid("every child must have 1 or more".into());
    }
    match request
        .quantities
        .iter()
        .try_fold(0u128, |sum, quantity| sum.checked_add(*quantity))
    {
        Some(sum) if sum <= remainder => Ok(()),
        Some(sum) => invalid(format!(
            "the children take {sum}, but only {remainder} remain"
        )),
        None => invalid("their sum is too large".into()),
    }
}

/// A child says what its parent says, of fewer plants, and names its parent.
fn child(
    node: &Inner,
    parent: &PlantCertificate,
    parent_hash: B256,
    quantity: u128,
    index: u64,
) -> Result<PlantCertificate, Error> {
    let amount = amount("quantities", quantity)?;
    Ok(PlantCertificate {
        id: Iri::from_uuid(uuid::Uuid::new_v4()),
        issuer: node.issuer.did().clone(),
        valid_from: Timestamp::now(),
        lot: Lot {
            amount,
            ..parent.lot.clone()
        },
        parents: vec![Parent {
            id: parent.id.clone(),
            amount,
            credential_hash: CredentialHash(parent_hash),
        }],
        status: node.status_reference(index)?,
        ..parent.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(quantities: &[u128]) -> SplitRequest {
        SplitRequest {
            quantities: quantities.to_vec(),
        }
    }

    #[test]
    fn a_split_takes_no_more_than_remains() {
        assert!(check(&request(&[100; 5]), 500).is_ok());
        for (quantities, word) in [
            (vec![100; 6], "only 500 remain"),
            (vec![], "1 to 50"),
            (vec![1; 51], "1 to 50"),
            (vec![0, 1], "1 or more"),
            (vec![u128::MAX, 1], "too large"),
        ] {
            let error = check(&request(&quantities), 500).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
