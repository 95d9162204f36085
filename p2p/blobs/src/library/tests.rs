#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use phytomer_store::{KeyRange, MemoryStore, Order, Reader};
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::blobs::SPAN_BYTES;
use tempfile::TempDir;

use super::*;
use crate::tree::Groups;

const SPAN: usize = SPAN_BYTES as usize;

/// A store that calls back after each write.
#[derive(Default)]
struct Watched {
    inner: MemoryStore,
    after_write: Mutex<Option<Box<dyn FnMut() + Send>>>,
}

impl Store for Watched {
    fn snapshot(&self) -> Box<dyn Reader + '_> {
        self.inner.snapshot()
    }

    fn write(&self, batch: Batch) -> Result<(), phytomer_store::Error> {
        self.inner.write(batch)?;
        if let Some(look) = self.after_write.lock().as_mut() {
            look();
        }
        Ok(())
    }
}

#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn unix_time_s(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// A folder and a store: what outlives a process.
struct Desk {
    dir: TempDir,
    store: Arc<Watched>,
}

impl Desk {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            store: Arc::default(),
        }
    }

    fn open(&self) -> Arc<Library> {
        self.open_with(|_| {}, Vec::new()).unwrap()
    }

    fn open_with(
        &self,
        change: impl FnOnce(&mut Config),
        sources: Vec<Arc<dyn Source>>,
    ) -> Result<Arc<Library>, Error> {
        let mut config = Config {
            dir: self.dir.path().join("blobs"),
            free_bytes_min: 0,
            ..Config::default()
        };
        change(&mut config);
        let shelf = Shelf {
            store: self.store.clone(),
            sources,
            clock: Arc::new(Hand::default()),
            metrics: Arc::new(Metrics::register(&MetricsRegistry::new()).unwrap()),
            announcer: Arc::default(),
        };
        Library::open(Arc::new(config), shelf)
    }

    /// What a process that dies now would leave.
    fn image(&self) -> Self {
        let image = Self::new();
        copy(self.dir.path(), image.dir.path());
        let mut batch = Batch::new();
        let snapshot = self.store.snapshot();
        for entry in snapshot.scan(Table::BlobIndex, KeyRange::all(), Order::Ascending) {
            let (key, value) = entry.unwrap();
            batch.put(Table::BlobIndex, key, value);
        }
        image.store.inner.write(batch).unwrap();
        image
    }

    /// What a process would leave that dies after any of the steps of `work`.
    fn images_during(self: &Arc<Self>, work: impl FnOnce(&Arc<Library>)) -> Vec<Self> {
        let library = self.open();
        let images: Arc<Mutex<Vec<Self>>> = Arc::default();
        let look = || {
            let (desk, images) = (Arc::clone(self), Arc::clone(&images));
            Box::new(move || images.lock().push(desk.image())) as Box<dyn FnMut() + Send>
        };
        *library.disk.after_step.lock() = Some(look());
        *self.store.after_write.lock() = Some(look());
        work(&library);
        *library.disk.after_step.lock() = None;
        *self.store.after_write.lock() = None;
        std::mem::take(&mut images.lock())
    }

    /// Files other than those of these blobs.
    fn strays(&self, known: &[BlobId]) -> Vec<String> {
        let mut strays = Vec::new();
        for path in walk(&self.dir.path().join("blobs")) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !known.iter().any(|id| name.starts_with(&id.to_string())) {
                strays.push(name);
            }
        }
        strays
    }
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn content(len: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut reader = blake3::Hasher::new().update(&[seed]).finalize_xof();
    reader.fill(&mut bytes);
    bytes
}

fn add(library: &Arc<Library>, content: &[u8], keep: Keep) -> Result<BlobId, Error> {
    let mut importer = Importer::new(library)?;
    for piece in content.chunks(100_000) {
        importer.push(piece)?;
    }
    importer.finish(keep)
}

fn read(library: &Arc<Library>, id: BlobId) -> Result<Option<Bytes>, Error> {
    match library.content(id)? {
        Some(content) if content.is_whole() => content.read_all().map(Some),
        _ => Ok(None),
    }
}

/// A proof and the content of its span.
type Sent = (Vec<u8>, Vec<u8>);

/// The spans of some content with their proofs, as a peer would send them.
fn spans_of(content: &[u8]) -> (Tree, Vec<Sent>) {
    let mut groups = Groups::default();
    groups.update(content);
    groups.finish();
    let (tree, _) = Tree::outboard(&groups);
    let sent = Memory::verify(tree.id(), Bytes::copy_from_slice(content)).unwrap();
    let sent = Content::of_memory(Arc::new(sent));
    let spans = (0..tree.spans())
        .map(|span| {
            let mut piece = Vec::new();
            let proof = sent.read(span, &mut piece).unwrap();
            (proof, piece)
        })
        .collect();
    (tree, spans)
}

/// Downloads what is missing. Says how many spans that were.
fn complete(library: &Arc<Library>, content: &[u8]) -> u64 {
    let (tree, sent) = spans_of(content);
    let Some(partial) = library.begin(tree).unwrap() else {
        return 0;
    };
    let missing = spans::range(0..tree.spans()) - partial.have();
    for span in spans::runs(&missing).flatten() {
        let (proof, piece) = &sent[span as usize];
        partial.accept(span, proof, piece).unwrap();
    }
    partial.finish().unwrap();
    spans::count(&missing)
}

#[test]
fn content_of_any_size_comes_back_also_after_a_restart() {
    let desk = Desk::new();
    let sizes = [0, 1, 16 << 10, (16 << 10) + 1, SPAN, SPAN + 1, 3 * SPAN + 5];
    let library = desk.open();
    for (seed, size) in (0..).zip(sizes) {
        let content = content(size, seed);
        let id = add(&library, &content, Keep::Cached).unwrap();
        assert_eq!(id, BlobId::of(&content));
        // Again is no more.
        assert_eq!(add(&library, &content, Keep::Cached).unwrap(), id);
    }
    drop(library);
    let library = desk.open();
    for (seed, size) in (0..).zip(sizes) {
        let content = content(size, seed);
        let id = BlobId::of(&content);
        assert_eq!(read(&library, id).unwrap().unwrap(), content);
        let stat = library.stat(id).unwrap();
        assert!(stat.complete && stat.have_bytes == size as u64);
    }
    let usage = library.usage();
    assert_eq!(usage.blobs, sizes.len());
    assert_eq!(usage.used_bytes, sizes.iter().sum::<usize>() as u64);
    for path in walk(&desk.dir.path().join("blobs")) {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        let mode = fs::metadata(path.parent().unwrap())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn a_crash_while_adding_leaves_all_or_nothing() {
    let desk = Arc::new(Desk::new());
    let old = content(2 * SPAN, 1);
    let new = content(3 * SPAN + 7, 2);
    let (old_id, new_id) = (BlobId::of(&old), BlobId::of(&new));
    add(&desk.open(), &old, Keep::Pinned).unwrap();
    let images = desk.images_during(|library| {
        add(library, &new, Keep::Cached).unwrap();
    });
    assert!(images.len() >= 7, "{} steps", images.len());
    let mut outcomes = Vec::new();
    for image in &images {
        let library = image.open();
        assert_eq!(read(&library, old_id).unwrap().unwrap(), old);
        let stat = library.stat(new_id);
        outcomes.push(stat.is_some());
        let known: Vec<BlobId> = library.list(None, 10).iter().map(|stat| stat.id).collect();
        assert!(image.strays(&known).is_empty());
        assert_eq!(read(&library, new_id).unwrap().is_some(), stat.is_some());
        add(&library, &new, Keep::Cached).unwrap();
        assert_eq!(read(&library, new_id).unwrap().unwrap(), new);
    }
    assert!(outcomes.is_sorted() && outcomes.contains(&false) && outcomes.contains(&true));
}

#[test]
fn a_crash_while_downloading_loses_at_most_what_was_not_synced() {
    let desk = Arc::new(Desk::new());
    let content = content(6 * SPAN + 7, 3);
    let id = BlobId::of(&content);
    let images = desk.images_during(|library| {
        let (tree, sent) = spans_of(&content);
        let partial = library.begin(tree).unwrap().unwrap();
        for (span, (proof, piece)) in [3, 6, 1, 0, 2, 5, 4].map(|span| (span, &sent[span])) {
            partial.accept(span as u64, proof, piece).unwrap();
            partial.checkpoint().unwrap();
        }
        partial.finish().unwrap();
    });
    assert!(images.len() > 20, "{} steps", images.len());
    let mut fetched = Vec::new();
    for image in &images {
        let library = image.open();
        fetched.push(complete(&library, &content));
        assert_eq!(read(&library, id).unwrap().unwrap(), content);
        assert!(image.strays(&[id]).is_empty());
        drop(library);
        assert_eq!(read(&image.open(), id).unwrap().unwrap(), content);
    }
    // The later it stops, the less is left to do.
    assert!(
        fetched.is_sorted_by(|before, after| before >= after),
        "{fetched:?}"
    );
    assert_eq!((fetched.first(), fetched.last()), (Some(&7), Some(&0)));
}

#[test]
fn a_crash_while_removing_or_evicting_leaves_nothing_half() {
    let desk = Arc::new(Desk::new());
    let (kept, gone) = (content(SPAN, 4), content(2 * SPAN, 5));
    {
        let library = desk.open();
        add(&library, &kept, Keep::Pinned).unwrap();
        add(&library, &gone, Keep::Cached).unwrap();
    }
    let images = desk.images_during(|library| {
        assert!(library.remove(BlobId::of(&gone)).unwrap());
        assert!(!library.remove(BlobId::of(&gone)).unwrap());
    });
    for image in &images {
        let library = image.open();
        assert_eq!(library.usage().blobs, 1);
        assert!(image.strays(&[BlobId::of(&kept)]).is_empty());
        assert_eq!(read(&library, BlobId::of(&kept)).unwrap().unwrap(), kept);
    }
    assert!(images.len() >= 3);
}

#[test]
fn a_flipped_bit_is_found_and_only_its_span_is_fetched_again() {
    let content = content(4 * SPAN + 100, 6);
    let id = BlobId::of(&content);
    for (kind, at, lost) in [
        (Kind::Data, 2 * SPAN + 5, 1),
        (Kind::Data, 4 * SPAN + 99, 1),
        // The root's pair is part of every proof.
        (Kind::Outboard, 3, 5),
    ] {
        let desk = Desk::new();
        let library = desk.open();
        add(&library, &content, Keep::Pinned).unwrap();
        let path = library.disk.path(id, kind);
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at as u64).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at as u64).unwrap();

        let error = read(&library, id).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        let stat = library.stat(id).unwrap();
        assert!(!stat.complete && stat.keep == Keep::Pinned);
        assert!(read(&library, id).unwrap().is_none());
        // Also after a restart.
        drop(library);
        let library = desk.open();
        assert_eq!(complete(&library, &content), lost, "{kind:?} {at}");
        assert_eq!(read(&library, id).unwrap().unwrap(), content);
    }
}

#[test]
fn a_file_that_was_cut_or_taken_away_is_not_served() {
    let content = content(3 * SPAN, 7);
    let id = BlobId::of(&content);
    let desk = Desk::new();
    let library = desk.open();
    add(&library, &content, Keep::Cached).unwrap();
    let path = library.disk.path(id, Kind::Data);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(SPAN as u64).unwrap();
    assert!(matches!(read(&library, id), Err(Error::Damaged { .. })));
    assert_eq!(complete(&library, &content), 2);
    drop(library);
    fs::remove_file(&path).unwrap();
    let library = desk.open();
    assert_eq!(library.stat(id), None);
    assert!(desk.strays(&[]).is_empty());
}

#[test]
fn forged_spans_and_proofs_never_land() {
    let desk = Desk::new();
    let library = desk.open();
    let content = content(3 * SPAN, 8);
    let (tree, sent) = spans_of(&content);
    let partial = library.begin(tree).unwrap().unwrap();
    let (proof, piece) = &sent[1];
    let mut forged = piece.clone();
    forged[77] ^= 1;
    for (span, proof, piece) in [
        (1, proof, &forged),
        (0, proof, piece),
        (1, &sent[0].0, piece),
    ] {
        assert!(matches!(
            partial.accept(span, proof, piece),
            Err(Refused::Forged)
        ));
    }
    assert_eq!(partial.have(), Spans::empty());
    let on_disk = fs::read(library.disk.path(tree.id(), Kind::Part)).unwrap();
    assert!(on_disk.iter().all(|byte| *byte == 0));
    assert!(matches!(
        partial.finish(),
        Err(Error::Damaged { offset: 0, .. })
    ));
}

#[test]
fn the_budget_holds_and_what_is_used_or_pinned_stays() {
    let desk = Desk::new();
    let limit = |config: &mut Config| config.cache_bytes_max = 3 * SPAN_BYTES;
    let library = desk.open_with(limit, Vec::new()).unwrap();
    let blobs: Vec<Vec<u8>> = (10..16).map(|seed| content(SPAN, seed)).collect();
    let ids: Vec<BlobId> = blobs.iter().map(|blob| BlobId::of(blob)).collect();
    add(&library, &blobs[0], Keep::Pinned).unwrap();
    add(&library, &blobs[1], Keep::Cached).unwrap();
    add(&library, &blobs[2], Keep::Cached).unwrap();
    let reading = library.content(ids[1]).unwrap().unwrap();
    // 2 goes: 0 is pinned, 1 is being read.
    add(&library, &blobs[3], Keep::Cached).unwrap();
    let here = || {
        ids.iter()
            .map(|id| library.stat(*id).is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(here(), [true, true, false, true, false, false]);
    library.set_keep(ids[3], Keep::Pinned).unwrap();
    let error = add(&library, &blobs[4], Keep::Cached).unwrap_err();
    assert!(matches!(error, Error::NoRoom { kept_bytes, .. } if kept_bytes == 3 * SPAN_BYTES));
    assert_eq!(reading.read_all().unwrap(), blobs[1]);
    drop(reading);
    add(&library, &blobs[4], Keep::Cached).unwrap();
    assert_eq!(here(), [true, false, false, true, true, false]);
    // A download sets its whole size aside before it begins.
    let (tree, _) = spans_of(&blobs[5]);
    let partial = library.begin(tree).unwrap().unwrap();
    assert_eq!(here(), [true, false, false, true, false, true]);
    assert!(matches!(
        add(&library, &blobs[1], Keep::Cached),
        Err(Error::NoRoom { .. })
    ));
    drop(partial);
    assert!(desk.strays(&[ids[0], ids[3], ids[5]]).is_empty());
    drop(library);
    let limit = |config: &mut Config| config.cache_bytes_max = 2 * SPAN_BYTES;
    let library = desk.open_with(limit, Vec::new()).unwrap();
    assert_eq!(library.usage().pinned_bytes, 2 * SPAN_BYTES);
    assert_eq!(library.usage().blobs, 2);
}

#[test]
fn what_is_too_large_or_finds_a_full_disk_is_refused_with_a_remedy() {
    let desk = Desk::new();
    let small = |config: &mut Config| config.blob_bytes_max = 1000;
    let library = desk.open_with(small, Vec::new()).unwrap();
    let error = add(&library, &[0; 1001], Keep::Cached).unwrap_err();
    assert!(error.to_string().contains("blob_bytes_max"), "{error}");
    assert!(add(&library, &[0; 1000], Keep::Cached).is_ok());
    let full = |config: &mut Config| config.free_bytes_min = 1 << 60;
    let library = desk.open_with(full, Vec::new()).unwrap();
    let error = add(&library, &[1; 10], Keep::Cached).unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(desk.strays(&[BlobId::of(&[0; 1000])]).is_empty());
}

struct Fixed(BlobId, Bytes);

impl Source for Fixed {
    fn get(&self, id: BlobId) -> Option<Bytes> {
        (id == self.0).then(|| self.1.clone())
    }
}

#[test]
fn a_source_serves_what_it_has_and_not_what_it_mistakes() {
    let photo = Bytes::from(content(SPAN + 3, 20));
    let wrong = BlobId::of(b"other");
    let sources: Vec<Arc<dyn Source>> = vec![
        Arc::new(Fixed(wrong, photo.clone())),
        Arc::new(Fixed(BlobId::of(&photo), photo.clone())),
    ];
    let desk = Desk::new();
    let library = desk.open_with(|_| {}, sources).unwrap();
    assert_eq!(read(&library, BlobId::of(&photo)).unwrap().unwrap(), photo);
    assert_eq!(read(&library, wrong).unwrap(), None);
}
