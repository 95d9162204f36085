//! Why a call was reverted, in words.

use alloy::sol_types::{ContractError, SolInterface};

use crate::bindings::{
    AccessManager::AccessManagerErrors, Escrow::EscrowErrors, IssuerRegistry::IssuerRegistryErrors,
    ModelRegistry::ModelRegistryErrors, PlantCertificate::PlantCertificateErrors,
    TestUSD::TestUSDErrors,
};

/// Names the error that reverted a call to any of the contracts, with its facts, e.g.
/// `LotLocked { id: 2, status: 2, expired: false, cause: 1 }`; the text of a plain revert or the
/// code of a panic. `None` when the data is of none of them.
pub fn revert_reason(data: &[u8]) -> Option<String> {
    fn named<E: SolInterface + std::fmt::Debug>(data: &[u8]) -> Option<String> {
        match ContractError::<E>::abi_decode(data).ok()? {
            ContractError::CustomError(error) => Some(unwrapped(&format!("{error:?}"))),
            ContractError::Revert(revert) => Some(revert.reason().to_owned()),
            ContractError::Panic(panic) => Some(panic.to_string()),
        }
    }
    named::<PlantCertificateErrors>(data)
        .or_else(|| named::<EscrowErrors>(data))
        .or_else(|| named::<IssuerRegistryErrors>(data))
        .or_else(|| named::<ModelRegistryErrors>(data))
        .or_else(|| named::<TestUSDErrors>(data))
        .or_else(|| named::<AccessManagerErrors>(data))
}

/// `Name(Name { … })`, as an enum of errors prints itself, without the doubled name.
fn unwrapped(text: &str) -> String {
    text.split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(text)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::{U256, hex},
        sol_types::{Panic, PanicKind, Revert, SolError},
    };

    use super::*;
    use crate::{Escrow, PlantCertificate};

    #[test]
    fn names_the_error_and_its_facts() {
        let error = PlantCertificate::LotLocked {
            id: U256::from(2),
            status: 2,
            expired: false,
            cause: U256::from(1),
        };
        assert_eq!(
            revert_reason(&error.abi_encode()).as_deref(),
            Some("LotLocked { id: 2, status: 2, expired: false, cause: 1 }")
        );
        let error = Escrow::NoPrice {};
        assert_eq!(
            revert_reason(&error.abi_encode()).as_deref(),
            Some("NoPrice")
        );
    }

    #[test]
    fn names_reverts_and_panics() {
        let revert = Revert::from("no");
        assert_eq!(revert_reason(&revert.abi_encode()).as_deref(), Some("no"));
        let panic = Panic::from(PanicKind::UnderOverflow);
        assert!(revert_reason(&panic.abi_encode()).is_some());
    }

    #[test]
    fn unknown_data_has_no_reason() {
        assert_eq!(revert_reason(&[]), None);
        assert_eq!(revert_reason(&hex!("deadbeef")), None);
        assert_eq!(revert_reason(&hex!("08c379a0ff")), None);
    }
}
