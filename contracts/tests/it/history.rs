//! Random histories: whatever anybody tries, contracts and model agree on whether it is allowed
//! and on everything that can be read afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use alloy::primitives::{Address, B256, U256};
use phytomer_contracts::{
    Escrow as E, OfferStatus, PlantCertificate as P, PlantCertificate::NewLot, Status, Unit,
};
use proptest::prelude::*;

use crate::{
    chain::Refused,
    model::{Model, Step},
    world::{World, grape, olive, who},
};

/// Steps in the longest history.
const STEPS_MAX: usize = 90;
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
        Step::Offer {
            by,
            id,
            price,
            buyer,
            deadline,
        } => {
            let (certificate, price) = (U256::from(id), U256::from(price));
            world
                .trade(
                    by,
                    &E::offerCall {
                        certificate,
                        price,
                        buyer,
                        deadline,
                    },
                )
                .map(drop)
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

/// Random numbers that choose a step; zero, to which they shrink, is the plainest choice.
struct Dice<'a> {
    model: &'a Model,
    escrow: Address,
    numbers: std::slice::Iter<'a, u32>,
}

impl Dice<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        u64::from(self.numbers.next().copied().unwrap_or(0)) % bound.max(1)
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == chances - 1
    }

    /// Mostly who may, sometimes anybody.
    fn actor(&mut self, rightful: Address) -> Address {
        // The escrow owns certificates, too, but sends nothing.
        if self.one_in(6) || rightful == self.escrow {
            self.anybody()
        } else {
            rightful
        }
    }

    fn anybody(&mut self) -> Address {
        who::ALL[self.below(who::ALL.len() as u64) as usize]
    }

    fn issuer(&mut self) -> Address {
        let issuer = if self.one_in(4) {
            who::NARROW
        } else {
            who::WIDE
        };
        self.actor(issuer)
    }

    /// Mostly a lot that exists, the newest first.
    fn lot(&mut self) -> u64 {
        let count = self.model.lots.len() as u64;
        if self.one_in(24) {
            count + 1
        } else {
            count - self.below(count).min(count)
        }
    }

    fn sale(&mut self) -> u64 {
        let count = self.model.sales.len() as u64;
        if self.one_in(24) {
            count + 1
        } else {
            count - self.below(count).min(count)
        }
    }

    fn owner(&mut self, id: u64) -> Address {
        let owner = self.model.lots.get(&id).map_or(who::WIDE, |lot| lot.owner);
        self.actor(owner)
    }

    fn authority(&mut self, id: u64) -> Address {
        let issuer = self.model.lots.get(&id).map_or(who::WIDE, |lot| lot.issuer);
        let authority = self.model.authority_of(issuer).unwrap_or(who::AUTHORITY);
        self.actor(authority)
    }

    fn moment(&mut self) -> u64 {
        match self.below(8) {
            0..=3 => 0,
            4 => self.model.now,
            5 => self.model.now + 1,
            _ => self.model.now + self.below(150_000),
        }
    }

    /// A new lot that fits `parent`, mostly.
    fn terms(&mut self, by: Address, parent: Option<u64>, quantity: u128, serial: u64) -> NewLot {
        let parent = parent
            .and_then(|id| self.model.lots.get(&id))
            .map(|lot| &lot.terms);
        let serial = serial + 1;
        let reused = self.below(self.model.lots.len() as u64) + 1;
        let credential = if self.one_in(24) {
            self.model
                .lots
                .get(&reused)
                .map(|lot| lot.terms.credentialHash)
        } else {
            None
        };
        let index = if self.one_in(24) {
            self.model
                .indexes
                .iter()
                .find(|(issuer, _)| *issuer == by)
                .map(|(_, index)| *index)
        } else {
            None
        };
        let taxon = parent.map_or(olive(), |terms| terms.taxon);
        let expires_at = match (parent, self.one_in(3)) {
            (Some(terms), false) => terms.expiresAt,
            _ => self.moment(),
        };
        NewLot {
            credentialHash: credential.unwrap_or(B256::from(U256::from(serial))),
            taxon: if self.one_in(16) { grape() } else { taxon },
            statusIndex: index.unwrap_or(serial),
            expiresAt: expires_at,
            quantity,
            unit: if self.one_in(24) {
                Unit::KILOGRAM.code()
            } else {
                Unit::PIECE.code()
            },
        }
    }

    /// A part of what is left of a lot, seldom too much or nothing.
    fn part(&mut self, id: u64) -> u128 {
        let left = self.model.lots.get(&id).map_or(1, |lot| lot.remainder);
        match self.below(12) {
            0..=5 => left.div_ceil(3),
            6..=8 => left.div_ceil(2),
            9 => left,
            10 => left + 1,
            _ => u128::from(self.below(20)),
        }
    }

    fn step(&mut self, kind: u32, serial: u64) -> Step {
        match kind {
            0..=13 => self.issue(serial),
            14..=27 => self.split(serial),
            28..=35 => self.merge(serial),
            36..=57 => self.status(kind, serial),
            58..=64 => {
                let id = self.lot();
                Step::Transfer {
                    by: self.owner(id),
                    to: self.anybody(),
                    id,
                }
            }
            65..=68 => {
                let id = self.lot();
                Step::Approve {
                    by: self.owner(id),
                    to: self.issuer(),
                    id,
                }
            }
            69..=73 => Step::Warp([0, 1, 600, 30_000][self.below(4) as usize]),
            74..=78 => self.govern(kind),
            79..=86 => self.offer(),
            _ => self.trade(kind),
        }
    }

    fn issue(&mut self, serial: u64) -> Step {
        let by = self.issuer();
        let to = self.actor(by);
        let quantity = u128::from([100, 1, 1_000, 0][self.below(4) as usize] * (self.below(9) + 1));
        let lot = self.terms(by, None, quantity, serial);
        Step::Issue { by, to, lot }
    }

    fn split(&mut self, serial: u64) -> Step {
        let parent = self.lot();
        let by = self.owner(parent);
        let count = self.below(4);
        let lots = (0..count + u64::from(!self.one_in(16)))
            .map(|n| {
                let quantity = self.part(parent).div_ceil(u128::from(count) + 1);
                self.terms(by, Some(parent), quantity, serial + n)
            })
            .collect();
        Step::Split {
            by,
            parent,
            lots,
            to: self.actor(by),
        }
    }

    fn merge(&mut self, serial: u64) -> Step {
        let first = self.lot();
        let by = self.owner(first);
        let mine = |id: &u64| self.model.lots[id].owner == by;
        let mut ids: BTreeSet<u64> = self
            .model
            .lots
            .keys()
            .copied()
            .filter(mine)
            .rev()
            .take(3)
            .collect();
        ids.extend([first, self.lot()]);
        let mut parts: Vec<_> = ids
            .into_iter()
            .map(|id| (id, self.part(id).max(1)))
            .collect();
        if self.one_in(16) {
            parts.reverse();
        }
        let sum: u128 = parts.iter().map(|(_, quantity)| quantity).sum();
        let quantity = if self.one_in(16) { sum + 1 } else { sum };
        let lot = self.terms(by, Some(first), quantity, serial);
        Step::Merge { by, parts, lot }
    }

    fn status(&mut self, kind: u32, serial: u64) -> Step {
        let id = self.lot();
        match kind {
            36..=41 => Step::Suspend {
                by: self.authority(id),
                id,
            },
            42..=47 => {
                let held: Vec<u64> = self
                    .model
                    .lots
                    .iter()
                    .filter(|(_, lot)| lot.status == Status::Suspended)
                    .map(|(id, _)| *id)
                    .collect();
                let id = held
                    .get(self.below(held.len() as u64) as usize)
                    .copied()
                    .unwrap_or(id);
                Step::Reinstate {
                    by: self.authority(id),
                    id,
                }
            }
            48..=49 => Step::Revoke {
                by: self.authority(id),
                id,
            },
            50..=53 => Step::Retire {
                by: self.owner(id),
                id,
            },
            _ => {
                let (issuer, left) = self
                    .model
                    .lots
                    .get(&id)
                    .map_or((who::WIDE, 1), |lot| (lot.issuer, lot.remainder));
                let by = self.actor(issuer);
                let quantity = if self.one_in(8) { left + 1 } else { left };
                let lot = self.terms(by, Some(id), quantity, serial);
                Step::Supersede { by, id, lot }
            }
        }
    }

    fn govern(&mut self, kind: u32) -> Step {
        let authority = if self.one_in(2) {
            who::RIVAL
        } else {
            who::AUTHORITY
        };
        let issuer = [who::WIDE, who::NARROW, who::BUYER, who::WIDE][self.below(4) as usize];
        match kind {
            74 => Step::RemoveAuthority(authority),
            75 => Step::AddAuthority(authority),
            76 => Step::Withdraw {
                by: self.actor(authority),
                issuer,
            },
            _ => {
                let taxa =
                    [vec![], vec![olive()], vec![grape(), olive()]][self.below(3) as usize].clone();
                Step::Accredit {
                    by: self.actor(authority),
                    issuer,
                    taxa,
                    until: self.moment(),
                }
            }
        }
    }

    fn offer(&mut self) -> Step {
        let id = self.lot();
        let by = self.owner(id);
        // An offer needs an approval first; the next step may then make the offer.
        let approved = self
            .model
            .lots
            .get(&id)
            .is_some_and(|lot| lot.approved == self.escrow);
        if !approved && !self.one_in(8) {
            return Step::Approve {
                by,
                to: self.escrow,
                id,
            };
        }
        let price = [25_000_000, 1, 4_000_000_000, 0][self.below(4) as usize] * (1 + self.below(3));
        let buyer = if self.one_in(3) {
            self.anybody()
        } else {
            Address::ZERO
        };
        let deadline = self.model.now + [50_000, 1, 0][self.below(3) as usize];
        Step::Offer {
            by,
            id,
            price,
            buyer,
            deadline,
        }
    }

    fn trade(&mut self, kind: u32) -> Step {
        let offer = self.sale();
        let sale = self.model.sales.get(&offer);
        let seller = sale.map_or(who::WIDE, |sale| sale.seller);
        let buyer = sale.map_or(who::BUYER, |sale| sale.buyer);
        let buyer = if buyer == Address::ZERO {
            who::BUYER
        } else {
            buyer
        };
        let party = if self.one_in(2) { seller } else { buyer };
        match kind {
            87..=94 => Step::Buy {
                by: self.actor(buyer),
                offer,
            },
            95..=99 => Step::Confirm {
                by: self.actor(buyer),
                offer,
            },
            100..=101 => Step::Cancel {
                by: self.actor(seller),
                offer,
            },
            102..=105 => Step::Refund {
                by: self.actor(party),
                offer,
            },
            106..=108 => Step::Dispute {
                by: self.actor(party),
                offer,
            },
            109..=111 => {
                let verdict = if self.one_in(2) {
                    OfferStatus::Refunded
                } else {
                    OfferStatus::Completed
                };
                Step::Resolve {
                    by: self.actor(who::INSPECTOR),
                    offer,
                    verdict,
                }
            }
            _ => Step::Reclaim {
                by: self.anybody(),
                offer,
            },
        }
    }
}

/// Kinds of steps, see [`Dice::step`].
const KINDS: u32 = 116;

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
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 1_000, ..ProptestConfig::default() })]

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
