//! `phytomer init`: makes a data folder.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use color_eyre::eyre::{Result, WrapErr, ensure, eyre};
use phytomer_genesis::{Issuer, Spec};
use phytomer_identity::{Keystore, OperatorToken, WorkFactor};
use phytomer_runtime::Production;
use rand::Rng;

use crate::data_dir::DataDir;
use crate::settings::Preset;
use crate::{keystore, output};

/// Chain ids of new development chains: large enough to meet no chain that
/// people use, small enough for every wallet. A new id for each folder keeps
/// wallets from reusing nonces they remember of another one.
const DEV_CHAIN_IDS: std::ops::Range<u64> = 700_000_000..800_000_000;

/// Makes a data folder: settings with their defaults, keys, operator token and
/// the chain specification.
///
/// Without `--genesis` the folder starts a chain of its own with well-known
/// development accounts. With it, the node follows the one that makes the
/// chain's blocks. The keys are sealed with a password that is asked
/// for; with `--unattended` a random one is kept beside them, so that the node
/// starts without a person: then whoever reads the folder has the keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The specification of the chain to join (`genesis.json` of another node).
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// Keep a random password beside the keys instead of asking for one.
    #[arg(long)]
    pub(crate) unattended: bool,
}

/// Makes the folder and says what is in it.
pub(crate) fn run(args: Args, data_dir: Option<PathBuf>) -> Result<()> {
    let dir = data_dir.map_or_else(DataDir::default_node, |path| Ok(DataDir::new(path)))?;
    let genesis = args.genesis.map(|path| read_genesis(&path)).transpose()?;
    let keys = initialise(&dir, genesis, args.unattended)?;
    output::field("data folder", &dir.root().display().to_string());
    output::field("issuer", keys.issuer().did().as_str());
    output::field("account", &keys.ledger_signer().address().to_string());
    output::line(&format!(
        "\nStart the node: phytomer run --data-dir {}",
        dir.root().display()
    ));
    Ok(())
}

/// Fills a new folder. The version is written last, so that a folder that was
/// filled halfway is not taken for a whole one.
pub(crate) fn initialise(
    dir: &DataDir,
    genesis: Option<Spec>,
    unattended: bool,
) -> Result<Keystore> {
    ensure!(
        !dir.is_initialised(),
        "{} is a data folder already; give another with --data-dir",
        dir.root().display()
    );
    dir.create()?;
    let keys = make_keys(dir, unattended)?;
    OperatorToken::open_or_create(&dir.operator_token())?;
    // Whoever joins another node's chain must not make blocks of its own: the chain would fork.
    let (spec, production) = match genesis {
        Some(spec) => (spec, Production::Off),
        None => (dev_spec(&keys)?, Production::Instant),
    };
    dir.write("genesis.json", spec.to_json().as_bytes())?;
    if !dir.config().exists() {
        dir.write("config.toml", settings_file(&spec, production)?.as_bytes())?;
    }
    dir.seal()?;
    Ok(keys)
}

/// Keys are made once: a folder that was filled halfway keeps its own.
fn make_keys(dir: &DataDir, unattended: bool) -> Result<Keystore> {
    if Keystore::exists(&dir.keys()) {
        return keystore::open(dir);
    }
    if unattended {
        return Ok(Keystore::create_unattended(&dir.keys())?);
    }
    Ok(Keystore::create(
        &dir.keys(),
        &keystore::ask_new()?,
        WorkFactor::PERSON,
    )?)
}

/// A development chain of its own, whose first issuer is this node.
fn dev_spec(keys: &Keystore) -> Result<Spec> {
    let chain_id = rand::rng().random_range(DEV_CHAIN_IDS);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| eyre!("the clock stands before 1970; set it"))?;
    let issuer = Issuer::new(keys.ledger_signer().address(), keys.issuer().did().as_str());
    Ok(phytomer_genesis::dev(chain_id, issuer, now.as_secs()))
}

/// Reads a chain specification.
pub(crate) fn read_genesis(path: &std::path::Path) -> Result<Spec> {
    let text = fs::read_to_string(path)
        .wrap_err_with(|| format!("reading the chain specification {}", path.display()))?;
    Spec::from_json(&text).wrap_err_with(|| format!("the chain specification {}", path.display()))
}

/// The settings file of a new folder.
fn settings_file(spec: &Spec, production: Production) -> Result<String> {
    let defaults = Preset::of(&spec.network).config();
    let defaults = toml::to_string_pretty(&defaults).wrap_err("writing the default settings")?;
    let settings = commented(&defaults);
    Ok(match production {
        Production::Instant => format!("{CONFIG_HEAD}{settings}"),
        Production::Off => {
            let heading = "[ledger]\n";
            let follows = format!("{heading}production = \"off\"\n");
            format!("{CONFIG_HEAD}{}", settings.replacen(heading, &follows, 1))
        }
    })
}

const CONFIG_HEAD: &str = "\
# Settings of this node. Lines that are commented out show the defaults.
# PHYTOMER_SECTION__NAME in the environment overrides a setting, a flag overrides both.

";

/// Comments every setting out and leaves the section headings.
fn commented(toml: &str) -> String {
    let line = |line: &str| match line {
        "" => "\n".to_string(),
        heading if heading.starts_with('[') => format!("{heading}\n"),
        setting => format!("# {setting}\n"),
    };
    toml.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;

    #[test]
    fn a_new_folder_opens_with_the_defaults_and_cannot_be_made_twice() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path().join("node"));
        initialise(&dir, None, true).unwrap();
        dir.check_version().unwrap();
        let mut defaults = Preset::Dev.config();
        defaults.blobs.dir = dir.root().join(&defaults.blobs.dir);
        let loaded = settings::load(&dir, &settings::Overrides::default()).unwrap();
        assert_eq!(loaded, defaults);
        assert!(read_genesis(&dir.genesis()).is_ok());
        assert!(
            initialise(&dir, None, true)
                .unwrap_err()
                .to_string()
                .contains("already")
        );
    }

    #[test]
    fn who_joins_a_chain_makes_no_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (
            DataDir::new(folder.path().join("first")),
            DataDir::new(folder.path().join("second")),
        );
        initialise(&first, None, true).unwrap();
        let genesis = read_genesis(&first.genesis()).unwrap();
        initialise(&second, Some(genesis), true).unwrap();
        let production = |dir: &DataDir| {
            let config = settings::load(dir, &settings::Overrides::default()).unwrap();
            config.ledger.production
        };
        assert_eq!(production(&first), Production::Instant);
        assert_eq!(production(&second), Production::Off);
    }

    #[test]
    fn a_folder_made_halfway_keeps_its_keys() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path().join("node"));
        dir.create().unwrap();
        let first = make_keys(&dir, true).unwrap().issuer().did().to_string();
        let second = initialise(&dir, None, true)
            .unwrap()
            .issuer()
            .did()
            .to_string();
        assert_eq!(first, second);
    }

    #[test]
    fn two_folders_are_two_chains() {
        let folder = tempfile::tempdir().unwrap();
        let chain_id = |name| {
            let dir = DataDir::new(folder.path().join(name));
            initialise(&dir, None, true).unwrap();
            read_genesis(&dir.genesis()).unwrap().chain_id()
        };
        assert_ne!(chain_id("a"), chain_id("b"));
    }
}
