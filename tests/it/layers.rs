//! Imports go down the list of layers only, and each outside thing has one owner.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top down; a layer may use those below it.
const LAYERS: [&str; 11] = [
    "cli", "app", "web", "jobs", "services", "outbound", "store", "config", "trace", "metrics",
    "domain",
];

/// Names that may stand only below these paths.
const OWNERS: [(&str, &[&str]); 9] = [
    ("opentelemetry", &["src/trace"]),
    ("sqlx::", &["src/store"]),
    ("rusqlite::", &["src/store", "src/replica"]),
    ("reqwest::", &["src/outbound", "src/trace"]),
    ("salvo", &["src/web", "src/app.rs", "src/app"]),
    ("prometheus_client", &["src/metrics"]),
    ("std::env", &["src/config"]),
    ("getrandom", &["src/domain/clock.rs"]),
    ("Timestamp::now", &["src/domain/clock.rs"]),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("listed").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file with its code: comments say what they like.
fn code() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join("src"), &mut found);
    assert!(found.len() > 30);
    let only_code = |text: String| {
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        program.lines().filter(is_code).collect::<Vec<_>>().join("\n")
    };
    found
        .into_iter()
        .filter(|path| !["tests.rs", "samples.rs"].iter().any(|tests| path.ends_with(tests)))
        .map(|path| {
            let text = only_code(fs::read_to_string(&path).expect("read"));
            (path.strip_prefix(root).expect("inside").to_owned(), text)
        })
        .collect()
}

#[test]
fn imports_go_down() {
    for (path, text) in code() {
        let Some(layer) = LAYERS.iter().position(|layer| {
            path.starts_with(format!("src/{layer}"))
                || path == Path::new(&format!("src/{layer}.rs"))
        }) else {
            continue;
        };
        for above in &LAYERS[..layer] {
            let import = format!("crate::{above}::");
            assert!(!text.contains(&import), "{} imports {import}", path.display());
        }
    }
}

#[test]
fn the_web_never_touches_the_store() {
    for (path, text) in code().iter().filter(|(path, _)| path.starts_with("src/web")) {
        assert!(!text.contains("crate::store"), "{} imports the store", path.display());
    }
}

#[test]
fn outside_things_have_one_owner() {
    for (path, text) in code() {
        for (name, owners) in OWNERS {
            let owned = owners.iter().any(|owner| path.starts_with(owner));
            assert!(owned || !text.contains(name), "{} uses {name}", path.display());
        }
    }
}
