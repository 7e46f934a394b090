//! `scripts/run` as a person or a program uses it: one command, then calls.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use peers::phone::{Algorithm, Phone, Settings, TlsIdentity, Transport};
use peers::process::Scratch;
use peers::{Failure, Outcome, ports};
use serde_json::Value;

const GAP: Duration = Duration::from_millis(60);
const LISTEN: Duration = Duration::from_secs(2);
/// What `--port-base` moves.
const SPAN: u16 = 1900;

/// What one `scripts/run` keeps in its directory; stopped at the end of the test.
struct Site {
    scratch: Scratch,
    base: String,
}

impl Site {
    fn new(name: &str) -> Outcome<Self> {
        let base = ports::free_block([127, 0, 0, 1].into(), SPAN)?.to_string();
        Ok(Self { scratch: Scratch::new(name)?, base })
    }

    fn dir(&self) -> PathBuf {
        self.scratch.join("site")
    }

    fn script(&self, words: &[&str]) -> Outcome<Output> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/run");
        Ok(Command::new(script).args(words).arg("--dir").arg(self.dir()).output()?)
    }

    fn start(&self, more: &[&str]) -> Outcome<Value> {
        let binary = env!("CARGO_BIN_EXE_branchline");
        let mut words = vec!["--detach", "--json", "--address", "127.0.0.1", "--binary", binary];
        words.extend(["--port-base", &self.base]);
        words.extend(more);
        let output = self.script(&words)?;
        if !output.status.success() {
            return Err(Failure::new(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The processes whose command line names our directory.
    fn processes(&self) -> Outcome<Vec<String>> {
        let ours = self.dir().display().to_string();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let line = std::fs::read(entry?.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&ours) {
                found.push(line);
            }
        }
        Ok(found)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.script(&["--stop", "--purge"]);
    }
}

fn text<'a>(what: &'a Value, key: &str) -> Outcome<&'a str> {
    what[key].as_str().ok_or_else(|| Failure::new(format!("no {key} in {what}")))
}

/// The settings of the phone of the extension at this place in the list.
fn phone(site: &Value, place: usize, tls: bool) -> Outcome<Settings> {
    let extension = &site["extensions"][place];
    let uri = text(site, if tls { "sip_tls" } else { "sip_udp" })?;
    let address = uri.trim_start_matches("sip:").split(';').next().unwrap_or_default();
    let mut settings = Settings::new(text(extension, "extension")?, address.parse()?)
        .with_password(text(extension, "password")?, Algorithm::Sha256);
    if tls {
        let authority = text(site, "ca")?.into();
        let server_name = "127.0.0.1".to_owned();
        settings = settings.over(Transport::Tls(TlsIdentity { authority, server_name, own: None }));
    }
    Ok(settings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_command_is_enough_for_the_first_call() -> Outcome {
    let site = Site::new("run-script")?;
    let made = site.start(&[])?;
    assert_eq!(made["extensions"].as_array().map(Vec::len), Some(6));
    for secret in ["credentials.json", "instance.json", "ca/ca.key", "ca/issued/server.key", "branchline.log"]
    {
        let rights = std::fs::metadata(site.dir().join(secret))?.permissions().mode();
        assert_eq!(rights & 0o077, 0, "{secret} is for its owner alone");
    }

    let mut ann = Phone::open(phone(&made, 0, false)?).await?;
    let mut bob = Phone::open(phone(&made, 1, true)?).await?;
    ann.register().await?;
    bob.register().await?;
    let mut echo = ann.call("600")?;
    echo.answered().await?;
    echo.media().send_tone(440.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    echo.media().hear(LISTEN).await.expect_tone(440.0, GAP)?;
    echo.hang_up().await?;

    let cli = format!("{} core show hints", text(&made, "asterisk_cli")?);
    let hints = Command::new("sh").args(["-c", &cli]).output()?;
    assert!(String::from_utf8_lossy(&hints.stdout).contains("1006"), "Asterisk knows all extensions");

    let again = site.start(&[])?;
    assert_eq!(again, made, "a second run says what runs");
    let status = site.script(&["--status"])?;
    assert!(status.status.success() && String::from_utf8_lossy(&status.stdout).contains("is ready"));

    assert!(site.script(&["--stop"])?.status.success());
    assert_eq!(site.processes()?, Vec::<String>::new(), "nothing runs any more");
    assert_eq!(site.script(&["--status"])?.status.code(), Some(3));
    let restarted = site.start(&[])?;
    assert_eq!(restarted["extensions"], made["extensions"], "credentials stay");
    assert!(site.script(&["--stop", "--purge"])?.status.success());
    assert!(!site.dir().exists(), "nothing is left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_asterisk_extensions_call_each_other_and_two_sites_run_side_by_side() -> Outcome {
    let (one, other) = (Site::new("run-alone")?, Site::new("run-beside")?);
    let made = one.start(&["--no-asterisk"])?;
    let beside = other.start(&["--no-asterisk"])?;
    assert!(made["asterisk_cli"].is_null());
    assert_ne!(made["https"], beside["https"]);
    assert_ne!(made["extensions"], beside["extensions"], "credentials are each site's own");

    let ann = Phone::open(phone(&made, 0, true)?).await?;
    let mut bob = Phone::open(phone(&made, 1, false)?).await?;
    bob.register().await?;
    let mut calling = ann.call("1002")?;
    let called = bob.called().await?.answer().await?;
    calling.answered().await?;
    called.media().send_tone(700.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    calling.media().hear(LISTEN).await.expect_tone(700.0, GAP)?;
    calling.hang_up().await?;

    assert!(one.script(&["--stop"])?.status.success());
    assert!(other.script(&["--status"])?.status.success(), "the other one goes on");
    Ok(())
}

#[test]
fn what_is_wrong_is_said() -> Outcome {
    let site = Site::new("run-wrong")?;
    for words in [["--port-base", "80"], ["--address", "localhost"], ["--flub", "1"]] {
        assert_eq!(site.script(&words)?.status.code(), Some(64), "{words:?}");
    }
    let taken = std::net::TcpListener::bind(format!("127.0.0.1:{}", site.base.parse::<u16>()? + 1))?;
    let failure = site.start(&["--no-asterisk"]).err().map(|failure| failure.to_string()).unwrap_or_default();
    assert!(failure.contains("other ports: --port-base"), "{failure}");
    assert_eq!(site.processes()?, Vec::<String>::new(), "what was started is ended again");
    drop(taken);
    site.start(&["--no-asterisk"])?;
    Ok(())
}
