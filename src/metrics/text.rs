//! Figures as text, in the two forms that monitoring systems read: OpenMetrics 1.0, and the older
//! text format 0.0.4 of Prometheus.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Histogram;

/// What kind of figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows; `_total` is added to its name.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations by size.
    Histogram,
}

/// A figure and all its rows.
#[derive(Debug, Clone)]
pub struct Family {
    kind: Kind,
    name: &'static str,
    help: &'static str,
    rows: Vec<Row>,
}

/// A figure for some labels.
#[derive(Debug, Clone)]
pub struct Row {
    labels: Vec<(&'static str, String)>,
    value: Value,
}

/// What a figure says.
#[derive(Debug, Clone)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A sum, and buckets by their upper ends.
    Durations(f64, Vec<(f64, u64)>),
}

impl Family {
    /// One without rows; as such it is not written. `help` has no full stop.
    #[must_use]
    pub fn new(kind: Kind, name: &'static str, help: &'static str) -> Self {
        Self { kind, name, help, rows: Vec::new() }
    }

    /// Adds a row.
    #[must_use]
    pub fn row(mut self, labels: &[(&'static str, &str)], value: f64) -> Self {
        self.rows.push(Row::new(labels, value));
        self
    }

    /// Adds rows.
    #[must_use]
    pub fn rows(mut self, rows: impl IntoIterator<Item = Row>) -> Self {
        self.rows.extend(rows);
        self
    }

    fn write(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        let mut metric = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        for row in &self.rows {
            if row.labels.is_empty() {
                self.write_value(&mut metric, &row.value)?;
            } else {
                self.write_value(&mut metric.encode_family(&row.labels)?, &row.value)?;
            }
        }
        Ok(())
    }

    fn write_value(&self, metric: &mut MetricEncoder<'_>, value: &Value) -> fmt::Result {
        match value {
            Value::Number(number) if self.kind == Kind::Counter => {
                metric.encode_counter::<NoLabelSet, _, f64>(number, None)
            }
            Value::Number(number) => metric.encode_gauge(number),
            Value::Durations(sum, buckets) => {
                let count = buckets.iter().map(|(_, count)| count).sum();
                metric.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
            }
        }
    }
}

impl Row {
    /// A number.
    #[must_use]
    pub fn new(labels: &[(&'static str, &str)], value: f64) -> Self {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { labels, value: Value::Number(value) }
    }

    /// Durations.
    #[must_use]
    pub fn histogram(labels: &[(&'static str, &str)], histogram: &Histogram) -> Self {
        let (sum, buckets) = histogram.read();
        Self { value: Value::Durations(sum, buckets), ..Self::new(labels, 0.0) }
    }
}

/// All figures of an answer.
#[derive(Debug)]
struct Sheet(Vec<Family>);

impl Collector for Sheet {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|family| family.write(&mut encoder))
    }
}

/// Figures in the form of OpenMetrics.
#[must_use]
pub fn open_metrics(families: Vec<Family>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Sheet(families)));
    let mut text = String::new();
    // Only a writer can fail, and memory does not.
    let _ = encode(&mut text, &registry);
    text
}

/// Figures in the older form: there a counter's `_total` is a part of its name.
#[must_use]
pub fn plain(families: Vec<Family>) -> String {
    let mut out = String::new();
    let mut help = None;
    for line in open_metrics(families).lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            if let Some((_, help)) = help.take() {
                out.push_str(&format!("# HELP {name} {help}\n"));
            }
            out.push_str(&format!("# TYPE {name} {kind}\n"));
        } else if line != "# EOF" {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        vec![
            Family::new(Kind::Counter, "cups", "Cups that were filled")
                .row(&[("of", "a \"fine\" tea\n")], 2.0),
            Family::new(Kind::Gauge, "kettle_celsius", "How hot it is").row(&[], -1.5),
            Family::new(Kind::Gauge, "empty", "Nothing"),
        ]
    }

    #[test]
    fn both_forms() {
        assert_eq!(
            open_metrics(families()),
            "# HELP cups Cups that were filled\n# TYPE cups counter\n\
             cups_total{of=\"a \\\"fine\\\" tea\\n\"} 2.0\n\
             # HELP kettle_celsius How hot it is\n# TYPE kettle_celsius gauge\n\
             kettle_celsius -1.5\n# EOF\n"
        );
        assert_eq!(
            plain(families()),
            "# HELP cups_total Cups that were filled\n# TYPE cups_total counter\n\
             cups_total{of=\"a \\\"fine\\\" tea\\n\"} 2.0\n\
             # HELP kettle_celsius How hot it is\n# TYPE kettle_celsius gauge\n\
             kettle_celsius -1.5\n"
        );
    }
}
