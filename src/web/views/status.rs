//! The page that tells the instance owner how the program, its database and its machine do.

use askama::Template;

use super::owner::OwnerPlaces;

/// How one job does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobRow {
    /// Its name on the command line.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// When it ran last and what came of it: `5 minutes ago`, `never`.
    pub last: String,
    /// In a word, how that went.
    pub outcome: String,
    /// What it did, or why it failed; may be blank.
    pub detail: String,
    /// True when it failed.
    pub is_alarm: bool,
    /// When it runs: `every hour`.
    pub every: String,
}

/// How one replica of the database is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaRow {
    /// Where it is.
    pub address: String,
    /// In a word, how it is: `everything is there`, `behind`.
    pub state: String,
    /// Since when, or as of when; may be blank.
    pub since: String,
    /// What is wrong; may be blank.
    pub fault: String,
    /// True when somebody should look after it.
    pub is_alarm: bool,
    /// What was sent there since the start.
    pub sent: String,
}

/// A fact: what, and how it is.
pub type Fact = (&'static str, String);

/// The page.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/status.html")]
pub struct StatusPage {
    /// The owner's pages.
    pub places: OwnerPlaces,
    /// What should be looked after: what is wrong, and what to do.
    pub warnings: Vec<(String, String)>,
    /// The program.
    pub program: Vec<Fact>,
    /// The database.
    pub database: Vec<Fact>,
    /// The machine.
    pub machine: Vec<Fact>,
    /// The replicas of the database; `None` where it is backed up otherwise.
    pub replicas: Option<Vec<ReplicaRow>>,
    /// The jobs.
    pub jobs: Vec<JobRow>,
    /// True when this process runs them.
    pub runs_jobs: bool,
}

#[cfg(test)]
mod tests {
    use super::super::samples::check;
    use super::*;

    fn row(state: &str, since: &str, fault: &str, is_alarm: bool) -> ReplicaRow {
        ReplicaRow {
            address: "s3://rsvp-backups.example.org/sites/current".to_owned(),
            state: state.to_owned(),
            since: since.to_owned(),
            fault: fault.to_owned(),
            is_alarm,
            sent: "12.5 MB in 4711 files".to_owned(),
        }
    }

    fn fine() -> StatusPage {
        let fact = |what, how: &str| (what, how.to_owned());
        StatusPage {
            places: OwnerPlaces {
                events: "/admin/Zk3v".to_owned(),
                channels: "/admin/Zk3v/channels".to_owned(),
                status: "/admin/Zk3v/status".to_owned(),
            },
            program: vec![fact("Version", "1.0.0"), fact("Running for", "3 days")],
            database: vec![
                fact("Engine", "SQLite 3.51.3"),
                fact("Size", "1.2 GB"),
                fact("Events", "120"),
                fact("Channels", "14"),
                fact("Answers", "4711"),
            ],
            machine: vec![
                fact("Disk", "12 GB of 40 GB free"),
                fact("Memory", "37 MB used here, 1.1 GB of 2.0 GB free"),
                fact("Processor", "0.4 % used here, load 0.12 on 2 processors"),
            ],
            replicas: Some(vec![row("everything is there", "looked at a moment ago", "", false)]),
            jobs: vec![JobRow {
                name: "decay-cycle".to_owned(),
                purpose: "closes answers that are due, deletes what has faded".to_owned(),
                last: "5 minutes ago".to_owned(),
                outcome: "done".to_owned(),
                detail: "120 events examined".to_owned(),
                every: "every hour".to_owned(),
                is_alarm: false,
            }],
            warnings: Vec::new(),
            runs_jobs: true,
        }
    }

    fn alarming() -> StatusPage {
        let mut alarming = fine();
        alarming.runs_jobs = false;
        alarming.jobs[0].is_alarm = true;
        alarming.jobs[0].outcome = "failed".to_owned();
        let away = "the replica cannot be read: no answer from https://s3.example.org in time";
        alarming.replicas = Some(vec![
            row("behind", "for 5 minutes", away, true),
            row("given up", "", "another program writes to this replica", true),
        ]);
        alarming.warnings = vec![
            ("decay-cycle failed.".to_owned(), "It said: disk full. It is tried again.".to_owned()),
            ("200 MB of disk are free.".to_owned(), "Make room soon.".to_owned()),
        ];
        alarming
    }

    #[test]
    fn renders_every_state() {
        let bare = StatusPage { replicas: Some(Vec::new()), ..fine() };
        let postgres = StatusPage { replicas: None, ..fine() };
        let states =
            [("fine", fine()), ("alarming", alarming()), ("bare", bare), ("postgres", postgres)];
        check("status", states.to_vec());
    }
}
