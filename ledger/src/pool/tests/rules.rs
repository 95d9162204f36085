//! Checks that need no state, on transactions that a wallet signed.

use alloy::{
    consensus::{TxEip4844, TxEip7702, TxLegacy, TypedTransaction},
    eips::{
        eip2930::{AccessList, AccessListItem},
        eip7702::{Authorization, SignedAuthorization},
    },
    primitives::{B256, Bytes, ChainId, uint},
    signers::{SignerSync, local::PrivateKeySigner},
};
use phytomer_primitives::Transaction;

use super::*;
use crate::pool::{Rules, check, intrinsic_gas};

const RULES: Rules = Rules {
    chain_id: 7,
    block_gas_limit: 60_000_000,
};

fn wallet() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap()
}

fn sign<T: SignableTransaction<Signature>>(fields: T) -> Transaction
where
    Transaction: From<alloy::consensus::Signed<T>>,
{
    let signature = wallet().sign_hash_sync(&fields.signature_hash()).unwrap();
    fields.into_signed(signature).into()
}

fn call(chain_id: ChainId) -> TxEip1559 {
    TxEip1559 {
        chain_id,
        to: TxKind::Call(Address::ZERO),
        ..fees(0, 10, 1)
    }
}

fn refused(transaction: Transaction) -> String {
    check(transaction, &RULES).unwrap_err().to_string()
}

#[test]
fn a_signed_transaction_passes_and_names_its_sender() {
    let recovered = check(sign(call(7)), &RULES).unwrap();
    assert_eq!(recovered.signer(), wallet().address());
}

#[test]
fn transactions_of_other_chains_and_of_no_chain_are_refused() {
    assert_eq!(
        refused(sign(call(8))),
        "invalid sender: invalid chain id for signer: have 8 want 7"
    );
    let legacy = TxLegacy {
        gas_limit: 21_000,
        ..TxLegacy::default()
    };
    assert_eq!(
        refused(sign(legacy)),
        "only replay-protected (EIP-155) transactions allowed over RPC"
    );
}

/// EIP-2: `(r, n - s)` with the other parity is a valid signature of the same key, but not the
/// canonical one.
#[test]
fn the_twin_of_a_signature_is_refused() {
    let order = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
    let fields = call(7);
    let low = wallet().sign_hash_sync(&fields.signature_hash()).unwrap();
    let high = Signature::new(low.r(), order - low.s(), !low.v());
    assert_eq!(
        high.recover_address_from_prehash(&fields.signature_hash())
            .unwrap(),
        wallet().address()
    );
    let transaction = fields.into_signed(high).into();
    assert_eq!(
        refused(transaction),
        "invalid sender: invalid transaction v, r, s values"
    );
}

#[test]
fn types_that_the_chain_does_not_carry_are_refused() {
    let blob = TxEip4844 {
        chain_id: 7,
        gas_limit: 21_000,
        ..TxEip4844::default()
    };
    let typed = TypedTransaction::Eip4844(blob.clone().into());
    assert_eq!(typed.tx_type() as u8, 3);
    assert_eq!(
        refused(sign(blob)),
        "transaction type not supported: this chain carries no blobs (EIP-4844)"
    );
    let empty = TxEip7702 {
        chain_id: 7,
        gas_limit: 100_000,
        ..TxEip7702::default()
    };
    assert_eq!(
        refused(sign(empty)),
        "set code tx must have at least one authorization tuple"
    );
}

#[test]
fn limits_of_size_and_gas_are_named() {
    let with = |gas_limit, input: Vec<u8>, to| {
        sign(TxEip1559 {
            gas_limit,
            input: input.into(),
            to,
            ..call(7)
        })
    };
    let callee = TxKind::Call(Address::ZERO);
    let size = refused(with(30_000_000, vec![0; 131_072], callee));
    assert!(
        size.starts_with("oversized data: transaction size 1311") && size.ends_with("limit 131072"),
        "{size}"
    );
    assert_eq!(
        refused(with(16_000_000, vec![0; 49_153], TxKind::Create)),
        "max initcode size exceeded: code size 49153, limit 49152"
    );
    assert_eq!(
        refused(with(60_000_001, vec![], callee)),
        "exceeds block gas limit"
    );
    assert_eq!(
        refused(with(16_777_217, vec![], callee)),
        "transaction gas limit too high (cap: 16777216, tx: 16777217)"
    );
    assert_eq!(
        refused(with(20_999, vec![], callee)),
        "intrinsic gas too low: gas 20999, minimum needed 21000"
    );
    assert_eq!(
        refused(with(37_799, vec![1; 420], callee)),
        "insufficient gas for floor data gas cost: gas 37799, minimum needed 37800"
    );
    assert_eq!(
        refused(sign(TxEip1559 {
            max_priority_fee_per_gas: 11,
            ..call(7)
        })),
        "max priority fee per gas higher than max fee per gas"
    );
    assert_eq!(
        refused(sign(TxEip1559 {
            nonce: u64::MAX,
            ..call(7)
        })),
        "nonce has max value"
    );
    assert!(check(with(37_800, vec![1; 420], callee), &RULES).is_ok());
}

/// The sums of EIP-2028, EIP-2930, EIP-3860, EIP-7623 and EIP-7702, by hand.
#[test]
fn intrinsic_gas_adds_up() {
    let creation = TxEip1559 {
        to: TxKind::Create,
        input: Bytes::from(vec![1; 33]),
        ..call(7)
    };
    assert_eq!(
        intrinsic_gas(&sign(creation)).initial,
        21_000 + 33 * 16 + 32_000 + 2 * 2
    );

    let access = AccessListItem {
        address: Address::ZERO,
        storage_keys: vec![B256::ZERO; 3],
    };
    let listed = TxEip1559 {
        access_list: AccessList(vec![access.clone(), access]),
        ..call(7)
    };
    assert_eq!(
        intrinsic_gas(&sign(listed)).initial,
        21_000 + 2 * 2_400 + 6 * 1_900
    );

    let authorization = Authorization {
        chain_id: U256::from(7),
        address: Address::ZERO,
        nonce: 0,
    };
    let signed = SignedAuthorization::new_unchecked(authorization, 0, U256::ONE, U256::ONE);
    let delegating = TxEip7702 {
        chain_id: 7,
        authorization_list: vec![signed; 2],
        input: Bytes::from(vec![0, 1]),
        ..TxEip7702::default()
    };
    let gas = intrinsic_gas(&sign(delegating));
    assert_eq!(
        (gas.initial, gas.floor),
        (21_000 + 4 + 16 + 2 * 25_000, 21_000 + 5 * 10)
    );
}
