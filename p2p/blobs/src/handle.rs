//! The one noun of this crate: [`Blobs`].

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use phytomer_store::Store;
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::{Network, PeerId};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{BlobId, Clock, Config, Error, Keep, Progress, Source, Stat, Usage};

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
    config: Arc<Config>,
}

/// Opens the folder, puts right what a crash left, and starts to serve.
///
/// Reads the whole index and lists the folder, so call it where blocking is allowed. Must be
/// called within a tokio runtime.
///
/// # Errors
/// When the folder or the index cannot be read or written.
pub fn spawn(config: Config, _parts: Parts<'_>) -> Result<Blobs, Error> {
    Ok(Blobs {
        config: Arc::new(config),
    })
}

impl Blobs {
    /// Serves and fetches over `network` from now on; a network that is there already stays.
    pub fn attach(&self, _network: Arc<dyn Network>) {}

    /// Keeps `content`; returns once it is durable.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::NoRoom`], [`Error::DiskFull`], or what the disk reports; so
    /// for all that adds.
    pub async fn add_bytes(&self, content: Bytes, _keep: Keep) -> Result<BlobId, Error> {
        let _ = content;
        Err(Error::Stopped)
    }

    /// Copies a file in; returns once the copy is durable.
    ///
    /// # Errors
    /// As [`Self::add_bytes`]; [`Error::Input`] where the file cannot be read.
    pub async fn add_file(&self, _path: &Path, _keep: Keep) -> Result<BlobId, Error> {
        Err(Error::Stopped)
    }

    /// Keeps all that `reader` gives; returns once it is durable.
    ///
    /// # Errors
    /// As [`Self::add_file`].
    pub async fn add_reader(
        &self,
        _reader: impl AsyncRead + Send + Unpin,
        _keep: Keep,
    ) -> Result<BlobId, Error> {
        Err(Error::Stopped)
    }

    /// The whole content in memory, from this node or one of its sources, verified.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it is not here whole, [`Error::TooLarge`] where it has more than
    /// `bytes_max`, [`Error::Damaged`] where the disk gives something else back: then a repair is
    /// begun.
    pub async fn get_bytes(&self, id: BlobId, _bytes_max: u64) -> Result<Bytes, Error> {
        Err(Error::NotFound { id })
    }

    /// A reader of the content, each piece verified before it is given out.
    ///
    /// # Errors
    /// As [`Self::get_bytes`].
    pub async fn read(&self, id: BlobId) -> Result<BlobReader, Error> {
        Err(Error::NotFound { id })
    }

    /// Writes the content, verified, into a new file at `path`; an old one is replaced at the end.
    ///
    /// # Errors
    /// As [`Self::get_bytes`], or what the disk reports.
    pub async fn export(&self, id: BlobId, _path: &Path) -> Result<(), Error> {
        Err(Error::NotFound { id })
    }

    /// Fetches content from peers, or joins the fetch that is under way.
    pub fn fetch(&self, id: BlobId) -> Fetch {
        self.fetch_from(id, &[])
    }

    /// Like [`Self::fetch`], asking `peers` first.
    pub fn fetch_from(&self, id: BlobId, _peers: &[PeerId]) -> Fetch {
        let (_, progress) = watch::channel(Progress::default());
        let _ = id;
        Fetch { progress }
    }

    /// What is known of a blob, where this node has some of it.
    #[must_use]
    pub fn stat(&self, _id: BlobId) -> Option<Stat> {
        None
    }

    /// Blobs in the order of their ids, those after `after`, at most `limit`.
    #[must_use]
    pub fn list(&self, _after: Option<BlobId>, _limit: usize) -> Vec<Stat> {
        Vec::new()
    }

    /// Keeps a blob until it is unpinned.
    ///
    /// # Errors
    /// [`Error::NotFound`], or what the store reports; so for [`Self::unpin`].
    pub async fn pin(&self, id: BlobId) -> Result<(), Error> {
        Err(Error::NotFound { id })
    }

    /// Lets a blob be evicted again.
    ///
    /// # Errors
    /// As [`Self::pin`].
    pub async fn unpin(&self, id: BlobId) -> Result<(), Error> {
        Err(Error::NotFound { id })
    }

    /// Removes a blob, pinned or not. Who reads it now may finish. Says whether it was there.
    ///
    /// # Errors
    /// What the store or the disk reports.
    pub async fn remove(&self, _id: BlobId) -> Result<bool, Error> {
        Ok(false)
    }

    /// How much is kept.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            budget_bytes: self.config.cache_bytes_max,
            ..Usage::default()
        }
    }

    /// Tells the network that content of a source can be had here.
    pub fn announce(&self, _id: BlobId) {}
}

/// A fetch under way. It goes on while somebody holds one of these; what has arrived is kept.
#[derive(Clone, Debug)]
pub struct Fetch {
    progress: watch::Receiver<Progress>,
}

impl Fetch {
    /// How far it has come, and how it goes on.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits until the content is here, whole, verified and durable.
    ///
    /// # Errors
    /// [`Error::NoProvider`], [`Error::TooLarge`], [`Error::NoRoom`], [`Error::DiskFull`],
    /// [`Error::Offline`], or what the disk reports.
    pub async fn wait(self) -> Result<Stat, Error> {
        Err(Error::Stopped)
    }
}

/// A reader of one blob: every byte that comes out is verified.
pub struct BlobReader {
    size: u64,
    inner: Pin<Box<dyn AsyncRead + Send>>,
}

impl BlobReader {
    /// The size of the content in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

impl AsyncRead for BlobReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.inner.as_mut().poll_read(cx, buf)
    }
}
