//! `check`: whether everything is in order, and what to do where it is not.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::options;
use super::out::{self, Shown};
use crate::config::{Config, Loaded};
use crate::domain::clock::{Clock, Entropy};
use crate::domain::id;
use crate::replica::place::{PlaceError, Replica, without_query};
use crate::services::status;
use crate::store::db::{Db, Engine, StoreError};
use crate::store::migrate;
use crate::web::text::relative;

/// A clock before this cannot be right: 2026-01-01.
const CLOCK_MIN_SECONDS: i64 = 1_767_225_600;
/// A clock after this is hardly right: 2100-01-01.
const CLOCK_MAX_SECONDS: i64 = 4_102_444_800;

/// How long a replica may take to answer.
const REPLICA_PATIENCE: Duration = Duration::from_secs(60);

/// What one check found: fine, or what to do.
type Finding = Result<String, String>;

/// Runs all checks; fails when one of them finds something to do.
pub(super) async fn run(loaded: &Loaded, shown: Shown) -> Result<ExitCode> {
    let config = &loaded.config;
    let (mut failed, mut all) = (false, Vec::new());
    let mut tell = |what: &str, finding: Finding| {
        let (is_fine, said) = match finding {
            Ok(fine) => (true, fine),
            Err(todo) => (false, todo),
        };
        failed |= !is_fine;
        if shown.json {
            all.push(json!({ "check": what, "ok": is_fine, "said": said }));
            return Ok(());
        }
        // Each as it is found: the last ones may take a while.
        out::line(format_args!("{}  {what}: {said}", if is_fine { "ok  " } else { "FAIL" }))
    };
    tell("configuration", Ok(format!("{} values, all valid", loaded.settings.len())))?;
    tell("clock", clock())?;
    for dir in directories(config) {
        tell(&format!("directory {}", dir.display()), writable(&dir))?;
        tell(&format!("disk of {}", dir.display()), space(&dir))?;
    }
    tell("database", database(config).await)?;
    for address in &config.backup.replicas {
        tell(&format!("replica {}", without_query(address)), replica(address).await)?;
    }
    if shown.json {
        out::line(json!({ "ok": !failed, "checks": all }))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Where the program writes: its SQLite file, and the instance token that it keeps.
fn directories(config: &Config) -> Vec<PathBuf> {
    let database = &config.database;
    let mut directories = Vec::new();
    if database.url.is_none() {
        let file = database.sqlite_path();
        let parent = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        directories.push(parent.unwrap_or(Path::new(".")).to_owned());
    }
    if config.instance.admin_token.is_none() && !directories.contains(&database.data_dir) {
        directories.push(database.data_dir.clone());
    }
    directories
}

fn clock() -> Finding {
    let now = Clock::system().now();
    if (CLOCK_MIN_SECONDS..CLOCK_MAX_SECONDS).contains(&now.as_second()) {
        Ok(now.to_string())
    } else {
        Err(format!("it shows {now}: set it, for example by `timedatectl set-ntp true`"))
    }
}

fn writable(dir: &Path) -> Finding {
    if !dir.exists() {
        let parent = existing(dir);
        return writable(parent).map(|_| "is made by the first start".to_owned());
    }
    let probe = dir.join(".openrsvp-check");
    let written = OpenOptions::new().write(true).create(true).truncate(true).open(&probe);
    match written.and_then(|_| std::fs::remove_file(&probe)) {
        Ok(()) => Ok("can be written".to_owned()),
        Err(error) => Err(format!(
            "{} cannot be written ({error}): give it to the user that runs OpenRSVP, or choose \
             another with --data-dir",
            dir.display()
        )),
    }
}

/// The directory, or the nearest one above it that exists.
fn existing(dir: &Path) -> &Path {
    dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("."))
}

fn space(dir: &Path) -> Finding {
    let Some(disk) = status::disk_of(dir) else { return Ok("not known on this system".to_owned()) };
    let megabytes = disk.free / 1_000_000;
    if disk.free < status::FREE_BYTES_MIN {
        Err(format!("{megabytes} MB are free: make room, a full disk refuses every answer"))
    } else {
        Ok(format!("{megabytes} MB are free"))
    }
}

async fn database(config: &Config) -> Finding {
    let sqlite = config.database.sqlite_path();
    if config.database.url.is_none() && !sqlite.exists() {
        return Ok(format!("{} is made by the first start", sqlite.display()));
    }
    let fail = |error: &dyn std::fmt::Display| {
        format!("{error}: check that the server runs and the address is right, or restore a backup")
    };
    let options = options::store(config).map_err(|error| fail(&error))?;
    let db = Db::open(&options).await.map_err(|error| fail(&error))?;
    let finding = inspect(&db).await;
    db.close().await;
    finding
}

async fn inspect(db: &Db) -> Finding {
    let known = migrate::known();
    let version = db.schema_version().await.map_err(|error| error.to_string())?;
    if let Err(error @ StoreError::SchemaTooNew { .. }) = db.require_schema().await {
        return Err(error.to_string());
    }
    let faults = db.check_integrity().await.map_err(|error| error.to_string())?;
    if let Some(fault) = faults.first() {
        return Err(format!("the file is damaged ({fault}): restore a backup"));
    }
    let engine = match db.engine() {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    };
    let behind = if version < known { ", brought up to date by the next start" } else { "" };
    Ok(format!("{engine} answers, schema version {version} of {known}{behind}"))
}

async fn replica(address: &str) -> Finding {
    let looked = tokio::time::timeout(REPLICA_PATIENCE, look_at_replica(address)).await;
    let todo = "mend the address, the keys or the rights; nothing is backed up there until then";
    match looked {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(error)) => Err(format!("{error}: {todo}")),
        Err(_) => Err(format!("it does not answer: {todo}")),
    }
}

/// Reads and writes there; leaves nothing behind but a directory that was to be made anyway.
async fn look_at_replica(address: &str) -> Result<String, PlaceError> {
    let replica = Replica::at_or_new(address)?;
    let (files, now) = (replica.list().await?, Clock::system().now());
    let is_exclusive = replica.probe(&id::row_id(now, &Entropy::system())).await?;
    let held = match files.iter().map(|file| file.at).max() {
        Some(newest) => match relative(newest, now) {
            ago if ago == "now" => "its newest file is from just now".to_owned(),
            ago => format!("its newest file is from {ago}"),
        },
        None => "nothing is in it yet".to_owned(),
    };
    let warning = if is_exclusive {
        ""
    } else {
        "; but it lets files be written over, so it does not keep a second program out: see to it \
         that no other writes there"
    };
    Ok(format!("can be read and written, {held}{warning}"))
}
