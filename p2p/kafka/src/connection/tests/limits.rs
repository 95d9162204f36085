//! Clients that ask for more than their share.

use phytomer_streams::BATCH_BYTES_MAX;
use tokio::time::sleep;

use super::*;
use crate::batch::tests::{packed, plain};

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_RECORD: i16 = 87;
/// What is produced to.
const TOPIC: &[u8] = b"plants.local";
/// Where an answer to Fetch 4 for `plants` says how many bytes of records it has.
const RECORDS_AT: usize = 54;
/// Longer than anything here takes while time stands still.
const PATIENCE: Duration = Duration::from_secs(3_600);

fn len(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap().to_be_bytes()
}

/// Produce 3: each of the records for a partition of its own in the request, all of them the first.
fn produce(partitions: &[Vec<u8>]) -> Vec<u8> {
    let front = [&[0xff; 2][..], &[0xff; 2], &[0, 0, 0x75, 0x30]].concat();
    let topic = [&len(1)[..], &[0, 12], TOPIC, &len(partitions.len())].concat();
    let data = partitions.iter().flat_map(|records| {
        let front = [[0; 4], len(records.len())].concat();
        [front, records.clone()].concat()
    });
    let body: Vec<u8> = front.into_iter().chain(topic).chain(data).collect();
    request(PRODUCE, 3, 1, &body)
}

/// The error of each partition in an answer to Produce 3.
fn errors(said: &[u8]) -> Vec<i16> {
    let partitions = &said[12 + 2 + TOPIC.len() + 4..said.len() - 4];
    let error = |partition: &[u8]| i16::from_be_bytes([partition[4], partition[5]]);
    partitions.chunks_exact(22).map(error).collect()
}

/// Fetch 4: what there is of `plants` from an offset on.
fn fetch(from: i64, wait_ms: i32, bytes_min: i32) -> Vec<u8> {
    let bytes_max = (1_i32 << 20).to_be_bytes();
    let front = [[0xff; 4], wait_ms.to_be_bytes(), bytes_min.to_be_bytes()].concat();
    let topic = [&len(1)[..], &[0, 6], b"plants", &len(1)].concat();
    let partition = [&[0; 4][..], &from.to_be_bytes(), &bytes_max].concat();
    let body = [&front[..], &bytes_max, &[0], &topic, &partition].concat();
    request(FETCH, 4, 1, &body)
}

/// The next answer on a connection.
async fn hear(client: &mut DuplexStream) -> Vec<u8> {
    let mut answer = vec![0; 4];
    client.read_exact(&mut answer).await.unwrap();
    let rest = u32::from_be_bytes(answer[..4].try_into().unwrap()) as usize;
    answer.resize(4 + rest, 0);
    client.read_exact(&mut answer[4..]).await.unwrap();
    answer
}

fn records_len(answer: &[u8]) -> u32 {
    u32::from_be_bytes(answer[RECORDS_AT..RECORDS_AT + 4].try_into().unwrap())
}

#[test]
fn a_second_batch_is_refused_before_the_first_is_unpacked() {
    runtime().block_on(async {
        let shared = shared().await;
        let bomb = packed(&vec![0; BATCH_BYTES_MAX + 1], 1);
        let two = [bomb, packed(b"value", 1)].concat();
        let (said, closed) = say(&shared, &produce(&[two])).await;
        assert!(closed.is_ok(), "{closed:?}");
        assert_eq!(errors(&said), [INVALID_RECORD]);
    });
}

#[test]
fn the_partitions_of_a_request_share_what_may_be_unpacked() {
    runtime().block_on(async {
        let shared = shared().await;
        let seven = packed(&vec![0; 1_000_000], 7);
        assert!(seven.len() < 100_000);
        let mut sent = vec![seven; 5];
        // What is not packed needs nothing of it.
        sent.push(plain(b"value", 1));
        let (said, closed) = say(&shared, &produce(&sent)).await;
        assert!(closed.is_ok(), "{closed:?}");
        assert_eq!(errors(&said), [0, 0, 0, 0, MESSAGE_TOO_LARGE, 0]);
    });
}

#[test]
fn what_was_unpacked_in_vain_counts() {
    runtime().block_on(async {
        let shared = shared().await;
        let mut sent = vec![packed(&vec![0; BATCH_BYTES_MAX + 1], 1); 4];
        sent.push(packed(b"value", 1));
        let (said, closed) = say(&shared, &produce(&sent)).await;
        assert!(closed.is_ok(), "{closed:?}");
        assert_eq!(errors(&said), [MESSAGE_TOO_LARGE; 5]);
    });
}

#[test]
fn unpacking_waits_for_memory() {
    runtime().block_on(async {
        let shared = shared().await;
        let everything = shared.answers.take(usize::MAX).await;
        let (said, _) = say(&shared, &produce(&[plain(b"value", 1)])).await;
        assert_eq!(errors(&said), [0]);
        let sent = produce(&[packed(b"value", 1)]);
        let mut produced = Box::pin(say(&shared, &sent));
        assert!(timeout(PATIENCE, &mut produced).await.is_err());
        drop(everything);
        let (said, closed) = produced.await;
        assert!(closed.is_ok(), "{closed:?}");
        assert_eq!(errors(&said), [0]);
        // All of it was given back.
        drop(
            timeout(PATIENCE, shared.answers.take(usize::MAX))
                .await
                .unwrap(),
        );
    });
}

#[test]
fn a_consumer_that_waits_for_more_takes_no_room() {
    runtime().block_on(async {
        let shared = shared().await;
        let (mut client, server) = duplex(PIPE_BYTES);
        let began = Instant::now();
        client.write_all(&fetch(0, 50_000, 1 << 19)).await.unwrap();
        let heard = async {
            // Once nothing moves any more, the consumer waits.
            sleep(Duration::from_secs(1)).await;
            let all = timeout(Duration::from_secs(1), shared.answers.take(usize::MAX)).await;
            drop(all.expect("nothing is held"));
            hear(&mut client).await
        };
        let heard = tokio::select! {
            heard = heard => heard,
            closed = attend(server, &shared) => panic!("{closed:?}"),
        };
        assert_eq!(began.elapsed(), Duration::from_secs(50));
        assert!(records_len(&heard) > 0);
    });
}

#[test]
fn a_consumer_that_waits_hears_of_enough_at_once() {
    runtime().block_on(async {
        let shared = shared().await;
        let (mut client, server) = duplex(PIPE_BYTES);
        let began = Instant::now();
        client.write_all(&fetch(0, 50_000, 1 << 19)).await.unwrap();
        let heard = async {
            let plants = StreamName::new("plants").unwrap();
            for _ in 0..6 {
                sleep(Duration::from_secs(1)).await;
                let record = Record::new(vec![7; 100_000]);
                shared.topics.streams.append(&plants, record).await.unwrap();
            }
            hear(&mut client).await
        };
        let heard = tokio::select! {
            heard = heard => heard,
            closed = attend(server, &shared) => panic!("{closed:?}"),
        };
        assert!(began.elapsed() < Duration::from_secs(10));
        assert!(records_len(&heard) > 1 << 19);
    });
}

#[test]
fn a_consumer_is_told_in_time_though_there_is_no_room_for_events() {
    runtime().block_on(async {
        let shared = shared().await;
        let _everything = shared.answers.take(usize::MAX).await;
        let (mut client, server) = duplex(PIPE_BYTES);
        let began = Instant::now();
        client.write_all(&fetch(0, 5_000, 1)).await.unwrap();
        let heard = tokio::select! {
            heard = timeout(PATIENCE, hear(&mut client)) => heard.expect("an answer"),
            closed = attend(server, &shared) => panic!("{closed:?}"),
        };
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        assert_eq!(records_len(&heard), 0);
    });
}

#[test]
fn no_room_is_waited_for_on_behalf_of_a_client_that_is_gone() {
    runtime().block_on(async {
        let shared = shared().await;
        let _everything = shared.answers.take(usize::MAX).await;
        let began = Instant::now();
        let sent = fetch(0, 50_000, 1);
        let gone = timeout(PATIENCE, say(&shared, &sent)).await;
        let (said, closed) = gone.expect("the connection ends");
        assert!(closed.is_ok() && said.is_empty(), "{closed:?} {said:?}");
        assert!(began.elapsed() < Duration::from_secs(1));
    });
}

#[test]
fn a_client_cannot_draw_its_login_out() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let shared = open(with_token(folder.path()));
        // By asking again and again for what everybody may ask.
        let (mut client, server) = duplex(PIPE_BYTES);
        let drip = async {
            let mut said = [0; 1_024];
            loop {
                let asked = client.write_all(&request(API_VERSIONS, 0, 5, &[])).await;
                asked.unwrap();
                assert!(client.read(&mut said).await.unwrap() > 0);
                sleep(LOGIN_TIMEOUT / 4).await;
            }
        };
        let began = Instant::now();
        let closed = tokio::select! {
            closed = timeout(PATIENCE, attend(server, &shared)) => closed.expect("an end"),
            () = drip => unreachable!("it goes on for ever"),
        };
        assert!(matches!(closed, Err(Closed::Unauthenticated)), "{closed:?}");
        assert_eq!(began.elapsed(), LOGIN_TIMEOUT);
        // By not ending what it has begun.
        let (closed, after) = stall(&shared, &[0, 0, 0, 100, 0, 3]).await;
        assert!(matches!(closed, Closed::Unauthenticated), "{closed}");
        assert_eq!(after, LOGIN_TIMEOUT);
    });
}
