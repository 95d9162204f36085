//! Where log lines go and in what form.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::Error;

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text for people, in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!(
                "`{other}` is not a log format; use `text` or `json`"
            )),
        }
    }
}

/// How the program logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Which lines are written, in the syntax of `RUST_LOG`.
    pub filter: String,
    /// In what form.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".into(),
            format: LogFormat::Text,
        }
    }
}

/// Sends the log lines of the whole process to standard error.
///
/// Standard output stays free for what a command answers.
///
/// # Errors
/// [`Error::Filter`] where the filter cannot be read, and
/// [`Error::AlreadyInitialised`] on a second call.
pub fn init(config: &LogConfig) -> Result<(), Error> {
    let colour = std::io::stderr().is_terminal();
    subscriber(config, colour, std::io::stderr)?
        .try_init()
        .map_err(|_| Error::AlreadyInitialised)
}

/// The subscriber that [`init`] installs, writing to `writer`.
fn subscriber<W>(config: &LogConfig, colour: bool, writer: W) -> Result<tracing::Dispatch, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(&config.filter)
        .map_err(|source| Error::Filter {
            filter: config.filter.clone(),
            source,
        })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    Ok(match config.format {
        LogFormat::Text => lines.with_ansi(colour).finish().into(),
        LogFormat::Json => lines.json().flatten_event(true).finish().into(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let config = LogConfig {
            filter: filter.into(),
            format,
        };
        let dispatch = subscriber(&config, false, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info!(height = 7, "block added");
            tracing::debug!("not asked for");
            tracing::debug!(target: "phytomer_ledger", "asked for");
        });
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_filter_chooses_lines_by_target_and_level() {
        let lines = logged("info,phytomer_ledger=debug", LogFormat::Text);
        assert!(lines.contains("block added height=7"), "{lines}");
        assert!(lines.contains("phytomer_ledger: asked for"), "{lines}");
        assert!(!lines.contains("not asked for"), "{lines}");
    }

    #[test]
    fn json_lines_carry_fields_by_name() {
        let lines = logged("info", LogFormat::Json);
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(
            lines.contains(r#""height":7"#) && lines.contains(r#""message":"block added""#),
            "{lines}"
        );
    }

    #[test]
    fn a_bad_filter_is_refused_with_a_remedy() {
        let config = LogConfig {
            filter: "info,=,loud".into(),
            ..LogConfig::default()
        };
        let error = subscriber(&config, false, std::io::sink).unwrap_err();
        assert!(error.to_string().contains("for example `info"), "{error}");
        assert!("xml".parse::<LogFormat>().unwrap_err().contains("`json`"));
    }
}
