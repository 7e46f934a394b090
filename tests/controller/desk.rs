//! A desk of central ops with a controller: its process, its key, its REST.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use peers::broker::Broker;
use peers::office::{Office, Setup};
use peers::postgres::Postgres;
use peers::process::{Process, dying_with_us};
use peers::{Failure, Outcome};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::BINARY;
use crate::sites::{self, SOON, Site};

const POLL: Duration = Duration::from_millis(100);

/// A controller over one broker.
pub(crate) struct Desk {
    directory: PathBuf,
    route_key: String,
    pub(crate) key: String,
    process: Process,
    starts: u32,
    pub(crate) address: String,
}

/// How a controller is set up.
#[derive(Default)]
pub(crate) struct Plan<'a> {
    /// A name of its own below the site, where there are several.
    pub(crate) name: &'a str,
    /// On a server, not in a file.
    pub(crate) database: Option<&'a Postgres>,
    /// Further lines of its configuration.
    pub(crate) lines: &'a str,
    /// Its name at the broker, where that is not its own.
    pub(crate) client_id: Option<&'a str>,
    /// Whose keys it shares; it has keys of its own otherwise.
    pub(crate) beside: Option<&'a Desk>,
}

/// An answer of REST.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Desk {
    /// Makes keys and a configuration file, and starts the controller.
    pub(crate) async fn open(site: &Site, brokers: &[&Broker]) -> Outcome<Self> {
        Self::planned(site, brokers, Plan::default()).await
    }

    /// The same as planned.
    pub(crate) async fn planned(site: &Site, brokers: &[&Broker], plan: Plan<'_>) -> Outcome<Self> {
        let directory = site.scratch.join(&format!("controller{}", plan.name));
        std::fs::create_dir_all(&directory)?;
        let route_key = if let Some(other) = plan.beside {
            std::fs::copy(other.directory.join("ops-2026.key"), directory.join("ops-2026.key"))?;
            other.route_key.clone()
        } else {
            let made = branchline(&directory, &["ops", "keygen", "ops-2026", "--json"])?;
            let made: Value = serde_json::from_str(&made)?;
            format!("ops-2026 = {}", made["route-key"])
        };
        configure(site, brokers, &plan, &directory)?;
        let add = ["controller", "key", "add", "test", "--config", "controller.toml"];
        let key = match plan.beside {
            Some(other) => other.key.clone(),
            None => branchline(&directory, &add)?.trim().to_owned(),
        };
        let process = start(&directory, 0)?;
        let mut desk = Self { directory, route_key, key, process, starts: 0, address: String::new() };
        desk.serving().await?;
        Ok(desk)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// `kill -9`, and up again.
    pub(crate) async fn kill_and_restart(&mut self) -> Outcome {
        self.process.kill();
        self.starts += 1;
        self.process = start(&self.directory, self.starts)?;
        self.serving().await
    }

    /// The box of an office that takes this desk's signatures.
    pub(crate) async fn office(&self, site: &Site, broker: &Broker, office: &'static str) -> Outcome<Office> {
        let own = site.authority.issue(office, &[office])?;
        let setup = sites::setup(&[broker], site.authority.certificate(), &own, "");
        let setup = Setup { office, ..setup }.with("uplink.route-keys", self.route_key.clone());
        Office::open(BINARY, setup).await
    }

    /// Asks as ops do.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> Outcome<Told> {
        self.ask_as(&[("Authorization", &format!("Bearer {}", self.key))], method, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Outcome<Value> {
        Ok(self.ask("GET", path, Value::Null).await?.body)
    }

    /// Asks, and expects this status.
    pub(crate) async fn expect(&self, status: u16, method: &str, path: &str, body: Value) -> Outcome<Value> {
        let told = self.ask(method, path, body).await?;
        if told.status == status {
            return Ok(told.body);
        }
        Err(Failure::new(format!("{method} {path}: {status} expected, {told:#?}\n{}", self.process.log())))
    }

    /// Asks with these headers.
    pub(crate) async fn ask_as(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Value,
    ) -> Outcome<Told> {
        let request = self.request(headers, method, path, &body);
        told(TcpStream::connect(&self.address).await?, &request).await
    }

    /// A request as text.
    pub(crate) fn request(&self, headers: &[(&str, &str)], method: &str, path: &str, body: &Value) -> String {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let headers = headers.collect::<Vec<_>>().concat();
        format!(
            "{method} /api/v1/voip/federation/{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
    }

    /// Asks until the answer pleases.
    pub(crate) async fn until(&self, path: &str, is_right: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let end = Instant::now() + SOON;
        loop {
            let last = self.get(path).await?;
            if is_right(&last) {
                return Ok(last);
            }
            if Instant::now() > end {
                return Err(Failure::new(format!(
                    "{path} is not as it should be: {last:#}\n{}",
                    self.process.log()
                )));
            }
            sleep(POLL).await;
        }
    }

    /// An office with one link, which nobody answers and so is disabled, and one route.
    pub(crate) async fn furnish(&self, office: &str) -> Outcome {
        let settings = json!({ "id": office, "name": format!("Office {office}"), "probation": "1s" });
        self.expect(201, "POST", "offices", settings).await?;
        let link = json!({ "at": office, "id": "nyc-sip", "kind": "SipTrunk", "office": "NYC",
            "address": "sip:nyc.example:5061;transport=tls", "disabled": true });
        self.expect(201, "POST", "links", link).await?;
        let route =
            json!({ "at": office, "pattern": "NYC-*", "office": "NYC", "links": ["nyc-sip"], "strip": 4 });
        self.expect(201, "POST", "routes", route).await.map(drop)
    }

    /// Every file of the controller, as bytes.
    pub(crate) fn files(&self) -> Outcome<Vec<u8>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            all.extend(std::fs::read(entry?.path())?);
        }
        Ok(all)
    }

    async fn serving(&mut self) -> Outcome {
        self.process.wait_for_log("serving", SOON).await?;
        let end = Instant::now() + SOON;
        while Instant::now() < end {
            let log = self.process.log();
            let url = log.lines().find(|line| line.starts_with("http"));
            if let Some((_, address)) = url.and_then(|url| url.split_once("://")) {
                address.clone_into(&mut self.address);
                return Ok(());
            }
            sleep(POLL).await;
        }
        Err(self.process.failure("it does not say where it serves"))
    }
}

/// Sends a request and reads the answer to its end.
pub(crate) async fn told(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Outcome<Told> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let status = status.ok_or_else(|| Failure::new(format!("no answer: {answer}")))?;
    Ok(Told { status, body: serde_json::from_str(body).unwrap_or(Value::Null) })
}

fn configure(site: &Site, brokers: &[&Broker], plan: &Plan<'_>, directory: &Path) -> Outcome {
    let own = site.authority.issue(&format!("controller{}", plan.name), &["controller"])?;
    std::fs::set_permissions(&own.key, std::fs::Permissions::from_mode(0o600))?;
    let file = |path: &Path| format!("{:?}", path.display().to_string());
    let database = match plan.database {
        None => file(&directory.join("federation.db")),
        Some(server) => format!(
            "{:?}\ndatabase-password = {}\ndatabase-ca = {}",
            server.url(),
            file(&server.password()),
            file(site.authority.certificate())
        ),
    };
    let text = format!(
        "listen = \"127.0.0.1:0\"\ndatabase = {database}\nbrokers = {:?}\nbroker-ca = {}\n\
         broker-certificate = {}\nbroker-key = {}\nsigning-key = {}\nclient-id = {:?}\n{}\n",
        brokers.iter().map(|broker| broker.url()).collect::<Vec<_>>(),
        file(site.authority.certificate()),
        file(&own.certificate),
        file(&own.key),
        file(&directory.join("ops-2026.key")),
        plan.client_id.map_or_else(|| format!("controller{}", plan.name), str::to_owned),
        plan.lines,
    );
    Ok(std::fs::write(directory.join("controller.toml"), text)?)
}

fn start(directory: &Path, number: u32) -> Outcome<Process> {
    let mut command = dying_with_us(Path::new(BINARY));
    command.args(["controller", "run", "--config", "controller.toml"]).current_dir(directory);
    Process::start("controller", command, &directory.join(format!("controller-{number}.log")))
}

fn branchline(directory: &Path, words: &[&str]) -> Outcome<String> {
    let output = Command::new(BINARY).args(words).current_dir(directory).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::new(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr))))
}
