//! The worst that the limits allow still fits a transaction (EIP-7825: 2^24 gas), with the margin
//! that a call through the escrow needs. The chain of these tests refuses to give more.

use alloy::primitives::{Address, U256};
use phytomer_contracts::{Escrow as E, PlantCertificate as P, Status};

use crate::{
    chain::refused,
    world::{World, olive, who},
};

/// Distinct ancestors that a lot may have.
const ANCESTORS_MAX: usize = 256;

/// A lot with as many ancestors and as many edges between them as the contract admits: layers of
/// eight lots, each made of all eight lots of the layer above.
fn tangle(world: &mut World) -> (u64, Vec<u64>) {
    let mut ancestors: Vec<u64> = (0..8).map(|_| world.issued(1 << 40)).collect();
    let mut layer = ancestors.clone();
    while ancestors.len() < ANCESTORS_MAX {
        let parts: Vec<_> = layer.iter().map(|id| (*id, 1_000_000)).collect();
        layer = (0..8)
            .map(|_| {
                let lot = world.lot(olive(), 8_000_000);
                world.merge(who::WIDE, &parts, lot).unwrap()
            })
            .collect();
        ancestors.extend(&layer);
    }
    let parts: Vec<_> = layer.iter().map(|id| (*id, 2)).collect();
    let lot = world.lot(olive(), 16);
    (world.merge(who::WIDE, &parts, lot).unwrap(), ancestors)
}

/// A line of full depth that takes in seven lots in each generation, each older than the line and
/// younger than those of the generation below: every ancestor that the walk finds belongs before
/// all that it found earlier.
fn comb(world: &mut World) -> u64 {
    let mut roots: Vec<u64> = (0..8 + 7 * 31).map(|_| world.issued(100)).collect();
    roots.reverse();
    let mut parts: Vec<(u64, u128)> = roots.drain(..8).map(|id| (id, 1)).collect();
    loop {
        parts.sort_unstable();
        let lot = world.lot(olive(), parts.len() as u128);
        let line = world.merge(who::WIDE, &parts, lot).unwrap();
        if roots.is_empty() {
            return line;
        }
        parts = roots.drain(..7).map(|id| (id, 1)).collect();
        parts.push((line, 1));
    }
}

/// Gas of everything that walks over the ancestors of `id`, which the wide issuer owns.
fn costs(world: &mut World, id: u64) -> Vec<(&'static str, u64)> {
    let mut costs = Vec::new();
    let token = U256::from(id);
    let transfer = |from: Address, to: Address| P::transferFromCall {
        from,
        to,
        tokenId: token,
    };
    let done = world
        .certify(who::WIDE, &transfer(who::WIDE, who::BUYER))
        .unwrap();
    costs.push(("transfer", done.gas));
    world
        .certify(who::BUYER, &transfer(who::BUYER, who::WIDE))
        .unwrap();
    let approve = P::approveCall {
        to: world.escrow,
        tokenId: token,
    };
    world.certify(who::WIDE, &approve).unwrap();
    let offer = E::offerCall {
        certificate: token,
        price: U256::from(1),
        buyer: Address::ZERO,
        deadline: world.chain.timestamp() + 1,
    };
    let done = world.trade(who::WIDE, &offer).unwrap();
    costs.push(("offer", done.gas));
    let sale = done.value;
    let done = world.trade(who::BUYER, &E::buyCall { id: sale }).unwrap();
    costs.push(("buy", done.gas));
    let done = world
        .trade(who::BUYER, &E::confirmCall { id: sale })
        .unwrap();
    costs.push(("confirm", done.gas));
    costs
}

#[test]
fn tangled_ancestry_is_walked_within_a_transaction() {
    let mut world = World::new();
    let (id, ancestors) = tangle(&mut world);
    assert_eq!(ancestors.len(), ANCESTORS_MAX);
    assert_eq!(world.record(id).depth, 32);
    for (what, gas) in costs(&mut world, id) {
        println!("tangle: {what} {gas}");
    }
    // A recall of the oldest lot reaches the last one.
    world
        .suspend(who::AUTHORITY, ancestors[0], "XYLEFA")
        .unwrap();
    assert_eq!(world.standing(id), (Status::Suspended, false, ancestors[0]));
}

#[test]
fn combed_ancestry_is_walked_within_a_transaction() {
    let mut world = World::new();
    let id = comb(&mut world);
    assert_eq!(world.record(id).depth, 32);
    for (what, gas) in costs(&mut world, id) {
        println!("comb: {what} {gas}");
    }
    world.revoke(who::WIDE, 1, "XYLEFA").unwrap();
    assert_eq!(world.standing(id), (Status::Revoked, false, 1));
}

#[test]
fn ancestors_are_counted_once_and_limited() {
    let mut world = World::new();
    let (_, ancestors) = tangle(&mut world);
    // One lot of the last layer: itself and 248 above it.
    let last = ancestors[ANCESTORS_MAX - 1];
    let roots: Vec<u64> = (0..8).map(|_| world.issued(100)).collect();
    let child = world.split_off(roots[7], &[10]);
    let merge = |world: &mut World, others: &[u64]| {
        let mut parts: Vec<_> = others.iter().map(|id| (*id, 1)).collect();
        parts.push((last, 1));
        parts.sort_unstable();
        let lot = world.lot(olive(), parts.len() as u128);
        world.merge(who::WIDE, &parts, lot)
    };
    let error = "TooManyAncestors { max: 256 }";
    // 249 and six roots and a child and its parent are 257; with the parent named, 256.
    let mut others = roots[..6].to_vec();
    others.push(child);
    refused(merge(&mut world, &others), error);
    merge(&mut world, &[roots[7], child]).unwrap();
    merge(&mut world, &roots[..7]).unwrap();
    // 258, found out on the way.
    let grandchild = world.split_off(child, &[5]);
    others.push(grandchild);
    others.remove(0);
    refused(merge(&mut world, &others), error);
}

#[test]
fn the_largest_split_fits_a_transaction() {
    let mut world = World::new();
    let (_, ancestors) = tangle(&mut world);
    // One lot of the last layer: below it and the 248 above it, 249 are walked.
    let parent = ancestors[ANCESTORS_MAX - 1];
    let lots = (0..50).map(|_| world.lot(olive(), 1)).collect();
    let call = P::splitCall {
        parent: U256::from(parent),
        newLots: lots,
        to: who::WIDE,
    };
    let done = world.certify(who::WIDE, &call).unwrap();
    println!("split into 50 below 249 ancestors: {}", done.gas);
    assert_eq!(world.children(parent).len(), 51);
}

#[test]
fn children_are_limited() {
    let mut world = World::new();
    let parent = world.issued(1_000_000);
    for _ in 0..4096 / 32 {
        world.split_off(parent, &[1; 32]);
    }
    let lots = vec![world.lot(olive(), 1)];
    refused(
        world.split(who::WIDE, parent, lots, who::WIDE),
        "TooManyChildren { parent: 1, max: 4096 }",
    );
    assert_eq!(world.children(parent).len(), 4096);
}
