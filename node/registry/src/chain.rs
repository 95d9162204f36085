//! What the contracts say, as the documents of this crate.

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, FixedBytes, U256};
use alloy::rpc::types::{Filter, Log, TransactionRequest};
use alloy::sol_types::{SolCall, SolEvent};
use jiff::Timestamp;
use phytomer_contracts::{
    self as contracts, Escrow, IssuerRegistry, PlantCertificate, Reason, Unit, revert_reason,
};
use phytomer_genesis::predeploy;
use phytomer_ledger::{Call, CallError, Ledger, QueryError};

use crate::error::Error;
use crate::types::{
    CertificateId, Offer, OfferId, OfferStatus, ParentShare, Price, Status, StatusCause,
    TransactionView,
};

/// tUSD has six decimals.
const TUSD_DECIMALS: u8 = 6;

/// A lot as the certificate contract keeps it, with what the contract computes.
pub(crate) struct LotView {
    pub(crate) lot: PlantCertificate::Lot,
    pub(crate) owner: Address,
    pub(crate) status: Status,
    pub(crate) cause: Option<StatusCause>,
    pub(crate) locked: bool,
    pub(crate) parents: Vec<ParentShare>,
    pub(crate) children: Vec<CertificateId>,
}

/// What a status list needs to know of a certificate.
pub(crate) struct StandingView {
    pub(crate) issuer: Address,
    pub(crate) status_index: u64,
    pub(crate) status: Status,
}

/// Reads the predeployed contracts at the head.
#[derive(Clone)]
pub(crate) struct Contracts {
    ledger: Ledger,
}

impl Contracts {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    /// A lot with owner, status and relations; `None` where there is no such certificate.
    pub(crate) async fn lot(&self, id: CertificateId) -> Result<Option<LotView>, Error> {
        if id.0 == 0 || id.0 > self.total_supply().await? {
            return Ok(None);
        }
        let token = id.to_u256();
        let certificate = predeploy::PLANT_CERTIFICATE;
        let lot = self
            .call(certificate, PlantCertificate::lotCall { id: token })
            .await?;
        let owner = self
            .call(
                certificate,
                PlantCertificate::ownerOfCall { tokenId: token },
            )
            .await?;
        let locked = self
            .call(certificate, PlantCertificate::lockedCall { id: token })
            .await?;
        let parents = self
            .call(certificate, PlantCertificate::parentsCall { id: token })
            .await?;
        let (status, cause) = self.status(id, &lot).await?;
        Ok(Some(LotView {
            owner,
            status,
            cause,
            locked,
            parents: shares(&parents)?,
            children: self.children(id).await?,
            lot,
        }))
    }

    /// The effective status of a lot and, where it is not active, what causes it.
    async fn status(
        &self,
        id: CertificateId,
        lot: &PlantCertificate::Lot,
    ) -> Result<(Status, Option<StatusCause>), Error> {
        let call = PlantCertificate::effectiveStatusCall { id: id.to_u256() };
        let effective = self.call(predeploy::PLANT_CERTIFICATE, call).await?;
        let status = status(effective.status)?;
        if status == Status::Active {
            return Ok(if effective.expired {
                (Status::Expired, None)
            } else {
                (Status::Active, None)
            });
        }
        let cause = certificate_id(effective.cause)?;
        let ancestor;
        let at = if cause == id {
            lot
        } else {
            ancestor = self
                .call(
                    predeploy::PLANT_CERTIFICATE,
                    PlantCertificate::lotCall {
                        id: cause.to_u256(),
                    },
                )
                .await?;
            &ancestor
        };
        let cause = StatusCause {
            certificate: cause,
            status,
            reason: reason(at.reason),
            block: at.statusBlock,
        };
        Ok((status, Some(cause)))
    }

    /// Who issued a certificate, under which status index, and where it stands.
    pub(crate) async fn standing(&self, id: CertificateId) -> Result<StandingView, Error> {
        let lot = self
            .call(
                predeploy::PLANT_CERTIFICATE,
                PlantCertificate::lotCall { id: id.to_u256() },
            )
            .await?;
        let (status, _) = self.status(id, &lot).await?;
        Ok(StandingView {
            issuer: lot.issuer,
            status_index: lot.statusIndex,
            status,
        })
    }

    /// The lots that were made of a lot.
    pub(crate) async fn children(&self, id: CertificateId) -> Result<Vec<CertificateId>, Error> {
        let call = PlantCertificate::childrenCall { id: id.to_u256() };
        let children = self.call(predeploy::PLANT_CERTIFICATE, call).await?;
        children.into_iter().map(certificate_id).collect()
    }

    /// The certificates whose own status changed in the blocks `first` to `last`.
    pub(crate) async fn status_changes(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<CertificateId>, Error> {
        let filter = Filter::new()
            .address(predeploy::PLANT_CERTIFICATE)
            .event_signature(PlantCertificate::StatusChanged::SIGNATURE_HASH)
            .from_block(first)
            .to_block(last);
        let logs = self.ledger.logs(filter).await.map_err(refusal)?;
        let id = |log: &Log| {
            PlantCertificate::StatusChanged::decode_log(&log.inner)
                .ok()
                .map(|event| event.id)
        };
        logs.iter().filter_map(id).map(certificate_id).collect()
    }

    /// How many certificates were ever issued; ids run from 1 to this.
    pub(crate) async fn total_supply(&self) -> Result<u64, Error> {
        let supply = self
            .call(
                predeploy::PLANT_CERTIFICATE,
                PlantCertificate::totalSupplyCall {},
            )
            .await?;
        u64::try_from(supply).map_err(|_| corrupt("totalSupply", "it exceeds 2^64"))
    }

    /// The certificate that carries a credential hash.
    pub(crate) async fn certificate_of(
        &self,
        credential_hash: B256,
    ) -> Result<Option<CertificateId>, Error> {
        let call = PlantCertificate::idOfCredentialCall {
            credentialHash: credential_hash,
        };
        let id = self.call(predeploy::PLANT_CERTIFICATE, call).await?;
        if id.is_zero() {
            Ok(None)
        } else {
            certificate_id(id).map(Some)
        }
    }

    /// Whether an issuer has used a status index already.
    pub(crate) async fn status_index_used(
        &self,
        issuer: Address,
        index: u64,
    ) -> Result<bool, Error> {
        self.call(
            predeploy::PLANT_CERTIFICATE,
            PlantCertificate::statusIndexUsedCall { issuer, index },
        )
        .await
    }

    /// What the issuer registry says about an account.
    pub(crate) async fn issuer(&self, account: Address) -> Result<IssuerRegistry::Issuer, Error> {
        self.call(
            predeploy::ISSUER_REGISTRY,
            IssuerRegistry::issuerOfCall { issuer: account },
        )
        .await
    }

    /// An offer in escrow.
    pub(crate) async fn offer(&self, id: OfferId) -> Result<Option<Offer>, Error> {
        let offer = self
            .call(predeploy::ESCROW, Escrow::offersCall { id: id.to_u256() })
            .await?;
        let Some(status) = offer_status(offer.status)? else {
            return Ok(None);
        };
        Ok(Some(Offer {
            id,
            certificate: certificate_id(offer.certificate)?,
            seller: offer.seller,
            buyer: (!offer.buyer.is_zero()).then_some(offer.buyer),
            price: Price {
                value: format_tusd(offer.price),
                currency: "tUSD".into(),
            },
            status,
            transaction: None,
        }))
    }

    /// Where a certificate was issued.
    pub(crate) async fn issuance(
        &self,
        id: CertificateId,
        block: u64,
    ) -> Result<TransactionView, Error> {
        let filter = Filter::new()
            .address(predeploy::PLANT_CERTIFICATE)
            .event_signature(PlantCertificate::Issued::SIGNATURE_HASH)
            .topic1(id.to_u256())
            .from_block(block)
            .to_block(block);
        let logs = self.ledger.logs(filter).await.map_err(refusal)?;
        let hash = logs
            .first()
            .and_then(|log| log.transaction_hash)
            .ok_or_else(|| corrupt("event `Issued`", "it is missing"))?;
        let receipt = self.ledger.receipt(hash).await.map_err(refusal)?;
        let receipt = receipt.ok_or_else(|| corrupt("receipt", "it is missing"))?;
        Ok(TransactionView {
            hash,
            block,
            gas_used: receipt.gas_used.into(),
        })
    }

    /// Calls a view function at the head.
    pub(crate) async fn call<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return, Error> {
        let request = TransactionRequest::default()
            .to(to)
            .input(call.abi_encode().into());
        let call = Call {
            request,
            block: BlockId::latest(),
            ..Call::default()
        };
        let output = self.ledger.call(call).await.map_err(refusal)?;
        C::abi_decode_returns(&output).map_err(|error| corrupt(C::SIGNATURE, &error.to_string()))
    }
}

/// An error of the ledger as an error of a use case; a revert in words.
pub(crate) fn refusal(error: QueryError) -> Error {
    match error {
        QueryError::Call(CallError::Reverted { output, .. }) => {
            let reason = revert_reason(&output)
                .unwrap_or_else(|| format!("the contract reverted with {output}"));
            Error::Refused { reason }
        }
        other => Error::Ledger(other.to_string()),
    }
}

/// The time of a block.
pub(crate) fn timestamp(seconds: u64) -> Result<Timestamp, Error> {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or_else(|| corrupt("timestamp", "it lies outside of what a calendar holds"))
}

pub(crate) fn certificate_id(id: U256) -> Result<CertificateId, Error> {
    u64::try_from(id)
        .map(CertificateId)
        .map_err(|_| corrupt("certificate id", "it exceeds 2^64"))
}

fn shares(parents: &PlantCertificate::parentsReturn) -> Result<Vec<ParentShare>, Error> {
    parents
        .ids
        .iter()
        .zip(&parents.quantities)
        .map(|(id, quantity)| {
            Ok(ParentShare {
                id: certificate_id(*id)?,
                quantity: *quantity,
            })
        })
        .collect()
}

fn status(on_chain: u8) -> Result<Status, Error> {
    use contracts::Status as OnChain;
    match OnChain::try_from(on_chain) {
        Ok(OnChain::Active) => Ok(Status::Active),
        Ok(OnChain::Suspended) => Ok(Status::Suspended),
        Ok(OnChain::Revoked) => Ok(Status::Revoked),
        Ok(OnChain::Retired) => Ok(Status::Retired),
        Ok(OnChain::Superseded) => Ok(Status::Superseded),
        Ok(OnChain::None) => Err(corrupt(
            "status",
            "a certificate within the supply has none",
        )),
        Err(unknown) => Err(corrupt("status", &unknown.to_string())),
    }
}

/// The word for a status in the contract.
pub(crate) fn status_name(on_chain: u8) -> String {
    status(on_chain).map_or_else(|_| "unknown".into(), |status| status.to_string())
}

/// The text of a reason code; hexadecimal where a contract of another program wrote no text.
pub(crate) fn reason(code: B256) -> String {
    Reason::try_from(code).map_or_else(|_| code.to_string(), |reason| reason.to_string())
}

fn offer_status(on_chain: u8) -> Result<Option<OfferStatus>, Error> {
    use contracts::OfferStatus as OnChain;
    Ok(
        match OnChain::try_from(on_chain)
            .map_err(|unknown| corrupt("offer status", &unknown.to_string()))?
        {
            OnChain::None => None,
            OnChain::Open => Some(OfferStatus::Open),
            OnChain::Funded => Some(OfferStatus::Funded),
            OnChain::Completed => Some(OfferStatus::Completed),
            OnChain::Cancelled => Some(OfferStatus::Cancelled),
            OnChain::Refunded => Some(OfferStatus::Refunded),
            OnChain::Disputed => Some(OfferStatus::Disputed),
        },
    )
}

/// tUSD's smallest units as a decimal, without trailing zeros.
pub(crate) fn format_tusd(units: U256) -> String {
    let text = alloy::primitives::utils::format_units(units, TUSD_DECIMALS)
        .expect("6 is a valid number of decimals");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A decimal as tUSD's smallest units.
pub(crate) fn parse_tusd(text: &str) -> Result<U256, Error> {
    let invalid = |why: &str| Error::Invalid {
        field: "price",
        why: why.into(),
    };
    if text.is_empty()
        || !text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return Err(invalid(
            "it is not a decimal number; write it like \"25\" or \"0.5\"",
        ));
    }
    if text
        .split_once('.')
        .is_some_and(|(_, decimals)| decimals.len() > usize::from(TUSD_DECIMALS))
    {
        return Err(invalid("tUSD has six decimals at most"));
    }
    let units = alloy::primitives::utils::parse_units(text, TUSD_DECIMALS)
        .map_err(|_| invalid("it is too large or not a decimal number"))?
        .get_absolute();
    if units.is_zero() {
        Err(invalid("it must be more than zero"))
    } else {
        Ok(units)
    }
}

/// A unit code as the documents have it.
pub(crate) fn unit(code: FixedBytes<3>) -> Result<String, Error> {
    Unit::try_from(code)
        .map(|unit| unit.to_string())
        .map_err(|error| corrupt("unit", &error.to_string()))
}

fn corrupt(what: &'static str, why: &str) -> Error {
    Error::Corrupt {
        what,
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_price_that_is_written_is_read_back(units in 1u128..) {
            let units = U256::from(units);
            prop_assert_eq!(parse_tusd(&format_tusd(units)).unwrap(), units);
        }

        #[test]
        fn any_text_is_a_price_or_a_clear_error(text in ".{0,40}") {
            if let Err(error) = parse_tusd(&text) {
                let names_the_field = matches!(error, Error::Invalid { field: "price", .. });
                prop_assert!(names_the_field, "{}", error);
            }
        }
    }

    #[test]
    fn prices_have_six_decimals() {
        assert_eq!(parse_tusd("25").unwrap(), U256::from(25_000_000));
        assert_eq!(parse_tusd("0.000001").unwrap(), U256::from(1));
        assert_eq!(format_tusd(U256::from(25_500_000)), "25.5");
        for wrong in ["", "0", "0.0000001", "-1", "1e3", "1,5", "1.2.3", ".", "٣"] {
            assert!(parse_tusd(wrong).is_err(), "{wrong}");
        }
    }
}
