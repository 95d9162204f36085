//! Issuing, splitting, merging, and what the token tells.

use alloy::{
    primitives::{B256, FixedBytes, U256, hex},
    sol_types::SolEvent,
};
use phytomer_contracts::{PlantCertificate as P, Status, Unit};

use crate::{
    chain::refused,
    world::{BEGIN, NARROW_UNTIL, World, grape, olive, who},
};

#[test]
fn an_issue_is_recorded_and_announced() {
    let mut world = World::new();
    let lot = world.lot(olive(), 500);
    let call = P::issueCall {
        to: who::BUYER,
        newLot: lot.clone(),
    };
    let block = world.chain.block() + 1;
    let done = world.certify(who::WIDE, &call).unwrap();
    assert_eq!(done.value, U256::from(1));

    let record = world.record(1);
    let expected = P::Lot {
        issuer: who::WIDE,
        issuedAt: BEGIN,
        expiresAt: 0,
        issuedBlock: block,
        statusIndex: lot.statusIndex,
        status: Status::Active.into(),
        depth: 0,
        unit: Unit::PIECE.code(),
        quantity: 500,
        remainder: 500,
        taxon: olive(),
        credentialHash: lot.credentialHash,
        reason: B256::ZERO,
        statusBlock: 0,
        heldStatus: Status::None.into(),
    };
    assert_eq!(record, expected);
    assert_eq!(world.owner(1), who::BUYER);
    assert_eq!(world.standing(1), (Status::Active, false, 1));
    assert!(!world.locked(1));
    assert!(world.parents(1).is_empty() && world.children(1).is_empty());

    let [issued, transfer, unlocked] = &done.logs[..] else {
        panic!("{:?}", done.logs)
    };
    assert_eq!(
        P::Issued::decode_log(issued).unwrap().data,
        P::Issued {
            id: U256::from(1),
            issuer: who::WIDE,
            credentialHash: lot.credentialHash,
            quantity: 500,
        }
    );
    assert_eq!(P::Transfer::decode_log(transfer).unwrap().to, who::BUYER);
    assert_eq!(
        P::Unlocked::decode_log(unlocked).unwrap().tokenId,
        U256::from(1)
    );
}

#[test]
fn a_new_lot_is_complete_and_its_own() {
    let mut world = World::new();
    let good = world.lot(olive(), 5);
    for bad in [
        P::NewLot {
            credentialHash: B256::ZERO,
            ..good.clone()
        },
        P::NewLot {
            taxon: B256::ZERO,
            ..good.clone()
        },
        P::NewLot {
            quantity: 0,
            ..good.clone()
        },
        P::NewLot {
            unit: FixedBytes::ZERO,
            ..good.clone()
        },
    ] {
        refused(world.issue(who::WIDE, who::WIDE, bad), "IncompleteLot");
    }
    let past = P::NewLot {
        expiresAt: BEGIN,
        ..good.clone()
    };
    refused(world.issue(who::WIDE, who::WIDE, past), "AlreadyExpired");
    let next = P::NewLot {
        expiresAt: BEGIN + 1,
        ..good.clone()
    };
    world.issue(who::WIDE, who::WIDE, next).unwrap();

    let other = world.lot(olive(), 5);
    let same_credential = P::NewLot {
        statusIndex: other.statusIndex,
        ..good.clone()
    };
    refused(
        world.issue(who::WIDE, who::WIDE, same_credential),
        "CredentialUsed",
    );
    let same_index = P::NewLot {
        credentialHash: other.credentialHash,
        ..good.clone()
    };
    refused(
        world.issue(who::WIDE, who::WIDE, same_index.clone()),
        &format!(
            "StatusIndexUsed {{ issuer: {}, index: {} }}",
            who::WIDE,
            good.statusIndex
        ),
    );
    // Every issuer numbers its own list.
    world.issue(who::NARROW, who::NARROW, same_index).unwrap();
    assert!(world.chain.view(
        world.certificates,
        &P::statusIndexUsedCall {
            issuer: who::NARROW,
            index: good.statusIndex
        },
    ));
    assert!(!world.chain.view(
        world.certificates,
        &P::statusIndexUsedCall {
            issuer: who::NARROW,
            index: good.statusIndex + 1
        },
    ));
    let found = world.chain.view(
        world.certificates,
        &P::idOfCredentialCall {
            credentialHash: other.credentialHash,
        },
    );
    assert_eq!(found, U256::from(2));
}

#[test]
fn only_accredited_issuers_issue_within_their_scope() {
    let mut world = World::new();
    let lot = world.lot(olive(), 5);
    refused(
        world.issue(who::STRANGER, who::WIDE, lot.clone()),
        "NotAccredited",
    );
    refused(
        world.issue(who::AUTHORITY, who::WIDE, lot.clone()),
        "NotAccredited",
    );
    world.issue(who::NARROW, who::NARROW, lot).unwrap();
    let vine = world.lot(grape(), 5);
    refused(world.issue(who::NARROW, who::NARROW, vine), "NotAccredited");

    // The accreditation ends while the certificate lives on.
    world.chain.warp(NARROW_UNTIL - BEGIN - 1);
    let last = world.lot(olive(), 5);
    world.issue(who::NARROW, who::NARROW, last).unwrap();
    world.chain.warp(1);
    let late = world.lot(olive(), 5);
    refused(world.issue(who::NARROW, who::NARROW, late), "NotAccredited");
    let children = vec![world.lot(olive(), 1)];
    refused(
        world.split(who::NARROW, 1, children, who::NARROW),
        "NotAccredited",
    );
    assert!(!world.locked(1));

    world.withdraw(who::AUTHORITY, who::WIDE).unwrap();
    let late = world.lot(olive(), 5);
    refused(world.issue(who::WIDE, who::WIDE, late), "NotAccredited");
}

#[test]
fn a_split_conserves_the_quantity() {
    let mut world = World::new();
    let parent = world.issued(500);
    assert_eq!(world.split_off(parent, &[100; 5]), 2);
    assert_eq!(world.children(parent), [2, 3, 4, 5, 6]);
    assert_eq!(world.parents(4), [(parent, 100)]);
    assert_eq!(world.record(4).depth, 1);
    // Spent, and still in order.
    let record = world.record(parent);
    assert_eq!((record.quantity, record.remainder), (500, 0));
    assert_eq!(world.standing(parent), (Status::Active, false, parent));

    let one_more = vec![world.lot(olive(), 1)];
    refused(
        world.split(who::WIDE, parent, one_more, who::WIDE),
        "NotEnoughLeft { parent: 1, wanted: 1, remainder: 0 }",
    );
    // Two halves that overflow 128 bits together.
    let halves = vec![world.lot(olive(), u128::MAX), world.lot(olive(), 2)];
    refused(
        world.split(who::WIDE, 2, halves, who::WIDE),
        "NotEnoughLeft",
    );
    assert_eq!(world.record(2).remainder, 100);
}

#[test]
fn children_inherit() {
    let mut world = World::new();
    let lot = P::NewLot {
        expiresAt: BEGIN + 100,
        ..world.lot(olive(), 10)
    };
    let parent = world.issue(who::WIDE, who::WIDE, lot).unwrap();
    let good = P::NewLot {
        expiresAt: BEGIN + 100,
        ..world.lot(olive(), 1)
    };
    for (bad, error) in [
        (
            P::NewLot {
                taxon: grape(),
                ..good.clone()
            },
            "TaxonDiffers",
        ),
        (
            P::NewLot {
                unit: Unit::KILOGRAM.code(),
                ..good.clone()
            },
            "UnitDiffers",
        ),
        (
            P::NewLot {
                expiresAt: 0,
                ..good.clone()
            },
            "OutlivesParent",
        ),
        (
            P::NewLot {
                expiresAt: BEGIN + 101,
                ..good.clone()
            },
            "OutlivesParent",
        ),
    ] {
        refused(world.split(who::WIDE, parent, vec![bad], who::WIDE), error);
    }
    world
        .split(who::WIDE, parent, vec![good], who::WIDE)
        .unwrap();
    refused(
        world.split(who::WIDE, parent, vec![], who::WIDE),
        "ChildCount { given: 0, max: 50 }",
    );
    let many = (0..51).map(|_| world.lot(olive(), 1)).collect();
    refused(
        world.split(who::WIDE, parent, many, who::WIDE),
        "ChildCount { given: 51, max: 50 }",
    );
    refused(world.split(who::WIDE, 99, vec![], who::WIDE), "ChildCount");
    let child = vec![world.lot(olive(), 1)];
    refused(
        world.split(who::WIDE, 99, child, who::WIDE),
        "ERC721NonexistentToken",
    );
}

#[test]
fn who_divides_a_lot_owns_it_or_was_approved() {
    let mut world = World::new();
    let lot = world.lot(olive(), 10);
    let parent = world.issue(who::WIDE, who::BUYER, lot).unwrap();
    let child = vec![world.lot(olive(), 1)];
    refused(
        world.split(who::WIDE, parent, child.clone(), who::WIDE),
        "ERC721InsufficientApproval",
    );
    refused(
        world.split(who::BUYER, parent, child.clone(), who::BUYER),
        "NotAccredited",
    );
    let approve = P::approveCall {
        to: who::NARROW,
        tokenId: U256::from(parent),
    };
    world.certify(who::BUYER, &approve).unwrap();
    let id = world.split(who::NARROW, parent, child, who::BUYER).unwrap();
    assert_eq!(world.owner(id), who::BUYER);
    assert_eq!(world.record(id).issuer, who::NARROW);
}

#[test]
fn a_merge_takes_what_it_names() {
    let mut world = World::new();
    let (a, b, c) = (world.issued(10), world.issued(20), world.issued(30));
    let lot = world.lot(olive(), 35);
    let id = world
        .merge(who::WIDE, &[(a, 10), (b, 5), (c, 20)], lot)
        .unwrap();
    assert_eq!(world.parents(id), [(a, 10), (b, 5), (c, 20)]);
    assert_eq!([a, b, c].map(|id| world.record(id).remainder), [0, 15, 10]);
    assert_eq!(world.children(b), [id]);
    assert_eq!(world.record(id).depth, 1);

    let lot = world.lot(olive(), 4);
    for (parts, error) in [
        (
            vec![(b, 4)],
            "ParentCount { parents: 1, quantities: 1, max: 8 }",
        ),
        (
            vec![(b, 1), (c, 4)],
            "QuantityDiffers { quantity: 4, expected: 5 }",
        ),
        (vec![(c, 2), (b, 2)], "ParentsNotAscending"),
        (vec![(b, 2), (b, 2)], "ParentsNotAscending"),
        (vec![(b, 0), (c, 4)], "NothingTaken"),
        (vec![(a, 1), (c, 3)], "NotEnoughLeft"),
        (vec![(b, 1), (99, 3)], "ERC721NonexistentToken"),
    ] {
        refused(world.merge(who::WIDE, &parts, lot.clone()), error);
    }
    let nine: Vec<_> = (0..9).map(|_| (world.issued(1), 1)).collect();
    let mixed = world.lot(olive(), 9);
    refused(
        world.merge(who::WIDE, &nine, mixed),
        "ParentCount { parents: 9, quantities: 9, max: 8 }",
    );
    let mixed = world.lot(olive(), 8);
    world.merge(who::WIDE, &nine[..8], mixed).unwrap();

    // The deepest parent counts, not the youngest.
    let (deep, young) = (world.split_off(c, &[5]), world.issued(5));
    let mixed = world.lot(olive(), 2);
    let mixed = world
        .merge(who::WIDE, &[(deep, 1), (young, 1)], mixed)
        .unwrap();
    assert_eq!(world.record(mixed).depth, 2);
    // Owning the parents is not enough.
    let owned = [1, 1].map(|quantity| {
        let lot = world.lot(olive(), quantity);
        world.issue(who::WIDE, who::BUYER, lot).unwrap()
    });
    let mixed = world.lot(olive(), 2);
    refused(
        world.merge(who::BUYER, &owned.map(|id| (id, 1)), mixed),
        "NotAccredited",
    );
    let vine = world.lot(grape(), 10);
    let vine = world.issue(who::WIDE, who::WIDE, vine).unwrap();
    refused(
        world.merge(who::WIDE, &[(b, 1), (vine, 3)], lot.clone()),
        "TaxonDiffers",
    );
    let foreign = world.lot(olive(), 10);
    let foreign = world.issue(who::NARROW, who::NARROW, foreign).unwrap();
    refused(
        world.merge(who::WIDE, &[(b, 1), (foreign, 3)], lot.clone()),
        "ERC721InsufficientApproval",
    );
    world.transfer(who::NARROW, who::WIDE, foreign).unwrap();
    world
        .merge(who::WIDE, &[(b, 1), (foreign, 3)], lot)
        .unwrap();
}

#[test]
fn a_line_has_33_generations() {
    let mut world = World::new();
    let mut id = world.issued(33);
    for depth in 1..=32u8 {
        id = world.split_off(id, &[33 - u128::from(depth)]);
        assert_eq!(world.record(id).depth, depth);
    }
    let error = format!("TooDeep {{ parent: {id}, max: 32 }}");
    let child = vec![world.lot(olive(), 1)];
    refused(world.split(who::WIDE, id, child, who::WIDE), &error);
    let successor = world.lot(olive(), 1);
    refused(world.supersede(who::WIDE, id, successor), &error);
    let root = world.issued(1);
    let mixed = world.lot(olive(), 2);
    refused(world.merge(who::WIDE, &[(id, 1), (root, 1)], mixed), &error);
}

#[test]
fn the_uri_is_the_content() {
    let mut world = World::new();
    let hash = hex!("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    let lot = P::NewLot {
        credentialHash: hash.into(),
        ..world.lot(olive(), 1)
    };
    let id = world.issue(who::WIDE, who::WIDE, lot).unwrap();
    let uri = world
        .chain
        .view(world.certificates, &P::tokenURICall { id: U256::from(id) });
    // SHA-256 of "hello" as CIDv1, raw; the same CID in base 32 is
    // bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq.
    assert_eq!(
        uri,
        "ipfs://f015512202cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
}

#[test]
fn the_interfaces_are_declared() {
    let mut world = World::new();
    for (id, expected) in [
        (hex!("01ffc9a7"), true),  // ERC-165
        (hex!("80ac58cd"), true),  // ERC-721
        (hex!("5b5e139f"), true),  // ERC-721 metadata
        (hex!("49064906"), true),  // ERC-4906
        (hex!("b45a3c0e"), true),  // ERC-5192
        (hex!("ffffffff"), false), // none, by ERC-165
        (hex!("780e9d63"), false), // ERC-721 enumerable
    ] {
        let call = P::supportsInterfaceCall {
            interfaceId: id.into(),
        };
        assert_eq!(
            world.chain.view(world.certificates, &call),
            expected,
            "{id:?}"
        );
    }
    for result in [
        world
            .chain
            .try_view(world.certificates, &P::lockedCall { id: U256::from(1) })
            .map(drop),
        world
            .chain
            .try_view(world.certificates, &P::tokenURICall { id: U256::from(1) })
            .map(drop),
    ] {
        refused(result, "ERC721NonexistentToken");
    }
    assert_eq!(world.record(1).status, u8::from(Status::None));
}
