//! `keyrack scanner-rules`: what secret scanners need to know of this installation's keys.

use clap::ValueEnum;

use super::{CliError, ExitCode, say};
use crate::domain::scanner::{self, Named};
use crate::settings::Settings;

/// For which scanner.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum Scanner {
    /// A rule for .gitleaks.toml
    Gitleaks,
    /// A plugin for detect-secrets, which checks the checksum too
    DetectSecrets,
    /// A custom pattern for GitHub, and what its partner program asks for
    Github,
}

/// Prints the rules.
pub(in crate::cli) fn scanner_rules(settings: &Settings, scanner: Scanner) -> Result<ExitCode, CliError> {
    let format = settings.keys.format();
    let named = Named { product: &settings.brand.name, id: &settings.brand.cli_name };
    let text = match scanner {
        Scanner::Gitleaks => scanner::gitleaks(&format, &named),
        Scanner::DetectSecrets => scanner::detect_secrets(&format, &named),
        Scanner::Github => scanner::github(&format, &named),
    };
    say(text.trim_end());
    Ok(ExitCode::Ok)
}
