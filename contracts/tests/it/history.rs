//! Random histories: whatever anybody tries, contracts and model agree on whether it is allowed
//! and on everything that can be read afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use alloy::primitives::{Address, U256};
use phytomer_contracts::{
    Escrow as E, OfferStatus, PlantCertificate as P, PlantCertificate::NewLot, Status,
};
use proptest::prelude::*;

use crate::{
    chain::Refused,
    dice::{Dice, KINDS},
    model::{Model, Step},
    world::World,
};

/// Steps in the longest history.
const STEPS_MAX: usize = 120;
/// Random numbers that one step may use.
const NUMBERS: usize = 48;

/// Plays a step on the contracts.
fn perform(world: &mut World, step: &Step) -> Result<(), Refused> {
    match step.clone() {
        Step::Warp(seconds) => {
            world.chain.warp(seconds);
            Ok(())
        }
        Step::AddAuthority(authority) => world.admin_adds(authority),
        Step::RemoveAuthority(authority) => world.admin_removes(authority),
        Step::Accredit {
            by,
            issuer,
            taxa,
            until,
        } => world.accredit(by, issuer, &taxa, until),
        Step::Withdraw { by, issuer } => world.withdraw(by, issuer),
        Step::Issue { by, to, lot } => world.issue(by, to, lot).map(drop),
        Step::Split {
            by,
            parent,
            lots,
            to,
        } => world.split(by, parent, lots, to).map(drop),
        Step::Merge { by, parts, lot } => world.merge(by, &parts, lot).map(drop),
        Step::Transfer { by, to, id } => world.transfer(by, to, id),
        Step::Approve { by, to, id } => world
            .certify(
                by,
                &P::approveCall {
                    to,
                    tokenId: U256::from(id),
                },
            )
            .map(drop),
        Step::Suspend { by, id } => world.suspend(by, id, "XYLEFA"),
        Step::Reinstate { by, id } => world.reinstate(by, id),
        Step::Revoke { by, id } => world.revoke(by, id, "XYLEFA"),
        Step::Retire { by, id } => world.retire(by, id),
        Step::Supersede { by, id, lot } => world.supersede(by, id, lot).map(drop),
        Step::Offer(sale) => {
            let call = E::offerCall {
                certificate: U256::from(sale.certificate),
                price: U256::from(sale.price),
                buyer: sale.buyer,
                deadline: sale.deadline,
            };
            world.trade(sale.seller, &call).map(drop)
        }
        Step::Buy { by, offer } => world
            .trade(
                by,
                &E::buyCall {
                    id: U256::from(offer),
                },
            )
            .map(drop),
        Step::Confirm { by, offer } => world
            .trade(
                by,
                &E::confirmCall {
                    id: U256::from(offer),
                },
            )
            .map(drop),
        Step::Cancel { by, offer } => world
            .trade(
                by,
                &E::cancelCall {
                    id: U256::from(offer),
                },
            )
            .map(drop),
        Step::Refund { by, offer } => world
            .trade(
                by,
                &E::refundCall {
                    id: U256::from(offer),
                },
            )
            .map(drop),
        Step::Dispute { by, offer } => world
            .trade(
                by,
                &E::disputeCall {
                    id: U256::from(offer),
                },
            )
            .map(drop),
        Step::Reclaim { by, offer } => world
            .trade(
                by,
                &E::reclaimCall {
                    id: U256::from(offer),
                },
            )
            .map(drop),
        Step::Resolve { by, offer, verdict } => {
            let to_seller = verdict == OfferStatus::Completed;
            world
                .trade(
                    by,
                    &E::resolveCall {
                        id: U256::from(offer),
                        toSeller: to_seller,
                    },
                )
                .map(drop)
        }
    }
}

/// Compares everything that can be read with what the model expects.
fn compare(world: &mut World, model: &Model) {
    let (certificates, escrow) = (world.certificates, world.escrow);
    let supply = world.chain.view(certificates, &P::totalSupplyCall {});
    assert_eq!(supply, U256::from(model.lots.len()), "lots");
    for (&id, lot) in &model.lots {
        let record = world.record(id);
        let told = (
            record.issuer,
            record.status,
            record.heldStatus,
            record.remainder,
            record.depth,
        );
        let expected = (
            lot.issuer,
            u8::from(lot.status),
            u8::from(lot.under_hold),
            lot.remainder,
            model.depth(id) as u8,
        );
        assert_eq!(told, expected, "record of lot {id}");
        let terms = NewLot {
            credentialHash: record.credentialHash,
            taxon: record.taxon,
            statusIndex: record.statusIndex,
            expiresAt: record.expiresAt,
            quantity: record.quantity,
            unit: record.unit,
        };
        assert_eq!(terms, lot.terms, "terms of lot {id}");
        assert_eq!(world.owner(id), lot.owner, "owner of lot {id}");
        assert_eq!(
            world.standing(id),
            model.standing(id),
            "standing of lot {id}"
        );
        assert_eq!(world.locked(id), model.locked(id), "lock of lot {id}");
        assert_eq!(world.parents(id), lot.parents, "parents of lot {id}");
        assert_eq!(
            world.children(id),
            model.children(id),
            "children of lot {id}"
        );
        let held = world.chain.view(
            escrow,
            &E::heldForCall {
                certificate: U256::from(id),
            },
        );
        assert_eq!(
            held,
            U256::from(lot.held_for.unwrap_or(0)),
            "custody of lot {id}"
        );
    }
    for (&id, sale) in &model.sales {
        let (status, told) = world.sale(id);
        assert_eq!(status, sale.status, "status of sale {id}");
        assert_eq!(
            (
                told.seller,
                told.buyer,
                told.certificate.to(),
                told.price.to(),
                told.deadline
            ),
            (
                sale.seller,
                sale.buyer,
                sale.certificate,
                sale.price,
                sale.deadline
            ),
            "sale {id}"
        );
    }
    for (&account, &balance) in &model.money {
        assert_eq!(world.usd_of(account), balance, "money of {account}");
    }
}

/// What must hold whatever the model says, read from the contracts alone.
fn invariants(world: &mut World, lots: u64, sales: u64) {
    let mut taken: BTreeMap<u64, u128> = BTreeMap::new();
    let (mut indexes, mut credentials) = (BTreeSet::new(), BTreeSet::new());
    for id in 1..=lots {
        let (record, parents) = (world.record(id), world.parents(id));
        assert!(
            indexes.insert((record.issuer, record.statusIndex)),
            "index of lot {id} is used twice"
        );
        assert!(
            credentials.insert(record.credentialHash),
            "credential of lot {id} is used twice"
        );
        let given: u128 = parents.iter().map(|(_, quantity)| quantity).sum();
        assert!(
            parents.is_empty() || given == record.quantity,
            "lot {id} is of more than it was given"
        );
        for (parent, quantity) in parents {
            *taken.entry(parent).or_default() += quantity;
            // A held parent holds its children.
            let (above, _, _) = world.standing(parent);
            let (below, _, _) = world.standing(id);
            if [Status::Suspended, Status::Revoked].contains(&above) {
                assert!(
                    [Status::Suspended, Status::Revoked].contains(&below),
                    "lot {id} escapes"
                );
            }
        }
    }
    for id in 1..=lots {
        let record = world.record(id);
        let gone = taken.get(&id).copied().unwrap_or(0);
        assert_eq!(
            record.remainder + gone,
            record.quantity,
            "quantity of lot {id}"
        );
    }
    let owed: u64 = (1..=sales)
        .map(|id| world.sale(id))
        .filter(|(status, _)| [OfferStatus::Funded, OfferStatus::Disputed].contains(status))
        .map(|(_, sale)| sale.price.to::<u64>())
        .sum();
    assert_eq!(
        world.usd_of(world.escrow),
        owed,
        "the escrow holds what it owes"
    );
}

/// What chooses one step: its kind, and numbers for the rest.
type Roll = (u32, Vec<u32>);

/// A history that prints itself as the steps it stands for.
#[derive(Clone)]
struct History(Vec<Roll>);

impl History {
    /// Takes every step in the model and then calls `visit`, with the step, whether the model
    /// took it, and the model.
    fn play(&self, escrow: Address, mut visit: impl FnMut(&Step, bool, &Model)) {
        let mut model = Model::new(escrow);
        for (serial, (kind, numbers)) in self.0.iter().enumerate() {
            let mut dice = Dice {
                model: &model,
                escrow,
                numbers: numbers.iter(),
            };
            // Ten credentials a step at most.
            let step = dice.step(*kind, 10 * serial as u64);
            let taken = model.take(&step);
            visit(&step, taken, &model);
        }
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        self.play(World::new().escrow, |step, taken, _| {
            list.entry(&(step, if taken { "allowed" } else { "refused" }));
        });
        list.finish()
    }
}

fn histories() -> impl Strategy<Value = History> {
    let roll = (0..KINDS, prop::collection::vec(any::<u32>(), NUMBERS));
    prop::collection::vec(roll, 1..STEPS_MAX).prop_map(History)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        max_shrink_iters: 1_000,
        // A failure prints its steps; mutants would leave their seeds behind.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn contracts_and_model_agree(history in histories()) {
        let mut world = World::new();
        let (mut lots, mut sales) = (0, 0);
        history.play(world.escrow, |step, taken, model| {
            let result = perform(&mut world, step);
            assert_eq!(result.is_ok(), taken, "{step:?}: {result:?}");
            compare(&mut world, model);
            (lots, sales) = (model.lots.len() as u64, model.sales.len() as u64);
        });
        invariants(&mut world, lots, sales);
    }
}
