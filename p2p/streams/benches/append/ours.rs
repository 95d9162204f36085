//! Streams on RocksDB.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use phytomer_pqc::OperatorKey;
use phytomer_rocks::RocksStore;
use phytomer_store::{Batch, Error, Reader, Store};
use phytomer_streams::{Config, Parts, Record, StreamName, Streams, SystemClock, spawn};
use phytomer_telemetry::MetricsRegistry;
use tempfile::TempDir;
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

/// Running streams on a store of their own.
pub(crate) struct Ours {
    store: Arc<Counted>,
    streams: Streams,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    /// Lives as long as the store in it.
    _folder: TempDir,
}

impl Ours {
    pub(crate) fn start(folder: &Path) -> Result<Self, Failure> {
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
        Ok(Self {
            store,
            streams,
            tasks,
            shutdown,
            _folder: folder,
        })
    }

    pub(crate) async fn turn(&self, producers: usize) -> Result<Sample, Failure> {
        let name = StreamName::new("bench")?;
        let payload: Bytes = (0..PAYLOAD_BYTES).map(|_| rand::random::<u8>()).collect();
        let streams = self.streams.clone();
        let once = move || {
            let (streams, name, payload) = (streams.clone(), name.clone(), payload.clone());
            async move {
                streams.append(&name, Record::new(payload)).await?;
                Ok(())
            }
        };
        let count = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        once().await?;
        let _ = (
            count(&self.store.writes),
            count(&self.store.bytes),
            count(&self.store.nanos),
        );
        let mut sample = Sample::take(producers, &[], once).await?;
        sample.writes = count(&self.store.writes);
        sample.written_bytes = count(&self.store.bytes);
        sample.writing = Duration::from_nanos(count(&self.store.nanos));
        Ok(sample)
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
