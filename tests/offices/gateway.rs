//! Calls through the federation's gateway: two offices that reach nothing but port 443 of the centre, where the controller
//! runs.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use branchline::shell::pki::client_config;
use peers::certs::Identity;
use peers::office::Setup;
use peers::process::{Process, Scratch};
use peers::wan::{Host, Wan};
use peers::{Failure, Outcome};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use crate::federation::{Branch, Federation, with_asterisk};
use crate::over_links::call;
use crate::{BINARY, in_a_network};

const SOON: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

/// The centre: a host where the controller runs, with its gateway on port 443.
struct Centre {
    host: Host,
    scratch: Scratch,
    ca: PathBuf,
    key: String,
    process: Process,
}

impl Centre {
    async fn open(federation: &mut Federation) -> Outcome<Self> {
        let host = federation.wan.host()?;
        let scratch = Scratch::new("centre")?;
        let address = host.address().to_string();
        let own = private(federation.authority.issue("gateway", &[&address])?)?;
        let ca = federation.authority.certificate().to_owned();
        let words = |path: &Path| path.display().to_string();
        let (pair, ca_words) = ((words(&own.certificate), words(&own.key)), words(&ca));
        let text = format!(
            "listen = \"{address}:9443\"\ndatabase = {:?}\ncertificate = {:?}\nkey = {:?}\nbrokers = [{:?}]\n\
             broker-ca = {ca_words:?}\nbroker-certificate = {:?}\nbroker-key = {:?}\nsigning-key = {:?}\n\
             [gateway]\nlisten = \"{address}:443\"\nhost = \"{address}\"\ncertificate = {:?}\nkey = {:?}\n\
             ca = {ca_words:?}\n",
            words(&scratch.join("federation.db")),
            pair.0,
            pair.1,
            federation.broker.url(),
            pair.0,
            pair.1,
            words(&federation.scratch.join("ops-2026.key")),
            pair.0,
            pair.1,
        );
        std::fs::write(scratch.join("controller.toml"), text)?;
        let file = words(&scratch.join("controller.toml"));
        let add =
            Command::new(BINARY).args(["controller", "key", "add", "test", "--config", &file]).output()?;
        let key = String::from_utf8_lossy(&add.stdout).trim().to_owned();
        let mut command = host.place().dying_with_us(Path::new(BINARY));
        command.args(["controller", "run", "--config", &file]);
        let mut process = Process::start("controller", command, &scratch.join("controller.log"))?;
        process.wait_for_log("the gateway is open", SOON).await?;
        process.wait_for_log("serving", SOON).await?;
        Ok(Self { host, scratch, ca, key, process })
    }

    /// Asks the controller, and expects this status.
    async fn expect(&self, status: u16, method: &str, path: &str, body: Value) -> Outcome<Value> {
        let address = SocketAddr::new(self.host.address(), 9443);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /api/v1/voip/federation/{path} HTTP/1.1\r\nHost: centre\r\nConnection: close\r\n\
             Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        let name = rustls::pki_types::ServerName::from(address.ip());
        let stream = TcpStream::connect(address).await?;
        let config = client_config(&self.ca, None)?;
        let mut stream = TlsConnector::from(config).connect(name, stream).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        if answer.split(' ').nth(1) != Some(&status.to_string()) {
            return Err(self.process.failure(&format!("{method} {path}: {status} expected, not {answer}")));
        }
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        Ok(serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// A token with which an office may connect, and its number.
    async fn token(&self, office: &str, life: &str) -> Outcome<(String, i64)> {
        let wish = json!({ "office": office, "name": "its box", "permissions": ["connect"], "life": life });
        let made = self.expect(201, "POST", "tokens", wish).await?;
        Ok((made["token"].as_str().unwrap_or_default().to_owned(), made["id"].as_i64().unwrap_or_default()))
    }

    /// Waits until the gateway's figures please.
    async fn until(&self, what: &str, is_right: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let end = Instant::now() + SOON;
        loop {
            let figures = self.expect(200, "GET", "gateway", Value::Null).await?;
            if is_right(&figures) {
                return Ok(figures);
            }
            if Instant::now() > end {
                return Err(self.process.failure(&format!("the gateway never says {what}: {figures:#}")));
            }
            sleep(POLL).await;
        }
    }

    async fn refuses(&self, why: &str) -> Outcome {
        let count = |figures: &Value| figures["counts"]["refused-connections"][why].as_u64();
        self.until(why, |figures| count(figures).is_some_and(|count| count > 0)).await.map(drop)
    }

    /// An office that reaches others only through the gateway; its token is in this file.
    async fn branch(&self, federation: &mut Federation, id: &'static str, token: &str) -> Outcome<Branch> {
        let file = self.token_file(id);
        write(&file, token)?;
        let credential = format!("name = \"gateway\"\ntoken-file = {:?}", file.display().to_string());
        let setup: Setup = with_asterisk().with("[federation.credential]", credential);
        federation.branch(id, setup).await
    }

    fn token_file(&self, id: &str) -> PathBuf {
        self.scratch.join(&format!("{id}.token"))
    }

    /// From now on an office shows this token.
    async fn shows(&self, branch: &Branch, token: &str) -> Outcome {
        write(&self.token_file(branch.id), token)?;
        branch.office.cli(&["reload"]).await.map(drop)
    }

    fn link(&self) -> Value {
        json!({
            "id": "gateway", "kind": "ApiGateway", "address": format!("wss://{}/sip", self.host.address()),
            "credentials": "gateway",
            "health": { "probe": "1s", "timeout": "500ms", "fail-after": 2, "recover-after": 1 },
        })
    }
}

#[test]
fn calls_through_the_gateway() -> Outcome {
    in_a_network(through_the_gateway)
}

async fn through_the_gateway(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let centre = Centre::open(&mut federation).await?;
    for office in ["BRU", "PAR"] {
        centre.expect(201, "POST", "offices", json!({ "id": office })).await?;
    }
    let (of_par, _) = centre.token("PAR", "1h").await?;
    let (past, _) = centre.token("BRU", "1s").await?;
    let (of_bru, id) = centre.token("BRU", "1h").await?;
    let par = centre.branch(&mut federation, "PAR", &of_par).await?;
    let bru = centre.branch(&mut federation, "BRU", "").await?;
    for (here, there) in [(&bru, &par), (&par, &bru)] {
        federation.push(here, &json!([centre.link()]), &json!([there.route(&["gateway"])]))?;
    }
    refused(&centre, &bru, &of_par, &past).await?;

    centre.shows(&bru, &of_bru).await?;
    let both = |figures: &Value| ["BRU", "PAR"].iter().all(|one| !figures["connections"][one].is_null());
    centre.until("that both are there", both).await?;
    link_is(&bru, "up").await?;
    link_is(&par, "up").await?;
    call(&bru, &par).await?;
    call(&par, &bru).await?;

    centre.expect(200, "PUT", "offices/BRU/permissions", json!({ "may-call": [] })).await?;
    sleep(Duration::from_secs(3)).await;
    fails(&bru, "PAR-1001").await?;
    centre.until("that BRU may not", |seen| seen["counts"]["refused"]["not-permitted"] == 1).await?;
    call(&par, &bru).await?;
    centre.expect(200, "PUT", "offices/BRU/permissions", json!({ "may-call": null })).await?;

    centre.expect(204, "DELETE", &format!("tokens/{id}"), Value::Null).await?;
    centre.until("that BRU is gone", |seen| seen["connections"]["BRU"].is_null()).await?;
    centre.refuses("token-revoked").await?;
    fails(&bru, "PAR-1001").await?;
    par.office.close().await?;
    bru.office.close().await
}

/// Nobody gets in without a token, with another office's, or with one that is past its date.
async fn refused(centre: &Centre, bru: &Branch, of_par: &str, past: &str) -> Outcome {
    centre.refuses("no-token").await?;
    link_is(bru, "down").await?;
    fails(bru, "PAR-1001").await?;
    centre.shows(bru, of_par).await?;
    centre.refuses("token-of-other-office").await?;
    centre.shows(bru, past).await?;
    centre.refuses("token-expired").await?;
    fails(bru, "PAR-1001").await?;
    let figures = centre.expect(200, "GET", "gateway", Value::Null).await?;
    assert_eq!(figures["connections"]["BRU"], Value::Null, "{figures}");
    Ok(())
}

/// A call that leads nowhere is refused at once.
async fn fails(here: &Branch, number: &str) -> Outcome {
    let (_, alice) = here.office.phone().await?;
    let began = Instant::now();
    alice.call(number)?.refused_by_any().await?;
    assert!(began.elapsed() < Duration::from_secs(3), "after {:?}", began.elapsed());
    Ok(())
}

async fn link_is(branch: &Branch, state: &str) -> Outcome {
    let end = Instant::now() + SOON;
    loop {
        let links = branch.office.json(&["links"]).await?;
        if links.as_array().is_some_and(|links| links.iter().any(|link| link["state"] == state)) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(Failure::new(format!("{}: the gateway is not {state}: {links}", branch.id)));
        }
        sleep(POLL).await;
    }
}

fn private(identity: Identity) -> Outcome<Identity> {
    std::fs::set_permissions(&identity.key, std::fs::Permissions::from_mode(0o600))?;
    Ok(identity)
}

fn write(file: &Path, secret: &str) -> Outcome {
    std::fs::write(file, secret)?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}
