//! The steps of a transfer.

use std::path::PathBuf;

use super::digest::{Digest, Digester};
use super::report::{Later, LeftOut, Reference, Report, TableReport};
use super::{Beginning, Order, Progress, State, TransferError, later, stamp};
use crate::domain::clock::Clock;
use crate::store::error::StoreError;
use crate::store::migrate;
use crate::store::options::StoreOptions;
use crate::store::transfer::{Cells, Column, LEFT_OUT, Source, TABLES, Table, Target, back_up};
use crate::store::value::Value;

/// Rows between two words of progress, where rows are looked at one by one.
const TOLD: u64 = 2000;

/// A transfer under way.
pub(super) struct Run<'r, P> {
    pub(super) order: &'r Order,
    pub(super) clock: &'r Clock,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) progress: &'r mut P,
}

impl<P: FnMut(Progress)> Run<'_, P> {
    /// All of it, to the report.
    pub(super) async fn all(
        &mut self,
        source: Source,
        target: &mut Target,
        beginning: Beginning,
    ) -> Result<Report, TransferError> {
        let (mut state, is_resumed) = match beginning {
            Beginning::Afresh => (self.state()?, false),
            Beginning::Again(state) => (state, true),
        };
        let mut source = match &state.backup {
            Some(backup) => {
                // A file is read from its backup.
                drop(source);
                Source::open_file(backup).map_err(|error| self.at_source(error))?
            }
            None => source,
        };
        let there = self.survey(&mut source).await?;
        if !is_resumed {
            let began = target.begin(&state.text(), self.clock.now()).await;
            began.map_err(|error| self.at_target(error))?;
        }
        self.write(&mut source, target, &there).await?;
        let tables = self.compare(target, there).await?;
        let references = self.references(target).await?;
        let later = self.later(&mut source).await;
        let now = self.clock.now();
        let ended_at = now.to_string();
        state.ended_at = Some(ended_at.clone());
        let noted = target.set_state(&state.text(), now).await;
        noted.map_err(|error| self.at_target(error))?;
        let left_out = LEFT_OUT.iter();
        Ok(Report {
            program: env!("CARGO_PKG_VERSION"),
            from: self.from.clone(),
            to: self.to.clone(),
            schema: migrate::known(),
            started_at: state.started_at,
            ended_at,
            is_resumed,
            backup: state.backup,
            tables,
            references,
            left_out: left_out
                .map(|table| LeftOut { table: table.name, reason: table.reason })
                .collect(),
            later,
            switch: self.order.switch.clone(),
        })
    }

    fn at_source(&self, error: StoreError) -> TransferError {
        TransferError::Source { label: self.from.clone(), error }
    }

    fn at_target(&self, error: StoreError) -> TransferError {
        TransferError::Target { label: self.to.clone(), error }
    }

    fn tell(&mut self, step: &'static str, done: u64, total: u64) {
        (self.progress)(Progress { step, done, total });
    }

    /// What begins, with the backup of a file.
    fn state(&mut self) -> Result<State, TransferError> {
        let now = self.clock.now();
        let backup = match &self.order.from {
            StoreOptions::Postgres(_) => None,
            StoreOptions::Sqlite(options) => {
                let backup = self.free_name(now);
                let progress = &mut *self.progress;
                let mut tell = |done, total| progress(Progress { step: "Backing up", done, total });
                back_up(&options.path, &backup, &mut tell)
                    .map_err(|error| self.at_source(error))?;
                Some(backup)
            }
        };
        let started_at = now.to_string();
        Ok(State { from: self.from.clone(), backup, started_at, ended_at: None })
    }

    /// A name for the backup that no earlier one has.
    fn free_name(&self, started_at: jiff::Timestamp) -> PathBuf {
        let name =
            |end: String| self.order.dir.join(format!("source-{}{end}.db", stamp(started_at)));
        let mut path = name(String::new());
        let mut number = 1;
        while path.exists() {
            number += 1;
            path = name(format!("-{number}"));
        }
        std::path::absolute(&path).unwrap_or(path)
    }

    /// Reads every row once: what cannot be taken over is found before anything is written.
    async fn survey(&mut self, source: &mut Source) -> Result<Vec<Digest>, TransferError> {
        let mut total = 0;
        for table in TABLES {
            total += source.count(table).await.map_err(|error| self.at_source(error))?;
        }
        let is_server = matches!(self.order.to, StoreOptions::Postgres(_));
        let (mut digests, mut done, mut last) = (Vec::new(), 0, None::<Cells>);
        for table in TABLES {
            let mut digester = Digester::new(table);
            loop {
                let page = source.page(table, last.as_ref()).await;
                let page = page.map_err(|error| self.at_source(error))?;
                for row in &page {
                    if is_server {
                        refuse_nul(table, row)?;
                    }
                    digester.row(row);
                }
                done += page.len() as u64;
                self.tell("Reading", done, total);
                last = page.into_iter().next_back();
                if last.is_none() {
                    break;
                }
            }
            digests.push(digester.finish());
        }
        Ok(digests)
    }

    /// Writes what is not there yet.
    async fn write(
        &mut self,
        source: &mut Source,
        target: &mut Target,
        there: &[Digest],
    ) -> Result<(), TransferError> {
        let total = there.iter().map(|digest| digest.rows).sum();
        let mut done = 0;
        for table in TABLES {
            let mut last = target.last(table).await.map_err(|error| self.at_target(error))?;
            done += target.count(table).await.map_err(|error| self.at_target(error))?;
            loop {
                let page = source.page(table, last.as_ref()).await;
                let page = page.map_err(|error| self.at_source(error))?;
                if page.is_empty() {
                    break;
                }
                target.add(table, &page).await.map_err(|error| self.at_target(error))?;
                done += page.len() as u64;
                self.tell("Writing", done, total);
                last = page.into_iter().next_back();
            }
        }
        target.analyze().await.map_err(|error| self.at_target(error))
    }

    /// Reads everything back.
    async fn compare(
        &mut self,
        target: &mut Target,
        there: Vec<Digest>,
    ) -> Result<Vec<TableReport>, TransferError> {
        let total = there.iter().map(|digest| digest.rows).sum();
        let (mut reports, mut done, mut last) = (Vec::new(), 0, None::<Cells>);
        for (table, source) in TABLES.iter().zip(there) {
            let mut digester = Digester::new(table);
            loop {
                let page = target.page(table, last.as_ref()).await;
                let page = page.map_err(|error| self.at_target(error))?;
                page.iter().for_each(|row| digester.row(row));
                done += page.len() as u64;
                self.tell("Comparing", done, total);
                last = page.into_iter().next_back();
                if last.is_none() {
                    break;
                }
            }
            let target = digester.finish();
            let is_equal = source == target;
            reports.push(TableReport { table: table.name, is_equal, source, target });
        }
        Ok(reports)
    }

    async fn references(&self, target: &mut Target) -> Result<Vec<Reference>, TransferError> {
        let mut found = Vec::new();
        for table in TABLES {
            for (column, to) in table.references {
                let orphans = target.orphans(table, column, to).await;
                let orphans = orphans.map_err(|error| self.at_target(error))?;
                found.push(Reference { column: format!("{}.{column}", table.name), to, orphans });
            }
        }
        Ok(found)
    }

    /// Compares what was read with how the source is now. What was transferred is right in any
    /// case, so a source that cannot be read again is no failure.
    async fn later(&mut self, then: &mut Source) -> Option<Vec<Later>> {
        let mut now = Source::open(&self.order.from).await.ok()?;
        let mut total = 0;
        for table in TABLES {
            total += then.count(table).await.ok()?;
        }
        let (mut found, mut done) = (Vec::new(), 0);
        for table in TABLES {
            let tell = || {
                done += 1;
                if done % TOLD == 0 {
                    (self.progress)(Progress { step: "Looking again", done, total });
                }
            };
            found.push(later::compare(then, &mut now, table, tell).await.ok()?);
        }
        Some(found)
    }
}

fn refuse_nul(table: &'static Table, row: &Cells) -> Result<(), TransferError> {
    let has_nul = |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
    let mut columns = table.columns.iter().zip(row.values());
    match columns.find(|(_, value)| has_nul(value)) {
        None => Ok(()),
        Some((column, _)) => Err(TransferError::Nul {
            table: table.name,
            row: row.name(table),
            column: Column::name(*column),
        }),
    }
}
