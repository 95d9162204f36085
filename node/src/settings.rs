//! Settings: the file, over it the environment, over that the flags.

use std::net::SocketAddr;

use color_eyre::eyre::{Result, WrapErr};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use phytomer_runtime::Config;
use phytomer_telemetry::{LogConfig, LogFormat};

use crate::data_dir::DataDir;

/// Variables of the environment begin with this; `__` separates sections:
/// `PHYTOMER_HTTP__LISTEN=127.0.0.1:9000`.
const ENV_PREFIX: &str = "PHYTOMER_";
/// Separates section and name of a setting. Variables without it are flags of
/// the command line, or somebody else's.
const ENV_SEPARATOR: &str = "__";
/// What is logged where nothing else is said. The two libraries report as
/// errors what clients do wrong, or what the edge logs itself.
const LOG_DEFAULT: &str = "warn,jsonrpsee_core=off,tower_http=off";

/// Flags that override the file and the environment.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Overrides {
    /// Where to serve HTTP; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", env = "PHYTOMER_HTTP__LISTEN")]
    pub(crate) http_listen: Option<SocketAddr>,
    /// Port on which to serve HTTP on loopback; 0 takes any free one.
    #[arg(long, value_name = "PORT", conflicts_with = "http_listen")]
    pub(crate) http_port: Option<u16>,
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

/// The settings of a data folder: defaults < `config.toml` < environment < flags.
pub(crate) fn load(dir: &DataDir, flags: &Overrides) -> Result<Config> {
    let figment = Figment::from(Serialized::defaults(Config::default()))
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
    if let Some(listen) = flags.http_listen {
        config.http.listen = listen;
    }
    if let Some(port) = flags.http_port {
        config.http.listen.set_port(port);
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
    fn an_unknown_setting_is_named() {
        Jail::expect_with(|jail| {
            jail.create_file("config.toml", "[http]\nlistne = \"127.0.0.1:1\"\n")?;
            let error = load(&DataDir::new(jail.directory()), &Overrides::default()).unwrap_err();
            assert!(format!("{error:#}").contains("listne"), "{error:#}");
            Ok(())
        });
    }
}
