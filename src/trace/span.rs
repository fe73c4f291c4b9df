//! The spans that there are: requests, jobs, tasks, and the transactions of each. Names and
//! attributes follow OpenTelemetry's semantic conventions; what they have no word for is
//! `openrsvp.*`.

use std::borrow::Cow;
use std::future::Future;

use opentelemetry::trace::{FutureExt, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use reqwest::Method;
use reqwest::header::HeaderMap;

use super::TRACER;
use super::context::told;
use super::statements::Statements;

/// Methods that may be named; any other is what a visitor made up.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];

/// A piece of work under way, until this is dropped; nothing at all where none is made.
#[derive(Debug)]
pub struct Span(Option<Context>);

/// A request, by the template of its route; none where it was found under no route.
#[must_use]
pub fn request(method: &Method, route: Option<String>, headers: &HeaderMap) -> Span {
    if !super::is_on() {
        return Span(None);
    }
    let known = METHODS.into_iter().find(|known| *known == method.as_str());
    let name = match (known.unwrap_or("HTTP"), &route) {
        (method, Some(route)) => format!("{method} {route}").into(),
        (method, None) => method.into(),
    };
    let mut facts = vec![KeyValue::new("http.request.method", known.unwrap_or("_OTHER"))];
    facts.extend(route.map(|route| KeyValue::new("http.route", route)));
    Span::start(SpanKind::Server, name, &told(headers), facts)
}

/// A run of a job.
#[must_use]
pub fn job(name: &'static str) -> Span {
    if !super::is_on() {
        return Span(None);
    }
    let facts = vec![KeyValue::new("openrsvp.job.name", name)];
    Span::start(SpanKind::Internal, format!("job {name}").into(), &Context::current(), facts)
}

/// An attempt at a task.
#[must_use]
pub fn task(kind: &str, attempt: i64) -> Span {
    if !super::is_on() {
        return Span(None);
    }
    let facts = vec![
        KeyValue::new("openrsvp.task.kind", kind.to_owned()),
        KeyValue::new("openrsvp.task.attempt", attempt),
    ];
    Span::start(SpanKind::Consumer, format!("task {kind}").into(), &Context::current(), facts)
}

/// A transaction that is part of something: what the program does by itself between requests, such
/// as looking for tasks each second, would be nothing but noise.
#[must_use]
pub fn transaction(system: &'static str, operation: &'static str) -> Option<Span> {
    let parent = sampled()?;
    let facts = vec![
        KeyValue::new("db.system.name", system),
        KeyValue::new("db.operation.name", operation),
    ];
    Some(Span::start(SpanKind::Client, operation.into(), &parent, facts))
}

/// A request to another machine: how it went, and not which machine, which is its sender's affair.
#[must_use]
pub fn outbound(method: &'static str) -> Span {
    let Some(parent) = sampled() else { return Span(None) };
    let facts = vec![KeyValue::new("http.request.method", method)];
    Span::start(SpanKind::Client, method.into(), &parent, facts)
}

/// What this is part of, where that is told to anybody.
fn sampled() -> Option<Context> {
    let context = super::is_on().then(Context::current)?;
    let is_sampled = context.span().span_context().is_sampled();
    is_sampled.then_some(context)
}

impl Span {
    fn start(
        kind: SpanKind,
        name: Cow<'static, str>,
        parent: &Context,
        facts: Vec<KeyValue>,
    ) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let builder = tracer.span_builder(name).with_kind(kind).with_attributes(facts);
        Self(Some(parent.with_span(tracer.build_with_context(builder, parent))))
    }

    /// Does work as part of it.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(context) => work.with_context(context.clone()).await,
            None => work.await,
        }
    }

    /// Adds what is known only later. Never what a visitor sent, nor the id of anything.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// It did not work, through no fault of whoever asked.
    pub fn fail(&self, why: impl Into<Cow<'static, str>>) {
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(why));
        }
    }

    /// What a transaction did. It failed when a statement did, or none was even begun; one that
    /// was given up by the rules of the site did not.
    pub fn end_transaction(self, statements: &Statements, is_kept: bool) {
        let noted = statements.take();
        let names = noted.names.into_iter().map(StringValue::from).collect();
        self.set("openrsvp.db.statements", Value::Array(Array::String(names)));
        self.set("openrsvp.db.statement_count", noted.count);
        self.set("openrsvp.db.kept", is_kept);
        match noted.failed {
            Some(name) => self.fail(format!("{name} failed")),
            None if noted.count == 0 && !is_kept => self.fail("no statement ran"),
            None => {}
        }
    }

    /// What another machine answered, where it did.
    pub fn end_outbound(self, status: Option<u16>) {
        let Some(status) = status else {
            self.set("error.type", "_OTHER");
            return self.fail("no answer");
        };
        self.set("http.response.status_code", i64::from(status));
        if status >= 400 {
            self.set("error.type", status.to_string());
            self.fail("");
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            // Whatever still runs as part of it does not keep it open.
            context.span().end();
        }
    }
}
