//! Trace: one certificate, lists of them, and the tree of their descent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::chain::{LotView, timestamp, unit};
use crate::config::{LINEAGE_NODES_MAX, PAGE_LEN_MAX};
use crate::error::Error;
use crate::registry::Inner;
use crate::types::{
    Certificate, CertificateId, CertificatePage, IssuerView, Lineage, LineageEdge, Quantity,
};

/// One certificate as ledger and documents show it.
pub(crate) async fn certificate(node: &Inner, id: CertificateId) -> Result<Certificate, Error> {
    let view = node
        .contracts
        .lot(id)
        .await?
        .ok_or(Error::UnknownCertificate { id })?;
    describe(node, id, view).await
}

/// The signed credential of a certificate, byte for byte.
pub(crate) async fn credential(node: &Inner, id: CertificateId) -> Result<Bytes, Error> {
    let view = node
        .contracts
        .lot(id)
        .await?
        .ok_or(Error::UnknownCertificate { id })?;
    let credential = node.documents.credential(view.lot.credentialHash).await?;
    credential.ok_or(Error::NotHeld {
        what: "the credential",
        id,
    })
}

/// Certificates before `before`, newest first.
pub(crate) async fn page(
    node: &Inner,
    before: Option<CertificateId>,
    limit: usize,
) -> Result<CertificatePage, Error> {
    let newest = node.contracts.total_supply().await?;
    let first = before.map_or(newest, |before| before.0.saturating_sub(1).min(newest));
    let limit = limit.clamp(1, PAGE_LEN_MAX) as u64;
    let last = first.saturating_sub(limit - 1).max(1);
    let mut certificates = Vec::new();
    for id in (last..=first).rev() {
        certificates.push(certificate(node, CertificateId(id)).await?);
    }
    let next = (last > 1 && first > 0).then_some(CertificateId(last));
    Ok(CertificatePage { certificates, next })
}

/// Ancestors and descendants of a certificate. Ancestors come first when there
/// are more lots than one answer shows, because trust descends from them.
pub(crate) async fn lineage(node: &Inner, focus: CertificateId) -> Result<Lineage, Error> {
    let mut found = BTreeMap::from([(focus, certificate(node, focus).await?)]);
    let up =
        |certificate: &Certificate| certificate.parents.iter().map(|parent| parent.id).collect();
    let down = |certificate: &Certificate| certificate.children.clone();
    let complete =
        walk(node, focus, &mut found, up).await? && walk(node, focus, &mut found, down).await?;
    let edges = found
        .values()
        .flat_map(edges_to)
        .filter(|edge| found.contains_key(&edge.parent))
        .collect();
    Ok(Lineage {
        focus,
        edges,
        nodes: found.into_values().collect(),
        truncated: !complete,
    })
}

/// Follows `relatives` from `start`, breadth first; false when the limit stopped it.
async fn walk(
    node: &Inner,
    start: CertificateId,
    found: &mut BTreeMap<CertificateId, Certificate>,
    relatives: impl Fn(&Certificate) -> Vec<CertificateId>,
) -> Result<bool, Error> {
    let mut visited = BTreeSet::from([start]);
    let mut waiting = VecDeque::from([start]);
    while let Some(id) = waiting.pop_front() {
        if !found.contains_key(&id) {
            if found.len() >= LINEAGE_NODES_MAX {
                return Ok(false);
            }
            found.insert(id, certificate(node, id).await?);
        }
        let next = relatives(&found[&id]);
        waiting.extend(next.into_iter().filter(|id| visited.insert(*id)));
    }
    Ok(true)
}

fn edges_to(child: &Certificate) -> impl Iterator<Item = LineageEdge> + use<'_> {
    let edge = |share: &crate::types::ParentShare| LineageEdge {
        parent: share.id,
        child: child.id,
        quantity: share.quantity,
    };
    child.parents.iter().map(edge)
}

async fn describe(node: &Inner, id: CertificateId, view: LotView) -> Result<Certificate, Error> {
    let facts = match node.documents.credential(view.lot.credentialHash).await? {
        Some(credential) => Some(crate::certify::facts(&credential)?),
        None => None,
    };
    let facts = facts.as_ref();
    Ok(Certificate {
        id,
        status: view.status,
        status_cause: view.cause,
        locked: view.locked,
        scientific_name: facts.map(|facts| facts.scientific_name.clone()),
        confidence: facts.and_then(|facts| facts.confidence),
        quantity: Quantity {
            value: view.lot.quantity,
            unit: unit(view.lot.unit)?,
        },
        remainder: view.lot.remainder,
        issuer: IssuerView {
            did: facts.map(|facts| facts.issuer.clone()),
            address: view.lot.issuer,
        },
        owner: view.owner,
        issued_at: timestamp(view.lot.issuedAt)?,
        expires_at: if view.lot.expiresAt == 0 {
            None
        } else {
            Some(timestamp(view.lot.expiresAt)?)
        },
        credential_hash: view.lot.credentialHash,
        photo: facts
            .and_then(|facts| facts.photo.as_ref())
            .map(|hash| format!("/v1/blobs/{hash}")),
        parents: view.parents,
        children: view.children,
        transaction: node.contracts.issuance(id, view.lot.issuedBlock).await?,
        page: format!("/c/{id}"),
    })
}
