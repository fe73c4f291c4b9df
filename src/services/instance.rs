//! The instance owner's token, kept in a file that only the program's user can read.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::domain::clock::Entropy;
use crate::domain::token::Token;

/// The file in the data directory.
#[must_use]
pub fn token_file(data_dir: &Path) -> PathBuf {
    data_dir.join("admin_token")
}

/// The token kept in `data_dir`; made when there is none yet. Two processes that start at once
/// agree on one.
pub fn kept_token(data_dir: &Path, entropy: &Entropy) -> io::Result<Token> {
    let path = token_file(data_dir);
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(Token::from_text(text.trim())),
        Ok(_) => fs::remove_file(&path)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let token = Token::generate(entropy);
    // Written whole under another name first: whoever reads the file finds all of it.
    let draft = write_draft(data_dir, &token, entropy)?;
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(token),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok(Token::from_text(fs::read_to_string(&path)?.trim()))
        }
        Err(error) => Err(error),
    }
}

/// Makes a new token in place of the one kept in `data_dir`.
pub fn replace_token(data_dir: &Path, entropy: &Entropy) -> io::Result<Token> {
    let token = Token::generate(entropy);
    let draft = write_draft(data_dir, &token, entropy)?;
    fs::rename(draft, token_file(data_dir))?;
    Ok(token)
}

fn write_draft(data_dir: &Path, token: &Token, entropy: &Entropy) -> io::Result<PathBuf> {
    let mut suffix = [0; 8];
    entropy.fill(&mut suffix);
    let draft = data_dir.join(format!("admin_token.{:016x}", u64::from_be_bytes(suffix)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", token.reveal())?;
    file.sync_all()?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keeps_one_token_that_others_cannot_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = kept_token(dir.path(), &Entropy::seeded(1)).expect("made");
        let again = kept_token(dir.path(), &Entropy::seeded(2)).expect("read");
        assert_eq!(first.reveal(), again.reveal());
        let mode = fs::metadata(token_file(dir.path())).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let fresh = replace_token(dir.path(), &Entropy::seeded(3)).expect("replaced");
        assert_ne!(fresh.reveal(), first.reveal());
        let kept = kept_token(dir.path(), &Entropy::seeded(4)).expect("read");
        assert_eq!(fresh.reveal(), kept.reveal());
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "no draft is left");
    }
}
