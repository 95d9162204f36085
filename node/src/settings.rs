//! Settings: the file, over it the environment, over that the flags.

use std::net::SocketAddr;

use color_eyre::eyre::{Result, WrapErr};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use phytomer_runtime::{Config, KafkaTls, Production};
use phytomer_telemetry::{LogConfig, LogFormat};

use crate::data_dir::DataDir;

/// Variables of the environment begin with this; `__` separates sections:
/// `PHYTOMER_HTTP__LISTEN=127.0.0.1:9000`.
const ENV_PREFIX: &str = "PHYTOMER_";
/// Separates section and name of a setting. Variables without it are flags of
/// the command line, or somebody else's.
const ENV_SEPARATOR: &str = "__";
/// What is logged where nothing else is said. Some libraries report as
/// errors what clients and peers do wrong, or what the edge logs itself.
const LOG_DEFAULT: &str =
    "warn,jsonrpsee_core=off,tower_http=off,libp2p_kad=error,libp2p_gossipsub=off";

/// Flags that override the file and the environment.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings that override the data folder's")]
pub(crate) struct Overrides {
    /// Where to serve HTTP; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", env = "PHYTOMER_HTTP__LISTEN")]
    pub(crate) http_listen: Option<SocketAddr>,
    /// Port on which to serve HTTP on loopback; 0 takes any free one.
    #[arg(long, value_name = "PORT", conflicts_with = "http_listen")]
    pub(crate) http_port: Option<u16>,
    /// Where to listen for peers, over QUIC and TCP: IP and port (0 takes any free one), or a
    /// multiaddr; may be given more than once.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) p2p_listen: Vec<String>,
    /// A node to join the network through, such as
    /// `/ip4/192.0.2.7/udp/30310/quic-v1/p2p/12D3KooW…`; may be given more than once.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bootstrap: Vec<String>,
    /// Look for nodes on the local network.
    #[arg(long)]
    pub(crate) mdns: bool,
    /// Talk only to peers whose connections a quantum computer could not read later.
    #[arg(long)]
    pub(crate) require_post_quantum: bool,
    /// Serve the event streams to Kafka clients, on this port of loopback; 0 takes any free one.
    #[arg(long, value_name = "PORT")]
    pub(crate) kafka_port: Option<u16>,
    /// Who makes the blocks.
    #[arg(skip)]
    pub(crate) production: Option<Production>,
}

impl Overrides {
    /// Follows the node at `address`, on a port that the other one does not use.
    pub(crate) fn join(&mut self, address: &str) {
        self.bootstrap.push(address.to_owned());
        self.production = Some(Production::Off);
        if self.http_listen.is_none() {
            self.http_port.get_or_insert(0);
        }
    }

    fn apply(&self, config: &mut Config) {
        if let Some(listen) = self.http_listen {
            config.http.listen = listen;
        }
        if let Some(port) = self.http_port {
            config.http.listen.set_port(port);
        }
        let network = &mut config.network;
        if !self.p2p_listen.is_empty() {
            network.listen = self
                .p2p_listen
                .iter()
                .flat_map(|text| listen(text))
                .collect();
        }
        network.bootstrap.extend(self.bootstrap.iter().cloned());
        network.mdns |= self.mdns;
        network.require_post_quantum |= self.require_post_quantum;
        if let Some(port) = self.kafka_port {
            config.kafka.enabled = true;
            config.kafka.listen.set_port(port);
        }
        if let Some(production) = self.production {
            config.ledger.production = production;
        }
    }
}

/// The addresses to listen on that a flag means: both transports of an IP and port, else the
/// multiaddr that it is.
fn listen(text: &str) -> Vec<String> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        return vec![text.to_owned()];
    };
    let (ip, port) = (address.ip(), address.port());
    let family = if ip.is_ipv4() { "ip4" } else { "ip6" };
    vec![
        format!("/{family}/{ip}/udp/{port}/quic-v1"),
        format!("/{family}/{ip}/tcp/{port}"),
    ]
}

/// Where a node's settings begin, by the network that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    /// A development network: everything on loopback, on any free port, and nobody looked for.
    Dev,
    /// Any other network.
    Standard,
}

impl Preset {
    /// The preset of the network with this name.
    pub(crate) fn of(network: &str) -> Self {
        match network {
            "dev" => Self::Dev,
            _ => Self::Standard,
        }
    }

    /// The settings to begin with.
    pub(crate) fn config(self) -> Config {
        let mut config = Config::default();
        if self == Self::Dev {
            config.network.listen = listen("127.0.0.1:0");
            config.network.mdns = false;
            // Nobody else knows of earlier logs of a folder that was just made.
            config.sync.settle_ms = 250;
        }
        config
    }
}

/// What to log, from the flags.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// The filter.
    pub(crate) filter: Option<String>,
    /// Whether as JSON.
    pub(crate) json: bool,
}

impl Log {
    /// Starts logging to standard error.
    pub(crate) fn init(&self) -> Result<()> {
        let format = if self.json {
            LogFormat::Json
        } else {
            LogFormat::Text
        };
        let filter = self.filter.clone().unwrap_or_else(|| LOG_DEFAULT.into());
        phytomer_telemetry::init(&LogConfig { filter, format }).wrap_err("logging could not start")
    }
}

/// The settings of a data folder: preset < `config.toml` < environment < flags.
pub(crate) fn load(dir: &DataDir, flags: &Overrides) -> Result<Config> {
    let preset = dir.preset().config();
    let figment = Figment::from(Serialized::defaults(preset))
        .merge(Toml::file_exact(dir.config()))
        .merge(
            Env::prefixed(ENV_PREFIX)
                .filter(|name| name.as_str().contains(ENV_SEPARATOR))
                .split(ENV_SEPARATOR),
        );
    let mut config: Config = figment.extract().wrap_err_with(|| {
        format!(
            "the settings in {} or in the environment",
            dir.config().display()
        )
    })?;
    flags.apply(&mut config);
    let kafka = &mut config.kafka;
    if !kafka.listen.ip().is_loopback() && kafka.tls.is_none() {
        kafka.tls = Some(KafkaTls {
            certificate: dir.kafka_cert(),
            key: dir.kafka_key(),
            token: dir.kafka_token(),
        });
    }
    if config.blobs.dir.is_relative() {
        config.blobs.dir = dir.root().join(&config.blobs.dir);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use figment::Jail;

    use super::*;

    #[test]
    fn flags_beat_the_environment_and_that_beats_the_file() {
        Jail::expect_with(|jail| {
            jail.create_file(
                "config.toml",
                "[http]\nlisten = \"127.0.0.1:1\"\n[ledger]\nblock_time_ms = 7\n",
            )?;
            let dir = DataDir::new(jail.directory());
            let listen = |flags: &Overrides| load(&dir, flags).unwrap().http.listen.port();
            assert_eq!(listen(&Overrides::default()), 1);
            assert_eq!(
                load(&dir, &Overrides::default())
                    .unwrap()
                    .ledger
                    .block_time_ms,
                7
            );
            jail.set_env("PHYTOMER_HTTP__LISTEN", "127.0.0.1:2");
            assert_eq!(listen(&Overrides::default()), 2);
            assert_eq!(
                listen(&Overrides {
                    http_port: Some(3),
                    ..Overrides::default()
                }),
                3
            );
            Ok(())
        });
    }

    #[test]
    fn flags_of_the_network_are_understood() {
        Jail::expect_with(|jail| {
            jail.create_file(
                "config.toml",
                "[network]\nbootstrap = [\"/ip4/192.0.2.1/tcp/1\"]\n",
            )?;
            let dir = DataDir::new(jail.directory());
            let flags = Overrides {
                p2p_listen: vec!["[::1]:7".into(), "/ip4/127.0.0.1/tcp/9".into()],
                bootstrap: vec!["/ip4/192.0.2.2/tcp/2".into()],
                kafka_port: Some(9_092),
                production: Some(Production::Off),
                ..Overrides::default()
            };
            let config = load(&dir, &flags).unwrap();
            let listen = [
                "/ip6/::1/udp/7/quic-v1",
                "/ip6/::1/tcp/7",
                "/ip4/127.0.0.1/tcp/9",
            ];
            assert_eq!(config.network.listen, listen);
            assert_eq!(config.network.bootstrap.len(), 2, "a flag adds to the file");
            assert!(config.kafka.enabled && config.kafka.listen.port() == 9_092);
            assert_eq!(config.ledger.production, Production::Off);
            assert_eq!(config.blobs.dir, jail.directory().join("blobs"));
            Ok(())
        });
    }

    #[test]
    fn a_development_node_stays_on_loopback_and_takes_any_port() {
        let config = Preset::of("dev").config();
        assert!(!config.network.mdns);
        for address in &config.network.listen {
            assert!(
                address.starts_with("/ip4/127.0.0.1/") && address.contains("/0"),
                "{address}"
            );
        }
    }

    #[test]
    fn an_unknown_setting_is_named() {
        Jail::expect_with(|jail| {
            jail.create_file("config.toml", "[http]\nlistne = \"127.0.0.1:1\"\n")?;
            let error = load(&DataDir::new(jail.directory()), &Overrides::default()).unwrap_err();
            assert!(format!("{error:#}").contains("listne"), "{error:#}");
            Ok(())
        });
    }
}
