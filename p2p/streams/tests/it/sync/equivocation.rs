use std::time::Duration;

use phytomer_store::MemoryStore;
use phytomer_streams::{Config, Offset, SyncConfig};
use phytomer_wire::memory::Fabric;

use super::world::{Member, alike, copy, peer, until};

/// A node and its twin: another with its keys and a copy of its disk. Each says something else.
async fn twins(fabric: &Fabric, common: u64) -> (Member, Member) {
    let first = Member::join(fabric, 1).await;
    first.append_all(0..common).await;
    let store: std::sync::Arc<MemoryStore> = copy(&first.store);
    fabric.cut(peer(1), peer(2));
    let (config, streams) = (SyncConfig::default(), Config::default());
    let second = Member::join_as(fabric, (2, 1), store, config, streams).await;
    first.append(1_000..1_001).await;
    second.append(2_000..2_001).await;
    (first, second)
}

#[tokio::test(start_paused = true)]
async fn who_says_two_things_is_found_out_by_everybody() {
    let fabric = Fabric::new();
    // Nobody hears both of them but by hearsay.
    for seed in [3, 4] {
        fabric.cut(peer(2), peer(seed));
    }
    for seed in [5, 6] {
        fabric.cut(peer(1), peer(seed));
    }
    let (first, second) = twins(&fabric, 5).await;
    let log = first.own();
    let mut others = Vec::new();
    for seed in 3..=6 {
        others.push(Member::join(&fabric, seed).await);
    }
    let everybody: Vec<&Member> = others.iter().chain([&first, &second]).collect();
    let frozen = |member: &&Member| {
        let log = member.streams.log(log);
        log.and_then(|log| log.head.frozen) == Some(Offset(5))
    };
    until("all know of it", || everybody.iter().all(frozen)).await;
    for member in &everybody {
        let evidence = member.streams.evidence(None, 9).await.unwrap();
        assert_eq!(evidence.len(), 1);
        assert_eq!(evidence[0].offset(), Offset(5));
        assert_eq!(evidence[0].log().key(), log);
    }
    // Whoever comes later is told.
    let late = Member::join(&fabric, 7).await;
    until("the late one knows", || frozen(&&late)).await;
    // The branches stay as they were, and nothing is added.
    assert!(late.next(log) <= Offset(6));
    // Nobody but the producer is to blame.
    assert!(fabric.reports().is_empty(), "{:?}", fabric.reports());
}

#[tokio::test(start_paused = true)]
async fn a_longer_branch_does_not_hide_the_fork() {
    let fabric = Fabric::new();
    let (first, second) = twins(&fabric, 300).await;
    first.append_all(1_001..1_900).await;
    let log = first.own();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let third = Member::join(&fabric, 3).await;
    let heads = || [&first, &second, &third].map(|member| member.streams.log(log));
    until("all know of it", || {
        heads()
            .iter()
            .flatten()
            .filter(|log| log.head.frozen == Some(Offset(300)))
            .count()
            == 3
    })
    .await;
    // The operator goes on in new epochs, which others follow as before.
    fabric.heal(peer(1), peer(2));
    let fourth = Member::join(&fabric, 4).await;
    first.clock.set(crate::support::START_MS + 5_000);
    first.append(5_000..5_003).await;
    let renewed = first.own();
    assert_ne!(renewed, log);
    until("the new log is followed", || {
        [&second, &third, &fourth]
            .iter()
            .all(|member| member.next(renewed) == Offset(3))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_honest_network_has_no_evidence() {
    let fabric = Fabric::new();
    let (a, b) = (
        Member::join(&fabric, 1).await,
        Member::join(&fabric, 2).await,
    );
    a.append(0..50).await;
    b.append(0..50).await;
    alike(&[&a, &b], 2).await;
    for member in [&a, &b] {
        assert!(member.streams.evidence(None, 9).await.unwrap().is_empty());
    }
}
