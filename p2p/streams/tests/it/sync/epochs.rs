use std::sync::Arc;
use std::time::Duration;

use phytomer_streams::{Offset, Origin, SyncConfig};
use phytomer_wire::memory::Fabric;

use super::world::{Member, alike, copy, until};
use crate::support::{START_MS, number, read_all, record, stream};

#[tokio::test(start_paused = true)]
async fn a_lost_disk_begins_a_new_epoch_and_brings_the_old_log_back() {
    let fabric = Fabric::new();
    let first = Member::join(&fabric, 1).await;
    let second = Member::join(&fabric, 2).await;
    first.clock.set(START_MS + 1_000_000);
    first.append(0..20).await;
    let old = first.streams.own_log(&stream()).unwrap();
    alike(&[&first, &second], 1).await;
    drop(first.stop(&fabric).await);
    // An empty disk, and a clock that runs behind.
    let again = Member::join(&fabric, 1).await;
    again.append(20..25).await;
    let new = again.streams.own_log(&stream()).unwrap();
    assert!(
        new.id.epoch > old.id.epoch,
        "{} {}",
        new.id.epoch,
        old.id.epoch
    );
    alike(&[&again, &second], 2).await;
    let events = read_all(&again.streams, old.key).await;
    let numbers: Vec<u64> = events.iter().map(number).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert_eq!(again.streams.log(old.key).unwrap().origin, Origin::Retired);
    assert!(second.streams.evidence(None, 9).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_older_than_what_was_published_does_not_fork() {
    let fabric = Fabric::new();
    let first = Member::join(&fabric, 1).await;
    let second = Member::join(&fabric, 2).await;
    first.append(0..10).await;
    alike(&[&first, &second], 1).await;
    let backup = copy(&first.store);
    first.append(10..30).await;
    alike(&[&first, &second], 1).await;
    let old = first.own();
    drop(first.stop(&fabric).await);
    let restored = Member::join_with(&fabric, 1, backup, SyncConfig::default()).await;
    assert_eq!(restored.next(old), Offset(10));
    until("the node has left its old log", || restored.own() != old).await;
    restored.append(100..103).await;
    alike(&[&restored, &second], 2).await;
    assert_eq!(restored.next(old), Offset(30));
    assert_eq!(restored.next(restored.own()), Offset(3));
    for member in [&restored, &second] {
        assert!(member.streams.evidence(None, 9).await.unwrap().is_empty());
    }
}

/// The first thing that a node says after its start must not be said twice.
#[tokio::test(start_paused = true)]
async fn a_restored_disk_appends_nothing_before_it_is_compared() {
    let fabric = Fabric::new();
    let first = Member::join(&fabric, 1).await;
    let second = Member::join(&fabric, 2).await;
    let names = ["plants", "trees", "moss"].map(|name| name.parse().unwrap());
    let say = async |member: &Member, numbers: std::ops::Range<u64>| {
        for (number, name) in numbers.flat_map(|number| names.iter().map(move |it| (number, it))) {
            member.streams.append(name, record(number)).await.unwrap();
        }
    };
    let held = |member: &Member| {
        let logs = names.iter().flat_map(|name| member.streams.logs(name));
        logs.map(|log| log.head.next.0).sum::<u64>()
    };
    say(&first, 0..10).await;
    until("all is there", || held(&second) == 30).await;
    let backup = copy(&first.store);
    say(&first, 10..20).await;
    until("all is there", || held(&second) == 60).await;
    let old = names
        .each_ref()
        .map(|name| first.streams.own_log(name).unwrap());
    drop(first.stop(&fabric).await);
    let restored = Member::join_with(&fabric, 1, backup, SyncConfig::default()).await;
    // At once, as a node that tells of its start.
    say(&restored, 100..101).await;
    for (name, old) in names.iter().zip(&old) {
        let new = restored.streams.own_log(name).unwrap();
        assert!(
            new.id.epoch > old.id.epoch,
            "{name} goes on in a log of its own"
        );
        assert_eq!(new.head.next, Offset(1));
    }
    until("all is there", || {
        held(&second) == 63 && held(&restored) == 63
    })
    .await;
    for member in [&restored, &second] {
        assert!(member.streams.evidence(None, 9).await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn alone_the_first_append_waits_no_longer_than_it_may() {
    let fabric = Fabric::new();
    let config = SyncConfig {
        settle_ms: 3_000,
        ..SyncConfig::default()
    };
    let before = tokio::time::Instant::now();
    let alone = Member::join_with(&fabric, 1, Arc::default(), config).await;
    alone.append(0..1).await;
    let waited = before.elapsed();
    assert!(waited >= Duration::from_secs(3), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    // Later ones do not wait.
    let before = tokio::time::Instant::now();
    alone.append(1..10).await;
    assert!(before.elapsed() < Duration::from_secs(1));
}
