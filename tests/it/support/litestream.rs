//! The real Litestream.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::bucket::{Bucket, SECRET};
use super::variable;

/// Its binary: as told, or as `.ci/litestream` fetches it.
fn binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| {
        variable("OPENRSVP_TEST_LITESTREAM").unwrap_or_else(|| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/litestream");
            let fetched = Command::new(script).output().expect("bash runs");
            let error = String::from_utf8_lossy(&fetched.stderr);
            assert!(fetched.status.success(), "{error}");
            String::from_utf8_lossy(&fetched.stdout).trim().to_owned()
        })
    })
}

/// Litestream, away from the configuration and variables of this machine.
pub fn litestream(dir: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().current_dir(dir).env("HOME", dir);
    command
}

/// Has it restore from a replica: `file:///directory`, or `s3://bucket/prefix` of the bucket.
pub fn restore(
    dir: &Path,
    bucket: Option<&Bucket>,
    address: &str,
    to: &Path,
    target: &[&str],
) -> Output {
    let mut command = litestream(dir);
    let address = tell(&mut command, bucket, address);
    command.args(["restore", "-o"]).arg(to).args(target).arg(address);
    command.output().expect("it runs")
}

/// Tells the program how to reach a bucket, if the replica is in one; gives back the address as it
/// wants it.
pub fn tell(command: &mut Command, bucket: Option<&Bucket>, address: &str) -> String {
    let Some(bucket) = bucket else { return address.to_owned() };
    bucket.tell(command, SECRET);
    format!("{address}?endpoint={}&region=us-east-1&forcePathStyle=true", bucket.endpoint)
}
