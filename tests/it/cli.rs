//! The command line, as an operator and a script use it.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::server::openrsvp;

const SAMPLE: &[u8] = include_bytes!("../fixtures/openrsvp-0.16-sample.db.gz");

fn run(dir: &Path, arguments: &[&str]) -> Output {
    openrsvp(dir).args(arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn sample(dir: &Path) -> String {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(SAMPLE).read_to_end(&mut bytes).expect("a gzip file");
    let path = dir.join("original.db");
    std::fs::write(&path, bytes).expect("written");
    path.to_str().expect("text").to_owned()
}

#[test]
fn the_bare_name_shows_help() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_openrsvp")).env_clear().output().expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for command in ["serve", "import", "admin-token", "check", "config", "migrate"] {
        assert!(help.contains(command), "{help}");
    }
}

#[test]
fn manual_and_completions_need_no_configuration() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("openrsvp.toml"), "[nonsense]").unwrap();
    let man = run(dir.path(), &["man"]);
    assert!(man.status.success() && text(&man.stdout).contains(".TH openrsvp"));
    let pages = dir.path().to_str().unwrap();
    assert!(run(dir.path(), &["man", pages]).status.success());
    assert!(dir.path().join("openrsvp-serve.1").exists());
    for shell in ["bash", "zsh", "fish"] {
        let script = run(dir.path(), &["completions", shell]);
        assert!(script.status.success() && text(&script.stdout).contains("rotate-admin-token"));
    }
    assert_eq!(run(dir.path(), &["completions", "perl"]).status.code(), Some(2));
}

#[test]
fn exit_codes_tell_what_is_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(run(dir.path(), &["--version"]).status.code(), Some(0));
    assert_eq!(run(dir.path(), &["dance"]).status.code(), Some(2));
    let output = openrsvp(dir.path())
        .arg("check")
        .env("OPENRSVP_SERVER__PROT", "1")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(
        text(&output.stderr),
        "openrsvp: variable OPENRSVP_SERVER__PROT: unknown key server.prot; the nearest key is server.port\n"
    );
    let missing = run(dir.path(), &["import", "--from", "nowhere.db"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).starts_with("openrsvp: cannot read nowhere.db"), "{missing:?}");
}

#[test]
fn the_configuration_is_shown_with_its_origins_and_without_secrets() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("openrsvp.toml"), "[server]\nport = 8111\n").expect("written");
    let mut command = openrsvp(dir.path());
    command.args(["config", "show"]).env("OPENRSVP_INSTANCE__ADMIN_TOKEN", "a-secret-nobody-reads");
    let shown = text(&command.output().expect("it runs").stdout);
    assert!(
        shown.contains("server.port = 8111") && shown.contains("file openrsvp.toml"),
        "{shown}"
    );
    assert!(
        shown.contains("variable OPENRSVP_INSTANCE__ADMIN_TOKEN")
            && !shown.contains("nobody-reads"),
        "{shown}"
    );
    let json = run(dir.path(), &["config", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["settings"]["server.port"]["value"], 8111);
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = openrsvp(dir.path());
    command.args(["config", "show"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
}

#[test]
fn the_instance_token_stays_until_it_is_rotated() {
    let dir = tempfile::tempdir().expect("a directory");
    let token = || text(&run(dir.path(), &["admin-token"]).stdout).trim().to_owned();
    let first = token();
    assert_eq!(first.len(), 43);
    assert_eq!(token(), first);
    let mode =
        std::fs::metadata(dir.path().join("admin_token")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let rotated = text(&run(dir.path(), &["rotate-admin-token"]).stdout).trim().to_owned();
    assert_ne!(rotated, first);
    assert_eq!(token(), rotated);
}

#[test]
fn check_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(run(dir.path(), &["migrate"]).status.success());
    let good = run(dir.path(), &["check"]);
    assert!(good.status.success() && text(&good.stdout).contains("SQLite answers"), "{good:?}");
    let database = dir.path().join("openrsvp.db");
    let mut bytes = std::fs::read(&database).expect("read");
    bytes[5000..].fill(0x5a);
    std::fs::write(&database, bytes).expect("written");
    let damaged = run(dir.path(), &["check"]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(text(&damaged.stdout).contains("FAIL  database"), "{damaged:?}");
    let nowhere = openrsvp(dir.path())
        .args(["check", "--data-dir", "/proc/nowhere"])
        .output()
        .expect("it runs");
    assert_ne!(nowhere.status.code(), Some(0));
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(run(dir.path(), &["migrate"]).status.success());
    let connection = rusqlite::Connection::open(dir.path().join("openrsvp.db")).expect("opens");
    connection.execute("INSERT INTO schema_migrations VALUES (99, 'later', 0)", []).expect("runs");
    let takes_away = "INSERT INTO meta VALUES ('schema_needs', '98', 0)";
    connection.execute(takes_away, []).expect("runs");
    drop(connection);
    let refused = run(dir.path(), &["migrate"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("start a newer version"), "{refused:?}");
}

#[test]
fn an_import_reports_for_people_and_for_programs() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = sample(dir.path());
    let tried = run(dir.path(), &["import", "--from", &from, "--dry-run", "--json"]);
    assert!(tried.status.success(), "{tried:?}");
    let report: serde_json::Value = serde_json::from_slice(&tried.stdout).expect("JSON");
    assert_eq!(report["added"]["events"], 300);
    let done = run(dir.path(), &["import", "--from", &from]);
    assert!(done.status.success() && text(&done.stdout).contains("every link works"), "{done:?}");
}

#[test]
fn the_original_file_is_never_taken_for_our_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = sample(dir.path());
    std::fs::rename(&from, dir.path().join("openrsvp.db")).expect("renamed");
    let before = std::fs::read(dir.path().join("openrsvp.db")).expect("read");
    let refused = run(dir.path(), &["migrate"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("import --from"), "{refused:?}");
    assert_eq!(std::fs::read(dir.path().join("openrsvp.db")).expect("read"), before);
}

#[test]
fn scripts_read_json() {
    let dir = tempfile::tempdir().unwrap();
    let json = |arguments: &[&str]| -> serde_json::Value {
        let output = openrsvp(dir.path())
            .args(arguments)
            .arg("--json")
            .env("OPENRSVP_SERVER__BASE_URL", "https://r.example")
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let known = openrsvp::store::migrate::known();
    assert_eq!(json(&["migrate"]), serde_json::json!({ "from": 0, "to": known }));
    assert_eq!(json(&["upgrade-db"]), serde_json::json!({ "from": known, "to": known }));
    let token = json(&["admin-token"]);
    let text = token["token"].as_str().unwrap();
    assert_eq!(token["link"], format!("https://r.example/admin/{text}"));
    let rotated = json(&["rotate-admin-token"]);
    assert_ne!(rotated["token"], token["token"]);
    assert_eq!(json(&["admin-token"]), rotated);
    let checks = json(&["check"]);
    assert_eq!(checks["ok"], true, "{checks}");
    let names: Vec<_> =
        checks["checks"].as_array().unwrap().iter().map(|one| &one["check"]).collect();
    assert!(
        names.contains(&&serde_json::json!("clock"))
            && names.contains(&&serde_json::json!("database")),
        "{checks}"
    );
    std::fs::write(dir.path().join("openrsvp.db"), "no database").unwrap();
    let checks = json(&["check"]);
    assert_eq!(checks["ok"], false);
    let bad = checks["checks"].as_array().unwrap().iter().find(|one| one["ok"] == false).unwrap();
    assert_eq!(bad["check"], "database", "{checks}");
}

#[test]
fn a_transfer_prints_no_password() {
    let dir = tempfile::tempdir().unwrap();
    for (address, said) in [
        ("postgres://u:hunter2@127.0.0.1:1/x", "the source sqlite:"),
        ("postgres://u:hunter2@127.0.0.1:123456/x", "the target"),
        ("mysql://u:hunter2@127.0.0.1/x", "a database is named as sqlite:PATH"),
        ("/srv/hunter2.db", "a database is named as sqlite:PATH"),
    ] {
        let output = run(dir.path(), &["transfer", "--from", "sqlite:nowhere.db", "--to", address]);
        let said_all = text(&output.stderr);
        assert!(!output.status.success() && said_all.contains(said), "{said_all}");
        assert!(!said_all.contains("hunter2"), "{said_all}");
    }
    let unreachable =
        ["transfer", "--from", "postgres://u:hunter2@127.0.0.1:1/x", "--to", "sqlite:x"];
    let output = run(dir.path(), &unreachable);
    let said = text(&output.stderr);
    assert!(said.contains("the source postgres://127.0.0.1:1/x: "), "{said}");
    assert_eq!(run(dir.path(), &["transfer", "--from", "configured"]).status.code(), Some(2));
}
