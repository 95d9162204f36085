//! The contracts that Ethereum's rules call in every block.

use std::collections::BTreeMap;

use alloy::{
    eips::{eip2935, eip4788, eip7002, eip7251},
    genesis::GenesisAccount,
    primitives::{Address, Bytes},
};

/// The system contracts of the Prague and Osaka forks, as go-ethereum's development genesis has
/// them: nonce 1 and no storage.
pub(crate) fn contracts() -> BTreeMap<Address, GenesisAccount> {
    let contracts: [(Address, &Bytes); 4] = [
        (eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE),
        (
            eip2935::HISTORY_STORAGE_ADDRESS,
            &eip2935::HISTORY_STORAGE_CODE,
        ),
        (
            eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
            &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE,
        ),
        (
            eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
            &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE,
        ),
    ];
    contracts
        .into_iter()
        .map(|(address, code)| {
            let account = GenesisAccount::default()
                .with_nonce(Some(1))
                .with_code(Some(code.clone()));
            (address, account)
        })
        .collect()
}
