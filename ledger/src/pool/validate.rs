//! Checks that need no state.

use alloy::{
    consensus::{
        Transaction as _,
        transaction::{Recovered as RecoveredOf, SignerRecoverable},
    },
    eips::{eip2718::Encodable2718, eip7825::MAX_TX_GAS_LIMIT_OSAKA},
    primitives::ChainId,
};
use phytomer_primitives::{Recovered, Transaction, codec::TRANSACTION_BYTES_MAX};

use super::{Rejection, intrinsic_gas};

/// The most bytes of init code (EIP-3860).
const INIT_CODE_BYTES_MAX: usize = 49_152;

/// What a transaction is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The chain that it must be signed for.
    pub chain_id: ChainId,
    /// Gas limit of the next block.
    pub block_gas_limit: u64,
}

/// Checks everything about a transaction that does not depend on the state, and recovers its
/// sender. This is the only place where a signature is verified; it is by far the dearest check
/// and comes last.
///
/// # Errors
/// Why the transaction could never be mined on this chain.
pub fn check(transaction: Transaction, rules: &Rules) -> Result<Recovered, Rejection> {
    check_shape(&transaction, rules)?;
    check_gas(&transaction, rules)?;
    // Refuses signatures with a high s (EIP-2), which anybody could derive from the low one.
    let sender = transaction
        .recover_signer()
        .map_err(|_| Rejection::InvalidSignature)?;
    Ok(RecoveredOf::new_unchecked(transaction, sender))
}

fn check_shape(transaction: &Transaction, rules: &Rules) -> Result<(), Rejection> {
    let bytes = transaction.encode_2718_len();
    if bytes > TRANSACTION_BYTES_MAX {
        return Err(Rejection::TooLarge {
            bytes,
            max: TRANSACTION_BYTES_MAX,
        });
    }
    if transaction.is_eip4844() {
        return Err(Rejection::BLOBS);
    }
    match transaction.chain_id() {
        None => return Err(Rejection::NotReplayProtected),
        Some(have) if have != rules.chain_id => {
            return Err(Rejection::WrongChain {
                have,
                want: rules.chain_id,
            });
        }
        Some(_) => {}
    }
    if transaction.is_create() && transaction.input().len() > INIT_CODE_BYTES_MAX {
        let bytes = transaction.input().len();
        return Err(Rejection::InitCodeTooLarge {
            bytes,
            max: INIT_CODE_BYTES_MAX,
        });
    }
    if transaction
        .authorization_list()
        .is_some_and(<[_]>::is_empty)
    {
        return Err(Rejection::EmptyAuthorizationList);
    }
    // EIP-2681: an account's nonce stays below 2^64 - 1, and a transaction increments it.
    if transaction.nonce() >= u64::MAX - 1 {
        return Err(Rejection::NonceMax);
    }
    Ok(())
}

fn check_gas(transaction: &Transaction, rules: &Rules) -> Result<(), Rejection> {
    let (gas, fee) = (transaction.gas_limit(), transaction.max_fee_per_gas());
    if gas > rules.block_gas_limit {
        return Err(Rejection::ExceedsBlockGasLimit);
    }
    if gas > MAX_TX_GAS_LIMIT_OSAKA {
        return Err(Rejection::GasLimitTooHigh {
            cap: MAX_TX_GAS_LIMIT_OSAKA,
            gas,
        });
    }
    if let Some(tip) = transaction
        .max_priority_fee_per_gas()
        .filter(|tip| *tip > fee)
    {
        return Err(Rejection::TipAboveFee { tip, fee });
    }
    let needed = intrinsic_gas(transaction);
    if gas < needed.initial {
        return Err(Rejection::IntrinsicGasTooLow {
            gas,
            needed: needed.initial,
        });
    }
    if gas < needed.floor {
        return Err(Rejection::FloorDataGas {
            gas,
            needed: needed.floor,
        });
    }
    Ok(())
}
