//! The ways in which a bucket is reached.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;
use crate::support::bucket::SECRET;

/// What tells a machine of Amazon's its role, and the keys of that (instance metadata, version 2).
async fn metadata() -> String {
    async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
        let path = request.uri().path();
        let knows = request.headers().get("x-aws-ec2-metadata-token").is_some_and(|t| t == "known");
        let (status, text) = match (request.method(), path.strip_prefix(ROLES)) {
            (&Method::PUT, None) if path == "/latest/api/token" => (200, "known".to_owned()),
            (&Method::GET, Some("")) if knows => (200, "backups".to_owned()),
            (&Method::GET, Some("backups")) if knows => (
                200,
                json!({
                    "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
                    "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": "a session",
                    "Expiration": "2099-01-01T00:00:00Z",
                })
                .to_string(),
            ),
            _ => (404, String::new()),
        };
        Ok(Response::builder().status(status).body(Full::from(text)).unwrap())
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    endpoint
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_reached_by_variables_by_a_role_and_by_the_name_of_its_host() {
    let (bucket, dir) = (Bucket::start().await, tempfile::tempdir().unwrap());
    let is_fine = async |replica: &str, variables: &[(&str, &str)]| {
        let (is_fine, said, _) = checked_with(dir.path(), replica, variables).await;
        assert_eq!((is_fine, &*said), (true, "can be read and written, nothing is in it yet"));
    };
    let known = [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &bucket.endpoint),
    ];
    is_fine("s3://bucket/site", &known).await;

    let replica = format!("s3://bucket/site?endpoint={}&region=us-east-1", bucket.endpoint);
    let metadata = metadata().await;
    let role = [("AWS_METADATA_ENDPOINT", &*metadata)];
    is_fine(&replica, &role).await;

    // The host is told with the endpoint; here the bucket is its first folder.
    let address = bucket.address("site", dir.path());
    let address = address.replace(&bucket.endpoint, &format!("{}/bucket", bucket.endpoint));
    let address = format!("{address}&path_style=false");
    is_fine(&address, &[]).await;
}
