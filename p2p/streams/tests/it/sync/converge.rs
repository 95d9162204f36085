use std::sync::Arc;
use std::time::Duration;

use phytomer_store::MemoryStore;
use phytomer_streams::{Config, Offset, Retention, SyncConfig};
use phytomer_wire::memory::{Fabric, Link};

use super::world::{Member, alike, peer, until};
use crate::support::{number, read_all};

/// Little at a time, so that catching up takes many steps.
fn small_steps() -> SyncConfig {
    SyncConfig {
        fetch_bytes: 64 << 10,
        ..SyncConfig::default()
    }
}

async fn numbers(member: &Member, log: phytomer_streams::LogKey) -> Vec<u64> {
    let events = read_all(&member.streams, log).await;
    events.iter().map(number).collect()
}

#[tokio::test(start_paused = true)]
async fn a_late_joiner_gets_everything_and_the_checkpoints_with_it() {
    let fabric = Fabric::new();
    let first = Member::join(&fabric, 1).await;
    first.append_all(0..700).await;
    // Quiet for long enough that everything is under a checkpoint.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let second = Member::join(&fabric, 2).await;
    alike(&[&first, &second], 1).await;
    let log = first.own();
    assert_eq!(numbers(&second, log).await, (0..700).collect::<Vec<_>>());
    let (ours, theirs) = (
        read_all(&first.streams, log).await,
        read_all(&second.streams, log).await,
    );
    assert_eq!(ours, theirs);
    until("nothing is missing", || {
        let status = second.sync.status();
        status.peers == 1 && status.logs_behind == 0 && status.fetches == 0
    })
    .await;
    // Who holds the checkpoints can hand them on: a third node gets them from the second alone.
    fabric.cut(first.peer, peer(3));
    let third = Member::join(&fabric, 3).await;
    alike(&[&second, &third], 1).await;
    assert!(fabric.reports().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_appended_reaches_others_by_gossip_at_once() {
    let fabric = Fabric::new();
    let (a, b) = (
        Member::join(&fabric, 1).await,
        Member::join(&fabric, 2).await,
    );
    a.append(0..1).await;
    alike(&[&a, &b], 1).await;
    // Long before heights are exchanged again.
    let before = tokio::time::Instant::now();
    for count in 2..20 {
        a.append(count - 1..count).await;
        until("the event is there", || b.next(a.own()) == Offset(count)).await;
    }
    assert!(
        before.elapsed() < Duration::from_secs(8),
        "{:?}",
        before.elapsed()
    );
    b.append(100..103).await;
    alike(&[&a, &b], 2).await;
}

#[tokio::test(start_paused = true)]
async fn ten_nodes_become_alike_while_a_quarter_of_gossip_is_lost() {
    let fabric = Fabric::new();
    fabric.set_link(Link {
        gossip_loss: 0.25,
        ..Link::default()
    });
    let mut members = Vec::new();
    for seed in 1..=10 {
        members.push(Member::join(&fabric, seed).await);
    }
    for round in 0..5 {
        for member in &members {
            member.append(round * 3..round * 3 + 3).await;
        }
    }
    let members: Vec<&Member> = members.iter().collect();
    alike(&members, 10).await;
    for member in &members {
        for owner in &members {
            let found = numbers(member, owner.own()).await;
            assert_eq!(found, (0..15).collect::<Vec<_>>());
        }
    }
    assert!(fabric.reports().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_partition_of_half_a_minute_heals() {
    let fabric = Fabric::new();
    let mut members = Vec::new();
    for seed in 1..=6 {
        members.push(Member::join(&fabric, seed).await);
    }
    for member in &members {
        member.append(0..5).await;
    }
    let all: Vec<&Member> = members.iter().collect();
    alike(&all, 6).await;
    let (left, right) = all.split_at(3);
    for a in left {
        for b in right {
            fabric.cut(a.peer, b.peer);
        }
    }
    for (number, member) in all.iter().enumerate() {
        let count = 10 + 100 * number as u64;
        member.append_all(5..count).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_ne!(left[0].heads(), right[0].heads());
    for a in left {
        for b in right {
            fabric.heal(a.peer, b.peer);
        }
    }
    alike(&all, 6).await;
    for (index, owner) in all.iter().enumerate() {
        let expected: Vec<u64> = (0..10 + 100 * index as u64).collect();
        for member in &all {
            assert_eq!(numbers(member, owner.own()).await, expected);
        }
    }
    assert!(fabric.reports().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_goes_on_where_it_was() {
    let fabric = Fabric::new();
    let first = Member::join(&fabric, 1).await;
    first.append_all(0..20_000).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let config = SyncConfig {
        fetches_max: 1,
        ..small_steps()
    };
    let mut second = Member::join_with(&fabric, 2, Arc::default(), config.clone()).await;
    let (mut before, mut restarts) = (Offset(0), 0);
    while before < Offset(20_000) {
        until("there is more", || second.next(first.own()) > before).await;
        second = second.restart(&fabric, config.clone()).await;
        let kept = second.next(first.own());
        assert!(kept > before, "what was stored is kept");
        before = kept;
        restarts += 1;
    }
    assert!(restarts > 3, "{restarts}");
    alike(&[&first, &second], 1).await;
    let found = numbers(&second, first.own()).await;
    assert_eq!(found, (0..20_000).collect::<Vec<_>>());
    // What was fetched once is not fetched again, but for what was under way.
    let log = first.streams.log(first.own()).unwrap();
    let served = first.figure("phytomer_streams_sync_served_bytes_total");
    assert!(
        served < log.head.bytes() * 3,
        "{served} of {}",
        log.head.bytes()
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_whose_beginning_was_dropped_goes_on_from_what_is_left() {
    let fabric = Fabric::new();
    let retention = Config {
        retention: Retention {
            bytes_max: Some(4_000),
            age_max_ms: None,
        },
        retention_interval_ms: 1_000,
        ..Config::default()
    };
    let store = Arc::<MemoryStore>::default();
    let config = SyncConfig::default();
    let first = Member::join_as(&fabric, (1, 1), store, config, retention).await;
    first.append(0..200).await;
    let log = first.own();
    until("the beginning is dropped", || {
        first.streams.log(log).unwrap().head.first > Offset(0)
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let second = Member::join(&fabric, 2).await;
    alike(&[&first, &second], 1).await;
    let ours = read_all(&first.streams, log).await;
    let theirs = read_all(&second.streams, log).await;
    assert!(!theirs.is_empty());
    assert!(ours.ends_with(&theirs) || theirs.ends_with(&ours));
    first.append(200..210).await;
    alike(&[&first, &second], 1).await;
}

#[tokio::test(start_paused = true)]
async fn only_what_is_followed_is_kept() {
    let fabric = Fabric::new();
    let first = Member::join(&fabric, 1).await;
    let config = SyncConfig {
        streams: Some(vec!["others".parse().unwrap()]),
        ..SyncConfig::default()
    };
    let second = Member::join_with(&fabric, 2, Arc::default(), config).await;
    let third = Member::join(&fabric, 3).await;
    first.append(0..10).await;
    let name = "others".parse().unwrap();
    let record = phytomer_streams::Record::new("x");
    first.streams.append(&name, record).await.unwrap();
    until("it is there", || !second.streams.logs(&name).is_empty()).await;
    alike(&[&first, &third], 1).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(second.heads().is_empty());
    assert_eq!(second.streams.streams(), [name]);
}
