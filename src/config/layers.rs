//! Reading the layers, and saying exactly what is wrong with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::Serialized;
use figment::value::{Dict, Num, Tag, Value};

use super::legacy::{Legacy, legacy};
use super::service_links::is_service_link;
use super::valid::in_words;
use super::{Config, Profile, Secret};

const PREFIX: &str = "OPENRSVP_";
/// Variables that choose the layers, or belong to tests.
const NOT_KEYS: [&str; 2] = ["OPENRSVP_CONFIG", "OPENRSVP_PROFILE"];
/// From here on (0 to 1, Jaro-Winkler) a known key is what was meant.
const ALIKE: f64 = 0.8;
const TEST_PREFIX: &str = "OPENRSVP_TEST_";

/// What cannot be used, in one line: where it stands, what was found, what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// Where the layers come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The profile, when a flag names it.
    pub profile: Option<String>,
    /// Files that are read when they exist, the later over the earlier.
    pub files: Vec<PathBuf>,
    /// The file that a flag names; it must exist, and replaces the last of `files`.
    pub named_file: Option<PathBuf>,
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// Keys set by flags.
    pub flags: Vec<(&'static str, String)>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A command-line flag.
    Flag(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One effective value.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// `section.key`.
    pub key: String,
    /// The value as JSON, secrets masked; null when not set.
    pub value: serde_json::Value,
    /// Where it came from.
    pub origin: Origin,
}

/// The configuration, and how it came about.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The profile.
    pub profile: Profile,
    /// The values.
    pub config: Config,
    /// Every value with its origin, by key.
    pub settings: Vec<Setting>,
    /// What was passed over, to be logged.
    pub notes: Vec<String>,
}

impl Sources {
    /// The machine's files and this process's environment.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            files: vec!["/etc/openrsvp/openrsvp.toml".into(), "openrsvp.toml".into()],
            variables: environment(),
            ..Self::default()
        }
    }

    /// Reads all layers.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let profile = self.profile()?;
        let mut layers = Layers::new(profile);
        for path in self.paths() {
            layers.file(&path)?;
        }
        // In one layer, a name of this program wins over a flat one of the original.
        let (sectioned, flat): (Vec<_>, Vec<_>) =
            self.variables.iter().partition(|(name, _)| name.contains("__"));
        for (name, text) in flat.into_iter().chain(sectioned) {
            layers.variable(name, text)?;
        }
        for (key, text) in &self.flags {
            let origin = Origin::Flag(format!("--{}", flag_name(key)));
            let value = layers.typed(key, text);
            layers.set(key, value, origin);
        }
        layers.finish(profile)
    }

    fn profile(&self) -> Result<Profile, ConfigError> {
        let by_variable = self.variables.get("OPENRSVP_PROFILE");
        let Some(name) = self.profile.as_ref().or(by_variable) else {
            return Ok(Profile::Single);
        };
        Profile::from_name(name).ok_or_else(|| {
            let place =
                if self.profile.is_some() { "flag --profile" } else { "variable OPENRSVP_PROFILE" };
            ConfigError(format!("{place}: found {name:?}, expected single or cluster"))
        })
    }

    fn paths(&self) -> Vec<PathBuf> {
        let by_variable = self.variables.get("OPENRSVP_CONFIG").map(PathBuf::from);
        match self.named_file.clone().or(by_variable) {
            Some(named) => {
                let kept = self.files.len().saturating_sub(1);
                self.files[..kept]
                    .iter()
                    .filter(|path| path.exists())
                    .cloned()
                    .chain([named])
                    .collect()
            }
            None => self.files.iter().filter(|path| path.exists()).cloned().collect(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

fn flag_name(key: &str) -> String {
    key.rsplit('.').next().unwrap_or(key).replace('_', "-")
}

/// The values so far, by key, each with its origin.
struct Layers {
    defaults: BTreeMap<String, Value>,
    values: BTreeMap<String, (Value, Origin)>,
    notes: Vec<String>,
    base: Config,
}

impl Layers {
    fn new(profile: Profile) -> Self {
        let base = Config::defaults(profile);
        let mut defaults = BTreeMap::new();
        if let Ok(Value::Dict(_, sections)) = Value::serialize(&base) {
            for (section, value) in sections {
                if let Value::Dict(_, keys) = value {
                    for (key, value) in keys {
                        defaults.insert(format!("{section}.{key}"), value);
                    }
                }
            }
        }
        Self { defaults, values: BTreeMap::new(), notes: Vec::new(), base }
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) {
        self.values.insert(key.to_owned(), (value, origin));
    }

    fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let place = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("file {place}: cannot be read: {error}")))?;
        let table: Dict = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            let what = error.message().lines().collect::<Vec<_>>().join(", ");
            ConfigError(format!("file {place}, line {line}: {what}"))
        })?;
        let (sections, flat): (Vec<_>, Vec<_>) =
            table.into_iter().partition(|(_, value)| matches!(value, Value::Dict(..)));
        for (name, value) in flat.into_iter().chain(sections) {
            let origin = Origin::File(path.to_owned());
            match (value, legacy(&name)) {
                (Value::Dict(_, keys), _) => {
                    for (key, value) in keys {
                        let key = format!("{name}.{key}");
                        self.require_known(&key, &format!("file {place}"))?;
                        self.set(&key, value, origin.clone());
                    }
                }
                (value, Some(Legacy::Key(key))) => self.set(key, value, origin),
                (_, Some(Legacy::Unused)) => {
                    self.notes.push(format!("file {place}: {name} has no meaning any more"));
                }
                (_, None) => self.require_known(&name, &format!("file {place}"))?,
            }
        }
        Ok(())
    }

    fn variable(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let Some(rest) = name.strip_prefix(PREFIX) else { return Ok(()) };
        let is_own = !NOT_KEYS.contains(&name) && !is_service_link(rest, text);
        if !is_own || name.starts_with(TEST_PREFIX) {
            return Ok(());
        }
        let flat = rest.to_lowercase();
        let key = match (flat.split_once("__"), legacy(&flat)) {
            (Some((section, key)), _) => format!("{section}.{key}"),
            (None, Some(Legacy::Key(key))) => key.to_owned(),
            (None, Some(Legacy::Unused)) => {
                self.notes.push(format!("variable {name} has no meaning any more"));
                return Ok(());
            }
            (None, None) => flat,
        };
        self.require_known(&key, &format!("variable {name}"))?;
        let value = self.typed(&key, text);
        self.set(&key, value, Origin::Variable(name.to_owned()));
        Ok(())
    }

    /// A text as a value of the kind that `key` has: only where a number, a switch or a list is
    /// expected is it taken for one, so that a secret such as `0123` stays what it is.
    fn typed(&self, key: &str, text: &str) -> Value {
        let string = || Value::String(Tag::Default, text.to_owned());
        let word = text.trim().to_lowercase();
        match self.defaults.get(key) {
            Some(Value::Bool(..)) => match word.as_str() {
                "1" | "true" | "yes" | "on" => Value::from(true),
                "0" | "false" | "no" | "off" => Value::from(false),
                _ => string(),
            },
            Some(Value::Num(..)) => match (word.parse::<i64>(), word.parse::<f64>()) {
                (Ok(number), _) => Value::Num(Tag::Default, Num::I64(number)),
                (_, Ok(number)) => Value::Num(Tag::Default, Num::F64(number)),
                _ => string(),
            },
            Some(Value::Array(..)) => {
                let list = text.trim().trim_start_matches('[').trim_end_matches(']');
                let parts = list.split(',').map(|part| part.trim().trim_matches('"'));
                Value::from(
                    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>(),
                )
            }
            _ => string(),
        }
    }

    fn require_known(&self, key: &str, place: &str) -> Result<(), ConfigError> {
        if self.defaults.contains_key(key) {
            return Ok(());
        }
        let near = self
            .defaults
            .keys()
            .max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
        let hint = near
            .filter(|near| strsim::jaro_winkler(near, key) >= ALIKE)
            .map_or_else(String::new, |near| format!("; the nearest key is {near}"));
        Err(ConfigError(format!("{place}: unknown key {key}{hint}")))
    }

    fn finish(mut self, profile: Profile) -> Result<Loaded, ConfigError> {
        let mut config = self.extract()?;
        self.read_secret(&mut config.database.url, &config.database.url_file, "database.url")?;
        let instance = &mut config.instance;
        let file = instance.admin_token_file.clone();
        self.read_secret(&mut instance.admin_token, &file, "instance.admin_token")?;
        let tracing = &mut config.tracing;
        let file = tracing.otlp_headers_file.clone();
        self.read_secret(&mut tracing.otlp_headers, &file, "tracing.otlp_headers")?;
        if let Some((key, expected)) = config.first_fault(profile) {
            return Err(self.fault(key, &expected));
        }
        if let Some(url) = &mut config.server.base_url {
            url.truncate(url.trim_end_matches('/').len());
        }
        let settings = self.settings(&config);
        Ok(Loaded { profile, config, settings, notes: std::mem::take(&mut self.notes) })
    }

    /// The values as the typed configuration; what is of the wrong type is named with its place.
    fn extract(&self) -> Result<Config, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(&self.base));
        for (key, (value, _)) in &self.values {
            figment = figment.merge(Serialized::default(key, value));
        }
        figment.extract::<Config>().map_err(|error| {
            let error = error.into_iter().next();
            let key = error.as_ref().map(|error| error.path.join(".")).unwrap_or_default();
            let expected = match error.map(|error| error.kind) {
                Some(figment::error::Kind::InvalidType(_, expected)) => expected,
                Some(figment::error::Kind::InvalidValue(_, expected)) => expected,
                Some(figment::error::Kind::UnknownVariant(_, words)) => words.join(", "),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            // Of a list or a table, the error may name what is inside it.
            let inside = |known: &&String| {
                key.strip_prefix(known.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let key = self.values.keys().find(inside).unwrap_or(&key);
            self.fault(key, &in_words(&expected))
        })
    }

    fn fault(&self, key: &str, expected: &str) -> ConfigError {
        let by_file = format!("{key}_file");
        if let Some((_, origin)) = self.values.get(&by_file) {
            return ConfigError(format!(
                "{origin}: {by_file}: found a value that is kept secret, expected {expected}"
            ));
        }
        let Some((value, origin)) = self.values.get(key) else {
            return ConfigError(format!("{key}: not set, expected {expected}"));
        };
        let found = if is_secret(key) {
            "a value that is kept secret".to_owned()
        } else {
            serde_json::to_string(value).unwrap_or_default()
        };
        ConfigError(format!("{origin}: {key}: found {found}, expected {expected}"))
    }

    /// Fills a secret from its file.
    fn read_secret(
        &self,
        secret: &mut Option<Secret>,
        file: &Option<PathBuf>,
        key: &str,
    ) -> Result<(), ConfigError> {
        let Some(path) = file else { return Ok(()) };
        let place = self.values.get(&format!("{key}_file")).map_or(&Origin::Default, |(_, o)| o);
        if secret.is_some() {
            return Err(ConfigError(format!(
                "{place}: {key}_file: set beside {key}, expected one of them"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(format!("{place}: {key}_file: {} cannot be read: {error}", path.display()))
        })?;
        let text = text.trim();
        if text.is_empty() {
            return Err(ConfigError(format!("{place}: {key}_file: {} is empty", path.display())));
        }
        *secret = Some(Secret::new(text));
        Ok(())
    }

    fn settings(&self, config: &Config) -> Vec<Setting> {
        let json = serde_json::to_value(config).unwrap_or_default();
        self.defaults
            .keys()
            .map(|key| {
                let value = key
                    .split('.')
                    .try_fold(&json, |value, part| value.get(part))
                    .cloned()
                    .unwrap_or_default();
                let by_file = self.values.get(&format!("{key}_file"));
                let origin = self
                    .values
                    .get(key)
                    .or(by_file)
                    .map_or(Origin::Default, |(_, origin)| origin.clone());
                Setting { key: key.clone(), value, origin }
            })
            .collect()
    }
}

fn is_secret(key: &str) -> bool {
    matches!(key, "database.url" | "instance.admin_token" | "tracing.otlp_headers")
}
