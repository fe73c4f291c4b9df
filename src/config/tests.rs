//! The layers, and the sample that describes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

const SAMPLE: &str = include_str!("../../config/openrsvp.toml");
const CLUSTER: &str = include_str!("../../config/cluster.toml");

fn variables(pairs: &[(&str, &str)]) -> Sources {
    let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Sources { variables: pairs.collect(), ..Sources::default() }
}

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

fn in_file(text: &str) -> Result<Loaded, ConfigError> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = file(dir.path(), "openrsvp.toml", text);
    Sources { named_file: Some(path), ..Sources::default() }.load()
}

/// The sample with every setting switched on.
fn switched_on() -> BTreeMap<String, toml::Value> {
    let is_setting = |line: &str| {
        let name = line.trim_start_matches("# ").split(" = ").next().unwrap_or_default();
        line.starts_with("# ")
            && line.contains(" = ")
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let lines = SAMPLE.lines().map(|line| if is_setting(line) { &line[2..] } else { line });
    let text = lines.collect::<Vec<_>>().join("\n");
    let table: toml::Table = text.parse().expect("the sample is TOML");
    let mut found = BTreeMap::new();
    for (section, keys) in table {
        for (key, value) in keys.as_table().expect("a section") {
            found.insert(format!("{section}.{key}"), value.clone());
        }
    }
    found
}

#[test]
fn the_sample_has_every_key_and_its_default() {
    let sample = switched_on();
    let loaded = Sources::default().load().expect("defaults hold");
    let keys: Vec<_> = loaded.settings.iter().map(|setting| setting.key.clone()).collect();
    assert_eq!(sample.keys().cloned().collect::<Vec<_>>(), keys);
    for setting in loaded.settings.iter().filter(|setting| !setting.value.is_null()) {
        let shown = serde_json::to_value(&sample[&setting.key]).expect("JSON");
        assert_eq!(shown, setting.value, "{}", setting.key);
    }
}

#[test]
fn the_samples_are_understood() {
    let loaded = in_file(SAMPLE).expect("the sample loads");
    assert_eq!(loaded.config, Config::defaults(Profile::Single));
    let table: toml::Table = CLUSTER.parse().expect("TOML");
    assert!(table["database"].get("url_file").is_some());
}

#[test]
fn later_layers_win() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = vec![
        file(dir.path(), "etc.toml", "[server]\nport = 1\nhost = \"one\"\n[log]\nlevel = \"warn\""),
        file(dir.path(), "here.toml", "[server]\nport = 2\nhost = \"two\""),
    ];
    let mut sources = Sources { files, ..variables(&[("OPENRSVP_SERVER__PORT", "3")]) };
    let load = |sources: &Sources| sources.load().expect("valid").config;
    let config = load(&sources);
    assert_eq!((config.server.port, config.server.host.as_str()), (3, "two"));
    assert_eq!(config.log.level, "warn");
    sources.flags.push(("server.port", "4".to_owned()));
    assert_eq!(load(&sources).server.port, 4);
    sources.named_file = Some(file(dir.path(), "named.toml", "[server]\nhost = \"named\""));
    assert_eq!(load(&sources).server.host, "named");
    let loaded = sources.load().expect("valid");
    let origin = |key: &str| {
        loaded
            .settings
            .iter()
            .find(|setting| setting.key == key)
            .expect("a setting")
            .origin
            .to_string()
    };
    assert_eq!(origin("server.port"), "flag --port");
    assert!(origin("server.host").ends_with("named.toml"));
    assert_eq!(origin("server.base_url"), "default");
}

#[test]
fn faults_are_told_in_one_line_with_their_place() {
    let fault = |result: Result<Loaded, ConfigError>| {
        let line = result.expect_err("refused").to_string();
        assert!(!line.contains('\n'), "{line}");
        line
    };
    let line = fault(in_file("[server]\nprot = 8000"));
    assert!(
        line.contains("openrsvp.toml: unknown key server.prot") && line.ends_with("server.port"),
        "{line}"
    );
    let line = fault(in_file("[server]\nport = \"eight\""));
    assert!(line.contains("openrsvp.toml: server.port: found \"eight\", expected"), "{line}");
    assert!(!line.contains("u16"), "{line}");
    let line = fault(in_file("[server]\nport = 8000\nport = 8001"));
    assert!(line.contains("line 3"), "{line}");
    let line = fault(variables(&[("OPENRSVP_FADING__DECAY_FACTOR", "2")]).load());
    assert_eq!(
        line,
        "variable OPENRSVP_FADING__DECAY_FACTOR: fading.decay_factor: found 2, expected more than 0, at most 1"
    );
    let line = fault(variables(&[("OPENRSVP_SERVR__PORT", "1")]).load());
    assert!(line.contains("OPENRSVP_SERVR__PORT") && line.ends_with("server.port"), "{line}");
    let line = fault(variables(&[("OPENRSVP_PROFILE", "clutser")]).load());
    assert!(line.contains("single or cluster"), "{line}");
    let line = fault(variables(&[("OPENRSVP_PROFILE", "cluster")]).load());
    assert!(line.contains("database.url"), "{line}");
    let line = fault(variables(&[("OPENRSVP_SERVER__BASE_URL", "rsvp.example.org/x")]).load());
    assert!(line.contains("https://rsvp.example.org"), "{line}");
    let missing = Sources { named_file: Some("/nowhere/at.toml".into()), ..Sources::default() };
    assert!(fault(missing.load()).contains("/nowhere/at.toml"));
}

#[test]
fn secrets_stay_text_and_are_never_shown() {
    for secret in ["0123456789012345", "true true true true", "+491234567890123456"] {
        let loaded =
            variables(&[("OPENRSVP_INSTANCE__ADMIN_TOKEN", secret)]).load().expect("valid");
        let token = loaded.config.instance.admin_token.as_ref().expect("set");
        assert_eq!(token.reveal(), secret);
        assert!(!format!("{loaded:?}").contains(secret));
    }
    let short =
        variables(&[("OPENRSVP_INSTANCE__ADMIN_TOKEN", "hunter2")]).load().expect_err("short");
    assert!(!short.to_string().contains("hunter2"));
}

#[test]
fn secrets_come_from_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = file(dir.path(), "token", "a-long-enough-token\n");
    let name = path.to_str().expect("text").to_owned();
    let loaded =
        variables(&[("OPENRSVP_INSTANCE__ADMIN_TOKEN_FILE", &name)]).load().expect("valid");
    assert_eq!(loaded.config.instance.admin_token.expect("set").reveal(), "a-long-enough-token");
    let both = [
        ("OPENRSVP_INSTANCE__ADMIN_TOKEN_FILE", name.as_str()),
        ("OPENRSVP_INSTANCE__ADMIN_TOKEN", "another-long-enough-token"),
    ];
    assert!(variables(&both).load().expect_err("both").to_string().contains("one of them"));
    let empty = file(dir.path(), "empty", "\n");
    let empty = [("OPENRSVP_DATABASE__URL_FILE", empty.to_str().expect("text"))];
    assert!(variables(&empty).load().expect_err("empty").to_string().contains("is empty"));
    let missing = [("OPENRSVP_DATABASE__URL_FILE", "/nowhere/url")];
    assert!(
        variables(&missing).load().expect_err("missing").to_string().contains("cannot be read")
    );
}

#[test]
fn the_originals_names_are_understood() {
    let config = in_file(
        "app_host = \"127.0.0.1\"\napp_port = 9000\ndecay_factor = 0.9\nsqlite_vacuum_hours = 6\n\
         enable_scheduler = false\nseed_channels = 9\nhide_threshold = 5",
    )
    .expect("understood");
    assert_eq!(config.notes.len(), 1, "{:?}", config.notes);
    let config = config.config;
    assert_eq!((config.server.host.as_str(), config.server.port), ("127.0.0.1", 9000));
    assert_eq!((config.fading.decay_factor, config.fading.hide_threshold), (0.9, 5.0));
    assert_eq!((config.scheduler.vacuum_hours, config.scheduler.enabled), (6, false));
    let config = variables(&[
        ("OPENRSVP_DATA_DIR", "/srv/data"),
        ("OPENRSVP_DB", "/srv/old.db"),
        ("OPENRSVP_APP_PORT", "9001"),
        ("OPENRSVP_PROTECT_UPCOMING_EVENTS", "no"),
        ("OPENRSVP_EVENTS_PER_PAGE", "20"),
        ("OPENRSVP_SEED_CHANNELS", "3"),
    ])
    .load()
    .expect("understood")
    .config;
    assert_eq!(config.database.sqlite_path(), Path::new("/srv/old.db"));
    assert_eq!(config.database.data_dir, Path::new("/srv/data"));
    assert_eq!((config.server.port, config.events.events_per_page), (9001, 20));
    assert!(!config.fading.protect_upcoming_events);
}
