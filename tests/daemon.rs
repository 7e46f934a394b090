//! The real binary under a stand-in for systemd: what it says and does in its life.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");

/// A daemon in a directory of its own, with a notify socket that we read.
struct Box {
    root: PathBuf,
    notify: UnixDatagram,
    daemon: Child,
}

impl Box {
    /// Starts one; `name` keeps directories apart.
    fn start(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("bl-daemon-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let notify = UnixDatagram::bind(root.join("notify")).unwrap();
        notify.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        configure(&root, "");
        let daemon = Self::spawn(&root);
        Self { root, notify, daemon }
    }

    fn spawn(root: &Path) -> Child {
        Command::new(BINARY)
            .args(["run", "--config"])
            .arg(root.join("branchline.toml"))
            .env("NOTIFY_SOCKET", root.join("notify"))
            .env("WATCHDOG_USEC", "4000000")
            .env_remove("WATCHDOG_PID")
            .stderr(fs::File::create(root.join("log")).unwrap())
            .spawn()
            .unwrap()
    }

    /// Reads what systemd would be told, until a message has `wanted` in it.
    fn told(&self, wanted: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut buffer = [0; 4096];
        while Instant::now() < deadline {
            let length = self.notify.recv(&mut buffer).expect("the daemon goes on talking");
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.contains(wanted) {
                return message;
            }
        }
        panic!("systemd was never told {wanted}; the log:\n{}", self.log());
    }

    /// Forgets what systemd was told so far.
    fn forget(&self) {
        self.notify.set_nonblocking(true).unwrap();
        while self.notify.recv(&mut [0; 4096]).is_ok() {}
        self.notify.set_nonblocking(false).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.root.join("log")).unwrap_or_default()
    }

    fn ask(&self, words: &[&str]) -> Output {
        let config = self.root.join("branchline.toml");
        Command::new(BINARY).args(words).arg("--config").arg(config).output().unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.daemon.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Box {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Every port is the system's choice, and media ports are a free block, so that tests run side by side.
fn configure(root: &Path, more: &str) {
    let root_text = root.display();
    let start = u16::try_from(std::process::id() % 12).unwrap();
    let is_free = |base: &u16| [0, 2, 4].iter().all(|more| UdpSocket::bind(("0.0.0.0", base + more)).is_ok());
    let taken_before = fs::read_to_string(root.join("media-port")).ok().and_then(|text| text.parse().ok());
    let mut candidates = (0..12).map(|step| 20_000 + (start + step) % 12 * 1000);
    let media: u16 = taken_before.or_else(|| candidates.find(is_free)).expect("free ports");
    fs::write(root.join("media-port"), media.to_string()).unwrap();
    let (trunk, first, last) = (media + 2, media + 4, media + 903);
    let text = format!(
        "[office]\nid = \"BRU\"\n[paths]\nstate-dir = \"{root_text}/state\"\nruntime-dir = \"{root_text}/run\"\n\
         [[sip.listen]]\ntransport = \"tls\"\naddress = \"127.0.0.1:0\"\n\
         [https]\naddress = \"127.0.0.1:0\"\n[metrics]\naddress = \"127.0.0.1:0\"\n\
         [media]\nwebrtc-port = {media}\ntrunk-port = {trunk}\nphone-ports = \"{first}-{last}\"\n{more}"
    );
    fs::write(root.join("branchline.toml"), text).unwrap();
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn systemd_hears_ready_reloading_watchdog_and_stopping() {
    let mut unit = Box::start("life");
    assert!(unit.told("READY=1").contains("STATUS=BRU: 0 calls, 0 devices"));
    unit.told("WATCHDOG=1");

    unit.signal("-HUP");
    let reloading = unit.told("RELOADING=1");
    let moment = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(moment.parse::<u64>().unwrap() > 0);
    unit.told("READY=1");

    configure(&unit.root, "[log]\nlevle = \"info\"\n");
    unit.signal("-HUP");
    unit.told("RELOADING=1");
    assert!(
        unit.told("READY=1").contains("config-refused"),
        "the former configuration stays, and it is said"
    );
    assert!(unit.log().contains("did you mean `level`?"));
    let refused = unit.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(65), "systemctl reload fails");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("did you mean `level`?"));
    assert!(unit.ask(&["status"]).status.success(), "asked in spite of the bad file");

    configure(&unit.root, "");
    unit.signal("-TERM");
    unit.told("STOPPING=1");
    assert!(unit.daemon.wait().unwrap().success(), "{}", unit.log());
}

#[test]
fn the_command_line_and_the_daemon_work_together() {
    let mut unit = Box::start("together");
    unit.told("READY=1");
    let status: serde_json::Value = serde_json::from_str(&stdout(&unit.ask(&["status", "--json"]))).unwrap();
    assert_eq!(status["office"], "BRU");
    assert_eq!(status["state"], "ready");
    assert_eq!(status["pid"], unit.daemon.id());
    assert!(unit.ask(&["extension", "add", "1001-1006", "--json"]).status.success());
    let listed: serde_json::Value =
        serde_json::from_str(&stdout(&unit.ask(&["extension", "list", "--json"]))).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 6);
    assert!(stdout(&unit.ask(&["reload"])).starts_with("configuration read"));
    let again = unit.ask(&["run"]);
    assert_eq!(again.status.code(), Some(71));
    assert!(String::from_utf8_lossy(&again.stderr).contains("another daemon answers there"));

    unit.daemon.kill().unwrap();
    unit.daemon.wait().unwrap();
    assert_eq!(unit.ask(&["status"]).status.code(), Some(69), "after kill -9 nobody answers");
    unit.forget();
    unit.daemon = Box::spawn(&unit.root);
    unit.told("READY=1");
    assert!(unit.ask(&["status"]).status.success(), "what the dead one left does not hinder");
}

#[test]
fn a_bad_configuration_ends_with_78_and_says_why() {
    let root = std::env::temp_dir().join(format!("bl-daemon-bad-{}", std::process::id()));
    fs::create_dir_all(&root).unwrap();
    configure(&root, "[calls]\nmaximum = 3\n");
    let output =
        Command::new(BINARY).args(["run", "--config"]).arg(root.join("branchline.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("branchline.toml:18:1: calls.maximum: unknown key; expected one of max,"),
        "{said}"
    );
    fs::remove_dir_all(root).unwrap();
}
