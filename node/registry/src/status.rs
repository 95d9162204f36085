//! Status lists, derived from the ledger and signed; and the indexes in them.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
pub use phytomer_identity::StatusPurpose;
use phytomer_identity::{Iri, ProofOptions, StatusList, StatusListCredential, StatusReference};
use tokio::sync::Mutex;

use crate::certify::field;
use crate::error::Error;
use crate::registry::Inner;
use crate::types::{CertificateId, Status};

/// How long a copy of a status list may be used.
const LIST_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// A list that is older than this is signed anew, though nothing changed.
const LIST_REFRESH: SignedDuration = SignedDuration::from_hours(1);
/// How many blocks one search for status changes spans.
const SCAN_BLOCKS_MAX: u64 = 10_000;
/// How many used indexes in a row are skipped when the ledger knows more than
/// this node, as after its folder was restored from an old copy.
const INDEX_SKIPS_MAX: u64 = 100_000;

/// Gives out status indexes, each once.
#[derive(Default)]
pub(crate) struct StatusIndexes {
    order: Mutex<()>,
}

impl StatusIndexes {
    /// Takes `count` indexes in a row; durable before it returns.
    pub(crate) async fn take(&self, node: &Inner, count: u64) -> Result<u64, Error> {
        let _order = self.order.lock().await;
        let start = node.documents.next_status_index().await?;
        let mut first = start;
        let mut index = start;
        while index < first + count {
            if node
                .contracts
                .status_index_used(node.signer.address(), index)
                .await?
            {
                first = index + 1;
            }
            index += 1;
            if first > start + INDEX_SKIPS_MAX {
                return Err(Error::Corrupt {
                    what: "status index counter",
                    why: format!(
                        "the ledger knows {INDEX_SKIPS_MAX} indexes that this node does not"
                    ),
                });
            }
        }
        node.documents.reserve_status_indexes(first + count).await?;
        Ok(first)
    }
}

/// What was read of the ledger so far, and the lists that were signed last.
#[derive(Default)]
pub(crate) struct StatusLists {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The first block whose status changes were not read yet.
    next_block: u64,
    /// Certificates whose own status was ever changed.
    changed: BTreeSet<CertificateId>,
    signed: HashMap<StatusPurpose, Signed>,
}

struct Signed {
    at: Timestamp,
    bytes: Bytes,
}

impl Inner {
    /// Where the status of the certificate with this index will stand.
    pub(crate) fn status_reference(&self, index: u64) -> Result<StatusReference, Error> {
        Ok(StatusReference {
            revocation_list: self.status_list_id(StatusPurpose::Revocation)?,
            suspension_list: self.status_list_id(StatusPurpose::Suspension)?,
            index,
        })
    }

    fn status_list_id(&self, purpose: StatusPurpose) -> Result<Iri, Error> {
        field(
            "publicUrl",
            &format!("{}/v1/status-lists/{purpose}", self.public_url()),
        )
    }
}

/// This issuer's list for a purpose at the ledger's head, signed. A signed list
/// is used until a status changes or it grows old.
pub(crate) async fn list(node: &Inner, purpose: StatusPurpose) -> Result<Bytes, Error> {
    let mut state = node.status_lists.state.lock().await;
    catch_up(node, &mut state).await?;
    let now = Timestamp::now();
    if let Some(list) = state.signed.get(&purpose)
        && now.duration_since(list.at) < LIST_REFRESH
    {
        return Ok(list.bytes.clone());
    }
    let credential = StatusListCredential {
        id: node.status_list_id(purpose)?,
        issuer: node.issuer.did().clone(),
        purpose,
        valid_from: now,
        valid_until: Some(now + LIST_LIFETIME),
        list: bits(node, &state.changed, purpose).await?,
    };
    let issued = node
        .issuer
        .issue_status_list(&credential, &ProofOptions::at(now))
        .map_err(Error::Identity)?;
    let bytes = Bytes::from(issued.to_bytes());
    state.signed.insert(
        purpose,
        Signed {
            at: now,
            bytes: bytes.clone(),
        },
    );
    Ok(bytes)
}

/// Reads the status changes of the blocks since the last time. Each drops the
/// signed lists. Blocks without a change leave them as they are, because a lot
/// under a suspended or revoked one is locked and gets no new children.
async fn catch_up(node: &Inner, state: &mut State) -> Result<(), Error> {
    let head = node.ledger.head().number.0;
    while state.next_block <= head {
        let last = head.min(state.next_block + SCAN_BLOCKS_MAX - 1);
        let changed = node
            .contracts
            .status_changes(state.next_block, last)
            .await?;
        if !changed.is_empty() {
            state.signed.clear();
            state.changed.extend(changed);
        }
        state.next_block = last + 1;
    }
    Ok(())
}

/// Sets the bit of every certificate of this issuer that is suspended or
/// revoked, itself or through an ancestor.
async fn bits(
    node: &Inner,
    changed: &BTreeSet<CertificateId>,
    purpose: StatusPurpose,
) -> Result<StatusList, Error> {
    let wanted = match purpose {
        StatusPurpose::Revocation => Status::Revoked,
        StatusPurpose::Suspension => Status::Suspended,
    };
    let mut set = Vec::new();
    let mut visited = changed.clone();
    let mut waiting: Vec<CertificateId> = changed.iter().copied().collect();
    while let Some(id) = waiting.pop() {
        let standing = node.contracts.standing(id).await?;
        if !matches!(standing.status, Status::Revoked | Status::Suspended) {
            continue;
        }
        if standing.status == wanted && standing.issuer == node.signer.address() {
            set.push(standing.status_index);
        }
        waiting.extend(
            node.contracts
                .children(id)
                .await?
                .into_iter()
                .filter(|child| visited.insert(*child)),
        );
    }
    let entries = set.iter().max().map_or(0, |max| max + 1);
    let mut list = StatusList::with_entries(entries).map_err(Error::Identity)?;
    for index in set {
        list.set(index).map_err(Error::Identity)?;
    }
    Ok(list)
}
