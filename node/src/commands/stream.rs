//! `phytomer stream`: signed event streams.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use color_eyre::eyre::Result;
use phytomer_api::{Encoding, EventView, LogView, NewEvent, StreamView};
use serde_json::Value;

use super::NodeArgs;
use crate::client::{Client, LogRange};
use crate::output;

/// Events asked for at once.
const PAGE_LEN: usize = 500;
/// How often a log is asked for new events while it is followed.
const TAIL_INTERVAL: Duration = Duration::from_millis(250);

/// Reads the signed event streams that a running node holds, its own and those that it follows,
/// and appends to its own.
///
/// A stream has one log for each operator who writes it; offsets are the same on every node.
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
    /// List the streams, or the logs of one.
    Ls {
        /// The stream; all where absent.
        #[arg(value_name = "STREAM")]
        stream: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print events of a log.
    Read {
        #[command(flatten)]
        log: LogArgs,
        /// The first offset.
        #[arg(long, value_name = "OFFSET", default_value_t = 0)]
        from: u64,
        /// The most events; all where absent.
        #[arg(long, value_name = "COUNT")]
        limit: Option<u64>,
    },
    /// Print the last events of a log, then new ones as they come (stop it with Ctrl-C).
    Tail {
        #[command(flatten)]
        log: LogArgs,
        /// How many of the last events.
        #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 10)]
        last: u64,
    },
    /// Append an event to the node's own log of a stream; prints its offset once it is on disk.
    Append {
        /// The stream; it is made by its first event.
        #[arg(value_name = "STREAM")]
        stream: String,
        /// What the event says: JSON, or else text.
        #[arg(value_name = "VALUE")]
        value: String,
        /// What it is about.
        #[arg(long)]
        key: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Which log.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// The stream.
    #[arg(value_name = "STREAM")]
    stream: String,
    /// Whose log, by the first digits of the operator's id; the node's own where absent.
    #[arg(long, value_name = "OPERATOR")]
    producer: Option<String>,
    /// Print each event as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(crate) async fn run(args: Args, data_dir: Option<PathBuf>) -> Result<()> {
    let client = args.node.client(data_dir)?;
    match args.action {
        Action::Ls { stream, json } => list(&client, stream.as_deref(), json).await,
        Action::Read { log, from, limit } => {
            let found = client.log(&log.stream, log.producer.as_deref()).await?;
            let end = limit.map_or(u64::MAX, |limit| {
                from.max(found.first).saturating_add(limit)
            });
            print(&client, &log, &found, from..end).await.map(drop)
        }
        Action::Tail { log, last } => {
            let found = client.log(&log.stream, log.producer.as_deref()).await?;
            let mut next = found.next.saturating_sub(last);
            while output::is_heard() {
                next = print(&client, &log, &found, next..u64::MAX).await?;
                tokio::time::sleep(TAIL_INTERVAL).await;
            }
            Ok(())
        }
        Action::Append {
            stream,
            value,
            key,
            json,
        } => append(&client, &stream, key, value, json).await,
    }
}

async fn list(client: &Client, stream: Option<&str>, json: bool) -> Result<()> {
    let streams = match stream {
        Some(name) => vec![client.stream(name).await?],
        None => client.streams().await?.streams,
    };
    if json {
        output::json(&serde_json::json!({"streams": streams}));
        return Ok(());
    }
    let rows: Vec<_> = streams.iter().flat_map(rows).collect();
    let header = [
        "stream",
        "operator",
        "epoch",
        "partition",
        "offsets",
        "events",
        "state",
    ];
    output::table(&header, &rows);
    Ok(())
}

fn rows(stream: &StreamView) -> impl Iterator<Item = [String; 7]> {
    stream.logs.iter().map(|log| {
        let state = match log.frozen {
            Some(offset) => format!("frozen at {offset}: its operator contradicted itself"),
            None => log.origin.clone(),
        };
        [
            stream.name.clone(),
            output::short(&log.producer),
            log.epoch.to_string(),
            log.partition.to_string(),
            format!("{}–{}", log.first, log.next.saturating_sub(1)),
            log.next.saturating_sub(log.first).to_string(),
            state,
        ]
    })
}

/// Prints the events of a range of offsets, as far as they are there; returns where to go on.
async fn print(
    client: &Client,
    log: &LogArgs,
    found: &LogView,
    offsets: std::ops::Range<u64>,
) -> Result<u64> {
    let mut next = offsets.start;
    while next < offsets.end && output::is_heard() {
        let left = usize::try_from(offsets.end - next).unwrap_or(usize::MAX);
        let range = LogRange {
            stream: &log.stream,
            producer: &found.producer,
            epoch: found.epoch,
            from: next,
            limit: left.min(PAGE_LEN),
        };
        let page = client.events(&range).await?;
        if page.events.is_empty() {
            return Ok(page.next.max(next));
        }
        for event in &page.events {
            show(event, log.json)?;
        }
        next = page.next;
    }
    Ok(next)
}

fn show(event: &EventView, json: bool) -> Result<()> {
    if json {
        output::json(&serde_json::to_value(event)?);
        return Ok(());
    }
    let value = match (event.encoding, &event.value) {
        (Encoding::None, _) => "(gone)".into(),
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    };
    let key = event.key.as_deref().unwrap_or("—");
    output::line(&format!(
        "{:>8}  {}  {key:<8}  {value}",
        event.offset, event.time
    ));
    Ok(())
}

async fn append(
    client: &Client,
    stream: &str,
    key: Option<String>,
    value: String,
    json: bool,
) -> Result<()> {
    let (encoding, value) = match serde_json::from_str(&value) {
        Ok(value) => (Encoding::Json, value),
        Err(_) => (Encoding::Text, Value::String(value)),
    };
    let event = NewEvent {
        key,
        encoding,
        value,
    };
    let position = client.append(stream, &event).await?;
    if json {
        output::json(&serde_json::to_value(&position)?);
    } else {
        output::line(&format!(
            "event {} of {}, signed by {}",
            position.offset,
            position.stream,
            output::short(&position.producer)
        ));
    }
    Ok(())
}
