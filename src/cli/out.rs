//! What is printed, and for whom: for people, or as JSON. Standard output may be a pipe whose reader has left, as with `openrsvp config | head -1`.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write, stdout};

/// For whom a command prints.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Shown {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints a line. A reader that has left wants no more, which is no fault; a full disk is one.
pub(super) fn line(text: impl Display) -> io::Result<()> {
    quietly(writeln!(stdout(), "{text}").and_then(|()| stdout().flush()))
}

/// A closed pipe as the end that it is.
pub(super) fn quietly(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
