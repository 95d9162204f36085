//! What the disk can do.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often in a second `bytes` can be appended to a file and be on the disk.
pub(crate) fn syncs_per_second(
    folder: &Path,
    bytes: usize,
    limit: Duration,
) -> std::io::Result<f64> {
    let path = folder.join("raw");
    let mut file = File::create(&path)?;
    // Nothing that a disk could leave out.
    let mut content = vec![0; bytes];
    for (place, byte) in content.iter_mut().enumerate() {
        *byte = (place.wrapping_mul(2_654_435_761) >> 13) as u8;
    }
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < limit {
        file.write_all(&content)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / begin.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}
