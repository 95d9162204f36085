//! The one noun of this crate: [`Blobs`].

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use phytomer_store::Store;
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::{Network, PeerId};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::announce::{ANNOUNCED_AT_START_MAX, Announcer, Presence};
use crate::library::{Content, Importer, Library, Shelf};
use crate::metrics::Metrics;
use crate::reader::BlobReader;
use crate::shared::Shared;
use crate::{BlobId, Clock, Config, Error, Fetch, Keep, Source, Stat, Usage, fetch, serve};

/// Bytes that are read of a file or reader at once.
const READ_BYTES: usize = 1 << 20;

/// What the blobs need from the program around them.
pub struct Parts<'a> {
    /// Holds the index.
    pub store: Arc<dyn Store>,
    /// Carries content; without it only local content is known, until [`Blobs::attach`].
    pub network: Option<Arc<dyn Network>>,
    /// Content that is kept elsewhere and served like blobs.
    pub sources: Vec<Arc<dyn Source>>,
    /// Tells when content was used.
    pub clock: Arc<dyn Clock>,
    /// Where the figures are registered.
    pub metrics: &'a MetricsRegistry,
    /// Keeps track of tasks, so that the program can wait for their end.
    pub tasks: TaskTracker,
    /// Ends the tasks.
    pub shutdown: CancellationToken,
}

/// A handle on the blobs of a node; cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    shared: Arc<Shared>,
}

/// Opens the folder, puts right what a crash left, and starts to serve.
///
/// Reads the whole index and lists the folder, so call it where blocking is allowed. Must be
/// called within a tokio runtime.
///
/// # Errors
/// When the folder or the index cannot be read or written, or a metric is registered twice.
pub fn spawn(config: Config, parts: Parts<'_>) -> Result<Blobs, Error> {
    let config = Arc::new(config);
    let metrics = Arc::new(Metrics::register(parts.metrics)?);
    let announcer = Arc::new(Announcer::default());
    let shelf = Shelf {
        store: parts.store,
        sources: parts.sources,
        clock: parts.clock,
        metrics: Arc::clone(&metrics),
        announcer: Arc::clone(&announcer),
    };
    let library = Library::open(Arc::clone(&config), shelf)?;
    let shared = Shared {
        fetch_slots: Semaphore::new(config.fetch.fetches_max),
        config,
        library,
        metrics,
        announcer,
        network: OnceLock::new(),
        fetches: Mutex::new(HashMap::new()),
        tasks: parts.tasks,
        shutdown: parts.shutdown,
    };
    let blobs = Blobs {
        shared: Arc::new(shared),
    };
    if let Some(network) = parts.network {
        blobs.attach(network);
    }
    Ok(blobs)
}

impl Blobs {
    /// Serves and fetches over `network` from now on; a network that is there already stays.
    pub fn attach(&self, network: Arc<dyn Network>) {
        let shared = &self.shared;
        if shared.network.set(Arc::clone(&network)).is_err() {
            return;
        }
        for id in shared.library.newest(ANNOUNCED_AT_START_MAX) {
            shared.announcer.tell(id, Presence::Here);
        }
        let (library, announcer) = (Arc::clone(&shared.library), Arc::clone(&shared.announcer));
        shared.tasks.spawn_blocking(move || {
            for id in library.newest_sourced(ANNOUNCED_AT_START_MAX) {
                announcer.tell(id, Presence::Here);
            }
        });
        let announce = Arc::clone(&shared.announcer).run(Arc::clone(&network));
        let stop = shared.shutdown.clone();
        shared
            .tasks
            .spawn(async move { stop.run_until_cancelled(announce).await });
        let serve = serve::run(Arc::clone(shared), network);
        let span = tracing::info_span!("blobs");
        shared.tasks.spawn(serve.instrument(span));
    }

    /// Keeps `content`; returns once it is durable.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::NoRoom`], [`Error::DiskFull`], or what the disk or the store
    /// reports; so for all that adds. Then nothing was added.
    pub async fn add_bytes(&self, content: Bytes, keep: Keep) -> Result<BlobId, Error> {
        self.shared
            .blocking(move |library| {
                library.check_size(content.len() as u64)?;
                let mut importer = Importer::new(library)?;
                for piece in content.chunks(READ_BYTES) {
                    importer.push(piece)?;
                }
                importer.finish(keep)
            })
            .await
    }

    /// Copies a file in; returns once the copy is durable.
    ///
    /// # Errors
    /// As [`Self::add_bytes`]; [`Error::Input`] where the file cannot be read.
    pub async fn add_file(&self, path: &Path, keep: Keep) -> Result<BlobId, Error> {
        let path = path.to_owned();
        self.shared
            .blocking(move |library| {
                let unread = |error| Error::Input(Arc::new(error));
                let mut file = std::fs::File::open(&path).map_err(unread)?;
                library.check_size(file.metadata().map_err(unread)?.len())?;
                let mut importer = Importer::new(library)?;
                let mut buffer = vec![0; READ_BYTES];
                loop {
                    match std::io::Read::read(&mut file, &mut buffer).map_err(unread)? {
                        0 => return importer.finish(keep),
                        read => importer.push(&buffer[..read])?,
                    }
                }
            })
            .await
    }

    /// Keeps all that `reader` gives; returns once it is durable.
    ///
    /// # Errors
    /// As [`Self::add_file`].
    pub async fn add_reader(
        &self,
        mut reader: impl AsyncRead + Send + Unpin,
        keep: Keep,
    ) -> Result<BlobId, Error> {
        let mut importer = self.shared.blocking(Importer::new).await?;
        let mut next = Vec::with_capacity(READ_BYTES);
        let mut read = fill(&mut reader, &mut next).await?;
        let mut spare = Vec::with_capacity(READ_BYTES);
        while read > 0 {
            let piece = next;
            // The next piece is read while this one is hashed and written.
            let pushed = self.shared.blocking(move |_| {
                importer.push(&piece)?;
                Ok((importer, piece))
            });
            let (pushed, filled) = tokio::join!(pushed, fill(&mut reader, &mut spare));
            let (back, piece) = pushed?;
            importer = back;
            read = filled?;
            next = std::mem::replace(&mut spare, piece);
        }
        self.shared.blocking(move |_| importer.finish(keep)).await
    }

    /// The whole content in memory, from this node or one of its sources, verified.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it is not here whole, [`Error::TooLarge`] where it has more than
    /// `bytes_max`, [`Error::Damaged`] where the disk gives something else back: then a repair is
    /// begun.
    pub async fn get_bytes(&self, id: BlobId, bytes_max: u64) -> Result<Bytes, Error> {
        self.with_content(id, move |content| {
            let len = content.tree().size();
            if len > bytes_max {
                return Err(Error::TooLarge {
                    len,
                    max: bytes_max,
                });
            }
            content.read_all()
        })
        .await
    }

    /// A reader of the content, each piece verified before it is given out.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it is not here whole. What [`Self::get_bytes`] says of damage
    /// comes from the reader, as an error of kind `InvalidData`.
    pub async fn read(&self, id: BlobId) -> Result<BlobReader, Error> {
        let content = self.with_content(id, Ok).await?;
        Ok(BlobReader::new(Arc::clone(&self.shared), content))
    }

    /// Writes the content, verified, to a file at `path`, which appears when it is whole and
    /// durable and replaces one that is there.
    ///
    /// # Errors
    /// As [`Self::get_bytes`], or what the disk reports.
    pub async fn export(&self, id: BlobId, path: &Path) -> Result<(), Error> {
        let path = path.to_owned();
        self.with_content(id, move |content| {
            let failed = |action| {
                let path = path.clone();
                move |error| Error::io(action, &path, error)
            };
            let dir = match path.parent() {
                Some(dir) if !dir.as_os_str().is_empty() => dir,
                _ => Path::new("."),
            };
            let mut file = NamedTempFile::new_in(dir).map_err(failed("make a file beside"))?;
            content.read_each(|piece| file.write_all(piece).map_err(failed("write")))?;
            file.as_file().sync_all().map_err(failed("sync"))?;
            file.persist(&path)
                .map_err(|e| failed("rename a file to")(e.error))?;
            Ok(())
        })
        .await
    }

    /// Fetches content from peers, or joins the fetch that is under way. What is here already is
    /// not fetched again. Must be called within a tokio runtime.
    #[must_use = "a fetch ends when nobody holds it"]
    pub fn fetch(&self, id: BlobId) -> Fetch {
        fetch::join(&self.shared, id, &[], u64::MAX)
    }

    /// Like [`Self::fetch`], for content that should be small: once its size is proven to be more
    /// than `bytes_max`, it is refused ([`Error::FetchTooLarge`]) before room is made for it.
    #[must_use = "a fetch ends when nobody holds it"]
    pub fn fetch_limited(&self, id: BlobId, bytes_max: u64) -> Fetch {
        fetch::join(&self.shared, id, &[], bytes_max)
    }

    /// Like [`Self::fetch`], asking `peers` first.
    #[must_use = "a fetch ends when nobody holds it"]
    pub fn fetch_from(&self, id: BlobId, peers: &[PeerId]) -> Fetch {
        fetch::join(&self.shared, id, peers, u64::MAX)
    }

    /// What is known of a blob, where this node has some of it. Sources are not asked.
    #[must_use]
    pub fn stat(&self, id: BlobId) -> Option<Stat> {
        self.shared.library.stat(id)
    }

    /// Blobs in the order of their ids, those after `after`, at most `limit`.
    #[must_use]
    pub fn list(&self, after: Option<BlobId>, limit: usize) -> Vec<Stat> {
        self.shared.library.list(after, limit)
    }

    /// Keeps a blob until it is unpinned.
    ///
    /// # Errors
    /// [`Error::NotFound`], or what the store reports; so for [`Self::unpin`].
    pub async fn pin(&self, id: BlobId) -> Result<(), Error> {
        self.shared
            .blocking(move |library| library.set_keep(id, Keep::Pinned))
            .await
    }

    /// Lets a blob be evicted again.
    ///
    /// # Errors
    /// As [`Self::pin`].
    pub async fn unpin(&self, id: BlobId) -> Result<(), Error> {
        self.shared
            .blocking(move |library| library.set_keep(id, Keep::Cached))
            .await
    }

    /// Removes a blob, pinned or not. Who reads it now may finish. Says whether it was there.
    ///
    /// # Errors
    /// What the store or the disk reports.
    pub async fn remove(&self, id: BlobId) -> Result<bool, Error> {
        self.shared
            .blocking(move |library| library.remove(id))
            .await
    }

    /// How much is kept.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.shared.library.usage()
    }

    /// Tells the network that content of a source can be had here. Peers that are connected find
    /// it without that.
    pub fn announce(&self, id: BlobId) {
        self.shared.announcer.tell(id, Presence::Here);
    }

    /// Does something that blocks with whole content.
    async fn with_content<T: Send + 'static>(
        &self,
        id: BlobId,
        work: impl FnOnce(Content) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.shared
            .blocking(move |library| match library.content(id)? {
                Some(content) if content.is_whole() => work(content),
                _ => Err(Error::NotFound { id }),
            })
            .await
            .map_err(|error| self.shared.repair(error))
    }
}

/// Reads until the buffer is full or the input ends.
async fn fill(reader: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Result<usize, Error> {
    buffer.clear();
    let mut limited = reader.take(READ_BYTES as u64);
    limited
        .read_to_end(buffer)
        .await
        .map_err(|error| Error::Input(Arc::new(error)))
}
