//! The one binary: `keyrack serve`, and every other command.

fn main() -> std::process::ExitCode {
    keyrack::cli::run(std::env::args_os()).into()
}
