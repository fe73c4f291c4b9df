//! Debian's Chromium behind its driver; one of each for each test.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

const CHROMIUM: &str = "/usr/bin/chromium";
const DRIVER: &str = "/usr/bin/chromedriver";

/// How somebody looks at a page.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub width: u32,
    pub javascript: bool,
}

impl Look {
    pub const PHONE: Self = Self { width: 360, javascript: true };
    pub const DESK: Self = Self { width: 1280, javascript: true };

    /// The same without JavaScript.
    pub const fn without_javascript(self) -> Self {
        Self { javascript: false, ..self }
    }

    pub fn is_phone(self) -> bool {
        self.width < 600
    }

    fn name(self) -> String {
        format!("{}{}", self.width, if self.javascript { "" } else { "-plain" })
    }

    fn capabilities(self, profile: &Path) -> Capabilities {
        let mut arguments: Vec<String> = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--lang=en-US",
            // A page that still scrolls is clicked beside the button.
            "--force-prefers-reduced-motion",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        arguments.push(format!("--window-size={},900", self.width.max(500)));
        let setting = if self.javascript { 1 } else { 2 };
        let mut options = json!({
            "binary": CHROMIUM,
            "args": arguments,
            "prefs": {
                "intl.accept_languages": "en-US",
                "profile.managed_default_content_settings.javascript": setting,
            },
        });
        if self.is_phone() {
            // The driver's taps wait for a script; its clicks do not.
            let touch = self.javascript;
            let screen =
                json!({ "width": self.width, "height": 800, "pixelRatio": 2.0, "touch": touch });
            options["mobileEmulation"] = json!({ "deviceMetrics": screen });
        }
        let logs = json!({ "browser": "ALL", "performance": "ALL" });
        Capabilities::from_iter([
            ("goog:chromeOptions".to_owned(), options),
            ("goog:loggingPrefs".to_owned(), logs),
        ])
    }
}

/// A browser window.
pub struct Browser {
    pub page: Client,
    pub look: Look,
    pub base: String,
    journey: &'static str,
    shots: std::cell::Cell<u32>,
    // Dropped in this order: the driver takes its browser along.
    driver: Driver,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens one for a journey through the site at `base`.
    pub async fn open(journey: &'static str, look: Look, base: &str) -> Self {
        for program in [CHROMIUM, DRIVER] {
            let hint = "apt-get install chromium chromium-driver";
            assert!(Path::new(program).exists(), "{program} is missing: {hint}");
        }
        let profile = tempfile::tempdir().expect("a directory");
        let driver = Driver::start(profile.path());
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(look.capabilities(profile.path()))
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .expect("the browser starts");
        let shots = std::cell::Cell::new(0);
        let base = base.to_owned();
        Self { page, look, base, journey, shots, driver, _profile: profile }
    }

    /// Loads no script from now on, as if the site had none.
    async fn block_scripts(&self) {
        for command in [
            DevTools("Network.enable", json!({})),
            DevTools("Network.setBlockedURLs", json!({ "urls": ["*.js"] })),
        ] {
            self.page.issue_cmd(command).await.expect("the browser obeys");
        }
    }

    /// Runs a script before those of every page from now on.
    pub async fn before_pages(&self, script: &str) {
        let script = json!({ "source": script });
        let command = DevTools("Page.addScriptToEvaluateOnNewDocument", script);
        self.page.issue_cmd(command).await.expect("the browser obeys");
    }

    /// What a script gives back.
    pub async fn script(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.expect("the script runs")
    }

    /// Ends it, and looks for complaints of its pages and for requests to others.
    pub async fn close(mut self) {
        crate::watch::assert_quiet(&self).await;
        self.page.clone().close().await.expect("the browser closes");
        self.driver.stop();
    }

    /// Goes to a path of the site, or to a whole address.
    pub async fn go(&self, to: &str) {
        let url = if to.starts_with('/') { format!("{}{to}", self.base) } else { to.to_owned() };
        self.page.goto(&url).await.expect("the page loads");
    }

    /// Where the browser is, without the site's address.
    pub async fn path(&self) -> String {
        let url = self.page.current_url().await.expect("an address");
        url.as_str().trim_start_matches(&self.base).to_owned()
    }

    pub async fn find(&self, selector: &str) -> Element {
        match self.page.find(Locator::Css(selector)).await {
            Ok(element) => element,
            Err(error) => panic!("{selector} on {}: {error}", self.path().await),
        }
    }

    pub async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.expect("text")
    }

    /// Replaces what stands in a field.
    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.expect("cleared");
        field.send_keys(text).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Types a date and time into its field, in the order that the browser's language has.
    pub async fn fill_time(&self, selector: &str, at: &str) {
        let at: jiff::civil::DateTime = at.parse().expect("a time");
        let field = self.find(selector).await;
        let typed = at.strftime("%m%d%Y\u{e004}%I%M%p").to_string();
        field.send_keys(&typed).await.expect("typed");
        let value = field.prop("value").await.expect("a value").unwrap_or_default();
        assert_eq!(value, at.strftime("%Y-%m-%dT%H:%M").to_string(), "{selector}");
    }

    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses what leads to another page, and waits until that is there.
    pub async fn follow(&self, selector: &str) {
        let old = self.find("html").await;
        self.click(selector).await;
        for _ in 0..300 {
            if old.tag_name().await.is_err() && self.page.find(Locator::Css("main")).await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{selector} leads nowhere");
    }

    /// Asks for the `light` or the `dark` colours.
    async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        let command = DevTools("Emulation.setEmulatedMedia", features);
        self.page.issue_cmd(command).await.expect("the browser obeys");
    }

    async fn keep_picture(&self, name: &str) {
        let picture = self.page.screenshot().await.expect("a picture");
        let folder = screenshots();
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("written");
    }

    /// Keeps pictures of the page in both colours, and looks for faults: accessibility, and anything that makes
    /// the page scroll sideways.
    pub async fn inspect(&self, what: &str) {
        let number = self.shots.replace(self.shots.get() + 1);
        let name = format!("{}-{number}-{what}-{}", self.journey, self.look.name());
        self.prefer("dark").await;
        self.keep_picture(&format!("{name}-dark")).await;
        if self.look.javascript {
            crate::axe::check(self, &format!("{what}, dark")).await;
        }
        self.prefer("light").await;
        self.keep_picture(&name).await;
        if self.look.javascript {
            crate::axe::check(self, what).await;
        } else {
            // The check is a script itself: another browser sees the page without the site's own.
            let look = Look { javascript: true, ..self.look };
            let other = Box::pin(Self::open(self.journey, look, &self.base)).await;
            other.block_scripts().await;
            other.go(&self.path().await).await;
            assert_eq!(other.text("h1").await, self.text("h1").await);
            crate::axe::check(&other, what).await;
            other.close().await;
        }
    }
}

fn screenshots() -> PathBuf {
    // Beside the other results: `target/screenshots`.
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots")
}

/// A command of the browser's developer tools, with its parameters.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (reqwest::Method, Option<String>) {
        (reqwest::Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

/// The driver's process.
struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    fn start(home: &Path) -> Self {
        let mut child = Command::new(DRIVER)
            .args(["--port=0", "--log-level=SEVERE"])
            .env("HOME", home)
            .env("LANG", "C.UTF-8")
            // A group of its own, so that the browser can be ended with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok()
            })
            .expect("the driver tells its port");
        // Whatever else it says must not block it.
        std::thread::spawn(move || lines.count());
        Self { child, port }
    }

    fn stop(&mut self) {
        // Gone already is as good.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stop();
    }
}
