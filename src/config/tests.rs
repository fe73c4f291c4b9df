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

fn refusal(text: &str) -> String {
    let line = in_file(text).expect_err(text).to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn every_flat_name_means_a_key_that_exists() {
    let known = Sources::default().load().expect("defaults hold").settings;
    for (flat, key) in legacy::KEYS {
        assert!(known.iter().any(|setting| setting.key == key), "{flat} means {key}");
        let name = format!("OPENRSVP_{}", flat.to_uppercase());
        let value = match key {
            "scheduler.enabled" | "fading.protect_upcoming_events" => "0",
            "fading.decay_factor" => "1",
            _ => "7",
        };
        let loaded = variables(&[(&name, value)]).load().expect(flat);
        let setting = loaded.settings.iter().find(|setting| setting.key == key).expect(key);
        assert_eq!(setting.origin, Origin::Variable(name));
    }
}

#[test]
fn new_names_win_over_flat_ones_in_one_layer() {
    let config = in_file("zz = 1\n").expect_err("unknown").to_string();
    assert!(config.contains("unknown key zz"), "{config}");
    let text =
        "sqlite_vacuum_hours = 6\napp_port = 1\n[scheduler]\nvacuum_hours = 7\n[server]\nport = 2";
    let config = in_file(text).expect("valid").config;
    assert_eq!((config.scheduler.vacuum_hours, config.server.port), (7, 2));
    let pairs = [("OPENRSVP_DATABASE__DATA_DIR", "new"), ("OPENRSVP_DATA_DIR", "old")];
    let config = variables(&pairs).load().expect("valid").config;
    assert_eq!(config.database.data_dir, Path::new("new"));
}

/// Section, key, values that hold, values that are refused.
const BOUNDS: &[(&str, &str, [&str; 2], [&str; 2])] = &[
    ("server", "request_timeout_seconds", ["1", "600"], ["0", "601"]),
    ("server", "shutdown_grace_seconds", ["0", "600"], ["-1", "601"]),
    ("server", "max_body_bytes", ["32768", "16777216"], ["32767", "16777217"]),
    ("server", "port", ["0", "65535"], ["-1", "65536"]),
    (
        "server",
        "base_url",
        ["\"http://a:8\"", "\"https://b.c/\""],
        ["\"ftp://a\"", "\"https://a/b\""],
    ),
    (
        "server",
        "trusted_proxies",
        ["[]", "[\"::1\", \"10.0.0.0/8\"]"],
        ["[\"x\"]", "[\"10.0.0.0/33\"]"],
    ),
    (
        "database",
        "url",
        ["\"postgres://a/b\"", "\"postgresql://a/b\""],
        ["\"mysql://a/b\"", "\"\""],
    ),
    ("database", "readers", ["1", "64"], ["0", "65"]),
    ("database", "max_connections", ["1", "1000"], ["0", "1001"]),
    ("database", "acquire_timeout_seconds", ["1", "300"], ["0", "301"]),
    ("database", "statement_timeout_seconds", ["1", "3600"], ["0", "3601"]),
    (
        "backup",
        "replicas",
        ["[]", "[\"file:///var/backups\", \"s3://bucket/a?region=b\"]"],
        ["[\"/var/backups\"]", "[\"s3://bucket\"]"],
    ),
    ("backup", "sync_interval_seconds", ["1", "3600"], ["0", "3601"]),
    ("backup", "snapshot_interval_hours", ["1", "8760"], ["0", "8761"]),
    ("backup", "retention_hours", ["1", "87600"], ["0", "87601"]),
    ("backup", "levels", ["[\"1s\"]", "[\"30s\", \"5m\"]"], ["[]", "[\"5m\", \"30s\"]"]),
    ("backup", "log_limit_bytes", ["67108864", "68719476736"], ["67108863", "68719476737"]),
    ("backup", "restore_on_start", ["\"never\"", "\"if_missing\""], ["\"always\"", "1"]),
    ("backup", "verify_interval_hours", ["1", "8760"], ["0", "8761"]),
    (
        "instance",
        "admin_token",
        ["\"0123456789abcdef\"", "\"0123456789abcdefg\""],
        ["\"0123456789abcde\"", "\"\""],
    ),
    ("events", "events_per_page", ["1", "50"], ["0", "51"]),
    ("events", "admin_events_per_page", ["1", "200"], ["0", "201"]),
    ("events", "initial_event_score", ["0", "100"], ["-0.1", "100.1"]),
    ("events", "initial_channel_score", ["0.0", "100.0"], ["-1", "nan"]),
    ("events", "max_companions", ["0", "50"], ["-1", "51"]),
    ("fading", "decay_factor", ["0.01", "1"], ["0", "1.01"]),
    ("fading", "hide_threshold", ["0", "100"], ["-1", "101"]),
    ("fading", "delete_threshold", ["0", "100"], ["-1", "inf"]),
    ("fading", "hide_after_days", ["0", "36500"], ["-1", "36501"]),
    ("fading", "delete_after_days", ["0", "36500"], ["-1", "36501"]),
    ("fading", "delete_grace_days_after_end", ["0", "36500"], ["-1", "36501"]),
    ("scheduler", "decay_interval_hours", ["1", "168"], ["0", "169"]),
    ("scheduler", "vacuum_hours", ["1", "8760"], ["0", "8761"]),
    ("worker", "concurrency", ["1", "64"], ["0", "65"]),
    ("webhooks", "timeout_seconds", ["1", "30"], ["0", "31"]),
    (
        "webhooks",
        "allow_networks",
        ["[]", "[\"fd00::7\", \"192.168.7.0/24\"]"],
        ["[\"home\"]", "[\"10.0.0.0/33\"]"],
    ),
    (
        "log",
        "level",
        ["\"OFF\"", "\"warn,openrsvp::web=debug\""],
        ["\"inof\"", "\"openrsvp=loud\""],
    ),
    (
        "metrics",
        "listen",
        ["\"[::1]:0\"", "\"metrics.internal:9100\""],
        ["\"9100\"", "\"http://127.0.0.1:9100/metrics\""],
    ),
    ("log", "format", ["\"text\"", "\"json\""], ["\"xml\"", "1"]),
];

#[test]
fn bounds_hold() {
    for (section, key, good, bad) in BOUNDS {
        let text = |value: &str| format!("[{section}]\n{key} = {value}\n");
        for value in good {
            assert!(in_file(&text(value)).is_ok(), "{}", text(value));
        }
        for value in bad {
            let line = refusal(&text(value));
            assert!(line.contains(&format!("openrsvp.toml: {section}.{key}: found ")), "{line}");
        }
    }
}

#[test]
fn what_is_expected_is_said_in_words() {
    for setting in Sources::default().load().expect("defaults hold").settings {
        let (section, key) = setting.key.split_once('.').expect("a section");
        let wrong = if setting.value.is_boolean() { "3" } else { "true" };
        let line = refusal(&format!("[{section}]\n{key} = {wrong}\n"));
        assert!(line.contains(&format!("openrsvp.toml: {}: found ", setting.key)), "{line}");
        let words = ["u16", "u32", "u64", "usize", "i64", "f64", "bool", "enum", "string", "map"];
        assert!(!words.iter().any(|word| line.contains(&format!("expected {word}"))), "{line}");
    }
    assert!(refusal("[server]\nport = \n").contains("line 2"));
}

#[test]
fn a_bad_secret_from_a_file_names_the_file_setting() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = file(dir.path(), "token", "hunter2");
    let name = path.to_str().expect("text");
    let pairs = [("OPENRSVP_INSTANCE__ADMIN_TOKEN_FILE", name)];
    let line = variables(&pairs).load().expect_err("short").to_string();
    assert!(line.contains("instance.admin_token_file") && line.contains("16 characters"), "{line}");
    assert!(!line.contains("hunter2") && !line.contains("not set"), "{line}");
}

#[test]
fn the_cluster_sample_loads() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut text = CLUSTER.to_owned();
    for (shown, content) in [
        ("/run/secrets/openrsvp/database-url", "postgres://user@host/openrsvp"),
        ("/run/secrets/openrsvp/admin-token", "a-long-enough-token"),
    ] {
        let name = shown.rsplit('/').next().expect("a name");
        let path = file(dir.path(), name, content);
        text = text.replace(shown, path.to_str().expect("text"));
    }
    let named_file = Some(file(dir.path(), "cluster.toml", &text));
    let sources = Sources { profile: Some("cluster".to_owned()), named_file, ..Sources::default() };
    let loaded = sources.load().expect("loads");
    assert_eq!(loaded.profile, Profile::Cluster);
    assert_eq!(loaded.config.database.url.expect("set").reveal(), "postgres://user@host/openrsvp");
    assert!(!loaded.config.scheduler.enabled);
}

#[test]
fn what_kubernetes_says_of_a_service_of_our_name_is_passed_over() {
    let pairs = [
        ("OPENRSVP_PORT", "tcp://10.0.0.1:8000"),
        ("OPENRSVP_SERVICE_HOST", "10.0.0.1"),
        ("OPENRSVP_SERVICE_PORT", "8000"),
        ("OPENRSVP_SERVICE_PORT_HTTP", "8000"),
        ("OPENRSVP_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("OPENRSVP_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("OPENRSVP_WEB_SERVICE_HOST", "10.0.0.1"),
        ("OPENRSVP_WEB_PORT", "tcp://10.0.0.1:8000"),
    ];
    assert_eq!(variables(&pairs).load().expect("valid").config, Config::default());
    assert!(variables(&[("OPENRSVP_PORT", "8000")]).load().is_err(), "meant for us, and unknown");
}
