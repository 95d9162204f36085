//! Trade: offering a certificate in escrow.
//!
//! The node acts for its issuer only. Buyers pay, confirm and claim with their
//! own keys, by their own transactions.

use alloy::primitives::{Address, U256};
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::SolEvent;
use phytomer_contracts::{Escrow, PlantCertificate};
use phytomer_genesis::predeploy;

use crate::chain::parse_tusd;
use crate::error::Error;
use crate::registry::Inner;
use crate::types::{CertificateId, Offer, OfferId, OfferRequest, Status, TransactionView};

/// Puts a certificate of this issuer into escrow, for a price.
pub(crate) async fn offer(
    node: &Inner,
    id: CertificateId,
    request: OfferRequest,
) -> Result<Offer, Error> {
    node.check_producing()?;
    let price = parse_tusd(&request.price)?;
    let view = node
        .contracts
        .lot(id)
        .await?
        .ok_or(Error::UnknownCertificate { id })?;
    if view.owner != node.signer.address() {
        return Err(Error::Refused {
            reason: format!(
                "certificate {id} belongs to {}, not to this node's issuer",
                view.owner
            ),
        });
    }
    if view.locked || view.status != Status::Active {
        return Err(Error::Refused {
            reason: format!("certificate {id} is {} and cannot be sold", view.status),
        });
    }
    let approve = PlantCertificate::approveCall {
        to: predeploy::ESCROW,
        tokenId: id.to_u256(),
    };
    node.signer
        .transact(predeploy::PLANT_CERTIFICATE, approve)
        .await?;
    let deadline = deadline(node, view.lot.expiresAt);
    let buyer = request.buyer.unwrap_or(Address::ZERO);
    let call = Escrow::offerCall {
        certificate: id.to_u256(),
        price,
        buyer,
        deadline,
    };
    let receipt = node.signer.transact(predeploy::ESCROW, call).await?;
    let offered = offered(&receipt)?;
    let offer = offer_by_id(
        node,
        OfferId(u64::try_from(offered).map_err(|_| missing())?),
    )
    .await?;
    Ok(Offer {
        transaction: Some(place(&receipt)),
        ..offer
    })
}

/// Until when an offer stands: never longer than the certificate (0: no end).
fn deadline(node: &Inner, expires_at: u64) -> u64 {
    let deadline = node.ledger.head().timestamp + node.config.offer_duration_s;
    if expires_at == 0 {
        deadline
    } else {
        deadline.min(expires_at)
    }
}

/// An offer as the escrow contract keeps it.
pub(crate) async fn offer_by_id(node: &Inner, id: OfferId) -> Result<Offer, Error> {
    node.contracts
        .offer(id)
        .await?
        .ok_or(Error::UnknownOffer { id: id.0 })
}

/// Where a transaction stands, for the documents.
pub(crate) fn place(receipt: &TransactionReceipt) -> TransactionView {
    TransactionView {
        hash: receipt.transaction_hash,
        block: receipt.block_number.unwrap_or_default(),
        gas_used: receipt.gas_used.into(),
    }
}

fn offered(receipt: &TransactionReceipt) -> Result<U256, Error> {
    let mut logs = receipt.inner.logs().iter();
    logs.find_map(|log| Escrow::Offered::decode_log(&log.inner).ok())
        .map(|event| event.id)
        .ok_or_else(missing)
}

fn missing() -> Error {
    Error::Corrupt {
        what: "receipt",
        why: "the event `Offered` is missing".into(),
    }
}
