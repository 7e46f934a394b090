//! Three offices, their broker, and central ops.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use peers::asterisk;
use peers::broker::Broker;
use peers::certs::{Authority, Identity};
use peers::office::{Office, Setup};
use peers::process::Scratch;
use peers::wan::{self, Host, Wan};
use peers::{Failure, Outcome};
use serde_json::{Value, json};

use crate::BINARY;

/// Where an office takes other offices' connections.
const PORT: u16 = 5062;

/// The whole federation.
pub(crate) struct Federation {
    pub(crate) wan: Wan,
    pub(crate) scratch: Scratch,
    pub(crate) authority: Authority,
    pub(crate) broker: Broker,
    ops: Identity,
    route_key: String,
    revision: u64,
}

/// An office and the host that it stands on.
pub(crate) struct Branch {
    pub(crate) host: Host,
    pub(crate) office: Office,
    pub(crate) id: &'static str,
}

impl Federation {
    pub(crate) async fn new(wan: Wan) -> Outcome<Self> {
        let scratch = Scratch::new("federation")?;
        let authority = Authority::new(&scratch.join("ca"))?;
        let mut broker = Broker::prepare_at(wan::TEST.into(), "broker", &scratch, &authority)?;
        broker.run().await?;
        let ops = private(authority.issue("central-ops", &["ops"])?)?;
        let mut federation =
            Self { wan, scratch, authority, broker, ops, route_key: String::new(), revision: 0 };
        let key: Value = serde_json::from_str(&federation.type_in(&["keygen", "ops-2026", "--json"])?)?;
        federation.route_key = format!("ops-2026 = {}", key["route-key"]);
        Ok(federation)
    }

    /// An office on a host of its own, with an Asterisk unless told otherwise.
    pub(crate) async fn branch(&mut self, id: &'static str, setup: Setup) -> Outcome<Branch> {
        let host = self.wan.host()?;
        let setup = self.known_to_all(id, setup, &host)?.at(host.place());
        let office = Office::open(BINARY, setup).await?;
        Ok(Branch { host, office, id })
    }

    fn known_to_all(&self, id: &'static str, setup: Setup, host: &Host) -> Outcome<Setup> {
        let address = host.address().to_string();
        let own = private(self.authority.issue(id, &[&address])?)?;
        let (ca, certificate, key) =
            (self.authority.certificate().display(), own.certificate.display(), own.key.display());
        let identity = format!("ca = \"{ca}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"");
        Ok(Setup { office: id, ..setup }
            .with("federation", format!("address = \"{address}:{PORT}\"\n{identity}"))
            .with("federation", format!("udp-address = \"{address}:5064\"\nmain-number = \"+3225551000\""))
            .with("uplink", format!("brokers = [\"{}\"]\n{identity}", self.broker.url()))
            .with("uplink", "keep-alive = \"5s\"\nretry-min = \"200ms\"\nretry-max = \"1s\"")
            .with("uplink.route-keys", self.route_key.clone()))
    }

    /// Has ops push an office's links and routes, and waits until they are in force.
    pub(crate) fn push(&mut self, branch: &Branch, links: &Value, routes: &Value) -> Outcome<Value> {
        self.push_with(branch, links, routes, &json!({}))
    }

    /// The same with further fields of the set.
    pub(crate) fn push_with(
        &mut self,
        branch: &Branch,
        links: &Value,
        routes: &Value,
        more: &Value,
    ) -> Outcome<Value> {
        self.revision += 1;
        let mut set = json!({
            "v": 1, "office": branch.id, "revision": self.revision, "issued": "2026-11-21T09:00:00Z",
            "probation": "1s", "links": links, "routes": routes,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            set[key] = value.clone();
        }
        let file = format!("{}.json", branch.id);
        std::fs::write(self.scratch.join(&file), set.to_string())?;
        let broker = self.broker.url();
        let path = |path: &Path| path.display().to_string();
        let (ca, cert, key) =
            (path(self.authority.certificate()), path(&self.ops.certificate), path(&self.ops.key));
        let access = ["--broker", &broker, "--ca", &ca, "--cert", &cert, "--key", &key];
        let words = ["push", &file, "--signing-key", "ops-2026.key", "--json"];
        let words: Vec<&str> = words.into_iter().chain(access).collect();
        Ok(serde_json::from_str(&self.type_in(&words)?)?)
    }

    /// `branchline ops …` in ops' directory.
    pub(crate) fn type_in(&self, words: &[&str]) -> Outcome<String> {
        let mut command = Command::new(BINARY);
        let state: PathBuf = self.scratch.join("state");
        command.arg("ops").args(words).current_dir(self.scratch.path()).env("XDG_STATE_HOME", state);
        let output = command.output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(format!("branchline ops {}: {}\n{said}", words.join(" "), output.status)))
    }
}

impl Branch {
    /// A link to this office by SIP over TLS.
    pub(crate) fn sip_link(&self) -> Value {
        json!({
            "id": format!("{}-sip", self.id.to_lowercase()), "kind": "SipTrunk", "office": self.id,
            "address": format!("sip:{}:{PORT};transport=tls", self.host.address()),
            "health": { "probe": "1s", "timeout": "500ms", "fail-after": 2, "recover-after": 2 },
        })
    }

    /// The route to this office over these links.
    pub(crate) fn route(&self, links: &[&str]) -> Value {
        json!({ "pattern": format!("{}-*", self.id), "office": self.id, "links": links })
    }
}

/// Extensions 1001 to 1010, with an Asterisk.
pub(crate) fn with_asterisk() -> Setup {
    let extensions = "1001-1020".to_owned();
    let asterisk = asterisk::Setup { extensions: extensions.clone(), ..asterisk::Setup::default() };
    Setup { asterisk: Some(asterisk), extensions, ..Setup::default() }
}

/// The same without.
pub(crate) fn alone() -> Setup {
    Setup { extensions: "1001-1020".to_owned(), ..Setup::without_asterisk() }
}

fn private(identity: Identity) -> Outcome<Identity> {
    std::fs::set_permissions(&identity.key, std::fs::Permissions::from_mode(0o600))?;
    Ok(identity)
}
