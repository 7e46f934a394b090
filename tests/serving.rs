//! The real binary and real sockets: what a phone sees of a start, a reload, a stop and a bad day.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
const PATIENCE: Duration = Duration::from_secs(10);

/// A daemon in a directory of its own.
struct Site {
    root: PathBuf,
    daemon: Child,
}

impl Site {
    fn prepare(name: &str, more: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("bl-serving-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let media = free_ports(100);
        let (trunk, first, last, at) = (media + 2, media + 10, media + 49, root.display());
        let text = format!(
            "[office]\nid = \"BRU\"\n[paths]\nstate-dir = \"{at}/state\"\nruntime-dir = \"{at}/run\"\n\
             [[sip.listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:0\"\nnetworks = [\"127.0.0.0/8\"]\n\
             [[sip.listen]]\ntransport = \"tls\"\naddress = \"127.0.0.1:0\"\n\
             [https]\naddress = \"127.0.0.1:0\"\n[metrics]\naddress = \"127.0.0.1:0\"\n[calls]\nmax = 10\n\
             [media]\nwebrtc-port = {media}\ntrunk-port = {trunk}\nphone-ports = \"{first}-{last}\"\n{more}"
        );
        fs::write(root.join("branchline.toml"), text).unwrap();
        root
    }

    fn start(name: &str) -> Self {
        let root = Self::prepare(name, "");
        let log = fs::File::create(root.join("log")).unwrap();
        let daemon = command(&root, &["run"]).stderr(log).spawn().unwrap();
        let site = Self { root, daemon };
        let began = Instant::now();
        while !site.ask(&["status"]).status.success() {
            assert!(began.elapsed() < PATIENCE, "it never answered: {}", site.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        site
    }

    fn ask(&self, words: &[&str]) -> Output {
        command(&self.root, words).output().unwrap()
    }

    fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&self.ask(&["status", "--json"]).stdout).unwrap()
    }

    /// Where the listener called `name` is bound.
    fn address(&self, name: &str) -> SocketAddr {
        let status = self.status();
        let mut lines = status["listeners"].as_array().unwrap().iter().filter_map(|line| line.as_str());
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.root.join("log")).unwrap_or_default()
    }

    fn signal(&self, name: &str) {
        let pid = self.daemon.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn phone(&self) -> UdpSocket {
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.set_read_timeout(Some(PATIENCE)).unwrap();
        phone.connect(self.address("udp")).unwrap();
        phone
    }

    fn tls_phone(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.root.join("state/pki/ca.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let socket = TcpStream::connect(self.address("tls")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// The first of `count` ports for media, below those that the system gives out.
fn free_ports(count: u16) -> u16 {
    let blocks = 12_000 / count;
    let start = u16::try_from(std::process::id() % u32::from(blocks)).unwrap();
    let candidates = (0..blocks).map(|step| 20_000 + (start + step) % blocks * count);
    let is_free =
        |base: &u16| [0, 2, 10, 48].iter().all(|more| UdpSocket::bind(("0.0.0.0", base + more)).is_ok());
    candidates.into_iter().find(is_free).expect("free ports")
}

fn command(root: &std::path::Path, words: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(words).arg("--config").arg(root.join("branchline.toml"));
    command.env_remove("NOTIFY_SOCKET").env_remove("LISTEN_FDS");
    command
}

fn request(method: &str, transport: &str, number: u32) -> String {
    format!(
        "{method} sip:branchline SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1;branch=z9hG4bK{method}{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1001@branchline>;tag=1\r\nTo: <sip:1001@branchline>\r\n\
         Call-ID: {method}-{number}\r\nCSeq: {number} {method}\r\nContact: <sip:1001@127.0.0.1>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn receive(phone: &UdpSocket) -> String {
    let mut buffer = [0; 4096];
    let count = phone.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

fn ask_by_tls(phone: &mut StreamOwned<ClientConnection, TcpStream>, number: u32) -> String {
    phone.write_all(request("OPTIONS", "TLS", number).as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        phone.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn options_is_answered_and_a_stranger_is_challenged() {
    let site = Site::start("options");
    let phone = site.phone();
    phone.send(request("OPTIONS", "UDP", 1).as_bytes()).unwrap();
    assert!(receive(&phone).starts_with("SIP/2.0 200 "));
    phone.send(request("REGISTER", "UDP", 1).as_bytes()).unwrap();
    let challenge = receive(&phone);
    assert!(challenge.starts_with("SIP/2.0 401 "), "{challenge}");
    for algorithm in ["SHA-256", "MD5"] {
        assert!(challenge.contains(&format!("algorithm={algorithm}")), "{challenge}");
    }
    phone.send(request("REGISTER", "UDP", 1).as_bytes()).unwrap();
    assert_eq!(receive(&phone), challenge, "a repeat gets the same answer");
    assert!(ask_by_tls(&mut site.tls_phone(), 7).starts_with("SIP/2.0 200 "));
}

#[test]
fn a_reload_drops_no_connection_and_the_next_handshake_sees_the_new_certificate() {
    let site = Site::start("reload");
    let serial = |phone: &StreamOwned<ClientConnection, TcpStream>| {
        phone.conn.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec()).unwrap()
    };
    let mut before = site.tls_phone();
    assert!(ask_by_tls(&mut before, 1).starts_with("SIP/2.0 200 "));
    fs::remove_file(site.root.join("state/pki/issued/server.key")).unwrap();
    let reload = site.ask(&["reload"]);
    assert!(reload.status.success(), "{reload:?}");
    assert!(ask_by_tls(&mut before, 2).starts_with("SIP/2.0 200 "), "the old connection lives");
    let mut after = site.tls_phone();
    assert!(ask_by_tls(&mut after, 3).starts_with("SIP/2.0 200 "));
    assert_ne!(serial(&before), serial(&after));
    assert_eq!(site.status()["state"], "ready");
}

#[test]
fn a_stop_says_goodbye_and_ends_with_zero() {
    let mut site = Site::start("stop");
    let mut phone = site.tls_phone();
    assert!(ask_by_tls(&mut phone, 1).starts_with("SIP/2.0 200 "));
    let began = Instant::now();
    site.signal("-TERM");
    let mut rest = Vec::new();
    phone.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "TLS is closed properly");
    assert!(site.daemon.wait().unwrap().success(), "{}", site.log());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}: nothing to drain", began.elapsed());
    assert!(!site.root.join("run/control.sock").exists());
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let more = format!(
        "[[sip.listen]]\ntransport = \"tcp\"\naddress = \"{address}\"\nnetworks = [\"127.0.0.0/8\"]\n"
    );
    let root = Site::prepare("taken", &more);
    let output = command(&root, &["run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&address.to_string()) && said.contains("another process has the port"), "{said}");
    assert!(said.contains("[[sip.listen]]"), "{said}");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn health_and_metrics_are_served() {
    let site = Site::start("metrics");
    site.phone().send(request("OPTIONS", "UDP", 1).as_bytes()).unwrap();
    let get = |path: &str| {
        let mut socket = TcpStream::connect(site.address("metrics")).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(get("/health").contains("\"status\":\"ok\""));
    let metrics = get("/metrics");
    assert!(
        metrics.contains("branchline_sip_requests_total{office=\"BRU\",method=\"OPTIONS\",result=\"200\"} 1")
    );
    assert!(metrics.contains("branchline_https_connections"), "{metrics}");
}
