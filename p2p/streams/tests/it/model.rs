//! Streams against a list: whatever is done in whatever order, both agree.

use std::sync::Arc;

use phytomer_store::MemoryStore;
use phytomer_streams::{Config, Error, Offset, Retention};
use proptest::prelude::*;

use crate::support::{HandClock, Node, START_MS, number, record, stream};

#[derive(Clone, Debug)]
enum Step {
    Append { count: usize },
    Read { from: u64, bytes_max: usize },
    Wait { ms: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..8).prop_map(|count| Step::Append { count }),
        4 => (0_u64..60, 0_usize..4_000)
            .prop_map(|(from, bytes_max)| Step::Read { from, bytes_max }),
        1 => (0_u64..50).prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Restart),
    ]
}

async fn run(steps: Vec<Step>, retention: Retention) {
    let store = Arc::new(MemoryStore::new());
    let clock = HandClock::new();
    let config = Config {
        retention,
        ..Config::default()
    };
    let start = || Node::try_start(store.clone(), config.clone(), clock.clone()).unwrap();
    let (mut node, mut now) = (start(), START_MS);
    let log = node.streams.open_log(&stream()).await.unwrap().key;
    // The model: what was said, by offset, and when.
    let mut model: Vec<(u64, u64)> = Vec::new();
    for step in steps {
        match step {
            Step::Append { count } => {
                let numbers = model.len() as u64..(model.len() + count) as u64;
                let records = numbers.clone().map(|number| record(number * 3)).collect();
                let appended = node.streams.append_batch(&stream(), records).await.unwrap();
                assert_eq!(appended.first, Offset(numbers.start));
                model.extend(numbers.map(|number| (number * 3, now)));
            }
            Step::Read { from, bytes_max } => {
                let head = node.streams.log(log).unwrap().head;
                assert_eq!(head.next, Offset(model.len() as u64));
                match node.streams.read(log, Offset(from), bytes_max).await {
                    Ok(events) => {
                        assert_eq!(events.is_empty(), from == head.next.0);
                        let expected = model.iter().skip(from as usize).take(events.len());
                        let read: Vec<_> =
                            events.iter().map(|it| (number(it), it.time_ms())).collect();
                        assert!(read.iter().eq(expected));
                    }
                    Err(Error::OutOfRange { first, next, .. }) => {
                        assert!(from < first.0 || from > next.0);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            Step::Wait { ms } => {
                now += ms;
                clock.set(now);
            }
            // Retention makes a pass at every start.
            Step::Restart => {
                node.stop().await;
                node = start();
            }
        }
        let head = node.streams.log(log).unwrap().head;
        // Only what the policy allows may be gone.
        for (_, time) in &model[..head.first.0 as usize] {
            let aged = retention.age_max_ms.is_some_and(|age| time + age < now);
            assert!(aged || retention.bytes_max.is_some_and(|max| head.bytes() >= max));
        }
    }
    node.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn streams_agree_with_a_list(
        steps in proptest::collection::vec(step(), 1..40),
        age_max_ms in proptest::option::of(0_u64..100),
        bytes_max in proptest::option::of(0_u64..8_000),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps, Retention { age_max_ms, bytes_max }));
    }
}
