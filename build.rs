//! Prepares what browsers fetch: each file of `assets/static` under a name that holds its hash,
//! beside its compressed forms, with a table of the names for the program.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest, Sha256};

const SOURCE: &str = "assets/static";

#[expect(clippy::disallowed_methods, reason = "Cargo tells where to write in the environment")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let folder = out.join("static");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;

    let mut files: Vec<PathBuf> = fs::read_dir(SOURCE)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    // The order of a directory is not the same everywhere; the table must be.
    files.sort();
    let mut table = String::from("&[\n");
    for path in files {
        let (name, hashed) = prepare(&path, &folder)?;
        writeln!(table, "    ({name:?}, {:?}),", format!("/static/{hashed}"))?;
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// Writes one file and its compressed forms; its name and the name it is served under.
fn prepare(path: &Path, folder: &Path) -> Result<(String, String), Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let part = |part: Option<&std::ffi::OsStr>| {
        part.and_then(std::ffi::OsStr::to_str).map(str::to_owned).ok_or("a name is not UTF-8")
    };
    let (name, stem, extension) =
        (part(path.file_name())?, part(path.file_stem())?, part(path.extension())?);
    let digest = Sha256::digest(&bytes);
    let hash = digest.iter().take(6).fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
    let hashed = format!("{stem}.{hash}.{extension}");
    fs::write(folder.join(&hashed), &bytes)?;
    for (suffix, smaller) in [("br", brotli(&bytes)?), ("gz", gzip(&bytes)?)] {
        // Pictures are compressed already: a second time gains nothing.
        if smaller.len() * 10 < bytes.len() * 9 {
            fs::write(folder.join(format!("{hashed}.{suffix}")), smaller)?;
        }
    }
    Ok((name, hashed))
}

fn brotli(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    brotli::BrotliCompress(&mut &*bytes, &mut compressed, &params)?;
    Ok(compressed)
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
