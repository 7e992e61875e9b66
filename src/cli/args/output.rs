//! How results are shown.

use crate::report::Color;
use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};

/// How results are shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Show differences in full
    #[arg(short = 'D', long, env = "HLRUN_DIFF", value_parser = FalseyValueParser::new())]
    pub diff: bool,
    /// Show what was ok too, and all output; -vv the steps
    #[arg(short, long, action = ArgAction::Count, env = "HLRUN_VERBOSE")]
    pub verbose: u8,
    /// Print events as JSON Lines, and nothing else, on standard output
    #[arg(long, env = "HLRUN_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// When to use colours
    #[arg(long, env = "HLRUN_COLOR", default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub color: String,
}

impl OutputArgs {
    /// When to use colours.
    pub fn color(&self) -> Color {
        color(&self.color)
    }
}

/// What a word means for colours.
pub fn color(word: &str) -> Color {
    match word {
        "always" => Color::Always,
        "never" => Color::Never,
        _ => Color::Auto,
    }
}
