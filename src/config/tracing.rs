//! Where traces are sent.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Secret;

/// What a base address is followed by, where traces are taken.
const PATH: [&str; 2] = ["v1", "traces"];

/// Where traces are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tracing {
    /// `http://localhost:4318`: a collector that takes OTLP over HTTP; without it there are no
    /// traces.
    pub otlp_endpoint: Option<String>,
    /// `name=value,name=value`: headers for the collector.
    pub otlp_headers: Option<Secret>,
    /// A file that holds `otlp_headers`.
    pub otlp_headers_file: Option<PathBuf>,
    /// How many of the requests and jobs are traced about which nobody decided before.
    pub sample_ratio: f64,
    /// By what name the collector knows this site.
    pub service_name: String,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_headers: None,
            otlp_headers_file: None,
            sample_ratio: 1.0,
            service_name: "openrsvp".to_owned(),
        }
    }
}

impl Tracing {
    /// Where the collector takes traces: what is configured and `/v1/traces`. `None` when that is
    /// no address of a collector.
    #[must_use]
    pub fn traces_url(&self) -> Option<Url> {
        let mut url = Url::parse(self.otlp_endpoint.as_deref()?).ok()?;
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_plain || !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return None;
        }
        url.path_segments_mut().ok()?.pop_if_empty().extend(PATH);
        Some(url)
    }

    /// The headers, their values decoded (`%20`), as OpenTelemetry writes them. `None` when one
    /// cannot be sent.
    #[must_use]
    pub fn headers(&self) -> Option<Vec<(String, String)>> {
        let text = self.otlp_headers.as_ref().map_or("", Secret::reveal);
        text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(header).collect()
    }
}

fn header(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=')?;
    let (name, value) = (name.trim(), percent_decode_str(value.trim()).decode_utf8().ok()?);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let holds = !name.is_empty()
        && name.chars().all(is_name)
        && value.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    holds.then(|| (name.to_owned(), value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_have_their_place_below_the_base() {
        let at = |endpoint: &str| {
            let tracing =
                Tracing { otlp_endpoint: Some(endpoint.to_owned()), ..Tracing::default() };
            tracing.traces_url().map(String::from)
        };
        for base in ["http://localhost:4318", "http://localhost:4318/"] {
            assert_eq!(at(base).as_deref(), Some("http://localhost:4318/v1/traces"));
        }
        assert_eq!(
            at("https://c.example/otlp").as_deref(),
            Some("https://c.example/otlp/v1/traces")
        );
        for bad in
            ["", "localhost:4318", "grpc://c:4317", "http://", "http://a:b@c", "http://c?d", "c"]
        {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn headers_are_pairs() {
        let of = |text: &str| {
            let otlp_headers = Some(Secret::new(text));
            Tracing { otlp_headers, ..Tracing::default() }.headers()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(of(""), Some(Vec::new()));
        assert_eq!(
            of("authorization=Basic%20YTpi==, x-tenant = 7 ,"),
            Some(vec![pair("authorization", "Basic YTpi=="), pair("x-tenant", "7")])
        );
        for bad in ["secret", "=7", "a b=7", "a=%0D%0Ab: c", "a=\u{e9}", "a=%ff"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
