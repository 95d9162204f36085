//! Peers that claim that what comes next is gone everywhere.

use std::time::Duration;

use bytes::Bytes;
use phytomer_streams::Offset;
use phytomer_wire::codec;
use phytomer_wire::events::{Event, Run};
use phytomer_wire::memory::Fabric;
use phytomer_wire::sync::{Answer, Ask, End, Gone, Height, Heights, LogName, Part, Question};
use phytomer_wire::{Network, Protocol};

use super::world::{Member, alike, stranger};
use crate::support::{key, number, read_all};

/// A claim is not signed: whatever it says, and whatever is sent for it, a log keeps its events
/// until others that their producer signed are here.
#[tokio::test(start_paused = true)]
async fn a_claim_of_later_events_drops_nothing() {
    let fabric = Fabric::new();
    let author = Member::join(&fabric, 1).await;
    let follower = Member::join(&fabric, 2).await;
    author.append_all(0..300).await;
    alike(&[&author, &follower], 1).await;
    let log = author.streams.log(author.own()).unwrap();
    // The author is gone: only the liar is left.
    author.stop(&fabric).await;
    let far = 1_u64 << 60;
    let name = LogName {
        stream: log.id.stream.as_str().to_owned(),
        producer: Bytes::copy_from_slice(log.id.producer.as_bytes()),
        epoch: log.id.epoch.0,
    };
    let heights = Heights {
        session: 1,
        revision: 1,
        logs: vec![Height {
            log: Some(name),
            first: far,
            next: far + 1,
            last: Bytes::from_static(&[1; 32]),
            checkpointed: far,
        }],
        keys: vec![Bytes::copy_from_slice(key(1).public().as_bytes())],
    };
    let network = stranger(&fabric, 3);
    let mut inbound = network.accept(Protocol::STREAMS).await.unwrap();
    let key_of_log = Bytes::copy_from_slice(log.key.as_bytes());
    let lying = tokio::spawn(async move {
        let mut asked = 0;
        while let Some(inbound) = inbound.recv().await {
            let mut stream = inbound.stream;
            let Ok(Some(ask)) = codec::read::<Ask>(&mut stream).await else {
                continue;
            };
            let part = match ask.question.unwrap() {
                Question::Heights(_) => Part::Heights(heights.clone()),
                // What might show whose doing it is was dropped a moment ago, it says.
                Question::Proof(_) => Part::Gone(Gone { first: far + 1 }),
                Question::Range(request) => {
                    assert_eq!(request.log, key_of_log);
                    assert_eq!(request.from, far);
                    asked += 1;
                    Part::Run(far_event(&key_of_log, far))
                }
            };
            for part in [part, Part::End(End {})] {
                let part = Some(part);
                let _ = codec::write(&mut stream, &Answer { part }).await;
            }
            let _ = codec::read::<Ask>(&mut stream).await;
            if asked == 9 {
                return;
            }
        }
    });
    // It is asked again and again, and each time its producer has not signed what it sends.
    tokio::time::timeout(Duration::from_secs(3_600), lying)
        .await
        .unwrap()
        .unwrap();
    let events = read_all(&follower.streams, log.key).await;
    assert_eq!(follower.next(log.key), Offset(300));
    let numbers: Vec<u64> = events.iter().map(number).collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    // It might have been deceived itself.
    assert_eq!(fabric.reports(), []);
}

/// One event at a far place, signed by another than the producer.
fn far_event(log: &Bytes, offset: u64) -> Bytes {
    let record = codec::encode(&phytomer_wire::events::Record::default());
    let header = codec::encode(&phytomer_wire::events::Header {
        version: 1,
        log: log.clone(),
        offset,
        previous: Bytes::from_static(&[7; 32]),
        time_ms: u64::MAX / 2,
        record_len: record.len() as u32,
        record_hash: Bytes::copy_from_slice(blake3::hash(&record).as_bytes()),
    });
    let signature = key(9).sign_fast(phytomer_streams::EVENT_CONTEXT, &header);
    let signature = Bytes::copy_from_slice(&signature);
    let events = vec![Event {
        header,
        signature,
        record,
    }];
    codec::encode(&Run { events })
}
