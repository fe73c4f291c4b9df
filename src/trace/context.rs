//! The trace that a piece of work belongs to: told by whoever asks, handed on to whoever is asked
//! (W3C Trace Context).

use std::future::Future;

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{FutureExt, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: &str = "traceparent";
/// Longest `tracestate` that is handed on: what the standard asks for, and not more, for anybody
/// may send one.
const STATE_LENGTH: usize = 512;
/// Length of a `traceparent` of version 00.
const PARENT_LENGTH: usize = 55;

/// The trace that the sender of these headers is in; none where they say nothing or nonsense.
pub(super) fn told(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Told(headers))
}

/// Tells whoever gets these headers which trace they belong to. Changes nothing outside a trace.
pub fn write_headers(headers: &mut HeaderMap) {
    if super::is_on() {
        write(&Context::current(), headers);
    }
}

fn write(context: &Context, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut Written(headers));
}

/// The id of the trace that this is part of, in hexadecimal; none where it is not sent anywhere.
#[must_use]
pub fn current_id() -> Option<String> {
    if !super::is_on() {
        return None;
    }
    Context::map_current(|context| {
        let span = context.span();
        let own = span.span_context();
        own.is_sampled().then(|| own.trace_id().to_string())
    })
}

/// Work that belongs to the trace of today's caller wherever it is run, as in a task of its own.
pub fn keep<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let context = super::is_on().then(Context::current);
    async move {
        match context {
            Some(context) => work.with_context(context).await,
            None => work.await,
        }
    }
}

struct Told<'h>(&'h HeaderMap);

impl Extractor for Told<'_> {
    /// A header that came twice counts as none.
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.get_all(key).iter();
        let (value, more) = (values.next()?, values.next());
        let text = value.to_str().ok().filter(|_| more.is_none())?;
        let holds = if key == TRACEPARENT { is_parent(text) } else { text.len() <= STATE_LENGTH };
        holds.then_some(text)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Whether a text has the form of a `traceparent`; the propagator is more lenient than the
/// standard.
fn is_parent(text: &str) -> bool {
    let has_form = text.bytes().enumerate().take(PARENT_LENGTH).all(|(at, byte)| match at {
        2 | 35 | 52 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    });
    let ends = match text.as_bytes().get(PARENT_LENGTH) {
        None => text.len() == PARENT_LENGTH,
        // A later version may say more.
        Some(byte) => *byte == b'-' && !text.starts_with("00"),
    };
    has_form && ends && !text.starts_with("ff")
}

struct Written<'h>(&'h mut HeaderMap);

impl Injector for Written<'_> {
    fn set(&mut self, key: &str, value: String) {
        let (name, value) = (HeaderName::try_from(key), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = (name, value)
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn trace(headers: &HeaderMap) -> Option<String> {
        let context = told(headers);
        let span = context.span();
        let own = span.span_context();
        own.is_valid().then(|| own.trace_id().to_string())
    }

    #[test]
    fn a_parent_is_read_or_ignored() {
        let good = format!("00-{ID}-b7ad6b7169203331-01");
        assert_eq!(trace(&headers(&[("traceparent", &good)])).as_deref(), Some(ID));
        let later = format!("01-{ID}-b7ad6b7169203331-01-more");
        assert_eq!(trace(&headers(&[("traceparent", &later)])).as_deref(), Some(ID));
        for bad in [
            String::new(),
            "00".to_owned(),
            format!("ff-{ID}-b7ad6b7169203331-01"),
            format!("00-{ID}-b7ad6b7169203331-01-more"),
            format!("00-{ID}-b7ad6b7169203331-1"),
            format!("0-{ID}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", ID.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{ID}-0000000000000000-01"),
            format!("00-{ID}-b7ad6b7169203331-0g"),
            format!("00_{ID}_b7ad6b7169203331_01"),
            format!("00-{}-b7ad6b7169203331-01", "é".repeat(16)),
            "-".repeat(PARENT_LENGTH),
            "a".repeat(20_000),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert_eq!(trace(&headers), None, "{bad}");
        }
        assert_eq!(trace(&headers(&[("traceparent", &good), ("traceparent", &good)])), None);
    }

    #[test]
    fn a_long_state_is_not_handed_on() {
        let parent = format!("00-{ID}-b7ad6b7169203331-01");
        let state = |text: &str| {
            let context = told(&headers(&[("traceparent", &parent), ("tracestate", text)]));
            context.span().span_context().trace_state().header()
        };
        assert_eq!(state("vendor=1"), "vendor=1");
        assert_eq!(state(&format!("vendor={}", "1".repeat(600))), "");
        assert_eq!(state("no state at all"), "");
    }

    #[test]
    fn what_was_told_is_handed_on() {
        let parent = format!("00-{ID}-b7ad6b7169203331-01");
        let told = told(&headers(&[("traceparent", &parent), ("tracestate", "vendor=1")]));
        let mut next = headers(&[("traceparent", "of before"), ("content-type", "text/plain")]);
        write(&told, &mut next);
        assert_eq!((next["traceparent"].as_bytes(), next.len()), (parent.as_bytes(), 3));
        assert_eq!(next["tracestate"], "vendor=1");
    }

    #[test]
    fn outside_a_trace_nothing_is_written() {
        let mut headers = HeaderMap::new();
        write_headers(&mut headers);
        write(&Context::new(), &mut headers);
        assert!(headers.is_empty() && current_id().is_none());
    }
}
