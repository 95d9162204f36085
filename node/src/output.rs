//! What the terminal shows: steps, fields, ticks. Colours only where the
//! terminal takes them.
//!
//! Who reads may stop reading: a node goes on all the same, and still stops in
//! order. What prints without an end looks whether it [is heard](is_heard).

use std::cell::Cell;
use std::fmt::{Arguments, Display};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use owo_colors::Stream::{self, Stdout};
use owo_colors::{OwoColorize, Style};
use phytomer_registry::{CheckView, Outcome};

/// Whether everything was taken that was printed on standard output.
static HEARD: AtomicBool = AtomicBool::new(true);

/// Whether somebody still takes what is printed on standard output.
pub(crate) fn is_heard() -> bool {
    HEARD.load(Ordering::Relaxed)
}

fn print_line(line: Arguments<'_>) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        HEARD.store(false, Ordering::Relaxed);
    }
}

/// `println!` that does not panic when nobody reads.
macro_rules! say {
    ($($arg:tt)*) => { print_line(format_args!($($arg)*)) };
}

/// `eprintln!` that does not panic when nobody reads.
macro_rules! complain {
    ($($arg:tt)*) => {{
        // There is nowhere else to say it.
        let _ = writeln!(std::io::stderr(), $($arg)*);
    }};
}

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

impl Transcript {
    /// An empty transcript.
    pub(crate) fn new() -> Self {
        Self {
            steps: Cell::new(0),
        }
    }

    /// The headline.
    pub(crate) fn title(&self, text: &str) {
        say!("\n{}", text.if_supports_color(Stdout, |text| text.bold()));
    }

    /// Opens the next step.
    pub(crate) fn step(&self, name: &str, what: &str) -> Step {
        let number = self.steps.get() + 1;
        self.steps.set(number);
        let style = Style::new().green().bold();
        say!(
            "\n{:>2}  {}  {what}",
            number,
            format!("{name:<9}").if_supports_color(Stdout, |text| text.style(style))
        );
        Step
    }

    /// The last line.
    pub(crate) fn end(&self, text: &str) {
        say!("\n{}\n", text.if_supports_color(Stdout, |text| text.bold()));
    }
}

impl Step {
    /// A plain line.
    pub(crate) fn line(&self, text: &str) {
        say!("      {text}");
    }

    /// A line that matters.
    pub(crate) fn strong(&self, text: &str) {
        say!(
            "      {}",
            text.if_supports_color(Stdout, |text| text.bold())
        );
    }

    /// A line in the background.
    pub(crate) fn faint(&self, text: &str) {
        say!(
            "      {}",
            text.if_supports_color(Stdout, |text| text.dimmed())
        );
    }

    /// A named value.
    pub(crate) fn field(&self, name: &str, value: &str) {
        let name = format!("{name:<FIELD_WIDTH$}");
        say!(
            "      {} {value}",
            name.if_supports_color(Stdout, |text| text.dimmed())
        );
    }

    /// A check with its outcome.
    pub(crate) fn check(&self, check: &CheckView) {
        let name = format!("{:<18}", check.name);
        match check.outcome {
            Outcome::Passed => say!("      {} {name} {}", tick(), check.detail),
            Outcome::Failed => say!("      {} {name} {}", cross(), check.detail),
            Outcome::NotChecked => say!("      ○ {name} not checked: {}", check.detail),
        }
    }

    /// A line with a tick or a cross.
    pub(crate) fn verdict(&self, valid: bool, text: &str) {
        let mark = if valid { tick() } else { cross() };
        say!("      {mark} {text}");
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
pub(crate) fn field(name: &str, value: &str) {
    let name = format!("{name:<FIELD_WIDTH$}");
    say!(
        "{} {value}",
        name.if_supports_color(Stdout, |text| text.bold())
    );
}

/// What an examination found, with its remedy.
pub(crate) fn finding(subject: &str, fact: &str, remedy: Option<&str>) {
    let mark = if remedy.is_none() { tick() } else { cross() };
    say!("{mark} {subject:<14} {fact}");
    if let Some(remedy) = remedy {
        say!("  {:<14} → {remedy}", "");
    }
}

/// One JSON value on one line.
pub(crate) fn json(value: &serde_json::Value) {
    say!("{value}");
}

/// A plain line.
pub(crate) fn line(text: &str) {
    say!("{text}");
}

/// An error with its causes, on standard error. Many messages name their cause
/// already; it is not said twice.
pub(crate) fn error(error: &color_eyre::Report) {
    let label = "error:"
        .if_supports_color(Stream::Stderr, |text| text.red())
        .to_string();
    complain!("{label} {}", chain(error));
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
pub(crate) fn heading(text: &str) {
    say!("\n{}", text.if_supports_color(Stdout, |text| text.bold()));
}

/// Rows below their header, each column as wide as its widest cell.
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
    say!(
        "{}",
        line(*header).if_supports_color(Stdout, |text| text.bold())
    );
    for row in rows {
        say!(
            "{}",
            line(std::array::from_fn(|column| row[column].as_str()))
        );
    }
}

/// How far something has come, on standard error.
pub(crate) fn progress(text: &str) {
    complain!("{text}");
}
