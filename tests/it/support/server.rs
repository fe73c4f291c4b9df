//! The program as a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server process with a data directory of its own.
pub struct TestServer {
    child: Child,
    pub base: String,
}

/// The binary with arguments, away from the configuration files and variables of this machine.
pub fn openrsvp(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrsvp"));
    command.env_clear().current_dir(data_dir).arg("--data-dir").arg(data_dir);
    command
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl TestServer {
    /// Starts a server on SQLite in `data_dir`, or on PostgreSQL at `url`.
    pub async fn start(data_dir: &Path, url: Option<&str>) -> Self {
        Self::start_with(data_dir, url, &[]).await
    }

    /// The same, with more variables.
    pub async fn start_with(
        data_dir: &Path,
        url: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Self {
        let address = url.map(|url| ("OPENRSVP_DATABASE__URL", url));
        let mut all = Vec::from_iter(address);
        all.extend(variables);
        let mut server = Self::spawn(data_dir, free_port(), &all);
        server.wait_until_ready(data_dir).await;
        server
    }

    /// Starts a server with these variables.
    pub async fn single(data_dir: &Path, variables: &[(&str, &str)]) -> Self {
        let mut server = Self::spawn(data_dir, free_port(), variables);
        server.wait_until_ready(data_dir).await;
        server
    }

    /// Starts one of several processes on PostgreSQL.
    pub async fn cluster(data_dir: &Path, url: &str, variables: &[(&str, &str)]) -> Self {
        let mut server = Self::spawn_cluster(data_dir, url, variables);
        server.wait_until_ready(data_dir).await;
        server
    }

    /// The same, without waiting for it.
    pub fn spawn_cluster(data_dir: &Path, url: &str, variables: &[(&str, &str)]) -> Self {
        Self::spawn_cluster_at(data_dir, free_port(), url, variables)
    }

    /// The same, at a port.
    pub fn spawn_cluster_at(
        data_dir: &Path,
        port: u16,
        url: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let own = [
            ("OPENRSVP_PROFILE", "cluster"),
            ("OPENRSVP_DATABASE__URL", url),
            ("OPENRSVP_SERVER__SHUTDOWN_PAUSE_SECONDS", "1"),
        ];
        Self::spawn(data_dir, port, &[&own, variables].concat())
    }

    fn spawn(data_dir: &Path, port: u16, variables: &[(&str, &str)]) -> Self {
        let mut command = openrsvp(data_dir);
        command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
        command.env("OPENRSVP_INSTANCE__ADMIN_TOKEN", super::INSTANCE_TOKEN);
        // All clients of a test have one address.
        command.env("OPENRSVP_RATE_LIMIT__ENABLED", "false");
        // Jobs begin some time after the start: whoever needs them asks for them.
        command.env("OPENRSVP_SCHEDULER__ENABLED", "false");
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file(data_dir));
        let child = command.spawn().expect("the program starts");
        Self { child, base: format!("http://127.0.0.1:{port}") }
    }

    /// Sends a signal: `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().expect("kill runs");
        assert!(sent.success(), "{name}");
    }

    /// Waits until it ends by itself, and gives back its exit code.
    #[expect(clippy::disallowed_methods, reason = "how long this machine takes")]
    pub async fn ended(&mut self) -> Option<i32> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("the process can be asked") {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it does not end");
    }

    /// The status and text of a page.
    pub async fn get(&self, path: &str) -> super::Answer {
        let url = format!("{}{path}", self.base);
        super::Answer::of(super::client().get(url).send().await.expect("an answer")).await
    }

    /// Waits until a page answers with this status.
    #[expect(clippy::disallowed_methods, reason = "how long this machine takes")]
    pub async fn wait_for(&self, path: &str, status: u16) {
        let started = Instant::now();
        let mut last = String::new();
        while started.elapsed() < PATIENCE {
            let url = format!("{}{path}", self.base);
            match super::client().get(url).send().await {
                Ok(answer) if answer.status().as_u16() == status => return,
                Ok(answer) => last = answer.status().to_string(),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} never answered {status}, but {last}");
    }

    #[expect(clippy::disallowed_methods, reason = "how long this machine takes")]
    pub async fn wait_until_ready(&mut self, data_dir: &Path) {
        let client = super::client();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let answer = client.get(format!("{}/readyz", self.base)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let ended = self.child.try_wait().expect("the process can be asked");
            assert!(ended.is_none(), "ended: {}", read_log(data_dir));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not ready in time: {}", read_log(data_dir));
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_path(data_dir: &Path) -> PathBuf {
    data_dir.join("test.log")
}

fn log_file(data_dir: &Path) -> Stdio {
    let file = std::fs::File::options().create(true).append(true).open(log_path(data_dir));
    file.expect("a log file").into()
}

pub fn read_log(data_dir: &Path) -> String {
    std::fs::read_to_string(log_path(data_dir)).unwrap_or_default()
}
