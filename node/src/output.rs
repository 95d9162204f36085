//! What the terminal shows: steps, fields, ticks. Colours only where the
//! terminal takes them.

use std::cell::Cell;
use std::fmt::Display;

use owo_colors::Stream::{self, Stdout};
use owo_colors::{OwoColorize, Style};
use phytomer_registry::{CheckView, Outcome};

/// Width of the field names in a transcript.
const FIELD_WIDTH: usize = 12;

/// The first and last digits of a hash.
pub(crate) fn short(hash: impl Display) -> String {
    let text = hash.to_string();
    match (text.get(..10), text.get(text.len().saturating_sub(6)..)) {
        (Some(start), Some(end)) if text.len() > 20 => format!("{start}…{end}"),
        _ => text,
    }
}

/// A numbered transcript.
pub(crate) struct Transcript {
    steps: Cell<u32>,
}

/// Writes lines below one step.
pub(crate) struct Step;

#[expect(
    clippy::print_stdout,
    reason = "this module is what the program prints"
)]
impl Transcript {
    /// An empty transcript.
    pub(crate) fn new() -> Self {
        Self {
            steps: Cell::new(0),
        }
    }

    /// The headline.
    pub(crate) fn title(&self, text: &str) {
        println!("\n{}", text.if_supports_color(Stdout, |text| text.bold()));
    }

    /// Opens the next step.
    pub(crate) fn step(&self, name: &str, what: &str) -> Step {
        let number = self.steps.get() + 1;
        self.steps.set(number);
        let style = Style::new().green().bold();
        println!(
            "\n{:>2}  {}  {what}",
            number,
            format!("{name:<9}").if_supports_color(Stdout, |text| text.style(style))
        );
        Step
    }

    /// The last line.
    pub(crate) fn end(&self, text: &str) {
        println!("\n{}\n", text.if_supports_color(Stdout, |text| text.bold()));
    }
}

#[expect(
    clippy::print_stdout,
    reason = "this module is what the program prints"
)]
impl Step {
    /// A plain line.
    pub(crate) fn line(&self, text: &str) {
        println!("      {text}");
    }

    /// A line that matters.
    pub(crate) fn strong(&self, text: &str) {
        println!(
            "      {}",
            text.if_supports_color(Stdout, |text| text.bold())
        );
    }

    /// A line in the background.
    pub(crate) fn faint(&self, text: &str) {
        println!(
            "      {}",
            text.if_supports_color(Stdout, |text| text.dimmed())
        );
    }

    /// A named value.
    pub(crate) fn field(&self, name: &str, value: &str) {
        let name = format!("{name:<FIELD_WIDTH$}");
        println!(
            "      {} {value}",
            name.if_supports_color(Stdout, |text| text.dimmed())
        );
    }

    /// A check with its outcome.
    pub(crate) fn check(&self, check: &CheckView) {
        let name = format!("{:<18}", check.name);
        match check.outcome {
            Outcome::Passed => println!("      {} {name} {}", tick(), check.detail),
            Outcome::Failed => println!("      {} {name} {}", cross(), check.detail),
            Outcome::NotChecked => println!("      ○ {name} not checked: {}", check.detail),
        }
    }

    /// A line with a tick or a cross.
    pub(crate) fn verdict(&self, valid: bool, text: &str) {
        let mark = if valid { tick() } else { cross() };
        println!("      {mark} {text}");
    }
}

fn tick() -> String {
    "✔"
        .if_supports_color(Stdout, |text| text.green())
        .to_string()
}

fn cross() -> String {
    "✘".if_supports_color(Stdout, |text| text.red()).to_string()
}

/// A named value, outside of a transcript.
#[expect(
    clippy::print_stdout,
    reason = "this module is what the program prints"
)]
pub(crate) fn field(name: &str, value: &str) {
    let name = format!("{name:<FIELD_WIDTH$}");
    println!(
        "{} {value}",
        name.if_supports_color(Stdout, |text| text.bold())
    );
}

/// What an examination found, with its remedy.
#[expect(
    clippy::print_stdout,
    reason = "this module is what the program prints"
)]
pub(crate) fn finding(subject: &str, fact: &str, remedy: Option<&str>) {
    let mark = if remedy.is_none() { tick() } else { cross() };
    println!("{mark} {subject:<14} {fact}");
    if let Some(remedy) = remedy {
        println!("  {:<14} → {remedy}", "");
    }
}

/// One JSON value on one line.
#[expect(
    clippy::print_stdout,
    reason = "this module is what the program prints"
)]
pub(crate) fn json(value: &serde_json::Value) {
    println!("{value}");
}

/// A plain line.
#[expect(
    clippy::print_stdout,
    reason = "this module is what the program prints"
)]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// An error with its causes, on standard error. Many messages name their cause
/// already; it is not said twice.
#[expect(
    clippy::print_stderr,
    reason = "this module is what the program prints"
)]
pub(crate) fn error(error: &color_eyre::Report) {
    let label = "error:"
        .if_supports_color(Stream::Stderr, |text| text.red())
        .to_string();
    eprintln!("{label} {}", chain(error));
}

/// An error and its causes in one line, each said once.
pub(crate) fn chain(error: &color_eyre::Report) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A heading above a list.
#[expect(
    clippy::print_stdout,
    reason = "this module is what the program prints"
)]
pub(crate) fn heading(text: &str) {
    println!("\n{}", text.if_supports_color(Stdout, |text| text.bold()));
}

/// Rows below their header, each column as wide as its widest cell.
#[expect(
    clippy::print_stdout,
    reason = "this module is what the program prints"
)]
pub(crate) fn table<const N: usize>(header: &[&str; N], rows: &[[String; N]]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| -> String {
        let padded = cells.iter().zip(widths);
        let padded: Vec<_> = padded
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    println!(
        "{}",
        line(*header).if_supports_color(Stdout, |text| text.bold())
    );
    for row in rows {
        println!(
            "{}",
            line(std::array::from_fn(|column| row[column].as_str()))
        );
    }
}

/// How far something has come, on standard error.
#[expect(
    clippy::print_stderr,
    reason = "this module is what the program prints"
)]
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}
