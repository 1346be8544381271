//! `--format json`, for programs that read a report.

use clap::{Args, ValueEnum};

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people; their words may change.
    #[default]
    Text,
    /// JSON for programs; its keys stay.
    Json,
}

/// The option of a command that prints a report.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FormatArgs {
    /// Print lines for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl FormatArgs {
    /// Whether to print JSON.
    pub fn is_json(self) -> bool {
        self.json || self.format == Format::Json
    }
}
