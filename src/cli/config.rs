//! `config show`: what holds, and why.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use super::out;
use crate::config::Loaded;

/// How to show the configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `show` is all there is to do
    #[arg(value_parser = ["show"], default_value = "show", hide = true)]
    action: String,
    /// The same, as the original spelled it
    #[arg(long, hide = true)]
    show: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints every effective value with where it came from; secrets are masked.
pub(super) fn show(loaded: &Loaded, args: &Args) -> Result<()> {
    if args.json {
        let settings: BTreeMap<_, _> = loaded
            .settings
            .iter()
            .map(|setting| {
                let origin = setting.origin.to_string();
                (&setting.key, json!({ "value": setting.value, "origin": origin }))
            })
            .collect();
        let shown = json!({ "profile": loaded.profile, "settings": settings });
        out::line(serde_json::to_string_pretty(&shown)?)?;
        return Ok(());
    }
    out::line(format_args!("profile = {}", serde_json::to_string(&loaded.profile)?))?;
    let line = |setting: &crate::config::Setting| match &setting.value {
        serde_json::Value::Null => format!("{} is not set", setting.key),
        value => format!("{} = {value}", setting.key),
    };
    let width = loaded.settings.iter().map(|s| line(s).chars().count()).max().unwrap_or(0).min(60);
    for setting in &loaded.settings {
        out::line(format_args!("{:width$}  # {}", line(setting), setting.origin))?;
    }
    Ok(())
}
