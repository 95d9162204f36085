//! Suspension, revocation, retirement, succession and expiry.

use alloy::{
    primitives::{B256, U256},
    sol_types::SolEvent,
};
use phytomer_contracts::{PlantCertificate as P, Status};

use crate::{
    chain::refused,
    world::{BEGIN, World, grape, olive, who},
};

#[test]
fn a_suspension_descends_and_is_lifted() {
    let mut world = World::new();
    let root = world.issued(100);
    let child = world.split_off(root, &[50, 50]);
    let grandchild = world.split_off(child, &[10]);
    let block = world.chain.block() + 1;
    world.suspend(who::AUTHORITY, root, "XYLEFA").unwrap();

    for id in [root, child, grandchild] {
        assert_eq!(world.standing(id), (Status::Suspended, false, root));
        assert!(world.locked(id));
        refused(
            world.transfer(who::WIDE, who::BUYER, id),
            &format!("LotLocked {{ id: {id}, status: 2, expired: false, cause: {root} }}"),
        );
        let lots = vec![world.lot(olive(), 1)];
        refused(world.split(who::WIDE, id, lots, who::WIDE), "LotLocked");
    }
    let clean = world.issued(5);
    let lot = world.lot(olive(), 2);
    refused(
        world.merge(who::WIDE, &[(grandchild, 1), (clean, 1)], lot),
        &format!("LotLocked {{ id: {root}, status: 2, expired: false, cause: {root} }}"),
    );
    let record = world.record(root);
    assert_eq!(record.statusBlock, block);
    assert_eq!(&record.reason[..6], b"XYLEFA");
    // Only the suspended lot's own record changed.
    assert_eq!(world.record(child).status, u8::from(Status::Active));

    world.reinstate(who::AUTHORITY, root).unwrap();
    assert_eq!(
        world.standing(grandchild),
        (Status::Active, false, grandchild)
    );
    assert_eq!(world.record(root).reason, B256::ZERO);
    world.transfer(who::WIDE, who::BUYER, grandchild).unwrap();
}

#[test]
fn only_the_issuers_authority_suspends() {
    let mut world = World::new();
    let id = world.issued(1);
    for by in [who::WIDE, who::RIVAL, who::ADMIN, who::STRANGER] {
        refused(world.suspend(by, id, "XYLEFA"), "NotAuthorityOf");
        refused(world.reinstate(by, id), "NotAuthorityOf");
    }
    for by in [who::RIVAL, who::ADMIN, who::STRANGER] {
        refused(world.revoke(by, id, "XYLEFA"), "NotAuthorityOf");
    }
    refused(world.suspend(who::AUTHORITY, id, ""), "NoReason");
    refused(
        world.suspend(who::AUTHORITY, 99, "XYLEFA"),
        "NotAuthorityOf",
    );
    refused(world.reinstate(who::AUTHORITY, id), "WrongStatus");
    // Withdrawing the accreditation leaves the certificates under the authority.
    world.withdraw(who::AUTHORITY, who::WIDE).unwrap();
    world.suspend(who::AUTHORITY, id, "XYLEFA").unwrap();
    refused(world.suspend(who::AUTHORITY, id, "XYLEFA"), "WrongStatus");
}

#[test]
fn the_gravest_status_counts_and_the_oldest_lot_is_the_cause() {
    let mut world = World::new();
    let a = world.issued(10);
    let b = world.split_off(a, &[8]);
    let c = world.split_off(b, &[6]);
    let d = world.split_off(c, &[4]);
    world.suspend(who::AUTHORITY, b, "B").unwrap();
    world.suspend(who::AUTHORITY, c, "C").unwrap();
    assert_eq!(world.standing(d), (Status::Suspended, false, b));
    world.revoke(who::WIDE, c, "C").unwrap();
    assert_eq!(world.standing(d), (Status::Revoked, false, c));
    assert_eq!(world.standing(b), (Status::Suspended, false, b));
    world.revoke(who::AUTHORITY, a, "A").unwrap();
    for id in [a, b, c, d] {
        assert_eq!(world.standing(id), (Status::Revoked, false, a));
    }
    refused(world.revoke(who::AUTHORITY, a, "A"), "WrongStatus");
    refused(world.reinstate(who::AUTHORITY, a), "WrongStatus");
}

#[test]
fn retiring_ends_a_lot_but_not_its_children() {
    let mut world = World::new();
    let root = world.issued(10);
    let child = world.split_off(root, &[5]);
    refused(world.retire(who::BUYER, root), "NotAllowed");
    refused(world.retire(who::AUTHORITY, root), "NotAllowed");
    refused(world.retire(who::WIDE, 99), "ERC721NonexistentToken");
    world.retire(who::WIDE, root).unwrap();
    assert_eq!(world.standing(root), (Status::Retired, false, root));
    assert_eq!(world.standing(child), (Status::Active, false, child));
    refused(world.transfer(who::WIDE, who::BUYER, root), "LotLocked");
    world.transfer(who::WIDE, who::BUYER, child).unwrap();
    // The owner may, and so may the issuer.
    world.retire(who::BUYER, child).unwrap();
    let late = vec![world.lot(olive(), 1)];
    refused(world.split(who::WIDE, root, late, who::WIDE), "LotLocked");
}

#[test]
fn retiring_the_parent_does_not_shield_its_children() {
    let mut world = World::new();
    let root = world.issued(10);
    let child = world.split_off(root, &[5]);
    world.retire(who::WIDE, root).unwrap();
    world.suspend(who::AUTHORITY, root, "XYLEFA").unwrap();
    assert_eq!(world.standing(child), (Status::Suspended, false, root));
    // Nor does retiring it under a suspension.
    refused(world.retire(who::WIDE, root), "WrongStatus");
    world.reinstate(who::AUTHORITY, root).unwrap();
    assert_eq!(world.standing(root), (Status::Retired, false, root));
    assert_eq!(world.standing(child), (Status::Active, false, child));
    world.revoke(who::AUTHORITY, root, "XYLEFA").unwrap();
    assert_eq!(world.standing(child), (Status::Revoked, false, root));
}

#[test]
fn a_successor_takes_the_rest_and_may_live_longer() {
    let mut world = World::new();
    let lot = P::NewLot {
        expiresAt: BEGIN + 100,
        ..world.lot(olive(), 10)
    };
    let old = world.issue(who::WIDE, who::BUYER, lot).unwrap();
    world.chain.warp(100);
    assert_eq!(world.standing(old), (Status::Active, true, old));
    assert!(world.locked(old));
    refused(world.transfer(who::BUYER, who::WIDE, old), "LotLocked");

    let child = P::NewLot {
        expiresAt: BEGIN + 100,
        ..world.lot(olive(), 1)
    };
    let approve = P::approveCall {
        to: who::WIDE,
        tokenId: U256::from(old),
    };
    world.certify(who::BUYER, &approve).unwrap();
    refused(
        world.split(who::WIDE, old, vec![child], who::WIDE),
        &format!("LotLocked {{ id: {old}, status: 1, expired: true, cause: {old} }}"),
    );

    let renewed = world.lot(olive(), 10);
    refused(
        world.supersede(who::NARROW, old, renewed.clone()),
        "NotAllowed",
    );
    refused(
        world.supersede(who::BUYER, old, renewed.clone()),
        "NotAllowed",
    );
    let less = P::NewLot {
        quantity: 9,
        ..renewed.clone()
    };
    refused(world.supersede(who::WIDE, old, less), "QuantityDiffers");
    let vine = P::NewLot {
        taxon: grape(),
        ..renewed.clone()
    };
    refused(world.supersede(who::WIDE, old, vine), "TaxonDiffers");
    let new = world.supersede(who::WIDE, old, renewed).unwrap();

    assert_eq!(world.owner(new), who::BUYER);
    assert_eq!(world.parents(new), [(old, 10)]);
    assert_eq!(world.children(old), [new]);
    assert_eq!(world.record(old).remainder, 0);
    assert_eq!(world.standing(old), (Status::Superseded, true, old));
    assert_eq!(world.standing(new), (Status::Active, false, new));
    let twice = world.lot(olive(), 1);
    refused(world.supersede(who::WIDE, old, twice), "WrongStatus");
    // A recall of the old certificate reaches the plants under the new one.
    world.suspend(who::AUTHORITY, old, "XYLEFA").unwrap();
    assert_eq!(world.standing(new), (Status::Suspended, false, old));
    let again = world.lot(olive(), 10);
    refused(world.supersede(who::WIDE, new, again), "LotLocked");
}

#[test]
fn status_changes_are_announced() {
    let mut world = World::new();
    let id = world.issued(10);
    world.split_off(id, &[1, 1]);
    let call = P::suspendCall {
        id: U256::from(id),
        reason: B256::repeat_byte(b'X'),
    };
    let done = world.certify(who::AUTHORITY, &call).unwrap();
    let [changed, locked, updated] = &done.logs[..] else {
        panic!("{:?}", done.logs)
    };
    assert_eq!(
        P::StatusChanged::decode_log(changed).unwrap().data,
        P::StatusChanged {
            id: U256::from(id),
            status: Status::Suspended.into(),
            by: who::AUTHORITY,
            reason: B256::repeat_byte(b'X'),
        }
    );
    assert_eq!(
        P::Locked::decode_log(locked).unwrap().tokenId,
        U256::from(id)
    );
    let updated = P::BatchMetadataUpdate::decode_log(updated).unwrap();
    assert_eq!(
        (updated._fromTokenId, updated._toTokenId),
        (U256::from(1), U256::from(3))
    );

    let done = world
        .certify(who::AUTHORITY, &P::reinstateCall { id: U256::from(id) })
        .unwrap();
    assert_eq!(
        P::Unlocked::decode_log(&done.logs[1]).unwrap().tokenId,
        U256::from(id)
    );
}
