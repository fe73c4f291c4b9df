//! The files that pages need, built into the program under names that hold their hash.
//!
//! `build.rs` prepares them from `assets/static`.

use std::borrow::Cow;

use rust_embed::RustEmbed;
use salvo::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use salvo::http::{HeaderMap, StatusCode};
use salvo::{Request, Response, handler};

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/static"]
struct Files;

/// The name of each file and the path it is served under; sorted by name.
static PATHS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What browsers ask for at the root of a site, by these very names. The route table gives each
/// the handler [`site_file`].
pub const SITE_FILES: [&str; 6] = [
    "favicon.ico",
    "favicon.svg",
    "apple-touch-icon.png",
    "icon-192.png",
    "icon-512.png",
    "site.webmanifest",
];

const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ONE_DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");

/// The path of a file of `assets/static`: `app.css` is `/static/app.HASH.css`.
#[must_use]
pub fn asset(name: &str) -> &'static str {
    // A name that no file has can only come from a typing error in a template; a test finds it.
    PATHS.binary_search_by_key(&name, |entry| entry.0).map_or("/static/unknown", |at| PATHS[at].1)
}

/// Serves `/static/{name}`: what a hashed name stands for never changes.
#[handler]
pub async fn static_asset(request: &mut Request, response: &mut Response) {
    let name = request.param::<String>("name").unwrap_or_default();
    let is_known = PATHS.iter().any(|(_, path)| path.strip_prefix("/static/") == Some(&name));
    serve(request, response, if is_known { &name } else { "" }, FOREVER);
}

/// Serves each of [`SITE_FILES`] at the root of the site.
#[handler]
pub async fn site_file(request: &mut Request, response: &mut Response) {
    let name = request.uri().path().trim_start_matches('/');
    let path = if SITE_FILES.contains(&name) { asset(name) } else { "" };
    serve(request, response, path.trim_start_matches("/static/"), ONE_DAY);
}

/// Answers with the smallest form of a file that the client takes.
fn serve(request: &Request, response: &mut Response, name: &str, lifetime: HeaderValue) {
    let Some((file, encoding)) = choose(request.headers(), name) else {
        response.status_code(StatusCode::NOT_FOUND);
        return;
    };
    let hash = file.metadata.sha256_hash();
    let tag = hash.iter().take(12).fold(String::new(), |tag, byte| format!("{tag}{byte:02x}"));
    let tag = format!("\"{tag}\"");
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, lifetime);
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if is_held(request.headers(), &tag) {
        response.status_code(StatusCode::NOT_MODIFIED);
        return;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response.replace_body(match file.data {
        Cow::Borrowed(bytes) => bytes.into(),
        Cow::Owned(bytes) => bytes.into(),
    });
}

fn choose(
    headers: &HeaderMap,
    name: &str,
) -> Option<(rust_embed::EmbeddedFile, Option<&'static str>)> {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    for (encoding, suffix) in [("br", "br"), ("gzip", "gz")] {
        if accepts(accepted.unwrap_or_default(), encoding)
            && let Some(file) = Files::get(&format!("{name}.{suffix}"))
        {
            return Some((file, Some(encoding)));
        }
    }
    Files::get(name).map(|file| (file, None))
}

/// True when an Accept-Encoding names `encoding` without refusing it (`q=0`).
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|part| {
        let (name, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse().unwrap_or(0.0_f32);
        name.trim().eq_ignore_ascii_case(encoding) && weight > 0.0
    })
}

fn is_held(headers: &HeaderMap, tag: &str) -> bool {
    let held = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    held.split(',').any(|held| held.trim().trim_start_matches("W/") == tag || held.trim() == "*")
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_each_file_of_the_site() {
        for name in SITE_FILES.iter().chain(&["app.css", "app.js", "theme.js"]) {
            let path = asset(name);
            assert!(Files::get(path.trim_start_matches("/static/")).is_some(), "{name} is missing");
        }
    }

    #[test]
    fn weighs_encodings() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("br;q=0.5", "br"));
        assert!(!accepts("br;q=0, gzip", "br"));
        assert!(!accepts("", "gzip"));
    }

    #[test]
    fn prefers_the_smallest_form() {
        let mut headers = HeaderMap::new();
        let name = asset("app.css").trim_start_matches("/static/");
        assert_eq!(choose(&headers, name).expect("plain").1, None);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
        assert_eq!(choose(&headers, name).expect("brotli").1, Some("br"));
        assert!(choose(&headers, "app.css").is_none(), "served without its hash");
    }
}
