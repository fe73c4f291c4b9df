//! How a bucket is reached.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ClientOptions, RetryConfig};
use rustls::crypto::ring;
use url::Url;

use super::{PlaceError, without_query};

/// How long a request may take: some megabytes over a slow line.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a request is made anew before its failure is told, and for how long.
const RETRIES: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// The bucket of `s3://bucket/prefix`. What it needs is a query, of which each part may be left
/// out:
///
/// - `endpoint=https://s3.example.org`: whom to ask, if not Amazon;
/// - `region=eu-central-1`;
/// - `path_style=false`: the bucket's name belongs to the name of the host;
/// - `keys_file=/run/secrets/s3`: a file with the lines `aws_access_key_id=…` and
///   `aws_secret_access_key=…`, as in the credentials file of Amazon's tools.
///
/// Otherwise the usual variables say it (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY`), and without keys the machine's role.
pub(super) fn open(url: &Url) -> Result<AmazonS3, PlaceError> {
    let shown = || without_query(url.as_str()).to_owned();
    let wrong = |what: String| PlaceError::Bucket(shown(), what);
    let bucket = url.host_str().ok_or_else(|| PlaceError::Address(shown()))?;
    // Another part of the program may have chosen it already.
    let _ = ring::default_provider().install_default();
    // Whoever names an address without TLS means it.
    let client = ClientOptions::new()
        .with_allow_http(true)
        .with_timeout(TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT);
    let retry = RetryConfig {
        max_retries: RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    };
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client)
        .with_retry(retry);
    for (name, value) in url.query_pairs() {
        builder = match &*name {
            "endpoint" => builder.with_endpoint(value),
            "region" => builder.with_region(value),
            "path_style" => match &*value {
                "true" => builder.with_virtual_hosted_style_request(false),
                "false" => builder.with_virtual_hosted_style_request(true),
                _ => return Err(wrong("path_style is true or false".to_owned())),
            },
            "keys_file" => with_keys(builder, &value).map_err(wrong)?,
            other => {
                return Err(wrong(format!(
                    "{other} means nothing: there are endpoint, region, path_style and keys_file"
                )));
            }
        };
    }
    Ok(builder.build()?)
}

fn with_keys(mut builder: AmazonS3Builder, path: &str) -> Result<AmazonS3Builder, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the file of keys {path} cannot be read: {error}"))?;
    let mut found = 0;
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        builder = match name.trim() {
            "aws_access_key_id" => builder.with_access_key_id(value),
            "aws_secret_access_key" => builder.with_secret_access_key(value),
            "aws_session_token" => builder.with_token(value),
            _ => continue,
        };
        found += 1;
    }
    if found < 2 {
        return Err(format!(
            "the file of keys {path} needs the lines aws_access_key_id=… and \
             aws_secret_access_key=…"
        ));
    }
    Ok(builder)
}
