//! The real binary, asked over HTTPS and on the command line: numbers, where calls would go, and what users say of it.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
const PATIENCE: Duration = Duration::from_secs(15);

/// A daemon in a directory of its own, in Belgium.
struct Site {
    root: PathBuf,
    daemon: Option<Child>,
}

impl Site {
    fn prepare() -> Self {
        let root = std::env::temp_dir().join(format!("bl-reach-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let media = free_ports();
        let (trunk, first, last, at) = (media + 2, media + 10, media + 49, root.display());
        let text = format!(
            "[office]\nid = \"BRU\"\ncountry-code = \"32\"\n\
             [paths]\nstate-dir = \"{at}/state\"\nruntime-dir = \"{at}/run\"\n\
             [[sip.listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:0\"\nnetworks = [\"127.0.0.0/8\"]\n\
             [https]\naddress = \"127.0.0.1:0\"\n[metrics]\naddress = \"127.0.0.1:0\"\n[calls]\nmax = 10\n\
             [media]\nwebrtc-port = {media}\ntrunk-port = {trunk}\nphone-ports = \"{first}-{last}\"\n"
        );
        fs::write(root.join("branchline.toml"), text).unwrap();
        Self { root, daemon: None }
    }

    fn start(&mut self) {
        let log = fs::File::create(self.root.join("log")).unwrap();
        self.daemon = Some(self.command(&["run"]).stderr(log).spawn().unwrap());
        let began = Instant::now();
        while !self.ask(&["status"]).status.success() {
            let log = fs::read_to_string(self.root.join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "it never answered: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(words).arg("--config").arg(self.root.join("branchline.toml"));
        command.env_remove("NOTIFY_SOCKET").env_remove("LISTEN_FDS");
        command
    }

    fn ask(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.ask(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A request of REST; the status and the body.
    fn rest(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
        let head = format!(
            "{method} /api/v1/voip{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = self.https();
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(status >= 400, head.contains("application/problem+json"), "{head}");
        (status, serde_json::from_str(body).unwrap())
    }

    fn https(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let status = self.json(&["status", "--json"]);
        let mut lines = status["listeners"].as_array().unwrap().iter().filter_map(Value::as_str);
        let address: SocketAddr =
            lines.find_map(|line| line.strip_prefix("https")?.trim().parse().ok()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.root.join("state/pki/ca.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// The first of a block of ports for media, below those that the system gives out.
fn free_ports() -> u16 {
    let start = u16::try_from(std::process::id() % 100).unwrap();
    let candidates = (0..100).map(|step| 20_000 + (start + step) % 100 * 100);
    let is_free =
        |base: &u16| [0, 2, 10, 48].iter().all(|more| UdpSocket::bind(("0.0.0.0", base + more)).is_ok());
    candidates.into_iter().find(is_free).unwrap()
}

#[test]
fn numbers_and_ways_are_told_over_https_and_on_the_command_line() {
    let mut site = Site::prepare();
    let accounts = site.json(&["extension", "add", "1001", "1003", "--json"]);
    let token = accounts[0]["token"].as_str().unwrap().to_owned();
    site.start();

    let (status, parsed) = site.rest("GET", "/extensions/parse?number=32-1001", &token, "");
    assert_eq!((status, &parsed["number"], &parsed["exists"]), (200, &json!("32-1001"), &json!(true)));
    assert_eq!(site.json(&["extension", "parse", "32-1001", "--json"]), parsed);
    let (_, countries) = site.rest("GET", "/extensions/countries", &token, "");
    let belgium = json!({"code": "32", "name": "Belgium", "extensions": 2});
    assert!(countries["items"].as_array().unwrap().contains(&belgium), "{countries}");

    let (status, found) = site.rest("GET", "/extensions/32-1001/resolve", &token, "");
    assert_eq!((status, &found["outcome"]), (200, &json!("not-registered")), "{found}");
    assert_eq!(found["user"]["place"], "here");
    assert_eq!(site.json(&["resolve", "32-1001", "--json"]), found);
    let shown = String::from_utf8(site.ask(&["resolve", "1001"]).stdout).unwrap();
    assert!(shown.contains("not-registered: No phone of this extension is connected."), "{shown}");
    assert_eq!(site.ask(&["resolve", "!!"]).status.code(), Some(65));
    let (status, missing) = site.rest("GET", "/extensions/1999/resolve", &token, "");
    assert_eq!((status, &missing["reason"]), (404, &json!("no-such-extension")));

    let (status, says) = site.rest("PUT", "/presence", &token, r#"{"presence": "do_not_disturb"}"#);
    assert_eq!((status, &says["presence"]), (200, &json!("do_not_disturb")));
    assert_eq!(site.rest("GET", "/extensions/1001/resolve", &token, "").1["outcome"], "do-not-disturb");
    // The store writes within milliseconds; what it has acknowledged to nobody may take that long.
    std::thread::sleep(Duration::from_millis(300));
    site.kill();
    site.start();
    assert_eq!(site.rest("GET", "/presence", &token, "").1, says, "it survived kill -9");
}
