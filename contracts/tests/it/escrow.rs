//! Sales, with and without trouble.

use alloy::{
    primitives::{Address, U256},
    sol_types::SolEvent,
};
use phytomer_contracts::{Escrow as E, OfferStatus, PlantCertificate as P};

use crate::{
    chain::{Refused, refused},
    world::{BEGIN, FUNDS, World, olive, who},
};

/// 25 tUSD.
const PRICE: u64 = 25_000_000;

/// Calls a function of the escrow that takes an offer's id alone.
macro_rules! trade {
    ($world:expr, $by:expr, $call:ident, $id:expr) => {
        $world
            .trade(
                $by,
                &E::$call {
                    id: U256::from($id),
                },
            )
            .map(drop)
    };
}

fn resolve(world: &mut World, by: Address, id: u64, to_seller: bool) -> Result<(), Refused> {
    let call = E::resolveCall {
        id: U256::from(id),
        toSeller: to_seller,
    };
    world.trade(by, &call).map(drop)
}

/// The wide issuer offers a new lot to anyone; the lot and the offer.
fn offered(world: &mut World) -> (u64, u64) {
    let lot = world.issued(100);
    let offer = world.offer(who::WIDE, lot, PRICE, Address::ZERO).unwrap();
    (lot, offer)
}

/// And the buyer has paid.
fn funded(world: &mut World) -> (u64, u64) {
    let (lot, offer) = offered(world);
    trade!(world, who::BUYER, buyCall, offer).unwrap();
    (lot, offer)
}

/// tUSD that the seller, the buyer and the escrow have more than at the beginning.
fn gains(world: &mut World) -> [i128; 3] {
    let escrow = world.escrow;
    [(who::WIDE, FUNDS), (who::BUYER, FUNDS), (escrow, 0)]
        .map(|(account, before)| i128::from(world.usd_of(account)) - i128::from(before))
}

const SOLD: [i128; 3] = [PRICE as i128, -(PRICE as i128), 0];
const HELD: [i128; 3] = [0, -(PRICE as i128), PRICE as i128];

#[test]
fn a_sale_changes_both_hands() {
    let mut world = World::new();
    let (lot, offer) = offered(&mut world);
    assert_eq!((lot, offer), (1, 1));
    assert_eq!(world.owner(lot), world.escrow);
    let (status, sale) = world.sale(offer);
    assert_eq!(status, OfferStatus::Open);
    assert_eq!(
        (sale.seller, sale.buyer, sale.price),
        (who::WIDE, Address::ZERO, U256::from(PRICE))
    );

    trade!(world, who::BUYER, buyCall, offer).unwrap();
    assert_eq!(world.sale(offer).1.buyer, who::BUYER);
    assert_eq!(gains(&mut world), HELD);
    refused(
        trade!(world, who::STRANGER, buyCall, offer),
        "WrongOfferStatus",
    );
    refused(trade!(world, who::WIDE, confirmCall, offer), "NotParty");
    refused(
        trade!(world, who::WIDE, cancelCall, offer),
        "WrongOfferStatus",
    );
    refused(trade!(world, who::BUYER, refundCall, offer), "TooEarly");

    let call = E::confirmCall {
        id: U256::from(offer),
    };
    let done = world.trade(who::BUYER, &call).unwrap();
    let ours: Vec<_> = done
        .logs
        .iter()
        .filter(|log| log.address == world.escrow)
        .collect();
    assert_eq!(E::Completed::decode_log(ours[0]).unwrap().id, U256::from(1));
    assert_eq!(E::HandedOver::decode_log(ours[1]).unwrap().to, who::BUYER);
    assert_eq!(world.owner(lot), who::BUYER);
    assert_eq!(gains(&mut world), SOLD);
    assert_eq!(world.sale(offer).0, OfferStatus::Completed);

    for call in ["confirm", "refund", "dispute"] {
        let result = match call {
            "confirm" => trade!(world, who::BUYER, confirmCall, offer),
            "refund" => trade!(world, who::WIDE, refundCall, offer),
            _ => trade!(world, who::BUYER, disputeCall, offer),
        };
        refused(result, "WrongOfferStatus");
    }
    refused(trade!(world, who::BUYER, reclaimCall, offer), "NothingHeld");
    // The buyer sells it on; the first offer has no say any more.
    let second = world.offer(who::BUYER, lot, PRICE, Address::ZERO).unwrap();
    refused(trade!(world, who::BUYER, reclaimCall, offer), "NothingHeld");
    trade!(world, who::BUYER, cancelCall, second).unwrap();
    assert_eq!(world.owner(lot), who::BUYER);
}

#[test]
fn an_offer_is_sound() {
    let mut world = World::new();
    let lot = world.issued(100);
    let day = BEGIN + 86_400;
    let good = E::offerCall {
        certificate: U256::from(lot),
        price: U256::from(1),
        buyer: Address::ZERO,
        deadline: day,
    };
    refused(world.trade(who::WIDE, &good), "ERC721InsufficientApproval");
    let all = P::setApprovalForAllCall {
        operator: world.escrow,
        approved: true,
    };
    world.certify(who::WIDE, &all).unwrap();
    let free = E::offerCall {
        price: U256::ZERO,
        ..good.clone()
    };
    refused(world.trade(who::WIDE, &free), "NoPrice");
    let past = E::offerCall {
        deadline: BEGIN,
        ..good.clone()
    };
    refused(world.trade(who::WIDE, &past), "DeadlinePassed");
    // Somebody else cannot sell it, though the escrow is approved.
    refused(world.trade(who::STRANGER, &good), "ERC721IncorrectOwner");
    let unknown = E::offerCall {
        certificate: U256::from(99),
        ..good.clone()
    };
    refused(world.trade(who::WIDE, &unknown), "NothingLeft");

    world.split_off(lot, &[100]);
    refused(world.trade(who::WIDE, &good), "NothingLeft");
    let short = P::NewLot {
        expiresAt: day - 1,
        ..world.lot(olive(), 5)
    };
    let short = world.issue(who::WIDE, who::WIDE, short).unwrap();
    let outlives = E::offerCall {
        certificate: U256::from(short),
        ..good.clone()
    };
    refused(world.trade(who::WIDE, &outlives), "OutlivesCertificate");
    world.suspend(who::AUTHORITY, 2, "X").unwrap();
    let locked = E::offerCall {
        certificate: U256::from(2),
        ..good
    };
    refused(world.trade(who::WIDE, &locked), "LotLocked");
}

#[test]
fn a_named_buyer_alone_may_buy_in_time() {
    let mut world = World::new();
    let lot = world.issued(100);
    let offer = world.offer(who::WIDE, lot, PRICE, who::BUYER).unwrap();
    refused(trade!(world, who::STRANGER, buyCall, offer), "NotParty");
    refused(trade!(world, who::STRANGER, cancelCall, offer), "NotParty");
    refused(trade!(world, who::WIDE, buyCall, 99), "WrongOfferStatus");
    world.chain.warp(86_400);
    refused(trade!(world, who::BUYER, buyCall, offer), "DeadlinePassed");
    trade!(world, who::WIDE, cancelCall, offer).unwrap();
    assert_eq!(world.owner(lot), who::WIDE);
    assert_eq!(world.sale(offer).0, OfferStatus::Cancelled);
    refused(
        trade!(world, who::WIDE, cancelCall, offer),
        "WrongOfferStatus",
    );
    assert_eq!(gains(&mut world), [0; 3]);
}

#[test]
fn who_cannot_pay_does_not_buy() {
    let mut world = World::new();
    let lot = world.issued(1);
    let offer = world
        .offer(who::WIDE, lot, FUNDS + 1, Address::ZERO)
        .unwrap();
    refused(
        trade!(world, who::BUYER, buyCall, offer),
        "ERC20InsufficientBalance",
    );
    assert_eq!(world.sale(offer).0, OfferStatus::Open);
}

#[test]
fn after_the_deadline_the_buyer_gets_the_money_back() {
    let mut world = World::new();
    let (lot, offer) = funded(&mut world);
    world.chain.warp(86_399);
    refused(trade!(world, who::BUYER, refundCall, offer), "TooEarly");
    world.chain.warp(1);
    refused(trade!(world, who::STRANGER, refundCall, offer), "NotParty");
    trade!(world, who::BUYER, refundCall, offer).unwrap();
    assert_eq!(gains(&mut world), [0; 3]);
    assert_eq!(world.owner(lot), who::WIDE);
    refused(
        trade!(world, who::BUYER, refundCall, offer),
        "WrongOfferStatus",
    );
}

#[test]
fn the_seller_may_give_up_at_once() {
    let mut world = World::new();
    let (lot, offer) = funded(&mut world);
    trade!(world, who::WIDE, refundCall, offer).unwrap();
    assert_eq!(gains(&mut world), [0; 3]);
    assert_eq!(world.owner(lot), who::WIDE);
}

#[test]
fn a_locked_certificate_stays_and_the_money_goes_back() {
    let mut world = World::new();
    let root = world.issued(10);
    let lot = world.split_off(root, &[10]);
    let offer = world.offer(who::WIDE, lot, PRICE, Address::ZERO).unwrap();
    world.suspend(who::AUTHORITY, root, "XYLEFA").unwrap();
    refused(
        trade!(world, who::BUYER, buyCall, offer),
        "CertificateLocked",
    );
    world.reinstate(who::AUTHORITY, root).unwrap();
    trade!(world, who::BUYER, buyCall, offer).unwrap();
    world.suspend(who::AUTHORITY, root, "XYLEFA").unwrap();

    refused(
        trade!(world, who::BUYER, confirmCall, offer),
        "CertificateLocked",
    );
    assert_eq!(gains(&mut world), HELD);
    trade!(world, who::BUYER, refundCall, offer).unwrap();
    assert_eq!(gains(&mut world), [0; 3]);
    assert_eq!(world.owner(lot), world.escrow);
    refused(
        trade!(world, who::WIDE, reclaimCall, offer),
        "CertificateLocked",
    );
    world.reinstate(who::AUTHORITY, root).unwrap();
    // Whoever calls, it goes to whom it is due.
    trade!(world, who::STRANGER, reclaimCall, offer).unwrap();
    assert_eq!(world.owner(lot), who::WIDE);
    refused(trade!(world, who::WIDE, reclaimCall, offer), "NothingHeld");
}

#[test]
fn a_locked_offer_is_cancelled_and_reclaimed_later() {
    let mut world = World::new();
    let (lot, offer) = offered(&mut world);
    refused(
        trade!(world, who::WIDE, reclaimCall, offer),
        "WrongOfferStatus",
    );
    world.suspend(who::AUTHORITY, lot, "XYLEFA").unwrap();
    trade!(world, who::WIDE, cancelCall, offer).unwrap();
    assert_eq!(world.owner(lot), world.escrow);
    world.reinstate(who::AUTHORITY, lot).unwrap();
    trade!(world, who::WIDE, reclaimCall, offer).unwrap();
    assert_eq!(world.owner(lot), who::WIDE);
}

#[test]
fn the_inspector_decides_a_dispute() {
    for (to_seller, owner) in [(true, who::BUYER), (false, who::WIDE)] {
        let mut world = World::new();
        let (lot, offer) = funded(&mut world);
        refused(
            resolve(&mut world, who::INSPECTOR, offer, to_seller),
            "WrongOfferStatus",
        );
        refused(trade!(world, who::STRANGER, disputeCall, offer), "NotParty");
        trade!(world, who::WIDE, disputeCall, offer).unwrap();
        world.chain.warp(200_000);
        for result in [
            trade!(world, who::BUYER, refundCall, offer),
            trade!(world, who::BUYER, confirmCall, offer),
            trade!(world, who::BUYER, disputeCall, offer),
        ] {
            refused(result, "WrongOfferStatus");
        }
        for by in [who::WIDE, who::BUYER, who::ADMIN, who::AUTHORITY] {
            refused(
                resolve(&mut world, by, offer, to_seller),
                "AccessManagedUnauthorized",
            );
        }
        resolve(&mut world, who::INSPECTOR, offer, to_seller).unwrap();
        assert_eq!(gains(&mut world), if to_seller { SOLD } else { [0; 3] });
        assert_eq!(world.owner(lot), owner);
        refused(
            resolve(&mut world, who::INSPECTOR, offer, to_seller),
            "WrongOfferStatus",
        );
    }
}

#[test]
fn a_dispute_over_a_locked_certificate_can_be_decided() {
    let mut world = World::new();
    let (lot, offer) = funded(&mut world);
    trade!(world, who::BUYER, disputeCall, offer).unwrap();
    world.suspend(who::AUTHORITY, lot, "XYLEFA").unwrap();
    resolve(&mut world, who::INSPECTOR, offer, true).unwrap();
    assert_eq!(gains(&mut world), SOLD);
    assert_eq!(world.owner(lot), world.escrow);
    world.reinstate(who::AUTHORITY, lot).unwrap();
    trade!(world, who::STRANGER, reclaimCall, offer).unwrap();
    assert_eq!(world.owner(lot), who::BUYER);
}

#[test]
fn in_custody_a_certificate_can_only_be_ended() {
    let mut world = World::new();
    let (lot, offer) = funded(&mut world);
    let child = vec![world.lot(olive(), 1)];
    refused(
        world.split(who::WIDE, lot, child, who::WIDE),
        "ERC721InsufficientApproval",
    );
    let successor = world.lot(olive(), 100);
    refused(
        world.supersede(who::WIDE, lot, successor),
        "ERC721InvalidReceiver",
    );
    refused(world.retire(who::BUYER, lot), "NotAllowed");
    // The issuer may end it; then the buyer need not wait.
    world.retire(who::WIDE, lot).unwrap();
    refused(
        trade!(world, who::BUYER, confirmCall, offer),
        "CertificateLocked",
    );
    trade!(world, who::BUYER, refundCall, offer).unwrap();
    assert_eq!(gains(&mut world), [0; 3]);
}
