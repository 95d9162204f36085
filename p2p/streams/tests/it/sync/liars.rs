//! Peers that lie about an honest node's log. Nothing of it gets in, and the honest node is
//! followed as soon as it is there.

use std::time::Duration;

use bytes::Bytes;
use phytomer_streams::{EVENT_CONTEXT, LogInfo, Offset};
use phytomer_wire::codec;
use phytomer_wire::events::{Event, Header, Record, Run};
use phytomer_wire::memory::{Fabric, MemoryNetwork};
use phytomer_wire::sync::{
    Answer, Ask, Checkpoint, End, Height, Heights, LogName, Part, Question, RangeRequest,
};
use phytomer_wire::{ByteStream, Network, Offence, PeerId, Protocol};
use tokio::io::AsyncWriteExt;

use super::world::{Member, alike, peer, stranger, until};
use crate::support::{key, number, read_all};

/// What a liar makes of the answer that it should give.
type Lie = fn(&RangeRequest, Vec<Part>) -> Reply;

enum Reply {
    Parts(Vec<Part>),
    Bytes(Vec<u8>),
    Silence,
}

async fn write(stream: &mut ByteStream, part: Part) -> bool {
    let answer = Answer { part: Some(part) };
    codec::write(stream, &answer).await.is_ok()
}

/// Asks an honest node, as any peer would.
async fn ask(network: &MemoryNetwork, peer: PeerId, question: Question) -> Vec<Part> {
    let mut stream = network.open_stream(peer, Protocol::STREAMS).await.unwrap();
    let question = Some(question);
    codec::write(&mut stream, &Ask { question }).await.unwrap();
    let mut parts = Vec::new();
    loop {
        let answer: Answer = codec::read(&mut stream).await.unwrap().unwrap();
        match answer.part.unwrap() {
            Part::End(_) => return parts,
            part => parts.push(part),
        }
    }
}

/// Serves the victim: the honest node's heights, and a lie for every range.
async fn lie(
    network: MemoryNetwork,
    (honest, victim): (PeerId, PeerId),
    heights: Heights,
    make: Lie,
) {
    let mut inbound = network.accept(Protocol::STREAMS).await.unwrap();
    while let Some(inbound) = inbound.recv().await {
        if inbound.from != victim {
            continue;
        }
        let (network, heights) = (network.clone(), heights.clone());
        tokio::spawn(async move {
            let mut stream = inbound.stream;
            let Ok(Some(ask_)) = codec::read::<Ask>(&mut stream).await else {
                return;
            };
            let parts = match ask_.question.unwrap() {
                Question::Heights(_) => Reply::Parts(vec![Part::Heights(heights)]),
                Question::Range(request) => {
                    let truth = ask(&network, honest, Question::Range(request.clone())).await;
                    make(&request, truth)
                }
                question @ Question::Proof(_) => {
                    Reply::Parts(ask(&network, honest, question).await)
                }
            };
            match parts {
                Reply::Parts(parts) => {
                    for part in parts.into_iter().chain([Part::End(End {})]) {
                        if !write(&mut stream, part).await {
                            return;
                        }
                    }
                }
                Reply::Bytes(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                }
                Reply::Silence => std::future::pending().await,
            }
            // Until the victim has read it.
            let _ = codec::read::<Ask>(&mut stream).await;
        });
    }
}

fn heights(log: &LogInfo, keys: &[u8]) -> Heights {
    let name = LogName {
        stream: log.id.stream.as_str().to_owned(),
        producer: Bytes::copy_from_slice(log.id.producer.as_bytes()),
        epoch: log.id.epoch.0,
    };
    let height = Height {
        log: Some(name),
        first: 0,
        next: log.head.next.0,
        last: Bytes::copy_from_slice(&log.head.last_hash.0),
        checkpointed: log.head.next.0,
    };
    Heights {
        session: 1,
        revision: 1,
        logs: vec![height],
        keys: vec![Bytes::copy_from_slice(keys)],
    }
}

/// A victim that knows the liar first and the honest node later.
async fn deceive(keys: &[u8], make: Lie) -> (Vec<Offence>, u64) {
    let fabric = Fabric::new();
    let (honest, victim, liar) = (peer(1), peer(2), peer(3));
    let author = Member::join(&fabric, 1).await;
    author.append_all(0..600).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let log = author.streams.log(author.own()).unwrap();
    fabric.cut(honest, victim);
    let network = stranger(&fabric, 3);
    let lying = lie(network, (honest, victim), heights(&log, keys), make);
    let lying = tokio::spawn(lying);
    let deceived = Member::join(&fabric, 2).await;
    // Longer than any patience lasts.
    tokio::time::sleep(Duration::from_secs(90)).await;
    let got_in = deceived.next(log.key).0;
    let events = match got_in {
        0 => Vec::new(),
        _ => read_all(&deceived.streams, log.key).await,
    };
    for (event, expected) in events.iter().zip(0..) {
        assert_eq!(number(event), expected, "only the truth gets in");
    }
    let reports = fabric.reports();
    let offences: Vec<Offence> = reports
        .iter()
        .filter(|(by, of, _)| (*by, *of) == (victim, liar))
        .map(|(_, _, offence)| *offence)
        .collect();
    fabric.heal(honest, victim);
    alike(&[&author, &deceived], 1).await;
    assert_eq!(
        read_all(&author.streams, log.key).await,
        read_all(&deceived.streams, log.key).await
    );
    let blamed = |of: PeerId| {
        fabric
            .reports()
            .iter()
            .any(|(by, who, _)| *by == victim && *who == of)
    };
    assert!(!blamed(honest), "{:?}", fabric.reports());
    assert!(deceived.streams.evidence(None, 9).await.unwrap().is_empty());
    lying.abort();
    (offences, got_in)
}

async fn expect(make: Lie, offence: Offence) {
    let (offences, got_in) = deceive(key(1).public().as_bytes(), make).await;
    assert_eq!(got_in, 0, "not a byte of a lie is stored");
    assert!(offences.contains(&offence), "{offences:?}");
    assert!(
        offences.iter().all(|other| *other == offence),
        "{offences:?}"
    );
}

/// Changes the events of an answer.
fn with_events(parts: Vec<Part>, change: impl Fn(&mut Vec<Event>)) -> Reply {
    let changed = parts.into_iter().map(|part| match part {
        Part::Run(bytes) => {
            let mut run: Run = codec::decode(&bytes).unwrap();
            change(&mut run.events);
            Part::Run(codec::encode(&run))
        }
        other => other,
    });
    Reply::Parts(changed.collect())
}

#[tokio::test(start_paused = true)]
async fn a_changed_record_is_found() {
    let lie: Lie = |_, parts| {
        with_events(parts, |events| {
            let mut record = events[3].record.to_vec();
            *record.last_mut().unwrap() ^= 1;
            events[3].record = record.into();
        })
    };
    expect(lie, Offence::Forged).await;
}

/// The liar's own events, under the log's name: everything fits but the signature.
#[tokio::test(start_paused = true)]
async fn events_that_another_signed_are_found() {
    let lie: Lie = |request, _| {
        let mut previous = Bytes::from_static(&[0; 32]);
        let events = (0..20).map(|offset| {
            let record = codec::encode(&Record {
                value: Some(Bytes::from_static(b"false")),
                ..Record::default()
            });
            let header = codec::encode(&Header {
                version: 1,
                log: request.log.clone(),
                offset,
                previous: previous.clone(),
                time_ms: 1,
                record_len: record.len() as u32,
                record_hash: Bytes::copy_from_slice(blake3::hash(&record).as_bytes()),
            });
            previous = Bytes::copy_from_slice(blake3::hash(&header).as_bytes());
            let signature = key(9).sign_fast(EVENT_CONTEXT, &header);
            Event {
                header,
                signature: Bytes::copy_from_slice(&signature),
                record,
            }
        });
        let events = events.collect();
        Reply::Parts(vec![Part::Run(codec::encode(&Run { events }))])
    };
    // Their producer might have signed a checkpoint over them: then an honest node passes them on.
    let (offences, got_in) = deceive(key(1).public().as_bytes(), lie).await;
    assert_eq!((offences, got_in), (Vec::new(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_another_signed_is_found() {
    let lie: Lie = |_, parts| {
        let forged = parts.into_iter().map(|part| match part {
            Part::Checkpoint(checkpoint) => {
                let context = phytomer_pqc::Context::new("checkpoint/1");
                let signature = key(9).sign(context, &checkpoint.body);
                Part::Checkpoint(Checkpoint {
                    signature: signature.to_bytes().into(),
                    ..checkpoint
                })
            }
            other => other,
        });
        Reply::Parts(forged.collect())
    };
    expect(lie, Offence::Forged).await;
}

#[tokio::test(start_paused = true)]
async fn events_that_are_out_of_order_are_found() {
    let lie: Lie = |_, parts| with_events(parts, |events| events.swap(5, 6));
    expect(lie, Offence::Malformed).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_a_gap_is_found() {
    let lie: Lie = |_, parts| with_events(parts, |events| drop(events.remove(0)));
    expect(lie, Offence::Malformed).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_short_is_found() {
    let lie: Lie = |_, parts| {
        let cut = parts.into_iter().map(|part| match part {
            Part::Run(bytes) => Part::Run(bytes.slice(..bytes.len() - 1)),
            other => other,
        });
        Reply::Parts(cut.collect())
    };
    expect(lie, Offence::Malformed).await;
}

#[tokio::test(start_paused = true)]
async fn the_run_of_another_log_is_found() {
    let lie: Lie = |_, parts| {
        with_events(parts, |events| {
            // Each with headers of another log, whose producer did sign them.
            let mut previous = Bytes::from_static(&[0; 32]);
            for event in events {
                let mut header: Header = codec::decode(&event.header).unwrap();
                header.log = Bytes::from_static(&[9; 32]);
                header.previous = previous.clone();
                event.header = codec::encode(&header);
                previous = Bytes::copy_from_slice(blake3::hash(&event.header).as_bytes());
                let signature = key(1).sign_fast(EVENT_CONTEXT, &event.header);
                event.signature = Bytes::copy_from_slice(&signature);
            }
        })
    };
    expect(lie, Offence::Forged).await;
}

#[tokio::test(start_paused = true)]
async fn garbage_is_found() {
    expect(|_, _| Reply::Bytes(vec![0xa5; 4_096]), Offence::Malformed).await;
    let garbage: Lie = |_, _| Reply::Parts(vec![Part::Run(Bytes::from_static(&[7; 100]))]);
    expect(garbage, Offence::Malformed).await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_over_the_limit_is_found() {
    let lie: Lie = |_, _| Reply::Bytes((64u32 << 20).to_be_bytes().to_vec());
    expect(lie, Offence::Malformed).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_found() {
    let lie: Lie = |_, parts| {
        let run = parts.iter().find(|part| matches!(part, Part::Run(_)));
        Reply::Parts(vec![run.unwrap().clone(); 400])
    };
    expect(lie, Offence::Malformed).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_is_left() {
    expect(|_, _| Reply::Silence, Offence::Unresponsive).await;
}

/// True events, but always the same: they get in once, and the rest comes from elsewhere.
#[tokio::test(start_paused = true)]
async fn a_replay_gets_in_once() {
    let lie: Lie = |request, parts| match request.from {
        0 => {
            let first = parts.into_iter().find_map(|part| match part {
                Part::Run(bytes) => Some(bytes),
                _ => None,
            });
            let mut run: Run = codec::decode(&first.unwrap()).unwrap();
            run.events.truncate(10);
            Reply::Parts(vec![Part::Run(codec::encode(&run))])
        }
        _ => Reply::Parts(Vec::new()),
    };
    let (offences, got_in) = deceive(key(1).public().as_bytes(), lie).await;
    assert_eq!(got_in, 10);
    assert_eq!(offences, []);
}

/// Without the producer's keys nothing is asked for: nothing could be checked.
#[tokio::test(start_paused = true)]
async fn keys_of_another_are_no_keys() {
    let truth: Lie = |_, parts| Reply::Parts(parts);
    let (offences, got_in) = deceive(key(9).public().as_bytes(), truth).await;
    assert_eq!((offences, got_in), (Vec::new(), 0));
}

#[tokio::test(start_paused = true)]
async fn the_truth_is_taken_from_whoever_tells_it() {
    let truth: Lie = |_, parts| Reply::Parts(parts);
    let (offences, got_in) = deceive(key(1).public().as_bytes(), truth).await;
    assert_eq!((offences, got_in), (Vec::new(), 600));
}

/// Claims of much that is not there keep nobody from what is.
#[tokio::test(start_paused = true)]
async fn a_boaster_does_not_hold_up_the_others() {
    let fabric = Fabric::new();
    let author = Member::join(&fabric, 1).await;
    author.append_all(0..600).await;
    let mut log = author.streams.log(author.own()).unwrap();
    log.head.next = Offset(u64::MAX);
    let network = stranger(&fabric, 3);
    let boast = heights(&log, key(1).public().as_bytes());
    let nothing: Lie = |_, _| Reply::Parts(Vec::new());
    tokio::spawn(lie(network, (peer(1), peer(2)), boast, nothing));
    let victim = Member::join(&fabric, 2).await;
    until("the log is there", || victim.next(log.key) == Offset(600)).await;
}
