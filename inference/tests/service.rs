//! The service, run whole with the shipped model.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use phytomer_inference::{Error, InferenceConfig, InferenceHandle, Recogniser, spawn};
use phytomer_telemetry::MetricsRegistry;
use tokio_util::sync::CancellationToken;

const PHOTO: &[u8] = include_bytes!("../models/samples/manihot-esculenta.jpg");

struct Service {
    handle: InferenceHandle,
    registry: MetricsRegistry,
    stop: CancellationToken,
}

fn service(workers: usize, queue_max: usize) -> Service {
    let (registry, stop) = (MetricsRegistry::new(), CancellationToken::new());
    let config = InferenceConfig { workers, queue_max };
    let handle = spawn(
        config,
        Recogniser::shipped().unwrap(),
        &registry,
        stop.clone(),
    )
    .unwrap();
    Service {
        handle,
        registry,
        stop,
    }
}

impl Service {
    /// The value of a metric line, 0 where it was never counted.
    fn metric(&self, name: &str) -> u64 {
        let text = self.registry.encode().unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_that_of_the_model_alone() {
    let service = service(2, 4);
    let answer = service
        .handle
        .recognise(Bytes::from_static(PHOTO))
        .await
        .unwrap();
    let alone = Recogniser::shipped().unwrap().recognise(PHOTO).unwrap();
    assert_eq!(answer.species[0].label, alone.species[0].label);
    assert!((answer.species[0].confidence - alone.species[0].confidence).abs() < 1e-4);
    assert_eq!(answer.model, alone.model);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_image_is_an_error_and_the_service_goes_on() {
    let service = service(1, 4);
    for bad in [&b""[..], b"no image", &PHOTO[..PHOTO.len() / 2]] {
        let error = service
            .handle
            .recognise(Bytes::copy_from_slice(bad))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Model(inner) if inner.is_image()));
    }
    service
        .handle
        .recognise(Bytes::from_static(PHOTO))
        .await
        .unwrap();
    assert_eq!(
        service.metric("phytomer_inference_answers_total{outcome=\"bad_image\"}"),
        3
    );
    assert_eq!(service.metric("phytomer_inference_waiting"), 0);
}

#[tokio::test]
async fn a_full_queue_answers_busy_and_every_accepted_photo_is_answered() {
    // On this runtime of one thread the actor does not run before the test
    // awaits, so exactly `queue_max` photos find room.
    let service = service(1, 3);
    let asked = futures(&service.handle, 10);
    let answers = join(asked).await;
    let busy = answers
        .iter()
        .filter(|a| matches!(a, Err(Error::Busy { queue_max: 3 })))
        .count();
    let good = answers.iter().filter(|a| a.is_ok()).count();
    assert_eq!((good, busy), (3, 7));
    assert_eq!(
        service.metric("phytomer_inference_answers_total{outcome=\"busy\"}"),
        7
    );
    assert_eq!(service.metric("phytomer_inference_running"), 0);
}

#[tokio::test]
async fn stopping_answers_the_running_photo_and_refuses_the_waiting_ones() {
    let service = service(1, 8);
    let asked = futures(&service.handle, 5);
    // The tasks have queued their photos once each has run to its first wait,
    // and the actor has handed one on once the gauge says so.
    while service.metric("phytomer_inference_waiting") < 4
        || service.metric("phytomer_inference_running") < 1
    {
        tokio::task::yield_now().await;
        if service.metric("phytomer_inference_answers_total{outcome=\"") > 0 {
            break;
        }
    }
    service.stop.cancel();
    service.handle.stopped().await;
    let answers = join(asked).await;
    let stopped = answers
        .iter()
        .filter(|a| matches!(a, Err(Error::Stopped)))
        .count();
    let good = answers.iter().filter(|a| a.is_ok()).count();
    assert_eq!(good + stopped, 5);
    assert!(
        good >= 1 && stopped >= 1,
        "{good} answered, {stopped} refused"
    );
    let late = service.handle.recognise(Bytes::from_static(PHOTO)).await;
    assert!(matches!(late, Err(Error::Stopped)));
    assert_eq!(service.metric("phytomer_inference_waiting"), 0);
}

#[tokio::test]
async fn a_caller_that_leaves_withdraws_its_photo() {
    let service = service(1, 8);
    let asked = futures(&service.handle, 8);
    // One goes to the worker, the others wait behind it.
    while service.metric("phytomer_inference_waiting") < 7 {
        tokio::task::yield_now().await;
        if service.metric("phytomer_inference_wait_seconds_count") > 1 {
            break;
        }
    }
    for task in &asked {
        task.abort();
    }
    service
        .handle
        .recognise(Bytes::from_static(PHOTO))
        .await
        .unwrap();
    // Those that were aborted while they waited never reached a worker.
    let worked = service.metric("phytomer_inference_wait_seconds_count");
    assert!(
        (1..=4).contains(&worked),
        "{worked} of 9 photos reached the worker"
    );
    assert_eq!(service.metric("phytomer_inference_waiting"), 0);
}

#[tokio::test]
async fn sizes_out_of_range_are_refused() {
    for (workers, queue_max) in [(0, 1), (1, 0), (65, 1), (1, 1025)] {
        let config = InferenceConfig { workers, queue_max };
        let stop = CancellationToken::new();
        let started = spawn(
            config,
            Recogniser::shipped().unwrap(),
            &MetricsRegistry::new(),
            stop,
        );
        assert!(matches!(started, Err(Error::Config { .. })));
    }
}

type Asked = tokio::task::JoinHandle<Result<phytomer_inference::Recognition, Error>>;

fn futures(handle: &InferenceHandle, count: usize) -> Vec<Asked> {
    (0..count)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.recognise(Bytes::from_static(PHOTO)).await })
        })
        .collect()
}

async fn join(asked: Vec<Asked>) -> Vec<Result<phytomer_inference::Recognition, Error>> {
    let mut answers = Vec::new();
    for task in asked {
        answers.push(task.await.unwrap());
    }
    answers
}
