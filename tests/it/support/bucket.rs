//! A bucket behind the S3 protocol, on this machine, that can fail as the real ones do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const KEY: &str = "the-key";
pub const SECRET: &str = "the-secret";

/// A bucket with the name `bucket`, whose objects are the files in a directory.
pub struct Bucket {
    pub dir: tempfile::TempDir,
    pub endpoint: String,
    pub weather: Arc<Weather>,
    serving: JoinHandle<()>,
}

/// What happens to requests.
#[derive(Debug, Default)]
pub struct Weather {
    /// Nobody gets through.
    pub is_down: AtomicBool,
    /// Of so many requests that change something one is refused, and one is done without an
    /// answer; none where it is 0.
    pub trouble: AtomicU64,
    /// From this request on, counted from 1, nobody gets through, but that one is done; never where
    /// it is 0.
    pub breaks_at: AtomicU64,
    /// Where objects lie, if one that is there is no hindrance: as where create-only is not known.
    pub forgets: OnceLock<PathBuf>,
    /// How many requests came.
    pub requests: AtomicU64,
    /// How many of them wrote an object.
    pub puts: AtomicU64,
}

impl Bucket {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("bucket")).expect("a bucket");
        let files = s3s_fs::FileSystem::new(dir.path()).expect("a store");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let weather = Arc::new(Weather::default());
        let above = weather.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (service, weather) = (service.clone(), above.clone());
                tokio::spawn(async move {
                    let answer = service_fn(move |request| {
                        let (service, weather) = (service.clone(), weather.clone());
                        async move { weather.pass(&service, request).await }
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    // A connection that breaks has ended.
                    let _ = http.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { dir, endpoint, weather, serving }
    }

    /// Where the objects of a prefix lie.
    pub fn folder(&self, prefix: &str) -> PathBuf {
        self.dir.path().join("bucket").join(prefix)
    }

    /// The address of a replica in it, complete with a file of keys in `dir`.
    pub fn address(&self, prefix: &str, dir: &Path) -> String {
        let keys = dir.join("keys");
        let text =
            format!("[default]\naws_access_key_id = {KEY}\naws_secret_access_key={SECRET}\n");
        std::fs::write(&keys, text).expect("written");
        let keys = keys.display();
        format!("s3://bucket/{prefix}?endpoint={}&region=us-east-1&keys_file={keys}", self.endpoint)
    }

    /// Tells a program how to reach it by the usual variables.
    pub fn tell(&self, command: &mut Command, secret: &str) {
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", secret);
        command.env("AWS_REGION", "us-east-1").env("AWS_ENDPOINT_URL", &self.endpoint);
    }
}

impl Weather {
    async fn pass(
        &self,
        service: &S3Service,
        request: Request<Incoming>,
    ) -> Result<hyper::Response<s3s::Body>, String> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let is_change = request.method() != Method::GET && request.method() != Method::HEAD;
        self.puts.fetch_add(u64::from(request.method() == Method::PUT), Ordering::Relaxed);
        let gone = || "the connection broke".to_owned();
        let breaks_at = self.breaks_at.load(Ordering::Relaxed);
        let breaks_now = breaks_at == number + 1;
        let is_broken = breaks_at > 0 && number >= breaks_at;
        if is_broken || self.is_down.load(Ordering::Relaxed) {
            return Err(gone());
        }
        let trouble = self.trouble.load(Ordering::Relaxed);
        let turn = number.checked_rem(trouble).filter(|_| is_change);
        if turn == Some(0) {
            let refused = hyper::Response::builder().status(503).body(s3s::Body::empty());
            return Ok(refused.expect("an answer"));
        }
        if let Some(dir) = self.forgets.get().filter(|_| request.method() == Method::PUT) {
            // Often there is none.
            let _ = std::fs::remove_file(dir.join(request.uri().path().trim_start_matches('/')));
        }
        let answer = service
            .call(request.map(s3s::Body::from))
            .await
            .map_err(|error| format!("{error:?}"))?;
        if turn == Some(1) || breaks_now {
            return Err(gone());
        }
        Ok(answer)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
