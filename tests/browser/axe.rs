//! The accessibility check: axe-core, in the page.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::browser::Browser;

const VERSION: &str = "4.10.3";

/// Opens what is folded, runs the check, and folds it again.
const RUN: &str = "
    const done = arguments[arguments.length - 1];
    const folded = [...document.querySelectorAll('details:not([open])')];
    const finish = (found) => {
        const widths = [document.documentElement.scrollWidth, innerWidth];
        folded.forEach((fold) => { fold.open = false; });
        done([found, widths]);
    };
    folded.forEach((fold) => { fold.open = true; });
    axe.run(document, { resultTypes: ['violations'] }).then(
        (found) => finish(found.violations), (error) => finish(String(error)));";

/// Fails with what axe finds on the page that is open, and when something is wider than it.
pub async fn check(browser: &Browser, what: &str) {
    browser.page.execute(source(), Vec::new()).await.expect("axe loads");
    let answer = browser.page.execute_async(RUN, Vec::new()).await.expect("axe runs");
    let (found, widths) = (&answer[0], &answer[1]);
    let list = found.as_array().unwrap_or_else(|| panic!("axe on {what}: {found}"));
    let told: Vec<String> = list.iter().map(tell).collect();
    assert!(told.is_empty(), "{what} ({:?}):\n{}", browser.look, told.join("\n"));
    assert!(widths[0].as_f64() <= widths[1].as_f64(), "{what}, unfolded, is too wide: {widths}");
}

fn tell(violation: &Value) -> String {
    let places: Vec<_> = violation["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|node| format!("  {} {}", node["html"], node["failureSummary"]))
        .collect();
    format!("{}: {}\n{}", violation["id"], violation["help"], places.join("\n"))
}

/// The script, fetched once for all test processes.
fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("axe-{VERSION}"));
        let script = home.join("node_modules/axe-core/axe.min.js");
        if !script.exists() {
            install(&home);
        }
        std::fs::read_to_string(script).expect("the script")
    })
}

fn install(home: &PathBuf) {
    // Beside it and then renamed: several processes may do this at once.
    let own = home.with_extension(std::process::id().to_string());
    std::fs::create_dir_all(&own).expect("a folder");
    let installed = Command::new("npm")
        .args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
        .arg(&own)
        .arg(format!("axe-core@{VERSION}"))
        .output()
        .expect("npm is missing: apt-get install npm");
    let error = String::from_utf8_lossy(&installed.stderr);
    assert!(installed.status.success(), "npm cannot install axe-core: {error}");
    if std::fs::rename(&own, home).is_err() {
        // Somebody else was faster.
        std::fs::remove_dir_all(&own).expect("removed");
    }
}
