//! `phytomer recognise`: which plant a photo shows, without a node.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use color_eyre::eyre::{Result, WrapErr};
use phytomer_models::{FILE_BYTES_MAX, Recogniser, Recognition};
use serde::Serialize;

use crate::output;

/// Candidates that the text output shows.
const SHOWN: usize = 5;

/// Says which plant each photo shows, with the model that ships with the
/// program. An estimate from a photo, not a laboratory diagnosis.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Photos of one leaf each: JPEG, PNG or WebP.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// One line of the JSON output.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Seen {
        file: &'a Path,
        #[serde(flatten)]
        recognition: &'a Recognition,
    },
    Failed {
        file: &'a Path,
        error: String,
    },
}

/// Recognises each file; fails at the end when one could not be recognised.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let model = Recogniser::shipped().wrap_err("the model that ships with the program")?;
    let mut code = ExitCode::SUCCESS;
    for file in &args.files {
        let seen = read(file).and_then(|photo| Ok(model.recognise(&photo)?));
        if seen.is_err() {
            code = ExitCode::FAILURE;
        }
        match (args.json, &seen) {
            (true, Ok(recognition)) => print_json(&Answer::Seen { file, recognition })?,
            (true, Err(error)) => print_json(&Answer::Failed {
                file,
                error: output::chain(error),
            })?,
            (false, Ok(recognition)) => print(file, recognition),
            (false, Err(error)) => output::finding(
                "",
                &format!("{}: {}", file.display(), output::chain(error)),
                Some("see the message"),
            ),
        }
    }
    Ok(code)
}

/// Reads a file, but no more of it than the model takes, so that a huge one
/// does not fill the memory before it is refused.
fn read(path: &Path) -> Result<Vec<u8>> {
    let mut photo = Vec::new();
    let file = File::open(path).wrap_err("the file cannot be opened")?;
    file.take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut photo)
        .wrap_err("the file cannot be read")?;
    Ok(photo)
}

fn print_json(answer: &Answer<'_>) -> Result<()> {
    output::json(&serde_json::to_value(answer)?);
    Ok(())
}

fn print(file: &Path, recognition: &Recognition) {
    let verdict = if recognition.unknown {
        "unknown plant; the best guesses are"
    } else {
        ""
    };
    output::line(&format!("{}  {verdict}", file.display()));
    for candidate in recognition.species.iter().take(SHOWN) {
        output::line(&format!(
            "  {:>5.1} %  {}",
            candidate.confidence * 100.0,
            candidate.scientific_name
        ));
    }
}
