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
    /// The broker that ops use.
    pub(crate) broker: Broker,
    /// The one that the boxes take when they lose the first.
    pub(crate) second: Option<Broker>,
    ops: Identity,
    first_broker: String,
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
        let mut broker = Broker::prepare_at(wan::BROKERS.into(), "broker", &scratch, &authority)?;
        broker.run().await?;
        let ops = private(authority.issue("central-ops", &["ops"])?)?;
        let (first_broker, route_key) = (broker.url(), String::new());
        let mut federation =
            Self { wan, scratch, authority, broker, second: None, ops, first_broker, route_key, revision: 0 };
        let key: Value = serde_json::from_str(&federation.type_in(&["keygen", "ops-2026", "--json"])?)?;
        federation.route_key = format!("ops-2026 = {}", key["route-key"]);
        Ok(federation)
    }

    /// The same with a second broker, which knows nothing of the first.
    pub(crate) async fn with_two_brokers(wan: Wan) -> Outcome<Self> {
        let mut federation = Self::new(wan).await?;
        let (scratch, authority) = (&federation.scratch, &federation.authority);
        let mut second = Broker::prepare_at(wan::BROKERS.into(), "second", scratch, authority)?;
        second.run().await?;
        federation.second = Some(second);
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
        let own = private(self.authority.issue(id, &[&address, &name_of(id)])?)?;
        let (ca, certificate, key) =
            (self.authority.certificate().display(), own.certificate.display(), own.key.display());
        let brokers: Vec<String> = self.brokers().map(|broker| format!("{:?}", broker.url())).collect();
        let identity = format!("ca = \"{ca}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"");
        Ok(Setup { office: id, ..setup }
            .with("federation", format!("address = \"{address}:{PORT}\"\n{identity}"))
            .with(
                "federation",
                format!("udp-address = \"{address}:5064\"\nmain-number = \"{}\"", main_number(id)),
            )
            .with("uplink", format!("brokers = [{}]\n{identity}", brokers.join(", ")))
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
        let mut set = json!({ "links": links, "routes": routes });
        for (key, value) in more.as_object().into_iter().flatten() {
            set[key] = value.clone();
        }
        self.push_sets(vec![(branch.id, set)])
    }

    /// The links and routes of several offices at once.
    pub(crate) fn push_all(&mut self, sets: &[(&'static str, Value, Value)]) -> Outcome<Value> {
        let sets = sets.iter().map(|(id, links, routes)| (*id, json!({ "links": links, "routes": routes })));
        self.push_sets(sets.collect())
    }

    fn push_sets(&mut self, sets: Vec<(&'static str, Value)>) -> Outcome<Value> {
        self.revision += 1;
        let mut files = Vec::new();
        for (id, mut set) in sets {
            let frame = json!({
                "v": 1, "office": id, "revision": self.revision, "issued": "2026-11-21T09:00:00Z", "probation": "1s",
            });
            for (key, value) in frame.as_object().into_iter().flatten() {
                set[key] = value.clone();
            }
            let file = format!("{id}.json");
            std::fs::write(self.scratch.join(&file), set.to_string())?;
            files.push(file);
        }
        // Ops name all brokers, and need not know which of them lives.
        let mut brokers: Vec<String> = self.brokers().map(Broker::url).collect();
        brokers.sort_by_key(|broker| *broker != self.first_broker);
        let brokers: Vec<&str> = brokers.iter().flat_map(|broker| ["--broker", broker.as_str()]).collect();
        let path = |path: &Path| path.display().to_string();
        let (ca, cert, key) =
            (path(self.authority.certificate()), path(&self.ops.certificate), path(&self.ops.key));
        let access = ["--ca", &ca, "--cert", &cert, "--key", &key];
        let words = ["--signing-key", "ops-2026.key", "--json"];
        let files = files.iter().map(String::as_str);
        let words: Vec<&str> =
            std::iter::once("push").chain(files).chain(words).chain(brokers).chain(access).collect();
        Ok(serde_json::from_str(&self.type_in(&words)?)?)
    }

    fn brokers(&self) -> impl Iterator<Item = &Broker> {
        std::iter::once(&self.broker).chain(&self.second)
    }

    /// The revision that was pushed last.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }

    /// The broker that is used and the other one change places.
    pub(crate) fn swap_brokers(&mut self) {
        if let Some(second) = &mut self.second {
            std::mem::swap(&mut self.broker, second);
        }
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

/// The name that an office's certificate bears beside its address.
pub(crate) fn name_of(id: &str) -> String {
    format!("{}.example", id.to_lowercase())
}

/// The number under which people outside call an office.
pub(crate) fn main_number(id: &str) -> &'static str {
    match id {
        "BRU" => "+3225551000",
        "PAR" => "+33155551000",
        _ => "+12125551000",
    }
}

/// A topic of an office.
pub(crate) fn topic(id: &str, name: &str) -> String {
    format!("branchline/v1/{id}/{name}")
}

fn private(identity: Identity) -> Outcome<Identity> {
    std::fs::set_permissions(&identity.key, std::fs::Permissions::from_mode(0o600))?;
    Ok(identity)
}
