//! Receivers of certificates that call back.

use alloy::{
    primitives::{Address, Bytes, U256, address, hex, keccak256},
    sol_types::SolCall,
};
use phytomer_contracts::PlantCertificate as P;

use crate::{
    chain::refused,
    world::{World, olive, who},
};

/// What a receiver must answer, by ERC-721.
const ACCEPTED: [u8; 4] = hex!("150b7a02");
const RECEIVER: Address = address!("00000000000000000000000000000000000c0001");

/// Code that answers every call by calling `target` with `data`, keeping the first word of what
/// that returned in slot 0 and the number of calls in slot 1, and returning `answer`.
fn receiver(target: Address, data: &[u8], answer: [u8; 4]) -> Bytes {
    let len = u16::try_from(data.len()).unwrap().to_be_bytes();
    let assemble = |data_at: u8| {
        let mut code = vec![0x61, len[0], len[1], 0x60, data_at, 0x5f, 0x39]; // CODECOPY(0, data_at, len)
        code.extend([0x5f, 0x5f, 0x61, len[0], len[1], 0x5f, 0x5f, 0x73]); // no output, input, value
        code.extend(target.as_slice());
        code.extend([0x5a, 0xf1, 0x50]); // CALL(gas, target, …)
        code.extend([0x5f, 0x5f, 0x52]); // MSTORE(0, 0)
        code.extend([0x60, 4, 0x5f, 0x5f, 0x3e]); // RETURNDATACOPY(0, 0, 4)
        code.extend([0x5f, 0x51, 0x5f, 0x55]); // SSTORE(0, MLOAD(0))
        code.extend([0x60, 1, 0x54, 0x60, 1, 0x01, 0x60, 1, 0x55]); // SSTORE(1, SLOAD(1) + 1)
        code.push(0x63); // PUSH4
        code.extend(answer);
        code.extend([0x60, 0xe0, 0x1b, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]); // RETURN(answer << 224)
        code
    };
    let data_at = u8::try_from(assemble(0).len()).unwrap();
    [assemble(data_at), data.to_vec()].concat().into()
}

/// The first four bytes of the hash of an error's signature, as slot 0 holds them.
fn selector(signature: &str) -> U256 {
    let hash = keccak256(signature);
    U256::from_be_slice(&hash[..4]) << 224
}

#[test]
fn an_issuer_cannot_issue_from_within_a_receipt() {
    let mut world = World::new();
    world.accredit(who::AUTHORITY, RECEIVER, &[], 0).unwrap();
    let inner = P::issueCall {
        to: RECEIVER,
        newLot: world.lot(olive(), 1),
    };
    let code = receiver(world.certificates, &inner.abi_encode(), ACCEPTED);
    world.chain.install(RECEIVER, code);
    let lot = world.lot(olive(), 1);
    let id = world.issue(who::WIDE, RECEIVER, lot).unwrap();
    assert_eq!(world.owner(id), RECEIVER);
    assert_eq!(world.chain.slot(RECEIVER, 1), U256::from(1));
    assert_eq!(
        world.chain.slot(RECEIVER, 0),
        selector("ReentrancyGuardReentrantCall()")
    );
}

#[test]
fn a_receiver_sees_finished_records() {
    let mut world = World::new();
    let parent = world.issued(10);
    // While it is called for the first child, the last one is its own already.
    let look = P::balanceOfCall { owner: RECEIVER };
    let call = look.abi_encode();
    world
        .chain
        .install(RECEIVER, receiver(world.certificates, &call, ACCEPTED));
    let lots = vec![world.lot(olive(), 4), world.lot(olive(), 5)];
    world.split(who::WIDE, parent, lots, RECEIVER).unwrap();
    assert_eq!(world.chain.slot(RECEIVER, 1), U256::from(2));
    assert_eq!(world.record(parent).remainder, 1);
}

#[test]
fn who_does_not_accept_gets_nothing() {
    let mut world = World::new();
    let look = P::totalSupplyCall {}.abi_encode();
    world
        .chain
        .install(RECEIVER, receiver(world.certificates, &look, *b"nope"));
    let lot = world.lot(olive(), 1);
    refused(
        world.issue(who::WIDE, RECEIVER, lot.clone()),
        "ERC721InvalidReceiver",
    );
    // Neither do the contracts themselves: nothing gets stuck there.
    for to in [world.escrow, world.certificates, world.usd, Address::ZERO] {
        refused(
            world.issue(who::WIDE, to, lot.clone()),
            "ERC721InvalidReceiver",
        );
    }
    let parent = world.issued(2);
    let lots = vec![world.lot(olive(), 1), world.lot(olive(), 1)];
    refused(
        world.split(who::WIDE, parent, lots, RECEIVER),
        "ERC721InvalidReceiver",
    );
    assert_eq!(world.record(parent).remainder, 2);
    // ERC-721's safe transfer asks, too.
    let call = P::safeTransferFrom_0Call {
        from: who::WIDE,
        to: RECEIVER,
        tokenId: U256::from(parent),
    };
    refused(world.certify(who::WIDE, &call), "ERC721InvalidReceiver");
}
