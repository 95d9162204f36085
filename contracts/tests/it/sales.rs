//! The sales in the model.

use alloy::primitives::Address;
use phytomer_contracts::OfferStatus;

use crate::{
    model::{Allowed, Model, Sale, Step, ensure},
    world::who,
};

impl Model {
    /// A step at the escrow.
    pub(crate) fn trade(&mut self, step: &Step) -> Allowed {
        let (by, offer) = match *step {
            Step::Offer(ref sale) => return self.offer(sale.clone()),
            Step::Buy { by, offer }
            | Step::Confirm { by, offer }
            | Step::Cancel { by, offer }
            | Step::Refund { by, offer }
            | Step::Dispute { by, offer }
            | Step::Resolve { by, offer, .. }
            | Step::Reclaim { by, offer } => (by, offer),
            _ => return None,
        };
        let sale = self.sales.get(&offer)?.clone();
        let locked = self.locked(sale.certificate);
        let (is_buyer, is_seller) = (by == sale.buyer, by == sale.seller);
        match (step, sale.status) {
            (Step::Buy { .. }, OfferStatus::Open) => {
                ensure(sale.buyer == Address::ZERO || is_buyer)?;
                ensure(self.now < sale.deadline && !locked)?;
                self.pay(by, self.escrow, sale.price)?;
                let sale = self.sales.get_mut(&offer)?;
                (sale.buyer, sale.status) = (by, OfferStatus::Funded);
            }
            (Step::Confirm { .. }, OfferStatus::Funded) => {
                ensure(is_buyer && !locked)?;
                self.end(offer, OfferStatus::Completed)?;
            }
            (Step::Cancel { .. }, OfferStatus::Open) => {
                ensure(is_seller)?;
                self.end(offer, OfferStatus::Cancelled)?;
            }
            (Step::Refund { .. }, OfferStatus::Funded) => {
                ensure(is_seller || is_buyer && (locked || self.now >= sale.deadline))?;
                self.end(offer, OfferStatus::Refunded)?;
            }
            (Step::Dispute { .. }, OfferStatus::Funded) => {
                ensure(is_buyer || is_seller)?;
                self.sales.get_mut(&offer)?.status = OfferStatus::Disputed;
            }
            (Step::Resolve { verdict, .. }, OfferStatus::Disputed) => {
                ensure(by == who::INSPECTOR)?;
                self.end(offer, *verdict)?;
            }
            (
                Step::Reclaim { .. },
                OfferStatus::Completed | OfferStatus::Cancelled | OfferStatus::Refunded,
            ) => {
                ensure(self.lots[&sale.certificate].held_for == Some(offer) && !locked)?;
                self.release(&sale);
            }
            _ => return None,
        }
        Some(())
    }

    fn offer(&mut self, sale: Sale) -> Allowed {
        let id = sale.certificate;
        let lot = self.lots.get(&id)?;
        ensure(lot.owner == sale.seller && lot.approved == self.escrow && !self.locked(id))?;
        ensure(sale.price > 0 && sale.deadline > self.now && lot.remainder > 0)?;
        ensure(lot.terms.expiresAt == 0 || sale.deadline <= lot.terms.expiresAt)?;
        let offer = self.sales.len() as u64 + 1;
        self.sales.insert(offer, sale);
        self.hand_over(id, self.escrow);
        self.lots.get_mut(&id)?.held_for = Some(offer);
        Some(())
    }

    /// Pays whom the end of a sale favours and lets the certificate go if it can.
    fn end(&mut self, offer: u64, status: OfferStatus) -> Allowed {
        self.sales.get_mut(&offer)?.status = status;
        let sale = self.sales[&offer].clone();
        match status {
            OfferStatus::Completed => self.pay(self.escrow, sale.seller, sale.price)?,
            OfferStatus::Refunded => self.pay(self.escrow, sale.buyer, sale.price)?,
            _ => {}
        }
        if !self.locked(sale.certificate) {
            self.release(&sale);
        }
        Some(())
    }

    fn release(&mut self, sale: &Sale) {
        let sold = sale.status == OfferStatus::Completed;
        self.hand_over(
            sale.certificate,
            if sold { sale.buyer } else { sale.seller },
        );
        if let Some(lot) = self.lots.get_mut(&sale.certificate) {
            lot.held_for = None;
        }
    }

    fn pay(&mut self, from: Address, to: Address, amount: u64) -> Allowed {
        let balance = self.money.get_mut(&from)?;
        *balance = balance.checked_sub(amount)?;
        *self.money.get_mut(&to)? += amount;
        Some(())
    }
}
