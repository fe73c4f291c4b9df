//! The names of the original, OpenRSVP 0.16: flat keys in its `openrsvp.toml`, and the same in
//! upper case behind `OPENRSVP_` in the environment.

/// A flat key of the original and the key it means.
pub(super) const KEYS: [(&str, &str); 20] = [
    ("admin_events_per_page", "events.admin_events_per_page"),
    ("app_host", "server.host"),
    ("app_port", "server.port"),
    ("data_dir", "database.data_dir"),
    ("database_path", "database.path"),
    ("db", "database.path"),
    ("decay_factor", "fading.decay_factor"),
    ("decay_interval_hours", "scheduler.decay_interval_hours"),
    ("delete_after_days", "fading.delete_after_days"),
    ("delete_grace_days_after_end", "fading.delete_grace_days_after_end"),
    ("delete_threshold", "fading.delete_threshold"),
    ("enable_scheduler", "scheduler.enabled"),
    ("events_per_page", "events.events_per_page"),
    ("hide_after_days", "fading.hide_after_days"),
    ("hide_threshold", "fading.hide_threshold"),
    ("initial_channel_score", "events.initial_channel_score"),
    ("initial_event_score", "events.initial_event_score"),
    ("protect_upcoming_events", "fading.protect_upcoming_events"),
    ("sqlite_vacuum_hours", "scheduler.vacuum_hours"),
    ("vacuum_hours", "scheduler.vacuum_hours"),
];

/// What the original understood and this program has no use for.
const UNUSED: [&str; 2] = ["base_dir", "host_port"];

/// What a flat key of the original means here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Legacy {
    /// The same as this key.
    Key(&'static str),
    /// Nothing any more.
    Unused,
}

/// What `name`, in lower case, meant to the original.
pub(super) fn legacy(name: &str) -> Option<Legacy> {
    if name.starts_with("seed_") || UNUSED.contains(&name) {
        return Some(Legacy::Unused);
    }
    KEYS.iter().find(|(flat, _)| *flat == name).map(|(_, key)| Legacy::Key(key))
}
