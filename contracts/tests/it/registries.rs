//! Authorities, issuers and models.

use alloy::primitives::{Address, B256, U256};
use phytomer_contracts::{
    AccessManager, IssuerRegistry as R, ModelRegistry as M, ModelStatus, did_hash,
};

use crate::{
    chain::refused,
    world::{BEGIN, World, grape, olive, who},
};

fn accredited(world: &mut World, issuer: Address, taxon: B256) -> bool {
    world
        .chain
        .view(world.issuers, &R::isAccreditedCall { issuer, taxon })
}

fn authority_of(world: &mut World, issuer: Address) -> Address {
    world
        .chain
        .view(world.issuers, &R::authorityOfCall { issuer })
}

#[test]
fn the_admin_alone_names_authorities() {
    let mut world = World::new();
    for by in [who::AUTHORITY, who::STRANGER] {
        let add = R::addAuthorityCall { account: by };
        refused(
            world.chain.send(by, world.issuers, &add),
            "AccessManagedUnauthorized",
        );
        let remove = R::removeAuthorityCall {
            account: who::RIVAL,
        };
        refused(
            world.chain.send(by, world.issuers, &remove),
            "AccessManagedUnauthorized",
        );
    }
    refused(world.admin_adds(who::RIVAL), "AlreadyAnAuthority");
    refused(world.admin_removes(who::STRANGER), "NotAnAuthority");
    refused(
        world.accredit(who::STRANGER, who::STRANGER, &[], 0),
        "NotAnAuthority",
    );
}

#[test]
fn an_accreditation_has_a_scope_and_an_end() {
    let mut world = World::new();
    let until = BEGIN + 10;
    let block = world.chain.block() + 1;
    world
        .accredit(who::RIVAL, who::STRANGER, &[grape()], until)
        .unwrap();
    let record = world.chain.view(
        world.issuers,
        &R::issuerOfCall {
            issuer: who::STRANGER,
        },
    );
    assert_eq!(
        record,
        R::Issuer {
            authority: who::RIVAL,
            didHash: did_hash(&format!("did:test:{}", who::STRANGER)),
            accreditedBlock: block,
            validUntil: until,
            active: true,
        }
    );
    assert!(accredited(&mut world, who::STRANGER, grape()));
    assert!(!accredited(&mut world, who::STRANGER, olive()));
    // A new accreditation replaces the old scope whole.
    world
        .accredit(who::RIVAL, who::STRANGER, &[olive()], until)
        .unwrap();
    assert!(!accredited(&mut world, who::STRANGER, grape()));
    world.chain.warp(9);
    assert!(accredited(&mut world, who::STRANGER, olive()));
    world.chain.warp(1);
    assert!(!accredited(&mut world, who::STRANGER, olive()));
    refused(
        world.accredit(who::RIVAL, who::STRANGER, &[], until),
        "AlreadyEnded",
    );
    world.accredit(who::RIVAL, who::STRANGER, &[], 0).unwrap();
    assert!(accredited(&mut world, who::STRANGER, grape()));
    world.withdraw(who::RIVAL, who::STRANGER).unwrap();
    assert!(!accredited(&mut world, who::STRANGER, grape()));
    assert_eq!(authority_of(&mut world, who::STRANGER), who::RIVAL);
    refused(world.withdraw(who::RIVAL, who::STRANGER), "NotActive");
}

#[test]
fn what_names_nobody_is_refused() {
    let mut world = World::new();
    refused(
        world.accredit(who::RIVAL, Address::ZERO, &[], 0),
        "NamelessIssuer",
    );
    let nameless = R::accreditCall {
        issuer: who::STRANGER,
        didHash: B256::ZERO,
        taxa: vec![],
        validUntil: 0,
    };
    refused(
        world.chain.send(who::RIVAL, world.issuers, &nameless),
        "NamelessIssuer",
    );
    // A zero in the list must not open the scope to everything.
    refused(
        world.accredit(who::RIVAL, who::STRANGER, &[olive(), B256::ZERO], 0),
        "NamelessTaxon { index: 1 }",
    );
    let many: Vec<_> = (1..=65).map(|n| B256::from(U256::from(n))).collect();
    refused(
        world.accredit(who::RIVAL, who::STRANGER, &many, 0),
        "TooManyTaxa { count: 65, max: 64 }",
    );
    world
        .accredit(who::RIVAL, who::STRANGER, &many[..64], 0)
        .unwrap();
    assert!(accredited(&mut world, who::STRANGER, many[63]));
}

#[test]
fn nobody_takes_over_an_issuer_while_its_authority_stands() {
    let mut world = World::new();
    let id = world.issued(1);
    refused(
        world.accredit(who::RIVAL, who::WIDE, &[], 0),
        "NotAuthorityOf",
    );
    refused(world.withdraw(who::RIVAL, who::WIDE), "NotAuthorityOf");
    world.withdraw(who::AUTHORITY, who::WIDE).unwrap();
    refused(
        world.accredit(who::RIVAL, who::WIDE, &[], 0),
        "NotAuthorityOf",
    );

    // A removed authority answers for nobody; its issuers issue nothing until adopted.
    world.accredit(who::AUTHORITY, who::WIDE, &[], 0).unwrap();
    world.admin_removes(who::AUTHORITY).unwrap();
    assert!(!accredited(&mut world, who::WIDE, olive()));
    assert_eq!(authority_of(&mut world, who::WIDE), Address::ZERO);
    refused(world.suspend(who::AUTHORITY, id, "X"), "NotAuthorityOf");
    refused(world.withdraw(who::AUTHORITY, who::WIDE), "NotAuthorityOf");
    world.accredit(who::RIVAL, who::WIDE, &[], 0).unwrap();
    assert!(accredited(&mut world, who::WIDE, olive()));
    world.suspend(who::RIVAL, id, "X").unwrap();
    // Back in office, the old authority finds its other issuers, not this one.
    world.admin_adds(who::AUTHORITY).unwrap();
    assert!(accredited(&mut world, who::NARROW, olive()));
    assert_eq!(authority_of(&mut world, who::WIDE), who::RIVAL);
}

#[test]
fn models_are_proposed_used_and_retired() {
    let mut world = World::new();
    let (models, id, card) = (world.models, B256::repeat_byte(1), B256::repeat_byte(2));
    let register = |uri: String| M::registerCall {
        modelId: id,
        uri,
        cardHash: card,
    };
    let activate = M::activateCall { modelId: id };
    let retire = M::retireCall { modelId: id };
    let chain = &mut world.chain;
    refused(
        chain.send(who::STRANGER, models, &register("x".into())),
        "AccessManagedUnauthorized",
    );
    refused(
        chain.send(who::STRANGER, models, &activate),
        "AccessManagedUnauthorized",
    );
    refused(
        chain.send(who::STRANGER, models, &retire),
        "AccessManagedUnauthorized",
    );

    refused(
        chain.send(who::ADMIN, models, &register(String::new())),
        "UriLength",
    );
    refused(
        chain.send(who::ADMIN, models, &register("x".repeat(513))),
        "UriLength { length: 513, max: 512 }",
    );
    let nameless = M::registerCall {
        modelId: B256::ZERO,
        ..register("x".into())
    };
    refused(chain.send(who::ADMIN, models, &nameless), "NamelessModel");
    refused(
        chain.send(who::ADMIN, models, &activate),
        "WrongModelStatus",
    );
    refused(chain.send(who::ADMIN, models, &retire), "WrongModelStatus");

    let block = chain.block() + 1;
    chain
        .send(who::ADMIN, models, &register("ipfs://model".into()))
        .unwrap();
    refused(
        chain.send(who::ADMIN, models, &register("x".into())),
        "WrongModelStatus",
    );
    let model = chain.view(models, &M::modelCall { modelId: id });
    assert_eq!(
        model,
        M::Model {
            status: ModelStatus::Proposed.into(),
            registeredBlock: block,
            cardHash: card,
            uri: "ipfs://model".into(),
        }
    );
    chain.send(who::ADMIN, models, &activate).unwrap();
    refused(
        chain.send(who::ADMIN, models, &activate),
        "WrongModelStatus",
    );
    chain.send(who::ADMIN, models, &retire).unwrap();
    refused(chain.send(who::ADMIN, models, &retire), "WrongModelStatus");
    refused(
        chain.send(who::ADMIN, models, &activate),
        "WrongModelStatus",
    );
    let model = chain.view(models, &M::modelCall { modelId: id });
    assert_eq!(model.status, u8::from(ModelStatus::Retired));
}

#[test]
fn the_manager_can_be_replaced() {
    let mut world = World::new();
    let init_code = phytomer_contracts::artifacts::ACCESS_MANAGER.init_code_with(
        &AccessManager::constructorCall {
            initialAdmin: who::STRANGER,
        },
    );
    let successor = world.chain.create(who::STRANGER, init_code);
    for target in [world.issuers, world.models, world.usd, world.escrow] {
        let call = AccessManager::updateAuthorityCall {
            target,
            newAuthority: successor,
        };
        refused(
            world.chain.send(who::STRANGER, world.manager, &call),
            "AccessManagerUnauthorizedAccount",
        );
        world.chain.send(who::ADMIN, world.manager, &call).unwrap();
    }
    let add = R::addAuthorityCall {
        account: who::BUYER,
    };
    refused(
        world.chain.send(who::ADMIN, world.issuers, &add),
        "AccessManagedUnauthorized",
    );
    world
        .chain
        .send(who::STRANGER, world.issuers, &add)
        .unwrap();
}
