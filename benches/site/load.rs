//! A closed loop of keep-alive connections: each sends its next request when it has its answer.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Connections at once.
pub const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(6);

/// Processes whose CPU time can be read.
pub trait Measured {
    fn pids(&self) -> Vec<u32>;
}

/// What was measured.
#[derive(Clone, Copy)]
pub struct Figures {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// User and system time of the server for each request.
    pub cpu_micros: f64,
}

/// Which requests: connections take turns among them.
pub struct Load {
    requests: Vec<(String, Vec<u8>)>,
    expected: &'static str,
}

impl Load {
    /// Reads one path.
    pub fn get(address: &str, path: &str) -> Self {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: Mozilla/5.0\r\n\r\n");
        Self { requests: vec![(address.to_owned(), request.into_bytes())], expected: "200" }
    }

    /// Answers one event.
    pub fn answers(address: &str, event: &str) -> Self {
        let body = r#"{"name":"Ana Lindqvist","attendance_status":"yes","guest_count":1}"#;
        let request = format!(
            "POST /api/v1/events/{event}/rsvps HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { requests: vec![(address.to_owned(), request.into_bytes())], expected: "201" }
    }

    /// All of these in turn; they expect the same status.
    pub fn all(loads: impl IntoIterator<Item = Self>) -> Self {
        let mut loads = loads.into_iter();
        let mut all = loads.next().unwrap();
        all.requests.extend(loads.flat_map(|load| load.requests));
        all
    }

    /// Warms up, then measures.
    pub async fn run(&self, server: &(impl Measured + ?Sized)) -> Figures {
        self.storm(WARM_UP).await;
        let before = cpu_time(server);
        let started = Instant::now();
        let mut times = self.storm(MEASURED).await;
        let elapsed = started.elapsed();
        let cpu = cpu_time(server) - before;
        times.sort_unstable();
        let requests = times.len() as f64;
        Figures {
            per_second: requests / elapsed.as_secs_f64(),
            p50: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
            cpu_micros: cpu.as_secs_f64() * 1e6 / requests,
        }
    }

    async fn storm(&self, length: Duration) -> Vec<Duration> {
        let until = Instant::now() + length;
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..CONNECTIONS {
            let (address, request) = self.requests[number % self.requests.len()].clone();
            let expected = self.expected;
            tasks.spawn(async move {
                let mut connection = TcpStream::connect(address).await.unwrap();
                connection.set_nodelay(true).unwrap();
                let (mut times, mut buffer) = (Vec::new(), Vec::new());
                while Instant::now() < until {
                    let sent = Instant::now();
                    connection.write_all(&request).await.unwrap();
                    let status = read_answer(&mut connection, &mut buffer).await;
                    assert_eq!(status, expected, "{}", String::from_utf8_lossy(&buffer));
                    times.push(sent.elapsed());
                }
                times
            });
        }
        let mut all = Vec::new();
        while let Some(times) = tasks.join_next().await {
            all.extend(times.unwrap());
        }
        all
    }
}

/// Reads one answer with a content length into `buffer`; gives back its status.
async fn read_answer(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> String {
    buffer.clear();
    let mut end = None;
    loop {
        if let Some(end) = end
            && buffer.len() >= end
        {
            return String::from_utf8_lossy(&buffer[9..12]).into_owned();
        }
        assert!(connection.read_buf(buffer).await.unwrap() > 0, "the server closed the connection");
        if end.is_none() {
            end = head_length(buffer).map(|head| head + content_length(&buffer[..head]));
        }
    }
}

fn head_length(buffer: &[u8]) -> Option<usize> {
    buffer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let after = head.split("content-length:").nth(1).expect("a content length");
    after.lines().next().unwrap_or_default().trim().parse().unwrap()
}

/// The status at a path.
pub async fn status_of(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(&Load::get(address, path).requests[0].1).await.unwrap();
    read_answer(&mut connection, &mut Vec::new()).await
}

/// The body at a path.
pub async fn body_of(address: &str, path: &str) -> Vec<u8> {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(&Load::get(address, path).requests[0].1).await.unwrap();
    let mut buffer = Vec::new();
    assert_eq!(read_answer(&mut connection, &mut buffer).await, "200");
    buffer.split_off(head_length(&buffer).unwrap())
}

/// Makes an event to answer.
pub async fn make_event(address: &str) -> String {
    let body = r#"{"title":"Dinner","start_time":"2030-01-01T18:00"}"#;
    let request = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = Vec::new();
    assert_eq!(read_answer(&mut connection, &mut buffer).await, "201");
    let made: serde_json::Value =
        serde_json::from_slice(&buffer[head_length(&buffer).unwrap()..]).unwrap();
    made["event"]["id"].as_str().unwrap().to_owned()
}

fn cpu_time(of: &(impl Measured + ?Sized)) -> Duration {
    of.pids().into_iter().map(cpu_time_of).sum()
}

/// User and system time of a process (proc(5), `stat`, fields 14 and 15), in clock ticks of 10 ms.
fn cpu_time_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
