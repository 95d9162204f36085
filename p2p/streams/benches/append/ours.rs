//! Streams on RocksDB.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use phytomer_pqc::OperatorKey;
use phytomer_rocks::RocksStore;
use phytomer_store::{Batch, Error, Reader, Store};
use phytomer_streams::{Config, Parts, Record, StreamName, SystemClock, spawn};
use phytomer_telemetry::MetricsRegistry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::sample::Sample;
use crate::{Failure, PAYLOAD_BYTES};

/// A store that counts what is written to it.
struct Counted {
    inner: RocksStore,
    writes: AtomicU64,
    bytes: AtomicU64,
    nanos: AtomicU64,
}

impl Store for Counted {
    fn snapshot(&self) -> Box<dyn Reader + '_> {
        self.inner.snapshot()
    }

    fn write(&self, batch: Batch) -> Result<(), Error> {
        let bytes = batch.len_bytes() as u64;
        let begin = Instant::now();
        self.inner.write(batch)?;
        let nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.writes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// One round with a new store.
pub(crate) async fn measure(folder: &Path, producers: usize) -> Result<Sample, Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    let store = Arc::new(Counted {
        inner: RocksStore::open(folder.path(), &phytomer_rocks::Config::default())?,
        writes: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        nanos: AtomicU64::new(0),
    });
    let tasks = TaskTracker::new();
    let shutdown = CancellationToken::new();
    let parts = Parts {
        store: Arc::clone(&store) as Arc<dyn Store>,
        key: Arc::new(OperatorKey::from_seeds(&[1; 32], &[2; 32])),
        clock: Arc::new(SystemClock),
        registry: &MetricsRegistry::new(),
        tasks: &tasks,
        shutdown: shutdown.clone(),
    };
    let streams = spawn(Config::default(), parts)?;
    let name = StreamName::new("bench")?;
    let payload = bytes::Bytes::from(vec![7; PAYLOAD_BYTES]);
    let once = move || {
        let (streams, name, payload) = (streams.clone(), name.clone(), payload.clone());
        async move {
            streams.append(&name, Record::new(payload)).await?;
            Ok(())
        }
    };
    let mut sample = Sample::take(producers, once).await?;
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    // The two writes of the warm-up, which makes the log, are as good as none among thousands.
    sample.writes = store.writes.load(Ordering::Relaxed);
    sample.written_bytes = store.bytes.load(Ordering::Relaxed);
    sample.writing = Duration::from_nanos(store.nanos.load(Ordering::Relaxed));
    Ok(sample)
}
