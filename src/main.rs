//! OpenRSVP: one binary with a command for each of its roles.

use std::process::ExitCode;

fn main() -> ExitCode {
    openrsvp::cli::run()
}
