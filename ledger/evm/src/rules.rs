//! The rules of a chain: which forks apply when, and what a header must say.

use alloy::{
    consensus::Header,
    eips::{BlobScheduleBlobParams, eip1559::BaseFeeParams, eip7840::BlobParams},
    genesis::ChainConfig,
    primitives::{Address, U256},
};
use alloy_evm::{EvmEnv, eth::spec::EthExecutorSpec};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use phytomer_genesis::Spec;

/// The base fee of the first block that has one, when the genesis names none: 1 gwei (EIP-1559).
pub(crate) const INITIAL_BASE_FEE: u64 = 1_000_000_000;

/// The rules of a chain.
#[derive(Clone, Debug)]
pub struct Rules {
    config: ChainConfig,
    blobs: BlobScheduleBlobParams,
}

impl Rules {
    /// The rules of the chain with this specification.
    #[must_use]
    pub fn new(spec: &Spec) -> Self {
        let config = spec.genesis.config.clone();
        Self {
            blobs: config.blob_schedule_blob_params(),
            config,
        }
    }

    /// The chain id (EIP-155).
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.config.chain_id
    }

    /// The base fee of the block after `parent`, in wei per gas (EIP-1559).
    #[must_use]
    pub fn next_base_fee(&self, parent: &Header) -> u64 {
        parent
            .next_block_base_fee(BaseFeeParams::ethereum())
            .unwrap_or(INITIAL_BASE_FEE)
    }

    /// The excess blob gas of the block after `parent` at `timestamp` (EIP-4844, EIP-7918).
    pub(crate) fn next_excess_blob_gas(&self, parent: &Header, timestamp: u64) -> Option<u64> {
        let params = self.blob_params(timestamp)?;
        Some(
            parent
                .next_block_excess_blob_gas(params)
                .unwrap_or_default(),
        )
    }

    /// What the EVM knows of the block and its rules.
    pub(crate) fn environment(&self, header: &Header) -> EvmEnv {
        EvmEnv::for_eth_block(
            header,
            self,
            self.chain_id(),
            self.blob_params(header.timestamp),
        )
    }

    fn blob_params(&self, timestamp: u64) -> Option<BlobParams> {
        if let Some(params) = self.blobs.active_scheduled_params_at_timestamp(timestamp) {
            Some(*params)
        } else if self.is_osaka_active_at_timestamp(timestamp) {
            Some(*self.blobs.osaka())
        } else if self.is_prague_active_at_timestamp(timestamp) {
            Some(*self.blobs.prague())
        } else if self.is_cancun_active_at_timestamp(timestamp) {
            Some(*self.blobs.cancun())
        } else {
            None
        }
    }
}

impl EthereumHardforks for Rules {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        use EthereumHardfork as Fork;
        let config = &self.config;
        let block = |number: Option<u64>| number.map_or(ForkCondition::Never, ForkCondition::Block);
        let time = |time: Option<u64>| time.map_or(ForkCondition::Never, ForkCondition::Timestamp);
        match fork {
            Fork::Frontier => ForkCondition::ZERO_BLOCK,
            Fork::Homestead => block(config.homestead_block),
            Fork::Dao => block(config.dao_fork_block.filter(|_| config.dao_fork_support)),
            Fork::Tangerine => block(config.eip150_block),
            Fork::SpuriousDragon => block(config.eip158_block),
            Fork::Byzantium => block(config.byzantium_block),
            Fork::Constantinople => block(config.constantinople_block),
            Fork::Petersburg => block(config.petersburg_block),
            Fork::Istanbul => block(config.istanbul_block),
            Fork::MuirGlacier => block(config.muir_glacier_block),
            Fork::Berlin => block(config.berlin_block),
            Fork::London => block(config.london_block),
            Fork::ArrowGlacier => block(config.arrow_glacier_block),
            Fork::GrayGlacier => block(config.gray_glacier_block),
            Fork::Paris => paris(config),
            Fork::Shanghai => time(config.shanghai_time),
            Fork::Cancun => time(config.cancun_time),
            Fork::Prague => time(config.prague_time),
            Fork::Osaka => time(config.osaka_time),
            Fork::Bpo1 => time(config.bpo1_time),
            Fork::Bpo2 => time(config.bpo2_time),
            Fork::Bpo3 => time(config.bpo3_time),
            Fork::Bpo4 => time(config.bpo4_time),
            Fork::Bpo5 => time(config.bpo5_time),
            Fork::Amsterdam => time(config.amsterdam_time),
            Fork::Bogota => time(config.bogota_time),
            // A fork that this version of the rules does not know is not active.
            _ => ForkCondition::Never,
        }
    }
}

/// The merge happens at genesis when no work is needed before it, else at the block that the
/// genesis names.
fn paris(config: &ChainConfig) -> ForkCondition {
    match (
        config.terminal_total_difficulty,
        config.merge_netsplit_block,
    ) {
        (Some(U256::ZERO), _) => ForkCondition::ZERO_BLOCK,
        (_, Some(number)) => ForkCondition::Block(number),
        _ => ForkCondition::Never,
    }
}

impl EthExecutorSpec for Rules {
    fn deposit_contract_address(&self) -> Option<Address> {
        self.config.deposit_contract_address
    }
}
