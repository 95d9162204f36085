//! Choosing the steps of a history.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, U256};
use phytomer_contracts::{OfferStatus, PlantCertificate::NewLot, Status, Unit};

use crate::{
    model::{Lot, Model, Sale, Step},
    world::{grape, olive, who},
};

/// Kinds of steps, see [`Dice::step`].
pub(crate) const KINDS: u32 = 113;

/// Random numbers that choose a step; zero, to which they shrink, is the plainest choice.
pub(crate) struct Dice<'a> {
    pub(crate) model: &'a Model,
    pub(crate) escrow: Address,
    pub(crate) numbers: std::slice::Iter<'a, u32>,
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

    /// Mostly a lot that its owner may divide.
    fn usable(&mut self) -> u64 {
        let model = self.model;
        let fit = |id: &&u64| {
            let lot = &model.lots[*id];
            lot.remainder > 0 && model.accredited(lot.owner, lot.terms.taxon) && !model.locked(**id)
        };
        let ids: Vec<u64> = model.lots.keys().filter(fit).copied().collect();
        if ids.is_empty() || self.one_in(8) {
            return self.lot();
        }
        ids[self.below(ids.len() as u64) as usize]
    }

    /// Mostly a sale that stands at one of `statuses`, the newest first.
    fn sale_at(&mut self, statuses: &[OfferStatus]) -> u64 {
        let at = |(_, sale): &(&u64, &Sale)| statuses.contains(&sale.status);
        let ids: Vec<u64> = self
            .model
            .sales
            .iter()
            .rev()
            .filter(at)
            .map(|(id, _)| *id)
            .collect();
        if ids.is_empty() || self.one_in(8) {
            return self.sale();
        }
        ids[self.below(ids.len() as u64) as usize]
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
        match self.below(16) {
            0..=11 => 0,
            12 => self.model.now,
            13 => self.model.now + 1,
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

    /// A step of one of [`KINDS`] kinds; `serial` and the nine numbers above it name new
    /// credentials.
    pub(crate) fn step(&mut self, kind: u32, serial: u64) -> Step {
        // What needs a lot, or a sale, begins by making one.
        let (needs_lot, needs_sale) = ((14..=68).contains(&kind), kind > 86);
        let kind = match self.model {
            model if model.lots.is_empty() && (needs_lot || kind > 78) => 0,
            model if model.sales.is_empty() && needs_sale => 79,
            _ => kind,
        };
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
            69..=73 => Step::Warp([0, 1, 600, 20_000][self.below(4) as usize]),
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
        let parent = self.usable();
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
        let first = self.usable();
        let by = self.owner(first);
        let mut ids = BTreeSet::from([first]);
        for _ in 0..2 + self.below(5) {
            let id = self.usable();
            let owner = self.model.lots.get(&id).map(|lot| lot.owner);
            if owner == Some(by) || self.one_in(16) {
                ids.insert(id);
            }
        }
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
            36..=39 => Step::Suspend {
                by: self.authority(id),
                id,
            },
            40..=48 => {
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
            49 => Step::Revoke {
                by: self.authority(id),
                id,
            },
            50..=51 => Step::Retire {
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
        let authorities = [who::AUTHORITY, who::RIVAL];
        let removed = authorities
            .into_iter()
            .find(|who| !self.model.authorities.contains(who));
        match (kind, removed) {
            (74, _) if self.one_in(3) => Step::RemoveAuthority(authority),
            (74 | 75, Some(removed)) => Step::AddAuthority(removed),
            (75, None) => Step::AddAuthority(authority),
            (76, _) if self.one_in(3) => Step::Withdraw {
                by: self.actor(authority),
                issuer,
            },
            _ => {
                let scopes = [vec![], vec![olive()], vec![grape(), olive()]];
                let taxa = scopes[self.below(3) as usize].clone();
                let by = self.model.authority_of(issuer).unwrap_or(authority);
                Step::Accredit {
                    by: self.actor(by),
                    issuer,
                    taxa,
                    until: self.moment(),
                }
            }
        }
    }

    fn offer(&mut self) -> Step {
        let model = self.model;
        let ready = |(_, lot): &(&u64, &Lot)| lot.approved == self.escrow;
        let ready = model.lots.iter().rev().find(ready).map(|(id, _)| *id);
        let id = match ready {
            Some(id) if !self.one_in(6) => id,
            _ => self.usable(),
        };
        let by = self.owner(id);
        // An offer needs an approval first; a later step may then make the offer.
        if ready != Some(id) && !self.one_in(8) {
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
        Step::Offer(Sale {
            seller: by,
            buyer,
            certificate: id,
            price,
            deadline,
            status: OfferStatus::Open,
        })
    }

    fn trade(&mut self, kind: u32) -> Step {
        let (statuses, before): (&[OfferStatus], u32) = match kind {
            87..=93 | 100..=101 => (&[OfferStatus::Open], 79),
            94..=99 | 102..=106 => (&[OfferStatus::Funded], 87),
            107..=109 => (&[OfferStatus::Disputed], 105),
            _ => (
                &[
                    OfferStatus::Completed,
                    OfferStatus::Cancelled,
                    OfferStatus::Refunded,
                ],
                87,
            ),
        };
        let mut sales = self.model.sales.values();
        if !sales.any(|sale| statuses.contains(&sale.status)) && !self.one_in(8) {
            // None stands there yet: bring one a step closer.
            return if before < 87 {
                self.offer()
            } else {
                self.trade(before)
            };
        }
        let offer = self.sale_at(statuses);
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
            87..=93 => Step::Buy {
                by: self.actor(buyer),
                offer,
            },
            94..=99 => Step::Confirm {
                by: self.actor(buyer),
                offer,
            },
            100..=101 => Step::Cancel {
                by: self.actor(seller),
                offer,
            },
            102..=104 => Step::Refund {
                by: self.actor(party),
                offer,
            },
            105..=106 => Step::Dispute {
                by: self.actor(party),
                offer,
            },
            107..=109 => {
                let to_buyer = self.one_in(2);
                let verdict = if to_buyer {
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
