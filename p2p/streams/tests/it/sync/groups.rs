use phytomer_streams::{Offset, SyncConfig};
use phytomer_wire::memory::Fabric;

use super::world::{Member, alike, until};
use crate::support::number;

const GROUP: &str = "readers";

/// Reads at most `max` events behind what the group has committed, and commits each.
async fn consume(member: &Member, log: phytomer_streams::LogKey, max: usize) -> Vec<u64> {
    let committed = member.streams.committed(GROUP, log).await.unwrap();
    let mut at = committed.map_or(Offset(0), |committed| committed.offset);
    let mut seen = Vec::new();
    while seen.len() < max && at < member.next(log) {
        for event in member.streams.read(log, at, 1).await.unwrap() {
            seen.push(number(&event));
            at = event.offset().next();
            let offsets = vec![(log, at, String::new())];
            member.streams.commit(GROUP, offsets).await.unwrap();
        }
    }
    seen
}

/// The consumer, its node and the producer are all restarted while events flow.
#[tokio::test(start_paused = true)]
async fn a_committed_group_sees_every_event_once_across_restarts() {
    let fabric = Fabric::new();
    let mut producer = Member::join(&fabric, 1).await;
    let mut follower = Member::join(&fabric, 2).await;
    let mut seen = Vec::new();
    for round in 0..8u64 {
        producer.append(round * 10..round * 10 + 10).await;
        let log = producer.own();
        until("something is there", || {
            follower.next(log) > Offset(seen.len() as u64)
        })
        .await;
        seen.extend(consume(&follower, log, 7).await);
        follower = follower.restart(&fabric, SyncConfig::default()).await;
        if round % 3 == 2 {
            producer = producer.restart(&fabric, SyncConfig::default()).await;
        }
    }
    alike(&[&producer, &follower], 1).await;
    seen.extend(consume(&follower, producer.own(), usize::MAX).await);
    assert_eq!(seen, (0..80).collect::<Vec<_>>());
}

/// Offsets are the same on every node, so a consumer goes on elsewhere with what it committed.
#[tokio::test(start_paused = true)]
async fn a_group_goes_on_at_another_node() {
    let fabric = Fabric::new();
    let producer = Member::join(&fabric, 1).await;
    let (a, b) = (
        Member::join(&fabric, 2).await,
        Member::join(&fabric, 3).await,
    );
    producer.append_all(0..100).await;
    alike(&[&producer, &a, &b], 1).await;
    let log = producer.own();
    let mut seen = consume(&a, log, 40).await;
    let committed = a.streams.committed(GROUP, log).await.unwrap().unwrap();
    let offsets = vec![(log, committed.offset, String::new())];
    b.streams.commit(GROUP, offsets).await.unwrap();
    seen.extend(consume(&b, log, usize::MAX).await);
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}
