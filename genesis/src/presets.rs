//! Named specifications.

use std::collections::BTreeMap;

use alloy::{
    eips::eip7840::BlobParams,
    genesis::{ChainConfig, Genesis, GenesisAccount},
    primitives::{Address, U256, uint},
    sol_types::SolCall,
};
use phytomer_contracts::{AccessManager, Escrow, IssuerRegistry, TestUSD, roles};

use crate::{DevAccount, Issuer, SetupCall, Spec, predeploy, system};

/// The name of a development network.
pub const DEV_NETWORK: &str = "dev";

/// Gas that a block may use.
pub const GAS_LIMIT: u64 = 60_000_000;

/// What each account of a development chain holds at first, in wei: 10,000 PHY.
pub const DEV_BALANCE: U256 = uint!(10_000_000_000_000_000_000_000_U256);

/// What each account of a development chain holds at first in millionths of a tUSD: 10,000 tUSD.
pub const DEV_TUSD: U256 = uint!(10_000_000_000_U256);

/// A development network that begins at `timestamp` (seconds since 1970).
///
/// The ten [`DevAccount`]s and the issuer are funded. [`DevAccount::Admin`] administers the
/// contracts; [`DevAccount::Authority`] is an authority and has accredited `issuer` for all taxa.
#[must_use]
pub fn dev(chain_id: u64, issuer: Issuer, timestamp: u64) -> Spec {
    let mut alloc = system::contracts();
    for address in funded(issuer) {
        alloc.insert(address, GenesisAccount::default().with_balance(DEV_BALANCE));
    }
    let genesis = Genesis {
        config: current_forks(chain_id),
        timestamp,
        gas_limit: GAS_LIMIT,
        alloc,
        ..Genesis::default()
    };
    Spec {
        network: DEV_NETWORK.to_owned(),
        genesis,
        predeploys: predeploy::contracts(DevAccount::Admin.address()),
        setup: setup(issuer),
    }
}

/// The calls that give everybody of a development network their part.
fn setup(issuer: Issuer) -> Vec<SetupCall> {
    let (admin, authority) = (DevAccount::Admin.address(), DevAccount::Authority.address());
    let call = |note: &str, from, to, input: Vec<u8>| SetupCall {
        note: note.to_owned(),
        from,
        to,
        input: input.into(),
    };
    let add_authority = IssuerRegistry::addAuthorityCall { account: authority };
    let accredit = IssuerRegistry::accreditCall {
        issuer: issuer.address,
        didHash: issuer.did_hash,
        taxa: Vec::new(),
        validUntil: 0,
    };
    let let_inspectors_resolve = AccessManager::setTargetFunctionRoleCall {
        target: predeploy::ESCROW,
        selectors: vec![Escrow::resolveCall::SELECTOR.into()],
        roleId: roles::INSPECTOR,
    };
    let inspector = AccessManager::grantRoleCall {
        roleId: roles::INSPECTOR,
        account: authority,
        executionDelay: 0,
    };
    let mut calls = vec![
        call(
            "add the authority",
            admin,
            predeploy::ISSUER_REGISTRY,
            add_authority.abi_encode(),
        ),
        call(
            "accredit the issuer",
            authority,
            predeploy::ISSUER_REGISTRY,
            accredit.abi_encode(),
        ),
        call(
            "let inspectors resolve disputes",
            admin,
            predeploy::ACCESS_MANAGER,
            let_inspectors_resolve.abi_encode(),
        ),
        call(
            "make the authority an inspector",
            admin,
            predeploy::ACCESS_MANAGER,
            inspector.abi_encode(),
        ),
    ];
    calls.extend(DevAccount::ALL.into_iter().map(|account| {
        let mint = TestUSD::mintCall {
            to: account.address(),
            amount: DEV_TUSD,
        };
        call("mint tUSD", admin, predeploy::TUSD, mint.abi_encode())
    }));
    calls
}

fn funded(issuer: Issuer) -> impl Iterator<Item = Address> {
    DevAccount::ALL
        .into_iter()
        .map(DevAccount::address)
        .chain([issuer.address])
}

/// Every fork that is live on Ethereum's main network (Osaka with BPO 2), from the first block.
fn current_forks(chain_id: u64) -> ChainConfig {
    // A genesis file holds target, maximum and fraction; the rest is what its reader makes of it.
    let written = |params: BlobParams| {
        params
            .with_max_blobs_per_tx(params.max_blob_count)
            .with_blob_base_cost(0)
    };
    let blob_schedule = BTreeMap::from([
        ("cancun".to_owned(), written(BlobParams::cancun())),
        ("prague".to_owned(), written(BlobParams::prague())),
        ("osaka".to_owned(), written(BlobParams::osaka())),
        ("bpo1".to_owned(), written(BlobParams::bpo1())),
        ("bpo2".to_owned(), written(BlobParams::bpo2())),
    ]);
    ChainConfig {
        chain_id,
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: Some(0),
        istanbul_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        merge_netsplit_block: Some(0),
        terminal_total_difficulty: Some(U256::ZERO),
        terminal_total_difficulty_passed: true,
        shanghai_time: Some(0),
        cancun_time: Some(0),
        prague_time: Some(0),
        osaka_time: Some(0),
        bpo1_time: Some(0),
        bpo2_time: Some(0),
        blob_schedule,
        ..ChainConfig::default()
    }
}
