//! tUSD: what wallets and x402 clients sign is what the contract accepts.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    signers::{SignerSync, local::PrivateKeySigner},
    sol,
    sol_types::{Eip712Domain, SolStruct, eip712_domain},
};
use phytomer_contracts::TestUSD as T;

use crate::{
    chain::refused,
    world::{BEGIN, FUNDS, World, who},
};

sol! {
    // Written out from EIP-2612 and EIP-3009, not read from the contract.
    #[derive(Debug)]
    struct Permit {
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }

    #[derive(Debug)]
    struct TransferWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }
}

fn domain(world: &World) -> Eip712Domain {
    eip712_domain! {
        name: "Test USD (no value)",
        version: "1",
        chain_id: 1,
        verifying_contract: world.usd,
    }
}

/// A key whose address holds a tenth of a tUSD.
fn signer(world: &mut World) -> PrivateKeySigner {
    let signer = PrivateKeySigner::from_bytes(&keccak256("money")).unwrap();
    let fund = T::mintCall {
        to: signer.address(),
        amount: U256::from(100_000),
    };
    world.chain.send(who::ADMIN, world.usd, &fund).unwrap();
    signer
}

fn sign(signer: &PrivateKeySigner, hash: B256) -> (u8, B256, B256) {
    let signature = signer.sign_hash_sync(&hash).unwrap();
    (
        27 + u8::from(signature.v()),
        signature.r().into(),
        signature.s().into(),
    )
}

#[test]
fn it_says_what_it_is() {
    let mut world = World::new();
    let (chain, usd) = (&mut world.chain, world.usd);
    assert_eq!(chain.view(usd, &T::nameCall {}), "Test USD (no value)");
    assert_eq!(chain.view(usd, &T::symbolCall {}), "tUSD");
    assert_eq!(chain.view(usd, &T::decimalsCall {}), 6);
    let supply: u64 = chain.view(usd, &T::totalSupplyCall {}).to();
    assert_eq!(supply, FUNDS * who::ALL.len() as u64);
    let mint = T::mintCall {
        to: who::STRANGER,
        amount: U256::from(1),
    };
    refused(
        chain.send(who::STRANGER, usd, &mint),
        "AccessManagedUnauthorized",
    );
    let separator = chain.view(usd, &T::DOMAIN_SEPARATORCall {});
    assert_eq!(separator, domain(&world).separator());
}

#[test]
fn a_permit_is_accepted_once() {
    let mut world = World::new();
    let signer = signer(&mut world);
    let permit = Permit {
        owner: signer.address(),
        spender: who::BUYER,
        value: U256::from(7),
        nonce: U256::ZERO,
        deadline: U256::from(BEGIN),
    };
    let (v, r, s) = sign(&signer, permit.eip712_signing_hash(&domain(&world)));
    let call = T::permitCall {
        owner: permit.owner,
        spender: permit.spender,
        value: permit.value,
        deadline: permit.deadline,
        v,
        r,
        s,
    };
    world.chain.send(who::STRANGER, world.usd, &call).unwrap();
    let allowance = T::allowanceCall {
        owner: permit.owner,
        spender: permit.spender,
    };
    assert_eq!(world.chain.view(world.usd, &allowance), U256::from(7));
    refused(
        world.chain.send(who::STRANGER, world.usd, &call),
        "ERC2612InvalidSigner",
    );
}

#[test]
fn an_authorisation_moves_money_once() {
    let mut world = World::new();
    let signer = signer(&mut world);
    let transfer = TransferWithAuthorization {
        from: signer.address(),
        to: who::WIDE,
        value: U256::from(60_000),
        validAfter: U256::from(BEGIN - 1),
        validBefore: U256::from(BEGIN + 60),
        nonce: keccak256("any 32 bytes, as x402 picks them"),
    };
    let (v, r, s) = sign(&signer, transfer.eip712_signing_hash(&domain(&world)));
    let call = |to: Address| T::transferWithAuthorizationCall {
        from: transfer.from,
        to,
        value: transfer.value,
        validAfter: transfer.validAfter,
        validBefore: transfer.validBefore,
        nonce: transfer.nonce,
        v,
        r,
        s,
    };
    let usd = world.usd;
    refused(
        world.chain.send(who::STRANGER, usd, &call(who::STRANGER)),
        "ERC3009InvalidSignature",
    );
    world
        .chain
        .send(who::STRANGER, usd, &call(who::WIDE))
        .unwrap();
    assert_eq!(world.usd_of(who::WIDE), FUNDS + 60_000);
    assert_eq!(world.usd_of(signer.address()), 40_000);
    refused(
        world.chain.send(who::STRANGER, usd, &call(who::WIDE)),
        "ERC3009UsedAuthorization",
    );
}
