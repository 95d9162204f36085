//! The data folder: what lies where.
//!
//! ```text
//! config.toml      settings; the file is optional
//! genesis.json     the chain specification
//! operator.token   what writes over REST need, 0600
//! keys/            the root secret, encrypted, 0600
//! db/              RocksDB
//! blobs/           content by its BLAKE3 hash
//! kafka.token      the password of Kafka clients, 0600; once the endpoint is on
//! kafka.cert.pem   the endpoint's certificate and key, 0600; once it is not on loopback
//! kafka.key.pem
//! VERSION          the layout's version
//! ```

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Result, WrapErr, ensure, eyre};

use crate::settings::Preset;

/// The version of this layout.
pub(crate) const LAYOUT_VERSION: u32 = 1;

/// A data folder.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// The folder at `root`, which need not exist yet.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `~/.phytomer`, where nothing else is said.
    pub(crate) fn default_node() -> Result<Self> {
        Ok(Self::new(home()?.join(".phytomer")))
    }

    /// `~/.phytomer/dev`, the development node's.
    pub(crate) fn default_dev() -> Result<Self> {
        Ok(Self::new(home()?.join(".phytomer").join("dev")))
    }

    /// `~/.phytomer/follower`, of a development node that follows another one.
    pub(crate) fn default_follower() -> Result<Self> {
        Ok(Self::new(home()?.join(".phytomer").join("follower")))
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Settings.
    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The chain specification.
    pub(crate) fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// What writes over REST need.
    pub(crate) fn operator_token(&self) -> PathBuf {
        self.root.join("operator.token")
    }

    /// The root secret.
    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The database.
    pub(crate) fn db(&self) -> PathBuf {
        self.root.join("db")
    }

    /// The password of Kafka clients.
    pub(crate) fn kafka_token(&self) -> PathBuf {
        self.root.join("kafka.token")
    }

    /// The certificate of the Kafka endpoint.
    pub(crate) fn kafka_cert(&self) -> PathBuf {
        self.root.join("kafka.cert.pem")
    }

    /// The key of the Kafka endpoint's certificate.
    pub(crate) fn kafka_key(&self) -> PathBuf {
        self.root.join("kafka.key.pem")
    }

    /// Where the settings of this folder begin: with those of a development network unless its
    /// chain is of another one.
    pub(crate) fn preset(&self) -> Preset {
        let spec = crate::commands::init::read_genesis(&self.genesis());
        spec.map_or(Preset::Dev, |spec| Preset::of(&spec.network))
    }

    fn version(&self) -> PathBuf {
        self.root.join("VERSION")
    }

    /// Whether the folder was initialised.
    pub(crate) fn is_initialised(&self) -> bool {
        self.version().exists()
    }

    /// Makes the folder, for its owner only.
    pub(crate) fn create(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root)
            .wrap_err_with(|| format!("making the data folder {}", self.root.display()))
    }

    /// Marks the folder as complete; the last step of its making, so that a
    /// folder that was made halfway is recognised.
    pub(crate) fn seal(&self) -> Result<()> {
        self.write("VERSION", format!("{LAYOUT_VERSION}\n").as_bytes())
    }

    /// Refuses a folder of another version.
    pub(crate) fn check_version(&self) -> Result<()> {
        let path = self.version();
        let text = fs::read_to_string(&path).map_err(|_| {
            eyre!(
                "{} is not a phytomer data folder; make one with `phytomer init`",
                self.root.display()
            )
        })?;
        let version: u32 = text.trim().parse().map_err(|_| {
            eyre!(
                "{} does not hold a version number; restore the folder from a backup",
                path.display()
            )
        })?;
        ensure!(
            version == LAYOUT_VERSION,
            "{} has layout version {version}, this program knows {LAYOUT_VERSION}: use the program that made it",
            self.root.display()
        );
        Ok(())
    }

    /// Writes a file whole or not at all: to a temporary name, synced, renamed.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        let temporary = self.root.join(format!(".{name}.new"));
        let write = || -> std::io::Result<()> {
            let mut file = fs::File::create(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            fs::File::open(&self.root)?.sync_all()
        };
        write().wrap_err_with(|| format!("writing {}", path.display()))
    }
}

fn home() -> Result<PathBuf> {
    std::env::home_dir().ok_or_else(|| eyre!("there is no home folder: give --data-dir"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_not_sealed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path().join("node"));
        dir.create().unwrap();
        assert!(
            dir.check_version()
                .unwrap_err()
                .to_string()
                .contains("phytomer init")
        );
        dir.seal().unwrap();
        dir.check_version().unwrap();
    }

    #[test]
    fn a_folder_of_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        dir.write("VERSION", b"99\n").unwrap();
        assert!(
            dir.check_version()
                .unwrap_err()
                .to_string()
                .contains("layout version 99")
        );
    }
}
