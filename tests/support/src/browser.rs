//! A real Chromium, page by page: what a user clicks, what the page shows, what it hears.
//!
//! `tests/peers/browser.mjs` (playwright-core) steers it. The microphone is a WAV file with a tone, played for
//! ever; what comes out of the newest remote track is recorded by an AudioWorklet and measured here.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::process::{Scratch, dying_with_us};
use crate::tone::{self, Measured, Oscillator};
use crate::wav::Wav;
use crate::{Failure, Outcome, require_program};

/// The rate of recordings; the tones of the tests are far below half of it.
const RATE: u32 = 16_000;
/// The rate of the microphone.
const MICROPHONE: u32 = 48_000;
const SOON: Duration = Duration::from_secs(10);
/// How long Chromium may take to close.
const FAREWELL: Duration = Duration::from_secs(3);
const LAUNCH: Duration = Duration::from_secs(60);

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A running Chromium; dropped, it ends with all its processes.
pub struct Browser {
    child: std::process::Child,
    channel: Channel,
    scratch: Scratch,
    libraries: PathBuf,
}

#[derive(Clone)]
struct Channel {
    input: Arc<Mutex<ChildStdin>>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
}

/// How a browser is set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The tone of its microphone in Hz; a multiple of 10, so that the file joins its own start.
    pub tone: u32,
    /// Keys of servers that are trusted in spite of their certificates ([`crate::certs::Identity::spki`]).
    pub spki: Vec<String>,
}

/// What a page is opened with.
#[derive(Debug, Clone)]
pub struct PageSetup {
    /// Whether the user allows the microphone.
    pub microphone: bool,
    /// Width and height of the window.
    pub viewport: (u32, u32),
}

impl Default for PageSetup {
    fn default() -> Self {
        Self { microphone: true, viewport: (1280, 800) }
    }
}

impl Browser {
    /// Launches one.
    pub async fn start(setup: Setup) -> Outcome<Self> {
        let (node, chromium) = (require_program("node", "browser")?, require_program("chromium", "browser")?);
        let libraries = libraries()?;
        let scratch = Scratch::new("browser")?;
        let wav = scratch.join("microphone.wav");
        let samples =
            Oscillator::new(f64::from(setup.tone), -10.0, MICROPHONE).block(MICROPHONE as usize * 10);
        Wav { rate: MICROPHONE, samples }.write(&wav, 1)?;
        let words = json!({ "libraries": libraries, "chromium": chromium, "wav": wav, "spki": setup.spki });
        let mut command = dying_with_us(&node);
        command.arg(peer_file("browser.mjs")).arg(words.to_string());
        // Profiles lie in the scratch directory, and go with it.
        command
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new("no pipes to node"));
        };
        let waiting = Waiting::default();
        let (ready, started) = oneshot::channel();
        locked(&waiting).insert(0, ready);
        let answers = Arc::clone(&waiting);
        std::thread::spawn(move || read_answers(BufReader::new(output), &answers));
        let channel =
            Channel { input: Arc::new(Mutex::new(input)), waiting, next: Arc::new(AtomicU64::new(1)) };
        let browser = Self { child, channel, scratch, libraries };
        match timeout(LAUNCH, started).await {
            Ok(Ok(_)) => Ok(browser),
            _ => Err(Failure::new("Chromium did not start; see standard error")),
        }
    }

    /// Opens a page in a context of its own (storage, cookies, permissions).
    pub async fn open(&self, url: &str) -> Outcome<Page> {
        self.open_with(url, PageSetup::default()).await
    }

    /// The same, as told.
    pub async fn open_with(&self, url: &str, setup: PageSetup) -> Outcome<Page> {
        self.open_served(url, &setup, json!({})).await
    }

    /// Opens a file of `tests/peers`, at an address that exists in this browser only.
    pub async fn open_file(&self, name: &str) -> Outcome<Page> {
        let url = format!("https://page.test/{name}");
        self.open_served(&url, &PageSetup::default(), json!({ &url: name })).await
    }

    /// Opens an address some of whose URLs are answered by files of `tests/peers`.
    pub(crate) async fn open_served(&self, url: &str, setup: &PageSetup, serve: Value) -> Outcome<Page> {
        let (width, height) = setup.viewport;
        let viewport = json!({ "width": width, "height": height });
        let words =
            json!({ "url": url, "microphone": setup.microphone, "viewport": viewport, "serve": serve });
        let id = self.channel.ask("open", words, SOON * 3).await?;
        let id = id.as_u64().ok_or_else(|| Failure::new("the page has no number"))?;
        Ok(Page { channel: self.channel.clone(), id })
    }

    /// Where the libraries from npm are.
    pub(crate) fn libraries(&self) -> &Path {
        &self.libraries
    }

    /// A directory for screenshots, removed with the browser.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = writeln!(locked(&self.channel.input), "{}", json!({ "id": 0, "do": "quit" }));
        let end = Instant::now() + FAREWELL;
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Chromium ends when node is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn peer_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers").join(name)
}

/// Where `scripts/prerequisites browser` put playwright-core and JsSIP.
fn libraries() -> Outcome<PathBuf> {
    let cache = match (std::env::var_os("BRANCHLINE_CACHE"), std::env::var_os("XDG_CACHE_HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, _) if Path::new("/var/cache/branchline/browser/complete").exists() => {
            "/var/cache/branchline".into()
        }
        (None, Some(cache)) => PathBuf::from(cache).join("branchline"),
        (None, None) => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/branchline"),
    };
    let libraries = cache.join("browser");
    if libraries.join("complete").exists() {
        return Ok(libraries);
    }
    Err(Failure::new(format!("{} is not there; run `scripts/prerequisites browser`", libraries.display())))
}

fn read_answers(output: impl BufRead, waiting: &Waiting) {
    for line in output.lines() {
        let Ok(line) = line else { break };
        let Ok(answer) = serde_json::from_str::<Value>(&line) else { continue };
        let asked = answer["id"].as_u64().and_then(|id| locked(waiting).remove(&id));
        if let Some(asked) = asked {
            let _ = asked.send(answer);
        }
    }
    // Whoever still waits is told by the closed channel.
    locked(waiting).clear();
}

impl Channel {
    async fn ask(&self, verb: &str, mut words: Value, within: Duration) -> Outcome<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        words["id"] = id.into();
        words["do"] = verb.into();
        let (sender, answer) = oneshot::channel();
        locked(&self.waiting).insert(id, sender);
        writeln!(locked(&self.input), "{words}")?;
        match timeout(within, answer).await {
            Ok(Ok(answer)) => match answer["error"].as_str() {
                Some(error) => Err(Failure::new(format!("browser: {verb}: {error}"))),
                None => Ok(answer["value"].clone()),
            },
            Ok(Err(_)) => Err(Failure::new(format!("the browser ended during {verb}"))),
            Err(_) => Err(Failure::new(format!("browser: no answer to {verb} within {within:?}"))),
        }
    }
}

/// A page of a browser.
pub struct Page {
    channel: Channel,
    id: u64,
}

impl Page {
    async fn ask(&self, verb: &str, mut words: Value, within: Duration) -> Outcome<Value> {
        words["page"] = self.id.into();
        words["timeout"] = (within.as_millis() as u64).into();
        match self.channel.ask(verb, words, within + SOON).await {
            Ok(value) => Ok(value),
            Err(failure) => {
                let logs =
                    self.channel.ask("logs", json!({ "page": self.id }), SOON).await.unwrap_or_default();
                Err(Failure::new(format!("{failure}\npage: {logs:#}")))
            }
        }
    }

    /// Runs JavaScript in the page; returns the value of the expression, awaited if it is a promise.
    pub async fn evaluate(&self, code: &str) -> Outcome<Value> {
        self.ask("evaluate", json!({ "code": code }), SOON).await
    }

    /// Waits until a JavaScript expression is true; returns its value.
    pub async fn wait(&self, code: &str, within: Duration) -> Outcome<Value> {
        self.ask("wait", json!({ "code": code }), within).await
    }

    /// Waits until an element can be seen.
    pub async fn appear(&self, selector: &str, within: Duration) -> Outcome {
        self.ask("appear", json!({ "selector": selector }), within).await.map(drop)
    }

    /// Clicks an element, once it can be clicked.
    pub async fn click(&self, selector: &str) -> Outcome {
        self.ask("click", json!({ "selector": selector }), SOON).await.map(drop)
    }

    /// Types into a field.
    pub async fn fill(&self, selector: &str, text: &str) -> Outcome {
        self.ask("fill", json!({ "selector": selector, "text": text }), SOON).await.map(drop)
    }

    /// Presses a key, such as `Enter` or `Tab`.
    pub async fn press(&self, key: &str) -> Outcome {
        self.ask("press", json!({ "key": key }), SOON).await.map(drop)
    }

    /// The text of an element.
    pub async fn text(&self, selector: &str) -> Outcome<String> {
        let text = self.ask("text", json!({ "selector": selector }), SOON).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Saves a picture (PNG) of the window.
    pub async fn screenshot(&self, file: &Path) -> Outcome {
        self.ask("screenshot", json!({ "path": file }), SOON).await.map(drop)
    }

    /// Loads the page again.
    pub async fn reload(&self) -> Outcome {
        self.ask("reload", json!({}), SOON).await.map(drop)
    }

    /// Takes the page's network away, or gives it back. WebRTC media goes on.
    pub async fn set_offline(&self, offline: bool) -> Outcome {
        self.ask("offline", json!({ "offline": offline }), SOON).await.map(drop)
    }

    /// The states and statistics of every RTCPeerConnection that the page made.
    pub async fn stats(&self) -> Outcome<Value> {
        self.ask("stats", json!({}), SOON).await
    }

    /// What the page wrote to its console since the last time, and what went wrong in it.
    pub async fn logs(&self) -> Outcome<Vec<String>> {
        let logs = self.ask("logs", json!({}), SOON).await?;
        Ok(logs
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|line| line.as_str().map(str::to_owned))
            .collect())
    }

    /// Listens to the newest remote track for this long, and measures what it plays.
    pub async fn hear(&self, time: Duration) -> Outcome<Measured> {
        let words = json!({ "milliseconds": time.as_millis() as u64, "rate": RATE });
        let sound = self.ask("record", words, time + SOON).await?;
        let bytes = decode_base64(sound.as_str().unwrap_or_default());
        let samples: Vec<i16> =
            bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        Ok(tone::measure(&samples, RATE))
    }

    /// Closes the page, as a user closes a tab.
    pub async fn close(self) -> Outcome {
        self.ask("close", json!({}), SOON).await.map(drop)
    }
}

/// Demands this tone, clearly, without a gap longer than `gap`.
pub fn expect_tone(measured: &Measured, hz: f64, gap: Duration) -> Outcome {
    if tone::is_tone(measured, hz) && measured.longest_gap <= gap {
        return Ok(());
    }
    Err(Failure::new(format!("expected {hz} Hz with gaps up to {gap:?}, the browser heard {measured:?}")))
}

fn decode_base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for six in text.bytes().filter_map(value) {
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_with_and_without_padding() {
        for (text, bytes) in [("Zm9vYmFy", "foobar"), ("Zm9vYg==", "foob"), ("Zm9v", "foo"), ("", "")] {
            assert_eq!(decode_base64(text), bytes.as_bytes());
        }
    }
}
