//! `phytomer blob`: content by its BLAKE3 hash.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use color_eyre::eyre::{Result, WrapErr, bail, ensure};
use phytomer_api::BlobView;
use tokio::fs::File;

use super::NodeArgs;
use super::peers::why_alone;
use crate::client::Client;
use crate::output;

/// How often a blob that is coming is asked after, at most.
const FETCH_ROUNDS_MAX: usize = 120;

/// Adds content to a running node and gets it back, by its BLAKE3 hash; what the node does not
/// hold it fetches from its peers, every byte verified.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Add a file; prints its hash.
    Add {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Get content, from the node's peers where the node does not hold it.
    Get {
        /// Its hash: 64 hex digits.
        #[arg(value_name = "HASH", value_parser = parse_hash)]
        id: String,
        /// Where to write it; to standard output where absent.
        #[arg(long, short = 'o', value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Say what the node knows of a blob.
    Stat {
        /// Its hash: 64 hex digits.
        #[arg(value_name = "HASH", value_parser = parse_hash)]
        id: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// List what the node holds.
    Ls {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub(crate) async fn run(args: Args, data_dir: Option<PathBuf>) -> Result<()> {
    let client = args.node.client(data_dir)?;
    match args.action {
        Action::Add { file, json } => {
            let content = File::open(&file)
                .await
                .wrap_err_with(|| format!("reading {}", file.display()))?;
            let length = content.metadata().await?.len();
            let blob = client.add_blob(content, length).await?;
            show(json, &blob)
        }
        Action::Get { id, out } => {
            wait_for(&client, &id).await?;
            let bytes = match &out {
                Some(path) => read_to(&client, &id, path).await?,
                None => client.read_blob(&id, &mut tokio::io::stdout()).await?,
            };
            if let Some(path) = out {
                output::line(&format!("{} in {}", size(bytes), path.display()));
            }
            Ok(())
        }
        Action::Stat { id, json } => show(json, &client.blob_stat(&id).await?),
        Action::Ls { json } => {
            let list = client.blobs().await?;
            if json {
                output::json(&serde_json::to_value(&list)?);
            } else {
                let rows: Vec<_> = list.blobs.iter().map(row).collect();
                output::table(&["blob", "size", "here", "kept"], &rows);
            }
            Ok(())
        }
    }
}

/// The hash as the node writes it.
fn parse_hash(text: &str) -> Result<String, &'static str> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("this is not the hash of a blob, which has 64 hex digits; `phytomer blob ls` shows some")
}

/// Has the node fetch a blob that it does not hold, with a line of progress on standard error. A
/// node without peers refuses at once, unless some of the blob has come already: peers come back.
async fn wait_for(client: &Client, id: &str) -> Result<()> {
    let mut has_begun = false;
    for _ in 0..FETCH_ROUNDS_MAX {
        if let Ok(blob) = client.blob_stat(id).await {
            if blob.complete {
                return Ok(());
            }
            has_begun |= blob.held_bytes > 0;
        }
        let network = client.network().await?;
        let is_alone = network.peers.total == 0;
        if is_alone && !has_begun {
            let (fact, remedy) = why_alone(&network);
            bail!(
                "the node does not hold the blob and has no peers to fetch it from: {fact}; \
                 {remedy} (`phytomer peers` shows them; `phytomer dev --join ADDRESS` starts a \
                 node that has one)"
            );
        }
        has_begun = true;
        let blob = client.fetch_blob(id).await?;
        if blob.complete {
            return Ok(());
        }
        let waits = if is_alone {
            "; waiting for peers …"
        } else {
            ""
        };
        output::progress(&format!("{}{waits}", progress(&blob)));
    }
    ensure!(
        client.blob_stat(id).await?.complete,
        "the blob comes too slowly; what has come is kept: ask again"
    );
    Ok(())
}

/// How far a blob has come that is not complete.
fn progress(blob: &BlobView) -> String {
    // Only content without bytes has none, and that is complete once somebody is found who has it.
    if blob.bytes == 0 {
        return "looking for a provider …".into();
    }
    format!("{} of {}", size(blob.held_bytes), size(blob.bytes))
}

/// Writes a blob into a new file; nothing is left of one that was cut off.
async fn read_to(client: &Client, id: &str, path: &Path) -> Result<u64> {
    let mut file = File::create(path)
        .await
        .wrap_err_with(|| format!("writing {}", path.display()))?;
    match client.read_blob(id, &mut file).await {
        Ok(bytes) => Ok(bytes),
        Err(error) => {
            let _ = tokio::fs::remove_file(path).await;
            Err(error)
        }
    }
}

fn show(json: bool, blob: &BlobView) -> Result<()> {
    if json {
        output::json(&serde_json::to_value(blob)?);
    } else {
        output::field("blob", &blob.id);
        output::field("size", &size(blob.bytes));
        output::field("here", &here(blob));
    }
    Ok(())
}

fn row(blob: &BlobView) -> [String; 4] {
    let kept = if blob.pinned { "pinned" } else { "cached" };
    [blob.id.clone(), size(blob.bytes), here(blob), kept.into()]
}

fn here(blob: &BlobView) -> String {
    if blob.complete {
        "all of it".into()
    } else {
        size(blob.held_bytes)
    }
}

/// A size at a glance.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_at_a_glance() {
        let sizes = [1_023, 1_536, 5 << 20, 3 << 30].map(size);
        assert_eq!(sizes, ["1023 B", "1.5 KiB", "5.0 MiB", "3.00 GiB"]);
    }

    #[test]
    fn the_size_is_told_once_it_is_known() {
        let blob = |bytes, held_bytes| BlobView {
            id: "0".repeat(64),
            bytes,
            complete: false,
            held_bytes,
            pinned: false,
        };
        assert!(progress(&blob(0, 0)).starts_with("looking for a provider"));
        assert_eq!(progress(&blob(2_048, 0)), "0 B of 2.0 KiB");
    }

    #[test]
    fn a_hash_is_64_hex_digits() {
        let hash = "AB".repeat(32);
        assert_eq!(parse_hash(&hash), Ok(hash.to_lowercase()));
        for text in ["", "nonsense", &hash[1..], &"g".repeat(64)] {
            assert!(parse_hash(text).is_err(), "{text}");
        }
    }
}
