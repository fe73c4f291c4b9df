//! `man` and `completions`: what the commands are, for other programs.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap_complete::Shell;

use super::out;

/// Where to write the manual.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Directory for a page of each command; without it, the first page is printed
    dir: Option<PathBuf>,
}

/// For which shell.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Prints the manual page, or writes one for each command.
pub(super) fn man(command: clap::Command, args: &Man) -> Result<()> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return Ok(out::quietly(io::stdout().write_all(&page))?);
    };
    clap_mangen::generate_to(command, dir)
        .with_context(|| format!("cannot write manual pages to {}", dir.display()))
}

/// Prints the completions for a shell.
pub(super) fn completions(mut command: clap::Command, args: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "openrsvp", &mut script);
    Ok(out::quietly(io::stdout().write_all(&script))?)
}
